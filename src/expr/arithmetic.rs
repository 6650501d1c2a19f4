//! Numbers in expressions: C's conversions and operators on values of at most 128 bits.

use crate::arch::Arch;
use crate::types::{Language, Type, TypeId, TypeKind, TypeTable};
use crate::value::float::{FloatFormat, FloatText};

/// A number with its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer of `size` bytes.
    Int {
        /// Its value; unsigned 128-bit values beyond `i128::MAX` wrap.
        value: i128,
        /// Bytes.
        size: u64,
        /// Two's complement.
        signed: bool,
    },
    /// A float (computed as binary64).
    Float(f64),
}

/// `int`.
pub const INT: (u64, bool) = (4, true);

impl Number {
    /// An integer of the type, wrapped into its width.
    pub fn int(value: i128, (size, signed): (u64, bool)) -> Number {
        Number::Int { value: wrap(value, size, signed), size, signed }
    }

    /// As C tests it.
    pub fn is_true(self) -> bool {
        match self {
            Number::Int { value, .. } => value != 0,
            Number::Float(value) => value != 0.0,
        }
    }

    /// As binary64.
    pub fn as_float(self) -> f64 {
        match self {
            Number::Int { value, size: 16, signed: false } => value as u128 as f64,
            Number::Int { value, .. } => value as f64,
            Number::Float(value) => value,
        }
    }

    /// As an integer; a float loses its fraction.
    pub fn as_int(self) -> i128 {
        match self {
            Number::Int { value, .. } => value,
            Number::Float(value) => value as i128,
        }
    }
}

/// The low `size` bytes, sign- or zero-extended.
pub fn wrap(value: i128, size: u64, signed: bool) -> i128 {
    let Some(unused) = 16u64.checked_sub(size).filter(|unused| *unused < 16).map(|bytes| bytes as u32 * 8) else {
        return value;
    };
    let shifted = (value as u128) << unused;
    if signed { shifted as i128 >> unused } else { (shifted >> unused) as i128 }
}

/// Integers narrower than `int` become `int` (C11, 6.3.1.1).
pub fn promoted(number: Number) -> Number {
    match number {
        Number::Int { value, size, .. } if size < 4 => Number::int(value, INT),
        other => other,
    }
}

/// The type that both operands get (C11, 6.3.1.8).
fn common_type(a: (u64, bool), b: (u64, bool)) -> (u64, bool) {
    match a.0.cmp(&b.0) {
        std::cmp::Ordering::Less => b,
        std::cmp::Ordering::Greater => a,
        std::cmp::Ordering::Equal => (a.0, a.1 && b.1),
    }
}

/// `operator operand`.
pub fn unary(operator: &str, operand: Number) -> Result<Number, String> {
    let operand = promoted(operand);
    match (operator, operand) {
        ("+", _) => Ok(operand),
        ("-", Number::Float(value)) => Ok(Number::Float(-value)),
        ("-", Number::Int { value, size, signed }) => Ok(Number::int(value.wrapping_neg(), (size, signed))),
        ("~", Number::Int { value, size, signed }) => Ok(Number::int(!value, (size, signed))),
        ("!", _) => Ok(Number::int(i128::from(!operand.is_true()), INT)),
        _ => Err(format!("{operator} needs an integer")),
    }
}

