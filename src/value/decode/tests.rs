//! Holes, limits, cycles and places that are no memory. What gdb prints is compared in `types::dwarf::tests`.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Decoder, DynamicEvaluator};
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::memory::{Memory, MissingReason, ReadError};
use crate::module::Expression;
use crate::module::{DieRef, ModuleId, UnitId};
use crate::report::value_text::value_text;
use crate::types::dimension::{Bound, Descriptor, Dimension, Extent};
use crate::types::table::TypeProvider;
use crate::types::{
    Count, Language, Member, MemberOffset, StructKind, StructType, Type, TypeId, TypeKind, TypeTable, Variant,
    VariantPart,
};
use crate::value::{Absent, AbsentReason, Limits, Place, PlaceBytes, Value, ValueKind};

struct NoTypes;

impl TypeProvider for NoTypes {
    fn load(&self, _die: DieRef, _table: &TypeTable) -> Type {
        Type { name: None, size: None, language: Language::C, kind: TypeKind::Void }
    }

    fn find_definition(&self, _die: DieRef, _declared: &Type) -> Option<DieRef> {
        None
    }
}

/// Bytes at an address; nothing elsewhere.
struct Bytes(Vec<(u64, Vec<u8>)>);

impl Memory for Bytes {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        let part = self.0.iter().find(|(start, bytes)| (*start..start + bytes.len() as u64).contains(&address.0));
        let (start, bytes) = part.ok_or(ReadError { address, reason: MissingReason::NotSaved })?;
        let rest = &bytes[(address.0 - start) as usize..];
        Ok(&rest[..rest.len().min(limit)])
    }
}

struct Types {
    table: TypeTable,
    int: TypeId,
    char: TypeId,
}

fn types() -> Types {
    let table = TypeTable::new(Arc::new(NoTypes));
    let make = |name: &str, size, kind| {
        table.make(Type { name: Some(name.to_owned()), size: Some(size), language: Language::C, kind })
    };
    let int = make("int", 4, TypeKind::Int { signed: true });
    let char = make("char", 1, TypeKind::Char { signed: true, unicode: false });
    Types { table, int, char }
}

fn member(name: &'static str, type_id: TypeId, offset: u64) -> Member {
    Member::of((!name.is_empty()).then_some(Cow::Borrowed(name)), type_id, offset)
}

fn structure(size: u64, members: Vec<Member>) -> Type {
    let content = StructType::of(StructKind::Struct, members);
    Type { name: Some("s".to_owned()), size: Some(size), language: Language::C, kind: TypeKind::Struct(content) }
}

fn array(element: TypeId, count: Count) -> Type {
    let kind = TypeKind::Array { element, count, vector: false, stride: None };
    Type { name: None, size: None, language: Language::C, kind }
}

fn decode(types: &Types, memory: &dyn Memory, limits: Limits, place: &Place, id: TypeId) -> Value {
    let decoder = Decoder {
        types: &types.table,
        memory,
        arch: Arch::X86_64,
        limits,
        symbols: None,
        evaluate: Some(&Seven),
        user: None,
        raw: false,
    };
    decoder.value(place, id)
}

/// Every count is 3, every member is 8 bytes into its object.
struct Seven;

impl DynamicEvaluator for Seven {
    fn evaluate(&self, _expression: &Expression, object: Option<RunAddr>) -> Result<u64, Absent> {
        Ok(object.map_or(3, |object| object.0 + 8))
    }

    fn variable(&self, _die: DieRef) -> Result<u64, Absent> {
        Ok(2)
    }

    fn stored(&self, _location: &Expression, size: u64) -> Result<u64, Absent> {
        Ok(size)
    }
}

const DIE: DieRef = DieRef { module: ModuleId(0), unit: UnitId(0), offset: 0 };
const AT: Place = Place::Memory(RunAddr(0x1000));

