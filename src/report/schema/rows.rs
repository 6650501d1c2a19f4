//! What the documents list: a thread, a module, a register, an instruction.

use schemars::JsonSchema;

use super::{Frame, Hex, HexBytes, Integer, Signal, StackEnd, Value, Why};

#[derive(JsonSchema)]
pub(super) struct Answer {
    lwp: u32,
    frame: u64,
    /// Why there is no answer.
    error: Option<String>,
    /// The command's own document.
    answer: Option<serde_json::Value>,
}

#[derive(JsonSchema)]
pub(super) struct SavedRegister {
    register: String,
    /// Where in memory it is.
    address: Hex,
}

#[derive(JsonSchema)]
pub(super) struct ThreadRow {
    lwp: u32,
    name: Option<String>,
    crashed: bool,
    signal: Option<Signal>,
    pc: Option<Hex>,
    sp: Option<Hex>,
    /// The innermost frame that is the program's own.
    frame: Option<Frame>,
}

#[derive(JsonSchema)]
pub(super) struct StackGroup {
    count: u64,
    lwps: Vec<u32>,
    /// Numbers of Go's goroutines, where the group is one of those.
    #[schemars(default)]
    goroutines: Option<Vec<u64>>,
    /// running, idle, the kind of a lock, or what a system call waits for.
    state: String,
    /// In words; null where they run.
    waits_for: Option<String>,
    frames_omitted: u64,
    /// Those of the first thread.
    frames: Vec<Frame>,
}

/// One of Go's goroutines.
#[derive(JsonSchema)]
pub(super) struct Goroutine {
    /// Null where the row is corrupt.
    id: Option<u64>,
    /// idle, runnable, running, syscall, waiting, copystack, preempted, leaked; corrupt where memory holds none.
    state: String,
    /// The runtime's words.
    wait_reason: Option<String>,
    /// The thread that it is on.
    lwp: Option<u32>,
    /// It must run on one thread.
    locked: bool,
    /// On that one.
    locked_lwp: Option<u32>,
    /// The function with the `go` statement.
    created_by: Option<String>,
    created_by_file: Option<String>,
    created_by_line: Option<u64>,
    /// The goroutine that made it, from Go 1.21 on.
    parent: Option<u64>,
    /// The function that it began with.
    start: Option<String>,
    /// Where the runtime's `g` is.
    address: Hex,
    /// What is wrong with the row.
    problem: Option<String>,
    /// How long it has waited at least, where a garbage collection saw it wait.
    waits_since_seconds: Option<u64>,
    /// What the program labelled it with (`pprof.Do`).
    labels: Vec<Label>,
    /// What it panics over, the first raised first.
    panics: Vec<Panic>,
    stack_end: StackEnd,
    frames_omitted: u64,
    frames: Vec<Frame>,
}

/// A goroutine's label.
#[derive(JsonSchema)]
pub(super) struct Label {
    key: String,
    value: String,
}

/// A panic in flight.
#[derive(JsonSchema)]
pub(super) struct Panic {
    /// As Go prints it.
    text: String,
    /// The value's type; null for nil.
    r#type: Option<String>,
    /// A deferred call recovered it, and has not returned.
    recovered: bool,
    /// It was raised again with the same value.
    repanicked: bool,
    /// It is no panic, but `runtime.Goexit`.
    goexit: bool,
    value: Value,
}

/// Go's garbage collector.
#[derive(JsonSchema)]
pub(super) struct Collector {
    /// off, mark, mark termination.
    phase: Option<String>,
    /// GOGC; -1: off.
    percent: Option<i64>,
    /// GOMEMLIMIT in bytes; null: none.
    memory_limit: Option<u64>,
    /// Bytes that are allocated, as the collector counts them.
    heap_live: Option<u64>,
    /// Bytes that the last collection found alive.
    heap_marked: Option<u64>,
    /// Bytes at which the next collection is to be done, by GOGC alone.
    heap_goal: Option<u64>,
    cycles: Option<u64>,
    paused_ns: Option<u64>,
}

/// A P: the right to run Go's code.
#[derive(JsonSchema)]
pub(super) struct Processor {
    id: u64,
    /// idle, running, syscall, stopped, dead, corrupt.
    status: String,
    /// The number of the M that has it.
    machine: Option<u64>,
    /// The goroutine that runs next.
    next: Option<u64>,
    /// Goroutines that run then, in order.
    queue: Vec<u64>,
    /// What is wrong with it.
    #[schemars(default)]
    problem: Option<String>,
}

/// An M: a thread of the runtime's.
#[derive(JsonSchema)]
pub(super) struct Machine {
    id: u64,
    lwp: Option<u32>,
    processor: Option<u64>,
    goroutine: Option<u64>,
    /// The goroutine that alone may run on it.
    locked_goroutine: Option<u64>,
    idle: bool,
    spinning: bool,
    in_c: bool,
    /// Made for threads of C's that call Go.
    extra: bool,
    /// The runtime's function that it runs for good: runtime.sysmon.
    runs: Option<String>,
}

