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
            first: seconds(&row.first),
            last: seconds(&row.last),
            versions: row.versions.clone(),
            owner: known.get(&row.fingerprint).assigned,
            crash: row.latest.clone(),
            command: format!("obit bt '{}#{}'", everywhere(bucket), row.latest),
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

    /// How many, on how many hosts, and when.
    pub fn figures(&self) -> String {
        let when = match self.first == self.last {
            true => format!("at {}", self.first),
            false => format!("{} to {}", self.first, self.last),
        };
        let crashes = if self.count == 1 { "crash" } else { "crashes" };
        let hosts = if self.hosts == 1 { "host" } else { "hosts" };
        format!("{} {crashes} on {} {hosts}, {when}", self.count, self.hosts)
    }

    /// `versions 1.2 to 1.4`
    pub fn version_text(&self) -> Option<String> {
        self.versions.as_ref().map(|(least, greatest)| match least == greatest {
            true => format!("version {least}"),
            false => format!("versions {least} to {greatest}"),
        })
    }

    /// All of it, as plain text.
    pub fn text(&self) -> String {
        let mut lines = vec![self.title(), format!("{}: {}", self.rule, self.why), String::new()];
        lines.extend(self.frames.iter().map(|frame| format!("    {frame}")));
        if !self.frames.is_empty() {
            lines.push(String::new());
        }
        lines.push(self.figures());
        lines.extend(self.version_text());
        let owner = self.owner.as_ref().map(|owner| format!(", {owner}'s")).unwrap_or_default();
        lines.push(format!("group {}, {}{owner}", self.fingerprint, self.state));
        lines.push(self.command.clone());
        lines.join("\n")
    }
}

/// A time without parts of a second.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, rest)) if rest.ends_with('Z') => format!("{whole}Z"),
        _ => time.to_owned(),
    }
}

/// The store as it is named from every directory of a machine.
fn everywhere(bucket: &Bucket) -> String {
    let absolute = bucket.local().and_then(|directory| std::path::absolute(directory).ok());
    match absolute.filter(|_| !bucket.name().contains("://")) {
        Some(directory) => directory.display().to_string(),
        None => bucket.name().to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_people_write_them() {
        let one = Message {
            count: 1,
            hosts: 1,
            first: seconds("2026-10-21T09:28:12.842Z"),
            last: seconds("2026-10-21T09:28:12.842Z"),
            ..Message::default()
        };
        assert_eq!(one.figures(), "1 crash on 1 host, at 2026-10-21T09:28:12Z");
        let more = Message { count: 3, hosts: 2, last: "2026-10-22T00:00:00Z".to_owned(), ..one };
        assert_eq!(more.figures(), "3 crashes on 2 hosts, 2026-10-21T09:28:12Z to 2026-10-22T00:00:00Z");
    }
}
