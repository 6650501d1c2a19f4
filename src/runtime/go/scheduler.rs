//! Go's scheduler and the pace of its garbage collector: threads (M), processors (P), queues of goroutines (go
//! `src/runtime/proc.go`, `runtime2.go`, `mgcpacer.go`, Go 1.18 to 1.27).
//!
//! ```text
//! runtime.allp   *p … ── status, m, runnext, runq[runqhead..runqtail]
//! runtime.allm   *m ── alllink … ── procid, p, curg, spinning, lockedg
//! runtime.sched  runq, midle, pidle, nmspinning, sysmonwait
//! runtime.gcController, gcphase, memstats
//! ```
//!
//! Members are found by the debug information, else by the version (`versioned`); what a version does not have is absent.

mod versioned;

use std::collections::HashSet;

use super::version::{self, Unknown};
use super::{GoRuntime, RuntimeError};
use crate::addr::RunAddr;
use crate::image::Note;
use crate::memory::ReadAs;
use crate::order::Order;
use crate::session::Session;
use crate::session::go::layout::{self, Field};
use crate::types::{Count, TypeId, TypeKind};
use crate::value::Place;

/// Processors that are looked at.
const MAX_PROCESSORS: u64 = 1 << 14;
/// Threads that are looked at.
const MAX_MACHINES: usize = 1 << 16;
/// Goroutines of one queue.
const MAX_QUEUE: usize = 1 << 22;
/// Places of a processor's own queue (`p.runq`).
const MAX_PLACES: u64 = 1 << 12;

/// What a processor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Nothing.
    Idle,
    /// A thread runs Go's code with it.
    Running,
    /// Its thread is in a system call, and it may be taken away (up to Go 1.25).
    Syscall,
    /// Stopped for the garbage collector.
    Stopped,
    /// No longer used: GOMAXPROCS was lowered.
    Dead,
    /// The memory holds no status.
    Corrupt,
}

impl Status {
    fn of(number: u64) -> Status {
        match number {
            0 => Status::Idle,
            1 => Status::Running,
            2 => Status::Syscall,
            3 => Status::Stopped,
            4 => Status::Dead,
            _ => Status::Corrupt,
        }
    }

    /// The word for it.
    pub fn code(self) -> &'static str {
        match self {
            Status::Idle => "idle",
            Status::Running => "running",
            Status::Syscall => "syscall",
            Status::Stopped => "stopped",
            Status::Dead => "dead",
            Status::Corrupt => "corrupt",
        }
    }
}

/// A processor: the right to run Go's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Its number.
    pub id: u64,
    /// What it does.
    pub status: Status,
    /// The number of the thread that has it.
    pub machine: Option<u64>,
    /// The goroutine that runs next.
    pub next: Option<u64>,
    /// Those that run after it.
    pub queue: Vec<u64>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

impl Processor {
    /// One of which nothing is known but that it should be there.
    fn corrupt(id: u64, problem: String) -> Processor {
        let (machine, next, queue) = (None, None, Vec::new());
        Processor { id, status: Status::Corrupt, machine, next, queue, problem: Some(problem) }
    }
}

/// A thread of the runtime's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The runtime's number of it.
    pub id: u64,
    /// The kernel's; `None`: not started yet.
    pub lwp: Option<u32>,
    /// The processor that it has.
    pub processor: Option<u64>,
    /// The goroutine that it is on.
    pub goroutine: Option<u64>,
    /// The goroutine that alone may run on it.
    pub locked: Option<u64>,
    /// It waits for work.
    pub is_idle: bool,
    /// It looks for work.
    pub is_spinning: bool,
    /// It runs C.
    pub in_c: bool,
    /// It was made for threads of C's that call Go.
    pub is_extra: bool,
    /// The runtime function that it runs for good: `runtime.sysmon`.
    pub runs: Option<String>,
}

