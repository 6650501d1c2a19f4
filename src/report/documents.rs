//! One JSON document for each command that answers in one piece.

use std::collections::BTreeMap;

use super::json::Json;
use super::json_backtrace::{FrameSource, begin_document, write_frame, write_process, write_signal};
use super::json_value::write_value;
use crate::addr::RunAddr;
use crate::image::environment::Environment;
use crate::image::{Image, Mapping, Note, ThreadState};
use crate::module::ModuleId;
use crate::session::Frame;
use crate::session::modules::{DebugStatus, FileStatus, ModuleLabel, ModuleRow};
use crate::types::{TypeId, TypeTable};
use crate::value::Value;

/// `obit.threads/1`: every thread with the frame that tells most of it.
pub fn threads<'a>(
    rows: &[(&ThreadState, Option<Frame>)],
    types: &'a TypeTable,
    module: &'a (dyn Fn(ModuleId) -> Option<ModuleLabel<'a>> + Sync),
    notes: &[Note],
) -> Json {
    let mut json = Json::new();
    let source = FrameSource { types, module, variables: None };
    begin_document(&mut json, "obit.threads/1", notes);
    json.key("threads");
    json.begin_array();
    for (thread, frame) in rows {
        json.begin_object();
        json.field_uint("lwp", Some(thread.lwp.into()));
        json.field_string("name", thread.name.as_deref());
        json.field_bool("crashed", thread.crashed);
        write_signal(&mut json, thread.signal.as_ref());
        json.field_hex("pc", thread.registers.pc());
        json.field_hex("sp", thread.registers.sp());
        json.key("frame");
        match frame {
            Some(frame) => {
                json.begin_object();
                write_frame(&mut json, frame, &source);
                json.end_object();
            }
            None => json.null(),
        }
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

/// What `info` counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Modules in all.
    pub modules: usize,
    /// Modules whose file is missing or another build.
    pub modules_missing: usize,
    /// Modules that have no debug information.
    pub without_debug_info: usize,
    /// Bytes that were mapped.
    pub mapped_bytes: u64,
    /// Bytes of them in the core.
    pub saved_bytes: u64,
}

/// What is around the process itself.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where it ran.
    pub environment: &'a Environment,
    /// What it says of itself, and `--attr`.
    pub attributes: &'a BTreeMap<String, String>,
}

