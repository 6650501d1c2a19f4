//! What /proc says of a process that is copied: its mappings, who traces it.

use std::fs;

use super::PAGE;
use crate::image::proc_text;
pub(super) use crate::image::proc_text::MapLine;
use crate::order::Order;

/// The mappings of a process, ascending. None where it is gone.
pub(super) fn of_process(pid: i32) -> Vec<MapLine> {
    let text = fs::read(format!("/proc/{pid}/maps"));
    text.map(|text| proc_text::maps(&String::from_utf8_lossy(&text))).unwrap_or_default()
}

/// Bytes of a process that are in memory (proc_pid_statm(5)).
pub(super) fn resident(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0).saturating_mul(PAGE)
}

/// Whether a thread is gone, or there only for somebody to wait for it (proc_pid_stat(5), `state`).
pub(super) fn has_ended(pid: i32, tid: i32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")) else { return true };
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Whether a thread runs or waits for a core to run on (proc_pid_stat(5), `state`).
pub(super) fn is_runnable(tid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{tid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
}

/// A thread of the process that somebody traces, and who.
pub(super) fn tracer(pid: i32) -> Option<(i32, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let mut tids: Vec<i32> = tasks.filter_map(|task| task.file_name().to_str()?.parse().ok()).collect();
    tids.order_by_key(|tid| (*tid != pid, *tid));
    tids.into_iter().find_map(|tid| {
        let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?.trim();
        (tracer != "0").then(|| (tid, tracer.to_owned()))
    })
}

/// The mapping that holds an address.
pub(super) fn holding(maps: &[MapLine], address: u64) -> Option<&MapLine> {
    let index = maps.partition_point(|line| line.start <= address).checked_sub(1)?;
    maps.get(index).filter(|line| address < line.end)
}