/// The collector and its pace. Sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collector {
    /// off, mark, mark termination.
    pub phase: Option<&'static str>,
    /// GOGC; -1: off.
    pub percent: Option<i64>,
    /// GOMEMLIMIT, where one is set.
    pub memory_limit: Option<u64>,
    /// Allocated since what the last collection found alive, and that.
    pub live: Option<u64>,
    /// What the last collection found alive.
    pub marked: Option<u64>,
    /// What is allocated when the next one is to be done; `None`: there is none to come.
    pub goal: Option<u64>,
    /// Collections that were done.
    pub cycles: Option<u64>,
    /// Nanoseconds that they stopped the program for.
    pub paused: Option<u64>,
}

/// The scheduler.
#[derive(Clone, Debug, Default)]
pub struct Scheduler {
    /// `go1.23.9`
    pub version: String,
    /// GOMAXPROCS.
    pub processors_wanted: Option<u64>,
    /// Of the machine.
    pub cpus: Option<u64>,
    /// Goroutines that no processor has yet.
    pub queue: Vec<u64>,
    /// How many the runtime counts in that queue.
    pub queue_counted: Option<u64>,
    /// Threads that look for work.
    pub spinning: Option<u64>,
    /// The watchdog sleeps: there is nothing to watch.
    pub sysmon_sleeps: Option<bool>,
    /// The world is being stopped.
    pub stopping: Option<bool>,
    /// The collector.
    pub collector: Collector,
    /// All processors.
    pub processors: Vec<Processor>,
    /// All threads.
    pub machines: Vec<Machine>,
    /// What cannot be right.
    pub notes: Vec<Note>,
}

/// How a structure's members are known.
#[derive(Clone, Copy)]
enum Shape {
    /// By its type.
    Described(TypeId),
    /// By the version.
    Known(&'static [versioned::Member]),
}

/// A structure at an address.
#[derive(Clone, Copy)]
struct At<'a> {
    session: &'a Session,
    address: RunAddr,
    shape: Shape,
}

impl<'a> At<'a> {
    fn global(session: &'a Session, name: &str) -> Option<At<'a>> {
        let found = session.find_globals(name, None, None).into_iter().next()?;
        match found.place.ok()? {
            Place::Memory(address) => Some(At { session, address, shape: Shape::Described(found.type_id) }),
            Place::Bytes(_) => None,
        }
    }

    fn read(&self, offset: u64, size: usize) -> Option<u64> {
        let at = self.address.checked_add(offset)?;
        self.session.memory().noted(at, size, ReadAs::Structure);
        self.session.memory().read_uint(at, size).ok()
    }

    /// A member that is a number or a pointer.
    fn number(&self, path: &str) -> Option<u64> {
        let (offset, size) = match self.shape {
            Shape::Described(type_id) => {
                let Field { offset, size } = layout::field(&self.session.types, type_id, path)?;
                (offset as u64, size)
            }
            Shape::Known(members) => versioned::member(members, path)?,
        };
        self.read(offset, size)
    }

    fn first(&self, paths: &[&str]) -> Option<u64> {
        paths.iter().find_map(|path| self.number(path))
    }

    fn is_set(&self, path: &str) -> bool {
        self.number(path).is_some_and(|value| value != 0)
    }

    /// Of a variable that is a number.
    fn value(&self) -> Option<u64> {
        let size = match self.shape {
            Shape::Described(type_id) => self.session.types.size(type_id).filter(|size| *size <= 8)? as usize,
            Shape::Known(_) => return None,
        };
        self.read(0, size)
    }
}

/// The variables of the runtime's that are looked at.
struct Variables<'a> {
    scheduler: At<'a>,
    /// The slice of processors: where its data are, and how many.
    processors: (u64, u64),
    /// The first thread.
    machines: Option<u64>,
    processors_wanted: Option<u64>,
    cpus: Option<u64>,
    controller: Option<At<'a>>,
    statistics: Option<At<'a>>,
    phase: Option<u64>,
}

/// Types of what pointers lead to that are declared as plain numbers.
struct Walk<'a> {
    session: &'a Session,
    goroutine: Shape,
    machine: Shape,
    processor: Shape,
}

