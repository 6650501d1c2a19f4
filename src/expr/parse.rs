//! From tokens to a tree. C's grammar, with gdb's additions (`'file.c'::x`, `$rip`, `a@n`, `{type} address`), Rust's
//! casts and ranges, and filters.
//!
//! ```text
//! expression = assignment { "," assignment }
//! assignment = $name ("=" | "+=" | …) assignment | choice
//! choice     = binary [ "?" expression ":" choice ]
//! binary     = operators by C's precedence over cast; `@` binds tighter than `*`
//! cast       = unary { "as" type }
//! unary      = ("*" | "&" | "-" | "+" | "!" | "~" | "^" | "++" | "--") unary | "(" type ")" unary
//!            | "{" type "}" unary | ("sizeof" | "alignof") (unary | "(" type ")") | postfix
//! postfix    = primary { "." name | "->" name | "[" index "]" | "." name "(" arguments ")" | ".(" type ")"
//!            | "++" | "--" }
//! index      = expression | [ expression ] (".." | "..=" | ":") [ expression ]
//! primary    = number [ u8 | … ] | 'c' | "text" { "text" } | $register | "(" expression ")" | name [ "@entry" ] | "." name
//!            | name "(" arguments ")" | ("frame" | "thread") "(" expression ")" "." primary
//!            | "typeid" "(" ( type | expression ) ")" | "static_cast" "<" type ">" "(" expression ")" | "offsetof" "(" type "," path ")"
//!            | type "(" expression ")" | "{" assignment { "," assignment } "}" | "[" assignment { "," assignment } "]"
//!            | "[" assignment ";" assignment "]"
//! name       = [ ( file.c | 'file.c' ) "::" ] [ "::" ] part { "::" part }
//! ```
//!
//! Whether `(a) * b` is a product or a cast depends on whether `a` is a type, so the parser asks.

use std::ops::Range;

use super::lex::{Token, TokenKind, lex};
use super::tree::{CastStyle, Node, NodeKind, TypeName};
use super::{ExprError, MAX_LENGTH, MAX_NESTING};

/// Rules of the grammar that are open at once where brackets and operators are inside of each other: about two a
/// bracket. Each costs some KiB of stack.
const MAX_OPEN: usize = 140;

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
    // Go's `a & ^b`.
    ("&^", 10),
    ("@", 11),
    // Pointers to members.
    ("->*", 12),
    (".*", 12),
];

/// C++'s words for operators.
const WORDS: &[(&str, &str)] =
    &[("and", "&&"), ("or", "||"), ("bitand", "&"), ("bitor", "|"), ("xor", "^"), ("not_eq", "!=")];

/// Operators that change a convenience variable, and the operator that computes the new value.
const ASSIGNMENTS: &[(&str, Option<&str>)] = &[
    ("=", None),
    ("+=", Some("+")),
    ("-=", Some("-")),
    ("*=", Some("*")),
    ("/=", Some("/")),
    ("%=", Some("%")),
    ("&=", Some("&")),
    ("|=", Some("|")),
    ("^=", Some("^")),
    ("<<=", Some("<<")),
    (">>=", Some(">>")),
];

