use super::*;
use crate::window::{Assigner, CalendarUnit, Shape, WindowSpec, Zone};

const FULL: &str = r#"
[function]
name = "flights/hourly"

[build]
command = "make"
file = "out/hourly.wasm"

[[input]]
topic = "flights/departures"
name = "departures"
out_of_orderness = "22h"
idle_timeout = "5s"
start = "latest"
partitions = 3

[[output]]
name = "counts"
topic = "flights/hourly-counts"
partitions = 2

[window]
size = "1h"
advance = "15m"
grace = "500ms"
shape = "incremental"
late_output = "late"

[config]
airport = "JFK"
top = 1_000
share = 0.5
on = true

[secrets]
names = ["api-key"]

[limits]
call_cpu_ms = "2s"
memory_bytes = "128MiB"
batch_records = 0x10

[delivery]
retries = 3
dead_letter = "flights/broken"
"#;

fn problems(text: &str) -> Vec<Problem> {
    Manifest::parse(text, "pelton.toml").unwrap_err().problems
}

/// The only problem of a manifest that is right apart from `more`.
fn only_problem(more: &str) -> Problem {
    let mut found = problems(&format!("[function]\nname = \"f\"\n{more}"));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_manifest_with_every_key_is_read() {
    let manifest = Manifest::parse(FULL, "pelton.toml").unwrap();
    assert_eq!(manifest.function.to_string(), "flights/hourly");
    assert_eq!(manifest.build.command.as_deref(), Some("make"));
    let input = &manifest.inputs[0];
    assert_eq!(input.topic.to_string(), "flights/departures");
    assert_eq!((input.name.as_str(), input.partitions), ("departures", 3));
    assert_eq!((input.out_of_orderness_ms, input.idle_timeout_ms), (79_200_000, Some(5_000)));
    assert_eq!(input.start, Start::Latest);
    assert_eq!(manifest.outputs[0].partitions, Some(2));
    assert_eq!(manifest.window.advance_ms, Some(900_000));
    assert_eq!(manifest.window.shape, Some(Shape::Incremental));
    let config: Vec<_> = manifest.config.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(config, [("airport", "JFK"), ("on", "true"), ("share", "0.5"), ("top", "1000")]);
    assert_eq!(manifest.secrets, ["api-key"]);
    assert_eq!(manifest.limits.call_cpu_ms.value, 2_000);
    assert_eq!(manifest.limits.memory_bytes.value, 128 << 20);
    assert_eq!(manifest.limits.batch_records.value, 16);
    assert_eq!(manifest.delivery.retries, Some(3));
    assert_eq!(manifest.dead_letter_topic().to_string(), "flights/broken");
}

#[test]
fn what_is_left_out_has_a_default() {
    let manifest = Manifest::parse("[function]\nname = \"f\"", "pelton.toml").unwrap();
    assert_eq!(manifest, Manifest::new(FunctionId::parse("f").unwrap()));
    assert_eq!(manifest.dead_letter_topic().to_string(), "default/f.dead");
    assert_eq!(manifest.delivery.on_poison, OnPoison::DeadLetter);
}

#[test]
fn an_unknown_key_names_file_line_key_and_what_is_allowed() {
    let text = "[function]\nname = \"f\"\n\n[window]\nsize = \"1h\"\n  szie = \"2h\"\n";
    let error = Manifest::parse(text, "here/pelton.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "here/pelton.toml:6:3: `window.szie`: unknown key (did you mean `size`?); allowed here: \
         size, advance, sliding, gap, count, calendar, time_zone, global, early_records, early_every, \
         early_delay, discard, grace, marker, shape, late_output"
    );
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let text = "\
[function]
nme = 'f'
[[input]]
out_of_orderness = 5
[[input]]
topic = '../x'
partitions = 1000
[window]
size = '1 hour'
[limits]
memory_bytes = '5GiB'
batch_record = 5
[delivery]
on_poison = 'drop'
[extra]
";
    let found = problems(text);
    let at: Vec<_> = found.iter().map(|p| (p.line, p.key.as_str())).collect();
    let expected = [
        (1, "function.name"),
        (2, "function.nme"),
        (3, "input[0].topic"),
        (4, "input[0].out_of_orderness"),
        (6, "input[1].topic"),
        (7, "input[1].partitions"),
        (9, "window.size"),
        (11, "limits.memory_bytes"),
        (12, "limits.batch_record"),
        (14, "delivery.on_poison"),
        (15, "extra"),
    ];
    assert_eq!(at, expected, "{found:#?}");
}

#[test]
fn text_that_is_not_toml_is_reported_with_its_line() {
    let found = problems("[function]\nname = \"f\nnext = 1\n");
    assert_eq!(found[0].line, 2, "{found:?}");
    assert!(found[0].text.starts_with("not TOML"), "{found:?}");
}

#[test]
fn an_empty_manifest_says_that_the_function_is_missing() {
    let found = problems("");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key, "function");
}

