//! Writing a minidump: the streams of [`super::open`], in the form that Crashpad and Breakpad give them.

use minidump_common::format::{
    CPU_INFORMATION, CvSignature, MINIDUMP_DIRECTORY, MINIDUMP_EXCEPTION, MINIDUMP_EXCEPTION_STREAM, MINIDUMP_HEADER,
    MINIDUMP_LOCATION_DESCRIPTOR, MINIDUMP_MEMORY_DESCRIPTOR, MINIDUMP_MISC_INFO, MINIDUMP_MODULE, MINIDUMP_SIGNATURE,
    MINIDUMP_STREAM_TYPE as Kind, MINIDUMP_SYSTEM_INFO, MINIDUMP_THREAD, MINIDUMP_THREAD_NAME, MINIDUMP_VERSION,
    PlatformId, ProcessorArchitecture,
};
use scroll::ctx::{SizeWith, TryIntoCtx};
use scroll::{Endian, LE, Pwrite};

use super::context::{self, Source};
use crate::addr::RunAddr;
use crate::arch::Arch;
use crate::image::{Image, notes};
use crate::order::Order;

/// A module to list.
#[derive(Clone, Debug)]
pub struct Module<'a> {
    /// Path in the process.
    pub path: &'a str,
    /// Where its first byte was.
    pub start: RunAddr,
    /// One past the last.
    pub end: RunAddr,
    /// Its build-id.
    pub build_id: Option<&'a [u8]>,
    /// The program itself: it is listed first.
    pub is_executable: bool,
}

/// What surrounded the process.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The command line.
    pub arguments: Vec<String>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// The system, in words.
    pub system: Option<String>,
    /// When the process died, in seconds since 1970.
    pub time: Option<u64>,
}

/// The file would be larger than its offsets of 32 bits can say.
#[derive(Debug, thiserror::Error)]
#[error("a minidump holds at most 4 GiB")]
pub struct TooLarge;

/// A file in the making.
struct Writer {
    bytes: Vec<u8>,
    directory: Vec<MINIDUMP_DIRECTORY>,
}

impl Writer {
    /// Appends bytes, aligned to 8, and says where they are.
    fn put(&mut self, content: &[u8]) -> Result<MINIDUMP_LOCATION_DESCRIPTOR, TooLarge> {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let rva = u32::try_from(self.bytes.len()).map_err(|_| TooLarge)?;
        self.bytes.extend_from_slice(content);
        u32::try_from(self.bytes.len()).map_err(|_| TooLarge)?;
        Ok(MINIDUMP_LOCATION_DESCRIPTOR { data_size: content.len() as u32, rva })
    }

    /// MINIDUMP_STRING: bytes of UTF-16, the text, a zero.
    fn string(&mut self, text: &str) -> Result<u32, TooLarge> {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let content = [&(units.len() as u32).to_le_bytes()[..], &units, &[0, 0]].concat();
        Ok(self.put(&content)?.rva)
    }

    fn stream(&mut self, kind: Kind, content: &[u8]) -> Result<(), TooLarge> {
        let location = self.put(content)?;
        self.directory.push(MINIDUMP_DIRECTORY { stream_type: kind.into(), location });
        Ok(())
    }

    fn list<T>(&mut self, kind: Kind, entries: Vec<T>) -> Result<(), TooLarge>
    where
        T: TryIntoCtx<Endian, Error = scroll::Error> + SizeWith<Endian>,
    {
        let mut content = (entries.len() as u32).to_le_bytes().to_vec();
        entries.into_iter().for_each(|entry| content.extend(bytes_of(entry)));
        self.stream(kind, &content)
    }
}

fn bytes_of<T: TryIntoCtx<Endian, Error = scroll::Error> + SizeWith<Endian>>(value: T) -> Vec<u8> {
    let mut bytes = vec![0u8; T::size_with(&LE)];
    // As many bytes as the structure has.
    let written = bytes.pwrite_with(value, 0, LE).unwrap_or(0);
    bytes.truncate(written);
    bytes
}

