//! Numbers in the form that a format letter asks for, as gdb's `print/x` and `x/…` have them.
//!
//! ```text
//! x hex   z hex, padded   d signed   u unsigned   o octal   t binary   c character   a address   f float   s default
//! ```

use super::value_text::value_text;
use crate::types::{TypeId, TypeKind, TypeTable};
use crate::value::float::{FloatFormat, FloatText};
use crate::value::{Field, Map, Sequence, Value, ValueKind};

/// Values within values whose numbers are formatted.
const MAX_DEPTH: usize = 100;

/// Flags of EFLAGS (Intel SDM volume 1, 3.4.3), by bit.
const EFLAGS: &[(u32, &str)] = &[
    (0, "CF"),
    (2, "PF"),
    (4, "AF"),
    (6, "ZF"),
    (7, "SF"),
    (8, "TF"),
    (9, "IF"),
    (10, "DF"),
    (11, "OF"),
    (14, "NT"),
    (16, "RF"),
    (17, "VM"),
    (18, "AC"),
    (19, "VIF"),
    (20, "VIP"),
    (21, "ID"),
];

/// Flags of MXCSR (Intel SDM volume 1, 10.2.3), by bit.
const MXCSR: &[(u32, &str)] = &[
    (0, "IE"),
    (1, "DE"),
    (2, "ZE"),
    (3, "OE"),
    (4, "UE"),
    (5, "PE"),
    (6, "DAZ"),
    (7, "IM"),
    (8, "DM"),
    (9, "ZM"),
    (10, "OM"),
    (11, "UM"),
    (12, "PM"),
    (15, "FZ"),
];

/// The letters.
pub const LETTERS: &str = "xzduotcafs";

/// A number of `size` bytes (at most 8): its bits.
#[derive(Clone, Copy, Debug)]
pub struct Bits {
    /// Zero-extended.
    pub value: u64,
    /// Bytes.
    pub size: usize,
}

impl Bits {
    /// From little-endian bytes; only the first eight count.
    pub fn from_bytes(bytes: &[u8]) -> Bits {
        let size = bytes.len().min(8);
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(&bytes[..size]);
        Bits { value: u64::from_le_bytes(wide), size }
    }

    /// Sign-extended.
    pub fn signed(self) -> i64 {
        let unused = 64 - 8 * self.size.clamp(1, 8) as u32;
        (self.value << unused) as i64 >> unused
    }
}

/// The number in the form of `letter`; `padded` as `x` pads it. `symbol` gives `<main+4>` for `a`.
pub fn number_text(bits: Bits, letter: char, padded: bool, symbol: &dyn Fn(u64) -> Option<String>) -> String {
    let Bits { value, size } = bits;
    match letter {
        'x' if padded => format!("{value:#0width$x}", width = 2 * size + 2),
        'z' => format!("{value:#0width$x}", width = 2 * size + 2),
        'd' => bits.signed().to_string(),
        'u' => value.to_string(),
        // gdb writes zero alone, and otherwise a leading zero.
        'o' if value == 0 => "0".to_owned(),
        'o' => format!("0{value:o}"),
        't' if padded => format!("{value:0width$b}", width = 8 * size),
        't' => format!("{value:b}"),
        'c' => character_text(bits.signed(), value as u8),
        'a' => match symbol(value) {
            Some(symbol) => format!("{value:#x} {symbol}"),
            None => format!("{value:#x}"),
        },
        'f' if size == 4 => FloatText { bits: value.into(), format: FloatFormat::Single }.to_string(),
        'f' if size == 8 => FloatText { bits: value.into(), format: FloatFormat::Double }.to_string(),
        'f' => bits.signed().to_string(),
        _ => format!("{value:#x}"),
    }
}

/// `[ AF IF RF ]`: the flags in a register of one of gdb's types for them; `None`: the type is another one.
pub fn flags_text(type_name: &str, value: u64) -> Option<String> {
    let flags = match type_name {
        "i386_eflags" => EFLAGS,
        "i386_mxcsr" => MXCSR,
        _ => return None,
    };
    let mut text = "[ ".to_owned();
    for (bit, name) in flags {
        if value >> bit & 1 == 1 {
            text += name;
            text.push(' ');
        }
    }
    Some(text + "]")
}