#[test]
fn tables_and_values_of_the_wrong_kind_are_refused() {
    let cases = [
        ("[input]\ntopic = 'a'", "[[input]]"),
        ("[[input]]\ntopic = 5", "a text in quotes; found: integer"),
        ("[[input]]\ntopic = 'a'\npartitions = 0", "0 is not a whole number from 1 to 256"),
        ("[config]\na = [1]", "must be a text, a number, true or false"),
        ("[secrets]\nnames = [1]", "names = [\"api-key\"]"),
        ("[limits]\nbatch_records = '1MiB'", "must be a whole number of records"),
        ("[limits]\nbatch_records = -1", "below 1"),
        ("[build]\ncommand = 'make'", "needs `file`"),
        ("[window]\nsize = '1m'\nadvance = '2m'", "must not be longer than `size`"),
        ("[delivery]\non_poison = 'halt'\ndead_letter = 'd'", "has no use"),
    ];
    for (more, expected) in cases {
        let problem = only_problem(more);
        assert!(problem.text.contains(expected), "{more}: {problem:?}");
    }
}

#[test]
fn two_inputs_or_outputs_of_one_name_are_refused() {
    let twice = "[[input]]\ntopic = 'a'\n[[input]]\ntopic = 'a'\n";
    assert!(only_problem(twice).text.contains("reads a topic once"));
    let twice = "[[input]]\ntopic = 'a'\n[[input]]\ntopic = 'b'\nname = 'a'\n";
    assert!(only_problem(twice).text.contains("set `name`"));
    let twice = "[[output]]\nname = 'o'\ntopic = 'a'\n[[output]]\nname = 'o'\ntopic = 'b'\n";
    assert!(only_problem(twice).text.contains("twice"));
}

fn declared(assigner: Assigner) -> WindowSpec {
    let spec = WindowSpec::new(assigner, Shape::Incremental);
    WindowSpec { grace_ms: 7, late_output: Some(1), ..spec }
}

#[test]
fn window_settings_replace_only_what_they_name() {
    let outputs = ["out".to_owned(), "late".to_owned()];
    let hopping = declared(Assigner::Hopping { size_ms: 60, advance_ms: 20 });
    let none = WindowSettings::default();
    assert_eq!(none.apply(Some(&hopping), &outputs).unwrap(), Some(hopping.clone()));
    assert_eq!(none.apply(None, &outputs).unwrap(), None);

    let size = WindowSettings { size_ms: Some(40), ..none.clone() };
    let spec = size.apply(Some(&hopping), &outputs).unwrap().unwrap();
    assert_eq!(spec.assigner, Assigner::Hopping { size_ms: 40, advance_ms: 20 });
    assert_eq!((spec.grace_ms, spec.late_output), (7, Some(1)));

    let session = declared(Assigner::Session { gap_ms: 30 });
    let gap = WindowSettings { gap_ms: Some(50), ..none.clone() };
    let spec = gap.apply(Some(&session), &outputs).unwrap().unwrap();
    assert_eq!(spec.assigner, Assigner::Session { gap_ms: 50 });
    let grace = WindowSettings { grace_ms: Some(1), ..none.clone() };
    let spec = grace.apply(Some(&session), &outputs).unwrap().unwrap();
    assert_eq!((spec.assigner, spec.grace_ms), (Assigner::Session { gap_ms: 30 }, 1));
    let spec = size.apply(Some(&session), &outputs).unwrap().unwrap();
    assert_eq!(spec.assigner, Assigner::Tumbling { size_ms: 40 });

    let count = WindowSettings { count: Some(3), ..none.clone() };
    let spec = count.apply(Some(&session), &outputs).unwrap().unwrap();
    assert_eq!(
        (spec.assigner, spec.early_records, spec.discard),
        (Assigner::Global, Some(3), true)
    );
    let again = grace.apply(Some(&spec), &outputs).unwrap().unwrap();
    assert_eq!((again.early_records, again.discard), (Some(3), true), "of the same kind");
    let other = size.apply(Some(&spec), &outputs).unwrap().unwrap();
    assert_eq!((other.early_records, other.discard), (None, false), "of another kind");

    let late = WindowSettings { late_output: Some("out".into()), ..none };
    let spec = late.apply(Some(&hopping), &outputs).unwrap().unwrap();
    assert_eq!(spec.late_output, Some(0));
}

