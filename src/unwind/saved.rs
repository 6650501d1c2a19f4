//! Where a frame saved its caller's registers: what debuggers list of a frame.

use super::cache::Place;
use super::row::{Cfa, Row, Rule, truncate};
use super::stack_reader::StackReader;
use super::{MachineFrame, Stack, Trust, Unwinder, expression, signal_frame};
use crate::addr::RunAddr;
use crate::arch::{Arch, DwarfRegister};
use crate::order::Order;

impl Unwinder<'_> {
    /// Where in memory `stack.frames[index]` saved the registers that its caller had, in the order of
    /// [`Arch::general_registers`], then aarch64's v8 to v15. What the function left in its registers, and what is not known, is not among them:
    /// inner frames may have saved that. The stack must be one of this unwinder's target.
    pub fn saved_registers(&self, stack: &Stack, index: usize) -> Vec<(DwarfRegister, RunAddr)> {
        let Some(frame) = stack.frames.get(index) else { return Vec::new() };
        // Of a frame that was left out nothing is known.
        let next = index.checked_add(1).filter(|next| stack.omitted == 0 || stack.omitted_at != Some(*next));
        let caller = next.and_then(|next| stack.frames.get(next));
        let mut reader = StackReader::new(self.arch, self.memory);
        let place = self.place_of(frame);
        // By the row, if that is how the caller was found.
        let by_row = caller.is_none_or(|caller| {
            matches!(caller.trust, Trust::Cfi | Trust::Scan) && caller.registers.sp() == frame.cfa.map(|cfa| cfa.0)
        });
        let mut found = match (&*place, frame.cfa) {
            (Place::Row(row), Some(cfa)) if by_row => self.saved_by(row, frame, cfa.0, &mut reader),
            (Place::Trampoline(trampoline), _) => {
                let sp = frame.registers.sp();
                let saved = sp.and_then(|sp| signal_frame::places(*trampoline, self.arch, sp, &mut reader).ok());
                saved.into_iter().flatten().collect()
            }
            _ => caller.map(|caller| self.saved_for(caller)).unwrap_or_default(),
        };
        // What the walk does not know, nobody does.
        found.retain(|(register, _)| caller.is_none_or(|caller| caller.registers.get(*register).is_some()));
        let registers = self.arch.general_registers();
        let place = |register| registers.iter().position(|known| known.dwarf == register).unwrap_or(registers.len());
        found.order_by_key(|(register, _)| (place(*register), *register));
        found.into_iter().map(|(register, address)| (register, RunAddr(address))).collect()
    }

    /// Whether the frame's CFA is counted from its frame pointer: the function has set one up.
    pub fn has_frame_pointer(&self, frame: &MachineFrame) -> bool {
        let place = self.place_of(frame);
        matches!(&*place, Place::Row(Row { cfa: Cfa::Register(register, _), .. }) if *register == self.arch.fp())
    }

    fn place_of(&self, frame: &MachineFrame) -> std::sync::Arc<Place> {
        self.place(frame.pc.0, frame.signal || frame.lookup != frame.pc)
    }

    fn saved_by(
        &self,
        row: &Row,
        frame: &MachineFrame,
        cfa: u64,
        reader: &mut StackReader<'_>,
    ) -> Vec<(DwarfRegister, u64)> {
        let pc = row.return_rule.filter(|_| row.return_column == self.arch.pc()).map(|rule| (self.arch.pc(), rule));
        let rules = row.rules.iter().copied().chain(pc);
        let place = |(register, rule)| {
            let address = match rule {
                Rule::Offset(offset) => cfa.wrapping_add_signed(offset),
                Rule::Expression(bytes) => expression::evaluate(bytes, &frame.registers, Some(cfa), reader).ok()??.0,
                _ => return None,
            };
            Some((register, truncate(self.arch, address)))
        };
        rules.filter_map(place).collect()
    }

    /// Where there was no call frame information: the return address, and the frame pointer of a chain.
    fn saved_for(&self, caller: &MachineFrame) -> Vec<(DwarfRegister, u64)> {
        let word = self.arch.address_size() as u64;
        let below = |words: u64| caller.registers.sp().and_then(|sp| sp.checked_sub(words * word));
        let chained = caller.trust == Trust::FramePointer;
        // Arm's calls leave the return address in a register.
        let pushed = chained || caller.trust == Trust::Scan && self.arch != Arch::Aarch64;
        let fp = below(2).filter(|_| chained).map(|address| (self.arch.fp(), address));
        let pc = below(1).filter(|_| pushed).map(|address| (self.arch.pc(), address));
        fp.into_iter().chain(pc).collect()
    }
}
