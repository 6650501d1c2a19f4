//! C++: libstdc++ (GCC 5 to 14) and libc++ (LLVM 14 to 21), recognised by their members' names.
//!
//! One text for both: that of libstdc++'s own gdb printers (gcc `libstdc++-v3/python/libstdcxx/v6/printers.py`), in which
//! libc++'s types show under the same words.

mod hash;
mod numbers;
mod parts;
mod pointers;
mod sequences;
mod sums;
mod text;
mod threads;
mod trees;

use super::{Entry, Formatter, Library, Match};
use crate::types::Language;

pub(super) static LIBRARY: Library = Library { languages: &[Language::Cpp], entries: ENTRIES };

const fn named(name: &'static str, view: Formatter) -> Entry {
    Entry { matches: Match::Name(name), view }
}

static ENTRIES: &[Entry] = &[
    named("std::basic_string", text::string),
    named("std::basic_string_view", text::string_view),
    named("std::filesystem::path", text::path),
    named("std::__fs::filesystem::path", text::path),
    named("std::vector", sequences::vector),
    named("std::array", sequences::array),
    named("std::span", sequences::span),
    named("std::initializer_list", sequences::initializer_list),
    named("std::valarray", sequences::valarray),
    named("std::deque", sequences::deque),
    named("std::list", sequences::list),
    named("std::forward_list", sequences::forward_list),
    named("std::stack", sequences::adapter),
    named("std::queue", sequences::adapter),
    named("std::priority_queue", sequences::adapter),
    named("std::map", trees::map),
    named("std::multimap", trees::multimap),
    named("std::set", trees::set),
    named("std::multiset", trees::multiset),
    named("std::unordered_map", hash::map),
    named("std::unordered_multimap", hash::multimap),
    named("std::unordered_set", hash::set),
    named("std::unordered_multiset", hash::multiset),
    named("std::pair", sums::pair),
    named("std::tuple", sums::tuple),
    named("std::optional", sums::optional),
    named("std::variant", sums::variant),
    named("std::any", pointers::any),
    named("std::unique_ptr", pointers::unique),
    named("std::shared_ptr", pointers::shared),
    named("std::weak_ptr", pointers::shared),
    named("std::function", pointers::function),
    named("std::reference_wrapper", pointers::reference_wrapper),
    named("std::exception_ptr", pointers::exception_ptr),
    named("std::__exception_ptr::exception_ptr", pointers::exception_ptr),
    named("std::atomic", numbers::atomic),
    named("std::bitset", numbers::bitset),
    named("std::complex", numbers::complex),
    named("std::chrono::duration", numbers::duration),
    named("std::chrono::time_point", numbers::time_point),
    named("std::thread", threads::thread),
    named("std::mutex", threads::mutex),
    named("std::timed_mutex", threads::mutex),
    named("std::recursive_mutex", threads::mutex),
    named("std::recursive_timed_mutex", threads::mutex),
    named("std::unique_lock", threads::lock),
    named("std::lock_guard", threads::lock),
];
