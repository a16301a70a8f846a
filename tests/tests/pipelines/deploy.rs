//! Deploying, failing, rolling back and removing several functions together.

use std::collections::BTreeMap;
use std::time::Duration;

use pelton_core::{FunctionId, PipelineId, Result, TenantId};
use pelton_server::functions::{
    DeployRequest, Outcome, PipelineReport, PipelineRequest, PipelineState, TrialState,
};

use super::support::{PATIENCE, SHORT, World, module, topic};

fn pipeline() -> PipelineId {
    PipelineId::parse("p").unwrap()
}

fn function(name: &str) -> FunctionId {
    FunctionId::parse(name).unwrap()
}

/// `first` reads `in` and writes `mid`, `f` reads that and writes `out`; both send on what they get.
const TWO: &str = "[pipeline]\nname = \"p\"\n\
    [[topic]]\nname = \"mid\"\ninternal = true\n\
    [[functions.first.input]]\ntopic = \"in\"\npartitions = 2\n\
    [[functions.first.output]]\nname = \"out\"\ntopic = \"mid\"\n\
    [[functions.f.input]]\ntopic = \"mid\"\n\
    [[functions.f.output]]\nname = \"out\"\ntopic = \"out\"\n";

/// The least version: one function.
const ONE: &str = "[pipeline]\nname = \"p\"\n\
    [[functions.first.input]]\ntopic = \"in\"\npartitions = 2\n\
    [[functions.first.output]]\nname = \"out\"\ntopic = \"mid\"\n";

fn request(world: &World, manifest: &str, modules: &[(&str, &str)]) -> PipelineRequest {
    let upload = |wasm: &str| world.runtime.block_on(world.functions.upload(module(wasm))).unwrap();
    let modules = modules.iter().map(|(name, wasm)| ((*name).to_owned(), upload(wasm)));
    PipelineRequest {
        tenant: TenantId::default(),
        manifest: manifest.to_owned(),
        modules: modules.collect::<BTreeMap<_, _>>(),
        dry_run: false,
        wait: SHORT,
    }
}

fn deploy(world: &World, manifest: &str, wait: Duration) -> Result<PipelineReport> {
    let both = [("first", "faulty"), ("f", "faulty")];
    let modules = if manifest.contains("functions.f.") { &both[..] } else { &both[..1] };
    let request = PipelineRequest { wait, ..request(world, manifest, modules) };
    world.runtime.block_on(world.functions.deploy_pipeline(request))
}

fn roll_back(world: &World, to: Option<u64>) -> Result<PipelineReport> {
    world.runtime.block_on(world.functions.rollback_pipeline(&pipeline(), to, SHORT))
}

fn remove(world: &World, keep_state: bool) -> Result<()> {
    world.runtime.block_on(world.functions.remove_pipeline(&pipeline(), keep_state))
}

fn state(world: &World) -> PipelineState {
    world.runtime.block_on(world.functions.pipeline_status(&pipeline())).unwrap().state
}

fn versions(world: &World) -> (u64, u64) {
    let of =
        |name| world.runtime.block_on(world.functions.status(&function(name))).unwrap().version;
    (of("first"), of("f"))
}

fn outcomes(report: &PipelineReport) -> Vec<(&str, u64, Outcome)> {
    let functions = report.functions.iter();
    functions.map(|report| (report.function.name(), report.version, report.outcome)).collect()
}

#[test]
fn functions_go_live_together_and_records_go_through_all() {
    let world = World::new();
    let dry = PipelineRequest {
        dry_run: true,
        ..request(&world, TWO, &[("first", "faulty"), ("f", "faulty")])
    };
    let dry = world.runtime.block_on(world.functions.deploy_pipeline(dry)).unwrap();
    assert!(dry.dry_run);
    assert!(world.functions.node().journal().topic("default/mid").is_err(), "nothing is created");
    let report = deploy(&world, TWO, SHORT).unwrap();
    let started = [("first", 1, Outcome::Started), ("f", 1, Outcome::Started)];
    assert_eq!((report.version, report.before, outcomes(&report)), (1, None, started.to_vec()));
    world.append(&["a=1", "b=2"]);
    world.wait_for("output", |world| world.values("out") == ["1", "2"]);
    assert_eq!(state(&world), PipelineState::Running);
    let again = deploy(&world, TWO, SHORT).unwrap();
    assert!(again.is_unchanged());
    let world = world.restart();
    world.append(&["a=3"]);
    world.wait_for("output", |world| world.values("out") == ["1", "2", "3"]);
    assert_eq!(state(&world), PipelineState::Running);
}

