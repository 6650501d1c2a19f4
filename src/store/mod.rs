//! The store: from one crash to a fleet's. docs/store.md is its manual.
//!
//! ```text
//! writers ── PUT, create-only ──▶ snap/DATE/ID.obit, then inbox/ID.json.zst   (neither waits for anybody)
//!                                                  │ index: one transaction a batch, then deletes
//!                                                  ▼
//! queries ◀── table and inbox as one ── index/: a Delta Lake table, one row a crash, a partition a day
//!                                       groups/: what people decided, one event an object
//! ```
//!
//! What makes it safe is in few places: [`bucket`] creates and never overwrites, [`index`] lets no row be lost or
//! counted twice, and whoever reads sees inbox and table as one ([`query`]). Everything in a bucket is hostile: whoever
//! may write into it is not believed (what an entry may hold: [`crash`]).

pub mod add;
pub mod bucket;
#[cfg(feature = "ballista")]
pub mod cluster;
pub mod compact;
pub mod compare;
pub mod crash;
pub mod events;
pub mod fleet;
pub mod get;
pub mod groups;
pub mod id;
pub mod inbox;
pub mod index;
pub mod observe;
#[cfg(feature = "ballista")]
mod packed;
pub mod probe;
mod profile;
pub mod promoted;
pub mod query;
pub mod retain;
pub mod scan;
pub mod schema;
pub mod serve;
pub mod ship;
pub mod similar;
pub mod stats;
pub mod table;
pub mod verify;

pub use bucket::Bucket;
pub use crash::Crash;

/// Why the store cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket.
    #[error("{url}: {source}")]
    Bucket {
        /// Where.
        url: String,
        /// What it said.
        source: object_store::Error,
    },
    /// The table.
    #[error("{url}: the table: {source}")]
    Table {
        /// Where.
        url: String,
        /// What is wrong.
        source: Box<deltalake::DeltaTableError>,
    },
    /// A query.
    #[error("{0}")]
    Query(Box<deltalake::datafusion::error::DataFusionError>),
    /// A file of this machine.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The question, or something that was found wrong.
    #[error("{0}")]
    Usage(String),
    /// Understood, and nothing matched.
    #[error("{0}")]
    NoMatch(String),
    /// The store is away: the same may succeed later.
    #[error("{0}")]
    Again(Box<StoreError>),
    /// Standard output.
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl StoreError {
    /// The contract's exit status.
    pub fn exit_status(&self) -> u8 {
        match self {
            StoreError::NoMatch(_) => 1,
            StoreError::Again(_) => ship::TRY_AGAIN,
            StoreError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
            _ => 2,
        }
    }

    /// Of a file.
    pub fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.display().to_string();
        move |source| StoreError::File { path, source }
    }
}

impl From<deltalake::datafusion::error::DataFusionError> for StoreError {
    fn from(error: deltalake::datafusion::error::DataFusionError) -> StoreError {
        StoreError::Query(Box::new(error))
    }
}

impl From<deltalake::arrow::error::ArrowError> for StoreError {
    fn from(error: deltalake::arrow::error::ArrowError) -> StoreError {
        StoreError::Query(Box::new(error.into()))
    }
}
