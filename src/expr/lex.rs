//! From an expression's text to tokens, each with its place in the text.

mod numbers;

use std::ops::Range;

use super::ExprError;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// An integer, and its suffixes.
    Int {
        /// Value.
        value: u128,
        /// `u`.
        unsigned: bool,
        /// `l` or `ll`.
        long: bool,
    },
    /// A floating-point number, and whether `f` follows it.
    Float(f64, bool),
    /// Go's `2i`.
    Imaginary(f64),
    /// `u8` right behind a number: Rust's.
    Suffix(&'static str),
    /// `'a'`.
    Char(u32),
    /// `"text"`.
    Str(Vec<u8>),
    /// A name or keyword.
    Ident(String),
    /// `$rip`, without the dollar sign.
    Register(String),
    /// `'file.c'`: quoted, and longer than a character.
    Quoted(String),
    /// An operator or bracket.
    Punct(&'static str),
    /// The end of the text.
    End,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is: bytes of the text.
    pub span: Range<usize>,
}

/// Longer ones first.
const PUNCTUATION: &[&str] = &[
    "->*", "..=", "<<=", ">>=", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "&^", "->", "::", "..", ".*", "++",
    "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "<", ">",
    "(", ")", "[", "]", "{", "}", ".", ",", "@", "?", ":", ";", "=",
];

/// Rust's types of numbers, as they stand behind one.
const SUFFIXES: &[&str] =
    &["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64"];

/// C++'s words for operators, behind which operands stand.
const OPERATORS: &[&str] =
    &["and", "or", "not", "compl", "bitand", "bitor", "xor", "not_eq", "sizeof", "alignof", "_Alignof"];

/// Splits the text into tokens; the last is [`TokenKind::End`].
pub fn lex(text: &str) -> Result<Vec<Token>, ExprError> {
    let mut lexer = Lexer { text, at: 0, suffix: None, is_written: true, is_escaped: false, takes_operand: true };
    let mut tokens: Vec<Token> = Vec::new();
    // Of the brackets that are open, whether items of a sequence are at hand in them.
    let mut open: Vec<bool> = Vec::new();
    loop {
        lexer.takes_operand = !open.contains(&true) && takes_operand(tokens.last());
        let token = lexer.next()?;
        let done = token.kind == TokenKind::End;
        match &token.kind {
            TokenKind::Punct("(") => open.push(tokens.last().is_some_and(|before| takes_path(&before.kind))),
            TokenKind::Punct("[") => open.push(!takes_operand(tokens.last())),
            TokenKind::Punct("{") => open.push(false),
            TokenKind::Punct(")" | "]" | "}") => drop(open.pop()),
            _ => {}
        }
        tokens.push(token);
        if done {
            return Ok(tokens);
        }
    }
}

/// Whether what follows begins an operand, rather than going on with one.
fn takes_operand(before: Option<&Token>) -> bool {
    match before.map(|before| &before.kind) {
        None => true,
        Some(TokenKind::Punct(punctuation)) => !matches!(*punctuation, ")" | "]" | "}"),
        Some(TokenKind::Ident(word)) => OPERATORS.contains(&word.as_str()),
        Some(_) => false,
    }
}

/// Whether what it is called with is said of items (`map(.id)`).
fn takes_path(name: &TokenKind) -> bool {
    match name {
        TokenKind::Ident(name) => matches!(name.as_str(), "map" | "offsetof"),
        TokenKind::Register(name) => matches!(name.as_str(), "list" | "tree"),
        _ => false,
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// The type of the number that ends here.
    suffix: Option<&'static str>,
    /// The type stands in the text.
    is_written: bool,
    /// The character that was read last is an escape's one byte.
    is_escaped: bool,
    /// An operand may begin here, and no item's member: `.5` is a number.
    takes_operand: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn error(&self, from: usize, message: impl Into<String>) -> ExprError {
        ExprError::syntax(self.text, from..self.at.max(from + 1), message)
    }

    fn next(&mut self) -> Result<Token, ExprError> {
        if let Some(suffix) = self.suffix.take() {
            let length = if std::mem::replace(&mut self.is_written, true) { suffix.len() } else { 0 };
            return Ok(Token { kind: TokenKind::Suffix(suffix), span: self.at - length..self.at });
        }
        self.take_while(char::is_whitespace);
        let start = self.at;
        let kind = match self.peek() {
            None => TokenKind::End,
            Some('0'..='9') => self.number()?,
            Some('.') if self.takes_operand && self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit) => {
                self.float(start)?
            }
            Some('\'') => match self.quoted()? {
                // `'\xff'`
                TokenKind::Char(code @ 0x80..=0xff) if self.is_escaped => {
                    let number = TokenKind::Int { value: code.into(), unsigned: false, long: false };
                    return Ok(self.typed(start, number, "char"));
                }
                other => other,
            },
            Some('"') => self.string()?,
            Some('`') => self.raw()?,
            // Rust's `r#"text"#` and C++'s `R"(text)"`.
            Some('r' | 'R' | 'b' | 'L' | 'u' | 'U') if self.raw_prefix().is_some() => {
                let (prefix, type_name) = self.raw_prefix().unwrap_or_default();
                self.at += prefix;
                let text = self.raw_text(start)?;
                return Ok(self.typed_text(start, text, type_name));
            }
            // Rust's bytes.
            Some('b') if self.rest().starts_with("b\"") => {
                self.at += 1;
                self.string()?
            }
            Some('b') if self.rest().starts_with("b'") => {
                self.at += 1;
                let TokenKind::Char(code @ ..=0xff) = self.quoted()? else {
                    return Err(self.error(start, "a byte is one character of ASCII"));
                };
                return Ok(self.typed(
                    start,
                    TokenKind::Int { value: code.into(), unsigned: false, long: false },
                    "u8",
                ));
            }
            // C's wide characters and texts.
            Some('L' | 'u' | 'U') if self.prefixed().is_some() => {
                let (prefix, type_name) = self.prefixed().unwrap_or_default();
                self.at += prefix;
                if self.peek() == Some('"') {
                    let text = self.string()?;
                    return Ok(self.typed_text(start, text, type_name));
                } else {
                    match self.quoted()? {
                        TokenKind::Char(code) => {
                            let number = TokenKind::Int { value: code.into(), unsigned: true, long: false };
                            return Ok(self.typed(start, number, type_name));
                        }
                        _ => return Err(self.error(start, "one character is expected between the quotes")),
                    }
                }
            }
            Some('$') => {
                self.at += 1;
                // `$$2` counts back in the history.
                TokenKind::Register(self.take_while(is_name_part).to_owned())
            }
            Some(first) if is_name_start(first) => TokenKind::Ident(self.take_while(is_name_part).to_owned()),
            Some(other) => match PUNCTUATION.iter().find(|punctuation| self.rest().starts_with(**punctuation)) {
                Some(punctuation) => {
                    self.at += punctuation.len();
                    TokenKind::Punct(punctuation)
                }
                None => {
                    self.at += other.len_utf8();
                    return Err(self.error(start, format!("{other:?} has no meaning here")));
                }
            },
        };
        Ok(Token { kind, span: start..self.at })
    }

    /// The length of what stands in front of a quote (`L`, `u8`), and the type of characters there.
    fn prefixed(&self) -> Option<(usize, &'static str)> {
        let kinds = [("L", "wchar_t"), ("u8", "char8_t"), ("u", "char16_t"), ("U", "char32_t")];
        kinds.into_iter().find_map(|(prefix, type_name)| {
            let rest = self.rest().strip_prefix(prefix)?;
            rest.starts_with(['\'', '"']).then_some((prefix.len(), type_name))
        })
    }

    /// What stands before the quote of a raw text: its length, and the type of the characters where it is not the usual.
    fn raw_prefix(&self) -> Option<(usize, &'static str)> {
        let kinds = [("R", ""), ("LR", "wchar_t"), ("u8R", "char8_t"), ("uR", "char16_t"), ("UR", "char32_t")];
        let cpp = kinds.into_iter().find_map(|(prefix, type_name)| {
            self.rest().strip_prefix(prefix)?.starts_with('"').then_some((prefix.len(), type_name))
        });
        cpp.or_else(|| {
            let prefix = ["r", "br"].into_iter().find(|prefix| {
                let rest = self.rest().strip_prefix(*prefix);
                rest.is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
            })?;
            Some((prefix.len(), ""))
        })
    }

    /// Text without escapes: between C++'s `"DELIMITER(` and `)DELIMITER"`, or Rust's quotes with as many `#` on both
    /// sides.
    fn raw_text(&mut self, start: usize) -> Result<TokenKind, ExprError> {
        let is_cpp = self.text[..self.at].ends_with('R');
        let (before, after) = match is_cpp {
            true => {
                let delimiter = self.rest().get(1..).and_then(|rest| rest.split_once('('));
                let delimiter = delimiter.map(|(delimiter, _)| delimiter).filter(|delimiter| delimiter.len() <= 16);
                let Some(delimiter) = delimiter else { return Err(self.error(start, "( is expected behind R\"")) };
                (delimiter.len() + 2, format!("){delimiter}\""))
            }
            false => {
                let hashes = self.rest().bytes().take_while(|byte| *byte == b'#').count();
                (hashes + 1, format!("\"{}", "#".repeat(hashes)))
            }
        };
        self.at += before;
        let Some(length) = self.rest().find(&after) else {
            return Err(self.error(start, format!("no closing {after} follows")));
        };
        let text = self.rest().as_bytes()[..length].to_vec();
        self.at += length + after.len();
        Ok(TokenKind::Str(text))
    }

    /// The text, with the type of its characters where it is not the usual one.
    fn typed_text(&mut self, start: usize, text: TokenKind, type_name: &'static str) -> Token {
        match type_name {
            "" => Token { kind: text, span: start..self.at },
            _ => self.typed(start, text, type_name),
        }
    }

    /// The token, with a type that has no place of its own in the text.
    fn typed(&mut self, start: usize, kind: TokenKind, suffix: &'static str) -> Token {
        self.suffix = Some(suffix);
        self.is_written = false;
        Token { kind, span: start..self.at }
    }

    /// A character, or the quoted name of a file or symbol.
    fn quoted(&mut self) -> Result<TokenKind, ExprError> {
        let start = self.at;
        let bytes = self.delimited('\'')?;
        let source = &self.text[start + 1..self.at - 1];
        self.is_escaped = false;
        let mut chars = source.chars();
        match (chars.next(), chars.next()) {
            (Some(single), None) => Ok(TokenKind::Char(single.into())),
            (Some('\\'), _) if bytes.len() == 1 => {
                self.is_escaped = true;
                Ok(TokenKind::Char(bytes[0].into()))
            }
            (Some('\\'), _) if single_char(&bytes).is_some() => {
                Ok(TokenKind::Char(single_char(&bytes).map_or(0, u32::from)))
            }
            (None, _) => Err(self.error(start, "nothing is between the quotes")),
            _ => Ok(TokenKind::Quoted(source.to_owned())),
        }
    }

    fn string(&mut self) -> Result<TokenKind, ExprError> {
        Ok(TokenKind::Str(self.delimited('"')?))
    }

    /// Go's text without escapes.
    fn raw(&mut self) -> Result<TokenKind, ExprError> {
        let start = self.at;
        self.at += 1;
        let text = self.take_while(|c| c != '`').as_bytes().to_vec();
        match self.peek() {
            Some(quote) => self.at += quote.len_utf8(),
            None => return Err(self.error(start, "no closing ` follows")),
        }
        Ok(TokenKind::Str(text))
    }

    /// What is between two `quote`s, with C's escapes resolved.
    fn delimited(&mut self, quote: char) -> Result<Vec<u8>, ExprError> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error(start, format!("no closing {quote} follows")));
            };
            self.at += c.len_utf8();
            match c {
                '\\' => self.escape(start, &mut bytes)?,
                _ if c == quote => return Ok(bytes),
                _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    /// What stands behind a backslash: a byte, or the character of a code in UTF-8.
    fn escape(&mut self, start: usize, bytes: &mut Vec<u8>) -> Result<(), ExprError> {
        let Some(c) = self.peek() else { return Err(self.error(start, "the text ends in an escape")) };
        self.at += c.len_utf8();
        if let Some(code) = self.code_point(c) {
            let char = code.and_then(char::from_u32).ok_or_else(|| self.error(start, "no character has that code"))?;
            bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(());
        }
        bytes.push(match c {
            'n' => b'\n',
            't' => b'\t',
            'r' => b'\r',
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'v' => 11,
            'e' => 27,
            'x' => {
                let digits = self.take_while(|c| c.is_ascii_hexdigit());
                u8::from_str_radix(digits, 16).map_err(|_| self.error(start, "\\x needs one or two hex digits"))?
            }
            '0'..='7' => {
                self.at -= 1;
                let rest = self.rest();
                let length = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                self.at += length;
                u8::from_str_radix(&rest[..length], 8).map_err(|_| self.error(start, "the code is above \\377"))?
            }
            _ if c.is_ascii() => c as u8,
            _ => return Err(self.error(start, format!("\\{c} is no escape"))),
        });
        Ok(())
    }

    /// `u00e9`, `U0001f600`, Rust's `u{e9}`: the code. `None` where it is another escape.
    fn code_point(&mut self, letter: char) -> Option<Option<u32>> {
        let digits = match letter {
            'u' if self.rest().starts_with('{') => {
                let digits = self.rest().get(1..)?.split_once('}')?.0;
                self.at += digits.len() + 2;
                return Some(u32::from_str_radix(digits, 16).ok());
            }
            'u' => 4,
            'U' => 8,
            _ => return None,
        };
        let code = self.rest().get(..digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        self.at += code.map_or(0, str::len);
        Some(code.and_then(|code| u32::from_str_radix(code, 16).ok()))
    }
}

/// The one character that the bytes are.
fn single_char(bytes: &[u8]) -> Option<char> {
    let mut chars = std::str::from_utf8(bytes).ok()?.chars();
    chars.next().filter(|_| chars.next().is_none())
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn kinds(text: &str) -> Vec<TokenKind> {
        let mut kinds: Vec<_> = lex(text).unwrap().into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    pub(super) fn int(value: u128) -> TokenKind {
        TokenKind::Int { value, unsigned: false, long: false }
    }

    #[test]
    fn numbers() {
        assert_eq!(kinds("10 0x1F 010 0b101 0"), [int(10), int(31), int(8), int(5), int(0)]);
        assert_eq!(kinds("7ul"), [TokenKind::Int { value: 7, unsigned: true, long: true }]);
        assert_eq!(
            kinds("1.5 2e3 1.5e-2f 1."),
            [
                TokenKind::Float(1.5, false),
                TokenKind::Float(2000.0, false),
                TokenKind::Float(0.015, true),
                TokenKind::Float(1.0, false)
            ]
        );
        assert!(lex("0x").is_err() && lex("12ab").is_err() && lex("08").is_err());
        let suffix = TokenKind::Suffix;
        assert_eq!(kinds("5u8 0x1f_i16"), [int(5), suffix("u8"), int(31), suffix("i16")]);
        assert_eq!(kinds("1usize 0x1f32"), [int(1), suffix("usize"), int(0x1f32)]);
        let float = |value| TokenKind::Float(value, false);
        assert_eq!(
            kinds("2f32 1.5f64 1e3_f32"),
            [float(2.0), suffix("f32"), float(1.5), suffix("f64"), float(1000.0), suffix("f32")]
        );
        assert_eq!(kinds("b'a'"), [int(97), suffix("u8")]);
        assert!(lex("u8").is_ok() && lex("1.5u8").is_err() && lex("b'ü'").is_ok() && lex("b'€'").is_err());
    }

    #[test]
    fn imaginary_numbers() {
        let imaginary = TokenKind::Imaginary;
        assert_eq!(
            kinds("2i 0x1fi 0b11i 0o17i 017i 1_0i 1e3i 1.5i 0xFi"),
            [2.0, 31.0, 3.0, 15.0, 17.0, 10.0, 1000.0, 1.5, 15.0].map(imaginary)
        );
        assert!(lex("0xi").is_err() && lex("0b2i").is_err());
    }

    #[test]
    fn paths() {
        let ident = |name: &str| TokenKind::Ident(name.to_owned());
        assert_eq!(
            kinds("a.b[2]->c"),
            [
                ident("a"),
                TokenKind::Punct("."),
                ident("b"),
                TokenKind::Punct("["),
                int(2),
                TokenKind::Punct("]"),
                TokenKind::Punct("->"),
                ident("c")
            ]
        );
        assert_eq!(kinds("$rip"), [TokenKind::Register("rip".to_owned())]);
    }

    #[test]
    fn quotes() {
        assert_eq!(kinds(r"'a' '\n' '\x41' '\101' 'ü'"), [97u32, 10, 65, 65, 252].map(TokenKind::Char));
        assert_eq!(kinds("'file.c'"), [TokenKind::Quoted("file.c".to_owned())]);
        assert_eq!(kinds(r#""a\"b\0""#), [TokenKind::Str(b"a\"b\0".to_vec())]);
        assert_eq!(kinds(r#"b"raw" `a\b`"#), [TokenKind::Str(b"raw".to_vec()), TokenKind::Str(b"a\\b".to_vec())]);
        assert!(lex("`a").is_err());
        let suffix = TokenKind::Suffix;
        assert_eq!(
            kinds(r#"L'x' u8'a' U"abc" L"" u"x""#),
            [
                TokenKind::Int { value: 120, unsigned: true, long: false },
                suffix("wchar_t"),
                TokenKind::Int { value: 97, unsigned: true, long: false },
                suffix("char8_t"),
                TokenKind::Str(b"abc".to_vec()),
                suffix("char32_t"),
                TokenKind::Str(Vec::new()),
                suffix("wchar_t"),
                TokenKind::Str(b"x".to_vec()),
                suffix("char16_t"),
            ]
        );
        assert_eq!(kinds(r"'\u00e9' '\U0001f600' '\u{e9}'"), [0xe9u32, 0x1f600, 0xe9].map(TokenKind::Char));
        assert_eq!(kinds(r#""\u00e9\x41""#), [TokenKind::Str("éA".into())]);
        assert!(lex(r"'\u00'").is_err() && lex(r"'\ud800'").is_err() && lex(r"'\u{110000}'").is_err());
        let raw = r###"R"(a\n")" R"x()")x" r"\" r#"""# br"x""###;
        let texts = [r#"a\n""#, r#")""#, "\\", "\"", "x"];
        assert_eq!(kinds(raw), texts.map(|text| TokenKind::Str(text.into())));
        assert_eq!(kinds(r#"LR"(\)""#), [TokenKind::Str("\\".into()), suffix("wchar_t")]);
        assert!(lex(r#"R"x""#).is_err() && lex(r#"R"(x"#).is_err() && lex(r##"r#"x""##).is_err());
        assert!(lex("L'abc'").is_err() && lex("u + U").is_ok());
        assert!(lex("'a").is_err() && lex("\"a").is_err() && lex("''").is_err() && lex("\"\\").is_err());
    }

    #[test]
    fn errors_name_their_place() {
        let error = lex("a + \\b").unwrap_err();
        assert_eq!(error.span, 4..5);
    }
}
