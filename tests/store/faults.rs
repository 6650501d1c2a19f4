//! Nothing lost and nothing twice: killed at every request, raced, lied to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use obit::store::compact::compact;
use obit::store::index::{Indexer, read_ids};
use obit::store::probe::probe;
use obit::store::query::{Engine, Question};
use obit::store::retain::retain;
use obit::store::table::Table;
use obit::store::verify::verify;
use obit::store::{Bucket, StoreError};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::shaky::{Fault, Shaky};
use crate::{Place, ask, bucket, crashes, fleet, memory, put, sql, wait};

/// Every id exactly once, in the table and in what a query sees.
async fn assert_exactly_once(bucket: &Bucket, count: usize, what: &str) {
    let rows = sql(bucket, "SELECT id, count(*) AS n FROM crashes GROUP BY id").await;
    assert_eq!(rows.len(), count, "{what}: rows that a query sees");
    assert!(rows.iter().all(|row| row[1] == 1), "{what}: one is there twice");
}

/// The same without a query's plan: each file's ids, and what of the inbox a query would add to them.
async fn assert_quickly(bucket: &Bucket, count: usize, what: &str) {
    let mut ids = Vec::new();
    if let Some(table) = Table::open(bucket).await.unwrap() {
        for file in table.files().unwrap() {
            ids.extend(read_ids(&table, &file.path()).await.unwrap());
        }
    }
    let indexed = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), indexed, "{what}: one is there twice");
    let waiting = Engine::open(bucket).await.unwrap().read().waiting;
    assert_eq!(indexed + waiting, count, "{what}: rows that a query sees");
}

/// Runs `steps` with the store dying at each of its requests in turn, and checks what a later run makes of it.
async fn killed_everywhere<F>(fresh: impl Fn() -> Place, count: u64, faults: &[fn(usize) -> Fault], steps: F) -> usize
where
    F: AsyncFn(&Bucket) -> Result<(), StoreError>,
{
    let mut killed = 0;
    for fault in faults {
        for at in 0.. {
            let place = fresh();
            let whole = place.whole();
            put(&whole, &crashes(count)).await.unwrap();
            let shaky = Shaky::new(place.store.clone(), fault(at));
            let requests = shaky.requests();
            let shaky: Arc<dyn ObjectStore> = Arc::new(shaky);
            let result = steps(&place.bucket(&shaky)).await;
            let what = format!("{:?}", fault(at));
            assert_quickly(&whole, count as usize, &format!("{what}, before the repair")).await;
            Indexer::default().drain(&whole).await.unwrap();
            compact(&whole, 0).await.unwrap();
            assert_quickly(&whole, count as usize, &format!("{what}, after the repair")).await;
            assert_eq!(whole.list("inbox", 100).await.unwrap().len(), 0, "{what}: the inbox is empty");
            killed += 1;
            if requests.load(Ordering::SeqCst) <= at {
                result.unwrap();
                assert_exactly_once(&whole, count as usize, &what).await;
                assert!(verify(&whole, false).await.unwrap().is_whole());
                break;
            }
        }
    }
    killed
}

#[test]
fn an_indexer_may_be_killed_at_every_request() {
    wait(async {
        let faults = [Fault::DiesBefore, Fault::DiesAfter, Fault::Refuses];
        let index = async |bucket: &Bucket| Indexer::default().drain(bucket).await.map(|_| ());
        assert!(killed_everywhere(Place::memory, 3, &faults, index).await > 30);
    });
}

#[test]
fn a_compaction_may_be_killed_at_every_request() {
    wait(async {
        let compact_two = async |bucket: &Bucket| {
            // Two batches, so that there is something to compact.
            let mut indexer = Indexer::default();
            indexer.run(bucket, 1).await?;
            indexer.run(bucket, 1).await?;
            compact(bucket, 0).await.map(|_| ())
        };
        assert!(killed_everywhere(Place::memory, 2, &[Fault::DiesBefore, Fault::DiesAfter], compact_two).await > 50);
    });
}

