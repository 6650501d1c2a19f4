//! Go's scheduler: as text and JSON.

use std::io::{self, Write};

use super::bt_text::{grouped, plural};
use super::environment_text::bytes_text;
use super::json::Json;
use super::json_backtrace::begin_document;
use super::runtime_documents::few_numbers;
use super::style::Paint;
use super::table::{number, text, write_table};
use crate::image::Note;
use crate::runtime::go::scheduler::{Collector, Machine, Scheduler};

fn write_numbers(json: &mut Json, key: &'static str, numbers: &[u64]) {
    json.key(key);
    json.begin_array();
    numbers.iter().for_each(|number| json.uint(u128::from(*number)));
    json.end_array();
}

fn write_flag(json: &mut Json, key: &'static str, flag: Option<bool>) {
    json.key(key);
    match flag {
        Some(flag) => json.bool(flag),
        None => json.null(),
    }
}

/// `goroutines --sched`.
pub fn scheduler(scheduler: &Scheduler, notes: &[Note]) -> Json {
    let mut json = Json::new();
    begin_document(&mut json, "obit.scheduler/1", notes);
    json.field_string("runtime", Some(&scheduler.version));
    json.field_uint("gomaxprocs", scheduler.processors_wanted);
    json.field_uint("cpus", scheduler.cpus);
    write_numbers(&mut json, "queue", &scheduler.queue);
    json.field_uint("queue_counted", scheduler.queue_counted);
    json.field_uint("spinning", scheduler.spinning);
    write_flag(&mut json, "sysmon_sleeps", scheduler.sysmon_sleeps);
    write_flag(&mut json, "stopping", scheduler.stopping);
    json.key("gc");
    let Collector { phase, percent, memory_limit, live, marked, goal, cycles, paused } = &scheduler.collector;
    json.begin_object();
    json.field_string("phase", *phase);
    json.key("percent");
    match percent {
        Some(percent) => json.int(i128::from(*percent)),
        None => json.null(),
    }
    json.field_uint("memory_limit", *memory_limit);
    json.field_uint("heap_live", *live);
    json.field_uint("heap_marked", *marked);
    json.field_uint("heap_goal", *goal);
    json.field_uint("cycles", *cycles);
    json.field_uint("paused_ns", *paused);
    json.end_object();
    json.key("processors");
    json.begin_array();
    for processor in &scheduler.processors {
        json.begin_object();
        json.field_uint("id", Some(processor.id));
        json.field_string("status", Some(processor.status.code()));
        json.field_uint("machine", processor.machine);
        json.field_uint("next", processor.next);
        write_numbers(&mut json, "queue", &processor.queue);
        json.field_string("problem", processor.problem.as_deref());
        json.end_object();
    }
    json.end_array();
    json.key("machines");
    json.begin_array();
    for machine in &scheduler.machines {
        json.begin_object();
        json.field_uint("id", Some(machine.id));
        json.field_uint("lwp", machine.lwp.map(u64::from));
        json.field_uint("processor", machine.processor);
        json.field_uint("goroutine", machine.goroutine);
        json.field_uint("locked_goroutine", machine.locked);
        json.field_bool("idle", machine.is_idle);
        json.field_bool("spinning", machine.is_spinning);
        json.field_bool("in_c", machine.in_c);
        json.field_bool("extra", machine.is_extra);
        json.field_string("runs", machine.runs.as_deref());
        json.end_object();
    }
    json.end_array();
    json.end_object();
    json
}

