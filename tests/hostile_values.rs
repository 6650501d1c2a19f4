//! Expressions that nobody would type, and objects whose bytes are random: an answer or a clear error, never a panic, a
//! hang or an answer without bounds.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::hostile::{Random, rounds, run, scratch};

/// Fixtures with containers of every language.
const FIXTURES: &[&str] = &["fmt-libstdcxx", "fmt-libcxx", "fmt-rust", "fmt-rust-crates", "fmt-go", "fmt-c"];
/// A machine may be busy.
const TIME: Duration = Duration::from_secs(120);
/// Bytes of one answer in a session.
const LARGEST_ANSWER: usize = 1 << 20;
/// Bytes of a backtrace with all locals.
const LARGEST_BACKTRACE: u64 = 64 << 20;

fn directory(fixture: &str) -> PathBuf {
    common::root().join("tmp/fixtures").join(fixture)
}

/// What a fixture's objects are made of.
#[derive(Default)]
struct Words {
    /// Index of a frame, and its variables.
    frames: Vec<(u64, Vec<String>)>,
    fields: BTreeSet<String>,
    types: BTreeSet<String>,
}

impl Words {
    fn of(fixture: &str) -> Words {
        let limits = ["--json", "--locals", "--thread", "crashed", "--max-items", "3", "--depth", "3"];
        let output = common::obit(fixture, "bt", &limits);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut words = Words::default();
        for frame in document["threads"][0]["frames"].as_array().unwrap() {
            let mut names = Vec::new();
            for variable in frame["variables"].as_array().into_iter().flatten() {
                names.extend(variable["name"].as_str().map(str::to_owned));
                words.collect(variable);
            }
            if !names.is_empty() {
                words.frames.push((frame["index"].as_u64().unwrap(), names));
            }
        }
        assert!(!words.frames.is_empty(), "{fixture}: no locals");
        words
    }

    fn collect(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(object) => {
                self.types.extend(object.get("type").and_then(|name| name.as_str()).map(str::to_owned));
                let fields = object.get("fields").and_then(|fields| fields.as_array()).into_iter().flatten();
                self.fields.extend(fields.filter_map(|field| field["name"].as_str().map(str::to_owned)));
                object.values().for_each(|value| self.collect(value));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|value| self.collect(value)),
            _ => {}
        }
    }
}

/// Makes expressions of a fixture's words.
struct Grammar<'w> {
    random: Random,
    variables: &'w [String],
    fields: Vec<&'w str>,
    types: Vec<&'w str>,
}

impl Grammar<'_> {
    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.leaf();
        }
        let down = depth - 1;
        let a = self.expression(down);
        match self.random.below(30) {
            0..=3 => format!("{a}.{}", self.field()),
            4 => format!("{a}->{}", self.field()),
            5..=6 => format!("{a}[{}]", self.expression(down)),
            7 => format!("{a}[{}..{}]", self.number(), self.number()),
            8 => format!("{a}[..={}]", self.number()),
            9 => format!("{a}[.{} == {}]", self.field(), self.expression(down)),
            10 => format!("{a}[. {} {}]", self.operator(), self.expression(down)),
            11 => format!("{a}.map(.{})", self.field()),
            12 => format!("{a}.map({})", self.expression(down)),
            13 => format!("len({a})"),
            14 => format!("{a}.len()"),
            15..=16 => format!("{}{a}", self.random.one_of(&["*", "&", "-", "!", "~", "+", "**", "&*"])),
            17..=18 => format!("{a} {} {}", self.operator(), self.expression(down)),
            19 => format!("({} *) {a}", self.type_name()),
            20 => format!("{a} as {}", self.type_name()),
            21 => format!("{{{}}} {a}", self.type_name()),
            22 => format!("*({} *) {a}", self.type_name()),
            23 => format!("{a}@{}", self.number()),
            24 => format!("$list({a}, {})", self.field()),
            25 => format!("$tree({a}, {}, {})", self.field(), self.field()),
            26 => format!("{a} ? {} : {a}", self.expression(down)),
            27 => format!("frame({}).{a}", self.random.below(9)),
            28 => format!("$x = {a}"),
            _ => format!("sizeof({a})"),
        }
    }

    fn leaf(&mut self) -> String {
        match self.random.below(12) {
            0..=6 => self.variables[self.random.below(self.variables.len())].clone(),
            7 => self.number(),
            8 => self.random.one_of(&["$", "$$", "$x", "$rsp", "$pc", "$_siginfo", "$_", "$1", "$$3"]).to_owned(),
            9 => self.random.one_of(&["\"a\"", "'\\n'", "1.5e300", "\"\\377\"", "nullptr", "true"]).to_owned(),
            10 => format!("sizeof({})", self.type_name()),
            _ => format!("({})", self.number()),
        }
    }

    fn number(&mut self) -> String {
        match self.random.below(6) {
            0 => self.random.next().to_string(),
            1 => format!("-{}", self.random.below(1000)),
            2 => format!("{:#x}", self.random.next()),
            3 => (1u64 << self.random.below(64)).to_string(),
            _ => self.random.below(5).to_string(),
        }
    }

    fn field(&mut self) -> String {
        let own = ["0", "1", "len", "first", "second", "size", "next"];
        let word = match self.random.below(3) {
            0 => own[self.random.below(own.len())],
            _ if self.fields.is_empty() => "x",
            _ => self.fields[self.random.below(self.fields.len())],
        };
        word.to_owned()
    }

    fn type_name(&mut self) -> String {
        let own = ["int", "char", "unsigned long", "void", "char *", "double"];
        let word = match self.random.below(3) {
            0 => own[self.random.below(own.len())],
            _ if self.types.is_empty() => "int",
            _ => self.types[self.random.below(self.types.len())],
        };
        word.to_owned()
    }

    fn operator(&mut self) -> &'static str {
        let all = ["+", "-", "*", "/", "%", "<<", ">>", "==", "!=", "<", ">=", "&&", "||", "&", "|", "^", ","];
        self.random.one_of(&all)
    }

    /// An expression, some of them with characters that are gone, doubled or others.
    fn line(&mut self) -> String {
        let depth = 1 + self.random.below(3);
        let mut text: Vec<char> = self.expression(depth).chars().take(300).collect();
        if self.random.below(4) == 0 {
            for _ in 0..1 + self.random.below(3) {
                let at = self.random.below(text.len());
                match self.random.below(3) {
                    0 if text.len() > 1 => _ = text.remove(at),
                    1 => text.insert(at, text[at]),
                    _ => text[at] = *self.random.one_of(&[&'(', &')', &'[', &'.', &'*', &'"', &'<', &':', &'@', &'9']),
                }
            }
        }
        text.into_iter().filter(|c| *c != '\n').collect()
    }
}

