//! Summary lines: text with expressions in braces.

/// A piece of a summary line.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// An expression, and the letter of `print/x` that says how its value shows.
    Expression(String, Option<char>),
}

/// The letters of `print/x`, and `s` for text without quotes.
const LETTERS: &str = "xduotcafzs";
/// Pieces of one line.
const MAX_PIECES: usize = 64;

/// `{x}, {y:x} of {name}`; `{{` and `}}` are braces.
pub(super) fn parse(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, here) = rest.split_at(at);
        plain.push_str(before);
        if here.starts_with("{{") || here.starts_with("}}") {
            plain.push_str(&here[..1]);
            rest = &here[2..];
            continue;
        }
        let Some(inside) = here.strip_prefix('{') else { return Err("a } without its {; }} is a brace".to_owned()) };
        let Some(length) = closing(inside) else { return Err("a { without its }; {{ is a brace".to_owned()) };
        let (expression, behind) = inside.split_at(length);
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece(expression)?);
        if pieces.len() > MAX_PIECES {
            return Err(format!("more than {MAX_PIECES} pieces"));
        }
        rest = &behind[1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// Where the brace is that ends the expression: none within quotes or other braces.
fn closing(text: &str) -> Option<usize> {
    let (mut nesting, mut quote, mut escaped) = (0usize, None, false);
    for (at, char) in text.char_indices() {
        match (quote, char) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if char == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(char),
            (None, '{') => nesting += 1,
            (None, '}') if nesting == 0 => return Some(at),
            (None, '}') => nesting -= 1,
            _ => {}
        }
    }
    None
}

fn piece(text: &str) -> Result<Piece, String> {
    let (expression, letter) = match text.rsplit_once(':') {
        Some((before, letter)) if !before.ends_with(':') && letter.len() == 1 => {
            match letter.chars().next().filter(|letter| LETTERS.contains(*letter)) {
                Some(letter) => (before, Some(letter)),
                None => return Err(format!("{{{text}}}: {letter} is none of the letters {LETTERS}")),
            }
        }
        _ => (text, None),
    };
    match expression.trim() {
        "" => Err("{} without an expression".to_owned()),
        expression => Ok(Piece::Expression(expression.to_owned(), letter)),
    }
}
