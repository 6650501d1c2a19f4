//! Table and inbox as one table of the query engine, `crashes`.
//!
//! The inbox is read before the table: what an indexer takes from the one is in the other by then. What is in both,
//! between an indexer's commit and its deletes, counts once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::datafusion::catalog::{Session, TableProvider};
use deltalake::datafusion::common::pruning::PrunableStatistics;
use deltalake::datafusion::common::{DFSchema, ScalarValue, Statistics};
use deltalake::datafusion::datasource::TableType;
use deltalake::datafusion::datasource::file_format::FileFormat;
use deltalake::datafusion::datasource::file_format::parquet::ParquetFormat;
use deltalake::datafusion::datasource::listing::PartitionedFile;
use deltalake::datafusion::datasource::memory::MemorySourceConfig;
use deltalake::datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use deltalake::datafusion::datasource::table_schema::TableSchema;
use deltalake::datafusion::error::Result;
use deltalake::datafusion::execution::object_store::ObjectStoreUrl;
use deltalake::datafusion::logical_expr::utils::conjunction;
use deltalake::datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use deltalake::datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use deltalake::datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use deltalake::datafusion::physical_plan::ExecutionPlan;
use deltalake::datafusion::physical_plan::union::UnionExec;
use deltalake::datafusion::prelude::SessionContext;
use object_store::ObjectMeta;

use super::crash::Crash;
use super::index::read_ids;
use super::promoted::{self, Fallback, Promoted};
use super::schema::{DAY, QUERY, QUERY_FILE, query_batch};
use super::stats::Stats;
use super::table::{self, Table, TableFile};
use super::{Bucket, StoreError, inbox};

/// Entries of the inbox that a query takes along; what is beyond waits for the index.
const MOST_WAITING: usize = 100_000;
/// Under this name the query engine finds the table's files.
const STORE: &str = "obit-index://files";
/// Bytes that a file's end is read with: its metadata, mostly.
const FOOTER: usize = 64 << 10;

/// What a query reads.
#[derive(Debug)]
pub struct Crashes {
    /// The store that the files are in.
    pub(super) store: ObjectStoreUrl,
    pub(super) files: Vec<File>,
    /// Rows of the inbox.
    pub(super) waiting: Option<RecordBatch>,
    /// Attributes that are columns.
    promoted: Arc<[Promoted]>,
    /// Columns of files, and all of them: with the partition's.
    schemas: (SchemaRef, SchemaRef),
    /// Whether predicates are evaluated while files are decoded.
    late: bool,
    /// Whether all that is read has two partitions at least.
    spread: bool,
    read: Mutex<Read>,
}

/// A file of the table.
#[derive(Debug, Clone)]
pub struct File {
    /// As the store has it.
    pub(super) meta: ObjectMeta,
    /// Days since 1970-01-01.
    pub(super) day: Option<i32>,
    /// It has the first so many of the columns that attributes were promoted to.
    promoted: usize,
    /// What is known of its rows.
    #[cfg_attr(not(feature = "ballista"), expect(dead_code, reason = "a cluster's nodes are sent it"))]
    pub(super) stats: Arc<Stats>,
    /// The same, as the query engine has it.
    pub(super) statistics: Arc<Statistics>,
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// This program.
    Here,
    /// Others too: they find the files by the bucket's own URL.
    Cluster,
}

/// What was read, for `--explain`.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// Version of the table.
    pub version: Option<u64>,
    /// Its files.
    pub files: usize,
    /// Those that the question needs.
    pub selected: usize,
    /// Bytes of those.
    pub bytes: u64,
    /// Rows out of the inbox.
    pub waiting: usize,
    /// Entries of the inbox that are none, left alone.
    pub refused: usize,
    /// The inbox has more than a query takes along.
    pub more_waiting: bool,
    /// A cluster reads, and which files it needs is not known here.
    pub elsewhere: bool,
    /// Milliseconds until inbox and table were known.
    pub opened_ms: f64,
}