/// `left operator right`; comparisons give 0 or 1 as `int`.
pub fn binary(operator: &str, left: Number, right: Number) -> Result<Number, String> {
    let (left, right) = (promoted(left), promoted(right));
    let truth = |value: bool| Ok(Number::int(i128::from(value), INT));
    let (
        Number::Int { value: a, size: a_size, signed: a_signed },
        Number::Int { value: b, size: b_size, signed: b_signed },
    ) = (left, right)
    else {
        let (a, b) = (left.as_float(), right.as_float());
        return match operator {
            "+" => Ok(Number::Float(a + b)),
            "-" => Ok(Number::Float(a - b)),
            "*" => Ok(Number::Float(a * b)),
            "/" => Ok(Number::Float(a / b)),
            "==" => truth(a == b),
            "!=" => truth(a != b),
            "<" => truth(a < b),
            ">" => truth(a > b),
            "<=" => truth(a <= b),
            ">=" => truth(a >= b),
            _ => Err(format!("{operator} needs integers")),
        };
    };
    if matches!(operator, "<<" | ">>") {
        // The result has the left operand's type; a count beyond its width shifts everything out.
        let count = u32::try_from(b).map_err(|_| "the shift count is negative or huge".to_owned())?;
        let wide = u64::from(count) >= a_size * 8;
        let value = match operator {
            "<<" if wide => 0,
            "<<" => a << count,
            _ if wide => {
                if a < 0 {
                    -1
                } else {
                    0
                }
            }
            _ => a >> count,
        };
        return Ok(Number::int(value, (a_size, a_signed)));
    }
    let common = common_type((a_size, a_signed), (b_size, b_signed));
    let (a, b) = (wrap(a, common.0, common.1), wrap(b, common.0, common.1));
    // Unsigned 128-bit values are compared and divided as such.
    let unsigned_wide = common == (16, false);
    let less = |a: i128, b: i128| if unsigned_wide { (a as u128) < (b as u128) } else { a < b };
    let value = match operator {
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        "/" | "%" if b == 0 => return Err("division by zero".to_owned()),
        "/" if unsigned_wide => (a as u128 / b as u128) as i128,
        "%" if unsigned_wide => (a as u128 % b as u128) as i128,
        "/" => a.wrapping_div(b),
        "%" => a.wrapping_rem(b),
        "&" => a & b,
        "&^" => a & !b,
        "|" => a | b,
        "^" => a ^ b,
        "==" => return truth(a == b),
        "!=" => return truth(a != b),
        "<" => return truth(less(a, b)),
        ">" => return truth(less(b, a)),
        "<=" => return truth(!less(b, a)),
        ">=" => return truth(!less(a, b)),
        _ => return Err(format!("{operator} is no operator on numbers")),
    };
    Ok(Number::int(value, common))
}

/// The number in a scalar's bytes; `None` where the type is no number.
pub fn from_bytes(types: &TypeTable, id: TypeId, bytes: &[u8], arch: Arch) -> Option<Number> {
    let definition = types.get(types.strip(id));
    let signed = match &definition.kind {
        TypeKind::Int { signed } | TypeKind::Char { signed, .. } | TypeKind::Enum { signed, .. } => *signed,
        TypeKind::Bool | TypeKind::Pointer { .. } | TypeKind::Reference { .. } | TypeKind::Unspecified => false,
        TypeKind::Float => false,
        _ => return None,
    };
    let mut wide = [0; 16];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    if let TypeKind::Float = definition.kind {
        let format = FloatFormat::of_type(bytes.len() as u64, definition.name.as_deref().unwrap_or(""), arch)?;
        return Some(Number::Float(FloatText { bits: u128::from_le_bytes(wide), format }.value()));
    }
    Some(Number::int(i128::from_le_bytes(wide), (bytes.len() as u64, signed)))
}

/// A number's bytes in the given type; `None` where the type is no number that can be made.
pub fn to_bytes(types: &TypeTable, id: TypeId, number: Number) -> Option<Vec<u8>> {
    let definition = types.get(types.strip(id));
    let size = usize::try_from(definition.size?).ok().filter(|size| (1..=16).contains(size))?;
    match definition.kind {
        TypeKind::Float => match size {
            4 => Some((number.as_float() as f32).to_le_bytes().to_vec()),
            8 => Some(number.as_float().to_le_bytes().to_vec()),
            _ => None,
        },
        TypeKind::Bool => {
            let mut bytes = vec![0; size];
            bytes[0] = number.is_true().into();
            Some(bytes)
        }
        TypeKind::Int { .. } | TypeKind::Char { .. } | TypeKind::Enum { .. } | TypeKind::Pointer { .. } => {
            Some(number.as_int().to_le_bytes()[..size].to_vec())
        }
        _ => None,
    }
}

