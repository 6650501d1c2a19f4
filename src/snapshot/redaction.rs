//! Masking secrets before anything is written.
//!
//! Rules are a TOML file (`redaction.toml` beside this one is the usual one). Masked bytes become `*`, so that lengths
//! and addresses stay as they were. Rules see runs of text ([`Text`]) of one byte a character, and ASCII in UTF-16 and
//! UTF-32; text in pieces they do not see.

use crate::order::Order;
use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memmem;
use regex::bytes::Regex;
use serde::Deserialize;

use super::text::Text;
use super::{SnapshotError, cards};

const USUAL: &str = include_str!("redaction.toml");
/// Values of environment variables that are shorter say nothing, and would be found everywhere.
const SHORTEST_VALUE: usize = 4;
/// Rules that a file may have.
const MOST_RULES: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(default)]
    environment: Vec<String>,
    #[serde(default)]
    rule: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    name: String,
    pattern: String,
    check: Option<Check>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Check {
    #[serde(alias = "luhn")]
    Card,
}

struct Rule {
    pattern: Regex,
    check: Option<Check>,
}

impl Rule {
    /// Whether what the pattern found in a text is what the rule is about.
    fn holds(&self, secret: &[u8], text: &[u8], place: Range<usize>) -> bool {
        let before = place.start.checked_sub(1).and_then(|at| text.get(at)).copied();
        match self.check {
            Some(Check::Card) => cards::is_card(secret, (before, text.get(place.end).copied())),
            None => true,
        }
    }
}

/// Rules, ready to be applied.
pub struct Redaction {
    version: String,
    environment: Vec<String>,
    rules: Vec<Rule>,
    /// Values that are masked wherever they are.
    values: Vec<memmem::Finder<'static>>,
}

impl Redaction {
    /// The usual rules.
    pub fn usual() -> Redaction {
        Redaction::parse(USUAL, "redaction.toml").expect("the usual rules are read by a test")
    }

    /// Rules out of a file's text.
    pub fn parse(text: &str, file: &str) -> Result<Redaction, SnapshotError> {
        let bad = |problem: String| SnapshotError::Rules { file: file.to_owned(), problem };
        let read: File = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        if read.rule.len() > MOST_RULES {
            return Err(bad(format!("more than {MOST_RULES} rules")));
        }
        let rules = read.rule.iter().map(|rule| {
            let pattern = regex::bytes::RegexBuilder::new(&rule.pattern).unicode(false).size_limit(1 << 20).build();
            let pattern = pattern.map_err(|error| bad(format!("rule {:?}: {error}", rule.name)))?;
            Ok(Rule { pattern, check: rule.check })
        });
        let rules = rules.collect::<Result<_, SnapshotError>>()?;
        Ok(Redaction { version: read.version, environment: read.environment, rules, values: Vec::new() })
    }

