//! What a language's own runtime keeps, of which the kernel knows nothing: threads of its own, its heap.

pub mod go;
