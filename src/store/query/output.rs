//! Answers as a table with bars, as JSON, CSV and Parquet.

use std::io::{self, Write};

use deltalake::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray, StringViewArray,
};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Date32Type, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use deltalake::arrow::util::display::{ArrayFormatter, FormatOptions};
use deltalake::parquet::arrow::ArrowWriter;
use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use super::Answer;
use crate::report::style::Paint;
use crate::store::StoreError;
use crate::store::stats::day_text;

/// Characters of the longest bar.
const BAR: usize = 20;
/// Characters of a cell in a table.
const WIDEST: usize = 80;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// One document
    Json,
    /// Comma-separated values, with a line of headings
    Csv,
    /// A Parquet file
    Parquet,
}

/// Every cell as JSON, row by row.
pub fn rows(answer: &Answer) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut rows = Vec::with_capacity(answer.rows());
    for batch in &answer.batches {
        let columns = batch.columns().iter().map(values).collect::<Result<Vec<_>, _>>()?;
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        for _ in 0..batch.num_rows() {
            rows.push(columns.iter_mut().map(|column| column.next().unwrap_or(Value::Null)).collect());
        }
    }
    Ok(rows)
}

/// The columns' names.
pub fn columns(answer: &Answer) -> Vec<String> {
    answer.schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// A column's cells as JSON: times as RFC 3339, maps as objects; what is not finite is null.
pub fn values(array: &ArrayRef) -> Result<Vec<Value>, StoreError> {
    let rows = 0..array.len();
    let of_option = |value: Option<Value>| value.unwrap_or(Value::Null);
    Ok(match array.data_type() {
        DataType::Null => vec![Value::Null; array.len()],
        DataType::Boolean => {
            let array: &BooleanArray = array.as_boolean();
            array.iter().map(|value| of_option(value.map(Value::from))).collect()
        }
        DataType::Utf8 => {
            let array: &StringArray = array.as_string();
            array.iter().map(|value| of_option(value.map(Value::from))).collect()
        }
        DataType::Utf8View => {
            let array: &StringViewArray = array.as_string_view();
            array.iter().map(|value| of_option(value.map(Value::from))).collect()
        }
        DataType::Float64 => {
            let array: &Float64Array = array.as_primitive();
            array.iter().map(|value| of_option(value.and_then(Number::from_f64).map(Value::Number))).collect()
        }
        DataType::Float32 => {
            let array: &Float32Array = array.as_primitive();
            let number = |value: f32| Number::from_f64(f64::from(value)).map(Value::Number);
            array.iter().map(|value| of_option(value.and_then(number))).collect()
        }
        DataType::UInt64 => {
            let array = array.as_primitive::<deltalake::arrow::datatypes::UInt64Type>();
            array.iter().map(|value| of_option(value.map(Value::from))).collect()
        }
        kind if kind.is_integer() => {
            let array = cast(array, &DataType::Int64)?;
            array.as_primitive::<Int64Type>().iter().map(|value| of_option(value.map(Value::from))).collect()
        }
        DataType::Timestamp(..) => {
            let array = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
            let array = array.as_primitive::<TimestampMicrosecondType>();
            array.iter().map(|value| of_option(value.and_then(time_text).map(Value::String))).collect()
        }
        DataType::Date32 => {
            let array = array.as_primitive::<Date32Type>();
            array.iter().map(|value| of_option(value.map(|day| Value::String(day_text(day))))).collect()
        }
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            rows.map(|row| match array.is_null(row) {
                true => Ok(Value::Null),
                false => values(&array.value(row)).map(Value::Array),
            })
            .collect::<Result<_, _>>()?
        }
        DataType::Map(..) => {
            let array = array.as_map();
            rows.map(|row| {
                if array.is_null(row) {
                    return Ok(Value::Null);
                }
                let entries = array.value(row);
                let keys = values(entries.column(0))?;
                let found = keys.into_iter().zip(values(entries.column(1))?);
                let text = |key: Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                Ok(Value::Object(found.map(|(key, value)| (text(key), value)).collect()))
            })
            .collect::<Result<_, StoreError>>()?
        }
        DataType::Struct(fields) => {
            let array = array.as_struct();
            let columns = array.columns().iter().map(values).collect::<Result<Vec<_>, _>>()?;
            rows.map(|row| {
                let object: Map<String, Value> = fields
                    .iter()
                    .zip(&columns)
                    .map(|(field, column)| (field.name().clone(), column.get(row).cloned().unwrap_or(Value::Null)))
                    .collect();
                if array.is_null(row) { Value::Null } else { Value::Object(object) }
            })
            .collect()
        }
        DataType::Dictionary(_, value) => values(&cast(array, value)?)?,
        // Durations, decimals and whatever else SQL can make: as text.
        _ => {
            let formatter = ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default())?;
            rows.map(|row| match array.is_null(row) {
                true => Value::Null,
                false => Value::String(formatter.value(row).to_string()),
            })
            .collect()
        }
    })
}

fn time_text(micros: i64) -> Option<String> {
    let time = Timestamp::from_microsecond(micros).ok()?;
    Some(time.to_string())
}

