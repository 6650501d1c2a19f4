//! The table: Delta Lake, one row a crash, a partition a day.
//!
//! Files are written here and committed through delta's log. Their commits carry an application's transaction
//! ([`INDEX`], [`REWRITE`]), by which two that would undo each other are refused: of two indexers one, of two
//! compactions one. An append and a compaction do not stand in each other's way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake::kernel::{Action, Add, DataType as DeltaType, StructField, StructType, Transaction};
use deltalake::logstore::{StorageConfig, default_logstore};
use deltalake::operations::create::CreateBuilder;
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::basic::{Compression, Encoding, ZstdLevel};
use deltalake::parquet::file::metadata::SortingColumn;
use deltalake::parquet::file::properties::{EnabledStatistics, WriterProperties};
use deltalake::parquet::schema::types::ColumnPath;
use deltalake::protocol::checkpoints::create_checkpoint;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use super::id::random;
use super::promoted::{self, Promoted};
use super::schema::{BLOOM, DAY, FILE, TABLE};
use super::stats::{self, Stats};
use super::{Bucket, StoreError};

/// Where it is.
pub const DIRECTORY: &str = "index";
/// Transactions of indexers.
pub const INDEX: &str = "obit-index";
/// Transactions of what rewrites or removes rows.
pub const REWRITE: &str = "obit-rewrite";
/// What the name of a sorted file begins with.
pub const SORTED: &str = "sorted-";
/// What is in the name of a file in front of the number of columns that attributes were promoted to.
const COLUMNS: &str = "c";
/// Rows of a row group.
const ROW_GROUP: usize = 128 << 10;

/// An opened table.
pub struct Table {
    /// As delta has it.
    pub delta: DeltaTable,
    name: String,
}

/// A file of the table.
#[derive(Clone, Debug)]
pub struct TableFile {
    /// As delta knows it.
    pub add: Add,
    /// What is known of its rows.
    pub stats: Arc<Stats>,
    /// Days since 1970-01-01.
    pub day: Option<i32>,
}

impl TableFile {
    /// Its place below the table's directory.
    pub fn path(&self) -> Path {
        Path::parse(&self.add.path).unwrap_or_else(|_| Path::from(self.add.path.as_str()))
    }

    /// Whether its rows are sorted by fingerprint and time.
    pub fn is_sorted(&self) -> bool {
        self.path().filename().is_some_and(|name| name.starts_with(SORTED))
    }
}

/// Why a commit was not made.
pub enum Refused {
    /// Somebody else's came first: read the table again and try again.
    Conflict,
    /// For another reason.
    Failed(StoreError),
}

