//! The store's locks. docker-machine knows no locks and is not kept out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rmachine_driver::MachineName;
use rmachine_host::{FileLock, LockError};

use crate::model::ClusterName;
use crate::store::StoreError;

/// The right to change one machine, until it is dropped.
#[derive(Debug)]
pub(crate) struct MachineLock {
    name: MachineName,
    _file: FileLock,
}

/// The right to make the CA and the client's certificate, until it is dropped.
#[derive(Debug)]
pub(crate) struct CertsLock(#[cfg_attr(not(test), expect(dead_code, reason = "held for its drop"))] FileLock);

/// The right to found a cluster or to change its managers, until it is dropped: one at a time is what raft bears best.
#[derive(Debug)]
pub(crate) struct ClusterLock(#[expect(dead_code, reason = "held for its drop")] FileLock);

impl MachineLock {
    pub(crate) fn name(&self) -> &MachineName {
        &self.name
    }

    /// The process that has it now, for whoever only looks: nothing is written, and nobody is kept waiting.
    pub(super) fn holder(machines: &Path, name: &MachineName) -> Option<u32> {
        FileLock::holder(&path(machines, name))
    }

    pub(super) async fn take(
        machines: &Path,
        name: &MachineName,
        wait: Duration,
    ) -> Result<Self, StoreError> {
        let path = path(machines, name);
        let file = take(path, wait, || format!("Docker machine \"{name}\"")).await?;
        Ok(Self { name: name.clone(), _file: file })
    }
}

fn path(machines: &Path, name: &MachineName) -> PathBuf {
    machines.join(format!(".{name}.lock"))
}

impl ClusterLock {
    pub(super) async fn take(root: &Path, name: &ClusterName, wait: Duration) -> Result<Self, StoreError> {
        let path = root.join(format!(".swarm-{name}.lock"));
        Ok(Self(take(path, wait, || format!("The swarm \"{name}\"")).await?))
    }
}

impl CertsLock {
    pub(super) async fn take(root: &Path, wait: Duration) -> Result<Self, StoreError> {
        // Not in certs/: users empty that folder to have new certificates.
        let what = || format!("The folder of certificates in {}", root.display());
        Ok(Self(take(root.join(".certs.lock"), wait, what).await?))
    }

    /// The file that is locked.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Waits for a lock. `what` names in an error what is locked.
pub(super) async fn take(
    path: PathBuf,
    wait: Duration,
    what: impl FnOnce() -> String,
) -> Result<FileLock, StoreError> {
    FileLock::take(path, wait).await.map_err(|error| match error {
        LockError::Busy { path, pid } => StoreError::Busy { what: what(), pid, path },
        LockError::Open { path, source } => StoreError::Write { path, source },
    })
}
