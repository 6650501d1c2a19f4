//! A command as the command line has it: with the target that it is about.

use std::mem::ManuallyDrop;

use clap::{ArgMatches, Args as _, FromArgMatches, Subcommand};

use super::{Command, CommandError, Output, TargetArgs};

/// Commands that are about no target.
const WITHOUT_TARGET: &[&str] = &["capture", "notify", "schema", "store", "watch"];

/// One question, and the target that it is asked about.
#[derive(Debug)]
pub struct Targeted {
    /// The target; `None` for what can be asked without one.
    pub target: Option<TargetArgs>,
    /// The question.
    pub command: Command,
}

impl Targeted {
    /// Opens the target and answers.
    pub fn run(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        match (&self.target, &self.command) {
            (Some(target), command) => {
                // The process ends next: what was read need not be taken apart first.
                let mut state = ManuallyDrop::new(target.open()?);
                command.run(&mut state, output)
            }
            (None, Command::Watch(args)) => super::watch::run(args, output),
            (None, Command::Capture(args)) => super::capture::run(args, output),
            (None, Command::Store(args)) => super::store::run(args),
            (None, Command::Notify(args)) => super::store::notify(args),
            (None, Command::Schema(args)) => super::schema::run(args, output),
            (None, _) => Err(CommandError::Usage("this command needs a target".to_owned())),
        }
    }
}

/// Every command with the target's arguments before its own. A command's arguments are defined when that command is
/// asked for: the definitions of all take longer than a small core's backtrace.
impl Subcommand for Targeted {
    fn augment_subcommands(definition: clap::Command) -> clap::Command {
        let mut definition = definition.subcommand_required(true).arg_required_else_help(true);
        for command in Command::augment_subcommands(clap::Command::new("")).get_subcommands() {
            definition = definition.subcommand(command.clone().defer(with_arguments));
        }
        definition
    }

    fn augment_subcommands_for_update(definition: clap::Command) -> clap::Command {
        Targeted::augment_subcommands(definition)
    }

    fn has_subcommand(name: &str) -> bool {
        Command::has_subcommand(name)
    }
}

fn with_arguments(command: clap::Command) -> clap::Command {
    let (about, long_about) = (command.get_about().cloned(), command.get_long_about().cloned());
    let own = Command::arguments_of(command.get_name());
    let targeted = !WITHOUT_TARGET.contains(&command.get_name());
    let mut defined = own(if targeted { TargetArgs::augment_args(command) } else { command });
    // The command's own words, not its arguments' documentation.
    if let Some(about) = about {
        defined = defined.about(about);
    }
    if let Some(about) = long_about {
        defined = defined.long_about(about);
    }
    defined
}

impl FromArgMatches for Targeted {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Targeted, clap::Error> {
        let command = Command::from_arg_matches(matches)?;
        let target = match matches.subcommand() {
            Some((name, inner)) if !WITHOUT_TARGET.contains(&name) => Some(TargetArgs::from_arg_matches(inner)?),
            _ => None,
        };
        Ok(Targeted { target, command })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Targeted::from_arg_matches(matches)?;
        Ok(())
    }
}
