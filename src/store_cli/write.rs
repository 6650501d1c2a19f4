//! Commands that write: `add`, `index`, `ship`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;

use super::{Note, attribute, chain, print, say};
use crate::store::add::{self, Search};
use crate::store::crash::Crash;
use crate::store::fleet::Fleet;
use crate::store::id::Id;
use crate::store::index::{self, Indexed, Indexer};
use crate::store::ship::{self, Ship};
use crate::store::{Bucket, StoreError, compact, probe};

#[derive(clap::Args, Debug)]
pub struct AddArgs {
    /// What to add
    #[arg(required = true, value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// An attribute to find it by (may repeat)
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    attr: Vec<(String, String)>,
    /// The main executable of a core, where the core's own record of it does not lead to the file
    #[arg(long, value_name = "FILE")]
    exe: Option<PathBuf>,
    /// Look for every module of a core under DIR first
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
    /// For `ship`: status 75 where it is to be tried again
    #[arg(long, hide = true)]
    spooled: bool,
}

#[derive(clap::Args, Debug)]
pub struct IndexArgs {
    /// Go on until interrupted
    #[arg(long)]
    follow: bool,
    /// With --follow: look into the inbox so often
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    every: f64,
    /// With --follow: compact a day when it has so many small files
    #[arg(long, value_name = "N", default_value_t = 64)]
    compact_at: usize,
}

#[derive(clap::Args, Debug)]
pub struct ShipArgs {
    /// The handler's directory
    #[arg(long, value_name = "DIR", default_value = "/var/spool/obit", value_hint = clap::ValueHint::DirPath)]
    spool: PathBuf,
    /// An attribute that each crash is given (may repeat)
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    attr: Vec<(String, String)>,
    /// Ship at most N crashes a minute
    #[arg(long, value_name = "N", default_value_t = 120)]
    rate: u32,
    /// Go on until interrupted
    #[arg(long)]
    follow: bool,
    /// Write a systemd unit that does this to FILE (-: standard output), and ship nothing
    #[arg(long, value_name = "FILE")]
    unit: Option<PathBuf>,
}

pub async fn add_files(bucket: &Bucket, args: &AddArgs, json: bool) -> Result<(), StoreError> {
    if let Err(error) = probe::probe(bucket).await {
        return again_if_away(args, error);
    }
    let attributes: BTreeMap<String, String> = args.attr.iter().cloned().collect();
    let search = Search { executable: args.exe.clone(), sysroot: args.sysroot.clone() };
    #[derive(Serialize)]
    struct Row {
        id: String,
        file: String,
        known: bool,
    }
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    let mut failed = None;
    for file in &args.files {
        match add::add(bucket, file, &attributes, &search).await {
            Ok(added) => {
                notes.extend(added.note.map(|message| Note { code: "clock", message }));
                if !json {
                    writeln!(io::stdout(), "{}  {}", added.id, file.display())?;
                }
                let file = file.to_string_lossy().into_owned();
                rows.push(Row { id: added.id.to_string(), file, known: added.known });
            }
            // One that cannot be added does not keep the others out.
            Err(error) => {
                notes.push(Note { code: "not-added", message: format!("{}: {}", file.display(), chain(&error)) });
                failed = Some(error);
            }
        }
    }
    #[derive(Serialize)]
    struct Body {
        added: Vec<Row>,
    }
    match (failed, args.files.len()) {
        (Some(error), 1) => return again_if_away(args, error),
        (Some(_), _) => {
            say(&notes);
            if json {
                print("obit.store-add/1", notes, Body { added: rows })?;
            }
            return Err(StoreError::Usage("not everything was added".to_owned()));
        }
        (None, _) => {}
    }
    if json {
        return print("obit.store-add/1", notes, Body { added: rows });
    }
    say(&notes);
    Ok(())
}

