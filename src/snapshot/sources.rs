//! The source lines that go along.

use std::collections::BTreeMap;

use super::Redaction;
use crate::image::snapshot::format::SourceRecord;
use crate::session::{Session, Trace};

/// Source lines around a line: the file's name in the line table, the build-id of its module, the line; gives each
/// line's number and text, and how many lines the file has.
pub type SourceLines<'a> = &'a (dyn Fn(&str, Option<&[u8]>, u32) -> Option<Lines> + Sync);

/// Numbers and texts of lines, and how many lines their file has.
pub type Lines = (Vec<(u32, String)>, u32);

/// The source lines around every frame's line, a file each.
pub fn source_lines(
    session: &Session,
    traces: &[Trace],
    find: SourceLines<'_>,
    redaction: Option<&Redaction>,
) -> Option<BTreeMap<String, SourceRecord>> {
    let mut wanted: BTreeMap<(&str, u32), Option<&[u8]>> = BTreeMap::new();
    for frame in traces.iter().flat_map(|trace| &trace.frames) {
        let (Some(file), Some(line)) = (frame.code.file.as_deref(), frame.code.line) else { continue };
        wanted.entry((file, line)).or_insert_with(|| session.program.modules.get(frame.module?)?.build_id());
    }
    let mut files: BTreeMap<String, SourceRecord> = BTreeMap::new();
    for ((file, line), build_id) in wanted {
        let Some((lines, count)) = find(file, build_id, line) else { continue };
        let record = files.entry(file.to_owned()).or_default();
        record.line_count = count;
        record.lines.extend(lines);
    }
    if let Some(redaction) = redaction {
        for record in files.values_mut() {
            // Together, as a secret may go over several lines.
            let lines: Vec<&str> = record.lines.values().map(String::as_str).collect();
            let masked = redaction.masked(&lines.join("\n"));
            for (line, masked) in record.lines.values_mut().zip(masked.split('\n')) {
                masked.clone_into(line);
            }
        }
    }
    (!files.is_empty()).then_some(files)
}
