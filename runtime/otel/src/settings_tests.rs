use super::*;

fn read(
    endpoint: Option<&str>,
    variables: &[(&str, &str)],
) -> Result<Option<Settings>, Vec<String>> {
    Settings::read(endpoint, |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");

#[test]
fn nothing_is_exported_unless_somebody_asks_for_it() {
    assert_eq!(read(None, &[]), Ok(None));
    assert_eq!(read(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), Ok(None));
    assert_eq!(read(None, &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), Ok(None));
    assert_eq!(read(Some("http://c"), &[("OTEL_METRICS_EXPORTER", "none")]), Ok(None));
}

#[test]
fn the_setting_goes_before_the_variable_for_metrics_and_this_before_the_common_one() {
    let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m/path");
    let url = |endpoint, variables: &[_]| read(endpoint, variables).unwrap().unwrap().url;
    assert_eq!(url(None, &[ENDPOINT]), "http://c:4318/v1/metrics");
    assert_eq!(url(None, &[ENDPOINT, own]), "http://m/path");
    assert_eq!(url(Some("https://s:1"), &[ENDPOINT, own]), "https://s:1/v1/metrics");
}

#[test]
fn the_rest_is_as_the_variables_say() {
    let settings = read(
        None,
        &[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=1,"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "250"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_SERVICE_NAME", "flights"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=no,deployment.environment=test"),
        ],
    );
    let settings = settings.unwrap().unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(settings.headers, [pair("api-key", "a b"), pair("x", "1")]);
    assert_eq!(settings.timeout, Duration::from_millis(250));
    assert_eq!(settings.interval, Duration::from_millis(INTERVAL_MS_MIN));
    let version = pair("service.version", env!("CARGO_PKG_VERSION"));
    let environment = pair("deployment.environment", "test");
    assert_eq!(settings.resource, [pair("service.name", "flights"), version, environment]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_no_secret_with_it() {
    let problems = read(
        Some("c:4318"),
        &[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "key=s3cret%z,alone"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "99"),
        ],
    );
    let problems = problems.unwrap_err().join("\n");
    for part in [
        "otlp_endpoint: \"c:4318/v1/metrics\" is no address",
        "OTEL_EXPORTER_OTLP_PROTOCOL: \"grpc\" is not spoken here",
        "OTEL_EXPORTER_OTLP_HEADERS: \"key\" is no NAME=VALUE",
        "OTEL_EXPORTER_OTLP_TIMEOUT: \"0\" is not allowed",
        "OTEL_METRIC_EXPORT_INTERVAL: \"99\" is not allowed: use milliseconds from 100 to 86400000",
    ] {
        assert!(problems.contains(part), "{part} in {problems}");
    }
    assert!(!problems.contains("s3cret"));
}

#[test]
fn times_are_taken_up_to_their_limits() {
    let interval = |text| read(None, &[ENDPOINT, ("OTEL_METRIC_EXPORT_INTERVAL", text)]);
    assert!(interval("100").is_ok() && interval("86400000").is_ok());
    assert!(interval("99").is_err() && interval("86400001").is_err());
}
