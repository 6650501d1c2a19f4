//! The fault: which access of which instruction the processor refused.

use super::case::Case;
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::arch::instruction::{InstructionDecoder, MAX_LENGTH, Syntax};
use crate::arch::operation::{self, Flow, MemoryOperand, Operation};

/// Signals that the processor's own faults become (Linux, uapi/asm-generic/signal.h).
pub const SIGILL: i32 = 4;
/// A breakpoint.
pub const SIGTRAP: i32 = 5;
/// An access that the memory cannot answer.
pub const SIGBUS: i32 = 7;
/// Arithmetic.
pub const SIGFPE: i32 = 8;
/// An access that is not allowed.
pub const SIGSEGV: i32 = 11;

/// What was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Reading or writing memory.
    Data,
    /// Fetching the instruction itself.
    Fetch,
    /// The instruction.
    Instruction,
}

/// A fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What was refused.
    pub refused: Refused,
    /// Index in the trace's frames.
    pub frame: usize,
    /// Index in its machine frames.
    pub machine: usize,
    /// Where the processor was.
    pub pc: u64,
    /// The instruction, where it could be read.
    pub operation: Option<Operation>,
    /// The same in words, as `disassemble` has it.
    pub text: Option<String>,
    /// The operand whose access was refused.
    pub operand: Option<MemoryOperand>,
    /// The address at fault: the kernel's, or what the operand computes.
    pub address: Option<u64>,
    /// The kernel said it; it is not only computed.
    pub reported: bool,
}

impl Fault {
    /// `read`, `written`, `executed`.
    pub fn verb(&self) -> &'static str {
        match (self.refused, self.operand) {
            (Refused::Fetch, _) => "executed",
            (_, Some(operand)) if operand.access.writes() => "written",
            (_, Some(_)) => "read",
            _ => "accessed",
        }
    }

    /// Whether the address lies in the half of the address space that nobody has (x86-64, 48 or 57 bits).
    pub fn is_non_canonical(address: u64) -> bool {
        let upper = address as i64 >> 47;
        upper != 0 && upper != -1
    }
}

/// The case's fault.
pub(super) fn of(case: &Case<'_>) -> Option<Fault> {
    let signal = case.signal.as_ref()?;
    if !matches!(signal.number, SIGILL | SIGTRAP | SIGBUS | SIGFPE | SIGSEGV)
        || signal.code.is_some_and(|code| code <= 0)
    {
        return None;
    }
    let frame = case.frame(case.fault_frame)?;
    let machine = frame.machine;
    let registers = case.registers(machine)?;
    let pc = registers.pc()?;
    let reported = signal.address.map(|address| address.0);
    let bytes = code_bytes(case, pc);
    let operation = operation::decode(case.arch(), &bytes, RunAddr(pc));
    let decoder = InstructionDecoder::new(case.arch(), Syntax::Att);
    let text = decoder.decode(&bytes, RunAddr(pc)).map(|instruction| instruction.text.replace('\t', " "));
    let mut fault = Fault {
        refused: Refused::Instruction,
        frame: case.fault_frame,
        machine,
        pc,
        operation,
        text,
        operand: None,
        address: None,
        reported: false,
    };
    if !matches!(signal.number, SIGSEGV | SIGBUS) {
        return Some(fault);
    }
    // Linux keeps the tag of a refused address (arm64, since 5.11), which the processor does not look at.
    let untagged = |address: u64| Some(case.arch().strip_pointer(address)).filter(|plain| case.is_mapped(*plain));
    fault.address = reported.map(|address| untagged(address).unwrap_or(address));
    fault.reported = reported.is_some();
    let page_of_pc = reported.is_some_and(|address| address.wrapping_sub(pc) < MAX_LENGTH as u64);
    if bytes.is_empty() && !case.is_executable(pc) || page_of_pc && !case.is_executable(reported.unwrap_or(pc)) {
        fault.refused = Refused::Fetch;
        fault.address = reported.or(Some(pc));
        return Some(fault);
    }
    fault.refused = Refused::Data;
    let operands = fault.operation.iter().flat_map(|operation| &operation.memory);
    let known = operands.filter_map(|operand| Some((*operand, operand.address.effective(registers)?)));
    let known: Vec<(MemoryOperand, u64)> = known.collect();
    let hit = match reported {
        Some(address) => known.iter().find(|(operand, start)| {
            let start = case.arch().strip_pointer(*start);
            // An access may reach the page at fault from the one before it, and string operations go on.
            case.arch().strip_pointer(address).wrapping_sub(start) < operand.size.max(1)
        }),
        None if case.arch() == Arch::X86_64 => known.iter().find(|(_, start)| Fault::is_non_canonical(*start)),
        None => None,
    };
    if let Some((operand, start)) = hit {
        fault.operand = Some(*operand);
        fault.address = untagged(*start).or(Some(*start));
    } else if reported.is_none() && fault.operation.as_ref().is_some_and(|operation| operation.flow == Flow::Return) {
        // `ret` to a non-canonical address faults at itself.
        let target = registers.sp().and_then(|sp| case.word(sp)).filter(|target| Fault::is_non_canonical(*target));
        fault.refused = if target.is_some() { Refused::Fetch } else { Refused::Data };
        fault.address = target;
    } else if let (None, Some([(operand, start)])) = (reported, known.get(..1).filter(|_| known.len() == 1)) {
        // Without an address of the kernel's: a misaligned access, or one that only a hypervisor refuses.
        fault.operand = Some(*operand);
        fault.address = Some(*start);
    }
    if reported.is_none() && hit.is_none() {
        through_non_canonical(case, &mut fault);
    }
    Some(fault)
}

/// A jump through a register to a non-canonical address faults at itself.
fn through_non_canonical(case: &Case<'_>, fault: &mut Fault) {
    use crate::arch::operation::Source;
    let Some(operation) = &fault.operation else { return };
    if !matches!(operation.flow, Flow::IndirectCall | Flow::IndirectJump) {
        return;
    }
    let registers = case.registers(fault.machine);
    let target = match operation.through {
        Some(Source::Register(register, ..)) => registers.and_then(|registers| registers.get(register)),
        Some(Source::Memory(address, ..)) => {
            registers.and_then(|registers| address.effective(registers)).and_then(|at| case.word(at))
        }
        _ => None,
    };
    if let Some(target) = target.filter(|target| Fault::is_non_canonical(*target)) {
        fault.refused = Refused::Fetch;
        fault.address = Some(target);
        fault.operand = None;
    }
}

/// The bytes at the pc; none where they cannot be read.
fn code_bytes(case: &Case<'_>, pc: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_LENGTH {
        let Some(at) = pc.checked_add(bytes.len() as u64) else { break };
        match case.memory().piece(RunAddr(at), MAX_LENGTH - bytes.len()) {
            Ok(piece) => bytes.extend_from_slice(piece),
            Err(_) => break,
        }
    }
    bytes
}