#[test]
fn a_calendar_keeps_what_is_declared_of_it() {
    let zone = |name| Zone::named(name).unwrap();
    let calendar = |unit, name| Assigner::Calendar { unit, zone: zone(name) };
    let none = WindowSettings::default();
    let day = WindowSettings { calendar: Some(CalendarUnit::Day), ..none.clone() };
    let applied = |settings: &WindowSettings, assigner: Assigner| {
        settings.apply(Some(&declared(assigner)), &[]).unwrap().unwrap().assigner
    };
    let tumbling = Assigner::Tumbling { size_ms: 60 };
    assert_eq!(applied(&day, tumbling), calendar(CalendarUnit::Day, "UTC"));
    let week = calendar(CalendarUnit::Week, "Asia/Tokyo");
    assert_eq!(applied(&day, week), calendar(CalendarUnit::Day, "Asia/Tokyo"));
    let elsewhere = WindowSettings { time_zone: Some(zone("Europe/Paris")), ..none.clone() };
    assert_eq!(applied(&elsewhere, week), calendar(CalendarUnit::Week, "Europe/Paris"));
    let grace = WindowSettings { grace_ms: Some(1), ..none.clone() };
    assert_eq!(applied(&grace, week), week);
    let size = WindowSettings { size_ms: Some(60), ..none };
    assert_eq!(applied(&size, week), tumbling);
}

