//! obit: a post-mortem debugger.
//!
//! ```text
//! a core                          module files, debug files, debuginfod
//!    │ image: memory, registers          │ module: symbols, lines, DWARF
//!    └──────────────┬────────────────────┘
//!                session ── threads → frames → variables → typed values
//!                   │
//!                commands → report → text | JSON
//! ```
//!
//! One datum's way, `print head->next` in thread 3, frame 1: the command asks the [`session`] for thread 3; its
//! registers come from the [`image`]; the unwinder ([`unwind`]) gives frame 1 with its trust; the pc picks the
//! [`module`], the unit and the scope; the variable's location is evaluated into a place ([`value`]); the place is
//! read through the one [`memory`] reader; bytes plus a type ([`types`]) become a value. No step reaches back. A hole
//! at any step travels on as an `Absent` with its reason and is printed there.
#![warn(missing_docs)]

pub mod addr;
pub mod arch;
pub mod image;
pub mod memory;
pub mod module;
pub mod report;
pub mod session;
pub mod types;
pub mod unwind;
pub mod value;
