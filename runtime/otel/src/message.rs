//! Export requests of OTLP's metrics service (`opentelemetry/proto/metrics/v1`, release 1).

use crate::exposition::{Kind, Metric, Sample};
use crate::protobuf::Message;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// When counting began and when the figures were read, ns since the Unix epoch.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    started_ns: u64,
    read_ns: u64,
}

impl Times {
    pub(crate) fn new(started_ms: i64, read_ms: i64) -> Self {
        let ns = |ms: i64| u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000);
        Self { started_ns: ns(started_ms), read_ns: ns(read_ms) }
    }

    /// Fields 2 and 3 of every data point.
    fn write(self, point: &mut Message) {
        point.fixed64(2, self.started_ns);
        point.fixed64(3, self.read_ns);
    }
}

/// `ExportMetricsServiceRequest`.
pub(crate) fn request(
    resource: &[(String, String)],
    metrics: &[Metric<'_>],
    times: Times,
) -> Vec<u8> {
    let mut scope = Message::default();
    scope.text(1, "pelton");
    scope.text(2, env!("CARGO_PKG_VERSION"));
    let mut scoped = Message::default();
    scoped.message(1, scope);
    for described in metrics.iter().filter(|metric| !metric.samples.is_empty()) {
        scoped.message(2, metric(described, times));
    }
    let mut of = Message::default();
    resource.iter().for_each(|(name, value)| of.message(1, attribute(name, value)));
    let mut resource_metrics = Message::default();
    resource_metrics.message(1, of);
    resource_metrics.message(2, scoped);
    let mut request = Message::default();
    request.message(1, resource_metrics);
    request.into_bytes()
}

/// `KeyValue` with a text.
fn attribute(name: &str, value: &str) -> Message {
    let mut any = Message::default();
    any.text(1, value);
    let mut pair = Message::default();
    pair.text(1, name);
    pair.message(2, any);
    pair
}

/// `Metric`.
fn metric(metric: &Metric<'_>, times: Times) -> Message {
    let mut message = Message::default();
    message.text(1, metric.name);
    message.text(2, metric.help);
    // UCUM, as OpenTelemetry's conventions have it.
    let unit = match metric.unit {
        "seconds" => "s",
        "bytes" => "By",
        other => other,
    };
    message.text(3, unit);
    let mut data = Message::default();
    match metric.kind {
        Kind::Gauge => {
            metric.samples.iter().for_each(|sample| data.message(1, number(sample, times)));
            message.message(5, data);
        }
        Kind::Counter => {
            metric.samples.iter().for_each(|sample| data.message(1, number(sample, times)));
            data.uint(2, CUMULATIVE);
            data.uint(3, 1); // monotonic
            message.message(7, data);
        }
        Kind::Histogram => {
            series(&metric.samples).iter().for_each(|one| data.message(1, histogram(one, times)));
            data.uint(2, CUMULATIVE);
            message.message(9, data);
        }
    }
    message
}

/// `NumberDataPoint`.
fn number(sample: &Sample<'_>, times: Times) -> Message {
    let mut point = Message::default();
    times.write(&mut point);
    match (sample.value.parse::<i64>(), sample.value.parse::<f64>()) {
        (Ok(whole), _) => point.fixed64(6, whole.cast_unsigned()),
        (_, Ok(value)) => point.double(4, value),
        // `FLAG_NO_RECORDED_VALUE`.
        _ => point.uint(8, 1),
    }
    sample.labels.iter().for_each(|(name, value)| point.message(7, attribute(name, value)));
    point
}

/// The lines of a histogram that belong to one series: its buckets, sum and count.
fn series<'s, 'a>(samples: &'s [Sample<'a>]) -> Vec<&'s [Sample<'a>]> {
    samples.chunk_by(|one, next| own_labels(one).eq(own_labels(next))).collect()
}

/// The labels of a series: the end of a bucket is none of them.
fn own_labels<'s, 'a>(sample: &'s Sample<'a>) -> impl Iterator<Item = &'s (&'a str, String)> {
    sample.labels.iter().filter(|(name, _)| *name != "le")
}

/// `HistogramDataPoint`.
fn histogram(samples: &[Sample<'_>], times: Times) -> Message {
    let mut point = Message::default();
    times.write(&mut point);
    let (mut bounds, mut counts, mut before) = (Vec::new(), Vec::new(), 0);
    for sample in samples {
        let whole = || sample.value.parse::<f64>().map_or(0, |value| value as u64);
        match sample.suffix {
            "_count" => point.fixed64(4, whole()),
            "_sum" => point.double(5, sample.value.parse().unwrap_or_default()),
            "_bucket" => {
                let le = sample.labels.iter().find(|(name, _)| *name == "le");
                let end: f64 = le.and_then(|(_, end)| end.parse().ok()).unwrap_or(f64::INFINITY);
                // The last bucket has no upper end.
                bounds.extend(end.is_finite().then_some(end.to_bits()));
                // Theirs hold what lies between two ends, those of the text all that lies below.
                let below = whole();
                counts.push(below.saturating_sub(before));
                before = below;
            }
            _ => {}
        }
    }
    point.packed(6, counts.into_iter());
    point.packed(7, bounds.into_iter());
    for (name, value) in samples.iter().take(1).flat_map(own_labels) {
        point.message(9, attribute(name, value));
    }
    point
}
