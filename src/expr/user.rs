//! Objects that have a formatter of a user's: its items stand for the object's, its children are members.

use std::ops::Range;
use std::sync::Arc;

use super::eval::{Evaluated, Evaluator, Items, Role, Step};
use super::views::unread;
use crate::types::{TypeId, TypeKind};
use crate::value::formatters::user::{AnswerItem, Content, UserFormatter};
use crate::value::{Absent, AbsentReason, Place};

/// Formatters whose items are those of another formatter.
const MAX_FORMATTERS: usize = 8;
/// What one expression of a formatter costs beside its own steps.
const STEPS_EACH: u64 = 10;

impl Evaluator<'_> {
    fn user_formatter(&self, type_id: TypeId) -> Option<&UserFormatter> {
        // Pointers and arrays have items of their own.
        match self.kind_of(type_id) {
            TypeKind::Pointer { .. } | TypeKind::Reference { .. } | TypeKind::Array { .. } => None,
            _ => self.scope.user_formatters()?.formatter(type_id),
        }
    }

    /// What `wanted` makes of the items that a user's formatter says the object has; `None` where none says so.
    pub(super) fn items_of_user<T>(
        &self,
        value: &Evaluated,
        span: &Range<usize>,
        wanted: impl FnOnce(Evaluated) -> Step<T>,
    ) -> Option<Step<T>> {
        if value.items.is_some() {
            return None;
        }
        let Content::Items(expression) = &self.user_formatter(value.type_id)?.content else { return None };
        let nested = self.formatters.get();
        if nested >= MAX_FORMATTERS {
            let detail = "formatters lead from one to the next";
            return Some(Err(Absent::because(AbsentReason::Unsupported, detail).into()));
        }
        self.formatters.set(nested + 1);
        let result = self.said_by_user(expression, value, span).and_then(wanted);
        self.formatters.set(nested);
        Some(result)
    }

    /// `object.name`, where a user's formatter has a child of that name.
    pub(super) fn child_of_user(&self, value: &Evaluated, name: &str, span: &Range<usize>) -> Option<Step<Evaluated>> {
        let Content::Children(children) = &self.user_formatter(value.type_id)?.content else { return None };
        let (_, expression) = children.iter().find(|(known, _)| known == name)?;
        Some(self.said_by_user(expression, value, span))
    }

    /// Names of the children that a user's formatter gives objects of the type.
    pub(super) fn children_of_user(&self, type_id: TypeId) -> Vec<String> {
        match self.user_formatter(type_id).map(|formatter| &formatter.content) {
            Some(Content::Children(children)) => children.iter().map(|(name, _)| name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether a user's formatter says that objects of the type have items.
    pub(super) fn has_items_of_user(&self, type_id: TypeId) -> bool {
        let content = self.user_formatter(type_id).map(|formatter| &formatter.content);
        matches!(content, Some(Content::Items(_)))
    }

    /// What a formatter's expression gives for the object.
    fn said_by_user(&self, expression: &str, value: &Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        if self.dry.get() {
            return Err(unread().into());
        }
        if self.is_spent() {
            return Err(Absent::because(AbsentReason::Unsupported, "the expression takes too many steps").into());
        }
        let Some(user) = self.scope.user_formatters() else { return Err(unread().into()) };
        let place = value.place.clone()?;
        self.spend(STEPS_EACH);
        let answer = match user.evaluate(expression, &place, value.type_id) {
            Ok(answer) => answer,
            Err(message) => return self.type_error(span, format!("its formatter's {expression}: {message}")),
        };
        self.spend(answer.steps);
        let evaluated = |place: Result<Place, Absent>, type_id| {
            let lvalue = matches!(place, Ok(Place::Memory(_)));
            Evaluated::new(place, type_id, lvalue)
        };
        let mut whole = evaluated(answer.place, answer.type_id);
        whole.items = answer.items.map(|items| {
            let element = |item| match item {
                AnswerItem::One((place, type_id)) => evaluated(place, type_id),
                AnswerItem::Entry(key, value, type_id) => {
                    self.entry(evaluated(key.0, key.1), evaluated(value.0, value.1), type_id)
                }
            };
            let elements = items.elements.into_iter().map(element).collect();
            let role = if items.is_map { Role::Map } else { Role::Sequence };
            Arc::new(Items { elements, end: items.end, role })
        });
        Ok(whole)
    }
}
