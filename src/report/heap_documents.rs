//! A heap by type, and what keeps an object alive: as text and JSON.

use std::io::{self, Write};

use super::bt_text::{grouped, plural};
use super::environment_text::bytes_text;
use super::json::Json;
use super::json_backtrace::begin_document;
use super::style::Paint;
use super::table::{number, text, write_table};
use crate::image::Note;
use crate::runtime::go::heap::{HeapObject, HeapTypes, Holder, Known, References, Step, Tally, TypeRow};

/// JSON's word.
fn code(known: Known) -> &'static str {
    match known {
        Known::Size => "size",
        Known::Part => "part",
        Known::Pointer => "pointer",
        Known::Recorded => "recorded",
    }
}

fn write_tally(json: &mut Json, tally: Tally) {
    json.field_uint("objects", Some(tally.objects));
    json.field_uint("bytes", Some(tally.bytes));
}

/// `heap types`; `most` rows, all where none is said.
pub fn types(heap: &HeapTypes, most: usize, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.heap/1", notes);
    json.field_string("runtime", Some(&heap.version));
    write_tally(&mut json, heap.total);
    json.field_uint("typed_objects", Some(heap.typed.objects));
    json.field_uint("typed_bytes", Some(heap.typed.bytes));
    json.field_uint("dead_objects", Some(heap.dead.objects));
    json.field_uint("dead_bytes", Some(heap.dead.bytes));
    json.field_uint("spans", Some(heap.spans.0));
    json.field_uint("span_bytes", Some(heap.spans.1));
    json.key("types");
    json.begin_array();
    for row in heap.rows.iter().take(most) {
        json.begin_object();
        json.field_string("type", row.name.as_deref());
        json.field_uint("slot", row.slot);
        json.field_bool("pointers", row.has_pointers);
        json.field_string("known_by", Some(code(row.known)));
        write_tally(&mut json, row.tally);
        json.end_object();
    }
    json.end_array();
    json.field_uint("omitted", Some(heap.rows.len().saturating_sub(most) as u64));
    json.end_object();
    json
}

/// The same for people.
pub fn write_types(out: &mut dyn Write, heap: &HeapTypes, most: usize, paint: Paint) -> io::Result<()> {
    let total = heap.total;
    let line = format!(
        "{} {}, {} in use of {} in {} spans ({})",
        grouped(total.objects as usize),
        plural(total.objects as usize, "object", "objects"),
        bytes_text(total.bytes),
        bytes_text(heap.spans.1),
        grouped(heap.spans.0 as usize),
        heap.version
    );
    writeln!(out, "{}", paint.heading(line))?;
    if heap.dead.objects > 0 {
        let line = format!(
            "{} more ({}) are garbage that was found and not yet swept; they are not counted below.",
            grouped(heap.dead.objects as usize),
            bytes_text(heap.dead.bytes)
        );
        writeln!(out, "{}", paint.aside(line))?;
    }
    writeln!(out)?;
    let rows = heap.rows.iter().take(most).map(|row| {
        vec![
            bytes_text(row.tally.bytes),
            share(row.tally.bytes, total.bytes),
            grouped(row.tally.objects as usize),
            row_name(row),
        ]
    });
    write_table(out, &[number("size"), number("share"), number("objects"), text("type")], rows.collect())?;
    let rest = heap.rows.get(most..).unwrap_or_default();
    if !rest.is_empty() {
        let bytes: u64 = rest.iter().map(|row| row.tally.bytes).sum();
        let line = format!("{} more types, {} (--top N shows more)", grouped(rest.len()), bytes_text(bytes));
        writeln!(out, "\n{}", paint.aside(line))?;
    }
    Ok(())
}

