//! What a thread waits for, by its system call and by the functions around it.

use super::glibc;
use super::syscall::{self, Entered, FUTEX, Whereabouts};
use super::{Asker, State, Wait, frames, musl, sharing};
use crate::addr::RunAddr;
use crate::image::ThreadState;
use crate::session::{Frame, Session, Trace};
use crate::unwind::Trust;

/// Frames from the innermost outwards among which the function that waits is looked for.
const INNERMOST: usize = 24;

/// Functions in which musl waits (src/thread/__timedwait.c, __wait.c, 1.0 to 1.2).
const MUSL: &[&str] = &["timedwait", "timedwait_cp", "futex4_cp", "syscall_cp", "syscall_cp_asm", "wait"];

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A mutex.
    Mutex,
    /// A lock for readers and writers, to read.
    ReadLock,
    /// The same, to write.
    WriteLock,
    /// A condition variable.
    Condition,
    /// A semaphore.
    Semaphore,
    /// A barrier, or a latch.
    Barrier,
    /// The end of another thread.
    Join,
    /// An initialisation that another thread is in.
    Once,
    /// A value that another thread promised.
    Future,
    /// A message.
    Channel,
    /// The first of several messages (Go's `select`).
    Select,
    /// The end of a group's work (Go's `sync.WaitGroup`).
    Group,
    /// Another thread's `unpark`.
    Park,
    /// A spinning lock.
    Spinlock,
    /// A word that the kernel watches, of no known kind.
    Futex,
}

impl Kind {
    /// The word for it in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Mutex => "mutex",
            Kind::ReadLock | Kind::WriteLock => "rwlock",
            Kind::Condition => "condition",
            Kind::Semaphore => "semaphore",
            Kind::Barrier => "barrier",
            Kind::Join => "join",
            Kind::Once => "once",
            Kind::Future => "future",
            Kind::Channel => "channel",
            Kind::Select => "select",
            Kind::Group => "wait-group",
            Kind::Park => "park",
            Kind::Spinlock => "spinlock",
            Kind::Futex => "futex",
        }
    }

    /// Several of them, in words.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Mutex => "mutexes",
            Kind::ReadLock | Kind::WriteLock => "rwlocks",
            Kind::Condition => "conditions",
            Kind::Semaphore => "semaphores",
            Kind::Barrier => "barriers",
            Kind::Join => "threads to end",
            Kind::Once => "initialisations",
            Kind::Future => "futures",
            Kind::Channel => "channels",
            Kind::Select => "selects",
            Kind::Group => "wait groups",
            Kind::Park => "other threads' unpark",
            Kind::Spinlock => "spinlocks",
            Kind::Futex => "futexes",
        }
    }

    /// `read` or `write`, of a lock that has both.
    pub fn mode(self) -> Option<&'static str> {
        match self {
            Kind::ReadLock => Some("read"),
            Kind::WriteLock => Some("write"),
            _ => None,
        }
    }

    /// Somebody has it, and gives it back: what all others can wait for is somebody's doing.
    pub fn is_held(self) -> bool {
        matches!(self, Kind::Mutex | Kind::ReadLock | Kind::WriteLock | Kind::Once | Kind::Spinlock)
    }
}

/// What the thread is doing. Where a signal's handler runs, what it did when the signal came: that wait is not over.
pub(super) fn state(asker: &Asker<'_>, thread: &ThreadState, trace: &Trace) -> State {
    let now = innermost(asker, thread, trace);
    if matches!(now, State::Lock(_)) {
        return now;
    }
    let handler = trace.frames.iter().position(|frame| frame.signal);
    handler.and_then(|handler| interrupted(asker, trace, handler + 1)).unwrap_or(now)
}

/// The wait for a lock that a signal interrupted, in the frame `position`.
fn interrupted(asker: &Asker<'_>, trace: &Trace, position: usize) -> Option<State> {
    let entered =
        syscall::interrupted(asker.session, &trace.stack.frames.get(trace.frames.get(position)?.machine)?.registers)?;
    match of_futex(asker, trace, position, Some(&entered)) {
        State::Lock(wait) if entered.number == FUTEX || wait.kind != Kind::Futex => Some(State::Lock(wait)),
        _ => None,
    }
}

