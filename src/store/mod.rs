//! What is on disk: docker-machine's store, our own state beside it, locks, and every write the program makes.
//!
//! A machine is a folder in `machines/` that holds at least its `config.json`; names that begin with a dot are ours:
//! `.NAME.lock`, `.NAME.new` (being reserved) and `.NAME.gone` (being removed). Reading takes no lock and writes
//! nothing. Paths that are not UTF-8 are kept in config.json as near as JSON can; the store never prints.

mod change;
mod config;
mod credentials;
mod error;
mod files;
mod journal;
pub(crate) mod json;
mod lock;
mod migrate;
mod own;
mod place;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use rmachine_driver::MachineName;

use crate::model::ClusterName;

pub use config::{AuthOptions, EngineOptions, HostConfig, HostOptions, List, SwarmOptions};
pub(crate) use error::StoreError;
pub(crate) use journal::StoreJournal;
pub(crate) use lock::{CertsLock, ClusterLock, MachineLock};
pub use own::{Adopted, OwnState};
pub(crate) use place::Arrival;

/// docker-machine's file in a machine's folder.
const CONFIG: &str = "config.json";
/// Its form before a migration.
const BACKUP: &str = "config.json.bak";
/// Our own file beside it.
const OWN: &str = "rmachine.json";

/// A folder of machines. Nothing is made in it before something has to be written.
#[derive(Debug, Clone)]
pub struct Store {
    root: Arc<Path>,
}

/// A machine as it is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMachine {
    pub(crate) config: HostConfig,
    pub(crate) own: OwnState,
}

/// What could be read of a machine, for `ls` and for `rm` of a broken one.
#[derive(Debug)]
pub(crate) struct Readable {
    pub(crate) config: Result<HostConfig, StoreError>,
    pub(crate) own: Result<OwnState, StoreError>,
}

impl Store {
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into().into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn machines_dir(&self) -> PathBuf {
        self.root.join("machines")
    }

    pub fn machine_dir(&self, name: &MachineName) -> PathBuf {
        self.machines_dir().join(name.as_str())
    }

    pub fn certs_dir(&self) -> PathBuf {
        self.root.join("certs")
    }

    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// All machines in byte order, broken ones too. Reads one directory and no file.
    pub(crate) fn names(&self) -> Result<Vec<MachineName>, StoreError> {
        let dir = self.machines_dir();
        let entries = match fs::read_dir(&dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(StoreError::read(&dir))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.and_then(|e| name_of(&e)).map_err(StoreError::read(&dir))?);
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether the machine's folder is there.
    pub(crate) fn exists(&self, name: &MachineName) -> bool {
        self.machine_dir(name).is_dir()
    }

    /// The same for whoever means to remove it: a folder that cannot be looked for is not missing.
    pub(crate) fn find(&self, name: &MachineName) -> Result<bool, StoreError> {
        let dir = self.machine_dir(name);
        match fs::metadata(&dir) {
            Ok(found) => Ok(found.is_dir()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(StoreError::read(&dir)(e)),
        }
    }

    /// Takes no lock and writes nothing: an old config.json is migrated in memory alone. To change a machine, lock
    /// it first and load it then.
    pub(crate) fn load(&self, name: &MachineName) -> Result<StoredMachine, StoreError> {
        let Readable { config, own } = self.load_lenient(name)?;
        Ok(StoredMachine { config: config?, own: own? })
    }

    /// Our own state alone, for what is asked of many machines.
    pub(crate) fn load_own(&self, name: &MachineName) -> Result<OwnState, StoreError> {
        own::load(&self.machine_dir(name)).map(Option::unwrap_or_default)
    }

    /// What can be read of a machine; fails only when the machine is not there.
    pub(crate) fn load_lenient(&self, name: &MachineName) -> Result<Readable, StoreError> {
        let dir = self.machine_dir(name);
        let config = config::load(&dir, &self.root, name);
        let own = own::load(&dir);
        let nothing_read = matches!(config, Err(StoreError::NoConfig(_))) || matches!(own, Ok(None));
        // Asked last: `rm` may have taken the folder away between the two reads.
        if nothing_read && !dir.is_dir() {
            return Err(StoreError::Missing(name.clone()));
        }
        Ok(Readable { config, own: own.map(Option::unwrap_or_default) })
    }

    /// The process that is changing a machine right now, as far as it told.
    pub(crate) fn busy(&self, name: &MachineName) -> Option<u32> {
        MachineLock::holder(&self.machines_dir(), name)
    }

    /// Waits until no other process works on the machine, which need not exist yet. Makes the store's folders, so
    /// every command but `create` looks first whether the machine is there.
    pub(crate) async fn lock(&self, name: &MachineName, wait: Duration) -> Result<MachineLock, StoreError> {
        files::make_dir(&self.machines_dir())?;
        let lock = MachineLock::take(&self.machines_dir(), name, wait).await?;
        self.sweep(name);
        Ok(lock)
    }

    /// Waits for the right to make or renew the CA and the client's certificate.
    pub(crate) async fn certs_lock(&self, wait: Duration) -> Result<CertsLock, StoreError> {
        files::make_dir(&self.certs_dir())?;
        CertsLock::take(&self.root, wait).await
    }

    /// Waits for the right to found a cluster, or to change who its managers are.
    pub(crate) async fn cluster_lock(
        &self,
        name: &ClusterName,
        wait: Duration,
    ) -> Result<ClusterLock, StoreError> {
        files::make_dir(&self.root)?;
        ClusterLock::take(&self.root, name, wait).await
    }

    /// Writes a file as a whole or not at all, and returns once it is on disk. The folder must be there; what was
    /// under that name, a link too, is replaced. The mode is exact, whatever the umask.
    pub fn write_file(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
        let mut batch = files::Batch::default();
        batch.stage(path, bytes, mode)?;
        batch.commit()
    }

    /// Deletes a file, which may be gone already.
    pub(crate) fn remove_file(&self, path: &Path) -> Result<(), StoreError> {
        files::remove_file(path).map_err(StoreError::write(path))
    }

    /// Makes a folder of the store, and what is missing above it, for its owner alone.
    pub fn make_dir(&self, path: &Path) -> Result<(), StoreError> {
        files::make_dir(path)
    }

    /// Deletes a file or folder of the store's, if it is there.
    pub(crate) fn clear(&self, path: &Path) -> Result<(), StoreError> {
        files::clear(path).map_err(StoreError::write(path))
    }

    /// A hidden folder in which something happens to a machine as a whole.
    fn hidden(&self, name: &MachineName, suffix: &str) -> PathBuf {
        self.machines_dir().join(format!(".{name}.{suffix}"))
    }
}

/// The machine that a directory entry is, if it is one.
fn name_of(entry: &fs::DirEntry) -> io::Result<Option<MachineName>> {
    let name = entry.file_name();
    let name = name.to_str().and_then(|n| MachineName::existing(n).ok());
    Ok(if name.is_some() && entry.file_type()?.is_dir() { name } else { None })
}
