//! Expressions of one operation, which most locations are, without an evaluator.

use super::super::recover;
use super::pieces::{signed_leb, unsigned_leb};
use super::*;

impl Context<'_> {
    /// The commonest expressions of one operation, without an evaluator.
    pub(super) fn simple(&self, expression: &[u8], unit: &Unit, size: Option<u64>) -> Option<Result<Place, Absent>> {
        let (operation, operand) = expression.split_first()?;
        match *operation {
            0x91 => {
                let offset = signed_leb(operand)?;
                Some(self.frame_base().map(|base| Place::Memory(RunAddr(base.wrapping_add_signed(offset)))))
            }
            0x03 if operand.len() == 8 && unit.unit.encoding().address_size == 8 => {
                let address = u64::from_le_bytes(operand.try_into().ok()?);
                let bias = self.program.bias(unit.module);
                Some(Ok(Place::Memory(FileAddr(address).to_run(bias))))
            }
            register @ 0x50..=0x6f if operand.is_empty() => {
                Some(self.register_place(u16::from(register - 0x50), size).map(Place::Bytes))
            }
            0x70..=0x8f if self.arch.address_size() == 8 => {
                let address = self.simple_value(expression)?;
                Some(address.map(|address| Place::Memory(RunAddr(self.arch.strip_pointer(address)))))
            }
            _ => match expression {
                [value @ .., STACK_VALUE] if self.arch.address_size() == 8 && matches!(size, Some(1..=8)) => {
                    let size = size? as usize;
                    let held =
                        |value: u64| PlaceBytes { data: value.to_le_bytes()[..size].to_vec(), ..Default::default() };
                    Some(self.simple_value(value)?.map(|value| Place::Bytes(held(value))))
                }
                _ => None,
            },
        }
    }

    /// The number that the commonest expressions of one operation leave on the stack, on machines of 64 bits.
    fn simple_value(&self, expression: &[u8]) -> Option<Result<u64, Absent>> {
        let (operation, operand) = expression.split_first()?;
        match *operation {
            0x91 => {
                let offset = signed_leb(operand)?;
                Some(self.frame_base().map(|base| base.wrapping_add_signed(offset)))
            }
            register @ 0x70..=0x8f => {
                let offset = signed_leb(operand)?;
                let base = self.register_low(u16::from(register - 0x70));
                Some(base.map(|base| base.wrapping_add_signed(offset)))
            }
            literal @ 0x30..=0x4f if operand.is_empty() => Some(Ok(u64::from(literal - 0x30))),
            0x10 => unsigned_leb(operand).map(Ok),
            0x11 => signed_leb(operand).map(|value| Ok(value as u64)),
            0xa3 | 0xf3 => {
                let (length, inner) = operand.split_first()?;
                if usize::from(*length) != inner.len() || recover::entry_type(inner).is_some() {
                    return None;
                }
                let value = recover::entry_value(self, inner);
                Some(value.inspect(|_| self.note_provenance(Provenance::EntryValue)))
            }
            _ => None,
        }
    }
}
