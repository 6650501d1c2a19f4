//! Addresses that say which space they live in.
//!
//! A position-independent module is linked at one address and runs at another. Confusing the two is the classic
//! debugger defect, so no function here takes a bare `u64` for either:
//!
//! ```text
//! RunAddr  = FileAddr + Bias      (wrapping, as the dynamic linker computes it)
//! FileAddr = RunAddr  - Bias
//! ```

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// An address in the dead (or live) process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RunAddr(pub u64);

/// An address in a module file's own address space, as its program headers, symbols and DWARF have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileAddr(pub u64);

/// What was added to a module's file addresses when it was loaded. 0 for a program linked at a fixed address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bias(pub u64);

impl RunAddr {
    /// The address `bytes` further on, or `None` past the end of the address space.
    pub fn checked_add(self, bytes: u64) -> Option<RunAddr> {
        self.0.checked_add(bytes).map(RunAddr)
    }

    /// The address `bytes` away, wrapping as machine arithmetic does.
    pub fn wrapping_offset(self, bytes: i64) -> RunAddr {
        RunAddr(self.0.wrapping_add_signed(bytes))
    }

    /// The same byte in the file's own address space.
    pub fn to_file(self, bias: Bias) -> FileAddr {
        FileAddr(self.0.wrapping_sub(bias.0))
    }
}

impl FileAddr {
    /// The same byte in the process.
    pub fn to_run(self, bias: Bias) -> RunAddr {
        RunAddr(self.0.wrapping_add(bias.0))
    }
}

macro_rules! hexadecimal {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    )*};
}
hexadecimal!(RunAddr, FileAddr, Bias);

/// Hashes addresses in maps that are looked into for every frame.
pub type AddressHash = BuildHasherDefault<AddressHasher>;

/// Addresses need no defence against chosen keys here: a full shard stops growing. Fibonacci hashing, one
/// multiplication a word.
#[derive(Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        // hashbrown takes its tag from the upper bits and the bucket from the lower.
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
