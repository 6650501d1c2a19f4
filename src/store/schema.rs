//! The table's columns, and crashes as columns.
//!
//! Plain types that every engine reads: texts, integers, timestamps in microseconds, lists and maps of texts.

use std::sync::{Arc, LazyLock};

use deltalake::arrow::array::{
    ArrayRef, Date32Array, Float64Builder, Int64Array, ListBuilder, MapBuilder, MapFieldNames, RecordBatch,
    StringBuilder, StructBuilder, TimestampMicrosecondArray,
};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use deltalake::arrow::error::ArrowError;

use super::crash::Crash;

/// The partition's column.
pub const DAY: &str = "day";

/// Columns of a file: all but the partition's.
pub static FILE: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(columns(&DataType::Utf8))));
/// Columns of a table, the partition's last.
pub static TABLE: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = columns(&DataType::Utf8);
    fields.push(Field::new(DAY, DataType::Date32, true));
    Arc::new(Schema::new(fields))
});
/// The columns of a file as queries see them: texts that are compared without being copied.
pub static QUERY_FILE: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(columns(&DataType::Utf8View))));
/// The same of a table.
pub static QUERY: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = columns(&DataType::Utf8View);
    fields.push(Field::new(DAY, DataType::Date32, true));
    Arc::new(Schema::new(fields))
});

/// Columns whose least and greatest value the table keeps for each file.
pub const MEASURED: &[&str] =
    &["id", "time", "application", "version", "host", "signal", "class", "fingerprint", "build_id"];
/// Columns with bloom filters.
pub const BLOOM: &[&str] = &["id", "fingerprint", "host", "build_id"];

fn columns(text: &DataType) -> Vec<Field> {
    let field = |name: &str| Field::new(name, text.clone(), true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    vec![
        Field::new("id", text.clone(), true),
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        field("application"),
        field("version"),
        field("host"),
        field("signal"),
        field("signal_code"),
        field("class"),
        field("certainty"),
        field("rule"),
        field("verdict"),
        field("fingerprint"),
        field("stack_hash"),
        field("rules"),
        field("top_frame"),
        field("executable"),
        field("build_id"),
        field("arch"),
        field("thread"),
        number("pid"),
        number("threads"),
        number("bytes"),
        Field::new("frames", DataType::List(element(DataType::Utf8)), true),
        Field::new("modules", DataType::List(element(DataType::Struct(module()))), true),
        Field::new("vars", map(DataType::Utf8), true),
        Field::new("attrs", map(DataType::Utf8), true),
        Field::new("attrs_num", map(DataType::Float64), true),
        Field::new("figures", map(DataType::Float64), true),
    ]
}

fn element(of: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", of, true))
}

fn module() -> Fields {
    vec![Field::new("name", DataType::Utf8, true), Field::new("build_id", DataType::Utf8, true)].into()
}

fn map(value: DataType) -> DataType {
    let entries: Fields = vec![Field::new("key", DataType::Utf8, false), Field::new("value", value, true)].into();
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

fn map_names() -> MapFieldNames {
    MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() }
}

/// Days since 1970-01-01, in UTC.
pub fn day_number(crash: &Crash) -> i32 {
    let seconds = crash.timestamp().map_or(0, |time| time.as_second());
    i32::try_from(seconds.div_euclid(86_400)).unwrap_or(0)
}

/// Crashes as columns of [`FILE`].
pub fn file_batch(crashes: &[Crash]) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(FILE.clone(), arrays(crashes)?)
}

/// Crashes as columns of [`QUERY`].
pub fn query_batch(crashes: &[Crash]) -> Result<RecordBatch, ArrowError> {
    let mut arrays = arrays(crashes)?;
    for array in arrays.iter_mut().filter(|array| *array.data_type() == DataType::Utf8) {
        *array = cast(array, &DataType::Utf8View)?;
    }
    arrays.push(Arc::new(Date32Array::from_iter_values(crashes.iter().map(day_number))));
    RecordBatch::try_new(QUERY.clone(), arrays)
}

