//! Members: by name, through base classes, anonymous members and active variants.

use std::ops::Range;

use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Step, Stop, computed, is_number};
use super::tree::Node;
use super::{ErrorKind, nearest};
use crate::addr::RunAddr;
use crate::types::go::GoKind;
use crate::types::{Language, Member, MemberOffset, TypeId, TypeKind, Variant, VariantPart};
use crate::value::{Absent, AbsentReason, Place};

/// Levels of Go's embedded fields.
const MAX_EMBEDDED: usize = 8;
/// Base classes within each other.
const MAX_BASES: usize = 16;
/// Embedded fields of one level.
const MAX_NEXT: usize = 64;

/// A member found by name: offsets from the object on, and the member itself last.
pub(super) struct Found {
    path: Vec<Member>,
}

impl Evaluator<'_> {
    pub(super) fn member(&self, object: &Node, name: &str, depth: usize, span: &Range<usize>) -> Step<Evaluated> {
        let value = self.value_of(object, depth);
        let is_unknown = match &value {
            Ok(value) => self.is_bare(value) || matches!(self.kind_of(value.type_id), TypeKind::Function { .. }),
            Err(Stop::Error(error)) => error.is_unknown_name(),
            Err(Stop::Hole(_)) => false,
        };
        // Go's globals and constants have dots in their names: main.counter, syscall.ENOENT.
        if is_unknown && let Some(found) = self.dotted(span) {
            return found;
        }
        let mut object_value = value?;
        if name == "buf" && self.scope.types().go_under(object_value.type_id, GoKind::Chan).is_some() {
            return self.channel_buffer(&object_value, span);
        }
        // As many pointers and references as there are: Rust's and Go's dots go through all of them.
        for _ in 0..8 {
            match *self.kind_of(object_value.type_id) {
                TypeKind::Pointer { target } | TypeKind::Reference { target, .. } => {
                    object_value = self.follow(&object_value, target)?;
                }
                _ => break,
            }
        }
        if matches!(name, "len" | "length") && !matches!(self.kind_of(object_value.type_id), TypeKind::Struct(_)) {
            return self.length_of(&object_value, span);
        }
        // The member's own place in the text.
        let own = span.end.checked_sub(name.len()).filter(|start| *start > span.start).unwrap_or(span.start)..span.end;
        match self.member_of(&object_value, name, &own) {
            Err(Stop::Error(error)) if error.is_unknown_name() => match self.member_of_whole(&object_value, name, &own)
            {
                Some(found) => found,
                None => self.go_method(&object_value, name).ok_or(Stop::Error(error)),
            },
            found => found,
        }
    }

    /// A global or a constant whose name is all of the text.
    fn dotted(&self, span: &Range<usize>) -> Option<Step<Evaluated>> {
        let path = self.text.get(span.clone())?;
        if let Some((place, type_id)) = self.scope.globals(path, None).into_iter().next() {
            let unread = place.is_err() && self.dry.get();
            return Some(Ok(if unread { self.anywhere(type_id) } else { Evaluated::new(place, type_id, true) }));
        }
        if let Some((place, type_id)) = self.lookup(None, path)
            && matches!(self.kind_of(type_id), TypeKind::Function { .. })
        {
            return Some(Ok(Evaluated::new(place, type_id, true)));
        }
        let (type_id, value) = self.scope.enumerator(path)?;
        Some(self.number_as(type_id, Number::int(value, (16, true)), span))
    }

    /// A member of what the object embeds, as Go has it: of the outermost that has one of the name.
    fn promoted(&self, object: &Evaluated, name: &str, span: &Range<usize>) -> Option<Step<Evaluated>> {
        let mut level = vec![object.clone()];
        for _ in 0..MAX_EMBEDDED {
            let mut next = Vec::new();
            for holder in &level {
                let TypeKind::Struct(content) = self.kind_of(holder.type_id) else { continue };
                for member in content.members.iter().filter(|member| member.embedded) {
                    let inner =
                        self.step_into(holder, member, span).and_then(|inner| match *self.kind_of(inner.type_id) {
                            TypeKind::Pointer { target } => self.follow(&inner, target),
                            _ => Ok(inner),
                        });
                    let type_id = match *self.kind_of(member.type_id) {
                        TypeKind::Pointer { target } => target,
                        _ => member.type_id,
                    };
                    // An interface has no members but its methods.
                    if self.name_of(self.scope.types().strip(type_id)).starts_with("runtime.iface") {
                        continue;
                    }
                    if self.find_member(type_id, name).is_some() {
                        return Some(inner.and_then(|inner| self.member_of(&inner, name, span)));
                    }
                    next.extend(inner.ok());
                }
            }
            if next.is_empty() || next.len() > MAX_NEXT {
                return None;
            }
            level = next;
        }
        None
    }

    pub(super) fn member_of(&self, object: &Evaluated, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        if let Some(part) = self.part_of_entry(object, name, span) {
            return part;
        }
        let TypeKind::Struct(content) = self.kind_of(object.type_id) else {
            if let Some(child) = self.child_of_user(object, name, span) {
                return child;
            }
            if self.is_function_value(object.type_id)
                && let Some(found) = self.member_of_view(object, name, span)
            {
                return found;
            }
            let hint = if object.items.is_some() { "; .map(.member) takes them of its items" } else { "" };
            return self.type_error(span, format!("{} has no members{hint}", self.name_of(object.type_id)));
        };
        let Some(found) = self.find_member(object.type_id, name) else {
            if let Some((class, member)) = name.rsplit_once("::")
                && let Some(base) = self.find_member(object.type_id, class)
            {
                let mut current = object.clone();
                for step in &base.path {
                    current = self.step_into(&current, step, span)?;
                }
                return self.member_of(&current, member, span);
            }
            if let Some(part) = &content.variants
                && let Some(found) = self.variant_member(object, part, name, span)?
            {
                return Ok(found);
            }
            if let Some(child) = self.child_of_user(object, name, span) {
                return child;
            }
            let has_items =
                || self.is_sequence(object) || self.has_view(object) || self.has_items_of_user(object.type_id);
            if matches!(name, "len" | "length") && has_items() {
                return self.length_of(object, span);
            }
            if let Some(found) = self.member_of_view(object, name, span) {
                return found;
            }
            if let Some(found) = self.promoted(object, name, span) {
                return found;
            }
            if let Some((place, type_id)) = self.static_or_method(object.type_id, name) {
                return Ok(Evaluated::new(place, type_id, true));
            }
            if content.declaration {
                let message = format!("{} is only declared; nothing tells its members", self.name_of(object.type_id));
                return self.type_error(span, message);
            }
            let known = self.member_names(object.type_id);
            let near = nearest(name, &known).map(|near| format!("; is it {near}?")).unwrap_or_default();
            let message = format!("{} has no member {name}{near}", self.name_of(object.type_id));
            return self.error(ErrorKind::UnknownName, span, message);
        };
        let mut current = object.clone();
        for member in &found.path {
            current = self.step_into(&current, member, span)?;
        }
        Ok(current)
    }

    /// A static member of the class or one of its bases, or else a method, which is a function.
    pub(super) fn static_or_method(&self, class: TypeId, name: &str) -> Option<super::Named> {
        let of = |class: &str| self.scope.globals(&format!("{class}::{name}"), None).into_iter();
        if let Some(class) = self.class_of_static(class, name, 0) {
            return of(class).next();
        }
        let mut classes = vec![class];
        let mut at = 0;
        while let Some(class) = classes.get(at).copied().filter(|_| at < MAX_NEXT) {
            at += 1;
            let types = self.scope.types();
            let definition = types.get(types.strip(class));
            let TypeKind::Struct(content) = &definition.kind else { continue };
            if definition.language == Language::Cpp && !content.methods.is_empty() {
                let is_function = |(_, id): &super::Named| matches!(self.kind_of(*id), TypeKind::Function { .. });
                if let Some(found) = of(self.name_of(types.strip(class))).find(is_function) {
                    return Some(found);
                }
            }
            classes.extend(content.members.iter().filter(|member| member.base).map(|member| member.type_id));
        }
        None
    }

    /// The class or one of its bases that has a static member of the name.
    fn class_of_static(&self, class: TypeId, name: &str, depth: usize) -> Option<&str> {
        let TypeKind::Struct(content) = self.kind_of(class) else { return None };
        if content.statics.iter().any(|known| known.name == name) {
            return Some(self.name_of(self.scope.types().strip(class)));
        }
        let mut bases = content.members.iter().filter(|member| member.base && depth < MAX_BASES);
        bases.find_map(|base| self.class_of_static(base.type_id, name, depth + 1))
    }

    pub(super) fn step_into(&self, object: &Evaluated, member: &Member, span: &Range<usize>) -> Step<Evaluated> {
        let place = object.place.clone()?;
        let type_id = member.type_id;
        if self.dry.get() && (member.bits.is_some() || matches!(member.offset, MemberOffset::Expression(_))) {
            // Nothing of it is at a fixed place, nor has an address.
            self.followed.set(true);
            return Ok(self.anywhere(type_id));
        }
        if let Some((start, width)) = member.bits {
            return self.bit_field(object, &place, type_id, start, width);
        }
        let offset = match &member.offset {
            MemberOffset::Bytes(offset) => *offset,
            MemberOffset::Expression(expression) => {
                let Place::Memory(base) = place else {
                    let detail = "a virtual base is found through its object in memory";
                    return Err(Absent::because(AbsentReason::Unsupported, detail).into());
                };
                let place = Place::Memory(RunAddr(self.scope.computed(expression, base)?));
                return Ok(Evaluated::new(Ok(place), type_id, object.lvalue));
            }
        };
        let place = match place {
            Place::Memory(base) => Place::Memory(self.address(i128::from(base.0).wrapping_add(offset.into()))),
            Place::Bytes(bytes) => {
                let size = self.scope.types().size(type_id).unwrap_or(0);
                let start = usize::try_from(offset).ok();
                let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
                match start.zip(end).and_then(|(start, end)| bytes.part(start, end)) {
                    Some(part) => Place::Bytes(part),
                    None if self.dry.get() => Place::Memory(RunAddr(0)),
                    None => return self.type_error(span, "the member lies outside of what is known of its object"),
                }
            }
        };
        Ok(Evaluated::new(Ok(place), type_id, object.lvalue))
    }

    /// A bit field's value, as an object of its declared type.
    pub(super) fn bit_field(
        &self,
        object: &Evaluated,
        place: &Place,
        type_id: TypeId,
        start: u64,
        width: u64,
    ) -> Step<Evaluated> {
        let types = self.scope.types();
        let corrupt = || Stop::from(Absent::because(AbsentReason::Corrupt, "the bit field's place makes no sense"));
        let first = start / 8;
        let shift = (start % 8) as u32;
        let count = (u64::from(shift).checked_add(width).ok_or_else(corrupt)?).div_ceil(8);
        if width == 0 || width > 128 || count > 16 {
            return Err(corrupt());
        }
        let bytes = match place {
            Place::Memory(base) => {
                let at = base.checked_add(first).ok_or_else(corrupt)?;
                self.bytes(&Place::Memory(at), count)?
            }
            Place::Bytes(all) => {
                // The bits alone: their neighbours may not be at hand.
                let bits = all.bits(start, width)?;
                bits.checked_shl(shift).map(|bits| bits.to_le_bytes().to_vec()).ok_or_else(corrupt)?
            }
        };
        let mut wide = [0; 16];
        wide[..bytes.len()].copy_from_slice(&bytes);
        let unused = 128 - width as u32;
        let raw = (u128::from_le_bytes(wide) >> shift) << unused;
        let signed =
            matches!(self.kind_of(type_id), TypeKind::Int { signed: true } | TypeKind::Char { signed: true, .. })
                || matches!(self.kind_of(type_id), TypeKind::Enum { signed: true, .. });
        let value = if signed { raw as i128 >> unused } else { (raw >> unused) as i128 };
        let size = types.size(type_id).filter(|size| (1..=16).contains(size)).ok_or_else(corrupt)? as usize;
        let _ = object;
        Ok(computed(type_id, value.to_le_bytes()[..size].to_vec()))
    }

    /// The member of that name: the type's own, then those of anonymous members, then those of base classes.
    pub(super) fn find_member(&self, id: TypeId, name: &str) -> Option<Found> {
        let mut budget = 1000;
        let path = self.find_path(id, name, 0, &mut budget)?;
        Some(Found { path })
    }

    pub(super) fn find_path(&self, id: TypeId, name: &str, depth: usize, budget: &mut usize) -> Option<Vec<Member>> {
        *budget = budget.checked_sub(1)?;
        let TypeKind::Struct(content) = self.kind_of(id) else { return None };
        let is_named = |member: &&Member| match &member.name {
            // Rust and gdb: a tuple's first field is 0 or __0.
            Some(own) => own == name || own.strip_prefix("__").is_some_and(|digits| digits == name && is_number(name)),
            None => {
                let base = self.name_of(member.type_id);
                member.base && (base == name || base.rsplit("::").next() == Some(name))
            }
        };
        if let Some(member) = content.members.iter().find(is_named) {
            return Some(vec![member.clone()]);
        }
        if depth > 16 {
            return None;
        }
        let nameless = |member: &&Member| member.name.is_none() || member.base;
        content.members.iter().filter(nameless).find_map(|member| {
            let inner = self.find_path(member.type_id, name, depth + 1, budget)?;
            Some(std::iter::once(member.clone()).chain(inner).collect())
        })
    }

    pub(super) fn member_names(&self, id: TypeId) -> Vec<String> {
        let mut names = self.children_of_user(id);
        let TypeKind::Struct(content) = self.kind_of(id) else { return names };
        names.extend(content.members.iter().filter_map(|member| member.name.as_deref().map(str::to_owned)));
        for inner in content.members.iter().filter(|member| member.name.is_none() || member.base || member.embedded) {
            if let TypeKind::Struct(content) = self.kind_of(inner.type_id) {
                names.extend(content.members.iter().filter_map(|member| member.name.as_deref().map(str::to_owned)));
            }
        }
        let variants = content.variants.iter().flat_map(|part| &part.variants).flat_map(|variant| &variant.members);
        names.extend(variants.filter_map(|member| member.name.as_deref().map(str::to_owned)));
        names
    }

    /// A variant by its name, or a field of the active variant. `None`: there is none of the name.
    fn variant_member(
        &self,
        object: &Evaluated,
        part: &VariantPart,
        name: &str,
        span: &Range<usize>,
    ) -> Step<Option<Evaluated>> {
        let named = |member: &Member| member.name.as_deref() == Some(name);
        let wanted = part.variants.iter().position(|variant| variant.members.iter().any(named));
        let with_field =
            |variant: &Variant| variant.members.iter().any(|member| self.find_member(member.type_id, name).is_some());
        if wanted.is_none() && !part.variants.iter().any(with_field) {
            return Ok(None);
        }
        let active = if self.dry.get() {
            wanted.or_else(|| part.variants.iter().position(with_field))
        } else {
            self.active_variant(object, part, span)?
        };
        let shown = |index: Option<usize>| {
            let member = index.and_then(|index| part.variants.get(index)?.members.first());
            member.and_then(|member| member.name.as_deref()).unwrap_or("?").to_owned()
        };
        let Some(variant) = active.and_then(|active| part.variants.get(active)) else {
            return Err(Absent::because(AbsentReason::Corrupt, "no variant has this discriminant").into());
        };
        if wanted.is_some() && wanted != active {
            return self.error(ErrorKind::Inactive, span, format!("it is {}, not {name}", shown(active)));
        }
        for member in &variant.members {
            if wanted.is_some() && named(member) {
                return self.step_into(object, member, span).map(Some);
            }
            if wanted.is_none() && self.find_member(member.type_id, name).is_some() {
                let inner = self.step_into(object, member, span)?;
                return self.member_of(&inner, name, span).map(Some);
            }
        }
        self.error(ErrorKind::Inactive, span, format!("it is {}, which has no {name}", shown(active)))
    }

    /// Which variant the discriminant picks.
    pub(super) fn active_variant(
        &self,
        object: &Evaluated,
        part: &VariantPart,
        span: &Range<usize>,
    ) -> Step<Option<usize>> {
        let Some(discriminant) = &part.discriminant else { return Ok((!part.variants.is_empty()).then_some(0)) };
        let size = self.scope.types().size(discriminant.type_id).filter(|size| (1..=16).contains(size));
        let Some(size) = size else { return Err(Absent::new(AbsentReason::Corrupt).into()) };
        let member = self.step_into(object, discriminant, span)?;
        let mut wide = [0; 16];
        for (to, from) in wide.iter_mut().zip(self.bytes(&member.place?, size)?) {
            *to = from;
        }
        let mask = u128::MAX >> (128 - 8 * size as u32);
        let bits = u128::from_le_bytes(wide) & mask;
        let holds =
            |variant: &Variant| variant.values.iter().any(|(low, high)| (low & mask..=high & mask).contains(&bits));
        let default = || part.variants.iter().position(|variant| variant.values.is_empty());
        Ok(part.variants.iter().position(holds).or_else(default))
    }
}
