//! The scopes of all units: each path once, with a number that all units share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::order::ordered;
use crate::addr::AddressHash;

/// Units that note scopes at once seldom meet in one part.
const PARTS: usize = 64;
/// Scopes whose paths a scope's own is made of.
const MAX_STEPS: usize = 128;
/// Bytes of all paths.
const MAX_PATHS: usize = 256 << 20;
/// The number of what is outside of every scope.
pub(super) const OUTERMOST: u32 = 0;

/// A scope: the number of the one around it, and its own name.
#[derive(Clone, Copy)]
struct Scope {
    around: u32,
    name: &'static [u8],
}

/// Paths in order.
pub(super) struct Ranked {
    pub(super) paths: Vec<String>,
    /// By a scope's number, where its path is.
    pub(super) ranks: Vec<u32>,
    /// No path was left out.
    pub(super) whole: bool,
}

#[derive(Default)]
struct Part {
    numbers: HashMap<u64, u32, AddressHash>,
    scopes: Vec<Scope>,
}

/// Scopes as they are found.
pub(super) struct Scopes(Vec<Mutex<Part>>);

impl Scopes {
    pub(super) fn new() -> Scopes {
        Scopes((0..PARTS).map(|_| Mutex::default()).collect())
    }

    /// The number of the scope whose path has that hash.
    pub(super) fn number(&self, hash: u64, around: u32, name: &'static [u8]) -> u32 {
        let index = (hash >> 32) as usize % PARTS;
        let Some(part) = self.0.get(index) else { return OUTERMOST };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = part.numbers.get(&hash) {
            return *known;
        }
        // 0 is the outermost one's.
        let number = (part.scopes.len() * PARTS + index + 1) as u32;
        part.scopes.push(Scope { around, name });
        part.numbers.insert(hash, number);
        number
    }

    /// All paths in order, the empty one first.
    pub(super) fn ranked(self) -> Ranked {
        let parts: Vec<Part> =
            self.0.into_iter().map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        let scope = |number: u32| {
            let number = number.checked_sub(1)? as usize;
            parts.get(number % PARTS)?.scopes.get(number / PARTS)
        };
        let numbers: Vec<u32> = (0..PARTS)
            .flat_map(|part| (0..parts.get(part).map_or(0, |part| part.scopes.len())).map(move |index| (part, index)))
            .map(|(part, index)| (index * PARTS + part + 1) as u32)
            .collect();
        let left = AtomicIsize::new(MAX_PATHS as isize);
        let path_of = |number: u32| {
            let mut names: Vec<&'static [u8]> = Vec::new();
            let mut next = number;
            while let Some(scope) = scope(next).filter(|_| names.len() < MAX_STEPS) {
                names.push(scope.name);
                next = scope.around;
            }
            names.reverse();
            let length: usize = names.iter().map(|name| name.len() + 2).sum();
            if length > MAX_PATHS || left.fetch_sub(length as isize, Ordering::Relaxed) < length as isize {
                return String::new();
            }
            let path = names.join(&b"::"[..]);
            String::from_utf8(path).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        };
        let mut paths: Vec<String> = numbers.par_iter().map(|number| path_of(*number)).collect();
        let order = ordered(u32::try_from(paths.len()).unwrap_or(u32::MAX), |index| {
            paths.get(index as usize).map_or(&b""[..], |path| path.as_bytes())
        });
        let highest = numbers.iter().max().map_or(0, |number| *number as usize);
        let mut ranks = vec![0; highest + 1];
        let mut in_order = Vec::with_capacity(paths.len() + 1);
        in_order.push(String::new());
        for index in order {
            let (Some(path), Some(number)) = (paths.get_mut(index as usize), numbers.get(index as usize)) else {
                continue;
            };
            if let Some(rank) = ranks.get_mut(*number as usize) {
                *rank = in_order.len() as u32;
            }
            in_order.push(std::mem::take(path));
        }
        Ranked { paths: in_order, ranks, whole: left.into_inner() >= 0 }
    }
}
