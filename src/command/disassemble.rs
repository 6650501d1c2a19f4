//! `obit disassemble`: a function's instructions, as gdb's `disassemble` shows them.

use std::collections::{HashMap, HashSet};

use super::selected::{Selected, select};
use super::x::address_of;
use super::{CommandError, FrameArgs, Output, State, common};
use crate::addr::{FileAddr, RunAddr};
use crate::arch::instruction::{InstructionDecoder, MAX_LENGTH, Syntax};
use crate::demangle::shorten;
use crate::expr::Variables;
use crate::report::bt_text::shortened;
use crate::report::documents::{self, InstructionRow};

/// Instructions that one question may ask for.
const MAX_COUNT: usize = 100_000;
/// Lines without code that are shown before one that has some.
const MOST_LINES: usize = 100;
/// Bytes shown of a function whose end is not known.
const UNKNOWN_LENGTH: u64 = 128;

/// Arguments of `disassemble`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// A function, an address in one, or a range: START,END or START,+LENGTH [default: the frame's function]
    #[arg(value_name = "WHAT", allow_hyphen_values = true)]
    what: Option<String>,
    /// Show source lines
    #[arg(long, short)]
    source: bool,
    /// Show the instructions' bytes
    #[arg(long, short)]
    raw_bytes: bool,
    /// Intel's syntax instead of AT&T's
    #[arg(long)]
    intel: bool,
    /// Show at most N instructions
    #[arg(long, value_name = "N", default_value_t = 5000)]
    count: usize,
    #[command(flatten)]
    frame: FrameArgs,
}

/// What an instruction is shown in, which says how its address is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Its function.
    Function,
    /// A range of addresses.
    Range,
    /// What `x/i` examines.
    Examined,
}

/// What is to be shown.
struct Extent {
    start: RunAddr,
    end: RunAddr,
    /// A whole function of this name.
    function: Option<String>,
}

/// Answers `disassemble`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let syntax = if args.intel { Syntax::Intel } else { state.settings.syntax };
    let selected = select(state, &args.frame)?;
    let extent = extent(args.what.as_deref(), &selected, &state.variables)?;
    let rows = rows(&selected, extent.start, Some(extent.end), args.count.min(MAX_COUNT), syntax)?;
    let left = rows.last().map_or(0, |row| {
        let next = row.address.0.saturating_add(row.bytes.len() as u64);
        extent.end.0.saturating_sub(next)
    });
    let notes = state.session.notes();
    if state.json {
        return common::write_document(output, documents::disassembly(extent.function.as_deref(), &rows, left, &notes));
    }
    if let Some(function) = &extent.function {
        writeln!(output.out, "Dump of assembler code for function {}:", shorten(function))?;
    } else {
        writeln!(output.out, "Dump of assembler code from {:#x} to {:#x}:", extent.start.0, extent.end.0)?;
    }
    let with_code: HashSet<(&str, u32)> = rows.iter().filter_map(|row| row.file.as_deref().zip(row.line)).collect();
    let mut last_line: Option<(&str, u32)> = None;
    for row in &rows {
        let line = row.file.as_deref().zip(row.line);
        if let Some((file, number)) = line.filter(|line| args.source && Some(*line) != last_line) {
            if last_line.is_some() {
                writeln!(output.out)?;
            }
            if last_line.is_none_or(|(last, _)| last != file) {
                writeln!(output.out, "{}:", shortened(file))?;
            }
            // Lines without code belong to the one that follows them.
            let before = last_line.filter(|(last, _)| *last == file).map_or(number, |(_, last)| last.saturating_add(1));
            let none = |line: &u32| !with_code.contains(&(file, *line));
            let first = (before..number).rev().take(MOST_LINES).take_while(none).last().unwrap_or(number);
            for number in first..=number {
                write_source(state, file, number, output)?;
            }
            last_line = line;
        }
        let form = if extent.function.is_some() { Form::Function } else { Form::Range };
        write_row(output, row, form, args.raw_bytes)?;
    }
    if left > 0 {
        writeln!(output.out, "   … {left} more bytes …")?;
    }
    writeln!(output.out, "End of assembler dump.")?;
    common::write_notes(output, &notes)
}

