//! Linkage names to names as people write them: Rust (legacy and v0) and C++ (Itanium ABI).
//!
//! C++ text is spelled as gdb spells it: `ns::f<int>(int, char const*)`, and a function that the compiler split off is
//! `f(int) [clone .cold]`.

use cpp_demangle::{DemangleOptions, ParseOptions};

/// Longer names are not demangled. Real C++ names reach about 30 KiB.
const LONGEST_INPUT: usize = 64 << 10;
/// Substitutions let a short name stand for a text that is exponentially longer.
const LONGEST_OUTPUT: usize = 256 << 10;
/// How deep a name may nest. The demangler's default (96) rejects names of ordinary template libraries.
const DEEPEST: u32 = 1024;
/// A level takes up to some KiB of stack in a build without optimisation.
const STACK: usize = 64 << 20;
/// Names this short cannot nest deeply enough to need a stack of their own: a level takes at least one byte.
const SHORT: usize = 200;

/// The name as people write it, with parameters where the linkage name has them, or `None` where it is not mangled
/// (C, Go) or not valid. Never panics.
pub fn demangle(linkage: &str) -> Option<String> {
    demangle_as(linkage, true)
}

/// Like [`demangle`], without function parameters, return types and clone suffixes: `ns::f<int>`.
pub fn demangle_without_parameters(linkage: &str) -> Option<String> {
    demangle_as(linkage, false)
}

fn demangle_as(linkage: &str, with_parameters: bool) -> Option<String> {
    if linkage.len() > LONGEST_INPUT {
        return None;
    }
    // Some symbol tables have a leading underscore more, and versions.
    let linkage = linkage.split_once('@').map_or(linkage, |(name, _)| name);
    if linkage.starts_with("_R") || linkage.starts_with("_ZN") {
        if let Some(name) = demangle_rust(linkage) {
            return Some(name);
        }
    }
    if linkage.starts_with("_Z") || linkage.starts_with("__Z") || linkage.starts_with("_GLOBAL__") {
        return demangle_cpp(linkage, with_parameters);
    }
    None
}

/// Rust names: without the hash (`core::panicking::panic_fmt`, not `…::h0123456789abcdef`).
fn demangle_rust(linkage: &str) -> Option<String> {
    let name = rustc_demangle::try_demangle(linkage).ok()?;
    let mut text = Bounded::default();
    std::fmt::Write::write_fmt(&mut text, format_args!("{name:#}")).ok()?;
    // What the optimiser appended (`.llvm.123`, `.cold`) the demangler keeps; the module hash tells people nothing.
    let mut text = text.0;
    if let Some(at) = text.find(".llvm.") {
        text.truncate(at);
    }
    Some(text)
}

fn demangle_cpp(linkage: &str, with_parameters: bool) -> Option<String> {
    // `.cold`, `.part.0`, `.constprop.0.isra.0`: appended by GCC and Clang, and no part of the mangled name.
    let (mangled, suffix) = match linkage.find('.') {
        Some(at) if !linkage.starts_with("_GLOBAL__") => linkage.split_at(at),
        _ => (linkage, ""),
    };
    let name = if mangled.len() <= SHORT {
        demangle_plain_cpp(mangled, with_parameters)?
    } else {
        on_big_stack(|| demangle_plain_cpp(mangled, with_parameters))?
    };
    if !with_parameters || suffix.is_empty() {
        return Some(name);
    }
    Some(name + &clone_suffixes(suffix)?)
}

fn demangle_plain_cpp(mangled: &str, with_parameters: bool) -> Option<String> {
    let parse = ParseOptions::default().recursion_limit(DEEPEST);
    let symbol = cpp_demangle::BorrowedSymbol::with_tail_and_options(mangled.as_bytes(), &parse);
    // What is left over was not understood, and half a name would mislead.
    let (symbol, _) = symbol.ok().filter(|(_, tail)| tail.is_empty())?;
    let mut options = DemangleOptions::new().recursion_limit(DEEPEST);
    if !with_parameters {
        options = options.no_params().no_return_type();
    }
    let mut text = Bounded::default();
    symbol.structured_demangle(&mut text, &options).ok()?;
    Some(text.0)
}

