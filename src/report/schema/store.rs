//! Documents of `obit store`. They are described here, beside the debugger's, so that `obit schema` has every document;
//! what writes them is in `store_cli`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::{Note, root};

/// A crash that was added.
#[derive(JsonSchema)]
struct Added {
    id: String,
    /// As it was given.
    file: String,
    /// Its snapshot was there before.
    known: bool,
}

/// What `--explain` says.
#[derive(JsonSchema)]
struct Explained {
    /// Of the table; null where there is none yet.
    table_version: Option<u64>,
    /// Its files.
    files: u64,
    /// Those that were read; null where a cluster reads.
    files_read: Option<u64>,
    /// Bytes of those.
    bytes: Option<u64>,
    /// Rows that came out of the inbox.
    inbox_rows: u64,
    /// Milliseconds until inbox and table were known.
    opened_ms: f64,
    planned_ms: f64,
    computed_ms: f64,
    /// The query engine's plan; text without a promise.
    plan: Option<String>,
}

/// A group, and its crashes.
#[derive(JsonSchema)]
struct Group {
    fingerprint: String,
    /// open, in-progress, resolved, muted or regressed.
    state: String,
    /// Crashes.
    count: u64,
    hosts: u64,
    /// RFC 3339, UTC.
    first: String,
    /// RFC 3339, UTC.
    last: String,
    /// The least and the greatest.
    versions: Option<Vec<String>>,
    /// This, class, top_frame and verdict are of the last crash.
    application: Option<String>,
    class: Option<String>,
    top_frame: Option<String>,
    verdict: Option<String>,
    /// Crashes over time, as bars.
    trend: Option<String>,
    /// Whose it is.
    assigned: Option<String>,
    /// Fingerprints that count as this one.
    merged: Vec<String>,
    /// By system.
    tickets: BTreeMap<String, String>,
    /// The last crash's id.
    latest: String,
}

/// What somebody said of a group.
#[derive(JsonSchema)]
struct Comment {
    /// RFC 3339, UTC.
    time: String,
    by: String,
    text: String,
}

/// Two groups, and how alike they are.
#[derive(JsonSchema)]
struct Pair {
    fingerprint: String,
    other: String,
    /// 0 to 1.
    similarity: f64,
    /// They may well be one.
    alike: bool,
    top_frame: Option<String>,
    other_top_frame: Option<String>,
    /// The other's crashes.
    other_count: u64,
}

/// Something that sets two sets of crashes apart.
#[derive(JsonSchema)]
struct Difference {
    /// attribute, variable, frame, column or figure.
    kind: String,
    /// Its name; the function of a frame.
    name: String,
    /// Null for a frame, and for numbers that are compared as such.
    value: Option<String>,
    /// Share of the first set's crashes; the median where numbers are compared.
    a: f64,
    /// The same of the second set.
    b: f64,
    /// The shares' difference; for numbers, how often the first set's is greater, from -1 to 1.
    effect: f64,
    /// The chance that there is no difference and it looks like this.
    p: f64,
}

documents! {
    /// `obit store URL add`.
    StoreAdd "obit.store-add/1" {
        added: Vec<Added>,
    }
    /// `obit store URL index`.
    StoreIndex "obit.store-index/1" {
        /// Rows that were added to the table.
        indexed: u64,
        /// Entries that it had already.
        known: u64,
        /// Entries that are none.
        quarantined: u64,
    }
    /// `obit store URL query`.
    Query "obit.query/1" {
        columns: Vec<String>,
        /// A value for each column: null, text, number, truth, list, or object for a map. Times are RFC 3339 in UTC.
        rows: Vec<Vec<serde_json::Value>>,
        /// With --explain.
        #[schemars(default)]
        explain: Option<Explained>,
    }
    /// `obit store URL get`.
    StoreGet "obit.store-get/1" {
        id: String,
        /// Where the snapshot is on this machine.
        file: String,
        bytes: u64,
    }
    /// `obit store URL groups`.
    StoreGroups "obit.store-groups/1" {
        /// The largest first.
        groups: Vec<Group>,
    }
    /// `obit store URL group`.
    StoreGroup "obit.store-group/1" {
        group: Group,
        resolved_in: Option<String>,
        /// For people.
        muted_until: Option<String>,
        comments: Vec<Comment>,
        crash_columns: Vec<String>,
        /// The newest crashes.
        crashes: Vec<Vec<serde_json::Value>>,
    }
    /// `obit store URL similar`.
    StoreSimilar "obit.store-similar/1" {
        pairs: Vec<Pair>,
    }
    /// `obit store URL compare`.
    StoreCompare "obit.store-compare/1" {
        /// Crashes of the first set that were looked at.
        a: u64,
        /// Of the second.
        b: u64,
        /// The strongest first.
        differences: Vec<Difference>,
    }
    /// `obit store URL compact`.
    StoreCompact "obit.store-compact/1" {
        /// Files before, of those that were rewritten.
        before: u64,
        /// Files in their place.
        after: u64,
        rows: u64,
        /// Files that were removed as they belonged to nothing.
        removed: u64,
    }
    /// `obit store URL retain`.
    StoreRetain "obit.store-retain/1" {
        /// Rows that were removed with their days.
        rows: u64,
        /// Snapshots that were removed.
        snapshots: u64,
        /// Nothing was removed: it would be.
        dry_run: bool,
    }
    /// `obit store URL verify`.
    StoreVerify "obit.store-verify/1" {
        rows: u64,
        /// Of the table.
        files: u64,
        snapshots: u64,
        /// Retention removes snapshots and keeps rows.
        rows_without_snapshot: u64,
        quarantined: u64,
        /// Snapshots that no row and no entry knows.
        unknown_snapshots: Vec<String>,
        /// Of those, how many were given an entry.
        repaired: u64,
        /// Files of the table that are missing, or not as long as it says.
        damaged_files: Vec<String>,
        /// Crashes that are there more than once.
        duplicates: Vec<String>,
    }
    /// `obit store URL ship`.
    StoreShip "obit.store-ship/1" {
        shipped: u64,
        /// Put aside, as no store takes them.
        failed: u64,
        /// Still in the spool.
        left: u64,
    }
    /// `obit notify run URL`.
    StoreNotify "obit.store-notify/1" {
        /// Messages that were sent; with --dry-run, that would be.
        sent: u64,
        failed: u64,
        /// Occasions over their rule's `at_most`, which the next runs tell of.
        waiting: u64,
        dry_run: bool,
    }
}
