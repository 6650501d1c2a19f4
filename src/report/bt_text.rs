//! Stacks as text, in the form that gdb's users know.
//!
//! ```text
//! #0  0x0000558a409781ee in crash_here (it=0x7ffdf9a89a28, depth=4) at w1.c:12
//!         12          p->pos.x = local + it->id;
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;

use super::code_text::{CodeText, CodeTexts, place, source_line};
use super::digits::{push_decimal, push_hex};
use super::fold::{Part, fold};
use super::source::Sources;
use super::style::Paint;
use super::value_text::{PrintOptions, ValueStyle, write_value};
use crate::module::ModuleId;
use crate::session::modules::ModuleLabel;
use crate::session::{Code, Frame, Role, Trace, Variable};
use crate::types::{Language, TypeTable};
use crate::unwind::{StackEnd, Trust};
use crate::value::{Provenance, Value, ValueKind};

/// A local's value is written over several lines where it would go beyond this column.
const WIDTH: usize = 120;
/// Columns before a local's name.
const INDENT: usize = 8;

/// How much is shown of each frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// Function and line.
    Compact,
    /// Also the arguments and the source line.
    Arguments,
    /// Also the locals.
    Locals,
}

/// Which arguments are shown with their values (gdb's `set print frame-arguments`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FrameArguments {
    /// Every one.
    All,
    /// Structures and arrays as `...`.
    #[default]
    Scalars,
    /// Every one as `...`.
    None,
    /// One `...` where there are any.
    Presence,
}

/// Which parts of a frame are shown (gdb's `set print frame-info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FrameInfo {
    /// The frame's line, and the line of its source.
    #[default]
    Auto,
    /// The line of the source alone.
    SourceLine,
    /// The frame's line alone.
    Location,
    /// Both, as [`FrameInfo::Auto`].
    SourceAndLocation,
    /// The frame's line, with the address of every frame.
    LocationAndAddress,
    /// The frame's line without file or module.
    ShortLocation,
}

/// What the text of a stack is made from.
pub struct StackText<'a> {
    /// Names of types.
    pub types: &'a TypeTable,
    /// Names of modules.
    pub module: &'a (dyn Fn(ModuleId) -> Option<ModuleLabel<'a>> + Sync),
    /// A frame's variables.
    pub variables: &'a (dyn Fn(&Trace, usize) -> Vec<Variable> + Sync),
    /// Source files.
    pub sources: &'a Sources,
    /// Colours.
    pub paint: Paint,
    /// Hex digits of an address: 16 or 8.
    pub address_digits: usize,
    /// Frames to show at most, after folding; the outermost are kept.
    pub frame_limit: usize,
    /// How values are written.
    pub options: PrintOptions,
    /// Which arguments are shown with their values.
    pub arguments: FrameArguments,
    /// Which parts of a frame are shown.
    pub info: FrameInfo,
    /// What was written before.
    pub codes: CodeTexts,
}

/// A line (or so) of a stack.
enum Item {
    Frame(usize),
    Repeat { period: usize, times: usize },
    Omitted(usize),
}

