//! Stops every thread of a process, copies what is needed, lets it run on.
//!
//! ```text
//! every worker:  room → seize → │ interrupt, wait │ threads that came meanwhile, maps │ registers, stacks, pointers
//!                               │ pages that these point to, a few rounds │ let go
//! ```
//!
//! The kernel ties a traced thread to the thread that traces it, so each worker has threads of its own throughout; they
//! meet at barriers (`│`). No worker may leave before the last of these. Threads are seized (PTRACE_SEIZE): if this
//! program dies at any moment, the kernel lets them run on.
//!
//! The one file that traces: `unsafe` for PTRACE_GETREGSET, which has no safe wrapper for extended state, and for
//! setpriority.
#![allow(unsafe_code)]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::PAGE;
use super::copy::{self, Copied, Pointers};
use super::maps::{self, MapLine};
use super::notes::{NT_ARM_PAC_MASK, NT_ARM_TLS, NT_FPREGSET, NT_PRSTATUS, NT_X86_XSTATE};
use crate::addr::AddressHash;
use crate::arch::Arch;
use crate::order::Order;

/// Bytes of memory beside the stacks that are copied while the process stands still.
const MEMORY: u64 = 12 << 20;
/// How often what was copied is looked through for pointers to pages that were not.
const ROUNDS: usize = 3;
/// How long a thread may take to stop; one in uninterruptible sleep takes longer and is left out.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long one that waits for a core to stop on may take: the machine has too much to do.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks whether a thread has stopped.
const MOMENT: Duration = Duration::from_micros(20);
/// The nice value that comes first.
const HIGHEST_PRIORITY: i32 = -20;
/// Bytes of extended state: AMX has 11 KiB.
const LARGEST_STATE: usize = 64 << 10;
/// Bytes of FXSAVE's area, with which XSAVE's begins (Intel SDM volume 1, 13.4.1), and where what it leaves to software is.
const FXSAVE: usize = 512;
const FXSAVE_FOR_SOFTWARE: usize = 464;
/// Threads for each worker; fewer are not worth a second one.
const THREADS_A_WORKER: usize = 64;
/// Workers, at most: the process that stands still has colleagues on the same machine.
const MAX_WORKERS: usize = 4;

/// A thread's registers as the kernel gives them.
pub(super) struct Thread {
    pub(super) tid: Pid,
    pub(super) general: Vec<u8>,
    pub(super) floating: Vec<u8>,
    /// What only this architecture has, by the notes' types.
    pub(super) own: Vec<(u32, Vec<u8>)>,
}

/// What was copied.
pub(super) struct Still {
    pub(super) threads: Vec<Thread>,
    /// Threads that did not stop in time.
    pub(super) late: Vec<Pid>,
    pub(super) maps: Vec<MapLine>,
    /// Bytes by their start; ranges may overlap.
    pub(super) memory: BTreeMap<u64, Vec<u8>>,
    /// How long the process stood still.
    pub(super) pause: Duration,
}

