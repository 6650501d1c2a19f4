//! One row of the call frame table: how to get from a frame's registers to its caller's (DWARF 5, section 6.4.1).

use gimli::{CfaRule, RegisterRule, UnwindContext, UnwindSection};

use super::expression;
use super::stack_reader::StackReader;
use crate::arch::{Arch, DwarfRegister, GENERAL_COUNT, RegisterState, Registers};
use crate::memory::ReadError;
use crate::module::R;
use crate::module::go_table::GoFrame;

/// DWARF's number of the link register (AADWARF64, 4.1).
const AARCH64_LINK: DwarfRegister = 30;

/// A compiled row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub cfa: Cfa,
    /// Rules of the registers that are followed, except the program counter.
    pub rules: Box<[(DwarfRegister, Rule)]>,
    /// The rule of the return address column.
    pub return_rule: Option<Rule>,
    /// The return address column.
    pub return_column: DwarfRegister,
    /// Registers that keep their state when nothing in `rules` changes them, by their bits ([`Arch::bit`]).
    pub kept: u64,
    /// Whether the function is a signal trampoline (augmentation `S`).
    pub signal: bool,
    /// Whether Go's compiler made it.
    pub go: bool,
    /// Whether Go's runtime makes what a signal met look as if it had called the function.
    pub injected: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cfa {
    Register(DwarfRegister, i64),
    Expression(&'static [u8]),
}

/// How a register of the caller is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Undefined,
    SameValue,
    /// At CFA + n.
    Offset(i64),
    /// CFA + n itself.
    ValOffset(i64),
    /// In another register of the callee.
    Register(DwarfRegister),
    /// At the address that the expression computes.
    Expression(&'static [u8]),
    /// What the expression computes.
    ValExpression(&'static [u8]),
    /// A constant.
    Constant(u64),
}

/// A register's value in the caller, and how sure it is.
pub(super) type Recovered = (u64, RegisterState);

impl Row {
    /// Runs the FDE's program up to `address`. Fails where the program is malformed or says nothing of `address`.
    pub fn compile<S: UnwindSection<R>>(
        arch: Arch,
        section: &S,
        bases: &gimli::BaseAddresses,
        fde: &gimli::FrameDescriptionEntry<R>,
        context: &mut UnwindContext<usize>,
        address: u64,
    ) -> gimli::Result<Row> {
        let return_column = fde.cie().return_address_register().0;
        let signal = fde.is_signal_trampoline();
        let row = fde.unwind_info_for_address(section, bases, context, address)?;
        let bytes = |expression: &gimli::UnwindExpression<usize>| -> gimli::Result<&'static [u8]> {
            Ok(expression.get(section)?.0.slice())
        };
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => Cfa::Register(register.0, *offset),
            CfaRule::Expression(expression) => Cfa::Expression(bytes(expression)?),
        };
        let go = is_go(arch, fde.cie());
        let mut kept = if go { 0 } else { arch.callee_saved_set() };
        if signal {
            // What the kernel saved beside the general registers nobody has told.
            kept &= (1 << GENERAL_COUNT) - 1;
        }
        let mut return_rule = None;
        let mut rules = Vec::new();
        for (register, rule) in row.registers() {
            let rule = match rule {
                RegisterRule::Undefined | RegisterRule::Architectural => Rule::Undefined,
                RegisterRule::SameValue => Rule::SameValue,
                RegisterRule::Offset(offset) => Rule::Offset(*offset),
                RegisterRule::ValOffset(offset) => Rule::ValOffset(*offset),
                RegisterRule::Register(source) => Rule::Register(source.0),
                RegisterRule::Expression(expression) => Rule::Expression(bytes(expression)?),
                RegisterRule::ValExpression(expression) => Rule::ValExpression(bytes(expression)?),
                RegisterRule::Constant(value) => Rule::Constant(*value),
            };
            if register.0 == return_column {
                return_rule = Some(rule);
            }
            let bit = arch.bit(register.0);
            if bit == 0 || register.0 == arch.pc() {
                continue;
            }
            match rule {
                Rule::SameValue => kept |= bit,
                rule => rules.push((register.0, rule)),
            }
        }
        Ok(Row { cfa, rules: rules.into(), return_rule, return_column, kept, signal, go, injected: false })
    }
}

impl Row {
    /// Of a frame that Go's own tables describe.
    pub fn of_go(arch: Arch, frame: GoFrame) -> Row {
        let return_column = match arch {
            Arch::Aarch64 => AARCH64_LINK,
            _ => arch.pc(),
        };
        Row {
            cfa: Cfa::Register(arch.sp(), i64::try_from(frame.size).unwrap_or(i64::MAX)),
            rules: Box::default(),
            return_rule: frame.return_below.map(|below| Rule::Offset(-i64::try_from(below).unwrap_or(i64::MAX))),
            return_column,
            kept: 0,
            signal: false,
            go: true,
            injected: false,
        }
    }
}

/// Go's linker alone aligns by 4 where addresses have 8 bytes (cmd/link/internal/ld/dwarf.go, `dataAlignmentFactor`, Go
/// 1.19 to 1.27). Calls of Go functions preserve no register (cmd/compile/abi-internal.md), and their call frame
/// information does not speak of the frame pointer.
fn is_go(arch: Arch, cie: &gimli::CommonInformationEntry<R>) -> bool {
    arch != Arch::I386 && cie.data_alignment_factor() == -4 && cie.augmentation().is_none()
}

impl Rule {
    /// The register's value in the caller. `own` is the register the rule is for.
    pub fn apply(
        self,
        own: DwarfRegister,
        registers: &Registers,
        cfa: u64,
        reader: &mut StackReader<'_>,
    ) -> Result<Recovered, ReadError> {
        let arch = registers.arch();
        let inner = |register| {
            let state = registers.state(register);
            (registers.get_perhaps_clobbered(register).unwrap_or(0), state)
        };
        let unknown = (0, RegisterState::Unknown);
        Ok(match self {
            Rule::Undefined => unknown,
            Rule::SameValue => inner(own),
            Rule::Register(source) => inner(source),
            Rule::Offset(offset) => {
                let address = truncate(arch, cfa.wrapping_add_signed(offset));
                (reader.word(address)?, RegisterState::Exact)
            }
            Rule::ValOffset(offset) => (truncate(arch, cfa.wrapping_add_signed(offset)), RegisterState::Exact),
            Rule::Expression(bytes) => match expression::evaluate(bytes, registers, Some(cfa), reader)? {
                Some((address, state)) => (reader.word(truncate(arch, address))?, state),
                None => unknown,
            },
            Rule::ValExpression(bytes) => match expression::evaluate(bytes, registers, Some(cfa), reader)? {
                Some((value, state)) => (truncate(arch, value), state),
                None => unknown,
            },
            Rule::Constant(value) => (value, RegisterState::Exact),
        })
    }
}

/// Arithmetic in the target's word size.
pub(super) fn truncate(arch: Arch, value: u64) -> u64 {
    if arch.address_size() == 4 { value & 0xffff_ffff } else { value }
}