impl<'a> Walk<'a> {
    fn at(&self, address: u64, shape: Shape) -> Option<At<'a>> {
        (address != 0).then_some(At { session: self.session, address: RunAddr(address), shape })
    }

    /// Where a processor has its own queue, and places of that.
    fn own_queue(&self) -> Option<(u64, u64)> {
        match self.processor {
            Shape::Described(type_id) => {
                let types = &self.session.types;
                let (array, offset) = layout::member(types, type_id, "runq")?;
                match types.stripped(array).1.kind {
                    TypeKind::Array { count: Count::Fixed(count), .. } if (1..=MAX_PLACES).contains(&count) => {
                        Some((offset, count))
                    }
                    _ => None,
                }
            }
            // The same from Go 1.1 on (go `src/runtime/runtime2.go`, p.runq).
            Shape::Known(members) => Some((versioned::member(members, "runq")?.0, 256)),
        }
    }

    fn goroutine_id(&self, address: u64) -> Option<u64> {
        self.at(address, self.goroutine)?.number("goid")
    }

    /// Numbers of goroutines from one on, each of which names the next.
    fn list(&self, first: u64) -> Vec<u64> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut at = first;
        while let Some(goroutine) = self.at(at, self.goroutine) {
            if found.len() >= MAX_QUEUE || !seen.insert(at) {
                break;
            }
            found.extend(goroutine.number("goid"));
            at = goroutine.number("schedlink").unwrap_or(0);
        }
        found
    }

    /// The processor of that number, whose structure is at an address.
    fn processor(&self, index: u64, address: u64) -> Processor {
        match self.at(address, self.processor).map(|at| (at, self.readable_processor(at))) {
            Some((_, Some(processor))) => {
                let problem = (processor.id != index)
                    .then(|| format!("the p at {} has the number {}", RunAddr(address), processor.id));
                Processor { id: index, problem: problem.or(processor.problem.clone()), ..processor }
            }
            Some((at, None)) => Processor::corrupt(index, format!("the p at {} cannot be read", at.address)),
            None => Processor::corrupt(index, "no p is there".to_owned()),
        }
    }

    fn readable_processor(&self, at: At<'a>) -> Option<Processor> {
        let id = at.number("id")?;
        let (offset, places) = self.own_queue()?;
        let (head, tail) = (at.number("runqhead")?, at.number("runqtail")?);
        // Both only ever grow, and wrap at 32 bits.
        let length = tail.wrapping_sub(head) & 0xffff_ffff;
        let status = at.number("status")?;
        let mut problem = match Status::of(status) {
            Status::Corrupt => Some(format!("the p at {} has the status {status:#x}, which is none", at.address)),
            _ if length > places => {
                Some(format!("the p at {} has {length} goroutines in a queue of {places}", at.address))
            }
            _ => None,
        };
        let mut queue = Vec::new();
        for index in 0..if length > places { 0 } else { length } {
            let place = head.wrapping_add(index) % places;
            let goroutine = offset.checked_add(place * 8).and_then(|place| at.read(place, 8));
            match goroutine.and_then(|goroutine| self.goroutine_id(goroutine)) {
                Some(id) => queue.push(id),
                None => {
                    let why = || format!("the p at {} has goroutines in its queue that cannot be read", at.address);
                    problem.get_or_insert_with(why);
                }
            }
        }
        Some(Processor {
            id,
            status: Status::of(status),
            machine: self.at(at.number("m")?, self.machine).and_then(|machine| machine.number("id")),
            next: self.goroutine_id(at.number("runnext")?),
            queue,
            problem,
        })
    }

    fn machine(&self, at: At<'a>, idle: &HashSet<u64>) -> Option<Machine> {
        let lwp = at.number("procid").filter(|lwp| *lwp != 0).and_then(|lwp| u32::try_from(lwp).ok());
        let started = at.number("mstartfn").filter(|closure| *closure != 0);
        let code = started.and_then(|closure| self.session.memory().read_uint(RunAddr(closure), 8).ok());
        let runs = code.and_then(|code| self.session.code(RunAddr(code)).into_iter().next_back());
        let runs = runs.and_then(|code| code.function.clone()).filter(|name| name.starts_with("runtime."));
        // What starts a thread for a processor does no more than that.
        let for_good = ["runtime.sysmon", "runtime.templateThread"];
        Some(Machine {
            id: at.number("id")?,
            lwp,
            processor: self.at(at.number("p")?, self.processor).and_then(|processor| processor.number("id")),
            goroutine: self.goroutine_id(at.number("curg")?),
            locked: at.number("lockedg").and_then(|goroutine| self.goroutine_id(goroutine)),
            is_idle: idle.contains(&at.address.0),
            is_spinning: at.is_set("spinning"),
            in_c: at.is_set("incgo") || at.is_set("isExtraInC"),
            is_extra: at.is_set("isextra"),
            runs: runs.filter(|name| for_good.contains(&name.as_ref())).map(|name| name.to_string()),
        })
    }
}

