//! Whether a bucket does what everything here rests on: an object is created once, and is listed as soon as it is there.

use object_store::path::Path;

use super::id::random;
use super::{Bucket, StoreError};

/// Refuses a bucket that lets an object be overwritten, or that does not list what was just written.
pub async fn probe(bucket: &Bucket) -> Result<(), StoreError> {
    const DIRECTORY: &str = "probe";
    let path = Path::from(format!("{DIRECTORY}/{}", random()));
    let refused = |problem: &str| {
        StoreError::Usage(format!("{}: {problem}; obit cannot keep crashes in such a store", bucket.name()))
    };
    let result = async {
        if !bucket.create(&path, "first").await? {
            return Err(refused("says that an object is there which nobody has written"));
        }
        if bucket.create(&path, "second").await? {
            return Err(refused("lets an object be overwritten though it was to be created only (If-None-Match: *)"));
        }
        match bucket.read(&path).await? {
            Some(bytes) if &bytes[..] == b"first" => {}
            _ => return Err(refused("does not give back what was written first")),
        }
        let listed = bucket.list(DIRECTORY, usize::MAX).await?;
        if listed.iter().all(|object| object.location != path) {
            return Err(refused("does not list an object that was just written"));
        }
        Ok(())
    }
    .await;
    let deleted = bucket.delete(vec![path.clone()]).await;
    result?;
    deleted?;
    match bucket.list(DIRECTORY, usize::MAX).await?.iter().any(|object| object.location == path) {
        true => Err(refused("still lists an object that was deleted")),
        false => Ok(()),
    }
}