impl Table {
    /// Opens the table; `None` where there is none.
    pub async fn open(bucket: &Bucket) -> Result<Option<Table>, StoreError> {
        let mut delta = Table::unopened(bucket)?;
        let failed = |source| Table::failed(bucket.name(), source);
        if !delta.verify_deltatable_existence().await.map_err(failed)? {
            return Ok(None);
        }
        match delta.load().await {
            Ok(()) => Ok(Some(Table { delta, name: bucket.name().to_owned() })),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Opens the table, and makes it where there is none.
    pub async fn create(bucket: &Bucket) -> Result<Table, StoreError> {
        if let Some(table) = Table::open(bucket).await? {
            return Ok(table);
        }
        let schema: StructType = TABLE.as_ref().try_into_kernel()?;
        let log_store = Table::unopened(bucket)?.log_store();
        let created = CreateBuilder::new()
            .with_log_store(log_store)
            .with_table_name("crashes")
            .with_comment("obit: one row a crash")
            .with_columns(schema.fields().cloned())
            .with_partition_columns([DAY])
            .with_configuration([
                ("delta.checkpointInterval", Some("10")),
                ("delta.logRetentionDuration", Some("interval 7 days")),
            ])
            .await;
        match created {
            Ok(delta) => Ok(Table { delta, name: bucket.name().to_owned() }),
            // Somebody else made it meanwhile.
            Err(error) => Table::open(bucket).await?.ok_or_else(|| Table::failed(bucket.name(), error)),
        }
    }

    fn unopened(bucket: &Bucket) -> Result<DeltaTable, StoreError> {
        let place = bucket.below(DIRECTORY)?;
        let options = StorageConfig::default();
        Ok(DeltaTable::new(default_logstore(place.store, place.root, &place.location, &options)))
    }

    fn failed(name: &str, source: DeltaTableError) -> StoreError {
        StoreError::Table { url: name.to_owned(), source: Box::new(source) }
    }

    /// What went wrong with it.
    pub fn error(&self, source: DeltaTableError) -> StoreError {
        Table::failed(&self.name, source)
    }

    /// Reads what was committed since.
    pub async fn update(&mut self) -> Result<(), StoreError> {
        self.delta.update_state().await.map_err(|error| Table::failed(&self.name, error))
    }

    /// Its version; grows with each commit.
    pub fn version(&self) -> u64 {
        self.delta.version().unwrap_or(0)
    }

    /// The store with its files.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.delta.log_store().object_store(None)
    }

    /// Its files.
    pub fn files(&self) -> Result<Vec<TableFile>, StoreError> {
        let state = self.delta.snapshot().map_err(|error| self.error(error))?;
        let files = state.log_data().into_iter().map(|file| {
            let add = Add {
                path: file.path().into_owned(),
                partition_values: file.partition_values_map(),
                size: file.size(),
                modification_time: file.modification_time(),
                stats: file.stats(),
                ..empty_add()
            };
            let stats = add.stats.as_deref().map(Stats::parse).unwrap_or_default();
            let day = add.partition_values.get(DAY).cloned().flatten();
            TableFile { stats: Arc::new(stats), day: day.as_deref().and_then(stats::day_number), add }
        });
        Ok(files.collect())
    }

    /// Attributes that are columns.
    pub fn promoted(&self) -> Result<Vec<Promoted>, StoreError> {
        let state = self.delta.snapshot().map_err(|error| self.error(error))?;
        Ok(promoted::of_table(&state.snapshot().arrow_schema()))
    }

    /// Makes attributes columns; somebody else may be faster with the same.
    pub async fn promote(&mut self, attributes: &[Promoted]) -> Result<(), StoreError> {
        let fields: Vec<StructField> = attributes
            .iter()
            .map(|one| {
                let kind = if one.is_number { DeltaType::DOUBLE } else { DeltaType::STRING };
                StructField::nullable(&one.column, kind).add_metadata(one.metadata())
            })
            .collect();
        match self.delta.clone().add_columns().with_fields(fields).await {
            Ok(_) | Err(DeltaTableError::Transaction { .. }) => self.update().await,
            Err(error) => Err(self.error(error)),
        }
    }

    /// The next number of an application's transactions.
    pub async fn next_transaction(&self, application: &str) -> Result<Transaction, StoreError> {
        let state = self.delta.snapshot().map_err(|error| self.error(error))?;
        let log_store = self.delta.log_store();
        let last = state.transaction_version(log_store.as_ref(), application).await;
        let last = last.map_err(|error| self.error(error))?;
        Ok(Transaction::new(application, last.unwrap_or(0).saturating_add(1)))
    }

    /// Writes rows of one day as a file, which is no part of the table until it is committed.
    pub async fn write(&self, day: i32, batches: &[RecordBatch], sorted: bool) -> Result<Add, StoreError> {
        let text = stats::day_text(day);
        let promoted = self.promoted()?;
        let batches = batches.iter().map(|batch| promoted::in_file(batch, &promoted)).collect::<Result<Vec<_>, _>>()?;
        let (kind, columns) = (if sorted { SORTED } else { "part-" }, promoted.len());
        let path = Path::from(format!("{DAY}={text}/{kind}{COLUMNS}{columns}-{}.parquet", random()));
        let (bytes, stats) = parquet(&batches, sorted)?;
        let size = bytes.len() as i64;
        let store = self.store();
        store
            .put_opts(&path, bytes.into(), PutMode::Create.into())
            .await
            .map_err(|source| StoreError::Bucket { url: format!("{}/{DIRECTORY}/{path}", self.name), source })?;
        Ok(Add {
            path: path.to_string(),
            partition_values: HashMap::from([(DAY.to_owned(), Some(text))]),
            size,
            modification_time: jiff::Timestamp::now().as_millisecond(),
            data_change: true,
            stats: Some(stats.to_json()),
            ..empty_add()
        })
    }

    /// Removes files that were written and will not be committed.
    pub async fn discard(&self, adds: &[Add]) {
        let store = self.store();
        for add in adds {
            // What stays behind is found by `compact`.
            let _ = store.delete(&Path::from(add.path.as_str())).await;
        }
    }

    /// Commits.
    pub async fn commit(
        &mut self,
        actions: Vec<Action>,
        transaction: Transaction,
        operation: DeltaOperation,
    ) -> Result<(), Refused> {
        let properties = CommitProperties::default().with_max_retries(64).with_application_transaction(transaction);
        let state = self.delta.snapshot().map_err(|error| Refused::Failed(Table::failed(&self.name, error)))?;
        let log_store = self.delta.log_store();
        let commit = CommitBuilder::from(properties).with_actions(actions).build(Some(state), log_store, operation);
        match commit.await {
            Ok(_) => Ok(()),
            Err(DeltaTableError::Transaction {
                source: TransactionError::CommitConflict(_) | TransactionError::MaxCommitAttempts(_),
            }) => Err(Refused::Conflict),
            Err(error) => Err(Refused::Failed(self.error(error))),
        }
    }

    /// Writes a checkpoint where there were commits since the last one, so that whoever opens the table reads one file
    /// instead of theirs. As any writer of the table may, at any time: a second one of the same version is the same.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        #[derive(serde::Deserialize)]
        struct LastCheckpoint {
            version: u64,
        }
        // Delta's protocol, "Last Checkpoint File".
        let last = self.store().get(&Path::from("_delta_log/_last_checkpoint")).await;
        let last = match last {
            Ok(found) => found.bytes().await.ok(),
            Err(_) => None,
        };
        let last = last.and_then(|bytes| serde_json::from_slice::<LastCheckpoint>(&bytes).ok());
        if last.is_some_and(|last| last.version >= self.version()) {
            return Ok(());
        }
        create_checkpoint(&self.delta, None).await.map_err(|error| self.error(error))
    }