impl StackText<'_> {
    /// The frames of a stack, and why it ends where that is not the thread's start.
    pub fn write_stack(&self, out: &mut String, trace: &Trace, detail: Detail) {
        let items = self.items(trace);
        let highest = trace.frames.last().map_or(0, |frame| frame.index);
        // As gdb does: `#0 ` and `#12` align from two digits on.
        let width = highest.to_string().len().max(2);
        for item in items {
            match item {
                Item::Frame(position) => self.write_frame(out, trace, position, width, detail),
                Item::Repeat { period, times } => {
                    let what = if period == 1 {
                        "frame above repeats".to_owned()
                    } else {
                        format!("{period} frames above repeat")
                    };
                    let line = format!("… the {what} {} more {} …", grouped(times), plural(times, "time", "times"));
                    let _ = writeln!(out, "{:width$}  {}", "", self.paint.aside(line), width = width + 1);
                }
                Item::Omitted(count) => {
                    let noun = plural(count, "frame", "frames");
                    let line = format!("… {} {noun} left out (--frames shows more) …", grouped(count));
                    let _ = writeln!(out, "{:width$}  {}", "", self.paint.aside(line), width = width + 1);
                }
            }
        }
        if let Some(reason) = end_text(trace) {
            let _ = writeln!(out, "{}", self.paint.aside(format!("Backtrace stopped: {reason}")));
        }
    }

    /// One frame by itself.
    pub fn write_one(&self, out: &mut String, trace: &Trace, position: usize, detail: Detail) {
        self.write_frame(out, trace, position, 2, detail);
    }

    fn items(&self, trace: &Trace) -> Vec<Item> {
        let keys: Vec<_> =
            trace.frames.iter().map(|frame| (frame.pc, frame.inlined, frame.code.function.as_deref())).collect();
        // The omitted frames lie between two that were kept: what repeats is folded on each side by itself.
        let gap = trace.stack.omitted_at.filter(|_| trace.stack.omitted > 0);
        let gap = gap.map(|machine| trace.frames.partition_point(|frame| frame.machine < machine));
        let mut items = Vec::new();
        let side = |from: usize, to: usize, items: &mut Vec<Item>| {
            for part in fold(&keys[from..to]) {
                match part {
                    Part::Frames(range) => items.extend(range.map(|position| Item::Frame(from + position))),
                    Part::Repeat { period, times, .. } => items.push(Item::Repeat { period, times }),
                }
            }
        };
        match gap {
            Some(at) => {
                side(0, at, &mut items);
                items.push(Item::Omitted(trace.stack.omitted));
                side(at, keys.len(), &mut items);
            }
            None => side(0, keys.len(), &mut items),
        }
        self.limited(items)
    }

    /// At most `frame_limit` frames: the inner half and the outer half of what is there.
    fn limited(&self, items: Vec<Item>) -> Vec<Item> {
        let frames = items.iter().filter(|item| matches!(item, Item::Frame(_))).count();
        let limit = self.frame_limit.max(2);
        if frames <= limit {
            return items;
        }
        let (inner, outer) = (limit - limit / 2, frames - limit / 2);
        let mut kept = Vec::new();
        let mut seen = 0usize;
        let mut left_out = 0;
        for item in items {
            let position = seen;
            let hides = match &item {
                Item::Frame(_) => {
                    seen += 1;
                    1
                }
                Item::Repeat { period, times } => period * times,
                Item::Omitted(count) => *count,
            };
            // A line about frames belongs to the frame before it.
            let anchor = if matches!(item, Item::Frame(_)) { position } else { position.saturating_sub(1) };
            if anchor < inner || anchor >= outer {
                if left_out > 0 && anchor >= outer {
                    kept.push(Item::Omitted(left_out));
                    left_out = 0;
                }
                kept.push(item);
            } else {
                left_out += hides;
            }
        }
        kept
    }

    fn write_frame(&self, out: &mut String, trace: &Trace, position: usize, width: usize, detail: Detail) {
        let Some(frame) = trace.frames.get(position) else { return };
        // The frames that others are inlined into stand at no address of their own.
        let first_of_machine_frame =
            position == 0 || trace.frames.get(position - 1).is_none_or(|inner| inner.machine != frame.machine);
        let module = frame.module.and_then(|id| (self.module)(id));
        if self.info == FrameInfo::SourceLine && !frame.signal {
            self.write_source_line(out, frame, module, first_of_machine_frame && position > 0);
            if detail == Detail::Locals && frame.code.language.is_some() {
                self.write_locals(out, &(self.variables)(trace, position));
            }
            return;
        }
        let before = out.len();
        out.push('#');
        push_decimal(out, frame.index);
        let used = out.len() - before;
        out.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(used).max(1)));
        if frame.signal {
            let _ = writeln!(out, "{}", self.paint.heading("<signal handler called>"));
            return;
        }
        let has_address = first_of_machine_frame || self.info == FrameInfo::LocationAndAddress;
        if detail != Detail::Compact && has_address {
            match self.paint.enabled {
                true => {
                    let mut address = String::new();
                    push_padded(&mut address, frame.pc.0, self.address_digits);
                    let _ = write!(out, "{}", self.paint.address(address));
                }
                false => push_padded(out, frame.pc.0, self.address_digits),
            }
            out.push_str(" in ");
        }
        let has_unit = frame.code.language.is_some();
        let variables =
            if detail == Detail::Compact || !has_unit { Vec::new() } else { (self.variables)(trace, position) };
        let text = self.codes.of(&frame.code, || CodeText::new(&frame.code, module, self.paint));
        self.write_location(out, frame, module, text.as_deref(), &variables, detail);
        out.push('\n');
        if detail == Detail::Compact {
            return;
        }
        if matches!(self.info, FrameInfo::Auto | FrameInfo::SourceAndLocation) {
            let source = || source_line(&frame.code, module, self.sources, self.paint);
            match text.as_deref() {
                Some(text) => out.push_str(text.source(source)),
                None => out.push_str(&source()),
            }
        }
        if detail == Detail::Locals {
            self.write_locals(out, &variables);
        }
    }

    /// A frame's source line alone; where the source is not found, the number and the file.
    fn write_source_line(&self, out: &mut String, frame: &Frame, module: Option<ModuleLabel<'_>>, with_address: bool) {
        let (Some(file), Some(line)) = (&frame.code.file, frame.code.line) else { return };
        if with_address {
            push_padded(out, frame.pc.0, self.address_digits);
            out.push('\t');
        }
        match source_line(&frame.code, module, self.sources, self.paint).trim_start() {
            "" => {
                let _ = writeln!(out, "{line}\tin {}", self.paint.file(shortened(file)));
            }
            text => out.push_str(text),
        }
    }

    fn write_location(
        &self,
        out: &mut String,
        frame: &Frame,
        module: Option<ModuleLabel<'_>>,
        text: Option<&CodeText>,
        variables: &[Variable],
        detail: Detail,
    ) {
        match text {
            Some(text) => out.push_str(&text.name),
            None => {
                let _ = write!(out, "{}", self.paint.function(nameless(frame, module)));
            }
        }
        if detail != Detail::Compact && frame.code.function.is_some() {
            out.push_str(" (");
            self.write_arguments(out, variables);
            out.push(')');
        }
        match text {
            _ if self.info == FrameInfo::ShortLocation => {}
            Some(text) => out.push_str(&text.place),
            None => out.push_str(&place(&frame.code, module, self.paint)),
        }
        let found_by = match frame.trust {
            Trust::Scan => " <found by scanning the stack>",
            Trust::FramePointer => " <found by frame pointer>",
            Trust::Runtime => " <from the runtime's own record>",
            Trust::Context | Trust::Cfi | Trust::Inline => "",
        };
        if !found_by.is_empty() {
            let _ = write!(out, "{}", self.paint.aside(found_by));
        }
    }

    /// A frame's arguments alone: `n=3, text=0x4020 "x"`.
    pub fn write_arguments_of(&self, out: &mut String, trace: &Trace, position: usize) {
        let has_unit = trace.frames.get(position).is_some_and(|frame| frame.code.language.is_some());
        if has_unit {
            self.write_arguments(out, &(self.variables)(trace, position));
        }
    }

    fn write_arguments(&self, out: &mut String, variables: &[Variable]) {
        let mut arguments = variables.iter().filter(|variable| variable.role == Role::Argument).peekable();
        if self.arguments == FrameArguments::Presence && arguments.peek().is_some() {
            return out.push_str("...");
        }
        for (index, variable) in arguments.enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            let hidden = match self.arguments {
                FrameArguments::None => true,
                FrameArguments::All => false,
                _ => is_aggregate(&variable.value),
            };
            // A frame stays one line.
            let options = PrintOptions { pretty: false, array_lines: false, ..self.options };
            self.paint.push_variable(out, &variable.name);
            if self.arguments != FrameArguments::None {
                out.push_str(entry_mark(variable));
            }
            out.push('=');
            match hidden {
                true => out.push_str("..."),
                false => {
                    let style = ValueStyle { options, ..ValueStyle::default() };
                    write_value(out, self.types, &variable.value, style);
                }
            }
            self.write_inferred(out, variable);
        }
    }

    /// The locals, and those arguments that the frame's line had no room for.
    fn write_locals(&self, out: &mut String, variables: &[Variable]) {
        for variable in variables {
            if variable.role == Role::Argument && !is_aggregate(&variable.value) {
                continue;
            }
            out.extend(std::iter::repeat_n(' ', INDENT));
            self.paint.push_variable(out, &variable.name);
            out.push_str(entry_mark(variable));
            out.push_str(" = ");
            let style =
                ValueStyle { width: Some(WIDTH), indent: INDENT, options: self.options, ..ValueStyle::default() };
            write_value(out, self.types, &variable.value, style);
            self.write_inferred(out, variable);
            out.push('\n');
        }
    }

    fn write_inferred(&self, out: &mut String, variable: &Variable) {
        let absent = matches!(variable.value.kind, ValueKind::Absent(_));
        if variable.provenance == Provenance::Inferred && !absent {
            let _ = write!(out, "{}", self.paint.aside(" <inferred>"));
        }
    }
}

