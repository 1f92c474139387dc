//! The host key of a first boot: made here so that the first connection is to nobody else, and replaced on the host by
//! one that nobody else ever saw, a provider's metadata service included.

use super::{Failure, Lifecycle, Machine, SHELL};
use crate::ssh::{KeyPair, Session, same_key};
use crate::store::MachineLock;

const NAME: &str = "first_host_key";
const NEW_KEY: &str = include_str!("../../templates/host/new-host-key.sh");
const USE_KEY: &str = include_str!("../../templates/host/use-host-key.sh");

impl Lifecycle {
    /// The pair that a driver gives to its machine; the same when a `create` is resumed.
    pub(super) fn first_host_key(&self, machine: &Machine) -> Result<Option<KeyPair>, Failure> {
        if !machine.driver()?.features().first_host_key {
            return Ok(None);
        }
        let comment = format!("rmachine {} first boot", machine.name);
        self.pair(&machine.dir.join(NAME), &comment).map(Some)
    }

    /// Has a host that showed the key of its first boot make one of its own. The new key is on disk before the host uses
    /// it, and the old one is known until it does: a run that ends in between leaves a machine that is still recognised.
    pub(super) async fn replace_first_key(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        session: &Session,
    ) -> Result<(), Failure> {
        let Some(first) = self.planted(machine) else { return Ok(()) };
        if same_key(session.host_key(), &first) {
            let new = self.on_host(session, NEW_KEY).await?;
            machine.stored.own.next_host_key = Some(new.trim().to_owned());
            self.save(lock, machine)?;
            self.on_host(session, USE_KEY).await?;
            machine.stored.own.host_key = machine.stored.own.next_host_key.take();
            self.save(lock, machine)?;
        }
        self.forget_first_key(machine)
    }

    /// The key that the machine's driver gave to it and that has not been replaced yet.
    fn planted(&self, machine: &Machine) -> Option<String> {
        let known = machine.description().endpoint?.host_key?;
        machine.dir.join(NAME).is_file().then_some(known)
    }

    async fn on_host(&self, session: &Session, script: &str) -> Result<String, Failure> {
        let output = session.output(SHELL, script.as_bytes()).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(format!("the host made no host key of its own: {}", output.status)).detail(says))
    }

    fn forget_first_key(&self, machine: &Machine) -> Result<(), Failure> {
        let path = machine.dir.join(NAME);
        // The private half last: its presence says that there is something to do.
        [path.with_extension("pub"), path]
            .iter()
            .try_for_each(|file| self.store.remove_file(file))
            .map_err(|e| self.store_failure(&e))
    }
}
