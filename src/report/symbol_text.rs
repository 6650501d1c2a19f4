//! Declarations as `info functions`, `info variables` and `info types` list them, in gdb's layout.

use crate::module::Language;
use crate::module::name_index::NameKind;
use crate::session::listing::{Listed, Listing};
use crate::types::name::declare;
use crate::types::{TypeId, TypeKind, TypeTable};

/// A list under its heading (`All functions matching regular expression "x":`).
pub fn listing_text(
    types: &TypeTable,
    listing: &Listing,
    what: &str,
    expression: &str,
    type_expression: Option<&str>,
) -> String {
    let mut text = if expression.is_empty() { format!("All defined {what}") } else { format!("All {what}") };
    if !expression.is_empty() {
        text += &format!(" matching regular expression \"{expression}\"");
    }
    if let Some(type_expression) = type_expression {
        text += &format!(" with type matching regular expression \"{type_expression}\"");
    }
    text += ":\n";
    let mut file: Option<&Option<String>> = None;
    for listed in &listing.declarations {
        if file != Some(&listed.file) {
            text += &format!("\nFile {}:\n", listed.file.as_deref().unwrap_or("<unknown>"));
            file = Some(&listed.file);
        }
        let line = listed.line.map(|line| format!("{line}:")).unwrap_or_default();
        text += &format!("{line}\t{}\n", declaration(types, listed));
    }
    if !listing.symbols.is_empty() {
        text += "\nNon-debugging symbols:\n";
        for (address, name) in &listing.symbols {
            text += &format!("{:#018x}  {name}\n", address.0);
        }
    }
    text
}

/// One declaration: `static int count;`
fn declaration(types: &TypeTable, listed: &Listed) -> String {
    let prefix = if listed.is_static { "static " } else { "" };
    let Some(id) = listed.type_id else { return format!("{prefix}{};", listed.name) };
    let name = listed.name.as_str();
    match listed.kind {
        NameKind::Function => format!("{prefix}{};", function(types, id, listed)),
        NameKind::Variable | NameKind::Constant if listed.language == Language::Rust => {
            format!("{prefix}{name}: {};", types.name(id))
        }
        NameKind::Variable | NameKind::Constant => format!("{prefix}{};", declare(types, id, name)),
        // As gdb: what it stands for in the end.
        NameKind::Typedef => format!("typedef {};", declare(types, untypedefed(types, id), name)),
        NameKind::Base | NameKind::Pointer => name.to_owned(),
        _ => format!("{};", types.name(id)),
    }
}

/// The type that a typedef stands for in the end, with its qualifiers.
fn untypedefed(types: &TypeTable, id: TypeId) -> TypeId {
    let mut id = id;
    for _ in 0..64 {
        let TypeKind::Typedef { target } = types.get(id).kind else { break };
        id = target;
    }
    id
}

fn function(types: &TypeTable, id: TypeId, listed: &Listed) -> String {
    let TypeKind::Function { result, .. } = &types.get(id).kind else { return listed.name.clone() };
    match (listed.language, &listed.display) {
        (Language::Rust, _) => {
            let whole = types.name(id);
            whole.strip_prefix("fn").map_or_else(|| listed.name.clone(), |rest| format!("fn {}{rest}", listed.name))
        }
        (Language::Cpp, Some(display)) if display.contains('(') => {
            let result = result.map_or("void", |result| types.name(result));
            let space = if result.ends_with('*') || result.ends_with('&') { "" } else { " " };
            format!("{result}{space}{display}")
        }
        _ => declare(types, id, &listed.name),
    }
}
