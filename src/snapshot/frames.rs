//! Call frame information, cut down to the entries of the code that frames stand in.
//!
//! What is kept stays where it was, as encoded pointers are relative to their own place. What lies between becomes one
//! entry of padding: a CIE that nobody refers to, whose instructions are DW_CFA_nop (DWARF 5, section 6.4.1; LSB 5.0
//! core, section 10.6).

use std::collections::BTreeSet;

use gimli::{BaseAddresses, DebugFrame, EhFrame, LittleEndian, Section, UnwindSection};

use crate::arch::Arch;
use crate::module::R;
use crate::unwind::as_readable;

/// The smallest entry of padding.
const SMALLEST: usize = 16;

/// `.eh_frame` with the entries of these addresses (ascending) alone; `None` where it has none of them.
pub fn cut_eh_frame(arch: Arch, bytes: &'static [u8], bases: &BaseAddresses, addresses: &[u64]) -> Option<Vec<u8>> {
    let mut section = EhFrame::new(as_readable(arch, bytes, true), LittleEndian);
    section.set_address_size(arch.address_size() as u8);
    if arch == Arch::Aarch64 {
        section.set_vendor(gimli::Vendor::AArch64);
    }
    cut(&section, bases, addresses, 0)
}

/// The same of `.debug_frame`.
pub fn cut_debug_frame(arch: Arch, bytes: &'static [u8], bases: &BaseAddresses, addresses: &[u64]) -> Option<Vec<u8>> {
    let mut section = DebugFrame::new(as_readable(arch, bytes, false), LittleEndian);
    section.set_address_size(arch.address_size() as u8);
    if arch == Arch::Aarch64 {
        section.set_vendor(gimli::Vendor::AArch64);
    }
    cut(&section, bases, addresses, u32::MAX)
}

fn cut<S>(section: &S, bases: &BaseAddresses, addresses: &[u64], cie_id: u32) -> Option<Vec<u8>>
where
    S: UnwindSection<R> + Section<R>,
{
    let bytes = section.reader().slice();
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    for (offset, _) in entries(bytes) {
        let mut cie_offset = 0usize;
        let fde = section.fde_from_offset(bases, S::Offset::from(offset), |section, bases, at| {
            cie_offset = gimli::UnwindOffset::into(at);
            section.cie_from_offset(bases, at)
        });
        let Ok(fde) = fde else { continue };
        let from = addresses.partition_point(|address| *address < fde.initial_address());
        if addresses.get(from).is_some_and(|address| *address < fde.end_address()) {
            kept.extend([offset, cie_offset]);
        }
    }
    if kept.is_empty() {
        return None;
    }
    let mut written = Vec::with_capacity(bytes.len());
    for (offset, length) in entries(bytes) {
        if kept.contains(&offset) {
            pad(bytes, &mut written, offset, cie_id);
            written.extend_from_slice(&bytes[offset..(offset + length).min(bytes.len())]);
        }
    }
    Some(written)
}

/// Padding up to `end`.
fn pad(original: &[u8], written: &mut Vec<u8>, end: usize, cie_id: u32) {
    let start = written.len();
    if end - start < SMALLEST {
        written.extend_from_slice(&original[start..end]);
        return;
    }
    written.extend_from_slice(&((end - start - 4) as u32).to_le_bytes());
    written.extend_from_slice(&cie_id.to_le_bytes());
    // Version 1, no augmentation, alignment factors 1 and 1, return address in register 0.
    written.extend_from_slice(&[1, 0, 1, 1, 0]);
    written.resize(end, 0);
}

/// Offset and length, with the length field, of every entry.
fn entries(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut offset = 0usize;
    std::iter::from_fn(move || {
        let word = bytes.get(offset..offset.checked_add(4)?)?;
        let length = u32::from_le_bytes(word.try_into().ok()?);
        let length = if length < 0xffff_fff0 {
            (length as usize).checked_add(4)?
        } else {
            let long = bytes.get(offset + 4..offset.checked_add(12)?)?;
            usize::try_from(u64::from_le_bytes(long.try_into().ok()?)).ok()?.checked_add(12)?
        };
        let found = (offset, length);
        offset = offset.checked_add(length)?;
        Some(found)
    })
}
