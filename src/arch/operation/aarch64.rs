//! The instructions of aarch64 that move addresses and values (Arm ARM DDI 0487, C4.1).

use super::{Access, Address, Effect, Flow, MemoryOperand, Operation, Source};
use crate::addr::RunAddr;
use crate::arch::{DwarfRegister, aarch64};

/// The zero register, or the stack pointer, by the instruction.
const ZERO: u32 = 31;

pub(super) fn decode(bytes: &[u8], at: RunAddr) -> Option<Operation> {
    let word = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let mut operation = Operation {
        at,
        length: 4,
        flow: Flow::Next,
        target: None,
        through: None,
        memory: Vec::new(),
        effects: Vec::new(),
        store: None,
        division: None,
    };
    let known = branch(word, at, &mut operation)
        || load_store(word, at, &mut operation)
        || pair(word, &mut operation)
        || arithmetic(word, at, &mut operation);
    if !known {
        // Rd is where most others put their result.
        set(&mut operation, word & 31, Effect::Unknown);
    }
    Some(operation)
}

fn register(number: u32) -> Option<DwarfRegister> {
    (number != ZERO).then_some(number as DwarfRegister)
}

/// As a base or in additions, 31 is the stack pointer.
fn register_or_sp(number: u32) -> DwarfRegister {
    if number == ZERO { aarch64::SP } else { number as DwarfRegister }
}

fn set(operation: &mut Operation, number: u32, effect: Effect) {
    if let Some(register) = register(number) {
        operation.effects.push((register, effect));
    }
}

fn signed(field: u32, bits: u32) -> i64 {
    i64::from(((field << (32 - bits)) as i32) >> (32 - bits))
}

/// C4.1.66: branches, exception generating and system instructions.
fn branch(word: u32, at: RunAddr, operation: &mut Operation) -> bool {
    let relative = |distance: i64| Some(RunAddr(at.0.wrapping_add_signed(distance * 4)));
    let through = |number: u32| register(number).map(|register| Source::Register(register, 8, false));
    if word & 0x7c00_0000 == 0x1400_0000 {
        operation.flow = if word >> 31 == 1 { Flow::Call } else { Flow::Jump };
        operation.target = relative(signed(word & 0x03ff_ffff, 26));
    } else if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        operation.flow = Flow::Branch;
        operation.target = relative(signed(word >> 5 & 0x7_ffff, 19));
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        operation.flow = Flow::Branch;
        operation.target = relative(signed(word >> 5 & 0x3fff, 14));
    } else if word & 0xfe00_0000 == 0xd600_0000 {
        // BR, BLR, RET and their authenticated forms.
        operation.flow = match word >> 21 & 0xf {
            0 | 8 => Flow::IndirectJump,
            1 | 9 => Flow::IndirectCall,
            _ => Flow::Return,
        };
        operation.through = through(word >> 5 & 31);
    } else if word & 0xffe0_001f == 0xd400_0001 {
        operation.flow = Flow::SystemCall;
    } else if word & 0xffe0_001f == 0xd420_0000 || word & 0xffff_0000 == 0 {
        operation.flow = Flow::Trap;
    } else {
        // Hints (BTI, PACIASP, NOP) and barriers change no general register.
        return word & 0xffff_f000 == 0xd503_2000 || word & 0xffff_f000 == 0xd503_3000;
    }
    true
}

/// C4.1.67: loads and stores of one general or vector register.
fn load_store(word: u32, at: RunAddr, operation: &mut Operation) -> bool {
    let vector = word >> 26 & 1 == 1;
    let target = word & 31;
    if word & 0x3b00_0000 == 0x1800_0000 {
        // LDR (literal).
        let address = at.0.wrapping_add_signed(signed(word >> 5 & 0x7_ffff, 19) * 4);
        let size = if word >> 30 & 1 == 1 { 8 } else { 4 };
        let place = Address { displacement: address as i64, ..Address::default() };
        operation.memory.push(operand(place, Access::Read, size));
        if !vector {
            set(operation, target, Effect::Set(Source::Memory(place, size as u8, word >> 30 == 2)));
        }
        return true;
    }
    if word & 0x3a00_0000 != 0x3800_0000 {
        return false;
    }
    let (scale, kind) = (word >> 30, word >> 22 & 3);
    let base = register_or_sp(word >> 5 & 31);
    let (size, loads) = match (vector, kind) {
        (false, 0) => (1u64 << scale, false),
        (false, _) => (1 << scale, true),
        (true, 0 | 1) => (1 << scale, kind == 1),
        (true, _) => (16, kind == 3),
    };
    // PRFM loads nothing.
    if !vector && scale == 3 && kind == 2 {
        return true;
    }
    let mut place = Address::of(base);
    let mut written_back = None;
    if word >> 24 & 1 == 1 {
        place.displacement = i64::from(word >> 10 & 0xfff).wrapping_mul(size as i64);
    } else if word >> 21 & 1 == 1 {
        if word >> 10 & 3 != 2 {
            // Atomics: read and written.
            operation.memory.push(operand(place, Access::ReadWrite, size));
            set(operation, target, Effect::Unknown);
            return true;
        }
        let shift = if word >> 12 & 1 == 1 { size } else { 1 };
        place.index = register(word >> 16 & 31).map(|index| (index, shift));
        // A 32-bit index: its upper half does not count, so that the address is not known here.
        if word >> 13 & 1 == 0 {
            place.index = None;
            place.base = None;
        }
    } else {
        let offset = signed(word >> 12 & 0x1ff, 9);
        match word >> 10 & 3 {
            1 => written_back = Some(offset),
            3 => {
                place.displacement = offset;
                written_back = Some(offset);
            }
            _ => place.displacement = offset,
        }
    }
    if place.base.is_some() {
        operation.memory.push(operand(place, if loads { Access::Read } else { Access::Write }, size));
    }
    if loads && !vector {
        let sign_extends = kind >= 2;
        let effect = match place.base {
            Some(_) => Effect::Set(Source::Memory(place, size as u8, sign_extends)),
            None => Effect::Unknown,
        };
        set(operation, target, effect);
    } else if !loads && !vector && place.base.is_some() {
        let value = register(target).map_or(Source::Constant(0), |from| Source::Register(from, size as u8, false));
        operation.store = Some((place, value));
    }
    if let Some(offset) = written_back {
        operation.effects.push((base, Effect::Add(Source::Constant(offset))));
    }
    true
}

