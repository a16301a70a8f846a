//! The `pelton` command line, as a binary that Cargo builds for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    pelton::main()
}