impl GoRuntime<'_> {
    /// The scheduler as it was.
    pub fn scheduler(&self) -> Result<Scheduler, RuntimeError> {
        let session = self.session;
        let version = version::known(session, "scheduler").map_err(|unknown| match unknown {
            Unknown::NotGo => RuntimeError::NotGo,
            Unknown::Because(why) => RuntimeError::NoDebugInformation(why),
        })?;
        let (walk, variables) = match session.find_type("runtime.g") {
            Some(goroutine) => described(session, goroutine),
            None => by_version(session, &version),
        }
        .map_err(|why| RuntimeError::NoDebugInformation(format!("{}: {why}", version.path)))?;
        let sched = variables.scheduler;
        let mut scheduler = Scheduler {
            version: version.name.clone(),
            processors_wanted: variables.processors_wanted,
            cpus: variables.cpus,
            queue: sched.number("runq.head").map(|head| walk.list(head)).unwrap_or_default(),
            queue_counted: sched.first(&["runqsize", "runq.size"]),
            spinning: sched.number("nmspinning"),
            sysmon_sleeps: sched.number("sysmonwait").map(|value| value != 0),
            stopping: sched.number("gcwaiting").map(|value| value != 0),
            collector: collector(&variables),
            ..Scheduler::default()
        };
        let (data, length) = variables.processors;
        for index in 0..length.min(MAX_PROCESSORS) {
            let at = data.checked_add(index * 8).and_then(|at| session.memory().read_uint(RunAddr(at), 8).ok());
            let Some(at) = at else {
                let message = format!("{} of {length} processors of runtime.allp cannot be read", length - index);
                scheduler.notes.push(Note { code: "processors-unreadable", message });
                break;
            };
            scheduler.processors.push(walk.processor(index, at));
        }
        if length > MAX_PROCESSORS {
            let message = format!("runtime.allp names {length} processors, of which {MAX_PROCESSORS} are looked at");
            scheduler.notes.push(Note { code: "too-many-processors", message });
        }
        let mut idle = HashSet::new();
        match sched.number("midle") {
            Some(first) => {
                let mut at = first;
                while let Some(machine) = walk.at(at, walk.machine).filter(|_| idle.len() < MAX_MACHINES) {
                    if !idle.insert(at) {
                        break;
                    }
                    at = machine.number("schedlink").unwrap_or(0);
                }
            }
            None => idle.extend(idle_nodes(&walk, &sched)),
        }
        let mut seen = HashSet::new();
        let mut at = variables.machines.unwrap_or(0);
        while let Some(machine) = walk.at(at, walk.machine).filter(|_| seen.len() < MAX_MACHINES) {
            if !seen.insert(at) {
                let message = format!("the list of threads comes back to the m at {}: others are missing", RunAddr(at));
                scheduler.notes.push(Note { code: "machines-repeated", message });
                break;
            }
            let (read, next) = (walk.machine(machine, &idle), machine.number("alllink"));
            if read.is_none() || next.is_none() {
                let message = format!("the m at {} cannot be read: it and those behind it are missing", RunAddr(at));
                scheduler.notes.push(Note { code: "machines-unreadable", message });
            }
            scheduler.machines.extend(read);
            at = next.unwrap_or(0);
        }
        scheduler.machines.order_by_key(|machine| machine.id);
        Ok(scheduler)
    }
}

