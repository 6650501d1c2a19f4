//! A cluster's processes: `scheduler`, `executor`.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::store::StoreError;
use crate::store::cluster::{self, Address, Executor};

#[derive(clap::Args, Debug)]
pub struct ExecutorArgs {
    /// Where the scheduler and other executors reach this one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// The port for results; the one for tasks is the next
    #[arg(long, value_name = "PORT", default_value_t = 50051)]
    port: u16,
    /// Tasks at once [default: as many as there are cores]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    cores: usize,
    /// Where results between stages are kept [default: a directory of its own below the temporary one]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

pub async fn scheduler(url: &str) -> Result<(), StoreError> {
    let address = Address::parse(url)?;
    writeln!(io::stdout(), "ballista://{}:{}", address.host, address.port)?;
    io::stdout().flush()?;
    tokio::select! {
        done = cluster::schedule(&address) => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

pub async fn executor(url: &str, args: &ExecutorArgs) -> Result<(), StoreError> {
    let scheduler = Address::parse(url)?;
    let tasks = args.port.checked_add(1).ok_or_else(|| StoreError::Usage("--port: at most 65534".to_owned()))?;
    let own = args.directory.is_none();
    let directory = args
        .directory
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("obit-executor-{}-{}", args.port, std::process::id())));
    std::fs::create_dir_all(&directory).map_err(StoreError::file(&directory))?;
    let ports = (args.port, tasks);
    let executor =
        Executor { scheduler, host: args.host.clone(), ports, cores: args.cores, directory: directory.clone() };
    let done = cluster::execute(&executor).await;
    if own {
        // What is left is of no use to anybody.
        let _ = std::fs::remove_dir_all(&directory);
    }
    done
}
