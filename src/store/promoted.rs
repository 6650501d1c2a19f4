//! Hot attributes as columns of their own: a question about one reads that column, not the map of all.
//!
//! Compaction promotes what many crashes have ([`hot`]): the table gets a column `attr_KEY`, and `num_KEY` where the values are
//! numbers; its field says of which attribute it is. Files that are written from then on have it, and the map `attrs` still
//! has everything. For files of before, the map is looked up in the column's place, so that both read the same ([`Fallback`]).

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, AsArray, RecordBatch};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::arrow::error::ArrowError;
use deltalake::datafusion::common::tree_node::{Transformed, TreeNode};
use deltalake::datafusion::config::ConfigOptions;
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::ScalarUDF;
use deltalake::datafusion::physical_expr::expressions::{Column, lit};
use deltalake::datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use deltalake::datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use super::query::functions::{Kind, map_get, udf};

/// The field's metadata that names the attribute.
const ATTRIBUTE: &str = "obit.attribute";
/// Rows of a day from which on anything is promoted.
const LEAST_ROWS: usize = 1000;
/// One of so many rows must have an attribute that is promoted.
const SHARE: usize = 5;
/// Bytes that its values have at most, on average.
const LONGEST: usize = 48;
/// Columns of a table that attributes are promoted to.
pub(super) const MOST: usize = 24;

/// A promoted attribute.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Promoted {
    /// The column.
    pub column: String,
    /// The attribute.
    pub key: String,
    /// Its values as numbers, else as texts.
    pub is_number: bool,
}

impl Promoted {
    fn new(key: &str, is_number: bool) -> Promoted {
        let name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let prefix = if is_number { "num" } else { "attr" };
        Promoted { column: format!("{prefix}_{name}"), key: key.to_owned(), is_number }
    }

    /// The column's type in files.
    pub fn file_type(&self) -> DataType {
        if self.is_number { DataType::Float64 } else { DataType::Utf8 }
    }

    /// Its type in queries.
    fn query_type(&self) -> DataType {
        if self.is_number { DataType::Float64 } else { DataType::Utf8View }
    }

    /// The map that it is promoted out of.
    pub(super) fn map(&self) -> &'static str {
        if self.is_number { "attrs_num" } else { "attrs" }
    }

    /// Its values out of the map, which is the column `at` of rows of that schema.
    pub fn from_map(&self, at: usize, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
        let map = Arc::new(Column::new(self.map(), at));
        let function: Arc<ScalarUDF> = Arc::new(udf(Kind::MapGet));
        let options = Arc::new(ConfigOptions::default());
        let call = ScalarFunctionExpr::try_new(function, vec![map, lit(self.key.as_str())], schema, options)?;
        Ok(Arc::new(call))
    }

    /// What a table's field says of itself.
    pub fn metadata(&self) -> [(&'static str, String); 1] {
        [(ATTRIBUTE, self.key.clone())]
    }

    fn values(&self, batch: &RecordBatch, to: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
        let wrong = |problem: String| ArrowError::SchemaError(format!("{}: {problem}", self.key));
        let map = batch.column_by_name(self.map()).ok_or_else(|| wrong(format!("no {}", self.map())))?;
        let values = map_get(map, &self.key).map_err(|error| wrong(error.to_string()))?;
        cast(&values, to)
    }
}

/// Those that a table has.
pub fn of_table(schema: &Schema) -> Vec<Promoted> {
    let fields = schema.fields().iter().filter_map(|field| {
        let key = field.metadata().get(ATTRIBUTE)?;
        let is_number = *field.data_type() == DataType::Float64;
        Some(Promoted { column: field.name().clone(), key: key.clone(), is_number })
    });
    fields.take(MOST).collect()
}

/// Those that a day's rows ask for and the table does not have yet.
pub fn hot(batch: &RecordBatch, known: &[Promoted], taken: &Schema) -> Vec<Promoted> {
    let Some(attributes) = batch.column_by_name("attrs").and_then(|map| map.as_map_opt()) else { return Vec::new() };
    let numbers = batch.column_by_name("attrs_num").and_then(|map| map.as_map_opt());
    if batch.num_rows() < LEAST_ROWS {
        return Vec::new();
    }
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    let (Some(keys), Some(values)) =
        (attributes.keys().as_string_opt::<i32>(), attributes.values().as_string_opt::<i32>())
    else {
        return Vec::new();
    };
    for (key, value) in keys.iter().zip(values.iter()) {
        if let (Some(key), Some(value)) = (key, value) {
            let (count, bytes) = counts.entry(key).or_default();
            *count += 1;
            *bytes += value.len();
        }
    }
    let mut of_numbers: HashMap<&str, usize> = HashMap::new();
    if let Some(keys) = numbers.and_then(|map| map.keys().as_string_opt::<i32>()) {
        keys.iter().flatten().for_each(|key| *of_numbers.entry(key).or_default() += 1);
    }
    let is_plain =
        |key: &str| key.len() <= 64 && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    let mut hot: Vec<(&str, usize)> = counts
        .iter()
        .filter(|(key, (count, bytes))| {
            count.saturating_mul(SHARE) >= batch.num_rows() && bytes / count.max(&1) <= LONGEST && is_plain(key)
        })
        .map(|(key, (count, _))| (*key, *count))
        .collect();
    hot.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let mut found: Vec<Promoted> = Vec::new();
    for (key, count) in hot {
        // Nine of ten are numbers.
        let is_number = of_numbers.get(key).is_some_and(|numbers| numbers * 10 >= count * 9);
        for promoted in
            [Some(Promoted::new(key, false)), is_number.then(|| Promoted::new(key, true))].into_iter().flatten()
        {
            let has_name = |other: &Promoted| other.column.eq_ignore_ascii_case(&promoted.column);
            let is_taken = found.iter().chain(known).any(has_name) || taken.field_with_name(&promoted.column).is_ok();
            if !is_taken && found.len() + known.len() < MOST {
                found.push(promoted);
            }
        }
    }
    found
}

