//! Values that an expression writes out: numbers, characters, text, arrays.

use std::ops::Range;

use super::arithmetic::{INT, Number};
use super::eval::{Evaluated, Evaluator, MAX_OBJECT, Step, computed};
use super::tree::{Node, TypeName};
use crate::types::{Count, Language, Type, TypeId, TypeKind};

impl Evaluator<'_> {
    pub(super) fn literal(&self, value: u128, unsigned: bool, long: bool) -> Step<Evaluated> {
        let fits = |limit: u128| value <= limit;
        let kind = match (unsigned, long) {
            (false, false) if fits(i32::MAX as u128) => INT,
            (_, false) if fits(u32::MAX.into()) => (4, false),
            (false, _) if fits(i64::MAX as u128) => (8, true),
            _ if fits(u64::MAX.into()) => (8, false),
            _ => (16, !unsigned && fits(i128::MAX as u128)),
        };
        self.number(Number::int(value as i128, kind), &(0..0))
    }

    /// A character; one that is no byte of its own in UTF-8 is wide.
    pub(super) fn character(&self, code: u32) -> Step<Evaluated> {
        match u8::try_from(code) {
            Ok(byte @ ..0x80) => Ok(computed(self.make("char"), vec![byte])),
            _ => {
                let kind = TypeKind::Char { signed: false, unicode: true };
                let name = Some("char32_t".to_owned());
                let type_id = self.scope.types().make(Type { name, size: Some(4), language: Language::Cpp, kind });
                Ok(computed(type_id, code.to_le_bytes().to_vec()))
            }
        }
    }

    pub(super) fn string(&self, text: &[u8]) -> Evaluated {
        let mut data = text.to_vec();
        data.push(0);
        let element = self.make("char");
        computed(self.array_of(element, data.len() as u64), data)
    }

    /// `L"text"`: an array of such characters, and the zero behind them.
    #[inline(never)]
    pub(super) fn wide_string(&self, text: &[u8], character: &TypeName) -> Step<Evaluated> {
        let element = self.type_of(character)?;
        let text = String::from_utf8_lossy(text);
        let data: Vec<u8> = match self.scope.types().size(element) {
            Some(1) => text.bytes().chain([0]).collect(),
            Some(2) => text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect(),
            _ => text.chars().map(u32::from).chain([0]).flat_map(u32::to_le_bytes).collect(),
        };
        let size = self.scope.types().size(element).unwrap_or(4).max(1);
        Ok(computed(self.array_of(element, data.len() as u64 / size), data))
    }

    /// `{1, 2, 3}`; `[1, 2, 3]` and `[0u8; 4]` where it is Rust's.
    #[inline(never)]
    pub(super) fn array(
        &self,
        elements: &[Node],
        count: Option<&Node>,
        is_rust: bool,
        depth: usize,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        let types = self.scope.types();
        let mut found: Option<(TypeId, u64)> = None;
        let mut data = Vec::new();
        for node in elements {
            let value = self.value_of(node, depth)?;
            let Some(size) = types.size(value.type_id).filter(|_| value.items.is_none()) else {
                return self.type_error(&node.span, "it has no size that an array's element could have");
            };
            let (element, _) = *found.get_or_insert((value.type_id, size));
            let names = [element, value.type_id].map(|id| self.name_of(types.strip(id)));
            if names[0] != names[1] {
                let message = format!("array elements must all be of one type: {} and {}", names[0], names[1]);
                return self.type_error(&node.span, message);
            }
            match self.dry.get() {
                true => data.resize(data.len().saturating_add(size.min(MAX_OBJECT) as usize), 0),
                false => data.extend(self.bytes(&value.place?, size)?),
            }
            if data.len() as u64 > MAX_OBJECT {
                return self.type_error(span, format!("arrays of more than {MAX_OBJECT} bytes are not made"));
            }
        }
        let Some((element, size)) = found else { return self.type_error(span, "an array of no elements has no type") };
        let mut length = elements.len() as u64;
        if let Some(count) = count {
            let number = self.integer(count, depth)?;
            let whole = u64::try_from(number).ok().filter(|count| count.saturating_mul(size) <= MAX_OBJECT);
            let Some(whole) = whole.filter(|count| *count <= MAX_OBJECT) else {
                return self.type_error(&count.span, format!("{number} such elements are not made"));
            };
            data = data.repeat(whole as usize);
            length = whole;
        }
        let kind = TypeKind::Array { element, count: Count::Fixed(length), vector: false, stride: None };
        let language = if is_rust { Language::Rust } else { types.get(element).language };
        let type_id = types.make(Type { name: None, size: size.checked_mul(length), language, kind });
        Ok(computed(type_id, data))
    }
}
