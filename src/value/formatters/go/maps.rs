//! Maps, of both designs.
//!
//! ```text
//! to Go 1.23   *hash<K,V>: count, B, buckets → 2^B × bucket<K,V>{tophash, keys, values, overflow}   (go runtime/map.go)
//! from 1.24    *map<K,V>: used, dirPtr, dirLen → table<K,V>{groups} → group<K,V>{ctrl, slots}       (go internal/runtime/maps)
//! ```

use std::collections::{HashSet, VecDeque};

use super::super::{Entries, Item, Object, Refusal, View, corrupt, walk};
use super::line;
use crate::types::TypeId;
use crate::types::go::GoKind;

/// Slots of a bucket or group.
const SLOTS: u64 = 8;
/// Buckets behind one bucket.
const MAX_OVERFLOW: usize = 10_000;
/// Buckets, groups or tables that a walk looks at.
const MAX_VISITS: u64 = 4 << 20;
/// The lowest `tophash` of a slot in use; lower ones are states (go `runtime/map.go`).
const MIN_TOP_HASH: u64 = 5;
/// The bit of `flags` that says that a growing map keeps its size.
const SAME_SIZE_GROW: u64 = 8;

/// `map[string]int with 2 elements`
pub(super) fn map<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let name = object.types().name(object.type_id).to_owned();
    if object.pointer()? == 0 {
        return Ok(line(format!("{name} nil")));
    }
    let found = object.types().go_under(object.type_id, GoKind::Map).ok_or(Refusal::Declined)?;
    let declared =
        Declared { key: found.key.ok_or(Refusal::Declined)?, value: found.element.ok_or(Refusal::Declined)? };
    let header = object.deref()?;
    let (length, entries): (u64, Entries<'v>) = if header.has("dirPtr") {
        let length = header.field("used")?.uint()?;
        let mut entries = Swiss::of(&header, declared, length)?;
        (length, Box::new(walk(move || entries.step())))
    } else {
        let length = header.field("count")?.uint()?;
        let mut entries = Buckets::of(&header, declared, length)?;
        (length, Box::new(walk(move || entries.step())))
    };
    let elements = if length == 1 { "element" } else { "elements" };
    Ok(View::Map { title: format!("{name} with {length} {elements}"), length: Some(length), entries })
}

/// What the map's type says of its keys and values.
#[derive(Clone, Copy)]
struct Declared {
    key: TypeId,
    value: TypeId,
}

/// A key or value of that type; large ones are kept behind a pointer.
fn direct<'v>(slot: Object<'v>, declared: TypeId) -> Result<Object<'v>, Refusal> {
    let types = slot.types();
    if types.strip(slot.type_id) == types.strip(declared) {
        return Ok(slot);
    }
    match slot.target() {
        Ok(target) if types.strip(target) == types.strip(declared) => slot.deref(),
        _ => Err(Refusal::Declined),
    }
}

/// Buckets, groups and tables without end are a corrupt map's.
fn count_visit(visited: &mut u64) -> Result<(), Refusal> {
    *visited += 1;
    if *visited > MAX_VISITS {
        return Err(corrupt(format!("more than {MAX_VISITS} buckets, and entries still missing")));
    }
    Ok(())
}

/// A walk over buckets and what overflows them.
struct Buckets<'v> {
    declared: Declared,
    bucket: TypeId,
    object: Object<'v>,
    /// Arrays of buckets: address, buckets, whether evacuated ones are passed over.
    arrays: VecDeque<(u64, u64, bool)>,
    index: u64,
    /// The bucket that is looked at, and its next slot.
    current: Option<(Object<'v>, u64)>,
    /// The buckets of its chain so far.
    chain: HashSet<u64>,
    visited: u64,
    left: u64,
}

