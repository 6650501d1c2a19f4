//! What the writers write conforms to what the schemas say.

use serde_json::{Value as Json, json};

use super::check::problems;
use super::documents::schema_of;
use super::*;
use crate::addr::{Bias, RunAddr};
use crate::image::{Mapping, Note};
use crate::memory::{MissingReason, ReadError};
use crate::module::ModuleId;
use crate::report::documents::{self, MemoryRow, RegisterRow};
use crate::report::json::Json as Writer;
use crate::report::json_backtrace::{self, FrameSource};
use crate::report::{runtime_documents, session_documents, testing, waits_documents};
use crate::runtime::go::Goroutine;
use crate::session::modules::{DebugStatus, FileStatus, ModuleRow};
use crate::session::{Role, Trace, Variable};
use crate::types::{TypeId, TypeKind, TypeTable};
use crate::value::{Absent, AbsentReason, Field, Text, Value, ValueKind};
use crate::waits;

#[track_caller]
fn check(name: &str, written: Writer) -> Json {
    let text = String::from_utf8(written.into_bytes()).unwrap();
    let document: Json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(text.starts_with(&format!("{{\"schema\":\"{name}\",\"notes\":[")), "{text}");
    let schema = schema_of(name).expect(name);
    let mut found = Vec::new();
    problems(&schema, &schema, &document, "", &mut found);
    assert_eq!(found, Vec::<String>::new());
    document
}

fn notes() -> Vec<Note> {
    vec![Note { code: "missing-file", message: "/lib/x.so: the file was not found".to_owned() }]
}

/// One value of every kind.
fn every_value(types: &TypeTable, int: TypeId) -> Vec<Value> {
    let value = |kind| Value { type_id: int, kind };
    let cut = || Some(Box::new(Absent { address: Some(RunAddr(9)), ..Absent::new(AbsentReason::NotSaved) }));
    let text = |bytes: &[u8]| Text { bytes: bytes.to_vec(), length: Some(9), omitted: 1, cut: cut() };
    let pointer = |reference, pointee| ValueKind::Pointer {
        address: Some(RunAddr(0x10)),
        reference,
        symbol: Some("main+4".to_owned()),
        string: Some(text(b"a\xff")),
        pointee,
    };
    let field =
        |name: Option<&'static str>, base| Field { base, ..Field::of(name.map(Into::into), value(ValueKind::Int(1))) };
    let items = vec![testing::number(int, 1), testing::number(int, 2)];
    let implicit = ValueKind::Pointer {
        address: None,
        reference: false,
        symbol: None,
        string: None,
        pointee: Some(Box::new(value(ValueKind::Int(5)))),
    };
    let array = testing::array(types, int, 3);
    vec![
        value(ValueKind::Int(i128::MIN)),
        value(ValueKind::Uint(u128::MAX)),
        value(ValueKind::Char { code: 65, char: Some('A') }),
        value(ValueKind::Char { code: -1, char: None }),
        value(ValueKind::Bool(255)),
        value(ValueKind::Enum { value: 3, name: Some("A|B".into()) }),
        value(ValueKind::Enum { value: 9, name: None }),
        value(ValueKind::Float { value: 1.5, text: 1.5.into() }),
        value(ValueKind::Float { value: f64::NAN, text: f64::NAN.into() }),
        value(pointer(false, Some(Box::new(value(ValueKind::Elided))))),
        value(pointer(true, None)),
        value(implicit),
        value(ValueKind::Struct { union: false, fields: vec![field(Some("x"), false), field(None, true)] }),
        value(ValueKind::Struct { union: true, fields: vec![field(None, false)] }),
        Value { type_id: array, kind: ValueKind::Array { length: 3, items, omitted: 1 } },
        value(ValueKind::String(text(b"ab\xc3"))),
        value(ValueKind::Variant { title: None, variant: "Some".into(), fields: vec![field(Some("__0"), false)] }),
        value(ValueKind::Variant { title: None, variant: "Point".into(), fields: vec![field(Some("x"), false)] }),
        value(ValueKind::Absent(Absent {
            address: Some(RunAddr(8)),
            ..Absent::because(AbsentReason::NotSaved, "gone")
        })),
        value(ValueKind::Titled {
            title: "Rc(strong=1, weak=0)".to_owned(),
            content: Box::new(value(ValueKind::String(Text {
                bytes: b"x".to_vec(),
                length: Some(1),
                omitted: 0,
                cut: None,
            }))),
        }),
        value(ValueKind::Described { number: 7, text: "0x7 (LWP 3)".into() }),
    ]
}

