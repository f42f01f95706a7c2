//! The `detector` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    detector::main()
}
