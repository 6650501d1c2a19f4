//! Objects in their author's words: a `std::vector` is its elements, an `Rc` its value and its counts.
//!
//! A formatter works from types and memory alone. It is declared once, in its library's table, under the type's name,
//! and gives a [`View`]: what the object is, with its parts as [`Object`]s that nobody reads before they are wanted.
//! So the same formatter serves printing, which takes the first elements, and expressions (`v[1000000]`, `m["key"]`),
//! which take one.
//!
//! ```text
//! Object (place + type) ──find──> Formatter ──> View ──> Value        (value::decode)
//!                                                  └───> index, len   (expr)
//! ```
//!
//! Layouts belong to versions of libraries. A formatter recognises a layout by its members' names and declines on
//! every other ([`Refusal::Declined`]): then the plain fields show. Lengths are checked against what a container can
//! hold before anything is read, and a walk over nodes ends at a cycle or at a budget with an [`Absent`].

mod c;
mod cpp;
pub mod go;
mod layout;
mod object;
mod rust;
pub mod user;

use std::borrow::Cow;

pub use object::Object;

use super::decode::Decoder;
use super::{Absent, AbsentReason, Place, Value, ValueKind};
use crate::types::{Language, TypeId, TypeKind, TypeTable};

/// Elements that a walk from node to node takes at most, to count or to find one.
pub const MAX_WALK: u64 = 16 << 20;

/// Makes the view of an object of one type.
pub type Formatter = for<'v> fn(&Object<'v>) -> Result<View<'v>, Refusal>;

/// Why there is no view.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Not the layout that the formatter knows: the plain fields show.
    Declined,
    /// The object's own data cannot be had or contradicts itself.
    Hole(Absent),
}

impl From<Absent> for Refusal {
    fn from(absent: Absent) -> Refusal {
        Refusal::Hole(absent)
    }
}

impl From<crate::memory::ReadError> for Refusal {
    fn from(error: crate::memory::ReadError) -> Refusal {
        Refusal::Hole(error.into())
    }
}

impl From<Refusal> for Absent {
    fn from(refusal: Refusal) -> Absent {
        match refusal {
            Refusal::Hole(absent) => absent,
            Refusal::Declined => Absent::because(AbsentReason::Unsupported, "an unknown layout"),
        }
    }
}

/// Data that cannot be right: `what` says so to people.
pub fn corrupt(what: impl Into<String>) -> Refusal {
    Refusal::Hole(Absent::because(AbsentReason::Corrupt, what))
}

/// What an object is.
pub enum View<'v> {
    /// Text of `length` characters from `first` on, in units of its type's size.
    Text {
        /// What stands before it, where anything does: `Rc(strong=2, weak=0)`.
        title: String,
        /// The first character; not read where `length` is 0.
        first: Object<'v>,
        /// Characters, a terminator not among them.
        length: u64,
    },
    /// Elements in order, or (`set`) of a set.
    Sequence {
        /// What stands before the elements: `std::vector of length 3, capacity 4`.
        title: String,
        /// A set.
        set: bool,
        /// The elements.
        items: Items<'v>,
    },
    /// Keys and values.
    Map {
        /// What stands before the entries: `std::map with 2 elements`.
        title: String,
        /// Entries, where known.
        length: Option<u64>,
        /// The entries.
        entries: Entries<'v>,
    },
    /// One of several alternatives.
    Variant {
        /// What stands before the content, where it is not the type's and the variant's name:
        /// `std::optional<int>`.
        title: String,
        /// The active one's name: `Some`, `int`.
        variant: String,
        /// What it holds.
        content: Option<Item<'v>>,
    },
    /// A title, and parts by name: `Rc(strong=2, weak=1)` with `value`. Without parts the title alone shows.
    Parts {
        /// What stands before the parts.
        title: String,
        /// The parts.
        parts: Vec<(Cow<'static, str>, Item<'v>)>,
    },
    /// Shown as what it holds, and transparent to paths.
    Transparent(Item<'v>),
}

/// A part of an object.
pub enum Item<'v> {
    /// Read when wanted.
    Object(Object<'v>),
    /// Computed by the formatter.
    Value(Value),
}

impl<'v> From<Object<'v>> for Item<'v> {
    fn from(object: Object<'v>) -> Item<'v> {
        Item::Object(object)
    }
}

