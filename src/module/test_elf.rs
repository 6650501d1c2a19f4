//! Small ELF files for the tests of this room, made in memory.

use std::path::{Path, PathBuf};

/// What to put into a 64-bit file.
pub struct TestElf {
    kind: u16,
    machine: u16,
    build_id: Option<Vec<u8>>,
    note_in_segment_only: bool,
    sections: Vec<TestSection>,
}

struct TestSection {
    name: String,
    kind: u32,
    flags: u64,
    link: u32,
    bytes: Vec<u8>,
}

/// SHF_COMPRESSED.
pub const COMPRESSED: u64 = 1 << 11;

impl TestElf {
    /// A library for x86-64 of one segment (the whole file, at address 0) and no sections.
    pub fn library() -> TestElf {
        TestElf { kind: 3, machine: 62, build_id: None, note_in_segment_only: false, sections: Vec::new() }
    }

    /// An object file.
    pub fn object() -> TestElf {
        TestElf { kind: 1, ..TestElf::library() }
    }

    pub fn machine(mut self, machine: u16) -> TestElf {
        self.machine = machine;
        self
    }

    pub fn build_id(mut self, id: &[u8]) -> TestElf {
        self.build_id = Some(id.to_vec());
        self
    }

    /// The note is found by PT_NOTE alone.
    pub fn without_note_section(mut self) -> TestElf {
        self.note_in_segment_only = true;
        self
    }

    pub fn section(self, name: &str, bytes: &[u8]) -> TestElf {
        self.section_of(name, 1, 0, bytes)
    }

    pub fn section_of(mut self, name: &str, kind: u32, flags: u64, bytes: &[u8]) -> TestElf {
        self.sections.push(TestSection { name: name.to_owned(), kind, flags, link: 0, bytes: bytes.to_vec() });
        self
    }

    /// A SHF_COMPRESSED section that claims `size` bytes.
    pub fn compressed(self, name: &str, kind: u32, size: u64, data: &[u8]) -> TestElf {
        let mut bytes = [kind.to_le_bytes(), [0; 4]].concat();
        bytes.extend(size.to_le_bytes());
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(data);
        self.section_of(name, 1, COMPRESSED, &bytes)
    }

    pub fn debuglink(self, name: &str, crc: u32) -> TestElf {
        let mut bytes = [name.as_bytes(), b"\0"].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(crc.to_le_bytes());
        self.section(".gnu_debuglink", &bytes)
    }

    pub fn debugaltlink(self, name: &str, id: &[u8]) -> TestElf {
        self.section(".gnu_debugaltlink", &[name.as_bytes(), b"\0", id].concat())
    }

    /// Symbols as (name, type, binding, section, address, size).
    pub fn symbols(mut self, symbols: &[(&str, u8, u8, u16, u64, u64)]) -> TestElf {
        let (mut table, mut strings) = (vec![0; 24], vec![0]);
        for (name, kind, binding, section, address, size) in symbols {
            table.extend((strings.len() as u32).to_le_bytes());
            table.extend([binding << 4 | kind, 0]);
            table.extend(section.to_le_bytes());
            table.extend(address.to_le_bytes());
            table.extend(size.to_le_bytes());
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        self = self.section_of(".strtab", 3, 0, &strings);
        // Section 0 is the empty one, so the last one pushed has the index of the count.
        let link = self.sections.len() as u32;
        self = self.section_of(".symtab", 2, 0, &table);
        self.sections.last_mut().unwrap().link = link;
        self
    }

    pub fn bytes(mut self) -> Vec<u8> {
        let mut note = Vec::new();
        if let Some(id) = &self.build_id {
            note.extend(4u32.to_le_bytes());
            note.extend((id.len() as u32).to_le_bytes());
            note.extend(3u32.to_le_bytes());
            note.extend(b"GNU\0");
            note.extend(id);
            note.resize(note.len().next_multiple_of(4), 0);
            if !self.note_in_segment_only {
                self.sections.insert(
                    0,
                    TestSection {
                        name: ".note.gnu.build-id".to_owned(),
                        kind: 7,
                        flags: 2,
                        link: 0,
                        bytes: note.clone(),
                    },
                );
                self.sections.iter_mut().filter(|section| section.link != 0).for_each(|section| section.link += 1);
            }
        }
        let mut names = vec![0];
        let mut file = vec![0; 64 + 2 * 56];
        let note_at = file.len();
        file.extend(&note);
        let mut headers = vec![0; 64];
        self.sections.push(TestSection { name: ".shstrtab".to_owned(), kind: 3, flags: 0, link: 0, bytes: Vec::new() });
        for section in &mut self.sections {
            let name = names.len() as u32;
            names.extend(section.name.as_bytes());
            names.push(0);
            if section.name == ".shstrtab" {
                section.bytes = names.clone();
            }
            headers.extend(name.to_le_bytes());
            headers.extend(section.kind.to_le_bytes());
            headers.extend(section.flags.to_le_bytes());
            headers.extend(0u64.to_le_bytes());
            headers.extend((file.len() as u64).to_le_bytes());
            headers.extend((section.bytes.len() as u64).to_le_bytes());
            headers.extend(section.link.to_le_bytes());
            headers.extend([0; 20]);
            file.extend(&section.bytes);
        }
        let section_headers_at = file.len() as u64;
        file.extend(headers);
        let length = file.len() as u64;
        let count = self.sections.len() as u16 + 1;
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(16, 0);
        header.extend(self.kind.to_le_bytes());
        header.extend(self.machine.to_le_bytes());
        header.extend(1u32.to_le_bytes());
        header.extend(0x40u64.to_le_bytes());
        header.extend(64u64.to_le_bytes());
        header.extend(section_headers_at.to_le_bytes());
        header.extend(0u32.to_le_bytes());
        for half in [64, 56, 2, 64, count, count - 1] {
            header.extend(u16::to_le_bytes(half));
        }
        for (kind, offset, size) in [(1u32, 0, length), (4, note_at as u64, note.len() as u64)] {
            header.extend(kind.to_le_bytes());
            header.extend(5u32.to_le_bytes());
            for word in [offset, offset, offset, size, size, 4] {
                header.extend(word.to_le_bytes());
            }
        }
        file[..header.len()].copy_from_slice(&header);
        file
    }
}

/// A directory for one test, removed at its end.
pub struct TestDirectory(pub PathBuf);

impl TestDirectory {
    pub fn new(name: &str) -> TestDirectory {
        let path = std::env::temp_dir().join(format!("obit-module-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        // As the system names it, so that paths can be compared.
        TestDirectory(path.canonicalize().unwrap())
    }

    /// Writes a file (and the directories on the way to it) and gives its path.
    pub fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