/// Since Go 1.26 the idle threads name each other beside their other links (`idleNode`).
fn idle_nodes(walk: &Walk<'_>, sched: &At<'_>) -> HashSet<u64> {
    let mut idle = HashSet::new();
    let mut at = sched.number("midle.obj").unwrap_or(0);
    while let Some(machine) = walk.at(at, walk.machine).filter(|_| idle.len() < MAX_MACHINES) {
        if !idle.insert(at) {
            break;
        }
        at = machine.number("idleNode.next").unwrap_or(0);
    }
    idle
}

/// By the debug information.
fn described(session: &Session, goroutine: TypeId) -> Result<(Walk<'_>, Variables<'_>), String> {
    let missing = |what: &str| format!("{what} is not described");
    let named = |name: &str| session.find_type(name).map(Shape::Described).ok_or_else(|| missing(name));
    let (machine, processor) = (named("runtime.m")?, named("runtime.p")?);
    let walk = Walk { session, goroutine: Shape::Described(goroutine), machine, processor };
    let scheduler = At::global(session, "runtime.sched").ok_or_else(|| missing("runtime.sched"))?;
    let global = |name: &str| At::global(session, name).and_then(|found| found.value());
    let list = session.find_globals("runtime.allp", None, None).into_iter().next();
    let header = list.as_ref().and_then(|list| layout::header(&session.types, list.type_id, "array"));
    let (list, header) = At::global(session, "runtime.allp").zip(header).ok_or_else(|| missing("runtime.allp"))?;
    let field = |field: Field| list.read(field.offset as u64, field.size);
    let variables = Variables {
        scheduler,
        processors: (field(header.data).unwrap_or(0), field(header.length).unwrap_or(0)),
        machines: global("runtime.allm"),
        processors_wanted: global("runtime.gomaxprocs"),
        // Since Go 1.25 numCPUStartup.
        cpus: global("runtime.ncpu").or_else(|| global("runtime.numCPUStartup")),
        controller: At::global(session, "runtime.gcController"),
        statistics: At::global(session, "runtime.memstats"),
        phase: global("runtime.gcphase"),
    };
    Ok((walk, variables))
}

/// By the version.
fn by_version<'a>(session: &'a Session, version: &version::Version) -> Result<(Walk<'a>, Variables<'a>), String> {
    let known = versioned::known(session, version)?;
    let of = Shape::Known;
    let walk =
        Walk { session, goroutine: of(known.goroutine), machine: of(known.machine), processor: of(known.processor) };
    let at = |(address, members): (u64, &'static [versioned::Member])| walk.at(address, of(members));
    let read = |address: u64, size: usize| {
        let place = At { session, address: RunAddr(address), shape: walk.goroutine };
        (address != 0).then(|| place.read(0, size)).flatten()
    };
    let variables = Variables {
        scheduler: at(known.scheduler).ok_or("runtime.sched is not found")?,
        processors: known.processors,
        machines: read(known.machines, 8),
        // go `src/runtime/proc.go`, procresize: the slice is cut to it.
        processors_wanted: Some(known.processors.1),
        cpus: read(known.cpus, 4),
        controller: at(known.controller),
        statistics: at(known.statistics),
        phase: read(known.phase, 4),
    };
    Ok((walk, variables))
}

fn collector(variables: &Variables<'_>) -> Collector {
    let Variables { controller, statistics, phase, .. } = *variables;
    let number = |paths: &[&str]| controller.and_then(|controller| controller.first(paths));
    let counted = |path: &str| statistics.and_then(|statistics| statistics.number(path));
    let percent = number(&["gcPercent"]).map(|percent| i64::from(percent as u32 as i32));
    // The largest number stands for none.
    let bounded = |bytes: u64| bytes < i64::MAX as u64;
    Collector {
        phase: phase.and_then(|phase| match phase {
            0 => Some("off"),
            1 => Some("mark"),
            2 => Some("mark termination"),
            _ => None,
        }),
        percent,
        memory_limit: number(&["memoryLimit"]).filter(|limit| bounded(*limit)),
        live: number(&["heapLive"]),
        marked: number(&["heapMarked"]),
        // Up to Go 1.18 heapGoal.
        goal: number(&["gcPercentHeapGoal", "heapGoal"]).filter(|goal| *goal > 0 && bounded(*goal)),
        cycles: counted("numgc"),
        paused: counted("pause_total_ns"),
    }
}
