//! Made-up fleets, for tests and for measuring: versions that follow each other, hosts, groups of which few make most of
//! the crashes, attributes and variables. The same seed makes the same fleet.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::crash::{Crash, Module, SCHEMA};
use super::id::Id;

/// How a fleet is.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Another one, another fleet.
    pub seed: u64,
    /// Kinds of crashes.
    pub groups: u64,
    /// Machines.
    pub hosts: u64,
    /// Versions of the application.
    pub versions: u64,
    /// The first crash.
    pub start: Timestamp,
    /// From the first to the last.
    pub span: SignedDuration,
}

impl Default for Fleet {
    fn default() -> Fleet {
        Fleet {
            seed: 1,
            groups: 2000,
            hosts: 5000,
            versions: 40,
            start: Timestamp::from_second(1_790_000_000).unwrap_or_default(),
            span: SignedDuration::from_hours(24 * 30),
        }
    }
}

/// xorshift64* (Vigna, 2016).
struct Dice(u64);

impl Dice {
    fn of(seed: u64, number: u64) -> Dice {
        let mut dice = Dice(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_add(1).wrapping_mul(0xd134_2543_de82_ef95) | 1,
        );
        dice.next();
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Few make most: the first of `limit` about half.
    fn heavy(&mut self, limit: u64) -> u64 {
        let share = self.share();
        (((limit as f64).powf(share) - 1.0) as u64).min(limit.saturating_sub(1))
    }
}

const VERBS: &[&str] =
    &["parse", "handle", "read", "write", "flush", "encode", "decode", "find", "merge", "drop", "poll", "send"];
const NOUNS: &[&str] =
    &["header", "request", "row", "table", "cache", "buffer", "session", "frame", "order", "user", "page", "index"];
const CLASSES: &[(&str, &str)] = &[
    ("null-pointer", "SIGSEGV"),
    ("use-after-free", "SIGSEGV"),
    ("wild-pointer", "SIGSEGV"),
    ("abort", "SIGABRT"),
    ("assertion", "SIGABRT"),
    ("panic", "SIGABRT"),
    ("stack-overflow", "SIGSEGV"),
    ("bus-error", "SIGBUS"),
    ("division-by-zero", "SIGFPE"),
];

impl Fleet {
    /// The crash of that number, of `total`.
    pub fn crash(&self, number: u64, total: u64) -> Crash {
        let mut dice = Dice::of(self.seed, number);
        let share = number as f64 / total.max(1) as f64;
        let millis = (self.span.as_millis() as f64 * share) as i64 + dice.below(1000) as i64;
        let time = self.start.checked_add(SignedDuration::from_millis(millis)).unwrap_or(self.start);
        let id = Id::new(time, &[&self.seed.to_le_bytes(), &number.to_le_bytes()]);
        let group = dice.heavy(self.groups);
        let host = dice.below(self.hosts);
        // A version spreads while the one before it fades.
        let version =
            ((share * self.versions as f64) as u64).saturating_sub(dice.heavy(4)).min(self.versions.saturating_sub(1));
        let version_text = format!("{}.{}.{}", 1 + version / 20, version % 20, dice.heavy(3));
        let frames = self.frames(group);
        let (class, signal) = CLASSES.get(group as usize % CLASSES.len()).copied().unwrap_or(("unknown", "SIGSEGV"));
        let top = frames.first().cloned();
        let text = |text: &str| Some(text.to_owned());
        let mut attrs = BTreeMap::from([
            ("tenant".to_owned(), format!("tenant{}", dice.heavy(300))),
            (
                "region".to_owned(),
                ["eu-1", "eu-2", "us-1", "ap-1"].get(host as usize % 4).copied().unwrap_or("eu-1").to_owned(),
            ),
            ("latency".to_owned(), format!("{:.1}", 5.0 + dice.share() * dice.share() * 900.0)),
        ]);
        if dice.below(10) < 3 {
            attrs.insert("feature".to_owned(), format!("flag-{}", dice.below(12)));
        }
        let vars = BTreeMap::from([
            ("req.user_id".to_owned(), dice.below(100_000).to_string()),
            ("n".to_owned(), dice.below(4096).to_string()),
            (
                "state".to_owned(),
                ["idle", "busy", "closing"].get(dice.below(3) as usize).copied().unwrap_or("idle").to_owned(),
            ),
        ]);
        let build = blake3::hash(version_text.as_bytes()).to_hex()[..40].to_owned();
        Crash {
            schema: SCHEMA.to_owned(),
            id: id.to_string(),
            time: time.to_string(),
            application: text(if group.is_multiple_of(5) { "worker" } else { "server" }),
            version: Some(version_text),
            host: Some(format!("web{host:05}")),
            signal: text(signal),
            signal_code: text("SEGV_MAPERR").filter(|_| signal == "SIGSEGV"),
            class: text(class),
            certainty: text("certain"),
            rule: None,
            verdict: Some(format!("{class} in {}", top.as_deref().unwrap_or("main"))),
            fingerprint: fingerprint(self.seed, group),
            stack_hash: Some(fingerprint(self.seed ^ 0xff, group * 4 + dice.heavy(4))),
            rules: text("1"),
            top_frame: top,
            frames,
            executable: text("/usr/bin/server"),
            modules: [("server", build.as_str()), ("libc.so.6", "6cac61ec5a8eb1396f9fbd350e3169a558528a40")]
                .into_iter()
                .map(|(name, id)| Module { name: name.to_owned(), build_id: Some(id.to_owned()) })
                .collect(),
            build_id: Some(build),
            arch: text("x86_64"),
            pid: Some(dice.below(4_000_000) as i64),
            thread: text("worker"),
            threads: Some(8),
            vars,
            attrs,
            figures: BTreeMap::from([("memory.resident".to_owned(), (dice.below(4096) << 20) as f64)]),
            bytes: 20_000 + dice.below(80_000) as i64,
        }
    }

    /// The stack of a group: the same for each of its crashes.
    fn frames(&self, group: u64) -> Vec<String> {
        let mut dice = Dice::of(self.seed ^ 0x5eed, group);
        let mut frames = Vec::new();
        for _ in 0..4 + dice.below(12) {
            let verb = VERBS.get(dice.below(VERBS.len() as u64) as usize).copied().unwrap_or("run");
            let noun = NOUNS.get(dice.below(NOUNS.len() as u64) as usize).copied().unwrap_or("it");
            frames.push(format!("app::{verb}_{noun}_{}", dice.below(40)));
        }
        frames.extend(["app::worker", "start_thread", "clone"].map(str::to_owned));
        frames
    }
}

fn fingerprint(seed: u64, group: u64) -> String {
    blake3::hash(&[seed.to_le_bytes(), group.to_le_bytes()].concat()).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_fleet_is_the_same_each_time_and_no_id_comes_twice() {
        let fleet = Fleet::default();
        assert_eq!(fleet.crash(7, 100), fleet.crash(7, 100));
        let ids: HashSet<String> = (0..5000).map(|number| fleet.crash(number, 5000).id).collect();
        assert_eq!(ids.len(), 5000);
        let groups: HashSet<String> = (0..5000).map(|number| fleet.crash(number, 5000).fingerprint).collect();
        assert!((100..2000).contains(&groups.len()), "{}", groups.len());
        let crash = fleet.crash(3, 10);
        let id = Id::parse(&crash.id).unwrap();
        assert_eq!(Crash::read(&id, &crash.packed().unwrap()).unwrap().id, crash.id);
    }
}
