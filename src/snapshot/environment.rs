//! The process's surroundings as a snapshot keeps them: without secrets, with the last lines of its logs.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use super::{Privacy, Redaction};
use crate::image::environment::{Environment, LogTail};

/// Bytes of a log's end that are kept.
const LOG_TAIL: u64 = 64 << 10;
/// What stands for text that is not kept.
const LEFT_OUT: &str = "***";

/// The last lines of a file. `root` is where the process's files are.
pub fn log_tail(path: &Path) -> std::io::Result<LogTail> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "is no regular file"));
    }
    let size = metadata.len();
    let from = size.saturating_sub(LOG_TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL).read_to_end(&mut bytes)?;
    // The first line may have lost its beginning.
    let whole = if from == 0 { 0 } else { memchr::memchr(b'\n', &bytes).map_or(0, |end| end + 1) };
    let text = String::from_utf8_lossy(bytes.get(whole..).unwrap_or_default()).into_owned();
    Ok(LogTail { file: path.to_string_lossy().into_owned(), size, text })
}

/// As the snapshot has them, with everything masked that is to be.
pub fn kept(mut environment: Environment, redaction: Option<&Redaction>, privacy: Privacy) -> Value {
    if let Some(redaction) = redaction {
        for variable in &mut environment.variables {
            variable.value = variable.value.take().filter(|_| redaction.keeps_variable(&variable.name));
        }
        // A secret may be an argument of its own, behind the one that names it.
        if !environment.command_line.is_empty() {
            let mut arguments = environment.command_line.join("\0").into_bytes();
            redaction.mask(&mut arguments);
            let arguments = String::from_utf8_lossy(&arguments).into_owned();
            environment.command_line = arguments.split('\0').map(str::to_owned).collect();
        }
    }
    if privacy.without_text() {
        environment.variables.iter_mut().for_each(|variable| variable.value = None);
        environment.command_line.iter_mut().skip(1).for_each(|argument| *argument = LEFT_OUT.to_owned());
        environment.kernel_lines.clear();
        environment.logs.iter_mut().for_each(|log| log.text = LEFT_OUT.to_owned());
        environment.unwritten.iter_mut().for_each(|unwritten| unwritten.text = LEFT_OUT.to_owned());
    }
    let mut value = serde_json::to_value(environment).unwrap_or_default();
    if let Some(redaction) = redaction {
        mask(&mut value, redaction);
    }
    value
}

fn mask(value: &mut Value, redaction: &Redaction) {
    match value {
        Value::String(text) => *text = redaction.masked(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, redaction)),
        Value::Object(fields) => fields.values_mut().for_each(|field| mask(field, redaction)),
        _ => {}
    }
}
