//! Shipping: what the crash handler spooled goes into the store, and leaves the spool once it is acknowledged.
//!
//! Each file is read by a process of its own, so that one that cannot be read takes nothing else down. What the store
//! does not take for a time stays where it is; what it will never take goes into `failed/`, with the reason beside it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::StoreError;
use super::id::random;
use crate::capture::spool::is_captured;

/// The child's exit status where it is to be tried again: sysexits.h, EX_TEMPFAIL.
pub const TRY_AGAIN: u8 = 75;
/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(300);
/// A file that takes longer is given up for now.
const DEADLINE: Duration = Duration::from_secs(600);

/// What is shipped, and how.
#[derive(Debug, Clone)]
pub struct Ship {
    /// The store's URL.
    pub url: String,
    /// The handler's directory.
    pub spool: PathBuf,
    /// Attributes that each crash is given.
    pub attributes: BTreeMap<String, String>,
    /// Crashes a minute, at most.
    pub rate: u32,
    /// Go on when the spool is empty.
    pub follow: bool,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shipped {
    /// Acknowledged.
    pub shipped: usize,
    /// Will never be taken.
    pub failed: usize,
    /// Still there.
    pub left: usize,
}

enum Outcome {
    Acknowledged,
    Again(String),
    Never(String),
}

/// Ships until the spool is empty, or until `stop` where it follows. Without following, one failed round ends it.
pub async fn ship(
    ship: &Ship,
    stop: &mut (dyn Future<Output = ()> + Unpin + Send),
    log: &mut (dyn FnMut(String) + Send),
) -> Result<Shipped, StoreError> {
    let mut done = Shipped::default();
    let mut failures = 0u32;
    let between = Duration::from_secs(60) / ship.rate.max(1);
    loop {
        let mut again = None;
        for file in spooled(&ship.spool)? {
            let start = Instant::now();
            match one(ship, &file).await? {
                Outcome::Acknowledged => {
                    // Removed only now: what is shipped twice is one crash.
                    match std::fs::remove_file(&file) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(StoreError::file(&file)(error));
                        }
                        _ => {}
                    }
                    done.shipped += 1;
                    failures = 0;
                    log(format!("shipped {}", file.display()));
                }
                Outcome::Never(reason) => {
                    put_aside(&file, &reason)?;
                    done.failed += 1;
                    log(format!("{}: {reason}; put into failed/", file.display()));
                }
                Outcome::Again(reason) => {
                    again = Some(reason);
                    break;
                }
            }
            let rest = between.saturating_sub(start.elapsed());
            tokio::select! {
                () = &mut *stop => return finished(ship, done),
                () = tokio::time::sleep(rest) => {}
            }
        }
        let wait = match again {
            None if !ship.follow => return finished(ship, done),
            None => Duration::from_secs(1),
            Some(reason) => {
                log(reason);
                if !ship.follow {
                    return finished(ship, done);
                }
                failures = failures.saturating_add(1);
                backoff(failures)
            }
        };
        tokio::select! {
            () = &mut *stop => return finished(ship, done),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn finished(ship: &Ship, done: Shipped) -> Result<Shipped, StoreError> {
    Ok(Shipped { left: spooled(&ship.spool)?.len(), ..done })
}

/// Twice as long each time, and never as long as everybody else's: a fleet must not come back as one.
fn backoff(failures: u32) -> Duration {
    let longest = Duration::from_secs(1).saturating_mul(1 << failures.min(10)).min(LONGEST);
    let share = u64::from_str_radix(random().get(..4).unwrap_or("0"), 16).unwrap_or(0) as f64 / 65536.0;
    longest.mul_f64(0.5 + share / 2.0)
}

/// Complete files of the spool, oldest first: snapshots, then cores.
fn spooled(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::file(directory))?,
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter(|entry| entry.file_name().to_str().is_some_and(is_captured))
        .map(|entry| entry.path())
        .collect();
    files.sort_by_key(|file| (file.extension().is_none_or(|extension| extension != "obit"), file.clone()));
    Ok(files)
}

async fn one(ship: &Ship, file: &Path) -> Result<Outcome, StoreError> {
    let program = std::env::current_exe().map_err(StoreError::file(Path::new("/proc/self/exe")))?;
    let mut command = std::process::Command::new(&program);
    command.arg(&ship.url).args(["add", "--spooled"]);
    for (key, value) in &ship.attributes {
        command.arg("--attr").arg(format!("{key}={value}"));
    }
    command.arg("--").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let ran = tokio::task::spawn_blocking(move || run(command)).await;
    let ran = ran.map_err(|error| StoreError::Usage(error.to_string()))?.map_err(StoreError::file(&program))?;
    let (status, said) = ran;
    let said = said.trim().replace('\n', " ");
    Ok(match status {
        Some(0) => Outcome::Acknowledged,
        Some(status) if status == i32::from(TRY_AGAIN) => Outcome::Again(said),
        Some(_) => Outcome::Never(said),
        None => Outcome::Never(format!("reading it ended by a signal {said}")),
    })
}

/// Runs it to its end or to the deadline; exit status and what it said.
fn run(mut command: std::process::Command) -> std::io::Result<(Option<i32>, String)> {
    use std::io::Read;
    let mut child = command.spawn()?;
    let start = Instant::now();
    let mut stderr = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stderr.as_mut().map(|stderr| stderr.take(64 << 10).read_to_end(&mut said));
        String::from_utf8_lossy(&said).into_owned()
    });
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status.code(), reader.join().unwrap_or_default()));
        }
        if start.elapsed() > DEADLINE {
            child.kill()?;
            child.wait()?;
            return Ok((Some(i32::from(TRY_AGAIN)), "took longer than ten minutes".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn put_aside(file: &Path, reason: &str) -> Result<(), StoreError> {
    let directory = file.with_file_name("failed");
    std::fs::create_dir_all(&directory).map_err(StoreError::file(&directory))?;
    let place = directory.join(file.file_name().unwrap_or_default());
    std::fs::rename(file, &place).map_err(StoreError::file(file))?;
    let mut name = place.clone().into_os_string();
    name.push(".reason");
    let reason_file = PathBuf::from(name);
    let mut written = std::fs::File::create(&reason_file).map_err(StoreError::file(&reason_file))?;
    written.write_all(reason.as_bytes()).map_err(StoreError::file(&reason_file))
}

/// A unit that ships what the handler spools.
pub fn unit(ship: &Ship) -> Result<String, StoreError> {
    let program = std::env::current_exe().map_err(StoreError::file(Path::new("/proc/self/exe")))?;
    let mut line = format!("{} {} ship --follow", quoted(&program.to_string_lossy()), quoted(&ship.url));
    line.push_str(&format!(" --spool {} --rate {}", quoted(&ship.spool.to_string_lossy()), ship.rate));
    for (key, value) in &ship.attributes {
        line.push_str(&format!(" --attr {}", quoted(&format!("{key}={value}"))));
    }
    Ok(format!(
        "[Unit]\n\
         Description=Ship crashes to {}\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         ExecStart={line}\n\
         # Credentials of the store, if it needs any: AWS_ACCESS_KEY_ID=... and the like.\n\
         EnvironmentFile=-/etc/obit/ship.env\n\
         Restart=always\n\
         RestartSec=10\n\
         Nice=10\n\
         MemoryMax=1G\n\
         NoNewPrivileges=yes\n\
         ProtectSystem=strict\n\
         ReadWritePaths={}\n\
         PrivateTmp=yes\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        ship.url.replace(['\n', '%'], "?"),
        ship.spool.display()
    ))
}

/// A word of a command line, as systemd reads it (systemd.service(5), "Command lines").
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_differ_and_end_at_five_minutes() {
        for failures in 0..40 {
            let pause = backoff(failures);
            assert!(pause <= LONGEST && pause >= Duration::from_millis(500), "{failures}: {pause:?}");
        }
        assert!(backoff(1) < Duration::from_secs(3) && backoff(12) > Duration::from_secs(100));
    }

    #[test]
    fn a_unit_names_what_it_ships() {
        let ship = Ship {
            url: "s3://b/50%".to_owned(),
            spool: "/var/spool/obit".into(),
            attributes: [("tier".to_owned(), "a b".to_owned())].into(),
            rate: 60,
            follow: true,
        };
        let unit = unit(&ship).unwrap();
        assert!(
            unit.contains(r#""s3://b/50%%" ship --follow --spool "/var/spool/obit" --rate 60 --attr "tier=a b""#),
            "{unit}"
        );
    }
}