/// Rust's, Go's and `stdint.h`'s names of built-in types: their definitions, where the program has none of the name.
pub fn alias(name: &str, address_size: u64) -> Option<Type> {
    let bits = |text: &str| text.parse::<u64>().ok().filter(|bits| matches!(bits, 8 | 16 | 32 | 64 | 128));
    let int = |signed, size| Some((TypeKind::Int { signed }, size));
    let (kind, size) = match name {
        "usize" | "uintptr" | "uintptr_t" | "size_t" | "uint" => int(false, address_size),
        "isize" | "intptr_t" | "ssize_t" | "ptrdiff_t" => int(true, address_size),
        "byte" => int(false, 1),
        "rune" => int(true, 4),
        // Programs that do not use them do not describe them.
        "wchar_t" | "char32_t" => Some((TypeKind::Char { signed: false, unicode: true }, 4)),
        "char16_t" => Some((TypeKind::Char { signed: false, unicode: true }, 2)),
        "char8_t" => Some((TypeKind::Char { signed: false, unicode: true }, 1)),
        "f32" | "float32" => Some((TypeKind::Float, 4)),
        "f64" | "float64" => Some((TypeKind::Float, 8)),
        _ => {
            let (signed, rest) = match name.strip_prefix('u') {
                Some(rest) => (false, rest),
                None => (true, name),
            };
            let number = match rest.strip_prefix("int") {
                Some(rest) => rest.strip_suffix("_t").unwrap_or(rest),
                None => rest.strip_prefix('i').or((!signed).then_some(rest))?,
            };
            int(signed, bits(number)? / 8)
        }
    }?;
    Some(Type { name: Some(name.to_owned()), size: Some(size), language: Language::C, kind })
}

/// The definition of a built-in type by C's words in any order (`long unsigned int`); `None` where they make none.
/// `long_size` is the size of `long` and of pointers.
pub fn builtin(words: &str, long_size: u64) -> Option<Type> {
    if let Some(definition) = alias(words, long_size) {
        return Some(definition);
    }
    let has = |word: &str| words.split(' ').any(|found| found == word);
    let count = |word: &str| words.split(' ').filter(|found| *found == word).count();
    let make = |name: &str, size: Option<u64>, kind: TypeKind| {
        Some(Type { name: Some(name.to_owned()), size, language: Language::C, kind })
    };
    let signed = !has("unsigned");
    if has("void") {
        return make("void", None, TypeKind::Void);
    }
    if has("bool") || has("_Bool") {
        return make("bool", Some(1), TypeKind::Bool);
    }
    if has("float") {
        return make("float", Some(4), TypeKind::Float);
    }
    if has("double") {
        if has("long") {
            return make("long double", Some(if long_size == 8 { 16 } else { 12 }), TypeKind::Float);
        }
        return make("double", Some(8), TypeKind::Float);
    }
    if has("char") {
        let name = if has("unsigned") {
            "unsigned char"
        } else if has("signed") {
            "signed char"
        } else {
            "char"
        };
        return make(name, Some(1), TypeKind::Char { signed, unicode: false });
    }
    let (name, size) = match (has("short"), count("long")) {
        (true, _) => ("short", 2),
        (_, 0) => ("int", 4),
        (_, 1) => ("long", long_size),
        _ => ("long long", 8),
    };
    let name = if signed { name.to_owned() } else { format!("unsigned {name}") };
    make(&name, Some(size), TypeKind::Int { signed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i128) -> Number {
        Number::int(value, INT)
    }

    #[test]
    fn narrow_results_wrap_as_in_the_machine() {
        assert_eq!(binary("+", int(i32::MAX.into()), int(1)).unwrap(), int(i32::MIN.into()));
        let unsigned = Number::int(0, (4, false));
        assert_eq!(binary("-", unsigned, int(1)).unwrap(), Number::int(u32::MAX.into(), (4, false)));
        assert_eq!(binary("<", int(-1), unsigned).unwrap(), int(0));
        assert_eq!(unary("~", Number::int(0, (1, false))).unwrap(), int(-1));
        assert_eq!(wrap(0x1ff, 1, true), -1);
        assert_eq!(wrap(-1, 8, false), u64::MAX.into());
        assert_eq!(wrap(-1, 16, false), -1);
    }

    #[test]
    fn division_is_c_s() {
        assert_eq!(binary("/", int(-5), int(2)).unwrap(), int(-2));
        assert_eq!(binary("%", int(-5), int(3)).unwrap(), int(-2));
        assert_eq!(binary("/", int(5), Number::Float(2.0)).unwrap(), Number::Float(2.5));
        assert!(binary("/", int(1), int(0)).is_err());
        let least = Number::int(i128::MIN, (16, true));
        assert_eq!(binary("/", least, Number::int(-1, (16, true))).unwrap(), least);
        assert!(binary("<<", int(1), int(-1)).is_err());
        assert_eq!(binary("<<", int(1), int(40)).unwrap(), int(0));
        assert_eq!(binary(">>", int(-8), int(99)).unwrap(), int(-1));
    }
}
