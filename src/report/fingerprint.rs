//! A fingerprint as text and as JSON.

use std::fmt::Write as _;

use super::json::Json;
use super::json_backtrace::begin_document;
use super::style::Paint;
use crate::fingerprint::{Fingerprint, Step};
use crate::image::Note;
use crate::image::snapshot::format::Grouping;

/// Of a deep stack so many of the innermost frames are shown, and so many of the outermost.
const INNERMOST: usize = 40;
const OUTERMOST: usize = 10;
/// Characters of a name that others are aligned to.
const WIDEST: usize = 60;

/// What is answered.
pub struct Answer<'a> {
    /// What the snapshot was given when it was taken; that holds.
    pub stored: Option<&'a Grouping>,
    /// What the rules of today say.
    pub now: &'a Fingerprint,
}

impl Answer<'_> {
    /// What was stored, where today's rules say something else.
    fn moved(&self) -> Option<&Grouping> {
        self.stored.filter(|stored| stored.fingerprint != self.now.fingerprint)
    }
}

/// The fingerprint, what it is made of and, where asked for, what became of every frame.
pub fn text(answer: &Answer<'_>, explain: bool, paint: Paint) -> String {
    let now = answer.now;
    let mut out = String::new();
    let (fingerprint, stack_hash, rules) = match answer.stored {
        Some(stored) => (&stored.fingerprint, &stored.stack_hash, &stored.rules),
        None => (&now.fingerprint, &now.stack_hash, &now.rules),
    };
    let _ = writeln!(out, "{} {fingerprint}", paint.heading("fingerprint"));
    let captured = if answer.stored.is_some() { ", of when the snapshot was taken" } else { "" };
    let _ = writeln!(out, "{}       {stack_hash}", paint.heading("stack"));
    let _ = writeln!(out, "{}       version {rules}{captured}", paint.heading("rules"));
    if answer.moved().is_some() {
        let _ = writeln!(out, "\nBy the rules of today (version {}) it would be {}:", now.rules, now.fingerprint);
    }
    let _ = writeln!(out, "{}     {}", paint.heading("made of"), now.key.join("\n            "));
    if let Some(weakness) = now.weakness {
        let _ = writeln!(out, "note: {weakness}");
    }
    if explain {
        let _ = writeln!(out, "\n{}", paint.heading(format_args!("frames of thread {}", now.thread)));
        explained(&mut out, &now.steps, paint);
    }
    out
}

fn explained(out: &mut String, steps: &[Step], paint: Paint) {
    let is_shown = |at: usize, step: &Step| step.taken || at < INNERMOST || at + OUTERMOST >= steps.len();
    let shown = || steps.iter().enumerate().filter(|(at, step)| is_shown(*at, step));
    let name_width = |(_, step): (usize, &Step)| step.name.chars().count().min(WIDEST);
    let width = shown().map(name_width).max().unwrap_or(0);
    let mut next = 0;
    for (at, step) in shown() {
        if at > next {
            let _ = writeln!(out, "         {}", paint.aside(format_args!("… {} frames", at - next)));
        }
        next = at + 1;
        line(out, step, width, paint);
    }
}

fn line(out: &mut String, step: &Step, width: usize, paint: Paint) {
    let mark = if step.taken { '+' } else { ' ' };
    let index = step.index.map_or_else(|| "-".to_owned(), |index| index.to_string());
    let padding = " ".repeat(width.saturating_sub(step.name.chars().count()));
    let gone = if step.index.is_none() { " (a tail call replaced it)" } else { "" };
    let reason = format!("{}{gone}", step.reason.text());
    let _ = match step.taken {
        true => writeln!(out, "  {mark} {index:>4}  {}{padding}  {reason}", paint.function(&step.name)),
        false => writeln!(out, "  {mark} {index:>4}  {}{padding}  {}", step.name, paint.aside(reason)),
    };
}

/// `obit.fingerprint/1`.
pub fn json(answer: &Answer<'_>, notes: &[Note]) -> Json {
    let now = answer.now;
    let mut json = Json::new();
    begin_document(&mut json, "obit.fingerprint/1", notes);
    let (fingerprint, stack_hash, rules) = match answer.stored {
        Some(stored) => (&stored.fingerprint, &stored.stack_hash, &stored.rules),
        None => (&now.fingerprint, &now.stack_hash, &now.rules),
    };
    json.field_string("fingerprint", Some(fingerprint));
    json.field_string("stack_hash", Some(stack_hash));
    json.field_string("rules", Some(rules));
    json.field_bool("stored", answer.stored.is_some());
    json.key("now");
    json.begin_object();
    json.field_string("fingerprint", Some(&now.fingerprint));
    json.field_string("stack_hash", Some(&now.stack_hash));
    json.field_string("rules", Some(&now.rules));
    json.field_uint("thread", Some(now.thread.into()));
    json.key("key");
    json.begin_array();
    now.key.iter().for_each(|line| json.string(line));
    json.end_array();
    json.field_string("weakness", now.weakness);
    json.key("stack");
    json.begin_array();
    now.stack.iter().for_each(|name| json.string(name));
    json.end_array();
    json.key("frames");
    json.begin_array();
    for step in &now.steps {
        json.begin_object();
        json.field_uint("index", step.index.map(|index| index as u64));
        json.field_string("name", Some(&step.name));
        json.field_bool("taken", step.taken);
        json.field_string("rule", Some(step.reason.code()));
        json.field_string("why", Some(&step.reason.text()));
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json.end_object();
    json
}
