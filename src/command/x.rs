//! `obit x`: memory as gdb's `x/NFU` shows it.

use super::disassemble::{self, Form};
use super::registers::symbol_text;
use super::selected::{Selected, select};
use super::{CommandError, FrameArgs, Output, State, common};
use crate::addr::RunAddr;
use crate::expr::{Variables, evaluate};
use crate::interrupt;
use crate::memory::{Memory, MissingReason, ReadError};
use crate::report::documents::{self, MemoryRow};
use crate::report::formatted::{Bits, LETTERS, number_text};
use crate::report::value_text::text_within;
use crate::types::{Language, TypeKind};
use crate::value::Place;

/// Units that one question may ask for.
const MAX_COUNT: usize = 1 << 20;

/// Arguments of `x`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Where: an address or any expression that gives one; gdb's /NFU may come before it (/8xg $sp)
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    address: Vec<String>,
    /// Count, form (x d u o t c a f s z, i for instructions) and unit (b h w g), as after gdb's x/
    #[arg(long, short, value_name = "NFU")]
    format: Option<String>,
    #[command(flatten)]
    frame: FrameArgs,
    /// Show at most N bytes of a string
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = "Limits")]
    max_string: usize,
}

/// gdb's N, F and U.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Format {
    count: usize,
    letter: char,
    unit: usize,
    /// Units go downwards from the address.
    backwards: bool,
}

/// What was examined last, where a session's next `x` goes on.
#[derive(Clone, Copy, Debug)]
pub struct Examined {
    next: RunAddr,
    letter: char,
    unit: usize,
    count: usize,
}

/// Reads `8xg`, with or without the slash; `address_size` is the unit of `a`.
fn parse_format(text: &str, address_size: usize, before: Option<Examined>) -> Result<Format, String> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let (backwards, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let count = if digits == 0 { 1 } else { text[..digits].parse().unwrap_or(usize::MAX) };
    if count > MAX_COUNT {
        return Err(format!("{text}: at most {MAX_COUNT} units are shown at once"));
    }
    let mut letter = None;
    let mut unit = None;
    for c in text[digits..].chars() {
        match c {
            'b' => unit = Some(1),
            'h' => unit = Some(2),
            'w' => unit = Some(4),
            'g' => unit = Some(8),
            'i' => letter = Some('i'),
            _ if LETTERS.contains(c) => letter = Some(c),
            _ => return Err(format!("{text}: {c} is no form ({LETTERS}) and no unit (bhwg)")),
        }
    }
    let given = unit;
    // As gdb: what is not said is as it was the last time.
    let letter_before = before.map(|before| before.letter);
    let unit = match (letter.or(letter_before), unit, before) {
        (Some(wanted), None, Some(before)) if wanted == before.letter || !matches!(wanted, 'c' | 'a' | 's') => {
            Some(before.unit)
        }
        _ => unit,
    };
    // As gdb: with a size, what was shown as instructions is not gone on with.
    let letter_before = letter_before.filter(|before| *before != 'i' || given.is_none());
    let letter = letter.or(letter_before).unwrap_or('x');
    // As gdb: addresses have their own size, characters one byte, floats eight, and everything else a word.
    let unit = match (letter, unit) {
        ('a', _) => given.unwrap_or(address_size),
        ('s', _) => given.filter(|unit| matches!(unit, 2 | 4)).unwrap_or(1),
        ('f', Some(unit @ (4 | 8))) => unit,
        ('f', _) => 8,
        (_, Some(unit)) => unit,
        ('c', None) => 1,
        _ => 4,
    };
    Ok(Format { count, letter, unit, backwards })
}

