//! Everything else: a request whose URL, headers and body are templates (minijinja), four of which are shipped.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::message::Message;
use super::rules::{Webhook, secret};
use super::send::{Call, send};

/// Steps that a template may take.
const FUEL: u64 = 200_000;

/// What is shipped: where to, headers, body, variables.
struct Shipped {
    url: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    env: &'static [&'static str],
}

/// GitHub: "Create an issue", REST API version 2022-11-28. `set.repository` is `owner/name`.
const GITHUB: Shipped = Shipped {
    url: "https://api.github.com/repos/{{ set.repository }}/issues",
    headers: &[
        ("authorization", "Bearer {{ env.GITHUB_TOKEN }}"),
        ("accept", "application/vnd.github+json"),
        ("x-github-api-version", "2022-11-28"),
        ("user-agent", "obit"),
    ],
    body: "{\"title\": {{ title | tojson }}, \"body\": {{ (\"```\\n\" ~ text ~ \"\\n```\") | tojson }}, \
           \"labels\": [\"crash\"]}",
    env: &["GITHUB_TOKEN"],
};

/// GitLab: "New issue", API version 4. `set.project` is the project's number.
const GITLAB: Shipped = Shipped {
    url: "https://gitlab.com/api/v4/projects/{{ set.project }}/issues",
    headers: &[("private-token", "{{ env.GITLAB_TOKEN }}")],
    body: "{\"title\": {{ title | tojson }}, \"description\": {{ (\"```\\n\" ~ text ~ \"\\n```\") | tojson }}, \
           \"labels\": \"crash\"}",
    env: &["GITLAB_TOKEN"],
};

/// PagerDuty: Events API version 2; repeats of a group are one incident.
const PAGERDUTY: Shipped = Shipped {
    url: "https://events.pagerduty.com/v2/enqueue",
    headers: &[],
    body: "{\"routing_key\": {{ env.PAGERDUTY_ROUTING_KEY | tojson }}, \"event_action\": \"trigger\", \
           \"dedup_key\": {{ (\"obit-\" ~ message.fingerprint) | tojson }}, \"payload\": {\"summary\": {{ title | tojson }}, \
           \"source\": {{ (message.application or \"obit\") | tojson }}, \"severity\": \"error\", \
           \"custom_details\": {{ message | tojson }}}}",
    env: &["PAGERDUTY_ROUTING_KEY"],
};

/// Teams: a workflow's webhook, which takes an adaptive card.
const TEAMS: Shipped = Shipped {
    url: "{{ env.TEAMS_WEBHOOK }}",
    headers: &[],
    body: "{\"type\": \"message\", \"attachments\": [{\"contentType\": \"application/vnd.microsoft.card.adaptive\", \
           \"content\": {\"$schema\": \"http://adaptivecards.io/schemas/adaptive-card.json\", \"type\": \"AdaptiveCard\", \
           \"version\": \"1.4\", \"body\": [{\"type\": \"TextBlock\", \"weight\": \"Bolder\", \"wrap\": true, \
           \"text\": {{ title | tojson }}}, {\"type\": \"TextBlock\", \"fontType\": \"Monospace\", \"wrap\": true, \
           \"text\": {{ text | tojson }}}]}}]}",
    env: &["TEAMS_WEBHOOK"],
};

/// What templates see.
#[derive(Serialize)]
struct Values<'a> {
    message: &'a Message,
    title: String,
    text: String,
    env: BTreeMap<String, String>,
    set: &'a BTreeMap<String, String>,
}

/// Tells.
pub async fn tell(webhook: &Webhook, message: &Message) -> Result<(), String> {
    send(call(webhook, message, &secret)?).await.map(|_| ())
}