fn share(part: u64, all: u64) -> String {
    let tenths = (u128::from(part) * 1000).checked_div(u128::from(all)).unwrap_or(0);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn row_name(row: &TypeRow) -> String {
    match (&row.name, row.slot) {
        (Some(name), _) if row.known == Known::Part => format!("{name} (some by pointers into them)"),
        (Some(name), _) => name.clone(),
        (None, Some(slot)) => {
            let pointers = if row.has_pointers { "with pointers" } else { "without pointers" };
            format!("({slot} bytes {pointers}: no type known)")
        }
        (None, None) => "(no type known)".to_owned(),
    }
}

fn write_object(json: &mut Json, object: &HeapObject) {
    json.begin_object();
    json.field_hex("address", Some(object.address.0));
    json.field_uint("size", Some(object.size));
    json.field_string("type", object.type_name.as_deref());
    json.field_string("known_by", Some(code(object.known)));
    json.end_object();
}

fn write_step(json: &mut Json, step: &Step) {
    json.begin_object();
    let (kind, name, function, goroutine, object) = match &step.holder {
        Holder::Global { name } => ("global", Some(name), None, None, None),
        Holder::Local { goroutine, function, name } => {
            let kind = if name.is_some() { "local" } else { "stack" };
            (kind, name.as_ref(), function.as_ref(), *goroutine, None)
        }
        Holder::Object(object) => ("object", None, None, None, Some(object)),
        Holder::Static { type_name, .. } => ("static", type_name.as_ref(), None, None, None),
    };
    let address = match &step.holder {
        Holder::Static { address, .. } => Some(address.0),
        _ => None,
    };
    json.field_string("kind", Some(kind));
    json.field_string("name", name.map(String::as_str));
    json.field_string("function", function.map(String::as_str));
    json.field_uint("goroutine", goroutine);
    json.field_hex("address", address);
    json.key("object");
    match object {
        Some(object) => write_object(json, object),
        None => json.null(),
    }
    json.field_string("path", Some(step.path.as_str()).filter(|path| !path.is_empty()));
    json.end_object();
}

/// `refs`.
pub fn references(found: &References, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.refs/1", notes);
    json.key("object");
    write_object(&mut json, &found.object);
    json.field_uint("offset", Some(found.offset));
    json.field_bool("free", found.is_free);
    json.key("chain");
    json.begin_array();
    found.chain.iter().for_each(|step| write_step(&mut json, step));
    json.end_array();
    json.key("references");
    json.begin_array();
    found.holders.iter().for_each(|step| write_step(&mut json, step));
    json.end_array();
    json.field_uint("references_counted", Some(found.counted));
    json.end_object();
    json
}

/// The same for people.
pub fn write_references(out: &mut dyn Write, found: &References, paint: Paint) -> io::Result<()> {
    let object = &found.object;
    let inside = if found.offset > 0 { format!(", {} bytes into it", found.offset) } else { String::new() };
    let described = object_text(object, paint);
    if found.is_free {
        return writeln!(out, "{} bytes at {}{inside}: free, no object is there", object.size, object.address);
    }
    writeln!(out, "{described}{inside}")?;
    if found.chain.is_empty() {
        return writeln!(out, "Nothing that was looked at leads to it: garbage, or held by what is not seen here.");
    }
    writeln!(out, "\n{}", paint.heading("Kept alive by"))?;
    for step in &found.chain {
        writeln!(out, "  {}", step_text(step, paint))?;
    }
    writeln!(out, "  {described}")?;
    let shown = found.holders.len() as u64;
    let counted = grouped(found.counted as usize);
    writeln!(out, "\n{}", paint.heading(format!("Pointers to it: {counted}")))?;
    for step in &found.holders {
        writeln!(out, "  {}", step_text(step, paint))?;
    }
    if found.counted > shown {
        writeln!(out, "  {}", paint.aside(format!("{} more", grouped((found.counted - shown) as usize))))?;
    }
    Ok(())
}

fn object_text(object: &HeapObject, paint: Paint) -> String {
    let name = match (&object.type_name, object.known) {
        (Some(name), Known::Part) => format!("{name}?"),
        (Some(name), _) => name.clone(),
        (None, _) => "(no type known)".to_owned(),
    };
    format!("{} {name}, {} bytes", paint.address(object.address), object.size)
}

fn step_text(step: &Step, paint: Paint) -> String {
    let path = if step.path.is_empty() { String::new() } else { format!(" {}", paint.variable(&step.path)) };
    match &step.holder {
        Holder::Global { name } => format!("global {}{path}", paint.variable(name)),
        Holder::Local { goroutine, function, name } => {
            let goroutine = goroutine.map_or_else(|| "a goroutine".to_owned(), |id| format!("goroutine {id}"));
            let function = function.as_deref().unwrap_or("a function without a name");
            match name {
                Some(name) => {
                    format!("{goroutine}, {}: {}{path}", paint.function(function), paint.variable(name))
                }
                None => format!("{goroutine}, {}: a word of its frame", paint.function(function)),
            }
        }
        Holder::Static { address, type_name: Some(type_name) } => {
            format!("{} {type_name}, in the program's data{path}", paint.address(address))
        }
        Holder::Static { address, type_name: None } => {
            format!("{} a word of the program's data", paint.address(address))
        }
        Holder::Object(object) => format!("{}{path}", object_text(object, paint)),
    }
}
