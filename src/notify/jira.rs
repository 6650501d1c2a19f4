//! Jira: one issue a group, created, commented on, opened again; what is closed on one side closes on the other.
//!
//! Forms: Jira's REST API, version 2: `issue`, `issue/KEY/comment`, `issue/KEY/transitions`.

use serde_json::{Value, json};

use super::message::Message;
use super::rules::{Jira, secret};
use super::send::{Call, send};
use crate::store::events::{self, Action, Group, Groups, State};
use crate::store::{Bucket, StoreError};

/// Under this name the issue's key is kept with the group.
const SYSTEM: &str = "jira";

/// Tells.
pub async fn tell(bucket: &Bucket, jira: &Jira, message: &Message, known: &Groups) -> Result<(), String> {
    if let Some(key) = known.get(&message.fingerprint).tickets.get(SYSTEM) {
        let body = json!({"body": described(message)});
        ask(jira, "POST", &format!("issue/{}/comment", checked(key)?), Some(body)).await?;
        if message.regressed {
            transition(jira, key, &jira.reopen).await?;
        }
        return Ok(());
    }
    let fields = json!({
        "project": {"key": jira.project},
        "issuetype": {"name": jira.issue_type},
        "summary": message.title(),
        "description": described(message),
        "labels": ["obit", format!("obit-{}", message.fingerprint)],
    });
    let answer = ask(jira, "POST", "issue", Some(json!({"fields": fields}))).await?;
    let key = answer["key"].as_str().ok_or("the answer has no issue's key")?.to_owned();
    let action = Action::Ticket { system: SYSTEM.to_owned(), key };
    let added = events::add(bucket, &message.fingerprint, "notify", action).await;
    added.map(|_| ()).map_err(|error| error.to_string())
}

/// Takes over what was closed there, and closes there what was resolved here; says what did not succeed.
pub async fn follow(bucket: &Bucket, jira: &Jira, known: &Groups) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    for (fingerprint, group) in known.all() {
        let Some(key) = group.tickets.get(SYSTEM) else { continue };
        match status(jira, key).await {
            Ok(is_done) => match follow_one(bucket, jira, fingerprint, group, key, is_done).await {
                Ok(()) => {}
                Err(error) => problems.push(format!("jira: {key}: {error}")),
            },
            Err(error) => problems.push(format!("jira: {key}: {error}")),
        }
    }
    Ok(problems)
}

async fn follow_one(
    bucket: &Bucket,
    jira: &Jira,
    fingerprint: &str,
    group: &Group,
    key: &str,
    is_done: bool,
) -> Result<(), String> {
    match (is_done, group.state) {
        (true, State::Open | State::InProgress) => {
            let action = Action::State { state: State::Resolved, version: None, until: None, count: None };
            events::add(bucket, fingerprint, "jira", action).await.map(|_| ()).map_err(|error| error.to_string())
        }
        (false, State::Resolved) if group.since.is_some() => transition(jira, key, &jira.close).await,
        _ => Ok(()),
    }
}

async fn status(jira: &Jira, key: &str) -> Result<bool, String> {
    let answer = ask(jira, "GET", &format!("issue/{}?fields=status", checked(key)?), None).await?;
    Ok(answer["fields"]["status"]["statusCategory"]["key"] == "done")
}

/// Makes the first of these transitions that the issue has.
async fn transition(jira: &Jira, key: &str, names: &[String]) -> Result<(), String> {
    let path = format!("issue/{}/transitions", checked(key)?);
    let answer = ask(jira, "GET", &path, None).await?;
    let offered = answer["transitions"].as_array().cloned().unwrap_or_default();
    let named = |name: &String| {
        offered
            .iter()
            .find(|offered| offered["name"].as_str().is_some_and(|offered| offered.eq_ignore_ascii_case(name)))
    };
    // It stands where it should where none of them leads there from here.
    let Some(found) = names.iter().find_map(named) else { return Ok(()) };
    ask(jira, "POST", &path, Some(json!({"transition": {"id": found["id"]}}))).await.map(|_| ())
}

/// A key becomes part of a URL: it came from the store, which is not believed.
fn checked(key: &str) -> Result<&str, String> {
    let is_right = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if is_right { Ok(key) } else { Err("its key is none".to_owned()) }
}

async fn ask(jira: &Jira, method: &'static str, path: &str, body: Option<Value>) -> Result<Value, String> {
    let token = secret(&jira.token_env)?;
    let authorization = match &jira.user_env {
        Some(variable) => format!("Basic {}", base64(format!("{}:{token}", secret(variable)?).as_bytes())),
        None => format!("Bearer {token}"),
    };
    let url = format!("{}/rest/api/2/{path}", jira.url.trim_end_matches('/'));
    let headers =
        vec![("authorization".to_owned(), authorization), ("accept".to_owned(), "application/json".to_owned())];
    send(Call { method, url, headers, body }).await
}

/// Jira's own text formatting; `{noformat}` keeps the rest as it is.
fn described(message: &Message) -> String {
    format!("{{noformat}}\n{}\n{{noformat}}", message.text().replace("{noformat}", "{ noformat }"))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let value = (number >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= group.len() { DIGITS.get(value).copied().map_or('=', char::from) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_s() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
        assert!(checked("CRASH-12").is_ok() && checked("../x").is_err());
    }
}
