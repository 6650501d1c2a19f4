//! The lines of /proc/PID/maps.

use std::fs;

use super::PAGE;

/// A mapping.
#[derive(Clone)]
pub(super) struct MapLine {
    pub(super) start: u64,
    pub(super) end: u64,
    /// PF_R 4, PF_W 2, PF_X 1.
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) path: Option<String>,
}

/// The mappings of a process, ascending. None where it is gone.
pub(super) fn of_process(pid: i32) -> Vec<MapLine> {
    let text = fs::read(format!("/proc/{pid}/maps"));
    text.map(|text| parse_maps(&String::from_utf8_lossy(&text))).unwrap_or_default()
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

/// The mapping that holds an address.
pub(super) fn holding(maps: &[MapLine], address: u64) -> Option<&MapLine> {
    let index = maps.partition_point(|line| line.start <= address).checked_sub(1)?;
    maps.get(index).filter(|line| address < line.end)
}

/// `start-end perms offset dev inode path` (proc_pid_maps(5)).
fn parse_maps(text: &str) -> Vec<MapLine> {
    let line = |line: &str| {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?.as_bytes();
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let path = fields.nth(2).map(str::trim_start).filter(|path| !path.is_empty()).map(str::to_owned);
        let flag = |index: usize, bit: u32| if permissions.get(index) != Some(&b'-') { bit } else { 0 };
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        (start < end).then_some(MapLine { start, end, flags: flag(0, 4) | flag(1, 2) | flag(2, 1), offset, path })
    };
    text.lines().filter_map(line).collect()
}
