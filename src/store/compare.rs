//! What sets one set of crashes apart from another: values of attributes and variables, frames, columns.
//!
//! Each crash is a bag of things that are true of it; a thing is told of where it is more frequent in one set by an effect
//! that matters, and more surely than chance over all the things that were looked at (Benjamini and Hochberg's procedure
//! at one in a hundred). Numbers are compared by how often one of the first set is the greater (Mann and Whitney).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use deltalake::arrow::array::RecordBatch;
use deltalake::datafusion::logical_expr::{Expr, not};
use deltalake::datafusion::prelude::DataFrame;

use super::query::names::column;
use super::query::output::values;
use super::query::{Engine, Question};
use super::{StoreError, events};

/// Crashes of a set that are looked at: the newest.
const MOST: usize = 20_000;
/// Things that are told apart.
const MOST_THINGS: usize = 200_000;
/// A thing's shares must differ by so much.
const LEAST_EFFECT: f64 = 0.1;
/// How often numbers of one set must be greater, apart from one half.
const LEAST_SHIFT: f64 = 0.15;
/// False ones among what is told of, at most.
const FALSE_SHARE: f64 = 0.01;
/// Distinct values from which on an attribute that is a number is compared as one.
const NUMERIC: usize = 8;
/// Columns that are things.
const COLUMNS: &[&str] =
    &["application", "version", "host", "signal", "signal_code", "class", "arch", "thread", "build_id", "top_frame"];

/// What sets them apart.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Compared {
    /// Crashes of the first set that were looked at.
    pub a: usize,
    /// Of the second.
    pub b: usize,
    /// Things, the strongest first.
    pub differences: Vec<Difference>,
}

/// One thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `attribute`, `variable`, `frame`, `column`, `figure`.
    pub kind: &'static str,
    /// Its name; the function of a frame.
    pub name: String,
    /// The value; none for a frame and for numbers that are compared as such.
    pub value: Option<String>,
    /// Share of the first set's crashes; the median where numbers are compared.
    pub a: f64,
    /// The same of the second set.
    pub b: f64,
    /// The shares' difference; for numbers, how often the first set's is greater, from -1 to 1.
    pub effect: f64,
    /// The chance that there is no difference and it looks like this.
    pub p: f64,
}

