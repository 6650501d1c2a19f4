//! Processor architectures: registers and their DWARF numbers, and what a call preserves. One file each.

pub mod aarch64;
pub mod i386;
pub mod instruction;
pub mod operation;
pub mod references;
pub mod x86_64;
pub mod xsave;

use crate::order::Order;
use std::sync::{Arc, LazyLock};

/// A supported processor architecture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Arch {
    /// AMD64, System V ABI.
    X86_64,
    /// 64-bit Arm, AAPCS64.
    Aarch64,
    /// 32-bit x86, System V ABI.
    I386,
}

/// A register by its DWARF number in the architecture's psABI. The program counter has a number too: 16 (the return
/// address column) on x86-64, 8 on i386, and 32 on aarch64 (AADWARF64 1.0, section 4.1).
pub type DwarfRegister = u16;

/// One general register: name, DWARF number.
#[derive(Clone, Copy, Debug)]
pub struct RegisterName {
    /// As gdb spells it (`rip`, `x29`, `eax`).
    pub name: &'static str,
    /// Its DWARF number.
    pub dwarf: DwarfRegister,
}

impl Arch {
    /// The contract's spelling: `x86_64`, `aarch64`, `i386`.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
            Arch::I386 => "i386",
        }
    }

    /// Bytes of an address: 8 or 4.
    pub fn address_size(self) -> usize {
        match self {
            Arch::X86_64 | Arch::Aarch64 => 8,
            Arch::I386 => 4,
        }
    }

    /// Name and number of every general register, in the order of gdb's `info registers`.
    pub fn general_registers(self) -> &'static [RegisterName] {
        match self {
            Arch::X86_64 => x86_64::GENERAL,
            Arch::Aarch64 => aarch64::GENERAL,
            Arch::I386 => i386::GENERAL,
        }
    }

    /// The name of a general, floating-point or vector register as gdb spells it.
    pub fn register_name(self, register: DwarfRegister) -> Option<String> {
        if let Some(general) = self.general_registers().iter().find(|general| general.dwarf == register) {
            return Some(general.name.to_owned());
        }
        // The psABIs' tables: AMD64 1.0, figure 3.36; i386 1.1, table 2.14; AADWARF64 1.0, section 4.1.
        let groups: &[(std::ops::Range<DwarfRegister>, &str)] = match self {
            Arch::X86_64 => &[(17..33, "xmm"), (33..41, "st"), (41..49, "mm")],
            Arch::I386 => &[(11..19, "st"), (21..29, "xmm"), (29..37, "mm")],
            Arch::Aarch64 if register == aarch64::VG => return Some("vg".to_owned()),
            Arch::Aarch64 => &[(48..64, "p"), (64..96, "v"), (96..128, "z")],
        };
        let (group, name) = groups.iter().find(|(group, _)| group.contains(&register))?;
        Some(format!("{name}{}", register - group.start))
    }

    /// The program counter's number.
    pub fn pc(self) -> DwarfRegister {
        match self {
            Arch::X86_64 => x86_64::RIP,
            Arch::Aarch64 => aarch64::PC,
            Arch::I386 => i386::EIP,
        }
    }

    /// The stack pointer's number.
    pub fn sp(self) -> DwarfRegister {
        match self {
            Arch::X86_64 => x86_64::RSP,
            Arch::Aarch64 => aarch64::SP,
            Arch::I386 => i386::ESP,
        }
    }

    /// The frame pointer's number.
    pub fn fp(self) -> DwarfRegister {
        match self {
            Arch::X86_64 => x86_64::RBP,
            Arch::Aarch64 => aarch64::X29,
            Arch::I386 => i386::EBP,
        }
    }

    /// Whether the ABI makes a called function preserve the register for its caller.
    pub fn is_callee_saved(self, register: DwarfRegister) -> bool {
        match self {
            Arch::X86_64 => x86_64::is_callee_saved(register),
            Arch::Aarch64 => aarch64::is_callee_saved(register),
            Arch::I386 => i386::is_callee_saved(register),
        }
    }

    /// The registers of [`Arch::is_callee_saved`] as a set of their bits ([`Arch::bit`]).
    pub fn callee_saved_set(self) -> u64 {
        let followed = (0..GENERAL_COUNT as DwarfRegister).chain(aarch64::PRESERVED_HALVES).chain([aarch64::VG]);
        followed.filter(|register| self.is_callee_saved(*register)).fold(0, |set, register| set | self.bit(register))
    }

    /// Where [`Registers`] keep the register. What is followed from frame to frame has a place: the general registers
    /// and, on aarch64, the halves of vector registers that calls preserve, and `vg`.
    fn slot(self, register: DwarfRegister) -> Option<usize> {
        match usize::from(register) {
            general if general < GENERAL_COUNT => Some(general),
            _ if self == Arch::Aarch64 => Some(GENERAL_COUNT + aarch64::followed(register)?),
            _ => None,
        }
    }

    /// The register in a set of those that are followed from frame to frame; no bit for any other.
    pub fn bit(self, register: DwarfRegister) -> u64 {
        self.slot(register).map_or(0, |slot| 1 << slot)
    }

    /// The words of `pr_reg` in a core's NT_PRSTATUS (`struct user_regs_struct`), in order.
    pub fn saved_words(self) -> &'static [SavedWord] {
        match self {
            Arch::X86_64 => x86_64::SAVED_WORDS,
            Arch::Aarch64 => aarch64::SAVED_WORDS,
            Arch::I386 => i386::SAVED_WORDS,
        }
    }

    /// The special registers in gdb's order.
    fn special_order(self) -> &'static [&'static str] {
        match self {
            Arch::X86_64 => x86_64::SPECIAL_ORDER,
            Arch::Aarch64 => aarch64::SPECIAL_ORDER,
            Arch::I386 => i386::SPECIAL_ORDER,
        }
    }

    /// The special registers in a `pr_reg` block, in gdb's order; what a short block lacks is left out.
    pub fn special_registers(self, saved: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let words = saved.chunks_exact(self.address_size()).zip(self.saved_words());
        let mut special: Vec<_> = words
            .filter_map(|(bytes, word)| match word {
                SavedWord::Special(name) => Some((*name, bytes.to_vec())),
                SavedWord::General(_) => None,
            })
            .collect();
        let order = self.special_order();
        special.order_by_key(|(name, _)| order.iter().position(|other| other == name).unwrap_or(order.len()));
        special
    }

    /// An address as the processor uses it: aarch64 ignores the top byte of a data pointer. (A return address has
    /// more to strip: [`Registers::strip_return`].)
    pub fn strip_pointer(self, address: u64) -> u64 {
        match self {
            Arch::X86_64 => address,
            Arch::I386 => address & 0xffff_ffff,
            Arch::Aarch64 => aarch64::strip_pointer(address),
        }
    }
}

