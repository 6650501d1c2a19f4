//! A crash as one page: HTML that needs nothing but itself, neither scripts nor the network.
//!
//! What of the page came from the target is text ([`html`]), and the page forbids itself everything else (its
//! Content-Security-Policy allows its own style alone).

pub mod html;
mod value;

use self::html::Html;
use self::value::Values;
use super::bt_text::{base_name, display_name, grouped, id_ranges, plural};
use super::source::Sources;
use crate::image::{Note, ThreadState};
use crate::module::ModuleId;
use crate::session::modules::{ModuleLabel, ModuleRow};
use crate::session::{Frame, Role, Trace, Variable};
use crate::types::TypeTable;

/// Source lines on both sides of a frame's own.
const LINES_AROUND: u32 = 5;
/// Columns of a source line.
const COLUMNS: usize = 240;
/// Frames of a thread; the innermost ones and as many of the outermost are shown of more.
const FRAMES: usize = 200;
/// Frames of a thread whose variables are shown.
const FRAMES_WITH_VARIABLES: usize = 64;
/// Groups of threads.
const GROUPS: usize = 500;
/// Rows of a table.
const ROWS: usize = 4096;
/// Bytes of the page beyond which nothing is added but its end.
const FULL: usize = 12 << 20;

/// What a page is made from.
pub struct Page<'a> {
    /// The program's name.
    pub program: String,
    /// What happened, in a line: the verdict where there is one, else the signal and where.
    pub verdict: Option<String>,
    /// Name and text, in order.
    pub facts: Vec<(&'static str, String)>,
    /// Stacks, the crashed thread's first; threads with the same one together.
    pub stacks: Vec<Stack<'a>>,
    /// The first thread's registers: name and value.
    pub registers: Vec<(String, String)>,
    /// The modules.
    pub modules: Vec<ModuleRow>,
    /// The environment; `None` where a value was masked.
    pub environment: Vec<(String, Option<String>)>,
    /// Warnings.
    pub notes: Vec<Note>,
    /// Names of types.
    pub types: &'a TypeTable,
    /// Names of modules.
    pub module: &'a dyn Fn(ModuleId) -> Option<ModuleLabel<'a>>,
    /// A frame's variables.
    pub variables: &'a dyn Fn(&Trace, usize) -> Vec<Variable>,
    /// Source files.
    pub sources: &'a Sources,
}

/// A stack and whose it is.
pub struct Stack<'a> {
    /// The threads.
    pub threads: Vec<&'a ThreadState>,
    /// The frames.
    pub trace: Trace,
    /// Whether variables and source lines are shown.
    pub in_full: bool,
}

