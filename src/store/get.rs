//! Getting a snapshot back: by its id, a beginning of it, the newest of a fingerprint, or the newest of all.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use deltalake::arrow::array::AsArray;

use super::id::{Id, random};
use super::query::Engine;
use super::{Bucket, StoreError};

/// Bytes that the cache keeps.
const CACHE: u64 = 2 << 30;

/// Which snapshot is meant.
pub async fn resolve(bucket: &Bucket, wanted: &str) -> Result<Id, StoreError> {
    if let Some(id) = Id::parse(wanted) {
        return match bucket.head(&id.snapshot()).await? {
            Some(_) => Ok(id),
            None => Err(missing(bucket, &id)),
        };
    }
    let safe = wanted.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'));
    if !safe || wanted.is_empty() {
        return Err(StoreError::Usage(format!("{}: is no id, no fingerprint and not latest", wanted.escape_debug())));
    }
    let engine = Engine::open(bucket).await?;
    let condition = match wanted {
        "latest" => "true".to_owned(),
        _ => format!("fingerprint = '{wanted}' OR starts_with(id, '{wanted}') OR starts_with(fingerprint, '{wanted}')"),
    };
    let sql = format!("SELECT id, fingerprint FROM crashes WHERE {condition} ORDER BY time DESC, id LIMIT 64");
    let mut fingerprints: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for batch in engine.rows(&sql).await? {
        let (Some(ids), Some(groups)) = (batch.column(0).as_string_view_opt(), batch.column(1).as_string_view_opt())
        else {
            continue;
        };
        for row in 0..batch.num_rows() {
            found.extend(Id::parse(ids.value(row)));
            let group = groups.value(row).to_owned();
            if !fingerprints.contains(&group) {
                fingerprints.push(group);
            }
        }
    }
    if wanted != "latest" && fingerprints.len() > 1 && !fingerprints.iter().any(|group| group == wanted) {
        let shown: Vec<&str> = fingerprints.iter().take(5).map(String::as_str).collect();
        return Err(StoreError::Usage(format!("{wanted}: could be of several groups: {}", shown.join(", "))));
    }
    let Some(newest) = found.first().cloned() else {
        return Err(StoreError::NoMatch(format!("{}: no crash {wanted}", bucket.name())));
    };
    // Of what retention has left: the newest that still has its snapshot.
    for id in found {
        if bucket.head(&id.snapshot()).await?.is_some() {
            return Ok(id);
        }
    }
    Err(missing(bucket, &newest))
}

fn missing(bucket: &Bucket, id: &Id) -> StoreError {
    StoreError::NoMatch(format!("{}: no snapshot {id}: it was never there, or retention removed it", bucket.name()))
}

/// Downloads it into a file.
pub async fn download(bucket: &Bucket, id: &Id, file: &Path) -> Result<u64, StoreError> {
    let bytes = bucket.read(&id.snapshot()).await?.ok_or_else(|| missing(bucket, id))?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", random()));
    let unfinished = file.with_file_name(name);
    let written = write_new(&unfinished, &bytes).and_then(|()| std::fs::rename(&unfinished, file));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&unfinished);
        return Err(StoreError::file(file)(error));
    }
    Ok(bytes.len() as u64)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    // What a process held is nobody else's business.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// A file on this machine with the snapshot: the bucket's own where it is a directory, else one in the cache.
pub async fn fetch(bucket: &Bucket, id: &Id) -> Result<PathBuf, StoreError> {
    if let Some(directory) = bucket.local() {
        let path = directory.join(id.snapshot().as_ref());
        return if path.is_file() { Ok(path) } else { Err(missing(bucket, id)) };
    }
    let directory = cache(bucket)?;
    let file = directory.join(format!("{id}.obit"));
    if !file.is_file() {
        trim(&directory);
        download(bucket, id, &file).await?;
    }
    Ok(file)
}

/// `~/.cache/obit/store/…` (OBIT_CACHE_DIR moves it), a directory of its own for each store: ids are not believed across stores.
fn cache(bucket: &Bucket) -> Result<PathBuf, StoreError> {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    let home = home.unwrap_or_else(std::env::temp_dir).join("obit");
    let home = named("OBIT_CACHE_DIR").unwrap_or(home);
    let store = &blake3::hash(bucket.name().as_bytes()).to_hex()[..16];
    let directory = home.join("store").join(store);
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
    made.map_err(StoreError::file(&directory))?;
    Ok(directory)
}

/// Removes the files that were fetched longest ago, as far as there are too many.
fn trim(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if total <= CACHE {
            break;
        }
        if std::fs::remove_file(path).is_ok() {
            total = total.saturating_sub(bytes);
        }
    }
}