/// The request. `secret` gives a variable of the environment.
pub fn call(
    webhook: &Webhook,
    message: &Message,
    secret: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Call, String> {
    let shipped = match webhook.kind.as_deref() {
        None => None,
        Some("github") => Some(&GITHUB),
        Some("gitlab") => Some(&GITLAB),
        Some("pagerduty") => Some(&PAGERDUTY),
        Some("teams") => Some(&TEAMS),
        Some(kind) => return Err(format!("kind = {kind:?}: there are github, gitlab, pagerduty and teams")),
    };
    let mut env = BTreeMap::new();
    let variables =
        webhook.env.iter().map(String::as_str).chain(shipped.into_iter().flat_map(|shipped| shipped.env).copied());
    for variable in variables {
        env.insert(variable.to_owned(), secret(variable)?);
    }
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    let values =
        Value::from(Serde(Values { message, title: message.title(), text: message.text(), env, set: &webhook.set }));
    let render =
        |what: &str, template: &str| engine.render_str(template, &values).map_err(|error| format!("{what}: {error:#}"));
    let missing = |what: &str| format!("{what} is missing");
    let url = webhook.url.as_deref().or(shipped.map(|shipped| shipped.url)).ok_or_else(|| missing("url"))?;
    let body = webhook.body.as_deref().or(shipped.map(|shipped| shipped.body)).ok_or_else(|| missing("body"))?;
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in shipped.into_iter().flat_map(|shipped| shipped.headers) {
        headers.insert((*name).to_owned(), render(name, value)?);
    }
    for (name, value) in &webhook.headers {
        headers.insert(name.to_ascii_lowercase(), render(name, value)?);
    }
    let body = render("body", body)?;
    let body = serde_json::from_str(&body).map_err(|error| format!("body: makes no JSON: {error}"))?;
    Ok(Call { method: "POST", url: render("url", url)?, headers: headers.into_iter().collect(), body: Some(body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            fingerprint: "1a2b".to_owned(),
            verdict: Some("a \"quoted\"\nverdict {{ env.X }}".to_owned()),
            application: Some("server".to_owned()),
            ..Message::default()
        }
    }

    #[test]
    fn what_is_shipped_makes_the_vendors_forms() {
        let secret = |name: &str| Ok(format!("secret-of-{name}"));
        let made = |kind: &str, set: &[(&str, &str)]| {
            let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let webhook = Webhook { kind: Some(kind.to_owned()), set, ..Webhook::default() };
            call(&webhook, &message(), &secret).unwrap()
        };
        let github = made("github", &[("repository", "o/r")]);
        assert_eq!(github.url, "https://api.github.com/repos/o/r/issues");
        let body = github.body.unwrap();
        assert!(body["title"].as_str().unwrap().contains("a \"quoted\" verdict {{ env.X }}"), "{body}");
        assert!(github.headers.contains(&("authorization".into(), "Bearer secret-of-GITHUB_TOKEN".into())));
        assert_eq!(made("gitlab", &[("project", "7")]).url, "https://gitlab.com/api/v4/projects/7/issues");
        let pager = made("pagerduty", &[]).body.unwrap();
        assert_eq!((&pager["event_action"], &pager["dedup_key"]), (&"trigger".into(), &"obit-1a2b".into()));
        assert_eq!(pager["payload"]["source"], "server");
        let teams = made("teams", &[]);
        assert_eq!(teams.url, "secret-of-TEAMS_WEBHOOK");
        assert_eq!(teams.body.unwrap()["attachments"][0]["content"]["type"], "AdaptiveCard");
    }

    #[test]
    fn templates_of_one_s_own_and_what_is_wrong_with_them() {
        let secret = |name: &str| if name == "T" { Ok("t".to_owned()) } else { Err(format!("{name} is not set")) };
        let own = Webhook {
            url: Some("http://h/{{ message.fingerprint }}".to_owned()),
            headers: [("X-Token".to_owned(), "{{ env.T }}".to_owned())].into(),
            body: Some("{\"n\": {{ message.count }}}".to_owned()),
            env: vec!["T".to_owned()],
            ..Webhook::default()
        };
        let made = call(&own, &message(), &secret).unwrap();
        assert_eq!((made.url.as_str(), &made.body.unwrap()["n"]), ("http://h/1a2b", &0.into()));
        assert_eq!(made.headers, [("x-token".to_owned(), "t".to_owned())]);
        let wrong = |change: fn(&mut Webhook)| {
            let mut webhook = own.clone();
            change(&mut webhook);
            call(&webhook, &message(), &secret).unwrap_err()
        };
        assert!(wrong(|webhook| webhook.env = vec!["OTHER".to_owned()]).contains("OTHER"));
        assert!(wrong(|webhook| webhook.body = Some("{{ nothing }}".to_owned())).contains("body"));
        assert!(wrong(|webhook| webhook.body = Some("text".to_owned())).contains("no JSON"));
        assert!(
            wrong(|webhook| webhook.body = Some("{% for i in range(9999999) %}x{% endfor %}".to_owned()))
                .contains("body")
        );
        assert!(wrong(|webhook| webhook.kind = Some("irc".to_owned())).contains("irc"));
    }
}
