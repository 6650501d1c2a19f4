//! `info functions`, `variables`, `types`, `sources`, `source`, `scope`, `address`, `symbol`, `files`; lldb's
//! `image lookup`.

use regex::bytes::{Regex, RegexBuilder};

use super::{Next, Repl, data};
use crate::addr::{FileAddr, RunAddr};
use crate::command::selected::{Selected, select};
use crate::command::{CommandError, FrameArgs};
use crate::module::function::{Function, LocationSource, ScopeKind};
use crate::module::name_index::NameKind;
use crate::module::{Language, SymbolKind};
use crate::report::symbol_text::listing_text;
use crate::report::value_text::absent_text;
use crate::session::Session;
use crate::session::listing::Listing;
use crate::value::Place;

/// What is listed where `-max` does not say otherwise.
const MOST: usize = 500;
/// What is looked at where types are asked for too.
const MOST_TYPED: usize = 20_000;
/// Bytes that a regular expression may become.
const MAX_EXPRESSION: usize = 1 << 20;

/// The options of a list, and its expression.
struct Asked<'t> {
    most: usize,
    with_symbols: bool,
    text: &'t str,
    expression: Regex,
    /// What the types' names match.
    type_expression: Option<Regex>,
    type_text: Option<&'t str>,
    /// Without a heading.
    quiet: bool,
}

fn asked(text: &str) -> Result<Asked<'_>, CommandError> {
    let (mut most, mut with_symbols, mut quiet, mut text) = (MOST, true, false, text.trim());
    let (mut type_expression, mut type_text) = (None, None);
    while let Some((option, rest)) = Some(text.split_once(char::is_whitespace).unwrap_or((text, ""))) {
        match option {
            "-q" => quiet = true,
            "-n" => with_symbols = false,
            "-max" => {
                let (number, after) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
                most = match number {
                    "unlimited" => usize::MAX,
                    number => number.parse().map_err(|_| CommandError::Usage(format!("-max {number}: a number")))?,
                };
                text = after.trim();
                continue;
            }
            "-t" => {
                let (pattern, after) = word_or_quoted(rest.trim());
                type_expression = Some(regex(pattern)?);
                type_text = Some(pattern);
                // Of what only a symbol table has, no type is known.
                with_symbols = false;
                text = after.trim();
                continue;
            }
            _ => break,
        }
        text = rest.trim();
    }
    Ok(Asked { most, with_symbols, text, expression: regex(text)?, type_expression, type_text, quiet })
}

fn regex(text: &str) -> Result<Regex, CommandError> {
    // In gdb's regular expressions the bar needs a backslash; here none, but those who give one mean the same.
    let expression = RegexBuilder::new(&text.replace("\\|", "|")).unicode(false).size_limit(MAX_EXPRESSION).build();
    expression.map_err(|error| {
        let last = error.to_string();
        CommandError::Usage(format!("{text}: {}", last.lines().last().unwrap_or_default().trim()))
    })
}

/// A word, or what is between quotes, and what follows it.
fn word_or_quoted(text: &str) -> (&str, &str) {
    for quote in ['\'', '"'] {
        if let Some((word, rest)) = text.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return (word, rest);
        }
    }
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// `info functions|variables|types [-n] [-t RE] [-max N] [RE]`
pub(super) fn list(repl: &mut Repl<'_>, topic: &str, text: &str) -> Result<Next, CommandError> {
    let asked = asked(text)?;
    let fits = |name: &str| asked.expression.is_match(name.as_bytes());
    let session = &repl.state.session;
    let none = |_: SymbolKind| false;
    // Types are told once the declarations are there.
    let most = if asked.type_expression.is_some() { asked.most.max(MOST_TYPED) } else { asked.most };
    let mut listing = match (topic, asked.with_symbols) {
        ("functions", true) => session.listing(
            |kind| kind == NameKind::Function,
            |kind| matches!(kind, SymbolKind::Function | SymbolKind::IndirectFunction),
            fits,
            most,
        ),
        ("functions", false) => session.listing(|kind| kind == NameKind::Function, none, fits, most),
        ("variables", with_symbols) => session.listing(
            |kind| matches!(kind, NameKind::Variable | NameKind::Constant),
            |kind| with_symbols && kind == SymbolKind::Data,
            fits,
            most,
        ),
        _ => session.listing(|kind| kind.is_type() && kind != NameKind::Pointer, none, fits, most),
    };
    if let Some(wanted) = &asked.type_expression {
        let of_type = |id| wanted.is_match(session.types.name(id).as_bytes());
        listing.declarations.retain(|listed| listed.type_id.is_some_and(of_type));
        listing.left += listing.declarations.len().saturating_sub(asked.most);
        listing.declarations.truncate(asked.most);
    }
    let text = listing_text(&session.types, &listing, topic, asked.text, asked.type_text);
    let text = match text.split_once('\n') {
        Some((_, below)) if asked.quiet => below.trim_start_matches('\n'),
        _ => &text,
    };
    repl.out.write_all(text.as_bytes())?;
    let Listing { declarations, symbols, left } = listing;
    if left > 0 {
        let shown = declarations.len() + symbols.len();
        writeln!(repl.out, "\n({shown} shown, up to {left} more fit: info {topic} -max N RE shows more)")?;
    }
    Ok(Next::Line)
}

