//! Measures the store against its goals, with made-up fleets in a directory:
//!
//! ```text
//! cargo build --release --features store
//! cargo run --release --features store --example store-goals -- [--rows 1000000] [--dir DIR] [WHAT…]
//! WHAT: ingest writers visible queries planning      (all of them, where none is named)
//! ```
//!
//! Queries are measured twice: as the whole program that a user starts (`obit-store`, beside the example's directory), and
//! as the engine alone beside DataFusion's own reading of the same Parquet files. Each time is the median of seven, after
//! one run that is not counted.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use obit::store::crash::Crash;
use obit::store::fleet::Fleet;
use obit::store::id::Id;
use obit::store::index::{self, Indexer};
use obit::store::query::{Engine, Question};
use obit::store::{Bucket, StoreError, compact};
use rayon::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Answer<T> = Result<T, Box<dyn std::error::Error>>;

const RUNS: usize = 7;
const GROUPS: &str = "SELECT fingerprint, count(*) AS n, count(DISTINCT host) AS hosts, min(time) AS first, max(time) AS last \
                      FROM crashes GROUP BY fingerprint ORDER BY n DESC";

struct Options {
    rows: u64,
    directory: PathBuf,
    what: Vec<String>,
}

fn main() -> Answer<()> {
    let mut options =
        Options { rows: 1_000_000, directory: std::env::temp_dir().join("obit-store-goals"), what: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rows" => options.rows = arguments.next().ok_or("--rows N")?.parse()?,
            "--dir" => options.directory = arguments.next().ok_or("--dir DIR")?.into(),
            "ingest" | "writers" | "visible" | "queries" | "planning" => options.what.push(argument),
            other => return Err(format!("{other}: write ingest, writers, visible, queries or planning").into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&options))
}

async fn measure(options: &Options) -> Answer<()> {
    let wanted = |what: &str| options.what.is_empty() || options.what.iter().any(|name| name == what);
    if wanted("ingest") {
        ingest(&options.directory).await?;
    }
    if wanted("writers") {
        writers(&options.directory)?;
    }
    if wanted("queries") || wanted("visible") {
        let directory = options.directory.join(format!("rows-{}", options.rows));
        let bucket = filled(&directory, options.rows).await?;
        if wanted("queries") {
            queries(&bucket, &directory).await?;
        }
        if wanted("visible") {
            visible(&bucket, &directory).await?;
        }
    }
    if wanted("planning") {
        planning(&options.directory).await?;
    }
    Ok(())
}

fn line(what: &str, figure: impl std::fmt::Display, goal: &str) {
    println!("{what:<64} {figure:>14}   goal {goal}");
}

/// Seconds of the processor that this process had.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn crashes(numbers: std::ops::Range<u64>, total: u64) -> Vec<Crash> {
    let fleet = Fleet::default();
    numbers.into_par_iter().map(|number| fleet.crash(number, total)).collect()
}

/// Entries that wait in the inbox, until they are committed and gone from it.
async fn ingest(directory: &Path) -> Answer<()> {
    const COUNT: u64 = 200_000;
    let directory = directory.join("ingest");
    let _ = std::fs::remove_dir_all(&directory);
    let bucket = Bucket::open(directory.to_str().ok_or("a path")?, true)?;
    std::fs::create_dir_all(directory.join("inbox"))?;
    let written: Result<(), std::io::Error> = crashes(0..COUNT, COUNT).into_par_iter().try_for_each(|crash| {
        std::fs::write(directory.join("inbox").join(format!("{}.json.zst", crash.id)), crash.packed()?)
    });
    written?;
    let (start, busy) = (Instant::now(), processor());
    let done = Indexer::default().drain(&bucket).await?;
    assert_eq!(done.rows as u64, COUNT);
    let (took, busy) = (start.elapsed().as_secs_f64(), processor() - busy);
    line("ingest, header to committed, in a second", format!("{:.0}", COUNT as f64 / took), "");
    line("ingest, in a second of a core", format!("{:.0}", COUNT as f64 / busy), ">= 10000");
    Ok(std::fs::remove_dir_all(&directory)?)
}