/// Reads the inbox, then the table, and registers both as `crashes`.
pub async fn register(
    bucket: &Bucket,
    context: &SessionContext,
    reader: Reader,
) -> std::result::Result<Arc<Crashes>, StoreError> {
    let start = Instant::now();
    let found = inbox::read(bucket, MOST_WAITING).await?;
    let table = Table::open(bucket).await?;
    let mut read = Read { refused: found.refused.len(), more_waiting: found.more, ..Read::default() };
    let mut files = Vec::new();
    let mut crashes = found.crashes;
    let mut promoted = Vec::new();
    let (store, place) = match reader {
        Reader::Here => (STORE.to_owned(), object_store::path::Path::default()),
        Reader::Cluster => bucket.place(table::DIRECTORY),
    };
    let store = ObjectStoreUrl::parse(store)?;
    if let Some(table) = &table {
        if reader == Reader::Here {
            context.register_object_store(store.as_ref(), table.store());
        }
        read.version = Some(table.version());
        let listed = table.files()?;
        promoted = table.promoted()?;
        let (_, schema) = schemas(&promoted);
        crashes = without_indexed(table, &listed, crashes).await?;
        files = listed.iter().map(|file| File::of(file, &place, &schema)).collect();
    }
    read.elsewhere = reader == Reader::Cluster;
    read.files = files.len();
    read.waiting = crashes.len();
    read.opened_ms = start.elapsed().as_secs_f64() * 1e3;
    let waiting = match crashes.as_slice() {
        [] => None,
        crashes => Some(promoted::in_query(&query_batch(crashes)?, &promoted)?),
    };
    let crashes =
        Arc::new(Crashes { read: Mutex::new(read), ..Crashes::new(store, files, waiting).with_promoted(promoted) });
    context.register_table("crashes", crashes.clone())?;
    Ok(crashes)
}

async fn without_indexed(
    table: &Table,
    files: &[TableFile],
    crashes: Vec<Crash>,
) -> std::result::Result<Vec<Crash>, StoreError> {
    let mut indexed: HashSet<String> = HashSet::new();
    let days: HashSet<i32> = crashes.iter().map(super::schema::day_number).collect();
    for file in files.iter().filter(|file| file.day.is_none_or(|day| days.contains(&day))) {
        if crashes.iter().any(|crash| file.stats.may_have_id(&crash.id)) {
            let ids = read_ids(table, &file.path()).await?;
            indexed.extend(crashes.iter().filter(|crash| ids.contains(&crash.id)).map(|crash| crash.id.clone()));
        }
    }
    Ok(crashes.into_iter().filter(|crash| !indexed.contains(&crash.id)).collect())
}

/// Columns of files, and with the partition's.
pub(super) fn schemas(promoted: &[Promoted]) -> (SchemaRef, SchemaRef) {
    let file = promoted::schema(&QUERY_FILE, promoted);
    let mut fields: Vec<Arc<Field>> = file.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(DAY, DataType::Date32, true)));
    (file, Arc::new(Schema::new(fields)))
}

impl File {
    fn of(file: &TableFile, directory: &object_store::path::Path, schema: &SchemaRef) -> File {
        let location = directory.parts().chain(file.path().parts()).collect();
        File::new(location, file.add.size, file.add.modification_time, file.day, file.stats.clone(), schema)
    }

    /// `size` in bytes, `written` in milliseconds since 1970.
    pub(super) fn new(
        location: object_store::path::Path,
        size: i64,
        written: i64,
        day: Option<i32>,
        stats: Arc<Stats>,
        schema: &SchemaRef,
    ) -> File {
        let since = std::time::Duration::from_millis(u64::try_from(written).unwrap_or(0));
        let last_modified = std::time::UNIX_EPOCH.checked_add(since).unwrap_or(std::time::UNIX_EPOCH).into();
        let bytes = u64::try_from(size).unwrap_or(0);
        let meta = ObjectMeta { location, last_modified, size: bytes, e_tag: None, version: None };
        let promoted = table::promoted_columns(&meta.location);
        File { meta, day, promoted, statistics: stats.for_queries(schema, size), stats }
    }

