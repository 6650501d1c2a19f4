//! Numbers: those of C, C++, Rust and Go, whole ones and floats, in every base, with separators and suffixes.

use super::{ExprError, Lexer, SUFFIXES, TokenKind};

/// Hexadecimal digits of a float that are more than enough for any format.
const MOST_DIGITS: usize = 30;

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Result<TokenKind, ExprError> {
        let start = self.at;
        let written = self.digits();
        let written = written.as_str();
        let mut digits = written;
        let is_hex = digits.starts_with("0x") || digits.starts_with("0X");
        if is_hex && self.is_hex_float(digits) {
            return self.hex_float(start);
        }
        // The letters of floats are digits of hexadecimal numbers.
        let suffixes = SUFFIXES.iter().filter(|suffix| !is_hex || !suffix.starts_with('f'));
        if let Some(suffix) = suffixes.copied().find(|suffix| digits.ends_with(suffix)) {
            digits = digits[..digits.len() - suffix.len()].trim_end_matches('_');
            self.suffix = Some(suffix);
            if suffix.starts_with('f') && !digits.contains(['e', 'E']) {
                let value = digits.replace('_', "").parse();
                return value.map(|value| TokenKind::Float(value, false)).map_err(|_| self.error(start, "no number"));
            }
        }
        if let Some(number) = digits.strip_suffix('i').filter(|_| self.suffix.is_none()) {
            return self.imaginary(start, number);
        }
        // A name behind the point is a member's or a method's, another point a range's.
        let is_other = |c: char| c == '.' || c == '_' || c.is_alphabetic();
        let behind = self.rest().strip_prefix('.');
        let has_fraction = behind.is_some_and(|rest| !rest.starts_with(is_other) || begins_exponent(rest));
        let has_exponent = digits.contains(['e', 'E']);
        if !is_hex && (has_fraction || has_exponent) {
            return self.float(start);
        }
        let plain = digits.replace('_', "").to_ascii_lowercase();
        let body = plain.trim_end_matches(['u', 'l', 'z']);
        let suffix = &plain[body.len()..];
        let (digits, radix) = if let Some(hex) = body.strip_prefix("0x") {
            (hex, 16)
        } else if let Some(binary) = body.strip_prefix("0b") {
            (binary, 2)
        } else if body.len() > 1 && body.starts_with('0') {
            (body.strip_prefix("0o").unwrap_or(&body[1..]), 8)
        } else {
            (body, 10)
        };
        let value = u128::from_str_radix(digits, radix)
            .map_err(|_| self.error(start, format!("{plain} is no number of base {radix}")))?;
        // C's decimal numbers are never unsigned of their own accord (C17, 6.4.4.1).
        let is_wide = radix == 10 && suffix.is_empty() && value > i32::MAX as u128;
        Ok(TokenKind::Int { value, unsigned: suffix.contains('u'), long: is_wide || suffix.contains(['l', 'z']) })
    }

    /// Letters and digits, C++'s separators (`1'000`) as those of Rust and Go (`1_000`).
    fn digits(&mut self) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut digits = self.take_while(is_part).to_owned();
        while self.rest().strip_prefix('\'').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit())) {
            self.at += 1;
            digits.push('_');
            digits += self.take_while(is_part);
        }
        digits
    }

    /// Whether a hexadecimal float begins with those digits (C17, 6.4.4.2; without an exponent too, as in gdb).
    fn is_hex_float(&self, digits: &str) -> bool {
        let has_exponent = |text: &str| {
            let digits = text.trim_start_matches(|c: char| c.is_ascii_hexdigit());
            let exponent = digits.strip_prefix(['p', 'P']).map(|exponent| exponent.trim_start_matches(['+', '-']));
            exponent.is_some_and(|exponent| exponent.starts_with(|c: char| c.is_ascii_digit()))
        };
        match digits.find(['p', 'P']) {
            Some(at) => has_exponent(&format!("{}{}", &digits[at..], self.rest())),
            None => {
                let fraction = self.rest().strip_prefix('.');
                fraction.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) || has_exponent(rest))
            }
        }
    }

    /// `0x1.8p3`: the number, from the text that begins at `start`.
    fn hex_float(&mut self, start: usize) -> Result<TokenKind, ExprError> {
        self.at = start + 2;
        let is_digit = |c: char| c.is_ascii_hexdigit() || matches!(c, '_' | '\'');
        let plain = |digits: &str| digits.replace(['_', '\''], "");
        let whole = plain(self.take_while(is_digit));
        let mut fraction = String::new();
        if self.rest().starts_with('.') {
            self.at += 1;
            fraction = plain(self.take_while(is_digit));
        }
        let mut exponent = 0i32;
        let mut single = false;
        if self.rest().starts_with(['p', 'P']) {
            self.at += 1;
            let from = self.at;
            self.at += usize::from(self.rest().starts_with(['+', '-']));
            self.take_while(|c| c.is_ascii_digit());
            let written = self.text.get(from..self.at).unwrap_or_default();
            exponent = written.parse().map_err(|_| self.error(start, "the exponent is no number"))?;
            single = self.rest().starts_with(['f', 'F']);
        }
        self.take_while(|c| matches!(c, 'f' | 'F' | 'l' | 'L'));
        if self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            return Err(self.error(start, "no number"));
        }
        let value = binary_float(&whole, &fraction, exponent);
        value.map(|value| TokenKind::Float(value, single)).ok_or_else(|| self.error(start, "no number"))
    }

    /// Go's imaginary number: what stands before its `i`. For the sake of old programs, digits alone are decimal even
    /// behind a 0 (The Go Programming Language Specification, version 1.25, "Imaginary literals").
    fn imaginary(&self, start: usize, number: &str) -> Result<TokenKind, ExprError> {
        let plain = number.replace('_', "").to_ascii_lowercase();
        let radixes = [("0x", 16), ("0o", 8), ("0b", 2)];
        let prefixed = radixes.iter().find_map(|(prefix, radix)| Some((plain.strip_prefix(prefix)?, *radix)));
        let value = match prefixed {
            Some((digits, radix)) => u128::from_str_radix(digits, radix).ok().map(|value| value as f64),
            None => plain.parse().ok(),
        };
        value.map(TokenKind::Imaginary).ok_or_else(|| self.error(start, format!("{number}i is no number")))
    }

    /// A decimal float, of which so much was read as has neither point nor the sign of an exponent.
    pub(super) fn float(&mut self, start: usize) -> Result<TokenKind, ExprError> {
        if self.rest().starts_with('.') {
            self.at += 1;
            self.digits();
        }
        let so_far = self.text.get(start..self.at).unwrap_or_default();
        if so_far.ends_with(['e', 'E']) && self.rest().starts_with(['+', '-']) {
            self.at += 1;
            self.digits();
        }
        let written = self.text.get(start..self.at).unwrap_or_default().replace(['_', '\''], "");
        let mut text = written.as_str();
        for suffix in ["f32", "f64"] {
            if let Some(number) = text.strip_suffix(suffix) {
                text = number;
                self.suffix = Some(suffix);
            }
        }
        if let Some(number) = text.strip_suffix('i') {
            return self.imaginary(start, number);
        }
        let single = text.ends_with(['f', 'F']);
        let value = text.trim_end_matches(['f', 'F', 'l', 'L']).parse();
        value
            .map(|value| TokenKind::Float(value, single))
            .map_err(|_| self.error(start, format!("{text} is no number")))
    }
}

