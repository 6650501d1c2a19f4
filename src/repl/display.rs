//! `display`: expressions that are shown again at every selection of a frame or thread, as gdb does at stops.

use super::{Next, Repl, data};
use crate::command::CommandError;

/// Displays that a session keeps.
const MAX_DISPLAYS: usize = 1000;

/// What is displayed.
#[derive(Clone, Debug)]
struct Display {
    number: usize,
    enabled: bool,
    /// Letters after the slash.
    format: String,
    expression: String,
}

/// A session's displays.
#[derive(Clone, Debug, Default)]
pub(super) struct Displays {
    list: Vec<Display>,
    last: usize,
}

impl Display {
    /// `i`, `s`, counts and units are about memory.
    fn examines(&self) -> bool {
        self.format.contains(|letter: char| "isbhwg".contains(letter) || letter.is_ascii_digit())
    }

    fn slash(&self) -> String {
        if self.format.is_empty() { String::new() } else { format!("/{} ", self.format) }
    }
}

/// `display[/FMT] [EXPR]`
pub(super) fn display(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let (format, expression) = data::format_and_rest(text);
    if expression.is_empty() {
        return show_all(repl);
    }
    if repl.displays.list.len() >= MAX_DISPLAYS {
        return Err(CommandError::Usage(format!("{MAX_DISPLAYS} expressions are displayed already; undisplay N")));
    }
    let display = Display {
        number: repl.displays.last + 1,
        enabled: true,
        format: format.unwrap_or_default().to_owned(),
        expression: expression.to_owned(),
    };
    // What has no value at all is no display.
    let shown = shown(repl, &display)?;
    repl.displays.last = display.number;
    repl.displays.list.push(display);
    repl.out.write_all(&shown)?;
    Ok(Next::Line)
}

/// The display's line.
fn shown(repl: &mut Repl<'_>, display: &Display) -> Result<Vec<u8>, CommandError> {
    let mut value = Vec::new();
    let paint = repl.paint;
    let (format, expression) = (&display.format, &display.expression);
    let slash = if format.is_empty() { String::new() } else { format!("/{format} ") };
    let json = std::mem::replace(&mut repl.state.json, false);
    let answered = repl.captured(&mut value, paint, |repl| match display.examines() {
        true => data::examine(repl, &format!("{slash}{expression}")),
        false => data::output(repl, &format!("{slash}{expression}")),
    });
    repl.state.json = json;
    answered?;
    let mut line = match display.examines() {
        true => format!("{}: x{}{expression}\n", display.number, display.slash()).into_bytes(),
        false => format!("{}: {}{expression} = ", display.number, display.slash()).into_bytes(),
    };
    line.append(&mut value);
    if !line.ends_with(b"\n") {
        line.push(b'\n');
    }
    Ok(line)
}

fn show_all(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    let displays = repl.displays.list.clone();
    for display in displays.iter().filter(|display| display.enabled) {
        let line = match shown(repl, display) {
            Ok(line) => line,
            Err(CommandError::Output(error)) => return Err(error.into()),
            // As in gdb: where its names are not seen, there is nothing to show.
            Err(CommandError::NoMatch(_)) => continue,
            Err(error) => {
                let error = error.to_string();
                let why = error.lines().next().unwrap_or_default();
                format!("{}: {}{} = <error: {why}>\n", display.number, display.slash(), display.expression).into_bytes()
            }
        };
        repl.out.write_all(&line)?;
    }
    Ok(Next::Line)
}

/// The displays, after another frame was selected.
pub(super) fn redisplay(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    if repl.state.json || repl.displays.list.is_empty() {
        return Ok(Next::Line);
    }
    show_all(repl)
}

/// `info display`
pub(super) fn list(repl: &mut Repl<'_>) -> Result<Next, CommandError> {
    if repl.displays.list.is_empty() {
        writeln!(repl.out, "There are no auto-display expressions now.")?;
        return Ok(Next::Line);
    }
    writeln!(repl.out, "Auto-display expressions now in effect:\nNum Enb Expression")?;
    for display in &repl.displays.list {
        let enabled = if display.enabled { 'y' } else { 'n' };
        writeln!(repl.out, "{}:   {enabled}  {}{}", display.number, display.slash(), display.expression)?;
    }
    Ok(Next::Line)
}

/// The numbers that `1 3-5` names.
fn numbers(repl: &Repl<'_>, text: &str) -> Result<Vec<usize>, CommandError> {
    let mut numbers = Vec::new();
    for word in text.split_whitespace() {
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>()) else {
            return Err(CommandError::Usage(format!("{word}: the number of a display is expected")));
        };
        let known = repl.displays.list.iter().map(|display| display.number);
        let within: Vec<usize> = known.filter(|number| (from..=to).contains(number)).collect();
        if within.is_empty() {
            return Err(CommandError::NoMatch(format!("No display number {word}.")));
        }
        numbers.extend(within);
    }
    Ok(numbers)
}

/// `undisplay [N…]`, `delete display [N…]`
pub(super) fn undisplay(repl: &mut Repl<'_>, text: &str) -> Result<Next, CommandError> {
    let numbers = numbers(repl, text)?;
    let all = text.trim().is_empty();
    repl.displays.list.retain(|display| !all && !numbers.contains(&display.number));
    Ok(Next::Line)
}

/// `enable display [N…]`, `disable display [N…]`
pub(super) fn enable(repl: &mut Repl<'_>, text: &str, enabled: bool) -> Result<Next, CommandError> {
    let numbers = numbers(repl, text)?;
    let all = text.trim().is_empty();
    for display in &mut repl.displays.list {
        if all || numbers.contains(&display.number) {
            display.enabled = enabled;
        }
    }
    Ok(Next::Line)
}
