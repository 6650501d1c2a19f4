//! The parts of the grammar that look like calls and need none, and literals of several tokens.

use std::ops::Range;

use super::ExprError;
use super::lex::TokenKind;
use super::parse::{Parser, node};
use super::tree::{CastStyle, Node, NodeKind, TypeName};

/// How long something is: of a text that is written, without the zero that C puts behind it.
pub(super) fn length_of(operand: Box<Node>) -> NodeKind {
    match &operand.kind {
        NodeKind::Str(text) => NodeKind::Int { value: text.len() as u128, unsigned: true, long: true },
        _ => NodeKind::Length(operand),
    }
}

impl Parser<'_> {
    /// `.(type)`
    #[inline(never)]
    pub(super) fn assertion(&mut self, operand: Node) -> Result<Node, ExprError> {
        self.at += 2;
        // delve's, where no type is called so.
        let is_data = matches!(self.peek(), TokenKind::Ident(name) if name == "data");
        if is_data && self.is_punct(1, ")") && !(self.is_type)("data") {
            self.at += 2;
            let start = operand.span.start;
            return Ok(node(start, self.token_end_before(), NodeKind::Held(Box::new(operand))));
        }
        let type_name = self.type_name().ok_or_else(|| self.unexpected("a type"))?;
        self.expect(")")?;
        let start = operand.span.start;
        Ok(node(start, self.token_end_before(), NodeKind::Assert(Box::new(operand), type_name)))
    }

    /// What looks like a call of a method, and needs none.
    #[inline(never)]
    pub(super) fn method(&mut self, operand: Node, name: &str, span: Range<usize>) -> Result<Node, ExprError> {
        let start = operand.span.start;
        // Go's packages: a conversion, or what is said of a type.
        let path = self.text.get(start..span.end).unwrap_or_default().to_owned();
        if (self.is_type)(&path) {
            return self.conversion(path, start..span.end);
        }
        let operand = Box::new(operand);
        self.expect("(")?;
        let number = |value| {
            let kind = NodeKind::Int { value, unsigned: false, long: false };
            Box::new(node(span.start, span.end, kind))
        };
        let at = |kind| Box::new(node(start, span.end, kind));
        let kind = match name {
            "len" | "size" | "length" | "count" => length_of(operand),
            "Sizeof" if path == "unsafe.Sizeof" => NodeKind::SizeofValue(Box::new(self.nested(Self::whole)?)),
            "empty" | "is_empty" => NodeKind::Binary("==", at(NodeKind::Length(operand)), number(0)),
            "front" | "first" => NodeKind::Index(operand, number(0)),
            "back" | "last" => {
                let length = at(NodeKind::Length(operand.clone()));
                NodeKind::Index(operand, at(NodeKind::Binary("-", length, number(1))))
            }
            "at" => NodeKind::Index(operand, Box::new(self.nested(Self::whole)?)),
            "get" if self.is_punct(0, ")") => NodeKind::Unary("&", at(NodeKind::Unary("*", operand))),
            "map" => NodeKind::Map(operand, Box::new(self.nested(Self::relative)?)),
            "keys" | "values" if self.is_punct(0, ")") => {
                let part = NodeKind::Member(at(NodeKind::Item), name.trim_end_matches('s').to_owned());
                NodeKind::Map(operand, at(part))
            }
            "filter" | "where" => NodeKind::Filter(operand, Box::new(self.nested(Self::relative)?)),
            _ => {
                let message = format!("{name}() cannot be called: the process is dead");
                return self.error(span, message);
            }
        };
        self.expect(")")?;
        Ok(node(start, self.token_end_before(), kind))
    }

    /// Go's `pkg.type(a)`.
    #[inline(never)]
    fn conversion(&mut self, base: String, span: Range<usize>) -> Result<Node, ExprError> {
        self.expect("(")?;
        let start = span.start;
        let type_name = TypeName { base, derivations: Vec::new(), span };
        let inner = Box::new(self.nested(Self::whole)?);
        self.expect(")")?;
        Ok(node(start, self.token_end_before(), NodeKind::Cast(type_name, inner, CastStyle::Converting)))
    }

    /// Go's `[]T(a)`.
    #[inline(never)]
    pub(super) fn slice_conversion(&mut self) -> Result<Node, ExprError> {
        let start = self.token(0).span.start;
        let before = self.at;
        let Some(type_name) = self.type_name().filter(|_| self.is_punct(0, "(")) else {
            self.at = before;
            return Err(self.unexpected("a value"));
        };
        self.expect("(")?;
        let inner = Box::new(self.nested(Self::whole)?);
        self.expect(")")?;
        Ok(node(start, self.token_end_before(), NodeKind::Cast(type_name, inner, CastStyle::Converting)))
    }

    /// A number, of the type that stands right behind it.
    #[inline(never)]
    pub(super) fn typed(&mut self, number: Node) -> Node {
        let TokenKind::Suffix(suffix) = *self.peek() else { return number };
        let (start, span) = (number.span.start, self.token(0).span.clone());
        self.at += 1;
        let type_name = TypeName { base: suffix.to_owned(), derivations: Vec::new(), span: span.clone() };
        node(start, span.end, NodeKind::Cast(type_name, Box::new(number), CastStyle::Converting))
    }

    /// Text; neighbours are one.
    #[inline(never)]
    pub(super) fn strings(&mut self, mut text: Vec<u8>) -> Node {
        let start = self.token(0).span.start;
        self.at += 1;
        let mut character = self.character_type();
        while let TokenKind::Str(more) = &self.token(0).kind {
            text.extend_from_slice(more);
            self.at += 1;
            character = character.or_else(|| self.character_type());
        }
        let kind = match character {
            Some(character) => NodeKind::WideStr(text, character),
            None => NodeKind::Str(text),
        };
        node(start, self.token_end_before(), kind)
    }

    /// The type of a text's characters that stands behind it.
    fn character_type(&mut self) -> Option<TypeName> {
        let TokenKind::Suffix(name) = *self.peek() else { return None };
        let span = self.token(0).span.clone();
        self.at += 1;
        Some(TypeName { base: name.to_owned(), derivations: Vec::new(), span })
    }

    /// `{type}`; `None` where an array's elements stand between the braces.
    #[inline(never)]
    pub(super) fn type_in_braces(&mut self) -> Result<Option<TypeName>, ExprError> {
        let before = self.at;
        self.at += 1;
        let found = self.type_name().filter(|_| self.is_punct(0, "}"));
        if found.is_some() {
            self.at += 1;
            return Ok(found);
        }
        // `{nosuch} 0x1234` is no array: an operand follows.
        self.at = before + 1;
        let is_name = matches!(self.peek(), TokenKind::Ident(_)) && self.is_punct(1, "}");
        let follows = &self.token(2).kind;
        let is_operand = matches!(follows, TokenKind::Int { .. } | TokenKind::Register(_) | TokenKind::Ident(_));
        let unknown = self.unexpected("a type");
        self.at = before;
        if is_name && is_operand { Err(unknown) } else { Ok(None) }
    }

    /// The elements of an array up to the bracket that closes it; the one that opens it is next.
    #[inline(never)]
    pub(super) fn array(&mut self, close: &'static str) -> Result<Node, ExprError> {
        let start = self.token(0).span.start;
        let is_rust = close == "]";
        self.at += 1;
        let mut elements = vec![self.nested(Self::assignment)?];
        let mut count = None;
        if is_rust && self.eat(";") {
            count = Some(Box::new(self.nested(Self::assignment)?));
        } else {
            while self.eat(",") {
                if self.is_punct(0, close) {
                    break;
                }
                elements.push(self.nested(Self::assignment)?);
            }
        }
        self.expect(close)?;
        Ok(node(start, self.token_end_before(), NodeKind::Array { elements, count, is_rust }))
    }
}
