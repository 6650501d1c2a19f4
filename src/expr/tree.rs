//! The tree that the parser makes.

use std::ops::Range;

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
    /// A floating-point number; `float` where `f` follows it.
    Float(f64, bool),
    /// An imaginary number.
    Imaginary(f64),
    /// A character.
    Char(u32),
    /// Text.
    Str(Vec<u8>),
    /// Text in UTF-8, of characters of another type than `char`.
    WideStr(Vec<u8>, TypeName),
    /// `{1, 2, 3}`, or Rust's `[1, 2, 3]` and `[0; 4]`.
    Array {
        /// What it holds; with a count, one element.
        elements: Vec<Node>,
        /// How often it holds that.
        count: Option<Box<Node>>,
        /// In Rust's brackets.
        is_rust: bool,
    },
    /// `true`, `false`.
    Bool(bool),
    /// A variable or function.
    Name {
        /// The file of its unit.
        file: Option<String>,
        /// Qualified name.
        name: String,
        /// `x@entry`: the value at the function's entry.
        entry: bool,
    },
    /// `nullptr`.
    Null,
    /// `$rip`, `$1`, `$name`, without the dollar sign.
    Register(String),
    /// `$name = a`; with an operator, `$name += a`.
    Assign(String, Option<&'static str>, Box<Node>),
    /// `$name++` and `$name--`: the value before.
    Step(String, &'static str),
    /// An operator before its operand.
    Unary(&'static str, Box<Node>),
    /// An operator between its operands.
    Binary(&'static str, Box<Node>, Box<Node>),
    /// `a.b`, `a->b`.
    Member(Box<Node>, String),
    /// `a[i]`.
    Index(Box<Node>, Box<Node>),
    /// `a[from..to]`; with `true`, `to` is the last one.
    Slice(Box<Node>, Option<Box<Node>>, Option<Box<Node>>, bool),
    /// The item that a filter looks at: what `.id` is a member of.
    Item,
    /// `a[.id == 7]`.
    Filter(Box<Node>, Box<Node>),
    /// `a.map(.id)`.
    Map(Box<Node>, Box<Node>),
    /// `len(a)`, `a.len()`.
    Length(Box<Node>),
    /// `$list(head, type, link)`: the type is optional; the link is relative to an item.
    List(Box<Node>, Option<TypeName>, Box<Node>),
    /// `$tree(root, type, left, right)`.
    Tree(Box<Node>, Option<TypeName>, Box<Node>, Box<Node>),
    /// `$_strlen(a)` and other functions of gdb.
    Call(String, Vec<Node>),
    /// `thread(lwp).frame(n).a`: what is seen in another frame.
    InFrame {
        /// The thread's LWP.
        thread: Option<Box<Node>>,
        /// The frame's index.
        frame: Option<Box<Node>>,
        /// What is wanted of it.
        inner: Box<Node>,
    },
    /// `a ? b : c`.
    Choose(Box<Node>, Box<Node>, Box<Node>),
    /// `(type) a`, `a as type`, `static_cast<type>(a)`.
    Cast(TypeName, Box<Node>, CastStyle),
    /// `a.(type)`: what an interface of Go's holds, where it is of that type.
    Assert(Box<Node>, TypeName),
    /// `a.(data)`: what an interface of Go's holds, whatever it is.
    Held(Box<Node>),
    /// `{type} a`.
    At(TypeName, Box<Node>),
    /// `sizeof (type)`.
    SizeofType(TypeName),
    /// `sizeof a`.
    SizeofValue(Box<Node>),
    /// `typeid (type)`.
    TypeidType(TypeName),
    /// `typeid (a)`.
    TypeidValue(Box<Node>),
    /// `alignof (type)`.
    AlignofType(TypeName),
    /// `alignof a`.
    AlignofValue(Box<Node>),
    /// `offsetof (type, member)`; the member is relative to an item.
    Offsetof(TypeName, Box<Node>),
}

/// What a cast does with a pointer to a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastStyle {
    /// Moves it between a class and its bases.
    Converting,
    /// `reinterpret_cast`: the address stays.
    Reinterpreting,
    /// `dynamic_cast`: to a base of the whole object's class, or null.
    Dynamic,
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
#[derive(Clone, Debug, PartialEq)]
pub enum Derivation {
    /// `*`
    Pointer,
    /// `&`
    Reference,
    /// `[n]`
    Array(u64),
    /// `(int, char)`: a function's parameters; without any, nothing is known of them.
    Function(Option<Vec<TypeName>>),
}