fn innermost(asker: &Asker<'_>, thread: &ThreadState, trace: &Trace) -> State {
    let session = asker.session;
    let function = trace.frames.first().and_then(|frame| frame.code.function.as_deref());
    match syscall::whereabouts(session, thread, function) {
        Whereabouts::Kernel(entered) if entered.number == FUTEX => of_futex(asker, trace, 0, Some(&entered)),
        Whereabouts::Kernel(entered) => syscall::known(&entered).map_or(State::Running, State::Call),
        Whereabouts::Program => of_running(session, thread, trace),
        Whereabouts::Unknown => match function.and_then(syscall::named) {
            Some(call) => State::Call(call),
            None => of_futex(asker, trace, 0, None),
        },
    }
}

/// A thread that spins waits too.
fn of_running(session: &Session, thread: &ThreadState, trace: &Trace) -> State {
    let function = trace.frames.first().and_then(|frame| frame.code.function.as_deref());
    if function.map(plain_name) != Some("pthread_spin_lock") {
        return State::Running;
    }
    // The lock is the function's argument, which it does not move (glibc sysdeps/x86_64/nptl/pthread_spin_lock.S).
    let address = thread.registers.get(5).map(RunAddr);
    let since = frames::own(session, trace, 1).unwrap_or(0);
    wait(Kind::Spinlock, address, false, since)
}

fn wait(kind: Kind, address: Option<RunAddr>, timed: bool, since: usize) -> State {
    State::Lock(Wait {
        kind,
        address,
        name: None,
        owners: Vec::new(),
        timed,
        since,
        shared: false,
        inside: None,
        cases: Vec::new(),
        word: address,
    })
}

/// Operations of futex (Linux 6.10, include/uapi/linux/futex.h) that wait: FUTEX_WAIT, FUTEX_LOCK_PI, FUTEX_WAIT_BITSET,
/// FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2; without the flags of bits 7 and 8.
fn waits(operation: u64) -> bool {
    matches!(operation & 0x7f, 0 | 6 | 9 | 11 | 13)
}

fn of_futex(asker: &Asker<'_>, trace: &Trace, from: usize, entered: Option<&Entered>) -> State {
    let session = asker.session;
    let argument = |index: usize| entered.and_then(|entered| entered.arguments.get(index).copied().flatten());
    if argument(1).is_some_and(|operation| !waits(operation)) {
        return State::Running;
    }
    let mut found: Option<(Kind, usize)> = None;
    let mut is_idle = false;
    let mut is_musl = false;
    let mut outermost = None;
    for position in from..trace.frames.len().min(from + INNERMOST) {
        let Some(frame) = trace.frames.get(position) else { break };
        if frame.signal || !frames::is_library(session, frame) && kind_of_frame(frame).is_none() {
            break;
        }
        if let Some(name) = frames::function_name(session, trace, position) {
            is_idle |= name.starts_with("runtime.futex");
            is_musl |= found.is_none() && MUSL.contains(&plain_name(&name));
            // What stands further out says more of what is no lock of its own.
            let kind = kind_of(&name);
            let refines = |kind: Kind| match found {
                None => true,
                // What a scan of the stack finds may be what an earlier call left there.
                Some(_) if frame.trust == Trust::Scan => false,
                Some((Kind::Park, _)) => kind != Kind::Park,
                Some((Kind::Condition, _)) => matches!(kind, Kind::Future | Kind::Barrier),
                Some(_) => false,
            };
            if let Some(kind) = kind.filter(|kind| refines(*kind)) {
                found = Some((kind, position));
            }
            outermost = Some(name);
        }
    }
    if is_idle {
        return State::Idle;
    }
    if entered.is_none() && found.is_none() {
        return State::Running;
    }
    let (kind, position) = found.unwrap_or((Kind::Futex, from));
    let since = frames::own(session, trace, from).unwrap_or(position);
    let timed = argument(3).is_some_and(|timeout| timeout != 0);
    let word = argument(0).filter(|word| *word != 0).map(RunAddr);
    let State::Lock(mut wait) = wait(kind, word, timed, since) else { return State::Running };
    // Of threads' ends the kernel itself says.
    wait.shared = kind != Kind::Join && sharing::is_shared(session, word, argument(1));
    if let Some(word) = word
        && is_of_c_library(session, trace, position)
    {
        is_musl |= trace.frames.get(position).is_some_and(|frame| session.is_musl(frame.pc));
        match is_musl {
            false => glibc::complete(asker, &mut wait, word, argument(2)),
            true => {
                let frame = trace.frames.get(from).and_then(|frame| trace.stack.frames.get(frame.machine));
                if let Some(frame) = frame {
                    musl::complete(session, &frame.registers, &mut wait, word);
                }
            }
        }
    }
    if found.is_none()
        && outermost.is_none()
        && let (Some(word), Some(expected)) = (word, argument(2))
        && let Some((kind, address, owner)) = musl::of_word(session, word, expected)
    {
        (wait.kind, wait.address, wait.owners) = (kind, Some(address), vec![owner]);
        if kind == Kind::Join {
            (wait.word, wait.address) = (None, None);
        }
    }
    if wait.kind == Kind::Futex {
        wait.inside = outermost.filter(|name| !matches!(plain_name(name), "syscall" | "lll_lock_wait"));
    }
    let name = frames::function_name(session, trace, position).unwrap_or_default();
    if kind == Kind::Channel || name.contains("parking_lot") {
        // The word is the waiter's own.
        wait.word = super::guards::own_object(session, trace, position);
        wait.address = wait.word;
    }
    if word.is_some_and(|word| is_of_waiter_pool(session, word)) {
        // libstdc++ lets waits for what is no integer share words of a table of its own.
        wait.word = super::guards::waited_object(session, trace, from, since);
        wait.address = wait.word;
    }
    State::Lock(wait)
}

