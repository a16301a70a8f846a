//! The figures of functions, for `/metrics`.

use std::fmt::Error;

use pelton_core::FunctionId;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::deployment::Progress;
use crate::functions::Figures;
use crate::telemetry::NodeTelemetry;

type Labels = [(&'static str, String); 2];

fn labels(function: &FunctionId) -> Labels {
    [("tenant", function.tenant().to_string()), ("function", function.name().to_owned())]
}

/// A count of every function: its name, what it is, and where it is found.
type Count = (&'static str, &'static str, fn(&Progress) -> u64);

const COUNTS: [Count; 8] = [
    ("function_records_in", "Input records that are committed", |p| p.records_in),
    ("function_records_out", "Output records that are committed", |p| p.records_out),
    ("function_late", "Records that were too late for every window", |p| p.late),
    ("function_rejected", "Records, groups and timers that were given up", |p| p.poison),
    ("function_dead_letters", "Of those: what went to the dead letters", |p| p.dead_letters),
    ("function_retries", "Calls that were made again after a wait", |p| p.retries),
    ("function_calls", "Guest calls", |p| p.calls),
    ("function_commits", "Commits", |p| p.commits),
];

/// Writes what functions that run have done since their tasks were started.
pub(super) fn encode_figures(
    to: &mut DescriptorEncoder<'_>,
    functions: &[(FunctionId, Figures)],
) -> Result<(), Error> {
    for (name, help, of) in COUNTS {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (id, figures) in functions {
            let count = ConstCounter::new(of(&figures.progress));
            count.encode(family.encode_family(&labels(id))?)?;
        }
    }
    let seconds = Some(&Unit::Seconds);
    let help = "CPU time of guest calls";
    let mut cpu = to.encode_descriptor("function_cpu", help, seconds, MetricType::Counter)?;
    for (id, figures) in functions {
        let spent = ConstCounter::new(figures.progress.cpu_ns as f64 / 1e9);
        spent.encode(cpu.encode_family(&labels(id))?)?;
    }
    let help = "Records that wait for a function";
    let mut lag = to.encode_descriptor("function_lag", help, None, MetricType::Gauge)?;
    for (id, figures) in functions {
        ConstGauge::new(figures.lag as i64).encode(lag.encode_family(&labels(id))?)?;
    }
    let help = "Values that are of an older schema version";
    let mut old = to.encode_descriptor("function_unmigrated", help, None, MetricType::Gauge)?;
    for (id, figures) in functions {
        let values = ConstGauge::new(figures.progress.unmigrated as i64);
        values.encode(old.encode_family(&labels(id))?)?;
    }
    encode_durations(to, functions)
}

fn encode_durations(
    to: &mut DescriptorEncoder<'_>,
    functions: &[(FunctionId, Figures)],
) -> Result<(), Error> {
    let (name, help) = ("function_call_duration", "Duration of a guest call with its commit");
    let mut family =
        to.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (id, figures) in functions {
        let durations = &figures.durations;
        let end = |end: Option<u64>| end.map_or(f64::MAX, |us| us as f64 / 1e6);
        let buckets: Vec<_> =
            durations.buckets().map(|(upper, count)| (end(upper), count)).collect();
        let sum = durations.sum_us() as f64 / 1e6;
        let labels = labels(id);
        let mut encoder = family.encode_family(&labels)?;
        encoder.encode_histogram::<NoLabelSet>(sum, durations.count(), &buckets, None)?;
    }
    Ok(())
}

/// Writes what functions have told: faults by code, and metrics of their own.
pub(super) fn encode_told(
    to: &mut DescriptorEncoder<'_>,
    telemetry: &NodeTelemetry,
) -> Result<(), Error> {
    let functions = telemetry.functions();
    let with = |function: &FunctionId, name: &'static str, value: &str| {
        let [tenant, function] = labels(function);
        [tenant, function, (name, value.to_owned())]
    };
    let help = "Calls that failed, by code";
    let mut faults = to.encode_descriptor("function_faults", help, None, MetricType::Counter)?;
    for function in &functions {
        for (code, count) in telemetry.faults(function) {
            let labels = with(function, "code", code);
            ConstCounter::new(count).encode(faults.encode_family(&labels)?)?;
        }
    }
    let (name, help) = ("function_log_lines_left_out", "Log lines past the tenant's limit");
    let mut left_out = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for function in &functions {
        let lines = ConstCounter::new(telemetry.lines_left_out(function));
        lines.encode(left_out.encode_family(&labels(function))?)?;
    }
    let help = "Metrics of a function's own";
    let mut own = to.encode_descriptor("function_metric", help, None, MetricType::Gauge)?;
    for function in &functions {
        for (name, value) in telemetry.metrics(function) {
            let labels = with(function, "name", &name);
            ConstGauge::new(value).encode(own.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
