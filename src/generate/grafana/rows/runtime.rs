//! The runtime, the process, and the lookout itself.

use super::{Row, thresholds};
#[cfg(feature = "process")]
use crate::facade::{
    PROCESS_CPU, PROCESS_MAX_FDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT, PROCESS_START,
    PROCESS_THREADS,
};
#[cfg(feature = "runtime-metrics")]
use crate::facade::{
    TOKIO_BUSIEST, TOKIO_BUSY, TOKIO_POLL_DELAY, TOKIO_QUEUE, TOKIO_TASKS, TOKIO_WORKERS,
};
use crate::{
    facade::{MEMORY, OVERFLOWED, RUNTIME_LAG},
    generate::grafana::{
        panel::{Kind, Panel},
        queries::Queries,
    },
    rule::{Rule, Signal},
};

fn series(id: u32, title: &str, unit: &'static str) -> Panel {
    Panel::new(id, Kind::TimeSeries, title, unit).no_value("No metrics")
}

pub(super) fn row(queries: &Queries<'_>, rules: &[Rule]) -> Row {
    let by_instance = |function: &str, metric: &str| format!("{function} by (instance) ({metric})");
    let lag = by_instance("max", &queries.own_metric(RUNTIME_LAG));
    let lag = series(901, "Runtime lag", "s")
        .query(lag, "{{instance}}")
        .no_value("The lookout was started outside a runtime")
        .thresholds(thresholds(rules, |rule| rule.signal == Signal::RuntimeLag))
        .describe(
            "Longest delay of a task that was ready to run. If it rises, code blocks the runtime, or the \
             process has too little CPU.",
        );
    let mut panels = vec![lag];
    panels.extend(scheduler(queries));
    panels.push(
        series(902, "Memory of the figures", "bytes")
            .query(by_instance("max", &queries.own_metric(MEMORY)), "{{instance}}")
            .describe("Memory of the lookout's figures. max_memory bounds it."),
    );
    panels.push(
        series(903, "Requests without a place", "reqps")
            .query(by_instance("sum", &queries.own_rate(OVERFLOWED)), "{{instance}}")
            .describe(
                "Requests that count under the route _OVERFLOW, since max_operations or max_memory is \
                 reached. Name routes by their template, or raise the limit.",
            ),
    );
    Row::new(900, "Runtime", panels)
}

/// The panels of tokio's scheduler.
#[cfg(feature = "runtime-metrics")]
fn scheduler(queries: &Queries<'_>) -> Vec<Panel> {
    let of = |name| format!("max by (instance) ({})", queries.own_metric(name));
    vec![
        series(911, "Busy workers", "percentunit")
            .max(1.0)
            .query(of(TOKIO_BUSY), "{{instance}}")
            .query(of(TOKIO_BUSIEST), "{{instance}} busiest")
            .describe(
                "Share of the time in which the workers run tasks. Near 100%, the process needs more \
                 CPU. If only the busiest one is near 100%, a task blocks it.",
            ),
        series(912, "Tasks", "short")
            .query(of(TOKIO_TASKS), "{{instance}} live")
            .query(of(TOKIO_QUEUE), "{{instance}} queued")
            .query(of(TOKIO_WORKERS), "{{instance}} workers")
            .describe(
                "Tasks that have not ended, and those that wait for a worker. Live tasks that only rise \
                 are a leak.",
            ),
        series(913, "Mean delay of a task", "s")
            .query(of(TOKIO_POLL_DELAY), "{{instance}}")
            .describe("Mean time from the spawn of a task to its first poll."),
    ]
}

#[cfg(not(feature = "runtime-metrics"))]
fn scheduler(_queries: &Queries<'_>) -> Vec<Panel> {
    Vec::new()
}

/// The panels of the process.
#[cfg(feature = "process")]
pub(super) fn process(queries: &Queries<'_>) -> Row {
    let of = |name| format!("max by (instance) ({})", queries.own_metric(name));
    let cpu = format!("sum by (instance) ({})", queries.own_rate(PROCESS_CPU));
    let panels = vec![
        series(951, "CPU", "short").query(cpu, "{{instance}}").describe(
            "Cores that the process uses. If it is at its limit, the response time rises: add replicas \
             or raise the limit.",
        ),
        series(952, "Resident memory", "bytes")
            .query(of(PROCESS_RESIDENT), "{{instance}}")
            .describe("Memory of the process. A line that only rises is a leak."),
        series(953, "Open files", "short")
            .query(of(PROCESS_OPEN_FDS), "{{instance}} open")
            .query(of(PROCESS_MAX_FDS), "{{instance}} limit")
            .describe(
                "Open files and sockets. At the limit the service accepts no more connections: look for \
                 connections that are not closed, or raise the limit.",
            ),
        series(954, "Threads", "short")
            .query(of(PROCESS_THREADS), "{{instance}}")
            .describe("Threads of the process. Many threads mean many blocking tasks."),
        series(955, "Uptime", "s")
            .query(format!("time() - {}", of(PROCESS_START)), "{{instance}}")
            .describe("Time since the start of the process. A fall to zero is a restart."),
    ];
    Row::new(950, "Process", panels)
}

#[cfg(not(feature = "process"))]
pub(super) fn process(_queries: &Queries<'_>) -> Row {
    Row::new(950, "Process", Vec::new())
}
