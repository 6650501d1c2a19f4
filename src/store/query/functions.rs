//! What queries can say beyond SQL: values of maps, versions in their order, patterns of frames.

use std::sync::Arc;

use deltalake::arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Float64Builder, ListArray, MapArray, StringArray, StringBuilder,
    StringViewArray, StringViewBuilder,
};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::{ScalarValue, exec_err, plan_err};
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use deltalake::datafusion::prelude::SessionContext;

/// Registers all of them.
pub fn register(context: &SessionContext) {
    all().for_each(|function| context.register_udf(function));
    context.register_udaf(super::distinct::function());
}

/// All of them.
pub fn all() -> impl Iterator<Item = ScalarUDF> {
    [Kind::MapGet, Kind::VersionKey, Kind::HasFrame, Kind::HasFrames].into_iter().map(udf)
}

/// A function, to be called.
pub fn udf(kind: Kind) -> ScalarUDF {
    ScalarUDF::new_from_impl(Function { kind, signature: Signature::any(kind.arguments(), Volatility::Immutable) })
}

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `map_get(map, 'key')`: the value, null where there is none.
    MapGet,
    /// `version_key(version)`: a text that sorts as versions do, 1.9 before 1.10.
    VersionKey,
    /// `has_frame(frames, 'parse_*')`: one of the frames is such.
    HasFrame,
    /// `has_frames(frames, 'a..b*..c')`: such frames follow each other, innermost first, others between them.
    HasFrames,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    kind: Kind,
    signature: Signature,
}