impl<'v> Buckets<'v> {
    fn of(header: &Object<'v>, declared: Declared, length: u64) -> Result<Buckets<'v>, Refusal> {
        let exponent = header.field("B")?.uint()?;
        if exponent > 40 {
            return Err(corrupt(format!("a map of 2^{exponent} buckets")));
        }
        let buckets = header.field("buckets")?;
        let mut arrays = VecDeque::new();
        // A map that grows has entries in both arrays; what was moved is marked in the old one.
        let old = header.field("oldbuckets")?.pointer()?;
        if old != 0 {
            let same = header.field("flags")?.uint()? & SAME_SIZE_GROW != 0;
            let count = if same { 1 << exponent } else { (1u64 << exponent) / 2 };
            arrays.push_back((old, count, true));
        }
        arrays.push_back((buckets.pointer()?, 1 << exponent, false));
        if buckets.pointer()? == 0 {
            arrays.clear();
        }
        let bucket = buckets.target()?;
        Ok(Buckets {
            declared,
            bucket,
            object: *header,
            arrays,
            index: 0,
            current: None,
            chain: HashSet::new(),
            visited: 0,
            left: length,
        })
    }

    fn step(&mut self) -> Result<Option<(Item<'v>, Item<'v>)>, Refusal> {
        while self.left > 0 {
            let Some((bucket, slot)) = self.current else {
                let Some((array, count, old)) = self.arrays.front().copied() else {
                    return Err(corrupt(format!("{} entries fewer than the map says", self.left)));
                };
                if self.index >= count {
                    self.arrays.pop_front();
                    self.index = 0;
                    continue;
                }
                let offset = self.index.checked_mul(self.object.size_of(self.bucket)?);
                let at = offset.and_then(|offset| array.checked_add(offset));
                self.index += 1;
                count_visit(&mut self.visited)?;
                let at = at.ok_or_else(|| corrupt("beyond the address space"))?;
                self.chain.clear();
                self.chain.insert(at);
                let bucket = self.object.at(at, self.bucket);
                let top = bucket.field("tophash")?.element(0)?.uint()?;
                if !(old && (2..MIN_TOP_HASH).contains(&top)) {
                    self.current = Some((bucket, 0));
                }
                continue;
            };
            if slot == SLOTS {
                let next = bucket.field("overflow")?.pointer()?;
                if self.chain.len() > MAX_OVERFLOW || !self.chain.insert(next) {
                    return Err(corrupt("buckets that overflow without end"));
                }
                self.current = (next != 0).then(|| (self.object.at(next, self.bucket), 0));
                continue;
            }
            self.current = Some((bucket, slot + 1));
            if bucket.field("tophash")?.element(slot)?.uint()? >= MIN_TOP_HASH {
                self.left -= 1;
                let key = direct(bucket.field("keys")?.element(slot)?, self.declared.key)?;
                let value = direct(bucket.field("values")?.element(slot)?, self.declared.value)?;
                return Ok(Some((key.into(), value.into())));
            }
        }
        Ok(None)
    }
}

/// A walk over tables and their groups.
struct Swiss<'v> {
    declared: Declared,
    header: Object<'v>,
    table: TypeId,
    group: TypeId,
    /// The directory, its length and the next table's number; a map of one group has none.
    directory: (u64, u64, u64),
    /// Groups of the table at hand: address, how many, the next one.
    groups: (u64, u64, u64),
    /// The group that is looked at, its control word and its next slot.
    current: Option<(Object<'v>, u64, u64)>,
    visited: u64,
    left: u64,
}

impl<'v> Swiss<'v> {
    fn of(header: &Object<'v>, declared: Declared, length: u64) -> Result<Swiss<'v>, Refusal> {
        let directory = header.field("dirPtr")?;
        let (address, entries) = (directory.pointer()?, header.field("dirLen")?.uint()?);
        // **table<K,V>
        let pointer = directory.at(0, directory.target()?);
        let table = pointer.target()?;
        let group = pointer.at(0, table).path("groups.data")?.target()?;
        if entries == 0 && length > SLOTS {
            return Err(corrupt(format!("a map of {length} entries in a group of {SLOTS}")));
        }
        let groups = if entries == 0 && address != 0 { (address, 1, 0) } else { (0, 0, 0) };
        let directory = (address, entries, 0);
        Ok(Swiss {
            declared,
            header: *header,
            table,
            group,
            directory,
            groups,
            current: None,
            visited: 0,
            left: length,
        })
    }

    fn step(&mut self) -> Result<Option<(Item<'v>, Item<'v>)>, Refusal> {
        let beyond = || corrupt("beyond the address space");
        while self.left > 0 {
            if let Some((group, control, slot)) = self.current {
                self.current = (slot + 1 < SLOTS).then_some((group, control, slot + 1));
                // A slot in use has the high bit of its control byte clear.
                if control >> (8 * slot) & 0x80 == 0 {
                    self.left -= 1;
                    let slot = group.field("slots")?.element(slot)?;
                    let key = direct(slot.field("key")?, self.declared.key)?;
                    let value = direct(slot.field("elem")?, self.declared.value)?;
                    return Ok(Some((key.into(), value.into())));
                }
                continue;
            }
            count_visit(&mut self.visited)?;
            let (address, count, next) = self.groups;
            if next < count {
                let offset = next.checked_mul(self.header.size_of(self.group)?).ok_or_else(beyond)?;
                let group = self.header.at(address.checked_add(offset).ok_or_else(beyond)?, self.group);
                self.groups.2 += 1;
                let control = self.header.read_uint(group.address().ok_or(Refusal::Declined)?.0, 8)?;
                self.current = Some((group, control, 0));
                continue;
            }
            let (directory, entries, number) = self.directory;
            if number >= entries {
                return Err(corrupt(format!("{} entries fewer than the map says", self.left)));
            }
            self.directory.2 += 1;
            let offset = number.checked_mul(self.header.word()).ok_or_else(beyond)?;
            let pointer = self.header.read_pointer(directory.checked_add(offset).ok_or_else(beyond)?)?;
            let table = self.header.at(pointer, self.table);
            // Several entries lead to a table that was not split as often as others; the first one counts.
            if table.field("index")?.uint()? == number {
                let groups = table.field("groups")?;
                let count = groups.field("lengthMask")?.uint()?.checked_add(1).ok_or_else(beyond)?;
                self.groups = (groups.field("data")?.pointer()?, count, 0);
            }
        }
        Ok(None)
    }
}
