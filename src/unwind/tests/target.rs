//! A target made by hand: memory from pieces, code ranges, one module whose call frame information a small assembler
//! writes.

use crate::addr::{Bias, FileAddr, RunAddr};
use crate::arch::{Arch, DwarfRegister, Registers};
use crate::memory::{Memory, MissingReason, ReadError};
use crate::unwind::{CodeMap, CodeModule, Stack, Unwinder};

/// Where the module's code starts, and how long it is.
pub const CODE: u64 = 0x40_0000;
pub const CODE_LENGTH: u64 = 0x1_0000;
/// Where .eh_frame and .eh_frame_hdr say they are.
pub const EH_FRAME: u64 = 0x50_0000;
pub const EH_FRAME_HDR: u64 = 0x4f_0000;
/// Where the stack's words start.
pub const STACK: u64 = 0x7000_0000;

pub struct Target {
    pub arch: Arch,
    pieces: Vec<(u64, Vec<u8>)>,
    /// Addresses that existed but were not saved.
    pub not_saved: Option<(u64, u64)>,
    pub signature_mask: Option<u64>,
    pub module: CodeModule,
    pub debug_frame: Option<&'static [u8]>,
    /// Where a function begins that symbols tell of.
    pub function: Option<u64>,
}

impl Target {
    /// Code without contents, no call frame information, and `words` on the stack.
    pub fn new(arch: Arch, words: &[u64]) -> Target {
        let module = CodeModule { key: 1, bias: Bias(0), eh_frame: None, eh_frame_hdr: None, text: None, got: None };
        let mut target = Target {
            arch,
            pieces: Vec::new(),
            not_saved: None,
            signature_mask: None,
            module,
            debug_frame: None,
            function: None,
        };
        target.map_words(STACK, words);
        target
    }

    pub fn map(&mut self, address: u64, bytes: Vec<u8>) {
        self.pieces.push((address, bytes));
    }

    pub fn map_words(&mut self, address: u64, words: &[u64]) {
        let size = self.arch.address_size();
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()[..size].to_vec()).collect();
        self.map(address, bytes);
    }

    /// Puts instructions into the code.
    pub fn code(&mut self, address: u64, instructions: &[u8]) {
        if !self.pieces.iter().any(|(start, _)| *start == CODE) {
            self.map(CODE, vec![0x90; CODE_LENGTH as usize]);
        }
        let (_, bytes) = self.pieces.iter_mut().find(|(start, _)| *start == CODE).unwrap();
        let offset = (address - CODE) as usize;
        bytes[offset..offset + instructions.len()].copy_from_slice(instructions);
    }

    pub fn eh_frame(&mut self, section: Vec<u8>) {
        self.module.eh_frame = Some((section.leak(), FileAddr(EH_FRAME)));
    }

    pub fn unwind(&self, registers: &[(DwarfRegister, u64)], limit: usize) -> Stack {
        let mut all = Registers::new(self.arch);
        for (register, value) in registers {
            all.set(*register, *value);
        }
        all.thread_pointer = Some(0x1234);
        all.signature_mask = self.signature_mask;
        Unwinder::new(self.arch, self, self).unwind(&all, limit)
    }

    /// Unwinds with these pc and stack pointer.
    pub fn unwind_from(&self, pc: u64, sp: u64) -> Stack {
        self.unwind(&[(self.arch.pc(), pc), (self.arch.sp(), sp)], 1000)
    }
}

impl Memory for Target {
    fn piece(&self, address: RunAddr, limit: usize) -> Result<&[u8], ReadError> {
        for (start, bytes) in &self.pieces {
            if let Some(offset) = address.0.checked_sub(*start)
                && let Some(rest) = bytes.get(offset as usize..)
                && !rest.is_empty()
            {
                return Ok(&rest[..limit.min(rest.len())]);
            }
        }
        let not_saved = self.not_saved.is_some_and(|(start, end)| (start..end).contains(&address.0));
        let reason = if not_saved { MissingReason::NotSaved } else { MissingReason::Unmapped };
        Err(ReadError { address, reason })
    }
}

