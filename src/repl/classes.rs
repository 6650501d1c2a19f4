//! `info vtbl`: the virtual functions of a C++ object, as gdb lists them; the methods of a Rust trait object.

use super::{Next, Repl};
use crate::addr::RunAddr;
use crate::command::selected::select;
use crate::command::{CommandError, FrameArgs, registers};
use crate::expr::trait_objects::{TableEnd, TraitSlot, TraitTable};
use crate::expr::{classes, trait_objects};
use crate::report::value_text::absent_text;
use crate::session::Session;
use crate::value::Absent;

/// `info vtbl EXPR`: each table of the object, and which function each of its slots is.
pub(super) fn virtual_tables(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    if text.is_empty() {
        return Err(CommandError::Usage(
            "info vtbl EXPR: a C++ object, a Rust trait object, or a pointer to one".to_owned(),
        ));
    }
    let mut variables = std::mem::take(&mut repl.state.variables);
    let listed = listed(repl, text, &mut variables);
    repl.state.variables = variables;
    write!(repl.out, "{}", listed?)?;
    Ok(Next::Line)
}

fn listed(repl: &Repl<'_>, text: &str, variables: &mut crate::expr::Variables) -> Result<String, CommandError> {
    let selected = select(repl.state, &FrameArgs::default())?;
    let session = selected.session;
    if let Some(table) = trait_objects::trait_table(&selected, text, variables)?
        .map_err(|absent| CommandError::NoMatch(format!("{text}: {}", absent_text(&absent))))?
    {
        return Ok(trait_text(session, &table));
    }
    let tables = classes::virtual_tables(&selected, text, variables)?;
    let tables = tables.map_err(|absent| CommandError::NoMatch(format!("{text}: {}", absent_text(&absent))))?;
    if tables.is_empty() {
        return Err(CommandError::NoMatch("This object does not have a virtual function table".to_owned()));
    }
    let mut parts = Vec::new();
    for table in &tables {
        let class = session.types.name(table.class);
        let mut part = format!("vtable for '{class}' @ {} (subobject @ {}):\n", table.address, table.object);
        for (slot, function) in table.functions.iter().enumerate() {
            part += &match function {
                Ok(RunAddr(0)) => format!("[{slot}]: 0x0\n"),
                function => format!("[{slot}]: {}\n", named(session, function)),
            };
        }
        parts.push(part);
    }
    Ok(parts.join("\n"))
}

fn named(session: &Session, address: &Result<RunAddr, Absent>) -> String {
    match address {
        Ok(address) => {
            let symbol = session.symbol(*address).map(|found| format!(" {}", registers::symbol_text(&found)));
            format!("{address}{}", symbol.unwrap_or_default())
        }
        Err(absent) => absent_text(absent),
    }
}

fn trait_text(session: &Session, table: &TraitTable) -> String {
    let number = |number: &Result<u64, Absent>| match number {
        Ok(number) => number.to_string(),
        Err(absent) => absent_text(absent),
    };
    let object = match &table.object {
        Ok(object) => object.to_string(),
        Err(absent) => absent_text(absent),
    };
    let drop = match &table.drop {
        Ok(RunAddr(0)) => "0x0 (nothing is to be dropped)".to_owned(),
        drop => named(session, drop),
    };
    let mut text = format!("vtable for '{}' @ {} (object @ {object}):\n", table.name, table.address);
    text += &format!("drop:  {drop}\nsize:  {}\nalign: {}\n", number(&table.size), number(&table.alignment));
    for (slot, content) in &table.slots {
        text += &match content {
            TraitSlot::Method(code) => format!("[{slot}]: {}\n", named(session, code)),
            TraitSlot::Supertrait(table) => format!("[{slot}]: {} (vtable of a supertrait)\n", named(session, table)),
        };
    }
    text + match table.end {
        TableEnd::Known => "",
        TableEnd::AtLeast => "Nothing describes this table: there may be more methods, of supertraits.\n",
        TableEnd::Unknown => "Nothing describes this table: which methods it has is not known.\n",
    }
}