/// Objects of one type, or of one size.
#[derive(JsonSchema)]
pub(super) struct HeapType {
    /// Null where nothing says.
    r#type: Option<String>,
    /// Bytes of a slot, where the type is null.
    slot: Option<u64>,
    /// The collector looks for pointers in them.
    pointers: bool,
    /// recorded (the runtime wrote it down), pointer (a pointer's type says), part (a pointer into it says), size (not at
    /// all).
    known_by: String,
    objects: u64,
    bytes: u64,
}

/// An object of a heap.
#[derive(JsonSchema)]
pub(super) struct HeapObject {
    address: Hex,
    size: u64,
    r#type: Option<String>,
    /// As in obit.heap.
    known_by: String,
}

/// Who holds a pointer.
#[derive(JsonSchema)]
pub(super) struct HeapHolder {
    /// global, local, stack (a word that no variable is known to hold), static (data of a file of the program's), object.
    kind: String,
    /// The variable's; of static data their type, where that is known.
    name: Option<String>,
    function: Option<String>,
    goroutine: Option<u64>,
    /// Of static data.
    #[schemars(default)]
    address: Option<Hex>,
    object: Option<HeapObject>,
    /// Which part of it holds the pointer: `.next`, `[3].name`.
    path: Option<String>,
}

/// A channel of a select.
#[derive(JsonSchema)]
pub(super) struct SelectCase {
    name: Option<String>,
    address: Option<Hex>,
    /// To send, not to receive.
    sends: bool,
}

/// How an owner is known.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum OwnerFound {
    /// The lock says so.
    Recorded,
    /// A guard on the owner's stack says so.
    Inferred,
}

