//! A page to read in a browser, on this machine alone: groups, a group's crashes, a crash.
//!
//! Everything that it shows was written by whoever may write into the store, so everything is escaped, and the browser
//! is told to run and fetch nothing. A crash's page is made by `obit export --html` in a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::Value;

use super::query::{Engine, Question, output};
use super::{Bucket, StoreError, events, get as snapshots, groups, id};

/// Groups and crashes of a page.
const ROWS: usize = 200;
/// What a browser may do with a page: show it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'";

struct Site {
    bucket: Bucket,
    address: SocketAddr,
    obit: PathBuf,
}

/// Listens, says where, and answers until `stop`.
pub async fn serve(
    bucket: Bucket,
    listen: SocketAddr,
    obit: PathBuf,
    started: impl FnOnce(SocketAddr) -> Result<(), StoreError>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Usage(format!("{listen}: {error}"));
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let site = Arc::new(Site { bucket, address, obit });
    let router = Router::new()
        .route("/", get(list))
        .route("/group/{fingerprint}", get(group))
        .route("/crash/{id}", get(crash))
        .layer(from_fn_with_state(site.clone(), guard))
        .with_state(site);
    started(address)?;
    axum::serve(listener, router).with_graceful_shutdown(stop).await.map_err(failed)
}

/// Answers only who asks for this machine by a name of its own: another site's page must not read through the browser
/// of somebody here. And tells the browser what it may do.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = site.address.port();
    let own =
        [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}"), site.address.to_string()];
    let mut response = match !site.address.ip().is_loopback() || own.iter().any(|own| own == host) {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "another host's name").into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What the form says.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Form {
    since: String,
    #[serde(rename = "where")]
    filter: String,
}

impl Form {
    fn question(&self) -> Question {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Question { since: given(&self.since), filter: given(&self.filter).into_iter().collect(), ..Question::default() }
    }
}

async fn list(State(site): State<Arc<Site>>, Query(form): Query<Form>) -> Response {
    let answered = async {
        let engine = Engine::open(&site.bucket).await?;
        let (rows, _) = groups::groups(&site.bucket, &engine, &form.question()).await?;
        let mut body = format!(
            "<form><label>since <input name=since value=\"{}\" placeholder=7d size=12></label> \
             <label>where <input name=where value=\"{}\" placeholder=\"version >= '1.2'\" size=50></label> \
             <button>show</button></form>",
            escape(&form.since),
            escape(&form.filter)
        );
        body.push_str(&format!("<p>{} groups", rows.len()));
        if rows.len() > ROWS {
            body.push_str(&format!(", the largest {ROWS} of them"));
        }
        body.push_str(
            "</p><table><tr><th>group<th>state<th>crashes<th>hosts<th>trend<th>last<th>versions<th>what<th>whose</tr>",
        );
        for row in rows.iter().take(ROWS) {
            let versions = row.versions.as_ref().map(|(least, greatest)| match least == greatest {
                true => least.clone(),
                false => format!("{least} to {greatest}"),
            });
            body.push_str(&format!(
                "<tr><td><a href=\"/group/{0}\"><code>{0}</code></a><td class=\"{1}\">{1}<td class=n>{2}<td class=n>{3}\
                 <td class=trend>{4}<td>{5}<td>{6}<td>{7}<td>{8}</tr>",
                escape(&row.fingerprint),
                escape(&row.state),
                row.count,
                row.hosts,
                escape(row.trend.as_deref().unwrap_or_default()),
                escape(&output::cell(&Value::from(row.last.as_str()))),
                escape(versions.as_deref().unwrap_or_default()),
                escape(row.verdict.as_deref().or(row.top_frame.as_deref()).unwrap_or_default()),
                escape(row.assigned.as_deref().unwrap_or_default()),
            ));
        }
        body.push_str("</table>");
        Ok::<_, StoreError>(page(site.bucket.name(), &body))
    };
    answer(answered.await)
}

