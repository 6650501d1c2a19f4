//! Compaction: many small files of a day become few, sorted by fingerprint and time; and files that belong to nothing
//! are removed.
//!
//! It rewrites, and changes no row: whoever reads meanwhile has the old files, whoever appends is not in the way. Two
//! compactions that would rewrite the same file exclude each other by their transactions.

use std::collections::HashSet;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use deltalake::kernel::{Action, Add, Remove};
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use jiff::Timestamp;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::promoted;
use super::schema::{DAY, FILE, TABLE};
use super::table::{DIRECTORY, REWRITE, Refused, Table, TableFile, by_day};
use super::{Bucket, StoreError};

/// Rows of a file, about.
const ROWS: u64 = 500_000;
/// A day's file that has more rows than this is left as it is.
const LARGE: u64 = 300_000;
/// Seconds that a file which belongs to nothing is left alone: somebody may be about to commit it, or still read it.
const GRACE: i64 = 3600;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files before.
    pub before: usize,
    /// Files in their place.
    pub after: usize,
    /// Rows in them.
    pub rows: u64,
    /// Files that were removed as they belonged to nothing.
    pub removed: usize,
}

/// Compacts every day that has more than `most` small files (0: every day that is not one sorted file).
pub async fn compact(bucket: &Bucket, most: usize) -> Result<Compacted, StoreError> {
    let Some(mut table) = Table::open(bucket).await? else { return Ok(Compacted::default()) };
    let mut done = Compacted::default();
    for (day, files) in by_day(table.files()?) {
        let small: Vec<TableFile> = files.into_iter().filter(|file| file.stats.rows.unwrap_or(0) < LARGE).collect();
        let is_done = small.len() == 1 && small.iter().all(|file| file.is_sorted());
        if small.len() <= most || small.is_empty() || is_done {
            continue;
        }
        let mut bin: Vec<TableFile> = Vec::new();
        let mut rows = 0;
        for file in small {
            rows += file.stats.rows.unwrap_or(0);
            bin.push(file);
            if rows >= ROWS {
                rewrite(&mut table, day, std::mem::take(&mut bin), &mut done).await?;
                rows = 0;
            }
        }
        if bin.len() > 1 || bin.iter().any(|file| !file.is_sorted()) {
            rewrite(&mut table, day, bin, &mut done).await?;
        }
    }
    table.update().await?;
    table.checkpoint().await?;
    done.removed = sweep(&table, bucket).await?;
    Ok(done)
}

async fn rewrite(table: &mut Table, day: i32, files: Vec<TableFile>, done: &mut Compacted) -> Result<(), StoreError> {
    let are_present = |table: &Table| {
        let present: HashSet<String> = table.files()?.into_iter().map(|file| file.add.path).collect();
        Ok::<_, StoreError>(files.iter().all(|file| present.contains(&file.add.path)))
    };
    // The table may have gone on since they were listed.
    if !are_present(table)? {
        return Ok(());
    }
    let mut batches = Vec::new();
    for file in &files {
        batches.extend(read(table, &file.path()).await?);
    }
    let whole = concat_batches(&FILE, &batches)?;
    drop(batches);
    let hot = promoted::hot(&whole, &table.promoted()?, &TABLE);
    if !hot.is_empty() {
        table.promote(&hot).await?;
    }
    // A commit is only checked against what comes after the table that it was made from.
    if !are_present(table)? {
        return Ok(());
    }
    let transaction = table.next_transaction(REWRITE).await?;
    let column = |name: &str| {
        let values = whole.column_by_name(name).cloned();
        values.map(|values| SortColumn { values, options: Some(SortOptions { descending: false, nulls_first: false }) })
    };
    let columns: Vec<SortColumn> = ["fingerprint", "time", "id"].into_iter().filter_map(column).collect();
    let order = lexsort_to_indices(&columns, None)?;
    let sorted = take_record_batch(&whole, &order)?;
    let rows = sorted.num_rows() as u64;
    drop(whole);
    let add = Add { data_change: false, ..table.write(day, &[sorted], true).await? };
    let mut actions: Vec<Action> = files.iter().map(|file| Action::Remove(remove(&file.add, false))).collect();
    actions.push(Action::Add(add.clone()));
    match table.commit(actions, transaction, rewrite_operation()).await {
        Ok(()) => {
            done.before += files.len();
            done.after += 1;
            done.rows += rows;
            table.update().await
        }
        // Somebody else did it, or took rows away: what was written belongs to nothing, and is swept one day.
        Err(Refused::Conflict) => table.update().await,
        Err(Refused::Failed(error)) => Err(error),
    }
}

fn rewrite_operation() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: Some(vec![DAY.to_owned()]), predicate: None }
}

/// Rows of a file, in the table's present columns.
async fn read(table: &Table, path: &Path) -> Result<Vec<RecordBatch>, StoreError> {
    let failed = |source| StoreError::Bucket { url: format!("{DIRECTORY}/{path}"), source };
    let bytes = table.store().get(path).await.map_err(failed)?.bytes().await.map_err(failed)?;
    let unusable = |error: deltalake::parquet::errors::ParquetError| StoreError::Query(Box::new(error.into()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(unusable)?;
    let reader = builder.with_batch_size(64 << 10).build().map_err(unusable)?;
    reader
        .map(|batch| {
            let batch = batch?;
            let columns = FILE.fields().iter().map(|field| match batch.column_by_name(field.name()) {
                Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
                Some(column) => deltalake::arrow::compute::cast(column, field.data_type()),
                None => Ok(deltalake::arrow::array::new_null_array(field.data_type(), batch.num_rows())),
            });
            Ok(RecordBatch::try_new(FILE.clone(), columns.collect::<Result<_, _>>()?)?)
        })
        .collect()
}

/// The action by which a file leaves the table.
pub fn remove(add: &Add, data_change: bool) -> Remove {
    Remove {
        path: add.path.clone(),
        data_change,
        deletion_timestamp: Some(Timestamp::now().as_millisecond()),
        extended_file_metadata: Some(true),
        partition_values: Some(add.partition_values.clone()),
        size: Some(add.size),
        ..Remove::default()
    }
}

/// Removes files below the table's directory that are no part of it.
async fn sweep(table: &Table, bucket: &Bucket) -> Result<usize, StoreError> {
    let used: HashSet<Path> = table.files()?.iter().map(TableFile::path).collect();
    let now = Timestamp::now().as_second();
    let mut unused = Vec::new();
    for directory in bucket.directories(DIRECTORY).await? {
        if !directory.starts_with(&format!("{DAY}=")) {
            continue;
        }
        for object in bucket.list(&format!("{DIRECTORY}/{directory}"), usize::MAX).await? {
            let Some(name) = object.location.filename() else { continue };
            let path = Path::from(format!("{directory}/{name}"));
            let age = now.saturating_sub(object.last_modified.timestamp());
            if !used.contains(&path) && age > GRACE {
                unused.push(object.location);
            }
        }
    }
    let count = unused.len();
    bucket.delete(unused).await?;
    Ok(count)
}
