//! The compiler's process as a program of its own, for tests and for embedders whose own program
//! has no command for it. `pelton` has a hidden one.

use std::process::ExitCode;

fn main() -> ExitCode {
    pelton_host::compile_child_main(std::env::args().skip(1))
}
