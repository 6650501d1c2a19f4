//! What the documents that `--json` prints have, as types: schema.json is made of them.
//!
//! They only describe: nothing is ever made of them. The writers are in [`json`](crate::report::json) and beside it; a test
//! holds what they write against what is said here.

#![allow(dead_code)]

/// Types of documents, each with its name, and of the names a list.
macro_rules! documents {
    ($($(#[$doc:meta])* $name:ident $schema:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(JsonSchema)]
            struct $name {
                /// Name and version of this document.
                schema: String,
                /// Warnings.
                notes: Vec<Note>,
                $($(#[$field_doc])* $field: $type,)*
            }
        )*

        /// The documents' names, as their `schema` field has them.
        pub(super) const NAMES: &[&str] = &[$($schema),*];

        /// A document's schema.
        pub(super) fn named(name: &str) -> Option<serde_json::Value> {
            match name {
                $($schema => Some(root::<$name>($schema)),)*
                _ => None,
            }
        }
    };
}

#[path = "rows.rs"]
mod rows;
#[path = "store.rs"]
mod store;
#[path = "values.rs"]
mod values;

use rows::*;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use values::*;

/// An address, offset or register value: "0x" and lower-case hex.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Hex(#[schemars(regex(pattern = "^0x[0-9a-f]+$"))] String);

/// Hex digits of a build-id, or of bytes.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct HexBytes(#[schemars(regex(pattern = "^([0-9a-f][0-9a-f])*$"))] String);

/// An integer of the program, whatever its size.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Integer(#[schemars(schema_with = "integer")] ());

fn integer(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "integer" })
}

/// A warning.
#[derive(JsonSchema)]
struct Note {
    /// Stable, kebab-case.
    code: String,
    /// One line for people.
    message: String,
}

/// The process.
#[derive(JsonSchema)]
struct Process {
    pid: Option<u32>,
    /// The command line.
    command: Option<String>,
    /// Path of the executable.
    executable: Option<String>,
    /// x86_64, aarch64 or i386.
    arch: String,
}

/// The signal that ended the process, or a thread's own.
#[derive(JsonSchema)]
struct Signal {
    number: i32,
    /// SIGSEGV and so on.
    name: String,
    /// SEGV_MAPERR and so on.
    code: Option<String>,
    /// The address at fault.
    address: Option<Hex>,
    /// si_code, where it has no name.
    #[schemars(default)]
    code_number: Option<i32>,
    /// Who sent it.
    #[schemars(default)]
    sender_pid: Option<u32>,
    /// Whose process sent it.
    #[schemars(default)]
    sender_uid: Option<u32>,
}

/// How a frame was found.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Trust {
    Context,
    Cfi,
    FramePointer,
    Scan,
    Inline,
    Runtime,
}

/// Why a stack ends.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum StackEnd {
    Complete,
    Limit,
    Unreadable,
    Corrupt,
    NoUnwindInfo,
}

/// A frame.
#[derive(JsonSchema)]
struct Frame {
    /// 0 is the innermost; inlined frames count.
    index: u64,
    /// The address in this frame; a return address for callers.
    pc: Hex,
    inlined: bool,
    /// Its machine frame was replaced by a tail call: it follows from the call sites. Absent where false.
    #[schemars(default)]
    tail_call: Option<bool>,
    /// A signal trampoline.
    signal: bool,
    trust: Trust,
    /// Demangled, with parameters where the mangled name has them; else the plain name.
    function: Option<String>,
    /// Linkage name.
    symbol: Option<String>,
    /// Path of the module's file.
    module: Option<String>,
    build_id: Option<HexBytes>,
    /// Address in the module file's own address space.
    module_offset: Option<Hex>,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    /// c, c++, rust or go.
    language: Option<String>,
    /// With --locals: innermost scope first.
    #[schemars(default)]
    variables: Option<Vec<Variable>>,
}

#[derive(JsonSchema)]
struct BacktraceThread {
    lwp: u32,
    /// The goroutine that it is on.
    #[schemars(default)]
    goroutine: Option<u64>,
    name: Option<String>,
    crashed: bool,
    stack_end: StackEnd,
    frames_omitted: u64,
    frames: Vec<Frame>,
}

#[derive(JsonSchema)]
struct CaptureInfo {
    file: String,
    bytes: u64,
    /// RFC 3339, UTC.
    created: String,
    writer: String,
    /// `core`, `minidump`, `process` or `handler`.
    source: String,
    /// Milliseconds that the process stood still; null for a core.
    pause_ms: Option<f64>,
    threads: u64,
    /// What was left out, by reason.
    left_out: std::collections::BTreeMap<String, u64>,
    /// Version of the rules by which secrets were masked.
    redaction: Option<String>,
    /// Why it died, as it was said when the snapshot was taken.
    #[schemars(default)]
    verdict: Option<KeptVerdict>,
    /// The key of the group that the crash belongs to.
    #[schemars(default)]
    fingerprint: Option<String>,
    /// The same of the whole stack.
    #[schemars(default)]
    stack_hash: Option<String>,
    /// Version of the rules that both were made by.
    #[schemars(default)]
    fingerprint_rules: Option<String>,
}