/// A minidump of what an image holds.
pub fn minidump(image: &Image, modules: &[Module<'_>], around: &Surroundings) -> Result<Vec<u8>, TooLarge> {
    let mut writer = Writer { bytes: vec![0; MINIDUMP_HEADER::size_with(&LE)], directory: Vec::new() };
    system(&mut writer, image, around)?;
    let memory = memory(&mut writer, image)?;
    threads(&mut writer, image, &memory)?;
    module_list(&mut writer, modules)?;
    writer.list(Kind::MemoryListStream, memory)?;
    process(&mut writer, image, around)?;
    let count = writer.directory.len() as u32;
    let directory: Vec<u8> = std::mem::take(&mut writer.directory).into_iter().flat_map(bytes_of).collect();
    let place = writer.put(&directory)?;
    let header = MINIDUMP_HEADER {
        signature: MINIDUMP_SIGNATURE,
        version: MINIDUMP_VERSION,
        stream_count: count,
        stream_directory_rva: place.rva,
        checksum: 0,
        time_date_stamp: around.time.and_then(|time| u32::try_from(time).ok()).unwrap_or(0),
        flags: 0,
    };
    let header = bytes_of(header);
    writer.bytes[..header.len()].copy_from_slice(&header);
    Ok(writer.bytes)
}

fn system(writer: &mut Writer, image: &Image, around: &Surroundings) -> Result<(), TooLarge> {
    let csd_version_rva = writer.string(around.system.as_deref().unwrap_or("Linux"))?;
    let processor = match image.arch {
        Arch::X86_64 => ProcessorArchitecture::PROCESSOR_ARCHITECTURE_AMD64,
        Arch::Aarch64 => ProcessorArchitecture::PROCESSOR_ARCHITECTURE_ARM64,
        Arch::I386 => ProcessorArchitecture::PROCESSOR_ARCHITECTURE_INTEL,
    };
    let info = MINIDUMP_SYSTEM_INFO {
        processor_architecture: processor as u16,
        processor_level: 0,
        processor_revision: 0,
        number_of_processors: 0,
        product_type: 0,
        major_version: 0,
        minor_version: 0,
        build_number: 0,
        platform_id: PlatformId::Linux as u32,
        csd_version_rva,
        suite_mask: 0,
        reserved2: 0,
        cpu: CPU_INFORMATION { data: [0; 24] },
    };
    writer.stream(Kind::SystemInfoStream, &bytes_of(info))
}

/// Every piece of memory that the image holds.
fn memory(writer: &mut Writer, image: &Image) -> Result<Vec<MINIDUMP_MEMORY_DESCRIPTOR>, TooLarge> {
    let pieces = image.memory.held();
    pieces
        .map(|(start, bytes)| {
            Ok(MINIDUMP_MEMORY_DESCRIPTOR { start_of_memory_range: start.0, memory: writer.put(bytes)? })
        })
        .collect()
}

fn threads(writer: &mut Writer, image: &Image, memory: &[MINIDUMP_MEMORY_DESCRIPTOR]) -> Result<(), TooLarge> {
    let blocks = notes::floating_blocks(image.arch, &image.raw_notes);
    let mut threads = Vec::new();
    let mut names = Vec::new();
    let mut exception = None;
    for thread in &image.threads {
        let registers = &thread.registers;
        let special = registers.vectors.as_ref().map(|vectors| &vectors.special);
        let source = Source {
            general: &|number| registers.get(number).unwrap_or(0),
            special: &|name| {
                let (_, bytes) = special?.iter().find(|(other, _)| *other == name)?;
                let mut value = [0; 8];
                value.get_mut(..bytes.len())?.copy_from_slice(bytes);
                Some(u64::from_le_bytes(value))
            },
            floating: blocks.get(&thread.lwp).copied().unwrap_or_default(),
        };
        let thread_context = writer.put(&context::encode(image.arch, &source))?;
        let sp = registers.sp().unwrap_or(0);
        // The piece that the stack pointer is in, or the one above it.
        let index = memory
            .partition_point(|piece| piece.start_of_memory_range.saturating_add(piece.memory.data_size.into()) <= sp);
        let stack = memory.get(index).copied().filter(|piece| piece.start_of_memory_range <= sp.saturating_add(4096));
        threads.push(MINIDUMP_THREAD {
            thread_id: thread.lwp,
            suspend_count: 0,
            priority_class: 0,
            priority: 0,
            teb: registers.thread_pointer.unwrap_or(0),
            stack: stack.unwrap_or_default(),
            thread_context,
        });
        if let Some(name) = &thread.name {
            let thread_name_rva = writer.string(name)?.into();
            names.push(MINIDUMP_THREAD_NAME { thread_id: thread.lwp, thread_name_rva });
        }
        if let Some(signal) = image.signal.as_ref().filter(|_| thread.crashed && exception.is_none()) {
            let mut record = MINIDUMP_EXCEPTION {
                exception_code: signal.number as u32,
                exception_flags: signal.code.unwrap_or(0) as u32,
                exception_address: signal.address.map_or(0, |address| address.0),
                ..MINIDUMP_EXCEPTION::default()
            };
            if let (Some(pid), Some(uid)) = (signal.sender_pid, signal.sender_uid) {
                record.number_parameters = 2;
                record.exception_information[..2].copy_from_slice(&[pid.into(), uid.into()]);
            }
            exception = Some(MINIDUMP_EXCEPTION_STREAM {
                thread_id: thread.lwp,
                __align: 0,
                exception_record: record,
                thread_context,
            });
        }
    }
    writer.list(Kind::ThreadListStream, threads)?;
    if !names.is_empty() {
        writer.list(Kind::ThreadNamesStream, names)?;
    }
    match exception {
        Some(exception) => writer.stream(Kind::ExceptionStream, &bytes_of(exception)),
        None => Ok(()),
    }
}

fn module_list(writer: &mut Writer, modules: &[Module<'_>]) -> Result<(), TooLarge> {
    let mut modules: Vec<&Module<'_>> = modules.iter().collect();
    modules.order_by_key(|module| (!module.is_executable, module.start));
    let mut entries = Vec::new();
    for module in modules {
        let cv_record = match module.build_id {
            Some(id) => writer.put(&[&(CvSignature::Elf as u32).to_le_bytes()[..], id].concat())?,
            None => MINIDUMP_LOCATION_DESCRIPTOR::default(),
        };
        let size = module.end.0.saturating_sub(module.start.0);
        entries.push(MINIDUMP_MODULE {
            base_of_image: module.start.0,
            size_of_image: u32::try_from(size).unwrap_or(u32::MAX),
            module_name_rva: writer.string(module.path)?,
            cv_record,
            ..MINIDUMP_MODULE::default()
        });
    }
    writer.list(Kind::ModuleListStream, entries)
}

/// `/proc/PID`'s files, as far as an image has what they say.
fn process(writer: &mut Writer, image: &Image, around: &Surroundings) -> Result<(), TooLarge> {
    let process = &image.process;
    if let Some(pid) = process.pid {
        // MINIDUMP_MISC1_PROCESS_ID
        let misc = MINIDUMP_MISC_INFO {
            size_of_info: MINIDUMP_MISC_INFO::size_with(&LE) as u32,
            flags1: 1,
            process_id: pid,
            process_create_time: 0,
            process_user_time: 0,
            process_kernel_time: 0,
        };
        writer.stream(Kind::MiscInfoStream, &bytes_of(misc))?;
    }
    let mut status = String::new();
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            status += &format!("{key}:\t{value}\n");
        }
    };
    line("Name", process.name.clone());
    line("Pid", process.pid.map(|pid| pid.to_string()));
    line("PPid", process.ppid.map(|pid| pid.to_string()));
    // Real, effective, saved and file system's; cores have the real one alone.
    line("Uid", process.uid.map(|id| format!("{id}\t{id}\t{id}\t{id}")));
    line("Gid", process.gid.map(|id| format!("{id}\t{id}\t{id}\t{id}")));
    writer.stream(Kind::LinuxProcStatus, status.as_bytes())?;
    let mut maps = String::new();
    for mapping in &image.mappings {
        let flag = |bit: u32, letter: char| if mapping.flags & bit != 0 { letter } else { '-' };
        let (path, offset) = mapping.file.as_ref().map_or(("", 0), |(path, offset)| (path.as_str(), *offset));
        let head = format!("{:x}-{:x}", mapping.start.0, mapping.end.0);
        let flags = [flag(4, 'r'), flag(2, 'w'), flag(1, 'x'), 'p'].iter().collect::<String>();
        // A line each, whatever the file's name holds.
        let path = path.replace('\n', "\\012");
        maps += format!("{head} {flags} {offset:08x} 00:00 0 {path}").trim_end();
        maps.push('\n');
    }
    writer.stream(Kind::LinuxMaps, maps.as_bytes())?;
    let mut auxv = Vec::new();
    for (kind, value) in process.auxv.iter().chain(&[(0, 0)]) {
        for word in [kind, value] {
            auxv.extend_from_slice(&word.to_le_bytes()[..image.arch.address_size()]);
        }
    }
    writer.stream(Kind::LinuxAuxv, &auxv)?;
    let command = match around.arguments.is_empty() {
        true => process.command.clone().unwrap_or_default(),
        false => around.arguments.join("\0"),
    };
    if !command.is_empty() {
        writer.stream(Kind::LinuxCmdLine, format!("{command}\0").as_bytes())?;
    }
    if !around.environment.is_empty() {
        let variables: String = around.environment.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
        writer.stream(Kind::LinuxEnviron, variables.as_bytes())?;
    }
    Ok(())
}
