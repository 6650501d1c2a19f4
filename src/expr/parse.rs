//! From tokens to a tree. C's grammar, with gdb's additions (`'file.c'::x`, `$rip`, `a@n`, `{type} address`).
//!
//! ```text
//! expression = binary operators by C's precedence over unary; `@` binds tighter than `*`
//! unary      = ("*" | "&" | "-" | "+" | "!" | "~") unary | "(" type ")" unary | "{" type "}" unary
//!            | "sizeof" (unary | "(" type ")") | postfix
//! postfix    = primary { "." name | "->" name | "[" expression "]" }
//! primary    = number | 'c' | "text" | $register | "(" expression ")" | name
//! name       = [ ( file.c | 'file.c' ) "::" ] [ "::" ] part { "::" part }
//! ```
//!
//! Whether `(a) * b` is a product or a cast depends on whether `a` is a type, so the parser asks.

use std::ops::Range;

use super::lex::{Token, TokenKind, lex};
use super::{ExprError, MAX_LENGTH, MAX_NESTING};

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it is: bytes of the text.
    pub span: Range<usize>,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// An integer.
    Int {
        /// Value.
        value: u128,
        /// `u`.
        unsigned: bool,
        /// `l`.
        long: bool,
    },
    /// A floating-point number.
    Float(f64),
    /// A character.
    Char(u32),
    /// Text.
    Str(Vec<u8>),
    /// `true`, `false`.
    Bool(bool),
    /// A variable or function.
    Name {
        /// The file of its unit.
        file: Option<String>,
        /// Qualified name.
        name: String,
    },
    /// `$rip`.
    Register(String),
    /// An operator before its operand.
    Unary(&'static str, Box<Node>),
    /// An operator between its operands.
    Binary(&'static str, Box<Node>, Box<Node>),
    /// `a.b`, `a->b`.
    Member(Box<Node>, String),
    /// `a[i]`.
    Index(Box<Node>, Box<Node>),
    /// `(type) a`.
    Cast(TypeName, Box<Node>),
    /// `{type} a`.
    At(TypeName, Box<Node>),
    /// `sizeof (type)`.
    SizeofType(TypeName),
    /// `sizeof a`.
    SizeofValue(Box<Node>),
}

/// A type as written.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    /// `struct node`, `unsigned long`, `ns::T<int>`: without qualifiers.
    pub base: String,
    /// What follows it, inside out.
    pub derivations: Vec<Derivation>,
    /// Where it is.
    pub span: Range<usize>,
}

/// A step from a type to a derived one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivation {
    /// `*`
    Pointer,
    /// `&`
    Reference,
    /// `[n]`
    Array(u64),
}

/// Words that start a built-in type's name.
pub const BUILTIN_WORDS: &[&str] =
    &["unsigned", "signed", "long", "short", "int", "char", "float", "double", "void", "_Bool", "bool"];
const TAGS: &[&str] = &["struct", "class", "union", "enum"];
const QUALIFIERS: &[&str] = &["const", "volatile"];

/// Binary operators and how tightly they bind.
const PRECEDENCE: &[(&str, u8)] = &[
    ("||", 1),
    ("&&", 2),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("==", 6),
    ("!=", 6),
    ("<", 7),
    (">", 7),
    ("<=", 7),
    (">=", 7),
    ("<<", 8),
    (">>", 8),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
    ("@", 11),
];

