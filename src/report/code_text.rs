//! What a frame's line says of its code alone, written once: threads share call chains, so most of a process' frames
//! stand at addresses that were written before.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock, RwLock};

use super::bt_text::{display_name, shortened};
use super::source::Sources;
use super::style::Paint;
use crate::session::Code;
use crate::session::modules::ModuleLabel;

/// Longer source lines are cut.
const MAX_SOURCE_COLUMNS: usize = 160;

/// The texts of one code address' function.
pub(super) struct CodeText {
    /// The function's name, without parameters where the frame's values stand for them.
    pub(super) name: String,
    /// Where it is: ` at file.c:12`, ` from libc.so.6`, or nothing.
    pub(super) place: String,
    source: OnceLock<String>,
}

impl CodeText {
    /// `None` where the code has no name: what stands for it depends on the frame.
    pub(super) fn new(code: &Code, module: Option<ModuleLabel<'_>>, paint: Paint) -> Option<CodeText> {
        let name = code.function.as_deref()?;
        let name = if code.language.is_some() { display_name(name, code) } else { crate::demangle::shorten(name) };
        let name = paint.function(name).to_string();
        Some(CodeText { name, place: place(code, module, paint), source: OnceLock::new() })
    }

    /// The line of the source, indented and with its end; nothing where the source is not found.
    pub(super) fn source(&self, make: impl FnOnce() -> String) -> &str {
        self.source.get_or_init(make)
    }
}

/// Where the code is: ` at file.c:12`, ` from libc.so.6`, or nothing.
pub(super) fn place(code: &Code, module: Option<ModuleLabel<'_>>, paint: Paint) -> String {
    match (&code.file, code.line) {
        (Some(file), Some(line)) => format!(" at {}:{line}", paint.file(shortened(file))),
        (Some(file), None) => format!(" in {}", paint.file(shortened(file))),
        (None, _) => match module.filter(|module| !module.is_executable && code.function.is_some()) {
            Some(module) => format!(" from {}", paint.file(module.path)),
            None => String::new(),
        },
    }
}

/// The source line under a frame, with its number; nothing where it is not found.
pub(super) fn source_line(code: &Code, module: Option<ModuleLabel<'_>>, sources: &Sources, paint: Paint) -> String {
    let (Some(file), Some(line)) = (&code.file, code.line) else { return String::new() };
    let build_id = module.and_then(|module| module.build_id);
    let Some(text) = sources.find(file, build_id).and_then(|source| source.line(line)) else { return String::new() };
    let text = match text.char_indices().nth(MAX_SOURCE_COLUMNS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    let mut out = String::new();
    let _ = writeln!(out, "        {}", paint.aside(format!("{line}\t{text}")));
    out
}

/// The texts of the codes that were written so far, of one text's colours.
#[derive(Default)]
pub struct CodeTexts(RwLock<HashMap<usize, Kept>>);

/// A code's texts, and the code itself, so that no other one takes its address.
struct Kept {
    texts: Option<Arc<CodeText>>,
    _code: Arc<Code>,
}

impl CodeTexts {
    /// The code's texts, made on first asking. A code belongs to one address, and so to one module.
    pub(super) fn of(&self, code: &Arc<Code>, make: impl FnOnce() -> Option<CodeText>) -> Option<Arc<CodeText>> {
        let key = Arc::as_ptr(code) as usize;
        if let Some(kept) = self.0.read().expect("not poisoned").get(&key) {
            return kept.texts.clone();
        }
        let texts = make().map(Arc::new);
        let mut all = self.0.write().expect("not poisoned");
        all.entry(key).or_insert_with(|| Kept { texts, _code: code.clone() }).texts.clone()
    }
}