#[test]
fn backtraces_conform() {
    let types = testing::types();
    let int = testing::int(&types);
    let long = testing::named(&types, "long", 8, TypeKind::Int { signed: true });
    let variables = |_: &Trace, _: usize| -> Vec<Variable> {
        let mut all: Vec<Variable> =
            every_value(&types, int).into_iter().map(|value| testing::variable("v", Role::Local, value)).collect();
        all.push(Variable {
            type_id: None,
            decl_line: None,
            ..testing::variable("w", Role::Argument, testing::number(long, 1))
        });
        all
    };
    let module = |id| testing::module(id);
    let source = FrameSource { types: &types, module: &module, variables: Some(&variables) };
    let mut json = Writer::new();
    json_backtrace::begin_document(&mut json, "obit.backtrace/1", &notes());
    json.key("process");
    json.begin_object();
    json.field_uint("pid", None);
    json.field_string("command", None);
    json.field_string("executable", None);
    json.field_string("arch", Some("x86_64"));
    json.end_object();
    json_backtrace::write_signal(&mut json, Some(&testing::signal()));
    json.key("threads");
    json.begin_array();
    let mut stack = testing::trace(&[("inner", 3, true), ("main", 4, false)]);
    json_backtrace::write_thread(&mut json, &testing::thread(7), Some(1), &stack, &source);
    stack.frames[0].module = None;
    stack.frames[0].code = Default::default();
    json_backtrace::write_thread(&mut json, &testing::thread(8), None, &stack, &source);
    json.end_array();
    json_backtrace::write_notes(&mut json, "late_notes", &notes());
    json.end_object();
    let document = check("obit.backtrace/1", json);
    let frame = &document["threads"][0]["frames"][0];
    assert_eq!(frame["function"], "inner");
    assert_eq!(
        (&frame["pc"], &frame["inlined"], &frame["build_id"]),
        (&json!("0x401003"), &json!(true), &json!("ab01"))
    );
    let unknown = &document["threads"][1]["frames"][0];
    assert_eq!((&unknown["function"], &unknown["module"], &unknown["line"]), (&Json::Null, &Json::Null, &Json::Null));
    let values: Vec<&Json> = frame["variables"].as_array().unwrap().iter().map(|variable| &variable["value"]).collect();
    assert_eq!(values[2], &json!({"kind": "char", "int": 65, "char": "A"}));
    assert_eq!(values[6], &json!({"kind": "enum", "int": 9, "name": null}));
    assert_eq!(values[8], &json!({"kind": "float", "float": "nan"}));
    assert_eq!(values[9]["string"], "a\\xff");
    assert_eq!(values[9]["pointee"], json!({"kind": "elided"}));
    assert_eq!(
        values[11],
        &json!({"kind": "pointer", "address": null, "pointee": {"kind": "int", "type": "int", "int": 5}})
    );
    assert_eq!(values[14]["items"], json!([{"kind": "int", "int": 1}, {"kind": "int", "int": 2}]));
    assert_eq!(
        values[16],
        &json!({"kind": "variant", "variant": "Some", "value": {"kind": "int", "type": "int", "int": 1}})
    );
    assert_eq!(values[18], &json!({"kind": "absent", "why": "not-saved", "address": "0x8", "detail": "gone"}));
    // Nothing says its type but the value itself.
    assert_eq!(values.last(), Some(&&json!({"kind": "int", "type": "long", "int": 1})));
}