/// Whether the word is one of libstdc++'s table of waiters (gcc 12 bits/atomic_wait.h, `__waiter_pool_base::_S_for`).
fn is_of_waiter_pool(session: &Session, word: RunAddr) -> bool {
    session.symbol(word).is_some_and(|(name, _)| name.contains("__waiter_pool_base::_S_for"))
}

/// What a function waits for that may have been linked into the program itself.
fn kind_of_frame(frame: &Frame) -> Option<Kind> {
    kind_of(frame.code.function.as_deref()?)
}

/// Whether the frame's function is one of the C library's.
fn is_of_c_library(session: &Session, trace: &Trace, position: usize) -> bool {
    let name = frames::function_name(session, trace, position);
    name.is_some_and(|name| plain_name(&name).starts_with("pthread_") || plain_name(&name).contains("sem_"))
}

/// Whether a function carries out what is to be done once.
pub(super) fn is_once(name: &str) -> bool {
    kind_of(name) == Some(Kind::Once)
}

/// `___pthread_mutex_lock`, `__GI___pthread_mutex_lock` and `pthread_mutex_lock.part.0` as `pthread_mutex_lock`.
pub(super) fn plain_name(name: &str) -> &str {
    let name = name.trim_start_matches('_');
    let name = name.strip_prefix("GI_").unwrap_or(name).trim_start_matches('_');
    name.split(['.', '@']).next().unwrap_or(name)
}

/// What a function of a library waits for.
fn kind_of(name: &str) -> Option<Kind> {
    let plain = plain_name(name);
    let c = match plain {
        "pthread_mutex_lock"
        | "pthread_mutex_lock_full"
        | "pthread_mutex_timedlock"
        | "pthread_mutex_clocklock"
        | "pthread_mutex_cond_lock"
        | "pthread_mutex_cond_lock_full" => Some(Kind::Mutex),
        "pthread_rwlock_rdlock" | "pthread_rwlock_timedrdlock" | "pthread_rwlock_clockrdlock" => Some(Kind::ReadLock),
        "pthread_rwlock_wrlock" | "pthread_rwlock_timedwrlock" | "pthread_rwlock_clockwrlock" => Some(Kind::WriteLock),
        "pthread_cond_wait"
        | "pthread_cond_timedwait"
        | "pthread_cond_clockwait"
        | "pthread_cond_wait_common"
        | "pthread_cond_timedwait64"
        | "pthread_cond_clockwait64" => Some(Kind::Condition),
        "sem_wait"
        | "sem_timedwait"
        | "sem_clockwait"
        | "new_sem_wait"
        | "new_sem_wait_slow64"
        | "sem_timedwait64"
        | "sem_clockwait64" => Some(Kind::Semaphore),
        "pthread_join"
        | "pthread_timedjoin_np"
        | "pthread_clockjoin_np"
        | "pthread_clockjoin_ex"
        | "pthread_timedjoin_ex" => Some(Kind::Join),
        "pthread_barrier_wait" => Some(Kind::Barrier),
        "pthread_once" | "pthread_once_slow" | "pthread_once_full" | "cxa_guard_acquire" => Some(Kind::Once),
        _ => None,
    };
    c.or_else(|| of_cpp(name)).or_else(|| of_rust(name))
}

