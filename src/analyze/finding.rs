//! What a rule finds.

/// What happened. The words are the contract's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Class {
    /// A null pointer, or one that is null but for an offset, was followed.
    NullPointer,
    /// A pointer to nothing was followed.
    WildPointer,
    /// Memory that had been freed was used.
    UseAfterFree,
    /// Memory was freed twice.
    DoubleFree,
    /// The allocator found its own data damaged.
    HeapCorruption,
    /// An index outside of its array.
    OutOfBounds,
    /// The stack was used up.
    StackOverflow,
    /// The stack was overwritten.
    StackSmashed,
    /// The processor was sent to where no code is.
    BadControlFlow,
    /// An integer was divided by zero, or the quotient has no room.
    DivisionByZero,
    /// An instruction that there is not, or one that traps.
    IllegalInstruction,
    /// An address that is no multiple of what it must be.
    Misaligned,
    /// The file behind a mapping does not reach so far, or the memory itself failed.
    BusError,
    /// A condition that the program checks did not hold.
    Assertion,
    /// The program ended itself.
    Abort,
    /// An exception that nobody caught.
    UncaughtException,
    /// A Rust or Go panic.
    Panic,
    /// Memory could not be had.
    OutOfMemory,
    /// A function was called with what it must not be called with.
    BadCall,
    /// One bit of a pointer is wrong.
    BitFlip,
    /// Threads wait for each other.
    Deadlock,
    /// Threads wait for what does not come.
    Hang,
    /// Somebody else sent the signal.
    SignalSent,
    /// A system call that is not allowed.
    Sandbox,
    /// No rule says.
    Unknown,
}

impl Class {
    /// Every class.
    pub const ALL: &'static [Class] = &[
        Class::NullPointer,
        Class::WildPointer,
        Class::UseAfterFree,
        Class::DoubleFree,
        Class::HeapCorruption,
        Class::OutOfBounds,
        Class::StackOverflow,
        Class::StackSmashed,
        Class::BadControlFlow,
        Class::DivisionByZero,
        Class::IllegalInstruction,
        Class::Misaligned,
        Class::BusError,
        Class::Assertion,
        Class::Abort,
        Class::UncaughtException,
        Class::Panic,
        Class::OutOfMemory,
        Class::BadCall,
        Class::BitFlip,
        Class::Deadlock,
        Class::Hang,
        Class::SignalSent,
        Class::Sandbox,
        Class::Unknown,
    ];

    /// The contract's word.
    pub fn code(self) -> &'static str {
        match self {
            Class::NullPointer => "null-pointer",
            Class::WildPointer => "wild-pointer",
            Class::UseAfterFree => "use-after-free",
            Class::DoubleFree => "double-free",
            Class::HeapCorruption => "heap-corruption",
            Class::OutOfBounds => "out-of-bounds",
            Class::StackOverflow => "stack-overflow",
            Class::StackSmashed => "stack-smashed",
            Class::BadControlFlow => "bad-control-flow",
            Class::DivisionByZero => "division-by-zero",
            Class::IllegalInstruction => "illegal-instruction",
            Class::Misaligned => "misaligned",
            Class::BusError => "bus-error",
            Class::Assertion => "assertion",
            Class::Abort => "abort",
            Class::UncaughtException => "uncaught-exception",
            Class::Panic => "panic",
            Class::OutOfMemory => "out-of-memory",
            Class::BadCall => "bad-call",
            Class::BitFlip => "bit-flip",
            Class::Deadlock => "deadlock",
            Class::Hang => "hang",
            Class::SignalSent => "signal-sent",
            Class::Sandbox => "sandbox",
            Class::Unknown => "unknown",
        }
    }
}

/// How sure a rule is, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Certainty {
    /// It would explain what is seen.
    Possible,
    /// It explains what is seen better than anything else known.
    Likely,
    /// What is seen has no other explanation.
    Certain,
}

impl Certainty {
    /// The contract's word.
    pub fn code(self) -> &'static str {
        match self {
            Certainty::Possible => "possible",
            Certainty::Likely => "likely",
            Certainty::Certain => "certain",
        }
    }
}

/// A fact that a finding rests on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// What it is: `instruction`, `pointer`.
    pub what: String,
    /// What can be asked to see it: an expression in the finding's frame.
    pub expression: Option<String>,
    /// The fact.
    pub value: String,
}

/// What a rule found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// What happened.
    pub class: Class,
    /// How sure that is.
    pub certainty: Certainty,
    /// One sentence, in the program's own names.
    pub summary: String,
    /// The thread's LWP.
    pub thread: u32,
    /// The frame that is to be looked at, counted as `bt` does.
    pub frame_index: usize,
    /// That frame's function, without parameters.
    pub function: Option<String>,
    /// That frame's file and line.
    pub line: Option<(String, u32)>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// Commands that show more.
    pub next: Vec<String>,
    /// It says what was seen at the end, not what led there.
    pub symptom: bool,
}

impl Finding {
    /// Adds a fact.
    pub fn with(mut self, what: &str, expression: Option<&str>, value: impl Into<String>) -> Finding {
        let expression = expression.map(str::to_owned);
        self.evidence.push(Evidence { what: what.to_owned(), expression, value: value.into() });
        self
    }

    /// Adds a command.
    pub fn ask(mut self, command: impl Into<String>) -> Finding {
        let command = command.into();
        if !self.next.contains(&command) {
            self.next.push(command);
        }
        self
    }

    /// Marks it as what was seen at the end.
    pub fn as_symptom(mut self) -> Finding {
        self.symptom = true;
        self
    }

    /// What ranks it among others, the highest first: causes that are likely stand before symptoms that are certain,
    /// as the address at fault is seldom what was wrong.
    pub(super) fn rank(&self) -> u8 {
        match (self.symptom, self.certainty) {
            (false, Certainty::Certain) => 5,
            (false, Certainty::Likely) => 4,
            (true, Certainty::Certain) => 3,
            (true, Certainty::Likely) => 2,
            (false, Certainty::Possible) => 1,
            (true, Certainty::Possible) => 0,
        }
    }
}