/// A cell as people read it: times without fractions of a second, nulls as nothing.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => {
            let text = text.as_str();
            let is_time = text.len() > 20 && text.ends_with('Z') && text.get(10..11) == Some("T");
            match text.split_once('.').filter(|_| is_time && text.get(19..20) == Some(".")) {
                Some((seconds, _)) => format!("{seconds}Z"),
                None => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
            }
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => {
                let text = format!("{float:.3}");
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            None => number.to_string(),
        },
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{key}={}", cell(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A table; the first column `count` has bars beside it.
pub fn table(answer: &Answer, out: &mut dyn Write, paint: Paint) -> Result<(), StoreError> {
    let rows = rows(answer)?;
    let names = columns(answer);
    let counts = names.iter().position(|name| name == "count");
    // One bar says nothing.
    let compared = counts.filter(|_| rows.len() > 1);
    let most = compared.and_then(|at| rows.iter().filter_map(|row| row.get(at)?.as_u64()).max()).unwrap_or(0);
    let is_number: Vec<bool> =
        (0..names.len()).map(|at| rows.iter().any(|row| row.get(at).is_some_and(Value::is_number))).collect();
    let cut = |text: String| match text.chars().count() > WIDEST {
        true => text.chars().take(WIDEST - 1).chain(['…']).collect(),
        false => text,
    };
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|value| cut(cell(value))).collect()).collect();
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let widest = cells.iter().filter_map(|row| Some(row.get(at)?.chars().count())).max().unwrap_or(0);
            widest.max(name.chars().count())
        })
        .collect();
    let line = |cells: &[String], bar: Option<String>| {
        let mut text = String::new();
        for (at, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            if at > 0 {
                text.push_str("  ");
            }
            match is_number.get(at) {
                Some(true) => text.extend([padding.as_str(), cell]),
                _ => text.extend([cell, padding.as_str()]),
            }
            if counts == Some(at) {
                text.push(' ');
                text.push_str(bar.as_deref().unwrap_or(&" ".repeat(bar_width(most))));
            }
        }
        text.trim_end().to_owned()
    };
    writeln!(out, "{}", paint.heading(line(&names, None)))?;
    for (row, cells) in rows.iter().zip(&cells) {
        let count = counts.and_then(|at| row.get(at)?.as_u64());
        writeln!(out, "{}", line(cells, count.map(|count| bar(count, most))))?;
    }
    Ok(())
}

fn bar_width(most: u64) -> usize {
    if most > 1 { BAR } else { 0 }
}

/// A bar of eighths.
fn bar(count: u64, most: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let width = bar_width(most);
    if width == 0 {
        return String::new();
    }
    let eighths = (u128::from(count) * width as u128 * 8).div_ceil(u128::from(most.max(1))) as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(EIGHTHS.get(eighths % 8).copied().unwrap_or_default());
    let padding = width.saturating_sub(bar.chars().count());
    bar + &" ".repeat(padding)
}

/// Comma-separated values (RFC 4180). What a spreadsheet would take for a formula is no special case here.
pub fn csv(answer: &Answer, out: &mut dyn Write) -> Result<(), StoreError> {
    let field = |text: &str| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let line = |cells: Vec<String>| cells.iter().map(|cell| field(cell)).collect::<Vec<_>>().join(",");
    writeln!(out, "{}", line(columns(answer)))?;
    for row in rows(answer)? {
        let plain = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        writeln!(out, "{}", line(row.iter().map(plain).collect()))?;
    }
    Ok(())
}

/// A Parquet file.
pub fn parquet(answer: &Answer, out: &mut (dyn Write + Send)) -> Result<(), StoreError> {
    let unusable = |error: deltalake::parquet::errors::ParquetError| StoreError::Query(Box::new(error.into()));
    // Names must differ, and texts are plain ones.
    let fields = answer.schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8View => Field::new(field.name(), DataType::Utf8, true),
        kind => Field::new(field.name(), kind.clone(), true),
    });
    let schema = std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut writer = ArrowWriter::try_new(Forward(out), schema.clone(), None).map_err(unusable)?;
    for batch in &answer.batches {
        let columns = batch.columns().iter().map(|column| match column.data_type() {
            DataType::Utf8View => cast(column, &DataType::Utf8),
            _ => Ok(column.clone()),
        });
        let batch = RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)?;
        writer.write(&batch).map_err(unusable)?;
    }
    writer.close().map_err(unusable)?;
    Ok(())
}

struct Forward<'a>(&'a mut (dyn Write + Send));

impl Write for Forward<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_counts_are_large() {
        assert_eq!(bar(4, 4).trim_end().chars().count(), BAR);
        assert_eq!(bar(2, 4).trim_end().chars().count(), BAR / 2);
        assert_eq!(bar(1, 1_000_000).trim_end(), "▏");
        assert_eq!(bar(1, 1), "");
    }

    #[test]
    fn cells_are_short() {
        assert_eq!(cell(&Value::from("2026-11-26T02:42:56.123456Z")), "2026-11-26T02:42:56Z");
        assert_eq!(cell(&Value::from("a.b")), "a.b");
        assert_eq!(cell(&Value::from(1.5)), "1.5");
        assert_eq!(cell(&Value::from(2.0)), "2");
        assert_eq!(cell(&Value::Null), "");
    }
}
