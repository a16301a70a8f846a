//! `/metrics`: what the server and its node are doing, as Prometheus text.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pelton_journal::Visibility;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, LabelSetEncoder, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::error::{ApiError, ApiResult, ErrorBody};
use super::function_metrics;
use super::state::App;
use crate::functions::Functions;
use crate::node::Node;
use crate::replication::Replication;

/// Upper ends of the buckets for durations, s.
const SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 30.0];

/// A route with its method and outcome. Only routes that exist: their number has a bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.status.to_string();
        let all = [("method", &self.method), ("route", &self.route), ("status", &status)];
        all.map(|(name, value)| (name, value.as_str())).as_slice().encode(encoder)
    }
}

/// What the server counts itself.
pub(super) struct HttpMetrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    pub(super) connections_refused: Counter,
    pub(super) records_produced: Counter,
    pub(super) records_consumed: Counter,
    pub(super) bytes_received: Counter,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("pelton");
        let requests = Family::<RequestLabels, Counter>::default();
        let seconds = Histogram::new(SECONDS);
        let counter = |registry: &mut Registry, name: &str, help: &str| {
            let counter: Counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        registry.register("http_requests", "Requests that were answered", requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time from a request's head to the head of its answer, long polls included",
            seconds.clone(),
        );
        Self {
            connections_refused: counter(
                &mut registry,
                "http_connections_refused",
                "Connections beyond the limit",
            ),
            records_produced: counter(
                &mut registry,
                "http_records_produced",
                "Records appended by requests, repeated ones not counted again",
            ),
            records_consumed: counter(
                &mut registry,
                "http_records_consumed",
                "Records that were sent to consumers",
            ),
            bytes_received: counter(
                &mut registry,
                "http_received_bytes",
                "Bytes of the bodies of produce requests",
            ),
            registry,
            requests,
            seconds,
        }
    }
}

/// Counts and times a request.
pub(super) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    // A method that is not HTTP's own would be a label of the client's choice.
    let method = match request.method().as_str() {
        known @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS") => known,
        _ => "other",
    };
    let method = method.to_owned();
    let response = next.run(request).await;
    let metrics = app.metrics();
    let status = response.status().as_u16();
    metrics.requests.get_or_create(&RequestLabels { method, route, status }).inc();
    metrics.seconds.observe(started.elapsed().as_secs_f64());
    response
}

/// Figures of the server, its journal and its functions.
#[utoipa::path(get, path = "/metrics", tag = "server", operation_id = "metrics",
    responses((status = 200, description = "OpenMetrics text, as Prometheus reads it",
            content_type = "application/openmetrics-text", body = String),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn metrics(State(app): State<App>) -> ApiResult<Response> {
    let of = app.clone();
    let text = app.blocking(move |_| Ok(encode(&of))).await?;
    let text = text.map_err(|_| ApiError::internal("the metrics cannot be written"))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// All figures as they are now, as OpenMetrics text.
pub(super) fn encode(app: &App) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    text::encode_registry(&mut out, &app.metrics().registry)?;
    // What is only looked at when somebody asks.
    let mut seen = Registry::with_prefix("pelton");
    let (connections, bodies) = (app.open_connections() as i64, app.body_bytes() as i64);
    seen.register_collector(Box::new(Seen {
        node: Arc::clone(app.node()),
        functions: Arc::clone(app.functions()),
        replication: Arc::clone(app.replication()),
        connections,
        bodies,
    }));
    text::encode_registry(&mut out, &seen)?;
    text::encode_eof(&mut out)?;
    Ok(out)
}

struct Seen {
    node: Arc<Node>,
    functions: Arc<Functions>,
    replication: Arc<Replication>,
    connections: i64,
    bodies: i64,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seen")
    }
}

impl Collector for Seen {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let journal = self.node.journal();
        gauge(&mut to, "http_connections", "Connections that are open", self.connections)?;
        gauge(&mut to, "http_body_bytes", "Bytes of request bodies in memory", self.bodies)?;
        let durable = journal.durable() as i64;
        gauge(&mut to, "journal_durable_commit", "The last durable commit", durable)?;
        let appended = journal.appended() as i64;
        gauge(&mut to, "journal_appended_commit", "The last commit", appended)?;
        let segments = journal.segment_count().unwrap_or_default() as i64;
        gauge(&mut to, "journal_segments", "Segments on disk", segments)?;
        let healthy = i64::from(journal.health().is_ok());
        gauge(&mut to, "journal_healthy", "1 until the journal has stopped", healthy)?;
        self.encode_replication(&mut to)?;
        self.encode_topics(&mut to)?;
        function_metrics::encode_figures(&mut to, &self.functions.figures())?;
        function_metrics::encode_told(&mut to, self.node.telemetry())
    }
}

impl Seen {
    fn encode_replication(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.replication.status();
        let replicas = status.followers.len() as i64;
        gauge(to, "journal_epoch", "How often a copy was promoted, and 1", status.epoch as i64)?;
        gauge(to, "replicas", "Replicas that have asked for frames", replicas)?;
        let writable = i64::from(status.role == "leader");
        gauge(to, "journal_writable", "0 on a replica, or where fenced", writable)?;
        if status.role != "replica" {
            return Ok(());
        }
        let connected = i64::from(status.connected);
        gauge(to, "replica_connected", "1 while the leader answers", connected)?;
        let Some(lag) = status.lag else { return Ok(()) };
        gauge(to, "replica_lag_commits", "Commits behind the leader", lag.commits as i64)?;
        gauge(to, "replica_lag_records", "Records behind the leader", lag.records as i64)?;
        gauge(to, "replica_lag_bytes", "Bytes of log behind the leader", lag.bytes as i64)?;
        gauge(to, "replica_lag_milliseconds", "Time behind the leader", lag.ms as i64)
    }

    fn encode_topics(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let topics = self.node.journal().topics();
        let labels = |topic: &pelton_journal::Topic| {
            let (tenant, name) = topic.name().split_once('/').unwrap_or_default();
            [("tenant", tenant.to_owned()), ("topic", name.to_owned())]
        };
        let sum = |topic: &pelton_journal::Topic, of: fn(&pelton_journal::Partition) -> u64| {
            topic.partitions().iter().map(of).sum::<u64>()
        };
        let mut bytes = to.encode_descriptor(
            "topic_bytes",
            "Bytes that a topic holds",
            None,
            MetricType::Gauge,
        )?;
        for topic in &topics {
            let value = sum(topic, |partition| partition.bytes()) as i64;
            ConstGauge::new(value).encode(bytes.encode_family(&labels(topic))?)?;
        }
        let mut records = to.encode_descriptor(
            "topic_records",
            "Durable records that a topic was given",
            None,
            MetricType::Counter,
        )?;
        for topic in &topics {
            let value = sum(topic, |partition| partition.end(Visibility::Durable));
            ConstCounter::new(value).encode(records.encode_family(&labels(topic))?)?;
        }
        Ok(())
    }
}

fn gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: i64,
) -> Result<(), std::fmt::Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
}
