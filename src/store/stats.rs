//! What the table knows of a file's rows without reading it: how many, and the least and greatest of some columns.
//!
//! Layout: "Per-file Statistics" in delta's PROTOCOL.md. Texts that are long are left out rather than cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::arrow::array::{Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::common::stats::Precision;
use deltalake::datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::schema::{DAY, MEASURED};

/// Longer texts are no statistics.
const LONGEST: usize = 128;

/// Of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Rows, where known.
    pub rows: Option<u64>,
    /// By column.
    pub columns: BTreeMap<String, Column>,
}

/// Of one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Least and greatest; `None` where all are null or one is too long.
    pub range: Option<(Bound, Bound)>,
    /// Nulls.
    pub nulls: u64,
    /// One was too long: there is no range.
    too_long: bool,
}

/// A value.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Bound {
    /// A text.
    Text(String),
    /// Microseconds since 1970.
    Time(i64),
}

impl Stats {
    /// Adds rows.
    pub fn add(&mut self, batch: &RecordBatch) {
        *self.rows.get_or_insert(0) += batch.num_rows() as u64;
        for name in MEASURED {
            let Some(array) = batch.column_by_name(name) else { continue };
            let column = self.columns.entry((*name).to_owned()).or_default();
            column.nulls += array.null_count() as u64;
            if let Some(texts) = array.as_any().downcast_ref::<StringArray>() {
                for text in texts.iter().flatten() {
                    column.add_text(text);
                }
            } else if let Some(times) = array.as_any().downcast_ref::<TimestampMicrosecondArray>() {
                let present = || times.iter().flatten();
                if let Some((least, greatest)) = present().min().zip(present().max()) {
                    column.widen(Bound::Time(least), Bound::Time(greatest));
                }
            }
        }
    }

    /// As delta's log has it.
    pub fn to_json(&self) -> String {
        let mut least = Map::new();
        let mut greatest = Map::new();
        let mut nulls = Map::new();
        for (name, column) in &self.columns {
            nulls.insert(name.clone(), json!(column.nulls));
            if let Some((low, high)) = &column.range {
                least.insert(name.clone(), low.to_json(false));
                greatest.insert(name.clone(), high.to_json(true));
            }
        }
        json!({"numRecords": self.rows.unwrap_or(0), "minValues": least, "maxValues": greatest, "nullCount": nulls})
            .to_string()
    }

    /// Reads delta's; what is not understood is left out.
    pub fn parse(text: &str) -> Stats {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return Stats::default() };
        let mut stats = Stats { rows: value["numRecords"].as_u64(), columns: BTreeMap::new() };
        for name in MEASURED {
            let bound = |side: &str| Bound::parse(name, value[side][*name].as_str()?);
            let range = bound("minValues").zip(bound("maxValues"));
            if let (None, None) = (&range, value["nullCount"][*name].as_u64()) {
                continue;
            }
            let nulls = value["nullCount"][*name].as_u64().unwrap_or(0);
            stats.columns.insert((*name).to_owned(), Column { range, nulls, too_long: false });
        }
        stats
    }

    /// Whether a file with these may have a row of that id.
    pub fn may_have_id(&self, id: &str) -> bool {
        match self.columns.get("id").and_then(|column| column.range.as_ref()) {
            Some((Bound::Text(least), Bound::Text(greatest))) => (least.as_str()..=greatest.as_str()).contains(&id),
            _ => true,
        }
    }

    /// As the query engine has them, for the columns of `schema` but the partition's.
    pub fn for_queries(&self, schema: &SchemaRef, bytes: i64) -> Arc<Statistics> {
        let columns = schema.fields().iter().filter(|field| field.name() != DAY).map(|field| {
            let Some(column) = self.columns.get(field.name()) else { return ColumnStatistics::new_unknown() };
            let mut found = ColumnStatistics::new_unknown();
            found.null_count = Precision::Exact(column.nulls as usize);
            if let Some((least, greatest)) = &column.range {
                // In delta's log times are rounded to milliseconds.
                let precision = |value: ScalarValue| match value {
                    ScalarValue::TimestampMicrosecond(..) => Precision::Inexact(value),
                    value => Precision::Exact(value),
                };
                found.min_value = precision(least.scalar());
                found.max_value = precision(greatest.scalar());
            }
            found
        });
        let rows = self.rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize));
        let total = usize::try_from(bytes).map_or(Precision::Absent, Precision::Inexact);
        Arc::new(Statistics { num_rows: rows, total_byte_size: total, column_statistics: columns.collect() })
    }
}