#[test]
fn only_what_is_another_one_is_swapped_and_a_rollback_takes_all_back() {
    let world = World::new();
    deploy(&world, TWO, SHORT).unwrap();
    let second = format!("{TWO}[functions.f.config]\nmode = \"reject\"\n");
    let report = deploy(&world, &second, SHORT).unwrap();
    let swapped = [("first", 1, Outcome::Unchanged), ("f", 2, Outcome::Swapped)];
    assert_eq!((report.version, report.before), (2, Some(1)));
    assert_eq!(outcomes(&report), swapped);
    assert_eq!(state(&world), PipelineState::OnTrial);
    // Keys enough for both partitions of `mid`.
    world.append(&["a=1", "b=1", "c=1", "d=1", "e=1"]);
    world.wait_for("the reject", |world| world.values("f.dead").len() == 5);
    world.wait_for("the trial", |world| state(world) == PipelineState::Running);
    let back = roll_back(&world, None).unwrap();
    assert_eq!((back.version, back.before), (1, Some(2)));
    world.append(&["a=2"]);
    world.wait_for("output", |world| world.values("out") == ["2"]);
    assert_eq!(versions(&world), (1, 1));
    assert_eq!(roll_back(&world, None).unwrap_err().code, "E-VERSION-NONE");
    assert_eq!(roll_back(&world, Some(7)).unwrap_err().code, "E-VERSION-UNKNOWN");
}

#[test]
fn where_one_fails_its_trial_all_go_back() {
    let world = World::new();
    deploy(&world, TWO, SHORT).unwrap();
    world.append(&["a=1"]);
    world.wait_for("output", |world| world.values("out") == ["1"]);
    let traps =
        format!("{TWO}[functions.first.config]\nx = 1\n[functions.f.config]\nmode = \"trap\"\n");
    let error = std::thread::scope(|scope| {
        let deploying = scope.spawn(|| deploy(&world, &traps, PATIENCE));
        world.wait_for("the trial", |world| world.status().tasks.iter().all(|task| task.on_trial));
        world.append(&["a=2"]);
        world.append_to(1, &["b=3"]);
        deploying.join().unwrap().unwrap_err()
    });
    assert_eq!(error.code, "E-DEPLOY-TRIAL");
    let text = error.to_string();
    let told = "pipeline default/p version 2 does not run, and its functions run what they did in \
                version 1: default/f version 2 failed";
    assert!(text.contains(told), "{text}");
    world.wait_for("output", |world| world.values("out").len() == 3);
    assert_eq!(versions(&world), (1, 1));
    // What takes the place of a version that has committed is on trial in its turn.
    world.append(&["a=4", "b=4", "c=4", "d=4", "e=4"]);
    world.append_to(1, &["a=5"]);
    world.wait_for("the trial", |world| state(world) == PipelineState::Running);
    let record = world.functions.pipeline_record(&pipeline()).unwrap();
    assert_eq!((record.active, record.ran_before()), (1, None));
}

#[test]
fn a_trial_that_fails_after_the_answer_takes_all_back_too() {
    let world = World::new();
    deploy(&world, TWO, SHORT).unwrap();
    let traps =
        format!("{TWO}[functions.first.config]\nx = 1\n[functions.f.config]\nmode = \"trap\"\n");
    let report = deploy(&world, &traps, SHORT).unwrap();
    assert!(report.functions.iter().all(|report| report.trial == TrialState::OnTrial));
    assert_eq!(versions(&world), (2, 2));
    assert_eq!(world.functions.pipeline_record(&pipeline()).unwrap().active, 2);
    // A restart does not end it.
    let world = world.restart();
    assert_eq!(state(&world), PipelineState::OnTrial);
    world.append(&["a=1"]);
    world.wait_for("the way back", |world| versions(world) == (1, 1));
    world.wait_for("output", |world| world.values("out") == ["1"]);
    world.wait_for("the record", |world| {
        let record = world.functions.pipeline_record(&pipeline()).unwrap();
        record.active == 1 && record.is_settled()
    });
}

#[test]
fn a_first_deployment_that_cannot_run_leaves_nothing() {
    let world = World::new();
    let no_output =
        TWO.replace("name = \"out\"\ntopic = \"out\"", "name = \"other\"\ntopic = \"out\"");
    let error = deploy(&world, &no_output, SHORT).unwrap_err();
    assert_eq!(error.code, "E-OUTPUT-UNDECLARED");
    assert_eq!(
        world.functions.pipeline_record(&pipeline()).unwrap_err().code,
        "E-PIPELINE-UNKNOWN"
    );
    assert!(world.functions.record(&function("first")).is_err(), "checked before anything is done");
    assert!(world.functions.node().journal().topic("default/mid").is_err());
}

