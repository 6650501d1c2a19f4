use super::*;

fn x86(bytes: &[u8]) -> Operation {
    decode(Arch::X86_64, bytes, RunAddr(0x1000)).expect("an instruction")
}

fn aarch64(word: u32) -> Operation {
    decode(Arch::Aarch64, &word.to_le_bytes(), RunAddr(0x1000)).expect("an instruction")
}

#[test]
fn x86_operands() {
    // mov 0x8(%rax,%rdx,4),%ecx
    let load = x86(&[0x8b, 0x4c, 0x90, 0x08]);
    let address = Address { base: Some(0), index: Some((1, 4)), displacement: 8, segment: None };
    assert_eq!(load.memory, [MemoryOperand { address, access: Access::Read, size: 4, aligned: false }]);
    assert_eq!(load.effects, [(2, Effect::Set(Source::Memory(address, 4, false)))]);
    // mov %eax,-0x8(%rbp)
    let store = x86(&[0x89, 0x45, 0xf8]);
    let slot = Address { base: Some(6), displacement: -8, ..Address::default() };
    assert_eq!(store.store, Some((slot, Source::Register(0, 4, false))));
    assert_eq!((store.memory[0].access, store.effects.is_empty()), (Access::Write, true));
    // mov %fs:0x28,%rax
    let canary = x86(&[0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0]);
    assert_eq!(
        canary.memory[0].address,
        Address { displacement: 0x28, segment: Some(Segment::Fs), ..Address::default() }
    );
    // mov 0x10(%rip),%rax
    let global = x86(&[0x48, 0x8b, 0x05, 0x10, 0, 0, 0]);
    assert_eq!(global.memory[0].address, Address { displacement: 0x1017, ..Address::default() });
}

#[test]
fn x86_flow() {
    let flow = |bytes: &[u8]| x86(bytes).flow;
    assert_eq!(flow(&[0xff, 0xd0]), Flow::IndirectCall);
    assert_eq!(flow(&[0xff, 0x20]), Flow::IndirectJump);
    assert_eq!(flow(&[0xc3]), Flow::Return);
    assert_eq!(flow(&[0x0f, 0x0b]), Flow::Trap);
    assert_eq!(flow(&[0xcc]), Flow::Trap);
    assert_eq!(flow(&[0x0f, 0x05]), Flow::SystemCall);
    assert_eq!(flow(&[0x74, 0x02]), Flow::Branch);
    assert_eq!(x86(&[0xe8, 0, 0, 0, 0]).target, Some(RunAddr(0x1005)));
    assert_eq!(x86(&[0xff, 0xd0]).through, Some(Source::Register(0, 8, false)));
    // call *0x10(%rax): the target is read, the return address pushed.
    let accesses: Vec<Access> = x86(&[0xff, 0x50, 0x10]).memory.iter().map(|operand| operand.access).collect();
    assert!(accesses.contains(&Access::Read) && accesses.contains(&Access::Write));
}

#[test]
fn x86_stack_pointer() {
    let of = |bytes: &[u8]| x86(bytes).effect_on(7);
    // push %rax; pop %rbx; sub $0x18,%rsp; leave; call
    assert_eq!(of(&[0x50]), Some(Effect::Add(Source::Constant(-8))));
    assert_eq!(of(&[0x5b]), Some(Effect::Add(Source::Constant(8))));
    assert_eq!(of(&[0x48, 0x83, 0xec, 0x18]), Some(Effect::Subtract(Source::Constant(0x18))));
    assert_eq!(of(&[0xc9]), Some(Effect::Unknown));
    assert_eq!((of(&[0x5c]), of(&[0xe8, 0, 0, 0, 0]), of(&[0xc3])), (Some(Effect::Unknown), None, None));
}

#[test]
fn x86_alignment_and_division() {
    // movaps %xmm0,(%rax); movups; paddd (%rax),%xmm0; vpaddd (%rax),%xmm0,%xmm0
    assert!(x86(&[0x0f, 0x29, 0x00]).memory[0].aligned);
    assert!(!x86(&[0x0f, 0x11, 0x00]).memory[0].aligned);
    assert!(x86(&[0x66, 0x0f, 0xfe, 0x00]).memory[0].aligned);
    assert!(!x86(&[0xc5, 0xf9, 0xfe, 0x00]).memory[0].aligned);
    // idivl -0x8(%rbp)
    let division = x86(&[0xf7, 0x7d, 0xf8]).division.expect("a division");
    assert_eq!((division.size, division.signed), (4, true));
}

#[test]
fn aarch64_operands() {
    // ldr x0, [x1, #8]
    let load = aarch64(0xf940_0420);
    let address = Address { base: Some(1), displacement: 8, ..Address::default() };
    assert_eq!(load.memory, [MemoryOperand { address, access: Access::Read, size: 8, aligned: false }]);
    assert_eq!(load.effects, [(0, Effect::Set(Source::Memory(address, 8, false)))]);
    // str wzr, [sp, #12]
    let store = aarch64(0xb900_0fff);
    let slot = Address { base: Some(31), displacement: 12, ..Address::default() };
    assert_eq!(store.store, Some((slot, Source::Constant(0))));
    // ldr w0, [x0, x1, lsl #2]
    let indexed = aarch64(0xb861_7800);
    assert_eq!(indexed.memory[0].address.index, Some((1, 4)));
    // stp x29, x30, [sp, #-16]!
    let pair = aarch64(0xa9bf_7bfd);
    assert_eq!((pair.memory[0].access, pair.memory[0].size), (Access::Write, 16));
    // blr x2; ret; bl; brk #1; mov x0, x1
    assert_eq!(
        (aarch64(0xd63f_0040).flow, aarch64(0xd63f_0040).through),
        (Flow::IndirectCall, Some(Source::Register(2, 8, false)))
    );
    assert_eq!(aarch64(0xd65f_03c0).flow, Flow::Return);
    assert_eq!(aarch64(0x9400_0001).target, Some(RunAddr(0x1004)));
    assert_eq!(aarch64(0xd420_0020).flow, Flow::Trap);
    assert_eq!(aarch64(0xaa01_03e0).effects, [(0, Effect::Set(Source::Register(1, 8, false)))]);
}
