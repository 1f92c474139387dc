//! Machines that come as a whole from elsewhere: each is in the store with all of its files, or not at all.

use std::path::PathBuf;

use rmachine_driver::MachineName;

use crate::store::{CONFIG, MachineLock, OWN, OwnState, Store, StoreError, StoredMachine, config, files};

/// A machine and the files that lie beside its config.json.
pub(crate) struct Arrival<'a> {
    pub(crate) lock: &'a MachineLock,
    pub(crate) machine: &'a StoredMachine,
    pub(crate) files: &'a [(String, Vec<u8>)],
}

/// Files of a machine may hold keys and tokens.
const MODE: u32 = 0o600;

impl Store {
    /// All of them, or none: what cannot be placed takes the others back. Between two of several a kill may leave the
    /// first, each whole.
    pub(crate) fn place(&self, arrivals: &[Arrival<'_>]) -> Result<(), StoreError> {
        let mut placed: Vec<(PathBuf, PathBuf)> = Vec::new();
        let done = self.build_all(arrivals).and_then(|built| {
            for (new, dir) in built {
                files::rename(&new, &dir).map_err(StoreError::write(&dir))?;
                placed.push((new, dir));
            }
            Ok(())
        });
        if done.is_err() {
            for (new, dir) in placed {
                // What cannot be taken back is a machine that works.
                let _ = files::rename(&dir, &new);
            }
            for arrival in arrivals {
                let _ = files::clear(&self.hidden(arrival.lock.name(), "new"));
            }
        }
        done
    }

    /// Understands the two files of a machine that is not here yet.
    pub(crate) fn read_arrival(
        &self,
        name: &MachineName,
        config: &str,
        own: &[u8],
    ) -> Result<StoredMachine, StoreError> {
        let dir = self.machine_dir(name);
        let config = config::HostConfig::parse(config.as_bytes(), &self.root, name);
        let config = config.map_err(|e| e.at(dir.join(CONFIG)))?;
        let own = OwnState::parse(own, &dir.join(OWN))?;
        Ok(StoredMachine { config, own })
    }

    fn build_all(&self, arrivals: &[Arrival<'_>]) -> Result<Vec<(PathBuf, PathBuf)>, StoreError> {
        arrivals.iter().map(|arrival| self.build_one(arrival)).collect()
    }

    fn build_one(&self, arrival: &Arrival<'_>) -> Result<(PathBuf, PathBuf), StoreError> {
        let dir = self.free_dir(arrival.lock.name())?;
        let new = self.hidden(arrival.lock.name(), "new");
        files::clear(&new).and_then(|()| files::new_dir(&new)).map_err(StoreError::write(&new))?;
        let mut batch = files::Batch::default();
        batch.stage(&new.join(CONFIG), arrival.machine.config.to_json_pretty()?.as_bytes(), MODE)?;
        batch.stage(&new.join(OWN), arrival.machine.own.text()?.as_bytes(), MODE)?;
        for (name, bytes) in arrival.files {
            if !crate::store::change::is_plain(name) || [CONFIG, OWN].contains(&name.as_str()) {
                return Err(StoreError::ImportName(name.clone()));
            }
            batch.stage(&new.join(name), bytes, MODE)?;
        }
        batch.commit()?;
        Ok((new, dir))
    }
}