#[test]
fn info_conforms() {
    let registers = [(crate::arch::Arch::X86_64.pc(), 0x401000)];
    let image = crate::image::test_core::CoreBuilder::new(crate::arch::Arch::X86_64)
        .thread(7, 11, &registers)
        .fault(11, 1, 8)
        .load(0x1000, 6, &[0; 64], 0x1000)
        .open();
    let counts = documents::Counts {
        modules: 3,
        modules_missing: 1,
        without_debug_info: 2,
        mapped_bytes: 0x1000,
        saved_bytes: 64,
    };
    let (environment, attributes) = Default::default();
    let surroundings = documents::Surroundings { environment: &environment, attributes: &attributes };
    let info = documents::info(&image, &[("entry", 0x401000)], counts, surroundings, &notes());
    let document = check("obit.info/1", info);
    assert_eq!(document["signal"]["address"], "0x8");
    assert_eq!((&document["threads"], &document["saved_bytes"]), (&json!(1), &json!(64)));
    assert_eq!(document["auxv"], json!({"entry": "0x401000"}));
}

#[test]
fn the_other_documents_conform() {
    let types = testing::types();
    let int = testing::int(&types);
    let stack = testing::trace(&[("main", 4, false)]);
    let module = |id| testing::module(id);
    let thread = testing::thread(7);
    let idle = crate::image::ThreadState { crashed: false, signal: None, name: None, ..testing::thread(8) };
    let rows = [(&thread, Some(stack.frames[0].clone())), (&idle, None)];
    let document = check("obit.threads/1", documents::threads(&rows, &types, &module, &notes()));
    assert_eq!(document["threads"][0]["frame"]["function"], "main");

    let row = |file, debug| ModuleRow {
        id: ModuleId(0),
        path: "/bin/w".to_owned(),
        start: RunAddr(0x1000),
        end: RunAddr(0x2000),
        bias: Bias(0x1000),
        build_id: Some(vec![1, 0xab]),
        is_executable: true,
        file,
        debug,
        looked_in: vec!["/usr/lib/debug/.build-id/01/ab.debug".to_owned()],
    };
    let mismatch = FileStatus::Mismatch { path: "/bin/w".into(), build_id: Some(vec![2]), used: false };
    let modules = [
        row(FileStatus::Found("/bin/w".into()), DebugStatus::Separate("/d".into())),
        row(FileStatus::InMemory, DebugStatus::SymbolsOnly),
        row(FileStatus::Missing, DebugStatus::Missing),
        ModuleRow { build_id: None, ..row(mismatch, DebugStatus::InFile) },
    ];
    let document = check("obit.modules/1", documents::modules(&modules, &[]));
    assert_eq!(document["modules"][3]["file_build_id"], "02");

    let mapping = Mapping {
        start: RunAddr(0x1000),
        end: RunAddr(0x2000),
        flags: 5,
        saved: 16,
        file: Some(("/bin/w".to_owned(), 0x1000)),
    };
    let anonymous = Mapping { file: None, flags: 0, ..mapping.clone() };
    let document = check("obit.maps/1", documents::maps(&[mapping, anonymous], &[]));
    assert_eq!(document["mappings"][0]["permissions"], "r-x");

    let registers = [
        RegisterRow { name: "rax".to_owned(), bytes: Some(vec![0x34, 0x12, 0, 0, 0, 0, 0, 0]) },
        RegisterRow { name: "rbx".to_owned(), bytes: None },
    ];
    let document = check("obit.registers/1", documents::registers(7, 0, &registers, &[]));
    assert_eq!(document["registers"], json!([{"name": "rax", "value": "0x1234"}, {"name": "rbx", "value": null}]));

    for value in every_value(&types, int) {
        check("obit.print/1", documents::print("x", &types, &value, &notes()));
    }
    let document = check("obit.ptype/1", documents::ptype(&types, int, "int", &[]));
    assert_eq!((&document["type"], &document["size"]), (&json!("int"), &json!(4)));
    let enumerators = vec![("A".into(), 1), ("B".into(), -2)];
    let color = testing::named(
        &types,
        "color",
        4,
        TypeKind::Enum { signed: true, scoped: false, enumerators, underlying: None },
    );
    let document = check("obit.ptype/1", documents::ptype(&types, color, "enum color {A = 1, B = -2}", &[]));
    assert_eq!(document["enumerators"][1], json!({"name": "B", "value": -2}));

    let address = RunAddr(0x1000);
    let missing = Err(ReadError { address, reason: MissingReason::NotSaved });
    let units = [
        MemoryRow { address, symbol: Some(("main".to_owned(), 4)), bytes: Ok(vec![1, 2]), text: "0x0201".to_owned() },
        MemoryRow { address, symbol: None, bytes: missing, text: String::new() },
    ];
    let document = check("obit.memory/1", documents::memory(&units, 'x', 2, &[]));
    assert_eq!(document["units"][1], json!({"address": "0x1000", "bytes": null, "why": "not-saved"}));

    let lines = [(3, "int main() {".to_owned())];
    check("obit.list/1", documents::list("/src/w.c", "/src/w.c", Some(3), &lines, &[]));
}

