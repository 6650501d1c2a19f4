//! The command line and the environment, found in the memory of a process.

use crate::addr::RunAddr;
use crate::image::{Image, auxv};
use crate::memory::Memory;

/// Bytes of the initial stack's strings and vectors that are looked through: the kernel allows 6 MiB (fs/exec.c,
/// Linux 6.1), real ones are a few KiB.
const LARGEST_BLOCK: u64 = 1 << 20;
/// Strings of either vector that are read.
const MOST_STRINGS: usize = 4096;
/// Bytes of one string that are read.
const LONGEST_STRING: usize = 64 << 10;

/// The strings that the kernel put on the initial stack.
#[derive(Default)]
pub struct InitialStack {
    /// The command line.
    pub arguments: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub variables: Vec<Vec<u8>>,
}

impl InitialStack {
    /// Finds them: the auxiliary vector, whose content the core's notes repeat, stands right behind the vectors of the
    /// environment and the arguments (System V psABI AMD64 1.0, section 3.4.1).
    pub fn find(image: &Image) -> InitialStack {
        // A minidump has both in lists of its own, and seldom the end of the initial stack.
        if let Some(facts) = &image.minidump {
            return InitialStack { arguments: facts.arguments.clone(), variables: facts.environment.clone() };
        }
        InitialStack::search(image).unwrap_or_default()
    }

    fn search(image: &Image) -> Option<InitialStack> {
        let memory: &dyn Memory = &image.memory;
        let word = image.arch.address_size();
        let strings_at = image.process.auxv(auxv::EXECFN)?;
        let mapping = image.mapping_at(RunAddr(strings_at))?;
        // A copy of a live process has the end of the stack alone.
        let sizes = (12..=LARGEST_BLOCK.ilog2()).rev().map(|bits| 1u64 << bits);
        let stack = sizes.into_iter().find_map(|size| {
            let from = mapping.start.0.max(strings_at.saturating_sub(size));
            memory.read_vec(RunAddr(from), usize::try_from(strings_at - from).ok()?).ok()
        })?;
        let mut pattern = Vec::new();
        for (kind, value) in &image.process.auxv {
            pattern.extend_from_slice(&kind.to_le_bytes()[..word]);
            pattern.extend_from_slice(&value.to_le_bytes()[..word]);
        }
        let auxv_at = memchr::memmem::rfind(&stack, &pattern).filter(|_| !pattern.is_empty())?;
        let words: Vec<u64> = stack[..auxv_at]
            .rchunks_exact(word)
            .take(2 * MOST_STRINGS)
            .map(|bytes| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            .collect();
        // Backwards from the auxiliary vector: 0, the environment, 0, the arguments, their number.
        let mut backwards = words.iter().copied();
        backwards.next().filter(|end| *end == 0)?;
        let mut variables: Vec<u64> = backwards.by_ref().take_while(|pointer| *pointer != 0).collect();
        let mut arguments = Vec::new();
        for pointer in backwards {
            if pointer == arguments.len() as u64 {
                break;
            }
            arguments.push(pointer);
        }
        variables.reverse();
        arguments.reverse();
        let text = |pointer: &u64| memory.read_c_string(RunAddr(*pointer), LONGEST_STRING).ok().map(|(text, _)| text);
        Some(InitialStack {
            arguments: arguments.iter().filter_map(text).collect(),
            variables: variables.iter().filter_map(text).collect(),
        })
    }
}