#[test]
fn a_hole_in_a_place_costs_its_own_fields() {
    let types = types();
    let id = types
        .table
        .make(structure(12, vec![member("a", types.int, 0), member("b", types.int, 4), member("c", types.int, 8)]));
    let hole = Absent::new(AbsentReason::OptimizedOut);
    let bytes = PlaceBytes {
        data: vec![1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
        holes: vec![(5, 6, hole)],
        ..PlaceBytes::default()
    };
    let value = decode(&types, &Bytes(vec![]), Limits::default(), &Place::Bytes(bytes), id);
    assert_eq!(value_text(&types.table, &value), "{a = 1, b = <optimized out>, c = 3}");
}

#[test]
fn of_a_text_the_known_part_is_shown() {
    let types = types();
    let text = types.table.make(array(types.char, Count::Fixed(8)));
    let hole = || Absent::new(AbsentReason::OptimizedOut);
    let shown = |holes: Vec<(usize, usize, Absent)>| {
        let bytes = PlaceBytes { data: b"ab\0\0efgh".to_vec(), holes, ..PlaceBytes::default() };
        value_text(&types.table, &decode(&types, &Bytes(vec![]), Limits::default(), &Place::Bytes(bytes), text))
    };
    let gone = "<optimized out>";
    assert_eq!(
        shown(vec![(2, 4, hole())]),
        format!("{{97 'a', 98 'b', {gone}, {gone}, 101 'e', 102 'f', 103 'g', 104 'h'}}")
    );
    assert_eq!(
        shown(vec![(2, 8, hole())]),
        format!("{{97 'a', 98 'b', {gone}, {gone}, {gone}, {gone}, {gone}, {gone}}}")
    );
    assert_eq!(shown(vec![(0, 4, hole()), (4, 8, hole())]), gone);
    assert_eq!(shown(vec![]), "\"ab\\000\\000efgh\"");
    let memory = Bytes(vec![(0x1000, b"abc".to_vec())]);
    let cut = value_text(&types.table, &decode(&types, &memory, Limits::default(), &AT, text));
    assert_eq!(cut, "\"abc\"<not saved in the core at 0x1003>");
}

#[test]
fn the_border_of_saved_memory_costs_its_own_fields() {
    let types = types();
    let id = types.table.make(structure(8, vec![member("a", types.int, 0), member("b", types.int, 4)]));
    let both = types.table.make(array(id, Count::Fixed(3)));
    let memory = Bytes(vec![(0x1000, vec![1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4])]);
    let value = decode(&types, &memory, Limits::default(), &AT, both);
    let missing = "<not saved in the core at 0x100d>";
    let expected = format!("{{{{a = 1, b = 2}}, {{a = 3, b = {missing}}}, <not saved in the core at 0x1010>}}");
    assert_eq!(value_text(&types.table, &value), expected);
}

#[test]
fn bytes_shorter_than_the_type_are_no_value() {
    let types = types();
    let id = types.table.make(structure(8, vec![member("a", types.int, 0), member("b", types.int, 4)]));
    let bytes = PlaceBytes { data: vec![1, 0, 0, 0, 2], ..PlaceBytes::default() };
    let value = decode(&types, &Bytes(vec![]), Limits::default(), &Place::Bytes(bytes), id);
    assert_eq!(value_text(&types.table, &value), "{a = 1, b = <it lies beyond the object's end>}");
}

#[test]
fn depth_elides_and_base_classes_are_no_depth() {
    let types = types();
    let inner = types.table.make(structure(4, vec![member("x", types.int, 0)]));
    let middle = types.table.make(structure(4, vec![member("inner", inner, 0)]));
    let base = Member { base: true, ..member("", middle, 0) };
    let outer = types.table.make(structure(8, vec![base, member("y", types.int, 4)]));
    let memory = Bytes(vec![(0x1000, vec![1, 0, 0, 0, 2, 0, 0, 0])]);
    let shown = |depth| {
        let limits = Limits { depth, ..Limits::default() };
        value_text(&types.table, &decode(&types, &memory, limits, &AT, outer))
    };
    assert_eq!(shown(0), "{...}");
    assert_eq!(shown(1), "{<struct s> = {inner = {...}}, y = 2}");
    assert_eq!(shown(2), "{<struct s> = {inner = {x = 1}}, y = 2}");
}

#[test]
fn hostile_arrays_end() {
    let types = types();
    let empty = types.table.make(structure(0, vec![]));
    let mut id = empty;
    for _ in 0..40 {
        id = types.table.make(array(id, Count::Fixed(u64::MAX)));
    }
    let memory = Bytes(vec![(0x1000, vec![0; 16])]);
    let limits = Limits { depth: usize::MAX, items: usize::MAX, string: usize::MAX, ..Limits::default() };
    let _ = decode(&types, &memory, limits, &AT, id);
    let ints = types.table.make(array(types.int, Count::Fixed(1 << 60)));
    let value = decode(&types, &memory, limits, &AT, ints);
    let ValueKind::Array { length, items, omitted } = value.kind else { panic!("an array") };
    assert_eq!((length, omitted), (1 << 60, (1 << 60) - items.len() as u64));
    assert!(items.len() < 30_000);
    let text = types.table.make(array(types.char, Count::Fixed(u64::MAX)));
    let value = decode(&types, &memory, limits, &AT, text);
    let ValueKind::String(text) = value.kind else { panic!("text") };
    assert_eq!((text.bytes.len(), text.length, text.omitted), (16, Some(u64::MAX), u64::MAX - 16));
}

#[test]
fn counts_and_places_that_are_computed() {
    let types = types();
    let memory = Bytes(vec![(0x1000, vec![1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])]);
    let expression = || Box::new(Expression { bytes: &[], unit: DIE });
    for (count, text) in [
        (Count::Dynamic(expression()), "{1, 2, 3}"),
        (Count::DynamicVariable(DIE), "{1, 2}"),
        (Count::DynamicUpperBoundVariable(DIE), "{1, 2, 3}"),
    ] {
        let id = types.table.make(array(types.int, count));
        let value = decode(&types, &memory, Limits::default(), &AT, id);
        assert_eq!(value_text(&types.table, &value), text);
    }
    let computed = Member { offset: MemberOffset::Expression(expression()), ..member("v", types.int, 0) };
    let id = types.table.make(structure(12, vec![computed]));
    let value = decode(&types, &memory, Limits::default(), &AT, id);
    assert_eq!(value_text(&types.table, &value), "{v = 3}");
}

#[test]
fn bit_fields_at_odd_places() {
    let types = types();
    let wide = types.table.make(Type {
        name: Some("__int128".to_owned()),
        size: Some(16),
        language: Language::C,
        kind: TypeKind::Int { signed: true },
    });
    let bits = |name, type_id, start, width| Member { bits: Some((start, width)), ..member(name, type_id, 0) };
    let id = types.table.make(structure(
        17,
        vec![
            bits("a", types.int, 0, 3),
            bits("b", wide, 3, 128),
            bits("none", types.int, 0, 0),
            bits("beyond", types.int, 140, 3),
        ],
    ));
    let mut bytes = vec![0xffu8; 17];
    bytes[0] = 0b0001_1101;
    let value = decode(&types, &Bytes(vec![(0x1000, bytes)]), Limits::default(), &AT, id);
    // Bits 3 to 130: 11, then three 0s, then ones: ...11100011 is -29.
    let expected = "{a = -3, b = -29, none = <a bit field of 0 bits>, beyond = <it lies beyond the object's end>}";
    assert_eq!(value_text(&types.table, &value), expected);
}

#[test]
fn bit_fields_beside_what_is_absent() {
    let types = types();
    let bits = |name, start, width| Member { bits: Some((start, width)), ..member(name, types.int, 0) };
    let members = vec![bits("a", 0, 3), bits("b", 3, 5), bits("c", 8, 6), bits("d", 14, 4), bits("e", 18, 14)];
    let id = types.table.make(structure(4, members));
    let shown = |holes: Vec<(usize, usize)>, partial: Vec<(usize, u8)>| {
        let hole = |(from, to)| (from, to, Absent::new(AbsentReason::OptimizedOut));
        let holes = holes.into_iter().map(hole).collect();
        let data = vec![0b1010_1011, 0b1100_0101, 0b0000_0110, 0];
        let place = Place::Bytes(PlaceBytes { data, holes, partial, ..PlaceBytes::default() });
        value_text(&types.table, &decode(&types, &Bytes(vec![]), Limits::default(), &place, id))
    };
    assert_eq!(shown(vec![], vec![]), "{a = 3, b = -11, c = 5, d = -5, e = 1}");
    // Of byte 0, bits 3 to 7 are there; of byte 2, bits 0 and 1.
    assert_eq!(
        shown(vec![(0, 1), (2, 4)], vec![(0, 0b1111_1000), (2, 0b11)]),
        "{a = <optimized out>, b = -11, c = 5, d = -5, e = <optimized out>}"
    );
    assert_eq!(shown(vec![(1, 2)], vec![(1, 0b0011_1111)]), "{a = 3, b = -11, c = 5, d = <optimized out>, e = 1}");
    assert_eq!(
        shown(vec![(0, 4)], vec![]),
        "{a = <optimized out>, b = <optimized out>, c = <optimized out>, d = <optimized out>, e = <optimized out>}"
    );
}

#[test]
fn an_implicit_pointer_shows_what_it_pointed_to() {
    let types = types();
    let pointer = types.table.make_pointer(types.int, 8);
    let target = PlaceBytes { data: vec![42, 0, 0, 0], ..PlaceBytes::default() };
    let bytes = PlaceBytes {
        data: vec![0; 8],
        implicit_pointers: vec![(0, Box::new(Place::Bytes(target)), None)],
        ..PlaceBytes::default()
    };
    let value = decode(&types, &Bytes(vec![]), Limits::default(), &Place::Bytes(bytes), pointer);
    assert_eq!(value_text(&types.table, &value), "<synthetic pointer>");
    let ValueKind::Pointer { address: None, pointee: Some(pointee), .. } = value.kind else { panic!("a pointer") };
    assert_eq!(pointee.kind, ValueKind::Int(42));
}

#[test]
fn variants_without_a_match_are_corrupt() {
    let types = types();
    let part = VariantPart {
        discriminant: Some(member("", types.int, 0)),
        variants: vec![Variant {
            values: vec![(1, 1), (5, 9)],
            members: vec![member("A", types.int, 4)],
            position: None,
        }],
    };
    let mut definition = structure(8, vec![]);
    definition.language = Language::Rust;
    let TypeKind::Struct(content) = &mut definition.kind else { panic!("a structure") };
    content.variants = Some(Box::new(part));
    let id = types.table.make(definition);
    let shown = |discriminant| {
        let memory = Bytes(vec![(0x1000, vec![discriminant, 0, 0, 0, 2, 0, 0, 0])]);
        value_text(&types.table, &decode(&types, &memory, Limits::default(), &AT, id))
    };
    assert_eq!(shown(1), "s::A(2)");
    assert_eq!(shown(7), "s::A(2)");
    assert_eq!(shown(4), "<no variant has discriminant 0x4>");
}

#[test]
fn strings_end_at_limits_and_holes() {
    let types = types();
    let pointer = types.table.make_pointer(types.char, 8);
    let mut bytes = 0x1008u64.to_le_bytes().to_vec();
    bytes.extend(b"hello, world\0");
    let shown = |bytes: &[u8], string| {
        let limits = Limits { string, ..Limits::default() };
        value_text(&types.table, &decode(&types, &Bytes(vec![(0x1000, bytes.to_vec())]), limits, &AT, pointer))
    };
    assert_eq!(shown(&bytes, 100), "0x1008 \"hello, world\"");
    assert_eq!(shown(&bytes, 5), "0x1008 \"hello\"...");
    assert_eq!(shown(&bytes[..15], 100), "0x1008 \"hello, \"<not saved in the core at 0x100f>");
    assert_eq!(shown(&bytes[..15], 3), "0x1008 \"hel\"...");
    assert_eq!(shown(&bytes[..8], 100), "0x1008 <error: Cannot access memory at address 0x1008>");
}

/// A dimension whose bounds a descriptor tells: `Seven` says that its elements are 8 bytes behind it.
fn described(lower: Bound, extent: Extent, stride: Option<Bound>) -> Count {
    let data = Some(Box::new(Expression { bytes: &[], unit: DIE }));
    let descriptor = Some(Descriptor { data, present: None });
    Count::Dimension(Box::new(Dimension { lower, extent, stride, descriptor, ..Dimension::fixed(0, 0, None) }))
}

#[test]
fn arrays_by_descriptor() {
    let types = types();
    let words: Vec<u8> = (0..8u32).flat_map(u32::to_le_bytes).collect();
    let memory = Bytes(vec![(0x1000, words)]);
    let number = Bound::Number;
    let shown = |count| {
        let id = types.table.make(array(types.int, count));
        value_text(&types.table, &decode(&types, &memory, Limits::default(), &AT, id))
    };
    assert_eq!(shown(described(number(3), Extent::Upper(number(5)), None)), "{2, 3, 4}");
    assert_eq!(shown(described(number(3), Extent::Upper(number(5)), Some(number(8)))), "{2, 4, 6}");
    assert_eq!(shown(described(number(3), Extent::Upper(number(5)), Some(number(-4)))), "{2, 1, 0}");
    assert_eq!(shown(described(number(3), Extent::Count(number(2)), Some(number(0)))), "{2, 2}");
    assert_eq!(shown(described(number(3), Extent::Upper(number(2)), None)), "{}");
    assert_eq!(shown(described(number(3), Extent::Count(number(-7)), None)), "{}");
    assert_eq!(shown(described(number(0), Extent::Unknown, None)), "{}");
    // What a descriptor that was never written holds.
    let wild = shown(described(number(i64::MIN), Extent::Upper(number(i64::MAX)), Some(number(i64::MIN))));
    assert!(wild.starts_with("{2, <it lies beyond the object's end> <repeats"), "{wild}");
    let far = shown(described(number(0), Extent::Upper(number(1)), Some(number(-0x1_0000))));
    assert_eq!(far, "{2, <it lies beyond the object's end>}");
}

#[test]
fn arrays_of_bits_and_of_what_a_member_counts() {
    let types = types();
    let memory = Bytes(vec![(0x1000, vec![3, 0, 0, 0, 0xe1, 0x0f, 7, 0, 0, 0, 9, 0])]);
    let bits = Dimension { bits: Some(4), ..Dimension::fixed(1, 4, None) };
    let nibbles = types.table.make(array(types.int, Count::Dimension(Box::new(bits))));
    let counted = Dimension {
        extent: Extent::Upper(Bound::Member { offset: 0, size: 4 }),
        lower: Bound::Number(2),
        ..Dimension::fixed(0, 0, None)
    };
    let counted = types.table.make(array(types.int, Count::Dimension(Box::new(counted))));
    let id = types.table.make(structure(
        12,
        vec![member("n", types.int, 0), member("nibbles", nibbles, 4), member("counted", counted, 6)],
    ));
    let value = decode(&types, &memory, Limits::default(), &AT, id);
    let expected = "{n = 3, nibbles = {1, -2, -1, 0}, counted = {7, <it lies beyond the object's end>}}";
    assert_eq!(value_text(&types.table, &value), expected);
    let beyond = Place::Bytes(PlaceBytes { data: vec![0; 12], ..PlaceBytes::default() });
    let value = decode(&types, &memory, Limits::default(), &beyond, id);
    let expected = "{n = 0, nibbles = {0, 0, 0, 0}, counted = <its bounds are in an object that is not in memory>}";
    assert_eq!(value_text(&types.table, &value), expected);
}
