//! Instruction decoding: one instruction's length, text and what it refers to.
//!
//! x86-64 and i386 by iced-x86, in AT&T or Intel syntax, spaced as objdump and gdb do; aarch64 by yaxpeax-arm.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, GasFormatter, IntelFormatter, MemorySizeOptions, OpKind, Register,
};
use yaxpeax_arch::{Decoder as _, U8Reader};

use super::Arch;
use crate::addr::RunAddr;

/// Bytes of the longest instruction.
pub const MAX_LENGTH: usize = 15;
/// Columns up to the operands.
const MNEMONIC_WIDTH: u32 = 7;

/// How x86 instructions are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Syntax {
    /// `mov %rsp,%rbp`
    #[default]
    Att,
    /// `mov rbp,rsp`
    Intel,
}

/// An instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Its length in bytes.
    pub length: usize,
    /// Mnemonic and operands; a branch's target as its address.
    pub text: String,
    /// Where a direct jump or call leads.
    pub target: Option<RunAddr>,
    /// The address of an operand that lies relative to the instruction itself.
    pub data: Option<RunAddr>,
}

/// Decodes instructions of one processor.
pub struct InstructionDecoder {
    arch: Arch,
    syntax: Syntax,
}

impl InstructionDecoder {
    /// For a processor; the syntax counts on x86 alone.
    pub fn new(arch: Arch, syntax: Syntax) -> InstructionDecoder {
        InstructionDecoder { arch, syntax }
    }

    /// The instruction that `bytes`, at `address`, begin with; `None` where they are none.
    pub fn decode(&self, bytes: &[u8], address: RunAddr) -> Option<Instruction> {
        match self.arch {
            Arch::X86_64 => self.decode_x86(bytes, address, 64),
            Arch::I386 => self.decode_x86(bytes, address, 32),
            Arch::Aarch64 => decode_aarch64(bytes, address),
        }
    }

    /// By how many bytes to go on where there is no instruction.
    pub fn step(&self) -> usize {
        if self.arch == Arch::Aarch64 { 4 } else { 1 }
    }

    fn decode_x86(&self, bytes: &[u8], address: RunAddr, bits: u32) -> Option<Instruction> {
        let bytes = bytes.get(..bytes.len().min(MAX_LENGTH))?;
        let mut decoder = Decoder::with_ip(bits, bytes, address.0, DecoderOptions::NONE);
        let instruction = decoder.can_decode().then(|| decoder.decode())?;
        if instruction.is_invalid() {
            return None;
        }
        let mut text = String::new();
        match self.syntax {
            Syntax::Att => {
                let mut formatter = GasFormatter::new();
                configure(formatter.options_mut());
                let has_index = instruction.memory_index() != Register::None;
                formatter.options_mut().set_always_show_scale(has_index);
                formatter.format(&instruction, &mut text);
                // As binutils: no suffix where there is one size alone.
                for (long, short) in
                    [("callq ", "call  "), ("jmpq ", "jmp  "), ("pushq ", "push  "), ("popq ", "pop  ")]
                {
                    if let Some(rest) = text.strip_prefix(long) {
                        text = format!("{short}{rest}");
                        break;
                    }
                }
            }
            Syntax::Intel => {
                let mut formatter = IntelFormatter::new();
                configure(formatter.options_mut());
                formatter.options_mut().set_memory_size_options(MemorySizeOptions::Always);
                formatter.options_mut().set_uppercase_keywords(true);
                formatter.format(&instruction, &mut text);
            }
        }
        let is_near = (0..instruction.op_count()).any(|operand| {
            matches!(instruction.op_kind(operand), OpKind::NearBranch64 | OpKind::NearBranch32 | OpKind::NearBranch16)
        });
        let branches = !matches!(instruction.flow_control(), FlowControl::Next);
        let target = (is_near && branches).then(|| RunAddr(instruction.near_branch_target()));
        let data = instruction.is_ip_rel_memory_operand().then(|| RunAddr(instruction.ip_rel_memory_address()));
        Some(Instruction { length: instruction.len(), text, target, data })
    }
}

/// gdb's spelling of numbers and columns.
fn configure(options: &mut iced_x86::FormatterOptions) {
    options.set_uppercase_hex(false);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_first_operand_char_index(MNEMONIC_WIDTH);
    options.set_branch_leading_zeros(false);
    options.set_small_hex_numbers_in_decimal(false);
    options.set_rip_relative_addresses(true);
    options.set_show_branch_size(false);
    options.set_show_zero_displacements(true);
}