    /// With the partition's column at the end.
    fn whole_statistics(&self) -> Statistics {
        let mut statistics = self.statistics.as_ref().clone();
        let mut column = deltalake::datafusion::common::ColumnStatistics::new_unknown();
        if let Some(day) = self.day {
            use deltalake::datafusion::common::stats::Precision;
            column.min_value = Precision::Exact(ScalarValue::Date32(Some(day)));
            column.max_value = Precision::Exact(ScalarValue::Date32(Some(day)));
            column.null_count = Precision::Exact(0);
        }
        statistics.column_statistics.push(column);
        statistics
    }
}

impl Crashes {
    /// Files of a store, and rows of the inbox.
    pub fn new(store: ObjectStoreUrl, files: Vec<File>, waiting: Option<RecordBatch>) -> Crashes {
        let schemas = (QUERY_FILE.clone(), QUERY.clone());
        Crashes {
            store,
            files,
            waiting,
            promoted: Arc::from([]),
            schemas,
            late: true,
            spread: false,
            read: Mutex::default(),
        }
    }

    /// For a cluster. Of what has one partition alone, a sort is not cut up among the tasks of a stage: each of them would sort
    /// and give all of it (Ballista 55.0, `restrict_plan_to_partitions`), so that rows were there as often as there are tasks.
    #[cfg(feature = "ballista")]
    pub(super) fn spread(self) -> Crashes {
        Crashes { spread: true, ..self }
    }

    /// With columns for attributes, which `waiting` has and the files are known by.
    pub(super) fn with_promoted(self, promoted: Vec<Promoted>) -> Crashes {
        let schemas = schemas(&promoted);
        Crashes { promoted: promoted.into(), schemas, ..self }
    }

    /// Attributes that are columns.
    pub fn promoted(&self) -> &[Promoted] {
        &self.promoted
    }

    /// What was read by the plans that were made so far.
    pub fn read(&self) -> Read {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets which files were selected: the next plan is another question's.
    pub fn start(&self) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        (read.selected, read.bytes) = (0, 0);
    }

    /// The files that may have rows for which all filters are true.
    fn selected(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&File>> {
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(self.files.iter().collect()) };
        let schema = DFSchema::try_from(self.schemas.1.as_ref().clone())?;
        let predicate = state.create_physical_expr(filter, &schema).and_then(|predicate| {
            PruningPredicateBuilder::new().with_file_schema(self.schemas.1.clone()).try_build(predicate)
        });
        // What cannot be said by least and greatest values excludes no file.
        let Ok(predicate) = predicate else { return Ok(self.files.iter().collect()) };
        let statistics = self.files.iter().map(|file| Arc::new(file.whole_statistics())).collect();
        let keep = predicate.prune(&PrunableStatistics::new(statistics, self.schemas.1.clone()))?;
        Ok(self.files.iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect())
    }

    /// Reads files. What a file has no column for is computed from a map; a condition on that cannot be evaluated while the
    /// file is decoded, and the engine, which decides by the table's columns, would leave it out: such files are decoded first.
    async fn of_files(
        &self,
        state: &dyn Session,
        files: Vec<&File>,
        projection: Option<&Vec<usize>>,
        has_columns: bool,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let day = Arc::new(Field::new(DAY, DataType::Date32, true));
        let schema = TableSchema::builder(self.schemas.0.clone()).with_table_partition_cols(vec![day]).build();
        let files = files.into_iter().map(|file| {
            PartitionedFile::new_from_meta(file.meta.clone())
                .with_partition_values(vec![ScalarValue::Date32(file.day)])
                .with_statistics(file.statistics.clone())
                .with_metadata_size_hint(FOOTER)
        });
        let partitions = state.config().target_partitions();
        let mut groups = FileGroup::new(files.collect()).split_files(partitions.max(1));
        if self.spread && groups.len() == 1 {
            groups.push(FileGroup::default());
        }
        let adapter: Option<Arc<dyn PhysicalExprAdapterFactory>> = match has_columns {
            true => None,
            false => Some(Arc::new(Fallback { promoted: self.promoted.clone() })),
        };
        let late = self.late && has_columns;
        let source = ParquetSource::new(schema)
            .with_pushdown_filters(late)
            .with_reorder_filters(late)
            .with_bloom_filter_on_read(true)
            .with_enable_page_index(false);
        let mut options = source.table_parquet_options().clone();
        options.global.pushdown_filters = late;
        options.global.reorder_filters = late;
        options.global.bloom_filter_on_read = true;
        options.global.enable_page_index = false;
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_expr_adapter(adapter)
            .with_projection_indices(projection.cloned())?
            .build();
        ParquetFormat::default().with_options(options).create_physical_plan(state, config).await
    }
}

