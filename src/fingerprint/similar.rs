//! How alike stacks are, for what exact keys tell apart.
//!
//! ```text
//! weight(f)  = rarity(f) / (1 + position)^ALPHA            inner frames and rare ones weigh more
//! rarity(f)  = ln(1 + N / n(f)) / ln(1 + N)                N stacks, n(f) of them with f
//! alignment  = Σ aligned (w₁ + w₂)·e^(−GAMMA·|p₁ − p₂|) − Σ alone w,  over Σ w;  −1 … 1, shifted to 0 … 1
//! words      = cosine of the TF-IDF vectors of the words in the names;  0 … 1
//! similarity = SHARE · alignment + (1 − SHARE) · words
//! ```
//!
//! Equal frames are aligned in their order, each function by itself, so that an alignment takes one pass over both stacks
//! (I. M. Rodrigues, D. Aloise, E. R. Fernandes: FaST, MSR 2022). Words are of use where functions were renamed or moved.
//!
//! Of two groups the similarity is the mean of what each stack has with its nearest in the other group, both ways.
//!
//! Stacks are lists of names, innermost first, as [`Fingerprint::stack`](super::Fingerprint::stack) and snapshots' headers have them.

use crate::order::Order;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How much less frames weigh further out.
const ALPHA: f64 = 1.0;
/// How much less equal frames count that are at different places.
const GAMMA: f64 = 0.1;
/// The alignment's share.
const SHARE: f64 = 0.7;
/// Frames of a stack that are looked at.
const FRAMES: usize = 512;
/// Stacks of a group that are looked at: those that are the same count once.
const STACKS: usize = 64;
/// From here on two groups may well be one.
pub const ALIKE: f64 = 0.65;

/// How rare functions and words are among the stacks that are known.
#[derive(Clone, Debug, Default)]
pub struct Rarity {
    stacks: u64,
    with: HashMap<u64, u64>,
}

/// A stack, ready to be compared.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// Function, position and weight, in order.
    frames: Vec<(u64, u32, f64)>,
    /// Word and weight, in order; of length 1 as a vector.
    words: Vec<(u64, f64)>,
}

impl Rarity {
    /// Counts stacks.
    pub fn of<'a, S: AsRef<str> + 'a>(stacks: impl IntoIterator<Item = &'a [S]>) -> Rarity {
        let mut rarity = Rarity::default();
        for stack in stacks {
            rarity.add(stack, 1);
        }
        rarity
    }

    /// Counts a stack as many times as it was seen.
    pub fn add<S: AsRef<str>>(&mut self, stack: &[S], times: u64) {
        self.stacks = self.stacks.saturating_add(times);
        let names = || stack.iter().take(FRAMES).map(AsRef::as_ref);
        let mut ids: Vec<u64> =
            names().map(frame_id).chain(names().flat_map(words).map(|word| word_id(&word))).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let count = self.with.entry(id).or_default();
            *count = count.saturating_add(times);
        }
    }

    /// 1 for what no stack has, little for what all have.
    fn weight(&self, id: u64) -> f64 {
        let all = self.stacks.max(1) as f64;
        let with = self.with.get(&id).copied().unwrap_or(1).max(1) as f64;
        (1.0 + all / with).ln() / (1.0 + all).ln()
    }

    /// A stack, ready to be compared.
    pub fn prepare<S: AsRef<str>>(&self, stack: &[S]) -> Prepared {
        let mut frames = Vec::with_capacity(stack.len().min(FRAMES));
        let mut counts: HashMap<u64, f64> = HashMap::new();
        for (position, name) in stack.iter().take(FRAMES).map(AsRef::as_ref).enumerate() {
            let id = frame_id(name);
            let place = (1.0 + position as f64).powf(-ALPHA);
            frames.push((id, position as u32, place * self.weight(id)));
            for word in words(name) {
                *counts.entry(word_id(&word)).or_default() += place;
            }
        }
        frames.order_by_key(|(id, position, _)| (*id, *position));
        let mut words: Vec<(u64, f64)> = counts.into_iter().map(|(id, count)| (id, count * self.weight(id))).collect();
        words.order_by_key(|(id, _)| *id);
        let length = words.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        for (_, weight) in &mut words {
            *weight /= length;
        }
        Prepared { frames, words }
    }

    /// How alike two groups are: 0 to 1; 0 where one is empty.
    pub fn groups<S: AsRef<str>>(&self, one: &[Vec<S>], other: &[Vec<S>]) -> f64 {
        let prepare = |stacks: &[Vec<S>]| -> Vec<Prepared> { stacks.iter().map(|stack| self.prepare(stack)).collect() };
        between_groups(&prepare(one), &prepare(other))
    }
}

/// How alike two stacks are: 0 to 1.
pub fn similarity(one: &Prepared, other: &Prepared) -> f64 {
    let alignment = alignment(one, other);
    // Names of single letters have no words.
    match one.words.is_empty() && other.words.is_empty() {
        true => alignment,
        false => SHARE * alignment + (1.0 - SHARE) * cosine(one, other),
    }
}

/// How alike two groups are: 0 to 1; 0 where one is empty. Of many stacks the first ones count.
pub fn between_groups(one: &[Prepared], other: &[Prepared]) -> f64 {
    let (one, other) = (one.get(..STACKS).unwrap_or(one), other.get(..STACKS).unwrap_or(other));
    if one.is_empty() || other.is_empty() {
        return 0.0;
    }
    let mut nearest_of_other = vec![0.0f64; other.len()];
    let mut sum = 0.0;
    for stack in one {
        let mut nearest = 0.0f64;
        for (candidate, best) in other.iter().zip(&mut nearest_of_other) {
            let score = similarity(stack, candidate);
            nearest = nearest.max(score);
            *best = best.max(score);
        }
        sum += nearest;
    }
    let mean = sum / one.len() as f64;
    let mean_of_other = nearest_of_other.iter().sum::<f64>() / other.len() as f64;
    (mean + mean_of_other) / 2.0
}