/// A file's rows with the promoted columns.
pub fn in_file(batch: &RecordBatch, promoted: &[Promoted]) -> std::result::Result<RecordBatch, ArrowError> {
    added(batch, promoted, Promoted::file_type)
}

/// The same of rows as queries see them: in front of the partition's column, which is the last.
pub fn in_query(batch: &RecordBatch, promoted: &[Promoted]) -> std::result::Result<RecordBatch, ArrowError> {
    let partition = batch.num_columns().saturating_sub(1);
    let with = added(batch, promoted, Promoted::query_type)?;
    let order: Vec<usize> = (0..partition).chain(partition + 1..with.num_columns()).chain([partition]).collect();
    with.project(&order)
}

fn added(
    batch: &RecordBatch,
    promoted: &[Promoted],
    kind: fn(&Promoted) -> DataType,
) -> std::result::Result<RecordBatch, ArrowError> {
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for one in promoted {
        fields.push(Arc::new(Field::new(&one.column, kind(one), true)));
        columns.push(one.values(batch, &kind(one))?);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// A schema of queries with the promoted columns.
pub fn schema(of: &SchemaRef, promoted: &[Promoted]) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = of.fields().iter().cloned().collect();
    fields.extend(promoted.iter().map(|one| Arc::new(Field::new(&one.column, one.query_type(), true))));
    Arc::new(Schema::new(fields))
}

/// Reads a promoted column of a file that does not have it: out of the map.
#[derive(Debug)]
pub struct Fallback {
    /// The table's.
    pub promoted: Arc<[Promoted]>,
}

impl PhysicalExprAdapterFactory for Fallback {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let missing =
            self.promoted.iter().filter(|one| physical.field_with_name(&one.column).is_err()).cloned().collect();
        let usual = DefaultPhysicalExprAdapterFactory.create(logical.clone(), physical)?;
        Ok(Arc::new(OfFile { missing, logical, usual }))
    }
}

#[derive(Debug)]
struct OfFile {
    missing: Vec<Promoted>,
    logical: SchemaRef,
    usual: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapter for OfFile {
    fn rewrite(&self, expression: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        if self.missing.is_empty() {
            return self.usual.rewrite(expression);
        }
        let replaced = expression.transform_up(|expression| {
            let expression_of: &dyn std::any::Any = expression.as_ref();
            let column = expression_of.downcast_ref::<Column>();
            let Some(one) = column.and_then(|column| self.missing.iter().find(|one| one.column == column.name()))
            else {
                return Ok(Transformed::no(expression));
            };
            let call = one.from_map(self.logical.index_of(one.map())?, &self.logical)?;
            Ok(Transformed::yes(call))
        });
        self.usual.rewrite(replaced?.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fleet::Fleet;
    use crate::store::schema::{FILE, file_batch};

    #[test]
    fn what_many_crashes_have_is_hot() {
        let fleet = Fleet::default();
        let mut crashes: Vec<_> = (0..2000).map(|number| fleet.crash(number, 2000)).collect();
        for (number, crash) in crashes.iter_mut().enumerate() {
            crash.attrs.insert("long".to_owned(), "x".repeat(200));
            crash.attrs.insert("odd key".to_owned(), "x".to_owned());
            if number % 10 == 0 {
                crash.attrs.insert("rare".to_owned(), "x".to_owned());
            }
        }
        let batch = file_batch(&crashes).unwrap();
        let found = hot(&batch, &[], &FILE);
        let mut names: Vec<&str> = found.iter().map(|one| one.column.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["attr_feature", "attr_latency", "attr_region", "attr_tenant", "num_latency"]);
        assert_eq!(hot(&batch, &found, &FILE), []);
        assert_eq!(hot(&batch.slice(0, 900), &[], &FILE), [], "few rows are no day");
        let with = in_file(&batch, &found).unwrap();
        let tenants = with.column_by_name("attr_tenant").unwrap().as_string::<i32>().clone();
        let latencies = with.column_by_name("num_latency").unwrap();
        let latencies = latencies.as_primitive::<deltalake::arrow::datatypes::Float64Type>();
        for (row, crash) in crashes.iter().enumerate() {
            assert_eq!(tenants.value(row), crash.attrs["tenant"]);
            assert_eq!(latencies.value(row), crash.attrs["latency"].parse::<f64>().unwrap());
        }
    }
}
