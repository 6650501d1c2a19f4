//! Work on all cores with one way through the thread pool for work of every type. Rayon's iterators are compiled anew
//! for each closure: what has few and large pieces of work does not need that. What has millions of small ones calls
//! them all the same.

use std::sync::Mutex;

use rayon::prelude::*;

/// Pieces of work that a core takes, where there are so many: the last ones end at about the same time.
const PIECES_A_CORE: usize = 16;

/// What `work` makes of each of the items, in their order.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let size = items.len().div_ceil(rayon::current_num_threads() * PIECES_A_CORE).max(1);
    let pieces: Vec<(&[T], Mutex<Vec<R>>)> = items.chunks(size).map(|piece| (piece, Mutex::default())).collect();
    each(pieces.len(), &|number| {
        if let Some((piece, made)) = pieces.get(number) {
            *made.lock().expect("nobody else has it") = piece.iter().map(&work).collect();
        }
    });
    pieces.into_iter().flat_map(|(_, made)| made.into_inner().expect("not poisoned")).collect()
}

/// What `work` makes of the numbers below `count`, in their order.
pub fn numbers<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let numbers: Vec<usize> = (0..count).collect();
    map(&numbers, |number| work(*number))
}

fn each(count: usize, work: &(dyn Fn(usize) + Sync)) {
    if count == 1 {
        // A single piece does not wait for workers to start.
        return work(0);
    }
    (0..count).into_par_iter().for_each(work);
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order() {
        for count in [0, 1, 2, 33, 1000] {
            let squares = super::numbers(count, |number| number * number);
            assert_eq!(squares, (0..count).map(|number| number * number).collect::<Vec<_>>());
        }
    }
}
