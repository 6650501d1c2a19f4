//! x86-64 and i386.

use iced_x86::{
    Code, Decoder, DecoderOptions, EncodingKind, FlowControl, Instruction, InstructionInfoFactory,
    InstructionInfoOptions, Mnemonic, OpAccess, OpKind, Register, UsedMemory,
};

use super::{Access, Address, Division, Effect, Flow, MemoryOperand, Operation, Segment, Source};
use crate::addr::RunAddr;
use crate::arch::DwarfRegister;
use crate::arch::instruction::MAX_LENGTH;

/// iced's order (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8…) in DWARF's numbers (psABI AMD64 1.0, figure 3.36).
const NUMBERS_64: [DwarfRegister; 16] = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];

pub(super) fn decode(bytes: &[u8], at: RunAddr, bits: u32) -> Option<Operation> {
    let bytes = bytes.get(..bytes.len().min(MAX_LENGTH))?;
    let mut decoder = Decoder::with_ip(bits, bytes, at.0, DecoderOptions::NONE);
    let instruction = decoder.can_decode().then(|| decoder.decode())?;
    if instruction.is_invalid() {
        return None;
    }
    let reader = Reader { instruction, bits };
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info_options(&instruction, InstructionInfoOptions::NONE);
    let memory = info.used_memory().iter().filter_map(|used| reader.memory(used)).collect();
    let mut effects = Vec::new();
    let stack_pointer = reader.number(Register::RSP);
    for used in info.used_registers() {
        let writes = matches!(
            used.access(),
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        );
        let Some(register) = reader.number(used.register()).filter(|_| writes) else { continue };
        if Some(register) == stack_pointer && instruction.is_stack_instruction() {
            // Pushes and pops; a call's return address is gone when it is over.
            if instruction.flow_control() == FlowControl::Next {
                effects.push((register, reader.stack_effect()));
            }
            continue;
        }
        if !effects.iter().any(|(known, _)| *known == register) {
            effects.push((register, reader.effect(register)));
        }
    }
    let near = (0..instruction.op_count()).any(|operand| {
        matches!(instruction.op_kind(operand), OpKind::NearBranch64 | OpKind::NearBranch32 | OpKind::NearBranch16)
    });
    let flow = flow(&instruction);
    let indirect = matches!(flow, Flow::IndirectCall | Flow::IndirectJump);
    Some(Operation {
        at,
        length: instruction.len(),
        flow,
        target: (near && flow != Flow::Next).then(|| RunAddr(instruction.near_branch_target())),
        through: if indirect { reader.source(0, false) } else { None },
        memory,
        effects,
        store: reader.store(),
        division: reader.division(),
    })
}

fn flow(instruction: &Instruction) -> Flow {
    match instruction.flow_control() {
        FlowControl::Next | FlowControl::XbeginXabortXend => Flow::Next,
        FlowControl::UnconditionalBranch => Flow::Jump,
        FlowControl::IndirectBranch => Flow::IndirectJump,
        FlowControl::ConditionalBranch => Flow::Branch,
        FlowControl::Return => Flow::Return,
        FlowControl::Call if matches!(instruction.mnemonic(), Mnemonic::Syscall | Mnemonic::Sysenter) => {
            Flow::SystemCall
        }
        FlowControl::Call => Flow::Call,
        FlowControl::IndirectCall => Flow::IndirectCall,
        FlowControl::Interrupt if instruction.code() == Code::Int_imm8 && instruction.immediate8() == 0x80 => {
            Flow::SystemCall
        }
        FlowControl::Interrupt | FlowControl::Exception => Flow::Trap,
    }
}

struct Reader {
    instruction: Instruction,
    bits: u32,
}

impl Reader {
    /// A general register's DWARF number, whatever part of it is named.
    fn number(&self, register: Register) -> Option<DwarfRegister> {
        if register == Register::None || !register.is_gpr() {
            return None;
        }
        let position = register.full_register() as usize - Register::RAX as usize;
        // i386 counts as the processor does.
        if self.bits == 32 { DwarfRegister::try_from(position).ok() } else { NUMBERS_64.get(position).copied() }
    }

