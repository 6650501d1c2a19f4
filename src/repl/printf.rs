//! `printf`, `echo`: C's formats over values.

use super::{Next, Repl, data};
use crate::command::CommandError;
use crate::command::FrameArgs;
use crate::command::selected::{Selected, select};
use crate::expr::evaluate;
use crate::report::value_text;
use crate::value::{Limits, Value, ValueKind};

/// Columns and digits that a format may ask for.
const MAX_WIDTH: usize = 4096;

/// `%-8.3ld`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Conversion {
    left: bool,
    plus: bool,
    space: bool,
    alternative: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// Bytes of the integer, where the format says so.
    size: Option<usize>,
    letter: char,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Conversion),
}

/// C's escapes: `\n`, `\033`, `\x1b`; what has none stays without its backslash.
pub(super) fn unescaped(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '\\' {
            shown.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => shown.push('\n'),
            Some('t') => shown.push('\t'),
            Some('r') => shown.push('\r'),
            Some('a') => shown.push('\u{7}'),
            Some('b') => shown.push('\u{8}'),
            Some('f') => shown.push('\u{c}'),
            Some('v') => shown.push('\u{b}'),
            Some('e') => shown.push('\u{1b}'),
            Some(digit @ '0'..='7') => {
                let mut code = digit.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(next) = chars.peek().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + next;
                    chars.next();
                }
                shown.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => shown.push(other),
            None => {}
        }
    }
    shown
}

/// The quoted format in front, its escapes resolved, and the arguments.
fn format_and_arguments(text: &str) -> Result<(String, Vec<&str>), CommandError> {
    let usage = |message: &str| CommandError::Usage(message.to_owned());
    let quoted = text.trim().strip_prefix('"').ok_or_else(|| usage("Bad format string"))?;
    let mut escaped = false;
    let end = quoted.char_indices().find(|(_, char)| {
        let ends = *char == '"' && !escaped;
        escaped = *char == '\\' && !escaped;
        ends
    });
    let (end, _) = end.ok_or_else(|| usage("Bad format string, non-terminated '\"'"))?;
    let rest = quoted[end + 1..].trim_start();
    let arguments = match rest.strip_prefix(',') {
        Some(rest) => data::arguments(rest),
        None if rest.is_empty() => Vec::new(),
        None => return Err(usage("Invalid argument syntax")),
    };
    Ok((unescaped(&quoted[..end]), arguments))
}

fn parse(format: &str) -> Result<Vec<Part>, CommandError> {
    let bad = |what: &str| CommandError::Usage(format!("Bad format string: {what}"));
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            text.push('%');
            continue;
        }
        let mut conversion = Conversion::default();
        while let Some(flag) = chars.peek() {
            match flag {
                '-' => conversion.left = true,
                '+' => conversion.plus = true,
                ' ' => conversion.space = true,
                '#' => conversion.alternative = true,
                '0' => conversion.zero = true,
                '\'' => {}
                _ => break,
            }
            chars.next();
        }
        while let Some(digit) = chars.peek().and_then(|digit| digit.to_digit(10)) {
            conversion.width = conversion.width.saturating_mul(10).saturating_add(digit as usize);
            chars.next();
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut number = 0usize;
            while let Some(digit) = chars.peek().and_then(|digit| digit.to_digit(10)) {
                number = number.saturating_mul(10).saturating_add(digit as usize);
                chars.next();
            }
            conversion.precision = Some(number);
        }
        if conversion.width > MAX_WIDTH || conversion.precision.is_some_and(|precision| precision > MAX_WIDTH) {
            return Err(bad(&format!("at most {MAX_WIDTH} columns are written")));
        }
        let mut shorts = 0;
        while let Some(size) = chars.peek() {
            match size {
                'h' => {
                    shorts += 1;
                    conversion.size = Some(if shorts > 1 { 1 } else { 2 });
                }
                'l' | 'L' | 'j' | 'z' | 't' | 'q' | 'w' => conversion.size = Some(8),
                _ => break,
            }
            chars.next();
        }
        conversion.letter = match chars.next() {
            Some('n') => return Err(bad("Format specifier `n' not supported in printf")),
            Some(letter) if "diouxXcCsSfFeEgGaApV".contains(letter) => letter,
            Some(other) => return Err(bad(&format!("unrecognized format specifier '{other}'"))),
            None => return Err(bad("incomplete format specifier at its end")),
        };
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(Part::Value(conversion));
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