/// LDP and STP, C4.1.67.
fn pair(word: u32, operation: &mut Operation) -> bool {
    if word & 0x3a00_0000 != 0x2800_0000 {
        return false;
    }
    let vector = word >> 26 & 1 == 1;
    let size: u64 = match (vector, word >> 30) {
        (false, 2) => 8,
        (false, _) => 4,
        (true, kind) => 4 << kind.min(2),
    };
    let loads = word >> 22 & 1 == 1;
    let base = register_or_sp(word >> 5 & 31);
    let offset = signed(word >> 15 & 0x7f, 7) * size as i64;
    let kind = word >> 23 & 3;
    let mut place = Address::of(base);
    if kind != 1 {
        place.displacement = offset;
    }
    let access = if loads { Access::Read } else { Access::Write };
    operation.memory.push(operand(place, access, size * 2));
    if loads && !vector {
        let second = Address { displacement: place.displacement.wrapping_add(size as i64), ..place };
        set(operation, word & 31, Effect::Set(Source::Memory(place, size as u8, word >> 30 == 1)));
        set(operation, word >> 10 & 31, Effect::Set(Source::Memory(second, size as u8, word >> 30 == 1)));
    }
    if kind == 1 || kind == 3 {
        operation.effects.push((base, Effect::Add(Source::Constant(offset))));
    }
    true
}

/// Moves, additions and addresses, C4.1.64 and C4.1.65.
fn arithmetic(word: u32, at: RunAddr, operation: &mut Operation) -> bool {
    let wide = word >> 31 == 1;
    let (to, from, second) = (word & 31, word >> 5 & 31, word >> 16 & 31);
    let bytes = if wide { 8 } else { 4 };
    if word & 0x1f00_0000 == 0x1000_0000 {
        let distance = signed((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3, 21);
        let address = match word >> 31 {
            0 => at.0.wrapping_add_signed(distance),
            _ => (at.0 & !0xfff).wrapping_add_signed(distance << 12),
        };
        set(operation, to, Effect::Set(Source::Constant(address as i64)));
    } else if word & 0x1f80_0000 == 0x1100_0000 {
        // ADD and SUB (immediate).
        let value = i64::from(word >> 10 & 0xfff) << (12 * (word >> 22 & 1));
        let value = if word >> 30 & 1 == 1 { -value } else { value };
        let (to_register, sets_flags) = (register_or_sp(to), word >> 29 & 1 == 1);
        if sets_flags && to == ZERO {
            return true;
        }
        let sum = Address { base: Some(register_or_sp(from)), displacement: value, ..Address::default() };
        let effect = if wide { Effect::Set(Source::Address(sum)) } else { Effect::Unknown };
        operation.effects.push((to_register, effect));
    } else if word & 0x7fe0_ffe0 == 0x2a00_03e0 {
        // MOV (register): ORR with the zero register.
        let source = register(second).map_or(Source::Constant(0), |from| Source::Register(from, bytes, false));
        set(operation, to, Effect::Set(source));
    } else if word & 0x7f80_0000 == 0x5280_0000 {
        // MOVZ.
        let value = u64::from(word >> 5 & 0xffff) << (16 * (word >> 21 & 3));
        set(operation, to, Effect::Set(Source::Constant(value as i64)));
    } else if word & 0x7fe0_0000 == 0x0b00_0000 && wide {
        // ADD (shifted register, LSL).
        let index = register(second).map(|index| (index, 1u64 << (word >> 10 & 0x3f)));
        let sum = Address { base: register(from), index, ..Address::default() };
        set(operation, to, Effect::Set(Source::Address(sum)));
    } else {
        return false;
    }
    true
}

fn operand(address: Address, access: Access, size: u64) -> MemoryOperand {
    MemoryOperand { address, access, size, aligned: false }
}
