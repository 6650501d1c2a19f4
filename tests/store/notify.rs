//! Messages, against servers that take down every request: each is held to the vendor's documented form.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use obit::store::Bucket;
use obit::store::id::Id;
use serde_json::{Value, json};

use crate::{crashes, put, wait};

#[derive(Clone, Debug)]
struct Taken {
    line: String,
    headers: Vec<String>,
    body: Value,
}

type Log = Arc<Mutex<Vec<Taken>>>;

/// Answers as Slack, Jira and a webhook do; the webhook is away the first time.
fn web() -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let log = Log::default();
    let taken = log.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &taken);
        }
    });
    (address, log)
}

fn answer(mut stream: TcpStream, log: &Log) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        headers.push(header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let is_first_hook = line == "POST /hook" && log.lock().unwrap().iter().all(|taken| taken.line != line);
    let (status, text) = match line.as_str() {
        "POST /hook" if is_first_hook => (503, json!({})),
        "POST /api/chat.postMessage" => (200, json!({"ok": true, "channel": "C1", "ts": "12.34"})),
        "POST /api/chat.update" => (200, json!({"ok": true})),
        "POST /rest/api/2/issue" => (201, json!({"key": "CRASH-1"})),
        "GET /rest/api/2/issue/CRASH-1?fields=status" => {
            (200, json!({"fields": {"status": {"statusCategory": {"key": "new"}}}}))
        }
        "GET /rest/api/2/issue/CRASH-1/transitions" => {
            (200, json!({"transitions": [{"id": "11", "name": "Reopen"}, {"id": "21", "name": "Done"}]}))
        }
        _ => (200, json!({})),
    };
    log.lock().unwrap().push(Taken { line, headers, body: serde_json::from_slice(&body).unwrap_or_default() });
    let text = text.to_string();
    let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
}

/// A mail server (RFC 5321): the letters that it was given.
fn mail() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let letters: Arc<Mutex<Vec<String>>> = Arc::default();
    let taken = letters.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let _ = write!(stream, "220 test\r\n");
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
                let command = line.trim().to_ascii_uppercase();
                line.clear();
                if command == "DATA" {
                    let _ = write!(stream, "354 go on\r\n");
                    let mut letter = String::new();
                    while reader.read_line(&mut line).is_ok_and(|length| length > 0) && line != ".\r\n" {
                        letter.push_str(&line);
                        line.clear();
                    }
                    line.clear();
                    taken.lock().unwrap().push(letter);
                }
                let answer = if command.starts_with("QUIT") { "221 bye" } else { "250 ok" };
                let _ = write!(stream, "{answer}\r\n");
            }
        }
    });
    (address, letters)
}

fn obit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_obit"))
        .args(arguments)
        .env("NO_PROXY", "127.0.0.1")
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .env("SLACK_TOKEN", "xoxb-1")
        .env("JIRA_USER", "me")
        .env("JIRA_TOKEN", "secret")
        .env("HOOK_TOKEN", "t0")
        .output()
        .unwrap()
}

fn lines(log: &Log) -> Vec<String> {
    log.lock().unwrap().drain(..).map(|taken| taken.line).collect()
}