/// The elements of a sequence.
pub enum Items<'v> {
    /// One beside the other in memory.
    Strided {
        /// The first; not read where `length` is 0.
        first: Object<'v>,
        /// Bytes from one to the next.
        stride: u64,
        /// How many.
        length: u64,
    },
    /// Found one after the other. An error ends the walk.
    Walk {
        /// How many, where the object says so.
        length: Option<u64>,
        /// The elements.
        walk: Walk<'v>,
    },
}

/// A walk over elements. The end of what can be had is an error, after which nothing more comes.
pub type Walk<'v> = Box<dyn Iterator<Item = Result<Item<'v>, Absent>> + 'v>;
/// A walk over keys and values.
pub type Entries<'v> = Box<dyn Iterator<Item = Result<(Item<'v>, Item<'v>), Absent>> + 'v>;

/// What `step` finds, until it finds nothing more or an error.
fn walk<'v, T>(
    mut step: impl FnMut() -> Result<Option<T>, Refusal> + 'v,
) -> impl Iterator<Item = Result<T, Absent>> + 'v {
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let found = step().map_err(Absent::from).transpose();
        ended = !matches!(found, Some(Ok(_)));
        found
    })
}

impl<'v> Items<'v> {
    /// `length` elements of the type, from `address` on, as close together as the type's size says. Refuses lengths
    /// that no address space holds.
    pub fn strided(object: &Object<'v>, address: u64, element: TypeId, length: u64) -> Result<Items<'v>, Refusal> {
        let stride = object.size_of(element)?;
        let bytes = length.checked_mul(stride).filter(|bytes| address.checked_add(*bytes).is_some());
        let Some(bytes) = bytes else {
            return Err(corrupt(format!("{length} elements of {stride} bytes do not fit behind {address:#x}")));
        };
        object.must_be_mapped(address, bytes, format_args!("{length} elements"))?;
        Ok(Items::Strided { first: object.at(address, element), stride, length })
    }

    /// How many, where known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Items::Strided { length, .. } => Some(*length),
            Items::Walk { length, .. } => *length,
        }
    }

    /// The elements in order.
    pub fn into_walk(self) -> Walk<'v> {
        match self {
            Items::Walk { walk, .. } => walk,
            Items::Strided { first, stride, length } => Box::new((0..length).map(move |index| {
                let offset = index.checked_mul(stride);
                let offset =
                    offset.ok_or_else(|| Absent::because(AbsentReason::Corrupt, "beyond the address space"))?;
                Ok(Item::Object(first.shifted(offset)?))
            })),
        }
    }

    /// The element `index`; `None` past the end.
    pub fn nth(self, index: u64) -> Option<Result<Item<'v>, Absent>> {
        match self {
            Items::Strided { first, stride, length } => {
                let wanted = (index < length).then(|| index.checked_mul(stride))??;
                Some(first.shifted(wanted).map(Item::Object))
            }
            Items::Walk { walk, .. } => {
                let mut seen = 0;
                for item in walk {
                    match item {
                        Ok(item) if seen == index => return Some(Ok(item)),
                        Ok(_) if seen >= MAX_WALK => {
                            let detail = format!("more than {MAX_WALK} elements to walk over");
                            return Some(Err(Absent::because(AbsentReason::Unsupported, detail)));
                        }
                        Ok(_) => seen += 1,
                        Err(absent) => return Some(Err(absent)),
                    }
                }
                None
            }
        }
    }
}

/// One type's formatter.
pub struct Entry {
    /// For which types.
    pub matches: Match,
    /// What it makes of their objects.
    pub view: Formatter,
}

