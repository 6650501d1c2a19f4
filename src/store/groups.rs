//! Groups: the crashes of one fingerprint, with what people decided about them.

use std::collections::BTreeMap;

use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::functions_aggregate::expr_fn::{count, last_value, max, min};
use deltalake::datafusion::logical_expr::{Expr, cast, lit, when};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::events::{Group, Groups, State};
use super::query::distinct::distinct;
use super::query::functions::{Kind, udf, version_key};
use super::query::names::column;
use super::query::output::values;
use super::query::summaries;
use super::query::{Engine, Question};
use super::{Bucket, StoreError, events};

/// A group and its crashes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// The key.
    pub fingerprint: String,
    /// What stands; `regressed` where crashes came after it was resolved.
    pub state: String,
    /// Crashes.
    pub count: u64,
    /// Hosts.
    pub hosts: u64,
    /// The first crash's time.
    pub first: String,
    /// The last one's.
    pub last: String,
    /// The least and the greatest version.
    pub versions: Option<(String, String)>,
    /// Of the last crash.
    pub application: Option<String>,
    /// Of the last crash.
    pub class: Option<String>,
    /// Of the last crash.
    pub top_frame: Option<String>,
    /// Of the last crash.
    pub verdict: Option<String>,
    /// Crashes over time.
    pub trend: Option<String>,
    /// Whose.
    pub assigned: Option<String>,
    /// Other fingerprints that count as this one.
    pub merged: Vec<String>,
    /// Tickets by system.
    pub tickets: BTreeMap<String, String>,
    /// The last crash's id.
    pub latest: String,
}

/// What regressed: the first crash after the group was resolved, in that version or a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regression {
    /// When.
    pub time: String,
    /// In which version.
    pub version: Option<String>,
}

/// The groups of the crashes that are meant, the largest first.
pub async fn groups(bucket: &Bucket, engine: &Engine, question: &Question) -> Result<(Vec<Row>, Groups), StoreError> {
    let known = events::read(bucket).await?;
    let rows = rows(engine, question, &known).await?;
    Ok((rows, known))
}

/// The fingerprint that a crash counts as.
pub fn canonical(merges: &BTreeMap<String, String>) -> Result<Expr, StoreError> {
    let mut merges = merges.iter();
    let Some((from, into)) = merges.next() else { return Ok(column("fingerprint")) };
    let text = |value: &String| cast(lit(value.as_str()), DataType::Utf8View);
    let mut cases = when(column("fingerprint").eq(text(from)), text(into));
    for (from, into) in merges {
        cases = cases.when(column("fingerprint").eq(text(from)), text(into));
    }
    Ok(cases.otherwise(column("fingerprint"))?)
}

async fn rows(engine: &Engine, question: &Question, known: &Groups) -> Result<Vec<Row>, StoreError> {
    let merges = known.merges();
    let frame = engine.selected(question).await?;
    let range = engine.range(&frame, question).await?;
    let by_time = || vec![column("time").sort(true, true), column("id").sort(true, true)];
    let last = |name: &str| last_value(column(name), by_time()).alias(name);
    let key = || udf(Kind::VersionKey).call(vec![column("version")]);
    let first_version = deltalake::datafusion::functions_aggregate::expr_fn::first_value(
        column("version"),
        vec![key().sort(true, false)],
    );
    let trend = summaries::udaf(summaries::Kind::Sparkline { from: range.0, to: range.1 });
    let grouped = frame.aggregate(
        vec![canonical(&merges)?.alias("key")],
        vec![
            count(lit(1i64)).alias("count"),
            distinct(column("host")).alias("hosts"),
            min(column("time")).alias("first"),
            max(column("time")).alias("last"),
            first_version.alias("least"),
            last_value(column("version"), vec![key().sort(true, true)]).alias("greatest"),
            last("application"),
            last("class"),
            last("top_frame"),
            last("verdict"),
            last("id"),
            trend.call(vec![column("time")]).alias("trend"),
        ],
    )?;
    let sorted = grouped.sort(vec![column("count").sort(false, false), column("key").sort(true, false)])?;
    let mut found = Vec::new();
    for batch in sorted.collect().await? {
        let columns = batch.columns().iter().map(values).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cell = |at: usize| columns.get(at).and_then(|column| column.get(row)).unwrap_or(&Value::Null);
            let text = |at: usize| cell(at).as_str().map(str::to_owned);
            found.push(Row {
                fingerprint: text(0).unwrap_or_default(),
                count: cell(1).as_u64().unwrap_or(0),
                hosts: cell(2).as_u64().unwrap_or(0),
                first: text(3).unwrap_or_default(),
                last: text(4).unwrap_or_default(),
                versions: text(5).zip(text(6)),
                application: text(7),
                class: text(8),
                top_frame: text(9),
                verdict: text(10),
                latest: text(11).unwrap_or_default(),
                trend: text(12),
                ..Row::default()
            });
        }
    }
    for row in &mut found {
        let group = known.get(&row.fingerprint);
        row.assigned.clone_from(&group.assigned);
        row.tickets.clone_from(&group.tickets);
        row.merged =
            merges.iter().filter(|(_, into)| **into == row.fingerprint).map(|(from, _)| from.clone()).collect();
        row.state = state(engine, &group, row, &merges).await?.to_owned();
    }
    Ok(found)
}