#[derive(JsonSchema)]
pub(super) struct Wait {
    /// The LWP; null of a goroutine.
    waiter: Option<u32>,
    /// The number of the goroutine that waits.
    #[schemars(default)]
    waiter_goroutine: Option<u64>,
    /// mutex, rwlock, condition, semaphore, barrier, join, once, future, channel, select, wait-group, park, spinlock or
    /// futex.
    kind: String,
    /// read or write, of an rwlock.
    #[schemars(default)]
    mode: Option<String>,
    /// An expression in the frame in which the first of its waiters waits.
    name: Option<String>,
    address: Option<Hex>,
    owner: Option<u32>,
    /// The number of the goroutine that has it.
    #[schemars(default)]
    owner_goroutine: Option<u64>,
    /// What a goroutine's select waits for.
    #[schemars(default)]
    cases: Option<Vec<SelectCase>>,
    owner_found: Option<OwnerFound>,
    /// There is no such thread any more.
    owner_gone: bool,
    /// All of them, where there are several.
    #[schemars(default)]
    owners: Option<Vec<u32>>,
    /// It ends by itself when its time is over.
    timed: bool,
    /// The library's function that was called, where what it waits for is not known.
    inside: Option<String>,
    /// The frame that waits.
    frame_index: Option<u64>,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

#[derive(JsonSchema)]
pub(super) struct WaitProblem {
    /// cycle, owner-gone, held-over-input, nobody-can-signal or nobody-can-release.
    kind: String,
    waiters: Vec<u32>,
    owner: Option<u32>,
}

#[derive(JsonSchema)]
pub(super) struct ThreadDoing {
    lwp: u32,
    name: Option<String>,
    /// running, idle, the kind of a lock, or what a system call waits for.
    state: String,
    /// The system call.
    call: Option<String>,
    descriptor: Option<i32>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum FileStatus {
    Found,
    InMemory,
    Missing,
    Mismatch,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum DebugStatus {
    InFile,
    Separate,
    SymbolsOnly,
    Missing,
}

#[derive(JsonSchema)]
pub(super) struct Module {
    /// In the process.
    path: String,
    start: Hex,
    end: Hex,
    /// Added to the file's addresses.
    bias: Hex,
    build_id: Option<HexBytes>,
    /// The program itself, not a library.
    executable: bool,
    status: FileStatus,
    /// The file that was found.
    file: Option<String>,
    /// A mismatching file's build-id.
    #[schemars(default)]
    file_build_id: Option<HexBytes>,
    /// Whether a mismatching file was used.
    #[schemars(default)]
    used: Option<bool>,
    debug_info: DebugStatus,
    #[schemars(default)]
    debug_file: Option<String>,
    looked_in: Vec<String>,
}

#[derive(JsonSchema)]
pub(super) struct Mapping {
    start: Hex,
    end: Hex,
    /// rwx, with dashes.
    permissions: String,
    /// Bytes that the core holds.
    saved: u64,
    file: Option<String>,
    file_offset: Option<Hex>,
}

#[derive(JsonSchema)]
pub(super) struct Register {
    name: String,
    /// Null where this frame's value is not known.
    value: Option<Hex>,
}

#[derive(JsonSchema)]
pub(super) struct TypeMember {
    name: Option<String>,
    r#type: Option<String>,
    /// Bytes; null where it is computed at run time.
    offset: Option<u64>,
    #[schemars(default)]
    bit_offset: Option<u64>,
    #[schemars(default)]
    bit_size: Option<u64>,
    #[schemars(default)]
    base: Option<bool>,
}

#[derive(JsonSchema)]
pub(super) struct Enumerator {
    name: String,
    value: Integer,
}

#[derive(JsonSchema)]
pub(super) struct MemoryUnit {
    address: Hex,
    #[schemars(default)]
    symbol: Option<String>,
    #[schemars(default)]
    symbol_offset: Option<u64>,
    /// Null where they are not at hand.
    bytes: Option<HexBytes>,
    /// As the format letter has it.
    #[schemars(default)]
    text: Option<String>,
    #[schemars(default)]
    why: Option<Why>,
}

#[derive(JsonSchema)]
pub(super) struct InstructionRow {
    address: String,
    bytes: String,
    /// Null where the bytes are no instruction.
    text: Option<String>,
    /// Where a jump or call leads.
    target: Option<String>,
    target_symbol: Option<String>,
    /// What an operand relative to the instruction refers to.
    data: Option<String>,
    data_symbol: Option<String>,
    /// The symbol at or below the address.
    function: Option<String>,
    /// Bytes behind it.
    offset: Option<u64>,
    file: Option<String>,
    line: Option<u32>,
    /// The frame stands here.
    current: bool,
}

#[derive(JsonSchema)]
pub(super) struct SourceLine {
    line: u32,
    text: String,
}

/// What happened.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum Class {
    NullPointer,
    WildPointer,
    UseAfterFree,
    DoubleFree,
    HeapCorruption,
    OutOfBounds,
    StackOverflow,
    StackSmashed,
    BadControlFlow,
    DivisionByZero,
    IllegalInstruction,
    Misaligned,
    BusError,
    Assertion,
    Abort,
    UncaughtException,
    Panic,
    OutOfMemory,
    BadCall,
    BitFlip,
    Deadlock,
    Hang,
    SignalSent,
    Sandbox,
    Unknown,
}

/// How sure that is.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum Certainty {
    Certain,
    Likely,
    Possible,
}

/// A fingerprint and what it is made of.
#[derive(JsonSchema)]
pub(super) struct FingerprintNow {
    fingerprint: String,
    stack_hash: String,
    rules: String,
    /// LWP.
    thread: u32,
    /// The lines whose SHA-256 begins with the fingerprint: class, perhaps signal and program, functions.
    key: Vec<String>,
    /// Why another build of the same bug may have another fingerprint.
    weakness: Option<String>,
    /// The functions that led to the end, innermost first, recursion folded: what stack_hash is of.
    stack: Vec<String>,
    frames: Vec<FingerprintFrame>,
}

/// A frame, and what became of it.
#[derive(JsonSchema)]
pub(super) struct FingerprintFrame {
    /// As `bt` counts; null for a function that a tail call took off the stack.
    index: Option<u64>,
    /// The function as fingerprints name it, else the module and the offset in it.
    name: String,
    /// It is part of the fingerprint.
    taken: bool,
    /// The rule by which it is, or is not: own, prefix, endless, foreign, in-handler, on-top, sentinel, kind,
    /// skip-functions, recursion, entry, enough, interrupted, scanned.
    rule: String,
    /// The same for people.
    why: String,
}

#[derive(JsonSchema)]
pub(super) struct Verdict {
    class: Class,
    certainty: Certainty,
    /// One sentence, in the program's own names.
    summary: String,
    /// LWP.
    thread: u32,
    /// As `bt` counts.
    frame_index: u64,
    /// That frame's, without parameters.
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

#[derive(JsonSchema)]
pub(super) struct Finding {
    rule: String,
    class: Class,
    certainty: Certainty,
    summary: String,
    thread: u32,
    frame_index: u64,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    evidence: Vec<Evidence>,
    /// Commands that show more.
    next: Vec<String>,
}

#[derive(JsonSchema)]
pub(super) struct Evidence {
    what: String,
    /// What can be asked to see it, in the finding's frame.
    expression: Option<String>,
    value: String,
}

/// What is missing, and what that leaves open.
#[derive(JsonSchema)]
pub(super) struct Gap {
    code: String,
    missing: String,
    question: String,
    limits_verdict: bool,
}

/// Where a value comes from.
#[derive(JsonSchema)]
pub(super) struct Source {
    /// `memory`, `register`, `origin`.
    what: String,
    detail: String,
}

/// A file of the crash handler's spool.
#[derive(JsonSchema)]
pub(super) struct SpoolFile {
    name: String,
    bytes: u64,
}

/// Why it died, as a snapshot has it.
#[derive(JsonSchema)]
pub(super) struct KeptVerdict {
    class: Class,
    certainty: Certainty,
    /// The rule that gave it; null in snapshots of before it was written.
    #[schemars(default)]
    rule: Option<String>,
    summary: String,
    thread: u32,
    frame_index: u64,
}
