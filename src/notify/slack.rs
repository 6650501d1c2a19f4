//! Slack: the group's first message is kept up to date, what comes later goes into its thread.
//!
//! Forms: `chat.postMessage` and `chat.update` of Slack's Web API; "Sending messages using incoming webhooks".

use serde_json::{Value, json};

use super::message::Message;
use super::rules::{Slack, secret};
use super::send::{Call, send};
use crate::store::Bucket;
use crate::store::events::{self, Action, Groups};

/// Under this name the first message's place is kept with the group.
const SYSTEM: &str = "slack";

/// Tells.
pub async fn tell(bucket: &Bucket, slack: &Slack, message: &Message, known: &Groups) -> Result<(), String> {
    if let Some(variable) = &slack.webhook_env {
        let url = secret(variable)?;
        let call = Call { method: "POST", url, headers: Vec::new(), body: Some(content(message)) };
        return send(call).await.map(|_| ());
    }
    let (Some(variable), Some(channel)) = (&slack.token_env, &slack.channel) else {
        return Err("[slack] needs webhook_env, or token_env and channel".to_owned());
    };
    let token = secret(variable)?;
    let first = known.get(&message.fingerprint).tickets.get(SYSTEM).cloned();
    let Some((channel, first)) = first.as_deref().and_then(|key| key.split_once(' ')) else {
        let mut body = content(message);
        body["channel"] = json!(channel);
        let answer = ask(slack, &token, "chat.postMessage", body).await?;
        let place = answer["channel"].as_str().zip(answer["ts"].as_str());
        if let Some((channel, time)) = place {
            let key = format!("{channel} {time}");
            let action = Action::Ticket { system: SYSTEM.to_owned(), key };
            let added = events::add(bucket, &message.fingerprint, "notify", action).await;
            added.map_err(|error| error.to_string())?;
        }
        return Ok(());
    };
    let mut body = content(message);
    (body["channel"], body["ts"]) = (json!(channel), json!(first));
    ask(slack, &token, "chat.update", body).await?;
    let text = format!("{}: {}\n`{}`", escaped(&message.rule), escaped(&message.why), escaped(&message.command));
    let body = json!({"channel": channel, "thread_ts": first, "text": text});
    ask(slack, &token, "chat.postMessage", body).await.map(|_| ())
}

async fn ask(slack: &Slack, token: &str, method: &str, body: Value) -> Result<Value, String> {
    let url = format!("{}/{method}", slack.url.trim_end_matches('/'));
    let headers = vec![("authorization".to_owned(), format!("Bearer {token}"))];
    let answer = send(Call { method: "POST", url, headers, body: Some(body) }).await?;
    match answer["ok"].as_bool() {
        Some(true) => Ok(answer),
        _ => Err(format!("{method}: {}", answer["error"].as_str().unwrap_or("no answer"))),
    }
}

/// The message; `text` is what notifications show.
fn content(message: &Message) -> Value {
    let mut lines = vec![format!("*{}*", escaped(&message.title())), escaped(&message.why)];
    if !message.frames.is_empty() {
        lines.push(format!("```{}```", escaped(&message.frames.join("\n"))));
    }
    let versions = message.version_text().map(|versions| format!(", {versions}"));
    lines.push(escaped(&format!("{}{}", message.figures(), versions.unwrap_or_default())));
    let owner = message.owner.as_ref().map(|owner| format!(", {owner}'s")).unwrap_or_default();
    lines.push(escaped(&format!("group {}, {}{owner}", message.fingerprint, message.state)));
    lines.push(format!("`{}`", escaped(&message.command)));
    let text = lines.join("\n");
    json!({
        "text": escaped(&message.title()),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text.chars().take(3000).collect::<String>()}}],
    })
}

/// The three characters that Slack's text gives a meaning to ("Escaping text").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
