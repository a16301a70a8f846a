use super::super::keys::{FUNCTIONS_MAX, TOPICS_MAX};
use super::super::{ManifestFile, Problem, flatten};
use super::*;

const FLIGHTS: &str = r#"
[pipeline]
name = "flights"

[[topic]]
name = "parsed"
partitions = 4
internal = true

# Written last, and read first of all by name.
[functions.a-report]
path = "report"
[[functions.a-report.input]]
topic = "hours"

[functions.hours.config]
top = 3
[[functions.hours.input]]
topic = "parsed"
idle_timeout = "1s"
[[functions.hours.output]]
name = "out"
topic = "hours"

[functions.parse.build]
file = "std:project"
[[functions.parse.input]]
topic = "raw"
[[functions.parse.output]]
name = "out"
topic = "parsed"

[profile.small.functions.hours.config]
top = 1
[[profile.small.topic]]
name = "parsed"
internal = true
"#;

fn parsed(text: &str, profile: Option<&str>) -> PipelineManifest {
    match ManifestFile::parse(text, "pelton.toml", profile).unwrap() {
        ManifestFile::Pipeline(pipeline) => pipeline,
        ManifestFile::Function(function) => panic!("{function:?}"),
    }
}

fn problems(text: &str) -> Vec<Problem> {
    ManifestFile::parse(text, "pelton.toml", None).unwrap_err().problems
}

/// What is wrong, a line each, with the tables that every pipeline needs before it.
fn wrong(more: &str) -> Vec<String> {
    let text = format!(
        "[pipeline]\nname = \"p\"\n[[functions.f.input]]\ntopic = \"in\"\n\
         [[functions.f.output]]\nname = \"out\"\ntopic = \"out\"\n{more}"
    );
    problems(&text).iter().map(|problem| format!("{}: {}", problem.key, problem.text)).collect()
}

#[test]
fn functions_come_in_the_order_of_their_topics() {
    let pipeline = parsed(FLIGHTS, None);
    assert_eq!(pipeline.pipeline.to_string(), "default/flights");
    let names: Vec<_> = pipeline.functions.iter().map(|m| m.manifest.function.name()).collect();
    assert_eq!(names, ["parse", "hours", "a-report"]);
    assert_eq!(pipeline.functions[2].path.as_deref(), Some("report"));
    let internal: Vec<_> = pipeline.internal_topics().map(TopicName::name).collect();
    assert_eq!(internal, ["parsed"]);
}

#[test]
fn a_member_alone_says_what_the_pipeline_says_of_it() {
    let pipeline = parsed(FLIGHTS, None);
    for member in &pipeline.functions {
        assert_eq!(Manifest::parse(&member.text, "f").unwrap(), member.manifest);
    }
    let [parse, hours, report] = &pipeline.functions[..] else { panic!() };
    assert_eq!(parse.manifest.outputs[0].partitions, Some(4), "as the topic's table says");
    assert_eq!(hours.manifest.inputs[0].partitions, 4);
    assert_eq!(hours.manifest.inputs[0].idle_timeout_ms, Some(1_000));
    assert_eq!(report.manifest.inputs[0].partitions, 1);
    assert_eq!(parse.manifest.build.file.as_deref(), Some("std:project"));
    assert_eq!(hours.manifest.config["top"], "3");
}

#[test]
fn a_profile_replaces_settings_of_members() {
    let small = parsed(FLIGHTS, Some("small"));
    let hours = small.function("hours").unwrap();
    assert_eq!(
        (hours.manifest.config["top"].as_str(), hours.manifest.inputs[0].partitions),
        ("1", 1)
    );
    let flat = flatten(FLIGHTS, "pelton.toml", "small").unwrap();
    assert_eq!(parsed(&flat, None), small);
}