impl Conversion {
    /// Filled up to the width; zeros go behind the sign.
    fn padded(&self, text: &str, is_number: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            return text.to_owned();
        }
        if self.left {
            return format!("{text}{}", " ".repeat(missing));
        }
        if self.zero && is_number {
            let prefix = ["-0x", "0x", "0X", "-", "+", " "].iter().find(|prefix| text.starts_with(**prefix));
            let (sign, digits) = text.split_at(prefix.map_or(0, |prefix| prefix.len()));
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        format!("{}{text}", " ".repeat(missing))
    }

    fn signed_with(&self, negative: bool, digits: &str) -> String {
        let sign = match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        format!("{sign}{digits}")
    }

    fn integer(&self, number: i128, size: usize) -> String {
        let size = self.size.unwrap_or(size.clamp(4, 8)).min(8);
        let unused = 128 - 8 * size as u32;
        let signed = number << unused >> unused;
        let bits = (number as u128) << unused >> unused;
        let digits = match self.letter {
            'd' | 'i' => signed.unsigned_abs().to_string(),
            'u' => bits.to_string(),
            'o' => format!("{bits:o}"),
            'X' => format!("{bits:X}"),
            _ => format!("{bits:x}"),
        };
        let digits = match self.precision {
            Some(precision) => format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len()))),
            None => digits,
        };
        let text = match self.letter {
            'd' | 'i' => self.signed_with(signed < 0, &digits),
            'x' if self.alternative && bits != 0 => format!("0x{digits}"),
            'X' if self.alternative && bits != 0 => format!("0X{digits}"),
            'o' if self.alternative && !digits.starts_with('0') => format!("0{digits}"),
            _ => digits,
        };
        let zero_filled = Conversion { zero: self.zero && self.precision.is_none(), ..self.clone() };
        zero_filled.padded(&text, true)
    }

    fn float(&self, number: f64) -> String {
        if !number.is_finite() {
            let text = if number.is_nan() { "nan" } else { "inf" };
            let text = self.signed_with(number.is_sign_negative(), text);
            let text = if self.letter.is_ascii_uppercase() { text.to_uppercase() } else { text };
            return self.padded(&text, false);
        }
        let size = number.abs();
        let precision = self.precision.unwrap_or(6);
        let digits = match self.letter {
            'f' | 'F' => format!("{size:.precision$}"),
            'e' | 'E' => exponent_text(size, precision),
            'a' | 'A' => hex_float(size),
            _ => general_text(size, precision, self.alternative),
        };
        let digits = if self.letter.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        self.padded(&self.signed_with(number.is_sign_negative(), &digits), true)
    }
}

/// C's `%e`: at least two digits in the exponent.
fn exponent_text(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// C's `%g`.
fn general_text(number: f64, precision: usize, keep_zeros: bool) -> String {
    let precision = precision.max(1);
    let scientific = format!("{number:.*e}", precision - 1);
    let exponent: i32 = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') && !keep_zeros {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let text = exponent_text(number, precision - 1);
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{exponent}", trimmed(digits));
    }
    let decimals = usize::try_from(precision as i32 - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.decimals$}"))
}