/// Answers `x`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let (format, expression) = match args.address.as_slice() {
        [only] => match only.strip_prefix('/').and_then(|rest| rest.split_once(' ')) {
            Some((format, rest)) => (Some(format), rest),
            None => (args.format.as_deref(), only.as_str()),
        },
        [format, address] if format.starts_with('/') => (Some(format.as_str()), address.as_str()),
        [_, second, ..] => {
            return Err(CommandError::Usage(format!("{second}: one address is expected (its form goes before: /8xg)")));
        }
        // In a session it goes on behind what was shown last.
        [] => (args.format.as_deref(), ""),
    };
    // A form that makes no sense is said before the target is opened.
    parse_format(format.unwrap_or(""), 8, None).map_err(CommandError::Usage)?;
    let session = &state.session;
    let address_size = session.image.arch.address_size();
    let before = state.examined;
    let repeats = format.is_none() && expression.is_empty();
    let mut format = parse_format(format.unwrap_or(""), address_size, before).map_err(CommandError::Usage)?;
    if let (true, Some(before)) = (repeats, before) {
        format.count = before.count;
    }
    let selected = select(state, &args.frame)?;
    let start = match (expression, before) {
        ("", Some(before)) => before.next,
        ("", None) => return Err(CommandError::Usage("Argument required (starting display address).".to_owned())),
        (expression, _) => address_of(&selected, &state.variables, expression)?,
    };
    let mut seen = Seen::default();
    let answered = examine(args, state, &selected, start, &format, output, &mut seen);
    if !state.interactive {
        return answered;
    }
    if let Some(next) = seen.next {
        // As gdb: what follows text is bytes.
        let unit = if format.letter == 's' { 1 } else { format.unit };
        state.examined = Some(Examined { next, letter: format.letter, unit, count: format.count });
    }
    if let Some(last) = seen.last {
        let types = &state.session.types;
        let unit = if format.letter == 'i' { 1 } else { format.unit };
        let target = types.number(unit_name(unit), unit as u64, Language::C, TypeKind::Int { signed: true });
        // As in gdb, instructions and strings have an address alone.
        let has_content = !matches!(format.letter, 'i' | 's');
        state.variables.set_last(types, address_size, last, target, has_content);
    }
    answered
}

/// What was shown: the last unit that could be read, and the address behind everything.
#[derive(Default)]
struct Seen {
    last: Option<RunAddr>,
    next: Option<RunAddr>,
}

/// The type that gdb gives to what it examines.
fn unit_name(unit: usize) -> &'static str {
    match unit {
        1 => "int8_t",
        2 => "int16_t",
        8 => "int64_t",
        _ => "int32_t",
    }
}

/// A session's next `x` goes on at an address that another answer named, as in gdb; `$_` is that address.
pub fn go_on_at(state: &mut State, address: RunAddr) {
    let before = state.examined;
    let (letter, unit) = before.map_or(('x', 4), |before| (before.letter, before.unit));
    state.examined = Some(Examined { next: address, letter, unit, count: 1 });
    let (types, size) = (&state.session.types, state.session.image.arch.address_size());
    state.variables.set_last(types, size, address, types.make_void(Language::C), false);
}

/// Shows what is there.
fn examine(
    args: &Args,
    state: &State,
    selected: &Selected<'_>,
    start: RunAddr,
    format: &Format,
    output: &mut Output<'_>,
    seen: &mut Seen,
) -> Result<(), CommandError> {
    let session = &state.session;
    if format.letter == 'i' {
        let rows = match format.backwards {
            true => disassemble::rows_before(selected, start, format.count, state.settings.syntax)?,
            false => disassemble::rows(selected, start, None, format.count, state.settings.syntax)?,
        };
        seen.next = match format.backwards {
            true => rows.first().map(|row| row.address),
            false => rows.last().and_then(|row| row.address.checked_add(row.bytes.len() as u64)),
        };
        seen.last = rows.last().map(|row| row.address);
        let notes = session.notes();
        if state.json {
            return common::write_document(output, documents::disassembly(None, &rows, 0, &notes));
        }
        for row in &rows {
            disassemble::write_row(output, row, Form::Examined, false)?;
        }
        return common::write_notes(output, &notes);
    }
    let rows = if format.letter == 's' {
        let (mut rows, behind) = strings(session.memory(), start, format, args.max_string);
        for row in &mut rows {
            row.symbol = session.symbol(row.address);
        }
        seen.next = behind;
        rows
    } else {
        // Backwards, gdb goes on before what it showed.
        let length = (format.count as u64).saturating_mul(format.unit as u64);
        seen.next =
            if format.backwards { Some(RunAddr(start.0.wrapping_sub(length))) } else { start.checked_add(length) };
        units(selected, start, format)
    };
    interrupt::check()?;
    seen.last = rows.iter().rev().find(|row| row.bytes.is_ok()).map(|row| row.address);
    let notes = session.notes();
    if state.json {
        return common::write_document(output, documents::memory(&rows, format.letter, format.unit, &notes));
    }
    write_rows(&rows, format, output)?;
    common::write_notes(output, &notes)
}

