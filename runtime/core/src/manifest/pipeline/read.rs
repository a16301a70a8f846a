//! From the tables of a file to a pipeline.

use std::ops::Range;

use toml::de::DeTable;
use toml::{Table, Value};

use super::super::build::{settings, within_bounds};
use super::super::keys::{self, FUNCTIONS_MAX, PARTITIONS_MAX, TOPICS_MAX};
use super::super::problem::Problems;
use super::super::profile::plain_table;
use super::super::section::Section;
use super::super::{FILE_NAME, Manifest};
use super::wiring::{check_topics, in_order};
use super::{Member, PipelineManifest, Topic};
use crate::ids::{FunctionId, PipelineId, TopicName};

/// Whether a file describes a pipeline, and not one function.
pub(in crate::manifest) fn is_one(table: &DeTable<'_>) -> bool {
    table.keys().any(|key| matches!(key.get_ref().as_ref(), "pipeline" | "functions"))
}

/// Reads a pipeline.
pub(in crate::manifest) fn read(
    table: &DeTable<'_>,
    span: Range<usize>,
    problems: &mut Problems<'_>,
) -> Option<PipelineManifest> {
    let top = Section::new("", table, span, &keys::PIPELINE_TOP, problems);
    let pipeline = name(&top, problems);
    let topics = topics(&top, pipeline.as_ref(), problems);
    let members = members(&top, pipeline.as_ref(), problems);
    let whole = members.iter().all(Option::is_some);
    let read: Vec<Read<'_>> = members.into_iter().flatten().collect();
    if whole {
        check_topics(&topics, &read, problems);
    }
    if !problems.is_empty() {
        return None;
    }
    let topics: Vec<Topic> = topics.into_iter().map(|(topic, _)| topic).collect();
    let functions = read.into_iter().map(|member| member.with_topics(&topics, problems));
    let functions: Option<Vec<Member>> = functions.collect();
    Some(PipelineManifest { pipeline: pipeline?, topics, functions: in_order(functions?) })
}

/// A function as the file has it.
pub(super) struct Read<'a> {
    pub(super) manifest: Manifest,
    section: Section<'a>,
    plain: Table,
    path: Option<String>,
}

impl Read<'_> {
    /// The function with the numbers of partitions that the pipeline's topics say.
    fn with_topics(mut self, topics: &[Topic], problems: &mut Problems<'_>) -> Option<Member> {
        self.plain.remove("path");
        for list in ["input", "output"] {
            let tables = self.plain.get_mut(list).and_then(Value::as_array_mut);
            for table in tables.into_iter().flatten().filter_map(Value::as_table_mut) {
                add_partitions(table, topics);
            }
        }
        let mut function = Table::new();
        function.insert("name".into(), Value::String(self.manifest.function.to_string()));
        self.plain.insert("function".into(), Value::Table(function));
        let text = self.plain.to_string();
        match Manifest::parse(&text, FILE_NAME) {
            Ok(manifest) => Some(Member { manifest, text, path: self.path }),
            Err(error) => {
                // Nothing was wrong with it in its place.
                self.section.note_here(error.to_string(), problems);
                None
            }
        }
    }
}

fn add_partitions(table: &mut Table, topics: &[Topic]) {
    let named = table.get("topic").and_then(Value::as_str);
    let named = named.and_then(|text| TopicName::parse(text).ok());
    let listed = topics.iter().find(|topic| Some(&topic.topic) == named.as_ref());
    if let Some(partitions) = listed.and_then(|topic| topic.partitions) {
        table.entry("partitions").or_insert(Value::Integer(partitions.into()));
    }
}

fn name(top: &Section<'_>, problems: &mut Problems<'_>) -> Option<PipelineId> {
    let Some(section) = top.table("pipeline", &keys::PIPELINE, problems) else {
        if top.get("pipeline").is_none() {
            problems.add(0, "pipeline", "is missing: write [pipeline] and name = \"...\"");
        }
        return None;
    };
    section.required("name", problems)?;
    section.parsed("name", PipelineId::parse, problems)
}

/// The topics that are listed, each with the table that lists it.
fn topics<'a>(
    top: &Section<'a>,
    pipeline: Option<&PipelineId>,
    problems: &mut Problems<'_>,
) -> Vec<(Topic, Section<'a>)> {
    let mut topics: Vec<(Topic, Section<'_>)> = Vec::new();
    let sections = top.tables("topic", &keys::TOPIC, problems);
    if sections.len() > TOPICS_MAX {
        let text = format!("has {} topics; at most {TOPICS_MAX}", sections.len());
        top.wrong("topic", text, problems);
    }
    for section in sections {
        let partitions = section.number("partitions", 1..=PARTITIONS_MAX, problems);
        let internal = section.truth("internal", problems).unwrap_or(false);
        if section.required("name", problems).is_none() {
            continue;
        }
        let Some(topic) = section.parsed("name", TopicName::parse, problems) else { continue };
        if topics.iter().any(|(known, _)| known.topic == topic) {
            section.wrong("name", format!("{topic} is listed already"), problems);
            continue;
        }
        if pipeline.is_some_and(|pipeline| pipeline.tenant() != topic.tenant()) {
            section.wrong("name", format!("{topic} is a topic of another tenant"), problems);
        }
        topics.push((Topic { topic, partitions, internal }, section));
    }
    topics
}

/// The functions, by name; in place of each that is not right, nothing.
fn members<'a>(
    top: &Section<'a>,
    pipeline: Option<&PipelineId>,
    problems: &mut Problems<'_>,
) -> Vec<Option<Read<'a>>> {
    let Some(value) = top.get("functions") else {
        let text = "is missing: write [functions.NAME] for each function";
        problems.add(0, "functions", text);
        return Vec::new();
    };
    let Some(table) = value.get_ref().as_table() else {
        top.wrong("functions", "must be a table: write [functions.NAME]", problems);
        return Vec::new();
    };
    if !(1..=FUNCTIONS_MAX).contains(&table.len()) {
        let text = format!("has {} functions; 1 to {FUNCTIONS_MAX}", table.len());
        top.wrong("functions", text, problems);
    }
    let names = table.keys().map(|key| key.get_ref().as_ref()).collect::<Vec<&str>>();
    let functions = Section::new("functions", table, value.span(), &names, problems);
    names.iter().map(|name| member(&functions, name, pipeline, problems)).collect()
}

fn member<'a>(
    functions: &Section<'a>,
    name: &str,
    pipeline: Option<&PipelineId>,
    problems: &mut Problems<'_>,
) -> Option<Read<'a>> {
    let section = functions.table(name, &keys::MEMBER, problems)?;
    let tenant = pipeline.map(|pipeline| pipeline.tenant().clone()).unwrap_or_default();
    let id = within_bounds(FunctionId::new(tenant, name));
    let id = id.map_err(|text| functions.wrong(name, text, problems)).ok();
    let path = section.text("path", problems).map(str::to_owned);
    let manifest = settings(&section, id, problems)?;
    if section.get("input").is_none() {
        let text = format!("reads no topic: write [[functions.{name}.input]] and topic = \"...\"");
        functions.wrong(name, text, problems);
    }
    let plain = plain_table(functions.get(name)?.get_ref().as_table()?);
    Some(Read { manifest, section, plain, path })
}