#[test]
fn an_indexer_may_be_killed_over_a_directory_too() {
    let directory = std::env::temp_dir().join(format!("obit-store-faults-{}", std::process::id()));
    let count = std::cell::Cell::new(0);
    wait(async {
        let fresh = || {
            count.set(count.get() + 1);
            Place::directory(&directory.join(count.get().to_string()))
        };
        let index = async |bucket: &Bucket| Indexer::default().drain(bucket).await.map(|_| ());
        killed_everywhere(fresh, 2, &[Fault::DiesAfter], index).await;
    });
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_writer_may_be_killed_at_every_request_and_sends_it_again() {
    wait(async {
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            for at in 0..8 {
                let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
                let all = crashes(3);
                let dying = bucket(Arc::new(Shaky::new(store.clone(), fault(at))));
                let _ = put(&dying, &all).await;
                // An indexer comes between the two attempts.
                let whole = bucket(store.clone());
                Indexer::default().drain(&whole).await.unwrap();
                put(&whole, &all).await.unwrap();
                Indexer::default().drain(&whole).await.unwrap();
                assert_exactly_once(&whole, 3, &format!("{:?}", fault(at))).await;
            }
        }
    });
}

#[test]
fn racing_indexers_writers_and_compactions_lose_nothing() {
    wait(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        const WRITERS: u64 = 8;
        const EACH: u64 = 40;
        let mut tasks = Vec::new();
        for writer in 0..WRITERS {
            let bucket = bucket(store.clone());
            tasks.push(tokio::spawn(async move {
                for number in 0..EACH {
                    let crash = fleet().crash(writer * EACH + number, WRITERS * EACH);
                    put(&bucket, std::slice::from_ref(&crash)).await.unwrap();
                    if number % 5 == 0 {
                        // An acknowledgement that was lost.
                        put(&bucket, &[crash]).await.unwrap();
                    }
                }
            }));
        }
        for number in 0..4 {
            let bucket = bucket(store.clone());
            tasks.push(tokio::spawn(async move {
                let mut indexer = Indexer::default();
                for round in 0..12 {
                    indexer.run(&bucket, 30).await.unwrap();
                    if round % 4 == number {
                        compact(&bucket, 1).await.unwrap();
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let whole = bucket(store.clone());
        assert_exactly_once(&whole, (WRITERS * EACH) as usize, "before the last run").await;
        Indexer::default().drain(&whole).await.unwrap();
        compact(&whole, 0).await.unwrap();
        assert_exactly_once(&whole, (WRITERS * EACH) as usize, "after the last run").await;
        assert!(verify(&whole, false).await.unwrap().is_whole());
    });
}

#[test]
fn a_hostile_inbox_is_quarantined_and_holds_up_nobody() {
    wait(async {
        let bucket = memory();
        let good = crashes(2);
        put(&bucket, &good).await.unwrap();
        let other = fleet().crash(77, 100);
        let bomb = zstd::bulk::compress(&vec![b'{'; 32 << 20], 3).unwrap();
        let hostile: Vec<(String, Vec<u8>)> = vec![
            ("inbox/notes.txt".to_owned(), b"hello".to_vec()),
            ("inbox/deeper/20261126T024256Z-1a2b3c4d5e6f7081.json.zst".to_owned(), b"x".to_vec()),
            ("inbox/20261126T024256Z-1a2b3c4d5e6f7081.json.zst".to_owned(), b"no zstd".to_vec()),
            ("inbox/20261126T024257Z-1a2b3c4d5e6f7081.json.zst".to_owned(), bomb),
            ("inbox/20261126T024258Z-1a2b3c4d5e6f7081.json.zst".to_owned(), other.packed().unwrap()),
            ("inbox/20261126T024259Z-1a2b3c4d5e6f7081.json.zst".to_owned(), vec![7; 1 << 20]),
            ("inbox/20261126T024300Z-1a2b3c4d5e6f7081.json.zst".to_owned(), good[0].packed().unwrap()[..40].to_vec()),
        ];
        for (path, bytes) in &hostile {
            assert!(bucket.create(&Path::from(path.as_str()), bytes.clone()).await.unwrap());
        }
        let (answer, rows) = ask(&bucket, &Question::default()).await.unwrap();
        assert_eq!((rows.len(), answer.read.refused), (2, hostile.len()), "a query passes over them");
        let done = Indexer::default().drain(&bucket).await.unwrap();
        assert_eq!((done.rows, done.refused), (2, hostile.len()));
        assert!(bucket.list("inbox", 100).await.unwrap().is_empty());
        let kept = bucket.list("quarantine", 100).await.unwrap();
        let reasons: Vec<_> = kept.iter().filter(|object| object.location.as_ref().ends_with(".reason.json")).collect();
        assert_eq!(reasons.len(), hostile.len(), "{kept:?}");
        for reason in reasons {
            let text = bucket.read(&reason.location).await.unwrap().unwrap();
            let reason: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert!(reason["reason"].as_str().unwrap().len() > 8, "{reason}");
        }
        let again = Indexer::default().drain(&bucket).await.unwrap();
        assert_eq!((again.rows, again.refused), (0, 0));
    });
}

#[test]
fn a_store_that_overwrites_is_refused() {
    #[derive(Debug)]
    struct Overwrites(InMemory);
    impl std::fmt::Display for Overwrites {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("Overwrites")
        }
    }
    use object_store::*;
    #[async_trait::async_trait]
    impl ObjectStore for Overwrites {
        async fn put_opts(&self, at: &path::Path, payload: PutPayload, _: PutOptions) -> Result<PutResult> {
            self.0.put_opts(at, payload, PutOptions::default()).await
        }
        async fn put_multipart_opts(
            &self,
            at: &path::Path,
            options: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            self.0.put_multipart_opts(at, options).await
        }
        async fn get_opts(&self, at: &path::Path, options: GetOptions) -> Result<GetResult> {
            self.0.get_opts(at, options).await
        }
        fn delete_stream(
            &self,
            paths: futures::stream::BoxStream<'static, Result<path::Path>>,
        ) -> futures::stream::BoxStream<'static, Result<path::Path>> {
            self.0.delete_stream(paths)
        }
        fn list(&self, prefix: Option<&path::Path>) -> futures::stream::BoxStream<'static, Result<ObjectMeta>> {
            self.0.list(prefix)
        }
        async fn list_with_delimiter(&self, prefix: Option<&path::Path>) -> Result<ListResult> {
            self.0.list_with_delimiter(prefix).await
        }
        async fn copy_opts(&self, from: &path::Path, to: &path::Path, options: CopyOptions) -> Result<()> {
            self.0.copy_opts(from, to, options).await
        }
    }
    wait(async {
        probe(&memory()).await.unwrap();
        let error = probe(&bucket(Arc::new(Overwrites(InMemory::new())))).await.unwrap_err();
        assert!(error.to_string().contains("overwritten"), "{error}");
    });
}

#[test]
fn retention_drops_days_and_thins_out_snapshots_but_not_rows() {
    wait(async {
        let bucket = memory();
        let all = crashes(60);
        put(&bucket, &all).await.unwrap();
        Indexer::default().drain(&bucket).await.unwrap();
        let dry = retain(&bucket, None, 2, true).await.unwrap();
        let done = retain(&bucket, None, 2, false).await.unwrap();
        assert_eq!(dry, done);
        let groups = sql(&bucket, "SELECT count(*) AS n FROM crashes GROUP BY fingerprint, version").await;
        let surplus: u64 = groups.iter().map(|row| row[0].as_u64().unwrap().saturating_sub(2)).sum();
        assert_eq!(done.snapshots as u64, surplus);
        assert_eq!(bucket.list("snap", 1000).await.unwrap().len() as u64, 60 - surplus);
        assert_eq!(sql(&bucket, "SELECT count(*) FROM crashes").await[0][0], 60);
        assert_eq!(retain(&bucket, None, 2, false).await.unwrap().snapshots, 0, "nothing is left to do");
        // The fleet is of long ago, or of a time to come: either all days are over, or none.
        let dry = retain(&bucket, Some(0), 1, true).await.unwrap();
        assert!(dry.snapshots as u64 <= 60 - surplus, "none is counted twice: {dry:?}");
        let all_days = retain(&bucket, Some(0), 2, false).await.unwrap();
        let left = sql(&bucket, "SELECT count(*) FROM crashes").await[0][0].as_u64().unwrap();
        assert_eq!(left + all_days.rows, 60);
        assert!(verify(&bucket, false).await.unwrap().is_whole());
    });
}

#[test]
fn a_snapshot_whose_writer_died_is_found_and_taken_in() {
    wait(async {
        let bucket = memory();
        let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/snapshot-1/context.obit")).unwrap();
        let id = obit::store::id::Id::new("2026-11-26T04:10:15Z".parse().unwrap(), &[&bytes]);
        bucket.create(&id.snapshot(), bytes).await.unwrap();
        let found = verify(&bucket, false).await.unwrap();
        assert_eq!((found.unknown_snapshots.len(), found.is_whole()), (1, false));
        let found = verify(&bucket, true).await.unwrap();
        assert_eq!((found.repaired, found.is_whole()), (1, true));
        Indexer::default().drain(&bucket).await.unwrap();
        let rows = sql(&bucket, "SELECT id, signal FROM crashes").await;
        assert_eq!(rows, [[serde_json::json!(id.as_str()), serde_json::json!("SIGABRT")]]);
    });
}
