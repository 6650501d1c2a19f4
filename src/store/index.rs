//! From the inbox into the table: nothing lost, nothing twice, however often it is killed and however many do it.
//!
//! ```text
//! read entries ─▶ leave out what the table has ─▶ write files ─▶ commit, one transaction ─▶ delete entries
//!      ▲                                                              │ somebody else's came first
//!      └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! Killed before the commit, nothing has happened (a file that belongs to nothing stays, which `compact` removes).
//! Killed after it, the entries are found in the table by the next run, which deletes them. Two at once: each commit
//! carries the next number of the same application's transactions, so that of two commits that were made from the same
//! table one is refused; that indexer looks again at what the table has.

use std::collections::{BTreeMap, HashMap, HashSet};

use deltalake::arrow::array::{Array, StringArray};
use deltalake::kernel::{Action, Add};
use deltalake::parquet::arrow::ProjectionMask;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use object_store::path::Path;

use super::crash::Crash;
use super::schema::{day_number, file_batch};
use super::table::{INDEX, Refused, Table, TableFile};
use super::{Bucket, StoreError, inbox};

/// Entries that go into the table by one transaction.
pub const BATCH: usize = 50_000;
/// Times that a batch is tried again because somebody else's came first.
const ATTEMPTS: usize = 64;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Rows that were added.
    pub rows: usize,
    /// Entries that the table had already.
    pub known: usize,
    /// Entries that went into quarantine.
    pub refused: usize,
    /// The inbox had more.
    pub more: bool,
}

/// An indexer; remembers which ids are in which file of the table.
#[derive(Default)]
pub struct Indexer {
    known: HashMap<String, HashSet<String>>,
}

impl Indexer {
    /// Takes one batch.
    pub async fn run(&mut self, bucket: &Bucket, limit: usize) -> Result<Indexed, StoreError> {
        let found = inbox::read(bucket, limit).await?;
        let mut done = Indexed { refused: found.refused.len(), more: found.more, ..Indexed::default() };
        inbox::quarantine(bucket, found.refused).await?;
        if found.crashes.is_empty() {
            return Ok(done);
        }
        let mut table = Table::create(bucket).await?;
        let mut written: Vec<Add> = Vec::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                table.update().await?;
            }
            let files = table.files()?;
            // Where the answer to the commit was lost and it was sent again, it looks like somebody else's.
            let committed = |add: &Add| files.iter().any(|file| file.add.path == add.path);
            if !written.is_empty() && !written.iter().any(committed) {
                table.discard(&written).await;
            }
            let present = self.present(&table, &files, &found.crashes).await?;
            let mut seen = HashSet::new();
            let missing: Vec<&Crash> = found
                .crashes
                .iter()
                .filter(|crash| !present.contains(&crash.id) && seen.insert(crash.id.as_str()))
                .collect();
            done.known = found.crashes.len() - missing.len();
            done.rows = missing.len();
            if missing.is_empty() {
                break;
            }
            let transaction = table.next_transaction(INDEX).await?;
            written = write(&table, missing).await?;
            let actions = written.iter().cloned().map(Action::Add).collect();
            match table.commit(actions, transaction, Table::append_operation()).await {
                Ok(()) => break,
                Err(Refused::Conflict) => {}
                // Whether it was committed nobody knows: the files stay, the entries too.
                Err(Refused::Failed(error)) => return Err(error),
            }
            if attempt + 1 == ATTEMPTS {
                let problem = "others kept committing; the entries stay in the inbox, try again";
                return Err(StoreError::Usage(format!("{}: {problem}", bucket.name())));
            }
        }
        delete(bucket, found.places).await?;
        Ok(done)
    }

    /// Takes batches until the inbox is empty.
    pub async fn drain(&mut self, bucket: &Bucket) -> Result<Indexed, StoreError> {
        let mut total = Indexed::default();
        loop {
            let done = self.run(bucket, BATCH).await?;
            total.rows += done.rows;
            total.known += done.known;
            total.refused += done.refused;
            if !done.more {
                return Ok(total);
            }
        }
    }

    /// Which of the ids the table has.
    async fn present(
        &mut self,
        table: &Table,
        files: &[TableFile],
        crashes: &[Crash],
    ) -> Result<HashSet<String>, StoreError> {
        let mut by_day: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
        for crash in crashes {
            by_day.entry(day_number(crash)).or_default().push(&crash.id);
        }
        let mut present = HashSet::new();
        let mut used = HashSet::new();
        for file in files {
            let Some(ids) = file.day.and_then(|day| by_day.get(&day)) else { continue };
            let wanted: Vec<&&str> = ids.iter().filter(|id| file.stats.may_have_id(id)).collect();
            if wanted.is_empty() {
                continue;
            }
            used.insert(file.add.path.clone());
            if !self.known.contains_key(&file.add.path) {
                let ids = read_ids(table, &file.path()).await?;
                self.known.insert(file.add.path.clone(), ids);
            }
            if let Some(known) = self.known.get(&file.add.path) {
                present.extend(wanted.into_iter().filter(|id| known.contains(**id)).map(|id| (*id).to_owned()));
            }
        }
        self.known.retain(|path, _| used.contains(path));
        Ok(present)
    }
}

/// Adds rows to the table that are known not to be in it.
pub async fn append(bucket: &Bucket, crashes: &[Crash]) -> Result<(), StoreError> {
    let mut table = Table::create(bucket).await?;
    let transaction = table.next_transaction(INDEX).await?;
    let adds = write(&table, crashes.iter().collect()).await?;
    let actions = adds.iter().cloned().map(Action::Add).collect();
    match table.commit(actions, transaction, Table::append_operation()).await {
        Ok(()) => Ok(()),
        Err(Refused::Failed(error)) => Err(error),
        Err(Refused::Conflict) => Err(StoreError::Usage(format!("{}: others committed first", bucket.name()))),
    }
}

/// The ids in a file.
pub async fn read_ids(table: &Table, path: &Path) -> Result<HashSet<String>, StoreError> {
    use object_store::ObjectStoreExt;
    let failed = |source| StoreError::Bucket { url: path.to_string(), source };
    let bytes = table.store().get(path).await.map_err(failed)?.bytes().await.map_err(failed)?;
    let unusable = |error: deltalake::parquet::errors::ParquetError| StoreError::Query(Box::new(error.into()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(unusable)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["id"]);
    let mut ids = HashSet::new();
    for batch in builder.with_projection(mask).build().map_err(unusable)? {
        let batch = batch?;
        let column = batch.columns().first().and_then(|column| column.as_any().downcast_ref::<StringArray>());
        if let Some(column) = column {
            ids.extend(column.iter().flatten().map(str::to_owned));
        }
    }
    Ok(ids)
}

/// Writes rows, a file for each day.
async fn write(table: &Table, crashes: Vec<&Crash>) -> Result<Vec<Add>, StoreError> {
    let mut days: BTreeMap<i32, Vec<Crash>> = BTreeMap::new();
    for crash in crashes {
        days.entry(day_number(crash)).or_default().push(crash.clone());
    }
    let mut adds = Vec::with_capacity(days.len());
    for (day, crashes) in days {
        let batch = file_batch(&crashes)?;
        adds.push(table.write(day, &[batch], false).await?);
    }
    Ok(adds)
}

async fn delete(bucket: &Bucket, places: Vec<Path>) -> Result<(), StoreError> {
    let Some(root) = bucket.local().map(std::path::Path::to_owned) else { return bucket.delete(places).await };
    let delete = move || {
        for path in places {
            let path = root.join(path.as_ref());
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::file(&path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(delete).await.map_err(|error| StoreError::Usage(error.to_string()))?
}