#[test]
fn waits_and_stacks_conform() {
    let types = testing::types();
    let stack = testing::trace(&[("inner", 3, true), ("main", 4, false)]);
    let place = stack.frames.first().map(|frame| waits::Spot { frame_index: 0, code: frame.code.clone() });
    let owner = |lwp, found| waits::Owner { lwp, found, gone: lwp > 100 };
    let wait = |kind, owners: &[waits::Owner]| waits::Wait {
        kind,
        address: Some(RunAddr(0x10)),
        name: Some("pool->lock".to_owned()),
        owners: owners.to_vec(),
        timed: false,
        since: 0,
        shared: false,
        inside: None,
        cases: vec![waits::Case { address: None, name: Some("c".to_owned()), sends: true }],
        word: None,
    };
    let readers = [owner(2, waits::Found::Inferred), owner(200, waits::Found::Recorded)];
    let call = waits::SystemCall { name: "read", kind: waits::CallKind::Input, descriptor: Some(3) };
    let states = [
        waits::State::Lock(wait(waits::Kind::WriteLock, &readers)),
        waits::State::Lock(waits::Wait { address: None, name: None, ..wait(waits::Kind::Condition, &[]) }),
        waits::State::Call(call),
        waits::State::Running,
    ];
    let threads = states.into_iter().zip(1..);
    let threads =
        threads.map(|(state, lwp)| waits::ThreadWait { lwp, name: None, crashed: false, state, place: place.clone() });
    let problem = waits::Problem { kind: waits::ProblemKind::HeldOverInput, waiters: vec![1], owner: Some(3) };
    let all = waits::Waits {
        threads: threads.collect(),
        cycles: vec![vec![1, 2]],
        problems: vec![problem],
        of: waits::Who::Threads,
    };
    let of_goroutines = waits::Waits { of: waits::Who::Goroutines, ..all.clone() };
    let document = check("obit.locks/1", waits_documents::locks(&all, Some(&of_goroutines), &notes()));
    assert_eq!((&document["waits"][0]["owners"], &document["waits"][1]["name"]), (&json!([2, 200]), &Json::Null));
    let module = |id| testing::module(id);
    let source = FrameSource { types: &types, module: &module, variables: None };
    let group = |waits_for| waits_documents::StackGroup {
        goroutines: vec![1],
        lwps: vec![1, 2],
        state: "mutex",
        waits_for,
        trace: testing::trace(&[("main", 4, false)]),
    };
    let groups = [group(None), group(Some("mutex `a`".to_owned()))];
    let document = check("obit.stacks/1", waits_documents::stacks(&groups, &source, &[]));
    assert_eq!(document["groups"][1]["count"], 2);
}

#[test]
fn goroutines_conform() {
    let types = testing::types();
    let module = |id| testing::module(id);
    let source = FrameSource { types: &types, module: &module, variables: None };
    let trace = testing::trace(&[("main.f", 3, true), ("main.main", 4, false)]);
    let creator = trace.frames.first().map(|frame| frame.code.clone());
    let mut json = Writer::new();
    json_backtrace::begin_document(&mut json, "obit.goroutines/1", &notes());
    json.key("goroutines");
    json.begin_array();
    for (goroutine, created_by) in [(Goroutine::corrupt(RunAddr(0x10)), None), (Goroutine::example(), creator)] {
        let row = runtime_documents::GoroutineRow {
            goroutine: &goroutine,
            trace: &trace,
            start: created_by.clone(),
            created_by,
            panics: &[],
            labels: &[("job".to_owned(), "import".to_owned())],
        };
        runtime_documents::write_goroutine(&mut json, &row, &source);
    }
    json.end_array();
    json.end_object();
    let document = check("obit.goroutines/1", json);
    assert_eq!(document["goroutines"][0]["id"], Json::Null);
    assert_eq!(document["goroutines"][1]["created_by"], "main.f");
}