/// Parses a whole expression. `is_type` says whether a name is a type's and no variable's.
pub fn parse(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<Node, ExprError> {
    let mut parser = Parser::new(text, is_type)?;
    let node = parser.whole()?;
    parser.expect_end()?;
    Ok(node)
}

/// Parses a whole type name; `None` where the text is none.
pub fn parse_type(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<Option<TypeName>, ExprError> {
    let mut parser = Parser::new(text, is_type)?;
    let found = parser.type_name();
    Ok(found.filter(|_| parser.peek() == &TokenKind::End))
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    tokens: Vec<Token>,
    pub(super) at: usize,
    nesting: usize,
    pub(super) is_type: &'a dyn Fn(&str) -> bool,
    /// An item (`.id`) was named since this was last cleared.
    names_item: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, is_type: &'a dyn Fn(&str) -> bool) -> Result<Parser<'a>, ExprError> {
        if text.len() > MAX_LENGTH {
            return Err(ExprError::syntax(text, 0..1, format!("longer than {MAX_LENGTH} bytes")));
        }
        Ok(Parser { text, tokens: lex(text)?, at: 0, nesting: 0, is_type, names_item: false })
    }

    pub(super) fn token(&self, ahead: usize) -> &Token {
        // The last token is the end; there is always one.
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    pub(super) fn peek(&self) -> &TokenKind {
        &self.token(0).kind
    }

    pub(super) fn is_punct(&self, ahead: usize, punctuation: &str) -> bool {
        matches!(&self.token(ahead).kind, TokenKind::Punct(found) if *found == punctuation)
    }

    pub(super) fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(&self.token(ahead).kind, TokenKind::Ident(found) if found == word)
    }

    pub(super) fn eat(&mut self, punctuation: &str) -> bool {
        let found = self.is_punct(0, punctuation);
        self.at += usize::from(found);
        found
    }

    pub(super) fn unexpected(&self, wanted: &str) -> ExprError {
        let span = self.token(0).span.clone();
        let message = match self.peek() {
            TokenKind::End => format!("the expression ends where {wanted} should follow"),
            _ => format!("expected {wanted}, found {}", &self.text[span.clone()]),
        };
        ExprError::syntax(self.text, span, message)
    }

    pub(super) fn error<T>(&self, span: Range<usize>, message: impl Into<String>) -> Result<T, ExprError> {
        Err(ExprError::syntax(self.text, span, message))
    }

    pub(super) fn expect(&mut self, punctuation: &str) -> Result<(), ExprError> {
        if self.eat(punctuation) { Ok(()) } else { Err(self.unexpected(punctuation)) }
    }

    fn expect_end(&self) -> Result<(), ExprError> {
        match self.peek() {
            TokenKind::End => Ok(()),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    /// Runs `parse` one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ExprError>) -> Result<T, ExprError> {
        self.nesting += 1;
        if self.nesting > MAX_OPEN {
            let message = format!("nested more than {MAX_OPEN} levels deep");
            return self.error(self.token(0).span.clone(), message);
        }
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    /// An expression with commas.
    pub(super) fn whole(&mut self) -> Result<Node, ExprError> {
        let mut left = self.assignment()?;
        let mut chained = 0;
        while self.eat(",") {
            chained += 1;
            if chained > MAX_NESTING {
                return self.error(self.token(0).span.clone(), "too many operators in a row");
            }
            let right = self.assignment()?;
            left = binary(",", left, right);
        }
        Ok(left)
    }

    /// An expression without commas at its top.
    pub(super) fn assignment(&mut self) -> Result<Node, ExprError> {
        let left = self.choice()?;
        let TokenKind::Punct(found) = *self.peek() else { return Ok(left) };
        let Some((_, operator)) = ASSIGNMENTS.iter().find(|(operator, _)| *operator == found) else { return Ok(left) };
        let NodeKind::Register(name) = &left.kind else {
            let message = "nothing can be assigned in a dead process but $name (== compares)";
            return self.error(self.token(0).span.clone(), message);
        };
        let name = self.assignable(name, &left.span)?;
        self.at += 1;
        let value = self.nested(Self::assignment)?;
        let end = value.span.end;
        Ok(node(left.span.start, end, NodeKind::Assign(name, *operator, Box::new(value))))
    }

    /// The name, where it may be given a value.
    fn assignable(&self, name: &str, span: &Range<usize>) -> Result<String, ExprError> {
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit() || first == '$') {
            return self.error(span.clone(), "values of the history cannot be changed");
        }
        Ok(name.to_owned())
    }

    fn choice(&mut self) -> Result<Node, ExprError> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let first = self.nested(Self::whole)?;
        self.expect(":")?;
        let second = self.nested(Self::choice)?;
        let (start, end) = (condition.span.start, second.span.end);
        Ok(node(start, end, NodeKind::Choose(Box::new(condition), Box::new(first), Box::new(second))))
    }

    fn binary(&mut self, least: u8) -> Result<Node, ExprError> {
        let mut left = self.cast_behind()?;
        // A chain of operators makes a tree as deep as it is long.
        let mut chained = 0;
        loop {
            let found = match self.peek() {
                TokenKind::Punct(found) => *found,
                TokenKind::Ident(word) => match WORDS.iter().find(|(known, _)| known == word) {
                    Some((_, operator)) => *operator,
                    None => break,
                },
                _ => break,
            };
            let Some((operator, precedence)) = PRECEDENCE.iter().find(|(operator, _)| *operator == found) else {
                break;
            };
            if *precedence <= least {
                break;
            }
            chained += 1;
            if chained > MAX_NESTING {
                return self.error(self.token(0).span.clone(), "too many operators in a row");
            }
            self.at += 1;
            let right = self.nested(|parser| parser.binary(*precedence))?;
            left = binary(operator, left, right);
        }
        Ok(left)
    }

    /// `a as type`.
    fn cast_behind(&mut self) -> Result<Node, ExprError> {
        let mut operand = self.nested(Self::unary)?;
        let mut chained = 0;
        while self.is_word(0, "as") {
            self.at += 1;
            chained += 1;
            let Some(type_name) = self.plain_type_name().filter(|_| chained <= MAX_NESTING) else {
                return Err(self.unexpected("a type"));
            };
            let (start, end) = (operand.span.start, type_name.span.end);
            operand = node(start, end, NodeKind::Cast(type_name, Box::new(operand), CastStyle::Converting));
        }
        Ok(operand)
    }

    fn unary(&mut self) -> Result<Node, ExprError> {
        let start = self.token(0).span.start;
        for operator in ["*", "&", "-", "+", "!", "~"] {
            if self.eat(operator) {
                // Rust's `&mut x`.
                if operator == "&" && self.is_word(0, "mut") && self.begins_operand(1) {
                    self.at += 1;
                }
                let operand = self.nested(Self::unary)?;
                return Ok(node(start, operand.span.end, NodeKind::Unary(operator, Box::new(operand))));
            }
        }
        if let Some(operator) = self.other_unary() {
            self.at += 1;
            let operand = self.nested(Self::unary)?;
            return Ok(node(start, operand.span.end, NodeKind::Unary(operator, Box::new(operand))));
        }
        for (step, operator) in [("++", "+"), ("--", "-")] {
            if self.eat(step) {
                let operand = self.nested(Self::unary)?;
                let NodeKind::Register(name) = &operand.kind else {
                    return self.error(operand.span, "nothing can be changed in a dead process but $name");
                };
                let (name, end) = (self.assignable(name, &operand.span)?, operand.span.end);
                let one = node(start, start + 2, NodeKind::Int { value: 1, unsigned: false, long: false });
                return Ok(node(start, end, NodeKind::Assign(name, Some(operator), Box::new(one))));
            }
        }
        // `&&x` is no address in C, but `**p` and `- -1` arrive token by token.
        if self.is_punct(0, "(")
            && let Some(type_name) = self.cast_type()
        {
            let operand = self.nested(Self::unary)?;
            let kind = NodeKind::Cast(type_name, Box::new(operand), CastStyle::Converting);
            return Ok(node(start, self.token_end_before(), kind));
        }
        if self.is_punct(0, "{")
            && let Some(type_name) = self.type_in_braces()?
        {
            let operand = self.nested(Self::unary)?;
            return Ok(node(start, operand.span.end, NodeKind::At(type_name, Box::new(operand))));
        }
        let size = self.is_word(0, "sizeof");
        if size || ["alignof", "_Alignof"].iter().any(|word| self.is_word(0, word)) {
            self.at += 1;
            if self.is_punct(0, "(") {
                let before = self.at;
                self.at += 1;
                if let Some(type_name) = self.type_name()
                    && self.eat(")")
                {
                    let end = self.token_end_before();
                    let kind = if size { NodeKind::SizeofType(type_name) } else { NodeKind::AlignofType(type_name) };
                    return Ok(node(start, end, kind));
                }
                self.at = before;
            }
            let operand = Box::new(self.nested(Self::unary)?);
            let end = operand.span.end;
            let kind = if size { NodeKind::SizeofValue(operand) } else { NodeKind::AlignofValue(operand) };
            return Ok(node(start, end, kind));
        }
        let operand = self.primary()?;
        self.postfix(operand)
    }

    /// Go's and C++'s ways to write two operators.
    #[inline(never)]
    fn other_unary(&self) -> Option<&'static str> {
        let word = |word| self.is_word(0, word) && self.begins_operand(1);
        match self.is_punct(0, "^") || word("compl") {
            true => Some("~"),
            false => word("not").then_some("!"),
        }
    }

    /// Whether what begins there cannot go on with what is before it.
    fn begins_operand(&self, ahead: usize) -> bool {
        match &self.token(ahead).kind {
            TokenKind::End | TokenKind::Suffix(_) => false,
            TokenKind::Punct(found) => matches!(*found, "!" | "~" | "("),
            TokenKind::Ident(word) => word != "as" && !WORDS.iter().any(|(known, _)| known == word),
            _ => true,
        }
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
            TokenKind::Ident(word) => word != "as",
            _ => true,
        };
        if found.is_none() || !operand_follows {
            self.at = before;
            return None;
        }
        found
    }

    fn postfix(&mut self, operand: Node) -> Result<Node, ExprError> {
        let mut operand = operand;
        let start = operand.span.start;
        let mut chained = 0;
        loop {
            if self.is_punct(0, "[") {
                operand = self.nested(|parser| parser.index(operand))?;
            } else if self.is_punct(0, ".") && self.is_punct(1, "(") {
                operand = self.assertion(operand)?;
            } else if self.eat(".") || self.eat("->") {
                operand = self.member(operand)?;
            } else if let TokenKind::Punct(step @ ("++" | "--")) = *self.peek() {
                let NodeKind::Register(name) = &operand.kind else {
                    let message = "nothing can be changed in a dead process but $name";
                    return self.error(self.token(0).span.clone(), message);
                };
                let name = self.assignable(name, &operand.span)?;
                self.at += 1;
                let operator = if step == "++" { "+" } else { "-" };
                operand = node(start, self.token_end_before(), NodeKind::Step(name, operator));
            } else {
                return Ok(operand);
            }
            chained += 1;
            if chained > MAX_NESTING {
                return self.error(self.token(0).span.clone(), "the path has too many steps");
            }
        }
    }

    /// `[…]`: an index, a range or a filter.
    fn index(&mut self, operand: Node) -> Result<Node, ExprError> {
        self.expect("[")?;
        let start = operand.span.start;
        let operand = Box::new(operand);
        let named_before = std::mem::take(&mut self.names_item);
        // `:` is Go's.
        let is_range = |parser: &Self| ["..", "..=", ":"].iter().any(|range| parser.is_punct(0, range));
        let first = if is_range(self) { None } else { Some(Box::new(self.whole()?)) };
        let kind = if is_range(self) {
            let inclusive = self.is_punct(0, "..=");
            self.at += 1;
            let last = if self.is_punct(0, "]") { None } else { Some(Box::new(self.whole()?)) };
            NodeKind::Slice(operand, first, last, inclusive)
        } else {
            let Some(first) = first else { return Err(self.unexpected("an index")) };
            if self.names_item { NodeKind::Filter(operand, first) } else { NodeKind::Index(operand, first) }
        };
        // The items of this filter are no one else's.
        self.names_item = named_before;
        self.expect("]")?;
        Ok(node(start, self.token_end_before(), kind))
    }

    /// What follows `.` or `->`.
    fn member(&mut self, operand: Node) -> Result<Node, ExprError> {
        let start = operand.span.start;
        let span = self.token(0).span.clone();
        let mut name = match self.peek() {
            TokenKind::Ident(name) => name.clone(),
            // A tuple's field in Rust.
            TokenKind::Int { .. } => self.text[span.clone()].to_owned(),
            // `pair.0.1` of tuples within tuples.
            TokenKind::Float(..) => {
                let text = &self.text[span.clone()];
                let parts = text.split_once('.').filter(|(outer, inner)| is_digits(outer) && is_digits(inner));
                let Some((outer, inner)) = parts else { return Err(self.unexpected("a member's name")) };
                self.at += 1;
                let first_end = span.start + outer.len();
                let first = node(start, first_end, NodeKind::Member(Box::new(operand), outer.to_owned()));
                return Ok(node(start, span.end, NodeKind::Member(Box::new(first), inner.to_owned())));
            }
            _ => return Err(self.unexpected("a member's name")),
        };
        self.at += 1;
        // Go's and Rust's dots come before C++'s `base::member`.
        self.template_arguments(&mut name);
        while self.is_punct(0, "::")
            && let TokenKind::Ident(part) = self.token(1).kind.clone()
        {
            self.at += 2;
            name = format!("{name}::{part}");
            self.template_arguments(&mut name);
        }
        if self.is_punct(0, "(") {
            return self.method(operand, &name, span);
        }
        Ok(node(start, self.token_end_before(), NodeKind::Member(Box::new(operand), name)))
    }

    /// An expression over an item: its `.id` is the item's.
    pub(super) fn relative(&mut self) -> Result<Node, ExprError> {
        let named_before = std::mem::take(&mut self.names_item);
        let found = self.assignment();
        self.names_item = named_before;
        found
    }

    /// A path from an item: `next`, `.next`, `links.next`, `child[0]`.
    pub(super) fn path(&mut self) -> Result<Node, ExprError> {
        if self.is_punct(0, ".") {
            return self.nested(Self::relative);
        }
        let TokenKind::Ident(_) = self.peek() else { return Err(self.unexpected("a member's name")) };
        let at = self.token(0).span.start;
        let item = node(at, at, NodeKind::Item);
        let first = self.member(item)?;
        self.postfix(first)
    }

    fn primary(&mut self) -> Result<Node, ExprError> {
        let token = self.token(0).clone();
        let kind = match token.kind {
            TokenKind::Int { value, unsigned, long } => NodeKind::Int { value, unsigned, long },
            TokenKind::Float(value, single) => NodeKind::Float(value, single),
            TokenKind::Imaginary(value) => NodeKind::Imaginary(value),
            TokenKind::Char(code) => NodeKind::Char(code),
            TokenKind::Str(text) => return Ok(self.strings(text)),
            TokenKind::Register(name) if self.is_punct(1, "(") => return self.dollar_call(&name),
            TokenKind::Register(name) => NodeKind::Register(name),
            TokenKind::Punct(".") => {
                self.names_item = true;
                let item = node(token.span.start, token.span.start, NodeKind::Item);
                // `.` alone is the item itself.
                if !matches!(self.token(1).kind, TokenKind::Ident(_) | TokenKind::Int { .. }) {
                    self.at += 1;
                    return Ok(Node { kind: NodeKind::Item, span: token.span });
                }
                return Ok(item);
            }
            // Go's `[]byte(s)`, or Rust's array.
            TokenKind::Punct("[") if self.is_punct(1, "]") => return self.slice_conversion(),
            TokenKind::Punct("[") => return self.array("]"),
            TokenKind::Punct("{") => return self.array("}"),
            TokenKind::Punct("(") => {
                self.at += 1;
                let inner = self.nested(Self::whole)?;
                self.expect(")")?;
                return Ok(inner);
            }
            TokenKind::Ident(name) if name == "true" || name == "false" => NodeKind::Bool(name == "true"),
            TokenKind::Ident(name) if name == "nullptr" || name == "nil" => NodeKind::Null,
            TokenKind::Ident(name) if self.is_punct(1, "(") || self.is_punct(1, "<") => match self.call(&name)? {
                Some(call) => return Ok(call),
                None => return self.name(),
            },
            TokenKind::Ident(_) | TokenKind::Quoted(_) | TokenKind::Punct("::") => return self.name(),
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(self.typed(Node { kind, span: token.span }))
    }

    /// `x`, `ns::x`, `file.c::x`, `'file.c'::x`, `::x`, `x@entry`.
    pub(super) fn name(&mut self) -> Result<Node, ExprError> {
        let start = self.token(0).span.start;
        let mut file = None;
        if let TokenKind::Quoted(quoted) = self.peek() {
            let quoted = quoted.clone();
            self.at += 1;
            if !self.eat("::") {
                // gdb's way to name a symbol with odd characters.
                let end = self.token(0).span.start;
                return Ok(node(start, end, NodeKind::Name { file: None, name: quoted, entry: false }));
            }
            file = Some(quoted);
        } else if let Some(end) = self.file_name_ahead() {
            let last = self.token(end - 1).span.end;
            file = Some(self.text[start..last].to_owned());
            self.at += end + 1;
        }
        // A leading `::` stays: it leaves the namespaces of the function out.
        let mut name = if file.is_none() && self.eat("::") { "::".to_owned() } else { String::new() };
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
        if self.is_punct(0, "(") {
            let span = start..self.token_end_before();
            return self.error(span, format!("{name}() cannot be called: the process is dead"));
        }
        let end = self.token_end_before();
        let entry = self.is_punct(0, "@")
            && self.is_word(1, "entry")
            && self.token(0).span.start == end
            && self.token(1).span.start == end + 1;
        self.at += if entry { 2 } else { 0 };
        Ok(node(start, self.token_end_before(), NodeKind::Name { file, name, entry }))
    }

    pub(super) fn token_end_before(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.span.end)
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn binary(operator: &'static str, left: Node, right: Node) -> Node {
    let span = left.span.start..right.span.end;
    Node { kind: NodeKind::Binary(operator, Box::new(left), Box::new(right)), span }
}

pub(super) fn node(start: usize, end: usize, kind: NodeKind) -> Node {
    Node { kind, span: start..end }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
