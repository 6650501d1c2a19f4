//! What registers hold in a frame, and why they hold nothing there.

use super::super::recover;
use super::*;

impl Context<'_> {
    pub(super) fn register_place(&self, register: DwarfRegister, size: Option<u64>) -> Result<PlaceBytes, Absent> {
        let bytes = self.register_bytes(register)?;
        let mut place = PlaceBytes { data: bytes, register: Some(register), ..PlaceBytes::default() };
        let size = size.unwrap_or(place.data.len() as u64).min(MAX_PLACE_BYTES) as usize;
        let held = place.data.len();
        place.data.resize(size, 0);
        if size > held {
            place.holes.push((held, size, self.beyond(register, held)));
        }
        Ok(place)
    }

    /// Why of an object in a register no more than the first `held` bytes are known.
    pub(super) fn beyond(&self, register: DwarfRegister, held: usize) -> Absent {
        let name = register_name(self.arch, register);
        let is_vector = ["xmm", "v", "z"].iter().any(|kind| name.starts_with(kind));
        if held < 8 || !is_vector || self.frame().is_none_or(|frame| frame.registers.vectors.is_some()) {
            return Absent::because(AbsentReason::Corrupt, "larger than the register that is said to hold it");
        }
        Absent::because(AbsentReason::NotSaved, format!("calls preserve only the lower {held} bytes of {name}"))
    }

    /// The first 8 bytes of a register in this frame.
    pub(super) fn register_low(&self, register: DwarfRegister) -> Result<u64, Absent> {
        match self.frame() {
            Some(frame) if self.tail.is_none() && frame.registers.get(register).is_none() => {
                let bytes = self.register_bytes(register)?;
                let mut low = [0; 8];
                let length = bytes.len().min(8);
                low[..length].copy_from_slice(&bytes[..length]);
                Ok(u64::from_le_bytes(low))
            }
            _ => self.register(register),
        }
    }

    /// A register's bytes in this frame.
    pub(super) fn register_bytes(&self, register: DwarfRegister) -> Result<Vec<u8>, Absent> {
        if let Some(frame) = self.frame()
            && self.tail.is_none()
            && let Some(bytes) = frame.registers.bytes(register)
        {
            return Ok(bytes);
        }
        if let Some(bytes) = self.vector_left_alone(register) {
            return Ok(bytes);
        }
        let value = self.register(register)?;
        Ok(value.to_le_bytes()[..self.arch.address_size()].to_vec())
    }

    /// A general register's value in this frame.
    fn register(&self, register: DwarfRegister) -> Result<u64, Absent> {
        if self.tail.is_some() {
            return recover::argument_at_call(self, register).unwrap_or_else(|| Err(self.not_kept(register)));
        }
        let Some(frame) = self.frame() else {
            return Err(Absent::because(AbsentReason::NotSaved, "no frame is selected"));
        };
        match frame.registers.state(register) {
            RegisterState::Exact => frame.registers.get(register).ok_or_else(|| self.not_kept(register)),
            RegisterState::PerhapsClobbered
                if self.survives_call.get() && self.is_unwound_surely() && self.is_left_alone(register) =>
            {
                frame.registers.get_perhaps_clobbered(register).ok_or_else(|| self.not_kept(register))
            }
            _ => recover::argument_at_call(self, register).unwrap_or_else(|| Err(self.not_kept(register))),
        }
    }

    /// Why a register has no value in this frame.
    fn not_kept(&self, register: DwarfRegister) -> Absent {
        let name = register_name(self.arch, register);
        let in_call = |frame: &MachineFrame| self.at > 0 && frame.lookup != frame.pc;
        let why = match self.frame() {
            Some(frame) if self.tail.is_none() && !in_call(frame) => "which was not saved",
            Some(frame) if self.tail.is_none() => {
                let register = frame.registers.preserved_half(register).unwrap_or(register);
                match frame.registers.state(register) {
                    _ if !self.arch.is_callee_saved(register) => "which the call does not preserve",
                    RegisterState::PerhapsClobbered => "which inner frames may have changed",
                    _ => "which was not saved for this frame",
                }
            }
            _ => "which the call does not preserve",
        };
        Absent::because(AbsentReason::NotSaved, format!("was in {name}, {why}"))
    }

    /// What a vector register holds that no inner frame used, by the rules of [`Context::register`]: 16 bytes of it at most,
    /// as compilers do not tell whether a call changes what is beyond them.
    fn vector_left_alone(&self, register: DwarfRegister) -> Option<Vec<u8>> {
        let frame = self.frame().filter(|_| self.at > 0 && self.tail.is_none())?;
        if frame.registers.preserved_half(register).is_some() || !self.survives_call.get() {
            return None;
        }
        let mut inner = self.frames.get(..self.at)?.iter().rev();
        let vectors = inner.find_map(|frame| frame.registers.vectors.as_ref())?;
        let is_vector = |name: &str| name.starts_with("xmm") || name.starts_with('v') && name != "vg";
        let (.., bytes) = vectors.numbered.iter().find(|(number, name, _)| *number == register && is_vector(name))?;
        (self.is_unwound_surely() && self.is_left_alone(register)).then(|| bytes.iter().take(16).copied().collect())
    }

    /// Whether call frame information led here all the way: past a frame that was found otherwise, functions may have
    /// been skipped, and nothing is known of what they did to registers.
    fn is_unwound_surely(&self) -> bool {
        let inner = self.frames.get(..=self.at).unwrap_or_default();
        inner.iter().all(|frame| matches!(frame.trust, Trust::Context | Trust::Cfi))
    }

    /// Whether a register of which no inner frame's call frame information speaks can have kept its value. A caller leaves
    /// something in it because its compiler saw all that is called from there (GCC's -fipa-ra): functions of the same
    /// module that debug information describes. What is written by hand may save registers and say nothing of it
    /// (`__hwasan_tag_mismatch`), and then calls what changes them.
    fn is_left_alone(&self, register: DwarfRegister) -> bool {
        let module = self.code.as_ref().and_then(|code| code.module);
        for frame in self.frames.get(..self.at).unwrap_or_default().iter().rev() {
            let code = self.program.code(frame.lookup);
            if code.module != module || code.function.is_none() {
                return false;
            }
            if frame.registers.state(register) == RegisterState::Exact || frame.registers.vectors.is_some() {
                break;
            }
        }
        true
    }
}

fn register_name(arch: Arch, register: DwarfRegister) -> String {
    arch.register_name(register).unwrap_or_else(|| format!("register {register}"))
}
