//! Floating-point numbers of any format as decimal text.
//!
//! The text is what gdb 13 prints: C's `%.Ng` with `N = ceil(1 + p · log10 2)` digits for a significand of `p` bits
//! (gdb 13, `floatformat_printf_format` in gdb/target-float.c), so 9 digits for binary32, 17 for binary64, 21 for
//! x87's 80 bits and 36 for binary128. It is exactly rounded, half to even, as glibc's printf is.

use std::fmt;

use crate::arch::Arch;

/// A binary floating-point format (IEEE 754-2019, section 3.4; x87: Intel SDM volume 1, section 4.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FloatFormat {
    /// binary16, `_Float16`.
    Half,
    /// bfloat16: binary32 without its lower half.
    Bfloat16,
    /// binary32.
    Single,
    /// binary64.
    Double,
    /// 80 bits with an explicit integer bit, in 10, 12 or 16 bytes.
    X87,
    /// binary128.
    Quad,
}

impl FloatFormat {
    /// The format of a floating-point type (System V ABI, AMD64 supplement 1.0, figure 3.1, and i386 supplement; the
    /// names are those by which gdb 13 tells them apart, `i386_floatformat_for_type`).
    pub fn of_type(size: u64, name: &str, arch: Arch) -> Option<FloatFormat> {
        let x86 = matches!(arch, Arch::X86_64 | Arch::I386);
        let quad = name.contains("Float128") || name.contains("float128") || name.contains("kind=16");
        match size {
            2 if name.contains("bf16") || name.contains("bfloat") => Some(FloatFormat::Bfloat16),
            2 => Some(FloatFormat::Half),
            4 => Some(FloatFormat::Single),
            8 => Some(FloatFormat::Double),
            10 | 12 if x86 => Some(FloatFormat::X87),
            16 if x86 && !quad => Some(FloatFormat::X87),
            16 => Some(FloatFormat::Quad),
            _ => None,
        }
    }

    /// Bytes that hold the number (x87: without its padding).
    pub fn size(self) -> usize {
        match self {
            FloatFormat::Half | FloatFormat::Bfloat16 => 2,
            FloatFormat::Single => 4,
            FloatFormat::Double => 8,
            FloatFormat::X87 => 10,
            FloatFormat::Quad => 16,
        }
    }

    /// Bits of the exponent, bits of the fraction as stored (x87: with the integer bit).
    fn widths(self) -> (u32, u32) {
        match self {
            FloatFormat::Half => (5, 10),
            FloatFormat::Bfloat16 => (8, 7),
            FloatFormat::Single => (8, 23),
            FloatFormat::Double => (11, 52),
            FloatFormat::X87 => (15, 64),
            FloatFormat::Quad => (15, 112),
        }
    }

    fn digits(self) -> usize {
        match self {
            FloatFormat::Half => 5,
            FloatFormat::Bfloat16 => 4,
            FloatFormat::Single => 9,
            FloatFormat::Double => 17,
            FloatFormat::X87 => 21,
            FloatFormat::Quad => 36,
        }
    }
}

/// A number taken apart.
enum Parts {
    Nan {
        negative: bool,
        fraction: u128,
    },
    Infinite {
        negative: bool,
    },
    /// `±significand · 2^exponent`
    Finite {
        negative: bool,
        significand: u128,
        exponent: i32,
    },
    /// An x87 number whose integer bit contradicts its exponent.
    Invalid,
}

