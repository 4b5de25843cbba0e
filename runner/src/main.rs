//! The `canary` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    canary::cli::run(std::env::args_os())
}