    /// What a commit of appended rows is called in delta's log.
    pub fn append_operation() -> DeltaOperation {
        DeltaOperation::Write { mode: SaveMode::Append, partition_by: Some(vec![DAY.to_owned()]), predicate: None }
    }
}

/// How many columns that attributes were promoted to a file has, by its name: the first so many of the table's.
pub fn promoted_columns(path: &Path) -> usize {
    let columns = path.filename().and_then(|name| name.split('-').nth(1)?.strip_prefix(COLUMNS)?.parse().ok());
    columns.unwrap_or(0)
}

fn empty_add() -> Add {
    Add {
        path: String::new(),
        partition_values: HashMap::new(),
        size: 0,
        modification_time: 0,
        data_change: true,
        stats: None,
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

/// Rows as a parquet file, and what is known of them.
fn parquet(batches: &[RecordBatch], sorted: bool) -> Result<(Vec<u8>, Stats), StoreError> {
    let unusable = |error: deltalake::parquet::errors::ParquetError| StoreError::Query(Box::new(error.into()));
    let level = ZstdLevel::try_new(if sorted { 3 } else { 1 }).map_err(unusable)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_dictionary_enabled(ColumnPath::from("id"), false)
        .set_column_encoding(ColumnPath::from("id"), Encoding::DELTA_BYTE_ARRAY);
    for column in BLOOM {
        let path = ColumnPath::from(*column);
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), 0.02)
            .set_column_bloom_filter_max_ndv(path, bloom_values(column, rows));
    }
    if sorted {
        let columns = ["fingerprint", "time"].iter().filter_map(|name| FILE.index_of(name).ok());
        let sorting = columns
            .map(|column| SortingColumn { column_idx: column as i32, descending: false, nulls_first: false })
            .collect();
        properties = properties.set_sorting_columns(Some(sorting));
    }
    let mut bytes = Vec::new();
    let schema = batches.first().map_or_else(|| FILE.clone(), RecordBatch::schema);
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties.build())).map_err(unusable)?;
    let mut stats = Stats::default();
    for batch in batches {
        writer.write(batch).map_err(unusable)?;
        stats.add(batch);
    }
    writer.close().map_err(unusable)?;
    Ok((bytes, stats))
}

/// How many values of a column a row group is expected to have.
fn bloom_values(column: &str, rows: usize) -> u64 {
    let rows = rows.clamp(1, ROW_GROUP) as u64;
    match column {
        "id" => rows,
        "host" | "fingerprint" => rows.min(4096),
        _ => rows.min(512),
    }
}

/// Files by day.
pub fn by_day(files: Vec<TableFile>) -> BTreeMap<i32, Vec<TableFile>> {
    let mut days: BTreeMap<i32, Vec<TableFile>> = BTreeMap::new();
    for file in files {
        if let Some(day) = file.day {
            days.entry(day).or_default().push(file);
        }
    }
    days
}