    /// What a push, a pop or `leave` does to the stack pointer.
    fn stack_effect(&self) -> Effect {
        match (self.instruction.mnemonic(), self.instruction.stack_pointer_increment()) {
            (Mnemonic::Leave | Mnemonic::Enter, _) | (_, 0) => Effect::Unknown,
            (Mnemonic::Pop, _) if self.instruction.op0_register() == Register::RSP => Effect::Unknown,
            (_, increment) => Effect::Add(Source::Constant(i64::from(increment))),
        }
    }

    fn segment(&self, segment: Register) -> Option<Segment> {
        match segment {
            Register::FS => Some(Segment::Fs),
            Register::GS => Some(Segment::Gs),
            _ => None,
        }
    }

    fn memory(&self, used: &UsedMemory) -> Option<MemoryOperand> {
        let access = match used.access() {
            OpAccess::Read | OpAccess::CondRead => Access::Read,
            OpAccess::Write | OpAccess::CondWrite => Access::Write,
            OpAccess::ReadWrite | OpAccess::ReadCondWrite => Access::ReadWrite,
            _ => return None,
        };
        let address =
            self.address(used.base(), used.index(), used.scale().into(), used.displacement(), used.segment())?;
        let size = used.memory_size().size() as u64;
        Some(MemoryOperand { address, access, size, aligned: self.must_be_aligned(size) })
    }

    /// Legacy SSE faults on an address that is no multiple of 16, except by the instructions that are made for that
    /// (Intel SDM 1, 11.3 and 4.1.1); of AVX only the aligned moves do.
    fn must_be_aligned(&self, size: u64) -> bool {
        let mnemonic = self.instruction.mnemonic();
        if matches!(
            mnemonic,
            Mnemonic::Vmovaps
                | Mnemonic::Vmovapd
                | Mnemonic::Vmovdqa
                | Mnemonic::Vmovdqa32
                | Mnemonic::Vmovdqa64
                | Mnemonic::Vmovntps
                | Mnemonic::Vmovntpd
                | Mnemonic::Vmovntdq
                | Mnemonic::Vmovntdqa
        ) {
            return size >= 16;
        }
        let unaligned = matches!(
            mnemonic,
            Mnemonic::Movups
                | Mnemonic::Movupd
                | Mnemonic::Movdqu
                | Mnemonic::Lddqu
                | Mnemonic::Pcmpestri
                | Mnemonic::Pcmpestrm
                | Mnemonic::Pcmpistri
                | Mnemonic::Pcmpistrm
                | Mnemonic::Loadiwkey
        );
        let has_vector = (0..self.instruction.op_count()).any(|operand| {
            self.instruction.op_kind(operand) == OpKind::Register && self.instruction.op_register(operand).is_xmm()
        });
        size == 16 && has_vector && self.instruction.encoding() == EncodingKind::Legacy && !unaligned
    }

    fn address(
        &self,
        base: Register,
        index: Register,
        scale: u64,
        displacement: u64,
        segment: Register,
    ) -> Option<Address> {
        let mut address =
            Address { displacement: displacement as i64, segment: self.segment(segment), ..Address::default() };
        if base != Register::None && base != Register::RIP && base != Register::EIP {
            address.base = Some(self.number(base)?);
        }
        if index != Register::None {
            address.index = Some((self.number(index)?, scale));
        }
        Some(address)
    }

    /// The explicit operand in memory.
    fn operand_address(&self) -> Option<Address> {
        let instruction = &self.instruction;
        let mut displacement = instruction.memory_displacement64();
        if self.bits == 32 {
            displacement = displacement as u32 as i32 as i64 as u64;
        }
        self.address(
            instruction.memory_base(),
            instruction.memory_index(),
            instruction.memory_index_scale().into(),
            displacement,
            instruction.memory_segment(),
        )
    }