#[test]
fn window_settings_that_make_no_sense_are_refused() {
    let none = WindowSettings::default();
    let size = WindowSettings { size_ms: Some(1), ..none.clone() };
    let cases = [
        (WindowSettings { grace_ms: Some(1), ..none.clone() }, None, "no size"),
        (
            WindowSettings { size_ms: Some(10), ..none.clone() },
            Some(declared(Assigner::Hopping { size_ms: 60, advance_ms: 20 })),
            "advance",
        ),
        (
            WindowSettings { gap_ms: Some(10), size_ms: Some(10), ..none.clone() },
            None,
            "of different kinds",
        ),
        (
            WindowSettings { gap_ms: Some(10), ..none.clone() },
            Some(declared(Assigner::Tumbling { size_ms: 60 })),
            "declare sessions in its code",
        ),
        (
            WindowSettings { count: Some(10), discard: Some(true), ..none.clone() },
            None,
            "leave `early_records`, `early_every`",
        ),
        (
            WindowSettings { global: Some(true), advance_ms: Some(1), ..none.clone() },
            None,
            "`global` makes windows that have no `advance`",
        ),
        (
            WindowSettings { time_zone: Zone::named("UTC").ok(), ..none.clone() },
            Some(declared(Assigner::Tumbling { size_ms: 60 })),
            "`time_zone` needs `calendar`",
        ),
        (
            WindowSettings { time_zone: Zone::named("UTC").ok(), ..size.clone() },
            None,
            "`size` makes windows that have no `time_zone`",
        ),
        (
            WindowSettings { early_every_ms: Some(0), ..size },
            None,
            "early_every is 0 ms; it must be at least 1 ms",
        ),
        (
            WindowSettings { advance_ms: Some(10), ..none.clone() },
            Some(declared(Assigner::Session { gap_ms: 60 })),
            "no `advance`",
        ),
        (
            WindowSettings { late_output: Some("nope".into()), ..none },
            Some(declared(Assigner::Tumbling { size_ms: 60 })),
            "it declares: out",
        ),
    ];
    for (settings, spec, expected) in cases {
        let error = settings.apply(spec.as_ref(), &["out".into()]).unwrap_err();
        assert_eq!(error.code, "E-MANIFEST-WINDOW");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn no_prefix_of_a_manifest_makes_the_parser_panic() {
    for end in (0..FULL.len()).filter(|end| FULL.is_char_boundary(*end)) {
        let _ = Manifest::parse(&FULL[..end], "pelton.toml");
    }
}

const WITH_PROFILES: &str = r#"
[function]
name = "hello"
[[input]]
topic = "in"
[limits]
call_cpu_ms = 100
memory_bytes = "64MiB"
[config]
level = "info"
share = 1_0.10
bits = 0x1F
is = true
[profile.staging.function]
name = "hello-staging"
[profile.staging.limits]
call_cpu_ms = 500
[profile.staging.config]
extra = 1
[[profile.many.input]]
topic = "a"
[[profile.many.input]]
topic = "b"
[profile.many]
window = { size = "1h" }
"#;

#[test]
fn a_profile_replaces_keys_one_by_one_and_lists_as_a_whole() {
    let plain = Manifest::parse(WITH_PROFILES, "f").unwrap();
    assert_eq!(plain.function.name(), "hello");
    assert_eq!(plain.limits.call_cpu_ms.value, 100);
    let staging = Manifest::parse_profile(WITH_PROFILES, "f", "staging").unwrap();
    assert_eq!(staging.function.name(), "hello-staging");
    assert_eq!(
        (staging.limits.call_cpu_ms.value, staging.limits.memory_bytes.value),
        (500, 64 << 20)
    );
    assert_eq!((&*staging.config["level"], &*staging.config["extra"]), ("info", "1"));
    assert_eq!(staging.inputs, plain.inputs);
    let many = Manifest::parse_profile(WITH_PROFILES, "f", "many").unwrap();
    assert_eq!(many.inputs.iter().map(|input| &*input.name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(many.window.size_ms, Some(3_600_000));
}

#[test]
fn a_flattened_manifest_says_the_same_without_profiles() {
    for profile in ["staging", "many"] {
        let flat = flatten(WITH_PROFILES, "f", profile).unwrap();
        assert!(!flat.contains("profile"), "{flat}");
        let expected = Manifest::parse_profile(WITH_PROFILES, "f", profile).unwrap();
        assert_eq!(Manifest::parse(&flat, "f").unwrap(), expected);
    }
}

#[test]
fn a_mistake_in_a_profile_shows_whether_or_not_it_is_asked_for() {
    let text = "[function]\nname = 'f'\n[profile.dev.limits]\ncall_cpu = 1\n[profile.dev.bild]\n";
    for error in [
        Manifest::parse(text, "f.toml").unwrap_err(),
        Manifest::parse_profile(text, "f.toml", "dev").unwrap_err(),
    ] {
        assert_eq!(error.problems.len(), 2, "{error}");
        assert_eq!((error.problems[0].line, error.problems[1].line), (4, 5));
        assert!(error.to_string().contains("did you mean `build`?"), "{error}");
    }
    let nested = "[function]\nname = 'f'\n[profile.a.profile.b.limits]\n";
    let error = Manifest::parse(nested, "f").unwrap_err();
    assert!(error.to_string().contains("a profile holds no profiles"), "{error}");
    for (text, expected) in [
        (WITH_PROFILES, "there is no profile \"prod\"; the file has: many, staging"),
        ("[function]\nname = 'f'\n", "there is no profile \"prod\"; the file has no profile"),
    ] {
        let error = Manifest::parse_profile(text, "f", "prod").unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    for text in ["profile = 1\n", "[profile]\ndev = 1\n"] {
        let error = Manifest::parse(&format!("{text}[function]\nname = 'f'\n"), "f").unwrap_err();
        assert!(error.to_string().contains("must be a table"), "{error}");
    }
}

#[test]
fn listed_stores_are_those_that_the_function_keeps() {
    use crate::declaration::{StoreDeclaration, StoreKind};
    let store = |name: &str, kind, schema| StoreDeclaration { name: name.into(), kind, schema };
    let read = |stores: &str| Manifest::parse(&format!("[function]\nname = 'f'\n{stores}"), "f");
    let listed = "[[store]]\nname = 'counts'\nkind = 'kv'\nschema = 2\n[[store]]\nname = 'log'\n";
    let manifest = read(listed).unwrap();
    let counts = store("counts", StoreKind::Kv, 2);
    let log = store("log", StoreKind::Ordered, 0);
    manifest.check_stores(&[log.clone(), counts.clone()]).unwrap();
    read("").unwrap().check_stores(std::slice::from_ref(&log)).unwrap();
    let cases = [
        (vec![counts.clone()], "lists `log`, which the function does not declare"),
        (vec![counts.clone(), log.clone(), store("more", StoreKind::Kv, 0)], "a store `more`"),
        (vec![store("counts", StoreKind::Ordered, 2), log.clone()], "declares \"ordered\""),
        (vec![store("counts", StoreKind::Kv, 3), log], "schema = 2, the function writes version 3"),
    ];
    for (declared, expected) in cases {
        let error = manifest.check_stores(&declared).unwrap_err();
        assert_eq!(error.code, "E-MANIFEST-STORE");
        assert!(error.to_string().contains(expected), "{error}");
    }
    for (stores, expected) in [
        ("[[store]]\nkind = 'kv'\n", "`store[0].name`: is missing"),
        ("[[store]]\nname = 'a'\nkind = 'hash'\n", "is not one of \"kv\", \"ordered\""),
        ("[[store]]\nname = 'a'\n[[store]]\nname = 'a'\n", "stands here twice"),
        ("[[store]]\nname = 'a'\nschema = -1\n", "is not a whole number from 0"),
    ] {
        let error = read(stores).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn batch_limits_intervals_and_times_to_live_are_read() {
    let text = "[function]\nname = \"f\"\n[[input]]\ntopic = \"t\"\nbatch_records = 65536\n\
                batch_bytes = \"16MiB\"\nmax_wait = \"1m\"\n[[store]]\nname = \"s\"\nttl = \"1ms\"\n\
                [delivery]\ncommit_interval = \"1m\"\n[canary]\nshare = \"50%\"\nfor = \"7d\"\n\
                max_faults = 0\nmax_latency_ratio = 1_000\nmin_calls = 1\n\
                [profile.p.delivery]\ncommit_interval = \"0\"\n[profile.p.canary]\nshare = \"0.01\"\n";
    let manifest = Manifest::parse(text, "f").unwrap();
    let batch = BatchLimits { records: Some(65_536), bytes: Some(16 << 20), max_wait_ms: 60_000 };
    assert_eq!(manifest.inputs[0].batch, batch);
    assert_eq!(manifest.stores[0].ttl_ms, Some(1));
    assert_eq!(manifest.delivery.commit_interval_ms, 60_000);
    let canary = Canary {
        percent: Some(50.0),
        for_ms: Some(7 * 86_400_000),
        max_faults: Some(0),
        max_latency_ratio: Some(1_000.0),
        min_calls: Some(1),
    };
    assert_eq!(manifest.canary, canary);
    let profile = Manifest::parse_profile(text, "f", "p").unwrap();
    assert_eq!(profile.delivery.commit_interval_ms, 0);
    assert_eq!(profile.canary, Canary { percent: Some(0.01), ..canary });
    assert_eq!(Manifest::parse(&flatten(text, "f", "p").unwrap(), "f").unwrap(), profile);
}

#[test]
fn what_is_past_a_bound_is_refused_with_its_line() {
    let cases = [
        ("[[input]]\ntopic = \"t\"\nbatch_records = 0", 5, "1 to 65536"),
        ("[[input]]\ntopic = \"t\"\nbatch_records = 65537", 5, "1 to 65536"),
        ("[[input]]\ntopic = \"t\"\nbatch_bytes = 0", 5, "1 to 16777216 bytes"),
        ("[[input]]\ntopic = \"t\"\nbatch_bytes = \"16777217\"", 5, "1 to 16777216 bytes"),
        ("[[input]]\ntopic = \"t\"\nbatch_bytes = true", 5, "a size in quotes"),
        ("[[input]]\ntopic = \"t\"\nmax_wait = \"60001ms\"", 5, "from 0 to 1m"),
        ("[[input]]\ntopic = \"t\"\nmax_wiat = \"1s\"", 5, "did you mean `max_wait`?"),
        ("[[store]]\nname = \"s\"\nttl = \"0\"", 5, "from 1ms to 36525d"),
        ("[[store]]\nname = \"s\"\nttl = \"36526d\"", 5, "from 1ms to 36525d"),
        ("[delivery]\ncommit_interval = \"61s\"", 4, "from 0 to 1m"),
        ("[delivery]\ncommit_intervall = \"1s\"", 4, "did you mean `commit_interval`?"),
        ("[canary]\nshare = \"50.01%\"", 4, "0.01% to 50%"),
        ("[canary]\nshare = \"0.001\"", 4, "0.01% to 50%"),
        ("[canary]\nfor = \"169h\"", 4, "from 0 to 7d"),
        ("[canary]\nmax_latency_ratio = 0.09", 4, "0.1 to 1000"),
        ("[canary]\nmax_latency_ratio = 1001", 4, "0.1 to 1000"),
        ("[canary]\nmin_calls = 0", 4, "1 to 1000000000"),
        ("[canary]\nmax_faults = -1", 4, "0 to 1000000000"),
        ("[cannary]", 3, "did you mean `canary`?"),
    ];
    for (more, line, expected) in cases {
        let problem = only_problem(more);
        assert_eq!(problem.line, line, "{more}: {problem:?}");
        assert!(problem.text.contains(expected), "{more}: {problem:?}");
    }
}