#[cfg(feature = "ballista")]
impl Crashes {
    /// Reads files that do not have all columns of attributes, for nodes that are sent the plan: what stands in for a column is
    /// a step of it.
    async fn of_files_without(
        &self,
        state: &dyn Session,
        files: &[&File],
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        use deltalake::datafusion::physical_expr::PhysicalExpr;
        use deltalake::datafusion::physical_expr::expressions::Column;
        use deltalake::datafusion::physical_plan::projection::ProjectionExec;
        let plain = Crashes::new(self.store.clone(), Vec::new(), None).spread();
        let bytes = |file: &File| i64::try_from(file.meta.size).unwrap_or(i64::MAX);
        let files: Vec<File> = files
            .iter()
            .map(|file| File { statistics: file.stats.for_queries(&QUERY, bytes(file)), ..(*file).clone() })
            .collect();
        let all = (0..self.schemas.1.fields().len()).collect();
        let wanted: Vec<Arc<Field>> = projection
            .unwrap_or(&all)
            .iter()
            .filter_map(|index| self.schemas.1.fields().get(*index).cloned())
            .collect();
        let of_map = |field: &Field| self.promoted.iter().find(|one| one.column == *field.name());
        let mut read: Vec<usize> = Vec::new();
        let mut places = Vec::with_capacity(wanted.len());
        for field in &wanted {
            let name = of_map(field).map_or(field.name().as_str(), |one| one.map());
            let index = QUERY.index_of(name)?;
            let place = read.iter().position(|known| *known == index).unwrap_or_else(|| {
                read.push(index);
                read.len() - 1
            });
            places.push(place);
        }
        let plan = plain.of_files(state, files.iter().collect(), Some(&read), true).await?;
        let schema = plan.schema();
        let columns = wanted.iter().zip(places).map(|(field, place)| {
            let column: Arc<dyn PhysicalExpr> = match of_map(field) {
                Some(one) => one.from_map(place, &schema)?,
                None => Arc::new(Column::new(field.name(), place)),
            };
            Ok((column, field.name().clone()))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        if columns.is_empty() {
            return Ok(plan);
        }
        Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
    }
}

#[async_trait::async_trait]
impl TableProvider for Crashes {
    fn schema(&self) -> SchemaRef {
        self.schemas.1.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let selected = self.selected(state, filters)?;
        {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.selected += selected.len();
            read.bytes += selected.iter().map(|file| file.meta.size).sum::<u64>();
        }
        let mut plans: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        let (with, without): (Vec<&File>, Vec<&File>) =
            selected.into_iter().partition(|file| file.promoted >= self.promoted.len());
        for (files, has_columns) in [(with, true), (without, false)] {
            #[cfg(feature = "ballista")]
            if self.spread && !has_columns && !files.is_empty() {
                plans.push(self.of_files_without(state, &files, projection).await?);
                continue;
            }
            if !files.is_empty() {
                plans.push(self.of_files(state, files, projection, has_columns).await?);
            }
        }
        if plans.is_empty() || self.waiting.is_some() {
            let batches: Vec<RecordBatch> = self.waiting.iter().cloned().collect();
            let mut partitions = vec![batches];
            if self.spread {
                partitions.push(Vec::new());
            }
            plans.push(MemorySourceConfig::try_new_exec(&partitions, self.schemas.1.clone(), projection.cloned())?);
        }
        match plans.len() {
            1 => Ok(plans.remove(0)),
            _ => UnionExec::try_new(plans),
        }
    }
}
