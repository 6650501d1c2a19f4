//! The type of `$_siginfo`: `siginfo_t` as gdb shows it (gdb 13.1, linux-tdep.c, linux_get_siginfo_type_with_fields).

use super::eval::Evaluator;
use crate::types::{Language, Member, StructKind, StructType, Type, TypeId, TypeKind};

/// Bytes of a `siginfo_t` (Linux 6.1, include/uapi/asm-generic/siginfo.h, SI_MAX_SIZE).
pub(super) const SIZE: u64 = 128;

impl Evaluator<'_> {
    /// `siginfo_t`.
    pub(super) fn siginfo_type(&self) -> TypeId {
        let word = self.address_size();
        let int = self.make("int");
        let (unsigned, long, short) = (self.make("unsigned int"), self.make("long"), self.make("short"));
        let pointer = self.pointer_to(self.make("void"));
        let union_at = if word == 8 { 16 } else { 12 };
        let value =
            self.composite("sigval", StructKind::Union, word, &[("sival_int", int, 0), ("sival_ptr", pointer, 0)]);
        let bounds = [("_lower", pointer, 0), ("_upper", pointer, word)];
        let bounds = self.composite("", StructKind::Struct, 2 * word, &bounds);
        let part = |fields: &[(&str, TypeId, u64)]| {
            let end = fields.iter().map(|(_, id, at)| at + self.scope.types().size(*id).unwrap_or(0)).max();
            self.composite("", StructKind::Struct, end.unwrap_or(0).next_multiple_of(word), fields)
        };
        let (after_ints, after_status) = (8, 12u64.next_multiple_of(word));
        let fields = [
            ("_pad", self.array_of(int, (SIZE - union_at) / 4), 0),
            ("_kill", part(&[("si_pid", int, 0), ("si_uid", unsigned, 4)]), 0),
            ("_timer", part(&[("si_tid", int, 0), ("si_overrun", int, 4), ("si_sigval", value, after_ints)]), 0),
            ("_rt", part(&[("si_pid", int, 0), ("si_uid", unsigned, 4), ("si_sigval", value, after_ints)]), 0),
            (
                "_sigchld",
                part(&[
                    ("si_pid", int, 0),
                    ("si_uid", unsigned, 4),
                    ("si_status", int, 8),
                    ("si_utime", long, after_status),
                    ("si_stime", long, after_status + word),
                ]),
                0,
            ),
            (
                "_sigfault",
                part(&[("si_addr", pointer, 0), ("_addr_lsb", short, word), ("_addr_bnd", bounds, 2 * word)]),
                0,
            ),
            ("_sigpoll", part(&[("si_band", long, 0), ("si_fd", int, word)]), 0),
            ("_sigsys", part(&[("_call_addr", pointer, 0), ("_syscall", int, word), ("_arch", unsigned, word + 4)]), 0),
        ];
        let fields = self.composite("", StructKind::Union, SIZE - union_at, &fields);
        let whole = [("si_signo", int, 0), ("si_errno", int, 4), ("si_code", int, 8), ("_sifields", fields, union_at)];
        self.composite("siginfo", StructKind::Struct, SIZE, &whole)
    }

    pub(super) fn composite(&self, name: &str, kind: StructKind, size: u64, fields: &[(&str, TypeId, u64)]) -> TypeId {
        let members =
            fields.iter().map(|(name, type_id, offset)| Member::of(Some((*name).to_owned().into()), *type_id, *offset));
        let content = StructType::of(kind, members.collect());
        let name = (!name.is_empty()).then(|| name.to_owned());
        let kind = TypeKind::Struct(content);
        self.scope.types().make(Type { name, size: Some(size), language: Language::C, kind })
    }
}
