//! Lists and trees whose links are members of their items.

use std::collections::HashSet;

use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Items, Step, Stop};
use super::sequence::MAX_ITEMS;
use super::tree::{Node, TypeName};
use crate::addr::RunAddr;
use crate::types::{MemberOffset, TypeId, TypeKind};
use crate::value::{Absent, AbsentReason, Place};

/// How a link leads from an item to another.
#[derive(Clone, Copy)]
struct Link {
    /// Where in the item the pointer is.
    pointer: u64,
    /// Where in the other item it leads to: perhaps not 0 where the items contain the thing that is linked.
    target: u64,
    /// The thing that is linked, where items contain it.
    contained: Option<TypeId>,
}

/// Where a walk begins.
struct Start {
    /// What the items are.
    item: TypeId,
    /// The first one, as a link would lead to it (before the target's offset is taken off).
    first: u64,
    /// An address that ends the walk: the list's own head.
    anchor: Option<u64>,
}

impl Evaluator<'_> {
    /// `$list(head, link)`: the items from the head on, until a link is null or leads back to the list's own head.
    pub(super) fn list(&self, head: &Node, type_name: Option<&TypeName>, link: &Node, depth: usize) -> Step<Evaluated> {
        let (item, found) = self.walk_type(head, type_name, link, depth)?;
        let next = self.link(item, link, depth)?;
        if self.dry.get() {
            return Ok(self.items_of(item, Items::new(vec![self.anywhere(item)], None)));
        }
        let start = self.start(&found, item, next, head)?;
        let mut elements = Vec::new();
        let mut seen = HashSet::new();
        let mut at = start.first;
        let mut end = None;
        while at != 0 && Some(at) != start.anchor {
            if elements.len() >= MAX_ITEMS {
                end = Some(Absent::because(AbsentReason::Unsupported, "the list goes on; only its beginning is here"));
                break;
            }
            if !seen.insert(at) {
                let before = elements.len().saturating_sub(1);
                let mut detail = format!("the list leads in a circle: after item {before} comes one from before");
                if next.contained.is_some() && start.anchor.is_none() {
                    detail += "; one of them may be the list's own head, which is no item (start there)";
                }
                end = Some(Absent { address: Some(RunAddr(at)), ..Absent::because(AbsentReason::Corrupt, detail) });
                break;
            }
            let object = at.wrapping_sub(next.target);
            match self.pointer_at(object.wrapping_add(next.pointer)) {
                Ok(address) => {
                    elements.push(self.at_address(object, start.item));
                    at = address;
                }
                Err(absent) => {
                    end = Some(absent);
                    break;
                }
            }
        }
        Ok(self.items_of(start.item, Items::new(elements, end)))
    }

    /// `$tree(root, left, right)`: the items from left to right.
    pub(super) fn tree(
        &self,
        root: &Node,
        type_name: Option<&TypeName>,
        left: &Node,
        right: &Node,
        depth: usize,
    ) -> Step<Evaluated> {
        let (item, found) = self.walk_type(root, type_name, left, depth)?;
        let (left, right) = (self.link(item, left, depth)?, self.link(item, right, depth)?);
        if self.dry.get() {
            return Ok(self.items_of(item, Items::new(vec![self.anywhere(item)], None)));
        }
        let start = self.start(&found, item, left, root)?;
        let mut elements = Vec::new();
        let mut seen = HashSet::new();
        let mut end = None;
        // Nodes whose left side is being walked, outermost first.
        let mut open: Vec<u64> = Vec::new();
        let mut at = start.first;
        loop {
            while at != 0 && end.is_none() {
                if seen.len() >= MAX_ITEMS {
                    end = Some(Absent::because(AbsentReason::Unsupported, "the tree goes on; only a part is here"));
                } else if !seen.insert(at) {
                    let detail = "the tree leads in a circle or joins its branches";
                    end = Some(Absent { address: Some(RunAddr(at)), ..Absent::because(AbsentReason::Corrupt, detail) });
                } else {
                    open.push(at);
                    match self.pointer_at(at.wrapping_sub(left.target).wrapping_add(left.pointer)) {
                        Ok(address) => at = address,
                        Err(absent) => {
                            end = Some(absent);
                        }
                    }
                }
            }
            let Some(node) = open.pop() else { break };
            let object = node.wrapping_sub(left.target);
            elements.push(self.at_address(object, start.item));
            at = 0;
            if end.is_none() {
                match self.pointer_at(object.wrapping_add(right.pointer)) {
                    Ok(address) => at = address,
                    Err(absent) => end = Some(absent),
                }
            }
        }
        Ok(self.items_of(start.item, Items::new(elements, end)))
    }

    fn at_address(&self, address: u64, type_id: TypeId) -> Evaluated {
        Evaluated::new(Ok(Place::Memory(self.address(address.into()))), type_id, true)
    }

    fn pointer_at(&self, address: u64) -> Result<u64, Absent> {
        let arch = self.scope.arch();
        let address = self.address(address.into());
        Ok(arch.strip_pointer(self.scope.memory().read_uint(address, arch.address_size())?))
    }

    /// The items' type, and the object that the head is or points to.
    fn walk_type(
        &self,
        head: &Node,
        type_name: Option<&TypeName>,
        link: &Node,
        depth: usize,
    ) -> Step<(TypeId, Evaluated)> {
        let head_value = self.value_of(head, depth)?;
        let (object_type, object) = match *self.kind_of(head_value.type_id) {
            TypeKind::Pointer { target } => (target, head_value),
            TypeKind::Array { element, .. } if head_value.items.is_none() => {
                (element, self.index(head_value, 0, &head.span)?)
            }
            _ => (head_value.type_id, head_value),
        };
        if let Some(type_name) = type_name {
            return Ok((self.type_of(type_name)?, object));
        }
        let error = match self.static_path(object_type, link, depth) {
            Ok(_) => return Ok((object_type, object)),
            Err(error) => error,
        };
        // A head that points to the first item (`TAILQ_HEAD`).
        if let TypeKind::Struct(content) = self.kind_of(object_type) {
            for member in &content.members {
                if let TypeKind::Pointer { target } = *self.kind_of(member.type_id)
                    && self.static_path(target, link, depth).is_ok()
                {
                    return Ok((target, object));
                }
            }
            if !matches!(error, Stop::Error(ref error) if error.is_unknown_name()) {
                return Err(error);
            }
            let message = format!(
                "{} has no such member; where items contain the links, name their type: $list(head, type, member)",
                self.name_of(object_type)
            );
            return self.error(super::ErrorKind::UnknownName, &link.span, message);
        }
        Err(error)
    }

    /// How the member links items.
    fn link(&self, item: TypeId, path: &Node, depth: usize) -> Step<Link> {
        let (mut offset, mut member) = self.static_path(item, path, depth)?;
        // A structure of links: its first pointer leads on.
        let mut inside = None;
        for _ in 0..8 {
            let TypeKind::Struct(content) = self.kind_of(member) else { break };
            inside = Some((member, offset));
            let first = content
                .members
                .iter()
                .find(|member| matches!(self.kind_of(member.type_id), TypeKind::Pointer { .. } | TypeKind::Struct(_)));
            let Some((first, MemberOffset::Bytes(at))) = first.map(|first| (first, &first.offset)) else { break };
            (offset, member) = (offset.wrapping_add(*at), first.type_id);
        }
        let TypeKind::Pointer { target } = *self.kind_of(member) else {
            return self.type_error(&path.span, format!("{} leads to no other item", self.name_of(member)));
        };
        if self.same_type(target, item) || matches!(self.kind_of(target), TypeKind::Void) {
            return Ok(Link { pointer: offset, target: 0, contained: None });
        }
        if let Some((structure, at)) = inside
            && self.same_type(target, structure)
        {
            return Ok(Link { pointer: offset, target: at, contained: Some(target) });
        }
        // `link.next`: what contains the pointer.
        if let super::tree::NodeKind::Member(outer, _) = &path.kind
            && let Ok((at, structure)) = self.static_path(item, outer, depth)
            && self.same_type(target, structure)
        {
            return Ok(Link { pointer: offset, target: at, contained: Some(target) });
        }
        let (target, item) = (self.name_of(target), self.name_of(item));
        self.type_error(&path.span, format!("it points to a {target}, which is no {item} and in none"))
    }

    fn start(&self, head: &Evaluated, item: TypeId, link: Link, node: &Node) -> Step<Start> {
        let is_pointer = matches!(self.kind_of(head.type_id), TypeKind::Pointer { .. });
        let (address, object) = match *self.kind_of(head.type_id) {
            TypeKind::Pointer { target } => {
                let Number::Int { value, .. } = self.number_of(head, &node.span)? else {
                    return self.type_error(&node.span, "it is no address");
                };
                (self.address(value).0, target)
            }
            _ => match head.place.clone()? {
                Place::Memory(address) => (address.0, head.type_id),
                Place::Bytes(_) => return self.type_error(&node.span, "it is not in memory"),
            },
        };
        if address == 0 {
            return Ok(Start { item, first: 0, anchor: None });
        }
        if self.same_type(object, item) {
            return Ok(Start { item, first: address.wrapping_add(link.target), anchor: None });
        }
        // The head itself is a link: it is no item, and a ring ends with it.
        let TypeKind::Struct(content) = self.kind_of(object) else {
            if is_pointer && matches!(self.kind_of(object), TypeKind::Void) {
                return Ok(Start { item, first: address, anchor: None });
            }
            return self.type_error(&node.span, format!("{} is no head of a list", self.name_of(object)));
        };
        let contained = link.contained.filter(|contained| self.same_type(*contained, object));
        let leads_on = |target: TypeId| {
            self.same_type(target, item) || link.contained.is_some_and(|contained| self.same_type(target, contained))
        };
        let found = content.members.iter().find_map(|member| match (self.kind_of(member.type_id), &member.offset) {
            (TypeKind::Pointer { target }, MemberOffset::Bytes(offset)) if leads_on(*target) => Some(*offset),
            _ => None,
        });
        let offset = match contained {
            Some(_) => Some(link.pointer.wrapping_sub(link.target)),
            None => found,
        };
        let Some(offset) = offset else {
            return self.type_error(&node.span, format!("{} has no pointer to an item", self.name_of(object)));
        };
        let first = self.pointer_at(address.wrapping_add(offset))?;
        Ok(Start { item, first, anchor: Some(address) })
    }
}
