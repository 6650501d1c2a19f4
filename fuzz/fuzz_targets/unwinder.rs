//! Call frame information and a stack, both made up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obit::addr::{Bias, FileAddr, RunAddr};
use obit::arch::{Arch, Registers};
use obit::memory::{Memory, MissingReason, ReadError};
use obit::unwind::{CodeMap, CodeModule, Unwinder};

const STACK: u64 = 0x7000_0000;

struct Stack(Vec<u8>);

impl Memory for Stack {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        let missing = ReadError { address, reason: MissingReason::Unmapped };
        let at = address.0.checked_sub(STACK).and_then(|at| usize::try_from(at).ok()).ok_or(missing)?;
        let rest = self.0.get(at..).filter(|rest| !rest.is_empty()).ok_or(missing)?;
        Ok(&rest[..rest.len().min(limit)])
    }
}

struct Code(&'static [u8]);

impl CodeMap for Code {
    fn code_at(&self, address: RunAddr) -> Option<CodeModule> {
        (address.0 < 0x1000_0000).then_some(CodeModule {
            key: 0,
            bias: Bias(0),
            eh_frame: Some((self.0, FileAddr(0x2000))),
            eh_frame_hdr: None,
            text: None,
            got: None,
        })
    }

    fn debug_frame(&self, _key: u32) -> Option<&'static [u8]> {
        None
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((head, rest)) = data.split_first_chunk::<16>() else { return };
    let (frames, stack) = rest.split_at(rest.len() / 2);
    // The reader's sections live for ever; so does a fuzzer's input here, in a process that is restarted often.
    let frames: &'static [u8] = Box::leak(frames.to_vec().into_boxed_slice());
    let (memory, code) = (Stack(stack.to_vec()), Code(frames));
    for arch in [Arch::X86_64, Arch::Aarch64, Arch::I386] {
        let mut registers = Registers::new(arch);
        for (number, byte) in head.iter().enumerate() {
            registers.set(number as u16, STACK + u64::from(*byte));
        }
        registers.set(arch.pc(), u64::from(head[0]) << 8 | u64::from(head[1]));
        registers.set(arch.sp(), STACK + u64::from(head[2]));
        let _ = Unwinder::new(arch, &memory, &code).unwind(&registers, 64);
    }
});
