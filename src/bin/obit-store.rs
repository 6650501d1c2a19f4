//! The program `obit-store`: the fleet's side of obit (`obit store …` hands over to it).

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(obit::store_cli::run(std::env::args_os()))
}
