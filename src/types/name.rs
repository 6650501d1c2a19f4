//! A type's name in its language's spelling.
//!
//! C and C++ write a declarator around the name (`int (*)[4]`: pointer to array of 4 int), so a name is built from
//! the inside out: each derived type wraps what is there already, and the innermost type's name comes first. Rust's
//! and Go's derived types carry their names in DWARF.

use std::borrow::Cow;

use super::dimension::Dimension;
use super::{Count, Language, StructKind, Type, TypeId, TypeKind, TypeTable};

/// Types that one name visits, so that hostile types end.
const MAX_STEPS: usize = 1000;
/// Nested function parameters and derived types.
const MAX_DEPTH: usize = 64;

/// How a type is looked up while its name is built.
pub(super) type Lookup<'a> = dyn Fn(TypeId) -> Cow<'a, Type> + 'a;

/// The name, as [`TypeTable::name`] documents it.
pub fn spell(table: &TypeTable, id: TypeId) -> String {
    declare(table, id, "")
}

/// A declaration of `declarator` (`int (*handler)(int)` for the declarator `handler`).
pub fn declare(table: &TypeTable, id: TypeId, declarator: &str) -> String {
    let lookup = |id: TypeId| Cow::Borrowed(table.get(id));
    Speller { lookup: &lookup, steps: MAX_STEPS, definitions: false }.declare(id, declarator.to_owned(), 0)
}

/// The name with types looked up in another way.
pub(super) fn spell_with(lookup: &Lookup<'_>, id: TypeId) -> String {
    Speller { lookup, steps: MAX_STEPS, definitions: false }.declare(id, String::new(), 0)
}

/// What stands around `placeholder`, once the type's innermost named type has been replaced by `base`: for `ptype`,
/// which writes a definition instead of the name.
pub fn declare_around(table: &TypeTable, id: TypeId, base: &str, declarator: &str) -> String {
    let lookup = |id: TypeId| Cow::Borrowed(table.get(id));
    let mut speller = Speller { lookup: &lookup, steps: MAX_STEPS, definitions: true };
    speller.declare(id, declarator.to_owned(), 0).replacen(BASE, base, 1)
}

/// Stands for the innermost type while a definition is written around it.
const BASE: &str = "\u{1}";

struct Speller<'a, 'b> {
    lookup: &'a Lookup<'b>,
    steps: usize,
    definitions: bool,
}

impl Speller<'_, '_> {
    fn declare(&mut self, id: TypeId, declarator: String, depth: usize) -> String {
        if depth > MAX_DEPTH || self.steps == 0 {
            return join("...", &declarator);
        }
        self.steps -= 1;
        let definition = (self.lookup)(id);
        let definition = definition.as_ref();
        match &definition.kind {
            // g++ names its vtable's element type, a pointer; nobody else in C or C++ names one.
            TypeKind::Pointer { target } => match &definition.name {
                Some(name) if !self.definitions && matches!(definition.language, Language::Rust | Language::Go) => {
                    join(name, &declarator)
                }
                _ if definition.language == Language::Rust => {
                    join(&format!("*mut {}", self.declare(*target, String::new(), depth + 1)), &declarator)
                }
                _ if definition.language == Language::Go && !self.definitions => {
                    join(&format!("*{}", self.declare(*target, String::new(), depth + 1)), &declarator)
                }
                _ => self.wrap(*target, "*", declarator, depth),
            },
            TypeKind::Reference { target, rvalue } => match &definition.name {
                Some(name) => join(name, &declarator),
                None => self.wrap(*target, if *rvalue { "&&" } else { "&" }, declarator, depth),
            },
            TypeKind::MemberPointer { target, class } => {
                let class = self.plain(*class, depth);
                self.wrap(*target, &format!("{class}::*"), declarator, depth)
            }
            TypeKind::Qualified { .. } => self.qualified(id, declarator, depth),
            TypeKind::Array { element, count, vector, .. } => {
                if let Some(name) = &definition.name {
                    return join(name, &declarator);
                }
                let count = match count {
                    Count::Fixed(count) => count.to_string(),
                    Count::Dimension(dimension) => bounds(dimension),
                    _ => String::new(),
                };
                if definition.language == Language::Rust {
                    let element = self.declare(*element, String::new(), depth + 1);
                    return join(&format!("[{element}; {count}]"), &declarator);
                }
                let declarator = match vector {
                    true => join(&format!("__attribute__ ((vector_size({count})))"), &declarator),
                    false => format!("{declarator}[{count}]"),
                };
                self.declare(*element, declarator, depth + 1)
            }
            TypeKind::Function { result, parameters, variadic, method } => {
                if let (Some(name), None) = (&definition.name, method) {
                    return join(name, &declarator);
                }
                let rust = definition.language == Language::Rust;
                let mut list = String::from(if rust { "fn(" } else { "(" });
                for (index, parameter) in parameters.iter().enumerate() {
                    if index > 0 {
                        list.push_str(", ");
                    }
                    if self.steps == 0 {
                        list.push_str("...");
                        break;
                    }
                    list.push_str(&self.plain(*parameter, depth));
                    if index == 0 && method.as_ref().is_some_and(|method| method.has_this) && list.ends_with('*') {
                        list.push_str(" const");
                    }
                }
                if *variadic && parameters.is_empty() && definition.language == Language::C {
                    // Without a prototype.
                } else if *variadic {
                    list.push_str(if parameters.is_empty() { "..." } else { ", ..." });
                } else if parameters.is_empty() && !rust {
                    list.push_str("void");
                }
                list.push(')');
                if rust {
                    if let Some(result) = result {
                        list.push_str(" -> ");
                        list.push_str(&self.plain(*result, depth));
                    }
                    return join(&list, &declarator);
                }
                match result {
                    Some(result) => self.declare(*result, declarator + &list, depth + 1),
                    None => join("void", &(declarator + &list)),
                }
            }
            TypeKind::Typedef { target } if self.definitions => self.declare(*target, declarator, depth + 1),
            _ if self.definitions => join(BASE, &declarator),
            _ => join(&base_name(definition), &declarator),
        }
    }

