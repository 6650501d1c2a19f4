//! C++: libstdc++ (GCC 5 to 14) and libc++ (LLVM 14 to 21), recognised by their members' names.
//!
//! One text for both: that of libstdc++'s own gdb printers (gcc `libstdc++-v3/python/libstdcxx/v6/printers.py`), in which
//! libc++'s types show under the same words.

mod futures;
mod hash;
mod iterators;
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
    named("__gnu_cxx::__normal_iterator", iterators::vector),
    named("std::__wrap_iter", iterators::vector),
    named("std::_Deque_iterator", iterators::deque),
    named("std::__deque_iterator", iterators::deque),
    named("std::_List_iterator", iterators::list),
    named("std::_List_const_iterator", iterators::list),
    named("std::__list_iterator", iterators::list),
    named("std::__list_const_iterator", iterators::list),
    named("std::_Fwd_list_iterator", iterators::forward_list),
    named("std::_Fwd_list_const_iterator", iterators::forward_list),
    named("std::__forward_list_iterator", iterators::forward_list),
    named("std::__forward_list_const_iterator", iterators::forward_list),
    named("std::_Rb_tree_iterator", iterators::tree),
    named("std::_Rb_tree_const_iterator", iterators::tree),
    named("std::__tree_iterator", iterators::tree),
    named("std::__tree_const_iterator", iterators::tree),
    named("std::__map_iterator", iterators::wrapped),
    named("std::__map_const_iterator", iterators::wrapped),
    named("std::__detail::_Node_iterator", iterators::hash),
    named("std::__detail::_Node_const_iterator", iterators::hash),
    named("std::__hash_iterator", iterators::hash),
    named("std::__hash_const_iterator", iterators::hash),
    named("std::__hash_map_iterator", iterators::wrapped),
    named("std::__hash_map_const_iterator", iterators::wrapped),
    named("std::_Bit_iterator", iterators::bit),
    named("std::_Bit_const_iterator", iterators::bit),
    named("std::_Bit_reference", iterators::bit),
    named("std::__bit_iterator", iterators::bit),
    named("std::__bit_reference", iterators::bit),
    named("std::future", futures::future),
    named("std::shared_future", futures::future),
    named("std::promise", futures::future),
    named("std::thread", threads::thread),
    named("std::mutex", threads::mutex),
    named("std::timed_mutex", threads::mutex),
    named("std::recursive_mutex", threads::mutex),
    named("std::recursive_timed_mutex", threads::mutex),
    named("std::shared_mutex", threads::shared_mutex),
    named("std::shared_timed_mutex", threads::shared_mutex),
    named("std::condition_variable", threads::condition),
    named("std::condition_variable_any", threads::condition),
    named("std::once_flag", threads::once_flag),
    named("std::unique_lock", threads::lock),
    named("std::lock_guard", threads::lock),
];