/// `info sources [RE]`
pub(super) fn sources(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let asked = asked(text)?;
    let files = repl.state.session.source_files().iter();
    let fitting: Vec<&String> = files.filter(|file| asked.expression.is_match(file.as_bytes())).collect();
    if fitting.is_empty() {
        return Err(CommandError::NoMatch(format!("No source file matches {}.", asked.text)));
    }
    for file in fitting.iter().take(asked.most) {
        writeln!(repl.out, "{file}")?;
    }
    if let Some(left) = fitting.len().checked_sub(asked.most).filter(|left| *left > 0) {
        writeln!(repl.out, "({left} more: info sources -max N RE shows more)")?;
    }
    Ok(Next::Line)
}

/// `info source`: the selected frame's file and how it was compiled.
pub(super) fn source(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let lines = {
        let selected = select(repl.state, &FrameArgs::default())?;
        let none = || CommandError::NoMatch("No current source file: the frame has no debug information.".to_owned());
        let frame = selected.frame().ok_or_else(none)?;
        let session = selected.session;
        let module = session.program.modules.at(frame.lookup).ok_or_else(none)?;
        let debug = session.program.debug_info(module.id).ok_or_else(none)?;
        let unit = debug.unit_at(module.to_file(frame.lookup)).ok_or_else(none)?;
        let file = frame.code.file.as_deref().map(str::to_owned).or_else(|| unit.source_name()).ok_or_else(none)?;
        let mut lines = vec![format!("Current source file is {file}")];
        lines.extend(unit.directory().map(|directory| format!("Compilation directory is {directory}")));
        if let Some(source) = repl.state.sources.find(&file, module.build_id()) {
            lines.push(format!("Located in {}", source.path.display()));
            lines.push(format!("Contains {} lines.", source.line_count()));
        }
        let language = match unit.language {
            Language::C => "c",
            Language::Cpp => "c++",
            Language::Rust => "rust",
            Language::Go => "go",
            Language::Other => "unknown",
        };
        lines.push(format!("Source language is {language}."));
        lines.extend(unit.producer_text().map(|producer| format!("Producer is {producer}.")));
        lines.push(format!("Compiled with DWARF {} debugging format.", unit.unit.encoding().version));
        lines
    };
    for line in lines {
        writeln!(repl.out, "{line}")?;
    }
    Ok(Next::Line)
}

/// `info scope LOCATION`: variables of the function there.
pub(super) fn scope(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    if text.is_empty() {
        return Err(CommandError::Usage("info scope FUNCTION | *ADDRESS".to_owned()));
    }
    let address = match source_line(repl, text) {
        Some((file, line)) => repl.state.session.code_of_line(&file, line).ok_or_else(|| no_code(&file, line))?,
        None => data::address_of(repl, text.trim_start_matches('*'))?,
    };
    let session = &repl.state.session;
    let none = || CommandError::NoMatch(format!("Symbol table has no function with variables at {text}."));
    let function = session.program.whole_function_at(address).ok_or_else(none)?;
    let mut lines = Vec::new();
    for scope in (0..function.scopes.len() as u32).filter(|scope| !is_inlined(&function, *scope)) {
        for variable in function.variables(&*session.program, scope) {
            let size = variable.type_die.and_then(|die| session.types.size(session.types.of_die(die)));
            let size = size.map(|size| format!(", length {size}")).unwrap_or_default();
            lines.push(format!(
                "Symbol {} is {}{size}.",
                variable.name,
                location(session, address, &variable.location)
            ));
        }
    }
    if lines.is_empty() {
        let message = format!("Symbol table for {text} has no locals or arguments.");
        return Err(CommandError::NoMatch(message));
    }
    writeln!(repl.out, "Scope for {text}:")?;
    for line in lines {
        writeln!(repl.out, "{line}")?;
    }
    Ok(Next::Line)
}

