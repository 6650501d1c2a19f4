//! A vector that only grows, shared between threads: what was pushed keeps its place, so references stay good.

use std::sync::{Mutex, OnceLock};

/// Elements of the first chunk; each next chunk is twice as large.
const FIRST_CHUNK: usize = 8;
/// With doubling sizes, 29 chunks hold 2^32 elements.
const CHUNKS: usize = 29;

/// See the module's documentation.
pub struct AppendVec<T> {
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
    count: Mutex<u32>,
}

impl<T> Default for AppendVec<T> {
    fn default() -> Self {
        AppendVec { chunks: [const { OnceLock::new() }; CHUNKS], count: Mutex::new(0) }
    }
}

impl<T> AppendVec<T> {
    /// Adds an element; returns its index.
    pub fn push(&self, element: T) -> u32 {
        let mut count = self.count.lock().expect("not poisoned");
        let index = *count;
        let (chunk, offset) = position(index);
        let slots = self.chunks[chunk].get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| OnceLock::new()).collect());
        let _ = slots[offset].set(element);
        *count += 1;
        index
    }

    /// The element at `index`.
    pub fn get(&self, index: u32) -> Option<&T> {
        let (chunk, offset) = position(index);
        self.chunks.get(chunk)?.get()?.get(offset)?.get()
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        *self.count.lock().expect("not poisoned")
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn position(index: u32) -> (usize, usize) {
    let number = index as usize + FIRST_CHUNK;
    let chunk = (usize::BITS - 1 - number.leading_zeros()) as usize - FIRST_CHUNK.trailing_zeros() as usize;
    (chunk, number - (FIRST_CHUNK << chunk))
}

#[cfg(test)]
mod tests {
    use super::AppendVec;

    #[test]
    fn elements_keep_their_index_across_chunks() {
        let vector = AppendVec::default();
        for number in 0..10_000u32 {
            assert_eq!(vector.push(number), number);
        }
        assert!((0..10_000).all(|number| vector.get(number) == Some(&number)));
        assert_eq!(vector.get(10_000), None);
        assert_eq!(vector.len(), 10_000);
    }
}
