//! Complex numbers: Go's imaginary literals, and what operators make of two of which one is complex.

use std::ops::Range;

use super::arithmetic::Number;
use super::eval::{Evaluated, Evaluator, Step, computed};
use crate::types::{Language, Type, TypeId, TypeKind};

impl Evaluator<'_> {
    /// `2i`: a `complex128`, which the program need not have.
    pub(super) fn imaginary(&self, value: f64) -> Step<Evaluated> {
        let type_id = self.scope.find_type("complex128").unwrap_or_else(|| {
            self.made_once("complex128", || {
                let name = Some("complex128".to_owned());
                self.scope.types().make(Type { name, size: Some(16), language: Language::Go, kind: TypeKind::Complex })
            })
        });
        Ok(self.complex(type_id, (0.0, value)))
    }

    pub(super) fn is_complex(&self, value: &Evaluated) -> bool {
        matches!(self.kind_of(value.type_id), TypeKind::Complex)
    }

    /// `-a` and `+a`
    pub(super) fn complex_unary(&self, operator: &str, value: &Evaluated, span: &Range<usize>) -> Step<Evaluated> {
        let (real, imaginary) = self.parts_as_complex(value, span)?;
        match operator {
            "-" => Ok(self.complex(value.type_id, (0.0 - real, 0.0 - imaginary))),
            "+" => Ok(self.complex(value.type_id, (real, imaginary))),
            _ => self.type_error(span, format!("{operator} is nothing for complex numbers")),
        }
    }

    /// `left operator right`, where one of them is complex.
    #[inline(never)]
    pub(super) fn complex_binary(
        &self,
        operator: &str,
        (left, left_span): (&Evaluated, &Range<usize>),
        (right, right_span): (&Evaluated, &Range<usize>),
        span: &Range<usize>,
    ) -> Step<Evaluated> {
        let (a, b) = (self.parts_as_complex(left, left_span)?, self.parts_as_complex(right, right_span)?);
        let result = match operator {
            "==" => return Ok(self.truth(a == b)),
            "!=" => return Ok(self.truth(a != b)),
            "+" => (a.0 + b.0, a.1 + b.1),
            "-" => (a.0 - b.0, a.1 - b.1),
            "*" => (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0),
            "/" => {
                let size = b.0 * b.0 + b.1 * b.1;
                ((a.0 * b.0 + a.1 * b.1) / size, (a.1 * b.0 - a.0 * b.1) / size)
            }
            _ => return self.type_error(span, format!("{operator} is nothing for complex numbers")),
        };
        let types = self.scope.types();
        let size = |value: &Evaluated| types.size(value.type_id).unwrap_or(0);
        // Go's literals take the type of the other side; in C the wider one is both's.
        let takes_left = match (self.is_complex(left), self.is_complex(right)) {
            (true, true) if self.is_go(left.type_id) => size(left) <= size(right),
            (true, true) => size(left) >= size(right),
            (left, _) => left,
        };
        Ok(self.complex(if takes_left { left.type_id } else { right.type_id }, result))
    }

    fn parts_as_complex(&self, value: &Evaluated, span: &Range<usize>) -> Step<(f64, f64)> {
        if self.is_complex(value) {
            return if self.dry.get() { Ok((1.0, 1.0)) } else { self.complex_parts(value, span) };
        }
        self.number_of(value, span).map(|number: Number| (number.as_float(), 0.0))
    }

    fn complex(&self, type_id: TypeId, (real, imaginary): (f64, f64)) -> Evaluated {
        let bytes = match self.scope.types().size(type_id) {
            Some(8) => [(real as f32).to_le_bytes(), (imaginary as f32).to_le_bytes()].concat(),
            _ => [real.to_le_bytes(), imaginary.to_le_bytes()].concat(),
        };
        computed(type_id, bytes)
    }
}
