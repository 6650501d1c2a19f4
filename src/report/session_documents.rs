//! JSON documents of what only a session answers: its frames, variables, searches and plain lines.

use super::json::Json;
use super::json_backtrace::{FrameSource, begin_document, write_frame};
use super::json_value::write_variable;
use crate::addr::RunAddr;
use crate::image::Note;
use crate::session::{Frame, Variable};
use crate::types::TypeTable;

/// Where a frame is on its stack.
#[derive(Clone, Debug, Default)]
pub struct Whereabouts {
    /// The canonical frame address.
    pub address: Option<RunAddr>,
    /// What the stack pointer is in the caller.
    pub previous_stack_pointer: Option<RunAddr>,
    /// Where in memory that was saved, where it was (by a signal).
    pub saved_stack_pointer: Option<RunAddr>,
    /// What the frame's own frame pointer points to, where the function has set one up.
    pub frame_pointer: Option<RunAddr>,
    /// Where the caller's registers were saved, by name.
    pub saved: Vec<(String, RunAddr)>,
}

/// `obit.frame/1`: the selected frame.
pub fn frame(lwp: u32, frame: &Frame, whereabouts: &Whereabouts, source: &FrameSource<'_>, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.frame/1", notes);
    json.field_uint("lwp", Some(lwp.into()));
    json.key("frame");
    json.begin_object();
    write_frame(&mut json, frame, source);
    json.end_object();
    json.field_hex("frame_address", whereabouts.address.map(|address| address.0));
    json.field_hex("previous_sp", whereabouts.previous_stack_pointer.map(|address| address.0));
    json.key("saved_registers");
    json.begin_array();
    let stack_pointer = whereabouts.saved_stack_pointer.map(|place| ("sp", place));
    let saved = whereabouts.saved.iter().map(|(register, place)| (register.as_str(), *place));
    for (register, place) in saved.chain(stack_pointer) {
        json.begin_object();
        json.field_string("register", Some(register));
        json.field_hex("address", Some(place.0));
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

/// `obit.variables/1`: those of a frame.
pub fn variables(lwp: u32, frame: usize, types: &TypeTable, variables: &[Variable], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.variables/1", notes);
    json.field_uint("lwp", Some(lwp.into()));
    json.field_uint("frame", Some(frame as u64));
    json.key("variables");
    json.begin_array();
    for variable in variables {
        write_variable(&mut json, types, variable);
    }
    json.end_array();
    json.end_object();
    json
}

/// `obit.found/1`: where a pattern is; `halted`: where the search had to end.
pub fn found(addresses: &[RunAddr], halted: Option<RunAddr>, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.found/1", notes);
    json.key("addresses");
    json.begin_array();
    for address in addresses {
        json.hex(address.0);
    }
    json.end_array();
    json.field_hex("halted_at", halted.map(|address| address.0));
    json.end_object();
    json
}

/// `obit.text/1`: lines of an answer that has no document of its own.
pub fn text(command: &str, answer: &[u8], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.text/1", notes);
    json.field_string("command", Some(command));
    json.key("lines");
    json.begin_array();
    for line in String::from_utf8_lossy(answer).lines() {
        json.string(line);
    }
    json.end_array();
    json.end_object();
    json
}

/// A command's answer for one thread or frame.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The thread.
    pub lwp: u32,
    /// The frame.
    pub frame: usize,
    /// The document, or why there is none.
    pub document: Result<Vec<u8>, String>,
}

/// `obit.answers/1`: a command's answers for several threads or frames.
pub fn answers(command: &str, answers: &[Answer], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.answers/1", notes);
    json.field_string("command", Some(command));
    json.key("answers");
    json.begin_array();
    for answer in answers {
        json.begin_object();
        json.field_uint("lwp", Some(answer.lwp.into()));
        json.field_uint("frame", Some(answer.frame as u64));
        json.field_string("error", answer.document.as_ref().err().map(String::as_str));
        json.key("answer");
        match &answer.document {
            Ok(document) if !document.is_empty() => json.document(document),
            _ => json.null(),
        }
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}