#[test]
fn what_a_version_leaves_out_comes_back_with_its_state() {
    let world = World::new();
    let modules = [("first", "faulty"), ("f", "deduplicate")];
    let with = |manifest: &str, modules: &[(&str, &str)]| {
        let request = request(&world, manifest, modules);
        world.runtime.block_on(world.functions.deploy_pipeline(request)).unwrap()
    };
    with(TWO, &modules);
    world.append(&["a=1", "a=2"]);
    world.wait_for("output", |world| world.values("out") == ["1"]);
    world.wait_for("the duplicate", |world| world.status().records_in == 2);
    let report = with(ONE, &modules[..1]);
    assert_eq!(report.removed, [function("f")]);
    assert_eq!(world.functions.record(&function("f")).unwrap_err().code, "E-FUNCTION-UNKNOWN");
    world.append(&["a=3", "b=4"]);
    roll_back(&world, None).unwrap();
    world.wait_for("output", |world| world.values("out") == ["1", "4"]);
    assert_eq!(state(&world), PipelineState::Running);
}

#[test]
fn a_member_changes_with_its_pipeline_only() {
    let world = World::new();
    deploy(&world, TWO, SHORT).unwrap();
    let alone = world.deploy("faulty", "", SHORT).unwrap_err();
    assert_eq!(alone.code, "E-FUNCTION-MEMBER");
    assert!(alone.to_string().contains("pelton pipeline rollback p"), "{alone}");
    let removed = world.runtime.block_on(world.functions.remove(&function("f"), false));
    assert_eq!(removed.unwrap_err().code, "E-FUNCTION-MEMBER");
    let f = function("f");
    let rolled_back = world.functions.rollback(&f, None, SHORT);
    assert_eq!(world.runtime.block_on(rolled_back).unwrap_err().code, "E-FUNCTION-MEMBER");
    let other = TWO.replace("name = \"p\"", "name = \"q\"").replace("internal = true\n", "");
    let other = other.replace("[[topic]]\nname = \"mid\"\n", "");
    let taken = deploy(&world, &other, SHORT).unwrap_err();
    assert_eq!(taken.code, "E-FUNCTION-MEMBER");
    assert!(taken.to_string().contains("give the function another name"), "{taken}");
    // Pausing does not change it.
    world.runtime.block_on(world.functions.pause(&function("f"))).unwrap();
    assert_eq!(state(&world), PipelineState::PartlyPaused);
    world.runtime.block_on(world.functions.pause_pipeline(&pipeline())).unwrap();
    assert_eq!(state(&world), PipelineState::Paused);
    world.runtime.block_on(world.functions.resume_pipeline(&pipeline())).unwrap();
    assert_eq!(state(&world), PipelineState::Running);
}

#[test]
fn a_function_that_runs_already_joins_a_pipeline_with_its_state() {
    let world = World::new();
    world.deploy("deduplicate", "", SHORT).unwrap();
    world.append(&["a=1"]);
    world.wait_for("output", |world| world.values("out") == ["1"]);
    let joined = "[pipeline]\nname = \"p\"\n[[functions.f.input]]\ntopic = \"in\"\npartitions = 2\n\
                  [[functions.f.output]]\nname = \"out\"\ntopic = \"out\"\n";
    let request = request(&world, joined, &[("f", "deduplicate")]);
    let report = world.runtime.block_on(world.functions.deploy_pipeline(request)).unwrap();
    assert_eq!(outcomes(&report), [("f", 2, Outcome::Swapped)], "its manifest is written anew");
    world.append(&["a=2", "b=3"]);
    world.wait_for("output", |world| world.values("out") == ["1", "3"]);
}

#[test]
fn internal_topics_are_for_the_pipeline_alone() {
    let world = World::new();
    deploy(&world, TWO, SHORT).unwrap();
    let reads = "[function]\nname = \"g\"\n[[input]]\ntopic = \"mid\"\n[[output]]\nname = \"out\"\n\
                 topic = \"other\"\n";
    let reads = DeployRequest { wait: SHORT, ..World::request(reads) };
    let refused = world.runtime.block_on(world.functions.deploy(reads)).unwrap_err();
    assert_eq!(refused.code, "E-TOPIC-INTERNAL");
    remove(&world, false).unwrap();
    // It is a topic like any other now, and what reads it keeps it so.
    let reads = "[function]\nname = \"g\"\n[[input]]\ntopic = \"mid\"\n[[output]]\nname = \"out\"\n\
                 topic = \"other\"\n";
    world.runtime.block_on(world.functions.deploy(World::request(reads))).unwrap();
    let taken = deploy(&world, TWO, SHORT).unwrap_err();
    assert_eq!(taken.code, "E-TOPIC-INTERNAL");
    assert!(taken.to_string().contains("the function default/g uses it"), "{taken}");
}