/// What stands, with regard to what came since.
pub async fn state(
    engine: &Engine,
    group: &Group,
    row: &Row,
    merges: &BTreeMap<String, String>,
) -> Result<&'static str, StoreError> {
    match group.state {
        State::Resolved if may_have_regressed(group, row) => {
            let regressed = regression(engine, group, &row.fingerprint, merges).await?;
            Ok(if regressed.is_some() { "regressed" } else { State::Resolved.text() })
        }
        State::Muted if is_heard_again(engine, group, row, merges).await? => Ok(State::Open.text()),
        state => Ok(state.text()),
    }
}

fn may_have_regressed(group: &Group, row: &Row) -> bool {
    let after = group.since.zip(row.last.parse::<Timestamp>().ok()).is_none_or(|(since, last)| last > since);
    let newer = match (&group.version, &row.versions) {
        (Some(resolved), Some((_, greatest))) => version_key(greatest) >= version_key(resolved),
        _ => true,
    };
    after && newer
}

/// By the crash's own time and version, not by when it arrived.
pub async fn regression(
    engine: &Engine,
    group: &Group,
    fingerprint: &str,
    merges: &BTreeMap<String, String>,
) -> Result<Option<Regression>, StoreError> {
    let Some(since) = group.since else { return Ok(None) };
    let mut frame = engine.selected(&Question::default()).await?;
    let after = lit(deltalake::datafusion::common::ScalarValue::TimestampMicrosecond(
        Some(since.as_microsecond()),
        Some("UTC".into()),
    ));
    frame = frame.filter(canonical(merges)?.eq(lit(fingerprint)).and(column("time").gt(after)))?;
    if let Some(version) = &group.version {
        let key = udf(Kind::VersionKey).call(vec![column("version")]);
        frame = frame.filter(key.gt_eq(lit(version_key(version))))?;
    }
    let first = frame
        .sort(vec![column("time").sort(true, false)])?
        .limit(0, Some(1))?
        .select(vec![column("time"), column("version")])?
        .collect()
        .await?;
    let Some(batch) = first.first().filter(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let text = |at: usize| {
        let column = batch.columns().get(at).map(values).transpose()?;
        Ok::<_, StoreError>(column.and_then(|column| column.first()?.as_str().map(str::to_owned)))
    };
    Ok(Some(Regression { time: text(0)?.unwrap_or_default(), version: text(1)? }))
}

/// Whether what a group was muted until has come.
async fn is_heard_again(
    engine: &Engine,
    group: &Group,
    row: &Row,
    merges: &BTreeMap<String, String>,
) -> Result<bool, StoreError> {
    if group.until.is_some_and(|until| until <= Timestamp::now()) {
        return Ok(true);
    }
    if let (Some(muted), Some((_, greatest))) = (&group.version, &row.versions)
        && version_key(greatest) >= version_key(muted)
    {
        return Ok(true);
    }
    let (Some(most), Some(since)) = (group.count, group.since) else { return Ok(false) };
    let question = Question { since: Some(since.to_string()), ..Question::default() };
    let frame = engine.selected(&question).await?.filter(canonical(merges)?.eq(lit(row.fingerprint.as_str())))?;
    Ok(frame.count().await? as u64 > most)
}

/// The group that a fingerprint or its beginning names.
pub async fn find(engine: &Engine, known: &Groups, wanted: &str) -> Result<String, StoreError> {
    if !events::is_fingerprint(wanted) {
        return Err(StoreError::Usage(format!("{}: is no fingerprint", wanted.escape_debug())));
    }
    let sql = format!("SELECT DISTINCT fingerprint FROM crashes WHERE starts_with(fingerprint, '{wanted}') LIMIT 100");
    let mut found: Vec<String> = Vec::new();
    for batch in engine.rows(&sql).await? {
        let column = batch.columns().first().map(values).transpose()?.unwrap_or_default();
        found.extend(column.iter().filter_map(|value| Some(value.as_str()?.to_owned())));
    }
    let chosen = match found.as_slice() {
        [one] => one.clone(),
        several if several.iter().any(|one| one == wanted) => wanted.to_owned(),
        [] => return Err(StoreError::NoMatch(format!("{wanted}: no crash has such a fingerprint"))),
        several => {
            let shown: Vec<&str> = several.iter().take(5).map(String::as_str).collect();
            return Err(StoreError::Usage(format!("{wanted}: could be {}", shown.join(", "))));
        }
    };
    Ok(known.merges().get(&chosen).cloned().unwrap_or(chosen))
}