/// C's `%a`, as glibc writes it.
fn hex_float(number: f64) -> String {
    if number == 0.0 {
        return "0x0p+0".to_owned();
    }
    let bits = number.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let (lead, exponent) = if exponent == 0 { (0, -1022) } else { (1, exponent - 1023) };
    let digits = format!("{fraction:013x}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    format!("0x{lead}{point}{digits}p{exponent:+}")
}

/// The text that `%s` shows: the string that a pointer leads to, an array's or a string object's content.
fn string_of(selected: &Selected<'_>, text: &str, value: &Value, limit: usize) -> Result<Vec<u8>, CommandError> {
    match &value.kind {
        ValueKind::String(text) => {
            let end = memchr::memchr(0, &text.bytes).unwrap_or(text.bytes.len());
            Ok(text.bytes.get(..end).unwrap_or_default().to_vec())
        }
        ValueKind::Pointer { string: Some(text), .. } => Ok(text.bytes.clone()),
        ValueKind::Pointer { address: Some(address), .. } if address.0 == 0 => Ok(b"(null)".to_vec()),
        ValueKind::Pointer { address: Some(address), .. } => {
            let read = selected.session.memory().read_c_string(*address, limit);
            let message = |_| CommandError::NoMatch(format!("{text}: Cannot access memory at address {address}"));
            read.map(|(bytes, _)| bytes).map_err(message)
        }
        ValueKind::Int(_) | ValueKind::Uint(_) | ValueKind::Described { .. } => {
            let address = crate::addr::RunAddr(data::number_in(text, value)? as u64);
            if address.0 == 0 {
                return Ok(b"(null)".to_vec());
            }
            let read = selected.session.memory().read_c_string(address, limit);
            let message = |_| CommandError::NoMatch(format!("{text}: Cannot access memory at address {address}"));
            read.map(|(bytes, _)| bytes).map_err(message)
        }
        _ => Ok(value_text::value_text(&selected.session.types, value).into_bytes()),
    }
}

fn write_value(
    out: &mut Vec<u8>,
    repl: &Repl<'_>,
    selected: &Selected<'_>,
    conversion: &Conversion,
    text: &str,
    value: &Value,
) -> Result<(), CommandError> {
    if let ValueKind::Absent(absent) = &value.kind {
        return Err(CommandError::NoMatch(format!("{text}: {}", value_text::absent_text(absent))));
    }
    let size = selected.session.types.size(value.type_id).and_then(|size| usize::try_from(size).ok()).unwrap_or(8);
    match conversion.letter {
        's' | 'S' => {
            let limit = repl.state.settings.limits.string.min(1 << 20);
            let bytes = string_of(selected, text, value, limit)?;
            let shown = bytes.get(..conversion.precision.unwrap_or(bytes.len()).min(bytes.len())).unwrap_or_default();
            let missing = conversion.width.saturating_sub(shown.len());
            let spaces = vec![b' '; missing];
            if !conversion.left {
                out.extend_from_slice(&spaces);
            }
            out.extend_from_slice(shown);
            if conversion.left {
                out.extend_from_slice(&spaces);
            }
        }
        'c' | 'C' => {
            let code = u32::try_from(data::number_in(text, value)? & 0x1f_ffff).unwrap_or(0);
            let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(conversion.padded(&char.to_string(), false).as_bytes());
        }
        'p' => {
            let shown = match data::number_in(text, value)? as u64 {
                0 => "(nil)".to_owned(),
                address => format!("{address:#x}"),
            };
            out.extend_from_slice(conversion.padded(&shown, false).as_bytes());
        }
        // A value as print has it.
        'V' => {
            let shown = value_text::printed_with(&selected.session.types, value, &repl.state.settings.print);
            out.extend_from_slice(conversion.padded(&shown, false).as_bytes());
        }
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'A' => {
            let number = match &value.kind {
                ValueKind::Float { value, .. } => *value,
                _ => data::number_in(text, value)? as f64,
            };
            out.extend_from_slice(conversion.float(number).as_bytes());
        }
        _ => {
            let number = match &value.kind {
                ValueKind::Float { value, .. } => *value as i128,
                _ => data::number_in(text, value)?,
            };
            out.extend_from_slice(conversion.integer(number, size).as_bytes());
        }
    }
    Ok(())
}

/// What `printf` writes.
fn formatted(repl: &mut Repl<'_>, text: &str) -> Result<Vec<u8>, CommandError> {
    let (format, arguments) = format_and_arguments(text)?;
    let parts = parse(&format)?;
    if parts.iter().filter(|part| matches!(part, Part::Value(_))).count() != arguments.len() {
        return Err(CommandError::Usage("Wrong number of arguments for specified format-string".to_owned()));
    }
    let mut variables = std::mem::take(&mut repl.state.variables);
    let written = (|| {
        let selected = select(repl.state, &FrameArgs::default())?;
        let limits = Limits { follow: false, ..repl.state.settings.limits };
        let mut out = Vec::new();
        let mut arguments = arguments.iter();
        for part in &parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value(conversion) => {
                    let Some(text) = arguments.next() else { break };
                    let evaluated = evaluate(&selected, text, &mut variables)?;
                    let value = crate::command::print::read(&selected, &evaluated, &limits);
                    write_value(&mut out, repl, &selected, conversion, text, &value)?;
                }
            }
        }
        Ok(out)
    })();
    repl.state.variables = variables;
    written
}

