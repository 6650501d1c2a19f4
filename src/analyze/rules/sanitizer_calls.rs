//! What a sanitizer's functions on the stack were called for, where its report is not in memory any more: the names say what
//! is wrong, their arguments say with what.
//!
//! ```text
//! __ubsan_handle_X[_abort](data, values...)   data: file 0, line 8, column 12, then the check's own, from 16 on mostly
//!                                             a type: kind 0 (0 an integer), signed and width 2, name 4
//!                                             (compiler-rt 19 ubsan_handlers.h, ubsan_value.h; libsanitizer 12 the same)
//! __tsan_write8(address), __tsan_unaligned_read4(address)   (tsan_interface.h)
//! ```

use crate::addr::RunAddr;
use crate::analyze::code::{Tracer, argument_registers};
use crate::analyze::{Case, Class};

/// What was checked.
pub(super) struct Told {
    /// In words: `signed integer overflow: 2147483647 + 1 cannot be represented in type 'int'`.
    pub what: String,
    /// The class of that.
    pub class: Class,
    /// Nobody of the program is to blame for the frame in which it was found out.
    pub has_no_place: bool,
    /// What else is known: label, expression, text.
    pub evidence: Vec<(&'static str, String)>,
}

impl Told {
    fn new(what: impl Into<String>, class: Class) -> Told {
        Told { what: what.into(), class, has_no_place: false, evidence: Vec::new() }
    }
}

/// Checks of UBSan: the handler's name behind `__ubsan_handle_`, what it is, its class.
const CHECKS: &[(&str, &str, Class)] = &[
    ("divrem_overflow", "a division by zero, or its result overflowed", Class::DivisionByZero),
    ("shift_out_of_bounds", "a shift is by too many bits, or by a negative number", Class::Abort),
    ("builtin_unreachable", "code was reached that is marked as unreachable", Class::Abort),
    ("missing_return", "a function ended without returning a value", Class::Abort),
    ("vla_bound_not_positive", "an array's length is not positive", Class::Abort),
    ("float_cast_overflow", "a float has no room in the integer that it is converted to", Class::Abort),
    ("load_invalid_value", "a value was loaded that its type does not have", Class::Abort),
    ("implicit_conversion", "an integer conversion changed the value", Class::Abort),
    ("invalid_builtin", "a builtin was called with what it must not be called with", Class::BadCall),
    ("invalid_objc_cast", "an object is not of the type that it is used as", Class::Abort),
    ("function_type_mismatch", "a function was called through a pointer of another type", Class::BadControlFlow),
    ("nonnull_return", "null was returned where that is not allowed", Class::Abort),
    ("nullability_return", "null was returned where that is not allowed", Class::Abort),
    ("nonnull_arg", "null was passed where that is not allowed", Class::BadCall),
    ("nullability_arg", "null was passed where that is not allowed", Class::BadCall),
    ("pointer_overflow", "pointer arithmetic overflowed", Class::WildPointer),
    ("alignment_assumption", "an alignment that was assumed does not hold", Class::Misaligned),
    ("dynamic_type_cache_miss", "an object is not of the type that it is used as", Class::WildPointer),
    ("cfi_check_fail", "control-flow integrity: a call or cast to what is not of the type", Class::BadControlFlow),
    ("out_of_bounds", "an index is out of bounds", Class::OutOfBounds),
    ("local_out_of_bounds", "an index is out of bounds", Class::OutOfBounds),
    ("type_mismatch", "a pointer is null, misaligned or to too small an object", Class::Abort),
    ("add_overflow", "an addition overflowed", Class::Abort),
    ("sub_overflow", "a subtraction overflowed", Class::Abort),
    ("mul_overflow", "a multiplication overflowed", Class::Abort),
    ("negate_overflow", "a negation overflowed", Class::Abort),
];

/// What a pointer was used for (ubsan_handlers.cpp, `TypeCheckKinds`).
const USES: &[&str] = &[
    "load of",
    "store to",
    "reference binding to",
    "member access within",
    "member call on",
    "constructor call on",
    "downcast of",
    "downcast of",
    "upcast of",
    "cast to virtual base of",
    "_Nonnull binding to",
    "dynamic operation on",
];

/// Functions that report one thing alone, and what.
const REPORTERS: &[(&str, &str, Class)] = &[
    ("__tsan::ReportRace*", "data race", Class::Abort),
    ("__tsan::ReportDeadlock*", "lock-order inversion (potential deadlock)", Class::Deadlock),
    ("__tsan::ReportMutexMisuse*", "misuse of a mutex", Class::BadCall),
    ("__tsan::ReportDestroyLocked*", "a mutex was destroyed while it was locked", Class::BadCall),
    ("__msan_warning*", "use of uninitialised memory", Class::Abort),
    ("__msan_check_mem_is_initialized*", "use of uninitialised memory", Class::Abort),
    ("scudo::reportHeaderCorruption*", "the header of a heap block is damaged", Class::HeapCorruption),
    ("scudo::reportInvalidChunkState*", "a heap block that is not allocated was freed", Class::DoubleFree),
    ("scudo::reportMisalignedPointer*", "a pointer that no allocation returned was freed", Class::HeapCorruption),
    (
        "scudo::reportDeallocTypeMismatch*",
        "a heap block was freed by another way than it was allocated",
        Class::HeapCorruption,
    ),
    ("scudo::reportDeleteSizeMismatch*", "a heap block was freed with another size than it has", Class::HeapCorruption),
    ("scudo::reportOutOfMemory*", "out of memory", Class::OutOfMemory),
];

/// What the functions between `from` and `to` were called for, by the program's frame `user`.
pub(super) fn told(case: &Case<'_>, from: usize, to: usize, user: usize) -> Option<Told> {
    if (from..=to).any(|index| case.is_function(index, &["__lsan::HandleLeaks*"])) {
        let told = Told::new("memory leaks were found when the process ended", Class::Abort);
        return Some(Told { has_no_place: true, ..told });
    }
    // What the program called: a handler.
    let handler = (from..=to).rev().find_map(|index| {
        let name = case.function(index)?;
        let (_, rest) = name.rsplit_once("__ubsan_handle_")?;
        Some(rest.split('(').next().unwrap_or(rest).to_owned())
    });
    if let Some(handler) = handler {
        let (base, what, class) = CHECKS.iter().find(|(base, ..)| handler.starts_with(base))?;
        let told = Told::new(*what, *class);
        if handler.contains("_minimal") {
            return Some(told);
        }
        return Some(check(case, user, base).unwrap_or(told));
    }
    let (what, class) = (from..=to).find_map(|index| {
        let (_, what, class) = REPORTERS.iter().find(|(pattern, ..)| case.is_function(index, &[pattern]))?;
        Some((*what, *class))
    })?;
    let mut told = Told::new(what, class);
    if what == "data race"
        && let Some(access) = access(case, to, user)
    {
        told.what = format!("data race: {}", access.0);
        told.evidence.extend(access.1);
        let where_to = "the report on standard error names the other thread; the core does not hold it".to_owned();
        told.evidence.push(("other thread", where_to));
    }
    Some(told)
}

/// The frame's call, and what it was given.
struct Given<'a> {
    case: &'a Case<'a>,
    tracer: Tracer<'a>,
}

