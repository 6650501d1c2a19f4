//! What an instruction does: the memory that it reads and writes, the values that it moves, where it goes on.
//!
//! [`decode`] covers x86-64 and i386 wholly (iced-x86's tables), and of aarch64 the loads, stores, moves, additions and
//! branches that compilers make; what it does not know is [`Flow::Next`] without operands, and its results are unknown.
//!
//! ```text
//! effective address = segment base + base + index * scale + displacement     (Intel SDM 1, 3.7.5)
//! ```

mod aarch64;
mod x86;

use super::{Arch, DwarfRegister, Registers};
use crate::addr::RunAddr;

/// What is done to memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read.
    Read,
    /// Written.
    Write,
    /// Read, then written.
    ReadWrite,
}

impl Access {
    /// Whether it writes.
    pub fn writes(self) -> bool {
        self != Access::Read
    }
}

/// A segment whose base is not 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segment {
    /// The thread pointer's on x86-64.
    Fs,
    /// The thread pointer's on i386.
    Gs,
}

/// How an operand's address is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// Its base register.
    pub base: Option<DwarfRegister>,
    /// Its index register, and by what it is multiplied.
    pub index: Option<(DwarfRegister, u64)>,
    /// Added; the whole address where it is relative to the instruction.
    pub displacement: i64,
    /// Relative to a segment's base.
    pub segment: Option<Segment>,
}

impl Address {
    /// A register's content itself.
    pub fn of(base: DwarfRegister) -> Address {
        Address { base: Some(base), ..Address::default() }
    }

    /// The address with a frame's registers.
    pub fn effective(&self, registers: &Registers) -> Option<u64> {
        let mut address = self.displacement as u64;
        if let Some(base) = self.base {
            address = address.wrapping_add(registers.get(base)?);
        }
        if let Some((index, scale)) = self.index {
            address = address.wrapping_add(registers.get(index)?.wrapping_mul(scale));
        }
        match (self.segment, registers.arch()) {
            (None, _) => {}
            (Some(Segment::Fs), Arch::X86_64) | (Some(Segment::Gs), Arch::I386) => {
                address = address.wrapping_add(registers.thread_pointer?);
            }
            _ => return None,
        }
        Some(if registers.arch() == Arch::I386 { address & 0xffff_ffff } else { address })
    }
}

/// An operand in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryOperand {
    /// Where.
    pub address: Address,
    /// What is done there.
    pub access: Access,
    /// Bytes; 0 where the instruction does not say.
    pub size: u64,
    /// The instruction itself faults where the address is no multiple of its size.
    pub aligned: bool,
}

/// Where the processor goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// At the next instruction.
    Next,
    /// There or at the next instruction.
    Branch,
    /// There.
    Jump,
    /// Through a register or memory.
    IndirectJump,
    /// There, and back.
    Call,
    /// Through a register or memory, and back.
    IndirectCall,
    /// To the caller.
    Return,
    /// Nowhere: `ud2`, `int3`, `hlt`, `brk`, `udf`.
    Trap,
    /// Into the kernel, and back.
    SystemCall,
}

/// What a value is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A register, of which so many bytes count; sign-extended where `true`.
    Register(DwarfRegister, u8, bool),
    /// Memory, so many bytes of it; sign-extended where `true`.
    Memory(Address, u8, bool),
    /// An address itself (`lea`).
    Address(Address),
    /// A constant.
    Constant(i64),
}

/// What an instruction puts into a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The source.
    Set(Source),
    /// What was there plus the source.
    Add(Source),
    /// What was there minus the source.
    Subtract(Source),
    /// What was there multiplied.
    Multiply(i64),
    /// The product of both.
    Product(Source, Source),
    /// Something else.
    Unknown,
}

/// What a division divides by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Division {
    /// The divisor.
    pub divisor: Source,
    /// Bytes.
    pub size: u8,
    /// Signed.
    pub signed: bool,
}

/// An instruction, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Where it is.
    pub at: RunAddr,
    /// Bytes.
    pub length: usize,
    /// Where it goes on.
    pub flow: Flow,
    /// Where a direct jump or call leads.
    pub target: Option<RunAddr>,
    /// What an indirect jump or call goes through.
    pub through: Option<Source>,
    /// Memory that it reads or writes, the stack by pushes and calls too.
    pub memory: Vec<MemoryOperand>,
    /// Registers that it changes, and how. What calls and returns do to the stack pointer is not among it.
    pub effects: Vec<(DwarfRegister, Effect)>,
    /// What it stores in memory, where that is one value moved there.
    pub store: Option<(Address, Source)>,
    /// A division.
    pub division: Option<Division>,
}

impl Operation {
    /// The instruction behind it.
    pub fn end(&self) -> RunAddr {
        RunAddr(self.at.0.saturating_add(self.length as u64))
    }

    /// Whether it goes on behind itself at all.
    pub fn falls_through(&self) -> bool {
        !matches!(self.flow, Flow::Jump | Flow::IndirectJump | Flow::Return | Flow::Trap)
    }

    /// What it does to a register; `None`: nothing.
    pub fn effect_on(&self, register: DwarfRegister) -> Option<Effect> {
        self.effects.iter().find(|(changed, _)| *changed == register).map(|(_, effect)| *effect)
    }
}

/// The instruction that `bytes`, at `at`, begin with; `None` where they are none.
pub fn decode(arch: Arch, bytes: &[u8], at: RunAddr) -> Option<Operation> {
    match arch {
        Arch::X86_64 => x86::decode(bytes, at, 64),
        Arch::I386 => x86::decode(bytes, at, 32),
        Arch::Aarch64 => aarch64::decode(bytes, at),
    }
}

#[cfg(test)]
mod tests;
