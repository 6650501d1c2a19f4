//! The scheduler of a program without debug information: members by Go's version, variables by their symbols where there
//! are any, else by what they hold and which of the runtime's functions refer to them.
//!
//! ```text
//! runtime.sched          runtime.schedinit refers to maxmcount; mnext is beyond every thread's number
//! runtime.allp           (pointer, length, capacity) to structures with the numbers 0, 1, 2, …
//! runtime.gcController   runtime.gcinit or gcStart refers to it; heapMinimum is 4 MiB * gcPercent / 100
//! runtime.memstats       numgc and its neighbours, to all of which runtime.gcMarkTermination refers
//! runtime.gcphase        the first variable of runtime.gcMark to which gcMarkDone and gcStart refer too
//! runtime.ncpu           the first variable of runtime.osinit
//! ```

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::{MAX_MACHINES, MAX_PROCESSORS};
use crate::addr::RunAddr;
use crate::arch::references::data_references;
use crate::memory::ReadAs;
use crate::module::{Module, go_table};
use crate::runtime::go::heap::HARMLESS;
use crate::runtime::go::version::Version;
use crate::session::Session;

/// Bytes of a function that are read.
const MAX_CODE: u64 = 1 << 16;
/// Thread numbers that were given to threads that have ended.
const MAX_ENDED: u64 = 1 << 24;
/// `gcPercent` of 100 stands for so many bytes (go `src/runtime/mgcpacer.go`, defaultHeapMinimum).
const HEAP_MINIMUM: u64 = 4 << 20;
/// From `mstats.numgc` to members that are used with it: pause_total_ns, numforcedgc, gc_cpu_fraction.
const BESIDE_CYCLES: [i64; 3] = [-4104, 4, 8];

/// A member's path, offset and size in bytes.
pub(super) type Member = (&'static str, u16, u8);

/// Members of a structure in some versions.
type Structure = &'static [(RangeInclusive<u32>, &'static [Member])];

// Read off the debug information of programs of Go 1.19.8, 1.21.13, 1.22.10, 1.23.9, 1.24.11, 1.25.5, 1.26.0 and 1.27.3
// (linux/amd64 and linux/arm64, which agree).
const GOROUTINE: Structure = &[
    (19..=19, &[("goid", 152, 8), ("schedlink", 160, 8)]),
    (21..=22, &[("goid", 152, 8), ("schedlink", 160, 8)]),
    (23..=24, &[("goid", 160, 8), ("schedlink", 168, 8)]),
    (25..=27, &[("goid", 152, 8), ("schedlink", 160, 8)]),
];
const PROCESSOR: Structure =
    &[(19..=22, &processor(56, 400)), (23..=25, &processor(48, 392)), (26..=27, &processor(48, 400))];
const MACHINE: Structure = &[
    (19..=19, &machine([232, 72, 208, 192, 352, 276, 280, 0, 0, 184, 336, 344, 0])),
    (21..=21, &machine([232, 72, 208, 192, 352, 276, 280, 282, 281, 184, 336, 344, 0])),
    (22..=23, &machine([232, 72, 208, 192, 344, 276, 280, 282, 281, 184, 328, 336, 0])),
    (24..=24, &machine([232, 72, 208, 192, 368, 276, 280, 282, 281, 184, 352, 360, 0])),
    (25..=25, &machine([224, 64, 200, 184, 360, 268, 272, 274, 273, 176, 344, 352, 0])),
    (26..=27, &machine([232, 64, 208, 184, 384, 276, 280, 282, 281, 176, 352, 360, 376])),
];
const SCHEDULER: Structure = &[
    (19..=19, &scheduler([96, 112, 92, 240, 224, 32, 56, 48, 80, 88, 40], 4, "midle")),
    (21..=24, &scheduler([104, 120, 92, 248, 232, 32, 56, 48, 80, 88, 40], 1, "midle")),
    (25..=25, &scheduler([112, 128, 100, 264, 248, 40, 64, 56, 88, 96, 48], 1, "midle")),
    (26..=27, &scheduler([128, 144, 116, 280, 264, 40, 80, 72, 104, 112, 64], 1, "midle.obj")),
];
const CONTROLLER: Structure = &[(19..=19, &controller(136, 104)), (21..=27, &controller(104, 72))];
const STATISTICS: Structure = &[
    (19..=24, &[("numgc", 7704, 4), ("pause_total_ns", 3600, 8)]),
    (25..=27, &[("numgc", 7680, 4), ("pause_total_ns", 3576, 8)]),
];

