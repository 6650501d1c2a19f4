//! The table that holds the type graph: slots that fill themselves when somebody looks.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use super::go::GoType;
use super::{Language, Type, TypeKind};
use crate::module::{DieRef, TypeId};

/// Supplies definitions: DWARF, which a snapshot has too.
pub trait TypeProvider: Send + Sync {
    /// The definition at `die`. Types that it refers to are named by `table.of_die(…)`, which costs nothing until
    /// they are looked at. Never fails: what cannot be read is [`TypeKind::Unreadable`].
    fn load(&self, die: DieRef, table: &TypeTable) -> Type;

    /// For a type that is only declared at `die`: its definition elsewhere in the program.
    fn find_definition(&self, die: DieRef, declared: &Type) -> Option<DieRef>;

    /// The minor version of the Rust compiler that described the type.
    fn rust_minor(&self, _die: DieRef) -> Option<u16> {
        None
    }

    /// What Go's compiler says of the type at `die` beyond its layout.
    fn go(&self, _die: DieRef, _table: &TypeTable) -> GoType {
        GoType::default()
    }
}

/// Slots a chunk holds: the first has this many, each next twice as many.
const FIRST_CHUNK: usize = 32;
/// Chunks: with doubling sizes, 27 of them hold 2^32 slots.
const CHUNKS: usize = 27;

/// No type's number: there are fewer slots.
const NOT_STRIPPED: u32 = u32::MAX;

struct Slot {
    die: Option<DieRef>,
    definition: OnceLock<Type>,
    complete: OnceLock<TypeId>,
    /// [`NOT_STRIPPED`] until it is known.
    stripped: AtomicU32,
    name: OnceLock<String>,
    attachment: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// All types of a session. Shared between threads; references to definitions live as long as the table.
pub struct TypeTable {
    provider: Arc<dyn TypeProvider>,
    chunks: [OnceLock<Box<[OnceLock<Slot>]>>; CHUNKS],
    index: RwLock<Index>,
}

#[derive(Default)]
struct Index {
    count: u32,
    by_die: HashMap<DieRef, TypeId>,
    numbers: HashMap<(&'static str, u64), TypeId>,
    /// Of types that no DIE describes.
    go: HashMap<TypeId, GoType>,
}

impl TypeTable {
    /// An empty table over `provider`.
    pub fn new(provider: Arc<dyn TypeProvider>) -> TypeTable {
        TypeTable { provider, chunks: [const { OnceLock::new() }; CHUNKS], index: RwLock::default() }
    }

    /// The type that the DIE describes. Nothing is read yet.
    pub fn of_die(&self, die: DieRef) -> TypeId {
        if let Some(id) = self.index.read().expect("not poisoned").by_die.get(&die) {
            return *id;
        }
        let mut index = self.index.write().expect("not poisoned");
        if let Some(id) = index.by_die.get(&die) {
            return *id;
        }
        let id = self.push(&mut index, Some(die));
        index.by_die.insert(die, id);
        id
    }

    /// A type that no DIE describes (a cast's pointer, a slice's array).
    pub fn make(&self, definition: Type) -> TypeId {
        let id = self.push(&mut self.index.write().expect("not poisoned"), None);
        let _ = self.slot(id).definition.set(definition);
        id
    }

    /// A type that no DIE describes and whose definition follows: others may name it before ([`TypeTable::define`]).
    pub fn reserve(&self) -> TypeId {
        self.push(&mut self.index.write().expect("not poisoned"), None)
    }

    /// The definition of a type that was reserved and that nobody has looked at yet.
    pub fn define(&self, id: TypeId, definition: Type, go: GoType) {
        let _ = self.slot(id).definition.set(definition);
        if go != GoType::default() {
            self.index.write().expect("not poisoned").go.insert(id, go);
        }
    }

    /// What was said of a reserved type as it was defined.
    pub(super) fn defined_go(&self, id: TypeId) -> GoType {
        self.index.read().expect("not poisoned").go.get(&id).copied().unwrap_or_default()
    }

    /// `target *`, of the language that `target` has.
    pub fn make_pointer(&self, target: TypeId, address_size: usize) -> TypeId {
        let language = self.get(target).language;
        self.make(Type { name: None, size: Some(address_size as u64), language, kind: TypeKind::Pointer { target } })
    }

    /// A number's type that obit computes with, made once: `usize`, `unsigned long`, `bool`.
    pub fn number(&self, name: &'static str, size: u64, language: Language, kind: TypeKind) -> TypeId {
        let key = (name, size);
        if let Some(id) = self.index.read().expect("not poisoned").numbers.get(&key) {
            return *id;
        }
        let id = self.make(Type { name: Some(name.to_owned()), size: Some(size), language, kind });
        *self.index.write().expect("not poisoned").numbers.entry(key).or_insert(id)
    }

    pub(super) fn provider(&self) -> &dyn TypeProvider {
        &*self.provider
    }

    /// What another room keeps beside a type, made on first asking. One kind of attachment a table: `None` where
    /// another kind is there already.
    pub fn attachment<T: Send + Sync + 'static>(&self, id: TypeId, make: impl FnOnce() -> T) -> Option<&T> {
        self.slot(id).attachment.get_or_init(|| Box::new(make())).downcast_ref()
    }

    /// `void`.
    pub fn make_void(&self, language: Language) -> TypeId {
        self.make(Type { name: Some("void".to_owned()), size: None, language, kind: TypeKind::Void })
    }

