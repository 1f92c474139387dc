//! How machines come into the store, change in it and leave it: each by one rename, so that a kill at any moment
//! leaves the machine as it was or as it was meant to be.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rmachine_driver::{Import, MachineName, describe_error};
use serde_json::Value;

use crate::store::{
    BACKUP, CONFIG, MachineLock, OWN, OwnState, Store, StoreError, StoredMachine, config, files, migrate,
};

/// Files of a machine may hold keys and tokens.
const MODE: u32 = 0o600;

impl Store {
    /// Puts a new machine into the store, whole: with its config.json, our own file and copies of the user's files.
    /// Returns a line for each optional file that was not there. On an error there is no machine.
    pub(crate) fn reserve(
        &self,
        lock: &MachineLock,
        machine: &StoredMachine,
        imports: &[Import],
    ) -> Result<Vec<String>, StoreError> {
        let dir = self.free_dir(lock.name())?;
        let new = self.hidden(lock.name(), "new");
        let placed = build(&new, machine, imports).and_then(|notes| {
            files::rename(&new, &dir).map_err(StoreError::write(&dir))?;
            Ok(notes)
        });
        if placed.is_err() {
            // What cannot be deleted now is deleted by the next one to lock this name.
            let _ = files::clear(&new);
        }
        placed
    }

    /// Writes what has changed of a machine: config.json first, so that the phase never runs ahead of it. The first
    /// save of a migrated machine keeps its old file as config.json.bak.
    pub(crate) fn save(&self, lock: &MachineLock, machine: &StoredMachine) -> Result<(), StoreError> {
        let dir = self.dir_of(lock)?;
        let mut batch = files::Batch::default();
        let (path, text) = (dir.join(CONFIG), machine.config.to_json_pretty()?);
        let old = read(&path)?;
        if old.as_deref() != Some(text.as_bytes()) {
            if let Some(old) = old.filter(|old| !is_current(old)) {
                batch.stage(&dir.join(BACKUP), &old, MODE)?;
            }
            batch.stage(&path, text.as_bytes(), MODE)?;
        }
        stage_own(&mut batch, &dir, &machine.own)?;
        batch.commit()
    }

    /// Writes our own file alone, when it has changed.
    pub(crate) fn save_own(&self, lock: &MachineLock, own: &OwnState) -> Result<(), StoreError> {
        let mut batch = files::Batch::default();
        stage_own(&mut batch, &self.dir_of(lock)?, own)?;
        batch.commit()
    }

    /// Takes a machine out of the store, whatever is in its folder. It is gone at once, by a rename; a kill after that
    /// leaves a hidden folder, which the next removal of any machine deletes.
    pub(crate) fn remove(&self, lock: MachineLock) -> Result<(), StoreError> {
        let dir = self.machine_dir(lock.name());
        let gone = self.hidden(lock.name(), "gone");
        if !dir.is_dir() && !dir.is_symlink() {
            return Err(StoreError::Missing(lock.name().clone()));
        }
        files::clear(&gone).map_err(StoreError::write(&gone))?;
        files::rename(&dir, &gone).map_err(StoreError::write(&dir))?;
        let cleared = files::clear(&gone);
        self.sweep_gone();
        drop(lock);
        cleared.map_err(|source| StoreError::Leftover { path: gone, source })
    }

    /// Deletes what a killed process left of this machine. A failure shows itself where it matters, in what follows.
    pub(super) fn sweep(&self, name: &MachineName) {
        for left in [self.hidden(name, "new"), self.hidden(name, "gone")] {
            if let Err(e) = files::clear(&left) {
                tracing::debug!("cannot delete {}: {e}", left.display());
            }
        }
    }

    /// Deletes all that removals left, of any name: it has no use and no owner, so this takes no lock.
    fn sweep_gone(&self) {
        for entry in fs::read_dir(self.machines_dir()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(".gone") {
                let _ = files::clear(&entry.path());
            }
        }
    }

    /// Where a new machine goes.
    pub(super) fn free_dir(&self, name: &MachineName) -> Result<PathBuf, StoreError> {
        let dir = self.machine_dir(name);
        match fs::symlink_metadata(&dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(dir),
            Err(e) => Err(StoreError::write(&dir)(e)),
            Ok(_) if dir.is_dir() => Err(StoreError::AlreadyExists(name.clone())),
            Ok(_) => Err(StoreError::InTheWay(dir)),
        }
    }

    /// Where a machine is: one that was removed by another tool does not come back by a save.
    fn dir_of(&self, lock: &MachineLock) -> Result<PathBuf, StoreError> {
        let dir = self.machine_dir(lock.name());
        if dir.is_dir() { Ok(dir) } else { Err(StoreError::Missing(lock.name().clone())) }
    }
}

fn build(new: &Path, machine: &StoredMachine, imports: &[Import]) -> Result<Vec<String>, StoreError> {
    files::clear(new).and_then(|()| files::new_dir(new)).map_err(StoreError::write(new))?;
    let mut batch = files::Batch::default();
    batch.stage(&new.join(CONFIG), machine.config.to_json_pretty()?.as_bytes(), MODE)?;
    batch.stage(&new.join(OWN), machine.own.text()?.as_bytes(), MODE)?;
    let mut notes = Vec::new();
    for import in imports {
        notes.extend(stage_import(&mut batch, new, import)?);
    }
    batch.commit()?;
    Ok(notes)
}

/// Returns a line when the file is not there and need not be.
fn stage_import(batch: &mut files::Batch, new: &Path, import: &Import) -> Result<Option<String>, StoreError> {
    if !is_plain(&import.name) || [CONFIG, BACKUP, OWN].contains(&import.name.as_str()) {
        return Err(StoreError::ImportName(import.name.clone()));
    }
    match fs::read(&import.from) {
        Ok(bytes) => batch.stage(&new.join(&import.name), &bytes, MODE).map(|()| None),
        Err(e) if import.optional && e.kind() == ErrorKind::NotFound => {
            Ok(Some(format!("{} is not copied: {}", import.from.display(), describe_error(&e))))
        }
        Err(source) => Err(StoreError::Read { path: import.from.clone(), source }),
    }
}

/// Whether a name is that of a file in the folder it is put into, and nowhere else.
pub(super) fn is_plain(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|last| last == name)
}

fn stage_own(batch: &mut files::Batch, dir: &Path, own: &OwnState) -> Result<(), StoreError> {
    let (path, text) = (dir.join(OWN), own.text()?);
    if read(&path)?.as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    batch.stage(&path, text.as_bytes(), MODE)
}

/// Whether a config.json is of the version that is written; one that cannot be read is worth keeping, too.
fn is_current(text: &[u8]) -> bool {
    matches!(
        serde_json::from_slice(text),
        Ok(Value::Object(document)) if matches!(migrate::version(&document), Ok(config::VERSION))
    )
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(StoreError::read(path)),
    }
}