pub async fn index(bucket: &Bucket, args: &IndexArgs, json: bool) -> Result<(), StoreError> {
    probe::probe(bucket).await?;
    let mut indexer = Indexer::default();
    if !args.follow {
        let done = indexer.drain(bucket).await?;
        #[derive(Serialize)]
        struct Body {
            indexed: usize,
            known: usize,
            quarantined: usize,
        }
        let body = Body { indexed: done.rows, known: done.known, quarantined: done.refused };
        if json {
            return print("obit.store-index/1", Vec::new(), body);
        }
        writeln!(io::stdout(), "{}", indexed_text(&done))?;
        return Ok(());
    }
    let pause = Duration::try_from_secs_f64(args.every.clamp(0.05, 3600.0)).unwrap_or(Duration::from_secs(2));
    let mut failures = 0u32;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let wait = match indexer.drain(bucket).await {
            Ok(done) => {
                failures = 0;
                if done != Indexed::default() {
                    writeln!(io::stdout(), "{}", indexed_text(&done))?;
                    let compacted = compact::compact(bucket, args.compact_at.max(1)).await?;
                    if compacted.before > 0 {
                        writeln!(io::stdout(), "{} files made {}", compacted.before, compacted.after)?;
                    }
                }
                pause
            }
            Err(error @ (StoreError::Output(_) | StoreError::Usage(_))) => return Err(error),
            // A server that is away comes back.
            Err(error) => {
                let _ = writeln!(io::stderr(), "obit store: {}", chain(&error));
                failures = failures.saturating_add(1);
                pause.saturating_mul(1 << failures.min(6)).min(Duration::from_secs(300))
            }
        };
        tokio::select! {
            _ = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn indexed_text(done: &Indexed) -> String {
    let mut text = format!("{} indexed", done.rows);
    if done.known > 0 {
        text.push_str(&format!(", {} there before", done.known));
    }
    if done.refused > 0 {
        text.push_str(&format!(", {} into quarantine", done.refused));
    }
    text
}

#[derive(clap::Args, Debug)]
pub struct FleetArgs {
    /// How many crashes
    #[arg(long, value_name = "N")]
    count: u64,
    /// So many writers at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    writers: u64,
    /// Another number, another fleet
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Into the table at once, in batches of N, without the inbox and without snapshots
    #[arg(long, value_name = "N")]
    batch: Option<u64>,
}

pub async fn fleet(bucket: &Bucket, args: &FleetArgs) -> Result<(), StoreError> {
    let fleet = Fleet { seed: args.seed, ..Fleet::default() };
    if let Some(batch) = args.batch {
        for start in (0..args.count).step_by(batch.max(1) as usize) {
            let numbers = start..args.count.min(start.saturating_add(batch));
            let crashes: Vec<Crash> = numbers.into_par_iter().map(|number| fleet.crash(number, args.count)).collect();
            index::append(bucket, &crashes).await?;
        }
        return Ok(());
    }
    let writers = (0..args.writers.max(1)).map(|writer| async move {
        for number in (writer..args.count).step_by(args.writers.max(1) as usize) {
            let crash = fleet.crash(number, args.count);
            let Some(id) = Id::parse(&crash.id) else { continue };
            bucket.create(&id.snapshot(), "made up").await?;
            bucket.create(&id.entry(), crash.packed()?).await?;
        }
        Ok::<(), StoreError>(())
    });
    futures::future::try_join_all(writers).await?;
    Ok(())
}

/// A store that is away is tried again by whoever ships.
fn again_if_away(args: &AddArgs, error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::Bucket { .. } if args.spooled => Err(StoreError::Again(Box::new(error))),
        error => Err(error),
    }
}

pub async fn ship(url: &str, args: &ShipArgs, json: bool) -> Result<(), StoreError> {
    let ship = Ship {
        url: url.to_owned(),
        spool: args.spool.clone(),
        attributes: args.attr.iter().cloned().collect(),
        rate: args.rate,
        follow: args.follow,
    };
    if let Some(file) = &args.unit {
        let text = ship::unit(&ship)?;
        if file.as_os_str() == "-" {
            io::stdout().write_all(text.as_bytes())?;
        } else {
            crate::capture::spool::write_durably(file, text.as_bytes(), 0o644).map_err(StoreError::file(file))?;
        }
        return Ok(());
    }
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let mut interrupted = Box::pin(interrupted);
    let mut log = |text: String| {
        let _ = writeln!(io::stderr(), "{text}");
    };
    let done = ship::ship(&ship, &mut interrupted, &mut log).await?;
    #[derive(Serialize)]
    struct Body {
        shipped: usize,
        failed: usize,
        left: usize,
    }
    if json {
        print("obit.store-ship/1", Vec::new(), Body { shipped: done.shipped, failed: done.failed, left: done.left })?;
    } else {
        writeln!(io::stdout(), "{} shipped, {} put aside, {} left", done.shipped, done.failed, done.left)?;
    }
    match done.left {
        0 => Ok(()),
        left => Err(StoreError::Usage(format!("{url}: {left} crashes are still in {}", args.spool.display()))),
    }
}
