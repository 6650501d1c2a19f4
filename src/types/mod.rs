//! A language-neutral graph of types.
//!
//! A [`TypeId`] is a slot in the [`TypeTable`]. A slot knows where its definition is (a DIE) and is filled when
//! somebody looks at it, so a pointer to a struct costs nothing until it is followed.
//! Formatters, expressions and values see only this, never DWARF.

pub mod dimension;
pub mod dwarf;
pub mod go;
pub mod name;
pub mod table;

pub use crate::module::{Name, TypeId};
pub use table::TypeTable;

use crate::module::DieRef;
use crate::module::Expression;
pub use crate::module::Language;
use dimension::Dimension;

/// A type's definition.
#[derive(Clone, Debug)]
pub struct Type {
    /// The name as its author would write it: qualified (`std::vector<int, std::allocator<int> >`), without
    /// `struct`/`union`/`enum` in front. `None` for anonymous and for derived types (pointers, arrays), whose name
    /// [`TypeTable::name`] builds.
    pub name: Option<String>,
    /// Size in bytes. `None` where it is not known (incomplete types, functions, arrays without bounds).
    pub size: Option<u64>,
    /// Where the language matters for printing.
    pub language: Language,
    /// What it is.
    pub kind: TypeKind,
}

/// What a type is.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `void`, `()` without a definition, or a pointer's missing target.
    Void,
    /// An integer; `Type::size` says how wide.
    Int {
        /// Two's complement.
        signed: bool,
    },
    /// C23's `_BitInt(N)`: an integer in the low bits of its bytes; the rest of them holds nothing.
    BitInt {
        /// Two's complement.
        signed: bool,
        /// Width.
        bits: u64,
    },
    /// A character: `char`, `char16_t`, `char32_t`, Rust's `char`.
    Char {
        /// Signed (plain `char` on x86).
        signed: bool,
        /// DW_ATE_UTF: a Unicode scalar or code unit. Otherwise a byte in no particular encoding.
        unicode: bool,
    },
    /// A truth value.
    Bool,
    /// IEEE 754 binary32/64, x87 80-bit extended (size 10, 12 or 16 on x86), binary128 (size 16 elsewhere).
    Float,
    /// A pair of floats, each half of the size.
    Complex,
    /// `T *`.
    Pointer {
        /// What it points to.
        target: TypeId,
    },
    /// `T &` or `T &&`.
    Reference {
        /// What it refers to.
        target: TypeId,
        /// `&&`.
        rvalue: bool,
    },
    /// C++ pointer to member.
    MemberPointer {
        /// Type of the member.
        target: TypeId,
        /// The class.
        class: TypeId,
    },
    /// A structure, class or union.
    Struct(StructType),
    /// `enum`.
    Enum {
        /// The underlying integer is signed.
        signed: bool,
        /// `enum class`.
        scoped: bool,
        /// The integer type beneath, where DWARF names it.
        underlying: Option<TypeId>,
        /// (name, value), in order.
        enumerators: Vec<(Name, i128)>,
    },
    /// An array: one dimension; `int a[2][3]` is an array of arrays.
    Array {
        /// The element's type.
        element: TypeId,
        /// How many.
        count: Count,
        /// DW_AT_GNU_vector: a SIMD vector.
        vector: bool,
        /// Bytes from one element to the next where they differ from the element's size.
        stride: Option<u64>,
    },
    /// A function's type (what a function pointer points to).
    Function {
        /// Its result; `None` for `void`.
        result: Option<TypeId>,
        /// Its parameters.
        parameters: Vec<TypeId>,
        /// `...`.
        variadic: bool,
        /// For functions with an entry of their own and for types of member functions: what is known beyond the type.
        method: Option<Box<Method>>,
    },
    /// Another name for a type.
    Typedef {
        /// The type.
        target: TypeId,
    },
    /// `const`, `volatile`, `restrict`, `_Atomic` on a type.
    Qualified {
        /// `"const"` and so on.
        qualifier: &'static str,
        /// The type.
        target: TypeId,
    },
    /// `decltype(nullptr)` and other types with a name alone.
    Unspecified,
    /// A definition that could not be read; why.
    Unreadable(String),
}

/// How many elements an array has.
#[derive(Clone, Debug)]
pub enum Count {
    /// That many.
    Fixed(u64),
    /// Not known (`int a[]`, a flexible array member).
    Unknown,
    /// An expression, evaluated in the frame that holds the array (a VLA): gives the count.
    Dynamic(Box<Expression>),
    /// An expression that gives the upper bound: count is one more.
    DynamicUpperBound(Box<Expression>),
    /// An artificial variable (in the frame that holds the array) that holds the count.
    DynamicVariable(DieRef),
    /// An artificial variable that holds the upper bound: count is one more.
    DynamicUpperBoundVariable(DieRef),
    /// What does not count from zero, or what a descriptor tells.
    Dimension(Box<Dimension>),
}

impl TypeKind {
    /// An integer of some kind: what may have any number of bits.
    pub fn is_integral(&self) -> bool {
        matches!(
            self,
            TypeKind::Int { .. }
                | TypeKind::BitInt { .. }
                | TypeKind::Char { .. }
                | TypeKind::Bool
                | TypeKind::Enum { .. }
        )
    }
}