/// The address that the expression stands for: a pointer's value, or an object's own place, as in gdb. `variables` are
/// the session's.
pub(super) fn address_of(
    selected: &Selected<'_>,
    variables: &Variables,
    expression: &str,
) -> Result<RunAddr, CommandError> {
    let usage = |message: &str| CommandError::Usage(format!("{expression}: {message}"));
    let evaluated = match evaluate(selected, expression, &mut variables.clone()) {
        Ok(evaluated) => evaluated,
        // `main.(*T).f`, `f(int)`: names that are no expressions.
        Err(error) => return selected.session.find_symbol(expression).map(|(address, _)| address).ok_or(error.into()),
    };
    let types = &selected.session.types;
    let place = evaluated.place.map_err(|absent| {
        CommandError::NoMatch(format!("{expression}: {}", crate::report::value_text::absent_text(&absent)))
    })?;
    let kind = &types.get(types.strip(evaluated.type_id)).kind;
    let is_number =
        matches!(kind, TypeKind::Int { .. } | TypeKind::Pointer { .. } | TypeKind::Char { .. } | TypeKind::Enum { .. });
    let is_reference = matches!(kind, TypeKind::Reference { .. });
    let is_number = is_number || is_reference;
    if let (Place::Memory(address), false) = (&place, is_number) {
        return Ok(*address);
    }
    let size = types.size(evaluated.type_id).filter(|size| is_number && *size <= 8);
    let size = size.ok_or_else(|| usage("it is neither an address nor an object in memory"))? as usize;
    let bytes = match &place {
        Place::Memory(at) => selected.session.memory().read_vec(*at, size),
        Place::Bytes(bytes) if bytes.holes.is_empty() => Ok(bytes.data.get(..size).unwrap_or_default().to_vec()),
        Place::Bytes(_) => return Err(CommandError::NoMatch(format!("{expression}: its value is not known"))),
    };
    let bytes = bytes.map_err(|error| CommandError::NoMatch(format!("{expression}: {error}")))?;
    Ok(RunAddr(Bits::from_bytes(&bytes).value))
}

fn units(selected: &Selected<'_>, start: RunAddr, format: &Format) -> Vec<MemoryRow> {
    let memory = selected.session.memory();
    let symbol = |address| selected.session.symbol(RunAddr(address)).map(|found| symbol_text(&found));
    let length = (format.count as u64).saturating_mul(format.unit as u64);
    let start = if format.backwards { RunAddr(start.0.wrapping_sub(length)) } else { start };
    let per_line = per_line(format);
    let mut rows = Vec::new();
    for index in 0..format.count {
        let address = RunAddr(start.0.wrapping_add((index * format.unit) as u64));
        let bytes = memory.read_vec(address, format.unit);
        let text = match &bytes {
            Ok(bytes) => number_text(Bits::from_bytes(bytes), format.letter, true, &symbol),
            Err(_) => String::new(),
        };
        let failed = bytes.is_err() || interrupt::requested();
        // Only a line's first unit shows its symbol.
        let symbol = (index % per_line == 0).then(|| selected.session.symbol(address)).flatten();
        rows.push(MemoryRow { address, symbol, bytes, text });
        if failed {
            break;
        }
    }
    rows
}

/// The strings, and the address behind them.
fn strings(memory: &dyn Memory, start: RunAddr, format: &Format, limit: usize) -> (Vec<MemoryRow>, Option<RunAddr>) {
    let mut rows = Vec::new();
    let mut address = start;
    for _ in 0..format.count {
        if interrupt::requested() {
            break;
        }
        let read = match format.unit {
            1 => memory.read_c_string(address, limit.max(1)),
            unit => wide_string(memory, address, unit, limit.max(1)),
        };
        let (bytes, text, next) = match read {
            Ok((bytes, complete)) => {
                let (prefix, shown) = match format.unit {
                    1 => ("", text_within(&bytes, '"')),
                    2 => ("u", text_within(&utf8(&bytes, 2), '"')),
                    unit => ("U", text_within(&utf8(&bytes, unit), '"')),
                };
                let text = format!("{prefix}\"{shown}\"{}", if complete { "" } else { "..." });
                let end = if complete { format.unit as u64 } else { 0 };
                let next = address.checked_add(bytes.len() as u64 + end);
                (Ok(bytes), text, next)
            }
            Err(error) => (Err(error), String::new(), None),
        };
        rows.push(MemoryRow { address, symbol: None, bytes, text });
        match next {
            Some(next) => address = next,
            None => return (rows, None),
        }
    }
    (rows, Some(address))
}