/// A thousand writers at once, and indexers that are killed at moments that nobody chose.
fn writers(directory: &Path) -> Answer<()> {
    const COUNT: usize = 20_000;
    let directory = directory.join("writers");
    let _ = std::fs::remove_dir_all(&directory);
    let url = directory.to_str().ok_or("a path")?;
    let count = COUNT.to_string();
    let start = Instant::now();
    let mut fleet = program(&[url, "fleet", "--count", &count, "--writers", "1000"]).spawn()?;
    let mut killed = 0u64;
    while fleet.try_wait()?.is_none() {
        let indexer = || program(&[url, "index", "--follow", "--every", "0.05", "--compact-at", "8"]).spawn();
        let mut indexers = [indexer()?, indexer()?];
        std::thread::sleep(Duration::from_millis(120 + killed * 173 % 700));
        for indexer in &mut indexers {
            indexer.kill()?;
            indexer.wait()?;
            killed += 1;
        }
    }
    let took = start.elapsed().as_secs_f64();
    assert!(program(&[url, "index"]).status()?.success());
    let sql = "SELECT count(*), count(DISTINCT id) FROM crashes";
    let counted = program(&[url, "query", "--json", "--sql", sql]).stdout(Stdio::piped()).output()?;
    let counted: serde_json::Value = serde_json::from_slice(&counted.stdout)?;
    let number = |at: usize| counted["rows"][0][at].as_u64().unwrap_or(0);
    let (rows, ids) = (number(0), number(1));
    let whole = program(&[url, "verify"]).status()?.success();
    println!("1,000 writers: {COUNT} crashes in {took:.1} s, {killed} indexers killed");
    line("  lost", COUNT as i64 - ids as i64, "0");
    line("  twice", rows as i64 - ids as i64, "0");
    assert!(whole, "verify finds something wrong");
    Ok(std::fs::remove_dir_all(&directory)?)
}