#[test]
fn each_receiver_is_told_once_in_its_own_form_and_again_when_it_comes_back() {
    let directory: PathBuf = std::env::temp_dir().join(format!("obit-notify-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    let url = directory.to_str().unwrap();
    let ((web, log), (mail, letters)) = (web(), mail());
    let rules = directory.join("rules.toml");
    let receivers = "to = [\"slack\", \"jira\", \"mail\", \"webhook.own\"]";
    let text = format!(
        "[slack]\ntoken_env = \"SLACK_TOKEN\"\nchannel = \"#crashes\"\nurl = \"http://{web}/api\"\n\
         [jira]\nurl = \"http://{web}\"\nproject = \"CRASH\"\nuser_env = \"JIRA_USER\"\ntoken_env = \"JIRA_TOKEN\"\n\
         [mail]\nurl = \"smtp://{mail}\"\nfrom = \"obit@example.com\"\nto = [\"a@example.com\"]\n\
         [webhook.own]\nurl = \"http://{web}/hook\"\nenv = [\"HOOK_TOKEN\"]\n\
         headers = {{ authorization = \"Bearer {{{{ env.HOOK_TOKEN }}}}\" }}\n\
         body = '{{\"group\": {{{{ message.fingerprint | tojson }}}}, \"count\": {{{{ message.count }}}}}}'\n\
         [[rule]]\nname = \"new\"\nwhen = \"new\"\nwindow = \"36500d\"\n{receivers}\n\
         [[rule]]\nname = \"back\"\nwhen = \"regression\"\n{receivers}\n"
    );
    std::fs::write(&rules, text).unwrap();
    let mut crash = crashes(1).remove(0);
    crash.verdict = Some("null <pointer> & more".to_owned());
    let bucket = Bucket::open(url, true).unwrap();
    wait(put(&bucket, std::slice::from_ref(&crash))).unwrap();
    let notify = |more: &[&str]| {
        let output = obit(&[&["notify", "run", url, "--rules", rules.to_str().unwrap()], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };

    let printed = notify(&["--dry-run"]);
    assert!(
        printed.contains("to slack, jira, mail, webhook.own:")
            && printed.contains(&format!("obit bt '{url}#{}'", crash.id)),
        "{printed}"
    );
    assert!(log.lock().unwrap().is_empty() && letters.lock().unwrap().is_empty());

    assert!(notify(&["--json"]).contains("\"sent\":4"));
    let taken: Vec<Taken> = log.lock().unwrap().drain(..).collect();
    let of = |line: &str| taken.iter().rfind(|taken| taken.line == line).unwrap_or_else(|| panic!("{line}: {taken:?}"));
    // Slack: JSON with the channel, text for notifications, and blocks; a bearer's token.
    let slack = of("POST /api/chat.postMessage");
    assert_eq!(slack.body["channel"], "#crashes");
    assert!(slack.body["text"].as_str().unwrap().contains("null &lt;pointer&gt; &amp; more"));
    let block = &slack.body["blocks"][0];
    assert_eq!((&block["type"], &block["text"]["type"]), (&json!("section"), &json!("mrkdwn")));
    assert!(block["text"]["text"].as_str().unwrap().len() <= 3000);
    assert!(slack.headers.contains(&"authorization: bearer xoxb-1".to_owned()));
    assert!(slack.headers.iter().any(|header| header.starts_with("content-type: application/json")));
    // Jira: fields with project, type, summary on one line, description.
    let jira = of("POST /rest/api/2/issue");
    let fields = &jira.body["fields"];
    assert_eq!((&fields["project"]["key"], &fields["issuetype"]["name"]), (&json!("CRASH"), &json!("Bug")));
    assert!(fields["summary"].as_str().is_some_and(|summary| summary.len() < 255 && !summary.contains('\n')));
    assert!(fields["description"].as_str().unwrap().contains(&crash.frames[0]));
    assert!(jira.headers.contains(&"authorization: basic bwu6c2vjcmv0".to_owned()), "{:?}", jira.headers);
    // The webhook was away, and was asked again.
    assert_eq!(taken.iter().filter(|taken| taken.line == "POST /hook").count(), 2);
    let hook = of("POST /hook");
    assert_eq!(hook.body, json!({"group": crash.fingerprint, "count": 1}));
    assert!(hook.headers.contains(&"authorization: bearer t0".to_owned()));
    let letter = letters.lock().unwrap().drain(..).collect::<Vec<_>>();
    assert_eq!(letter.len(), 1);
    assert!(letter[0].contains("To: a@example.com") && letter[0].contains("Subject: [obit] "), "{}", letter[0]);

    // Nothing is told twice.
    assert!(notify(&["--json"]).contains("\"sent\":0"));
    assert_eq!(lines(&log), ["GET /rest/api/2/issue/CRASH-1?fields=status"]);

    // It comes back after it was resolved: into the thread, a comment, and the issue is opened again.
    let resolved = obit(&["store", url, "group", &crash.fingerprint, "--state", "resolved"]);
    assert_eq!(resolved.status.code(), Some(0));
    let time = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(5)).unwrap();
    crash.id = Id::new(time, &[b"again"]).to_string();
    crash.time = time.to_string();
    wait(put(&bucket, std::slice::from_ref(&crash))).unwrap();
    assert!(notify(&["--json"]).contains("\"sent\":4"));
    let lines = lines(&log);
    for line in [
        "POST /api/chat.update",
        "POST /api/chat.postMessage",
        "POST /rest/api/2/issue/CRASH-1/comment",
        "POST /rest/api/2/issue/CRASH-1/transitions",
        "POST /hook",
    ] {
        assert!(lines.iter().any(|taken| taken == line), "{line}: {lines:?}");
    }
    assert!(lines.iter().all(|line| line != "POST /rest/api/2/issue"), "one issue a group: {lines:?}");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_run_tells_of_so_many_and_the_next_of_others() {
    let directory: PathBuf = std::env::temp_dir().join(format!("obit-notify-most-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    let url = directory.to_str().unwrap();
    let (web, log) = web();
    let rules = directory.join("rules.toml");
    let text = format!(
        "[webhook.own]\nurl = \"http://{web}/hook\"\nbody = '{{\"group\": {{{{ message.fingerprint | tojson }}}}}}'\n\
         [[rule]]\nname = \"new\"\nwhen = \"new\"\nwindow = \"36500d\"\nat_most = 2\nto = [\"webhook.own\"]\n"
    );
    std::fs::write(&rules, text).unwrap();
    let mut crashes = crashes(3);
    for (number, crash) in crashes.iter_mut().enumerate() {
        crash.fingerprint = format!("00000000000000a{number}");
    }
    let bucket = Bucket::open(url, true).unwrap();
    wait(put(&bucket, &crashes)).unwrap();
    let notify = |more: &[&str]| {
        let output = obit(&[&["notify", "run", url, "--rules", rules.to_str().unwrap()], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = notify(&["--dry-run"]);
    assert_eq!(printed.matches("to webhook.own:").count(), 2, "{printed}");
    assert!(printed.contains("new: 1 more wait for the next runs (at_most = 2 each)"), "{printed}");
    let mut groups = std::collections::BTreeSet::new();
    for (sent, waiting) in [(2, 1), (1, 0), (0, 0)] {
        let done: Value = serde_json::from_str(&notify(&["--json"])).unwrap();
        assert_eq!((&done["sent"], &done["waiting"]), (&json!(sent), &json!(waiting)), "{done}");
        groups.extend(log.lock().unwrap().drain(..).map(|taken| taken.body["group"].to_string()));
    }
    assert_eq!(groups.len(), 3, "{groups:?}");
    std::fs::remove_dir_all(&directory).unwrap();
}