/// Whether the scope is, or is in, a call that was inlined: what is there is another function's.
fn is_inlined(function: &Function, scope: u32) -> bool {
    let mut next = Some(scope);
    while let Some(scope) = next.and_then(|scope| function.scopes.get(scope as usize)) {
        if matches!(scope.kind, ScopeKind::Inlined { .. }) {
            return true;
        }
        next = scope.parent.filter(|parent| Some(*parent) < next);
    }
    false
}

/// Where a variable is, in gdb's words.
fn location(session: &Session, code: RunAddr, source: &LocationSource) -> String {
    let whole = |expression: &[u8]| match expression {
        [] => "optimized out".to_owned(),
        [0x91, offset @ ..] => match signed_leb(offset) {
            Some(offset) => format!("a variable at frame base offset {offset}"),
            None => "a complex DWARF expression".to_owned(),
        },
        [0x03, address @ ..] if address.len() <= 8 => {
            let address = address.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            match session.program.modules.at(code) {
                Some(module) => format!("static storage at address {}", module.to_run(FileAddr(address))),
                None => format!("static storage at file address {address:#x}"),
            }
        }
        [register @ 0x50..=0x6f] => {
            let registers = session.image.arch.general_registers();
            match registers.iter().find(|known| known.dwarf == u16::from(register - 0x50)) {
                Some(known) => format!("a variable in ${}", known.name),
                None => "a complex DWARF expression".to_owned(),
            }
        }
        _ => "a complex DWARF expression".to_owned(),
    };
    match source {
        LocationSource::None => "optimized out".to_owned(),
        LocationSource::Expression(expression) => match pieces(expression) {
            Some(pieces) => {
                let described: Vec<String> = pieces
                    .into_iter()
                    .map(|(place, size)| match place {
                        [] => format!("an empty {}", size.split(',').next().unwrap_or_default()),
                        place => format!("{} [{size}]", whole(place)),
                    })
                    .collect();
                described.join(", and ")
            }
            None => whole(expression),
        },
        LocationSource::List(ranges) => format!("multi-location, in {} ranges", ranges.len()),
        _ => "constant".to_owned(),
    }
}

/// The places of an object in pieces, each with its size in gdb's words; `None` where it is in one piece, or of an
/// operation that is not known (DWARF 5, section 2.6.1.2).
fn pieces(expression: &[u8]) -> Option<Vec<(&[u8], String)>> {
    /// Pieces of one object.
    const MOST: usize = 256;
    let encoding = gimli::Encoding { format: gimli::Format::Dwarf32, version: 5, address_size: 8 };
    let mut input = gimli::EndianSlice::new(expression, gimli::LittleEndian);
    let (mut found, mut from) = (Vec::new(), 0);
    while !input.is_empty() {
        let at = expression.len().checked_sub(input.len())?;
        if let gimli::Operation::Piece { size_in_bits, bit_offset } =
            gimli::Operation::parse(&mut input, encoding).ok()?
        {
            let size = match bit_offset {
                None => format!("{}-byte piece", size_in_bits / 8),
                Some(offset) => format!("{size_in_bits}-bit piece, offset {offset} bits"),
            };
            found.push((expression.get(from..at)?, size));
            from = expression.len().checked_sub(input.len())?;
        }
    }
    (!found.is_empty() && found.len() <= MOST && from == expression.len()).then_some(found)
}

/// A signed LEB128 number that is all there is.
fn signed_leb(bytes: &[u8]) -> Option<i64> {
    let mut input = gimli::EndianSlice::new(bytes, gimli::LittleEndian);
    let value = gimli::Reader::read_sleb128(&mut input).ok()?;
    input.is_empty().then_some(value)
}

/// `info address SYMBOL`
pub(super) fn address(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let line = {
        let selected = select(repl.state, &FrameArgs::default())?;
        local(&selected, text).map_or_else(|| global(&selected, text), Ok)?
    };
    writeln!(repl.out, "{line}")?;
    Ok(Next::Line)
}

fn local(selected: &Selected<'_>, name: &str) -> Option<String> {
    let session = selected.session;
    let function: std::sync::Arc<Function> = session.program.whole_function_at(selected.frame()?.lookup)?;
    let scopes = 0..function.scopes.len() as u32;
    let mut all = scopes.flat_map(|scope| function.variables(&*session.program, scope));
    let found = all.find(|variable| variable.name == name)?;
    Some(format!("Symbol \"{name}\" is {}.", location(session, selected.frame()?.lookup, &found.location)))
}