/// An address with its leading zeros.
fn push_padded(out: &mut String, address: u64, digits: usize) {
    out.push_str("0x");
    push_hex(out, address, digits);
}

/// gdb's spelling of a value that is known from the call alone.
fn entry_mark(variable: &Variable) -> &'static str {
    let absent = matches!(variable.value.kind, ValueKind::Absent(_));
    if variable.provenance == Provenance::EntryValue && !absent { "@entry" } else { "" }
}

/// What gdb abbreviates among arguments (`print frame-arguments scalars`).
fn is_aggregate(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Struct { .. } | ValueKind::Array { .. } | ValueKind::Variant { .. } => true,
        ValueKind::Sequence(_) | ValueKind::Map(_) | ValueKind::Parts { .. } => true,
        ValueKind::Summary(summary) => summary.content.is_some(),
        ValueKind::Pointer { reference: true, pointee: Some(pointee), .. } => is_aggregate(pointee),
        _ => false,
    }
}

/// Why a stack ends, where that is not the thread's start.
pub fn end_text(trace: &Trace) -> Option<&'static str> {
    match trace.stack.end {
        StackEnd::Complete => None,
        StackEnd::Limit if trace.stack.omitted > 0 => None,
        StackEnd::Limit => Some("at the limit of frames (--frames)"),
        StackEnd::Unreadable => Some("the memory of the frames above is not at hand"),
        StackEnd::Corrupt => Some("the next frame cannot be right (corrupt stack?)"),
        StackEnd::NoUnwindInfo => Some("nothing tells how to unwind further from here"),
    }
}