/// `obit.info/1`.
pub fn info(
    image: &Image,
    auxv: &[(&'static str, u64)],
    counts: Counts,
    surroundings: Surroundings<'_>,
    notes: &[Note],
) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.info/1", notes);
    json.field_string("target", Some(&image.path.to_string_lossy()));
    json.field_string("kind", Some(image.kind()));
    json.field_string("system", image.minidump.as_ref().and_then(|facts| facts.system.as_deref()));
    write_process(&mut json, image);
    json.field_uint("ppid", image.process.ppid.map(u64::from));
    json.field_uint("uid", image.process.uid.map(u64::from));
    json.field_uint("gid", image.process.gid.map(u64::from));
    json.field_string("name", image.process.name.as_deref());
    write_signal(&mut json, image.signal.as_ref());
    json.key("auxv");
    json.begin_object();
    for (key, value) in auxv {
        json.field_hex(key, Some(*value));
    }
    json.end_object();
    json.key("threads");
    json.uint(image.threads.len() as u128);
    json.key("mappings");
    json.uint(image.mappings.len() as u128);
    json.field_uint("mapped_bytes", Some(counts.mapped_bytes));
    json.field_uint("saved_bytes", Some(counts.saved_bytes));
    json.field_uint("modules", Some(counts.modules as u64));
    json.field_uint("modules_missing", Some(counts.modules_missing as u64));
    json.field_uint("modules_without_debug_info", Some(counts.without_debug_info as u64));
    super::snapshot_documents::of_info(&mut json, image.snapshot.as_deref(), surroundings);
    json.end_object();
    json
}

/// `obit.modules/1`.
pub fn modules(rows: &[ModuleRow], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.modules/1", notes);
    json.key("modules");
    json.begin_array();
    for row in rows {
        json.begin_object();
        json.field_string("path", Some(&row.path));
        json.field_hex("start", Some(row.start.0));
        json.field_hex("end", Some(row.end.0));
        json.field_hex("bias", Some(row.bias.0));
        json.field_hex_bytes("build_id", row.build_id.as_deref());
        json.field_bool("executable", row.is_executable);
        json.field_string("status", Some(file_status_code(&row.file)));
        let (file, other) = match &row.file {
            FileStatus::Found(path) => (Some(path), None),
            FileStatus::Mismatch { path, build_id, .. } => (Some(path), build_id.as_deref()),
            FileStatus::InMemory | FileStatus::Missing => (None, None),
        };
        json.field_string("file", file.map(|path| path.to_string_lossy()).as_deref());
        if other.is_some() {
            json.field_hex_bytes("file_build_id", other);
        }
        if let FileStatus::Mismatch { used, .. } = row.file {
            json.field_bool("used", used);
        }
        json.field_string("debug_info", Some(debug_status_code(&row.debug)));
        if let DebugStatus::Separate(path) = &row.debug {
            json.field_string("debug_file", Some(&path.to_string_lossy()));
        }
        json.key("looked_in");
        json.begin_array();
        for place in &row.looked_in {
            json.string(place);
        }
        json.end_array();
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

/// The word for it in JSON, and in text.
pub fn file_status_code(status: &FileStatus) -> &'static str {
    match status {
        FileStatus::Found(_) => "found",
        FileStatus::InMemory => "in-memory",
        FileStatus::Missing => "missing",
        FileStatus::Mismatch { .. } => "mismatch",
    }
}

/// The word for it in JSON, and in text.
pub fn debug_status_code(status: &DebugStatus) -> &'static str {
    match status {
        DebugStatus::InFile => "in-file",
        DebugStatus::Separate(_) => "separate",
        DebugStatus::SymbolsOnly => "symbols-only",
        DebugStatus::Missing => "missing",
    }
}

/// `rwx`, with a dash for what is not allowed.
pub fn permissions(flags: u32) -> String {
    [(4, 'r'), (2, 'w'), (1, 'x')].iter().map(|(bit, letter)| if flags & bit != 0 { *letter } else { '-' }).collect()
}

/// `obit.maps/1`.
pub fn maps(mappings: &[Mapping], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.maps/1", notes);
    json.key("mappings");
    json.begin_array();
    for mapping in mappings {
        json.begin_object();
        json.field_hex("start", Some(mapping.start.0));
        json.field_hex("end", Some(mapping.end.0));
        json.field_string("permissions", Some(&permissions(mapping.flags)));
        json.field_uint("saved", Some(mapping.saved));
        json.field_string("file", mapping.file.as_ref().map(|(path, _)| path.as_str()));
        json.field_hex("file_offset", mapping.file.as_ref().map(|(_, offset)| *offset));
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

/// A register as `registers` shows it.
#[derive(Clone, Debug)]
pub struct RegisterRow {
    /// gdb's name.
    pub name: String,
    /// Little-endian bytes; `None` where the value in this frame is not known.
    pub bytes: Option<Vec<u8>>,
}

/// `obit.registers/1`.
pub fn registers(lwp: u32, frame: usize, rows: &[RegisterRow], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.registers/1", notes);
    json.field_uint("lwp", Some(lwp.into()));
    json.field_uint("frame", Some(frame as u64));
    json.key("registers");
    json.begin_array();
    for row in rows {
        json.begin_object();
        json.field_string("name", Some(&row.name));
        json.field_string("value", row.bytes.as_deref().map(hex_value).as_deref());
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

/// Little-endian bytes as one number: `0x1f80`.
pub fn hex_value(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0x0".to_owned() } else { format!("0x{digits}") }
}

/// `obit.print/1`.
pub fn print(expression: &str, types: &TypeTable, value: &Value, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.print/1", notes);
    json.field_string("expression", Some(expression));
    json.field_string("type", Some(types.name(value.type_id)));
    json.key("value");
    write_value(&mut json, types, value, Some(value.type_id));
    json.end_object();
    json
}

/// `obit.ptype/1`.
pub fn ptype(types: &TypeTable, id: TypeId, definition: &str, notes: &[Note]) -> Json {
    use crate::types::{MemberOffset, TypeKind};
    let mut json = Json::new();
    begin_document(&mut json, "obit.ptype/1", notes);
    json.field_string("type", Some(types.name(id)));
    json.field_uint("size", types.size(id));
    json.field_string("definition", Some(definition));
    let content = types.get(types.strip(id));
    if let TypeKind::Struct(content) = &content.kind {
        json.key("members");
        json.begin_array();
        for member in &content.members {
            json.begin_object();
            json.field_string("name", member.name.as_deref());
            json.field_string("type", Some(types.name(member.type_id)));
            let offset = match member.offset {
                MemberOffset::Bytes(bytes) => Some(bytes),
                MemberOffset::Expression(_) => None,
            };
            json.field_uint("offset", offset);
            if let Some((start, width)) = member.bits {
                json.field_uint("bit_offset", Some(start));
                json.field_uint("bit_size", Some(width));
            }
            if member.base {
                json.field_bool("base", true);
            }
            json.end_object();
        }
        json.end_array();
    }
    if let TypeKind::Enum { enumerators, .. } = &content.kind {
        json.key("enumerators");
        json.begin_array();
        for (name, value) in enumerators {
            json.begin_object();
            json.field_string("name", Some(name));
            json.key("value");
            json.int(*value);
            json.end_object();
        }
        json.end_array();
    }
    json.end_object();
    json
}

/// A unit of memory as `x` shows it.
#[derive(Clone, Debug)]
pub struct MemoryRow {
    /// Where.
    pub address: RunAddr,
    /// The symbol at or below the address: name, distance.
    pub symbol: Option<(String, u64)>,
    /// The bytes, or why they are not at hand.
    pub bytes: Result<Vec<u8>, crate::memory::ReadError>,
    /// As the format letter has it.
    pub text: String,
}

/// `obit.memory/1`.
pub fn memory(rows: &[MemoryRow], format: char, unit: usize, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.memory/1", notes);
    json.field_string("format", Some(format.encode_utf8(&mut [0; 4])));
    json.field_uint("unit", Some(unit as u64));
    json.key("units");
    json.begin_array();
    for row in rows {
        json.begin_object();
        json.field_hex("address", Some(row.address.0));
        if let Some((name, distance)) = &row.symbol {
            json.field_string("symbol", Some(name));
            json.field_uint("symbol_offset", Some(*distance));
        }
        match &row.bytes {
            Ok(bytes) => {
                json.field_hex_bytes("bytes", Some(bytes));
                json.field_string("text", Some(&row.text));
            }
            Err(error) => {
                json.field_hex_bytes("bytes", None);
                json.field_string("why", Some(crate::value::Absent::from(*error).why.code()));
            }
        }
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

/// An instruction of a disassembly.
#[derive(Clone, Debug)]
pub struct InstructionRow {
    /// Where.
    pub address: RunAddr,
    /// Its bytes; of what is no instruction the ones that were passed over.
    pub bytes: Vec<u8>,
    /// Mnemonic and operands; `None` where the bytes are no instruction.
    pub text: Option<String>,
    /// Where a jump or call leads, and the symbol there.
    pub target: Option<(RunAddr, Option<String>)>,
    /// What an operand relative to the instruction refers to, and the symbol there.
    pub data: Option<(RunAddr, Option<String>)>,
    /// The symbol at or below the address.
    pub function: Option<String>,
    /// Bytes behind that symbol.
    pub offset: u64,
    /// Source file.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
    /// The frame stands here.
    pub current: bool,
}

/// `obit.disassembly/1`; `left` bytes of what was asked for are not shown.
pub fn disassembly(function: Option<&str>, rows: &[InstructionRow], left: u64, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.disassembly/1", notes);
    json.field_string("function", function);
    json.field_uint("bytes_omitted", Some(left));
    json.key("instructions");
    json.begin_array();
    for row in rows {
        json.begin_object();
        json.field_hex("address", Some(row.address.0));
        json.field_hex_bytes("bytes", Some(&row.bytes));
        json.field_string("text", row.text.as_deref());
        json.field_hex("target", row.target.as_ref().map(|(target, _)| target.0));
        json.field_string("target_symbol", row.target.as_ref().and_then(|(_, symbol)| symbol.as_deref()));
        json.field_hex("data", row.data.as_ref().map(|(data, _)| data.0));
        json.field_string("data_symbol", row.data.as_ref().and_then(|(_, symbol)| symbol.as_deref()));
        json.field_string("function", row.function.as_deref());
        json.field_uint("offset", row.function.as_ref().map(|_| row.offset));
        json.field_string("file", row.file.as_deref());
        json.field_uint("line", row.line.map(u64::from));
        json.field_bool("current", row.current);
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

/// `obit.list/1`: lines from `first` on; `current` is the frame's.
pub fn list(recorded: &str, found: &str, current: Option<u32>, lines: &[(u32, String)], notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.list/1", notes);
    json.field_string("file", Some(recorded));
    json.field_string("found_at", Some(found));
    json.field_uint("current_line", current.map(u64::from));
    json.key("lines");
    json.begin_array();
    for (number, text) in lines {
        json.begin_object();
        json.field_uint("line", Some((*number).into()));
        json.field_string("text", Some(text));
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}
