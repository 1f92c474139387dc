//! The host key of a first boot: made here so that the first connection is to nobody else, and replaced on the host by
//! one that nobody else ever saw, a provider's metadata service included. A host that did not take it, for its image
//! reads nothing at its first boot, can still show that it was given it: what was given, only it can read.

use std::borrow::Cow;
use std::time::Duration;

use rmachine_driver::Endpoint;
use rmachine_driver::secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::machines::{Machine, Machines, SHELL};
use crate::model::Failure;
use crate::provision::{HostScript, host_script};
use crate::ssh::{HostKeyPolicy, KeyPair, Session, same_key};
use crate::store::MachineLock;

const NAME: &str = "first_host_key";
const NEW_KEY: &str = include_str!("../../templates/host/new-host-key.sh");
const GIVEN: &str = include_str!("../../templates/host/first-boot-data.sh");
/// Patience with a stranger who may never answer, and with an image whose first boot is not over.
const PROOF: Duration = Duration::from_secs(180);

impl Machines {
    /// The pair that a driver gives to its machine; the same when a `create` is resumed.
    pub(crate) fn first_host_key(&self, machine: &Machine) -> Result<Option<KeyPair>, Failure> {
        if machine.driver()?.features().first_host_key.is_none() {
            return Ok(None);
        }
        let comment = format!("rmachine {} first boot", machine.name);
        self.pair(&machine.dir.join(NAME), &comment).map(Some)
    }

    /// Has a host that showed the key of its first boot make one of its own. The new key is on disk before the host uses
    /// it, and the old one is known until it does: a run that ends in between leaves a machine that is still recognised.
    pub(crate) async fn replace_first_key(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        session: &Session,
    ) -> Result<(), Failure> {
        let Some(first) = self.planted(machine) else { return Ok(()) };
        if same_key(session.host_key(), &first) {
            let use_key = host_script(HostScript::UseHostKey).map_err(|e| Failure::new(e.to_string()))?;
            let failed = "the host made no host key of its own";
            let new = self.on_host(session, NEW_KEY, failed).await?;
            machine.stored.own.next_host_key = Some(new.trim().to_owned());
            self.save(lock, machine)?;
            self.on_host(session, &use_key, failed).await?;
            machine.stored.own.host_key = machine.stored.own.next_host_key.take();
            self.save(lock, machine)?;
        }
        self.forget_first_key(machine)
    }

    /// Whether a host that showed another key than the one it was given is the machine all the same. Somebody in between
    /// cannot know the private half of that key: it was told to the machine alone, which hands it to nobody but itself and
    /// whoever logs in, and the login does not work through somebody in between. Nothing secret is told to the stranger.
    pub(crate) async fn proves_itself(&self, machine: &mut Machine, endpoint: &Endpoint, seen: &str) -> bool {
        let Some(told_at) = self.told_at(machine) else { return false };
        let proof = timeout(PROOF, self.proof(machine, endpoint, seen, &told_at)).await;
        let key = match proof {
            Ok(Ok(Some(key))) => key,
            other => {
                tracing::debug!(machine = %machine.name, proof = ?other.map(|p| p.map(|_| ())), "not proved");
                return false;
            }
        };
        let text = format!(
            "It did not take the host key that was made for it, as an image without cloud-init does not. It has shown by \
             what only it is told that it is this machine: its key {seen} is pinned"
        );
        self.reporter.warn(&machine.name, &text);
        machine.stored.own.next_host_key = Some(key);
        true
    }

    fn told_at(&self, machine: &Machine) -> Option<Cow<'static, str>> {
        let first = machine.driver().ok()?.features().first_host_key?;
        let never_seen = machine.stored.own.host_key.is_none();
        first.user_data_url.filter(|_| never_seen && self.planted(machine).is_some())
    }

    /// The key that the host showed, once it has told what was given to it.
    async fn proof(
        &self,
        machine: &Machine,
        endpoint: &Endpoint,
        seen: &str,
        told_at: &str,
    ) -> Result<Option<String>, Failure> {
        let Some(planted) = self.first_host_key(machine)? else { return Ok(None) };
        let policy = HostKeyPolicy::Fingerprint(seen.to_owned());
        let session = self.attempt_with(machine, endpoint, policy, crate::machines::connect::CONNECT).await?;
        let output = session.output(&format!("{SHELL} -- {told_at}"), GIVEN.as_bytes()).await?;
        let key = session.host_key().to_owned();
        session.close().await;
        Ok(holds(&String::from_utf8_lossy(&output.stdout), planted.private.expose_secret()).then_some(key))
    }

    /// What a host that showed another key is to be told of; nothing where it was given none.
    pub(crate) fn not_planted(&self, machine: &Machine) -> Option<String> {
        let first = machine.driver().ok()?.features().first_host_key?;
        let never_seen = machine.stored.own.host_key.is_none() && self.planted(machine).is_some();
        let flag = first.opt_out_flag.filter(|_| never_seen)?;
        Some(format!(
            "it is not the key that was made for its first boot, and the host did not show otherwise that it is this \
             machine. Somebody may be in between; or its image has no cloud-init: create it with --{flag}, and the key is \
             pinned unverified when it is first seen"
        ))
    }

    /// The key that the machine's driver gave to it and that has not been replaced yet.
    fn planted(&self, machine: &Machine) -> Option<String> {
        let known = machine.description().endpoint?.host_key?;
        machine.dir.join(NAME).is_file().then_some(known)
    }

    pub(crate) async fn on_host(
        &self,
        session: &Session,
        script: &str,
        failed: &str,
    ) -> Result<String, Failure> {
        let output = session.output(SHELL, script.as_bytes()).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(format!("{failed}: {}", output.status)).detail(says))
    }

    fn forget_first_key(&self, machine: &Machine) -> Result<(), Failure> {
        let path = machine.dir.join(NAME);
        // The private half last: its presence says that there is something to do.
        [path.with_extension("pub"), path]
            .iter()
            .try_for_each(|file| self.store.remove_file(file))
            .map_err(Failure::from)
    }
}

/// Every line of the key, whatever stands for the ends of lines in what was read.
fn holds(told: &str, private: &str) -> bool {
    let mut lines = private.lines().filter(|line| !line.is_empty() && !line.starts_with("-----")).peekable();
    lines.peek().is_some() && lines.all(|line| told.contains(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_the_whole_key_was_given_it() {
        let key =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\naC1rZXkt\n-----END OPENSSH PRIVATE KEY-----\n";
        let config = format!("#cloud-config\n{{\"ssh_keys\":{{\"ed25519_private\":{key:?}}}}}\n");
        assert!(holds(&config, key) && holds(key, key));
        assert!(!holds(&config.replace("aC1rZXkt", ""), key), "a part of it is none");
        assert!(!holds("-----BEGIN OPENSSH PRIVATE KEY-----", key) && !holds("", key));
        assert!(!holds(&config, "") && !holds(&config, "-----BEGIN"), "without a key there is no proof");
    }
}