/// Stops the process, copies, lets it go.
pub(super) fn copy(pid: i32, arch: Arch) -> Result<Still, Errno> {
    let tids = tasks(pid);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = (tids.len() / THREADS_A_WORKER).clamp(1, cores.min(MAX_WORKERS));
    let shared = Shared {
        pid,
        arch,
        workers,
        barrier: Barrier::new(workers),
        begun: OnceLock::new(),
        failed: OnceLock::new(),
        maps: OnceLock::new(),
        threads: AtomicUsize::new(0),
        first: &tids,
        plan: Mutex::new(Plan {
            pages: Vec::new(),
            asked: HashSet::default(),
            held: Vec::new(),
            next: Vec::new(),
            room: (MEMORY / PAGE) as usize,
        }),
    };
    let share = tids.len().div_ceil(workers).max(1);
    let shares: Vec<&[Pid]> = tids.chunks(share).chain(std::iter::repeat(&[][..])).take(workers).collect();
    // Each in a thread that ends: what it could not let go (a thread that sleeps in the kernel) the kernel then does.
    let done: Vec<Done> = std::thread::scope(|scope| {
        let workers: Vec<_> = shares
            .iter()
            .enumerate()
            .map(|(number, share)| {
                let shared = &shared;
                scope.spawn(move || {
                    hurry();
                    shared.work(number, share)
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    if let Some(errno) = shared.failed.into_inner() {
        return Err(errno);
    }
    let begun = shared.begun.into_inner().ok_or(Errno::ESRCH)?;
    let mut still = Still {
        threads: Vec::new(),
        late: Vec::new(),
        maps: shared.maps.into_inner().unwrap_or_default(),
        memory: BTreeMap::new(),
        pause: Duration::ZERO,
    };
    for done in done {
        still.pause = still.pause.max(done.released.saturating_duration_since(begun));
        still.threads.extend(done.threads);
        still.late.extend(done.late);
        for (start, bytes) in done.copied.pieces(0) {
            let known = still.memory.entry(start).or_default();
            if known.len() < bytes.len() {
                *known = bytes.to_vec();
            }
        }
    }
    still.threads.order_by_key(|thread| (thread.tid.as_raw() != pid, thread.tid));
    Ok(still)
}

/// Lets the calling thread go before all others where that is allowed: a process stands still for it.
fn hurry() {
    // SAFETY: takes numbers alone; 0 is the calling thread (setpriority(2), on Linux).
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, HIGHEST_PRIORITY) };
}

/// What the workers share.
struct Shared<'t> {
    pid: i32,
    arch: Arch,
    workers: usize,
    barrier: Barrier,
    /// When the first thread was interrupted.
    begun: OnceLock<Instant>,
    failed: OnceLock<Errno>,
    maps: OnceLock<Vec<MapLine>>,
    /// Number of threads that were stopped.
    threads: AtomicUsize,
    /// Threads that were there at first.
    first: &'t [Pid],
    plan: Mutex<Plan>,
}

/// Which pages are copied beside stacks and data: those that what was copied points to.
struct Plan {
    /// Pages that this round's words point to.
    pages: Vec<u64>,
    /// Pages that were asked for before.
    asked: HashSet<u64, AddressHash>,
    /// Ranges that were copied.
    held: Vec<(u64, u64)>,
    /// Ranges of the next round.
    next: Vec<(u64, u64)>,
    /// Pages that may still be copied.
    room: usize,
}

impl Plan {
    /// Makes the next round of this one's pages, as many as there is room for.
    fn next_round(&mut self) {
        let Plan { pages, asked, held, next, room } = self;
        held.sort_unstable();
        pages.sort_unstable();
        pages.dedup();
        next.clear();
        let is_held = |page: u64| {
            let index = held.partition_point(|(start, _)| *start <= page).checked_sub(1);
            index.and_then(|index| held.get(index)).is_some_and(|(_, end)| *end >= page + PAGE)
        };
        for page in pages.drain(..) {
            if *room == 0 || is_held(page) || !asked.insert(page) {
                continue;
            }
            *room -= 1;
            match next.last_mut() {
                Some(last) if last.1 == page => last.1 = page + PAGE,
                _ => next.push((page, page + PAGE)),
            }
        }
    }
}

/// What a worker brings home.
struct Done {
    threads: Vec<Thread>,
    late: Vec<Pid>,
    copied: Copied,
    released: Instant,
}

impl Shared<'_> {
    fn work(&self, number: usize, tids: &[Pid]) -> Done {
        let stack = copy::stack_size(tids.len().saturating_mul(self.workers));
        let room = (stack + PAGE).saturating_mul(tids.len() as u64) + MEMORY / self.workers as u64;
        let mut copied = Copied::with_room(room.min(maps::resident(self.pid)) as usize);
        let mut buffer = vec![0u8; LARGEST_STATE];
        let mut stopped = Stopped::default();
        self.seize(&mut stopped, tids);
        self.barrier.wait();
        if self.failed.get().is_some() {
            return Done { threads: Vec::new(), late: Vec::new(), copied, released: Instant::now() };
        }
        let begun = *self.begun.get_or_init(Instant::now);
        stopped.stop(begun);
        self.barrier.wait();
        if number == 0 {
            self.take_newcomers(&mut stopped, begun);
        } else if number == 1 {
            let _ = self.maps.set(maps::of_process(self.pid));
        }
        self.threads.fetch_add(stopped.threads.len(), Ordering::Relaxed);
        self.barrier.wait();
        let maps = self.maps.get_or_init(|| maps::of_process(self.pid));
        let threads: Vec<Thread> = stopped.threads.iter().map(|tid| registers(*tid, self.arch, &mut buffer)).collect();
        let stack = copy::stack_size(self.threads.load(Ordering::Relaxed));
        let pointers = threads.iter().filter_map(|thread| stack_pointer(thread, self.arch));
        let mut ranges: Vec<(u64, u64)> = pointers.filter_map(|sp| copy::stack_range(sp, stack, maps)).collect();
        ranges.extend(copy::data_ranges(maps).into_iter().skip(number).step_by(self.workers));
        let mut pointers = Pointers::new(maps);
        threads.iter().for_each(|thread| pointers.look_through(&thread.general));
        for round in 0..=ROUNDS {
            let before = copied.count();
            copied.read(Pid::from_raw(self.pid), &ranges);
            if round == ROUNDS {
                break;
            }
            copied.pieces(before).for_each(|(_, bytes)| pointers.look_through(bytes));
            let mut plan = lock(&self.plan);
            plan.held.extend(copied.pieces(before).map(|(start, bytes)| (start, start + bytes.len() as u64)));
            plan.pages.append(&mut pointers.pages);
            drop(plan);
            if self.barrier.wait().is_leader() {
                lock(&self.plan).next_round();
            }
            self.barrier.wait();
            let plan = lock(&self.plan);
            let share = plan.next.len().div_ceil(self.workers).max(1);
            ranges = plan.next.chunks(share).nth(number).unwrap_or_default().to_vec();
            if plan.next.is_empty() {
                break;
            }
        }
        stopped.release();
        Done { threads, late: std::mem::take(&mut stopped.late), copied, released: Instant::now() }
    }

    fn seize(&self, stopped: &mut Stopped, tids: &[Pid]) {
        for tid in tids {
            match ptrace::seize(*tid, ptrace::Options::empty()) {
                Ok(()) => stopped.seized.push(*tid),
                // The first thread too may have ended before the others; the kernel then says EPERM.
                Err(Errno::ESRCH | Errno::EPERM) if maps::has_ended(self.pid, tid.as_raw()) => {}
                Err(errno) => {
                    let _ = self.failed.set(errno);
                    return;
                }
            }
        }
    }

    /// Stops threads that were made while the others were stopped, until none is left.
    fn take_newcomers(&self, stopped: &mut Stopped, begun: Instant) {
        let mut known: HashSet<Pid> = self.first.iter().copied().collect();
        loop {
            let new: Vec<Pid> = tasks(self.pid).into_iter().filter(|tid| known.insert(*tid)).collect();
            if new.is_empty() {
                return;
            }
            self.seize(stopped, &new);
            stopped.stop(begun);
        }
    }
}

/// Threads of one worker that stand still; they go on when this is dropped.
#[derive(Default)]
struct Stopped {
    /// Seized, and not yet asked to stop.
    seized: Vec<Pid>,
    threads: Vec<Pid>,
    late: Vec<Pid>,
}

impl Stopped {
    fn stop(&mut self, begun: Instant) {
        self.seized.retain(|tid| ptrace::interrupt(*tid).is_ok());
        for tid in self.seized.drain(..) {
            match wait_for(tid, begun) {
                Waited::Stopped => self.threads.push(tid),
                Waited::Gone => {}
                Waited::Late => self.late.push(tid),
            }
        }
    }

    fn release(&mut self) {
        for tid in self.threads.drain(..) {
            let _ = ptrace::detach(tid, None);
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.release();
    }
}

enum Waited {
    Stopped,
    Gone,
    Late,
}

fn wait_for(tid: Pid, begun: Instant) -> Waited {
    let mut patience = PATIENCE;
    loop {
        match waitpid(tid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if begun.elapsed() > patience => {
                if patience >= LONGEST_PATIENCE || !maps::is_runnable(tid.as_raw()) {
                    return Waited::Late;
                }
                patience += PATIENCE;
            }
            // It needs a core to stop on, and the workers may have all of them.
            Ok(WaitStatus::StillAlive) => std::thread::sleep(MOMENT),
            Ok(WaitStatus::PtraceEvent(..)) => return Waited::Stopped,
            // A signal that came just then: it is given back at once, and the stop that was asked for follows.
            Ok(WaitStatus::Stopped(_, signal)) => {
                let _ = ptrace::cont(tid, signal);
            }
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return Waited::Gone,
            Ok(_) => return Waited::Stopped,
            Err(Errno::EINTR) => {}
            Err(_) => return Waited::Gone,
        }
    }
}

fn tasks(pid: i32) -> Vec<Pid> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut tasks: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    tasks.order_by_key(|tid| (*tid != pid, *tid));
    tasks.into_iter().map(Pid::from_raw).collect()
}

fn registers(tid: Pid, arch: Arch, buffer: &mut [u8]) -> Thread {
    let mut set = |kind| register_set(tid, kind, buffer).map(<[u8]>::to_vec).unwrap_or_default();
    let general = set(NT_PRSTATUS);
    let kinds: &[u32] = match arch {
        Arch::X86_64 => &[NT_X86_XSTATE],
        Arch::Aarch64 => &[NT_ARM_TLS, NT_ARM_PAC_MASK],
        Arch::I386 => &[],
    };
    let own: Vec<(u32, Vec<u8>)> =
        kinds.iter().map(|kind| (*kind, set(*kind))).filter(|(_, bytes)| !bytes.is_empty()).collect();
    // FXSAVE's area is the first part of XSAVE's.
    let extended = own.iter().find(|(kind, _)| *kind == NT_X86_XSTATE);
    let floating = match extended.and_then(|(_, bytes)| bytes.get(..FXSAVE)) {
        Some(area) => {
            let mut area = area.to_vec();
            area.iter_mut().skip(FXSAVE_FOR_SOFTWARE).for_each(|byte| *byte = 0);
            area
        }
        None => set(NT_FPREGSET),
    };
    Thread { tid, general, floating, own }
}

fn register_set(tid: Pid, kind: u32, buffer: &mut [u8]) -> Option<&[u8]> {
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: the kernel writes at most `iov_len` bytes to `iov_base`, which `buffer` holds until after the call, and
    // the number written to `iov_len` (ptrace(2), PTRACE_GETREGSET).
    let result = unsafe {
        libc::ptrace(
            libc::PTRACE_GETREGSET,
            tid.as_raw(),
            kind as usize as *mut libc::c_void,
            (&raw mut vector).cast::<libc::c_void>(),
        )
    };
    (result == 0).then(|| buffer.get(..vector.iov_len).unwrap_or_default())
}

/// Registers of threads that stand still for the calling thread.
pub(super) fn threads(tids: &[Pid], arch: Arch) -> Vec<Thread> {
    let mut buffer = vec![0u8; LARGEST_STATE];
    tids.iter().map(|tid| registers(*tid, arch, &mut buffer)).collect()
}

/// The `siginfo_t` of the signal that a thread stands before.
pub(super) fn siginfo(tid: Pid) -> Option<Vec<u8>> {
    let mut bytes = vec![0u8; size_of::<libc::siginfo_t>()];
    let nothing = std::ptr::null_mut::<libc::c_void>();
    let into = bytes.as_mut_ptr().cast::<libc::c_void>();
    // SAFETY: the kernel writes one `siginfo_t` (ptrace(2), PTRACE_GETSIGINFO), for which `bytes` has room.
    let result = unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid.as_raw(), nothing, into) };
    (result == 0).then_some(bytes)
}

/// Lets a thread that was stopped by a signal stay so, and tells of what comes next.
pub(super) fn listen(tid: Pid) -> Result<(), Errno> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: neither argument is used (ptrace(2), PTRACE_LISTEN).
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_LISTEN, tid.as_raw(), nothing, nothing) }).map(drop)
}

/// The stack pointer in `struct user_regs_struct`: word 19 on x86-64, 31 on aarch64.
fn stack_pointer(thread: &Thread, arch: Arch) -> Option<u64> {
    let at = if arch == Arch::X86_64 { 19 * 8 } else { 31 * 8 };
    Some(u64::from_le_bytes(thread.general.get(at..at + 8)?.try_into().ok()?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
