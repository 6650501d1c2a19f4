//! obit: a post-mortem debugger.
//!
//! ```text
//! a core, a minidump, a live      module files, debug files, debuginfod
//! process, a snapshot (.obit)     (a snapshot has its own)
//!    │ image: memory, registers          │ module: symbols, lines, DWARF
//!    └──────────────┬────────────────────┘
//!                session ── threads → frames → variables → typed values
//!                   │
//!                   ├─ snapshot: what answers are made from, as a small file
//!                commands → report → text | JSON
//! ```
//!
//! One datum's way, `print head->next` in thread 3, frame 1: the command asks the [`session`] for thread 3; its
//! registers come from the [`image`]; the unwinder ([`unwind`]) gives frame 1 with its trust; the pc picks the
//! [`module`], the unit and the scope; the variable's location is evaluated into a place ([`value`]); the place is
//! read through the one [`memory`] reader; bytes plus a type ([`types`]) become a value. No step reaches back. A hole
//! at any step travels on as an `Absent` with its reason and is printed there.
//!
//! # Rooms
//!
//! Each imports only from those above it (`tests/rooms.rs` holds this):
//!
//! | room | holds |
//! |---|---|
//! | [`addr`] | addresses that say which space they are in: the process's or a file's |
//! | [`append`], [`mapped`] | a shared vector that only grows; mapped files (`unsafe` is here and in `image::live::tracer` alone) |
//! | [`order`], [`parallel`] | sorting and work on all cores, each compiled once rather than for every type |
//! | [`interrupt`] | whether what takes long is still wanted |
//! | [`memory`] | the one way to read the target, and why a byte cannot be read |
//! | [`demangle`] | linkage names as people write them |
//! | [`arch`] | registers, their DWARF numbers, what calls preserve, layouts of saved registers, instruction decoding |
//! | [`image`] | an ELF core: threads, registers, signal, mappings, memory; where modules were. A live process is copied into one (`live`, the only tracer), of a dying one the notes are (`dying`), a snapshot holds one, a minidump's threads become one's notes (`minidump`, its writer too). What surrounded the process: `environment` |
//! | [`module`] | finds files; sections, symbols, lines; units, functions, scopes, call sites; Go's own table of functions. The only owner of `gimli::Dwarf` |
//! | [`unwind`] | machine frames: call frame information first, marked fallbacks; says why a stack ends |
//! | [`types`] | the type graph, filled from DWARF as it is looked at |
//! | [`value`] | location → place → bytes → value; what follows soundly where the compiler dropped a value; formatters, one directory a language; whole objects behind base classes |
//! | [`expr`] | the expression language: parse, evaluate; containers through their formatters |
//! | [`session`] | an opened target: caches, frames with inlined calls, variables, look-ups by name; what of the target was read |
//! | [`waits`] | what each thread waits for: system calls, locks by name and their owners, cycles |
//! | [`runtime`] | what a language's own runtime keeps: goroutines, their stacks, panics and waits; Go's heap by type, who points to what (`go::heap`) |
//! | [`analyze`] | why it died: one rule a file, findings with evidence, the verdict |
//! | [`fingerprint`] | which crashes are one: names as no rebuild changes them, the key of a group, how alike stacks are |
//! | [`snapshot`] | what is kept of a session, secrets masked: a core and an ELF file a module, in one archive |
//! | [`capture`] | the kernel's crash handler: notes from its pipe, memory from the dying process, snapshots into a spool |
//! | [`report`] | text and JSON of what commands answer, a crash as one HTML page (`page`) |
//! | `store`, `notify`, `store_cli` (feature `store`) | the fleet's side, a program of its own: bucket, inbox, table, queries, groups (on a cluster too: feature `ballista`); telling people; its command line |
//! | [`command`], [`repl`], [`cli`] | the commands; the session that asks them one after another; the command line |
//!
//! # What holds everywhere
//!
//! - `Err` means that the question cannot be answered; [`value::Absent`] is a hole inside an answer, with its reason;
//!   [`image::Note`] is a warning beside it.
//! - Frames say how they were found ([`unwind::Trust`]), values how they were recovered ([`value::Provenance`]).
//! - Everything read from a file or a process is hostile: arithmetic is checked, counts, depths and sizes are bounded.
//! - Cost follows the question: a pc's unit, a function's subtree, a type's closure; each is read once and kept.
//!   Mapped files, their DWARF and decompressed sections live until the process ends.
#![warn(missing_docs)]

pub mod addr;
pub mod analyze;
pub mod append;
pub mod arch;
pub mod capture;
pub mod cli;
pub mod command;
pub mod demangle;
pub mod expr;
pub mod fingerprint;
pub mod image;
pub mod interrupt;
pub mod mapped;
pub mod memory;
pub mod module;
#[cfg(feature = "store")]
pub mod notify;
pub mod order;
pub mod parallel;
pub mod repl;
pub mod report;
pub mod runtime;
pub mod session;
pub mod snapshot;
#[cfg(feature = "store")]
pub mod store;
#[cfg(feature = "store")]
pub mod store_cli;
pub mod types;
pub mod unwind;
pub mod value;
pub mod waits;
