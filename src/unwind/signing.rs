//! Instructions of aarch64 that say how a return address is signed, and that the reader of call frame information does
//! not know: `DW_CFA_AARCH64_set_ra_state` (0x2b, a state as ULEB128 and a factored offset as SLEB128) and
//! `DW_CFA_AARCH64_negate_ra_state_with_pc` (0x2c, without operands): AADWARF64's call frame instructions, LLVM's
//! `BinaryFormat/Dwarf.def` and `DWARFCFIProgram.cpp`. An unwinder that verifies nothing takes the signature off every
//! return address, so they become DW_CFA_nop before the reader sees them.

use gimli::constants as dw;
use gimli::{BaseAddresses, CieOffsetEncoding, EndianSlice, Format, LittleEndian, Reader, Section, UnwindSection};

use super::cfi::{entry_length, parse_fde};
use crate::module::R;

const SET_STATE: dw::DwCfa = dw::DwCfa(0x2b);
const NEGATE_STATE_WITH_PC: dw::DwCfa = dw::DwCfa(0x2c);

/// Whether [`without_states`] takes such an instruction out.
pub(super) fn is_of_signing(instruction: dw::DwCfa) -> bool {
    matches!(instruction, SET_STATE | NEGATE_STATE_WITH_PC)
}

/// A copy of the section with these instructions as DW_CFA_nop; every other byte stays in its place. An entry that is
/// malformed stays as it is from there on.
pub(super) fn without_states<S>(section: &S, bases: &BaseAddresses) -> Vec<u8>
where
    S: UnwindSection<R> + Section<R>,
{
    let bytes = section.reader().slice();
    let mut copy = bytes.to_vec();
    let mut offset = 0;
    while let Some(length) = entry_length(bytes, offset) {
        let Some(next) = offset.checked_add(length) else { break };
        if let Some(entry) = bytes.get(offset..next)
            && let Some(copy) = copy.get_mut(offset..next)
        {
            remove::<S>(section, bases, offset, EndianSlice::new(entry, LittleEndian), copy);
        }
        offset = next;
    }
    copy
}

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Takes the instructions out of the entry at `offset`.
fn remove<S>(section: &S, bases: &BaseAddresses, offset: usize, entry: Bytes<'_>, copy: &mut [u8]) -> Option<()>
where
    S: UnwindSection<R> + Section<R>,
{
    let mut rest = entry;
    let addresses = match parse_fde(section, bases, offset) {
        Some(fde) => {
            let mut cie = *section.reader();
            cie.skip(fde.cie().offset()).ok()?;
            let addresses = skip_cie_header::<S>(&mut cie)?;
            skip_id::<S>(&mut rest)?;
            skip_address(&mut rest, addresses)?;
            skip_address(&mut rest, addresses)?;
            if fde.cie().augmentation().is_some() {
                skip_block(&mut rest)?;
            }
            addresses
        }
        None => skip_cie_header::<S>(&mut rest)?,
    };
    while let Ok(opcode) = rest.read_u8() {
        let start = entry.len() - rest.len() - 1;
        skip_operands(&mut rest, dw::DwCfa(opcode), addresses)?;
        if is_of_signing(dw::DwCfa(opcode)) {
            copy.get_mut(start..entry.len() - rest.len())?.fill(dw::DW_CFA_nop.0);
        }
    }
    Some(())
}

/// How addresses are written, and the size of plain ones in bytes.
type Addresses = (dw::DwEhPe, u8);

/// An entry's length and what says of which kind it is.
fn skip_id<S: UnwindSection<R>>(rest: &mut Bytes<'_>) -> Option<()> {
    let format = match rest.read_u32().ok()? {
        u32::MAX => Format::Dwarf64,
        _ => Format::Dwarf32,
    };
    let id = match S::cie_offset_encoding(format) {
        CieOffsetEncoding::U32 => 4,
        CieOffsetEncoding::U64 => 8,
    };
    rest.skip(if format == Format::Dwarf64 { 8 + id } else { id }).ok()
}

/// A CIE up to its instructions (DWARF 5, section 6.4.1; LSB 5.0 core, section 10.6.1).
fn skip_cie_header<S: UnwindSection<R>>(rest: &mut Bytes<'_>) -> Option<Addresses> {
    skip_id::<S>(rest)?;
    let version = rest.read_u8().ok()?;
    let letters = rest.read_null_terminated_slice().ok()?;
    let mut addresses = (dw::DW_EH_PE_absptr, 8);
    if S::has_address_and_segment_sizes(version) {
        addresses.1 = rest.read_u8().ok()?;
        rest.skip(1).ok()?;
    }
    // Alignment factors and the return address's register.
    (0..3).try_for_each(|_| rest.skip_leb128().ok())?;
    let Some((b'z', letters)) = letters.slice().split_first() else { return Some(addresses) };
    let mut data = *rest;
    skip_block(rest)?;
    data.skip_leb128().ok()?;
    for letter in letters {
        match letter {
            b'R' => addresses.0 = dw::DwEhPe(data.read_u8().ok()?),
            b'L' => data.skip(1).ok()?,
            b'P' => {
                let encoding = dw::DwEhPe(data.read_u8().ok()?);
                skip_address(&mut data, (encoding, addresses.1))?;
            }
            b'S' => {}
            _ => return None,
        }
    }
    Some(addresses)
}

/// What follows an instruction's opcode (DWARF 5, section 7.24).
fn skip_operands(rest: &mut Bytes<'_>, opcode: dw::DwCfa, addresses: Addresses) -> Option<()> {
    let numbers = match opcode.0 & 0xc0 {
        0 => match opcode {
            dw::DW_CFA_set_loc => return skip_address(rest, addresses),
            dw::DW_CFA_advance_loc1 => return rest.skip(1).ok(),
            dw::DW_CFA_advance_loc2 => return rest.skip(2).ok(),
            dw::DW_CFA_advance_loc4 => return rest.skip(4).ok(),
            dw::DW_CFA_def_cfa_expression => return skip_block(rest),
            dw::DW_CFA_expression | dw::DW_CFA_val_expression => {
                rest.skip_leb128().ok()?;
                return skip_block(rest);
            }
            dw::DW_CFA_nop
            | dw::DW_CFA_remember_state
            | dw::DW_CFA_restore_state
            | dw::DW_CFA_AARCH64_negate_ra_state
            | NEGATE_STATE_WITH_PC => 0,
            dw::DW_CFA_restore_extended
            | dw::DW_CFA_undefined
            | dw::DW_CFA_same_value
            | dw::DW_CFA_def_cfa_register
            | dw::DW_CFA_def_cfa_offset
            | dw::DW_CFA_def_cfa_offset_sf
            | dw::DW_CFA_GNU_args_size => 1,
            dw::DW_CFA_offset_extended
            | dw::DW_CFA_offset_extended_sf
            | dw::DW_CFA_val_offset
            | dw::DW_CFA_val_offset_sf
            | dw::DW_CFA_register
            | dw::DW_CFA_def_cfa
            | dw::DW_CFA_def_cfa_sf
            | SET_STATE => 2,
            _ => return None,
        },
        // DW_CFA_offset: the register is in the opcode.
        0x80 => 1,
        // DW_CFA_advance_loc and DW_CFA_restore.
        _ => 0,
    };
    (0..numbers).try_for_each(|_| rest.skip_leb128().ok())
}

/// A pointer as `.eh_frame` encodes it (LSB 5.0 core, section 10.5.1).
fn skip_address(rest: &mut Bytes<'_>, (encoding, size): Addresses) -> Option<()> {
    match encoding.format() {
        dw::DW_EH_PE_absptr => rest.skip(usize::from(size)),
        dw::DW_EH_PE_udata2 | dw::DW_EH_PE_sdata2 => rest.skip(2),
        dw::DW_EH_PE_udata4 | dw::DW_EH_PE_sdata4 => rest.skip(4),
        dw::DW_EH_PE_udata8 | dw::DW_EH_PE_sdata8 => rest.skip(8),
        dw::DW_EH_PE_uleb128 | dw::DW_EH_PE_sleb128 => rest.skip_leb128(),
        _ => return None,
    }
    .ok()
}

/// A length as ULEB128 and so many bytes.
fn skip_block(rest: &mut Bytes<'_>) -> Option<()> {
    let length = usize::try_from(rest.read_uleb128().ok()?).ok()?;
    rest.skip(length).ok()
}
