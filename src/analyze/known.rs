//! Known issues and expectations: patterns over findings, from the user's TOML files.
//!
//! ```toml
//! [[known]]                      # --known FILE
//! note = "fixed in 2.4"
//! link = "https://example.org/issues/12"
//! class = "null-pointer"         # every field is a pattern (* stands for anything), and all of them have to fit
//! function = "parse_*"
//!
//! [verdict]                      # --expect FILE
//! class = "null-pointer"
//! certainty = "likely"           # at least so sure
//! [[finding]]                    # some finding fits
//! rule = "bit-flip"
//! [[absent]]                     # no finding fits
//! class = "heap-corruption"
//! [[print]]                      # in the verdict's frame
//! expression = "n->value"
//! value = "3"
//! ```

use std::path::Path;

use serde::Deserialize;

use super::Analysis;
use super::blame::matches;
use super::finding::{Certainty, Evidence, Finding};
use super::rule_file::{self, RuleFileError};

/// What a finding has to look like.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    class: Option<String>,
    rule: Option<String>,
    certainty: Option<String>,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    summary: Option<String>,
}

/// A known issue.
#[derive(Clone, Debug, Deserialize)]
pub struct Known {
    note: String,
    link: Option<String>,
    #[serde(flatten)]
    pattern: Pattern,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFile {
    #[serde(default)]
    known: Vec<Known>,
}

/// An expression and how its value has to look.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Printed {
    /// The expression.
    pub expression: String,
    /// A pattern of its text.
    pub value: String,
}

/// What is expected of an analysis.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    verdict: Option<Pattern>,
    #[serde(default)]
    finding: Vec<Pattern>,
    #[serde(default)]
    absent: Vec<Pattern>,
    /// Expressions and their values in the verdict's frame.
    #[serde(default)]
    pub print: Vec<Printed>,
}

impl Pattern {
    fn fits(&self, finding: &Finding) -> bool {
        let text = |pattern: &Option<String>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| matches(pattern, text)))
        };
        let sure = self.certainty.as_deref().is_none_or(|wanted| {
            let all = [Certainty::Possible, Certainty::Likely, Certainty::Certain];
            all.iter().any(|known| known.code() == wanted && finding.certainty >= *known)
        });
        let line = finding.line.as_ref();
        sure && text(&self.class, Some(finding.class.code()))
            && text(&self.rule, Some(finding.rule))
            && text(&self.function, finding.function.as_deref())
            && text(&self.file, line.map(|(file, _)| file.as_str()))
            && self.line.is_none_or(|wanted| line.is_some_and(|(_, line)| *line == wanted))
            && text(&self.summary, Some(&finding.summary))
    }
}

impl Known {
    /// The known issues of a file.
    pub fn read(path: &Path) -> Result<Vec<Known>, RuleFileError> {
        Ok(rule_file::read::<KnownFile>(path)?.known)
    }

    /// Notes the issues that fit beside the findings that they fit.
    pub fn note(known: &[Known], analysis: &mut Analysis) {
        for finding in &mut analysis.findings {
            let fitting: Vec<&Known> = known.iter().filter(|issue| issue.pattern.fits(finding)).collect();
            for issue in fitting {
                let link = issue.link.as_ref().map(|link| format!(" ({link})")).unwrap_or_default();
                let value = format!("{}{link}", issue.note);
                finding.evidence.insert(0, Evidence { what: "known issue".to_owned(), expression: None, value });
            }
        }
    }
}

impl Expected {
    /// The expectations of a file.
    pub fn read(path: &Path) -> Result<Expected, RuleFileError> {
        rule_file::read(path)
    }

    /// What is not as expected, without what has to be printed for it.
    pub fn failures(&self, analysis: &Analysis) -> Vec<String> {
        let mut failures = Vec::new();
        let said = |finding: Option<&Finding>| {
            finding.map_or("nothing".to_owned(), |finding| {
                format!("{} ({}): {}", finding.class.code(), finding.certainty.code(), finding.summary)
            })
        };
        if let Some(pattern) = &self.verdict
            && !analysis.verdict().is_some_and(|verdict| pattern.fits(verdict))
        {
            failures.push(format!("the verdict is not as expected: {}", said(analysis.verdict())));
        }
        for pattern in &self.finding {
            if !analysis.findings.iter().any(|finding| pattern.fits(finding)) {
                failures.push(format!("no finding fits {}", pattern.text()));
            }
        }
        for pattern in &self.absent {
            if let Some(finding) = analysis.findings.iter().find(|finding| pattern.fits(finding)) {
                failures.push(format!("a finding fits {}: {}", pattern.text(), said(Some(finding))));
            }
        }
        failures
    }
}

impl Pattern {
    fn text(&self) -> String {
        let fields = [
            ("class", &self.class),
            ("rule", &self.rule),
            ("certainty", &self.certainty),
            ("function", &self.function),
            ("file", &self.file),
            ("summary", &self.summary),
        ];
        let mut parts: Vec<String> =
            fields.iter().filter_map(|(name, value)| Some(format!("{name} = {}", value.as_ref()?))).collect();
        parts.extend(self.line.map(|line| format!("line = {line}")));
        parts.join(", ")
    }
}