fn global(selected: &Selected<'_>, name: &str) -> Result<String, CommandError> {
    let session = selected.session;
    if let Some(found) = session.find_globals(name, None, Some(selected.thread)).into_iter().next() {
        let is_function = matches!(session.types.get(found.type_id).kind, crate::types::TypeKind::Function { .. });
        return Ok(match found.place {
            Ok(Place::Memory(address)) if is_function => {
                format!("Symbol \"{name}\" is a function at address {address}.")
            }
            // Where no module is, there are threads' own variables.
            Ok(Place::Memory(address)) if session.program.modules.at(address).is_none() => {
                let thread = selected.thread.lwp;
                format!("Symbol \"{name}\" is a thread-local variable, at address {address} in LWP {thread}.")
            }
            Ok(Place::Memory(address)) => format!("Symbol \"{name}\" is static storage at address {address}."),
            Ok(_) => format!("Symbol \"{name}\" is constant."),
            Err(absent) => format!("Symbol \"{name}\" is {}.", absent_text(&absent)),
        });
    }
    for module in session.modules_at_hand() {
        if let Some(symbol) = module.symbols().by_name(name).into_iter().next() {
            let address = module.to_run(symbol.address);
            return Ok(format!("Symbol \"{name}\" is at {address} in a file compiled without debugging."));
        }
    }
    Err(CommandError::NoMatch(format!("No symbol \"{name}\" in current context.")))
}

/// `info symbol ADDRESS`
pub(super) fn symbol(repl: &mut Repl<'_>, expression: &str) -> Result<Next, CommandError> {
    let address = data::address_of(repl, expression)?;
    let line =
        symbol_line(repl, address).ok_or_else(|| CommandError::NoMatch(format!("No symbol matches {expression}.")))?;
    writeln!(repl.out, "{line}")?;
    Ok(Next::Line)
}

/// `main + 4 in section .text of /bin/program`
fn symbol_line(repl: &Repl<'_>, address: RunAddr) -> Option<String> {
    let session = &repl.state.session;
    let (name, distance) = session.symbol(address)?;
    let module = session.program.modules.at(address)?;
    let distance = if distance == 0 { String::new() } else { format!(" + {distance}") };
    let section = module.file().and_then(|file| file.section_at(module.to_file(address)));
    let section = section.map(|name| format!("section {name} of ")).unwrap_or_default();
    Some(format!("{name}{distance} in {section}{}", module.seed.path))
}

/// `info line [*ADDRESS | FUNCTION | FILE:LINE | LINE]`
pub(super) fn line(repl: &mut Repl<'_>, location: &str) -> Result<Next, CommandError> {
    let address = match source_line(repl, location) {
        Some((file, line)) => match repl.state.session.code_of_line(&file, line) {
            Some(address) => address,
            None => return without_code(repl, &file, line),
        },
        None if location.is_empty() => {
            let selected = select(repl.state, &FrameArgs::default())?;
            let none = || CommandError::NoMatch("No frame selected.".to_owned());
            // Of a caller, the line of the call.
            selected.frame().map(|frame| frame.lookup).ok_or_else(none)?
        }
        None => data::address_of(repl, location.trim_start_matches('*').trim())?,
    };
    let session = repl.state.session.clone();
    let named = |address: RunAddr| match session.symbol(address) {
        Some(found) => format!("{address}{}", data::symbol_text(&found)),
        None => address.to_string(),
    };
    let code = session.code(address);
    let Some((file, line)) = code.first().and_then(|code| Some((code.file.clone()?, code.line?))) else {
        let message = format!("No line number information available for address {}", named(address));
        return Err(CommandError::NoMatch(message));
    };
    crate::command::x::go_on_at(repl.state, address);
    let extent = session.program.modules.at(address).and_then(|module| {
        let here = module.to_file(address);
        let unit = session.program.debug_info(module.id)?.unit_at(here)?;
        let (start, end) = unit.line_extent(here)?;
        Some((module.to_run(start), module.to_run(end)))
    });
    match extent {
        Some((start, end)) => {
            let (first, last) = (named(start), named(end));
            writeln!(repl.out, "Line {line} of \"{file}\" starts at address {first} and ends at {last}.")?;
            crate::command::x::go_on_at(repl.state, start);
        }
        None => writeln!(repl.out, "Line {line} of \"{file}\" is at address {}.", named(address))?,
    }
    Ok(Next::Line)
}

fn no_code(file: &str, line: u32) -> CommandError {
    CommandError::NoMatch(format!("Line {line} of \"{file}\" has no code, or there is no such file."))
}

