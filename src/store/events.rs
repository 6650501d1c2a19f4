//! What people decided about groups: one event an object, created and never changed, so that edits made at once are all
//! kept. A group is what its events make of it, in their order.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::bucket::PARALLEL;
use super::id::random;
use super::{Bucket, StoreError};
use futures::{StreamExt, TryStreamExt};

/// Where they are.
pub const DIRECTORY: &str = "groups";
const SCHEMA: &str = "obit.group-event/1";
/// Events that are read.
const MOST: usize = 1 << 20;
/// Bytes of one.
const LARGEST: u64 = 64 << 10;

/// What stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// To be looked at
    #[default]
    Open,
    /// Somebody is at it
    InProgress,
    /// Done, in a version where one is named
    Resolved,
    /// Not to be heard of, until a time, a count or a version where one is named
    Muted,
}

impl State {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            State::Open => "open",
            State::InProgress => "in-progress",
            State::Resolved => "resolved",
            State::Muted => "muted",
        }
    }
}

/// An edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Another state.
    State {
        /// Which.
        state: State,
        /// Resolved in it; muted until it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Muted until then, RFC 3339.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// Muted for so many more crashes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
    },
    /// Whose it is; nobody's where empty.
    Assign {
        /// Who.
        to: String,
    },
    /// This group's crashes count as the other's.
    Merge {
        /// The other.
        into: String,
    },
    /// They do not any more.
    Unmerge,
    /// Something to know.
    Note {
        /// What.
        text: String,
    },
    /// A ticket elsewhere.
    Ticket {
        /// `jira`, `slack`.
        system: String,
        /// Its key there.
        key: String,
    },
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    schema: String,
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// Who.
    pub by: String,
    /// About which group.
    pub fingerprint: String,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// A group as its events have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// State.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Resolved in; muted until.
    pub version: Option<String>,
    /// Muted until.
    pub until: Option<Timestamp>,
    /// Muted for so many crashes.
    pub count: Option<u64>,
    /// Whose.
    pub assigned: Option<String>,
    /// Counts as that one.
    pub merged: Option<String>,
    /// Time, who, what.
    pub notes: Vec<(String, String, String)>,
    /// Tickets by system.
    pub tickets: BTreeMap<String, String>,
}

/// All groups of which there are events.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    groups: HashMap<String, Group>,
}

/// Whether a text can be a group's name, and so a directory's.
pub fn is_fingerprint(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
        && !text.starts_with('.')
}

/// Adds an event.
pub async fn add(bucket: &Bucket, fingerprint: &str, by: &str, action: Action) -> Result<Event, StoreError> {
    let now = Timestamp::now();
    let event = Event {
        schema: SCHEMA.to_owned(),
        time: now.to_string(),
        by: by.to_owned(),
        fingerprint: fingerprint.to_owned(),
        action,
    };
    let name = format!("{}-{}.json", now.strftime("%Y%m%dT%H%M%S.%6fZ"), random());
    let path = Path::from(format!("{DIRECTORY}/{fingerprint}/{name}"));
    bucket.create(&path, serde_json::to_vec(&event).map_err(std::io::Error::from)?).await?;
    Ok(event)
}

/// Reads all events; what is none is passed over.
pub async fn read(bucket: &Bucket) -> Result<Groups, StoreError> {
    let listed = bucket.list(DIRECTORY, MOST).await?;
    let paths = listed.into_iter().filter(|object| object.size <= LARGEST).map(|object| object.location);
    let read = futures::stream::iter(paths).map(|path| async move {
        let bytes = bucket.read(&path).await?;
        Ok::<_, StoreError>(bytes.and_then(|bytes| {
            let event: Event = serde_json::from_slice(&bytes).ok()?;
            // It is believed where it stands in the directory of its group.
            let stands = path.parts().nth(1)?.as_ref() == event.fingerprint;
            // Names become parts of questions.
            let is_named = is_fingerprint(&event.fingerprint)
                && !matches!(&event.action, Action::Merge { into } if !is_fingerprint(into));
            (event.schema == SCHEMA && stands && is_named)
                .then(|| (path.filename().unwrap_or_default().to_owned(), event))
        }))
    });
    let read: Vec<_> = read.buffer_unordered(PARALLEL).try_collect().await?;
    let mut events: Vec<(String, Event)> = read.into_iter().flatten().collect();
    events.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Groups::of(events.into_iter().map(|(_, event)| event)))
}

