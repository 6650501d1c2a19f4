//! `sync.Map`, of both designs.
//!
//! ```text
//! to Go 1.23   read → readOnly{m, amended}, dirty: maps of keys to entry{p → value}                  (go sync/map.go)
//! from 1.24    m.root → indirect{children} → … → entry{key, value, overflow}                         (go internal/sync/hashtriemap.go)
//! ```

use super::super::{Entries, Item, Object, Refusal, View, corrupt, walk};
use super::locks::pointer_of;
use super::maps;
use crate::types::TypeId;

/// Levels of the trie: a 64-bit hash has 4 bits a level.
const MAX_LEVELS: usize = 17;
/// Children of a node.
const CHILDREN: u64 = 16;
/// Places that a walk looks at.
const MAX_VISITS: u64 = 4 << 20;

/// `sync.Map` and its entries.
pub(super) fn map<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let entries = match object.field("m") {
        Ok(trie) => Some(tries_entries(&trie)?),
        Err(_) => two_maps_entries(object)?,
    };
    // How many entries there are, no field says.
    let length = entries.is_none().then_some(0);
    let entries = entries.unwrap_or_else(|| Box::new(std::iter::empty()));
    Ok(View::Map { title: "sync.Map".to_owned(), length, entries })
}

fn two_maps_entries<'v>(object: &Object<'v>) -> Result<Option<Entries<'v>>, Refusal> {
    let read = object.field("read")?;
    // An `atomic.Value` that holds the structure before Go 1.20, an `atomic.Pointer` to it since.
    let held = match read.path("v.data") {
        Ok(data) => data.pointer()?,
        Err(_) => read.field("v")?.pointer()?,
    };
    let dirty = object.field("dirty")?;
    let map = if held == 0 {
        dirty
    } else {
        let read_only = object.find_type("sync.readOnly").ok_or(Refusal::Declined)?;
        let read_only = object.at(held, read_only);
        // What is in the other map too is all that there is.
        if read_only.field("amended")?.uint()? != 0 { dirty } else { read_only.field("m")? }
    };
    if map.pointer()? == 0 {
        return Ok(None);
    }
    let View::Map { mut entries, .. } = maps::map(&map)? else { return Ok(None) };
    let any = map.types().go_under(map.type_id, crate::types::go::GoKind::Map).and_then(|map| map.key);
    let any = any.ok_or(Refusal::Declined)?;
    let expunged = match object.go_data("sync.expunged") {
        Some((variable, _)) => object.read_pointer(variable)?,
        None => 0,
    };
    let object = *object;
    Ok(Some(Box::new(walk(move || {
        loop {
            let Some(next) = entries.next() else { return Ok(None) };
            let (key, Item::Object(entry)) = next.map_err(Refusal::Hole)? else { return Err(Refusal::Declined) };
            let place = entry.deref()?.field("p")?;
            let value = place.field("v").unwrap_or(place).pointer()?;
            // Deleted entries keep their place.
            if value != 0 && value != expunged {
                return Ok(Some((key, object.at(value, any).into())));
            }
        }
    }))))
}

fn tries_entries<'v>(trie: &Object<'v>) -> Result<Entries<'v>, Refusal> {
    let root = pointer_of(&trie.field("root")?)?;
    let indirect = root.target()?;
    // The linker drops the type where nothing but generic code knows it; its shape is the same.
    let entry = trie
        .find_type("internal/sync.entry[interface {},interface {}]")
        .or_else(|| trie.find_type("internal/sync.entry[go.shape.interface {},go.shape.interface {}]"));
    let (entry, any) = (entry.ok_or(Refusal::Declined)?, trie.find_type("interface {}").ok_or(Refusal::Declined)?);
    let mut levels = Vec::new();
    match root.pointer()? {
        0 => {}
        root => levels.push((trie.at(root, indirect), 0)),
    }
    let mut trie = Trie { indirect, entry, any, levels, collided: None, visited: 0 };
    Ok(Box::new(walk(move || trie.step())))
}

/// A walk over a trie of hashes.
struct Trie<'v> {
    indirect: TypeId,
    entry: TypeId,
    /// Of keys and values.
    any: TypeId,
    /// Nodes from the root to where the walk is, each with its next child.
    levels: Vec<(Object<'v>, u64)>,
    /// An entry of the same hash as the last.
    collided: Option<Object<'v>>,
    visited: u64,
}

impl<'v> Trie<'v> {
    fn step(&mut self) -> Result<Option<(Item<'v>, Item<'v>)>, Refusal> {
        loop {
            self.visited += 1;
            if self.visited > MAX_VISITS {
                return Err(corrupt(format!("a trie of more than {MAX_VISITS} places")));
            }
            if let Some(entry) = self.collided.take() {
                let next = entry.path("overflow.v")?.pointer()?;
                self.collided = (next != 0).then(|| entry.at(next, self.entry));
                let (key, value) = (entry.field("key")?, entry.field("value")?);
                return Ok(Some((key.cast(self.any).into(), value.cast(self.any).into())));
            }
            let Some((node, child)) = self.levels.last_mut() else { return Ok(None) };
            if *child >= CHILDREN {
                self.levels.pop();
                continue;
            }
            let next = node.field("children")?.element(*child)?.field("v")?;
            *child += 1;
            let (node, next) = (*node, next.pointer()?);
            if next == 0 {
                continue;
            }
            let below = node.at(next, self.indirect);
            if below.path("node.isEntry")?.uint()? != 0 {
                self.collided = Some(node.at(next, self.entry));
            } else if self.levels.len() >= MAX_LEVELS {
                return Err(corrupt(format!("a trie of more than {MAX_LEVELS} levels")));
            } else {
                self.levels.push((below, 0));
            }
        }
    }
}