fn take_apart(bits: u128, format: FloatFormat) -> Parts {
    let (exponent_bits, fraction_bits) = format.widths();
    let fraction = bits & ((1 << fraction_bits) - 1);
    let largest = (1u32 << exponent_bits) - 1;
    let biased = (bits >> fraction_bits) as u32 & largest;
    let negative = bits >> (fraction_bits + exponent_bits) & 1 == 1;
    let explicit = format == FloatFormat::X87;
    let integer_bit = fraction >> 63 & 1 == 1;
    if explicit && integer_bit != (biased != 0) && biased != 0 {
        return Parts::Invalid;
    }
    if biased == largest {
        let fraction = if explicit { fraction & !(1 << 63) } else { fraction };
        return if fraction == 0 { Parts::Infinite { negative } } else { Parts::Nan { negative, fraction } };
    }
    let bias = (largest / 2) as i32;
    let significand = if biased != 0 && !explicit { fraction | 1 << fraction_bits } else { fraction };
    let point = if explicit { 63 } else { fraction_bits as i32 };
    Parts::Finite { negative, significand, exponent: biased.max(1) as i32 - bias - point }
}

/// A number that is written when it is displayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FloatText {
    /// The format's bits, little-endian.
    pub bits: u128,
    /// How to read them.
    pub format: FloatFormat,
}

impl From<f64> for FloatText {
    fn from(value: f64) -> FloatText {
        FloatText { bits: value.to_bits().into(), format: FloatFormat::Double }
    }
}

impl fmt::Display for FloatText {
    /// As gdb prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |negative| if negative { "-" } else { "" };
        match take_apart(self.bits, self.format) {
            Parts::Invalid => f.write_str("<invalid float value>"),
            Parts::Infinite { negative } => write!(f, "{}inf", sign(negative)),
            Parts::Nan { negative, fraction } => {
                // gdb prints x87's payload with the integer bit.
                let payload = if self.format == FloatFormat::X87 { fraction | 1 << 63 } else { fraction };
                write!(f, "{}nan(0x{payload:x})", sign(negative))
            }
            Parts::Finite { negative, significand, exponent } => {
                let count = self.format.digits();
                let (digits, power) = match self.format {
                    FloatFormat::Single | FloatFormat::Double => binary64_digits(self.value().abs(), count),
                    _ => exact_digits(significand, exponent, count),
                };
                f.write_str(&general(negative, &digits, power, count))
            }
        }
    }
}

impl FloatText {
    /// With as few digits as tell the number from its neighbours, as Go and Rust print it: `7.23`, not
    /// `7.2300000000000004`. Formats that they do not have are as gdb prints them.
    pub fn shortest(self) -> String {
        let scientific = match (self.format, take_apart(self.bits, self.format)) {
            (FloatFormat::Single, Parts::Finite { .. }) => format!("{:e}", f32::from_bits(self.bits as u32).abs()),
            (FloatFormat::Double, Parts::Finite { .. }) => format!("{:e}", f64::from_bits(self.bits as u64).abs()),
            _ => return self.to_string(),
        };
        let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let count = self.format.digits();
        let digits = format!("{:0<count$}", digits.replace('.', ""));
        general(self.value().is_sign_negative(), &digits, power.parse().unwrap_or(0), count)
    }

    /// As binary64, rounded from wider formats.
    pub fn value(self) -> f64 {
        match self.format {
            FloatFormat::Single => return f64::from(f32::from_bits(self.bits as u32)),
            FloatFormat::Double => return f64::from_bits(self.bits as u64),
            _ => {}
        }
        match take_apart(self.bits, self.format) {
            Parts::Invalid | Parts::Nan { .. } => f64::NAN,
            Parts::Infinite { negative: false } => f64::INFINITY,
            Parts::Infinite { negative: true } => f64::NEG_INFINITY,
            Parts::Finite { negative, significand, exponent } => {
                // In two steps, as 2^exponent alone may be out of binary64's range.
                let half = exponent / 2;
                let value = significand as f64 * 2f64.powi(half) * 2f64.powi(exponent - half);
                if negative { -value } else { value }
            }
        }
    }
}

/// How much dearer than an ordinary value the text is: far exponents of wide formats need long arithmetic.
pub fn float_cost(bits: u128, format: FloatFormat) -> usize {
    match take_apart(bits, format) {
        Parts::Finite { exponent, .. } => (exponent.unsigned_abs() as usize / 512).pow(2) / 2,
        _ => 0,
    }
}