/// `97 'a'`, `0 '\000'`.
pub fn character_text(number: i64, byte: u8) -> String {
    let escape = match byte {
        b'\'' => "\\'".to_owned(),
        b'\\' => "\\\\".to_owned(),
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        9 => "\\t".to_owned(),
        10 => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        13 => "\\r".to_owned(),
        27 => "\\033".to_owned(),
        0x20..=0x7e => char::from(byte).to_string(),
        other => format!("\\{other:03o}"),
    };
    format!("{number} '{escape}'")
}

/// A value with every number in it in the form of `letter`.
pub fn value_formatted(
    types: &TypeTable,
    value: &Value,
    letter: char,
    symbol: &dyn Fn(u64) -> Option<String>,
) -> String {
    // What is no text is as it always is.
    if letter == 's' {
        return value_text(types, value);
    }
    let form = Form { types, letter, symbol };
    let mut formatted = form.value(value, 0);
    // As in gdb, of a reference the object alone.
    while let ValueKind::Pointer { reference: true, pointee: Some(pointee), .. } = formatted.kind {
        formatted = *pointee;
    }
    value_text(types, &formatted)
}

struct Form<'a> {
    types: &'a TypeTable,
    letter: char,
    symbol: &'a dyn Fn(u64) -> Option<String>,
}

impl Form<'_> {
    fn size(&self, id: TypeId) -> usize {
        self.types.size(id).and_then(|size| usize::try_from(size).ok()).unwrap_or(8).clamp(1, 16)
    }

    fn integer(&self, id: TypeId, number: i128, is_float: bool) -> ValueKind {
        let size = self.size(id);
        let text = if size > 8 {
            // Wider than any unit: hex or decimal.
            match self.letter {
                'd' => number.to_string(),
                'u' => (number as u128).to_string(),
                'o' => format!("0{number:o}"),
                't' => format!("{number:b}"),
                _ => format!("{number:#x}"),
            }
        } else {
            let unused = 64 - 8 * size as u32;
            let bits = Bits { value: (number as u64) << unused >> unused, size };
            // `f` on an integer whose size is no float's leaves it as it is.
            let letter = if self.letter == 'f' && !is_float && !matches!(size, 4 | 8) { 'd' } else { self.letter };
            match letter {
                'c' => self.character(id, bits),
                letter => number_text(bits, letter, false, self.symbol),
            }
        };
        ValueKind::Described { number, text }
    }

    /// The low byte, with the sign of the type.
    fn character(&self, id: TypeId, bits: Bits) -> String {
        let byte = bits.value as u8;
        let unsigned = match self.types.get(self.types.strip(id)).kind {
            TypeKind::Int { signed } | TypeKind::Char { signed, .. } => !signed,
            TypeKind::Bool => true,
            _ => false,
        };
        character_text(if unsigned { byte.into() } else { (byte as i8).into() }, byte)
    }

    fn fields(&self, fields: &[Field], depth: usize) -> Vec<Field> {
        let field = |field: &Field| match field.name.as_deref() {
            // gdb says of these where they lead.
            Some(name) if name.starts_with("_vptr") => field.clone(),
            _ => Field { value: self.value(&field.value, depth), ..field.clone() },
        };
        fields.iter().map(field).collect()
    }

    fn values(&self, values: &[Value], depth: usize) -> Vec<Value> {
        values.iter().map(|value| self.value(value, depth)).collect()
    }

    /// The value with its numbers replaced by their text; what is text already stays.
    fn value(&self, value: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return value.clone();
        }
        let (id, depth) = (value.type_id, depth + 1);
        let kind = match &value.kind {
            ValueKind::Int(_) if matches!(self.kind(id), TypeKind::MemberPointer { .. }) => value.kind.clone(),
            ValueKind::Int(number) | ValueKind::Enum { value: number, .. } | ValueKind::Described { number, .. } => {
                self.integer(id, *number, false)
            }
            ValueKind::Uint(number) => self.integer(id, *number as i128, false),
            ValueKind::Char { code, .. } => self.integer(id, (*code).into(), false),
            ValueKind::Bool(raw) => self.integer(id, (*raw).into(), false),
            ValueKind::Float { value: float, .. } => match (self.letter, self.size(id)) {
                ('f', _) => value.kind.clone(),
                (_, 4) => self.integer(id, (*float as f32).to_bits().into(), true),
                (_, 8) => self.integer(id, float.to_bits().into(), true),
                _ => value.kind.clone(),
            },
            ValueKind::Pointer { address: Some(address), reference: false, .. } => {
                self.integer(id, address.0.into(), false)
            }
            ValueKind::Pointer { address, reference: true, symbol, string, pointee: Some(pointee) } => {
                let pointee = Some(Box::new(self.value(pointee, depth)));
                ValueKind::Pointer {
                    address: *address,
                    reference: true,
                    symbol: symbol.clone(),
                    string: string.clone(),
                    pointee,
                }
            }
            ValueKind::Array { length, items, omitted } => {
                ValueKind::Array { length: *length, items: self.values(items, depth), omitted: *omitted }
            }
            ValueKind::String(text) if matches!(self.kind(id), TypeKind::Array { .. }) => {
                // A character array that was recognised as text: its bytes one by one.
                let TypeKind::Array { element, .. } = *self.kind(id) else { return value.clone() };
                let item = |byte: &u8| {
                    let kind = ValueKind::Int((*byte as i8).into());
                    self.value(&Value { type_id: element, kind }, depth)
                };
                let items: Vec<Value> = text.bytes.iter().map(item).collect();
                let length = (items.len() as u64).saturating_add(text.omitted);
                ValueKind::Array { length, items, omitted: text.omitted }
            }
            ValueKind::Struct { .. } if matches!(self.kind(id), TypeKind::Complex | TypeKind::MemberPointer { .. }) => {
                value.kind.clone()
            }
            ValueKind::Struct { union, fields } => {
                ValueKind::Struct { union: *union, fields: self.fields(fields, depth) }
            }
            ValueKind::Variant { title, variant, fields } => {
                let (title, variant) = (title.clone(), variant.clone());
                ValueKind::Variant { title, variant, fields: self.fields(fields, depth) }
            }
            ValueKind::Parts { title, fields } => {
                ValueKind::Parts { title: title.clone(), fields: self.fields(fields, depth) }
            }
            ValueKind::Sequence(sequence) => {
                let items = self.values(&sequence.items, depth);
                ValueKind::Sequence(Box::new(Sequence { items, ..(**sequence).clone() }))
            }
            ValueKind::Map(map) => {
                let pair = |(key, item): &(Value, Value)| (self.value(key, depth), self.value(item, depth));
                ValueKind::Map(Box::new(Map { items: map.items.iter().map(pair).collect(), ..(**map).clone() }))
            }
            kind => kind.clone(),
        };
        Value { type_id: id, kind }
    }

    fn kind(&self, id: TypeId) -> &TypeKind {
        &self.types.get(self.types.strip(id)).kind
    }
}