/// Parses a whole expression. `is_type` says whether a name is a type's and no variable's.
pub fn parse(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<Node, ExprError> {
    let mut parser = Parser::new(text, is_type)?;
    let node = parser.expression(0)?;
    parser.expect_end()?;
    Ok(node)
}

/// Parses a whole type name; `None` where the text is none.
pub fn parse_type(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<Option<TypeName>, ExprError> {
    let mut parser = Parser::new(text, is_type)?;
    let found = parser.type_name();
    Ok(found.filter(|_| parser.peek() == &TokenKind::End))
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    nesting: usize,
    is_type: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, is_type: &'a dyn Fn(&str) -> bool) -> Result<Parser<'a>, ExprError> {
        if text.len() > MAX_LENGTH {
            return Err(ExprError::syntax(text, 0..1, format!("longer than {MAX_LENGTH} bytes")));
        }
        Ok(Parser { text, tokens: lex(text)?, at: 0, nesting: 0, is_type })
    }

    fn token(&self, ahead: usize) -> &Token {
        // The last token is the end; there is always one.
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> &TokenKind {
        &self.token(0).kind
    }

    fn is_punct(&self, ahead: usize, punctuation: &str) -> bool {
        matches!(&self.token(ahead).kind, TokenKind::Punct(found) if *found == punctuation)
    }

    fn eat(&mut self, punctuation: &str) -> bool {
        let found = self.is_punct(0, punctuation);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, wanted: &str) -> ExprError {
        let span = self.token(0).span.clone();
        let message = match self.peek() {
            TokenKind::End => format!("the expression ends where {wanted} should follow"),
            _ => format!("expected {wanted}, found {}", &self.text[span.clone()]),
        };
        ExprError::syntax(self.text, span, message)
    }

    fn expect(&mut self, punctuation: &str) -> Result<(), ExprError> {
        if self.eat(punctuation) { Ok(()) } else { Err(self.unexpected(punctuation)) }
    }

    fn expect_end(&self) -> Result<(), ExprError> {
        match self.peek() {
            TokenKind::End => Ok(()),
            TokenKind::Punct("=") => Err(ExprError::syntax(
                self.text,
                self.token(0).span.clone(),
                "nothing can be assigned in a dead process (== compares)",
            )),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    /// Runs `parse` one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ExprError>) -> Result<T, ExprError> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let message = format!("nested more than {MAX_NESTING} levels deep");
            return Err(ExprError::syntax(self.text, self.token(0).span.clone(), message));
        }
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    fn expression(&mut self, least: u8) -> Result<Node, ExprError> {
        let mut left = self.nested(Self::unary)?;
        // A chain of operators makes a tree as deep as it is long.
        let mut chained = 0;
        while let TokenKind::Punct(found) = *self.peek() {
            let Some((operator, precedence)) = PRECEDENCE.iter().find(|(operator, _)| *operator == found) else {
                break;
            };
            if *precedence <= least {
                break;
            }
            chained += 1;
            if chained > MAX_NESTING {
                return Err(ExprError::syntax(self.text, self.token(0).span.clone(), "too many operators in a row"));
            }
            self.at += 1;
            let right = self.nested(|parser| parser.expression(*precedence))?;
            let span = left.span.start..right.span.end;
            left = Node { kind: NodeKind::Binary(operator, Box::new(left), Box::new(right)), span };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, ExprError> {
        let start = self.token(0).span.start;
        for operator in ["*", "&", "-", "+", "!", "~"] {
            if self.eat(operator) {
                let operand = self.nested(Self::unary)?;
                return Ok(node(start, operand.span.end, NodeKind::Unary(operator, Box::new(operand))));
            }
        }
        // `&&x` is no address in C, but `**p` and `- -1` arrive token by token.
        if self.is_punct(0, "(")
            && let Some(type_name) = self.cast_type()
        {
            let operand = self.nested(Self::unary)?;
            return Ok(node(start, operand.span.end, NodeKind::Cast(type_name, Box::new(operand))));
        }
        if self.eat("{") {
            let type_name = self.type_name().ok_or_else(|| self.unexpected("a type"))?;
            self.expect("}")?;
            let operand = self.nested(Self::unary)?;
            return Ok(node(start, operand.span.end, NodeKind::At(type_name, Box::new(operand))));
        }
        if matches!(self.peek(), TokenKind::Ident(name) if name == "sizeof") {
            self.at += 1;
            if self.is_punct(0, "(") {
                let before = self.at;
                self.at += 1;
                if let Some(type_name) = self.type_name()
                    && self.eat(")")
                {
                    let end = type_name.span.end + 1;
                    return Ok(node(start, end, NodeKind::SizeofType(type_name)));
                }
                self.at = before;
            }
            let operand = self.nested(Self::unary)?;
            return Ok(node(start, operand.span.end, NodeKind::SizeofValue(Box::new(operand))));
        }
        self.postfix()
    }

    /// `(type)`, where it is one and an operand follows.
    fn cast_type(&mut self) -> Option<TypeName> {
        let before = self.at;
        self.at += 1;
        let found = self.type_name().filter(|_| self.is_punct(0, ")"));
        self.at += 1;
        let operand_follows = match self.peek() {
            TokenKind::End => false,
            TokenKind::Punct(found) => matches!(*found, "(" | "*" | "&" | "-" | "+" | "!" | "~" | "::" | "{"),
            _ => true,
        };
        if found.is_none() || !operand_follows {
            self.at = before;
            return None;
        }
        found
    }

    fn postfix(&mut self) -> Result<Node, ExprError> {
        let mut operand = self.primary()?;
        let start = operand.span.start;
        let mut chained = 0;
        loop {
            if self.eat("[") {
                let index = self.nested(|parser| parser.expression(0))?;
                let end = self.token(0).span.end;
                self.expect("]")?;
                operand = node(start, end, NodeKind::Index(Box::new(operand), Box::new(index)));
            } else if self.eat(".") || self.eat("->") {
                let span = self.token(0).span.clone();
                let name = match self.peek() {
                    TokenKind::Ident(name) => name.clone(),
                    // A tuple's field in Rust.
                    TokenKind::Int { .. } => self.text[span.clone()].to_owned(),
                    _ => return Err(self.unexpected("a member's name")),
                };
                self.at += 1;
                operand = node(start, span.end, NodeKind::Member(Box::new(operand), name));
            } else {
                return Ok(operand);
            }
            chained += 1;
            if chained > MAX_NESTING {
                return Err(ExprError::syntax(self.text, self.token(0).span.clone(), "the path has too many steps"));
            }
        }
    }

    fn primary(&mut self) -> Result<Node, ExprError> {
        let token = self.token(0).clone();
        let kind = match token.kind {
            TokenKind::Int { value, unsigned, long } => NodeKind::Int { value, unsigned, long },
            TokenKind::Float(value) => NodeKind::Float(value),
            TokenKind::Char(code) => NodeKind::Char(code),
            TokenKind::Str(text) => NodeKind::Str(text),
            TokenKind::Register(name) if name.is_empty() => return Err(self.unexpected("a register's name after $")),
            TokenKind::Register(name) => NodeKind::Register(name),
            TokenKind::Punct("(") => {
                self.at += 1;
                let inner = self.nested(|parser| parser.expression(0))?;
                self.expect(")")?;
                return Ok(inner);
            }
            TokenKind::Ident(name) if name == "true" || name == "false" => NodeKind::Bool(name == "true"),
            TokenKind::Ident(_) | TokenKind::Quoted(_) | TokenKind::Punct("::") => return self.name(),
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(Node { kind, span: token.span })
    }

    /// `x`, `ns::x`, `file.c::x`, `'file.c'::x`, `::x`.
    fn name(&mut self) -> Result<Node, ExprError> {
        let start = self.token(0).span.start;
        let mut file = None;
        if let TokenKind::Quoted(quoted) = self.peek() {
            let quoted = quoted.clone();
            self.at += 1;
            if !self.eat("::") {
                // gdb's way to name a symbol with odd characters.
                let end = self.token(0).span.start;
                return Ok(node(start, end, NodeKind::Name { file: None, name: quoted }));
            }
            file = Some(quoted);
        } else if let Some(end) = self.file_name_ahead() {
            let last = self.token(end - 1).span.end;
            file = Some(self.text[start..last].to_owned());
            self.at += end + 1;
        } else {
            self.eat("::");
        }
        let mut name = String::new();
        loop {
            let TokenKind::Ident(part) = self.peek().clone() else { return Err(self.unexpected("a name")) };
            name += &part;
            self.at += 1;
            self.template_arguments(&mut name);
            if !self.eat("::") {
                break;
            }
            name += "::";
        }
        let end = self.token_end_before();
        Ok(node(start, end, NodeKind::Name { file, name }))
    }

    fn token_end_before(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.span.end)
    }

    /// How many tokens make up `file.c` where `::` follows them, all without spaces.
    fn file_name_ahead(&self) -> Option<usize> {
        let mut count = 0;
        let mut dots = 0;
        loop {
            let (token, next) = (self.token(count), self.token(count + 1));
            match &token.kind {
                TokenKind::Ident(_) => {}
                TokenKind::Punct("." | "/" | "-" | "+") => dots += usize::from(self.is_punct(count, ".")),
                _ => return None,
            }
            count += 1;
            if token.span.end != next.span.start || count > 32 {
                return None;
            }
            if self.is_punct(count, "::") {
                return (dots > 0).then_some(count);
            }
        }
    }

    /// Appends `<…>` where it belongs to the name: `::` follows it, or the whole is a type.
    fn template_arguments(&mut self, name: &mut String) {
        if !self.is_punct(0, "<") {
            return;
        }
        let mut depth = 0usize;
        let mut count = 0;
        loop {
            match &self.token(count).kind {
                TokenKind::Punct("<") => depth += 1,
                TokenKind::Punct(">") => depth = depth.saturating_sub(1),
                TokenKind::Punct(">>") => depth = depth.saturating_sub(2),
                TokenKind::Ident(_) | TokenKind::Int { .. } | TokenKind::Punct("," | "::" | "*" | "&") => {}
                TokenKind::Punct("[" | "]" | "(" | ")") => {}
                _ => return,
            }
            count += 1;
            if depth == 0 {
                break;
            }
        }
        let arguments = &self.text[self.token(0).span.start..self.token(count - 1).span.end];
        let whole = format!("{name}{arguments}");
        if self.is_punct(count, "::") || (self.is_type)(&whole) {
            *name = whole;
            self.at += count;
        }
    }

    /// A type's name at this place; leaves the place where there is none.
    fn type_name(&mut self) -> Option<TypeName> {
        let before = self.at;
        let found = self.type_name_inner();
        if found.is_none() {
            self.at = before;
        }
        found
    }

    fn skip_qualifiers(&mut self) {
        while matches!(self.peek(), TokenKind::Ident(word) if QUALIFIERS.contains(&word.as_str())) {
            self.at += 1;
        }
    }

    fn type_name_inner(&mut self) -> Option<TypeName> {
        let start = self.token(0).span.start;
        self.skip_qualifiers();
        let TokenKind::Ident(first) = self.peek().clone() else { return None };
        let base = if TAGS.contains(&first.as_str()) {
            self.at += 1;
            format!("{first} {}", self.qualified_name()?)
        } else if BUILTIN_WORDS.contains(&first.as_str()) {
            let mut words = Vec::new();
            while let TokenKind::Ident(word) = self.peek().clone() {
                if BUILTIN_WORDS.contains(&word.as_str()) {
                    words.push(word);
                } else if !QUALIFIERS.contains(&word.as_str()) {
                    break;
                }
                self.at += 1;
            }
            words.join(" ")
        } else {
            let name = self.qualified_name()?;
            if !(self.is_type)(&name) {
                return None;
            }
            name
        };
        let mut derivations = Vec::new();
        loop {
            self.skip_qualifiers();
            if self.eat("*") {
                derivations.push(Derivation::Pointer);
            } else if self.eat("&") || self.eat("&&") {
                derivations.push(Derivation::Reference);
            } else if self.eat("[") {
                let TokenKind::Int { value, .. } = *self.peek() else { return None };
                self.at += 1;
                if !self.eat("]") {
                    return None;
                }
                derivations.push(Derivation::Array(u64::try_from(value).ok()?));
            } else {
                break;
            }
            if derivations.len() > MAX_NESTING {
                return None;
            }
        }
        Some(TypeName { base, derivations, span: start..self.token_end_before() })
    }

    fn qualified_name(&mut self) -> Option<String> {
        self.eat("::");
        let mut name = String::new();
        loop {
            let TokenKind::Ident(part) = self.peek().clone() else { return None };
            name += &part;
            self.at += 1;
            self.template_arguments(&mut name);
            if !self.eat("::") {
                return Some(name);
            }
            name += "::";
        }
    }
}

fn node(start: usize, end: usize, kind: NodeKind) -> Node {
    Node { kind, span: start..end }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
