//! `obit ptype`: a type's definition.

use super::selected::select;
use super::{CommandError, FrameArgs, Output, State, common};
use crate::expr::{resolve_type, type_of};
use crate::report::type_text::TypeStyle;
use crate::report::{documents, type_text};

/// Arguments of `ptype`.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// A type (struct node, ns::T, unsigned long) or an expression, whose type is shown
    #[arg(value_name = "TYPE")]
    type_or_expression: String,
    /// Show each field's offset and size, and the holes between them (gdb's /o)
    #[arg(long, short)]
    offsets: bool,
    /// Show offsets and sizes in hex
    #[arg(long)]
    hex: bool,
    /// Leave out methods
    #[arg(long)]
    no_methods: bool,
    /// Names of C++'s library in full, with the template arguments that nobody gives (gdb's /r)
    #[arg(long)]
    raw_names: bool,
    #[command(flatten)]
    frame: FrameArgs,
}

/// Answers `ptype`.
pub fn run(args: &Args, state: &mut State, output: &mut Output<'_>) -> Result<(), CommandError> {
    let session = &state.session;
    let selected = select(state, &args.frame)?;
    let text = args.type_or_expression.trim();
    let type_id = match resolve_type(&selected, text)? {
        Some(id) => id,
        None => match type_of(&selected, text, &state.variables) {
            Ok(type_id) => type_id,
            Err(error) if error.is_unknown_name() && error.span == (0..text.len()) => {
                return Err(CommandError::NoMatch(format!("{text}: no type and no variable of that name")));
            }
            Err(error) => return Err(error.into()),
        },
    };
    let style = TypeStyle { offsets: args.offsets, hex: args.hex, methods: !args.no_methods };
    let definition = type_text::type_text_as(&session.types, type_id, style);
    let notes = session.notes();
    if state.json {
        return common::write_document(output, documents::ptype(&session.types, type_id, &definition, &notes));
    }
    // gdb heads the columns only of what has fields.
    let heading = if args.offsets && definition.contains("/* total size") { type_text::OFFSET_HEADING } else { "" };
    let definition = if args.raw_names { definition } else { type_text::short_lines(&definition) };
    writeln!(output.out, "{heading}type = {}", definition.trim_end())?;
    common::write_notes(output, &notes)
}
