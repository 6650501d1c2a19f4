//! Where everything is kept: a directory, or a bucket of S3, of Google Cloud or of Azure, or one that speaks as S3 does.
//!
//! An object is created once and never changed. [`Bucket::create`] says whether it was there already, which is how
//! writers and indexers that do not know of one another never undo each other's work.

use std::collections::HashSet;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig};
use url::Url;

use super::{StoreError, profile};

/// Requests that are under way at once.
pub const PARALLEL: usize = 32;
/// Objects larger than this are fetched in pieces, several at once.
const PIECE: u64 = 8 << 20;

/// An opened bucket.
#[derive(Clone)]
pub struct Bucket {
    /// The whole store, and where in it the bucket begins.
    root: Arc<dyn ObjectStore>,
    prefix: Path,
    /// What is below that place.
    store: Arc<dyn ObjectStore>,
    location: Url,
    directory: Option<PathBuf>,
    /// Directories whose own names are safe on the disk.
    synced: Arc<Mutex<HashSet<PathBuf>>>,
    name: String,
}

/// A directory of a bucket.
pub struct Below {
    /// What is in it.
    pub store: Arc<dyn ObjectStore>,
    /// The whole store that it is part of.
    pub root: Arc<dyn ObjectStore>,
    /// Its URL, of the whole store.
    pub location: Url,
}

impl Bucket {
    /// Opens a URL, or a directory by its path. `create` makes the directory where it is not there.
    pub fn open(url: &str, create: bool) -> Result<Bucket, StoreError> {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if scheme.is_none_or(|scheme| scheme == "file") {
            let directory = match scheme {
                None => PathBuf::from(url),
                Some(_) => Url::parse(url)
                    .ok()
                    .and_then(|url| url.to_file_path().ok())
                    .ok_or_else(|| StoreError::Usage(format!("{url}: write file:///directory")))?,
            };
            return Bucket::directory(&directory, create);
        }
        let parsed = Url::parse(url).map_err(|error| StoreError::Usage(format!("{url}: {error}")))?;
        let root = whole_store(url)?;
        let failed = |source: Error| StoreError::Bucket { url: url.to_owned(), source };
        let prefix = Path::from_url_path(parsed.path()).map_err(|error| failed(error.into()))?;
        Ok(Bucket::of(root, prefix, parsed, url))
    }

    /// The whole store's URL, and the place in it of one of the bucket's directories.
    pub fn place(&self, directory: &str) -> (String, Path) {
        let root = format!("{}://{}/", self.location.scheme(), self.location.host_str().unwrap_or_default());
        (root, self.prefix.clone().join(directory))
    }

    /// A bucket whose objects are in `root`, below `prefix`; `location` is the URL of the latter.
    pub fn of(root: Arc<dyn ObjectStore>, prefix: Path, location: Url, name: &str) -> Bucket {
        let store: Arc<dyn ObjectStore> = match prefix.parts().next() {
            Some(_) => Arc::new(PrefixStore::new(root.clone(), prefix.clone())),
            None => root.clone(),
        };
        let name = name.trim_end_matches('/').to_owned();
        Bucket { root, prefix, store, location, directory: None, synced: Arc::default(), name }
    }

    fn directory(directory: &FilePath, create: bool) -> Result<Bucket, StoreError> {
        if create {
            std::fs::create_dir_all(directory).map_err(StoreError::file(directory))?;
        }
        let whole = directory.canonicalize().map_err(StoreError::file(directory))?;
        if !whole.is_dir() {
            return Err(StoreError::Usage(format!("{}: is not a directory", directory.display())));
        }
        let unusable = || StoreError::Usage(format!("{}: its path cannot be written as a URL", directory.display()));
        let location = Url::from_directory_path(&whole).map_err(|()| unusable())?;
        let prefix = Path::from_absolute_path(&whole).map_err(|_| unusable())?;
        let name = directory.display().to_string();
        let bucket = Bucket::of(Arc::new(LocalFileSystem::new()), prefix, location, &name);
        Ok(Bucket { directory: Some(whole), ..bucket })
    }

    /// As it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory, where it is one.
    pub fn local(&self) -> Option<&FilePath> {
        self.directory.as_deref()
    }

    /// One of its directories.
    pub fn below(&self, name: &str) -> Result<Below, StoreError> {
        let mut location = self.location.clone();
        location
            .path_segments_mut()
            .map_err(|()| StoreError::Usage(format!("{}: cannot have directories", self.name)))?
            .pop_if_empty()
            .push(name)
            .push("");
        let prefix = self.prefix.clone().join(name);
        let store = Arc::new(PrefixStore::new(self.root.clone(), prefix));
        Ok(Below { store, root: self.root.clone(), location })
    }

    /// What was wrong, with the object's name.
    pub fn error(&self, path: &Path, source: Error) -> StoreError {
        StoreError::Bucket { url: format!("{}/{path}", self.name), source }
    }

    /// Creates an object; false where one of that name was there. Once it has returned, the object stays.
    pub async fn create(&self, path: &Path, bytes: impl Into<Bytes>) -> Result<bool, StoreError> {
        let payload = PutPayload::from_bytes(bytes.into());
        match self.store.put_opts(path, payload, PutMode::Create.into()).await {
            Ok(_) => self.sync(path).map(|()| true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.error(path, error)),
        }
    }

