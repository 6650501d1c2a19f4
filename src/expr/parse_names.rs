//! The parts of the grammar that are names: types, files, template arguments, and what looks like a call.

use super::ExprError;
use super::MAX_NESTING;
use super::functions::FUNCTIONS;
use super::lex::TokenKind;
use super::parse::{Parser, node};
use super::parse_calls::length_of;
use super::tree::{CastStyle, Derivation, Node, NodeKind, TypeName};

/// Words that start a built-in type's name.
pub const BUILTIN_WORDS: &[&str] =
    &["unsigned", "signed", "long", "short", "int", "char", "float", "double", "void", "_Bool", "bool"];
const TAGS: &[&str] = &["struct", "class", "union", "enum"];
/// Bytes of a type's name that is put together.
const MAX_TYPE_NAME: usize = 1 << 12;
const QUALIFIERS: &[&str] = &["const", "volatile"];

/// Ends of the names of files that need no quotes.
const FILE_ENDS: &[&str] = &[
    "c", "h", "C", "H", "cc", "hh", "cpp", "hpp", "cxx", "hxx", "inl", "ipp", "m", "mm", "rs", "go", "s", "S", "f90",
    "zig", "d", "adb", "pas",
];

impl Parser<'_> {
    /// What looks like a call but is an operator; `None` where the name is a variable's.
    pub(super) fn call(&mut self, name: &str) -> Result<Option<Node>, ExprError> {
        let start = self.token(0).span.start;
        let style = match name {
            "static_cast" | "const_cast" => Some(CastStyle::Converting),
            "reinterpret_cast" => Some(CastStyle::Reinterpreting),
            "dynamic_cast" => Some(CastStyle::Dynamic),
            _ => None,
        };
        if let Some(style) = style {
            self.at += 1;
            self.expect("<")?;
            let type_name = self.type_name().ok_or_else(|| self.unexpected("a type"))?;
            self.expect(">")?;
            self.expect("(")?;
            let operand = Box::new(self.nested(Self::whole)?);
            self.expect(")")?;
            return Ok(Some(node(start, self.token_end_before(), NodeKind::Cast(type_name, operand, style))));
        }
        if !self.is_punct(1, "(") {
            return Ok(None);
        }
        let kind = match name {
            "len" => {
                self.at += 2;
                length_of(Box::new(self.nested(Self::whole)?))
            }
            "cap" | "real" | "imag" => {
                self.at += 2;
                NodeKind::Call(name.to_owned(), vec![self.nested(Self::whole)?])
            }
            "offsetof" => {
                self.at += 2;
                let type_name = self.type_name().ok_or_else(|| self.unexpected("a type"))?;
                self.expect(",")?;
                NodeKind::Offsetof(type_name, Box::new(self.path()?))
            }
            "typeid" => {
                self.at += 2;
                let before = self.at;
                match self.type_name().filter(|_| self.is_punct(0, ")")) {
                    Some(type_name) => NodeKind::TypeidType(type_name),
                    None => {
                        self.at = before;
                        NodeKind::TypeidValue(Box::new(self.nested(Self::whole)?))
                    }
                }
            }
            "frame" | "thread" => return self.in_frame().map(Some),
            // C++'s cast that looks like a call: `int(x)`.
            _ if BUILTIN_WORDS.contains(&name) || (self.is_type)(name) => {
                let Some(type_name) = self.type_name().filter(|_| self.is_punct(0, "(")) else {
                    return Err(self.unexpected("a type"));
                };
                self.at += 1;
                let operand = Box::new(self.nested(Self::whole)?);
                NodeKind::Cast(type_name, operand, CastStyle::Converting)
            }
            _ => return Ok(None),
        };
        self.expect(")")?;
        Ok(Some(node(start, self.token_end_before(), kind)))
    }

    /// `frame(n).a`, `thread(lwp).a`, `thread(lwp).frame(n).a`.
    fn in_frame(&mut self) -> Result<Node, ExprError> {
        let start = self.token(0).span.start;
        let (mut thread, mut frame) = (None, None);
        loop {
            let wanted = if self.is_word(0, "thread") && thread.is_none() && frame.is_none() {
                &mut thread
            } else if self.is_word(0, "frame") && frame.is_none() {
                &mut frame
            } else {
                break;
            };
            if !self.is_punct(1, "(") {
                break;
            }
            self.at += 2;
            *wanted = Some(Box::new(self.nested(Self::whole)?));
            self.expect(")")?;
            self.expect(".")?;
        }
        let inner = match self.peek() {
            TokenKind::Register(name) => {
                let (name, span) = (name.clone(), self.token(0).span.clone());
                self.at += 1;
                Node { kind: NodeKind::Register(name), span }
            }
            TokenKind::Ident(_) | TokenKind::Quoted(_) => self.name()?,
            _ => return Err(self.unexpected("a variable or a register")),
        };
        let kind = NodeKind::InFrame { thread, frame, inner: Box::new(inner) };
        Ok(node(start, self.token_end_before(), kind))
    }

    /// `$list(…)`, `$tree(…)` and functions of gdb.
    pub(super) fn dollar_call(&mut self, name: &str) -> Result<Node, ExprError> {
        let span = self.token(0).span.clone();
        self.at += 2;
        let kind = match name {
            "list" | "tree" => {
                let head = Box::new(self.nested(Self::assignment)?);
                self.expect(",")?;
                // The type is there where a comma follows it.
                let before = self.at;
                let type_name = self.type_name().filter(|_| self.is_punct(0, ","));
                if type_name.is_some() {
                    self.expect(",")?
                } else {
                    self.at = before
                }
                let first = Box::new(self.path()?);
                if name == "list" {
                    NodeKind::List(head, type_name, first)
                } else {
                    self.expect(",")?;
                    NodeKind::Tree(head, type_name, first, Box::new(self.path()?))
                }
            }
            name if FUNCTIONS.contains(&name) => {
                let mut arguments = vec![self.nested(Self::assignment)?];
                while arguments.len() < 4 && self.eat(",") {
                    arguments.push(self.nested(Self::assignment)?);
                }
                NodeKind::Call(name.to_owned(), arguments)
            }
            _ => {
                let known = FUNCTIONS.join(", $");
                let message = format!("there is no ${name}(); there are $list, $tree, ${known}");
                return self.error(span, message);
            }
        };
        self.expect(")")?;
        Ok(node(span.start, self.token_end_before(), kind))
    }

    /// How many tokens make up `file.c` where `::` follows them, all without spaces.
    pub(super) fn file_name_ahead(&self) -> Option<usize> {
        let mut count = 0;
        let mut dots = 0;
        loop {
            let (token, next) = (self.token(count).clone(), self.token(count + 1));
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
                // `x.base::y` is a member.
                let is_file = matches!(&token.kind, TokenKind::Ident(end) if FILE_ENDS.contains(&end.as_str()));
                return (dots > 0 && is_file).then_some(count);
            }
        }
    }

    /// Appends `<…>` where it belongs to the name: `::` follows it, or the whole is a type.
    pub(super) fn template_arguments(&mut self, name: &mut String) {
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
    pub(super) fn type_name(&mut self) -> Option<TypeName> {
        let before = self.at;
        let found = self.type_name_inner(true);
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

    /// What stands behind Rust's `as`: `*` behind it multiplies.
    pub(super) fn plain_type_name(&mut self) -> Option<TypeName> {
        let before = self.at;
        let found = self.type_name_inner(false);
        if found.is_none() {
            self.at = before;
        }
        found
    }

    fn type_name_inner(&mut self, with_suffixes: bool) -> Option<TypeName> {
        let start = self.token(0).span.start;
        if self.is_punct(0, "*") || self.is_punct(0, "&") {
            return self.prefixed_type(start);
        }
        if self.is_punct(0, "[") {
            return self.bracketed_type(start);
        }
        self.skip_qualifiers();
        let TokenKind::Ident(first) = self.peek().clone() else { return None };
        let is_empty_type = matches!(first.as_str(), "interface" | "struct") && self.is_punct(1, "{");
        let base = if is_empty_type && self.is_punct(2, "}") {
            self.at += 3;
            format!("{first} {{}}")
        } else if TAGS.contains(&first.as_str()) {
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
            let mut name = self.qualified_name()?;
            // Go's have dots: main.T.
            while !(self.is_type)(&name) {
                let TokenKind::Ident(part) = self.token(1).kind.clone() else { return None };
                if !self.eat(".") || name.len() > MAX_TYPE_NAME {
                    return None;
                }
                self.at += 1;
                name = format!("{name}.{part}");
                self.template_arguments(&mut name);
            }
            name
        };
        let derivations = if with_suffixes { self.declarator()? } else { Vec::new() };
        Some(TypeName { base, derivations, span: start..self.token_end_before() })
    }

    /// What follows a type's name, inside out: `*`, `[4]`, `(*)[4]`, `(*)(int)`.
    fn declarator(&mut self) -> Option<Vec<Derivation>> {
        let mut derivations = Vec::new();
        loop {
            let before = derivations.len();
            self.skip_qualifiers();
            if self.eat("*") {
                derivations.push(Derivation::Pointer);
            } else if self.eat("&") || self.eat("&&") {
                derivations.push(Derivation::Reference);
            } else {
                let inner = self.inner_declarator();
                let mut suffixes = Vec::new();
                while suffixes.len() <= MAX_NESTING {
                    if self.eat("[") {
                        let TokenKind::Int { value, .. } = *self.peek() else { return None };
                        self.at += 1;
                        if !self.eat("]") {
                            return None;
                        }
                        suffixes.push(Derivation::Array(u64::try_from(value).ok()?));
                    } else if inner.is_some() && self.eat("(") {
                        suffixes.push(Derivation::Function(self.parameters()?));
                    } else {
                        break;
                    }
                }
                // The first dimension is the outermost.
                derivations.extend(suffixes.into_iter().rev());
                derivations.extend(inner.unwrap_or_default());
            }
            if derivations.len() == before {
                return Some(derivations);
            }
            if derivations.len() > MAX_NESTING {
                return None;
            }
        }
    }

    /// `(*)`; leaves the place where there is none.
    fn inner_declarator(&mut self) -> Option<Vec<Derivation>> {
        if !self.is_punct(0, "(") || !(self.is_punct(1, "*") || self.is_punct(1, "&")) {
            return None;
        }
        let before = self.at;
        self.at += 1;
        let inner = self.nested(|parser| Ok(parser.declarator())).ok().flatten();
        if inner.is_some() && self.eat(")") {
            return inner;
        }
        self.at = before;
        None
    }

    /// A function's parameters up to the closing bracket.
    fn parameters(&mut self) -> Option<Option<Vec<TypeName>>> {
        if self.eat(")") {
            return Some(None);
        }
        if self.is_word(0, "void") && self.is_punct(1, ")") {
            self.at += 2;
            return Some(Some(Vec::new()));
        }
        let mut parameters = Vec::new();
        loop {
            parameters.push(self.nested(|parser| Ok(parser.type_name())).ok()??);
            if self.eat(")") {
                return Some(Some(parameters));
            }
            if !self.eat(",") || parameters.len() > MAX_NESTING {
                return None;
            }
        }
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

    /// Rust's `*const T`, `*mut T`, `&T`, `&mut T`; Go's `*T`.
    fn prefixed_type(&mut self, start: usize) -> Option<TypeName> {
        if !self.eat("*") {
            self.eat("&");
        }
        if self.is_word(0, "const") || self.is_word(0, "mut") {
            self.at += 1;
        }
        let mut inner = self.nested(|parser| Ok(parser.plain_type_name())).ok()??;
        // A reference is a pointer in the two languages that write it in front.
        inner.derivations.push(Derivation::Pointer);
        Some(TypeName { span: start..inner.span.end, ..inner })
    }

    /// Go's `[]T`, whose name is the text without aliases.
    fn slice_type(&mut self, start: usize) -> Option<TypeName> {
        self.at += 2;
        let inner = self.nested(|parser| Ok(parser.plain_type_name())).ok()??;
        let mut name = "[]".to_owned();
        for derivation in inner.derivations.iter().rev() {
            match derivation {
                Derivation::Pointer => name.push('*'),
                Derivation::Array(count) => name += &format!("[{count}]"),
                _ => return None,
            }
        }
        name += match inner.base.as_str() {
            "byte" => "uint8",
            "rune" => "int32",
            base => base,
        };
        let is_known = name.len() <= MAX_TYPE_NAME && (self.is_type)(&name);
        is_known.then(|| TypeName { base: name, derivations: Vec::new(), span: start..self.token_end_before() })
    }

    /// Rust's `[T; 4]`, Go's `[4]T` and `[]T`.
    fn bracketed_type(&mut self, start: usize) -> Option<TypeName> {
        if self.is_punct(1, "]") {
            return self.slice_type(start);
        }
        self.eat("[");
        let mut inner = None;
        if !matches!(self.peek(), TokenKind::Int { .. }) {
            inner = Some(self.nested(|parser| Ok(parser.plain_type_name())).ok()??);
            if !self.eat(";") {
                return None;
            }
        }
        let TokenKind::Int { value, .. } = *self.peek() else { return None };
        self.at += 1;
        if !self.eat("]") {
            return None;
        }
        let mut array = match inner {
            Some(inner) => inner,
            None => self.nested(|parser| Ok(parser.plain_type_name())).ok()??,
        };
        array.derivations.push(Derivation::Array(u64::try_from(value).ok()?));
        Some(TypeName { span: start..self.token_end_before(), ..array })
    }
}