impl<'a> Given<'a> {
    fn of(case: &'a Case<'a>, frame: usize) -> Option<Given<'a>> {
        let tracer = Tracer::of_frame(case, frame)?.without_names();
        Some(Given { case, tracer })
    }

    fn argument(&self, position: usize) -> Option<u64> {
        let register = *argument_registers(self.case.arch()).get(position)?;
        self.tracer.value(&self.tracer.register(register, self.tracer.here, 0)?)
    }

    fn expression(&self, position: usize) -> Option<String> {
        let tracer = Tracer::new(self.case, self.tracer.machine)?;
        let register = *argument_registers(self.case.arch()).get(position)?;
        let sum = tracer.register(register, tracer.here, 0)?;
        Some(tracer.object(&sum, 1)?.named.text)
    }
}

/// A type as UBSan's data names it.
struct Type {
    name: String,
    /// Signed, and bits; of integers.
    integer: Option<(bool, u32)>,
}

impl Type {
    fn at(case: &Case<'_>, slot: u64) -> Option<Type> {
        let address = case.word(slot)?;
        let half = |offset: u64| case.memory().read_uint(RunAddr(address.checked_add(offset)?), 2).ok();
        let (kind, info) = (half(0)?, half(2)?);
        let name = case.text_at(address.checked_add(4)?)?;
        // 'int'
        (name.len() > 2 && name.starts_with('\'')).then_some(())?;
        let bits = 1u32.checked_shl(u32::try_from(info >> 1).ok()?);
        Some(Type { name, integer: bits.filter(|bits| kind == 0 && *bits <= 64).map(|bits| (info & 1 == 1, bits)) })
    }

    /// A value of it that was passed in a register.
    fn value(&self, raw: u64) -> Option<String> {
        let (signed, bits) = self.integer?;
        let unused = 64 - bits.clamp(1, 64);
        Some(if signed {
            ((raw << unused) as i64 >> unused).to_string()
        } else {
            (raw << unused >> unused).to_string()
        })
    }
}

