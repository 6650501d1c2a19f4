//! Values in JSON: one `kind` a variant of [`ValueKind`].

use super::json::Json;
use super::value_text::summary_text;
use crate::session::{Role, Variable};
use crate::types::{TypeId, TypeKind, TypeTable};
use crate::value::{Absent, Field, Provenance, Summary, Text, Value, ValueKind};

/// The contract's word.
pub fn provenance_code(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Location => "location",
        Provenance::EntryValue => "entry-value",
        Provenance::Inferred => "inferred",
    }
}

/// A variable with its value.
pub fn write_variable(json: &mut Json, types: &TypeTable, variable: &Variable) {
    json.begin_object();
    json.field_string("name", Some(&variable.name));
    json.key("role");
    json.string(match variable.role {
        Role::Argument => "argument",
        Role::Local => "local",
    });
    json.field_string("type", variable.type_id.map(|id| types.name(id)));
    if let Some(line) = variable.decl_line {
        json.field_uint("decl_line", Some(line.into()));
    }
    json.key("provenance");
    json.string(provenance_code(variable.provenance));
    json.key("value");
    write_value(json, types, &variable.value, variable.type_id);
    json.end_object();
}

/// A value whose holder says that its type is `holder`; the value names its own where that differs.
pub fn write_value(json: &mut Json, types: &TypeTable, value: &Value, holder: Option<TypeId>) {
    json.begin_object();
    json.key("kind");
    json.string(kind_code(&value.kind));
    if !matches!(value.kind, ValueKind::Absent(_) | ValueKind::Elided) && differs(types, value.type_id, holder) {
        json.field_string("type", Some(types.name(value.type_id)));
    }
    write_content(json, types, value);
    json.end_object();
}

fn differs(types: &TypeTable, own: TypeId, holder: Option<TypeId>) -> bool {
    holder.is_none_or(|holder| holder != own && types.name(holder) != types.name(own))
}

fn kind_code(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Int(_) | ValueKind::Uint(_) | ValueKind::Described { .. } => "int",
        ValueKind::Char { .. } => "char",
        ValueKind::Bool(_) => "bool",
        ValueKind::Enum { .. } => "enum",
        ValueKind::Float { .. } => "float",
        ValueKind::Pointer { reference: false, .. } => "pointer",
        ValueKind::Pointer { reference: true, .. } => "reference",
        ValueKind::Struct { union: false, .. } | ValueKind::Parts { .. } => "struct",
        ValueKind::Struct { union: true, .. } => "union",
        ValueKind::Summary(summary) => many(summary).map_or("struct", |content| kind_code(&content.kind)),
        ValueKind::Array { .. } => "array",
        ValueKind::String(_) => "string",
        ValueKind::Titled { content, .. } => kind_code(&content.kind),
        ValueKind::Sequence(sequence) if sequence.set => "set",
        ValueKind::Sequence(_) => "sequence",
        ValueKind::Map(_) => "map",
        ValueKind::Variant { .. } => "variant",
        ValueKind::Absent(_) => "absent",
        ValueKind::Elided => "elided",
    }
}

