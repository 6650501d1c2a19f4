//! When there is something to tell.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::rules::{Rule, When};
use crate::store::groups::{self, Row};
use crate::store::query::functions::version_key;
use crate::store::query::{Engine, Question, output, time};
use crate::store::{Bucket, StoreError};

/// Windows that a spike is measured against.
const HISTORY: i32 = 24;
/// A spike has so many crashes at least.
const LEAST: u64 = 5;

/// Something to tell.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// The group, with the crashes that the rule looks at.
    pub row: Row,
    /// What makes it one occasion and not another.
    pub key: String,
    /// In words.
    pub why: String,
    /// The group came back.
    pub regressed: bool,
}

/// The occasions of a rule, now.
pub async fn of(bucket: &Bucket, engine: &Engine, rule: &Rule) -> Result<Vec<Occasion>, StoreError> {
    let now = Timestamp::now();
    let window = time::duration(&rule.window).unwrap_or_default();
    let ago = |times: i32| {
        let back = window.checked_mul(times).unwrap_or(window);
        now.checked_sub(back).unwrap_or(Timestamp::UNIX_EPOCH)
    };
    let question = |since: Option<Timestamp>, until: Option<Timestamp>| Question {
        since: since.map(|time| time.to_string()),
        until: until.map(|time| time.to_string()),
        filter: rule.filter.clone().into_iter().collect(),
        ..Question::default()
    };
    let groups = async |question: Question| -> Result<Vec<Row>, StoreError> {
        let (rows, _) = groups::groups(bucket, engine, &question).await?;
        Ok(rows.into_iter().filter(|row| row.state != "muted").collect())
    };
    // A window that began so and so many windows after 1970: the same for all who ask within it.
    let number = now.as_second().div_euclid(window.as_secs().max(1));
    let occasion = |row: Row, key: String, why: String| Occasion {
        regressed: row.state == "regressed",
        key: format!("{} {key}", rule.name),
        row,
        why,
    };
    let is_recent = |text: &str| text.parse::<Timestamp>().is_ok_and(|time| time >= ago(1));
    Ok(match rule.when {
        When::New => {
            let rows = groups(question(None, None)).await?;
            let rows = rows.into_iter().filter(|row| is_recent(&row.first));
            rows.map(|row| occasion(row, "new".to_owned(), "a new group".to_owned())).collect()
        }
        When::Regression => {
            let known = crate::store::events::read(bucket).await?;
            let rows = groups(question(None, None)).await?;
            let rows = rows.into_iter().filter(|row| row.state == "regressed");
            rows.map(|row| {
                let group = known.get(&row.fingerprint);
                let since = group.since.map(|time| time.to_string()).unwrap_or_default();
                let version = group.version.map(|version| format!(" in {version}")).unwrap_or_default();
                occasion(row, format!("regression {since}"), format!("it was resolved{version}, and is back"))
            })
            .collect()
        }
        When::Threshold => {
            let rows = groups(question(Some(ago(1)), None)).await?;
            let reached = |row: &Row| {
                rule.count.is_some_and(|count| row.count >= count) || rule.hosts.is_some_and(|hosts| row.hosts >= hosts)
            };
            let rows = rows.into_iter().filter(reached);
            rows.map(|row| {
                let why = format!("{} crashes on {} hosts within {}", row.count, row.hosts, rule.window);
                occasion(row, format!("threshold {number}"), why)
            })
            .collect()
        }
        When::Spike => {
            let history = groups(question(Some(ago(HISTORY + 1)), Some(ago(1)))).await?;
            let usual: BTreeMap<String, f64> =
                history.into_iter().map(|row| (row.fingerprint, row.count as f64 / f64::from(HISTORY))).collect();
            let rows = groups(question(Some(ago(1)), None)).await?;
            let spikes = rows.into_iter().filter_map(|row| {
                // What has no history is new rather than more.
                let usual = *usual.get(&row.fingerprint)?;
                let limit = (usual * rule.factor).max(usual + 3.0 * usual.sqrt()).max(LEAST as f64);
                (row.count as f64 > limit).then_some((row, usual))
            });
            spikes
                .map(|(row, usual)| {
                    let why = format!("{} crashes within {}, where {usual:.1} are usual", row.count, rule.window);
                    occasion(row, format!("spike {number}"), why)
                })
                .collect()
        }
        When::FirstInVersion => first_in_version(engine, groups(question(None, None)).await?, rule, &is_recent)
            .await?
            .into_iter()
            .map(|(row, version)| {
                let why = format!("the first crash of this group in version {version}");
                occasion(row, format!("version {version}"), why)
            })
            .collect(),
    })
}

/// Groups that had crashes in other versions before, and the version that is new to them.
async fn first_in_version(
    engine: &Engine,
    rows: Vec<Row>,
    rule: &Rule,
    is_recent: &dyn Fn(&str) -> bool,
) -> Result<Vec<(Row, String)>, StoreError> {
    let question = Question {
        filter: rule.filter.clone().into_iter().collect(),
        group: vec!["fingerprint".to_owned(), "version".to_owned()],
        show: vec!["first".to_owned()],
        ..Question::default()
    };
    let mut versions: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in output::rows(&engine.ask(&question, None, false).await?)? {
        let text = |at: usize| row.get(at).and_then(|value| value.as_str()).map(str::to_owned);
        if let (Some(fingerprint), Some(version), Some(first)) = (text(0), text(1), text(2)) {
            versions.entry(fingerprint).or_default().push((version, first));
        }
    }
    let mut found = Vec::new();
    for row in rows {
        let keys = std::iter::once(&row.fingerprint).chain(&row.merged);
        let mut of_group: Vec<(String, String)> = keys.filter_map(|key| versions.get(key)).flatten().cloned().collect();
        of_group.sort_by_key(|(version, _)| version_key(version));
        of_group.dedup_by(|one, other| one.0 == other.0);
        if of_group.len() < 2 {
            continue;
        }
        if let Some((version, _)) = of_group.last().filter(|(_, first)| is_recent(first)) {
            found.push((row, version.clone()));
        }
    }
    Ok(found)
}
