//! Counting the parts of a module against their limits.

use pelton_core::Limits;
use pelton_core::limits::Limit;
use wasmparser::{BinaryReaderError, FunctionBody, Payload};

use super::{broken, opens};
use crate::error::{ErrorKind, HostError, Result};

/// Most components and modules inside of one another.
pub(crate) const NESTING_MAX: u64 = 10;
/// Most core modules and components in one component (a Python one has 38).
pub(crate) const MODULES_MAX: u64 = 200;
/// Most instances that one component makes.
pub(crate) const INSTANCES_MAX: u64 = 1_000;
/// Most linear memories.
pub(crate) const MEMORIES_MAX: u64 = 100;
/// Most tables.
pub(crate) const TABLES_MAX: u64 = 1_000;
/// Most data segments, and most element segments.
pub(crate) const SEGMENTS_MAX: u64 = 20_000;
/// Most types.
pub(crate) const TYPES_MAX: u64 = 100_000;
/// Most globals.
pub(crate) const GLOBALS_MAX: u64 = 100_000;
/// Most exports.
pub(crate) const EXPORTS_MAX: u64 = 100_000;

/// How much there is of everything that is bounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Functions with a body, over all modules.
    pub functions: u64,
    /// Size of the largest body, bytes.
    pub largest_body_bytes: u64,
    /// Most locals of one function.
    pub most_locals: u64,
    /// Imports, over all modules and components.
    pub imports: u64,
    /// Exports, over all modules and components.
    pub exports: u64,
    /// Types, over all modules and components.
    pub types: u64,
    /// Globals.
    pub globals: u64,
    /// Linear memories.
    pub memories: u64,
    /// What the memories take from the start, bytes.
    pub memory_min_bytes: u64,
    /// Tables.
    pub tables: u64,
    /// What the tables hold from the start, elements.
    pub table_min_elements: u64,
    /// Data segments.
    pub data_segments: u64,
    /// Element segments.
    pub element_segments: u64,
    /// Core modules and components inside.
    pub modules: u64,
    /// Instances that are made when it is instantiated.
    pub instances: u64,
    /// Deepest nesting of modules and components.
    pub nesting: u64,
}

/// Adds up the parts as they are read, and stops at the first that is past its limit.
pub(super) struct Counter<'a> {
    limits: &'a Limits,
    counts: Counts,
    depth: u64,
}