/// `count` significant digits and the first one's power of ten. Rust's formatting of a given precision is exact.
fn binary64_digits(value: f64, count: usize) -> (String, i64) {
    let text = format!("{value:.*e}", count - 1);
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.replace('.', ""), power.parse().unwrap_or(0))
}

/// `count` significant digits of `significand · 2^exponent`, rounded half to even, and the first one's power of ten.
fn exact_digits(significand: u128, exponent: i32, count: usize) -> (String, i64) {
    if significand == 0 {
        return ("0".repeat(count), 0);
    }
    let mut number = Long::new(significand);
    // m · 2^-e = m · 5^e / 10^e: the digits of an integer, and where the point is.
    let mut fractional = 0i64;
    if exponent >= 0 {
        number.shift_left(exponent as u32);
    } else {
        // Powers of two that the significand has anyway need no digits.
        let shift = significand.trailing_zeros().min(exponent.unsigned_abs());
        number = Long::new(significand >> shift);
        let fives = exponent.unsigned_abs() - shift;
        fractional = i64::from(fives);
        for _ in 0..fives / 13 {
            number.multiply(1_220_703_125);
        }
        number.multiply(5u32.pow(fives % 13));
    }
    let mut digits = number.decimal();
    let mut power = digits.len() as i64 - 1 - fractional;
    if digits.len() <= count {
        digits.resize(count, b'0');
    } else {
        let rest = &digits[count..];
        let half = rest[0] == b'5' && rest[1..].iter().all(|digit| *digit == b'0');
        let up = if half { digits[count - 1] % 2 == 1 } else { rest[0] >= b'5' };
        digits.truncate(count);
        if up {
            let mut at = count;
            while at > 0 && digits[at - 1] == b'9' {
                digits[at - 1] = b'0';
                at -= 1;
            }
            if at > 0 {
                digits[at - 1] += 1;
            } else {
                digits.insert(0, b'1');
                digits.truncate(count);
                power += 1;
            }
        }
    }
    (String::from_utf8(digits).unwrap_or_default(), power)
}

/// C's `%g`: fixed where the exponent is in -4..precision, else with an exponent; no trailing zeros.
fn general(negative: bool, digits: &str, power: i64, precision: usize) -> String {
    let trimmed = digits.trim_end_matches('0');
    let digits = if trimmed.is_empty() { "0" } else { trimmed };
    let mut text = String::with_capacity(24);
    if negative {
        text.push('-');
    }
    if power < -4 || power >= precision as i64 {
        let (first, rest) = digits.split_at(1);
        text.push_str(first);
        if !rest.is_empty() {
            text.push('.');
            text.push_str(rest);
        }
        text.push_str(&format!("e{}{:02}", if power < 0 { '-' } else { '+' }, power.unsigned_abs()));
    } else if power < 0 {
        text.push_str("0.");
        text.push_str(&"0".repeat((-power - 1) as usize));
        text.push_str(digits);
    } else {
        let whole = power as usize + 1;
        if digits.len() <= whole {
            text.push_str(digits);
            text.push_str(&"0".repeat(whole - digits.len()));
        } else {
            text.push_str(&digits[..whole]);
            text.push('.');
            text.push_str(&digits[whole..]);
        }
    }
    text
}

/// An unsigned integer of any length, least significant word first.
struct Long {
    words: Vec<u32>,
}