    /// A file is safe once it and the directories of its name are on the disk.
    fn sync(&self, path: &Path) -> Result<(), StoreError> {
        let Some(root) = &self.directory else { return Ok(()) };
        let file = root.join(path.as_ref());
        let sync = |path: &FilePath| {
            let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
            synced.map_err(StoreError::file(path))
        };
        match std::fs::File::open(&file) {
            Ok(file) => file.sync_all().map_err(StoreError::file(&root.join(path.as_ref())))?,
            // An entry that an indexer has taken already: it removes what is committed, and nothing else.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::file(&file)(error)),
        }
        // That a directory itself is there has to be made safe once.
        let known = || self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let mut made_safe = Vec::new();
        let mut place = file.parent().filter(|place| place.starts_with(root));
        while let Some(directory) = place {
            sync(directory)?;
            if known().contains(directory) {
                break;
            }
            made_safe.push(directory.to_owned());
            place = directory.parent().filter(|place| place.starts_with(root));
        }
        // Only now: whoever finds it here relies on it.
        known().extend(made_safe);
        Ok(())
    }

    /// An object's bytes; `None` where there is none.
    pub async fn read(&self, path: &Path) -> Result<Option<Bytes>, StoreError> {
        match self.store.get(path).await {
            Ok(found) if found.meta.size > PIECE && self.directory.is_none() => {
                self.read_pieces(path, found.meta.size).await.map(Some)
            }
            Ok(found) => found.bytes().await.map(Some).map_err(|error| self.error(path, error)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(path, error)),
        }
    }

    async fn read_pieces(&self, path: &Path, size: u64) -> Result<Bytes, StoreError> {
        let starts = (0..size).step_by(PIECE as usize);
        let pieces = futures::stream::iter(starts)
            .map(|start| self.store.get_range(path, start..size.min(start + PIECE)))
            .buffered(4);
        let pieces: Vec<Bytes> = pieces.try_collect().await.map_err(|error| self.error(path, error))?;
        Ok(pieces.concat().into())
    }

    /// An object's first bytes, as many as there are; `None` where there is no object.
    pub async fn read_beginning(&self, path: &Path, length: u64) -> Result<Option<Bytes>, StoreError> {
        match self.store.get_range(path, 0..length).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(path, error)),
        }
    }

    /// What is known of an object; `None` where there is none.
    pub async fn head(&self, path: &Path) -> Result<Option<ObjectMeta>, StoreError> {
        match self.store.head(path).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(path, error)),
        }
    }

    /// The objects below a directory, `limit` at most, in no order that could be relied on.
    pub async fn list(&self, directory: &str, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        let path = Path::from(directory);
        let found = self.store.list(Some(&path)).take(limit).try_collect::<Vec<_>>().await;
        let found = match found {
            Err(Error::NotFound { .. }) => Vec::new(),
            found => found.map_err(|error| self.error(&path, error))?,
        };
        // Beside what is being written, a directory holds files that writers left behind when they were killed.
        Ok(found.into_iter().filter(|object| !object.location.as_ref().contains('#')).collect())
    }

    /// Directories directly below a directory.
    pub async fn directories(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let path = Path::from(directory);
        match self.store.list_with_delimiter(Some(&path)).await {
            Ok(found) => {
                Ok(found.common_prefixes.iter().filter_map(|path| Some(path.filename()?.to_owned())).collect())
            }
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(self.error(&path, error)),
        }
    }

    /// Removes objects; that one is gone already is no matter.
    pub async fn delete(&self, paths: Vec<Path>) -> Result<(), StoreError> {
        let deleted = futures::stream::iter(paths).map(|path| async move {
            match self.store.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.error(&path, error)),
            }
        });
        deleted.buffer_unordered(PARALLEL).try_collect().await
    }
}

/// The whole store that a URL is in.
pub fn whole_store(url: &str) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let failed = |source| StoreError::Bucket { url: url.to_owned(), source };
    let scheme = url.split_once("://").map_or(url, |(scheme, _)| scheme);
    Ok(match scheme {
        "file" => Arc::new(LocalFileSystem::new()),
        "s3" | "s3a" => Arc::new(s3(url)?.with_retry(retry()).build().map_err(failed)?),
        "gs" => {
            Arc::new(GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry()).build().map_err(failed)?)
        }
        "az" | "azure" | "abfs" | "abfss" => {
            Arc::new(MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry()).build().map_err(failed)?)
        }
        "memory" => Arc::new(InMemory::new()),
        _ => {
            let problem = "write a directory, file:///directory, s3://bucket/prefix, gs://… or az://…";
            return Err(StoreError::Usage(format!("{url}: {problem}")));
        }
    })
}

/// A request is tried again for as many seconds as OBIT_STORE_TIMEOUT says, or a minute.
fn retry() -> RetryConfig {
    let seconds = std::env::var("OBIT_STORE_TIMEOUT").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    RetryConfig { retry_timeout: std::time::Duration::from_secs(seconds), ..RetryConfig::default() }
}

/// S3 by the environment, and by the profile that AWS_PROFILE names.
fn s3(url: &str) -> Result<AmazonS3Builder, StoreError> {
    let mut builder = AmazonS3Builder::from_env().with_url(url);
    let has_keys = std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
    if let Some(profile) = profile::chosen().map_err(StoreError::Usage)? {
        if let (false, Some((key, secret))) = (has_keys, profile.keys) {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
            if let Some(token) = profile.token {
                builder = builder.with_token(token);
            }
        }
        if let (Some(region), None, None) =
            (profile.region, std::env::var_os("AWS_REGION"), std::env::var_os("AWS_DEFAULT_REGION"))
        {
            builder = builder.with_region(region);
        }
        if let (Some(endpoint), None) = (&profile.endpoint, std::env::var_os("AWS_ENDPOINT_URL")) {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
    }
    // Who names a server by http:// means it.
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"] {
        if std::env::var(name).is_ok_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
    }
    Ok(builder)
}
