//! Makes the index of a module's names: a pass over every unit. `gathered` and `written` bring together what it finds.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gimli::Section;

use super::pass::{NameAt, Pass, ScopeKind, name_of, strings_of};
use super::scopes::{OUTERMOST, Scopes};
use super::written::written;
use super::{FNV_START, NameIndex, NameKind, wide_hash};
use crate::interrupt;
use crate::module::Language;
use crate::module::unit::Unit;
use crate::module::units::DebugInfo;
use crate::parallel;

/// Entries that are indexed; what has more is not a program that somebody wrote.
const MAX_ENTRIES: usize = 24 << 20;
/// Bytes of a name.
pub(super) const MAX_NAME: usize = 1 << 14;
/// Entries between a scope and the outermost one, and from one to what it elaborates.
const MAX_STEPS: usize = 128;
/// Parts of .debug_str whose names are brought together at once.
pub(super) const SHARDS: usize = 256;
/// Fewer units are passed over before anybody could read of it.
const UNITS_FOR_PROGRESS: usize = 64;

/// An entry as it was found.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    /// Where its text is: in .debug_str, where its end need not be looked for as long as nobody reads it; or its number
    /// among the texts that its unit has elsewhere.
    pub(super) text: u32,
    /// The number of its scope.
    pub(super) scope: u32,
    /// What it is in the upper 4 bits, its offset in the unit in the others.
    pub(super) entry: u32,
}

impl Found {
    /// Units have fewer bytes.
    const MAX_OFFSET: u32 = 1 << 28;

    pub(super) fn kind(self) -> u32 {
        self.entry >> 28
    }

    pub(super) fn offset(self) -> u32 {
        self.entry & (Found::MAX_OFFSET - 1)
    }
}

/// A unit's names, those of a shard together; and those whose texts are not in .debug_str.
#[derive(Default)]
pub(super) struct OfUnit {
    /// Where the unit is in .debug_info.
    pub(super) start: u64,
    pub(super) found: Vec<Found>,
    /// Where in `found` each shard begins, and the end.
    pub(super) starts: Vec<u32>,
    pub(super) elsewhere: Vec<Found>,
    pub(super) texts: Vec<&'static [u8]>,
    /// Nothing was left out.
    whole: bool,
}

/// The index of all units; shows how far it is on a terminal. `None` where the request to end comes before.
pub fn build(debug: &DebugInfo) -> Option<NameIndex> {
    let dwarf = debug.dwarf();
    let (info, debug_str) = (dwarf.debug_info.reader().len(), dwarf.debug_str.reader().slice());
    let starts = debug.unit_starts(0);
    let part = part_size(debug_str);
    let progress = progress(starts.len());
    let count = AtomicUsize::new(0);
    let whole = AtomicBool::new(true);
    let scopes = Scopes::new();
    let units = parallel::map(&starts, |start| {
        if interrupt::requested() {
            return None;
        }
        if count.load(Ordering::Relaxed) > MAX_ENTRIES {
            whole.store(false, Ordering::Relaxed);
            return None;
        }
        let mut found = names_of(debug.unit_holding(*start)?, &scopes, debug_str, part);
        found.start = *start as u64;
        count.fetch_add(found.found.len() + found.elsewhere.len(), Ordering::Relaxed);
        whole.fetch_and(found.whole, Ordering::Relaxed);
        if let Some(bar) = &progress {
            bar.inc(1);
        }
        Some(found)
    });
    let units = units.into_iter().flatten().collect();
    let index = written(units, scopes, info, debug_str, whole.into_inner());
    if let Some(bar) = &progress {
        bar.finish_and_clear();
    }
    index.filter(|_| !interrupt::requested())
}

fn progress(units: usize) -> Option<indicatif::ProgressBar> {
    if units < UNITS_FOR_PROGRESS || !std::io::stderr().is_terminal() {
        return None;
    }
    let target = indicatif::ProgressDrawTarget::stderr();
    let bar = indicatif::ProgressBar::with_draw_target(Some(units as u64), target);
    if let Ok(style) = indicatif::ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} units") {
        bar.set_style(style);
    }
    Some(bar.with_message("reading names"))
}

/// What a unit's entries outside of functions are called.
fn names_of(unit: &Unit, scopes: &Scopes, debug_str: &'static [u8], part: u32) -> OfUnit {
    let pass = Pass::over(unit);
    let mut of_unit = OfUnit { whole: true, ..OfUnit::default() };
    let mut found: Vec<Found> = Vec::with_capacity(pass.named.len());
    let known = vec![None; pass.scopes.len()];
    let mut paths = Paths { unit, pass: &pass, debug_str, all: scopes, known };
    for named in &pass.named {
        let Some(kind) = named.kind else { continue };
        let Some((text, around)) = paths.name(named.name, named.offset, named.scope) else { continue };
        let around = match pass.scopes.get(around as usize) {
            Some(scope) if kind == NameKind::Enumerator && paths.is_transparent(scope.kind) => scope.around,
            _ => around,
        };
        if named.offset >= Found::MAX_OFFSET {
            of_unit.whole = false;
            continue;
        }
        let entry = (kind as u32) << 28 | named.offset;
        match text {
            // The text itself is not looked at here: this comes from all over memory, and would be most of the time.
            Text::InDebugStr(at) => found.push(Found { text: at, scope: paths.of(around, MAX_STEPS).1, entry }),
            Text::Elsewhere(text) if text.is_empty() || text.len() > MAX_NAME => {}
            Text::Elsewhere(text) => {
                let scope = paths.of(around, MAX_STEPS).1;
                of_unit.elsewhere.push(Found { text: of_unit.texts.len() as u32, scope, entry });
                of_unit.texts.push(text);
            }
        }
    }
    (of_unit.found, of_unit.starts) = by_shard(&found, part);
    of_unit
}