fn arrays(crashes: &[Crash]) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(FILE.fields().len());
    let texts = |get: &dyn Fn(&Crash) -> Option<&str>| -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(crashes.len(), crashes.len() * 16);
        crashes.iter().for_each(|crash| builder.append_option(get(crash)));
        Arc::new(builder.finish())
    };
    let numbers =
        |get: &dyn Fn(&Crash) -> Option<i64>| -> ArrayRef { Arc::new(crashes.iter().map(get).collect::<Int64Array>()) };
    arrays.push(texts(&|crash| Some(&crash.id)));
    let micros = crashes.iter().map(|crash| crash.timestamp().map(|time| time.as_microsecond()));
    arrays.push(Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC")));
    arrays.push(texts(&|crash| crash.application.as_deref()));
    arrays.push(texts(&|crash| crash.version.as_deref()));
    arrays.push(texts(&|crash| crash.host.as_deref()));
    arrays.push(texts(&|crash| crash.signal.as_deref()));
    arrays.push(texts(&|crash| crash.signal_code.as_deref()));
    arrays.push(texts(&|crash| crash.class.as_deref()));
    arrays.push(texts(&|crash| crash.certainty.as_deref()));
    arrays.push(texts(&|crash| crash.rule.as_deref()));
    arrays.push(texts(&|crash| crash.verdict.as_deref()));
    arrays.push(texts(&|crash| Some(&crash.fingerprint)));
    arrays.push(texts(&|crash| crash.stack_hash.as_deref()));
    arrays.push(texts(&|crash| crash.rules.as_deref()));
    arrays.push(texts(&|crash| crash.top_frame.as_deref()));
    arrays.push(texts(&|crash| crash.executable.as_deref()));
    arrays.push(texts(&|crash| crash.build_id.as_deref()));
    arrays.push(texts(&|crash| crash.arch.as_deref()));
    arrays.push(texts(&|crash| crash.thread.as_deref()));
    arrays.push(numbers(&|crash| crash.pid));
    arrays.push(numbers(&|crash| crash.threads));
    arrays.push(numbers(&|crash| Some(crash.bytes)));

    let mut frames = ListBuilder::new(StringBuilder::new()).with_field(element(DataType::Utf8));
    for crash in crashes {
        crash.frames.iter().for_each(|frame| frames.values().append_value(frame));
        frames.append(true);
    }
    arrays.push(Arc::new(frames.finish()));

    let builder = StructBuilder::from_fields(module(), crashes.len());
    let mut modules = ListBuilder::new(builder).with_field(element(DataType::Struct(module())));
    let wrong = || ArrowError::SchemaError("modules".to_owned());
    for crash in crashes {
        for module in &crash.modules {
            let row = modules.values();
            row.field_builder::<StringBuilder>(0).ok_or_else(wrong)?.append_value(&module.name);
            row.field_builder::<StringBuilder>(1).ok_or_else(wrong)?.append_option(module.build_id.as_deref());
            row.append(true);
        }
        modules.append(true);
    }
    arrays.push(Arc::new(modules.finish()));

    for is_variable in [true, false] {
        let mut builder = MapBuilder::new(Some(map_names()), StringBuilder::new(), StringBuilder::new());
        for crash in crashes {
            for (key, value) in if is_variable { &crash.vars } else { &crash.attrs } {
                builder.keys().append_value(key);
                builder.values().append_value(value);
            }
            builder.append(true)?;
        }
        arrays.push(Arc::new(builder.finish()));
    }
    for is_attribute in [true, false] {
        let mut builder = MapBuilder::new(Some(map_names()), StringBuilder::new(), Float64Builder::new());
        for crash in crashes {
            let mut add = |key: &str, value: f64| {
                builder.keys().append_value(key);
                builder.values().append_value(value);
            };
            match is_attribute {
                true => crash.numbers().for_each(|(key, value)| add(key, value)),
                false => crash.figures.iter().for_each(|(key, value)| add(key, *value)),
            }
            builder.append(true)?;
        }
        arrays.push(Arc::new(builder.finish()));
    }
    Ok(arrays)
}
