//! Commands that keep a store in order: `compact`, `retain`, `verify`.

use std::io::{self, Write};

use serde::Serialize;

use super::print;
use crate::store::{Bucket, StoreError, compact, retain, verify};

#[derive(clap::Args, Debug)]
pub struct CompactArgs {}

#[derive(clap::Args, Debug)]
pub struct RetainArgs {
    /// Keep the last N days; what is older leaves with rows and snapshots [default: all days]
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Keep the newest N snapshots of a fingerprint and version; rows stay
    #[arg(long, value_name = "N", default_value_t = 30)]
    keep: usize,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args, Debug)]
pub struct VerifyArgs {
    /// Give snapshots that no row knows an entry in the inbox
    #[arg(long)]
    repair: bool,
}

pub async fn compact(bucket: &Bucket, _: &CompactArgs, json: bool) -> Result<(), StoreError> {
    let done = compact::compact(bucket, 0).await?;
    #[derive(Serialize)]
    struct Body {
        before: usize,
        after: usize,
        rows: u64,
        removed: usize,
    }
    if json {
        let body = Body { before: done.before, after: done.after, rows: done.rows, removed: done.removed };
        return print("obit.store-compact/1", Vec::new(), body);
    }
    let (before, after, rows, removed) = (done.before, done.after, done.rows, done.removed);
    writeln!(io::stdout(), "{before} files made {after}, {rows} rows; {removed} unused files removed")?;
    Ok(())
}

pub async fn retain(bucket: &Bucket, args: &RetainArgs, json: bool) -> Result<(), StoreError> {
    let done = retain::retain(bucket, args.days, args.keep, args.dry_run).await?;
    #[derive(Serialize)]
    struct Body {
        rows: u64,
        snapshots: usize,
        dry_run: bool,
    }
    if json {
        let body = Body { rows: done.rows, snapshots: done.snapshots, dry_run: args.dry_run };
        return print("obit.store-retain/1", Vec::new(), body);
    }
    let verb = if args.dry_run { "would be removed" } else { "removed" };
    writeln!(io::stdout(), "{} rows and {} snapshots {verb}", done.rows, done.snapshots)?;
    Ok(())
}

pub async fn verify(bucket: &Bucket, args: &VerifyArgs, json: bool) -> Result<(), StoreError> {
    let found = verify::verify(bucket, args.repair).await?;
    if json {
        print("obit.store-verify/1", Vec::new(), &found)?;
    } else {
        let mut out = io::stdout().lock();
        writeln!(out, "{} crashes, {} files of the table, {} snapshots", found.rows, found.files, found.snapshots)?;
        if found.rows_without_snapshot > 0 {
            writeln!(out, "{} crashes have no snapshot (any more)", found.rows_without_snapshot)?;
        }
        if found.quarantined > 0 {
            writeln!(out, "{} entries in quarantine", found.quarantined)?;
        }
        for (what, names) in [
            ("a snapshot that no row knows", &found.unknown_snapshots),
            ("missing or damaged file of the table", &found.damaged_files),
            ("more than once in the table", &found.duplicates),
        ] {
            for name in names {
                writeln!(out, "{name}: {what}")?;
            }
        }
        if found.repaired > 0 {
            writeln!(out, "{} snapshots have an entry in the inbox now", found.repaired)?;
        }
    }
    match found.is_whole() {
        true => Ok(()),
        false => Err(StoreError::NoMatch(format!("{}: not everything is as it should be", bucket.name()))),
    }
}