/// `e2`, `e-2`, and no name.
fn begins_exponent(text: &str) -> bool {
    let Some(exponent) = text.strip_prefix(['e', 'E']) else { return false };
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < digits.len() && !rest.starts_with(|c: char| c.is_alphanumeric() && !matches!(c, 'f' | 'F' | 'l' | 'L'))
}

/// The number of hexadecimal digits before and behind the point, times a power of 2, rounded once to binary64.
fn binary_float(whole: &str, fraction: &str, exponent: i32) -> Option<f64> {
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let leading = digits.len() - significant.len();
    let (read, rest) = significant.split_at(significant.len().min(MOST_DIGITS));
    let mut mantissa = if read.is_empty() { 0 } else { u128::from_str_radix(read, 16).ok()? };
    // What is left out decides between two halves alone.
    mantissa |= u128::from(rest.bytes().any(|digit| digit != b'0'));
    let places = i32::try_from(whole.len()).ok()?.checked_sub(i32::try_from(leading + read.len()).ok()?)?;
    let mut exponent = exponent.checked_add(places.checked_mul(4)?)?;
    let mut value = mantissa as f64;
    // In steps, as a power of 2 beyond the format's may still have a product within it.
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-1000, 1000);
        value *= 2f64.powi(step);
        exponent -= step;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{int, kinds};
    use super::super::{TokenKind, lex};

    fn floats(text: &str) -> Vec<f64> {
        let value = |kind| match kind {
            TokenKind::Float(value, _) => value,
            other => panic!("{other:?} in {text}"),
        };
        kinds(text).into_iter().map(value).collect()
    }

    #[test]
    fn hexadecimal_floats() {
        assert_eq!(floats("0x1.8p3 0x1.8p+3 0x1p-2 0x1.8 0X.8p1 0xAp0"), [12.0, 12.0, 0.25, 1.5, 1.0, 10.0]);
        assert_eq!(floats("0x1.fffffffffffff8p0 0x1.fffffffffffff7p0"), [2.0, 1.999_999_999_999_999_8]);
        assert_eq!(floats("0x1p1024 0x1p-1074 0x1p-1080 0x0p99"), [f64::INFINITY, 5e-324, 0.0, 0.0]);
        assert_eq!(floats("0x1.921fb54442d18p+1"), [std::f64::consts::PI]);
        assert_eq!(kinds("0x1p0f"), [TokenKind::Float(1.0, true)]);
        assert!(lex("0x1p").is_err() && lex("0x1p99999999999").is_err() && lex("0x1.8p3q").is_err());
        // A range, and a member.
        assert_eq!(kinds("0x1..2").len(), 3);
        assert_eq!(kinds("0x1.abc").len(), 3);
    }

    #[test]
    fn points_and_separators() {
        assert_eq!(floats("1.e2 1.E-2f"), [100.0, 0.01]);
        assert_eq!([".5", ".5f", ".5e1"].map(floats), [[0.5], [0.5], [5.0]]);
        assert_eq!(floats("1'000.5 1_0.2_5"), [1000.5, 10.25]);
        assert_eq!(kinds("1'000'000 0x1'00 0b1'01 0'17 1_000"), [1_000_000, 256, 5, 15, 1000].map(int));
        assert_eq!(kinds("7z 7uz").len(), 2);
        // Members and methods of what is no number.
        assert_eq!(kinds("1.even").len(), 3);
        assert!(lex("1'").is_err() && lex("1'x").is_err());
    }

    #[test]
    fn a_point_is_a_member_s_where_items_are() {
        let dot = TokenKind::Punct(".");
        assert_eq!(kinds("v[.0 == 7]")[2..4], [dot.clone(), int(0)]);
        assert_eq!(kinds("v.map(.0)")[4..6], [dot.clone(), int(0)]);
        assert_eq!(kinds("v[f(.1)]")[4..6], [dot.clone(), int(1)]);
        assert_eq!(kinds("pair.0")[1], dot);
        assert_eq!(kinds("(pair).0")[3], dot);
        assert_eq!(kinds("1 + .5")[2], TokenKind::Float(0.5, false));
        assert_eq!(kinds("[.5, x]")[1], TokenKind::Float(0.5, false));
        assert_eq!(kinds("a and .5")[2], TokenKind::Float(0.5, false));
        assert_eq!(kinds("v[0] + .5")[5], TokenKind::Float(0.5, false));
    }
}
