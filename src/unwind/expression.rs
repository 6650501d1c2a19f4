//! DWARF expressions in call frame information (DWARF 5, section 6.4.2): registers, memory and arithmetic, nothing of
//! a compilation unit.

use gimli::{EndianSlice, EvaluationResult, LittleEndian, Value};

use super::row::Recovered;
use super::stack_reader::StackReader;
use crate::arch::{RegisterState, Registers};
use crate::memory::ReadError;

/// Operations that one expression may run. Real ones have fewer than 20; loops are possible in hostile ones.
const MAX_OPERATIONS: u32 = 4096;

/// The value on top of the stack at the end; `initial` is pushed before the start. `None` where the expression is
/// malformed or uses a register that is not known.
///
/// The state says whether all registers it used were exact.
pub(super) fn evaluate(
    bytes: &'static [u8],
    registers: &Registers,
    initial: Option<u64>,
    reader: &mut StackReader<'_>,
) -> Result<Option<Recovered>, ReadError> {
    let arch = registers.arch();
    let encoding =
        gimli::Encoding { address_size: arch.address_size() as u8, format: gimli::Format::Dwarf32, version: 4 };
    let mut evaluation = gimli::Evaluation::new(EndianSlice::new(bytes, LittleEndian), encoding);
    evaluation.set_max_iterations(MAX_OPERATIONS);
    if let Some(value) = initial {
        evaluation.set_initial_value(value);
    }
    let mut state = RegisterState::Exact;
    let mut step = evaluation.evaluate();
    loop {
        step = match step {
            Ok(EvaluationResult::Complete) => break,
            Ok(EvaluationResult::RequiresRegister { register, .. }) => {
                let Some(value) = registers.get_perhaps_clobbered(register.0) else { return Ok(None) };
                if registers.state(register.0) != RegisterState::Exact {
                    state = RegisterState::PerhapsClobbered;
                }
                evaluation.resume_with_register(Value::Generic(value))
            }
            Ok(EvaluationResult::RequiresMemory { address, size, space: None, .. }) => {
                let value = reader.uint(address, usize::from(size))?;
                evaluation.resume_with_memory(Value::Generic(value))
            }
            // Section 6.4.2 forbids the rest: frame base, object address, calls, the CFA itself.
            Ok(_) | Err(_) => return Ok(None),
        };
    }
    let value = evaluation.value_result().and_then(|value| value.to_u64(u64::MAX).ok());
    Ok(value.map(|value| (super::row::truncate(arch, value), state)))
}
