//! `obit.backtrace/1`, thread by thread.

use super::json::Json;
use super::json_value::write_variable;
use crate::image::{Image, Note, SignalInfo, ThreadState};
use crate::module::ModuleId;
use crate::session::modules::ModuleLabel;
use crate::session::{Frame, Trace, Variable};
use crate::types::TypeTable;
use crate::unwind::{StackEnd, Trust};

/// The contract's word.
pub fn trust_code(trust: Trust) -> &'static str {
    match trust {
        Trust::Context => "context",
        Trust::Cfi => "cfi",
        Trust::FramePointer => "frame-pointer",
        Trust::Scan => "scan",
        Trust::Inline => "inline",
        Trust::Runtime => "runtime",
    }
}

/// The contract's word.
pub fn stack_end_code(end: StackEnd) -> &'static str {
    match end {
        StackEnd::Complete => "complete",
        StackEnd::Limit => "limit",
        StackEnd::Unreadable => "unreadable",
        StackEnd::Corrupt => "corrupt",
        StackEnd::NoUnwindInfo => "no-unwind-info",
    }
}

/// Opens a document: `{"schema":"obit.NAME/1","notes":[…]`.
pub fn begin_document(json: &mut Json, schema: &'static str, notes: &[Note]) {
    json.begin_object();
    json.field_string("schema", Some(schema));
    write_notes(json, "notes", notes);
}

/// A list of notes under `key`.
pub fn write_notes(json: &mut Json, key: &'static str, notes: &[Note]) {
    json.key(key);
    json.begin_array();
    for note in notes {
        json.begin_object();
        json.field_string("code", Some(note.code));
        json.field_string("message", Some(&note.message));
        json.end_object();
    }
    json.end_array();
}

/// `"process":{…}`.
pub fn write_process(json: &mut Json, image: &Image) {
    json.key("process");
    json.begin_object();
    json.field_uint("pid", image.process.pid.map(u64::from));
    json.field_string("command", image.process.command.as_deref());
    json.field_string("executable", image.process.executable.as_deref());
    json.field_string("arch", Some(image.arch.name()));
    json.end_object();
}

/// `"signal":{…}` or `"signal":null`.
pub fn write_signal(json: &mut Json, signal: Option<&SignalInfo>) {
    json.key("signal");
    let Some(signal) = signal else { return json.null() };
    json.begin_object();
    json.key("number");
    json.int(signal.number.into());
    json.field_string("name", Some(&signal.name()));
    json.field_string("code", signal.code_name());
    json.field_hex("address", signal.address.map(|address| address.0));
    if signal.code_name().is_none()
        && let Some(code) = signal.code
    {
        json.key("code_number");
        json.int(code.into());
    }
    if let Some(pid) = signal.sender_pid {
        json.field_uint("sender_pid", Some(pid.into()));
    }
    if let Some(uid) = signal.sender_uid {
        json.field_uint("sender_uid", Some(uid.into()));
    }
    json.end_object();
}

/// The head of the document, up to the open array of threads.
pub fn begin_backtrace(json: &mut Json, image: &Image, notes: &[Note]) {
    begin_document(json, "obit.backtrace/1", notes);
    write_process(json, image);
    write_signal(json, image.signal.as_ref());
    json.key("threads");
    json.begin_array();
}

/// Gives the variables of a stack's frame.
pub type VariablesOf<'a> = dyn Fn(&Trace, usize) -> Vec<Variable> + Sync + 'a;

/// What the frames' rows need from the session.
pub struct FrameSource<'a> {
    /// Names of types.
    pub types: &'a TypeTable,
    /// Names of modules.
    pub module: &'a (dyn Fn(ModuleId) -> Option<ModuleLabel<'a>> + Sync),
    /// A frame's variables; `None`: they were not asked for.
    pub variables: Option<&'a VariablesOf<'a>>,
}

/// A thread with its frames, as an element of `threads`.
/// `goroutine`: the number of Go's that it is on.
pub fn write_thread(
    json: &mut Json,
    thread: &ThreadState,
    goroutine: Option<u64>,
    trace: &Trace,
    source: &FrameSource<'_>,
) {
    json.begin_object();
    json.field_uint("lwp", Some(thread.lwp.into()));
    if goroutine.is_some() {
        json.field_uint("goroutine", goroutine);
    }
    json.field_string("name", thread.name.as_deref());
    json.field_bool("crashed", thread.crashed);
    json.field_string("stack_end", Some(stack_end_code(trace.stack.end)));
    json.field_uint("frames_omitted", Some(trace.stack.omitted as u64));
    write_frames(json, trace, source);
    json.end_object();
}

/// `"frames":[…]`, with their variables where those are asked for.
pub fn write_frames(json: &mut Json, trace: &Trace, source: &FrameSource<'_>) {
    json.key("frames");
    json.begin_array();
    for (index, frame) in trace.frames.iter().enumerate() {
        json.begin_object();
        write_frame(json, frame, source);
        if let Some(variables) = source.variables {
            json.key("variables");
            json.begin_array();
            for variable in variables(trace, index) {
                write_variable(json, source.types, &variable);
            }
            json.end_array();
        }
        json.end_object();
    }
    json.end_array();
}

/// A frame's fields, into an open object.
pub fn write_frame(json: &mut Json, frame: &Frame, source: &FrameSource<'_>) {
    let module = frame.module.and_then(|id| (source.module)(id));
    json.field_uint("index", Some(frame.index as u64));
    json.field_hex("pc", Some(frame.pc.0));
    json.field_bool("inlined", frame.inlined);
    if frame.tail_call.is_some() {
        json.field_bool("tail_call", true);
    }
    json.field_bool("signal", frame.signal);
    json.field_string("trust", Some(trust_code(frame.trust)));
    json.field_string("function", frame.code.function.as_deref());
    json.field_string("symbol", frame.code.symbol.as_deref());
    json.field_string("module", module.map(|module| module.path));
    json.field_hex_bytes("build_id", module.and_then(|module| module.build_id));
    json.field_hex("module_offset", frame.module_offset.map(|offset| offset.0));
    json.field_string("file", frame.code.file.as_deref());
    json.field_uint("line", frame.code.line.map(u64::from));
    json.field_uint("column", frame.code.column.map(u64::from));
    json.field_string("language", frame.code.language.and_then(crate::types::Language::name));
}
