//! Where metrics are sent, how often, and what they are said to be of.

use std::time::Duration;

/// Where the endpoint's own path is not given in full.
const PATH: &str = "/v1/metrics";
/// Pause between two exports, ms, and its bounds.
const INTERVAL_MS: u64 = 60_000;
const INTERVAL_MS_MIN: u64 = 100;
/// Time for an export, ms.
const TIMEOUT_MS: u64 = 10_000;
/// The longest pause, and time for an export, ms: a day.
const MS_MAX: u64 = 86_400_000;

/// How metrics are exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    resource: Vec<(String, String)>,
}

impl Settings {
    /// Reads the variables that OpenTelemetry names: `OTEL_EXPORTER_OTLP_ENDPOINT`, `_HEADERS`,
    /// `_TIMEOUT`, `_PROTOCOL` and the same with `_METRICS_`, which go first;
    /// `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
    /// `OTEL_METRICS_EXPORTER` and `OTEL_SDK_DISABLED`. An `endpoint` goes before theirs. `None`
    /// where nothing is to be exported.
    ///
    /// # Errors
    /// All that is wrong, each with the name of its variable.
    pub fn read(
        endpoint: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Vec<String>> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"))
            || variable("OTEL_METRICS_EXPORTER").is_some_and(|v| v == "none");
        let Some((place, url)) = wanted(endpoint, variable).filter(|_| !is_off) else {
            return Ok(None);
        };
        let mut problems = Vec::new();
        let told = |name: &str| {
            let own = format!("OTEL_EXPORTER_OTLP_METRICS_{name}");
            let common = format!("OTEL_EXPORTER_OTLP_{name}");
            let own_text = variable(&own).map(|text| (own, text));
            own_text.or_else(|| variable(&common).map(|text| (common, text)))
        };
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            problems.push(format!("{place}: {url:?} is no address: write http://HOST:4318"));
        }
        if let Some((name, protocol)) = told("PROTOCOL").filter(|(_, p)| p != "http/protobuf") {
            problems.push(format!("{name}: {protocol:?} is not spoken here: use http/protobuf"));
        }
        let mut pairs = |given: Option<(String, String)>| {
            let Some((name, text)) = given else { return Vec::new() };
            pairs(&text).unwrap_or_else(|bad| {
                problems.push(format!("{name}: {bad:?} is no NAME=VALUE"));
                Vec::new()
            })
        };
        let headers = pairs(told("HEADERS"));
        let named = |name: &str| variable(name).map(|text| (name.to_owned(), text));
        let attributes = pairs(named("OTEL_RESOURCE_ATTRIBUTES"));
        let mut millis = |given: Option<(String, String)>, default, min| match given {
            None => Duration::from_millis(default),
            Some((name, text)) => {
                let ms = text.trim().parse().ok().filter(|ms| (min..=MS_MAX).contains(ms));
                if ms.is_none() {
                    problems.push(format!(
                        "{name}: {text:?} is not allowed: use milliseconds from {min} to {MS_MAX}"
                    ));
                }
                Duration::from_millis(ms.unwrap_or(default))
            }
        };
        let interval = millis(named("OTEL_METRIC_EXPORT_INTERVAL"), INTERVAL_MS, INTERVAL_MS_MIN);
        let timeout = millis(told("TIMEOUT"), TIMEOUT_MS, 1);
        if !problems.is_empty() {
            return Err(problems);
        }
        let resource = resource(variable("OTEL_SERVICE_NAME"), attributes);
        Ok(Some(Self { url, headers, interval, timeout, resource }))
    }

    /// Where requests go.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn resource(&self) -> &[(String, String)] {
        &self.resource
    }
}

/// Where to send to, and who says so. Only the variable for metrics has the whole path.
fn wanted(
    endpoint: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    let below = |base: &str| format!("{}{PATH}", base.trim_end_matches('/'));
    let own = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
    let common = "OTEL_EXPORTER_OTLP_ENDPOINT";
    endpoint
        .map(|base| ("otlp_endpoint", below(base)))
        .or_else(|| variable(own).map(|url| (own, url)))
        .or_else(|| variable(common).map(|base| (common, below(&base))))
}

/// What the metrics are of: the service, and what else is said.
fn resource(service: Option<String>, given: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut all = vec![
        ("service.name".to_owned(), service.clone().unwrap_or_else(|| "pelton".into())),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    for (name, value) in given {
        match all.iter_mut().find(|(known, _)| *known == name) {
            // The variable of its own goes before the list.
            Some(_) if name == "service.name" && service.is_some() => {}
            Some((_, known)) => *known = value,
            None => all.push((name, value)),
        }
    }
    all
}

/// `name=value,...`, values percent-encoded.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let name = name.trim();
        let value = decoded(value.trim())?;
        (!name.is_empty()).then(|| (name.to_owned(), value))
    };
    // What stands there may be a secret: only its name is told.
    let name = |part: &str| part.split('=').next().unwrap_or_default().trim().to_owned();
    parts.map(|part| pair(part).ok_or_else(|| name(part))).collect()
}

fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(behind.get(..2)?, 16).ok()?);
        rest = behind.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
