//! Who has a lock of Go's, which records no owner: the goroutine on whose stack a deferred call waits that gives it back.
//!
//! ```text
//! defer mu.Unlock()   the frame holds, from the statement on, a closure { main.f.deferwrap1, mu }
//! ```
//!
//! The compiler wraps a deferred method in a function of its own (`deferwrap` since Go 1.22; go
//! `cmd/compile/internal/escape/call.go`). That it gives something back is seen in what it calls.

use std::collections::HashSet;

use super::{GoRuntime, Goroutine, State};
use crate::addr::RunAddr;
use crate::arch::Arch;

/// Bytes of a stack that are looked at, from its innermost frame on.
const MAX_STACK: u64 = 256 << 10;
/// Bytes of a wrapper that are looked at.
const MAX_WRAPPER: u64 = 512;
/// Functions by which a lock is given back, or a group's work is done.
const GIVES_BACK: &[&str] = &[
    "sync.(*Mutex).Unlock",
    "sync.(*Mutex).unlockSlow",
    "internal/sync.(*Mutex).Unlock",
    "internal/sync.(*Mutex).unlockSlow",
    "sync.(*RWMutex).Unlock",
    "sync.(*RWMutex).RUnlock",
    "sync.(*RWMutex).rUnlockSlow",
    "sync.(*WaitGroup).Done",
    "sync.(*WaitGroup).Add",
];

impl GoRuntime<'_> {
    /// Which of the wanted locks a goroutine gives back in deferred calls.
    pub(super) fn gives_back(&self, goroutine: &Goroutine, wanted: &HashSet<u64>) -> Vec<u64> {
        if self.session.image.arch.address_size() != 8 {
            return Vec::new();
        }
        let (low, high) = goroutine.stack;
        let sp = match goroutine.state {
            State::Running => self.trace(goroutine, 1).stack.frames.first().and_then(|frame| frame.registers.sp()),
            _ => Some(goroutine.saved.sp),
        };
        let Some(sp) = sp.filter(|sp| (low..high).contains(sp)) else { return Vec::new() };
        let length = (high - sp).min(MAX_STACK);
        let Ok(bytes) = self.session.memory().read_vec(RunAddr(sp), length as usize) else { return Vec::new() };
        let words: Vec<u64> = bytes.chunks_exact(8).map(crate::session::go::layout::little_endian).collect();
        let mut found = Vec::new();
        for pair in words.windows(2) {
            let [code, lock] = pair else { continue };
            if wanted.contains(lock) && !found.contains(lock) && self.is_wrapper(RunAddr(*code)) {
                found.push(*lock);
            }
        }
        found
    }

    /// Whether a function begins there that the compiler made for a deferred call, and that gives a lock back.
    fn is_wrapper(&self, code: RunAddr) -> bool {
        let Some(module) = self.session.program.modules.at(code).filter(|module| module.is_go()) else { return false };
        let here = module.to_file(code);
        let Some(symbol) = module.symbols().lookup(here) else { return false };
        let name = String::from_utf8_lossy(symbol.name);
        // Before Go 1.22 a wrapper is called as a function literal is.
        let is_made = name.contains("deferwrap") || name.contains("dwrap") || name.contains(".func");
        if symbol.address != here || !is_made || symbol.size > MAX_WRAPPER {
            return false;
        }
        let length = symbol.size as usize;
        let Ok(bytes) = self.session.memory().read_vec(code, length) else { return false };
        let targets = calls_at(self.session.image.arch, code.0, &bytes);
        let mut gives_back = false;
        for (_, target) in targets {
            let to = module.to_file(RunAddr(target));
            let function = module.symbols().lookup(to).filter(|function| function.address == to);
            let Some(function) = function else { continue };
            let name = String::from_utf8_lossy(function.name);
            match GIVES_BACK.contains(&name.as_ref()) {
                true => gives_back = true,
                // What does anything else is no wrapper.
                false if !name.starts_with("runtime.") => return false,
                false => {}
            }
        }
        gives_back
    }
}

/// Direct calls and jumps in code, each with its target: `call rel32` and `jmp rel32` of x86-64 at any byte, `bl` and `b` of aarch64.
pub(super) fn calls_at(arch: Arch, start: u64, code: &[u8]) -> Vec<(u64, u64)> {
    match arch {
        Arch::X86_64 => code
            .windows(5)
            .enumerate()
            .filter_map(|(at, bytes)| {
                let [0xe8 | 0xe9, distance @ ..] = bytes else { return None };
                let distance = i64::from(i32::from_le_bytes(distance.try_into().ok()?));
                let at = start.wrapping_add(at as u64);
                Some((at, at.wrapping_add(5).wrapping_add_signed(distance)))
            })
            .collect(),
        Arch::Aarch64 => code
            .chunks_exact(4)
            .enumerate()
            .filter_map(|(at, bytes)| {
                let word = u32::from_le_bytes(bytes.try_into().ok()?);
                let distance = i64::from((word << 6) as i32 >> 6) * 4;
                let is_call = matches!(word >> 26, 0b10_0101 | 0b00_0101);
                let at = start.wrapping_add(at as u64 * 4);
                is_call.then(|| (at, at.wrapping_add_signed(distance)))
            })
            .collect(),
        Arch::I386 => Vec::new(),
    }
}
