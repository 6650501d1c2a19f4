//! Types, frames and values for the tests of this room.

use std::sync::Arc;

use crate::addr::{FileAddr, RunAddr};
use crate::arch::{Arch, Registers};
use crate::image::{SignalInfo, ThreadState};
use crate::module::{DieRef, ModuleId};
use crate::session::modules::ModuleLabel;
use crate::session::{Code, Frame, Role, Trace, Variable};
use crate::types::table::TypeProvider;
use crate::types::{Count, Language, Type, TypeId, TypeKind, TypeTable};
use crate::unwind::{MachineFrame, Stack, StackEnd, Trust};
use crate::value::{Provenance, Value, ValueKind};

struct NoTypes;

impl TypeProvider for NoTypes {
    fn load(&self, _: DieRef, _: &TypeTable) -> Type {
        unreachable!("no type here has a DIE")
    }
    fn find_definition(&self, _: DieRef, _: &Type) -> Option<DieRef> {
        None
    }
}

/// An empty table.
pub fn types() -> TypeTable {
    TypeTable::new(Arc::new(NoTypes))
}

/// A type with a name.
pub fn named(types: &TypeTable, name: &str, size: u64, kind: TypeKind) -> TypeId {
    types.make(Type { name: Some(name.to_owned()), size: Some(size), language: Language::C, kind })
}

/// `int`.
pub fn int(types: &TypeTable) -> TypeId {
    named(types, "int", 4, TypeKind::Int { signed: true })
}

/// An array of `count` elements.
pub fn array(types: &TypeTable, element: TypeId, count: u64) -> TypeId {
    let size = types.size(element).map(|size| size * count);
    let kind = TypeKind::Array { element, count: Count::Fixed(count), vector: false, stride: None };
    types.make(Type { name: None, size, language: Language::C, kind })
}

/// An `int`.
pub fn number(type_id: TypeId, number: i128) -> Value {
    Value { type_id, kind: ValueKind::Int(number) }
}

/// A variable.
pub fn variable(name: &str, role: Role, value: Value) -> Variable {
    Variable {
        name: name.to_owned().into(),
        role,
        type_id: Some(value.type_id),
        decl_line: Some(4),
        scope_depth: 0,
        provenance: Provenance::Location,
        value,
    }
}

/// A stack of functions, innermost first: (name, line, inlined into the next).
pub fn trace(functions: &[(&str, u32, bool)]) -> Trace {
    let mut frames = Vec::new();
    let mut machine_frames: Vec<MachineFrame> = Vec::new();
    let mut in_machine_frame = false;
    for (index, (name, line, inlined)) in functions.iter().enumerate() {
        let pc = RunAddr(0x401000 + u64::from(*line));
        if !in_machine_frame {
            machine_frames.push(MachineFrame {
                pc,
                lookup: pc,
                cfa: None,
                registers: Registers::new(Arch::X86_64),
                trust: if index == 0 { Trust::Context } else { Trust::Cfi },
                signal: false,
            });
        }
        in_machine_frame = *inlined;
        let machine = machine_frames.len() - 1;
        let code = Code {
            function: Some((*name).into()),
            symbol: Some((*name).into()),
            file: Some("/src/w.c".into()),
            line: Some(*line),
            column: None,
            language: Some(Language::C),
        };
        frames.push(Frame {
            index,
            machine,
            pc: machine_frames[machine].pc,
            inlined: *inlined,
            tail_call: None,
            lookup: machine_frames[machine].lookup,
            level: 0,
            signal: false,
            trust: if *inlined { Trust::Inline } else { machine_frames[machine].trust },
            module: Some(ModuleId(0)),
            module_offset: Some(FileAddr(pc.0 - 0x400000)),
            code: Arc::new(code),
        });
    }
    Trace { stack: Stack { frames: machine_frames, end: StackEnd::Complete, omitted: 0, omitted_at: None }, frames }
}

/// A crashed thread.
pub fn thread(lwp: u32) -> ThreadState {
    ThreadState {
        lwp,
        name: Some("worker".to_owned()),
        registers: Registers::new(Arch::X86_64),
        siginfo: None,
        signal: Some(signal()),
        crashed: true,
    }
}

/// SIGSEGV at 0x8.
pub fn signal() -> SignalInfo {
    SignalInfo { number: 11, code: Some(1), address: Some(RunAddr(8)), sender_pid: None, sender_uid: None }
}

/// The one module.
pub fn module<'a>(id: ModuleId) -> Option<ModuleLabel<'a>> {
    (id == ModuleId(0)).then_some(ModuleLabel { path: "/bin/w", build_id: Some(&[0xab, 0x01]), is_executable: true })
}