#[test]
fn random_expressions() {
    for (number, fixture) in FIXTURES.iter().enumerate() {
        let words = Words::of(fixture);
        let random = Random(0x2545_f491_4f6c_dd1d ^ number as u64);
        let mut grammar = Grammar {
            random,
            variables: &[],
            fields: words.fields.iter().map(String::as_str).collect(),
            types: words.types.iter().map(String::as_str).collect(),
        };
        let mut script = String::new();
        let count = rounds(12) * 25;
        for index in 0..count {
            if index % 50 == 0 {
                let (frame, variables) = &words.frames[grammar.random.below(words.frames.len())];
                grammar.variables = variables;
                script += &format!("frame {frame}\n");
            }
            // Other words than these would hand what stands behind a bar to a shell.
            let command = grammar.random.one_of(&["output", "output", "print", "print/x", "whatis", "x/4xg", "x/s"]);
            script += &format!("echo @@@{index}\\n\n{command} {}\n", grammar.line());
        }
        let (lines, answer, errors) = (
            scratch(&format!("{fixture}.lines")),
            scratch(&format!("{fixture}.answers")),
            scratch(&format!("{fixture}.errors")),
        );
        fs::write(&lines, &script).unwrap();
        let place = directory(fixture);
        let (core, executable) = (place.join("core"), place.join(fixture));
        let arguments: [&OsStr; 10] = [
            core.as_ref(),
            "--sysroot".as_ref(),
            common::root().as_ref(),
            "--exe".as_ref(),
            executable.as_ref(),
            "-q".as_ref(),
            "-nx".as_ref(),
            "-batch".as_ref(),
            "-x".as_ref(),
            lines.as_ref(),
        ];
        let status = run(fixture, &arguments, TIME, &answer, Some(&errors));
        let answers = fs::read(&answer).unwrap();
        let answers = String::from_utf8_lossy(&answers);
        let errors = fs::read(&errors).unwrap();
        let errors = String::from_utf8_lossy(&errors);
        let last = answers.rsplit("@@@").next().unwrap_or_default();
        let last = last.lines().next().unwrap_or_default();
        let said = || errors.lines().filter(|line| line.contains("panicked")).collect::<Vec<_>>().join("\n");
        assert!(matches!(status.code(), Some(0..=2)), "{fixture}: {status} in line @@@{last} of {lines:?}: {}", said());
        assert!(!errors.contains("panicked"), "{fixture}: {}", said());
        assert_eq!(answers.matches("@@@").count(), count, "{fixture}: it ended in line @@@{last} of {lines:?}");
        for one in answers.split("@@@") {
            let index = one.lines().next().unwrap_or_default();
            assert!(one.len() < LARGEST_ANSWER, "{fixture}: @@@{index} of {lines:?}: {} bytes", one.len());
        }
    }
}

