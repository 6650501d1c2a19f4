use super::*;

/// An XSAVE area of `size` bytes whose every byte tells its offset, with XCR0 and XSTATE_BV set.
fn area(size: usize, enabled: u64, in_use: u64) -> Vec<u8> {
    let mut area: Vec<u8> = (0..size).map(|at| (at / 16) as u8).collect();
    area[2..4].copy_from_slice(&(6u16 << 11).to_le_bytes());
    area[464..472].copy_from_slice(&enabled.to_le_bytes());
    area[512..520].copy_from_slice(&in_use.to_le_bytes());
    area
}

fn decode(arch: Arch, notes: FloatingNotes<'_>) -> VectorRegisters {
    let mut registers = VectorRegisters::default();
    decode_floating(arch, notes, &mut registers);
    registers
}

fn wide<'a>(registers: &'a VectorRegisters, name: &str) -> Option<&'a [u8]> {
    registers.wide.iter().find(|(_, other, _)| *other == name).map(|(.., bytes)| bytes.as_slice())
}

#[test]
fn ymm_joins_the_two_halves() {
    let area = area(832, 7, 7);
    let registers = decode(Arch::X86_64, FloatingNotes { xstate: Some(&area), ..Default::default() });
    let expected = [[10 + 3; 16], [36 + 3; 16]].concat();
    assert_eq!(wide(&registers, "ymm3"), Some(&expected[..]));
    assert_eq!(registers.bytes(20), Some(&expected[..]));
    assert_eq!(registers.bytes(33), Some(&[2u8; 10][..]));
    assert_eq!(wide(&registers, "zmm3"), None);
    assert_eq!(registers.bytes(67), None);
}

#[test]
fn components_in_their_initial_state_are_zero() {
    let area = area(832, 7, 3);
    let registers = decode(Arch::X86_64, FloatingNotes { xstate: Some(&area), ..Default::default() });
    assert_eq!(wide(&registers, "ymm0"), Some(&[[10; 16], [0; 16]].concat()[..]));
}

#[test]
fn avx512_is_found_by_size_and_by_layout_note() {
    let by_size = area(2432, 0xe7, 0xe7);
    let registers = decode(Arch::X86_64, FloatingNotes { xstate: Some(&by_size), ..Default::default() });
    assert_eq!(registers.bytes(118), Some(&[52u8; 8][..]));
    let zmm1 = [[11; 16], [37; 16], [58; 16], [59; 16]].concat();
    assert_eq!(registers.bytes(18), Some(&zmm1[..]));
    assert_eq!(&registers.bytes(67).unwrap()[..16], [88; 16]);

    let mut layout = Vec::new();
    for entry in [[2u32, 256, 576, 0], [7, 1024, 1024, 0]] {
        layout.extend(entry.iter().flat_map(|word| word.to_le_bytes()));
    }
    let odd = area(2600, 0xe7, 0xe7);
    let notes = FloatingNotes { xstate: Some(&odd), layout: Some(&layout), ..Default::default() };
    let registers = decode(Arch::X86_64, notes);
    assert_eq!(&registers.bytes(67).unwrap()[..16], [64; 16]);
    assert_eq!(registers.bytes(118), None);
    assert_eq!(wide(&registers, "zmm0"), None);

    // Neither a note nor a known size: the upper parts of AVX-512 are not guessed.
    let registers = decode(Arch::X86_64, FloatingNotes { xstate: Some(&odd), ..Default::default() });
    assert_eq!(registers.bytes(67), None);
    assert!(wide(&registers, "ymm0").is_some());
}

#[test]
fn mmx_is_numbered_from_the_bottom_of_the_register_file() {
    let area = area(520, 0, 0);
    let registers = decode(Arch::X86_64, FloatingNotes { fxsave: Some(&area), ..Default::default() });
    // top is 6: st(0) is physical register 6, st(2) is 0.
    assert_eq!(registers.bytes(47), Some(&[2u8; 8][..]));
    assert_eq!(registers.bytes(41), Some(&[4u8; 8][..]));
}

#[test]
fn i386_has_eight_and_falls_back_to_fsave() {
    let fx = area(520, 0, 0);
    let registers = decode(Arch::I386, FloatingNotes { fxsave: Some(&fx), ..Default::default() });
    assert_eq!(registers.bytes(28), Some(&[17u8; 16][..]));
    assert_eq!(registers.bytes(11), Some(&[2u8; 10][..]));
    assert!(registers.named.iter().all(|(name, _)| *name != "fip"));

    let mut fsave = vec![0u8; 108];
    fsave[0..2].copy_from_slice(&[0x7f, 3]);
    fsave[38..48].fill(9);
    let registers = decode(Arch::I386, FloatingNotes { fsave: Some(&fsave), ..Default::default() });
    assert_eq!(registers.bytes(12), Some(&[9u8; 10][..]));
    assert_eq!(registers.named[0], ("fctrl", vec![0x7f, 3]));
}

#[test]
fn short_notes_lack_what_they_lack() {
    let area = area(832, 7, 7);
    for length in 0..area.len() {
        for arch in [Arch::X86_64, Arch::I386] {
            let cut = Some(&area[..length]);
            decode(arch, FloatingNotes { fxsave: cut, fsave: cut, xstate: cut, layout: cut });
        }
    }
}