/// A register as bytes: DWARF number, name, bytes as in memory (little-endian).
pub type NumberedRegister = (DwarfRegister, &'static str, Vec<u8>);

/// What a thread has beyond the general registers: x87, SSE, AVX or NEON state, by DWARF number, and the registers
/// that no debug information names. Only the innermost frame has it, and one that a signal interrupted.
#[derive(Clone, Debug, Default)]
pub struct VectorRegisters {
    /// (DWARF number, name, bytes as in memory), in the order in which they are shown; registers without a DWARF number are in `named`.
    /// `xmm` registers have 16 bytes here, whatever the processor has above them (see `wide`).
    pub numbered: Vec<NumberedRegister>,
    /// The whole registers of which `numbered` has the lower part: `ymm0` (32 bytes) and `zmm0` (64 bytes) under the
    /// number of `xmm0`. Narrower ones first.
    pub wide: Vec<NumberedRegister>,
    /// Control words and other registers that DWARF does not number (`mxcsr`, `fctrl`), value in little-endian bytes.
    pub named: Vec<(&'static str, Vec<u8>)>,
    /// Flags, segment and system registers (`eflags`, `cs`, `fs_base`, `orig_rax`; `cpsr`), in the order in which
    /// gdb's `info registers` shows them after the general ones, value in little-endian bytes.
    pub special: Vec<(&'static str, Vec<u8>)>,
}

impl VectorRegisters {
    /// The register's bytes, the whole of it: 32 or 64 for an `xmm` number where the core has the upper parts.
    /// Whoever wants fewer takes the first ones.
    pub fn bytes(&self, register: DwarfRegister) -> Option<&[u8]> {
        let mut narrow_first = self.numbered.iter().chain(&self.wide);
        narrow_first.rfind(|(number, ..)| *number == register).map(|(.., bytes)| bytes.as_slice())
    }
}

/// Decodes when somebody looks: a core with 10,000 threads is asked for the wide registers of few of them.
pub type LazyVectorRegisters = LazyLock<VectorRegisters, Box<dyn FnOnce() -> VectorRegisters + Send>>;

/// One word of the register block that Linux saves for a thread (`pr_reg` of `elf_prstatus`).
#[derive(Clone, Copy, Debug)]
pub enum SavedWord {
    /// A general register.
    General(DwarfRegister),
    /// Another register, by name.
    Special(&'static str),
}

/// How much a frame's copy of a register can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegisterState {
    /// Its value in this frame is not known.
    Unknown,
    /// Nothing says that an inner call kept it: the value is the inner frame's. Usable only where the compiler
    /// itself claims that the register survives the call.
    PerhapsClobbered,
    /// The value in this frame.
    Exact,
}

/// The highest number of general registers over all architectures (aarch64: x0..x30, sp, pc).
pub const GENERAL_COUNT: usize = 33;

/// A frame's registers. Copied per frame, so small.
#[derive(Clone, Debug)]
pub struct Registers {
    arch: Arch,
    values: [u64; GENERAL_COUNT],
    /// Those of aarch64 beyond the general ones. Apart, as most frames have none and few change them.
    beyond: Option<Arc<[u64; aarch64::FOLLOWED_COUNT]>>,
    present: u64,
    exact: u64,
    /// `fs_base` (x86-64), `gs` base (i386) or `tpidr_el0` (aarch64), where the core has it.
    pub thread_pointer: Option<u64>,
    /// Bits of a return address that aarch64's pointer authentication uses, where the core says so (NT_ARM_PAC_MASK).
    pub signature_mask: Option<u64>,
    /// The wide registers of the innermost frame, or of one that a signal interrupted; `None` in every caller.
    pub vectors: Option<Arc<LazyVectorRegisters>>,
}

impl Registers {
    /// A set in which nothing is known.
    pub fn new(arch: Arch) -> Registers {
        Registers {
            arch,
            values: [0; GENERAL_COUNT],
            beyond: None,
            present: 0,
            exact: 0,
            thread_pointer: None,
            signature_mask: None,
            vectors: None,
        }
    }

    /// The general registers in a `pr_reg` block (see [`Arch::saved_words`]); what a short block lacks stays unknown.
    pub fn from_saved(arch: Arch, saved: &[u8]) -> Registers {
        let mut registers = Registers::new(arch);
        for (bytes, word) in saved.chunks_exact(arch.address_size()).zip(arch.saved_words()) {
            let SavedWord::General(register) = word else { continue };
            let mut value = [0; 8];
            value[..bytes.len()].copy_from_slice(bytes);
            registers.set(*register, u64::from_le_bytes(value));
        }
        registers
    }

    /// The architecture whose numbers are used.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The register's value where it is exact. Of aarch64's v8 to v15 that is the lower half.
    pub fn get(&self, register: DwarfRegister) -> Option<u64> {
        let slot = self.arch.slot(register)?;
        if self.exact >> slot & 1 == 0 { None } else { self.value(slot) }
    }

    fn value(&self, slot: usize) -> Option<u64> {
        let beyond = || self.beyond.as_ref()?.get(slot.checked_sub(GENERAL_COUNT)?);
        self.values.get(slot).or_else(beyond).copied()
    }

    /// The register's value even where an inner call may have changed it.
    pub fn get_perhaps_clobbered(&self, register: DwarfRegister) -> Option<u64> {
        let slot = self.arch.slot(register)?;
        if self.present >> slot & 1 == 0 { None } else { self.value(slot) }
    }

    /// How much the value can be trusted.
    pub fn state(&self, register: DwarfRegister) -> RegisterState {
        let bit = self.arch.bit(register);
        if self.present & bit == 0 {
            RegisterState::Unknown
        } else if self.exact & bit == 0 {
            RegisterState::PerhapsClobbered
        } else {
            RegisterState::Exact
        }
    }

    /// Sets an exact value. Registers that are not followed from frame to frame are ignored.
    pub fn set(&mut self, register: DwarfRegister, value: u64) {
        self.set_state(register, value, RegisterState::Exact);
    }

    /// Sets a value with its state.
    pub fn set_state(&mut self, register: DwarfRegister, value: u64, state: RegisterState) {
        let Some(slot) = self.arch.slot(register) else { return };
        match self.values.get_mut(slot) {
            Some(place) => *place = value,
            None => Arc::make_mut(self.beyond.get_or_insert_default())[slot - GENERAL_COUNT] = value,
        }
        let bit = 1u64 << slot;
        self.present = if state == RegisterState::Unknown { self.present & !bit } else { self.present | bit };
        self.exact = if state == RegisterState::Exact { self.exact | bit } else { self.exact & !bit };
    }

    /// Leaves exact only the registers whose bit ([`Arch::bit`]) is in `kept`; the others that were exact become perhaps
    /// clobbered.
    pub fn keep_exact(&mut self, kept: u64) {
        self.exact &= kept;
    }

    /// Leaves known only the registers whose bit is in `kept`.
    pub fn keep_known(&mut self, kept: u64) {
        self.present &= kept;
        self.exact &= kept;
    }

    /// A general or wide register's bytes as in memory, where exact: all that the core has of it, so that number 17
    /// (`xmm0`) may give 32 bytes (`ymm0`), and in a caller's frame 72 (`v8`) the 8 that calls preserve.
    pub fn bytes(&self, register: DwarfRegister) -> Option<Vec<u8>> {
        let half = self.preserved_half(register);
        if half.is_none()
            && let Some(value) = self.get(register)
        {
            return Some(value.to_le_bytes()[..self.arch.address_size()].to_vec());
        }
        let whole = self.vectors.as_ref().and_then(|vectors| vectors.bytes(register));
        whole.map(<[u8]>::to_vec).or_else(|| Some(self.get(half?)?.to_le_bytes().to_vec()))
    }

    /// The bytes of a narrower view of a vector register (aarch64's `d8`), where they are known.
    pub fn vector_view(&self, name: &str) -> Option<Vec<u8>> {
        let (_, number, size) = aarch64::vector_view(name).filter(|_| self.arch == Arch::Aarch64)?;
        self.bytes(aarch64::V0 + number)?.get(..size).map(<[u8]>::to_vec)
    }

    /// Of which register calls preserve the lower 8 bytes alone, where it is such a one.
    pub fn preserved_half(&self, register: DwarfRegister) -> Option<DwarfRegister> {
        if self.arch == Arch::Aarch64 { aarch64::preserved_half(register) } else { None }
    }

    /// A return address of this thread as the processor uses it: without a tag, and without the code that pointer
    /// authentication signed it with. No code is where these bits are, so that one that was not signed stays itself.
    pub fn strip_return(&self, address: u64) -> u64 {
        match self.arch {
            Arch::Aarch64 => aarch64::strip_return(address, self.signature_mask),
            Arch::X86_64 | Arch::I386 => self.arch.strip_pointer(address),
        }
    }

    /// The program counter, where known.
    pub fn pc(&self) -> Option<u64> {
        self.get(self.arch.pc())
    }

    /// The stack pointer, where known.
    pub fn sp(&self) -> Option<u64> {
        self.get(self.arch.sp())
    }
}