fn write_content(json: &mut Json, types: &TypeTable, value: &Value) {
    match &value.kind {
        ValueKind::Int(number) => {
            json.key("int");
            json.int(*number);
        }
        ValueKind::Uint(number) => {
            json.key("int");
            json.uint(*number);
        }
        ValueKind::Described { number, text } => {
            json.key("int");
            json.int(*number);
            write_title(json, text);
        }
        ValueKind::Char { code, char } => {
            json.key("int");
            json.int((*code).into());
            if let Some(char) = char {
                json.field_string("char", Some(char.encode_utf8(&mut [0; 4])));
            }
        }
        ValueKind::Bool(raw) => json.field_uint("int", Some(*raw)),
        ValueKind::Enum { value, name } => {
            json.key("int");
            json.int(*value);
            json.field_string("name", name.as_deref());
        }
        ValueKind::Float { value, .. } => {
            json.key("float");
            json.float(*value);
        }
        ValueKind::Pointer { address, symbol, string, pointee, .. } => {
            json.field_hex("address", address.map(|address| address.0));
            if let Some(symbol) = symbol {
                json.field_string("symbol", Some(symbol));
            }
            if let Some(text) = string {
                json.key("string");
                json.program_text(&text.bytes);
                if text.omitted > 0 {
                    json.field_uint("omitted", Some(text.omitted));
                }
                write_cut(json, text);
            }
            if let Some(pointee) = pointee {
                json.key("pointee");
                write_value(json, types, pointee, target(types, value.type_id));
            }
        }
        ValueKind::Struct { fields, .. } => write_fields(json, types, fields),
        ValueKind::Array { length, items, omitted } => {
            json.field_uint("length", Some(*length));
            json.key("items");
            json.begin_array();
            let element = target(types, value.type_id);
            for item in items {
                write_value(json, types, item, element);
            }
            json.end_array();
            json.field_uint("omitted", Some(*omitted));
        }
        ValueKind::String(text) => write_text(json, text),
        ValueKind::Titled { title, content } => {
            write_title(json, title);
            write_content(json, types, content);
        }
        ValueKind::Sequence(sequence) => {
            write_title(json, &sequence.title);
            json.field_uint("length", sequence.length);
            json.key("items");
            json.begin_array();
            for item in &sequence.items {
                write_value(json, types, item, None);
            }
            json.end_array();
            json.field_uint("omitted", Some(sequence.omitted));
        }
        ValueKind::Map(map) => {
            write_title(json, &map.title);
            json.field_uint("length", map.length);
            json.key("items");
            json.begin_array();
            for (key, value) in &map.items {
                json.begin_object();
                json.key("key");
                write_value(json, types, key, None);
                json.key("value");
                write_value(json, types, value, None);
                json.end_object();
            }
            json.end_array();
            json.field_uint("omitted", Some(map.omitted));
        }
        ValueKind::Parts { title, fields } => {
            write_title(json, title);
            write_fields(json, types, fields);
        }
        ValueKind::Summary(summary) => {
            write_title(json, &summary_text(types, summary));
            match (many(summary), &summary.content) {
                (Some(content), _) => write_content(json, types, content),
                (None, None) => write_fields(json, types, &[]),
                // What stands in the items' place.
                (None, Some(other)) => {
                    let field = Field::of(Some("items".into()), other.clone());
                    write_fields(json, types, &[field]);
                }
            }
        }
        ValueKind::Variant { title, variant, fields } => {
            write_title(json, title.as_deref().unwrap_or_default());
            json.field_string("variant", Some(variant));
            match fields.as_slice() {
                [Field { name: Some(name), base: false, value, .. }] if name == "__0" => {
                    json.key("value");
                    write_value(json, types, value, None);
                }
                _ => write_fields(json, types, fields),
            }
        }
        ValueKind::Absent(absent) => write_absent(json, absent),
        ValueKind::Elided => {}
    }
}

/// What stands behind a summary, where that is parts or items.
fn many(summary: &Summary) -> Option<&Value> {
    let content = summary.content.as_ref()?;
    matches!(content.kind, ValueKind::Sequence(_) | ValueKind::Map(_) | ValueKind::Parts { .. }).then_some(content)
}

/// What a pointer, reference or array says that its content is.
fn target(types: &TypeTable, id: TypeId) -> Option<TypeId> {
    match types.stripped(id).1.kind {
        TypeKind::Pointer { target } | TypeKind::Reference { target, .. } => Some(target),
        TypeKind::Array { element, .. } => Some(element),
        _ => None,
    }
}

fn write_fields(json: &mut Json, types: &TypeTable, fields: &[Field]) {
    json.key("fields");
    json.begin_array();
    // A static member is no part of its object.
    for field in fields.iter().filter(|field| !field.is_static) {
        json.begin_object();
        json.field_string("name", field.name.as_deref());
        json.field_string("type", Some(types.name(field.value.type_id)));
        if field.base {
            json.field_bool("base", true);
        }
        json.key("value");
        write_value(json, types, &field.value, Some(field.value.type_id));
        json.end_object();
    }
    json.end_array();
}

/// A formatter's words for the whole.
fn write_title(json: &mut Json, title: &str) {
    if !title.is_empty() {
        json.field_string("summary", Some(title));
    }
}

fn write_text(json: &mut Json, text: &Text) {
    json.key("string");
    json.program_text(&text.bytes);
    json.field_uint("length", text.length);
    json.field_uint("omitted", Some(text.omitted));
    write_cut(json, text);
}

/// Why a text is not there to its end.
fn write_cut(json: &mut Json, text: &Text) {
    if let Some(absent) = &text.cut {
        json.key("cut");
        json.begin_object();
        write_absent(json, absent);
        json.end_object();
    }
}

fn write_absent(json: &mut Json, absent: &Absent) {
    json.key("why");
    json.string(absent.why.code());
    if let Some(address) = absent.address {
        json.field_hex("address", Some(address.0));
    }
    if let Some(detail) = &absent.detail {
        json.field_string("detail", Some(detail));
    }
}
