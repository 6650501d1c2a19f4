//! Types of registers that are no plain numbers, as gdb gives them to its users (gdb 13.1, features/i386/64bit-sse.xml,
//! 64bit-core.xml, features/aarch64-fpu.xml). Half-precision lanes are left out.

use std::ops::Range;

use super::eval::{Evaluated, Evaluator, Step, computed};
use crate::arch::{Arch, aarch64};
use crate::types::{Language, StructKind, TypeId, TypeKind};

impl Evaluator<'_> {
    /// The type of a register of that name and size; `None`: a plain number's, or bytes'.
    pub(super) fn register_type(&self, name: &str, size: usize) -> Option<TypeId> {
        let numbered = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.parse::<u8>().is_ok());
        let types = self.scope.types();
        let flags = |name| types.number(name, 4, Language::C, TypeKind::Int { signed: true });
        match (self.scope.arch(), size) {
            (Arch::X86_64 | Arch::I386, 4..) if name == "eflags" => Some(flags("i386_eflags")),
            (Arch::X86_64 | Arch::I386, 4..) if name == "mxcsr" => Some(flags("i386_mxcsr")),
            (Arch::X86_64 | Arch::I386, 10) if numbered("st") => {
                Some(types.number("i387_ext", 10, Language::C, TypeKind::Float))
            }
            (Arch::X86_64 | Arch::I386, 16) if numbered("xmm") => Some(self.lanes("vec128", 16)),
            (Arch::X86_64 | Arch::I386, 32) if numbered("ymm") => Some(self.lanes("vec256", 32)),
            (Arch::X86_64 | Arch::I386, 64) if numbered("zmm") => Some(self.lanes("vec512", 64)),
            (Arch::Aarch64, 16) if numbered("v") => Some(self.aarch64_vector()),
            (_, 8) => Some(self.lane(8, true)),
            _ => None,
        }
    }

    /// `$d8`, `$s8` and their like on aarch64: the lower part of a vector register, read as a float and as integers.
    pub(super) fn vector_view(&self, name: &str, span: &Range<usize>) -> Option<Step<Evaluated>> {
        let (letter, number, size) = aarch64::vector_view(name).filter(|_| self.scope.arch() == Arch::Aarch64)?;
        let float = match size {
            8 => Some(self.make("double")),
            4 => Some(self.make("float")),
            _ => None,
        };
        let size = size as u64;
        let float = float.map(|float| ("f".to_owned(), float, 0));
        let whole = [("u", false), ("s", true)].map(|(name, signed)| (name.to_owned(), self.lane(size, signed), 0));
        let fields: Vec<_> = float.into_iter().chain(whole).collect();
        let type_id = self.union_of(&format!("vn{letter}"), size, &fields);
        Some(match self.scope.register(name) {
            Some(Ok(bytes)) => Ok(computed(type_id, bytes)),
            Some(Err(_)) | None if self.dry.get() => Ok(self.anywhere(type_id)),
            Some(Err(absent)) => Err(absent.into()),
            None => {
                let innermost = self.scope.frame(None, Some(0));
                innermost.ok()?.register(&format!("v{number}"))?.ok()?;
                let message = format!("of a caller, ${name} is not known; frame(0).${name} is what it was at the end");
                self.type_error(span, message)
            }
        })
    }

    /// An integer as gdb calls those of registers.
    fn lane(&self, size: u64, signed: bool) -> TypeId {
        let name = match (size, signed) {
            (1, true) => "int8_t",
            (1, false) => "uint8_t",
            (2, true) => "int16_t",
            (2, false) => "uint16_t",
            (4, true) => "int32_t",
            (4, false) => "uint32_t",
            (8, true) => "int64_t",
            (8, false) => "uint64_t",
            (_, true) => "int128_t",
            (_, false) => "uint128_t",
        };
        self.scope.types().number(name, size, Language::C, TypeKind::Int { signed })
    }

    /// `v4_float` and its like: all ways to read a vector of so many bytes.
    fn lanes(&self, name: &str, size: u64) -> TypeId {
        let mut fields: Vec<(String, TypeId, u64)> = Vec::new();
        for (word, lane, width) in [("float", self.make("float"), 4), ("double", self.make("double"), 8)] {
            fields.push((format!("v{}_{word}", size / width), self.array_of(lane, size / width), 0));
        }
        for width in [1, 2, 4, 8, 16] {
            let lane = self.lane(width, true);
            let (name, type_id) = match size / width {
                1 => ("uint128".to_owned(), self.lane(width, false)),
                count => (format!("v{count}_int{}", width * 8), self.array_of(lane, count)),
            };
            fields.push((name, type_id, 0));
        }
        self.union_of(name, size, &fields)
    }

    /// `$v0` with its lanes of 8, 4, 2, 1 and 16 bytes.
    fn aarch64_vector(&self) -> TypeId {
        let lanes = |name: &str, width: u64, float: Option<TypeId>| {
            let array = |lane| self.array_of(lane, 16 / width);
            let float = float.map(|lane| ("f".to_owned(), array(lane), 0));
            let whole =
                [("u", false), ("s", true)].map(|(name, signed)| (name.to_owned(), array(self.lane(width, signed)), 0));
            self.union_of(name, 16, &float.into_iter().chain(whole).collect::<Vec<_>>())
        };
        let fields = [
            ("d", lanes("vnd", 8, Some(self.make("double")))),
            ("s", lanes("vns", 4, Some(self.make("float")))),
            ("h", lanes("vnh", 2, None)),
            ("b", lanes("vnb", 1, None)),
            ("q", lanes("vnq", 16, None)),
        ];
        self.union_of("aarch64v", 16, &fields.map(|(name, type_id)| (name.to_owned(), type_id, 0)))
    }

    fn union_of(&self, name: &str, size: u64, fields: &[(String, TypeId, u64)]) -> TypeId {
        let fields: Vec<(&str, TypeId, u64)> = fields.iter().map(|(name, id, at)| (name.as_str(), *id, *at)).collect();
        self.composite(name, StructKind::Union, size, &fields)
    }
}