    /// A name of its own within another.
    fn plain(&mut self, id: TypeId, depth: usize) -> String {
        let definitions = std::mem::replace(&mut self.definitions, false);
        let name = self.declare(id, String::new(), depth + 1);
        self.definitions = definitions;
        name
    }

    /// `symbol` and the declarator so far, in parentheses where what they point to binds tighter.
    fn wrap(&mut self, target: TypeId, symbol: &str, declarator: String, depth: usize) -> String {
        let target_type = (self.lookup)(target);
        let tighter = match &target_type.kind {
            TypeKind::Array { vector, .. } => !vector,
            // One with a name of its own is written as that.
            TypeKind::Function { method: None, .. } => target_type.name.is_none(),
            TypeKind::Function { .. } => true,
            _ => false,
        };
        let wrapped = if tighter { format!("({symbol}{declarator})") } else { format!("{symbol}{declarator}") };
        self.declare(target, wrapped, depth + 1)
    }

    fn qualified(&mut self, id: TypeId, declarator: String, depth: usize) -> String {
        // gdb's order, whatever DWARF's nesting.
        const ORDER: [&str; 7] = ["const", "volatile", "restrict", "_Atomic", "immutable", "packed", "shared"];
        let mut present = [false; ORDER.len()];
        let mut inner = id;
        let mut rust = false;
        for _ in 0..MAX_DEPTH {
            let definition = (self.lookup)(inner);
            let TypeKind::Qualified { qualifier, target } = &definition.kind else { break };
            rust |= definition.language == Language::Rust;
            for (slot, known) in present.iter_mut().zip(ORDER) {
                *slot |= known == *qualifier;
            }
            inner = *target;
        }
        if rust {
            return self.declare(inner, declarator, depth + 1);
        }
        let words: Vec<&str> =
            ORDER.iter().zip(present).filter(|(_, present)| *present).map(|(word, _)| *word).collect();
        let words = words.join(" ");
        let definition = (self.lookup)(inner);
        match definition.kind {
            TypeKind::Pointer { .. } | TypeKind::Reference { .. } | TypeKind::MemberPointer { .. } => {
                self.declare(inner, join(&format!(" {words}"), &declarator), depth + 1)
            }
            TypeKind::Qualified { .. } => join("...", &declarator),
            _ => {
                let name = self.declare(inner, declarator, depth + 1);
                // A constant array of constant elements is said to be constant once.
                if name.starts_with(&format!("{words} ")) { name } else { format!("{words} {name}") }
            }
        }
    }
}

/// `3..6`, where the type alone says so.
fn bounds(dimension: &Dimension) -> String {
    match (dimension.fixed_lower(), dimension.fixed_count()) {
        (Some(lower), Some(count)) => format!("{lower}..{}", i128::from(lower) + i128::from(count) - 1),
        _ => String::new(),
    }
}

/// Name, then declarator, one space between them.
fn join(name: &str, declarator: &str) -> String {
    if declarator.is_empty() || declarator.starts_with(' ') {
        return format!("{name}{declarator}");
    }
    format!("{name} {declarator}")
}

/// The name of a type that is not derived from another, with its keyword where the language wants one.
fn base_name(definition: &Type) -> String {
    let keyword = match &definition.kind {
        TypeKind::Struct(content) => match content.kind {
            StructKind::Struct => "struct",
            StructKind::Class => "class",
            StructKind::Union => "union",
        },
        TypeKind::Enum { .. } => "enum",
        _ => "",
    };
    match (&definition.name, &definition.kind) {
        (Some(name), _) if keyword.is_empty() || definition.language != Language::C => name.clone(),
        (Some(name), _) => format!("{keyword} {name}"),
        (None, TypeKind::Void) if definition.language == Language::Rust => "()".to_owned(),
        (None, TypeKind::Void) => "void".to_owned(),
        (None, TypeKind::Unspecified | TypeKind::Unreadable(_)) => "<unknown type>".to_owned(),
        (None, _) if keyword.is_empty() => "<unnamed type>".to_owned(),
        (None, _) => format!("{keyword} {{...}}"),
    }
}
