//! The handler's child: opens the dying process, tells its crash from others, and takes the snapshot.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use super::spool::{Spool, stem};
use super::{CaptureError, Config};
use crate::fingerprint::Rules;
use crate::image::dying;
use crate::image::environment::{self, Environment};
use crate::session::{OpenOptions, Session};
use crate::snapshot::{self, Options, Redaction, SourceLines};

/// Frames that tell crashes apart.
const FRAMES: usize = 8;
/// Frames that are walked for them.
const WALKED: usize = 64;
/// Bytes of memory that are kept beyond what answers at the usual limits, as `obit snapshot` has it.
const BUDGET: u64 = 2 << 20;
/// How deep values are followed.
const DEPTH: usize = 8;

/// What became of a crash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A snapshot was taken.
    Written {
        /// The file.
        file: PathBuf,
        /// Its bytes.
        bytes: u64,
    },
    /// There were enough of the same.
    Enough {
        /// What they have in common.
        place: String,
    },
}

/// Takes a snapshot of the dying process `pid` into the spool. `beginning` is its core's.
pub fn work(
    pid: i32,
    beginning: &'static [u8],
    config: &Config,
    sources: Option<SourceLines<'_>>,
) -> Result<Outcome, CaptureError> {
    let spool = Spool::open(config)?;
    let most = std::thread::available_parallelism().map_or(2, |count| count.get().max(2));
    let _slot = spool.slot(most, Instant::now() + config.deadline())?;
    let image = dying::open(pid, beginning)?;
    let command = image.process.name.clone().unwrap_or_default();
    // Nobody waits for servers while a process dies.
    let places = OpenOptions { debuginfod: Some(false), ..OpenOptions::default() };
    let target = image.path.clone();
    let session = Session::of_image(image, &target, &places)?;
    let place = place(&session);
    if !spool.admit(&place, config.same_crash_per_hour)? {
        return Ok(Outcome::Enough { place });
    }
    let (rules, problem) = rules();
    problem.into_iter().for_each(|problem| spool.log(&problem));
    let options = Options { rules: &rules, ..options(&session, pid, config.attributes.clone(), sources) };
    let snapshot = snapshot::take(&session, options)?;
    let bytes = snapshot.bytes.len() as u64;
    spool.make_room(bytes, false)?;
    let mut unfinished = spool.begin()?;
    let path = spool.directory().to_owned();
    unfinished.file().and_then(|file| file.write_all(&snapshot.bytes)).map_err(CaptureError::io(&path))?;
    let fingerprint = snapshot.fingerprint.map(|fingerprint| format!("-{fingerprint}")).unwrap_or_default();
    let file = unfinished.finish(&format!("{}{fingerprint}.obit", stem(pid, &command)))?;
    Ok(Outcome::Written { file, bytes })
}

/// The rules for fingerprints. A file that cannot be used must not lose crashes: the usual rules hold then, and it is said.
pub fn rules() -> (Cow<'static, Rules>, Option<String>) {
    match Rules::configured() {
        Ok(rules) => (rules, None),
        Err(error) => {
            (Cow::Borrowed(Rules::usual()), Some(format!("{error}; the usual rules for fingerprints are used")))
        }
    }
}

/// What is kept of the process, as `obit snapshot` has it.
pub fn options<'a>(
    session: &Session,
    pid: i32,
    attributes: BTreeMap<String, String>,
    sources: Option<SourceLines<'a>>,
) -> Options<'a> {
    let pid = u32::try_from(pid).ok();
    Options {
        budget: BUDGET,
        depth: DEPTH,
        attributes,
        environment: pid.map(|pid| Environment { unwritten: session.unwritten(), ..environment::of_process(pid) }),
        redaction: Some(Redaction::usual()),
        sources,
        ..Options::default()
    }
}

/// Tells crashes apart well enough to count them before any debug information is read: the signal, and where in which builds
/// the innermost frames stand.
fn place(session: &Session) -> String {
    let mut hash = crc32fast::Hasher::new();
    let number = session.image.signal.as_ref().map_or(0, |signal| signal.number);
    hash.update(&number.to_le_bytes());
    hash.update(session.image.process.executable.as_deref().unwrap_or_default().as_bytes());
    let Some(thread) = session.image.threads.first() else { return format!("{:08x}", hash.finalize()) };
    let trace = session.trace(thread, WALKED);
    for frame in trace.stack.frames.iter().take(FRAMES) {
        let module = session.program.modules.at(frame.pc);
        let offset = module.map_or(frame.pc.0, |module| module.to_file(frame.pc).0);
        hash.update(module.and_then(|module| module.build_id()).unwrap_or_default());
        hash.update(&offset.to_le_bytes());
    }
    format!("{:08x}", hash.finalize())
}