impl CodeMap for Target {
    fn code_at(&self, address: RunAddr) -> Option<CodeModule> {
        let start = CODE.wrapping_add(self.module.bias.0);
        (start..start + CODE_LENGTH).contains(&address.0).then_some(self.module)
    }

    fn debug_frame(&self, _key: u32) -> Option<&'static [u8]> {
        self.debug_frame
    }

    fn function_start(&self, address: RunAddr) -> Option<RunAddr> {
        self.function.filter(|start| (*start..start + 0x100).contains(&address.0)).map(RunAddr)
    }
}

/// Writes .eh_frame or .debug_frame (DWARF 5, section 6.4; LSB 5.0 core, chapter 10.6) with 8-byte addresses.
pub struct Assembler {
    pub bytes: Vec<u8>,
    address_size: usize,
    debug_frame: bool,
    cie: usize,
    /// (start, offset of the FDE).
    pub functions: Vec<(u64, usize)>,
}

impl Assembler {
    pub fn eh_frame(arch: Arch) -> Assembler {
        let address_size = arch.address_size();
        Assembler { bytes: Vec::new(), address_size, debug_frame: false, cie: 0, functions: Vec::new() }
    }

    pub fn debug_frame(arch: Arch) -> Assembler {
        Assembler { debug_frame: true, ..Assembler::eh_frame(arch) }
    }

    /// Code alignment 1, data alignment -8 (or -4), pointers absolute.
    pub fn cie(mut self, signal: bool, return_column: u8, instructions: &[u8]) -> Assembler {
        self.cie = self.bytes.len();
        let mut body = Vec::new();
        let id: u32 = if self.debug_frame { u32::MAX } else { 0 };
        body.extend(id.to_le_bytes());
        body.push(1);
        match (self.debug_frame, signal) {
            (true, _) => body.push(0),
            (false, false) => body.extend(b"zR\0"),
            (false, true) => body.extend(b"zRS\0"),
        }
        body.push(1);
        body.push(0x80 - self.address_size as u8);
        body.push(return_column);
        if !self.debug_frame {
            body.extend([1, 0]);
        }
        body.extend(instructions);
        self.entry(body);
        self
    }

    pub fn function(mut self, start: u64, length: u64, instructions: &[u8]) -> Assembler {
        let offset = self.bytes.len();
        self.functions.push((start, offset));
        let mut body = Vec::new();
        let cie = if self.debug_frame { self.cie } else { offset + 4 - self.cie };
        body.extend((cie as u32).to_le_bytes());
        body.extend(&start.to_le_bytes()[..self.address_size]);
        body.extend(&length.to_le_bytes()[..self.address_size]);
        if !self.debug_frame {
            body.push(0);
        }
        body.extend(instructions);
        self.entry(body);
        self
    }

    fn entry(&mut self, mut body: Vec<u8>) {
        while !(body.len() + 4).is_multiple_of(self.address_size) {
            body.push(0);
        }
        self.bytes.extend((body.len() as u32).to_le_bytes());
        self.bytes.extend(body);
    }

    /// The .eh_frame_hdr of what was written.
    pub fn header(&self) -> Vec<u8> {
        let relative = |address: u64, base: u64| (address.wrapping_sub(base) as u32).to_le_bytes();
        let mut functions = self.functions.clone();
        functions.sort();
        let mut bytes = vec![1, 0x1b, 0x03, 0x3b];
        bytes.extend(relative(EH_FRAME, EH_FRAME_HDR + 4));
        bytes.extend((functions.len() as u32).to_le_bytes());
        for (start, offset) in functions {
            bytes.extend(relative(start, EH_FRAME_HDR));
            bytes.extend(relative(EH_FRAME + offset as u64, EH_FRAME_HDR));
        }
        bytes
    }
}
