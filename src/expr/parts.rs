//! What a value is made of, one step at a time: its members, an element, what a pointer leads to.

use std::ops::Range;

use super::eval::{Evaluated, Evaluator, Step, Stop};
use super::tree::{Node, NodeKind};
use super::{ExprError, Scope, Variables};
use crate::types::{Member, Name, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason};

/// Anonymous members within each other that are looked through.
const MAX_ANONYMOUS: usize = 16;

/// A member of an object.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name; a base class's is its type's.
    pub name: Name,
    /// A base class.
    pub base: bool,
    /// The member itself.
    pub value: Evaluated,
}

/// At most `most` members of a structure, base classes among them, in their order: those of anonymous members in their
/// place, and of an enum of Rust's the active variant.
pub fn members(scope: &dyn Scope, object: &Evaluated, most: usize) -> Vec<Part> {
    let variables = Variables::default();
    let evaluator = Evaluator::new(scope, "", &variables);
    let mut parts = Vec::new();
    evaluator.add_members(object, most, 0, &mut parts);
    parts
}

/// `array[index]`, also of a container. `path` is how the array is written, for what is wrong with the index.
pub fn element(scope: &dyn Scope, array: &Evaluated, index: i64, path: &str) -> Result<Evaluated, ExprError> {
    let (variables, span) = (Variables::default(), 0..path.len());
    let evaluator = Evaluator::new(scope, path, &variables);
    let number = Node {
        kind: NodeKind::Int { value: index.unsigned_abs().into(), unsigned: false, long: true },
        span: span.clone(),
    };
    let number = match index < 0 {
        true => Node { kind: NodeKind::Unary("-", Box::new(number)), span: span.clone() },
        false => number,
    };
    let found = evaluator.indexed(array.clone(), &number, 0, &span);
    let type_id = evaluator.pointed(array).unwrap_or(array.type_id);
    whole(found, type_id)
}

/// `*pointer`, also of a reference.
pub fn pointee(scope: &dyn Scope, pointer: &Evaluated, path: &str) -> Result<Evaluated, ExprError> {
    let (variables, span) = (Variables::default(), 0..path.len());
    let evaluator = Evaluator::new(scope, path, &variables);
    match *evaluator.kind_of(pointer.type_id) {
        TypeKind::Reference { target, .. } => whole(evaluator.follow(pointer, target), target),
        _ => {
            let type_id = evaluator.pointed(pointer).unwrap_or(pointer.type_id);
            whole(evaluator.dereference(pointer.clone(), &span), type_id)
        }
    }
}

/// A hole takes the place of what could not be read.
fn whole(found: Step<Evaluated>, type_id: TypeId) -> Result<Evaluated, ExprError> {
    match found {
        Ok(value) => Ok(value),
        Err(Stop::Error(error)) => Err(*error),
        Err(Stop::Hole(absent)) => Ok(Evaluated::new(Err(absent), type_id, false)),
    }
}

impl Evaluator<'_> {
    fn add_members(&self, object: &Evaluated, most: usize, depth: usize, parts: &mut Vec<Part>) {
        let TypeKind::Struct(content) = self.kind_of(object.type_id) else { return };
        let span: Range<usize> = 0..0;
        let active = content.variants.as_deref().and_then(|part| {
            let index = self.active_variant(object, part, &span).ok().flatten()?;
            part.variants.get(index)
        });
        let of_variant = active.iter().flat_map(|variant| &variant.members);
        for member in content.members.iter().chain(of_variant) {
            if parts.len() >= most {
                return;
            }
            if member.artificial && !member.base {
                continue;
            }
            let value = self.member_or_hole(object, member, &span);
            match &member.name {
                Some(name) => parts.push(Part { name: name.clone(), base: member.base, value }),
                None if member.base => {
                    parts.push(Part { name: self.name_of(member.type_id).to_owned().into(), base: true, value });
                }
                None if depth < MAX_ANONYMOUS => self.add_members(&value, most, depth + 1, parts),
                None => {}
            }
        }
    }

    fn member_or_hole(&self, object: &Evaluated, member: &Member, span: &Range<usize>) -> Evaluated {
        let absent = match self.step_into(object, member, span) {
            Ok(value) => return value,
            Err(Stop::Hole(absent)) => absent,
            Err(Stop::Error(error)) => Absent::because(AbsentReason::Corrupt, error.message),
        };
        Evaluated::new(Err(absent), member.type_id, false)
    }
}