/// The alignment alone: 0 to 1.
pub fn alignment(one: &Prepared, other: &Prepared) -> f64 {
    let (mut ours, mut theirs) = (one.frames.iter().peekable(), other.frames.iter().peekable());
    let (mut score, mut total) = (0.0, 0.0);
    loop {
        match (ours.peek(), theirs.peek()) {
            (Some((id, position, weight)), Some((their_id, their_position, their_weight))) if id == their_id => {
                let distance = f64::from(position.abs_diff(*their_position));
                score += (weight + their_weight) * (-GAMMA * distance).exp();
                total += weight + their_weight;
                ours.next();
                theirs.next();
            }
            (Some((id, _, weight)), Some((their_id, ..))) if id < their_id => {
                score -= weight;
                total += weight;
                ours.next();
            }
            (_, Some((_, _, weight))) => {
                score -= weight;
                total += weight;
                theirs.next();
            }
            (Some((_, _, weight)), None) => {
                score -= weight;
                total += weight;
                ours.next();
            }
            (None, None) => break,
        }
    }
    if total > 0.0 { (score / total + 1.0) / 2.0 } else { 0.0 }
}

/// The words alone: 0 to 1.
pub fn cosine(one: &Prepared, other: &Prepared) -> f64 {
    let (mut ours, mut theirs) = (one.words.iter().peekable(), other.words.iter().peekable());
    let mut sum = 0.0;
    while let (Some((id, weight)), Some((their_id, their_weight))) = (ours.peek(), theirs.peek()) {
        match id.cmp(their_id) {
            std::cmp::Ordering::Less => {
                ours.next();
            }
            std::cmp::Ordering::Greater => {
                theirs.next();
            }
            std::cmp::Ordering::Equal => {
                sum += weight * their_weight;
                ours.next();
                theirs.next();
            }
        }
    }
    if sum.is_finite() { sum.clamp(0.0, 1.0) } else { 0.0 }
}

fn frame_id(name: &str) -> u64 {
    id(0, name)
}

fn word_id(word: &str) -> u64 {
    id(1, word)
}

fn id(kind: u8, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    text.hash(&mut hasher);
    hasher.finish()
}

/// `http::RequestParser::parse_header` has http, request, parser, parse, header.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_uppercase() && before.is_lowercase() || !c.is_alphanumeric();
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphabetic() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.push(word);
    words.retain(|word| word.chars().count() > 1);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_owned).collect()
    }

    fn alike(one: &str, other: &str) -> f64 {
        let known = ["parse_header read_request serve loop main", "free_list drop_cache loop main", "serve loop main"];
        let known: Vec<Vec<String>> = known.into_iter().map(stack).collect();
        let rarity = Rarity::of(known.iter().map(Vec::as_slice));
        similarity(&rarity.prepare(&stack(one)), &rarity.prepare(&stack(other)))
    }

    #[test]
    fn equal_stacks_are_alike_and_others_are_not() {
        let same = alike("parse_header read_request serve loop main", "parse_header read_request serve loop main");
        assert!((same - 1.0).abs() < 1e-9, "{same}");
        let none = alike("parse_header read_request", "free_list drop_cache");
        assert!(none < 1e-9, "{none}");
        assert_eq!(alike("parse main", "walk main"), alike("walk main", "parse main"));
    }

    #[test]
    fn the_inner_and_the_rare_weigh_more() {
        let first = "parse_header read_request serve loop main";
        let inlined = alike(first, "parse_header serve loop main");
        let other_end = alike(first, "free_list drop_cache serve loop main");
        assert!(inlined > ALIKE && other_end < 0.5, "{inlined} {other_end}");
        let common = alike("a_b loop main", "c_d loop main");
        let rare = alike("a_b read_request main", "c_d read_request main");
        assert!(rare > common, "{rare} {common}");
    }

    #[test]
    fn words_find_what_was_renamed() {
        assert_eq!(words("http::RequestParser::parse_header2"), ["http", "request", "parser", "parse", "header"]);
        let renamed = alike("http::parse_header serve main", "http::parseHeader serve main");
        let other = alike("http::parse_header serve main", "db::open_table serve main");
        assert!(renamed > other + 0.1, "{renamed} {other}");
    }

    #[test]
    fn groups_are_as_alike_as_their_nearest_stacks() {
        let rarity = Rarity::of([stack("a b c"), stack("d e f")].iter().map(Vec::as_slice));
        let one = vec![stack("a b c"), stack("a b x c")];
        let other = vec![stack("a b c")];
        assert!(rarity.groups(&one, &other) > rarity.groups(&one, &[stack("d e f")]));
        assert_eq!(rarity.groups(&one, &Vec::<Vec<String>>::new()), 0.0);
    }

    #[test]
    fn nothing_and_very_much_end() {
        let rarity = Rarity::default();
        let nothing = rarity.prepare::<String>(&[]);
        assert_eq!(similarity(&nothing, &nothing), 0.0);
        let long: Vec<String> = (0..100_000).map(|number| format!("f{}", number % 7)).collect();
        let long = rarity.prepare(&long);
        assert!((similarity(&long, &long) - 1.0).abs() < 1e-9);
    }
}