impl Count {
    /// How many, where the type alone says so.
    pub fn fixed(&self) -> Option<u64> {
        match self {
            Count::Fixed(count) => Some(*count),
            Count::Dimension(dimension) if dimension.descriptor.is_none() => dimension.fixed_count(),
            _ => None,
        }
    }
}

/// Which keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StructKind {
    /// `struct`
    Struct,
    /// `class`
    Class,
    /// `union`
    Union,
}

/// A structure's content.
#[derive(Clone, Debug)]
pub struct StructType {
    /// Keyword.
    pub kind: StructKind,
    /// Declared without a definition: nothing but the name is known here, and [`TypeTable::complete`] may find it.
    pub declaration: bool,
    /// In bytes, where the program asks for more than its members need (DW_AT_alignment).
    pub alignment: Option<u64>,
    /// Fields and base classes, in order.
    pub members: Vec<Member>,
    /// Static data members, in order. Their values are variables.
    pub statics: Vec<StaticMember>,
    /// Rust's (and Ada's) variants.
    pub variants: Option<Box<VariantPart>>,
    /// Template (generic) arguments that are types, by parameter name.
    pub template_types: Vec<(Name, TypeId)>,
    /// Template arguments that are values: name, type, value.
    pub template_values: Vec<(Name, TypeId, i128)>,
    /// Methods, for `ptype`: their DIEs, which are types (functions) of the table.
    pub methods: Vec<DieRef>,
    /// It has methods, which this snapshot has not.
    pub methods_left_out: bool,
}

impl StructType {
    /// A structure of members alone.
    pub fn of(kind: StructKind, members: Vec<Member>) -> StructType {
        StructType {
            kind,
            declaration: false,
            alignment: None,
            members,
            statics: Vec::new(),
            variants: None,
            template_types: Vec::new(),
            template_values: Vec::new(),
            methods: Vec::new(),
            methods_left_out: false,
        }
    }
}

/// A static data member: a variable that a class declares.
#[derive(Clone, Debug)]
pub struct StaticMember {
    /// Its name, without its class's.
    pub name: Name,
    /// Its type.
    pub type_id: TypeId,
    /// Who may use it.
    pub access: Access,
    /// Where it is declared.
    pub die: DieRef,
    /// How many of [`StructType::members`] are declared before it.
    pub members_before: usize,
}

/// A field or a base class.
#[derive(Clone, Debug)]
pub struct Member {
    /// `None` for an anonymous struct or union, and for a base class (its type has the name).
    pub name: Option<Name>,
    /// Its type.
    pub type_id: TypeId,
    /// Where it is.
    pub offset: MemberOffset,
    /// For a bit field: (bits from the start of the enclosing object to the least significant bit, width in bits).
    /// Little-endian, so bit 0 is the lowest of byte 0.
    pub bits: Option<(u64, u64)>,
    /// In bytes, where the program asks for more than its type needs (DW_AT_alignment).
    pub alignment: Option<u64>,
    /// A base class.
    pub base: bool,
    /// Go's: the members of what it holds, or points to, are members here.
    pub embedded: bool,
    /// Made by the compiler (a vtable pointer).
    pub artificial: bool,
    /// Who may use it.
    pub access: Access,
    /// A virtual base class.
    pub is_virtual: bool,
}

impl Member {
    /// A public field, `offset` bytes from its structure's start.
    pub fn of(name: Option<Name>, type_id: TypeId, offset: u64) -> Member {
        Member {
            name,
            type_id,
            offset: MemberOffset::Bytes(offset),
            bits: None,
            alignment: None,
            base: false,
            embedded: false,
            artificial: false,
            access: Access::Public,
            is_virtual: false,
        }
    }
}

/// C++'s access.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Access {
    /// `public`, and every member of a language without access.
    #[default]
    Public,
    /// `protected`
    Protected,
    /// `private`
    Private,
}

/// What a function's declaration says beyond its type.
#[derive(Clone, Debug, Default)]
pub struct Method {
    /// The first parameter is the object (`this`).
    pub has_this: bool,
    /// `virtual`.
    pub is_virtual: bool,
    /// Declared by the compiler (a default constructor).
    pub artificial: bool,
    /// Who may call it; `None` where its class's default holds.
    pub access: Option<Access>,
}

/// A member's place in its object.
#[derive(Clone, Debug)]
pub enum MemberOffset {
    /// Bytes from the object's start.
    Bytes(u64),
    /// An expression over the object's address (a virtual base): gives the member's address.
    Expression(Box<Expression>),
}

/// One of several layouts, picked by a discriminant (DWARF 5, 5.7.10).
#[derive(Clone, Debug)]
pub struct VariantPart {
    /// The discriminant; `None` where there is but one variant.
    pub discriminant: Option<Member>,
    /// The variants.
    pub variants: Vec<Variant>,
}

/// One layout.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Discriminant values (inclusive ranges) that pick it, as unsigned integers of the discriminant's size; empty for
    /// the default variant.
    pub values: Vec<(u128, u128)>,
    /// What it holds (in Rust: one member, a struct, named like the variant).
    pub members: Vec<Member>,
    /// File name and line that the variant stands for: where an async block waits in this state.
    pub position: Option<Box<(String, u32)>>,
}