fn decode_aarch64(bytes: &[u8], address: RunAddr) -> Option<Instruction> {
    let word = bytes.get(..4)?;
    let mut reader = U8Reader::new(word);
    let decoded = yaxpeax_arm::armv8::a64::InstDecoder::default().decode(&mut reader).ok()?;
    let number = u32::from_le_bytes(word.try_into().ok()?);
    let target = aarch64_target(number, address);
    let plain = decoded.to_string();
    let (mnemonic, operands) = plain.split_once(' ').unwrap_or((plain.as_str(), ""));
    let data = aarch64_address(number, address);
    let operands = match data {
        // The decoder writes a distance, of ADRP one that counts from the page.
        Some(data) => format!("x{}, {:#x}", number & 31, data.0),
        // MSR (register): the decoder gives another register (Arm ARM, C6.2.222: Rt is bits 0 to 4).
        None if number & 0xfff0_0000 == 0xd510_0000 && mnemonic == "msr" => {
            let register = if number & 31 == 31 { "xzr".to_owned() } else { format!("x{}", number & 31) };
            operands.rsplit_once(", ").map_or(register.clone(), |(before, _)| format!("{before}, {register}"))
        }
        None => operands.to_owned(),
    };
    // The decoder writes a branch's distance; people want its target.
    let operands = match target {
        Some(target) => {
            let before = operands.rsplit_once(", ").map_or(String::new(), |(before, _)| format!("{before}, "));
            format!("{before}{:#x}", target.0)
        }
        None => operands,
    };
    let text = if operands.is_empty() { mnemonic.to_owned() } else { format!("{mnemonic}\t{operands}") };
    Some(Instruction { length: 4, text, target, data })
}

/// What ADR and ADRP compute (Arm ARM, C6.2.10 and C6.2.11).
fn aarch64_address(word: u32, address: RunAddr) -> Option<RunAddr> {
    let field = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    let distance = (((field << 11) as i32) >> 11) as i64;
    match word & 0x9f00_0000 {
        0x1000_0000 => Some(RunAddr(address.0.wrapping_add_signed(distance))),
        0x9000_0000 => Some(RunAddr((address.0 & !0xfff).wrapping_add_signed(distance << 12))),
        _ => None,
    }
}

/// Where B, BL, B.cond, CBZ, CBNZ, TBZ and TBNZ lead (Arm ARM, C4.1.66, branches).
fn aarch64_target(word: u32, address: RunAddr) -> Option<RunAddr> {
    let signed = |field: u32, bits: u32| (((field << (32 - bits)) as i32) >> (32 - bits)) as i64 * 4;
    let distance = if word & 0x7c00_0000 == 0x1400_0000 {
        signed(word & 0x03ff_ffff, 26)
    } else if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        signed(word >> 5 & 0x7_ffff, 19)
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        signed(word >> 5 & 0x3fff, 14)
    } else {
        return None;
    };
    Some(RunAddr(address.0.wrapping_add_signed(distance)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(arch: Arch, syntax: Syntax, bytes: &[u8]) -> String {
        InstructionDecoder::new(arch, syntax).decode(bytes, RunAddr(0x1000)).map_or("(bad)".to_owned(), |it| it.text)
    }

    #[test]
    fn x86_is_written_as_gdb_does() {
        let att = |bytes: &[u8]| text(Arch::X86_64, Syntax::Att, bytes);
        assert_eq!(att(&[0x48, 0x89, 0xe5]), "mov    %rsp,%rbp");
        assert_eq!(att(&[0x8b, 0x05, 0xe4, 0x2e, 0, 0]), "mov    0x2ee4(%rip),%eax");
        assert_eq!(att(&[0xeb, 0x10]), "jmp    0x1012");
        assert_eq!(att(&[0x83, 0xec, 0x08]), "sub    $0x8,%esp");
        assert_eq!(att(&[0xc3]), "ret");
        assert_eq!(att(&[0x06]), "(bad)");
        assert_eq!(text(Arch::X86_64, Syntax::Intel, &[0x48, 0x89, 0xe5]), "mov    rbp,rsp");
        assert_eq!(text(Arch::I386, Syntax::Att, &[0x06]), "push   %es");
    }

    #[test]
    fn targets_and_data_are_addresses() {
        let decoder = InstructionDecoder::new(Arch::X86_64, Syntax::Att);
        let call = decoder.decode(&[0xe8, 0xfb, 0xff, 0xff, 0xff], RunAddr(0x1000)).expect("a call");
        assert_eq!((call.target, call.length), (Some(RunAddr(0x1000)), 5));
        let load = decoder.decode(&[0x8b, 0x05, 0xe4, 0x2e, 0, 0], RunAddr(0x1000)).expect("a load");
        assert_eq!(load.data, Some(RunAddr(0x3eea)));
        let branch = InstructionDecoder::new(Arch::Aarch64, Syntax::Att)
            .decode(&0x97ff_ffffu32.to_le_bytes(), RunAddr(0x1000))
            .expect("a branch");
        assert_eq!((branch.target, branch.text.as_str()), (Some(RunAddr(0xffc)), "bl\t0xffc"));
        let aarch64 = |word: u32| text(Arch::Aarch64, Syntax::Att, &word.to_le_bytes());
        assert_eq!(aarch64(0xd51b_d053), "msr\ttpidr_el0, x19");
        // adrp x0, two pages on; adr x1, itself
        assert_eq!(aarch64(0xd000_0000), "adrp\tx0, 0x3000");
        assert_eq!(aarch64(0x1000_0001), "adr\tx1, 0x1000");
    }
}