/// `printf "FORMAT", VALUES…`
pub(super) fn printf(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let written = formatted(repl, text)?;
    repl.out.write_all(&written)?;
    Ok(Next::Line)
}

/// `eval "FORMAT", VALUES…`: the line that printf would write, as a command.
pub(super) fn eval(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let line = formatted(repl, text)?;
    super::words::answer(repl, &String::from_utf8_lossy(&line))
}

/// `echo TEXT`
pub(super) fn echo(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    write!(repl.out, "{}", unescaped(text))?;
    Ok(Next::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(format: &str) -> Conversion {
        match parse(format).unwrap().pop() {
            Some(Part::Value(conversion)) => conversion,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_read_as_in_c() {
        for (format, number, expected) in [
            ("%d", -5, "-5"),
            ("%5d", 42, "   42"),
            ("%-5d", 42, "42   "),
            ("%05d", -42, "-0042"),
            ("%+d", 42, "+42"),
            ("%u", -1, "4294967295"),
            ("%lu", -1, "18446744073709551615"),
            ("%hhd", 0x1ff, "-1"),
            ("%#x", 255, "0xff"),
            ("%#010x", 255, "0x000000ff"),
            ("%.3d", 5, "005"),
            ("%o", 8, "10"),
            ("%X", 255, "FF"),
        ] {
            assert_eq!(one(format).integer(number, 4), expected, "{format}");
        }
        for (format, number, expected) in [
            ("%f", 2.5, "2.500000"),
            ("%5.2f", 2.5, " 2.50"),
            ("%e", 12345.678, "1.234568e+04"),
            ("%g", 0.0001, "0.0001"),
            ("%g", 1e-5, "1e-05"),
            ("%g", 123456789.0, "1.23457e+08"),
            ("%g", 100.0, "100"),
            ("%a", 1.0, "0x1p+0"),
            ("%a", 2.5, "0x1.4p+1"),
            ("%f", f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(one(format).float(number), expected, "{format}");
        }
    }

    #[test]
    fn formats_are_checked() {
        assert!(parse("%").is_err() && parse("%n").is_err() && parse("%q").is_err() && parse("%99999d").is_err());
        assert_eq!(parse("100%%").unwrap(), [Part::Text("100%".to_owned())]);
        let (format, arguments) = format_and_arguments("\"a\\\"b\\n\", f(1, 2), \"x, y\"").unwrap();
        assert_eq!((format.as_str(), arguments), ("a\"b\n", vec!["f(1, 2)", "\"x, y\""]));
        assert!(format_and_arguments("5").is_err() && format_and_arguments("\"x").is_err());
        assert_eq!(unescaped("\\033[1m\\\\ \\\"q\\\""), "\u{1b}[1m\\ \"q\"");
    }
}