fn write_source(state: &State, file: &str, line: u32, output: &mut Output<'_>) -> Result<(), CommandError> {
    let executable = state.session.program.modules.iter().find(|module| module.seed.is_executable);
    let text = state.sources.find(file, executable.and_then(|module| module.build_id()));
    match text.and_then(|source| source.line(line)) {
        Some(text) => writeln!(output.out, "{line}\t{text}")?,
        None => writeln!(output.out, "{line}\tin {file}")?,
    }
    Ok(())
}

/// One line: `=> 0x401136 <+4>:\tmov    %rsp,%rbp`.
pub fn write_row(
    output: &mut Output<'_>,
    row: &InstructionRow,
    form: Form,
    raw_bytes: bool,
) -> Result<(), CommandError> {
    let mark = if row.current { "=> " } else { "   " };
    let function = row.function.as_deref().map(shorten);
    let place = match (&function, form) {
        (Some(_), Form::Function) => format!(" <+{}>", row.offset),
        (Some(function), Form::Examined) if row.offset == 0 => format!(" <{function}>"),
        (Some(function), _) => format!(" <{function}+{}>", row.offset),
        (None, _) => String::new(),
    };
    let bytes: String = if raw_bytes {
        let digits: Vec<String> = row.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        // As wide as gdb has it.
        format!("{:<19}\t", digits.join(" "))
    } else {
        String::new()
    };
    let text = row.text.as_deref().unwrap_or("(bad)");
    let suffix = match (&row.target, &row.data) {
        (Some((_, Some(symbol))), _) => format!(" <{}>", shorten(symbol)),
        (_, Some((address, Some(symbol)))) => format!("        # {:#x} <{}>", address.0, shorten(symbol)),
        (_, Some((address, None))) => format!("        # {:#x}", address.0),
        _ => String::new(),
    };
    let width = if form == Form::Examined { 0 } else { 18 };
    let line = format!("{mark}{:#0width$x}{place}:\t{bytes}{text}{suffix}", row.address.0);
    match row.current {
        true => writeln!(output.out, "{}", output.paint.heading(line))?,
        false => writeln!(output.out, "{line}")?,
    }
    Ok(())
}

fn extent(what: Option<&str>, selected: &Selected<'_>, variables: &Variables) -> Result<Extent, CommandError> {
    let address = |text: &str| address_of(selected, variables, text.trim());
    if let Some((start, end)) = what.and_then(|what| what.rsplit_once(',')) {
        let start = address(start)?;
        let end = match end.trim().strip_prefix('+') {
            Some(length) => RunAddr(start.0.saturating_add(address(length)?.0)),
            None => address(end)?,
        };
        if end <= start {
            return Err(CommandError::Usage(format!("{:#x} is not behind {:#x}", end.0, start.0)));
        }
        return Ok(Extent { start, end, function: None });
    }
    let (at, called) = match what {
        Some(what) => (address(what)?, what.to_owned()),
        None => match selected.frame() {
            Some(frame) => (frame.lookup, format!("frame {}", frame.index)),
            None => return Err(CommandError::NoMatch("the thread has no frame; name a function".to_owned())),
        },
    };
    function_around(selected, at)
        .ok_or_else(|| CommandError::NoMatch(format!("{called}: no function contains {:#x}; give START,+LENGTH", at.0)))
}

/// The function that the address is in: by its symbol, else by the debug information.
fn function_around(selected: &Selected<'_>, at: RunAddr) -> Option<Extent> {
    let session = selected.session;
    let module = session.program.modules.at(at)?;
    let here = module.to_file(at);
    let run = |address: u64| FileAddr(address).to_run(module.bias());
    if let Some(symbol) = module.symbols().lookup(here) {
        let length = if symbol.size == 0 { UNKNOWN_LENGTH } else { symbol.size };
        let name = crate::demangle::demangle(&symbol.text()).unwrap_or_else(|| symbol.text().into_owned());
        let end = run(symbol.address.0.saturating_add(length));
        return Some(Extent { start: run(symbol.address.0), end, function: Some(name) });
    }
    let function = session.program.function_at(at)?;
    let (low, high) = function.scopes.first()?.ranges.iter().find(|(low, high)| (*low..*high).contains(&here.0))?;
    let name = session.code(at).into_iter().last()?.function.as_ref()?.to_string();
    Some(Extent { start: run(*low), end: run(*high), function: Some(name) })
}

