//! A table of crashes as what a cluster's nodes are sent: the list of its files, and the inbox's rows.
//!
//! ```text
//! 8 bytes, little endian: length n of what follows
//! n bytes of JSON: columns, store, files
//! the inbox's rows: a stream of Arrow IPC; nothing where there are none
//! ```
//!
//! Nodes may be of another version than who asks: columns that differ are refused.

use std::io::Cursor;
use std::sync::Arc;

use deltalake::arrow::ipc::reader::StreamReader;
use deltalake::arrow::ipc::writer::StreamWriter;
use deltalake::datafusion::common::exec_datafusion_err;
use deltalake::datafusion::error::{DataFusionError, Result};
use deltalake::datafusion::execution::object_store::ObjectStoreUrl;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::promoted::{self, Promoted};
use super::scan::{Crashes, File, schemas};
use super::stats::Stats;

/// Files that are read of a message.
const MOST_FILES: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Head {
    columns: Vec<String>,
    /// Attributes that are columns, in all of the files.
    #[serde(default)]
    promoted: Vec<Promoted>,
    store: String,
    files: Vec<PackedFile>,
}

#[derive(Serialize, Deserialize)]
struct PackedFile {
    path: String,
    size: i64,
    written: i64,
    day: Option<i32>,
    stats: String,
}

fn columns(promoted: &[Promoted]) -> Vec<String> {
    schemas(promoted).1.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect()
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl Crashes {
    /// Appends what [`Crashes::unpack`] reads.
    pub fn pack(&self, bytes: &mut Vec<u8>) -> Result<()> {
        let files = self.files.iter().map(|file| PackedFile {
            path: file.meta.location.to_string(),
            size: i64::try_from(file.meta.size).unwrap_or(i64::MAX),
            written: file.meta.last_modified.timestamp_millis(),
            day: file.day,
            stats: file.stats.to_json(),
        });
        let head = Head {
            columns: columns(self.promoted()),
            promoted: self.promoted().to_vec(),
            store: self.store.as_str().to_owned(),
            files: files.collect(),
        };
        let head = serde_json::to_vec(&head).map_err(external)?;
        bytes.extend((head.len() as u64).to_le_bytes());
        bytes.extend(head);
        if let Some(waiting) = &self.waiting {
            let mut writer = StreamWriter::try_new(bytes, &waiting.schema())?;
            writer.write(waiting)?;
            writer.finish()?;
        }
        Ok(())
    }

    /// Reads what [`Crashes::pack`] wrote.
    pub fn unpack(bytes: &[u8]) -> Result<Crashes> {
        let short = || exec_datafusion_err!("a table of crashes ends early");
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        let (head, waiting) = rest.split_at_checked(length).ok_or_else(short)?;
        let head: Head = serde_json::from_slice(head).map_err(external)?;
        if head.promoted.len() > promoted::MOST || head.columns != columns(&head.promoted) {
            return Err(exec_datafusion_err!("this node and who asks are of versions of obit with different columns"));
        }
        if head.files.len() > MOST_FILES {
            return Err(exec_datafusion_err!("more than {MOST_FILES} files"));
        }
        let schema = schemas(&head.promoted).1;
        let files = head.files.into_iter().map(|file| {
            let stats = Arc::new(Stats::parse(&file.stats));
            let path = Path::parse(&file.path).map_err(external)?;
            Ok(File::new(path, file.size, file.written, file.day, stats, &schema))
        });
        let files = files.collect::<Result<Vec<File>>>()?;
        let waiting = match waiting {
            [] => None,
            waiting => {
                let mut reader = StreamReader::try_new(Cursor::new(waiting), None)?;
                let batch = reader.next().transpose()?.ok_or_else(short)?;
                if batch.schema() != schema {
                    return Err(exec_datafusion_err!("the inbox's rows are not of this table"));
                }
                Some(batch)
            }
        };
        Ok(Crashes::new(ObjectStoreUrl::parse(head.store)?, files, waiting).with_promoted(head.promoted).spread())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fleet::Fleet;
    use crate::store::schema::{FILE, QUERY, file_batch, query_batch};

    #[test]
    fn a_table_is_unpacked_as_it_was_packed_and_what_is_cut_is_refused() {
        let crashes: Vec<_> = (0..3).map(|number| Fleet::default().crash(number, 3)).collect();
        let mut stats = Stats::default();
        stats.add(&file_batch(&crashes).unwrap());
        let file = File::new(Path::from("a/day=2026-11-26/b.parquet"), 7, 5000, Some(20783), Arc::new(stats), &QUERY);
        let waiting = query_batch(&crashes).unwrap();
        let store = ObjectStoreUrl::parse("s3://crashes/").unwrap();
        let table = Crashes::new(store.clone(), vec![file.clone()], Some(waiting.clone()));
        let mut bytes = Vec::new();
        table.pack(&mut bytes).unwrap();
        let read = Crashes::unpack(&bytes).unwrap();
        assert_eq!((&read.store, &read.waiting), (&store, &Some(waiting)));
        let [one] = read.files.as_slice() else { panic!("{:?}", read.files) };
        assert_eq!((&one.meta, one.day, &one.statistics), (&file.meta, file.day, &file.statistics));
        for length in [0, 7, 8, 100, bytes.len() / 2] {
            Crashes::unpack(&bytes[..length]).unwrap_err();
        }
        // Attributes that are columns are so on the other side.
        let many: Vec<_> = (0..2000).map(|number| Fleet::default().crash(number, 2000)).collect();
        let hot = promoted::hot(&file_batch(&many).unwrap(), &[], &FILE);
        let waiting = promoted::in_query(&query_batch(&crashes).unwrap(), &hot).unwrap();
        let with = Crashes::new(store, Vec::new(), Some(waiting.clone())).with_promoted(hot.clone());
        let mut packed = Vec::new();
        with.pack(&mut packed).unwrap();
        let read = Crashes::unpack(&packed).unwrap();
        assert_eq!((read.promoted(), &read.waiting), (hot.as_slice(), &Some(waiting)));
        let mut wrong = bytes.clone();
        wrong[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        Crashes::unpack(&wrong).unwrap_err();
    }
}
