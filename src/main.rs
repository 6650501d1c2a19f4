//! The program `obit`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(obit::cli::run(std::env::args_os()))
}