/// ` [clone .part.0] [clone .cold]` as GNU's demangler spells `.part.0.cold`: a word, then the numbers that follow it.
fn clone_suffixes(suffix: &str) -> Option<String> {
    let mut text = String::new();
    let mut parts = suffix.strip_prefix('.')?.split('.').peekable();
    while let Some(word) = parts.next() {
        text += " [clone .";
        text += word;
        while let Some(number) = parts.next_if(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())) {
            text += ".";
            text += number;
        }
        text += "]";
    }
    Some(text)
}

/// Text that refuses to grow without end.
#[derive(Default)]
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > LONGEST_OUTPUT {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn on_big_stack(work: impl FnOnce() -> Option<String> + Send) -> Option<String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.ok()?.join().ok()?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(linkage: &str, expected: &str) {
        assert_eq!(demangle(linkage).as_deref(), Some(expected), "{linkage}");
    }

    #[test]
    fn spells_cpp_as_gdb_does() {
        check("_ZN2ns1fIiEEvT_PKc", "void ns::f<int>(int, char const*)");
        check("_ZN2ns1fEiPKc", "ns::f(int, char const*)");
        check("_Z1fi.cold", "f(int) [clone .cold]");
        check("_Z1fi.part.0.constprop.1.cold", "f(int) [clone .part.0] [clone .constprop.1] [clone .cold]");
        check("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back(int const&)");
        check("_ZN1AC1Ev", "A::A()");
        check("_ZN1AD0Ev", "A::~A()");
        check("_ZTV1A", "{vtable(A)}");
        check("_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()(int) const");
        check("_ZN12_GLOBAL__N_15countE", "(anonymous namespace)::count");
        check("memcpy@@GLIBC_2.14", "x");
    }

    #[test]
    fn spells_rust_without_hashes() {
        check("_ZN4core9panicking9panic_fmt17h0123456789abcdefE", "core::panicking::panic_fmt");
        check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
        check("_ZN5crash4main17h0123456789abcdefE.llvm.12345", "crash::main");
    }

    #[test]
    fn leaves_out_parameters() {
        let without = |name| demangle_without_parameters(name);
        assert_eq!(without("_ZN2ns1fIiEEvT_PKc").as_deref(), Some("ns::f<int>"));
        assert_eq!(without("_Z1fi.cold").as_deref(), Some("f"));
        assert_eq!(without("_ZZ4mainENKUliE_clEi").as_deref(), Some("main::{lambda(int)#1}::operator()"));
    }

    #[test]
    fn leaves_other_names_alone() {
        for name in ["main", "", "_", "_Z", "_R", "_ZN", "main.(*T).f", "runtime.gopanic", "_Zabc", "__libc_start_main"]
        {
            assert_eq!(demangle(name), None, "{name}");
        }
    }

    #[test]
    fn survives_hostile_names() {
        assert_eq!(demangle(&format!("_Z1f{}i", "P".repeat(60_000))), None);
        assert_eq!(demangle(&format!("_Z{}", "N".repeat(100_000))), None);
        assert_eq!(demangle(&format!("_R{}", "I".repeat(50_000))), None);
        assert!(demangle(&format!("_Z1f{}i", "P".repeat(500))).is_some());
        // Every T_ doubles what the last stood for.
        let mut doubling = "_Z1fSt4pairIiiE".to_owned();
        for at in 0..20 {
            doubling += &format!("St4pairIS{at}_S{at}_E");
        }
        demangle(&doubling);
        demangle("_Z1f\u{e9}");
        demangle("_ZN3\u{e9}E");
    }
}
