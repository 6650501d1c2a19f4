//! `dump` and `append`: memory and values into files.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::{Next, Repl, data, find};
use crate::addr::RunAddr;
use crate::command::CommandError;
use crate::command::FrameArgs;
use crate::command::selected::select;
use crate::expr::evaluate;
use crate::interrupt;

/// Bytes that are written in one piece.
const PIECE: u64 = 1 << 20;

/// `dump [binary] memory FILE START STOP`, `dump [binary] value FILE EXPR`
pub(super) fn dump(repl: &mut Repl<'_>, text: &str, append: bool) -> Result<Next, CommandError> {
    let usage = || CommandError::Usage("dump memory FILE START STOP, dump value FILE EXPR".to_owned());
    let (mut what, mut rest) = word(text);
    if let "ihex" | "srec" | "tekhex" | "verilog" = what {
        return Err(CommandError::Usage(format!("dump {what}: only binary files are written by this version")));
    }
    if what == "binary" {
        (what, rest) = word(rest);
    }
    let (file, rest) = word(rest);
    if file.is_empty() || rest.is_empty() {
        return Err(usage());
    }
    let path = Path::new(file);
    match what {
        "memory" => memory(repl, path, rest, append),
        "value" => {
            let bytes = {
                let selected = select(repl.state, &FrameArgs::default())?;
                let mut variables = repl.state.variables.clone();
                let evaluated = evaluate(&selected, rest, &mut variables)?;
                find::raw(&selected, &evaluated, rest)?
            };
            write(path, append, |out| out.write_all(&bytes))
        }
        _ => Err(usage()),
    }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn memory(repl: &Repl<'_>, path: &Path, range: &str, append: bool) -> Result<Next, CommandError> {
    // gdb: START ends at the first space, STOP is the rest.
    let (start, stop) = word(range);
    if stop.is_empty() {
        return Err(CommandError::Usage("Missing stop address.".to_owned()));
    }
    let (start, stop) = (data::address_of(repl, start)?, data::address_of(repl, stop)?);
    let length = stop.0.checked_sub(start.0).filter(|length| *length > 0);
    let length =
        length.ok_or_else(|| CommandError::Usage(format!("Invalid memory address range: {start} to {stop}")))?;
    // Looked through before the file is touched.
    let memory = repl.state.session.memory();
    pieces(start, length, |at, limit| match memory.piece(at, limit) {
        _ if interrupt::requested() => Err(CommandError::Interrupted),
        Ok(piece) => Ok(piece.len()),
        Err(error) => Err(CommandError::NoMatch(format!("Cannot access memory at address {at}: {error}"))),
    })?;
    write(path, append, |out| {
        pieces(start, length, |at, limit| {
            interrupt::check()?;
            let piece = memory.piece(at, limit).map_err(std::io::Error::other)?;
            out.write_all(piece)?;
            Ok(piece.len())
        })
    })
}

/// Calls `each` with an address and the bytes left, until it has taken all of them.
fn pieces<E>(start: RunAddr, length: u64, mut each: impl FnMut(RunAddr, usize) -> Result<usize, E>) -> Result<(), E> {
    let mut done = 0;
    while done < length {
        let at = RunAddr(start.0.wrapping_add(done));
        let taken = each(at, (length - done).min(PIECE) as usize)?;
        done = done.saturating_add(taken.max(1) as u64);
    }
    Ok(())
}

fn write(
    path: &Path,
    append: bool,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<Next, CommandError> {
    let failed = |error: std::io::Error| match interrupt::requested() {
        true => CommandError::Interrupted,
        false => CommandError::Usage(format!("{}: {error}", path.display())),
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).append(append).truncate(!append);
    let mut out = BufWriter::new(options.open(path).map_err(failed)?);
    content(&mut out).and_then(|()| out.flush()).map_err(failed)?;
    Ok(Next::Line)
}
