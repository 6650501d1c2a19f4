//! Commands that read crashes: `query`, `get`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::{Note, is_terminal, print, say};
use crate::report::style::Paint;
use crate::store::query::output::{self, Format};
use crate::store::query::{Answer, Engine, Question};
use crate::store::{Bucket, StoreError, get, serve};

/// Rows of a table where nothing says how many.
const ROWS: usize = 50;

#[derive(clap::Args, Debug)]
pub struct QueryArgs {
    #[command(flatten)]
    question: Question,
    /// Who computes: ballista://HOST:PORT, a cluster's scheduler [default: this program]
    #[arg(long, value_name = "URL", help_heading = "Which crashes")]
    engine: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, help_heading = "Output")]
    format: Format,
    /// Say what was read, and how it was computed
    #[arg(long, help_heading = "Output")]
    explain: bool,
}

#[derive(clap::Args, Debug)]
pub struct GetArgs {
    /// An id, a fingerprint, the beginning of one of them, or latest
    id: String,
    /// The file to write; else the snapshot is opened, or its file named where the output is no terminal
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only name its file
    #[arg(long)]
    path: bool,
}

#[derive(clap::Args, Debug)]
pub struct ServeArgs {
    /// Where to listen; port 0 is one that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8017")]
    listen: SocketAddr,
}

pub async fn serve(bucket: Bucket, args: &ServeArgs) -> Result<(), StoreError> {
    let started = |address: SocketAddr| {
        let mut out = io::stdout().lock();
        writeln!(out, "http://{address}/")?;
        Ok(out.flush()?)
    };
    if !args.listen.ip().is_loopback() {
        let _ = writeln!(io::stderr(), "note: {}: everybody who reaches this address reads the crashes", args.listen);
    }
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    serve::serve(bucket, args.listen, debugger(), started, interrupted).await
}

/// The program `obit`: beside this one, else on PATH.
fn debugger() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name("obit")).filter(|path| path.is_file());
    beside.unwrap_or_else(|| "obit".into())
}

pub async fn query(bucket: &Bucket, args: &QueryArgs, json: bool, paint: Paint) -> Result<(), StoreError> {
    let engine = match &args.engine {
        None => Engine::open(bucket).await?,
        Some(scheduler) => on_cluster(bucket, scheduler).await?,
    };
    let format = if json { Format::Json } else { args.format };
    let limit = (format == Format::Table).then_some(ROWS);
    let answer = engine.ask(&args.question, limit, args.explain).await?;
    let mut notes = read_notes(bucket, &answer);
    if answer.cut {
        let message = format!("there are more than these {} rows (--limit)", answer.rows());
        notes.push(Note { code: "more-rows", message });
    }
    match format {
        Format::Json => {
            #[derive(Serialize)]
            struct Body {
                columns: Vec<String>,
                rows: Vec<Vec<serde_json::Value>>,
                #[serde(skip_serializing_if = "Option::is_none")]
                explain: Option<Explained>,
            }
            let explain = args.explain.then(|| Explained::of(&answer));
            let body = Body { columns: output::columns(&answer), rows: output::rows(&answer)?, explain };
            print("obit.query/1", notes, body)?;
        }
        format => {
            let mut out = io::BufWriter::new(io::stdout());
            match format {
                Format::Csv => output::csv(&answer, &mut out)?,
                Format::Parquet => output::parquet(&answer, &mut out)?,
                _ => output::table(&answer, &mut out, paint)?,
            }
            out.flush()?;
            drop(out);
            say(&notes);
            if args.explain {
                Explained::of(&answer).write(&mut io::stderr())?;
            }
        }
    }
    match answer.rows() {
        0 => Err(StoreError::NoMatch(format!("{}: no crash matches", bucket.name()))),
        _ => Ok(()),
    }
}

#[cfg(feature = "ballista")]
async fn on_cluster(bucket: &Bucket, scheduler: &str) -> Result<Engine, StoreError> {
    Engine::on(bucket, &crate::store::cluster::Address::parse(scheduler)?).await
}

#[cfg(not(feature = "ballista"))]
async fn on_cluster(_: &Bucket, scheduler: &str) -> Result<Engine, StoreError> {
    let problem = "this obit-store has no Ballista; build it with cargo build --release --features ballista";
    Err(StoreError::Usage(format!("--engine {scheduler}: {problem}")))
}

fn read_notes(bucket: &Bucket, answer: &Answer) -> Vec<Note> {
    let mut notes = Vec::new();
    if answer.read.refused > 0 {
        let message = format!(
            "{}: {} objects of the inbox are no entries; obit store {0} index puts them into quarantine",
            bucket.name(),
            answer.read.refused
        );
        notes.push(Note { code: "inbox", message });
    }
    if answer.read.more_waiting {
        let message = format!("{}: the inbox has more than was read; run obit store {0} index", bucket.name());
        notes.push(Note { code: "inbox-full", message });
    }
    notes
}

/// What `--explain` says.
#[derive(Serialize)]
struct Explained {
    table_version: Option<u64>,
    files: usize,
    /// Unknown where a cluster reads.
    files_read: Option<usize>,
    bytes: Option<u64>,
    inbox_rows: usize,
    opened_ms: f64,
    planned_ms: f64,
    computed_ms: f64,
    plan: Option<String>,
}

impl Explained {
    fn of(answer: &Answer) -> Explained {
        Explained {
            table_version: answer.read.version,
            files: answer.read.files,
            files_read: (!answer.read.elsewhere).then_some(answer.read.selected),
            bytes: (!answer.read.elsewhere).then_some(answer.read.bytes),
            inbox_rows: answer.read.waiting,
            opened_ms: answer.read.opened_ms,
            planned_ms: answer.took_ms.0,
            computed_ms: answer.took_ms.1,
            plan: answer.plan.clone(),
        }
    }

    fn write(&self, out: &mut dyn Write) -> Result<(), StoreError> {
        let version =
            self.table_version.map_or_else(|| "no table".to_owned(), |version| format!("table version {version}"));
        let files = match (self.files_read, self.bytes) {
            (Some(read), Some(bytes)) => {
                format!("{read} of {} files, {}", self.files, crate::report::environment_text::bytes_text(bytes))
            }
            _ => format!("{} files, read by the cluster", self.files),
        };
        writeln!(
            out,
            "{version}: {files}; inbox: {} rows; opened in {:.1} ms, planned in {:.1} ms, computed in {:.1} ms",
            self.inbox_rows, self.opened_ms, self.planned_ms, self.computed_ms
        )?;
        if let Some(plan) = &self.plan {
            write!(out, "{plan}")?;
        }
        Ok(())
    }
}

pub async fn get_one(bucket: &Bucket, args: &GetArgs, json: bool) -> Result<(), StoreError> {
    let id = get::resolve(bucket, &args.id).await?;
    let file = match &args.output {
        Some(file) => {
            get::download(bucket, &id, file).await?;
            file.clone()
        }
        None => get::fetch(bucket, &id).await?,
    };
    #[derive(Serialize)]
    struct Body {
        id: String,
        file: String,
        bytes: u64,
    }
    if json {
        let bytes = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        return print(
            "obit.store-get/1",
            Vec::new(),
            Body { id: id.to_string(), file: file.to_string_lossy().into(), bytes },
        );
    }
    if args.output.is_none() && !args.path && is_terminal() {
        use std::os::unix::process::CommandExt;
        let error = std::process::Command::new(debugger()).arg(&file).exec();
        return Err(StoreError::Usage(format!("obit: {error}; the snapshot is {}", file.display())));
    }
    writeln!(io::stdout(), "{}", file.display())?;
    Ok(())
}
