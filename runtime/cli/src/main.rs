//! The `pelton` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    pelton::main()
}
