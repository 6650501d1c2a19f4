//! Retention: days that are over leave with rows and snapshots; of what stays, a group's version keeps its newest
//! snapshots, and every crash its row.

use std::collections::{BTreeSet, HashSet};

use deltalake::arrow::array::AsArray;
use deltalake::kernel::Action;
use deltalake::protocol::DeltaOperation;
use jiff::Timestamp;

use super::compact::remove;
use super::id::Id;
use super::query::Engine;
use super::stats::day_text;
use super::table::{REWRITE, Refused, Table};
use super::{Bucket, StoreError};

/// Times that it is tried again where somebody else's commit came first.
const ATTEMPTS: usize = 16;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Rows of days that are over.
    pub rows: u64,
    /// Snapshots.
    pub snapshots: usize,
}

/// Keeps `days` days where given, and `keep` snapshots of a fingerprint and version.
pub async fn retain(bucket: &Bucket, days: Option<u32>, keep: usize, dry: bool) -> Result<Retained, StoreError> {
    let mut done = Retained::default();
    let mut kept_from = None;
    if let Some(days) = days {
        let today = Timestamp::now().as_second().div_euclid(86_400);
        let first = i32::try_from(today.saturating_sub(i64::from(days))).unwrap_or(i32::MIN);
        done.rows = drop_days(bucket, first, dry).await?;
        done.snapshots += drop_snapshots(bucket, first, dry).await?;
        kept_from = Some(day_text(first));
    }
    done.snapshots += thin(bucket, keep, kept_from.as_deref(), dry).await?;
    Ok(done)
}

async fn drop_days(bucket: &Bucket, first: i32, dry: bool) -> Result<u64, StoreError> {
    let Some(mut table) = Table::open(bucket).await? else { return Ok(0) };
    for _ in 0..ATTEMPTS {
        let files: Vec<_> = table.files()?.into_iter().filter(|file| file.day.is_some_and(|day| day < first)).collect();
        let rows = files.iter().filter_map(|file| file.stats.rows).sum();
        if files.is_empty() || dry {
            return Ok(rows);
        }
        let transaction = table.next_transaction(REWRITE).await?;
        let actions = files.iter().map(|file| Action::Remove(remove(&file.add, true))).collect();
        let operation = DeltaOperation::Delete { predicate: Some(format!("day < '{}'", day_text(first))) };
        match table.commit(actions, transaction, operation).await {
            Ok(()) => return Ok(rows),
            Err(Refused::Conflict) => table.update().await?,
            Err(Refused::Failed(error)) => return Err(error),
        }
    }
    Err(StoreError::Usage(format!("{}: others kept committing; try again", bucket.name())))
}

async fn drop_snapshots(bucket: &Bucket, first: i32, dry: bool) -> Result<usize, StoreError> {
    let first = day_text(first);
    let mut count = 0;
    for directory in bucket.directories("snap").await? {
        // Dates sort as texts.
        if super::stats::day_number(&directory).is_none() || directory >= first {
            continue;
        }
        let objects = bucket.list(&format!("snap/{directory}"), usize::MAX).await?;
        count += objects.len();
        if !dry {
            bucket.delete(objects.into_iter().map(|object| object.location).collect()).await?;
        }
    }
    Ok(count)
}

/// Removes the snapshots of crashes of which there are newer ones enough. What was before `kept_from` is counted already.
async fn thin(bucket: &Bucket, keep: usize, kept_from: Option<&str>, dry: bool) -> Result<usize, StoreError> {
    let engine = Engine::open(bucket).await?;
    let sql = format!(
        "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY fingerprint, version ORDER BY time DESC, id) AS n \
         FROM crashes) WHERE n > {keep}"
    );
    let mut surplus: HashSet<Id> = HashSet::new();
    let mut days = BTreeSet::new();
    for batch in engine.rows(&sql).await? {
        let Some(ids) = batch.columns().first().and_then(|column| column.as_string_view_opt()) else { continue };
        for id in ids.iter().flatten().filter_map(Id::parse) {
            days.insert(id.day());
            surplus.insert(id);
        }
    }
    let mut unwanted = Vec::new();
    for day in days.into_iter().filter(|day| kept_from.is_none_or(|first| day.as_str() >= first)) {
        // Only what is still there: most were removed long ago.
        for object in bucket.list(&format!("snap/{day}"), usize::MAX).await? {
            let id = object.location.filename().and_then(|name| Id::parse(name.strip_suffix(".obit")?));
            if id.is_some_and(|id| surplus.contains(&id)) {
                unwanted.push(object.location);
            }
        }
    }
    let count = unwanted.len();
    if !dry {
        bucket.delete(unwanted).await?;
    }
    Ok(count)
}
