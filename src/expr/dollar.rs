//! What begins with a dollar sign: registers, the history, convenience variables.

use std::ops::Range;

use super::arithmetic::{self, Number};
use super::eval::{Evaluated, Evaluator, Step, Stop, computed};
use super::tree::{Node, NodeKind};
use super::{ErrorKind, nearest};
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::types::{Language, Type, TypeKind};
use crate::value::{Absent, AbsentReason, Place};

/// Names that always mean something.
const SPECIAL: &[&str] =
    &["_", "__", "_siginfo", "_thread", "_gthread", "_inferior", "_exitcode", "_exitsignal", "pc", "sp", "fp"];

impl Evaluator<'_> {
    pub(super) fn register(&self, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        let arch = self.scope.arch();
        let by_number = |number| arch.general_registers().iter().find(|register| register.dwarf == number);
        let role = |alias: &str, number| name == alias || by_number(number).is_some_and(|found| found.name == name);
        let (is_pc, is_sp, is_fp) = (role("pc", arch.pc()), role("sp", arch.sp()), role("fp", arch.fp()));
        let number = if is_pc { Some(arch.pc()) } else { None };
        let number = number.or(is_sp.then(|| arch.sp())).or(is_fp.then(|| arch.fp()));
        let real_name = number.and_then(by_number).map_or(name, |register| register.name);
        // gdb's other name for it.
        let real_name = if real_name == "ps" && arch != Arch::Aarch64 { "eflags" } else { real_name };
        if let Some(view) = self.vector_view(name, span) {
            return view;
        }
        let Some(bytes) = self.scope.register(real_name) else {
            if let Some(part) = self.register_part(name) {
                return part;
            }
            if self.scope.frame(None, Some(0)).is_ok_and(|innermost| innermost.register(real_name).is_some()) {
                let message = format!("of a caller, ${name} is not known; frame(0).${name} is what it was at the end");
                return self.type_error(span, message);
            }
            let message = format!("no register or variable ${name} here");
            let mut known: Vec<String> = arch.general_registers().iter().map(|known| known.name.to_owned()).collect();
            known.extend(self.variables.named().map(|(name, _)| name.to_owned()));
            known.extend(SPECIAL.iter().map(|name| (*name).to_owned()));
            let near = nearest(name, &known).map(|near| format!("; is it ${near}?")).unwrap_or_default();
            return self.error(ErrorKind::UnknownName, span, message + &near);
        };
        // Types as gdb gives them.
        let types = self.scope.types();
        let type_id = if is_pc {
            // `void ()` in C says nothing of parameters, which C++ cannot write.
            let variadic = self.scope.language() != Some(Language::Cpp);
            let kind = TypeKind::Function { result: None, parameters: Vec::new(), variadic, method: None };
            let function = types.make(Type { name: None, size: None, language: Language::C, kind });
            types.make_pointer(function, arch.address_size())
        } else if is_sp || is_fp {
            types.make_pointer(types.make_void(Language::C), arch.address_size())
        } else {
            let size = bytes.as_ref().map_or(self.address_size() as usize, Vec::len);
            self.register_type(real_name, size).unwrap_or_else(|| match size {
                1 | 2 | 4 => self.int_type(size as u64, true),
                size => self.array_of(self.int_type(1, false), size as u64),
            })
        };
        match bytes {
            Ok(mut data) => {
                // Flags have four bytes, whatever they are saved in.
                data.truncate(types.size(type_id).map_or(data.len(), |size| size as usize));
                Ok(computed(type_id, data))
            }
            Err(_) if self.dry.get() => Ok(Evaluated::new(Ok(Place::Memory(RunAddr(0))), type_id, false)),
            Err(absent) => Ok(Evaluated::new(Err(absent), type_id, false)),
        }
    }

    /// `$…`.
    pub(super) fn dollar(&self, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        if let Some(value) = self.assigned.borrow().get(name) {
            return Ok(value.clone());
        }
        if let Some(value) = self.variables.get(name) {
            return Ok(self.placed(value.clone()));
        }
        if let Some(number) = self.history_number(name) {
            return match number {
                Err(()) => self.type_error(span, "no such number of the history"),
                Ok(number) => self.recorded(name, number, span),
            };
        }
        let int = |value: i128| self.number(Number::int(value, arithmetic::INT), span);
        match name {
            "_" | "__" | "_exitcode" => Ok(self.void()),
            "_inferior" => int(1),
            "_thread" | "_gthread" => int(self.scope.thread_number().unwrap_or(0).into()),
            "_exitsignal" => match self.scope.exit_signal() {
                Some(number) => int(number.into()),
                None => Ok(self.void()),
            },
            "_siginfo" => {
                let type_id = self.siginfo_type();
                match self.scope.siginfo() {
                    Some(mut bytes) => {
                        bytes.resize(super::siginfo::SIZE as usize, 0);
                        Ok(computed(type_id, bytes))
                    }
                    None if self.dry.get() => Ok(self.anywhere(type_id)),
                    None => Err(Absent::because(AbsentReason::NotSaved, "the thread has no siginfo").into()),
                }
            }
            _ => self.register(name, span),
        }
    }

    /// A value from before: where only types count, every object has a place.
    fn placed(&self, value: Evaluated) -> Evaluated {
        match value.place {
            Err(_) if self.dry.get() => Evaluated { place: Ok(Place::Memory(RunAddr(0))), ..value },
            _ => value,
        }
    }

    pub(super) fn void(&self) -> Evaluated {
        computed(self.make("void"), Vec::new())
    }

    /// The number in `$1` (from 1 on), `$`, `$$` and `$$2` (counted back from 0 on).
    fn history_number(&self, name: &str) -> Option<Result<usize, ()>> {
        let count = self.variables.count();
        let back = |steps: usize| Ok(count.saturating_sub(steps));
        let digits = |text: &str| {
            let all = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
            all.then(|| text.parse::<usize>().map_err(|_| ()))
        };
        match name {
            "" => Some(back(0)),
            "$" => Some(back(1)),
            _ => match name.strip_prefix('$') {
                Some(steps) => digits(steps).map(|steps| back(steps?)),
                None => digits(name).map(|number| match number? {
                    0 => back(0),
                    number => Ok(number),
                }),
            },
        }
    }

    fn recorded(&self, name: &str, number: usize, span: &Range<usize>) -> Step<Evaluated> {
        let count = self.variables.count();
        if count == 0 && (name.is_empty() || name == "$") {
            return Ok(self.void());
        }
        match self.variables.recorded(number) {
            Some(value) => Ok(self.placed(value.clone())),
            None if number == 0 => {
                self.type_error(span, format!("the history does not go back to ${name}: it has {count} values"))
            }
            None => self.type_error(span, format!("the history has not yet reached ${name}: it has {count} values")),
        }
    }

    /// `$name = value`, `$name += value`.
    pub(super) fn assign(
        &self,
        name: &str,
        operator: Option<&'static str>,
        value: &Node,
        depth: usize,
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        if self.variables.get(name).is_none() && self.register_name(name) || name.starts_with('_') {
            return self.type_error(span, format!("${name} cannot be changed in a dead process"));
        }
        let value_span = value.span.clone();
        let mut value = self.value_of(value, depth)?;
        if let Some(operator) = operator {
            let before = self.current(name, span)?;
            value = self.computed_binary(operator, (before, span), (value, &value_span), span)?;
        }
        self.assigned.borrow_mut().insert(name.to_owned(), value.clone());
        Ok(value)
    }

    /// `$name++`: the value before.
    pub(super) fn stepped(&self, name: &str, operator: &'static str, span: &Range<usize>) -> Step<Evaluated> {
        let before = self.current(name, span)?;
        let one = self.number(Number::int(1, arithmetic::INT), span)?;
        let after = self.computed_binary(operator, (before.clone(), span), (one, span), span)?;
        self.assigned.borrow_mut().insert(name.to_owned(), after);
        Ok(before)
    }

    /// A convenience variable that is to be changed.
    fn current(&self, name: &str, span: &Range<usize>) -> Step<Evaluated> {
        let known = self.assigned.borrow().get(name).cloned();
        match known.or_else(|| self.variables.get(name).cloned()) {
            Some(value) => Ok(self.placed(value)),
            None => self.error(ErrorKind::UnknownName, span, format!("${name} has no value yet")),
        }
    }

    fn register_name(&self, name: &str) -> bool {
        matches!(name, "pc" | "sp" | "fp") || self.scope.register(name).is_some()
    }

    /// A part of an x86-64 or aarch64 register (`$eax`, `$ax`, `$al`, `$r8d`, `$w0`), of the type that gdb gives it.
    fn register_part(&self, name: &str) -> Option<Step<Evaluated>> {
        let low = |rest: &str| matches!(rest, "ax" | "bx" | "cx" | "dx" | "si" | "di" | "bp" | "sp");
        let numbered = |rest: &str| matches!(rest, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15");
        let (whole, size) = match self.scope.arch() {
            Arch::X86_64 => {
                if let Some(rest) = name.strip_prefix('e').filter(|rest| low(rest)) {
                    (format!("r{rest}"), 4)
                } else if low(name) {
                    (format!("r{name}"), 2)
                } else if let Some(letter) =
                    name.strip_suffix('l').filter(|letter| matches!(*letter, "a" | "b" | "c" | "d"))
                {
                    (format!("r{letter}x"), 1)
                } else {
                    let number = name.strip_prefix('r')?;
                    let size = match number.chars().last()? {
                        'd' => 4,
                        'w' => 2,
                        'l' | 'b' => 1,
                        _ => return None,
                    };
                    let number = number.get(..number.len() - 1).filter(|number| numbered(number))?;
                    (format!("r{number}"), size)
                }
            }
            Arch::Aarch64 => (format!("x{}", name.strip_prefix('w')?), 4),
            Arch::I386 => return None,
        };
        let bytes = self.scope.register(&whole)?;
        let type_id = self.int_type(size, true);
        Some(match bytes {
            Ok(bytes) => Ok(computed(type_id, bytes.get(..size as usize)?.to_vec())),
            Err(_) if self.dry.get() => Ok(self.anywhere(type_id)),
            Err(absent) => Err(absent.into()),
        })
    }

    /// Functions of gdb that need no process.
    pub(super) fn call(&self, name: &str, arguments: &[Node], depth: usize, span: &Range<usize>) -> Step<Evaluated> {
        let values: Step<Vec<Evaluated>> = arguments
            .iter()
            .map(|argument| match (self.value_of(argument, depth), &argument.kind) {
                // What was never set is void, as it is in gdb.
                (Err(Stop::Error(error)), NodeKind::Register(_)) if name == "_isvoid" && error.is_unknown_name() => {
                    Ok(self.void())
                }
                (value, _) => value,
            })
            .collect();
        let values = values?;
        if let ("cap", [value], [node]) = (name, values.as_slice(), arguments) {
            return self.capacity(value, &node.span);
        }
        if let ("real" | "imag", [value], [node]) = (name, values.as_slice(), arguments) {
            return self.complex_part(name, value, &node.span);
        }
        let text = |value: &Evaluated, node: &Node| {
            let no_text = || self.type_error(&node.span, format!("a {} is no text", self.name_of(value.type_id)));
            if !self.is_text(value.type_id) && !self.has_view(value) {
                return no_text();
            }
            if self.dry.get() {
                return Ok(Vec::new());
            }
            match self.text_of(value, 1 << 20)? {
                Some(text) => Ok(text),
                None => no_text(),
            }
        };
        let number = match (name, values.as_slice(), arguments) {
            ("_isvoid", [value], _) => i128::from(value.is_void(self.scope)),
            ("_strlen", [value], [node]) => text(value, node)?.len() as i128,
            ("_streq", [a, b], [a_node, b_node]) => return Ok(self.truth(text(a, a_node)? == text(b, b_node)?)),
            ("_regex", [subject, pattern], [subject_node, pattern_node]) => {
                let (subject, pattern) = (text(subject, subject_node)?, text(pattern, pattern_node)?);
                return self.matches(&subject, &pattern, &pattern_node.span);
            }
            ("_memeq", [a, b, length], [.., length_node]) => return self.same_memory(a, b, length, &length_node.span),
            ("_as_string", [value], [node]) => return self.as_string(value, &node.span),
            ("_creal", [value], [node]) => return self.complex_part("real", value, &node.span),
            ("_cimag", [value], [node]) => return self.complex_part("imag", value, &node.span),
            (
                "_caller_is" | "_caller_matches" | "_any_caller_is" | "_any_caller_matches",
                [wanted, rest @ ..],
                [wanted_node, rest_nodes @ ..],
            ) if rest.len() < 2 => {
                let wanted = text(wanted, wanted_node)?;
                let count = match (rest, rest_nodes) {
                    ([count], [node]) => self.integer_of(count, &node.span)?,
                    _ => 1,
                };
                return self.called_by(name, &wanted, count, &wanted_node.span);
            }
            _ => return self.type_error(span, format!("${name} takes another number of arguments")),
        };
        self.number(Number::int(number, arithmetic::INT), span)
    }
}