#[test]
fn schedulers_conform() {
    use crate::report::scheduler_documents;
    use crate::runtime::go::scheduler::{Collector, Machine, Processor, Scheduler, Status};
    let machine = Machine {
        id: 0,
        lwp: Some(7),
        processor: None,
        goroutine: Some(1),
        locked: None,
        is_idle: false,
        is_spinning: true,
        in_c: false,
        is_extra: false,
        runs: Some("runtime.sysmon".to_owned()),
    };
    let processor = Processor {
        id: 0,
        status: Status::Running,
        machine: Some(0),
        next: Some(4),
        queue: vec![5, 2],
        problem: Some("odd".to_owned()),
    };
    let scheduler = Scheduler {
        version: "go1.23.9".to_owned(),
        processors_wanted: Some(2),
        queue: vec![9],
        sysmon_sleeps: Some(false),
        collector: Collector { phase: Some("off"), percent: Some(-1), ..Collector::default() },
        processors: vec![processor],
        machines: vec![machine],
        ..Scheduler::default()
    };
    let document = check("obit.scheduler/1", scheduler_documents::scheduler(&scheduler, &notes()));
    assert_eq!((&document["gc"]["percent"], &document["processors"][0]["queue"]), (&json!(-1), &json!([5, 2])));
}

#[test]
fn heaps_conform() {
    use crate::report::heap_documents;
    use crate::runtime::go::heap::{HeapObject, HeapTypes, Holder, Known, References, Step, Tally, TypeRow};
    let tally = Tally { objects: 3, bytes: 96 };
    let row = |name: Option<&str>, known| TypeRow {
        name: name.map(str::to_owned),
        slot: name.is_none().then_some(32),
        has_pointers: true,
        known,
        tally,
    };
    let heap = HeapTypes {
        version: "go1.23.9".to_owned(),
        spans: (1, 8192),
        total: tally,
        typed: tally,
        dead: Tally::default(),
        rows: vec![row(Some("main.T"), Known::Recorded), row(None, Known::Size)],
        notes: notes(),
    };
    let document = check("obit.heap/1", heap_documents::types(&heap, 1, &notes()));
    assert_eq!((&document["types"][0]["known_by"], &document["omitted"]), (&json!("recorded"), &json!(1)));
    let object = |type_name: Option<&str>| HeapObject {
        address: RunAddr(0xc000_0000),
        size: 32,
        type_name: type_name.map(str::to_owned),
        known: if type_name.is_some() { Known::Pointer } else { Known::Size },
    };
    let step = |holder, path: &str| Step { holder, path: path.to_owned() };
    let chain = vec![
        step(Holder::Global { name: "main.cache".to_owned() }, ""),
        step(
            Holder::Local { goroutine: Some(1), function: Some("main.f".to_owned()), name: Some("x".to_owned()) },
            ".a",
        ),
        step(Holder::Local { goroutine: None, function: None, name: None }, ""),
        step(Holder::Static { address: RunAddr(0x40_0000), type_name: Some("main.T".to_owned()) }, ".next"),
        step(Holder::Static { address: RunAddr(0x40_0008), type_name: None }, ""),
        step(Holder::Object(object(Some("main.T"))), "[3].next"),
        step(Holder::Object(object(None)), "+8"),
    ];
    let holders = chain.clone();
    let (offset, is_free, counted) = (8, false, 7);
    let object = object(Some("main.T"));
    let found = References { object, offset, is_free, chain, holders, counted, notes: notes() };
    let document = check("obit.refs/1", heap_documents::references(&found, &notes()));
    assert_eq!(document["chain"][5]["path"], "[3].next");
    assert_eq!(document["chain"][4]["address"], "0x400008");
}