impl<'a> Counter<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, counts: Counts::default(), depth: 0 }
    }

    /// How many modules or components are open around the next payload.
    pub(super) fn depth(&self) -> u64 {
        self.depth
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn take(&mut self, payload: &Payload<'_>) -> Result<()> {
        use Payload as P;
        let counts = &mut self.counts;
        match payload {
            P::Version { .. } => self.depth += 1,
            P::End(_) => self.depth = self.depth.saturating_sub(1),
            P::CodeSectionStart { count, .. } => {
                counts.functions += u64::from(*count);
                within("the code", counts.functions, &self.limits.component_functions)?;
            }
            P::CodeSectionEntry(body) => self.body(body)?,
            P::ImportSection(section) => self.imports(section.count())?,
            P::ComponentImportSection(section) => self.imports(section.count())?,
            P::TypeSection(s) => add(&mut counts.types, s.count(), TYPES_MAX, "types")?,
            P::CoreTypeSection(s) => add(&mut counts.types, s.count(), TYPES_MAX, "types")?,
            P::ComponentTypeSection(s) => add(&mut counts.types, s.count(), TYPES_MAX, "types")?,
            P::GlobalSection(s) => add(&mut counts.globals, s.count(), GLOBALS_MAX, "globals")?,
            P::ExportSection(s) => add(&mut counts.exports, s.count(), EXPORTS_MAX, "exports")?,
            P::ComponentExportSection(s) => {
                add(&mut counts.exports, s.count(), EXPORTS_MAX, "exports")?;
            }
            P::DataSection(s) => {
                add(&mut counts.data_segments, s.count(), SEGMENTS_MAX, "data segments")?;
            }
            P::ElementSection(s) => {
                add(&mut counts.element_segments, s.count(), SEGMENTS_MAX, "element segments")?;
            }
            P::InstanceSection(s) => {
                add(&mut counts.instances, s.count(), INSTANCES_MAX, "instances")?;
            }
            P::ComponentInstanceSection(s) => {
                add(&mut counts.instances, s.count(), INSTANCES_MAX, "instances")?;
            }
            P::MemorySection(section) => self.memories(section.clone())?,
            P::TableSection(section) => self.tables(section.clone())?,
            _ if opens(payload).is_some() => self.nest()?,
            _ => {}
        }
        Ok(())
    }

    fn nest(&mut self) -> Result<()> {
        add(&mut self.counts.modules, 1, MODULES_MAX, "modules and components")?;
        self.counts.nesting = self.counts.nesting.max(self.depth);
        bound(self.depth, NESTING_MAX, "components inside of one another")
    }

    fn imports(&mut self, count: u32) -> Result<()> {
        self.counts.imports += u64::from(count);
        within("the imports", self.counts.imports, &self.limits.component_imports)
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<()> {
        let range = body.range();
        let size = range.end - range.start;
        let place = format!("the function at byte {}", range.start);
        within(&place, size, &self.limits.function_body_bytes)?;
        let locals = locals(body).map_err(|error| broken(&error))?;
        within(&place, locals, &self.limits.function_locals)?;
        self.counts.largest_body_bytes = self.counts.largest_body_bytes.max(size);
        self.counts.most_locals = self.counts.most_locals.max(locals);
        Ok(())
    }

    fn memories(&mut self, section: wasmparser::MemorySectionReader<'_>) -> Result<()> {
        add(&mut self.counts.memories, section.count(), MEMORIES_MAX, "memories")?;
        for memory in section {
            let memory = memory.map_err(|error| broken(&error))?;
            let page = 1u64 << memory.page_size_log2.unwrap_or(16).min(16);
            let bytes = memory.initial.saturating_mul(page);
            self.counts.memory_min_bytes = self.counts.memory_min_bytes.saturating_add(bytes);
        }
        within("the memories", self.counts.memory_min_bytes, &self.limits.memory_bytes)
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'_>) -> Result<()> {
        add(&mut self.counts.tables, section.count(), TABLES_MAX, "tables")?;
        for table in section {
            let table = table.map_err(|error| broken(&error))?;
            let total = self.counts.table_min_elements.saturating_add(table.ty.initial);
            self.counts.table_min_elements = total;
        }
        within("the tables", self.counts.table_min_elements, &self.limits.table_elements)
    }
}

fn locals(body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
    let mut total = 0;
    for group in body.get_locals_reader()? {
        total += u64::from(group?.0);
    }
    Ok(total)
}

/// Checks a configurable limit.
pub(super) fn within(place: &str, amount: u64, limit: &Limit) -> Result<()> {
    if limit.allows(amount) {
        return Ok(());
    }
    let Limit { name, unit, value, ceiling, .. } = limit;
    let text = format!(
        "{place}: {amount} {unit}, but the limit `{name}` is {value}; make it smaller, or raise \
         the limit (at most {ceiling})"
    );
    Err(HostError::new(ErrorKind::Limit, text))
}

/// Checks a fixed limit.
fn bound(amount: u64, most: u64, what: &str) -> Result<()> {
    if amount <= most {
        return Ok(());
    }
    let text = format!("it has {amount} {what}; Pelton takes at most {most}: split the function");
    Err(HostError::new(ErrorKind::Limit, text))
}

fn add(total: &mut u64, count: u32, most: u64, what: &str) -> Result<()> {
    *total += u64::from(count);
    bound(*total, most, what)
}
