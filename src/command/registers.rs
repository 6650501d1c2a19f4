//! `obit registers`: a frame's registers, laid out as gdb's `info registers`.

use super::selected::{Selected, select};
use super::{CommandError, FrameArgs, Output, State, common};
use crate::addr::RunAddr;
use crate::arch::{Arch, Registers, aarch64};
use crate::expr::{Variables, evaluate};
use crate::report::documents::{self, RegisterRow, hex_value};
use crate::report::formatted::flags_text;
use crate::value::Place;
use crate::value::float::{FloatFormat, FloatText};

/// Arguments of `registers`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    #[command(flatten)]
    frame: FrameArgs,
    /// Show vector and floating-point registers too
    #[arg(long)]
    all: bool,
    /// Only these registers
    #[arg(value_name = "REGISTER")]
    names: Vec<String>,
}

/// Answers `registers`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let selected = select(state, &args.frame)?;
    let registers = selected
        .registers()
        .ok_or_else(|| CommandError::NoMatch(format!("thread {} has no registers", selected.thread.lwp)))?;
    // `eax`, `w0`: what expressions have as `$eax`.
    let part = |name: &str| {
        let evaluated = evaluate(&selected, &format!("${name}"), &mut Variables::default()).ok()?;
        match evaluated.place {
            Ok(Place::Bytes(bytes)) if !evaluated.is_void(&selected) => {
                Some(RegisterRow { name: name.to_owned(), bytes: Some(bytes.data) })
            }
            _ => None,
        }
    };
    let rows = chosen_rows(args, registers, &part)?;
    let notes = session.notes();
    let frame = state.selection(&args.frame).frame;
    if state.json {
        let json = documents::registers(selected.thread.lwp, frame, &rows, &notes);
        return common::write_document(output, json);
    }
    if rows.is_empty() {
        return Err(CommandError::NoMatch(
            "none of these registers is known of this frame; frame 0 has them".to_owned(),
        ));
    }
    for row in &rows {
        let Some(bytes) = &row.bytes else {
            writeln!(output.out, "{:<15}<not saved>", row.name)?;
            continue;
        };
        let (hex, natural) = match x87_texts(row, bytes) {
            Some(texts) => texts,
            None => (hex_value(bytes), natural_text(&selected, row, bytes)),
        };
        // Long names and wide values push what follows to the right, as in gdb.
        let line = format!("{:<15}{hex:<20}{natural}", row.name);
        writeln!(output.out, "{}", line.trim_end())?;
    }
    common::write_notes(output, &notes)
}

fn chosen_rows(
    args: &Args,
    registers: &Registers,
    part: &dyn Fn(&str) -> Option<RegisterRow>,
) -> Result<Vec<RegisterRow>, CommandError> {
    if args.names.is_empty() {
        return Ok(if args.all { all_rows(registers) } else { general_rows(registers) });
    }
    let everything = all_rows(registers);
    let mut rows = Vec::new();
    for name in &args.names {
        let plain = name.strip_prefix('$').unwrap_or(name);
        if let Some(group) = group(plain, registers) {
            rows.extend(group);
            continue;
        }
        let arch = registers.arch();
        let alias = match plain {
            "pc" => Some(arch.pc()),
            "sp" => Some(arch.sp()),
            "fp" => Some(arch.fp()),
            _ => None,
        };
        let general = |number| arch.general_registers().iter().find(|register| register.dwarf == number);
        let plain = alias.and_then(general).map_or(plain, |register| register.name);
        let view = || Some(RegisterRow { name: plain.to_owned(), bytes: Some(registers.vector_view(plain)?) });
        let known = everything.iter().find(|row| row.name == plain).cloned().or_else(view).or_else(|| part(plain));
        let row = known.ok_or_else(|| {
            let why = if registers.vectors.is_some() {
                "no such register; info all-registers lists them"
            } else {
                "no such register, or none that is known of a caller's frame; frame 0 has them all"
            };
            CommandError::NoMatch(format!("Invalid register `{plain}': {why}"))
        })?;
        rows.push(row);
    }
    Ok(rows)
}

/// gdb's groups of registers.
fn group(name: &str, registers: &Registers) -> Option<Vec<RegisterRow>> {
    // The x87 registers and its control words, and what is as wide as a vector.
    let control = |name: &str| {
        matches!(name, "fctrl" | "fstat" | "ftag" | "fiseg" | "fioff" | "foseg" | "fooff" | "fop" | "fpsr" | "fpcr")
    };
    let stack = |name: &str| name.strip_prefix("st").is_some_and(|digits| digits.parse::<u8>().is_ok());
    let is_float = |name: &str| control(name) || stack(name);
    let lettered =
        |name: &str, letters: &str| name.strip_prefix(letters).is_some_and(|digits| digits.parse::<u8>().is_ok());
    let is_vector =
        |name: &str| name == "mxcsr" || ["xmm", "ymm", "zmm", "v", "k"].iter().any(|letters| lettered(name, letters));
    let all = all_rows(registers);
    let chosen = |test: &dyn Fn(&str) -> bool| all.iter().filter(|row| test(&row.name)).cloned().collect();
    match name {
        "general" => Some(general_rows(registers)),
        "all" | "save" | "restore" => Some(all),
        "float" => Some(chosen(&is_float)),
        "vector" | "sse" => Some(chosen(&is_vector)),
        "system" => Some(chosen(&|name| matches!(name, "orig_rax" | "orig_eax" | "fs_base" | "gs_base"))),
        _ => None,
    }
}

