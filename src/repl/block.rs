//! Commands of several lines: from `define`, `document`, `if`, `while` and their like to `end`.

use crate::command::CommandError;

/// Blocks within each other.
const MAX_DEPTH: usize = 64;
/// Lines of one block.
const MAX_LINES: usize = 100_000;

/// What begins a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Define,
    Document,
    If,
    While,
    /// Lines of another language, or for a living process: read over.
    Other,
}

/// The lines of a block so far.
#[derive(Clone, Debug)]
pub(super) struct Block {
    first: String,
    lines: Vec<String>,
    open: Vec<Opener>,
}

/// A block's lines as they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Line(String),
    If {
        condition: String,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    While {
        condition: String,
        body: Vec<Node>,
    },
    /// A definition or documentation within another one.
    Block {
        first: String,
        lines: Vec<String>,
    },
}

/// A line's first word and what follows it.
pub(super) fn first_word(line: &str) -> (&str, &str) {
    let line = line.trim();
    let end = line.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word, rest.trim())
}

/// What the line begins.
pub(super) fn opener(line: &str) -> Option<Opener> {
    let (word, rest) = first_word(line);
    match word {
        "define" => Some(Opener::Define),
        "document" => Some(Opener::Document),
        "if" => Some(Opener::If),
        "while" => Some(Opener::While),
        "commands" => Some(Opener::Other),
        // With something behind it, it is a line of its own.
        "python" | "py" | "python-interactive" | "pi" | "guile" | "gu" if rest.is_empty() => Some(Opener::Other),
        _ => None,
    }
}

impl Block {
    /// The block that the line begins, if it does.
    pub(super) fn begun_by(line: &str) -> Option<Result<Block, CommandError>> {
        let opener = opener(line)?;
        let (word, rest) = first_word(line);
        let usage = |message: String| Some(Err(CommandError::Usage(message)));
        match opener {
            Opener::If | Opener::While if rest.is_empty() => usage("if/while commands require arguments.".to_owned()),
            Opener::Define | Opener::Document if !is_name(rest) => match rest {
                "" => usage(format!("{word}: the name of a command is expected")),
                _ => usage(format!("{word} {rest}: a name has letters, digits, - and _")),
            },
            _ => Some(Ok(Block { first: line.to_owned(), lines: Vec::new(), open: vec![opener] })),
        }
    }

    /// The line that began it.
    pub(super) fn first(&self) -> &str {
        &self.first
    }

    /// What a terminal is told of the lines that are expected.
    pub(super) fn introduction(&self) -> Option<String> {
        let (_, name) = first_word(&self.first);
        match opener(&self.first)? {
            Opener::Define => Some(format!("Type commands for definition of \"{name}\".")),
            Opener::Document => Some(format!("Type documentation for \"{name}\".")),
            _ => None,
        }
    }

    /// The lines between that one and its end.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// One more line; whether it was the end.
    pub(super) fn add(&mut self, line: &str) -> Result<bool, CommandError> {
        let innermost = self.open.last().copied();
        let text = line.trim();
        if text == "end" {
            self.open.pop();
            if self.open.is_empty() {
                return Ok(true);
            }
        } else if !matches!(innermost, Some(Opener::Document | Opener::Other))
            && let Some(opener) = opener(text)
        {
            self.open.push(opener);
        }
        if self.open.len() > MAX_DEPTH || self.lines.len() >= MAX_LINES {
            return Err(CommandError::Usage(format!("{}: too many lines, or too deep", self.first)));
        }
        self.lines.push(line.to_owned());
        Ok(false)
    }
}

/// Whether a command can be called that.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The lines between a block's first and its end, as they run.
pub(super) fn parse(lines: &[String]) -> Result<Vec<Node>, CommandError> {
    let mut rest = lines.iter().map(String::as_str);
    let (nodes, end) = nodes(&mut rest, 0)?;
    match end {
        Ended::WithLines => Ok(nodes),
        Ended::ByElse => Err(CommandError::Usage("else without if".to_owned())),
        Ended::ByEnd => Err(CommandError::Usage("end without a beginning".to_owned())),
    }
}

/// What ended a list of lines.
#[derive(PartialEq, Eq)]
enum Ended {
    WithLines,
    ByElse,
    ByEnd,
}

fn nodes<'l>(rest: &mut impl Iterator<Item = &'l str>, depth: usize) -> Result<(Vec<Node>, Ended), CommandError> {
    if depth > MAX_DEPTH {
        return Err(CommandError::Usage(format!("more than {MAX_DEPTH} blocks within each other")));
    }
    let missing = |first: &str| CommandError::Usage(format!("{first}: its end is missing"));
    let mut found = Vec::new();
    while let Some(line) = rest.next() {
        let line = line.trim();
        match line {
            "" => continue,
            "else" => return Ok((found, Ended::ByElse)),
            "end" => return Ok((found, Ended::ByEnd)),
            _ if line.starts_with('#') => continue,
            _ => {}
        }
        let (_, condition) = first_word(line);
        let condition = condition.to_owned();
        found.push(match opener(line) {
            None => Node::Line(line.to_owned()),
            Some(Opener::If | Opener::While) if condition.is_empty() => {
                return Err(CommandError::Usage("if/while commands require arguments.".to_owned()));
            }
            Some(Opener::If) => {
                let (then, end) = nodes(rest, depth + 1)?;
                let (otherwise, end) = match end {
                    Ended::ByElse => nodes(rest, depth + 1)?,
                    end => (Vec::new(), end),
                };
                if end != Ended::ByEnd {
                    return Err(missing(line));
                }
                Node::If { condition, then, otherwise }
            }
            Some(Opener::While) => match nodes(rest, depth + 1)? {
                (body, Ended::ByEnd) => Node::While { condition, body },
                _ => return Err(missing(line)),
            },
            Some(_) => {
                let Some(block) = Block::begun_by(line) else { continue };
                let mut block = block?;
                loop {
                    let Some(next) = rest.next() else { return Err(missing(line)) };
                    if block.add(next)? {
                        break;
                    }
                }
                Node::Block { first: block.first, lines: block.lines }
            }
        });
    }
    Ok((found, Ended::WithLines))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn blocks_end_where_they_began() {
        let mut block = Block::begun_by("define x").unwrap().unwrap();
        let ends: Vec<bool> = ["if $argc", "p 1", "end", "document y", "if", "end", "end"]
            .iter()
            .map(|l| block.add(l).unwrap())
            .collect();
        assert_eq!(ends, [false, false, false, false, false, false, true]);
        assert!(Block::begun_by("define").unwrap().is_err() && Block::begun_by("define a b").unwrap().is_err());
        assert!(Block::begun_by("if").unwrap().is_err() && Block::begun_by("iff 1").is_none());
        assert!(Block::begun_by("if($x)").unwrap().is_ok() && Block::begun_by("python print(1)").is_none());
    }

    #[test]
    fn lines_are_taken_apart() {
        let line = |text: &str| Node::Line(text.to_owned());
        let found = parse(&lines("p 1\nif $x\n  p 2\nelse\n  while ($y)\n p 3\n end\nend\n# no\np 4")).unwrap();
        let inner = Node::While { condition: "($y)".to_owned(), body: vec![line("p 3")] };
        let choice = Node::If { condition: "$x".to_owned(), then: vec![line("p 2")], otherwise: vec![inner] };
        assert_eq!(found, [line("p 1"), choice, line("p 4")]);
        assert!(parse(&lines("if 1\np 1")).is_err() && parse(&lines("else")).is_err());
        let deep = ["if 1"; 200].map(str::to_owned);
        assert!(parse(&deep).is_err());
    }
}