const fn processor(m: u16, head: u16) -> [Member; 8] {
    [
        ("id", 0, 4),
        ("status", 4, 4),
        ("m", m, 8),
        ("mcache", m + 8, 8),
        ("runqhead", head, 4),
        ("runqtail", head + 4, 4),
        ("runq", head + 8, 8),
        ("runnext", head + 2056, 8),
    ]
}

const fn machine(at: [u16; 13]) -> [Member; 13] {
    [
        ("id", at[0], 8),
        ("procid", at[1], 8),
        ("p", at[2], 8),
        ("curg", at[3], 8),
        ("lockedg", at[4], 8),
        ("spinning", at[5], 1),
        ("incgo", at[6], 1),
        ("isExtraInC", at[7], 1),
        ("isextra", at[8], 1),
        ("mstartfn", at[9], 8),
        ("alllink", at[10], 8),
        ("schedlink", at[11], 8),
        ("idleNode.next", at[12], 8),
    ]
}

const fn scheduler(at: [u16; 11], flag: u8, idle: &'static str) -> [Member; 12] {
    [
        ("goidgen", 0, 8),
        ("runq.head", at[0], 8),
        ("runqsize", at[1], 4),
        ("nmspinning", at[2], 4),
        ("sysmonwait", at[3], flag),
        ("gcwaiting", at[4], flag),
        (idle, at[5], 8),
        ("maxmcount", at[6], 4),
        ("mnext", at[7], 8),
        ("pidle", at[8], 8),
        ("npidle", at[9], 4),
        ("nmidle", at[10], 4),
    ]
}

const fn controller(live: u16, goal: u16) -> [Member; 6] {
    [
        ("gcPercent", 0, 4),
        ("memoryLimit", 8, 8),
        ("heapMinimum", 16, 8),
        ("heapLive", live, 8),
        ("heapMarked", live + 48, 8),
        ("gcPercentHeapGoal", goal, 8),
    ]
}