impl Groups {
    /// What events make, in their order.
    pub fn of(events: impl IntoIterator<Item = Event>) -> Groups {
        let mut groups = Groups::default();
        for event in events {
            let group = groups.groups.entry(event.fingerprint).or_default();
            let time = event.time.parse().ok();
            match event.action {
                Action::State { state, version, until, count } => {
                    group.state = state;
                    group.since = time;
                    group.version = version;
                    group.until = until.and_then(|until| until.parse().ok());
                    group.count = count;
                }
                Action::Assign { to } => group.assigned = Some(to).filter(|to| !to.is_empty()),
                Action::Merge { into } => group.merged = Some(into),
                Action::Unmerge => group.merged = None,
                Action::Note { text } => group.notes.push((event.time, event.by, text)),
                Action::Ticket { system, key } => {
                    group.tickets.insert(system, key);
                }
            }
        }
        groups
    }

    /// A group; as nobody has touched it where there are no events.
    pub fn get(&self, fingerprint: &str) -> Group {
        self.groups.get(fingerprint).cloned().unwrap_or_default()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups.iter().map(|(fingerprint, group)| (fingerprint.as_str(), group))
    }

    /// Whose crashes count as whose, merges of merges followed; those that lead back to themselves are no merges.
    pub fn merges(&self) -> BTreeMap<String, String> {
        let mut merges = BTreeMap::new();
        for fingerprint in self.groups.keys() {
            let mut seen = HashSet::from([fingerprint.as_str()]);
            let mut at = fingerprint.as_str();
            let mut is_circle = false;
            while let Some(into) = self.groups.get(at).and_then(|group| group.merged.as_deref()) {
                if !seen.insert(into) {
                    is_circle = true;
                    break;
                }
                at = into;
            }
            if at != fingerprint && !is_circle {
                merges.insert(fingerprint.clone(), at.to_owned());
            }
        }
        merges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fingerprint: &str, action: Action) -> Event {
        Event {
            schema: SCHEMA.to_owned(),
            time: "2026-11-26T02:42:56Z".to_owned(),
            by: "me".to_owned(),
            fingerprint: fingerprint.to_owned(),
            action,
        }
    }

    #[test]
    fn events_make_a_group_in_their_order() {
        let resolved = Action::State { state: State::Resolved, version: Some("1.2".into()), until: None, count: None };
        let groups = Groups::of([
            event("a", resolved),
            event("a", Action::Assign { to: "ann".into() }),
            event("a", Action::Note { text: "one".into() }),
            event("a", Action::Note { text: "two".into() }),
            event("a", Action::Assign { to: "bob".into() }),
        ]);
        let group = groups.get("a");
        assert_eq!((group.state, group.version.as_deref()), (State::Resolved, Some("1.2")));
        assert_eq!((group.assigned.as_deref(), group.notes.len()), (Some("bob"), 2));
        assert_eq!(groups.get("b"), Group::default());
    }

    #[test]
    fn merges_are_followed_undone_and_never_go_round() {
        let merge = |from: &str, into: &str| event(from, Action::Merge { into: into.to_owned() });
        let groups = Groups::of([merge("a", "b"), merge("b", "c"), merge("x", "y"), merge("y", "x"), merge("z", "z")]);
        let merges = groups.merges();
        assert_eq!(merges.get("a").map(String::as_str), Some("c"));
        assert_eq!(merges.get("b").map(String::as_str), Some("c"));
        assert_eq!(merges.len(), 2);
        let undone = Groups::of([merge("a", "b"), event("a", Action::Unmerge)]);
        assert!(undone.merges().is_empty());
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let written = event("a", Action::State { state: State::Muted, version: None, until: None, count: Some(3) });
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), written);
        assert!(is_fingerprint("1a2b") && !is_fingerprint("../x") && !is_fingerprint("a/b") && !is_fingerprint(""));
    }
}