/// Everything of one crash.
struct Crash {
    things: HashSet<(&'static str, String, String)>,
    numbers: BTreeMap<(&'static str, String), f64>,
}

/// Of the first set, and of the second.
type Numbers = (Vec<f64>, Vec<f64>);

/// Compares two sets: fingerprints (or their beginnings), expressions as in --where, or `rest`: all that is not in A.
pub async fn compare(engine: &Engine, question: &Question, a: &str, b: &str) -> Result<Compared, StoreError> {
    let first = set(engine, a).await?;
    let second = match b {
        "rest" => None,
        b => Some(set(engine, b).await?),
    };
    let frame = engine.selected(question).await?;
    let of_b = match second {
        Some(filter) => filter,
        // What is null in A is not in A.
        None => not(deltalake::datafusion::functions::expr_fn::coalesce(vec![
            first.clone(),
            deltalake::datafusion::logical_expr::lit(false),
        ])),
    };
    let one = crashes(frame.clone().filter(first)?).await?;
    let other = crashes(frame.filter(of_b)?).await?;
    for (name, set) in [(a, &one), (b, &other)] {
        if set.is_empty() {
            return Err(StoreError::NoMatch(format!("{name}: no such crash")));
        }
    }
    Ok(Compared { a: one.len(), b: other.len(), differences: differences(&one, &other) })
}

async fn set(engine: &Engine, text: &str) -> Result<Expr, StoreError> {
    if events::is_fingerprint(text) && text.chars().all(|c| c.is_ascii_hexdigit()) && text.len() >= 4 {
        let starts = deltalake::datafusion::functions::expr_fn::starts_with(
            column("fingerprint"),
            super::query::names::text(text),
        );
        return Ok(starts);
    }
    engine.names().read(text, false)
}

async fn crashes(frame: DataFrame) -> Result<Vec<Crash>, StoreError> {
    let mut columns: Vec<Expr> = COLUMNS.iter().map(|name| column(name)).collect();
    columns.extend(["frames", "vars", "attrs", "figures"].map(column));
    let newest = frame.sort(vec![column("time").sort(false, false)])?.limit(0, Some(MOST))?.select(columns)?;
    let mut crashes = Vec::new();
    for batch in newest.collect().await? {
        add_crashes(&batch, &mut crashes)?;
    }
    Ok(crashes)
}

fn add_crashes(batch: &RecordBatch, crashes: &mut Vec<Crash>) -> Result<(), StoreError> {
    let columns = batch.columns().iter().map(values).collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        let cell = |at: usize| columns.get(at).and_then(|column| column.get(row)).unwrap_or(&Value::Null);
        let mut crash = Crash { things: HashSet::new(), numbers: BTreeMap::new() };
        for (at, name) in COLUMNS.iter().enumerate() {
            if let Some(text) = cell(at).as_str() {
                crash.things.insert(("column", (*name).to_owned(), text.to_owned()));
            }
        }
        let at = COLUMNS.len();
        for frame in cell(at).as_array().into_iter().flatten().filter_map(Value::as_str) {
            crash.things.insert(("frame", frame.to_owned(), String::new()));
        }
        for (kind, at) in [("variable", at + 1), ("attribute", at + 2)] {
            for (key, value) in cell(at).as_object().into_iter().flatten() {
                let Some(text) = value.as_str() else { continue };
                if let Some(number) = text.parse().ok().filter(|number: &f64| number.is_finite()) {
                    crash.numbers.insert((kind, key.clone()), number);
                }
                crash.things.insert((kind, key.clone(), text.to_owned()));
            }
        }
        for (key, value) in cell(at + 3).as_object().into_iter().flatten() {
            if let Some(number) = value.as_f64() {
                crash.numbers.insert(("figure", key.clone()), number);
            }
        }
        crashes.push(crash);
    }
    Ok(())
}

fn differences(one: &[Crash], other: &[Crash]) -> Vec<Difference> {
    let mut numbers: BTreeMap<(&'static str, &str), Numbers> = BTreeMap::new();
    let mut counts: HashMap<(&'static str, &str, &str), (u64, u64)> = HashMap::new();
    for (is_first, crash) in one.iter().map(|crash| (true, crash)).chain(other.iter().map(|crash| (false, crash))) {
        for ((kind, name), number) in &crash.numbers {
            let (of_one, of_other) = numbers.entry((kind, name.as_str())).or_default();
            if is_first { of_one.push(*number) } else { of_other.push(*number) }
        }
        for (kind, name, value) in &crash.things {
            let key = (*kind, name.as_str(), value.as_str());
            if counts.len() >= MOST_THINGS && !counts.contains_key(&key) {
                continue;
            }
            let (of_one, of_other) = counts.entry(key).or_default();
            if is_first { *of_one += 1 } else { *of_other += 1 }
        }
    }
    numbers.retain(|_, (of_one, of_other)| {
        let distinct: HashSet<u64> = of_one.iter().chain(of_other.iter()).map(|number| number.to_bits()).collect();
        distinct.len() >= NUMERIC && of_one.len() >= 5 && of_other.len() >= 5
    });
    let (all_one, all_other) = (one.len() as f64, other.len() as f64);
    let mut found: Vec<Difference> = Vec::new();
    let mut tests = 0usize;
    for ((kind, name, value), (of_one, of_other)) in counts {
        // What differs in every crash sets nothing apart.
        if numbers.contains_key(&(kind, name)) || of_one + of_other < 2 {
            continue;
        }
        tests += 1;
        let (a, b) = (of_one as f64 / all_one, of_other as f64 / all_other);
        let p = two_shares(of_one as f64, all_one, of_other as f64, all_other);
        let value = (!value.is_empty()).then(|| value.to_owned());
        found.push(Difference { kind, name: name.to_owned(), value, a, b, effect: a - b, p });
    }
    for ((kind, name), (of_one, of_other)) in numbers {
        tests += 1;
        let (effect, p) = mann_whitney(&of_one, &of_other);
        let (a, b) = (median(of_one), median(of_other));
        found.push(Difference { kind, name: name.to_owned(), value: None, a, b, effect, p });
    }
    told_of(found, tests)
}

/// Those that matter and are sure, the strongest first.
fn told_of(mut found: Vec<Difference>, tests: usize) -> Vec<Difference> {
    found.sort_by(|one, other| one.p.total_cmp(&other.p));
    let threshold = |rank: usize| FALSE_SHARE * (rank + 1) as f64 / tests.max(1) as f64;
    let last = found.iter().enumerate().rev().find(|(rank, difference)| difference.p <= threshold(*rank));
    let kept = last.map_or(0, |(rank, _)| rank + 1);
    found.truncate(kept);
    found.retain(|difference| {
        let is_number = difference.value.is_none() && difference.kind != "frame";
        difference.effect.abs() >= if is_number { LEAST_SHIFT * 2.0 } else { LEAST_EFFECT }
    });
    found.sort_by(|one, other| {
        other
            .effect
            .abs()
            .total_cmp(&one.effect.abs())
            .then_with(|| (one.kind, &one.name).cmp(&(other.kind, &other.name)))
    });
    found
}

/// The chance that two shares are one: the pooled test by the normal distribution, with Yates's correction.
fn two_shares(hits: f64, all: f64, other_hits: f64, other_all: f64) -> f64 {
    let pooled = (hits + other_hits) / (all + other_all);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / all + 1.0 / other_all)).sqrt();
    if deviation <= 0.0 {
        return 1.0;
    }
    let correction = 0.5 * (1.0 / all + 1.0 / other_all);
    let difference = ((hits / all - other_hits / other_all).abs() - correction).max(0.0);
    two_sided(difference / deviation)
}

/// How often a number of the first is greater less how often one of the second is, and the chance that it is chance.
fn mann_whitney(one: &[f64], other: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> =
        one.iter().map(|number| (*number, true)).chain(other.iter().map(|number| (*number, false))).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (first, second) = (one.len() as f64, other.len() as f64);
    let total = first + second;
    let (mut ranks, mut ties, mut at) = (0.0, 0.0, 0);
    while let Some((number, _)) = all.get(at) {
        let equal = all.get(at..).unwrap_or_default().iter().take_while(|(other, _)| other == number).count();
        let rank = at as f64 + (equal as f64 + 1.0) / 2.0;
        let ours = all.get(at..at + equal).unwrap_or_default().iter().filter(|(_, is_first)| *is_first).count();
        ranks += rank * ours as f64;
        ties += (equal as f64).powi(3) - equal as f64;
        at += equal.max(1);
    }
    let u = ranks - first * (first + 1.0) / 2.0;
    let variance = first * second / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)).max(1.0));
    let effect = 2.0 * u / (first * second) - 1.0;
    if variance <= 0.0 {
        return (effect, 1.0);
    }
    (effect, two_sided(((u - first * second / 2.0).abs() - 0.5).max(0.0) / variance.sqrt()))
}