/// General registers, then flags, segments and system registers.
fn general_rows(registers: &Registers) -> Vec<RegisterRow> {
    let general = registers.arch().general_registers().iter();
    let mut rows: Vec<RegisterRow> = general
        .map(|register| RegisterRow { name: register.name.to_owned(), bytes: registers.bytes(register.dwarf) })
        .collect();
    let special = registers.vectors.iter().flat_map(|vectors| &vectors.special);
    rows.extend(special.map(|(name, bytes)| RegisterRow { name: (*name).to_owned(), bytes: Some(bytes.clone()) }));
    rows
}

/// Every register that the frame has, the general ones first.
fn all_rows(registers: &Registers) -> Vec<RegisterRow> {
    let mut rows = general_rows(registers);
    let Some(vectors) = &registers.vectors else {
        // What calls preserve of aarch64's vector registers.
        let halves = (8..16).map(|number| format!("d{number}"));
        let known = halves.filter_map(|name| Some((registers.vector_view(&name)?, name)));
        rows.extend(known.map(|(bytes, name)| RegisterRow { name, bytes: Some(bytes) }));
        return rows;
    };
    let numbered = vectors.numbered.iter().chain(&vectors.wide).map(|(_, name, bytes)| (*name, bytes));
    let wide = numbered.chain(vectors.named.iter().map(|(name, bytes)| (*name, bytes)));
    rows.extend(wide.map(|(name, bytes)| RegisterRow { name: name.to_owned(), bytes: Some(bytes.clone()) }));
    rows
}

/// An x87 register as gdb has it: its number, and its bytes.
fn x87_texts(row: &RegisterRow, bytes: &[u8]) -> Option<(String, String)> {
    let is_it = row.name.strip_prefix("st").is_some_and(|digits| digits.parse::<u8>().is_ok()) && bytes.len() == 10;
    let bits = is_it.then(|| bytes.iter().rev().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte)))?;
    let number = FloatText { bits, format: FloatFormat::X87 }.to_string();
    Some((number, format!("(raw 0x{bits:020x})")))
}

/// gdb's second column: code and data pointers as such, flags by name, other integers in decimal.
fn natural_text(selected: &Selected<'_>, row: &RegisterRow, bytes: &[u8]) -> String {
    if bytes.len() > 8 {
        return String::new();
    }
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let value = u64::from_le_bytes(wide);
    match row.name.as_str() {
        "rip" | "eip" | "pc" => {
            let symbol = selected.session.symbol(RunAddr(value));
            format!("{value:#x}{}", symbol.map(|found| format!(" {}", symbol_text(&found))).unwrap_or_default())
        }
        "rsp" | "rbp" | "esp" | "ebp" | "sp" => format!("{value:#x}"),
        "eflags" => flags_text("i386_eflags", value).unwrap_or_default(),
        "mxcsr" => flags_text("i386_mxcsr", value).unwrap_or_default(),
        view if aarch64::vector_view(view).is_some() => match bytes.len() {
            8 => FloatText { bits: value.into(), format: FloatFormat::Double }.to_string(),
            4 => FloatText { bits: value.into(), format: FloatFormat::Single }.to_string(),
            _ => value.to_string(),
        },
        // Parts of registers are signed, as `print` has them.
        name if bytes.len() <= 4 && selected.registers().is_some_and(|all| is_part(name, all)) => {
            let unused = 64 - 8 * bytes.len() as u32;
            (((value << unused) as i64) >> unused).to_string()
        }
        _ => match (bytes.len(), selected.session.image.arch) {
            (8, _) => (value as i64).to_string(),
            (4, Arch::I386) => (value as u32 as i32).to_string(),
            _ => value.to_string(),
        },
    }
}

/// Whether it is but a part of a register.
fn is_part(name: &str, registers: &Registers) -> bool {
    registers.arch() != Arch::I386 && !all_rows(registers).iter().any(|row| row.name == name)
}

/// `<main+4>`.
pub(crate) fn symbol_text((name, distance): &(String, u64)) -> String {
    let name = crate::demangle::shorten(name);
    if *distance == 0 { format!("<{name}>") } else { format!("<{name}+{distance}>") }
}
