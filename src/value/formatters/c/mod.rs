//! C: types of the C library that every program has, glibc's and musl's, recognised by their members' names.

mod locks;
mod network;
mod sets;
mod stdio;
mod threads;
mod time;

pub(super) use locks::{condition_state, rwlock_state};
pub(super) use threads::once_state;

use super::{Entry, Formatter, Library, Match, View};
use crate::types::Language;

pub(super) static LIBRARY: Library = Library { languages: &[Language::C, Language::Cpp], entries: ENTRIES };

const fn named(name: &'static str, view: Formatter) -> Entry {
    Entry { matches: Match::Name(name), view }
}

static ENTRIES: &[Entry] = &[
    named("_IO_FILE", stdio::file),
    named("pthread_mutex_t", locks::mutex),
    named("mtx_t", locks::c_mutex),
    named("pthread_cond_t", locks::condition),
    named("cnd_t", locks::c_condition),
    named("pthread_rwlock_t", locks::rwlock),
    named("pthread_barrier_t", locks::barrier),
    named("pthread_once_t", threads::once),
    named("once_flag", threads::c_once),
    named("pthread_t", threads::thread),
    named("thrd_t", threads::thread),
    named("sem_t", locks::semaphore),
    named("sockaddr", network::socket_address),
    named("sockaddr_in", network::socket_address),
    named("sockaddr_in6", network::socket_address),
    named("sockaddr_un", network::socket_address),
    named("sockaddr_storage", network::socket_address),
    named("in_addr", network::ipv4),
    named("in6_addr", network::ipv6),
    named("timespec", time::timespec),
    named("timeval", time::timeval),
    named("tm", time::calendar),
    named("sigset_t", sets::signals),
    named("__sigset_t", sets::signals),
    named("fd_set", sets::descriptors),
];

/// An object that a line says all of.
fn line<'v>(title: impl Into<String>) -> View<'v> {
    View::Parts { title: title.into(), parts: Vec::new() }
}
