//! An index outside of its array, in the access that was refused: the array's length is in its type, in the variable that
//! the pointer leads into, in the container that the element is of, or in the block's size on the heap.

use crate::addr::RunAddr;
use crate::analyze::code::{Sum, Term, Tracer};
use crate::analyze::names::{Object, target};
use crate::analyze::parts::{array_at, fixed_count};
use crate::analyze::{Case, Certainty, Class, Finding};

/// An index out of bounds.
pub fn out_of_bounds(case: &Case<'_>) -> Vec<Finding> {
    found(case).or_else(|| of_container(case)).into_iter().collect()
}

/// An element that a container was asked for and does not have.
fn of_container(case: &Case<'_>) -> Option<Finding> {
    let fault = case.data_fault()?;
    let tracer = Tracer::new(case, fault.machine)?;
    let sum = tracer.address(&fault.operand?.address, tracer.here)?;
    let mut found = Vec::new();
    results(&tracer, &sum, 0, &mut found);
    let (element, frame) = found.into_iter().find_map(|(end, callee)| {
        let element = tracer.is_element(callee).then(|| tracer.element(end, 0)).flatten()?;
        let is_outside = element.value? >= element.length?;
        is_outside.then(|| (element, case.to_blame(fault.frame)))
    })?;
    let (value, length) = (element.value?, element.length?);
    let name = format!("{}[{}]", element.container, element.index);
    let summary = format!(
        "index out of bounds: `{name}` {} at {}, `{}` is {}, and `{}` has {length} elements",
        fault.verb(),
        case.place(frame),
        element.index,
        value as i64,
        element.container
    );
    let finding = case.finding("out-of-bounds", Class::OutOfBounds, Certainty::Certain, frame, summary);
    let finding = super::access::instruction_evidence(case, fault, finding);
    let finding = finding.with("index", Some(&element.index), (value as i64).to_string());
    let finding = finding.with("elements", Some(&element.container), length.to_string());
    Some(finding.ask(format!("print {}", element.index)).ask(format!("print {}", element.container)))
}

/// Calls whose results an address was made from: where each returns to, and what it called.
fn results(tracer: &Tracer<'_>, sum: &Sum, depth: usize, found: &mut Vec<(RunAddr, RunAddr)>) {
    if depth > 4 {
        return;
    }
    for (_, term) in &sum.terms {
        match term {
            Term::Result(end, Some(callee)) => found.push((*end, *callee)),
            Term::Load { address, .. } => {
                results(tracer, address, depth + 1, found);
                if let Some(made_from) = crate::analyze::origin::made_from(tracer, term) {
                    results(tracer, &made_from, depth + 1, found);
                }
            }
            _ => {}
        }
    }
}

/// A call through an element that its array does not have.
pub(super) fn of_call(case: &Case<'_>, tracer: &Tracer<'_>, target: u64, frame: usize) -> Option<Finding> {
    let sum = tracer.source(&tracer.operation()?.through?, tracer.here)?;
    let Some(term @ Term::Load { address, size, .. }) = sum.single() else { return None };
    // What is there now is what was called.
    tracer.term(term).is_none_or(|now| now == target).then_some(())?;
    let object = tracer.object(address, u64::from(*size))?;
    let index = object.index.as_ref()?;
    let value = index.value?;
    let bounds = by_type(&object).or_else(|| by_target(case, tracer, &object))?;
    let position = value.checked_add(bounds.skipped)?;
    if u64::try_from(position).is_ok_and(|position| position < bounds.count) {
        return None;
    }
    let summary = format!(
        "index out of bounds: `{}` called {}, `{}` is {value}, and {} has {} elements",
        object.named.text,
        case.in_at(frame),
        index.named.text,
        bounds.text,
        bounds.count
    );
    let finding = case.finding("out-of-bounds", Class::OutOfBounds, bounds.certainty, frame, summary);
    let finding = finding.with("called", Some(&format!("{target:#x}")), case.region(target));
    let finding = finding.with("index", Some(&index.named.text), value.to_string());
    let finding = finding.with("elements", bounds.expression.as_deref(), bounds.count.to_string());
    Some(finding.ask(format!("print {}", index.named.text)).ask("bt"))
}

