//! Where Go's runtime keeps its own lists, and how their members lie: looked up once.

use super::layout::{self, Field, Header, Layout};
use crate::addr::RunAddr;
use crate::image::ThreadState;
use crate::memory::ReadAs;
use crate::session::Session;
use crate::value::Place;

/// Threads of the runtime's that are looked at.
const MAX_MACHINES: usize = 1 << 16;

/// Why the runtime's structures are not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GoUnknown {
    /// Nothing of Go's in it.
    #[error("no module of the process is a Go program: there are no goroutines")]
    NotGo,
    /// Linked with -w or -s, or its file is not at hand.
    #[error("no runtime debug information: nothing says where Go keeps its goroutines ({0})")]
    NoDebugInformation(String),
    /// The list itself.
    #[error("runtime.allgs cannot be read: {0}")]
    Unreadable(String),
}

/// Go's runtime: its lists and layouts.
#[derive(Debug)]
pub struct GoStructures {
    /// How members lie.
    pub layout: Layout,
    /// Where the header of `runtime.allgs` is.
    pub list: RunAddr,
    /// Where `runtime.allm` is.
    pub machines: Option<RunAddr>,
    /// `runtime.waitReasonStrings`: where, a string's header, bytes from one to the next, how many.
    pub reasons: Option<(RunAddr, Header, u64, u64)>,
    /// `runtime.semtable`: where, bytes from one root to the next, how many, where each has its tree.
    pub semaphores: Option<(RunAddr, u64, u64, Field)>,
    /// In a channel's header, the first of those that wait to send.
    pub first_sender: Option<Field>,
}

/// What a thread of the runtime's is on.
#[derive(Clone, Copy, Debug)]
pub struct OnThread {
    /// The goroutine that it runs, or ran before it changed to its own stack.
    pub current: RunAddr,
    /// The goroutine's stack.
    pub stack: (u64, u64),
    /// The registers that were saved when it left that: pc, sp, fp, link.
    pub saved: [u64; 4],
    /// Where the thread's own stack was left when C last called Go on it.
    pub own_sp: Option<u64>,
}

impl Session {
    /// What is known of Go's runtime in the target.
    pub fn go_structures(&self) -> Result<&GoStructures, GoUnknown> {
        self.go.structures.get_or_init(|| self.find_go_structures()).as_ref().map_err(Clone::clone)
    }

    fn find_go_structures(&self) -> Result<GoStructures, GoUnknown> {
        // No name is looked for in what is not Go's.
        let module = self.program.modules.iter().find(|module| module.is_go()).ok_or(GoUnknown::NotGo)?;
        let allgs = self.find_globals("runtime.allgs", None, None).into_iter().next();
        let Some(allgs) = allgs else { return self.go_structures_of_version(module) };
        let layout = Layout::of_list(&self.types, allgs.type_id)
            .map_err(|missing| GoUnknown::NoDebugInformation(format!("{missing} is not described")))?;
        let list = match allgs.place.map_err(|absent| GoUnknown::Unreadable(absent.detail.unwrap_or_default()))? {
            Place::Memory(address) => address,
            Place::Bytes(_) => return Err(GoUnknown::Unreadable("it is not in memory".to_owned())),
        };
        let global = |name: &str| {
            let found = self.find_globals(name, None, None).into_iter().next()?;
            match found.place.ok()? {
                Place::Memory(address) => Some((address, found.type_id)),
                Place::Bytes(_) => None,
            }
        };
        let reasons = global("runtime.waitReasonStrings").and_then(|(address, type_id)| {
            let (header, stride, count) = layout::of_texts(&self.types, type_id)?;
            Some((address, header, stride, count))
        });
        let machines = global("runtime.allm").map(|(address, _)| address);
        let semaphores = global("runtime.semtable").and_then(|(address, type_id)| {
            let (stride, count, tree) = layout::of_semaphores(&self.types, type_id)?;
            Some((address, stride, count, tree))
        });
        let header = self.find_type("runtime.hchan");
        let first_sender = header.and_then(|header| layout::first_sender(&self.types, header));
        Ok(GoStructures { layout, list, machines, reasons, semaphores, first_sender })
    }

    /// The goroutine that a thread is on, by the runtime's own list of its threads.
    pub fn go_thread(&self, thread: &ThreadState) -> Option<OnThread> {
        let structures = self.go_structures().ok()?;
        let machine = &structures.layout.machine;
        let word = self.image.arch.address_size();
        let read = |at: RunAddr, size: usize| {
            self.memory().noted(at, size, ReadAs::Structure);
            self.memory().read_uint(at, size).ok()
        };
        let mut at = read(structures.machines?, word)?;
        for _ in 0..MAX_MACHINES {
            let field = |field: Field| read(RunAddr(at).checked_add(field.offset as u64)?, field.size);
            if at == 0 {
                return None;
            }
            if field(machine.lwp) == Some(u64::from(thread.lwp)) {
                let own = machine.own.and_then(field).filter(|own| *own != 0).map(RunAddr);
                let saved_sp = structures.layout.saved_sp;
                let own_sp = own.and_then(|own| read(own.checked_add(saved_sp.offset as u64)?, saved_sp.size));
                let on = self.on_thread(&structures.layout, RunAddr(field(machine.current)?))?;
                return Some(OnThread { own_sp, ..on });
            }
            at = field(machine.next?)?;
        }
        None
    }

    fn on_thread(&self, layout: &Layout, current: RunAddr) -> Option<OnThread> {
        if current.0 == 0 {
            return None;
        }
        self.memory().noted(current, layout.size, ReadAs::Structure);
        let bytes = self.memory().read_vec(current, layout.size).ok()?;
        let optional = |field: Option<Field>| field.map_or(0, |field| field.read(&bytes));
        let saved = [
            layout.saved_pc.read(&bytes),
            layout.saved_sp.read(&bytes),
            optional(layout.saved_fp),
            optional(layout.saved_link),
        ];
        let stack = (layout.stack_low.read(&bytes), layout.stack_high.read(&bytes));
        Some(OnThread { current, stack, saved, own_sp: None })
    }
}