/// Bytes of the parts into which .debug_str is divided.
fn part_size(debug_str: &[u8]) -> u32 {
    (debug_str.len() / SHARDS + 1) as u32
}

/// The entries with those of a shard together, and where each shard begins.
fn by_shard(found: &[Found], part: u32) -> (Vec<Found>, Vec<u32>) {
    let shard_of = |found: &Found| ((found.text / part.max(1)) as usize).min(SHARDS - 1);
    let mut starts = vec![0u32; SHARDS + 1];
    found.iter().for_each(|found| starts[shard_of(found) + 1] += 1);
    for shard in 0..SHARDS {
        starts[shard + 1] += starts[shard];
    }
    let mut next = starts.clone();
    let mut ordered = vec![Found::default(); found.len()];
    for found in found {
        let at = &mut next[shard_of(found)];
        ordered[*at as usize] = *found;
        *at += 1;
    }
    (ordered, starts)
}

/// A name's text.
#[derive(Clone, Copy)]
enum Text {
    /// It begins at this offset of the module's own .debug_str.
    InDebugStr(u32),
    Elsewhere(&'static [u8]),
}

/// The names of a unit's entries, and the paths of its scopes, each worked out once.
struct Paths<'u> {
    unit: &'u Unit,
    pass: &'u Pass,
    debug_str: &'static [u8],
    all: &'u Scopes,
    /// By the scope's index: hash of its path, and its number.
    known: Vec<Option<(u64, u32)>>,
}

impl Paths<'_> {
    /// An entry's name, and the index of the scope that it is in: that of the entry which it elaborates, where there is
    /// one.
    fn name(&self, name: NameAt, offset: u32, scope: u32) -> Option<(Text, u32)> {
        let (mut name, mut offset, mut scope) = (name, offset, scope);
        for _ in 0..4 {
            match name {
                NameAt::Nowhere => return None,
                // A split unit has texts of its own.
                NameAt::Str(at) if std::ptr::eq(strings_of(self.unit), self.debug_str) => {
                    return Some((Text::InDebugStr(at), scope));
                }
                NameAt::Str(at) => return Some((Text::Elsewhere(text_at(strings_of(self.unit), at)?), scope)),
                NameAt::Inline(at) => return Some((Text::Elsewhere(text_at(self.pass.bytes, at)?), scope)),
                NameAt::Of(elaborated) => match self.pass.named_at(elaborated) {
                    Some(named) => (name, offset, scope) = (named.name, named.offset, named.scope),
                    None => return self.name_read_at(elaborated),
                },
                NameAt::Elsewhere => return self.name_read_at(offset),
            }
        }
        None
    }

    /// The same, where the entry has to be read.
    fn name_read_at(&self, offset: u32) -> Option<(Text, u32)> {
        let (text, declared_at) = name_of(self.unit, offset)?;
        let text = place_in(self.debug_str, text).map_or(Text::Elsewhere(text), Text::InDebugStr);
        Some((text, self.pass.around(declared_at)))
    }

    /// The path of a scope: its hash, and its number. Functions and what has no name add nothing to it.
    fn of(&mut self, scope: u32, steps: usize) -> (u64, u32) {
        if scope == 0 {
            return (FNV_START, OUTERMOST);
        }
        if let Some(known) = self.known.get(scope as usize).copied().flatten() {
            return known;
        }
        let Some(entry) = self.pass.scopes.get(scope as usize) else { return (FNV_START, OUTERMOST) };
        let named = match entry.kind {
            ScopeKind::Function => None,
            _ => self.name(entry.name, entry.start, entry.around),
        };
        let around = named.map_or(entry.around, |(_, around)| around);
        let (outer, number) = match steps.checked_sub(1).filter(|_| around != scope) {
            Some(steps) => self.of(around, steps),
            None => (FNV_START, OUTERMOST),
        };
        let text = named.and_then(|(text, _)| match text {
            Text::InDebugStr(at) => text_at(self.debug_str, at),
            Text::Elsewhere(text) => Some(text),
        });
        let found = match text.filter(|text| !text.is_empty() && text.len() <= MAX_NAME) {
            Some(name) => {
                // The hash of the whole path.
                let before = if number == OUTERMOST { outer } else { wide_hash(outer, b"::") };
                let hash = wide_hash(before, name);
                (hash, self.all.number(hash, number, name))
            }
            None => (outer, number),
        };
        if let Some(known) = self.known.get_mut(scope as usize) {
            *known = Some(found);
        }
        found
    }

    /// Whether an enumeration's enumerators are written without its name before them.
    fn is_transparent(&self, kind: ScopeKind) -> bool {
        kind == ScopeKind::Enumeration && self.unit.language != Language::Rust
    }
}

/// The text at an offset of .debug_str; none where it has no end or is too long.
pub(super) fn text_at(section: &'static [u8], at: u32) -> Option<&'static [u8]> {
    let rest = section.get(at as usize..)?;
    let length = memchr::memchr(0, rest.get(..MAX_NAME + 1).unwrap_or(rest))?;
    rest.get(..length)
}

/// Where in the section the text lies, if it is the section's own.
pub(super) fn place_in(section: &[u8], text: &[u8]) -> Option<u32> {
    let at = text.as_ptr().addr().checked_sub(section.as_ptr().addr())?;
    let is_within = section.get(at..at.checked_add(text.len())?).is_some_and(|own| std::ptr::eq(own, text));
    is_within.then(|| u32::try_from(at).ok())?
}
