//! Objects as formatters of users show them.

use super::{Run, Source};
use crate::types::{TypeId, TypeKind};
use crate::value::formatters::Object;
use crate::value::formatters::user::{Answer, AnswerItem, AnswerItems, Content, Piece, UserFormatter, UserFormatters};
use crate::value::{Absent, AbsentReason, Field, Map, Place, Sequence, Summary, SummaryPiece, Value, ValueKind};

impl<'d, 'a: 'd> Run<'d, 'a> {
    /// What a user's formatter makes of the object; `None` where none is for its type.
    pub(super) fn of_user(&mut self, source: Source<'_>, type_id: TypeId, nest: usize) -> Option<ValueKind> {
        let user: &'a dyn UserFormatters = self.decoder.user?;
        // What a summary says of its own object shows as it would without it.
        if nest > self.decoder.limits.depth || self.summarised == Some((source.address(), type_id)) {
            return None;
        }
        let formatter = user.formatter(type_id)?;
        let (stripped, definition) = self.decoder.types.stripped(type_id);
        if let TypeKind::Struct(_) = definition.kind
            && let Err(absent) = self.in_one_piece(source, definition.size)
        {
            return Some(ValueKind::Absent(absent));
        }
        let place = Object::new(self.decoder, source, type_id).to_place();
        let outer = self.summarised.replace((source.address(), type_id));
        if let Some(address) = source.address() {
            self.enter(address, stripped);
        }
        let kind = self.summary(user, formatter, &place, type_id, nest);
        if source.address().is_some() {
            self.path.pop();
        }
        self.summarised = outer;
        Some(kind)
    }

    fn summary(
        &mut self,
        user: &'a dyn UserFormatters,
        formatter: &UserFormatter,
        place: &Place,
        type_id: TypeId,
        nest: usize,
    ) -> ValueKind {
        let mut pieces = Vec::with_capacity(formatter.summary.len());
        for piece in &formatter.summary {
            pieces.push(match piece {
                Piece::Text(text) => SummaryPiece::Text(text.clone()),
                Piece::Expression(expression, letter) => {
                    SummaryPiece::Value(self.answer(user, expression, place, type_id, nest), *letter)
                }
            });
        }
        let content = match &formatter.content {
            Content::None => None,
            _ if nest >= self.decoder.limits.depth => Some(Value { type_id, kind: ValueKind::Elided }),
            Content::Children(children) => {
                let mut fields = Vec::with_capacity(children.len());
                for (name, expression) in children {
                    let value = self.answer(user, expression, place, type_id, nest);
                    fields.push(Field::of(Some(name.clone().into()), value));
                }
                Some(Value { type_id, kind: ValueKind::Parts { title: String::new(), fields } })
            }
            Content::Items(expression) => {
                let mut items = self.answer(user, expression, place, type_id, nest);
                if let ValueKind::Array { length, items: elements, omitted } = items.kind {
                    let length = Some(length);
                    let sequence = Sequence { title: String::new(), set: false, length, items: elements, omitted };
                    items.kind = ValueKind::Sequence(Box::new(sequence));
                }
                Some(items)
            }
        };
        ValueKind::Summary(Box::new(Summary { pieces, content }))
    }

    /// The value of an expression; what is wrong with it stands in its place.
    fn answer(
        &mut self,
        user: &'a dyn UserFormatters,
        expression: &str,
        object: &Place,
        type_id: TypeId,
        nest: usize,
    ) -> Value {
        if self.expressions == 0 || self.nodes == 0 {
            return Value { type_id, kind: ValueKind::Elided };
        }
        self.expressions -= 1;
        let Answer { place, type_id, items, .. } = match user.evaluate(expression, object, type_id) {
            Ok(answer) => answer,
            Err(message) => {
                let absent = Absent::because(AbsentReason::Unsupported, format!("{expression}: {message}"));
                return Value { type_id, kind: ValueKind::Absent(absent) };
            }
        };
        let Some(AnswerItems { elements, end, is_map }) = items else { return self.placed(place, type_id, nest + 1) };
        let limit = self.decoder.limits.items;
        let count = elements.len();
        if is_map {
            return self.entries_of_answer(elements, end, type_id, nest);
        }
        let mut items = Vec::new();
        for element in elements.into_iter().take(limit) {
            items.push(match element {
                AnswerItem::One((place, element)) => self.placed(place, element, nest + 2),
                AnswerItem::Entry(_, _, type_id) => Value { type_id, kind: ValueKind::Elided },
            });
        }
        let omitted = (count - items.len()) as u64;
        let length = end.is_none().then_some(count as u64);
        if let (Some(end), 0) = (end, omitted) {
            items.push(Value { type_id, kind: ValueKind::Absent(end) });
        }
        let sequence = Sequence { title: String::new(), set: false, length, items, omitted };
        Value { type_id, kind: ValueKind::Sequence(Box::new(sequence)) }
    }

    fn entries_of_answer(
        &mut self,
        elements: Vec<AnswerItem>,
        end: Option<Absent>,
        type_id: TypeId,
        nest: usize,
    ) -> Value {
        let count = elements.len();
        let mut items = Vec::new();
        for element in elements.into_iter().take(self.decoder.limits.items) {
            if let AnswerItem::Entry((key, keys), (value, values), _) = element {
                items.push((self.placed(key, keys, nest + 2), self.placed(value, values, nest + 2)));
            }
        }
        let omitted = (count - items.len()) as u64;
        let length = end.is_none().then_some(count as u64);
        if let (Some(end), 0) = (end, omitted) {
            let missing = || Value { type_id, kind: ValueKind::Absent(end.clone()) };
            items.push((missing(), missing()));
        }
        let map = Map { title: String::new(), length, items, omitted };
        Value { type_id, kind: ValueKind::Map(Box::new(map)) }
    }

    fn placed(&mut self, place: Result<Place, Absent>, type_id: TypeId, nest: usize) -> Value {
        match place {
            Ok(place) => self.value(Source::of_place(&place), type_id, nest),
            Err(absent) => Value { type_id, kind: ValueKind::Absent(absent) },
        }
    }
}