/// `info line` of a line without code: where that of the next line is that has some.
fn without_code(repl: &mut Repl<'_>, file: &str, line: u32) -> Result<Next, CommandError> {
    /// Lines that are tried.
    const NEXT: u32 = 100;
    let session = &repl.state.session;
    let mut following = (1..=NEXT).filter_map(|distance| line.checked_add(distance));
    let address = following.find_map(|line| session.code_of_line(file, line)).ok_or_else(|| no_code(file, line))?;
    let symbol = session.symbol(address).map(|found| data::symbol_text(&found)).unwrap_or_default();
    writeln!(repl.out, "Line {line} of \"{file}\" is at address {address}{symbol} but contains no code.")?;
    crate::command::x::go_on_at(repl.state, address);
    Ok(Next::Line)
}

/// `FILE:LINE`, or a line of the selected frame's file.
fn source_line(repl: &Repl<'_>, location: &str) -> Option<(String, u32)> {
    if let Ok(line) = location.parse() {
        let selected = select(repl.state, &FrameArgs::default()).ok()?;
        return Some((selected.frame()?.code.file.as_deref()?.to_owned(), line));
    }
    let (file, line) = location.rsplit_once(':').filter(|(file, _)| !file.ends_with(':'))?;
    Some((file.to_owned(), line.parse().ok()?))
}

/// `info files`: what was read, and where each file's sections are in the process.
pub(super) fn files(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let session = &repl.state.session;
    let executable = session.program.modules.iter().find(|module| module.seed.is_executable);
    if let Some(file) = executable.and_then(|module| module.file()) {
        writeln!(repl.out, "Symbols from \"{}\".", file.path().display())?;
    }
    writeln!(repl.out, "Local core dump file:\n\t`{}'.", session.image.path.display())?;
    for mapping in &session.image.mappings {
        writeln!(repl.out, "\t{} - {} is {}", long(mapping.start), long(mapping.end), mapping_name(mapping))?;
    }
    for id in session.program.modules_for_names() {
        let Some(module) = session.program.modules.get(id) else { continue };
        let Some(file) = module.file() else { continue };
        if module.seed.is_executable {
            writeln!(repl.out, "Local exec file:\n\t`{}'.", file.path().display())?;
            writeln!(repl.out, "\tEntry point: {}", module.to_run(file.entry()))?;
        }
        for (name, address, size) in file.allocated_sections() {
            let start = module.to_run(address);
            let end = RunAddr(start.0.saturating_add(size));
            let place =
                if module.seed.is_executable { String::new() } else { format!(" in {}", file.path().display()) };
            writeln!(repl.out, "\t{} - {} is {name}{place}", long(start), long(end))?;
        }
    }
    Ok(Next::Line)
}

fn long(address: RunAddr) -> String {
    format!("{:#018x}", address.0)
}

fn mapping_name(mapping: &crate::image::Mapping) -> String {
    match &mapping.file {
        Some((file, offset)) => format!("{file} at {offset:#x}"),
        None => "memory of no file".to_owned(),
    }
}

/// lldb: `image lookup -a ADDRESS | -n FUNCTION | -s SYMBOL | -t TYPE`
pub(super) fn lookup(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (option, what) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let what = what.trim();
    match option {
        _ if what.is_empty() => {}
        "-a" | "--address" => {
            let address = data::address_of(repl, what)?;
            let module = repl.state.session.program.modules.at(address);
            let module = module.ok_or_else(|| CommandError::NoMatch(format!("{address} is in no module")))?;
            let name = module.seed.path.rsplit('/').next().unwrap_or_default().to_owned();
            let here = module.to_file(address);
            let section = module.file().and_then(|file| file.section_at(here)).unwrap_or("<no section>");
            writeln!(repl.out, "      Address: {name}[{:#018x}] ({name}.{section})", here.0)?;
            let summary = symbol_line(repl, address).unwrap_or_else(|| "<no symbol>".to_owned());
            let code = repl.state.session.code(address);
            let place = code.first().and_then(|code| Some(format!(" at {}:{}", code.file.as_deref()?, code.line?)));
            writeln!(repl.out, "      Summary: {summary}{}", place.unwrap_or_default())?;
            return Ok(Next::Line);
        }
        "-n" | "--name" | "-F" | "--function" => return exactly(repl, "functions", what),
        "-s" | "--symbol" => return address(repl, what),
        "-t" | "--type" => return data::ptype(repl, what),
        _ => {}
    }
    Err(CommandError::Usage("image lookup -a ADDRESS | -n FUNCTION | -s SYMBOL | -t TYPE".to_owned()))
}

/// What has just that name, in whatever scope.
fn exactly(repl: &mut Repl<'_>, topic: &str, name: &str) -> Result<Next, CommandError> {
    list(repl, topic, &format!("(^|::){}($|\\()", regex::escape(name)))
}