#[test]
fn a_removed_pipeline_starts_anew_unless_its_state_was_kept() {
    for keep_state in [true, false] {
        let world = World::new();
        let modules = [("first", "faulty"), ("f", "deduplicate")];
        let request = request(&world, TWO, &modules);
        let deploy = || {
            let deployed = world.functions.deploy_pipeline(request.clone());
            world.runtime.block_on(deployed).unwrap()
        };
        deploy();
        world.append(&["a=1"]);
        world.wait_for("output", |world| world.values("out") == ["1"]);
        remove(&world, keep_state).unwrap();
        assert!(world.functions.records().unwrap().is_empty());
        assert_eq!(remove(&world, keep_state).unwrap_err().code, "E-PIPELINE-UNKNOWN");
        // Modules that nothing names are gone with it.
        assert_eq!(world.functions.node().journal().artefacts().unwrap().len(), 2, "fresh uploads");
        deploy();
        world.append(&["b=2"]);
        let expected: &[&str] = if keep_state { &["1", "2"] } else { &["1", "1", "2"] };
        world.wait_for("output", |world| world.values("out") == expected);
        assert_eq!(world.values("in").len(), 2);
    }
}

#[test]
fn modules_are_given_for_each_function_and_for_no_other() {
    let world = World::new();
    let refused = |modules: &[(&str, &str)]| {
        let deployed = world.functions.deploy_pipeline(request(&world, TWO, modules));
        world.runtime.block_on(deployed).unwrap_err()
    };
    let missing = refused(&[("first", "faulty")]);
    assert_eq!(missing.code, "E-PIPELINE-MODULES");
    assert!(missing.to_string().contains("no module is given for the function f"), "{missing}");
    let unknown = refused(&[("first", "faulty"), ("f", "faulty"), ("g", "faulty")]);
    assert!(unknown.to_string().contains("which is no function of it"), "{unknown}");
    let other = PipelineRequest {
        tenant: TenantId::new("other").unwrap(),
        ..request(&world, TWO, &[("first", "faulty"), ("f", "faulty")])
    };
    let other = world.runtime.block_on(world.functions.deploy_pipeline(other)).unwrap_err();
    assert_eq!(other.code, "E-TENANT-OTHER");
    assert_eq!(topic("in").name(), "in");
}

#[test]
fn a_function_is_renamed_though_its_topic_is_internal() {
    let world = World::new();
    deploy(&world, TWO, SHORT).unwrap();
    let renamed = TWO.replace("functions.f.", "functions.g.");
    let request = request(&world, &renamed, &[("first", "faulty"), ("g", "faulty")]);
    let report = world.runtime.block_on(world.functions.deploy_pipeline(request)).unwrap();
    assert_eq!(report.removed, [function("f")]);
    roll_back(&world, None).unwrap();
    assert!(world.functions.record(&function("g")).is_err());
    assert_eq!(state(&world), PipelineState::Running);
}

#[test]
fn dead_letters_of_others_do_not_go_to_an_internal_topic() {
    let world = World::new();
    deploy(&world, TWO, SHORT).unwrap();
    let spy = "[function]\nname = \"spy\"\n[[input]]\ntopic = \"in\"\npartitions = 2\n[[output]]\n\
               name = \"out\"\ntopic = \"other\"\n[delivery]\ndead_letter = \"mid\"\n";
    let refused = world.runtime.block_on(world.functions.deploy(World::request(spy))).unwrap_err();
    assert_eq!(refused.code, "E-TOPIC-INTERNAL");
}

#[test]
fn a_rollback_that_fails_late_goes_back_to_what_it_came_from() {
    let world = World::new();
    let version = |mode: &str| {
        format!(
            "{TWO}[functions.first.config]\nx = \"{mode}\"\n[functions.f.config]\nmode = \"{mode}\"\n"
        )
    };
    deploy(&world, &version("trap"), SHORT).unwrap();
    deploy(&world, &version("send"), SHORT).unwrap();
    world.append(&["a=1", "b=1", "c=1", "d=1", "e=1"]);
    world.append_to(1, &["f=1"]);
    world.wait_for("the trial", |world| state(world) == PipelineState::Running);
    roll_back(&world, None).unwrap();
    assert_eq!(versions(&world), (1, 1));
    world.append(&["a=2"]);
    world.wait_for("the way back", |world| versions(world) == (2, 2));
    world.wait_for("output", |world| world.values("out").contains(&"2".to_owned()));
    let is_told = |world: &World| {
        let record = world.functions.pipeline_record(&pipeline()).unwrap();
        record.active == 2 && record.is_settled()
    };
    world.wait_for("the record", is_told);
}

#[test]
fn one_paused_function_breaks_nothing() {
    let world = World::new();
    deploy(&world, TWO, SHORT).unwrap();
    world.runtime.block_on(world.functions.pause(&function("f"))).unwrap();
    assert_eq!(state(&world), PipelineState::PartlyPaused);
}
