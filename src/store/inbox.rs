//! The inbox: what was acknowledged and is not in the table yet.
//!
//! An entry that cannot be read never holds up the others: it is moved to `quarantine/`, with the reason beside it.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::path::Path;
use rayon::prelude::*;
use serde::Serialize;

use super::bucket::PARALLEL;
use super::crash::{Crash, LARGEST_PACKED};
use super::id::Id;
use super::{Bucket, StoreError};

/// Where entries wait.
pub const DIRECTORY: &str = "inbox";
/// Where those go that cannot be read.
pub const QUARANTINE: &str = "quarantine";

/// What was found in the inbox.
#[derive(Debug, Default)]
pub struct Found {
    /// Entries that are one.
    pub crashes: Vec<Crash>,
    /// Where they are.
    pub places: Vec<Path>,
    /// The others, with what they hold and why they are none.
    pub refused: Vec<(Path, Bytes, String)>,
    /// There are more.
    pub more: bool,
}

/// Why an object is in quarantine.
#[derive(Serialize)]
struct Reason<'a> {
    schema: &'static str,
    object: &'a str,
    reason: &'a str,
    bytes: usize,
    time: String,
}

/// Reads the inbox, `limit` entries at most. What another indexer takes away meanwhile is left out.
pub async fn read(bucket: &Bucket, limit: usize) -> Result<Found, StoreError> {
    let mut listed = bucket.list(DIRECTORY, limit.saturating_add(1)).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let mut found = Found { more, ..Found::default() };
    let mut places = Vec::with_capacity(listed.len());
    for object in listed {
        match id_of(&object.location) {
            Some(_) if object.size > LARGEST_PACKED => {
                let reason = format!("has {} bytes; at most {LARGEST_PACKED} are read", object.size);
                found.refused.push((object.location, Bytes::new(), reason));
            }
            Some(_) => places.push(object.location),
            None => {
                let reason = "is not named as an entry is: ID.json.zst".to_owned();
                found.refused.push((object.location, Bytes::new(), reason));
            }
        }
    }
    let contents = read_all(bucket, places).await?;
    let parsed: Vec<_> = contents
        .into_par_iter()
        .filter_map(|(path, bytes)| {
            let parsed = Crash::read(&id_of(&path)?, &bytes);
            Some((path, bytes, parsed))
        })
        .collect();
    for (path, bytes, parsed) in parsed {
        match parsed {
            Ok(crash) => {
                found.crashes.push(crash);
                found.places.push(path);
            }
            Err(reason) => found.refused.push((path, bytes, reason)),
        }
    }
    Ok(found)
}

/// The id that an entry's name says.
fn id_of(path: &Path) -> Option<Id> {
    let name = path.filename()?.strip_suffix(".json.zst")?;
    Id::parse(name).filter(|id| id.entry() == *path)
}

async fn read_all(bucket: &Bucket, places: Vec<Path>) -> Result<Vec<(Path, Bytes)>, StoreError> {
    if let Some(root) = bucket.local() {
        // Files are small and many: no task is worth its while for each.
        let root = root.to_owned();
        let read = move || {
            places
                .into_par_iter()
                .filter_map(|path| match std::fs::read(root.join(path.as_ref())) {
                    Ok(bytes) => Some(Ok((path, Bytes::from(bytes)))),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                    Err(error) => Some(Err(StoreError::file(&root.join(path.as_ref()))(error))),
                })
                .collect::<Result<Vec<_>, StoreError>>()
        };
        return tokio::task::spawn_blocking(read).await.map_err(|error| StoreError::Usage(error.to_string()))?;
    }
    let read = futures::stream::iter(places).map(|path| async move {
        let bytes = bucket.read(&path).await?;
        Ok::<_, StoreError>(bytes.map(|bytes| (path, bytes)))
    });
    let found: Vec<Option<(Path, Bytes)>> = read.buffer_unordered(PARALLEL).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Moves what is no entry out of the way.
pub async fn quarantine(bucket: &Bucket, refused: Vec<(Path, Bytes, String)>) -> Result<(), StoreError> {
    let mut moved = Vec::new();
    for (path, bytes, reason) in refused {
        let name = path.parts().skip(1).map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("_");
        let text = Reason {
            schema: "obit.quarantine/1",
            object: path.as_ref(),
            reason: &reason,
            bytes: bytes.len(),
            time: Timestamp::now().to_string(),
        };
        let text = serde_json::to_vec(&text).map_err(std::io::Error::from)?;
        bucket.create(&Path::from(format!("{QUARANTINE}/{name}")), bytes).await?;
        bucket.create(&Path::from(format!("{QUARANTINE}/{name}.reason.json")), text).await?;
        moved.push(path);
    }
    bucket.delete(moved).await
}