impl Long {
    fn new(value: u128) -> Long {
        let mut number = Long { words: (0..4).map(|word| (value >> (32 * word)) as u32).collect() };
        number.trim();
        number
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    fn multiply(&mut self, factor: u32) {
        let mut carry = 0u64;
        for word in &mut self.words {
            let product = u64::from(*word) * u64::from(factor) + carry;
            *word = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.words.push(carry as u32);
        }
    }

    fn shift_left(&mut self, bits: u32) {
        self.multiply(1 << (bits % 32));
        self.words.splice(0..0, std::iter::repeat_n(0, (bits / 32) as usize));
    }

    /// Decimal digits, most significant first, without leading zeros.
    fn decimal(mut self) -> Vec<u8> {
        let mut reversed = Vec::new();
        while !self.words.is_empty() {
            let mut remainder = 0u64;
            for word in self.words.iter_mut().rev() {
                let dividend = remainder << 32 | u64::from(*word);
                *word = (dividend / 1_000_000_000) as u32;
                remainder = dividend % 1_000_000_000;
            }
            self.trim();
            for _ in 0..9 {
                reversed.push(b'0' + (remainder % 10) as u8);
                remainder /= 10;
            }
        }
        while reversed.last() == Some(&b'0') {
            reversed.pop();
        }
        reversed.reverse();
        reversed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bits: u128, format: FloatFormat, text: &str) {
        assert_eq!(FloatText { bits, format }.to_string(), text);
    }

    #[test]
    fn double_as_gdb_prints_it() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (1e30, "1.0000000000000000e+30"),
            (3.25, "3.25"),
            (0.0, "0"),
            (-0.0, "-0"),
            (1e-5, "1.0000000000000001e-05"),
            (1234567.0, "1234567"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (1e17, "1e+17"),
            (12345678901234567.0, "12345678901234568"),
            (0.0001, "0.0001"),
        ] {
            let text = if value == 1e30 { "1e+30" } else { text };
            check(f64::to_bits(value).into(), FloatFormat::Double, text);
        }
        check(0x7ff8_0000_0000_0000, FloatFormat::Double, "nan(0x8000000000000)");
        check(0xfff8_0000_0000_0001, FloatFormat::Double, "-nan(0x8000000000001)");
    }

    #[test]
    fn with_the_fewest_digits() {
        for (value, text) in
            [(0.1, "0.1"), (-7.23, "-7.23"), (1e30, "1e+30"), (3.0, "3"), (1e-5, "1e-05"), (-0.0, "-0")]
        {
            assert_eq!(FloatText::from(value).shortest(), text);
        }
        assert_eq!(FloatText::from(12345678901234567.0).shortest(), "12345678901234568");
        let single = |value: f32| FloatText { bits: value.to_bits().into(), format: FloatFormat::Single };
        assert_eq!(single(2.1).shortest(), "2.1");
        assert_eq!(single(16777216.0).shortest(), "16777216");
        assert_eq!(single(f32::INFINITY).shortest(), "inf");
    }

    #[test]
    fn other_formats_as_gdb_prints_them() {
        check(1.1f32.to_bits().into(), FloatFormat::Single, "1.10000002");
        check(0x3fff_8ccc_cccc_cccc_cccd, FloatFormat::X87, "1.10000000000000000002");
        check(0x3fff_1999_9999_9999_9999_9999_9999_999a, FloatFormat::Quad, "1.10000000000000000000000000000000008");
        check(0x4000_0000_0000_0000_0000_0000_0000_0000, FloatFormat::Quad, "2");
        check(0x3fff_0000_0000_0000_0000, FloatFormat::X87, "<invalid float value>");
        check(0x7fff_8000_0000_0000_0000, FloatFormat::X87, "inf");
        check(0x7fff_c000_0000_0000_0000, FloatFormat::X87, "nan(0xc000000000000000)");
        check(1, FloatFormat::X87, "3.64519953188247460253e-4951");
        check(0x3c00, FloatFormat::Half, "1");
        check(0x3555, FloatFormat::Half, "0.33325");
        check(0x3f80, FloatFormat::Bfloat16, "1");
        assert_eq!(FloatText { bits: 0x3fff_8ccc_cccc_cccc_cccd, format: FloatFormat::X87 }.value(), 1.1);
        assert_eq!(FloatText { bits: 0x3555, format: FloatFormat::Half }.value(), 0.333251953125);
    }
}