async fn group(State(site): State<Arc<Site>>, Path(wanted): Path<String>) -> Response {
    let answered = async {
        let engine = Engine::open(&site.bucket).await?;
        let known = events::read(&site.bucket).await?;
        let fingerprint = groups::find(&engine, &known, &wanted).await?;
        let merges = known.merges();
        let mut keys: Vec<&str> =
            merges.iter().filter(|(_, into)| **into == fingerprint).map(|(from, _)| from.as_str()).collect();
        keys.push(&fingerprint);
        let list = keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
        let question = Question { filter: vec![format!("fingerprint IN ({list})")], ..Question::default() };
        let (rows, _) = groups::groups(&site.bucket, &engine, &question).await?;
        let row = rows.into_iter().find(|row| row.fingerprint == fingerprint).unwrap_or_default();
        let by_version = Question { group: vec!["version".to_owned()], limit: Some(50), ..question.clone() };
        let by_version = engine.ask(&by_version, None, false).await?;
        let crashes = engine.ask(&Question { limit: Some(ROWS), ..question }, None, false).await?;
        let mut body = format!(
            "<p><a href=\"/\">all groups</a></p><p>{}</p><p>{}: {} crashes on {} hosts, {} to {} <span class=trend>{}</span></p>",
            escape(row.verdict.as_deref().unwrap_or_default()),
            escape(&row.state),
            row.count,
            row.hosts,
            escape(&output::cell(&Value::from(row.first.as_str()))),
            escape(&output::cell(&Value::from(row.last.as_str()))),
            escape(row.trend.as_deref().unwrap_or_default()),
        );
        for (time, by, text) in &known.get(&fingerprint).notes {
            body.push_str(&format!("<p>{} {}: {}</p>", escape(time), escape(by), escape(text)));
        }
        body.push_str(&table(&by_version)?);
        body.push_str(&table(&crashes)?);
        Ok::<_, StoreError>(page(&format!("group {fingerprint}"), &body))
    };
    answer(answered.await)
}

/// The crash as `obit export --html` shows it.
async fn crash(State(site): State<Arc<Site>>, Path(wanted): Path<String>) -> Response {
    let answered = async {
        let id = id::Id::parse(&wanted).ok_or_else(|| StoreError::NoMatch(format!("{wanted}: is no id")))?;
        let file = snapshots::fetch(&site.bucket, &id).await?;
        let made = std::env::temp_dir().join(format!("obit-page-{}.html", id::random()));
        let mut command = std::process::Command::new(&site.obit);
        command.arg("export").arg(&file).arg("--html").arg("-o").arg(&made);
        let run = tokio::task::spawn_blocking(move || command.output()).await;
        let run = run.map_err(|error| StoreError::Usage(error.to_string()))?.map_err(StoreError::file(&site.obit))?;
        let text = std::fs::read_to_string(&made);
        let _ = std::fs::remove_file(&made);
        match run.status.success() {
            true => Ok(text.map_err(StoreError::file(&made))?),
            false => Err(StoreError::Usage(String::from_utf8_lossy(&run.stderr).into_owned())),
        }
    };
    answer(answered.await)
}

fn answer(answered: Result<String, StoreError>) -> Response {
    match answered {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            let status = match error {
                StoreError::NoMatch(_) => StatusCode::NOT_FOUND,
                StoreError::Usage(_) | StoreError::Query(_) => StatusCode::BAD_REQUEST,
                _ => StatusCode::BAD_GATEWAY,
            };
            let body = format!("<p><a href=\"/\">all groups</a></p><p>{}</p>", escape(&error.to_string()));
            (status, Html(page("no answer", &body))).into_response()
        }
    }
}

fn table(answer: &super::query::Answer) -> Result<String, StoreError> {
    let columns = output::columns(answer);
    let mut text = String::from("<table><tr>");
    columns.iter().for_each(|name| text.push_str(&format!("<th>{}", escape(name))));
    text.push_str("</tr>");
    for row in output::rows(answer)? {
        text.push_str("<tr>");
        for (name, value) in columns.iter().zip(&row) {
            let shown = escape(&output::cell(value));
            match name.as_str() {
                "id" => text.push_str(&format!("<td><a href=\"/crash/{shown}\"><code>{shown}</code></a>")),
                _ if value.is_number() => text.push_str(&format!("<td class=n>{shown}")),
                _ => text.push_str(&format!("<td>{shown}")),
            }
        }
        text.push_str("</tr>");
    }
    text.push_str("</table>");
    Ok(text)
}

fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}</html>"
    )
}

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:1.5em;color:#222;background:#fff}\
    table{border-collapse:collapse;margin:1em 0}th,td{text-align:left;padding:.15em .8em .15em 0;border-bottom:1px solid #ddd;vertical-align:top}\
    .n{text-align:right;font-variant-numeric:tabular-nums}.trend{font-family:monospace;white-space:pre;color:#06c}\
    .regressed{color:#b00;font-weight:bold}.muted,.resolved{color:#777}a{color:#06c}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th,td{border-color:#444}a,.trend{color:#6af}.regressed{color:#f66}}";

/// Text as HTML shows it, inside of quotes too.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