/// The same for people.
pub fn write_scheduler(out: &mut dyn Write, scheduler: &Scheduler, paint: Paint) -> io::Result<()> {
    let known = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let cpus = scheduler.cpus.map(|cpus| format!(" of {cpus} CPUs")).unwrap_or_default();
    let version = &scheduler.version;
    let line = format!("GOMAXPROCS {}{cpus} ({version})", known(scheduler.processors_wanted));
    writeln!(out, "{}", paint.heading(line))?;
    writeln!(out, "GC {}", collector_text(&scheduler.collector))?;
    let watchdog = match scheduler.sysmon_sleeps {
        Some(true) => ", sysmon sleeps",
        Some(false) => ", sysmon watches",
        None => "",
    };
    let stopping = if scheduler.stopping == Some(true) { ", the world is being stopped" } else { "" };
    let idle = scheduler.machines.iter().filter(|machine| machine.is_idle).count();
    writeln!(
        out,
        "{} of {} threads idle, {} looking for work{watchdog}{stopping}",
        idle,
        scheduler.machines.len(),
        known(scheduler.spinning)
    )?;
    let counted = scheduler.queue_counted.unwrap_or(scheduler.queue.len() as u64);
    let queued = match counted {
        0 => "Global run queue: empty".to_owned(),
        _ => {
            let noun = plural(counted as usize, "goroutine", "goroutines");
            format!("Global run queue: {} {noun}, {}", grouped(counted as usize), in_order(&scheduler.queue))
        }
    };
    writeln!(out, "{queued}\n")?;
    let rows = scheduler.processors.iter().map(|processor| {
        let queue = match processor.queue.len() {
            _ if processor.problem.is_some() => processor.problem.clone().unwrap_or_default(),
            0 => "empty".to_owned(),
            length => format!("{length}: {}", in_order(&processor.queue)),
        };
        let machine = processor.machine.map(|machine| format!("M{machine}")).unwrap_or_default();
        let next = processor.next.map(|id| format!("goroutine {id}")).unwrap_or_default();
        vec![format!("P{}", processor.id), processor.status.code().to_owned(), machine, next, queue]
    });
    let columns = [text("processor"), text("status"), text("thread"), text("runs next"), text("then")];
    write_table(out, &columns, rows.collect())?;
    writeln!(out)?;
    let rows = scheduler.machines.iter().map(|machine| {
        let lwp = machine.lwp.map_or_else(|| "not started".to_owned(), |lwp| lwp.to_string());
        let processor = machine.processor.map(|processor| format!("P{processor}")).unwrap_or_default();
        vec![format!("M{}", machine.id), lwp, processor, doing(machine)]
    });
    write_table(out, &[text("thread"), number("LWP"), text("processor"), text("does")], rows.collect())
}

/// Queues run in their order, which is not that of numbers.
fn in_order(numbers: &[u64]) -> String {
    if numbers.is_sorted() {
        return few_numbers(numbers);
    }
    const MOST: usize = 12;
    let mut shown: Vec<String> = numbers.iter().take(MOST).map(u64::to_string).collect();
    if numbers.len() > MOST {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

fn collector_text(collector: &Collector) -> String {
    let mut parts = vec![collector.phase.unwrap_or("phase unknown").to_owned()];
    parts.extend(
        collector
            .cycles
            .map(|cycles| format!("{} {} done", grouped(cycles as usize), plural(cycles as usize, "cycle", "cycles"))),
    );
    parts.extend(collector.percent.map(|percent| match percent {
        -1 => "GOGC=off".to_owned(),
        percent => format!("GOGC={percent}"),
    }));
    parts.extend(collector.memory_limit.map(|limit| format!("GOMEMLIMIT={}", bytes_text(limit))));
    parts.extend(collector.live.map(|live| format!("heap {}", bytes_text(live))));
    parts.extend(collector.marked.map(|marked| format!("of which {} survived the last one", bytes_text(marked))));
    parts.extend(collector.goal.map(|goal| format!("the next at {}", bytes_text(goal))));
    parts.extend(collector.paused.map(|paused| format!("stopped for {:.1} ms in all", paused as f64 / 1e6)));
    parts.join(", ")
}

fn doing(machine: &Machine) -> String {
    let mut parts = Vec::new();
    if let Some(runs) = &machine.runs {
        parts.push(runs.clone());
    }
    match machine.goroutine {
        Some(id) if machine.in_c => parts.push(format!("goroutine {id}, in C")),
        Some(id) => parts.push(format!("goroutine {id}")),
        None if machine.in_c && !machine.is_extra => parts.push("in C".to_owned()),
        None => {}
    }
    if machine.is_extra {
        parts.push("for a thread of C's".to_owned());
    }
    if let Some(id) = machine.locked {
        parts.push(format!("locked to goroutine {id}"));
    }
    if machine.is_idle {
        parts.push("idle".to_owned());
    }
    if machine.is_spinning {
        parts.push("looks for work".to_owned());
    }
    match parts.is_empty() {
        true => "runtime".to_owned(),
        false => parts.join(", "),
    }
}
