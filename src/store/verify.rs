//! Whether a store is whole: every file of the table there, no crash in it twice, every snapshot known.

use std::collections::{BTreeMap, HashSet};
use std::path::Path as FilePath;

use deltalake::arrow::array::AsArray;
use serde::Serialize;

use super::id::Id;
use super::query::Engine;
use super::query::output::values;
use super::table::{DIRECTORY, Table};
use super::{Bucket, StoreError, inbox, observe};

/// Names of what is wrong that are listed.
const SHOWN: usize = 20;

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Rows, those of the inbox too.
    pub rows: u64,
    /// Files of the table.
    pub files: usize,
    /// Snapshots.
    pub snapshots: usize,
    /// Rows whose snapshot is not there; retention removes snapshots.
    pub rows_without_snapshot: usize,
    /// Objects in quarantine.
    pub quarantined: usize,
    /// Snapshots that no row and no entry knows: their writer was stopped before it acknowledged them.
    pub unknown_snapshots: Vec<String>,
    /// Of those, how many were given an entry.
    pub repaired: usize,
    /// Files of the table that are missing, or not as long as it says.
    pub damaged_files: Vec<String>,
    /// Crashes that are there more than once.
    pub duplicates: Vec<String>,
}

impl Verified {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.damaged_files.is_empty() && self.duplicates.is_empty() && self.unknown_snapshots.len() == self.repaired
    }
}

/// Looks at everything; `repair` gives snapshots that nobody knows an entry.
pub async fn verify(bucket: &Bucket, repair: bool) -> Result<Verified, StoreError> {
    let mut found = Verified::default();
    // Snapshots first: one that comes meanwhile has its entry when the entries are read.
    let mut snapshots: HashSet<Id> = HashSet::new();
    for object in bucket.list("snap", usize::MAX).await? {
        snapshots.extend(object.location.filename().and_then(|name| Id::parse(name.strip_suffix(".obit")?)));
    }
    found.snapshots = snapshots.len();
    if let Some(table) = Table::open(bucket).await? {
        let files = table.files()?;
        found.files = files.len();
        for file in files {
            let path = object_store::path::Path::from(format!("{DIRECTORY}/{}", file.path()));
            let size = bucket.head(&path).await?.map(|object| object.size as i64);
            if size != Some(file.add.size) {
                found.damaged_files.push(file.add.path.clone());
            }
        }
    }
    let engine = Engine::open(bucket).await?;
    let mut missing = 0;
    for batch in engine.rows("SELECT id, count(*) AS n FROM crashes GROUP BY id").await? {
        let (Some(ids), counts) = (batch.column(0).as_string_view_opt(), values(batch.column(1))?) else { continue };
        for (id, count) in ids.iter().flatten().zip(counts) {
            let count = count.as_u64().unwrap_or(0);
            found.rows += count;
            if count > 1 && found.duplicates.len() < SHOWN {
                found.duplicates.push(id.to_owned());
            }
            missing += usize::from(Id::parse(id).is_none_or(|id| !snapshots.remove(&id)));
        }
    }
    found.rows_without_snapshot = missing;
    let quarantined = bucket.list(inbox::QUARANTINE, usize::MAX).await?;
    found.quarantined = quarantined.iter().filter(|object| !object.location.as_ref().ends_with(".reason.json")).count();
    let mut unknown: Vec<Id> = snapshots.into_iter().collect();
    unknown.sort();
    for id in unknown {
        found.unknown_snapshots.push(id.to_string());
        if repair && give_entry(bucket, &id).await? {
            found.repaired += 1;
        }
    }
    Ok(found)
}

/// Reads the snapshot and creates the entry that its writer did not get to.
async fn give_entry(bucket: &Bucket, id: &Id) -> Result<bool, StoreError> {
    let (Some(bytes), Some(second)) = (bucket.read(&id.snapshot()).await?, id.second()) else { return Ok(false) };
    let bytes: &'static [u8] = Box::leak(bytes.to_vec().into_boxed_slice());
    let Ok(session) = observe::open(FilePath::new(id.as_str()), bytes) else { return Ok(false) };
    let crash = observe::crash(&session, id, second, bytes.len() as u64, &BTreeMap::new());
    bucket.create(&id.entry(), crash.packed()?).await?;
    Ok(true)
}
