//! `HashMap` and `HashSet`, of std and of hashbrown itself (hashbrown 0.1–0.17 `src/raw`): one control byte a bucket,
//! its high bit clear where the bucket is full; the buckets lie before the control bytes, the first one last.
//! hashbrown 0.1–0.6 (Rust 1.36–1.43) had them behind, at `data`.

use super::super::{Entries, Item, Items, MAX_WALK, Object, Refusal, View, corrupt, walk};
use crate::value::Absent;

/// Control bytes read at once.
const CHUNK: u64 = 4096;

/// `HashMap(size=4)`
pub(super) fn map<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let map = object.field("base").unwrap_or(*object);
    let (length, full) = full_buckets(&map.field("table")?)?;
    let entries: Entries<'v> = Box::new(full.map(|bucket| {
        let bucket = bucket?;
        Ok((item(&bucket, "__0")?, item(&bucket, "__1")?))
    }));
    Ok(View::Map { title: format!("HashMap(size={length})"), length: Some(length), entries })
}

/// `HashSet(size=4)`: `base.map.table`, before Rust 1.48 `map.base.table`, in hashbrown `map.table`.
pub(super) fn set<'v>(object: &Object<'v>) -> Result<View<'v>, Refusal> {
    let map = object.path("base.map").or_else(|_| object.path("map.base")).or_else(|_| object.field("map"))?;
    let (length, full) = full_buckets(&map.field("table")?)?;
    let walk = full.map(|bucket| item(&bucket?, "__0"));
    let items = Items::Walk { length: Some(length), walk: Box::new(walk) };
    Ok(View::Sequence { title: format!("HashSet(size={length})"), set: true, items })
}

fn item<'v>(bucket: &Object<'v>, name: &str) -> Result<Item<'v>, Absent> {
    bucket.field(name).map(Item::Object).map_err(Absent::from)
}

/// How many, and the full buckets of a `RawTable<T>`, in their order.
pub(super) fn full_buckets<'v>(
    table: &Object<'v>,
) -> Result<(u64, impl Iterator<Item = Result<Object<'v>, Absent>> + 'v), Refusal> {
    let element = table.argument(0)?;
    let inner = table.field("table").unwrap_or(*table);
    let mask = inner.field("bucket_mask")?.uint()?;
    let length = inner.field("items")?.uint()?;
    let control = inner.field("ctrl")?.pointer()?;
    let size = table.size_of(element)?;
    let data = match inner.field("data") {
        Ok(data) => Some(data.pointer()?),
        Err(_) => None,
    };
    let buckets = mask.checked_add(1).filter(|buckets| buckets.is_power_of_two());
    let Some(buckets) = buckets.filter(|buckets| length <= *buckets) else {
        return Err(corrupt(format!("{length} entries, and a bucket mask of {mask:#x}")));
    };
    let bytes = buckets.checked_mul(size);
    let fits = bytes.is_some_and(|bytes| match data {
        None => bytes <= control,
        Some(data) => data.checked_add(bytes).is_some(),
    });
    if length > 0 && (!fits || control.checked_add(buckets + 8).is_none()) {
        return Err(corrupt(format!("{buckets} buckets of {size} bytes do not fit at {control:#x}")));
    }
    if length > 0 {
        mirrored(table, control, buckets)?;
    }
    // An empty table's control bytes are a constant of the program's.
    let bucket = table.at(control, element);
    let mut full = Buckets { bucket, control, data, size, buckets, next: 0, left: length, chunk: Vec::new(), start: 0 };
    Ok((length, walk(move || full.step())))
}

/// The first control bytes stand behind the last ones again, as many as the processor compares at once: where they do
/// not, the mask is not the table's. One of them may be just being written. Tables of fewer buckets have them elsewhere,
/// and the versions that put the buckets behind the control bytes have them at the same place.
fn mirrored(table: &Object<'_>, control: u64, buckets: u64) -> Result<(), Refusal> {
    const WIDTH: usize = 8;
    if buckets < 2 * WIDTH as u64 {
        return Ok(());
    }
    let (first, again) = (table.read(control, WIDTH)?, table.read(control + buckets, WIDTH)?);
    if first.iter().zip(&again).filter(|(one, other)| one != other).count() > 1 {
        return Err(corrupt(format!("a bucket mask of {:#x}, which its control bytes do not go with", buckets - 1)));
    }
    Ok(())
}

/// A walk over full buckets.
struct Buckets<'v> {
    bucket: Object<'v>,
    control: u64,
    data: Option<u64>,
    size: u64,
    buckets: u64,
    next: u64,
    left: u64,
    /// Control bytes from `start` on.
    chunk: Vec<u8>,
    start: u64,
}

impl<'v> Buckets<'v> {
    fn step(&mut self) -> Result<Option<Object<'v>>, Refusal> {
        while self.left > 0 {
            if self.next >= self.buckets {
                return Err(corrupt(format!("{} entries fewer than the table says", self.left)));
            }
            let index = self.next;
            let known = usize::try_from(index - self.start).ok().and_then(|at| self.chunk.get(at));
            let Some(control) = known.copied() else {
                let length = CHUNK.min(self.buckets - index) as usize;
                self.chunk = self.bucket.read(self.control + index, length)?;
                self.start = index;
                continue;
            };
            self.next += 1;
            if control & 0x80 == 0 {
                self.left -= 1;
                let address = match self.data {
                    None => self.control - (index + 1) * self.size,
                    Some(data) => data + index * self.size,
                };
                return Ok(Some(self.bucket.at(address, self.bucket.type_id)));
            }
        }
        self.past_the_last()?;
        Ok(None)
    }

    /// A full bucket behind as many as the table says that it has.
    fn past_the_last(&mut self) -> Result<(), Refusal> {
        while self.next < self.buckets && self.next < MAX_WALK {
            let length = CHUNK.min(self.buckets - self.next);
            let controls = self.bucket.read(self.control + self.next, length as usize)?;
            if controls.iter().any(|control| control & 0x80 == 0) {
                return Err(corrupt("more buckets are full than the table says"));
            }
            self.next += length;
        }
        Ok(())
    }
}
