//! Records that are handed from task to task without being kept: with the same results.

use std::collections::BTreeMap;

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, PipelineId, TenantId};
use pelton_server::functions::{PipelineRequest, RestoreRequest};

use super::support::{SHORT, World, module, topic};

fn pipeline() -> PipelineId {
    PipelineId::parse("p").unwrap()
}

/// `first` sends on what it can do, `f` leaves out what it has seen, `last` counts by the second.
fn manifest(internal: bool, version: u32) -> String {
    let topics = ["mid", "seen"]
        .map(|name| format!("[[topic]]\nname = \"{name}\"\ninternal = {internal}\n"));
    format!(
        "[pipeline]\nname = \"p\"\n{}{}\
         [functions.first.config]\nversion = {version}\n\
         [[functions.first.input]]\ntopic = \"in\"\npartitions = 2\n\
         [[functions.first.output]]\nname = \"out\"\ntopic = \"mid\"\n\
         [functions.f.config]\nwindow-ms = 40\n\
         [[functions.f.input]]\ntopic = \"mid\"\n\
         [[functions.f.output]]\nname = \"out\"\ntopic = \"seen\"\n\
         [functions.last.window]\nsize = \"100ms\"\n\
         [[functions.last.input]]\ntopic = \"seen\"\n\
         [[functions.last.output]]\nname = \"out\"\ntopic = \"out\"\n",
        topics[0], topics[1]
    )
}

fn deploy(world: &World, manifest: &str) {
    let modules = [("first", "faulty"), ("f", "deduplicate"), ("last", "windowed_count")];
    let upload = |(name, wasm): (&str, &str)| {
        let digest = world.runtime.block_on(world.functions.upload(module(wasm))).unwrap();
        (name.to_owned(), digest)
    };
    let request = PipelineRequest {
        tenant: TenantId::default(),
        manifest: manifest.to_owned(),
        modules: modules.into_iter().map(upload).collect::<BTreeMap<_, _>>(),
        dry_run: false,
        wait: SHORT,
    };
    world.runtime.block_on(world.functions.deploy_pipeline(request)).unwrap();
}

/// One batch of the partition: some records cannot be done, and keys come again.
fn append(world: &World, partition: u32, batch: u64) {
    let mut builder = RecordsBuilder::new();
    for n in batch * 25..(batch + 1) * 25 {
        // Keys that go to this partition of any topic.
        let key = (0..).map(|salt| format!("k{}-{salt}", n % 7));
        let mut keys =
            key.filter(|key| pelton_core::partition_for_key(key.as_bytes(), 2) == partition);
        let value = if n % 31 == 30 { "reject".to_owned() } else { n.to_string() };
        let key = keys.next().unwrap();
        builder.push(Some(key.as_bytes()), Some(value.as_bytes()), (n * 3) as i64);
    }
    world.functions.node().append(&topic("in"), partition, &mut builder).unwrap();
}

/// Partition, offset, key, value, time.
type Kept = (u32, u64, Vec<u8>, Vec<u8>, i64);

/// Everything that a topic holds.
fn content(world: &World, name: &str) -> Vec<Kept> {
    let node = world.functions.node();
    node.sync().unwrap();
    let mut found = Vec::new();
    for partition in 0..2 {
        for batch in node.read(&topic(name), partition) {
            let (offset, bytes) = batch.unwrap();
            for (offset, record) in
                (offset..).zip(Batch::parse(&bytes).unwrap().records().unwrap().iter())
            {
                let (key, value) =
                    (record.key().unwrap_or_default(), record.value().unwrap_or_default());
                found.push((partition, offset, key.to_vec(), value.to_vec(), record.timestamp()));
            }
        }
    }
    found
}

fn end(world: &World, name: &str) -> u64 {
    let topic = world.functions.node().journal().topic(&format!("default/{name}")).unwrap();
    topic.partitions().iter().map(|partition| partition.offsets().end).sum()
}

/// Lets the records go through all functions.
fn settle(world: &World, batches: u64) {
    let lag = |name: &str| {
        let function = FunctionId::parse(name).unwrap();
        let status = world.runtime.block_on(world.functions.status(&function)).unwrap();
        status.lag + u64::from(status.tasks.is_empty())
    };
    world.wait_for("the first", |world| end(world, "in") == batches * 50 && lag("first") == 0);
    world.wait_for("the second", |_| lag("f") == 0);
    world.wait_for("the third", |_| lag("last") == 0);
}

fn handed_on(world: &World) -> Vec<(String, u64)> {
    let pipeline = pipeline();
    let status = world.functions.pipeline_status(&pipeline);
    let status = world.runtime.block_on(status).unwrap();
    let fused = status.topics.into_iter().filter(|topic| topic.fused);
    fused.map(|topic| (topic.topic.name().to_owned(), topic.handed_on)).collect()
}

#[test]
fn results_are_the_same_whether_records_are_kept_or_handed_on() {
    let run = |internal: bool| {
        let world = World::new();
        deploy(&world, &manifest(internal, 1));
        let mut world = world;
        for batch in 0..12 {
            append(&world, 0, batch);
            append(&world, 1, batch);
            settle(&world, batch + 1);
            if batch == 5 {
                world = world.restart();
            }
            if batch == 8 {
                deploy(&world, &manifest(internal, 2));
            }
        }
        let results = ["out", "first.dead", "f.dead"].map(|name| content(&world, name));
        let ends = ["mid", "seen", "out"].map(|name| end(&world, name));
        let kept = ["mid", "seen"].map(|name| content(&world, name).len());
        (results, ends, kept, handed_on(&world))
    };
    let (results, ends, kept, handed) = run(true);
    let (plain, plain_ends, plain_kept, none) = run(false);
    assert!(plain[0].len() > 40 && !plain[1].is_empty(), "{} results", plain[0].len());
    assert_eq!(results, plain);
    assert_eq!((ends, none), (plain_ends, vec![]), "offsets count on");
    assert!(kept[0] * 2 < plain_kept[0], "{kept:?} of {plain_kept:?}");
    assert!(handed.iter().all(|(_, rows)| *rows > 0), "{handed:?}");
    assert_eq!(handed.len(), 2);
}

#[test]
fn a_function_is_not_rewound_over_records_that_were_not_kept() {
    let world = World::new();
    deploy(&world, &manifest(true, 1));
    let f = FunctionId::parse("f").unwrap();
    append(&world, 0, 0);
    append(&world, 1, 0);
    settle(&world, 1);
    world.runtime.block_on(world.functions.savepoint(&f, Some("sp"))).unwrap();
    let mut batch = 1;
    while handed_on(&world).iter().any(|(_, rows)| *rows < 60) {
        append(&world, 0, batch);
        append(&world, 1, batch);
        batch += 1;
        settle(&world, batch);
    }
    let restored = world.functions.restore(&f, "sp", RestoreRequest::default());
    let error = world.runtime.block_on(restored).unwrap_err();
    assert_eq!(error.code, "E-SAVEPOINT-INPUT");
    assert!(error.to_string().contains("handed on without being kept"), "{error}");
}

#[test]
fn what_is_no_longer_internal_is_kept_again() {
    let world = World::new();
    deploy(&world, &manifest(true, 1));
    append(&world, 0, 0);
    append(&world, 1, 0);
    settle(&world, 1);
    assert_eq!(handed_on(&world).len(), 2);
    deploy(&world, &manifest(false, 1));
    assert_eq!(handed_on(&world), []);
    let before = content(&world, "mid").len();
    append(&world, 0, 1);
    append(&world, 1, 1);
    settle(&world, 2);
    assert!(content(&world, "mid").len() >= before + 45);
}
