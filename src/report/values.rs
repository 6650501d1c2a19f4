//! Values and types as text: the one place where the other renderers ask for them.

use crate::types::{TypeId, TypeKind, TypeTable};
use crate::value::{Absent, AbsentReason, Field, Text, Value, ValueKind};

/// The value in gdb's syntax, without its type in front.
pub fn value_text(types: &TypeTable, value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, types, value);
    out
}

/// The value as `print` shows it: a pointer with its type in front, as gdb does, except where it is a C string.
pub fn printed(types: &TypeTable, value: &Value) -> String {
    let text = value_text(types, value);
    match &value.kind {
        ValueKind::Pointer { reference: true, .. } => format!("({}) {text}", types.name(value.type_id)),
        ValueKind::Pointer { string: None, .. } if !is_char_pointer(types, value.type_id) => {
            format!("({}) {text}", types.name(value.type_id))
        }
        _ => text,
    }
}

fn is_char_pointer(types: &TypeTable, id: TypeId) -> bool {
    let TypeKind::Pointer { target } = types.get(types.strip(id)).kind else { return false };
    matches!(types.get(types.strip(target)).kind, TypeKind::Char { .. })
}

/// The type as gdb's `ptype` shows it.
pub fn type_text(types: &TypeTable, id: TypeId) -> String {
    types.name(id).to_owned()
}

/// Why there is no value, as gdb users know it.
pub fn absent_text(absent: &Absent) -> String {
    match (absent.why, absent.address, &absent.detail) {
        (AbsentReason::OptimizedOut, ..) => "<optimized out>".to_owned(),
        (AbsentReason::Unreadable, Some(address), _) => format!("<error: Cannot access memory at address {address}>"),
        (_, Some(address), Some(detail)) => format!("<{detail} at {address}>"),
        (_, _, Some(detail)) => format!("<{detail}>"),
        (why, ..) => format!("<{}>", why.code().replace('-', " ")),
    }
}

fn write_value(out: &mut String, types: &TypeTable, value: &Value) {
    match &value.kind {
        ValueKind::Int(number) => *out += &number.to_string(),
        ValueKind::Uint(number) => *out += &number.to_string(),
        ValueKind::Char { code, char } => match char {
            Some(char) => *out += &format!("{code} '{}'", char.escape_default()),
            None => *out += &format!("{code}"),
        },
        ValueKind::Bool(0) => *out += "false",
        ValueKind::Bool(1) => *out += "true",
        ValueKind::Bool(other) => *out += &other.to_string(),
        ValueKind::Enum { name: Some(name), .. } => *out += name,
        ValueKind::Enum { value, .. } => *out += &value.to_string(),
        ValueKind::Float { text, .. } => *out += text,
        ValueKind::Pointer { address, symbol, string, reference, .. } => {
            let address = address.map_or_else(|| "(implicit)".to_owned(), |address| address.to_string());
            *out += &if *reference { format!("@{address}") } else { address };
            if let Some(symbol) = symbol {
                *out += &format!(" <{symbol}>");
            }
            if let Some(text) = string {
                out.push(' ');
                write_text(out, text);
            }
        }
        ValueKind::Struct { fields, .. } => write_fields(out, types, fields),
        ValueKind::Array { items, omitted, .. } => {
            out.push('{');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    *out += ", ";
                }
                write_value(out, types, item);
            }
            *out += if *omitted > 0 { "...}" } else { "}" };
        }
        ValueKind::String(text) => write_text(out, text),
        ValueKind::Variant { variant, fields } => {
            *out += variant;
            if !fields.is_empty() {
                write_fields(out, types, fields);
            }
        }
        ValueKind::Absent(absent) => *out += &absent_text(absent),
        ValueKind::Elided => *out += "{...}",
    }
}

fn write_fields(out: &mut String, types: &TypeTable, fields: &[Field]) {
    out.push('{');
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            *out += ", ";
        }
        match (&field.name, field.base) {
            (_, true) => *out += &format!("<{}> = ", types.name(field.value.type_id)),
            (Some(name), false) => *out += &format!("{name} = "),
            (None, false) => {}
        }
        write_value(out, types, &field.value);
    }
    out.push('}');
}

fn write_text(out: &mut String, text: &Text) {
    *out += &format!("\"{}\"", text.bytes.escape_ascii());
    if text.omitted > 0 {
        *out += "...";
    }
}
