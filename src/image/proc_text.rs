//! Files of `/proc/PID` as text: a live process's own, and those that minidumps hold.

/// A line of `maps` (proc(5)).
#[derive(Clone, Debug)]
pub struct MapLine {
    /// First address.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// PF_R, PF_W, PF_X (4, 2, 1).
    pub flags: u32,
    /// Offset in the file.
    pub offset: u64,
    /// File, or the kernel's name for it (`[stack]`).
    pub path: Option<String>,
}

/// The lines of `maps`; what is no such line is left out.
pub fn maps(text: &str) -> Vec<MapLine> {
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

/// A field of `status`: what stands behind `KEY:`.
pub fn status_field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// A field of `status` that begins with a number.
pub fn status_number(status: &str, key: &str) -> Option<u32> {
    status_field(status, key)?.split_whitespace().next()?.parse().ok()
}
