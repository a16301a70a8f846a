use super::*;

fn none(_: &str) -> Option<String> {
    None
}

fn with(change: impl FnOnce(&mut SettingsArgs)) -> SettingsArgs {
    let mut args = SettingsArgs::default();
    change(&mut args);
    args
}

fn config(text: &str) -> (tempfile::TempDir, SettingsArgs) {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("server.toml");
    std::fs::write(&path, text).unwrap();
    (folder, with(|args| args.config = Some(path)))
}

#[test]
fn flags_go_before_variables_and_these_before_the_file() {
    let (folder, mut args) =
        config("data_dir = 'd'\nlisten = '127.0.0.1:1'\nworkers = 3\nsync = 'each'\n");
    args.listen = Some("localhost:3".into());
    let variable = |name: &str| match name {
        "PELTON_LISTEN" => Some("127.0.0.1:2".into()),
        "PELTON_WORKERS" => Some("4".into()),
        _ => None,
    };
    let settings = Settings::read(&args, variable).unwrap();
    assert_eq!(settings.listen.port(), 3);
    assert_eq!((settings.workers, settings.sync), (Some(4), SyncMode::Each));
    assert_eq!(settings.data_dir, folder.path().join("d"), "beside the file");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let (_folder, mut args) = config("listen = 'here'\nport = 7\n\nworkers = 0\nsync = ['x']\n");
    args.sync = Some("sometimes".into());
    let variable = |name: &str| (name == "PELTON_DRAIN_TIMEOUT").then(|| "soon".to_owned());
    let error = Settings::read(&args, variable).unwrap_err();
    assert_eq!(error.code, "E-CONFIG");
    for part in [
        "server.toml:1: `listen`: \"here\" is no address",
        "server.toml:2: unknown key `port`; there are: data_dir",
        "server.toml:4: `workers`: \"0\" is not allowed",
        "server.toml:5: `sync` must be text or a number",
        "PELTON_DRAIN_TIMEOUT: \"soon\" is not a duration",
        "--sync: \"sometimes\" is no way to sync",
    ] {
        assert!(error.text.contains(part), "{part} in {}", error.text);
    }
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line() {
    let (_folder, args) = config("listen = '127.0.0.1:1'\nworkers =\n");
    let error = Settings::read(&args, none).unwrap_err();
    assert!(error.text.contains("server.toml:2: not TOML"), "{}", error.text);
}

#[test]
fn numbers_are_taken_up_to_their_limits() {
    let workers = |text: &str| Settings::read(&with(|a| a.workers = Some(text.into())), none);
    assert_eq!(workers("1024").unwrap().workers, Some(WORKERS_MAX));
    assert!(workers("1025").is_err() && workers("0").is_err());
    let connections =
        |text: &str| Settings::read(&with(|a| a.connections = Some(text.into())), none);
    assert_eq!(connections("65536").unwrap().http().connections_max, CONNECTIONS_MAX);
    assert!(connections("65537").is_err());
    let drain = |text: &str| Settings::read(&with(|a| a.drain_timeout = Some(text.into())), none);
    assert_eq!(drain("1h").unwrap().http().drain_timeout, Duration::from_secs(3_600));
    assert!(drain("1h1ms").is_err());
}

#[test]
fn metrics_are_exported_where_the_file_or_the_standard_variables_say() {
    let url = |settings: Settings| settings.otlp.map(|otlp| otlp.url().to_owned());
    assert_eq!(url(Settings::read(&SettingsArgs::default(), none).unwrap()), None);
    let standard = |name: &str| {
        (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://there:4318".to_owned())
    };
    let settings = Settings::read(&SettingsArgs::default(), standard).unwrap();
    assert_eq!(url(settings).unwrap(), "http://there:4318/v1/metrics");
    let (_folder, args) = config("otlp_endpoint = 'http://here:4318'\n");
    assert_eq!(
        url(Settings::read(&args, standard).unwrap()).unwrap(),
        "http://here:4318/v1/metrics"
    );
    let bad = with(|args| args.otlp_endpoint = Some("here".into()));
    let wrong = |name: &str| (name == "OTEL_METRIC_EXPORT_INTERVAL").then(|| "soon".to_owned());
    let error = Settings::read(&bad, wrong).unwrap_err();
    assert_eq!(error.code, "E-CONFIG");
    for part in ["otlp_endpoint: \"here/v1/metrics\"", "OTEL_METRIC_EXPORT_INTERVAL: \"soon\""] {
        assert!(error.text.contains(part), "{part} in {}", error.text);
    }
}