impl Column {
    fn add_text(&mut self, text: &str) {
        if self.too_long {
            return;
        }
        if text.len() > LONGEST {
            self.too_long = true;
            self.range = None;
            return;
        }
        match &mut self.range {
            Some((Bound::Text(least), Bound::Text(greatest))) => {
                if text < least.as_str() {
                    text.clone_into(least);
                }
                if text > greatest.as_str() {
                    text.clone_into(greatest);
                }
            }
            _ => self.range = Some((Bound::Text(text.to_owned()), Bound::Text(text.to_owned()))),
        }
    }

    fn widen(&mut self, low: Bound, high: Bound) {
        self.range = Some(match self.range.take() {
            None => (low, high),
            Some((least, greatest)) => {
                (if low < least { low } else { least }, if high > greatest { high } else { greatest })
            }
        });
    }
}

impl Bound {
    fn to_json(&self, upwards: bool) -> Value {
        match self {
            Bound::Text(text) => json!(text),
            Bound::Time(micros) => {
                let millis = micros.div_euclid(1000) + i64::from(upwards && micros.rem_euclid(1000) != 0);
                let time = Timestamp::from_millisecond(millis).unwrap_or_default();
                json!(time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
            }
        }
    }

    fn parse(column: &str, text: &str) -> Option<Bound> {
        match column {
            "time" => Some(Bound::Time(text.parse::<Timestamp>().ok()?.as_microsecond())),
            _ => Some(Bound::Text(text.to_owned())),
        }
    }

    fn scalar(&self) -> ScalarValue {
        match self {
            Bound::Text(text) => ScalarValue::Utf8View(Some(text.clone())),
            Bound::Time(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), Some("UTC".into())),
        }
    }
}

/// `2026-11-26`, out of days since 1970-01-01.
pub fn day_text(day: i32) -> String {
    let time = Timestamp::from_second(i64::from(day) * 86_400).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

/// Days since 1970-01-01, out of `2026-11-26`.
pub fn day_number(text: &str) -> Option<i32> {
    let date: Date = text.parse().ok()?;
    let second = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    i32::try_from(second.div_euclid(86_400)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::crash::Crash;
    use crate::store::schema::file_batch;

    #[test]
    fn days_are_numbers_and_texts() {
        assert_eq!(day_number("1970-01-02"), Some(1));
        assert_eq!(day_text(day_number("2026-11-26").unwrap()), "2026-11-26");
        assert_eq!(day_number("x"), None);
    }

    #[test]
    fn statistics_survive_delta_s_log_and_never_exclude_a_row() {
        let crash = |time: &str, host: Option<&str>, class: String| Crash {
            id: format!("id-{time}"),
            time: time.to_owned(),
            host: host.map(str::to_owned),
            class: Some(class),
            ..Crash::default()
        };
        let rows = [
            crash("2026-11-26T02:42:56.1234567Z", Some("b"), "x".repeat(500)),
            crash("2026-11-26T02:42:55Z", None, "y".to_owned()),
        ];
        let mut stats = Stats::default();
        stats.add(&file_batch(&rows).unwrap());
        let read = Stats::parse(&stats.to_json());
        assert_eq!(read.rows, Some(2));
        assert_eq!(read.columns["host"].range, Some((Bound::Text("b".into()), Bound::Text("b".into()))));
        assert_eq!(read.columns["host"].nulls, 1);
        assert_eq!(read.columns["class"].range, None, "a text that is too long is no bound");
        let Some((Bound::Time(least), Bound::Time(greatest))) = read.columns["time"].range else { panic!() };
        for row in &rows {
            let micros = row.timestamp().unwrap().as_microsecond();
            assert!((least..=greatest).contains(&micros));
        }
        assert!(read.may_have_id("id-2026-11-26T02:42:55Z") && !read.may_have_id("id-3"));
        assert!(Stats::default().may_have_id("anything"));
    }
}