impl Page<'_> {
    /// The whole page.
    pub fn render(&self) -> String {
        let mut html = Html::default();
        html.raw("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>");
        html.raw("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">");
        html.raw(
            "<meta name=viewport content=\"width=device-width,initial-scale=1\"><meta name=generator content=obit>",
        );
        let verdict = self.verdict.as_deref();
        let title = verdict.map_or(self.program.clone(), |verdict| format!("{}: {verdict}", self.program));
        html.element("<title>", &title, "</title>");
        html.raw("<style>");
        html.raw(include_str!("style.css"));
        html.raw("</style></head><body>\n");
        self.header(&mut html);
        for (index, stack) in self.stacks.iter().enumerate() {
            if index == GROUPS || html.len() > FULL {
                let left = grouped(self.stacks.len() - index);
                html.element("<p class=note>… ", &format!("{left} more stacks are left out …"), "</p>\n");
                break;
            }
            self.stack(&mut html, stack);
        }
        if html.len() > FULL {
            html.raw("<p class=note>The page is full: frames and values are left out.</p>\n");
        }
        self.registers(&mut html);
        self.modules(&mut html);
        self.environment(&mut html);
        self.notes(&mut html);
        html.raw("</body></html>\n");
        html.into_string()
    }

    fn header(&self, html: &mut Html) {
        html.element("<header><h1>", &self.program, "</h1>");
        if let Some(verdict) = &self.verdict {
            html.element("<p class=verdict>", verdict, "</p>");
        }
        html.raw("<dl>");
        for (name, text) in &self.facts {
            html.element("<dt>", name, "</dt>");
            html.element("<dd>", text, "</dd>");
        }
        html.raw("</dl></header>\n");
    }

    fn stack(&self, html: &mut Html, stack: &Stack<'_>) {
        html.raw(if stack.in_full { "<section class=full>" } else { "<section>" });
        html.element("<h2>", &title(stack), "</h2>\n");
        let frames = &stack.trace.frames;
        let hidden = if frames.len() > FRAMES { FRAMES / 2..frames.len() - FRAMES / 2 } else { 0..0 };
        let mut opened = false;
        for (position, frame) in frames.iter().enumerate() {
            if hidden.contains(&position) || html.len() > FULL {
                if position == hidden.start {
                    let count = grouped(hidden.len());
                    html.element("<p class=note>… ", &format!("{count} frames are left out …"), "</p>\n");
                }
                continue;
            }
            self.frame(html, stack, position, frame, &mut opened);
        }
        if stack.trace.stack.omitted > 0 {
            let count = grouped(stack.trace.stack.omitted);
            html.element("<p class=note>", &format!("{count} frames between were not walked"), "</p>\n");
        }
        if let Some(why) = super::bt_text::end_text(&stack.trace) {
            html.element("<p class=note>", &format!("Backtrace stopped: {why}"), "</p>\n");
        }
        html.raw("</section>\n");
    }

    /// A frame; the first that has something to unfold stands open.
    fn frame(&self, html: &mut Html, stack: &Stack<'_>, position: usize, frame: &Frame, opened: &mut bool) {
        let variables = match stack.in_full && position < FRAMES_WITH_VARIABLES {
            true => (self.variables)(&stack.trace, position),
            false => Vec::new(),
        };
        let lines = if stack.in_full { self.lines(frame) } else { Vec::new() };
        let unfolds = !variables.is_empty() || !lines.is_empty();
        html.raw(match (unfolds, *opened) {
            (true, false) => "<details class=frame open><summary>",
            (true, true) => "<details class=frame><summary>",
            (false, _) => "<div class=\"frame plain\">",
        });
        *opened |= unfolds;
        html.element("<span class=number>#", &frame.index.to_string(), "</span>");
        html.element("<b>", &self.name(frame), "</b>");
        if let Some(file) = &frame.code.file {
            let line = frame.code.line.map(|line| format!(":{line}")).unwrap_or_default();
            html.element(" <span class=place>", &format!("{file}{line}"), "</span>");
        } else if let Some(module) = frame.module.and_then(self.module) {
            html.element(" <span class=place>from ", module.path, "</span>");
        }
        let trust = super::json_backtrace::trust_code(frame.trust);
        if frame.signal {
            html.raw(" <i class=mark>signal handler called</i>");
        } else if matches!(trust, "frame-pointer" | "scan" | "inline") {
            html.element(" <i class=mark>", trust, "</i>");
        }
        if !unfolds {
            return html.raw("</div>\n");
        }
        html.raw("</summary><div>");
        self.source(html, &lines, frame.code.line);
        let values = Values { types: self.types, limit: FULL };
        for (role, heading) in [(Role::Argument, "<div class=vars>"), (Role::Local, "<div class=\"vars locals\">")] {
            html.raw(heading);
            let of_role = variables.iter().filter(|variable| variable.role == role);
            of_role.for_each(|variable| values.variable(html, variable));
            html.raw("</div>");
        }
        html.raw("</div></details>\n");
    }

    fn name(&self, frame: &Frame) -> String {
        if let Some(function) = &frame.code.function {
            return display_name(function, &frame.code).into_owned();
        }
        let module = frame.module.and_then(self.module);
        match (module, frame.module_offset) {
            (Some(module), Some(offset)) => format!("{}+{offset}", base_name(module.path)),
            _ => frame.pc.to_string(),
        }
    }

    fn lines(&self, frame: &Frame) -> Vec<(u32, String)> {
        let (Some(file), Some(line)) = (&frame.code.file, frame.code.line) else { return Vec::new() };
        let build_id = frame.module.and_then(self.module).and_then(|module| module.build_id);
        let Some(source) = self.sources.find(file, build_id) else { return Vec::new() };
        let around = line.saturating_sub(LINES_AROUND).max(1)..=line.saturating_add(LINES_AROUND);
        around.filter_map(|line| Some((line, source.line(line)?))).collect()
    }

    fn source(&self, html: &mut Html, lines: &[(u32, String)], here: Option<u32>) {
        if lines.is_empty() {
            return;
        }
        html.raw("<pre>");
        for (number, text) in lines {
            html.raw(if Some(*number) == here { "<span class=here>" } else { "<span>" });
            html.element("<u>", &number.to_string(), "</u>");
            let end = text.char_indices().nth(COLUMNS).map_or(text.len(), |(end, _)| end);
            html.text(&text[..end]);
            html.raw("</span>");
        }
        html.raw("</pre>");
    }

    fn registers(&self, html: &mut Html) {
        if self.registers.is_empty() {
            return;
        }
        html.raw("<section><h2>Registers</h2><details><summary>of the first thread</summary><table>");
        for (name, value) in &self.registers {
            html.element("<tr><th>", name, "</th>");
            html.element("<td>", value, "</td></tr>");
        }
        html.raw("</table></details></section>\n");
    }

    fn modules(&self, html: &mut Html) {
        html.raw("<section><h2>Modules</h2><details><summary>");
        html.text(&format!("{} {}", grouped(self.modules.len()), plural(self.modules.len(), "module", "modules")));
        html.raw("</summary><table><tr><th>start</th><th>end</th><th>build-id</th><th>path</th></tr>");
        for row in self.modules.iter().take(ROWS) {
            html.element("<tr><td>", &row.start.to_string(), "</td>");
            html.element("<td>", &row.end.to_string(), "</td>");
            let id = row.build_id.as_deref().map(crate::module::find::hex).unwrap_or_default();
            html.element("<td>", &id, "</td>");
            html.element("<td>", &row.path, "</td></tr>");
        }
        html.raw("</table></details></section>\n");
    }

    fn environment(&self, html: &mut Html) {
        if self.environment.is_empty() {
            return;
        }
        html.raw("<section><h2>Environment</h2><details><summary>");
        let count = self.environment.len();
        html.text(&format!("{} {}", grouped(count), plural(count, "variable", "variables")));
        html.raw("</summary><table>");
        for (name, value) in self.environment.iter().take(ROWS) {
            html.element("<tr><th>", name, "</th><td>");
            match value {
                Some(value) => html.text(value),
                None => html.raw("<i>masked</i>"),
            }
            html.raw("</td></tr>");
        }
        html.raw("</table></details></section>\n");
    }

    fn notes(&self, html: &mut Html) {
        if self.notes.is_empty() {
            return;
        }
        html.raw("<section><h2>Notes</h2>");
        for note in self.notes.iter().take(ROWS) {
            html.element("<p class=note>", &note.message, "</p>");
        }
        html.raw("</section>\n");
    }
}

fn title(stack: &Stack<'_>) -> String {
    let crashed = if stack.threads.iter().any(|thread| thread.crashed) { " (crashed)" } else { "" };
    match stack.threads.as_slice() {
        [thread] => {
            let name = thread.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
            format!("Thread {}{name}{crashed}", thread.lwp)
        }
        threads => {
            let lwps: Vec<u32> = threads.iter().map(|thread| thread.lwp).collect();
            format!("{} threads with one stack: {}", grouped(threads.len()), id_ranges(&lwps))
        }
    }
}