/// The error and what led to it, said once each.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_read_as_in_gdb() {
        assert_eq!(flags_text("i386_eflags", 0x10212).as_deref(), Some("[ AF IF RF ]"));
        assert_eq!(flags_text("i386_mxcsr", 0x1f80).as_deref(), Some("[ IM DM ZM OM UM PM ]"));
        assert_eq!(flags_text("int", 1), None);
    }

    fn none(_: u64) -> Option<String> {
        None
    }

    #[test]
    fn letters_are_gdb_s() {
        let text = |value: u64, size, letter, padded| number_text(Bits { value, size }, letter, padded, &none);
        assert_eq!(text(0x2a, 4, 'x', false), "0x2a");
        assert_eq!(text(0x2a, 4, 'x', true), "0x0000002a");
        assert_eq!(text(5, 4, 'z', false), "0x00000005");
        assert_eq!(text(0xffff_ffff, 4, 'd', true), "-1");
        assert_eq!(text(0xffff_ffff, 4, 'u', true), "4294967295");
        assert_eq!(text(0, 1, 'o', true), "0");
        assert_eq!(text(0o52, 1, 'o', true), "052");
        assert_eq!(text(8, 4, 'o', false), "010");
        assert_eq!(text(10, 4, 't', false), "1010");
        assert_eq!(text(10, 1, 't', true), "00001010");
        assert_eq!(text(105, 1, 'c', true), "105 'i'");
        assert_eq!(text(0, 1, 'c', true), "0 '\\000'");
        assert_eq!(text(0x1234, 8, 'a', true), "0x1234");
        assert_eq!(text(3.25f64.to_bits(), 8, 'f', true), "3.25");
        assert_eq!(text(3, 4, 'f', false), "4.20389539e-45");
    }
}
