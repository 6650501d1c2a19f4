//! From an expression's text to tokens, each with its place in the text.

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

/// Splits the text into tokens; the last is [`TokenKind::End`].
pub fn lex(text: &str) -> Result<Vec<Token>, ExprError> {
    let mut lexer = Lexer { text, at: 0, suffix: None, is_written: true };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let done = token.kind == TokenKind::End;
        tokens.push(token);
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// The type of the number that ends here.
    suffix: Option<&'static str>,
    /// The type stands in the text.
    is_written: bool,
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
            Some('\'') => self.quoted()?,
            Some('"') => self.string()?,
            Some('`') => self.raw()?,
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
            // C's wide characters and texts; the text is the same in all of them.
            Some('L' | 'u' | 'U') if self.prefixed().is_some() => {
                let (prefix, type_name) = self.prefixed().unwrap_or_default();
                self.at += prefix;
                if self.peek() == Some('"') {
                    self.string()?
                } else {
                    match self.quoted()? {
                        code @ TokenKind::Char(_) => return Ok(self.typed(start, code, type_name)),
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

    /// The token, with a type that has no place of its own in the text.
    fn typed(&mut self, start: usize, kind: TokenKind, suffix: &'static str) -> Token {
        self.suffix = Some(suffix);
        self.is_written = false;
        Token { kind, span: start..self.at }
    }

    fn number(&mut self) -> Result<TokenKind, ExprError> {
        let start = self.at;
        let mut digits = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_hex = digits.starts_with("0x") || digits.starts_with("0X");
        // The letters of floats are digits of hexadecimal numbers.
        let suffixes = SUFFIXES.iter().filter(|suffix| !is_hex || !suffix.starts_with('f'));
        if let Some(suffix) = suffixes.copied().find(|suffix| digits.ends_with(suffix)) {
            digits = digits[..digits.len() - suffix.len()].trim_end_matches('_');
            self.suffix = Some(suffix);
            if suffix.starts_with('f') && !digits.contains(['e', 'E']) {
                let value = digits.replace('_', "").parse();
                return value.map(|value| TokenKind::Float(value, false)).map_err(|_| self.error(start, "no number"));
            }
        }
        if let Some(number) = digits.strip_suffix('i').filter(|_| self.suffix.is_none()) {
            return self.imaginary(start, number);
        }
        // A name behind the point is a member's or a method's, another point a range's.
        let is_other = |c: char| c == '.' || c == '_' || c.is_alphabetic();
        let has_fraction = self.rest().strip_prefix('.').is_some_and(|rest| !rest.starts_with(is_other));
        let has_exponent = digits.contains(['e', 'E']);
        if !is_hex && (has_fraction || has_exponent) {
            return self.float(start);
        }
        let plain = digits.replace('_', "").to_ascii_lowercase();
        let body = plain.trim_end_matches(['u', 'l']);
        let suffix = &plain[body.len()..];
        let (digits, radix) = if let Some(hex) = body.strip_prefix("0x") {
            (hex, 16)
        } else if let Some(binary) = body.strip_prefix("0b") {
            (binary, 2)
        } else if body.len() > 1 && body.starts_with('0') {
            (body.strip_prefix("0o").unwrap_or(&body[1..]), 8)
        } else {
            (body, 10)
        };
        let value = u128::from_str_radix(digits, radix)
            .map_err(|_| self.error(start, format!("{plain} is no number of base {radix}")))?;
        // C's decimal numbers are never unsigned of their own accord (C17, 6.4.4.1).
        let is_wide = radix == 10 && suffix.is_empty() && value > i32::MAX as u128;
        Ok(TokenKind::Int { value, unsigned: suffix.contains('u'), long: is_wide || suffix.contains('l') })
    }

    /// Go's imaginary number: what stands before its `i`. For the sake of old programs, digits alone are decimal even
    /// behind a 0 (The Go Programming Language Specification, version 1.25, "Imaginary literals").
    fn imaginary(&self, start: usize, number: &str) -> Result<TokenKind, ExprError> {
        let plain = number.replace('_', "").to_ascii_lowercase();
        let radixes = [("0x", 16), ("0o", 8), ("0b", 2)];
        let prefixed = radixes.iter().find_map(|(prefix, radix)| Some((plain.strip_prefix(prefix)?, *radix)));
        let value = match prefixed {
            Some((digits, radix)) => u128::from_str_radix(digits, radix).ok().map(|value| value as f64),
            None => plain.parse().ok(),
        };
        value.map(TokenKind::Imaginary).ok_or_else(|| self.error(start, format!("{number}i is no number")))
    }

    fn float(&mut self, start: usize) -> Result<TokenKind, ExprError> {
        if self.rest().starts_with('.') {
            self.at += 1;
            self.take_while(|c| c.is_ascii_alphanumeric());
        }
        let so_far = &self.text[start..self.at];
        if so_far.ends_with(['e', 'E']) && self.rest().starts_with(['+', '-']) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_alphanumeric());
        }
        let mut text = &self.text[start..self.at];
        for suffix in ["f32", "f64"] {
            if let Some(number) = text.strip_suffix(suffix) {
                text = number.trim_end_matches('_');
                self.suffix = Some(suffix);
            }
        }
        if let Some(number) = text.strip_suffix('i') {
            return self.imaginary(start, number);
        }
        let single = text.ends_with(['f', 'F']);
        let value = text.trim_end_matches(['f', 'F', 'l', 'L']).parse();
        value
            .map(|value| TokenKind::Float(value, single))
            .map_err(|_| self.error(start, format!("{text} is no number")))
    }

    /// A character, or the quoted name of a file or symbol.
    fn quoted(&mut self) -> Result<TokenKind, ExprError> {
        let start = self.at;
        let bytes = self.delimited('\'')?;
        let source = &self.text[start + 1..self.at - 1];
        let mut chars = source.chars();
        match (chars.next(), chars.next()) {
            (Some(single), None) => Ok(TokenKind::Char(single.into())),
            (Some('\\'), _) if bytes.len() == 1 => Ok(TokenKind::Char(bytes[0].into())),
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
                '\\' => bytes.push(self.escape(start)?),
                _ if c == quote => return Ok(bytes),
                _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn escape(&mut self, start: usize) -> Result<u8, ExprError> {
        let Some(c) = self.peek() else { return Err(self.error(start, "the text ends in an escape")) };
        self.at += c.len_utf8();
        Ok(match c {
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
        })
    }
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

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut kinds: Vec<_> = lex(text).unwrap().into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    fn int(value: u128) -> TokenKind {
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
                TokenKind::Char(120),
                suffix("wchar_t"),
                TokenKind::Char(97),
                suffix("char8_t"),
                TokenKind::Str(b"abc".to_vec()),
                TokenKind::Str(Vec::new()),
                TokenKind::Str(b"x".to_vec()),
            ]
        );
        assert!(lex("L'abc'").is_err() && lex("u + U").is_ok());
        assert!(lex("'a").is_err() && lex("\"a").is_err() && lex("''").is_err() && lex("\"\\").is_err());
    }

    #[test]
    fn errors_name_their_place() {
        let error = lex("a + \\b").unwrap_err();
        assert_eq!(error.span, 4..5);
    }
}
