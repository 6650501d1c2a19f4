//! Requests, tried again where the other side asks for patience.

use std::time::Duration;

use serde_json::Value;

/// Times that a request is made.
const ATTEMPTS: u32 = 4;
/// The longest pause that is waited for.
const LONGEST: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const LARGEST: u64 = 1 << 20;

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `POST`, `PUT`.
    pub method: &'static str,
    /// Where to.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// What is sent; JSON.
    pub body: Option<Value>,
}

/// Sends it; the answer's JSON, null where it has none.
pub async fn send(call: Call) -> Result<Value, String> {
    tokio::task::spawn_blocking(move || blocking(&call)).await.map_err(|error| error.to_string())?
}

fn blocking(call: &Call) -> Result<Value, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    let mut said = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(500).saturating_mul(1 << (2 * attempt)).min(LONGEST));
        }
        match once(&agent, call) {
            Ok((status, _, text)) if (200..300).contains(&status) => {
                return Ok(serde_json::from_str(&text).unwrap_or(Value::Null));
            }
            // Too many, or something that passes.
            Ok((status, after, text)) if status == 429 || status >= 500 => {
                said = format!("status {status}: {}", short(&text));
                if let Some(after) = after.filter(|after| attempt + 1 < ATTEMPTS && *after <= LONGEST) {
                    std::thread::sleep(after);
                }
            }
            Ok((status, _, text)) => return Err(format!("status {status}: {}", short(&text))),
            Err(error) => said = error,
        }
    }
    Err(said)
}

/// Status, how long to wait where it says so, and the text.
fn once(agent: &ureq::Agent, call: &Call) -> Result<(u16, Option<Duration>, String), String> {
    let mut request = ureq::http::Request::builder().method(call.method).uri(&call.url);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    // An error must not show a URL: a webhook's is its secret.
    let failed = |error: ureq::Error| match error {
        ureq::Error::BadUri(_) => "the URL cannot be used".to_owned(),
        error => error.to_string(),
    };
    let bad = |_| "the URL or a header cannot be sent".to_owned();
    let answer = match &call.body {
        Some(body) => {
            let request = request.header("content-type", "application/json").body(body.to_string()).map_err(bad)?;
            agent.run(request)
        }
        None => agent.run(request.body(()).map_err(bad)?),
    };
    let mut answer = answer.map_err(failed)?;
    let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(LARGEST).read_to_string().unwrap_or_default();
    Ok((status, after.map(Duration::from_secs), text))
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