fn found(case: &Case<'_>) -> Option<Finding> {
    let fault = case.data_fault()?;
    let tracer = Tracer::new(case, fault.machine)?;
    let object = super::null_pointer::object_of(&tracer, fault)?;
    let index = object.index.as_ref()?;
    let value = index.value?;
    let bounds = by_type(&object).or_else(|| by_target(case, &tracer, &object)).or_else(|| by_block(case, &object))?;
    let position = value.checked_add(bounds.skipped)?;
    if u64::try_from(position).is_ok_and(|position| position < bounds.count) {
        return None;
    }
    let frame = case.to_blame(fault.frame);
    let summary = format!(
        "index out of bounds: `{}` {} at {}, `{}` is {value}, and {} has {} elements",
        object.named.text,
        fault.verb(),
        case.place(fault.frame),
        index.named.text,
        bounds.text,
        bounds.count
    );
    let finding = case.finding("out-of-bounds", Class::OutOfBounds, bounds.certainty, frame, summary);
    let finding = super::access::instruction_evidence(case, fault, finding);
    let finding = finding.with("index", Some(&index.named.text), value.to_string());
    let finding = finding.with("elements", bounds.expression.as_deref(), bounds.count.to_string());
    let finding = finding.ask(format!("print {}", index.named.text));
    Some(match bounds.array {
        Some(array) => finding.ask(format!("ptype {array}")),
        None => finding.ask(format!("print {}", index.array)),
    })
}

/// How many elements there are.
struct Bounds {
    count: u64,
    /// Elements before the one that the pointer leads to.
    skipped: i64,
    /// `` `table` ``, `` the block that `p` leads to ``.
    text: String,
    array: Option<String>,
    expression: Option<String>,
    certainty: Certainty,
}

fn by_type(object: &Object) -> Option<Bounds> {
    let index = object.index.as_ref()?;
    let count = index.count?;
    // A last member of one or no element is C's way to write an array of any length.
    let flexible = object.pointer.is_some() && count <= 1;
    // A null pointer is another rule's.
    let null = object
        .pointer
        .as_ref()
        .is_some_and(|pointer| pointer.value.is_none_or(|value| value < super::null_pointer::LOWEST));
    if flexible || null {
        return None;
    }
    Some(Bounds {
        count,
        skipped: 0,
        text: format!("`{}`", index.array),
        array: Some(index.array.clone()),
        expression: Some(format!("sizeof({0}) / sizeof({0}[0])", index.array)),
        certainty: Certainty::Certain,
    })
}

/// The array variable that the pointer leads into.
fn by_target(case: &Case<'_>, tracer: &Tracer<'_>, object: &Object) -> Option<Bounds> {
    let pointer = object.pointer.as_ref()?;
    let types = &case.session.types;
    let stride = i64::try_from(types.size(target(types, pointer.named.type_id?)?)?).ok()?;
    let value = pointer.value?;
    let (name, start, type_id) = super::pointers::variable_anywhere(case, tracer, value)?;
    let offset = i64::try_from(value.checked_sub(start)?).ok()?;
    let (path, array, inside) = array_at(types, type_id, offset, stride)?;
    let count = fixed_count(types, array)?;
    let array = format!("{name}{path}");
    Some(Bounds {
        count,
        skipped: inside.checked_div(stride).filter(|_| inside % stride == 0)?,
        text: format!("`{array}`, which `{}` leads to,", pointer.named.text),
        expression: Some(format!("sizeof({array})")),
        array: Some(array),
        certainty: Certainty::Certain,
    })
}

/// The block on the heap that the pointer leads to. It may have been another one's before.
fn by_block(case: &Case<'_>, object: &Object) -> Option<Bounds> {
    let pointer = object.pointer.as_ref()?;
    let types = &case.session.types;
    let stride = types.size(target(types, pointer.named.type_id?)?)?;
    let start = pointer.value?;
    let size = crate::analyze::heap::block_size(case, start)?;
    Some(Bounds {
        count: size.checked_div(stride)?,
        skipped: 0,
        text: format!("the block of {size} bytes that `{}` leads to", pointer.named.text),
        array: None,
        expression: Some(format!("*(long *) {:#x}", start.checked_sub(8)?)),
        certainty: Certainty::Likely,
    })
}