    fn push(&self, index: &mut Index, die: Option<DieRef>) -> TypeId {
        let id = TypeId(index.count);
        let (chunk, offset) = position(id);
        let slots = self.chunks[chunk]
            .get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect::<Vec<_>>().into_boxed_slice());
        let slot = Slot {
            die,
            definition: OnceLock::new(),
            complete: OnceLock::new(),
            stripped: AtomicU32::new(NOT_STRIPPED),
            name: OnceLock::new(),
            attachment: OnceLock::new(),
        };
        let _ = slots[offset].set(slot);
        index.count += 1;
        id
    }

    #[inline]
    fn slot(&self, id: TypeId) -> &Slot {
        let (chunk, offset) = position(id);
        self.chunks[chunk].get().and_then(|slots| slots[offset].get()).expect("ids are only made by push")
    }

    /// The definition, read now if nobody did before.
    #[inline]
    pub fn get(&self, id: TypeId) -> &Type {
        self.definition(self.slot(id))
    }

    #[inline]
    fn definition<'t>(&'t self, slot: &'t Slot) -> &'t Type {
        slot.definition.get_or_init(|| match slot.die {
            Some(die) => self.provider.load(die, self),
            None => Type {
                name: None,
                size: None,
                language: Language::Other,
                kind: TypeKind::Unreadable("made without a definition".to_owned()),
            },
        })
    }

    /// Where the definitions are that somebody looked at so far.
    pub fn looked_at(&self) -> Vec<DieRef> {
        let count = self.index.read().expect("not poisoned").count;
        let slots = (0..count).map(|number| self.slot(TypeId(number)));
        slots.filter(|slot| slot.definition.get().is_some()).filter_map(|slot| slot.die).collect()
    }

    /// Where the definition is.
    pub fn die(&self, id: TypeId) -> Option<DieRef> {
        self.slot(id).die
    }

    /// The minor version of the Rust compiler that described the type: 95 of 1.95.0. Its library is of the same.
    pub fn rust_minor(&self, id: TypeId) -> Option<u16> {
        self.provider.rust_minor(self.die(self.strip(id))?)
    }

    /// The type itself, or, where it is only declared here, its definition elsewhere in the program.
    pub fn complete(&self, id: TypeId) -> TypeId {
        self.completed(id, self.get(id))
    }

    fn completed(&self, id: TypeId, definition: &Type) -> TypeId {
        let declared = match &definition.kind {
            TypeKind::Struct(content) => content.declaration,
            TypeKind::Enum { enumerators, .. } => enumerators.is_empty(),
            _ => false,
        };
        if !declared {
            return id;
        }
        if let Some(known) = self.slot(id).complete.get() {
            return *known;
        }
        let found = self.slot(id).die.and_then(|die| self.provider.find_definition(die, definition));
        // What was not looked for to the end may be there.
        if found.is_none() && crate::interrupt::requested() {
            return id;
        }
        *self.slot(id).complete.get_or_init(|| found.map_or(id, |die| self.of_die(die)))
    }

    /// The type under typedefs and qualifiers, completed where it was only declared. Bounded: a cycle of typedefs
    /// ends where it is cut.
    pub fn strip(&self, id: TypeId) -> TypeId {
        self.stripped(id).0
    }

    /// The same with its definition.
    pub fn stripped(&self, id: TypeId) -> (TypeId, &Type) {
        let slot = self.slot(id);
        let stripped = TypeId(slot.stripped.load(Ordering::Acquire));
        if stripped.0 != NOT_STRIPPED {
            let slot = if stripped == id { slot } else { self.slot(stripped) };
            return (stripped, self.definition(slot));
        }
        let (stripped, definition) = self.find_stripped(id);
        // An interrupted search for a definition may go on later.
        if !crate::interrupt::requested() {
            slot.stripped.store(stripped.0, Ordering::Release);
        }
        (stripped, definition)
    }

    fn find_stripped(&self, id: TypeId) -> (TypeId, &Type) {
        let mut id = id;
        let mut definition = self.get(id);
        for _ in 0..64 {
            let (TypeKind::Typedef { target } | TypeKind::Qualified { target, .. }) = definition.kind else { break };
            id = target;
            definition = self.get(id);
        }
        match self.completed(id, definition) {
            complete if complete == id => (id, definition),
            complete => (complete, self.get(complete)),
        }
    }

    /// The type's name in its language's spelling, derived types included (`struct node *`, `const char *`,
    /// `int [8]`, `&str`), built once.
    pub fn name(&self, id: TypeId) -> &str {
        self.slot(id).name.get_or_init(|| super::name::spell(self, id))
    }

    /// Size in bytes, through typedefs, qualifiers and arrays of known length.
    pub fn size(&self, id: TypeId) -> Option<u64> {
        let mut id = id;
        let mut elements = 1u64;
        // Nested arrays; an array of itself ends at the bound.
        for _ in 0..32 {
            let stripped = self.get(self.strip(id));
            if let Some(size) = stripped.size {
                return size.checked_mul(elements);
            }
            let TypeKind::Array { element, count, stride, .. } = &stripped.kind else { return None };
            elements = elements.checked_mul(count.fixed()?)?;
            if let super::Count::Dimension(dimension) = count
                && let Some(bits) = dimension.bits
            {
                return Some(elements.checked_mul(bits)?.div_ceil(8));
            }
            if let super::Count::Dimension(dimension) = count
                && let Some(stride) = &dimension.stride
            {
                let super::dimension::Bound::Number(stride) = stride else { return None };
                return stride.unsigned_abs().checked_mul(elements);
            }
            if let Some(stride) = stride {
                return stride.checked_mul(elements);
            }
            id = *element;
        }
        None
    }
}

fn position(id: TypeId) -> (usize, usize) {
    let number = id.0 as usize + FIRST_CHUNK;
    let chunk = (usize::BITS - 1 - number.leading_zeros()) as usize - FIRST_CHUNK.trailing_zeros() as usize;
    (chunk, number - (FIRST_CHUNK << chunk))
}
