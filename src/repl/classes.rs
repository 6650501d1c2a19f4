//! `info vtbl`: the virtual functions of a C++ object, as gdb lists them.

use super::{Next, Repl};
use crate::addr::RunAddr;
use crate::command::selected::select;
use crate::command::{CommandError, FrameArgs, registers};
use crate::expr::classes;
use crate::report::value_text::absent_text;

/// `info vtbl EXPR`: each table of the object, and which function each of its slots is.
pub(super) fn virtual_tables(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    if text.is_empty() {
        return Err(CommandError::Usage("info vtbl EXPR: a C++ object, or a pointer to one".to_owned()));
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
                Ok(function) => {
                    let symbol = session.symbol(*function).map(|found| format!(" {}", registers::symbol_text(&found)));
                    format!("[{slot}]: {function}{}\n", symbol.unwrap_or_default())
                }
                Err(absent) => format!("[{slot}]: {}\n", absent_text(absent)),
            };
        }
        parts.push(part);
    }
    Ok(parts.join("\n"))
}