fn program(arguments: &[&str]) -> Command {
    let place = std::env::current_exe().unwrap_or_default();
    let beside = place.parent().and_then(Path::parent).map(|directory| directory.join("obit-store"));
    let mut command = Command::new(beside.unwrap_or_else(|| "obit-store".into()));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A compacted table of so many rows; kept for the next time.
async fn filled(directory: &Path, rows: u64) -> Answer<Bucket> {
    const BATCH: u64 = 500_000;
    let is_there = directory.join("index").is_dir();
    let bucket = Bucket::open(directory.to_str().ok_or("a path")?, true)?;
    if !is_there {
        for start in (0..rows).step_by(BATCH as usize) {
            index::append(&bucket, &crashes(start..rows.min(start + BATCH), rows)).await?;
        }
        compact::compact(&bucket, 0).await?;
    }
    Ok(bucket)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Milliseconds of the whole program.
fn whole_program(directory: &Path, arguments: &[&str]) -> Answer<f64> {
    let url = directory.to_str().ok_or("a path")?;
    let mut times = Vec::new();
    for run in 0..=RUNS {
        let start = Instant::now();
        let status = program(&[&[url, "query", "--format", "csv"], arguments].concat()).status()?;
        if !status.success() {
            return Err(format!("{arguments:?}: {status}").into());
        }
        if run > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(median(times))
}

/// Milliseconds of the engine alone: opening, planning, computing.
async fn engine(bucket: &Bucket, question: &Question) -> Result<f64, StoreError> {
    let mut times = Vec::new();
    for run in 0..=RUNS {
        let start = Instant::now();
        Engine::open(bucket).await?.ask(question, None, false).await?;
        if run > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(median(times))
}

/// Milliseconds of an opened engine.
async fn opened_engine(bucket: &Bucket, sql: &str) -> Result<f64, StoreError> {
    let engine = Engine::open(bucket).await?;
    let question = Question { sql: Some(sql.to_owned()), ..Question::default() };
    let mut times = Vec::new();
    for run in 0..=RUNS {
        let start = Instant::now();
        engine.ask(&question, None, false).await?;
        if run > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(median(times))
}

/// Milliseconds of DataFusion's own on the same files, opened too: the better of its usual settings and with filters
/// evaluated while it decodes.
async fn datafusion(directory: &Path, sql: &str) -> Answer<f64> {
    let mut best = f64::INFINITY;
    for pushdown in [false, true] {
        let mut config = SessionConfig::new();
        config.options_mut().execution.parquet.pushdown_filters = pushdown;
        config.options_mut().execution.parquet.reorder_filters = pushdown;
        let context = SessionContext::new_with_config(config);
        let options = ParquetReadOptions::default().table_partition_cols(vec![("day".to_owned(), DataType::Date32)]);
        context.register_parquet("crashes", format!("{}/", directory.join("index").display()), options).await?;
        let mut times = Vec::new();
        for run in 0..=RUNS {
            let start = Instant::now();
            context.sql(sql).await?.collect().await?;
            if run > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        best = best.min(median(times));
    }
    Ok(best)
}

async fn queries(bucket: &Bucket, directory: &Path) -> Answer<()> {
    let opened = Engine::open(bucket).await?;
    let facts = opened.rows("SELECT count(*), min(id), max(fingerprint) FROM crashes").await?;
    let text = |at: usize| -> Answer<String> {
        let column = facts.first().and_then(|batch| batch.columns().get(at)).ok_or("no row")?;
        Ok(deltalake::arrow::util::display::array_value_to_string(column, 0)?)
    };
    let (rows, id, fingerprint) = (text(0)?, text(1)?, text(2)?);
    let files = opened.read().files;
    let index = directory.join("index");
    let bytes: u64 = walk(&index)?;
    println!("{rows} rows in {files} files (milliseconds: the whole program, the engine alone)");
    line("  index, bytes a snapshot", format!("{:.0}", bytes as f64 / rows.parse::<f64>()?), "<= 300");
    let by_id = format!("id = '{id}'");
    let by_fingerprint = format!("fingerprint = '{fingerprint}'");
    let is_large = rows.parse::<u64>()? > 2_000_000;
    let large = |text: &'static str| if is_large { "" } else { text };
    let asked: [(&str, Question, &str); 11] = [
        (
            "group by fingerprint: count, hosts, first, last",
            group("fingerprint"),
            if is_large { "<= 1000" } else { "<= 100" },
        ),
        ("group by version", group("version"), ""),
        ("group by day and class", group("day,class"), ""),
        (
            "where version >= '2.10' and host like 'web012%'",
            filter("version >= '2.10' and host like 'web012%'"),
            large("<= 200"),
        ),
        ("where fingerprint = ...", filter(&by_fingerprint), large("<= 200")),
        ("where tenant = 'tenant7' (an attribute)", filter("tenant = 'tenant7'"), large("<= 200")),
        ("where latency > 800 (an attribute)", filter("latency > 800"), large("<= 200")),
        ("var req.user_id=4242", Question { var: vec!["req.user_id=4242".into()], ..listed() }, large("<= 200")),
        (
            "frame 'app::parse_header_1*'",
            Question { frame: vec!["app::parse_header_1*".into()], ..listed() },
            large("<= 300"),
        ),
        (
            "frames 'app::parse_*..app::drop_*'",
            Question { frames: vec!["app::parse_*..app::drop_*".into()], ..listed() },
            large("<= 300"),
        ),
        ("by id", filter(&by_id), large("<= 30")),
    ];
    for (what, question, goal) in &asked {
        let whole = whole_program(directory, &flags(question))?;
        let alone = engine(bucket, question).await?;
        line(&format!("  {what}"), format!("{whole:.0}, {alone:.0}"), goal);
    }
    let ours = opened_engine(bucket, GROUPS).await?;
    let theirs = datafusion(directory, GROUPS).await?;
    line("  the first in SQL, opened: here, DataFusion's own", format!("{ours:.0}, {theirs:.0}"), "");
    line("  ratio", format!("{:.2}", ours / theirs), "<= 1.3");
    Ok(())
}

fn group(keys: &str) -> Question {
    Question { group: vec![keys.to_owned()], ..Question::default() }
}

fn listed() -> Question {
    Question { limit: Some(50), ..Question::default() }
}

fn filter(text: &str) -> Question {
    Question { filter: vec![text.to_owned()], ..listed() }
}

/// The question as a command line.
fn flags(question: &Question) -> Vec<&str> {
    let lists = [
        ("--where", &question.filter),
        ("--frame", &question.frame),
        ("--frames", &question.frames),
        ("--var", &question.var),
        ("--group", &question.group),
    ];
    let mut flags: Vec<&str> = Vec::new();
    for (name, values) in lists {
        values.iter().for_each(|value| flags.extend([name, value.as_str()]));
    }
    flags.extend(question.limit.iter().flat_map(|_| ["--limit", "50"]));
    flags
}

fn walk(directory: &Path) -> Answer<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { walk(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// From the PUT's success to a query that has the crash, while an indexer works.
async fn visible(bucket: &Bucket, directory: &Path) -> Answer<()> {
    const COUNT: u64 = 200;
    let url = directory.to_str().ok_or("a path")?;
    let mut indexer = program(&[url, "index", "--follow", "--every", "0.5"]).spawn()?;
    let mut times = Vec::new();
    let seed = Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id());
    let fleet = Fleet { seed, ..Fleet::default() };
    for number in 0..COUNT {
        let crash = fleet.crash(number, COUNT);
        let id = Id::parse(&crash.id).ok_or("an id")?;
        bucket.create(&id.snapshot(), "made up").await?;
        bucket.create(&id.entry(), crash.packed()?).await?;
        let start = Instant::now();
        let found = program(&[url, "query", "--where", &format!("id = '{id}'")]).status()?.success();
        assert!(found, "{id} is not found");
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    indexer.kill()?;
    indexer.wait()?;
    times.sort_by(f64::total_cmp);
    let p95 = times.get(times.len() * 95 / 100).copied().unwrap_or(f64::NAN);
    line("PUT to visible in a query, 95th percentile, ms", format!("{p95:.0}"), "<= 5000");
    Ok(())
}

/// A table of a thousand files.
async fn planning(directory: &Path) -> Answer<()> {
    const FILES: u64 = 1000;
    let directory = directory.join("files");
    let there = directory.join("index").is_dir();
    let bucket = Bucket::open(directory.to_str().ok_or("a path")?, true)?;
    // Thirty days, and a file for each of them in a batch.
    let batches = FILES.div_ceil(30);
    for batch in (0..batches).filter(|_| !there) {
        let fleet = Fleet { seed: batch + 1, ..Fleet::default() };
        index::append(&bucket, &(0..600).map(|number| fleet.crash(number, 600)).collect::<Vec<_>>()).await?;
    }
    let mut times = Vec::new();
    let mut opened = Vec::new();
    let mut files = 0;
    for run in 0..=RUNS {
        let start = Instant::now();
        let engine = Engine::open(&bucket).await?;
        let open = start.elapsed().as_secs_f64() * 1e3;
        files = engine.read().files;
        let answer = engine.ask(&group("fingerprint"), None, false).await?;
        if run > 0 {
            opened.push(open);
            times.push(answer.took_ms.0);
        }
    }
    line(&format!("planning with {files} files, ms"), format!("{:.0}", median(times)), "<= 100");
    line("  and opening such a table, ms", format!("{:.0}", median(opened)), "");
    Ok(())
}