    /// The rules' version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the variable's value is kept.
    pub fn keeps_variable(&self, name: &str) -> bool {
        self.environment.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == allowed,
        })
    }

    /// From now on masks the values of these variables (`NAME=value`) wherever they are, but those that are kept.
    pub fn add_environment<'a>(&mut self, variables: impl IntoIterator<Item = &'a [u8]>) {
        let mut values: Vec<Vec<u8>> = Vec::new();
        let mut public: Vec<&[u8]> = Vec::new();
        for variable in variables {
            let Some(equals) = memchr::memchr(b'=', variable) else { continue };
            let (name, value) = (&variable[..equals], &variable[equals + 1..]);
            let kept = std::str::from_utf8(name).is_ok_and(|name| self.keeps_variable(name));
            match kept {
                true => public.push(value),
                false if value.len() >= SHORTEST_VALUE => values.push(value.to_vec()),
                false => {}
            }
        }
        // What a variable that is kept says as well (OLDPWD and PWD) is no secret.
        values.retain(|value| !public.contains(&value.as_slice()));
        // The longer one first, where one holds another.
        values.order_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        self.values.extend(values.iter().map(|value| memmem::Finder::new(value).into_owned()));
    }

    /// Masks what the rules find, in text of one, two (UTF-16) and four (UTF-32, `wchar_t`) bytes a character; says how
    /// many secrets that were.
    pub fn mask(&self, bytes: &mut [u8]) -> u64 {
        self.mask_within(bytes, 0..bytes.len())
    }

    /// The same; of what is found, only that counts which lies in `counted` or goes into it.
    pub fn mask_within(&self, bytes: &mut [u8], counted: Range<usize>) -> u64 {
        let counts = |from: usize, to: usize| from < counted.end && counted.start < to;
        let narrow = self.mask_narrow(bytes);
        let mut masked = narrow.iter().filter(|found| counts(found.start, found.end)).count();
        for stride in [2, 4] {
            for (start, mut text) in wide_runs(bytes, stride) {
                for found in self.mask_narrow(&mut text) {
                    let (from, to) = (start + found.start * stride, start + found.end * stride);
                    let characters = bytes.get_mut(from..to).unwrap_or_default().iter_mut().step_by(stride);
                    characters.zip(text.get(found).unwrap_or_default()).for_each(|(byte, new)| *byte = *new);
                    masked += usize::from(counts(from, to));
                }
            }
        }
        masked as u64
    }

    /// What was found and masked.
    fn mask_narrow(&self, bytes: &mut [u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        let text = Text::of(bytes);
        for rule in self.rules.iter().filter(|_| !text.bytes.is_empty()) {
            let secrets = rule.pattern.captures_iter(&text.bytes).filter_map(|captures| {
                let secret = captures.get(1).or_else(|| captures.get(0))?;
                rule.holds(secret.as_bytes(), &text.bytes, secret.range()).then(|| secret.range())
            });
            found.extend(secrets.filter_map(|secret| text.place(secret)));
        }
        for value in &self.values {
            found.extend(value.find_iter(bytes).map(|start| start..start + value.needle().len()));
        }
        for secret in &found {
            // Line ends of a key's text stay, so that it still reads as one.
            let secret = bytes.get_mut(secret.clone()).unwrap_or_default().iter_mut();
            secret.filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = b'*');
        }
        found
    }

    /// The same of attributes, whose keys may name secrets.
    pub fn masked_attributes(&self, attributes: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let masked = attributes.into_iter().map(|(key, value)| {
            let whole = self.masked(&format!("{key}={value}"));
            let value = whole.get(key.len() + 1..).unwrap_or_default().to_owned();
            (key, value)
        });
        masked.collect()
    }

    /// The same of text.
    pub fn masked(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.mask(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Runs of little-endian characters of `stride` bytes that are ASCII: where each begins, and its text.
fn wide_runs(bytes: &[u8], stride: usize) -> Vec<(usize, Vec<u8>)> {
    let character = |at: usize| {
        let unit = bytes.get(at..at + stride)?;
        let is_text = matches!(unit[0], b'\t' | b'\n' | b'\r' | b' '..=b'~') && unit[1..].iter().all(|byte| *byte == 0);
        is_text.then_some(unit[0])
    };
    let mut runs = Vec::new();
    let mut at = 0;
    while at + stride <= bytes.len() {
        let narrow: Vec<u8> = (at..bytes.len()).step_by(stride).map_while(character).collect();
        if narrow.len() < SHORTEST_VALUE {
            // The next may begin at any byte: behind the zeros of this one at the earliest.
            at += 1;
            continue;
        }
        let length = narrow.len() * stride;
        runs.push((at, narrow));
        at += length;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        Redaction::usual().masked(text)
    }

    #[test]
    fn secrets_are_masked_with_their_length_kept() {
        let check = |text: &str, expected: &str| assert_eq!(masked(text), expected);
        check("password=hunter22 next", "password=******** next");
        check("{\"api_key\": \"0123456789abcdef\"}", "{\"api_key\": \"****************\"}");
        check(r#"{\"secret\": \"0123456789\"}"#, r#"{\"secret\": \"***********"}"#);
        check("prog --token s3cr3t-v4lue --level 3", "prog --token ************ --level 3");
        check("prog\0--password\0hunter22\0--x\0", "prog\0--password\0********\0--x\0");
        check("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer *************");
        check("postgres://app:hunter2@db/x", "postgres://app:*******@db/x");
        check("id AKIAIOSFODNN7EXAMPLE.", "id ********************.");
        check("ghp_0123456789abcdefghijABCDEFGHIJ012345", "****************************************");
        check("card 4111 1111 1111 1111 ok", "card **** **** **** **** ok");
        check("order 4111 1111 1111 1112 ok", "order 4111 1111 1111 1112 ok");
        // Strings of Go lie side by side without an end between them.
        check("1192092895507812548828125762939453125", "1192092895507812548828125762939453125");
        check("0.4111111111111111 4111111111111111", "0.4111111111111111 ****************");
        check("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_DEF", &"*".repeat(48));
        check(
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n",
            "-----BEGIN PRIVATE KEY-----\n***********************\n",
        );
        check("nothing of that kind: passed 3 tests", "nothing of that kind: passed 3 tests");
    }

    #[test]
    fn wide_text_is_masked() {
        let wide = |text: &str, stride: usize| -> Vec<u8> {
            let characters =
                text.bytes().flat_map(|byte| std::iter::once(byte).chain(std::iter::repeat_n(0, stride - 1)));
            [7].into_iter().chain(characters).chain([0; 4]).collect()
        };
        for stride in [2, 4] {
            let mut bytes = wide("token=abcdef12 and more", stride);
            assert_eq!(Redaction::usual().mask(&mut bytes), 1);
            assert_eq!(bytes, wide("token=******** and more", stride));
        }
    }

    #[test]
    fn the_environment_is_masked_wherever_it_is() {
        let mut redaction = Redaction::usual();
        redaction.add_environment([&b"DB_DSN=very-private"[..], b"LANG=C.UTF-8", b"N=1", b"OLD=C.UTF-8"]);
        assert_eq!(redaction.masked("x very-private LANG=C.UTF-8 N=1"), "x ************ LANG=C.UTF-8 N=1");
        assert!(redaction.keeps_variable("LC_ALL") && !redaction.keeps_variable("DB_DSN"));
    }

    #[test]
    fn wrong_rules_are_said() {
        let error = Redaction::parse("version = \"2\"\n[[rule]]\nname = \"x\"\npattern = \"(\"\n", "own.toml");
        let text = error.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.starts_with("own.toml: rule \"x\": regex parse error"), "{text}");
    }
}