#[test]
fn a_circle_stays_in_the_order_of_names() {
    let pipeline = parsed(
        "[pipeline]\nname = \"p\"\n\
         [[functions.b.input]]\ntopic = \"x\"\n[[functions.b.output]]\nname = \"out\"\ntopic = \"y\"\n\
         [[functions.a.input]]\ntopic = \"y\"\n[[functions.a.output]]\nname = \"out\"\ntopic = \"x\"\n",
        None,
    );
    let names: Vec<_> = pipeline.functions.iter().map(|m| m.manifest.function.name()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let unknown = wrong("[functions.g]\ninputs = 1\n[[functions.g.input]]\ntopic = \"out\"\n");
    assert_eq!(unknown.len(), 1);
    assert!(unknown[0].starts_with("functions.g.inputs: unknown key (did you mean `input`?)"));
    let none = wrong("[functions.g]\npath = \"g\"\n");
    let text = "functions.g: reads no topic: write [[functions.g.input]] and topic = \"...\"";
    assert_eq!(none, [text]);
    let unused = wrong("[[topic]]\nname = \"oot\"\n");
    let text = "topic[0].name: default/oot is neither an [[input]] nor an [[output]] of any function \
                here";
    assert_eq!(unused, [text]);
    let twice = wrong("[[topic]]\nname = \"out\"\n[[topic]]\nname = \"out\"\n");
    assert_eq!(twice, ["topic[1].name: default/out is listed already"]);
    let nowhere = wrong("[[topic]]\nname = \"out\"\ninternal = true\n");
    assert!(nowhere[0].contains("no function here reads it"), "{nowhere:?}");
    let from_nowhere = wrong("[[topic]]\nname = \"in\"\ninternal = true\n");
    assert!(from_nowhere[0].contains("no function here writes to it"), "{from_nowhere:?}");
    let other = wrong("[[topic]]\nname = \"b/out\"\n");
    assert!(other[0].contains("another tenant"), "{other:?}");
    let both = wrong("[function]\nname = \"f\"\n");
    assert!(both[0].starts_with("function: unknown key (did you mean `functions`?)"), "{both:?}");
    let inside =
        problems("[pipeline]\nname = \"p\"\n[[functions.f.input]]\ntopic = \"in\"\nstart = 3\n");
    assert_eq!((inside[0].line, inside[0].key.as_str()), (5, "functions.f.input[0].start"));
}

#[test]
fn its_tables_are_asked_for() {
    let none = problems("[functions.f]\n[[functions.f.input]]\ntopic = \"in\"\n");
    assert_eq!(none[0].text, "is missing: write [pipeline] and name = \"...\"");
    let none = problems("[pipeline]\nname = \"p\"\n");
    assert_eq!(none[0].text, "is missing: write [functions.NAME] for each function");
    let none = problems("[pipeline]\nname = \"p\"\n[functions]\n");
    assert_eq!(none[0].text, format!("has 0 functions; 1 to {FUNCTIONS_MAX}"));
}

#[test]
fn functions_and_topics_are_bounded() {
    let functions = |count: usize| {
        let each = (0..count).map(|n| format!("[[functions.f{n}.input]]\ntopic = \"in\"\n"));
        let text = format!("[pipeline]\nname = \"p\"\n{}", each.collect::<String>());
        ManifestFile::parse(&text, "f", None).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(functions(FUNCTIONS_MAX), Ok(()));
    assert!(functions(FUNCTIONS_MAX + 1).unwrap_err().contains("has 65 functions; 1 to 64"));
    let topics = |count: usize| {
        let each = (0..count).map(|n| {
            format!("[[topic]]\nname = \"t{n}\"\n[[functions.f.input]]\ntopic = \"t{n}\"\n")
        });
        let text = format!("[pipeline]\nname = \"p\"\n{}", each.collect::<String>());
        ManifestFile::parse(&text, "f", None).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(topics(TOPICS_MAX), Ok(()));
    assert!(topics(TOPICS_MAX + 1).unwrap_err().contains("has 257 topics; at most 256"));
}

#[test]
fn one_function_is_not_a_pipeline() {
    let error = Manifest::parse(FLIGHTS, "pelton.toml").unwrap_err().to_string();
    let text = "is the pipeline flights of 3 functions (parse, hours, a-report), where one function \
                was expected";
    assert!(error.contains(text), "{error}");
}