    fn source(&self, operand: u32, signed: bool) -> Option<Source> {
        let instruction = &self.instruction;
        match instruction.op_kind(operand) {
            OpKind::Register => {
                let register = instruction.op_register(operand);
                // The second bytes of the old registers.
                if matches!(register, Register::AH | Register::BH | Register::CH | Register::DH) {
                    return None;
                }
                Some(Source::Register(self.number(register)?, register.size() as u8, signed))
            }
            OpKind::Memory => {
                let size = u8::try_from(instruction.memory_size().size()).ok().filter(|size| *size <= 8)?;
                Some(Source::Memory(self.operand_address()?, size, signed))
            }
            kind if is_immediate(kind) => Some(Source::Constant(instruction.immediate(operand) as i64)),
            _ => None,
        }
    }

    fn destination(&self) -> Option<DwarfRegister> {
        let first = self.instruction.op_kind(0) == OpKind::Register;
        if first { self.number(self.instruction.op0_register()) } else { None }
    }

    /// A write of fewer than four bytes leaves the others as they were.
    fn writes_whole(&self) -> bool {
        self.instruction.op0_register().size() >= 4
    }

    fn effect(&self, register: DwarfRegister) -> Effect {
        let instruction = &self.instruction;
        let set = |source: Option<Source>| source.map_or(Effect::Unknown, Effect::Set);
        // `cltq` and its like, and what is popped.
        match instruction.mnemonic() {
            Mnemonic::Cdqe => return Effect::Set(Source::Register(register, 4, true)),
            Mnemonic::Pop if self.destination() == Some(register) => {
                let stack = self.number(Register::RSP).map(Address::of);
                return set(stack.map(|stack| Source::Memory(stack, (self.bits / 8) as u8, false)));
            }
            _ => {}
        }
        if self.destination() != Some(register) || !self.writes_whole() {
            return Effect::Unknown;
        }
        let second_is_first = instruction.op_count() == 2
            && instruction.op1_kind() == OpKind::Register
            && instruction.op1_register() == instruction.op0_register();
        match instruction.mnemonic() {
            Mnemonic::Mov | Mnemonic::Movzx => set(self.source(1, false)),
            Mnemonic::Movsx | Mnemonic::Movsxd => set(self.source(1, true)),
            Mnemonic::Lea => set(self.operand_address().map(Source::Address)),
            Mnemonic::Xor | Mnemonic::Sub if second_is_first => Effect::Set(Source::Constant(0)),
            Mnemonic::Add => self.source(1, false).map_or(Effect::Unknown, Effect::Add),
            Mnemonic::Sub => self.source(1, false).map_or(Effect::Unknown, Effect::Subtract),
            Mnemonic::Inc => Effect::Add(Source::Constant(1)),
            Mnemonic::Dec => Effect::Subtract(Source::Constant(1)),
            Mnemonic::Shl | Mnemonic::Sal if is_immediate(instruction.op1_kind()) => {
                let by = instruction.immediate(1);
                if by < 32 { Effect::Multiply(1 << by) } else { Effect::Unknown }
            }
            Mnemonic::Imul if instruction.op_count() == 3 => match (self.source(1, false), self.source(2, false)) {
                (Some(Source::Register(from, ..)), Some(Source::Constant(factor))) if from == register => {
                    Effect::Multiply(factor)
                }
                (Some(one), Some(other)) => Effect::Product(one, other),
                _ => Effect::Unknown,
            },
            Mnemonic::Imul if instruction.op_count() == 2 => match (self.source(0, false), self.source(1, false)) {
                (Some(one), Some(other)) => Effect::Product(one, other),
                _ => Effect::Unknown,
            },
            _ => Effect::Unknown,
        }
    }

    fn store(&self) -> Option<(Address, Source)> {
        let is_move = matches!(self.instruction.mnemonic(), Mnemonic::Mov);
        if !is_move || self.instruction.op0_kind() != OpKind::Memory {
            return None;
        }
        Some((self.operand_address()?, self.source(1, false)?))
    }

    fn division(&self) -> Option<Division> {
        let signed = match self.instruction.mnemonic() {
            Mnemonic::Div => false,
            Mnemonic::Idiv => true,
            _ => return None,
        };
        let divisor = self.source(0, signed)?;
        let size = match divisor {
            Source::Register(_, size, _) | Source::Memory(_, size, _) => size,
            _ => return None,
        };
        Some(Division { divisor, size, signed })
    }
}

fn is_immediate(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::Immediate8
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64
    )
}
