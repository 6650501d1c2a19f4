//! The store, from writers to answers: in memory, in a directory, through the programs; killed at every step.

mod ask;
mod browser;
mod clouds;
#[cfg(feature = "ballista")]
mod cluster;
mod disk;
mod engines;
mod faults;
mod notify;
mod programs;
#[path = "../../src/report/schema_check.rs"]
mod schema_check;
mod shaky;

use std::sync::Arc;

use jiff::SignedDuration;
use obit::store::crash::Crash;
use obit::store::fleet::Fleet;
use obit::store::id::Id;
use obit::store::query::{Answer, Engine, Question, output};
use obit::store::{Bucket, StoreError};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::Value;

/// The document, which is as its schema says.
#[track_caller]
pub fn document(text: &str) -> Value {
    static SCHEMAS: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_obit")).arg("schema").output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    });
    assert!(text.starts_with("{\"schema\":\"obit."), "{text}");
    let document: Value = serde_json::from_str(text).unwrap();
    let schema = &SCHEMAS[document["schema"].as_str().unwrap()];
    let mut found = Vec::new();
    schema_check::problems(schema, schema, &document, "", &mut found);
    assert_eq!(found, Vec::<String>::new(), "{text}");
    document
}

/// Waits for an answer.
pub fn wait<T>(answer: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(answer)
}

/// A bucket over a store.
pub fn bucket(store: Arc<dyn ObjectStore>) -> Bucket {
    let location = url::Url::parse("memory:///").unwrap();
    Bucket::of(store, Path::default(), location, "memory:///")
}

/// Where a bucket is: in a store, at a place of it.
#[derive(Clone)]
pub struct Place {
    /// The whole store.
    pub store: Arc<dyn ObjectStore>,
    prefix: Path,
    location: url::Url,
}

impl Place {
    /// In memory.
    pub fn memory() -> Place {
        let location = url::Url::parse("memory:///").unwrap();
        Place { store: Arc::new(InMemory::new()), prefix: Path::default(), location }
    }

    /// In a directory.
    pub fn directory(path: &std::path::Path) -> Place {
        std::fs::create_dir_all(path).unwrap();
        let location = url::Url::from_directory_path(path).unwrap();
        let store = Arc::new(object_store::local::LocalFileSystem::new());
        Place { store, prefix: Path::from_absolute_path(path).unwrap(), location }
    }

    /// The bucket, through another store or itself.
    pub fn bucket(&self, store: &Arc<dyn ObjectStore>) -> Bucket {
        Bucket::of(store.clone(), self.prefix.clone(), self.location.clone(), self.location.as_str())
    }

    /// The bucket itself.
    pub fn whole(&self) -> Bucket {
        self.bucket(&self.store)
    }
}

/// An empty bucket in memory.
pub fn memory() -> Bucket {
    bucket(Arc::new(InMemory::new()))
}

/// A small fleet.
pub fn fleet() -> Fleet {
    Fleet { groups: 12, hosts: 5, versions: 4, span: SignedDuration::from_hours(24 * 5), ..Fleet::default() }
}

/// Writes crashes as writers do, each with something for a snapshot.
pub async fn put(bucket: &Bucket, crashes: &[Crash]) -> Result<(), StoreError> {
    for crash in crashes {
        let id = Id::parse(&crash.id).unwrap();
        bucket.create(&id.snapshot(), "snapshot").await?;
        bucket.create(&id.entry(), crash.packed().unwrap()).await?;
    }
    Ok(())
}

/// So many crashes of the small fleet.
pub fn crashes(count: u64) -> Vec<Crash> {
    (0..count).map(|number| fleet().crash(number, count)).collect()
}

/// An answer's rows.
pub async fn ask(bucket: &Bucket, question: &Question) -> Result<(Answer, Vec<Vec<Value>>), StoreError> {
    let answer = Engine::open(bucket).await?.ask(question, None, false).await?;
    let rows = output::rows(&answer)?;
    Ok((answer, rows))
}

/// Rows of SQL.
pub async fn sql(bucket: &Bucket, sql: &str) -> Vec<Vec<Value>> {
    let question = Question { sql: Some(sql.to_owned()), ..Question::default() };
    ask(bucket, &question).await.unwrap().1
}