/// The units before the first that is 0, as bytes, and whether there was one.
fn wide_string(memory: &dyn Memory, start: RunAddr, unit: usize, limit: usize) -> Result<(Vec<u8>, bool), ReadError> {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        let at = RunAddr(start.0.wrapping_add(bytes.len() as u64));
        match memory.read_vec(at, unit) {
            Ok(read) if read.iter().all(|byte| *byte == 0) => return Ok((bytes, true)),
            Ok(read) => bytes.extend(read),
            Err(error) if bytes.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok((bytes, false))
}

/// UTF-16 or UTF-32 as UTF-8.
fn utf8(bytes: &[u8], unit: usize) -> Vec<u8> {
    let codes = bytes.chunks_exact(unit).map(|code| Bits::from_bytes(code).value);
    let text: String = match unit {
        2 => char::decode_utf16(codes.map(|code| code as u16))
            .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => {
            let char = |code| u32::try_from(code).ok().and_then(char::from_u32);
            codes.map(|code| char(code).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
    };
    text.into_bytes()
}

/// Units on one line, as gdb breaks them.
fn per_line(format: &Format) -> usize {
    match (format.letter, format.unit) {
        ('s', _) => 1,
        ('c', _) | (_, 1 | 2) => 8,
        (_, 4) => 4,
        _ => 2,
    }
}

fn write_rows(rows: &[MemoryRow], format: &Format, output: &mut Output<'_>) -> Result<(), CommandError> {
    for line in rows.chunks(per_line(format)) {
        let Some(first) = line.first() else { continue };
        write!(output.out, "{}", output.paint.address(first.address))?;
        if let Some(symbol) = &first.symbol {
            write!(output.out, " {}", output.paint.function(symbol_text(symbol)))?;
        }
        write!(output.out, ":")?;
        for row in line {
            match &row.bytes {
                Ok(_) => write!(output.out, "\t{}", row.text)?,
                Err(error) => write!(output.out, "\t{}", output.paint.alarm(missing_text(error)))?,
            }
        }
        writeln!(output.out)?;
    }
    Ok(())
}

fn missing_text(error: &ReadError) -> String {
    match error.reason {
        MissingReason::Unmapped => format!("Cannot access memory at address {}", error.address),
        reason => format!("<{} at {}>", reason.text(), error.address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(count: usize, letter: char, unit: usize) -> Format {
        Format { count, letter, unit, backwards: false }
    }

    #[test]
    fn formats_read_as_in_gdb() {
        assert_eq!(parse_format("/8xg", 8, None), Ok(format(8, 'x', 8)));
        assert_eq!(parse_format("", 8, None), Ok(format(1, 'x', 4)));
        assert_eq!(parse_format("3s", 8, None), Ok(format(3, 's', 1)));
        assert_eq!(parse_format("2a", 4, None), Ok(format(2, 'a', 4)));
        assert_eq!(parse_format("2aw", 8, None), Ok(format(2, 'a', 4)));
        assert_eq!(parse_format("c", 8, None), Ok(format(1, 'c', 1)));
        assert_eq!(parse_format("4f", 8, None), Ok(format(4, 'f', 8)));
        assert_eq!(parse_format("bx", 8, None), Ok(format(1, 'x', 1)));
        assert_eq!(parse_format("-2xg", 8, None), Ok(Format { backwards: true, ..format(2, 'x', 8) }));
        assert_eq!(parse_format("4i", 8, None), Ok(format(4, 'i', 4)));
        let before = Examined { next: RunAddr(0), letter: 'd', unit: 8, count: 3 };
        assert_eq!(parse_format("", 8, Some(before)), Ok(format(1, 'd', 8)));
        assert_eq!(parse_format("4x", 8, Some(before)), Ok(format(4, 'x', 8)));
        assert_eq!(parse_format("s", 8, Some(before)), Ok(format(1, 's', 1)));
        assert_eq!(parse_format("c", 8, Some(before)), Ok(format(1, 'c', 1)));
        let code = Examined { letter: 'i', ..before };
        assert_eq!(parse_format("2g", 8, Some(code)), Ok(format(2, 'x', 8)));
        assert_eq!(parse_format("2", 8, Some(code)).map(|format| format.letter), Ok('i'));
        assert!(parse_format("4q", 8, None).is_err());
        assert!(parse_format("99999999999999999999x", 8, None).is_err());
    }
}