/// The share of the normal distribution that is further from the middle than `z`, on both sides.
fn two_sided(z: f64) -> f64 {
    // Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26; for large z by the first term of 7.1.23.
    let x = z / std::f64::consts::SQRT_2;
    if x > 3.0 {
        return (-x * x).exp() / (x * std::f64::consts::PI.sqrt());
    }
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let terms = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let sum = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    (sum * (-x * x).exp()).clamp(0.0, 1.0)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0.0);
    if numbers.len().is_multiple_of(2) { (at(middle.saturating_sub(1)) + at(middle)) / 2.0 } else { at(middle) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(host: &str, latency: f64, frames: &[&str]) -> Crash {
        let mut things: HashSet<_> = frames.iter().map(|frame| ("frame", (*frame).to_owned(), String::new())).collect();
        things.insert(("column", "host".to_owned(), host.to_owned()));
        Crash { things, numbers: [(("attribute", "latency".to_owned()), latency)].into() }
    }

    #[test]
    fn what_differs_is_found_and_what_does_not_is_not() {
        let one: Vec<Crash> = (0..60)
            .map(|at| crash(if at % 2 == 0 { "a" } else { "b" }, 100.0 + f64::from(at), &["main", "parse"]))
            .collect();
        let other: Vec<Crash> = (0..60)
            .map(|at| crash(if at % 2 == 0 { "a" } else { "b" }, 10.0 + f64::from(at), &["main", "send"]))
            .collect();
        let found = differences(&one, &other);
        let names: Vec<&str> = found.iter().map(|difference| difference.name.as_str()).collect();
        assert!(names.contains(&"parse") && names.contains(&"send") && names.contains(&"latency"), "{names:?}");
        assert!(!names.contains(&"main") && !names.contains(&"host"), "{names:?}");
        let parse = found.iter().find(|difference| difference.name == "parse").unwrap();
        assert_eq!((parse.a, parse.b, parse.effect), (1.0, 0.0, 1.0));
        let latency = found.iter().find(|difference| difference.name == "latency").unwrap();
        assert!(latency.effect > 0.9 && latency.a > latency.b);
    }

    #[test]
    fn chance_is_not_told_of() {
        // A thing of its own for each crash, and shares as coins fall.
        let set = |seed: u64| -> Vec<Crash> {
            (0..200u64)
                .map(|at| crash(&format!("h{}", (at * 7 + seed) % 13), (at * 37 % 101) as f64, &["main"]))
                .collect()
        };
        assert_eq!(differences(&set(0), &set(5)), Vec::new());
    }

    #[test]
    fn tests_are_the_textbook_s() {
        assert!((two_sided(1.959_964) - 0.05).abs() < 1e-4);
        assert!((two_sided(0.0) - 1.0).abs() < 1e-6);
        assert!(two_sided(6.0) < 3e-9 && two_sided(6.0) > 1e-9);
        let (effect, p) = mann_whitney(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]);
        assert!(effect.abs() < 1e-9 && p > 0.9);
        assert_eq!(median(vec![3.0, 1.0, 2.0, 4.0]), 2.5);
    }
}
