//! Errors: their message where it follows from data.
//!
//! What an error says is what its method `Error` returns, which nobody runs here. For types of the standard library
//! whose method only puts fields together it is done again; other errors show their fields, and so the chain.

use std::fmt::Write;

use super::super::{Item, Object, Refusal, View, corrupt};
use super::values::{dynamic, title};

/// Bytes of a message that are shown.
const MAX_MESSAGE: usize = 1024;
/// Errors that one message is put together of.
const MAX_ERRORS: usize = 64;
/// Errors within errors.
const MAX_NESTING: usize = 16;

/// What a message consists of.
enum Piece {
    /// That text.
    Text(&'static str),
    /// A string in a field.
    Field(&'static str),
    /// The same in quotes.
    Quoted(&'static str),
    /// The message of an error in a field.
    Error(&'static str),
    /// Messages of the errors in a field's slice, one a line.
    Errors(&'static str),
    /// The object is a string itself.
    Itself,
    /// A number of the operating system's.
    Errno,
    /// Of an index or a length that is out of bounds.
    Bounds,
    /// Of a type that a value is not of.
    Assertion,
}

use Piece::{Assertion, Bounds, Errno, Errors, Field, Itself, Quoted, Text};

/// Types by name, and what their method `Error` puts together (go `src`, the same from Go 1.18 to 1.27; the last three:
/// github.com/pkg/errors 0.8 and 0.9).
static KNOWN: &[(&str, &[Piece])] = &[
    ("errors.errorString", &[Field("s")]),
    ("errors.joinError", &[Errors("errs")]),
    ("fmt.wrapError", &[Field("msg")]),
    ("fmt.wrapErrors", &[Field("msg")]),
    ("io/fs.PathError", &[Field("Op"), Text(" "), Field("Path"), Text(": "), Piece::Error("Err")]),
    ("os.SyscallError", &[Field("Syscall"), Text(": "), Piece::Error("Err")]),
    ("os.LinkError", &[Field("Op"), Text(" "), Field("Old"), Text(" "), Field("New"), Text(": "), Piece::Error("Err")]),
    ("os/exec.Error", &[Text("exec: "), Quoted("Name"), Text(": "), Piece::Error("Err")]),
    (
        "strconv.NumError",
        &[Text("strconv."), Field("Func"), Text(": parsing "), Quoted("Num"), Text(": "), Piece::Error("Err")],
    ),
    ("net/url.Error", &[Field("Op"), Text(" "), Quoted("URL"), Text(": "), Piece::Error("Err")]),
    ("encoding/json.SyntaxError", &[Field("msg")]),
    ("context.deadlineExceededError", &[Text("context deadline exceeded")]),
    ("internal/poll.DeadlineExceededError", &[Text("i/o timeout")]),
    ("internal/poll.errNetClosing", &[Text("use of closed network connection")]),
    ("runtime.PanicNilError", &[Text("panic called with nil argument (use GODEBUG=panicnil=1 to disable)")]),
    ("runtime.TypeAssertionError", &[Assertion]),
    ("runtime.boundsError", &[Text("runtime error: "), Bounds]),
    ("runtime.errorAddressString", &[Text("runtime error: "), Field("msg")]),
    ("runtime.errorString", &[Text("runtime error: "), Itself]),
    ("runtime.plainError", &[Itself]),
    ("syscall.Errno", &[Errno]),
    ("github.com/pkg/errors.fundamental", &[Field("msg")]),
    ("github.com/pkg/errors.withMessage", &[Field("msg"), Text(": "), Piece::Error("cause")]),
    ("github.com/pkg/errors.withStack", &[Piece::Error("error")]),
];

/// `error(*io/fs.PathError) "open x: no such file or directory"` and the error's fields; declines where the object holds
/// none.
pub(super) fn error<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let content = dynamic(object)?.ok_or(Refusal::Declined)?;
    let mut message = Message { text: Vec::new(), errors: MAX_ERRORS };
    let known = match message.of_error(&content, 0) {
        Ok(()) => format!(" {}", message.quoted()),
        // The fields say what is wrong.
        Err(_) => String::new(),
    };
    let (title, variant) = title(object, &content);
    // An error that says nothing more than its message is the same as others only where it is at the same place.
    let shown = match (content.target(), content.pointer()) {
        (Ok(target), Ok(address)) if address != 0 && (known.is_empty() || !is_bare(object, target)) => {
            Item::Object(object.at(address, target))
        }
        _ => content.into(),
    };
    Ok(View::Variant { title: title + &known, variant, content: Some(shown) })
}

/// Whether nothing but a message is in objects of the type.
fn is_bare(object: &Object<'_>, error: crate::types::TypeId) -> bool {
    let name = object.types().name(object.types().strip(error));
    matches!(known(name), Some([Field(_)])) && object.at(0, error).only_field().is_ok()
}

fn known(name: &str) -> Option<&'static [Piece]> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, pieces)| *pieces)
}

/// A message that is put together.
struct Message {
    text: Vec<u8>,
    /// Errors that may still be asked for theirs.
    errors: usize,
}

impl Message {
    /// Adds what the error says; declines where that does not follow from data.
    fn of_error(&mut self, error: &Object<'_>, nesting: usize) -> Result<(), Refusal> {
        self.errors = self.errors.checked_sub(1).ok_or(Refusal::Declined)?;
        if nesting > MAX_NESTING {
            return Err(Refusal::Declined);
        }
        let error = match error.target() {
            Ok(_) => error.deref()?,
            Err(_) => *error,
        };
        let name = error.types().name(error.types().strip(error.type_id));
        for piece in known(name).ok_or(Refusal::Declined)? {
            if self.text.len() > MAX_MESSAGE {
                break;
            }
            match *piece {
                Piece::Text(text) => self.text.extend_from_slice(text.as_bytes()),
                Piece::Field(field) => self.string(&error.field(field)?)?,
                Piece::Itself => self.string(&error)?,
                Piece::Quoted(field) => {
                    let start = self.text.len();
                    self.string(&error.field(field)?)?;
                    // Go would escape anything else.
                    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && !matches!(byte, b'"' | b'\\');
                    if !self.text.get(start..).is_some_and(|text| text.iter().all(plain)) {
                        return Err(Refusal::Declined);
                    }
                    self.text.insert(start, b'"');
                    self.text.push(b'"');
                }
                Piece::Error(field) => self.of_interface(&error.field(field)?, nesting)?,
                Piece::Errors(field) => self.of_all(&error.field(field)?, nesting)?,
                Piece::Errno => self.errno(&error)?,
                Piece::Bounds => self.bounds(&error)?,
                Piece::Assertion => self.assertion(&error)?,
            }
        }
        Ok(())
    }

    fn of_interface(&mut self, interface: &Object<'_>, nesting: usize) -> Result<(), Refusal> {
        let content = dynamic(interface)?.ok_or(Refusal::Declined)?;
        self.of_error(&content, nesting + 1)
    }

    fn of_all(&mut self, slice: &Object<'_>, nesting: usize) -> Result<(), Refusal> {
        let data = slice.field("array")?;
        let (first, length) = (data.at(data.pointer()?, data.target()?), slice.field("len")?.uint()?);
        let size = first.size()?;
        for index in 0..length {
            if index > 0 {
                self.text.push(b'\n');
            }
            let offset = index.checked_mul(size).ok_or(Refusal::Declined)?;
            self.of_interface(&first.shifted(offset)?, nesting)?;
        }
        Ok(())
    }

    fn string(&mut self, string: &Object<'_>) -> Result<(), Refusal> {
        let (address, length) = (string.field("str")?.pointer()?, string.field("len")?.uint()?);
        let room = (MAX_MESSAGE + 1).saturating_sub(self.text.len());
        let shown = length.min(room as u64) as usize;
        if shown > 0 {
            self.text.extend(string.read(address, shown)?);
        }
        Ok(())
    }

    /// The program's own table says what the number means (go `src/syscall/syscall_unix.go`, Errno.Error).
    fn errno(&mut self, errno: &Object<'_>) -> Result<(), Refusal> {
        let (table, size) = errno.go_data("syscall.errors").ok_or(Refusal::Declined)?;
        self.text.extend(table_text(errno, table, size, errno.uint()?)?);
        Ok(())
    }

    /// The program's own tables say how index and length are written (go `src/runtime/error.go`, boundsError.Error).
    fn bounds(&mut self, error: &Object<'_>) -> Result<(), Refusal> {
        let (index, length) = (error.field("x")?.int()?, error.field("y")?.int()?);
        let signed = error.field("signed")?.uint()? != 0;
        let table = if signed && index < 0 { "runtime.boundsNegErrorFmts" } else { "runtime.boundsErrorFmts" };
        let (table, size) = error.go_data(table).ok_or(Refusal::Declined)?;
        let text = table_text(error, table, size, error.field("code")?.uint()?)?;
        let mut rest = text.as_slice();
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match (byte, after.first()) {
                (b'%', Some(b'x')) if signed => self.text.extend(index.to_string().into_bytes()),
                (b'%', Some(b'x')) => self.text.extend((index as u64).to_string().into_bytes()),
                (b'%', Some(b'y')) => self.text.extend(length.to_string().into_bytes()),
                _ => {
                    self.text.push(*byte);
                    continue;
                }
            }
            rest = after.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    /// What was asserted of which type (go `src/runtime/error.go`, TypeAssertionError.Error).
    fn assertion(&mut self, error: &Object<'_>) -> Result<(), Refusal> {
        let name = |field: &str| -> Result<Option<String>, Refusal> {
            match error.field(field)?.pointer()? {
                0 => Ok(None),
                described => {
                    let type_id = error.go_type(described).ok_or(Refusal::Declined)?;
                    Ok(Some(without_paths(error.types().name(type_id))))
                }
            }
        };
        let interface = name("_interface")?.unwrap_or_else(|| "interface".to_owned());
        let asserted = name("asserted")?.ok_or(Refusal::Declined)?;
        let Some(concrete) = name("concrete")? else {
            self.text.extend(format!("interface conversion: {interface} is nil, not {asserted}").into_bytes());
            return Ok(());
        };
        let missing = error.field("missingMethod")?;
        if missing.field("len")?.uint()? > 0 {
            self.text
                .extend(format!("interface conversion: {concrete} is not {asserted}: missing method ").into_bytes());
            return self.string(&missing);
        }
        // Types of one name are of different packages or scopes, which takes more to say.
        if concrete == asserted {
            return Err(Refusal::Declined);
        }
        self.text.extend(format!("interface conversion: {interface} is {concrete}, not {asserted}").into_bytes());
        Ok(())
    }

    /// As Go quotes it.
    fn quoted(&self) -> String {
        let cut = self.text.len() > MAX_MESSAGE;
        let text = String::from_utf8_lossy(self.text.get(..MAX_MESSAGE).unwrap_or(&self.text));
        let mut quoted = String::with_capacity(text.len() + 2);
        quoted.push('"');
        for char in text.chars() {
            match char {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                '\r' => quoted.push_str("\\r"),
                char if char.is_control() => {
                    let _ = write!(quoted, "\\x{:02x}", u32::from(char));
                }
                char => quoted.push(char),
            }
        }
        quoted.push('"');
        if cut {
            quoted.push_str("...");
        }
        quoted
    }
}

/// A text of a table of strings of the program's; declines where there is none of that number.
fn table_text(object: &Object<'_>, table: u64, size: u64, number: u64) -> Result<Vec<u8>, Refusal> {
    let word = object.word();
    let offset = number.checked_mul(2 * word).filter(|offset| *offset < size).ok_or(Refusal::Declined)?;
    let entry = table.checked_add(offset).ok_or_else(|| corrupt("beyond the address space"))?;
    let (text, length) = (object.read_pointer(entry)?, object.read_uint(entry + word, word as usize)?);
    if length == 0 || length > MAX_MESSAGE as u64 {
        return Err(Refusal::Declined);
    }
    object.read(text, length as usize)
}

/// `*fs.PathError` for `*io/fs.PathError`: the runtime names a package without its path.
pub(super) fn without_paths(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for part in name.split_inclusive(|c: char| !(c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '~'))) {
        out.push_str(part.rsplit('/').next().unwrap_or(part));
    }
    out
}

/// What an error in an interface says, where that follows from data; `None` where the interface holds none that is known.
pub fn message(object: &Object<'_>) -> Option<String> {
    let content = dynamic(object).ok()??;
    let mut message = Message { text: Vec::new(), errors: MAX_ERRORS };
    message.of_error(&content, 0).ok()?;
    Some(String::from_utf8_lossy(&message.text).into_owned())
}