fn file_bytes(selected: &Selected<'_>, at: RunAddr) -> Option<&'static [u8]> {
    let module = selected.session.program.modules.at(at)?;
    module.file()?.bytes_at(module.to_file(at)).filter(|bytes| !bytes.is_empty())
}

/// The `count` instructions before `end`, as far as the function before it goes.
pub fn rows_before(
    selected: &Selected<'_>,
    end: RunAddr,
    count: usize,
    syntax: Syntax,
) -> Result<Vec<InstructionRow>, CommandError> {
    let nothing = || CommandError::NoMatch(format!("no function is before {:#x}", end.0));
    let before = RunAddr(end.0.checked_sub(1).ok_or_else(nothing)?);
    let start = function_around(selected, before).ok_or_else(nothing)?.start;
    let mut rows = rows(selected, start, Some(end), MAX_COUNT, syntax)?;
    rows.drain(..rows.len().saturating_sub(count));
    Ok(rows)
}

/// Decodes from `start` on: up to `end`, at most `count`.
pub fn rows(
    selected: &Selected<'_>,
    start: RunAddr,
    end: Option<RunAddr>,
    count: usize,
    syntax: Syntax,
) -> Result<Vec<InstructionRow>, CommandError> {
    let session = selected.session;
    let decoder = InstructionDecoder::new(session.image.arch, syntax);
    let pc = selected.frame().map(|frame| frame.pc);
    let mut symbols: HashMap<RunAddr, Option<String>> = HashMap::new();
    let mut named = |address: RunAddr| {
        let find = || {
            let (name, distance) = session.symbol(address)?;
            Some(if distance == 0 { name } else { format!("{name}+{distance}") })
        };
        symbols.entry(address).or_insert_with(find).clone()
    };
    let mut rows = Vec::new();
    let mut at = start;
    while rows.len() < count && end.is_none_or(|end| at < end) {
        crate::interrupt::check()?;
        let mut buffer = [0; MAX_LENGTH];
        let mut length = MAX_LENGTH;
        // Less than the longest instruction may be left of what can be read.
        let read = loop {
            match session.memory().read(at, &mut buffer[..length]) {
                Ok(()) => break Ok(length),
                Err(error) if length == 1 => break Err(error),
                Err(_) => length -= 1,
            }
        };
        let bytes = match read {
            Ok(length) => &buffer[..length],
            // Where the core has no code and its file is taken on trust, the file's code is the best there is; a note
            // says of such a file that nothing proves it.
            Err(_) if file_bytes(selected, at).is_some() => {
                let bytes = file_bytes(selected, at).unwrap_or_default();
                length = bytes.len().min(MAX_LENGTH);
                buffer[..length].copy_from_slice(&bytes[..length]);
                &buffer[..length]
            }
            Err(error) if rows.is_empty() => return Err(CommandError::NoMatch(error.to_string())),
            Err(_) => break,
        };
        let decoded = decoder.decode(bytes, at);
        let length = decoded.as_ref().map_or(decoder.step().min(bytes.len()), |decoded| decoded.length);
        let place = session.symbol(at);
        let code = session.code(at).into_iter().next();
        rows.push(InstructionRow {
            address: at,
            bytes: bytes[..length].to_vec(),
            target: decoded.as_ref().and_then(|decoded| decoded.target).map(|target| (target, named(target))),
            data: decoded.as_ref().and_then(|decoded| decoded.data).map(|data| (data, named(data))),
            text: decoded.map(|decoded| decoded.text),
            offset: place.as_ref().map_or(0, |(_, distance)| *distance),
            function: place.map(|(name, _)| name),
            file: code.as_ref().and_then(|code| code.file.as_deref().map(str::to_owned)),
            line: code.as_ref().and_then(|code| code.line),
            current: pc == Some(at),
        });
        let Some(next) = at.checked_add(length.max(1) as u64) else { break };
        at = next;
    }
    Ok(rows)
}
