//! Which C library the process ran with.

use super::Session;
use crate::addr::RunAddr;

impl Session {
    /// The version of glibc that the process ran with, 2.36 as (2, 36); `None` with another C library, and where that is
    /// not known. Looked up once.
    pub fn c_library(&self) -> Option<(u32, u32)> {
        *self.c_library.get_or_init(|| self.glibc_version())
    }

    /// Whether the code at the address is musl's, or of a program that it is linked into: by its file's name, or by functions that
    /// it alone has (src/env/__libc_start_main.c, src/thread/pthread_cancel.c, 1.1 to 1.2).
    pub fn is_musl(&self, address: RunAddr) -> bool {
        let Some(module) = self.program.modules.at(address) else { return false };
        let has = |name: &str| !module.symbols().by_name(name).is_empty();
        module.seed.path.contains("musl") || has("__init_libc") && has("__syscall_cp_c")
    }

    /// `gnu_get_libc_version` returns the address of its text.
    fn glibc_version(&self) -> Option<(u32, u32)> {
        let memory = self.memory();
        self.program.modules.iter().filter(|module| module.seed.path.contains("/libc")).find_map(|module| {
            let function = module.symbols().by_name("gnu_get_libc_version").into_iter().next()?;
            let start = module.to_run(function.address);
            let mut code = [0; 11];
            memory.read(start, &mut code).ok()?;
            // endbr64, where there is one, and `lea text(%rip),%rax`.
            let skipped: usize = if code.starts_with(&[0xf3, 0x0f, 0x1e, 0xfa]) { 4 } else { 0 };
            let [0x48, 0x8d, 0x05, distance @ ..] = code.get(skipped..skipped + 7)? else { return None };
            let distance = i64::from(i32::from_le_bytes(distance.try_into().ok()?));
            let next = start.checked_add(skipped as u64 + 7)?;
            let (text, _) = memory.read_c_string(RunAddr(next.0.wrapping_add_signed(distance)), 16).ok()?;
            let text = String::from_utf8(text).ok()?;
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
        })
    }
}
