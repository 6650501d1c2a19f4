//! What is told, the same for every receiver.

use serde::Serialize;

use super::occasions::Occasion;
use super::rules::Rule;
use crate::store::events::Groups;
use crate::store::query::Engine;
use crate::store::query::output::values;
use crate::store::{Bucket, StoreError};

/// Frames of a message.
const FRAMES: usize = 6;

/// A message; templates see its fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Message {
    /// The rule's name.
    pub rule: String,
    /// Why now.
    pub why: String,
    /// The group.
    pub fingerprint: String,
    /// What stands.
    pub state: String,
    /// The group came back after it was resolved.
    pub regressed: bool,
    /// The application.
    pub application: Option<String>,
    /// The verdict's class.
    pub class: Option<String>,
    /// The verdict, one sentence.
    pub verdict: Option<String>,
    /// Innermost functions of the program's own stack.
    pub frames: Vec<String>,
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
    /// Whose.
    pub owner: Option<String>,
    /// The last crash's id.
    pub crash: String,
    /// The command that opens it.
    pub command: String,
}

impl Message {
    /// Of an occasion.
    pub async fn of(
        bucket: &Bucket,
        engine: &Engine,
        known: &Groups,
        rule: &Rule,
        occasion: &Occasion,
    ) -> Result<Message, StoreError> {
        let row = &occasion.row;
        let frames = frames(engine, &row.latest, row.top_frame.as_deref()).await?;
        Ok(Message {
            rule: rule.name.clone(),
            why: occasion.why.clone(),
            fingerprint: row.fingerprint.clone(),
            state: row.state.clone(),
            regressed: occasion.regressed,
            application: row.application.clone(),
            class: row.class.clone(),
            verdict: row.verdict.clone(),
            frames,
            count: row.count,
            hosts: row.hosts,
            first: row.first.clone(),
            last: row.last.clone(),
            versions: row.versions.clone(),
            owner: known.get(&row.fingerprint).assigned,
            crash: row.latest.clone(),
            command: format!("obit bt '{}#{}'", bucket.name(), row.latest),
        })
    }

    /// One line.
    pub fn title(&self) -> String {
        let what = self.verdict.clone().or_else(|| self.frames.first().cloned());
        let what = what.or_else(|| self.class.clone()).unwrap_or_else(|| self.fingerprint.clone());
        let mut title = match &self.application {
            Some(application) => format!("{application}: {what}"),
            None => what,
        };
        if let Some(end) = title.char_indices().nth(200).map(|(end, _)| end) {
            title.truncate(end);
            title.push('…');
        }
        title.replace('\n', " ")
    }

    /// All of it, as plain text.
    pub fn text(&self) -> String {
        let mut lines = vec![self.title(), format!("{}: {}", self.rule, self.why), String::new()];
        lines.extend(self.frames.iter().map(|frame| format!("    {frame}")));
        if !self.frames.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("{} crashes on {} hosts, {} to {}", self.count, self.hosts, self.first, self.last));
        match &self.versions {
            Some((least, greatest)) if least == greatest => lines.push(format!("version {least}")),
            Some((least, greatest)) => lines.push(format!("versions {least} to {greatest}")),
            None => {}
        }
        let owner = self.owner.as_ref().map(|owner| format!(", {owner}'s")).unwrap_or_default();
        lines.push(format!("group {}, {}{owner}", self.fingerprint, self.state));
        lines.push(self.command.clone());
        lines.join("\n")
    }
}

/// The innermost functions from the program's own first one on.
async fn frames(engine: &Engine, id: &str, top: Option<&str>) -> Result<Vec<String>, StoreError> {
    if crate::store::id::Id::parse(id).is_none() {
        return Ok(Vec::new());
    }
    let mut frames = Vec::new();
    for batch in engine.rows(&format!("SELECT frames FROM crashes WHERE id = '{id}' LIMIT 1")).await? {
        let column = batch.columns().first().map(values).transpose()?.unwrap_or_default();
        for frame in column.first().and_then(|value| value.as_array()).into_iter().flatten() {
            frames.extend(frame.as_str().map(str::to_owned));
        }
    }
    let start = frames.iter().position(|frame| Some(frame.as_str()) == top).unwrap_or(0);
    Ok(frames.into_iter().skip(start).take(FRAMES).collect())
}
