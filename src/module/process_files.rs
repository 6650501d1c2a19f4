//! Files of a process that is still there: as it sees them, which in a container is not as this program sees them, and
//! those that were deleted since (proc_pid_root(5), proc_pid_exe(5), proc_pid_map_files(5)).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::find::join_rooted;
use crate::image::ModuleSeed;

/// Where a process's files are.
#[derive(Clone, Debug)]
pub struct ProcessFiles {
    directory: PathBuf,
    /// The process sees other files than this program under the same names.
    apart: bool,
}

impl ProcessFiles {
    /// Of a process.
    pub fn of(pid: i32) -> ProcessFiles {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let root = |path: &Path| fs::metadata(path).map(|root| (root.dev(), root.ino())).ok();
        let mounts = |directory: &Path| fs::read_link(directory.join("ns/mnt")).ok();
        let apart = root(&directory.join("root/")) != root(Path::new("/"))
            || mounts(&directory) != mounts(Path::new("/proc/self"));
        ProcessFiles { directory, apart }
    }

    /// The root directory of the process, where it is not this program's.
    pub fn root(&self) -> Option<PathBuf> {
        self.apart.then(|| self.directory.join("root"))
    }

    /// The process's own file of that name, where names mean something else to it.
    pub fn by_name(&self, path: &Path) -> Option<PathBuf> {
        Some(join_rooted(&self.root()?, path))
    }

    /// The file that is mapped, whatever became of its name.
    pub fn mapped(&self, seed: &ModuleSeed) -> Option<PathBuf> {
        if seed.is_executable {
            return Some(self.directory.join("exe"));
        }
        let (start, end, _) = seed.mapped.first()?;
        Some(self.directory.join(format!("map_files/{:x}-{:x}", start.0, end.0)))
    }
}
