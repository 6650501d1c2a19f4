//! Reading formatters from TOML. What is wrong is said with its line and key, and costs that formatter alone.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Content, UserFormatter, template};

/// Bytes of one file.
pub const MAX_FILE: usize = 256 << 10;
/// Formatters of one file.
const MAX_FORMATTERS: usize = 1000;
/// Names of types, and children, of one formatter.
const MAX_ENTRIES: usize = 64;
/// Bytes of one string.
const MAX_TEXT: usize = 4096;

/// The formatters in a file's text, and what is wrong with it: `line 3: formatter.summary: …`.
pub fn read(text: &str) -> (Vec<UserFormatter>, Vec<String>) {
    let mut problems = Problems { text, found: Vec::new() };
    let mut formatters = Vec::new();
    match DeTable::parse(text) {
        Err(error) => problems.add(error.span().map_or(0, |span| span.start), error.message()),
        Ok(table) => {
            for (key, value) in table.get_ref() {
                match (key.get_ref().as_ref(), value.get_ref()) {
                    ("formatter", DeValue::Array(entries)) => {
                        for entry in entries.iter().take(MAX_FORMATTERS) {
                            formatters.extend(problems.formatter(entry));
                        }
                        if entries.len() > MAX_FORMATTERS {
                            problems.add(key.span().start, format!("formatter: only {MAX_FORMATTERS} are read"));
                        }
                    }
                    ("formatter", _) => problems.add(key.span().start, "formatter: write [[formatter]]"),
                    (other, _) => problems.unknown(key.span().start, "", other, "formatter"),
                }
            }
        }
    }
    (formatters, problems.found)
}

struct Problems<'t> {
    text: &'t str,
    found: Vec<String>,
}

impl Problems<'_> {
    fn add(&mut self, at: usize, what: impl AsRef<str>) {
        if self.found.len() < MAX_ENTRIES {
            let line = 1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
            self.found.push(format!("line {line}: {}", what.as_ref()));
        }
    }

    fn unknown(&mut self, at: usize, within: &str, key: &str, known: &str) {
        let key: String = key.chars().take(MAX_ENTRIES).collect();
        self.add(at, format!("{within}{key}: there is no such key; known: {known}"));
    }

    fn formatter(&mut self, entry: &Spanned<DeValue<'_>>) -> Option<UserFormatter> {
        let before = self.found.len();
        let Some(table) = entry.get_ref().as_table() else {
            self.add(entry.span().start, "formatter: write [[formatter]]");
            return None;
        };
        let mut formatter = UserFormatter { types: Vec::new(), summary: Vec::new(), content: Content::None };
        for (key, value) in table {
            let at = value.span().start;
            match key.get_ref().as_ref() {
                "type" => formatter.types = self.types(value),
                "summary" => match self.string("summary", value).map(|text| template::parse(&text)) {
                    Some(Ok(pieces)) => formatter.summary = pieces,
                    Some(Err(problem)) => self.add(at, format!("formatter.summary: {problem}")),
                    None => {}
                },
                "children" | "items" if formatter.content != Content::None => {
                    self.add(at, "formatter: either children or items");
                }
                "children" => formatter.content = Content::Children(self.children(value)),
                "items" => formatter.content = self.string("items", value).map_or(Content::None, Content::Items),
                other => self.unknown(key.span().start, "formatter.", other, "type, summary, children, items"),
            }
        }
        if self.found.len() == before && formatter.types.is_empty() {
            self.add(entry.span().start, "formatter.type: missing");
        }
        if self.found.len() == before && formatter.summary.is_empty() && formatter.content == Content::None {
            self.add(entry.span().start, "formatter: neither summary nor children nor items");
        }
        (self.found.len() == before).then_some(formatter)
    }

    fn string(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        match value.get_ref().as_str() {
            Some(text) if text.len() <= MAX_TEXT && !text.trim().is_empty() => return Some(text.to_owned()),
            Some("") => self.add(value.span().start, format!("formatter.{key}: empty")),
            Some(_) => self.add(value.span().start, format!("formatter.{key}: empty, or over {MAX_TEXT} bytes")),
            None => self.add(value.span().start, format!("formatter.{key}: text is wanted, in quotes")),
        }
        None
    }

    fn types(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let Some(list) = value.get_ref().as_array() else { return self.string("type", value).into_iter().collect() };
        if list.len() > MAX_ENTRIES {
            self.add(value.span().start, format!("formatter.type: more than {MAX_ENTRIES} names"));
        }
        list.iter().take(MAX_ENTRIES).filter_map(|value| self.string("type", value)).collect()
    }

    /// `{ name = "x", expr = "y" }`, or an expression that is its own name.
    fn children(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(String, String)> {
        let Some(list) = value.get_ref().as_array() else {
            self.add(value.span().start, "formatter.children: a list is wanted");
            return Vec::new();
        };
        if list.len() > MAX_ENTRIES {
            self.add(value.span().start, format!("formatter.children: more than {MAX_ENTRIES}"));
        }
        let mut children = Vec::new();
        for child in list.iter().take(MAX_ENTRIES) {
            let Some(table) = child.get_ref().as_table() else {
                children.extend(self.string("children", child).map(|text| (text.clone(), text)));
                continue;
            };
            let (mut name, mut expression) = (None, None);
            for (key, value) in table {
                match key.get_ref().as_ref() {
                    "name" => name = self.string("children.name", value),
                    "expr" => expression = self.string("children.expr", value),
                    other => self.unknown(key.span().start, "formatter.children.", other, "name, expr"),
                }
            }
            match (name, expression) {
                (Some(name), Some(expression)) => children.push((name, expression)),
                _ => self.add(child.span().start, "formatter.children: name and expr are wanted"),
            }
        }
        children
    }
}
