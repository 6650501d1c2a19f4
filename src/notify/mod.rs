//! Telling people: rules over groups, and what each of them sends to whom. docs/notify.md is its manual.
//!
//! ```text
//! rules × groups ─▶ occasions ─▶ not told of yet? ─▶ message ─▶ slack | jira | mail | webhook ─▶ told
//! ```
//!
//! What was told is kept in the store (`notify/…`), one object an occasion and receiver: a message goes out at least
//! once, and again only where the one who sent it was stopped before it could say so. Two that run at once do not both
//! send: whoever is first to create the claim of these minutes does. Secrets come from the environment alone.

pub mod jira;
pub mod mail;
pub mod message;
pub mod occasions;
pub mod rules;
pub mod send;
pub mod slack;
pub mod webhook;

use jiff::Timestamp;
use object_store::path::Path;

use self::message::Message;
use self::occasions::Occasion;
use self::rules::Rules;
use crate::store::events::{self, Groups};
use crate::store::query::Engine;
use crate::store::{Bucket, StoreError};

/// Seconds for which a claim stands.
const CLAIM: i64 = 300;

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Messages that were sent.
    pub sent: usize,
    /// Messages that no receiver took; the next run tries again.
    pub failed: usize,
    /// Occasions that are left for the next runs, so that nobody is told of hundreds at once.
    pub waiting: usize,
}

/// Looks for occasions once, and tells of those that nobody was told of. With `dry`, prints what it would send.
pub async fn run(
    bucket: &Bucket,
    rules: &Rules,
    dry: bool,
    log: &mut (dyn FnMut(String) + Send),
) -> Result<Done, StoreError> {
    let mut done = Done::default();
    let engine = Engine::open(bucket).await?;
    let known = events::read(bucket).await?;
    if let Some(jira) = rules.jira.as_ref().filter(|_| !dry) {
        for problem in jira::follow(bucket, jira, &known).await? {
            log(problem);
        }
    }
    for rule in &rules.rule {
        let mut told_of = 0;
        let mut waiting = 0;
        for occasion in occasions::of(bucket, &engine, rule).await? {
            let mut left = Vec::new();
            for receiver in &rule.to {
                let told = told(receiver, &occasion);
                if bucket.head(&told).await?.is_none() {
                    left.push((receiver, told));
                }
            }
            if left.is_empty() {
                continue;
            }
            if told_of >= rule.at_most {
                waiting += 1;
                continue;
            }
            told_of += 1;
            let message = Message::of(bucket, &engine, &known, rule, &occasion).await?;
            if dry {
                let names: Vec<&str> = left.iter().map(|(receiver, _)| receiver.as_str()).collect();
                log(format!("to {}:\n{}", names.join(", "), message.text()));
                done.sent += names.len();
                continue;
            }
            for (receiver, told) in left {
                if !claim(bucket, &told).await? {
                    continue;
                }
                match tell(bucket, rules, receiver, &message, &known).await {
                    Ok(()) => {
                        bucket.create(&told, Timestamp::now().to_string()).await?;
                        log(format!("{receiver}: {}", message.title()));
                        done.sent += 1;
                    }
                    Err(error) => {
                        log(format!("{receiver}: {}: {error}", message.title()));
                        done.failed += 1;
                    }
                }
            }
        }
        if waiting > 0 {
            let (name, at_most) = (&rule.name, rule.at_most);
            log(format!("{name}: {waiting} more wait for the next runs (at_most = {at_most} each)"));
            done.waiting += waiting;
        }
    }
    Ok(done)
}

/// The object that says that the receiver was told.
fn told(receiver: &str, occasion: &Occasion) -> Path {
    let digest = blake3::hash(occasion.key.as_bytes()).to_hex();
    Path::from(format!("notify/{receiver}/{}-{}", occasion.row.fingerprint, &digest[..16]))
}

/// Whether it is this one's to send, for the next minutes.
async fn claim(bucket: &Bucket, told: &Path) -> Result<bool, StoreError> {
    let slot = Timestamp::now().as_second().div_euclid(CLAIM);
    bucket.create(&Path::from(format!("{told}.claim-{slot}")), "").await
}

async fn tell(bucket: &Bucket, rules: &Rules, receiver: &str, message: &Message, known: &Groups) -> Result<(), String> {
    let missing = || format!("the rules say nothing of [{receiver}]");
    match receiver.split_once('.') {
        None if receiver == "slack" => {
            slack::tell(bucket, rules.slack.as_ref().ok_or_else(missing)?, message, known).await
        }
        None if receiver == "jira" => {
            jira::tell(bucket, rules.jira.as_ref().ok_or_else(missing)?, message, known).await
        }
        None if receiver == "mail" => mail::tell(rules.mail.clone().ok_or_else(missing)?, message).await,
        Some(("webhook", name)) => webhook::tell(rules.webhook.get(name).ok_or_else(missing)?, message).await,
        _ => Err("is no receiver; write slack, jira, mail or webhook.NAME".to_owned()),
    }
}
