//! rmachine.json: what rmachine alone knows of a machine, beside docker-machine's config.json.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rmachine_driver::{Cause, JournalRecord, Phase};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::{Declared, InstallMethod, Membership};
use crate::store::{EngineOptions, OWN, StoreError, files, json};

const VERSION: u64 = 1;

/// How an engine is reached that somebody else configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adopted {
    /// Its Unix socket, through the host's SSH.
    Ssh,
    /// Its port, with certificates that were given.
    Tls,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OwnState {
    version: u64,
    /// In the tag of everything a driver makes for this machine.
    pub(crate) uuid: Uuid,
    pub(crate) phase: Phase,
    /// Unknown for a machine that docker-machine made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<Timestamp>,
    /// When `prune` may remove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    /// The pinned host key, one line in OpenSSH's form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host_key: Option<String>,
    /// The key that the host is about to show in place of the pinned one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_host_key: Option<String>,
    /// The name by which `~/.ssh/config` knows the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ssh_host: Option<String>,
    #[serde(default)]
    pub(crate) install_method: InstallMethod,
    /// The version that the engine is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine_version: Option<String>,
    /// The engine is somebody else's: nothing on its host is ours to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) adopted: Option<Adopted>,
    /// What its engine was told, or may have been if a run was cut off: to be taken back when it is not wanted any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) told: Vec<EngineOptions>,
    /// The cluster that it belongs to, or is to join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) swarm: Option<Membership>,
    /// What the cluster's file said of it, where it was made of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) declared: Option<Declared>,
    /// What stacks of its cluster want of its engine, by the stack's name: nothing of it is missing from the cluster's file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) stacks: BTreeMap<String, Vec<String>>,
    /// What its `create` made stays at the provider when it fails, to be looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) keep_on_failure: bool,
    /// What the last failed step said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    #[serde(default)]
    pub(crate) journal: Vec<JournalRecord>,
    #[serde(flatten)]
    pub(crate) extra: Map<String, Value>,
}

impl OwnState {
    /// Of a machine that is about to be made.
    pub fn new(created: Timestamp) -> Self {
        Self { phase: Phase::Reserved, created: Some(created), ..Self::default() }
    }

    pub(super) fn text(&self) -> Result<String, StoreError> {
        json::pretty(self).map_err(|source| StoreError::Encode { path: PathBuf::from(OWN), source })
    }

    pub(super) fn parse(text: &[u8], path: &Path) -> Result<Self, StoreError> {
        let damaged = |source: Cause| StoreError::BadOwn { path: path.to_owned(), source };
        let document: Value = serde_json::from_slice(text).map_err(|e| damaged(e.into()))?;
        // Before the rest: a newer version may keep it in another form.
        match document.get("Version").and_then(Value::as_u64) {
            Some(VERSION) => serde_json::from_value(document).map_err(|e| damaged(e.into())),
            Some(version) if version > VERSION => {
                Err(StoreError::FutureOwn { path: path.to_owned(), version })
            }
            _ => Err(damaged("it states no version".into())),
        }
    }
}

/// Of a machine that docker-machine made: ready, under a new uuid that is kept from the next save on.
impl Default for OwnState {
    fn default() -> Self {
        Self {
            version: VERSION,
            uuid: Uuid::new_v4(),
            phase: Phase::Ready,
            created: None,
            expires: None,
            host_key: None,
            next_host_key: None,
            ssh_host: None,
            install_method: InstallMethod::default(),
            engine_version: None,
            adopted: None,
            told: Vec::new(),
            swarm: None,
            declared: None,
            stacks: BTreeMap::new(),
            keep_on_failure: false,
            failure: None,
            journal: Vec::new(),
            extra: Map::new(),
        }
    }
}

/// `None` when there is no file: docker-machine made the machine.
pub(super) fn load(dir: &Path) -> Result<Option<OwnState>, StoreError> {
    let path = dir.join(OWN);
    match files::read(&path) {
        Ok(text) => OwnState::parse(&text, &path).map(Some),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(StoreError::Read { path, source }),
    }
}
