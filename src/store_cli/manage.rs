//! Commands about groups: `groups`, `group`, `similar`, `compare`, `notify`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Note, chain, print};
use crate::notify;
use crate::report::style::Paint;
use crate::store::compare::{self, Compared};
use crate::store::events::{self, Action, Group, Groups, State};
use crate::store::groups::{self, Row};
use crate::store::query::{Engine, Question, time};
use crate::store::similar::{self, Pair};
use crate::store::{Bucket, StoreError};

/// Groups that are listed where nothing says how many.
const GROUPS: usize = 30;
/// Differences that text shows.
const DIFFERENCES: usize = 30;
/// Crashes of a group that are shown.
const CRASHES: usize = 8;

/// Which crashes.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Which {
    /// Crashes since then: 30m, 24h, 7d, 2w, 2026-11-26
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Crashes before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Crashes for which this SQL expression is true (may repeat)
    #[arg(long = "where", value_name = "EXPR")]
    filter: Vec<String>,
}

#[derive(clap::Args, Debug)]
pub struct GroupsArgs {
    #[command(flatten)]
    which: Which,
    /// Only groups of this state: open, in-progress, resolved, muted, regressed (may repeat)
    #[arg(long, value_name = "STATE")]
    state: Vec<String>,
    /// List at most N groups [default: 30 in text, else all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(clap::Args, Debug)]
pub struct GroupArgs {
    /// A fingerprint, or its beginning
    fingerprint: String,
    /// What stands from now on
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
    /// Resolved in this version; muted until this version
    #[arg(long = "in", value_name = "VERSION", requires = "state")]
    version: Option<String>,
    /// Muted until this time: 2026-12-24, or 7d for in seven days
    #[arg(long, value_name = "TIME", requires = "state")]
    until: Option<String>,
    /// Muted for N more crashes
    #[arg(long, value_name = "N", requires = "state")]
    count: Option<u64>,
    /// Whose it is; '' for nobody
    #[arg(long, value_name = "WHO")]
    assign: Option<String>,
    /// Count the other group's crashes as this one's
    #[arg(long, value_name = "FINGERPRINT")]
    merge: Option<String>,
    /// Count them as the other's own again
    #[arg(long, value_name = "FINGERPRINT")]
    unmerge: Option<String>,
    /// Add a note
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Who says so [default: the user's name]
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

#[derive(clap::Args, Debug)]
pub struct CompareArgs {
    /// A fingerprint or its beginning, or an expression: "version = '1.3'"
    a: String,
    /// The same, or rest: every other crash
    #[arg(default_value = "rest")]
    b: String,
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args, Debug)]
pub struct SimilarArgs {
    /// A fingerprint or its beginning; without one, all pairs that may well be one group
    fingerprint: Option<String>,
    /// List at most N
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub async fn similar(bucket: &Bucket, args: &SimilarArgs, json: bool, paint: Paint) -> Result<(), StoreError> {
    let engine = Engine::open(bucket).await?;
    let known = events::read(bucket).await?;
    let pairs = match &args.fingerprint {
        Some(wanted) => {
            let fingerprint = groups::find(&engine, &known, wanted).await?;
            similar::like(&engine, &known, &fingerprint, args.limit).await?
        }
        None => similar::pairs(&engine, &known, args.limit).await?,
    };
    let is_empty = pairs.is_empty();
    if json {
        #[derive(Serialize)]
        struct Body {
            pairs: Vec<Pair>,
        }
        print("obit.store-similar/1", Vec::new(), Body { pairs })?;
    } else {
        let mut out = io::BufWriter::new(io::stdout());
        let heading = format!("{:<16}  {:<16}  {:>10}  {:>7}  top frames", "group", "other", "similarity", "crashes");
        writeln!(out, "{}", paint.heading(heading))?;
        for pair in &pairs {
            let frame = |frame: &Option<String>| frame.clone().unwrap_or_else(|| "?".to_owned());
            let (top, other_top) = (frame(&pair.top_frame), frame(&pair.other_top_frame));
            let (one, other, count) = (&pair.fingerprint, &pair.other, pair.other_count);
            writeln!(out, "{one:<16}  {other:<16}  {:>10.2}  {count:>7}  {top} | {other_top}", pair.similarity)?;
        }
        if let Some(pair) = pairs.iter().find(|pair| pair.alike) {
            writeln!(
                out,
                "\nto count two as one: obit store {} group {} --merge {}",
                bucket.name(),
                pair.fingerprint,
                pair.other
            )?;
        }
        out.flush()?;
    }
    match is_empty {
        true => Err(StoreError::NoMatch(format!("{}: no groups are alike", bucket.name()))),
        false => Ok(()),
    }
}

#[derive(clap::Args, Debug)]
pub struct NotifyArgs {
    /// The rules
    #[arg(long, value_name = "FILE", default_value = "/etc/obit/notify.toml", value_hint = clap::ValueHint::FilePath)]
    rules: PathBuf,
    /// Print what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on until interrupted
    #[arg(long)]
    follow: bool,
    /// With --follow: look so often
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    every: f64,
}

pub async fn notify(bucket: &Bucket, args: &NotifyArgs, json: bool) -> Result<(), StoreError> {
    let rules = notify::rules::Rules::read(&args.rules)?;
    let mut log = |text: String| {
        if args.dry_run && !json {
            let _ = writeln!(io::stdout(), "{text}\n");
        } else {
            let _ = writeln!(io::stderr(), "{text}");
        }
    };
    let pause = Duration::try_from_secs_f64(args.every.clamp(1.0, 86_400.0)).unwrap_or(Duration::from_secs(60));
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let done = notify::run(bucket, &rules, args.dry_run, &mut log).await;
        if !args.follow {
            let done = done?;
            #[derive(Serialize)]
            struct Body {
                sent: usize,
                failed: usize,
                waiting: usize,
                dry_run: bool,
            }
            let (sent, failed, waiting) = (done.sent, done.failed, done.waiting);
            match json {
                true => {
                    print("obit.store-notify/1", Vec::new(), Body { sent, failed, waiting, dry_run: args.dry_run })?
                }
                false if args.dry_run && sent == 0 => writeln!(io::stdout(), "nothing would be sent")?,
                false if args.dry_run => {
                    let messages = if sent == 1 { "message" } else { "messages" };
                    writeln!(io::stdout(), "{sent} {messages} would be sent")?
                }
                false => writeln!(io::stdout(), "{sent} sent, {failed} failed")?,
            }
            return match failed {
                0 => Ok(()),
                _ => Err(StoreError::Usage(format!("{failed} messages were not taken; the next run tries again"))),
            };
        }
        if let Err(error) = done {
            log(format!("obit store: {}", chain(&error)));
        }
        tokio::select! {
            _ = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Which {
    fn question(&self) -> Question {
        Question {
            since: self.since.clone(),
            until: self.until.clone(),
            filter: self.filter.clone(),
            ..Question::default()
        }
    }
}

pub async fn groups(bucket: &Bucket, args: &GroupsArgs, json: bool, paint: Paint) -> Result<(), StoreError> {
    for state in &args.state {
        if !matches!(state.as_str(), "open" | "in-progress" | "resolved" | "muted" | "regressed") {
            let problem = "write open, in-progress, resolved, muted or regressed";
            return Err(StoreError::Usage(format!("--state {state}: {problem}")));
        }
    }
    let engine = Engine::open(bucket).await?;
    let (mut rows, _) = groups::groups(bucket, &engine, &args.which.question()).await?;
    rows.retain(|row| args.state.is_empty() || args.state.contains(&row.state));
    let limit = args.limit.or((!json).then_some(GROUPS)).unwrap_or(usize::MAX);
    let left_out = rows.len().saturating_sub(limit);
    rows.truncate(limit);
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(Note { code: "more-groups", message: format!("there are {left_out} more groups (--limit)") });
    }
    let is_empty = rows.is_empty();
    if json {
        #[derive(Serialize)]
        struct Body {
            groups: Vec<Row>,
        }
        print("obit.store-groups/1", notes, Body { groups: rows })?;
    } else {
        let mut out = io::BufWriter::new(io::stdout());
        write_groups(&rows, &mut out, paint)?;
        out.flush()?;
        super::say(&notes);
    }
    match is_empty {
        true => Err(StoreError::NoMatch(format!("{}: no group matches", bucket.name()))),
        false => Ok(()),
    }
}

fn write_groups(rows: &[Row], out: &mut dyn Write, paint: Paint) -> Result<(), StoreError> {
    let heading = format!(
        "{:<16}  {:<11}  {:>7}  {:>5}  {:<16}  {:<20}  {:<17}  what",
        "fingerprint", "state", "count", "hosts", "trend", "last", "versions"
    );
    writeln!(out, "{}", paint.heading(heading))?;
    for row in rows {
        let trend = row.trend.as_deref().unwrap_or_default();
        let padding = " ".repeat(16usize.saturating_sub(trend.chars().count()));
        writeln!(
            out,
            "{:<16}  {:<11}  {:>7}  {:>5}  {trend}{padding}  {:<20}  {:<17}  {}{}",
            row.fingerprint,
            row.state,
            row.count,
            row.hosts,
            seconds(&row.last),
            versions(row),
            what(row),
            row.assigned.as_ref().map(|who| format!(" ({who})")).unwrap_or_default()
        )?;
    }
    Ok(())
}

/// A time without fractions of a second.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

fn versions(row: &Row) -> String {
    match &row.versions {
        Some((least, greatest)) if least == greatest => least.clone(),
        Some((least, greatest)) => format!("{least} to {greatest}"),
        None => String::new(),
    }
}

fn what(row: &Row) -> String {
    let parts = [row.application.as_deref(), row.class.as_deref()];
    let mut text = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
    if let Some(frame) = &row.top_frame {
        text.push_str(if text.is_empty() { "" } else { " in " });
        text.push_str(frame);
    }
    text
}

pub async fn group(bucket: &Bucket, args: &GroupArgs, json: bool, paint: Paint) -> Result<(), StoreError> {
    let engine = Engine::open(bucket).await?;
    let known = events::read(bucket).await?;
    let fingerprint = groups::find(&engine, &known, &args.fingerprint).await?;
    let actions = actions(args, &engine, &known, &fingerprint).await?;
    let by = args.by.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "unknown".to_owned());
    for (about, action) in actions {
        events::add(bucket, &about, &by, action).await?;
    }
    show(bucket, &engine, &fingerprint, json, paint).await
}

async fn actions(
    args: &GroupArgs,
    engine: &Engine,
    known: &Groups,
    fingerprint: &str,
) -> Result<Vec<(String, Action)>, StoreError> {
    let mut actions = Vec::new();
    if let Some(state) = args.state {
        let is_muted = state == State::Muted;
        if (args.until.is_some() || args.count.is_some()) && !is_muted {
            return Err(StoreError::Usage("--until and --count go with --state muted".to_owned()));
        }
        let until = args.until.as_deref().map(coming).transpose().map_err(StoreError::Usage)?;
        let (version, until) = (args.version.clone(), until.map(|time| time.to_string()));
        actions.push((fingerprint.to_owned(), Action::State { state, version, until, count: args.count }));
    }
    if let Some(to) = &args.assign {
        actions.push((fingerprint.to_owned(), Action::Assign { to: to.clone() }));
    }
    if let Some(other) = &args.merge {
        let other = groups::find(engine, known, other).await?;
        if other == fingerprint {
            return Err(StoreError::Usage(format!("{other}: is that group already")));
        }
        actions.push((other, Action::Merge { into: fingerprint.to_owned() }));
    }
    if let Some(other) = &args.unmerge {
        let merges = known.merges();
        let merged: Vec<&String> = merges
            .iter()
            .filter(|(from, into)| from.starts_with(other.as_str()) && *into == fingerprint)
            .map(|(from, _)| from)
            .collect();
        let [one] = merged.as_slice() else {
            return Err(StoreError::Usage(format!("{other}: is not merged into {fingerprint}")));
        };
        actions.push(((*one).clone(), Action::Unmerge));
    }
    if let Some(text) = &args.note {
        actions.push((fingerprint.to_owned(), Action::Note { text: text.clone() }));
    }
    Ok(actions)
}

/// A time to come: a date, or in how long.
fn coming(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    match time::duration(text) {
        Some(duration) => now.checked_add(duration).map_err(|_| format!("{text}: too far away")),
        None => time::parse(text, now),
    }
}

async fn show(bucket: &Bucket, engine: &Engine, fingerprint: &str, json: bool, paint: Paint) -> Result<(), StoreError> {
    let known = events::read(bucket).await?;
    let merges = known.merges();
    // One that was merged away just now shows as what it counts as.
    let fingerprint = merges.get(fingerprint).map_or(fingerprint, String::as_str);
    let mut keys: Vec<&str> =
        merges.iter().filter(|(_, into)| *into == fingerprint).map(|(from, _)| from.as_str()).collect();
    keys.push(fingerprint);
    let list = keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
    let which = format!("fingerprint IN ({list})");
    let question = Question { filter: vec![which.clone()], ..Question::default() };
    let (rows, _) = groups::groups(bucket, engine, &question).await?;
    let Some(row) = rows.into_iter().find(|row| row.fingerprint == fingerprint) else {
        return Err(StoreError::NoMatch(format!("{fingerprint}: no crash")));
    };
    let state = known.get(fingerprint);
    let newest = Question { filter: vec![which.clone()], limit: Some(CRASHES), ..Question::default() };
    let newest = engine.ask(&newest, None, false).await?;
    let columns = crate::store::query::output::columns(&newest);
    let crashes = crate::store::query::output::rows(&newest)?;
    let by_version = Question {
        filter: vec![which],
        group: vec!["version".to_owned()],
        limit: Some(CRASHES),
        ..Question::default()
    };
    let by_version = engine.ask(&by_version, None, false).await?;
    if json {
        #[derive(Serialize)]
        struct NoteRow {
            time: String,
            by: String,
            text: String,
        }
        #[derive(Serialize)]
        struct Body {
            group: Row,
            resolved_in: Option<String>,
            muted_until: Option<String>,
            comments: Vec<NoteRow>,
            crash_columns: Vec<String>,
            crashes: Vec<Vec<serde_json::Value>>,
        }
        let body = Body {
            resolved_in: state.version.clone().filter(|_| state.state == State::Resolved),
            muted_until: muted_until(&state),
            comments: state.notes.into_iter().map(|(time, by, text)| NoteRow { time, by, text }).collect(),
            group: row,
            crash_columns: columns,
            crashes,
        };
        return print("obit.store-group/1", Vec::new(), body);
    }
    let mut out = io::BufWriter::new(io::stdout());
    writeln!(out, "{}  {}", paint.heading(&row.fingerprint), what(&row))?;
    if let Some(verdict) = &row.verdict {
        writeln!(out, "{verdict}")?;
    }
    let mut standing = row.state.clone();
    if let (State::Resolved, Some(version)) = (state.state, &state.version) {
        standing.push_str(&format!(" (resolved in {version})"));
    }
    if let (State::Muted, Some(until)) = (state.state, muted_until(&state)) {
        standing.push_str(&format!(" (until {until})"));
    }
    writeln!(out, "state      {standing}")?;
    if let Some(assigned) = &row.assigned {
        writeln!(out, "assigned   {assigned}")?;
    }
    if !row.merged.is_empty() {
        writeln!(out, "merged     {}", row.merged.join(", "))?;
    }
    for (system, key) in &row.tickets {
        writeln!(out, "{system:<10} {key}")?;
    }
    let (count, hosts) = (row.count, row.hosts);
    writeln!(out, "crashes    {count} on {hosts} hosts, {} to {}", seconds(&row.first), seconds(&row.last))?;
    for (time, by, text) in &state.notes {
        writeln!(out, "note       {} {by}: {text}", seconds(time))?;
    }
    writeln!(out)?;
    crate::store::query::output::table(&by_version, &mut out, paint)?;
    writeln!(out)?;
    crate::store::query::output::table(&newest, &mut out, paint)?;
    writeln!(out, "\nobit bt '{}#{}'", bucket.name(), row.latest)?;
    Ok(out.flush()?)
}

fn muted_until(group: &Group) -> Option<String> {
    if group.state != State::Muted {
        return None;
    }
    let parts = [
        group.until.map(|until| seconds(&until.to_string())),
        group.version.as_ref().map(|version| format!("version {version}")),
        group.count.map(|count| format!("{count} more crashes")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" or "))
}

pub async fn compare(bucket: &Bucket, args: &CompareArgs, json: bool, paint: Paint) -> Result<(), StoreError> {
    let engine = Engine::open(bucket).await?;
    let compared = compare::compare(&engine, &args.which.question(), &args.a, &args.b).await?;
    let is_empty = compared.differences.is_empty();
    if json {
        print("obit.store-compare/1", Vec::new(), &compared)?;
    } else {
        let mut out = io::BufWriter::new(io::stdout());
        write_compared(&compared, args, &mut out, paint)?;
        out.flush()?;
    }
    match is_empty {
        true => Err(StoreError::NoMatch("nothing sets them apart that is not likely chance".to_owned())),
        false => Ok(()),
    }
}

fn write_compared(
    compared: &Compared,
    args: &CompareArgs,
    out: &mut dyn Write,
    paint: Paint,
) -> Result<(), StoreError> {
    writeln!(out, "A: {} crashes, {}; B: {} crashes, {}", compared.a, args.a, compared.b, args.b)?;
    writeln!(out, "{}", paint.heading(format!("{:>9}  {:>9}  {:>7}  {:>8}  what", "A", "B", "effect", "p")))?;
    for difference in compared.differences.iter().take(DIFFERENCES) {
        let is_number = difference.value.is_none() && difference.kind != "frame";
        let share = |share: f64| match is_number {
            true => format!("{}", (share * 1000.0).round() / 1000.0),
            false => format!("{:.1}%", share * 100.0),
        };
        let mut what = format!("{} {}", difference.kind, difference.name);
        match &difference.value {
            Some(value) => what.push_str(&format!(" = {value}")),
            None if is_number => what.push_str(" (median)"),
            None => {}
        }
        writeln!(
            out,
            "{:>9}  {:>9}  {:>+7.2}  {:>8.1e}  {what}",
            share(difference.a),
            share(difference.b),
            difference.effect,
            difference.p
        )?;
    }
    if compared.differences.len() > DIFFERENCES {
        writeln!(out, "… {} more (--json has them all)", compared.differences.len() - DIFFERENCES)?;
    }
    Ok(())
}
