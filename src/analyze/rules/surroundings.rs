//! What surrounded the process and may have had a part in it: descriptors, memory, threads or limits nearly spent; code that
//! was replaced on disk while it ran; two copies of one library. Never a verdict: each is possible, and stands last.

use std::collections::BTreeMap;

use crate::analyze::{Case, Certainty, Class, Finding};
use crate::image::environment::Environment;

/// Per cent of a limit from which on it is nearly spent.
const NEARLY: u64 = 90;
/// Per cent of the machine's memory that are left when it is nearly spent.
const LEFT: u64 = 2;
/// Names in one finding.
const MAX_NAMES: usize = 4;

/// What may have had a part.
pub fn surroundings(case: &Case<'_>) -> Vec<Finding> {
    // A core of the kernel's knows nothing of them.
    let image = &case.session.image;
    let knows = image.snapshot.is_some() || image.is_alive();
    let mut found = if knows { spent(&case.session.environment()) } else { Vec::new() };
    found.extend(replaced(case));
    found.extend(copies(case));
    let findings = found.into_iter().map(|(rule, class, summary, evidence, next)| {
        let finding = case.finding(rule, class, Certainty::Possible, case.to_blame(case.fault_frame), summary);
        evidence
            .into_iter()
            .fold(finding.as_symptom(), |finding, (what, value)| finding.with(what, None, value))
            .ask(next)
    });
    findings.collect()
}

/// Rule, class, summary, evidence, what to ask next.
type Found = (&'static str, Class, String, Vec<(&'static str, String)>, &'static str);

fn limit(environment: &Environment, name: &str) -> Option<u64> {
    environment.limits.iter().find(|limit| limit.name.eq_ignore_ascii_case(name))?.soft
}

fn is_nearly(used: u64, most: u64) -> bool {
    most > 0 && used.saturating_mul(100) / most >= NEARLY
}

fn spent(environment: &Environment) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let descriptors = environment.descriptors.as_ref().map(|descriptors| descriptors.count);
    if let (Some(count), Some(most)) = (descriptors, limit(environment, "Max open files"))
        && is_nearly(count, most)
    {
        let summary =
            format!("descriptors are nearly spent: {count} of {most} are open; what opens files or sockets fails then");
        found.push((
            "descriptors-spent",
            Class::Unknown,
            summary,
            vec![("limit", format!("open files, {most}"))],
            "info",
        ));
    }
    if let (Some(threads), Some(most)) = (environment.threads, limit(environment, "Max processes"))
        && is_nearly(threads, most)
    {
        let summary =
            format!("threads are nearly spent: {threads} run, and the user may have {most} processes and threads");
        found.push((
            "threads-spent",
            Class::Unknown,
            summary,
            vec![("limit", format!("processes, {most}"))],
            "threads",
        ));
    }
    let memory = environment.memory.as_ref();
    let sizes = memory.and_then(|memory| memory.virtual_size).zip(limit(environment, "Max address space"));
    if let Some((size, most)) = sizes.filter(|(size, most)| is_nearly(*size, *most)) {
        let summary = format!("the address space is nearly spent: {size} of {most} bytes are mapped");
        let evidence = vec![("limit", format!("address space, {most} bytes"))];
        found.push(("address-space-spent", Class::OutOfMemory, summary, evidence, "maps"));
    }
    let host = environment.host.as_ref();
    let machine = host.and_then(|host| host.memory_available.zip(host.memory_total));
    if let Some((available, total)) =
        machine.filter(|(available, total)| available.saturating_mul(100) / (*total).max(1) < LEFT)
    {
        let resident = memory.and_then(|memory| memory.resident);
        let own = resident.map(|resident| format!("; {resident} of them are this process's")).unwrap_or_default();
        let summary = format!("the machine's memory is nearly spent: {available} of {total} bytes are left{own}");
        found.push(("memory-spent", Class::OutOfMemory, summary, Vec::new(), "info"));
    }
    if let Some(line) =
        environment.kernel_lines.iter().find(|line| line.contains("Out of memory") || line.contains("oom-kill"))
    {
        let summary = "the kernel ran out of memory about then".to_owned();
        found.push(("memory-spent", Class::OutOfMemory, summary, vec![("kernel", line.clone())], "info"));
    }
    found
}

fn replaced(case: &Case<'_>) -> Option<Found> {
    let modules = case.session.program.modules.iter();
    let paths: Vec<&str> =
        modules.filter(|module| module.seed.deleted).map(|module| module.seed.path.as_str()).collect();
    let first = paths.first()?;
    let more = if paths.len() > 1 { format!(" and {} more", paths.len() - 1) } else { String::new() };
    let summary = format!("{first}{more}: deleted or replaced on disk while the program ran it, as by an update");
    let evidence = paths.iter().take(MAX_NAMES).map(|path| ("replaced", (*path).to_owned())).collect();
    Some(("file-replaced", Class::Unknown, summary, evidence, "modules"))
}

/// Libraries of one name in two places or versions: each has data of its own.
fn copies(case: &Case<'_>) -> Option<Found> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for module in case.session.program.modules.iter() {
        let path = module.seed.path.as_str();
        if let Some(name) = library(path).filter(|_| !module.seed.is_executable && !module.seed.is_vdso) {
            let known = by_name.entry(name).or_default();
            if !known.contains(&path) {
                known.push(path);
            }
        }
    }
    let (name, paths) = by_name.into_iter().find(|(_, paths)| paths.len() > 1)?;
    let summary = format!("two copies of {name} are loaded: objects of one handed to the other break");
    let evidence = paths.iter().take(MAX_NAMES).map(|path| ("copy", (*path).to_owned())).collect();
    Some(("library-twice", Class::Unknown, summary, evidence, "modules"))
}

/// `libssl` of `/usr/lib/libssl.so.3`.
fn library(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next()?;
    let (name, _) = file.split_once(".so")?;
    let name = name.split_once("-2.").map_or(name, |(name, _)| name);
    name.starts_with("lib").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::environment::{Descriptors, ResourceLimit};

    #[test]
    fn limits_that_are_nearly_spent() {
        let limits =
            vec![ResourceLimit { name: "Max open files".into(), soft: Some(1024), ..ResourceLimit::default() }];
        let with = |count| Environment {
            descriptors: Some(Descriptors { count, open: Vec::new() }),
            limits: limits.clone(),
            ..Environment::default()
        };
        assert_eq!(spent(&with(1020)).len(), 1);
        assert!(spent(&with(500)).is_empty());
    }

    #[test]
    fn libraries_by_name() {
        assert_eq!(library("/usr/lib/libssl.so.3"), Some("libssl"));
        assert_eq!(library("/opt/lib/libssl.so.1.1"), Some("libssl"));
        assert_eq!(library("/usr/lib/python3/_ssl.cpython-311.so"), None);
    }
}
