//! One compilation (type, partial, split) unit, opened.

use std::sync::OnceLock;

use gimli::{DebuggingInformationEntry, UnitOffset};

use super::line_table::LineTable;
use super::skim::Skim;
use super::{DieRef, Language, ModuleId, Name, R, UnitId};

/// Whose code generator made a unit, as far as its habits matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Producer {
    /// GCC.
    Gcc,
    /// Clang, rustc and others over LLVM.
    Llvm,
    /// Go's own.
    Go,
    /// Unknown.
    Other,
}

/// A unit with what is needed to read its DIEs.
pub struct Unit {
    /// Whose.
    pub module: ModuleId,
    /// Its number in the module.
    pub id: UnitId,
    /// The sections that it is in (the module's, a dwo's or a dwz file's).
    pub dwarf: &'static gimli::Dwarf<R>,
    /// Which of the module's section sets `dwarf` is: 0 its own, 1 the dwz file's, then the dwo files'.
    pub dwarf_index: u32,
    /// Header, abbreviations, string and address bases.
    pub unit: gimli::Unit<R>,
    /// For a split unit, its skeleton and the sections that it is in: line table and ranges are there.
    pub skeleton: Option<(&'static gimli::Dwarf<R>, Box<gimli::Unit<R>>)>,
    /// DW_AT_language.
    pub language: Language,
    /// The index of an array's first element, where its type does not say.
    pub lower_bound: i64,
    /// Whether an array's first index is the one that varies fastest in memory, where its type does not say.
    pub column_major: bool,
    /// DW_AT_producer.
    pub producer: Producer,
    /// The minor version of the Rust compiler that made it: 95 of 1.95.0.
    pub rust_minor: Option<u16>,
    /// The name of a dwo file that was not found.
    pub missing_split: Option<String>,
    pub(super) skim: OnceLock<Skim>,
    pub(super) lines: OnceLock<Option<LineTable>>,
}

impl Unit {
    /// A unit of the section set `dwarf`, described by its root DIE.
    pub fn new(
        module: ModuleId,
        id: UnitId,
        dwarf: &'static gimli::Dwarf<R>,
        dwarf_index: u32,
        unit: gimli::Unit<R>,
    ) -> Unit {
        let mut opened = Unit {
            module,
            id,
            dwarf,
            dwarf_index,
            unit,
            skeleton: None,
            language: Language::Other,
            lower_bound: 0,
            column_major: false,
            producer: Producer::Other,
            rust_minor: None,
            missing_split: None,
            skim: OnceLock::new(),
            lines: OnceLock::new(),
        };
        describe(&mut opened);
        opened
    }

    /// The split unit that this skeleton stands for takes its place.
    pub(super) fn become_split(&mut self, dwarf: &'static gimli::Dwarf<R>, dwarf_index: u32, unit: gimli::Unit<R>) {
        let skeleton = std::mem::replace(&mut self.unit, unit);
        self.skeleton = Some((self.dwarf, Box::new(skeleton)));
        self.dwarf = dwarf;
        self.dwarf_index = dwarf_index;
        describe(self);
    }

    /// A DIE of this unit.
    pub fn die(&self, offset: UnitOffset) -> DieRef {
        DieRef { module: self.module, unit: self.id, offset: offset.0 as u32 }
    }

    /// The unit's own DIE (DW_TAG_compile_unit).
    pub fn root(&self) -> DieRef {
        self.die(self.unit.header.root_offset())
    }

    /// Whether it is (or its skeleton is) the unit at that offset of the module's own .debug_info.
    pub(super) fn starts_at(&self, offset: usize) -> bool {
        let unit = self.skeleton.as_ref().map_or(&self.unit, |(_, skeleton)| skeleton);
        unit.header.debug_info_offset().is_some_and(|at| at.0 == offset)
    }

    /// The functions and enclosing entries, found in one pass at the first call.
    pub fn skim(&self) -> &Skim {
        self.skim.get_or_init(|| Skim::of(self.dwarf, &self.unit))
    }

    /// The entry at an offset in this unit, with all its attributes.
    pub fn entry(&self, offset: u32) -> Option<DebuggingInformationEntry<R>> {
        let mut raw = self.unit.entries_raw(Some(UnitOffset(offset as usize))).ok()?;
        let mut entry = DebuggingInformationEntry::null();
        raw.read_entry(&mut entry).ok().filter(|there| *there)?;
        Some(entry)
    }

    /// A string attribute's text. Invalid UTF-8 is replaced.
    pub fn string(&self, value: gimli::AttributeValue<R>) -> Option<String> {
        let bytes = self.dwarf.attr_string(&self.unit, value).ok()?;
        Some(String::from_utf8_lossy(bytes.slice()).into_owned())
    }

    /// A string attribute's text, borrowed from the section where it is valid UTF-8.
    pub fn text(&self, value: gimli::AttributeValue<R>) -> Option<Name> {
        Some(String::from_utf8_lossy(self.dwarf.attr_string(&self.unit, value).ok()?.slice()))
    }

