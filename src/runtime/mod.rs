//! What a language's own runtime schedules: threads of its own, which the kernel knows nothing of.

pub mod go;
