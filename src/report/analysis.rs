//! An analysis as text and as JSON.

use std::fmt::Write as _;

use super::json::Json;
use super::json_backtrace::begin_document;
use super::style::Paint;
use crate::analyze::{Analysis, Certainty, Finding, Gap};
use crate::image::Note;

/// Findings beside the verdict that text shows.
const SHOWN: usize = 6;

/// The verdict and what it rests on, then what else was found.
pub fn text(analysis: &Analysis, paint: Paint) -> String {
    let mut out = String::new();
    for gap in analysis.gaps.iter().filter(|gap| gap.limits_verdict) {
        let _ = writeln!(out, "{}", paint.aside(format!("missing: {}: {}", gap.missing, gap.question)));
    }
    let Some((verdict, others)) = analysis.findings.split_first() else {
        out.push_str("There is nothing to analyse: no thread.\n");
        return out;
    };
    let _ = writeln!(out, "{}{}", paint.alarm(&verdict.summary), certainty(verdict));
    let _ = writeln!(out, "thread {}, frame {}; class {}", verdict.thread, verdict.frame_index, verdict.class.code());
    write_evidence(&mut out, verdict, "  ", paint);
    if !verdict.next.is_empty() {
        let _ = writeln!(out, "\nask next (thread {}, frame {}):", verdict.thread, verdict.frame_index);
        for command in &verdict.next {
            let _ = writeln!(out, "  {command}");
        }
    }
    let others: Vec<&Finding> = others.iter().filter(|finding| finding.rule != "unknown").collect();
    if !others.is_empty() {
        let _ = writeln!(out, "\n{}", paint.heading("also found:"));
        for finding in others.iter().take(SHOWN) {
            let _ = writeln!(out, "  {}{} [{}]", finding.summary, certainty(finding), finding.rule);
        }
        if others.len() > SHOWN {
            let _ = writeln!(out, "  … {} more (--json has them all)", others.len() - SHOWN);
        }
    }
    out
}

fn certainty(finding: &Finding) -> &'static str {
    match finding.certainty {
        Certainty::Certain => "",
        Certainty::Likely => " (likely)",
        Certainty::Possible => " (possible)",
    }
}

fn write_evidence(out: &mut String, finding: &Finding, indent: &str, paint: Paint) {
    let width = finding.evidence.iter().map(|evidence| evidence.what.chars().count()).max().unwrap_or(0);
    for evidence in &finding.evidence {
        let padding = " ".repeat(width - evidence.what.chars().count());
        let _ = match &evidence.expression {
            Some(expression) => {
                writeln!(out, "{indent}{}{padding}  {} = {}", evidence.what, paint.variable(expression), evidence.value)
            }
            None => writeln!(out, "{indent}{}{padding}  {}", evidence.what, evidence.value),
        };
    }
}

/// `obit.analysis/1`.
pub fn json(analysis: &Analysis, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.analysis/1", notes);
    json.key("verdict");
    match analysis.verdict() {
        Some(verdict) => {
            json.begin_object();
            head(&mut json, verdict);
            json.end_object();
        }
        None => json.null(),
    }
    json.key("findings");
    json.begin_array();
    for finding in &analysis.findings {
        json.begin_object();
        json.field_string("rule", Some(finding.rule));
        head(&mut json, finding);
        json.key("evidence");
        json.begin_array();
        for evidence in &finding.evidence {
            json.begin_object();
            json.field_string("what", Some(&evidence.what));
            json.field_string("expression", evidence.expression.as_deref());
            json.field_string("value", Some(&evidence.value));
            json.end_object();
        }
        json.end_array();
        json.key("next");
        json.begin_array();
        for command in &finding.next {
            json.string(command);
        }
        json.end_array();
        json.end_object();
    }
    json.end_array();
    write_gaps(&mut json, &analysis.gaps);
    json.end_object();
    json
}

fn head(json: &mut Json, finding: &Finding) {
    json.field_string("class", Some(finding.class.code()));
    json.field_string("certainty", Some(finding.certainty.code()));
    json.field_string("summary", Some(&finding.summary));
    json.field_uint("thread", Some(finding.thread.into()));
    json.field_uint("frame_index", Some(finding.frame_index as u64));
    json.field_string("function", finding.function.as_deref());
    json.field_string("file", finding.line.as_ref().map(|(file, _)| file.as_str()));
    json.field_uint("line", finding.line.as_ref().map(|(_, line)| u64::from(*line)));
}

fn write_gaps(json: &mut Json, gaps: &[Gap]) {
    json.key("gaps");
    json.begin_array();
    for gap in gaps {
        json.begin_object();
        json.field_string("code", Some(gap.code));
        json.field_string("missing", Some(&gap.missing));
        json.field_string("question", Some(&gap.question));
        json.field_bool("limits_verdict", gap.limits_verdict);
        json.end_object();
    }
    json.end_array();
}

/// What is missing, as text.
pub fn coverage_text(gaps: &[Gap]) -> String {
    if gaps.is_empty() {
        return "Nothing is missing for the thread that died.\n".to_owned();
    }
    let mut out = String::new();
    for gap in gaps {
        let mark = if gap.limits_verdict { "limits the verdict; " } else { "" };
        let _ = writeln!(out, "{}\n    {mark}open: {}", gap.missing, gap.question);
    }
    out
}

/// `obit.coverage/1`.
pub fn coverage_json(gaps: &[Gap], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.coverage/1", notes);
    write_gaps(&mut json, gaps);
    json.end_object();
    json
}

/// `obit.why/1`.
pub fn why_json(expression: &str, value: &str, sources: &[(&'static str, String)], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.why/1", notes);
    json.field_string("expression", Some(expression));
    json.field_string("value", Some(value));
    json.key("sources");
    json.begin_array();
    for (what, detail) in sources {
        json.begin_object();
        json.field_string("what", Some(what));
        json.field_string("detail", Some(detail));
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}