#[test]
fn a_session_s_documents_conform() {
    let types = testing::types();
    let stack = testing::trace(&[("main", 4, false)]);
    let module = |id| testing::module(id);
    let source = FrameSource { types: &types, module: &module, variables: None };
    let whereabouts = session_documents::Whereabouts {
        address: Some(RunAddr(0x7ffc_0010)),
        previous_stack_pointer: Some(RunAddr(0x7ffc_0010)),
        saved_stack_pointer: None,
        frame_pointer: None,
        saved: vec![("rip".to_owned(), RunAddr(0x7ffc_0008))],
    };
    let frame = session_documents::frame(7, &stack.frames[0], &whereabouts, &source, &notes());
    assert_eq!(check("obit.frame/1", frame)["frame"]["function"], "main");
    check("obit.variables/1", session_documents::variables(7, 0, &types, &[], &notes()));
    let found = session_documents::found(&[RunAddr(0x10)], Some(RunAddr(0x20)), &[]);
    assert_eq!(check("obit.found/1", found)["addresses"], json!(["0x10"]));
    let text = session_documents::text("echo a", b"a\nb", &notes());
    assert_eq!(check("obit.text/1", text)["lines"], json!(["a", "b"]));
    let answer = |document| session_documents::Answer { lwp: 7, frame: 1, document };
    let answers = [answer(Ok(b"{\"a\":1}\n".to_vec())), answer(Err("no such name".to_owned())), answer(Ok(Vec::new()))];
    let document = check("obit.answers/1", session_documents::answers("p x", &answers, &[]));
    assert_eq!(document["answers"][0]["answer"], json!({"a": 1}));
    assert_eq!(document["answers"][1]["error"], "no such name");
}

#[test]
fn the_crash_handler_s_status_conforms() {
    use crate::capture::config::{Config, Earlier};
    use crate::capture::{install::Status, spool::Entry};
    let now = Earlier { core_pattern: "core".to_owned(), core_pipe_limit: 0 };
    let config = Config { earlier: Some(now.clone()), ..Config::default() };
    let mut status = Status { now, installed: true, persistent: false, config, notes: notes() };
    let entries = [Entry { name: "a.obit".to_owned(), bytes: 7 }];
    let document = |status: &Status| crate::report::capture_documents::status(status, &entries, &["line".to_owned()]);
    let written = check("obit.capture-status/1", document(&status));
    assert_eq!(written["files"][0]["bytes"], 7);
    status.config.earlier = None;
    check("obit.capture-status/1", document(&status));
}

/// `OBIT_REGENERATE=1 cargo test --lib schema` writes them anew.
#[test]
fn the_committed_schemas_are_fresh() {
    let names = super::documents::names();
    let made: Map<String, Json> = names.into_iter().map(|name| (name.to_owned(), schema_of(name).unwrap())).collect();
    if std::env::var_os("OBIT_REGENERATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/schema.json");
        std::fs::write(path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    } else {
        assert!(made == parsed(), "schema.json is stale: OBIT_REGENERATE=1 cargo test --lib schema");
    }
}

#[test]
fn every_document_has_a_schema_under_both_names() {
    for name in names() {
        let name = name.as_str();
        let short = name.trim_start_matches("obit.").trim_end_matches("/1");
        assert_eq!(one(name), one(short));
        let schema: Json = serde_json::from_str(&one(name).unwrap()).unwrap();
        assert_eq!(schema["properties"]["schema"], json!({ "const": name }));
    }
    let all: Json = serde_json::from_str(all()).unwrap();
    assert_eq!(all.as_object().unwrap().len(), names().len());
    assert_eq!(one("nothing"), None);
}

#[test]
fn the_check_finds_what_is_wrong() {
    let schema = schema_of("obit.list/1").unwrap();
    let wrong = json!({"schema": "obit.list/2", "notes": 3, "file": null, "lines": [{"line": "x"}], "extra": 1});
    let mut found = Vec::new();
    problems(&schema, &schema, &wrong, "", &mut found);
    assert!(found.len() >= 6, "{found:?}");
}
