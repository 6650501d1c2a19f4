//! Augmentations of aarch64 that say nothing to an unwinder which does not verify return addresses: `B` (signed with
//! the B key; GCC 8) and `G` (a stack frame with memory tags; LLVM 14), AADWARF64 2023Q3, section 5.1.1 and LLVM's
//! `MCDwarf.cpp`. The reader of call frame information refuses letters that it does not know, so they are taken out
//! before it sees them.

use super::cfi::entry_length;

/// The section without these letters: itself where no CIE has any. Every other byte stays in its place.
pub(super) fn without_protection(section: &'static [u8], is_eh_frame: bool) -> &'static [u8] {
    let mut copy: Option<Vec<u8>> = None;
    let mut offset = 0;
    while let Some(length) = entry_length(section, offset) {
        let Some(next) = offset.checked_add(length) else { break };
        let Some(entry) = section.get(offset..next.min(section.len())) else { break };
        if let Some((at, bytes)) = rewritten(entry, is_eh_frame) {
            let copy = copy.get_or_insert_with(|| section.to_vec());
            if let Some(place) = copy.get_mut(offset + at..).and_then(|rest| rest.get_mut(..bytes.len())) {
                place.copy_from_slice(&bytes);
            }
        }
        offset = next;
    }
    match copy {
        // Sections live until the process ends, as mapped ones do.
        Some(copy) => Box::leak(copy.into_boxed_slice()),
        None => section,
    }
}

/// What stands in place of a CIE's bytes from an offset on: the string without the letters, and the code alignment
/// factor (ULEB128) so many bytes longer.
fn rewritten(entry: &[u8], is_eh_frame: bool) -> Option<(usize, Vec<u8>)> {
    let (id, version_at) = match entry.get(..4)? {
        [0xff, 0xff, 0xff, 0xff] => (entry.get(12..20)?, 20),
        _ => (entry.get(4..8)?, 8),
    };
    // A 64-bit .eh_frame entry has an id of 4 bytes for some, of 8 for others (gimli among them).
    let is_cie = id.iter().all(|byte| *byte == if is_eh_frame { 0 } else { 0xff });
    let version = *entry.get(version_at)?;
    let at = version_at + 1;
    let rest = entry.get(at..)?;
    let end = memchr::memchr(0, rest.get(..rest.len().min(16))?)?;
    let (letters, rest) = (&rest[..end], &rest[end + 1..]);
    let is_protection = |letter: &&u8| matches!(letter, b'B' | b'G');
    let removed = letters.iter().filter(is_protection).count();
    if !is_cie || removed == 0 {
        return None;
    }
    // DWARF 4 and 5: address size and segment selector size.
    let sizes = if version >= 4 { rest.get(..2)? } else { &[] };
    let factor = rest.get(sizes.len()..)?;
    let last = factor.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let mut bytes: Vec<u8> = letters.iter().filter(|letter| !is_protection(letter)).copied().collect();
    bytes.push(0);
    bytes.extend_from_slice(sizes);
    bytes.extend(factor[..=last].iter().map(|byte| byte | 0x80));
    bytes.resize(bytes.len() + removed - 1, 0x80);
    bytes.push(0);
    Some((at, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry with its length put before it.
    fn entry(content: &[u8]) -> Vec<u8> {
        let mut bytes = (content.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(content);
        bytes
    }

    #[track_caller]
    fn check(is_eh_frame: bool, content: &[u8], expected: &[u8]) {
        let plain = entry(b"\x01\x00\x00\x00zRB\0 no CIE");
        let section = [plain.clone(), entry(content)].concat().leak();
        assert_eq!(without_protection(section, is_eh_frame), [plain, entry(expected)].concat());
    }

    #[test]
    fn letters_give_their_bytes_to_the_factor_behind() {
        check(true, b"\0\0\0\0\x01zRB\0\x04\x78\x1e\x01\x1b", b"\0\0\0\0\x01zR\0\x84\0\x78\x1e\x01\x1b");
        check(true, b"\0\0\0\0\x01zRSBG\0\x84\x01\x78", b"\0\0\0\0\x01zRS\0\x84\x81\x80\0\x78");
        check(false, b"\xff\xff\xff\xff\x04B\0\x08\0\x01\x78", b"\xff\xff\xff\xff\x04\0\x08\0\x81\0\x78");
    }

    #[test]
    fn others_stay() {
        for content in [&b"\0\0\0\0\x01zPLR\0\x04\x78"[..], b"\0\0\0\0\x01zRB", b"\0\0\0\0\x01B\0\xff\xff", b"\0\0\0\0"]
        {
            check(true, content, content);
        }
        check(false, b"\0\0\0\0\x01zRB\0\x04\x78", b"\0\0\0\0\x01zRB\0\x04\x78");
    }
}
