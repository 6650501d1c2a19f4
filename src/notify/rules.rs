//! The file of rules.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::store::StoreError;
use crate::store::query::time;

/// Bytes of the file.
const LARGEST: u64 = 1 << 20;

/// All of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// When to tell whom.
    #[serde(default)]
    pub rule: Vec<Rule>,
    /// Slack.
    pub slack: Option<Slack>,
    /// Jira.
    pub jira: Option<Jira>,
    /// Mail.
    pub mail: Option<Mail>,
    /// Everything else, by name.
    #[serde(default)]
    pub webhook: BTreeMap<String, Webhook>,
}

/// When to tell whom.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// As it is called in messages.
    pub name: String,
    /// Which occasions.
    pub when: When,
    /// Only crashes for which this is true, as `query --where` has it.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// `slack`, `jira`, `mail`, `webhook.NAME`.
    pub to: Vec<String>,
    /// Over how long a count or a spike is looked for; what is older than this is no news.
    #[serde(default = "window")]
    pub window: String,
    /// So many crashes.
    pub count: Option<u64>,
    /// So many hosts.
    pub hosts: Option<u64>,
    /// A spike: so many times what was usual over the last 24 windows.
    #[serde(default = "factor")]
    pub factor: f64,
    /// Occasions that one run tells of; the next run tells of others.
    #[serde(default = "at_most")]
    pub at_most: usize,
}

fn window() -> String {
    "24h".to_owned()
}

fn at_most() -> usize {
    20
}

fn factor() -> f64 {
    3.0
}

/// Occasions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// A group's first crash.
    New,
    /// A crash after the group was resolved.
    Regression,
    /// More than its own history has.
    Spike,
    /// `count` crashes or `hosts` hosts in the window.
    Threshold,
    /// A known group's first crash in a version.
    FirstInVersion,
}

/// Slack: a bot, or a plain webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The variable with the bot's token.
    pub token_env: Option<String>,
    /// The bot's channel.
    pub channel: Option<String>,
    /// The variable with the webhook's URL, in place of both.
    pub webhook_env: Option<String>,
    /// Where the interface is.
    #[serde(default = "slack_url")]
    pub url: String,
}

fn slack_url() -> String {
    "https://slack.com/api".to_owned()
}

/// Jira.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jira {
    /// `https://example.atlassian.net`.
    pub url: String,
    /// The project's key.
    pub project: String,
    /// The kind of issue.
    #[serde(default = "bug")]
    pub issue_type: String,
    /// The variable with the user; where there is none, the token is a bearer's.
    pub user_env: Option<String>,
    /// The variable with the token.
    pub token_env: String,
    /// Names of the transitions that open an issue again, the first that there is.
    #[serde(default = "reopen")]
    pub reopen: Vec<String>,
    /// Names of the transitions that close one.
    #[serde(default = "close")]
    pub close: Vec<String>,
}

fn bug() -> String {
    "Bug".to_owned()
}

fn reopen() -> Vec<String> {
    ["Reopen", "Reopen Issue", "To Do", "Backlog"].map(str::to_owned).to_vec()
}

fn close() -> Vec<String> {
    ["Done", "Resolve Issue", "Close Issue", "Close"].map(str::to_owned).to_vec()
}

/// Mail by SMTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `smtps://host`, `smtp://host?tls=required`, `smtp://localhost:25`; user and password from the variables.
    pub url: String,
    /// The variable with the user.
    pub user_env: Option<String>,
    /// The variable with the password.
    pub password_env: Option<String>,
    /// Sender.
    pub from: String,
    /// Receivers.
    pub to: Vec<String>,
}

/// A webhook: a request made from templates.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// One that is shipped: `github`, `gitlab`, `pagerduty`, `teams`; what is written below goes before it.
    pub kind: Option<String>,
    /// Where to, a template.
    pub url: Option<String>,
    /// Headers, templates.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is sent, a template that makes JSON.
    pub body: Option<String>,
    /// Variables that templates may use as `env.NAME`.
    #[serde(default)]
    pub env: Vec<String>,
    /// What templates may use as `set.NAME`.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

impl Rules {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Rules, StoreError> {
        let size = std::fs::metadata(path).map_err(StoreError::file(path))?.len();
        if size > LARGEST {
            return Err(StoreError::Usage(format!("{}: has {size} bytes; at most {LARGEST} are read", path.display())));
        }
        let text = std::fs::read_to_string(path).map_err(StoreError::file(path))?;
        Rules::parse(&text).map_err(|problem| StoreError::Usage(format!("{}: {problem}", path.display())))
    }

    /// Reads the text, and checks what it says.
    pub fn parse(text: &str) -> Result<Rules, String> {
        let rules: Rules = toml::from_str(text).map_err(|error| error.to_string())?;
        for rule in &rules.rule {
            let wrong = |problem: String| Err(format!("rule {}: {problem}", rule.name));
            if time::duration(&rule.window).is_none_or(|window| window.is_zero()) {
                return wrong(format!("window = {:?}: write 30m, 24h or 7d", rule.window));
            }
            if rule.when == When::Threshold && rule.count.is_none() && rule.hosts.is_none() {
                return wrong("a threshold needs count or hosts".to_owned());
            }
            if rule.to.is_empty() {
                return wrong("to = [] tells nobody".to_owned());
            }
            for receiver in &rule.to {
                let is_there = match receiver.split_once('.') {
                    None => match receiver.as_str() {
                        "slack" => rules.slack.is_some(),
                        "jira" => rules.jira.is_some(),
                        "mail" => rules.mail.is_some(),
                        _ => false,
                    },
                    Some(("webhook", name)) => rules.webhook.contains_key(name),
                    Some(_) => false,
                };
                if !is_there {
                    return wrong(format!("to = {receiver:?}: there is no section [{receiver}]"));
                }
            }
        }
        Ok(rules)
    }
}

/// A secret, from the environment.
pub fn secret(variable: &str) -> Result<String, String> {
    match std::env::var(variable) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(format!("the variable {variable} is not set")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_what_is_wrong_with_it_is_said() {
        let good = "[slack]\nwebhook_env = \"HOOK\"\n[webhook.pager]\nkind = \"pagerduty\"\n\
                    [[rule]]\nname = \"n\"\nwhen = \"new\"\nto = [\"slack\", \"webhook.pager\"]\n";
        let rules = Rules::parse(good).unwrap();
        assert_eq!((rules.rule[0].when, rules.rule[0].window.as_str()), (When::New, "24h"));
        for (text, said) in [
            ("[[rule]]\nname = \"n\"\nwhen = \"new\"\nto = [\"slack\"]\n", "no section [slack]"),
            ("[[rule]]\nname = \"n\"\nwhen = \"new\"\nto = []\n", "nobody"),
            ("[[rule]]\nname = \"n\"\nwhen = \"later\"\nto = []\n", "later"),
            ("[slack]\n[[rule]]\nname = \"n\"\nwhen = \"threshold\"\nto = [\"slack\"]\n", "count or hosts"),
            ("[slack]\n[[rule]]\nname = \"n\"\nwhen = \"new\"\nwindow = \"soon\"\nto = [\"slack\"]\n", "soon"),
            ("[slack]\ntoken = \"xoxb-1\"\n", "token"),
        ] {
            let error = Rules::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