/// What a handler's data and values say.
fn check(case: &Case<'_>, user: usize, base: &str) -> Option<Told> {
    let given = Given::of(case, user)?;
    let data = given.argument(0)?;
    let field = |offset: u64| data.checked_add(offset);
    // A file's name stands first.
    case.text_at(case.word(if base == "cfi_check_fail" { field(8)? } else { data })?)?;
    let value = |position: usize, of: &Type| given.argument(position).and_then(|raw| of.value(raw));
    let arithmetic = |sign: &str, verb: &str| {
        let of = Type::at(case, field(16)?)?;
        let signed = if of.integer.is_none_or(|(signed, _)| signed) { "signed" } else { "unsigned" };
        let text = match (value(1, &of), value(2, &of)) {
            (Some(left), Some(right)) => {
                format!("{signed} integer overflow: {left} {sign} {right} cannot be represented in type {}", of.name)
            }
            _ => format!("{signed} integer overflow: {verb} in type {}", of.name),
        };
        Some(Told::new(text, Class::Abort))
    };
    match base {
        "add_overflow" => arithmetic("+", "an addition"),
        "sub_overflow" => arithmetic("-", "a subtraction"),
        "mul_overflow" => arithmetic("*", "a multiplication"),
        "out_of_bounds" => {
            let (array, index) = (Type::at(case, field(16)?)?, Type::at(case, field(24)?)?);
            let text = match value(1, &index) {
                Some(index) => format!("index {index} out of bounds for type {}", array.name),
                None => format!("an index is out of bounds for type {}", array.name),
            };
            Some(Told::new(text, Class::OutOfBounds))
        }
        "type_mismatch" => {
            let of = Type::at(case, field(16)?)?;
            let byte = |offset: u64| case.memory().read_uint(RunAddr(field(offset)?), 1).ok();
            let (alignment, used) = (byte(24)?, USES.get(usize::try_from(byte(25)?).ok()?)?);
            let pointer = given.argument(1);
            let (text, class) = match pointer {
                Some(0) => (format!("{used} null pointer of type {}", of.name), Class::NullPointer),
                Some(at) if alignment < 32 && at & ((1 << alignment) - 1) != 0 => {
                    let needed = 1u64 << alignment;
                    let text = format!(
                        "{used} misaligned address {at:#x} for type {}, which requires {needed} byte alignment",
                        of.name
                    );
                    (text, Class::Misaligned)
                }
                Some(at) => {
                    (format!("{used} address {at:#x} with too little room for type {}", of.name), Class::WildPointer)
                }
                None => (format!("{used} a null or misaligned pointer to type {}", of.name), Class::Abort),
            };
            Some(Told::new(text, class))
        }
        "divrem_overflow" => {
            let of = Type::at(case, field(16)?)?;
            match value(2, &of)?.as_str() {
                "0" => Some(Told::new(format!("division by zero in type {}", of.name), Class::DivisionByZero)),
                right => {
                    let left = value(1, &of)?;
                    let text = format!("division of {left} by {right} cannot be represented in type {}", of.name);
                    Some(Told::new(text, Class::Abort))
                }
            }
        }
        "shift_out_of_bounds" => {
            let (left, right) = (Type::at(case, field(16)?)?, Type::at(case, field(24)?)?);
            let by = value(2, &right)?;
            Some(Told::new(format!("shift of a value of type {} by {by}", left.name), Class::Abort))
        }
        "load_invalid_value" => {
            let of = Type::at(case, field(16)?)?;
            let raw = given.argument(1).map(|raw| format!(" {raw}")).unwrap_or_default();
            Some(Told::new(
                format!("load of value{raw}, which is not a valid value for type {}", of.name),
                Class::Abort,
            ))
        }
        _ => None,
    }
}

/// `write of 8 bytes at 0x1234`, and the expression of where.
fn access(case: &Case<'_>, to: usize, user: usize) -> Option<(String, Option<(&'static str, String)>)> {
    // The function that the compiler put before the access: on the stack, or called there.
    let name = case
        .function(to)
        .filter(|name| name.starts_with("__tsan_") && !name.contains("report"))
        .map(str::to_owned)
        .or_else(|| case.callee(user))?;
    let plain = name.trim_start_matches("__tsan_").trim_start_matches("unaligned_").trim_start_matches("volatile_");
    let (verb, size) = match (plain.strip_prefix("write"), plain.strip_prefix("read")) {
        (Some(size), _) => ("write", size),
        (_, Some(size)) => ("read", size),
        _ => return None,
    };
    let size: u32 = size.trim_end_matches("_pc").parse().ok()?;
    let given = Given::of(case, user)?;
    let at = given.argument(0);
    let place = given.expression(0);
    let text = match (&place, at) {
        (Some(place), _) => format!("{verb} of {size} bytes of `{place}`"),
        (None, Some(at)) => format!("{verb} of {size} bytes at {at:#x}"),
        (None, None) => format!("{verb} of {size} bytes"),
    };
    Some((text, at.map(|at| ("address", format!("{at:#x}, {}", case.region(at))))))
}