documents! {
    /// `obit bt`.
    Backtrace "obit.backtrace/1" {
        process: Process,
        /// What ended the process.
        signal: Option<Signal>,
        threads: Vec<BacktraceThread>,
        /// Of a program of Go's, where all threads are asked for: the goroutines that are on none.
        #[schemars(default)]
        goroutines: Option<Vec<Goroutine>>,
        /// Warnings that came up while the threads were written.
        #[schemars(default)]
        late_notes: Option<Vec<Note>>,
    }
    /// `obit analyze`.
    Analysis "obit.analysis/1" {
        /// The best finding; null where there is no thread.
        verdict: Option<Verdict>,
        /// All findings, the best first.
        findings: Vec<Finding>,
        gaps: Vec<Gap>,
    }
    /// `obit fingerprint`.
    Fingerprint "obit.fingerprint/1" {
        /// The key of the group that the crash belongs to.
        fingerprint: String,
        /// The same of the whole stack.
        stack_hash: String,
        /// Version of the rules that both were made by.
        rules: String,
        /// These three are what the snapshot was given when it was taken, whatever the rules are now.
        stored: bool,
        /// What the rules of now say.
        now: FingerprintNow,
    }
    /// `obit why`.
    ValueSources "obit.why/1" {
        expression: String,
        /// As text.
        value: String,
        /// Where it comes from.
        sources: Vec<Source>,
    }
    /// `obit coverage`.
    Coverage "obit.coverage/1" {
        gaps: Vec<Gap>,
    }
    /// `obit threads`.
    Threads "obit.threads/1" {
        threads: Vec<ThreadRow>,
    }
    /// `obit stacks`.
    Stacks "obit.stacks/1" {
        /// The largest first.
        groups: Vec<StackGroup>,
    }
    /// `obit goroutines`.
    Goroutines "obit.goroutines/1" {
        goroutines: Vec<Goroutine>,
        /// Warnings that came up while they were written.
        #[schemars(default)]
        late_notes: Option<Vec<Note>>,
    }
    /// `obit goroutines --sched`.
    Scheduler "obit.scheduler/1" {
        /// Go's version: go1.23.9.
        runtime: String,
        gomaxprocs: Option<u64>,
        cpus: Option<u64>,
        /// Goroutines that no processor has yet, in order.
        queue: Vec<u64>,
        /// How many of them the runtime counts.
        queue_counted: Option<u64>,
        /// Threads that look for work.
        spinning: Option<u64>,
        sysmon_sleeps: Option<bool>,
        /// The world is being stopped.
        stopping: Option<bool>,
        gc: Collector,
        processors: Vec<Processor>,
        machines: Vec<Machine>,
    }
    /// `obit heap TARGET types`.
    Heap "obit.heap/1" {
        /// Go's version: go1.23.9.
        runtime: String,
        objects: u64,
        /// Of their slots, here and below.
        bytes: u64,
        typed_objects: u64,
        typed_bytes: u64,
        /// Garbage that the collector found and nobody has swept yet; it is in no other number.
        dead_objects: u64,
        dead_bytes: u64,
        spans: u64,
        span_bytes: u64,
        /// The most bytes first.
        types: Vec<HeapType>,
        /// Types that were left out (--top).
        omitted: u64,
    }
    /// `obit refs`.
    References "obit.refs/1" {
        object: HeapObject,
        /// Bytes from its start to the address that was asked about.
        offset: u64,
        /// The slot is free: no object is there.
        free: bool,
        /// The shortest way to the object, from a variable on; none where nothing leads to it.
        chain: Vec<HeapHolder>,
        /// Who points to it, the first 64.
        references: Vec<HeapHolder>,
        references_counted: u64,
    }
    /// `obit locks`.
    Locks "obit.locks/1" {
        waits: Vec<Wait>,
        /// LWPs: each waits for the next, the last for the first.
        cycles: Vec<Vec<u32>>,
        problems: Vec<WaitProblem>,
        /// Numbers of goroutines, where the program is one of Go's.
        #[schemars(default)]
        goroutine_cycles: Option<Vec<Vec<u64>>>,
        /// Waiters and owners are goroutines by their numbers.
        #[schemars(default)]
        goroutine_problems: Option<Vec<WaitProblem>>,
        threads: Vec<ThreadDoing>,
    }
    /// `obit info`.
    Info "obit.info/1" {
        /// The file that was opened.
        target: String,
        /// `core`, `minidump`, `process` or `snapshot`.
        kind: String,
        /// The system that it ran on, where a minidump says so.
        system: Option<String>,
        process: Process,
        ppid: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        /// The kernel's short name.
        name: Option<String>,
        signal: Option<Signal>,
        /// Entries of the auxiliary vector.
        auxv: std::collections::BTreeMap<String, Hex>,
        threads: u64,
        mappings: u64,
        mapped_bytes: u64,
        /// Bytes of the mappings that the core holds.
        saved_bytes: u64,
        modules: u64,
        /// Modules whose file is missing or another build.
        modules_missing: u64,
        modules_without_debug_info: u64,
        /// How a snapshot was taken; null for other targets.
        capture: Option<CaptureInfo>,
        /// What surrounded the process: all of it of a live process, what a core or a snapshot has of others.
        environment: Option<serde_json::Map<String, serde_json::Value>>,
        /// What the program says of itself (docs/attributes.md), and what a snapshot was given.
        attributes: Option<std::collections::BTreeMap<String, String>>,
    }
    /// `obit snapshot`.
    SnapshotTaken "obit.snapshot-taken/1" {
        /// The file that was written.
        file: String,
        bytes: u64,
        /// Milliseconds that the process stood still; null for a core.
        pause_ms: Option<f64>,
        threads: u64,
        /// What was left out, by reason.
        left_out: std::collections::BTreeMap<String, u64>,
    }
    /// `obit capture install`, `remove` and `status`.
    CaptureStatus "obit.capture-status/1" {
        /// Whether the kernel hands crashes over to obit.
        installed: bool,
        /// Whether it will after the next start.
        persistent: bool,
        core_pattern: String,
        core_pipe_limit: u64,
        /// What was set before.
        earlier_core_pattern: Option<String>,
        /// Whether the earlier handler is fed too.
        chain: bool,
        spool: String,
        /// Bytes that the spool may hold.
        quota: u64,
        /// What it holds, oldest first.
        files: Vec<SpoolFile>,
        /// The last lines of the handler's log.
        log: Vec<String>,
    }
    /// `obit modules`.
    Modules "obit.modules/1" {
        modules: Vec<Module>,
    }
    /// `obit maps`.
    Maps "obit.maps/1" {
        mappings: Vec<Mapping>,
    }
    /// `obit registers`.
    Registers "obit.registers/1" {
        lwp: u32,
        frame: u64,
        registers: Vec<Register>,
    }
    /// `obit print`.
    Print "obit.print/1" {
        expression: String,
        r#type: Option<String>,
        value: Value,
    }
    /// `obit ptype`.
    Ptype "obit.ptype/1" {
        r#type: Option<String>,
        /// Bytes.
        size: Option<u64>,
        /// As the text answer has it.
        definition: String,
        #[schemars(default)]
        members: Option<Vec<TypeMember>>,
        #[schemars(default)]
        enumerators: Option<Vec<Enumerator>>,
    }
    /// `obit x`.
    MemoryUnits "obit.memory/1" {
        /// gdb's format letter.
        format: String,
        /// Bytes of a unit.
        unit: u64,
        units: Vec<MemoryUnit>,
    }
    /// `obit disassemble`.
    Disassembly "obit.disassembly/1" {
        /// The function, where it is shown as a whole.
        function: Option<String>,
        /// Bytes of what was asked for that are not shown.
        bytes_omitted: u64,
        instructions: Vec<InstructionRow>,
    }
    /// `obit list`.
    List "obit.list/1" {
        /// As the debug information names it.
        file: String,
        /// Where it was found.
        found_at: String,
        /// The frame's line.
        current_line: Option<u32>,
        lines: Vec<SourceLine>,
    }
    /// A session's `frame`, `up`, `down`, `thread N`, `info frame`.
    SelectedFrame "obit.frame/1" {
        lwp: u32,
        frame: Frame,
        /// The canonical frame address.
        frame_address: Option<Hex>,
        /// The stack pointer in the caller.
        previous_sp: Option<Hex>,
        /// Where the caller's registers were saved in memory.
        saved_registers: Vec<SavedRegister>,
    }
    /// A session's `info locals`, `info args`, `v`.
    Variables "obit.variables/1" {
        lwp: u32,
        frame: u64,
        variables: Vec<Variable>,
    }
    /// A session's `find`.
    Found "obit.found/1" {
        addresses: Vec<Hex>,
        /// Where memory could not be read and the search ended.
        halted_at: Option<Hex>,
    }
    /// A session's `thread apply`, `frame apply`.
    Answers "obit.answers/1" {
        command: String,
        answers: Vec<Answer>,
    }
    /// What a session's other commands answer.
    Text "obit.text/1" {
        command: String,
        lines: Vec<String>,
    }
}

/// The documents' names, as their `schema` field has them.
pub fn names() -> Vec<&'static str> {
    NAMES.iter().chain(store::NAMES).copied().collect()
}

/// A document's schema.
pub fn schema_of(name: &str) -> Option<serde_json::Value> {
    named(name).or_else(|| store::named(name))
}

fn root<T: JsonSchema>(name: &str) -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    if let Some(constant) = schema.pointer_mut("/properties/schema") {
        *constant = serde_json::json!({ "const": name });
    }
    schema
}
