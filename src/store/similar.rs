//! Groups that are like another: what exact keys split, found by how alike the stacks are ([`crate::fingerprint::similar`]).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::StoreError;
use super::events::Groups;
use super::query::Engine;
use super::query::output::values;
use crate::fingerprint::similar::{ALIKE, Prepared, Rarity, between_groups};

/// Different stacks of a group that are looked at: the most frequent.
const STACKS: usize = 16;
/// Groups that share a function which more groups than these have are not for that looked at as a pair.
const COMMON: usize = 64;

/// Two groups, and how alike they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// One.
    pub fingerprint: String,
    /// The other.
    pub other: String,
    /// 0 to 1.
    pub similarity: f64,
    /// Whether they may well be one.
    pub alike: bool,
    /// The innermost of the program's own functions.
    pub top_frame: Option<String>,
    /// The same of the other.
    pub other_top_frame: Option<String>,
    /// The other's crashes.
    pub other_count: u64,
}

#[derive(Default)]
struct Seen {
    stacks: Vec<(Vec<String>, u64)>,
    top_frame: Option<String>,
    count: u64,
}

/// The groups that are most like one; the most alike first.
pub async fn like(engine: &Engine, known: &Groups, wanted: &str, limit: usize) -> Result<Vec<Pair>, StoreError> {
    let groups = groups(engine, known).await?;
    let rarity = rarity(&groups);
    let Some(one) = groups.get(wanted) else { return Ok(Vec::new()) };
    let of_one = prepared(&rarity, one);
    let mut pairs: Vec<Pair> = groups
        .iter()
        .filter(|(fingerprint, _)| *fingerprint != wanted)
        .map(|(fingerprint, other)| {
            let similarity = between_groups(&of_one, &prepared(&rarity, other));
            pair((wanted, one), (fingerprint, other), similarity)
        })
        .collect();
    sort(&mut pairs);
    pairs.truncate(limit);
    Ok(pairs)
}

/// All pairs that may well be one group.
pub async fn pairs(engine: &Engine, known: &Groups, limit: usize) -> Result<Vec<Pair>, StoreError> {
    let groups = groups(engine, known).await?;
    let rarity = rarity(&groups);
    let all: Vec<(&String, &Seen, Vec<Prepared>)> =
        groups.iter().map(|(name, seen)| (name, seen, prepared(&rarity, seen))).collect();
    // Groups that are alike share a function that few others have.
    let mut with: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, (_, seen, _)) in all.iter().enumerate() {
        let functions: HashSet<&str> = seen.stacks.iter().flat_map(|(stack, _)| stack).map(String::as_str).collect();
        functions.into_iter().for_each(|function| with.entry(function).or_default().push(at));
    }
    let mut candidates: HashSet<(usize, usize)> = HashSet::new();
    for groups in with.values().filter(|groups| groups.len() <= COMMON) {
        for (at, one) in groups.iter().enumerate() {
            candidates.extend(groups.iter().skip(at + 1).map(|other| (*one, *other)));
        }
    }
    let mut found = Vec::new();
    for (one, other) in candidates {
        let (Some(one), Some(other)) = (all.get(one), all.get(other)) else { continue };
        let similarity = between_groups(&one.2, &other.2);
        if similarity >= ALIKE {
            // The larger one first: into that one it would be merged.
            let (one, other) = if one.1.count >= other.1.count { (one, other) } else { (other, one) };
            found.push(pair((one.0, one.1), (other.0, other.1), similarity));
        }
    }
    sort(&mut found);
    found.truncate(limit);
    Ok(found)
}

fn pair(one: (&str, &Seen), other: (&str, &Seen), similarity: f64) -> Pair {
    Pair {
        fingerprint: one.0.to_owned(),
        other: other.0.to_owned(),
        similarity,
        alike: similarity >= ALIKE,
        top_frame: one.1.top_frame.clone(),
        other_top_frame: other.1.top_frame.clone(),
        other_count: other.1.count,
    }
}

fn sort(pairs: &mut [Pair]) {
    pairs.sort_by(|one, other| {
        let by_names = || (&one.fingerprint, &one.other).cmp(&(&other.fingerprint, &other.other));
        other.similarity.total_cmp(&one.similarity).then_with(by_names)
    });
}

fn rarity(groups: &BTreeMap<String, Seen>) -> Rarity {
    let mut rarity = Rarity::default();
    for (stack, times) in groups.values().flat_map(|seen| &seen.stacks) {
        rarity.add(stack, *times);
    }
    rarity
}

fn prepared(rarity: &Rarity, seen: &Seen) -> Vec<Prepared> {
    seen.stacks.iter().map(|(stack, _)| rarity.prepare(stack)).collect()
}

async fn groups(engine: &Engine, known: &Groups) -> Result<BTreeMap<String, Seen>, StoreError> {
    let sql = "SELECT fingerprint, stack_hash, count(*) AS n, last_value(frames ORDER BY time) AS frames, \
               last_value(top_frame ORDER BY time) AS top FROM crashes GROUP BY fingerprint, stack_hash \
               ORDER BY n DESC, fingerprint, stack_hash";
    let merges = known.merges();
    let mut groups: BTreeMap<String, Seen> = BTreeMap::new();
    for batch in engine.rows(sql).await? {
        let columns = batch.columns().iter().map(values).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cell = |at: usize| columns.get(at).and_then(|column| column.get(row)).cloned().unwrap_or_default();
            let fingerprint = cell(0).as_str().unwrap_or_default().to_owned();
            let seen = groups.entry(merges.get(&fingerprint).cloned().unwrap_or(fingerprint)).or_default();
            let count = cell(2).as_u64().unwrap_or(0);
            seen.count += count;
            if seen.top_frame.is_none() {
                seen.top_frame = cell(4).as_str().map(str::to_owned);
            }
            if seen.stacks.len() < STACKS {
                let frames = cell(3).as_array().cloned().unwrap_or_default();
                let frames = frames.iter().filter_map(|frame| frame.as_str().map(str::to_owned)).collect();
                seen.stacks.push((frames, count));
            }
        }
    }
    Ok(groups)
}