/// What is known of the runtime's structures and variables. An address is 0 where a variable was not found.
pub(super) struct Known {
    pub goroutine: &'static [Member],
    pub machine: &'static [Member],
    pub processor: &'static [Member],
    pub scheduler: (u64, &'static [Member]),
    /// The slice: where its data are, and how many.
    pub processors: (u64, u64),
    pub machines: u64,
    pub controller: (u64, &'static [Member]),
    pub statistics: (u64, &'static [Member]),
    pub phase: u64,
    pub cpus: u64,
}

/// The member of that path; the first of a structure has the offset 0, others of it what the version does not have.
pub(super) fn member(members: &[Member], path: &str) -> Option<(u64, usize)> {
    let at = members.iter().position(|(name, ..)| *name == path)?;
    let (_, offset, size) = members.get(at)?;
    (*offset != 0 || at == 0).then_some((u64::from(*offset), usize::from(*size)))
}

/// The structures of a version, or why they are not known.
pub(super) fn known(session: &Session, version: &Version) -> Result<Known, String> {
    const WITHOUT: &str = "there is no debug information (linked with -w or -s), and";
    let minor = version.minor;
    let of = |structure: Structure| {
        let members = structure.iter().find(|(minors, _)| minors.contains(&minor)).map(|(_, members)| *members);
        members.filter(|_| minor != 20).ok_or_else(|| {
            let name = &version.name;
            format!("{WITHOUT} the scheduler of {name} is not known without, only that of Go 1.19 and 1.21 to 1.27")
        })
    };
    let (goroutine, machine, processor) = (of(GOROUTINE)?, of(MACHINE)?, of(PROCESSOR)?);
    let (scheduler, controller, statistics) = (of(SCHEDULER)?, of(CONTROLLER)?, of(STATISTICS)?);
    let experiments = go_table::experiments(&version.name);
    if let Some(other) = experiments.iter().find(|one| !HARMLESS.contains(&one.strip_prefix("no").unwrap_or(one))) {
        return Err(format!("{WITHOUT} what GOEXPERIMENT={other} changes in the scheduler is not known"));
    }
    let module = session.program.modules.iter().find(|module| module.is_go());
    let module = module.ok_or_else(|| "no module is a Go program".to_owned())?;
    let missing = |what: &str| format!("{WITHOUT} {what} is not found in its data");
    let machines = session.go_structures().ok().and_then(|structures| structures.machines);
    let machines = machines.ok_or_else(|| missing("the list of threads"))?.0;
    let search = Search { session, module, data: session.writable_data(module) };
    let threads = search.threads(machines, machine);
    let at = search.scheduler(scheduler, machine, &threads).ok_or_else(|| missing("runtime.sched"))?;
    let processors = search.processors((at, scheduler), processor, machine, &threads);
    let processors = processors.ok_or_else(|| missing("the list of processors"))?;
    Ok(Known {
        goroutine,
        machine,
        processor,
        scheduler: (at, scheduler),
        processors,
        machines,
        controller: (search.controller(controller).unwrap_or(0), controller),
        statistics: (search.statistics(statistics).unwrap_or(0), statistics),
        phase: search.phase().unwrap_or(0),
        cpus: search.cpus().unwrap_or(0),
    })
}

struct Search<'a> {
    session: &'a Session,
    module: &'a Module,
    /// Words of the module's writable data.
    data: Vec<(u64, Vec<u64>)>,
}

impl Search<'_> {
    fn symbol(&self, name: &str) -> Option<u64> {
        let symbol = self.module.symbols().by_name(name).into_iter().next()?;
        Some(self.module.to_run(symbol.address).0)
    }

    fn read(&self, base: u64, members: &[Member], path: &str) -> Option<u64> {
        let (offset, size) = member(members, path)?;
        self.session.memory().read_uint(RunAddr(base.checked_add(offset)?), size).ok()
    }

    /// What a function's code refers to, in order.
    fn references(&self, function: &str) -> Vec<u64> {
        let Some(symbol) = self.module.symbols().by_name(function).into_iter().next() else { return Vec::new() };
        let start = self.module.to_run(symbol.address);
        let size = symbol.size.min(MAX_CODE) as usize;
        let of_file = || {
            let bytes = self.module.file()?.bytes_at(symbol.address)?;
            Some(bytes.get(..size).unwrap_or(bytes).to_vec())
        };
        let Some(code) = self.session.memory().read_vec(start, size).ok().or_else(of_file) else { return Vec::new() };
        let is_data = |at: &u64| {
            self.data.iter().any(|(start, words)| (*start..start.saturating_add(words.len() as u64 * 8)).contains(at))
        };
        let found = data_references(self.session.image.arch, &code, start);
        found.into_iter().map(|address| address.0).filter(is_data).collect()
    }

    fn threads(&self, list: u64, machine: &[Member]) -> HashSet<u64> {
        let mut found = HashSet::new();
        let mut at = self.session.memory().read_uint(RunAddr(list), 8).unwrap_or(0);
        while at != 0 && found.len() < MAX_MACHINES && found.insert(at) {
            at = self.read(at, machine, "alllink").unwrap_or(0);
        }
        found
    }

    fn scheduler(&self, members: &[Member], machine: &[Member], threads: &HashSet<u64>) -> Option<u64> {
        if let Some(at) = self.symbol("runtime.sched") {
            return Some(at);
        }
        let highest = threads.iter().filter_map(|thread| self.read(*thread, machine, "id")).max()?;
        let is_one = |at: &u64| {
            let read = |path: &str| self.read(*at, members, path);
            let check = || {
                let next = read("mnext")?;
                let (most, count, idle) =
                    (read("maxmcount")?, read("nmidle")?, read("midle").or_else(|| read("midle.obj"))?);
                let is_counted = next > highest && next - highest <= MAX_ENDED && (1..1 << 31).contains(&most);
                let is_idle = count <= threads.len() as u64 && (idle == 0) == (count == 0);
                let is_list = idle == 0 || threads.contains(&idle);
                let is_spinning = read("nmspinning")? <= threads.len() as u64;
                let is_flag = read("sysmonwait")? <= 1 && read("gcwaiting")? <= 1;
                let is_filled = read("goidgen")? != 0 && read("npidle")? <= MAX_PROCESSORS;
                Some(is_counted && is_idle && is_list && is_spinning && is_flag && is_filled)
            };
            check().unwrap_or(false)
        };
        // It is told there how many threads there may be at most.
        let (most, _) = member(members, "maxmcount")?;
        let mut found = self.references("runtime.schedinit");
        found.sort_unstable();
        found.dedup();
        let places = found.into_iter().filter_map(|at| at.checked_sub(most)).filter(|at| at & 7 == 0);
        self.only(places.filter(is_one))
    }

    /// The only one of them.
    fn only(&self, mut found: impl Iterator<Item = u64>) -> Option<u64> {
        let first = found.next()?;
        if found.next().is_some() {
            return None;
        }
        self.session.memory().noted(RunAddr(first), 512, ReadAs::Structure);
        Some(first)
    }

    fn processors(
        &self,
        scheduler: (u64, &[Member]),
        members: &[Member],
        machine: &[Member],
        threads: &HashSet<u64>,
    ) -> Option<(u64, u64)> {
        let word = |at: u64| self.session.memory().read_uint(RunAddr(at), 8).ok();
        if let Some(at) = self.symbol("runtime.allp") {
            return word(at).zip(at.checked_add(8).and_then(word));
        }
        // What others say of processors: the idle ones' list, and threads that have one.
        let mut named: Vec<u64> = threads.iter().filter_map(|thread| self.read(*thread, machine, "p")).collect();
        named.extend(self.read(scheduler.0, scheduler.1, "pidle"));
        named.retain(|processor| *processor != 0);
        let idle = self.read(scheduler.0, scheduler.1, "npidle")?;
        let is_list = |three: &[u64]| {
            let [pointer, length, capacity] = three else { return false };
            if !(1..=MAX_PROCESSORS).contains(length) || length > capacity || *pointer == 0 || pointer & 7 != 0 {
                return false;
            }
            let mut all = HashSet::new();
            for index in 0..*length {
                let Some(at) = pointer.checked_add(index * 8).and_then(word).filter(|at| *at != 0 && at & 7 == 0)
                else {
                    return false;
                };
                let read = |path: &str| self.read(at, members, path);
                let is_one = read("id") == Some(index)
                    && read("status").is_some_and(|status| status <= 3)
                    && read("m").is_some_and(|thread| thread == 0 || threads.contains(&thread))
                    && read("mcache").is_some_and(|cache| cache != 0 && word(cache).is_some());
                if !is_one || !all.insert(at) {
                    return false;
                }
            }
            idle <= *length && named.iter().all(|processor| all.contains(processor))
        };
        // Copies of it, which threads took (since Go 1.25, m.allpSnapshot), may be of a time when there were fewer.
        let triples = self.data.iter().flat_map(|(_, words)| words.windows(3)).filter(|three| is_list(three));
        triples.filter_map(|three| Some((*three.first()?, *three.get(1)?))).max_by_key(|(_, length)| *length)
    }

    fn controller(&self, members: &[Member]) -> Option<u64> {
        if let Some(at) = self.symbol("runtime.gcController") {
            return Some(at);
        }
        let is_one = |at: &u64| {
            let read = |path: &str| self.read(*at, members, path);
            let check = || {
                let percent = i64::from(read("gcPercent")? as u32 as i32);
                // The product of what stands for off, -1, has no room and is kept as it is.
                let wanted = HEAP_MINIMUM.wrapping_mul(percent as u64) / 100;
                let limit = read("memoryLimit")?;
                let sizes = [read("heapLive")?, read("heapMarked")?];
                // Between the two members there is a hole.
                let hole = self.session.memory().read_uint(RunAddr(at.checked_add(4)?), 4).ok()?;
                let is_limit = (1..=i64::MAX as u64).contains(&limit);
                let is_set = percent >= -1 && read("heapMinimum")? == wanted && wanted != 0;
                Some(is_set && is_limit && hole == 0 && sizes.iter().all(|size| *size < 1 << 47))
            };
            check().unwrap_or(false)
        };
        // Methods of it are called there, or their code stands there.
        let functions = ["runtime.gcinit", "runtime.schedinit", "runtime.gcStart", "runtime.gcMarkTermination"];
        let mut found: Vec<u64> = functions.iter().flat_map(|name| self.references(name)).collect();
        found.sort_unstable();
        found.dedup();
        let offsets = members.iter().map(|(_, offset, _)| u64::from(*offset));
        let mut places: Vec<u64> =
            offsets.flat_map(|offset| found.iter().filter_map(move |at| at.checked_sub(offset))).collect();
        places.sort_unstable();
        places.dedup();
        self.only(places.into_iter().filter(|at| at & 7 == 0).filter(is_one))
    }

    fn statistics(&self, members: &[Member]) -> Option<u64> {
        if let Some(at) = self.symbol("runtime.memstats") {
            return Some(at);
        }
        let found: HashSet<u64> = self.references("runtime.gcMarkTermination").into_iter().collect();
        let (offset, _) = member(members, "numgc")?;
        let is_one = |at: &&u64| {
            BESIDE_CYCLES.iter().all(|distance| at.checked_add_signed(*distance).is_some_and(|at| found.contains(&at)))
        };
        let places = found.iter().filter(is_one).filter_map(|at| at.checked_sub(offset));
        self.only(places)
    }

    fn phase(&self) -> Option<u64> {
        if let Some(at) = self.symbol("runtime.gcphase") {
            return Some(at);
        }
        let [done, started] = ["runtime.gcMarkDone", "runtime.gcStart"]
            .map(|name| self.references(name).into_iter().collect::<HashSet<_>>());
        let found = self.references("runtime.gcMark");
        found.into_iter().find(|at| done.contains(at) && started.contains(at))
    }

    fn cpus(&self) -> Option<u64> {
        let named = self.symbol("runtime.ncpu").or_else(|| self.symbol("runtime.numCPUStartup"));
        named.or_else(|| self.references("runtime.osinit").into_iter().next())
    }
}
