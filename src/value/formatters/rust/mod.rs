//! Rust: core, alloc and std, and the crates that everybody uses. Text as rustc's own gdb printers have it
//! (rust `src/etc/gdb_providers.py`).

mod btree;
mod crates;
mod deque;
mod errors;
mod fat;
mod guards;
mod hash;
mod once;
mod parts;
mod shared;
mod slices;
mod sync;
mod values;
mod vec;
mod wrappers;

use super::{Entry, Library, Match};
use crate::types::Language;

pub(super) static LIBRARY: Library = Library { languages: &[Language::Rust], entries: ENTRIES };

static ENTRIES: &[Entry] = &[
    Entry { matches: Match::Name("&str"), view: slices::str_slice },
    Entry { matches: Match::Name("&mut str"), view: slices::str_slice },
    Entry { matches: Match::Prefix("&["), view: slices::slice },
    Entry { matches: Match::Prefix("&mut ["), view: slices::slice },
    // An optimiser gives variables of references the type of the raw pointer in them.
    Entry { matches: Match::Name("*const str"), view: slices::str_slice },
    Entry { matches: Match::Prefix("*const ["), view: slices::slice },
    Entry { matches: Match::Name("*const core::ffi::c_str::CStr"), view: fat::c_str },
    Entry { matches: Match::Name("*const std::path::Path"), view: fat::text },
    Entry { matches: Match::Name("*const std::ffi::os_str::OsStr"), view: fat::text },
    Entry { matches: Match::Name("alloc::vec::Vec"), view: vec::vec },
    Entry { matches: Match::Name("alloc::string::String"), view: vec::string },
    Entry { matches: Match::Name("alloc::collections::vec_deque::VecDeque"), view: deque::deque },
    Entry { matches: Match::Name("alloc::collections::btree::map::BTreeMap"), view: btree::map },
    Entry { matches: Match::Name("alloc::collections::btree::set::BTreeSet"), view: btree::set },
    Entry { matches: Match::Name("std::collections::hash::map::HashMap"), view: hash::map },
    Entry { matches: Match::Name("std::collections::hash::set::HashSet"), view: hash::set },
    Entry { matches: Match::Name("hashbrown::map::HashMap"), view: hash::map },
    Entry { matches: Match::Name("hashbrown::set::HashSet"), view: hash::set },
    Entry { matches: Match::Name("alloc::rc::Rc"), view: shared::rc },
    Entry { matches: Match::Name("alloc::sync::Arc"), view: shared::arc },
    Entry { matches: Match::Name("core::cell::UnsafeCell"), view: values::wrapper },
    Entry { matches: Match::Name("core::cell::Cell"), view: shared::cell },
    Entry { matches: Match::Name("core::cell::RefCell"), view: shared::ref_cell },
    Entry { matches: Match::Name("core::cell::Ref"), view: shared::reference },
    Entry { matches: Match::Name("core::cell::RefMut"), view: shared::reference },
    Entry { matches: Match::Name("alloc::rc::Weak"), view: shared::weak },
    Entry { matches: Match::Name("alloc::sync::Weak"), view: shared::weak },
    Entry { matches: Match::Name("alloc::boxed::Box"), view: fat::boxed },
    Entry { matches: Match::Prefix("&dyn "), view: fat::trait_object },
    Entry { matches: Match::Prefix("&mut dyn "), view: fat::trait_object },
    Entry { matches: Match::Prefix("&(dyn "), view: fat::trait_object },
    Entry { matches: Match::Prefix("&mut (dyn "), view: fat::trait_object },
    Entry { matches: Match::Prefix("*const dyn "), view: fat::trait_object },
    Entry { matches: Match::Prefix("*const (dyn "), view: fat::trait_object },
    Entry { matches: Match::Name("alloc::ffi::c_str::CString"), view: fat::c_str },
    Entry { matches: Match::Name("&core::ffi::c_str::CStr"), view: fat::c_str },
    Entry { matches: Match::Name("&std::path::Path"), view: fat::text },
    Entry { matches: Match::Name("&std::ffi::os_str::OsStr"), view: fat::text },
    Entry { matches: Match::Name("alloc::collections::linked_list::LinkedList"), view: fat::linked_list },
    Entry { matches: Match::Name("alloc::collections::binary_heap::BinaryHeap"), view: fat::binary_heap },
    Entry { matches: Match::Name("std::sync::poison::mutex::Mutex"), view: sync::mutex },
    Entry { matches: Match::Name("std::sync::mutex::Mutex"), view: sync::mutex },
    Entry { matches: Match::Name("std::sync::poison::rwlock::RwLock"), view: sync::rw_lock },
    Entry { matches: Match::Name("std::sync::rwlock::RwLock"), view: sync::rw_lock },
    Entry { matches: Match::Name("std::sync::poison::mutex::MutexGuard"), view: guards::mutex },
    Entry { matches: Match::Name("std::sync::mutex::MutexGuard"), view: guards::mutex },
    Entry { matches: Match::Name("std::sync::poison::rwlock::RwLockReadGuard"), view: guards::read },
    Entry { matches: Match::Name("std::sync::rwlock::RwLockReadGuard"), view: guards::read },
    Entry { matches: Match::Name("std::sync::poison::rwlock::RwLockWriteGuard"), view: guards::write },
    Entry { matches: Match::Name("std::sync::rwlock::RwLockWriteGuard"), view: guards::write },
    Entry { matches: Match::Name("core::cell::once::OnceCell"), view: once::once_cell },
    Entry { matches: Match::Name("core::cell::lazy::LazyCell"), view: once::lazy_cell },
    Entry { matches: Match::Name("std::sync::once_lock::OnceLock"), view: once::once_lock },
    Entry { matches: Match::Name("std::sync::lazy_lock::LazyLock"), view: once::lazy_lock },
    Entry { matches: Match::Name("std::sync::once::Once"), view: once::once },
    Entry { matches: Match::Name("std::sync::poison::once::Once"), view: once::once },
    Entry { matches: Match::Name("std::io::error::Error"), view: errors::io_error },
    Entry { matches: Match::Name("std::time::Instant"), view: values::instant },
    Entry { matches: Match::Name("std::time::SystemTime"), view: values::system_time },
    Entry { matches: Match::Prefix("core::sync::atomic::Atomic"), view: values::atomic },
    Entry { matches: Match::Name("core::time::Duration"), view: values::duration },
    Entry { matches: Match::Name("core::net::ip_addr::Ipv4Addr"), view: values::ipv4 },
    Entry { matches: Match::Name("core::net::ip_addr::Ipv6Addr"), view: values::ipv6 },
    Entry { matches: Match::Name("core::net::socket_addr::SocketAddrV4"), view: values::socket_v4 },
    Entry { matches: Match::Name("core::net::socket_addr::SocketAddrV6"), view: values::socket_v6 },
    Entry { matches: Match::Name("std::net::ip::Ipv4Addr"), view: values::ipv4 },
    Entry { matches: Match::Name("std::net::ip::Ipv6Addr"), view: values::ipv6 },
    Entry { matches: Match::Name("std::net::ip_addr::Ipv4Addr"), view: values::ipv4 },
    Entry { matches: Match::Name("std::net::ip_addr::Ipv6Addr"), view: values::ipv6 },
    Entry { matches: Match::Name("std::net::addr::SocketAddrV4"), view: values::socket_v4 },
    Entry { matches: Match::Name("std::net::addr::SocketAddrV6"), view: values::socket_v6 },
    Entry { matches: Match::Name("std::net::socket_addr::SocketAddrV4"), view: values::socket_v4 },
    Entry { matches: Match::Name("std::net::socket_addr::SocketAddrV6"), view: values::socket_v6 },
    Entry { matches: Match::Name("core::future::from_generator::GenFuture"), view: values::wrapper },
    Entry { matches: Match::Name("core::pin::Pin"), view: values::wrapper },
    Entry { matches: Match::Name("core::mem::maybe_dangling::MaybeDangling"), view: values::wrapper },
    Entry { matches: Match::Name("core::mem::manually_drop::ManuallyDrop"), view: values::wrapper },
    Entry { matches: Match::Name("bytes::bytes::Bytes"), view: crates::bytes },
    Entry { matches: Match::Name("bytes::bytes_mut::BytesMut"), view: crates::bytes },
    Entry { matches: Match::Name("smallvec::SmallVec"), view: crates::small_vec },
    Entry { matches: Match::Name("indexmap::map::IndexMap"), view: crates::index_map },
    Entry { matches: Match::Name("indexmap::set::IndexSet"), view: crates::index_set },
    Entry { matches: Match::Prefix("core::num::nonzero::NonZero"), view: wrappers::number },
    Entry { matches: Match::Name("std::ffi::os_str::OsString"), view: wrappers::os_string },
    Entry { matches: Match::Name("std::path::PathBuf"), view: wrappers::path_buf },
];