/// A frame without a function's name: `libz.so.1+0x1234`.
fn nameless(frame: &Frame, module: Option<ModuleLabel<'_>>) -> String {
    match (module, frame.module_offset) {
        (Some(module), Some(offset)) => format!("{}+{offset}", base_name(module.path)),
        (Some(module), None) => base_name(module.path).to_owned(),
        (None, _) => format!("{} (in no module)", frame.pc),
    }
}

/// What follows the last slash.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// A source path for people: without the current directory in front, and with `a/../` resolved by name, as
/// compilers write `./csu/../sysdeps/x.c`.
pub fn shortened(path: &str) -> Cow<'_, str> {
    static CURRENT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let current = CURRENT.get_or_init(|| Some(std::env::current_dir().ok()?.to_str()?.to_owned()));
    let rest = current.as_deref().filter(|current| *current != "/").and_then(|current| path.strip_prefix(current));
    let path = rest.and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
    if !path.contains("/../") && !path.starts_with("./") {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for (index, part) in path.split('/').enumerate() {
        match part {
            "." => {}
            "" if index > 0 => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "")) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    Cow::Owned(parts.join("/"))
}

/// A function's name as gdb shows it in a frame: a C++ function without its result's and parameters' types, as its
/// arguments follow, and with the names of its library's types in short.
pub fn display_name<'a>(name: &'a str, code: &Code) -> Cow<'a, str> {
    match code.language {
        Some(Language::Cpp) => {
            let plain = crate::demangle::without_parameters(name);
            crate::demangle::shorten(crate::demangle::without_result(plain))
        }
        _ => Cow::Borrowed(name),
    }
}

/// 1234567 as 1,234,567.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One or many.
pub fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// Thread ids in short: `4, 7-12`. `ids` in any order.
pub fn id_ranges(ids: &[u32]) -> String {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut parts = Vec::new();
    let mut rest = ids.as_slice();
    while let Some(&first) = rest.first() {
        let run = rest.iter().zip(first..=u32::MAX).take_while(|(id, expected)| *id == expected).count();
        let last = rest[run - 1];
        parts.push(match run {
            1 => first.to_string(),
            2 => format!("{first}, {last}"),
            _ => format!("{first}-{last}"),
        });
        rest = &rest[run..];
    }
    parts.join(", ")
}

#[cfg(test)]
#[path = "bt_text_tests.rs"]
mod tests;