/// libstdc++'s waits that are made of futexes of its own (gcc `bits/atomic_futex.h`, `bits/semaphore_base.h`, `latch`,
/// `barrier`).
fn of_cpp(name: &str) -> Option<Kind> {
    let with = |part: &str| name.contains(part);
    match () {
        () if with("std::__atomic_futex_unsigned") && with("_M_futex_wait_until") => Some(Kind::Future),
        () if with("std::__basic_future<") || with("std::__future_base::") && with("::wait") => Some(Kind::Future),
        () if with("std::__atomic_semaphore::") || with("std::counting_semaphore<") && with("acquire") => {
            Some(Kind::Semaphore)
        }
        () if with("std::latch::") || with("std::barrier<") || with("std::__tree_barrier<") => Some(Kind::Barrier),
        () => None,
    }
}

/// Rust's library (rust `library/std/src/sys/sync`; `sys/unix/locks`, `sys_common` before Rust 1.70).
fn of_rust(name: &str) -> Option<Kind> {
    if !name.contains("std::") && !name.contains("parking_lot") && !name.contains("lock_api") {
        return None;
    }
    let base: String = name.chars().filter(|char| !matches!(char, '<' | '>')).collect();
    let last = base.rsplit("::").next().unwrap_or(&base);
    let with = |part: &str| base.contains(part);
    match last {
        "lock_contended" => Some(Kind::Mutex),
        "read_contended" => Some(Kind::ReadLock),
        "write_contended" => Some(Kind::WriteLock),
        "lock_slow" if with("raw_mutex") => Some(Kind::Mutex),
        "lock_shared_slow" => Some(Kind::ReadLock),
        "lock_exclusive_slow" => Some(Kind::WriteLock),
        "wait" | "wait_optional_timeout" | "wait_timeout" if with("condvar") => Some(Kind::Condition),
        "call" | "wait" if with("once::") => Some(Kind::Once),
        "wait_until_internal" if with("condvar") => Some(Kind::Condition),
        "park" | "park_timeout" if with("Parker") => Some(Kind::Park),
        "recv" | "send" if with("mpmc::") && with("::Channel") => Some(Kind::Channel),
        "wait" if with("barrier::Barrier") => Some(Kind::Barrier),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind_of, plain_name};

    #[test]
    fn functions_of_libraries_say_what_they_wait_for() {
        for (name, kind) in [
            ("pthread_mutex_lock", Kind::Mutex),
            ("__GI___pthread_mutex_lock", Kind::Mutex),
            ("__pthread_once_slow.isra.0", Kind::Once),
            ("___pthread_cond_wait", Kind::Condition),
            ("__new_sem_wait_slow64.constprop.0", Kind::Semaphore),
            ("std::__atomic_futex_unsigned_base::_M_futex_wait_until(unsigned int*, unsigned int)", Kind::Future),
            ("<std::sys::sync::mutex::futex::Mutex>::lock_contended", Kind::Mutex),
            ("std::sys::unix::locks::futex_mutex::Mutex::lock_contended", Kind::Mutex),
            ("<std::sys::sync::rwlock::futex::RwLock>::read_contended", Kind::ReadLock),
            ("<std::sys::sync::condvar::futex::Condvar>::wait", Kind::Condition),
            ("<std::sys::sync::once::futex::Once>::call", Kind::Once),
            ("<std::sys::sync::thread_parking::futex::Parker>::park", Kind::Park),
            ("std::sync::mpmc::list::Channel<T>::recv", Kind::Channel),
            ("<std::sync::barrier::Barrier>::wait", Kind::Barrier),
            ("std::sync::poison::barrier::Barrier::wait", Kind::Barrier),
        ] {
            assert_eq!(kind_of(name), Some(kind), "{name}");
        }
        for name in ["futex_wait", "__lll_lock_wait", "main", "my::recv", "once::call"] {
            assert_eq!(kind_of(name), None, "{name}");
        }
        assert_eq!(plain_name("__pthread_clockjoin_ex"), "pthread_clockjoin_ex");
    }
}
