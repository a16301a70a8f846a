//! Every limit: its name, default and ceiling. A limit is checked where the thing is made, by
//! [`Limit::check`], so that the error always names the limit and its value.

use crate::error::{Domain, Error, Result};

/// A limit that a deployment may set up to its ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The name in manifests, metrics and errors.
    pub name: &'static str,
    /// What it is about, in a sentence.
    pub about: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// The value in force.
    pub value: u64,
    /// The highest value that it may be set to.
    pub ceiling: u64,
}

impl Limit {
    /// Nothing where `amount` is at most the limit.
    ///
    /// # Errors
    /// `E-LIMIT` that names the limit, its value and the amount.
    pub fn check(&self, amount: u64, of: &str) -> Result<()> {
        if amount <= self.value {
            return Ok(());
        }
        let Self { name, unit, value, .. } = self;
        let text = format!("{of}: {amount} {unit}, but the limit `{name}` is {value} {unit}");
        Err(Error::new("E-LIMIT", Domain::User, text))
    }

    /// Whether `amount` is within the limit.
    #[must_use]
    pub fn allows(&self, amount: u64) -> bool {
        amount <= self.value
    }

    fn set(&mut self, value: u64) -> Result<()> {
        if value == 0 || value > self.ceiling {
            let Self { name, unit, ceiling, .. } = self;
            let text = format!("limit `{name}` = {value}: use 1 to {ceiling} {unit}");
            return Err(Error::new("E-LIMIT-CEILING", Domain::User, text));
        }
        self.value = value;
        Ok(())
    }
}

macro_rules! limits {
    ($(#[doc = $about:literal] $field:ident: $unit:literal = $default:expr, $ceiling:expr;)*) => {
        /// All limits of a deployment.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $about] pub $field: Limit,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: Limit {
                    name: stringify!($field),
                    about: $about.trim_ascii(),
                    unit: $unit,
                    value: $default,
                    ceiling: $ceiling,
                },)* }
            }
        }

        impl Limits {
            /// All limits, in the order of their declaration.
            pub fn all(&self) -> impl Iterator<Item = &Limit> {
                [$(&self.$field),*].into_iter()
            }

            /// Sets the limit called `name`.
            ///
            /// # Errors
            /// `E-LIMIT-UNKNOWN` where there is none of that name, `E-LIMIT-CEILING` where the
            /// value is 0 or above the ceiling.
            pub fn set(&mut self, name: &str, value: u64) -> Result<()> {
                match name {
                    $(stringify!($field) => self.$field.set(value),)*
                    _ => {
                        let known = [$(stringify!($field)),*].join(", ");
                        let text = format!("there is no limit `{name}`; there are: {known}");
                        Err(Error::new("E-LIMIT-UNKNOWN", Domain::User, text))
                    }
                }
            }
        }
    };
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

limits! {
    /// CPU time of one guest call.
    call_cpu_ms: "ms" = 100, 10_000;
    /// CPU time of instantiation and `open`.
    open_cpu_ms: "ms" = 1_000, 10_000;
    /// Linear memory, summed over all memories of a component.
    memory_bytes: "bytes" = 64 * MIB, GIB;
    /// Elements, summed over all tables of a component.
    table_elements: "elements" = 20_000, 1_000_000;
    /// Size of a component or module.
    component_bytes: "bytes" = 32 * MIB, 64 * MIB;
    /// Functions of a component.
    component_functions: "functions" = 50_000, 100_000;
    /// Size of one function body.
    function_body_bytes: "bytes" = MIB, MIB;
    /// Locals of one function.
    function_locals: "locals" = 5_000, 50_000;
    /// Imports of a component.
    component_imports: "imports" = 2_000, 2_000;
    /// CPU time of the compiler.
    compile_cpu_ms: "ms" = 60_000, 120_000;
    /// Wall time of the compiler.
    compile_wall_ms: "ms" = 120_000, 240_000;
    /// Memory of the compiler.
    compile_memory_bytes: "bytes" = 2 * GIB, 4 * GIB;
    /// Size of one record: key, value and headers.
    record_bytes: "bytes" = MIB, 16 * MIB;
    /// Records of one batch.
    batch_records: "records" = 32_768, 65_536;
    /// Size of one batch.
    batch_bytes: "bytes" = 4 * MIB, 16 * MIB;
    /// Size of what one call answers.
    output_bytes: "bytes" = 8 * MIB, 64 * MIB;
    /// Operations of what one call answers.
    output_records: "operations" = 100_000, 1_000_000;
    /// Output topics of a deployment.
    output_topics: "topics" = 16, 256;
    /// Size of a state key.
    state_key_bytes: "bytes" = 8 * KIB, 64 * KIB;
    /// Size of a state value.
    state_value_bytes: "bytes" = MIB, 16 * MIB;
    /// State of a deployment.
    state_bytes: "bytes" = GIB, 1024 * GIB;
    /// Live panes of a task.
    panes: "panes" = 1_000_000, 100_000_000;
    /// Contents of a pane.
    pane_bytes: "bytes" = 64 * MIB, GIB;
    /// How far ahead of the wall clock a record may move the watermark.
    ahead_ms: "ms" = 86_400_000, 31_622_400_000_000;
    /// Timers of a task.
    timers: "timers" = 1_000_000, 100_000_000;
    /// Headers of a record.
    record_headers: "headers" = 64, 1_024;
    /// Size of a record's headers.
    header_bytes: "bytes" = 64 * KIB, MIB;
    /// Length of a log line.
    log_line_bytes: "bytes" = 4 * KIB, 64 * KIB;
    /// Log of one call.
    log_call_bytes: "bytes" = 64 * KIB, MIB;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_lets_its_value_through_and_refuses_one_more() {
        for limit in Limits::default().all() {
            limit.check(limit.value, "x").unwrap();
            let error = limit.check(limit.value + 1, "the thing").unwrap_err();
            assert_eq!(error.code, "E-LIMIT");
            assert!(error.to_string().contains(limit.name), "{error}");
        }
    }

    #[test]
    fn every_limit_can_be_set_up_to_its_ceiling_and_not_past_it() {
        let mut limits = Limits::default();
        for limit in Limits::default().all() {
            limits.set(limit.name, limit.ceiling).unwrap();
            let error = limits.set(limit.name, limit.ceiling + 1).unwrap_err();
            assert_eq!(error.code, "E-LIMIT-CEILING");
            assert_eq!(limits.set(limit.name, 0).unwrap_err().code, "E-LIMIT-CEILING");
        }
        assert_eq!(limits.set("nope", 1).unwrap_err().code, "E-LIMIT-UNKNOWN");
    }
}
