//! What surrounded the process: as /proc has it, as a snapshot kept it, or as far as a core tells.

use std::collections::BTreeMap;

use super::Session;
use crate::image::environment::{self, Environment};
use crate::image::snapshot::format::ENVIRONMENT;

impl Session {
    /// The process's surroundings; asked anew each time where it is alive.
    pub fn environment(&self) -> Environment {
        if let Some(snapshot) = &self.image.snapshot {
            return snapshot.json(ENVIRONMENT).unwrap_or_default();
        }
        let found = match self.image.process.pid {
            Some(pid) if self.image.pause.is_some() => environment::of_process(pid),
            _ => environment::of_image(&self.image),
        };
        Environment { unwritten: self.unwritten(), ..found }
    }

    /// Attributes: the program's own, and those that a snapshot was given.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        match &self.image.snapshot {
            Some(snapshot) => snapshot.header.attributes.clone(),
            None => self.program_attributes(),
        }
    }
}