    /// DW_AT_name of an entry of this unit.
    pub fn name(&self, entry: &DebuggingInformationEntry<R>) -> Option<String> {
        self.string(entry.attr_value(gimli::DW_AT_name)?)
    }

    /// The unit's source file as it was given to the compiler.
    pub fn source_name(&self) -> Option<String> {
        let unit = self.skeleton.as_ref().map_or(&self.unit, |(_, skeleton)| skeleton);
        let name = self.unit.name.or(unit.name)?;
        Some(String::from_utf8_lossy(name.slice()).into_owned())
    }

    /// DW_AT_producer: the compiler and its options.
    pub fn producer_text(&self) -> Option<String> {
        let root = self.entry(self.unit.header.root_offset().0 as u32)?;
        self.string(root.attr_value(gimli::DW_AT_producer)?)
    }

    /// The directory that the compiler ran in.
    pub fn directory(&self) -> Option<String> {
        let skeleton = self.skeleton.as_ref().and_then(|(_, skeleton)| skeleton.comp_dir);
        let directory = self.unit.comp_dir.or(skeleton)?;
        Some(String::from_utf8_lossy(directory.slice()).into_owned())
    }
}

/// All units of all modules: what the type loader needs of them.
pub trait Units: Send + Sync {
    /// The opened unit of a DIE.
    fn unit(&self, die: DieRef) -> Option<&Unit>;

    /// The DIE that a reference attribute's value names: in this unit, in another, in a type unit (by signature) or
    /// in the dwz file.
    fn reference(&self, unit: &Unit, value: gimli::AttributeValue<R>) -> Option<DieRef>;

    /// The enclosing namespaces, classes and (for local types) functions of a DIE, outermost first.
    fn parents(&self, die: DieRef) -> Vec<DieRef>;

    /// The definition of a type that is only declared at `die`, anywhere in the program (by type signature or by
    /// qualified name).
    fn find_definition(&self, die: DieRef, qualified_name: &str) -> Option<DieRef>;
}

/// Fills in what the root DIE says of language and producer.
fn describe(opened: &mut Unit) {
    let Some(root) = opened.entry(opened.unit.header.root_offset().0 as u32) else { return };
    if let Some(gimli::AttributeValue::Language(language)) = root.attr_value(gimli::DW_AT_language) {
        opened.language = language_of(language);
        opened.column_major = is_fortran(language);
        opened.lower_bound = lower_bound_of(language);
    }
    if let Some(producer) = root.attr_value(gimli::DW_AT_producer).and_then(|value| opened.string(value)) {
        opened.rust_minor = rust_minor(&producer);
        opened.producer = if producer.starts_with("GNU ") {
            Producer::Gcc
        } else if producer.contains("clang") || producer.contains("LLVM") || producer.contains("rustc") {
            Producer::Llvm
        } else if producer.starts_with("Go ") {
            Producer::Go
        } else {
            Producer::Other
        };
    }
}

/// `95` of `clang LLVM (rustc version 1.95.0 (…))`.
fn rust_minor(producer: &str) -> Option<u16> {
    let (_, version) = producer.split_once("rustc version 1.")?;
    let digits = version.find(|char: char| !char.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().ok()
}

fn is_fortran(language: gimli::DwLang) -> bool {
    matches!(
        language,
        gimli::DW_LANG_Fortran77
            | gimli::DW_LANG_Fortran90
            | gimli::DW_LANG_Fortran95
            | gimli::DW_LANG_Fortran03
            | gimli::DW_LANG_Fortran08
            | gimli::DW_LANG_Fortran18
    )
}

/// Default lower bounds (DWARF 5, table 7.17).
fn lower_bound_of(language: gimli::DwLang) -> i64 {
    let one = is_fortran(language)
        || matches!(
            language,
            gimli::DW_LANG_Ada83
                | gimli::DW_LANG_Ada95
                | gimli::DW_LANG_Ada2005
                | gimli::DW_LANG_Ada2012
                | gimli::DW_LANG_Cobol74
                | gimli::DW_LANG_Cobol85
                | gimli::DW_LANG_Julia
                | gimli::DW_LANG_Modula2
                | gimli::DW_LANG_Modula3
                | gimli::DW_LANG_Pascal83
                | gimli::DW_LANG_PLI
        );
    i64::from(one)
}

fn language_of(language: gimli::DwLang) -> Language {
    match language {
        gimli::DW_LANG_C
        | gimli::DW_LANG_C89
        | gimli::DW_LANG_C99
        | gimli::DW_LANG_C11
        | gimli::DW_LANG_C17
        | gimli::DW_LANG_Mips_Assembler => Language::C,
        gimli::DW_LANG_C_plus_plus
        | gimli::DW_LANG_C_plus_plus_03
        | gimli::DW_LANG_C_plus_plus_11
        | gimli::DW_LANG_C_plus_plus_14
        | gimli::DW_LANG_C_plus_plus_17
        | gimli::DW_LANG_C_plus_plus_20 => Language::Cpp,
        gimli::DW_LANG_Rust => Language::Rust,
        gimli::DW_LANG_Go => Language::Go,
        _ => Language::Other,
    }
}