/// A part of a core's memory: its address, its bytes' place in the file, and whether it is code or can be written.
struct Segment {
    address: u64,
    size: u64,
    file: std::ops::Range<usize>,
    executable: bool,
    writable: bool,
}

/// PT_LOAD headers of a 64-bit little-endian core.
fn segments(core: &[u8]) -> Vec<Segment> {
    let word = |at: usize, size: usize| {
        let bytes = core[at..at + size].iter().rev();
        bytes.fold(0u64, |value, byte| value << 8 | u64::from(*byte))
    };
    let (table, count) = (word(0x20, 8) as usize, word(0x38, 2) as usize);
    let headers = (0..count).map(|number| table + number * 56).filter(|at| word(*at, 4) == 1);
    headers
        .map(|at| {
            let (flags, offset, length) = (word(at + 4, 4), word(at + 8, 8) as usize, word(at + 0x20, 8) as usize);
            Segment {
                address: word(at + 0x10, 8),
                size: word(at + 0x28, 8),
                file: offset..(offset + length).min(core.len()),
                executable: flags & 1 != 0,
                writable: flags & 2 != 0,
            }
        })
        .collect()
}

/// Overwrites one in `one_in` words of what the program could write. What leads from frame to frame stays.
fn damage(core: &mut [u8], segments: &[Segment], one_in: usize, random: &mut Random) {
    let writable: Vec<&Segment> =
        segments.iter().filter(|segment| segment.writable && !segment.file.is_empty()).collect();
    let holds = |segment: &Segment, value: u64| value.wrapping_sub(segment.address) < segment.size;
    for segment in &writable {
        let range = segment.file.clone();
        for at in range.clone().step_by(8).filter(|at| at + 8 <= range.end) {
            if random.below(one_in) != 0 {
                continue;
            }
            let before = u64::from_le_bytes(core[at..at + 8].try_into().unwrap());
            let is_code = segments.iter().any(|code| code.executable && holds(code, before));
            if is_code || holds(segment, before) && random.below(4) != 0 {
                continue;
            }
            let other = writable[random.below(writable.len())];
            let value = match random.below(7) {
                0 => random.next(),
                1 => random.below(300) as u64,
                2 => u64::MAX >> random.below(64),
                3 => before.wrapping_add(random.below(64) as u64),
                // Somewhere in memory, often to what leads back.
                4 => other.address.wrapping_add(random.below(other.size.max(8) as usize) as u64 & !7),
                5 => {
                    segment.address.wrapping_add((at - range.start) as u64).wrapping_sub(random.below(128) as u64 & !7)
                }
                _ => before ^ 1 << random.below(64),
            };
            core[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
    }
}

fn check_backtrace(what: &str, core: &Path, executable: &Path) {
    let errors = core.with_extension("errors");
    for more in [&["--json"][..], &[]] {
        let answer = core.with_extension("answer");
        let mut arguments: Vec<&OsStr> = vec!["bt".as_ref(), core.as_ref(), "--locals".as_ref()];
        arguments.extend(["--thread", "all"].map(OsStr::new));
        arguments.extend([OsStr::new("--sysroot"), common::root().as_ref(), OsStr::new("--exe"), executable.as_ref()]);
        arguments.extend(more.iter().map(|argument| OsStr::new(*argument)));
        let status = run(what, &arguments, TIME, &answer, Some(&errors));
        let said = fs::read(&errors).unwrap();
        let said = String::from_utf8_lossy(&said);
        assert!(matches!(status.code(), Some(0..=2)), "{what}: {status} ({}): {said}", core.display());
        assert!(!said.contains("panicked"), "{what} ({}): {said}", core.display());
        let size = fs::metadata(&answer).unwrap().len();
        assert!(size < LARGEST_BACKTRACE, "{what} ({}): an answer of {size} bytes", core.display());
        if !more.is_empty() {
            let bytes = fs::read(&answer).unwrap();
            let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
            assert!(parsed.is_ok(), "{what} ({}): {:?}", core.display(), parsed.err());
        }
    }
}

#[test]
fn objects_of_random_bytes() {
    let fixtures: Vec<String> = common::fixtures().into_iter().filter(|name| name.starts_with("fmt-")).collect();
    for (number, fixture) in fixtures.iter().enumerate() {
        let place = directory(fixture);
        let whole = fs::read(place.join("core")).unwrap();
        let segments = segments(&whole);
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ number as u64);
        for round in 0..rounds(2) {
            let one_in = [40, 4, 400, 1][round % 4];
            let mut core = whole.clone();
            damage(&mut core, &segments, one_in, &mut random);
            let damaged = scratch(&format!("{fixture}-{round}.random"));
            fs::write(&damaged, &core).unwrap();
            check_backtrace(&format!("{fixture}, round {round}, one word in {one_in}"), &damaged, &place.join(fixture));
            let _ = fs::remove_file(&damaged);
        }
    }
}