/// Which types a formatter is for.
pub enum Match {
    /// The name without template arguments and without the inline namespaces of C++ libraries (`std::__cxx11::`,
    /// `std::__1::`): `std::vector`, `alloc::vec::Vec`.
    Name(&'static str),
    /// What the name starts with: `&[`.
    Prefix(&'static str),
    /// Anything else.
    Test(fn(&TypeTable, TypeId) -> bool),
}

/// The formatters of one language's libraries.
pub struct Library {
    languages: &'static [Language],
    entries: &'static [Entry],
}

static LIBRARIES: &[&Library] = &[&cpp::LIBRARY, &rust::LIBRARY, &go::LIBRARY, &c::LIBRARY];

/// Template arguments and inline namespaces removed: `std::__cxx11::list<int, std::allocator<int> >::iterator` is
/// `std::list::iterator`.
pub fn base_name(name: &str) -> Cow<'_, str> {
    const INLINE: [&str; 5] = ["__cxx11::", "__1::", "_V2::", "__ndk1::", "__debug::"];
    if !name.contains('<') && !name.contains("::_") {
        return Cow::Borrowed(name);
    }
    let mut base = String::with_capacity(name.len().min(64));
    let mut nesting = 0usize;
    let mut before = ' ';
    for char in name.chars() {
        match char {
            '<' => nesting += 1,
            // Rust's `fn() -> T` among the arguments closes none.
            '>' if nesting > 0 && before != '-' => nesting -= 1,
            _ if nesting == 0 => base.push(char),
            _ => {}
        }
        before = char;
    }
    for namespace in INLINE {
        while let Some(at) = base.find(namespace) {
            base.replace_range(at..at + namespace.len(), "");
        }
    }
    Cow::Owned(base)
}

/// The views that an object's type may have, in the order in which they are tried: typedefs before what they name,
/// qualifiers skipped.
fn candidates(types: &TypeTable, type_id: TypeId) -> Vec<Formatter> {
    let mut found = Vec::new();
    let mut id = type_id;
    for _ in 0..16 {
        let definition = types.get(id);
        let name = definition.name.as_deref().unwrap_or_default();
        let base = base_name(name);
        for library in LIBRARIES.iter().filter(|library| library.languages.contains(&definition.language)) {
            for entry in library.entries {
                let matches = match entry.matches {
                    Match::Name(wanted) => base == wanted,
                    Match::Prefix(wanted) => name.starts_with(wanted),
                    Match::Test(test) => test(types, id),
                };
                if matches {
                    found.push(entry.view);
                }
            }
        }
        id = match definition.kind {
            TypeKind::Typedef { target } | TypeKind::Qualified { target, .. } => target,
            _ => match types.complete(id) {
                complete if complete != id => complete,
                _ => break,
            },
        };
    }
    found
}

/// What the object is, where a formatter knows it. A hole in the object's own data is the answer too.
pub(super) fn view<'v>(object: &Object<'v>, formatters: &[Formatter]) -> Option<Result<View<'v>, Absent>> {
    for formatter in formatters {
        match formatter(object) {
            Ok(view) => return Some(Ok(view)),
            Err(Refusal::Declined) => {}
            Err(Refusal::Hole(absent)) => return Some(Err(absent)),
        }
    }
    None
}

impl Decoder<'_> {
    /// The formatters that may know the type, looked up once a type.
    pub(super) fn formatters(&self, type_id: TypeId) -> &[Formatter] {
        self.types.attachment(type_id, || candidates(self.types, type_id).into_boxed_slice()).map_or(&[], |found| found)
    }

    /// Whether a formatter may know objects of the type.
    pub fn has_view(&self, type_id: TypeId) -> bool {
        !self.formatters(type_id).is_empty()
    }

    /// What is at `place`, in its author's words: `None` where no formatter is for the type or the object's layout
    /// is not one that it knows.
    pub fn view<'v>(&'v self, place: &'v Place, type_id: TypeId) -> Option<Result<View<'v>, Absent>> {
        let object = Object::of_place(self, place, type_id);
        view(&object, self.formatters(type_id))
    }

    /// What is at `place`, as formatters see it.
    pub fn object<'v>(&'v self, place: &'v Place, type_id: TypeId) -> Object<'v> {
        Object::of_place(self, place, type_id)
    }

    /// The value of a view's part.
    pub fn item_value(&self, item: Item<'_>) -> Value {
        match item {
            Item::Value(value) => value,
            Item::Object(object) => self.value(&object.to_place(), object.type_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn template_arguments_and_inline_namespaces_are_no_part_of_a_base_name() {
        assert_eq!(base_name("std::__cxx11::list<int, std::allocator<int> >::iterator"), "std::list::iterator");
        assert_eq!(base_name("std::__1::vector<std::__1::pair<int, int>>"), "std::vector");
        assert_eq!(base_name("alloc::vec::Vec<u8, alloc::alloc::Global>"), "alloc::vec::Vec");
        assert_eq!(base_name("std::sync::lazy_lock::LazyLock<u8, fn() -> u8>"), "std::sync::lazy_lock::LazyLock");
        assert_eq!(base_name("node"), "node");
        assert_eq!(base_name("std::chrono::_V2::system_clock"), "std::chrono::system_clock");
    }
}