impl Kind {
    fn arguments(self) -> usize {
        if self == Kind::VersionKey { 1 } else { 2 }
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        match self.kind {
            Kind::MapGet => "map_get",
            Kind::VersionKey => "version_key",
            Kind::HasFrame => "has_frame",
            Kind::HasFrames => "has_frames",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match (self.kind, arguments.first()) {
            (Kind::MapGet, Some(DataType::Map(entries, _))) => match entries.data_type() {
                DataType::Struct(fields) => match fields.get(1).map(|field| field.data_type()) {
                    Some(DataType::Float64) => Ok(DataType::Float64),
                    _ => Ok(DataType::Utf8View),
                },
                _ => plan_err!("map_get: not a map"),
            },
            (Kind::MapGet, _) => {
                plan_err!("map_get(map, 'key'): the first argument is attrs, attrs_num, vars or figures")
            }
            (Kind::VersionKey, _) => Ok(DataType::Utf8View),
            (Kind::HasFrame | Kind::HasFrames, Some(DataType::List(_))) => Ok(DataType::Boolean),
            (Kind::HasFrame | Kind::HasFrames, _) => plan_err!("{}(frames, 'pattern')", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(first) = args.args.first() else { return exec_err!("{}: no argument", self.name()) };
        let array = first.to_array(args.number_rows)?;
        let text = || match args.args.get(1) {
            Some(ColumnarValue::Scalar(
                ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            )) => Ok(text.as_str()),
            _ => exec_err!("{}: the second argument must be a text", self.name()),
        };
        let array: ArrayRef = match self.kind {
            Kind::MapGet => map_get(&array, text()?)?,
            Kind::VersionKey => version_keys(&array)?,
            Kind::HasFrame => Arc::new(has_frames(&array, &[Pattern::new(text()?)])?),
            Kind::HasFrames => {
                let patterns: Vec<Pattern> = text()?.split("..").map(Pattern::new).collect();
                Arc::new(has_frames(&array, &patterns)?)
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// The values of a key; null where a map has none.
pub fn map_get(array: &ArrayRef, key: &str) -> Result<ArrayRef> {
    let Some(map) = array.as_any().downcast_ref::<MapArray>() else { return exec_err!("map_get: not a map") };
    let Some(keys) = map.keys().as_any().downcast_ref::<StringArray>() else {
        return exec_err!("map_get: the keys are no texts");
    };
    let offsets = map.value_offsets();
    let found = (0..map.len()).map(|row| {
        let (start, end) = (*offsets.get(row)?, *offsets.get(row + 1)?);
        if map.is_null(row) {
            return None;
        }
        (start as usize..end as usize).find(|at| keys.value(*at) == key)
    });
    if let Some(values) = map.values().as_any().downcast_ref::<Float64Array>() {
        let mut builder = Float64Builder::with_capacity(map.len());
        found.for_each(|at| builder.append_option(at.filter(|at| values.is_valid(*at)).map(|at| values.value(at))));
        return Ok(Arc::new(builder.finish()));
    }
    let Some(values) = map.values().as_any().downcast_ref::<StringArray>() else {
        return exec_err!("map_get: the values are neither texts nor numbers");
    };
    let mut builder = StringViewBuilder::with_capacity(map.len());
    found.for_each(|at| builder.append_option(at.filter(|at| values.is_valid(*at)).map(|at| values.value(at))));
    Ok(Arc::new(builder.finish()))
}

fn version_keys(array: &ArrayRef) -> Result<ArrayRef> {
    let array = cast(array, &DataType::Utf8View)?;
    let Some(texts) = array.as_any().downcast_ref::<StringViewArray>() else {
        return exec_err!("version_key: not a text");
    };
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    let mut last: Option<(&str, String)> = None;
    for text in texts.iter() {
        match (text, &last) {
            (None, _) => builder.append_null(),
            // Versions come in runs.
            (Some(text), Some((known, key))) if *known == text => builder.append_value(key),
            (Some(text), _) => {
                let key = version_key(text);
                builder.append_value(&key);
                last = Some((text, key));
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// A text whose order is that of versions: numbers by their value, `1.2-rc1` before `1.2` before `1.2.1`.
pub fn version_key(version: &str) -> String {
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    // What follows `+` says nothing of the order (Semantic Versioning 2.0.0, 10).
    let version = version.split('+').next().unwrap_or_default();
    let mut key = String::with_capacity(version.len() + 16);
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        if is_digit {
            let digits = part.trim_start_matches('0');
            // How many digits comes before which.
            key.push_str(&format!("2{:03}{digits}", digits.len().min(999)));
        } else {
            for c in part.chars() {
                match c {
                    // An end sorts as `1`: behind what comes before a release, in front of what comes after.
                    '.' | '_' => key.push('3'),
                    '-' | '~' => key.push('0'),
                    c => {
                        key.push('2');
                        key.push(c);
                    }
                }
            }
        }
        rest = behind;
    }
    key.push('1');
    key
}

/// A pattern with `*`.
struct Pattern {
    parts: Vec<String>,
}

impl Pattern {
    fn new(text: &str) -> Pattern {
        Pattern { parts: text.trim().split('*').map(str::to_owned).collect() }
    }

    fn matches(&self, text: &str) -> bool {
        let Some((first, parts)) = self.parts.split_first() else { return false };
        // Names of one program begin alike: where the pattern's beginning ends, most differ.
        if let Some(last) = first.len().checked_sub(1)
            && text.as_bytes().get(last) != first.as_bytes().get(last)
        {
            return false;
        }
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
        for part in middle {
            let Some(at) = memchr::memmem::find(rest.as_bytes(), part.as_bytes()) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last.as_str())
    }
}

fn has_frames(array: &ArrayRef, patterns: &[Pattern]) -> Result<BooleanArray> {
    let Some(lists) = array.as_any().downcast_ref::<ListArray>() else { return exec_err!("has_frame: not a list") };
    let Some(frames) = lists.values().as_any().downcast_ref::<StringArray>() else {
        return exec_err!("has_frame: not a list of texts");
    };
    let offsets = lists.value_offsets();
    let rows = (0..lists.len()).map(|row| {
        let (Some(start), Some(end)) = (offsets.get(row), offsets.get(row + 1)) else { return false };
        let mut wanted = patterns.iter();
        let mut next = wanted.next();
        for at in *start as usize..*end as usize {
            let Some(pattern) = next else { return true };
            if pattern.matches(frames.value(at)) {
                next = wanted.next();
            }
        }
        next.is_none()
    });
    Ok(rows.collect())
}

/// Only for what builds texts row by row.
pub fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use deltalake::arrow::array::ListBuilder;

    #[test]
    fn versions_sort_as_people_count() {
        let sorted = ["0.9", "1.2-alpha", "1.2-rc1", "1.2-rc2", "1.2", "1.2.1", "1.2.9", "1.2.10", "1.10", "2"];
        let keys: Vec<String> = sorted.iter().map(|version| version_key(version)).collect();
        for (pair, names) in keys.windows(2).zip(sorted.windows(2)) {
            assert!(pair[0] < pair[1], "{} before {}: {pair:?}", names[0], names[1]);
        }
        assert_eq!(version_key("v1.02+build7"), version_key("1.2"));
    }

    #[test]
    fn frames_are_found_in_order() {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for frame in ["memcpy", "parse_header", "handle", "main"] {
            builder.values().append_value(frame);
        }
        builder.append(true);
        builder.append(true);
        let array: ArrayRef = Arc::new(builder.finish());
        let found = |text: &str| {
            let patterns: Vec<Pattern> = text.split("..").map(Pattern::new).collect();
            let found = has_frames(&array, &patterns).unwrap();
            assert!(!found.value(1), "an empty stack has no frame");
            found.value(0)
        };
        assert!(found("parse_*") && found("*header") && found("mem*..main") && found("parse_*..handle..main"));
        assert!(!found("parse_") && !found("main..memcpy") && !found("handle..handle"));
    }
}
