//! What `obit capture` answers: the handler's setting and its spool.

use std::io::{self, Write};

use super::json::Json;
use super::json_backtrace::begin_document;
use crate::capture::install::Status;
use crate::capture::spool::Entry;

/// `obit.capture-status/1`.
pub fn status(status: &Status, entries: &[Entry], log: &[String]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.capture-status/1", &status.notes);
    json.field_bool("installed", status.installed);
    json.field_bool("persistent", status.persistent);
    json.field_string("core_pattern", Some(&status.now.core_pattern));
    json.field_uint("core_pipe_limit", Some(status.now.core_pipe_limit.into()));
    let earlier = status.config.earlier.as_ref();
    json.field_string("earlier_core_pattern", earlier.map(|earlier| earlier.core_pattern.as_str()));
    json.field_bool("chain", status.config.chain);
    json.field_string("spool", Some(&status.config.spool.to_string_lossy()));
    json.field_uint("quota", Some(status.config.quota));
    json.key("files");
    json.begin_array();
    for entry in entries {
        json.begin_object();
        json.field_string("name", Some(&entry.name));
        json.field_uint("bytes", Some(entry.bytes));
        json.end_object();
    }
    json.end_array();
    json.key("log");
    json.begin_array();
    log.iter().for_each(|line| json.string(line));
    json.end_array();
    json.end_object();
    json
}

/// The same for people.
pub fn write_status(out: &mut dyn Write, status: &Status, entries: &[Entry], log: &[String]) -> io::Result<()> {
    let state = match (status.installed, status.persistent) {
        (true, true) => "installed, also after the next start",
        (true, false) => "installed until the next start",
        (false, true) => "not installed now; will be after the next start",
        (false, false) => "not installed",
    };
    writeln!(out, "handler:       {state}")?;
    writeln!(out, "core_pattern:  {} (at most {} at once)", status.now.core_pattern, status.now.core_pipe_limit)?;
    if let Some(earlier) = &status.config.earlier {
        let fed = if status.config.chain { ", which is fed too" } else { "" };
        writeln!(out, "before:        {}{fed}", earlier.core_pattern)?;
    }
    let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let spool = status.config.spool.display();
    writeln!(out, "spool:         {spool}: {} files, {bytes} of {} bytes", entries.len(), status.config.quota)?;
    if let Some(newest) = entries.last() {
        writeln!(out, "newest:        {}", newest.name)?;
    }
    if !log.is_empty() {
        writeln!(out, "log:")?;
    }
    log.iter().try_for_each(|line| writeln!(out, "  {line}"))
}
