//! Engines that somebody else configured: known here, reached, and left as they are.

use std::path::PathBuf;

use rmachine_driver::{Import, MachineName, Phase};

use crate::machines::{Machine, Machines, planned};
use crate::model::{Exit, Failure};
use crate::store::{Adopted, HostConfig, OwnState};

/// The engine's own certificates, as files of the user's.
#[derive(Debug, Clone)]
pub(crate) struct TlsGiven {
    pub(crate) ca: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// An engine to be adopted, everything resolved.
pub(crate) struct AdoptPlan {
    pub(crate) name: MachineName,
    pub(crate) config: HostConfig,
    pub(crate) own: OwnState,
    pub(crate) imports: Vec<Import>,
    pub(crate) tls: Option<TlsGiven>,
}

impl Machines {
    /// Looks whether the engine answers the way it is to be reached, and notes it down. Returns its version.
    pub(crate) async fn adopt(&self, mut plan: AdoptPlan) -> Result<String, Failure> {
        let name = plan.name.clone();
        let lock = self.lock(&name).await?;
        if self.store.exists(&name) {
            return Err(crate::store::StoreError::AlreadyExists(name).into());
        }
        plan.own.phase = Phase::Ready;
        let mut imports = std::mem::take(&mut plan.imports);
        let dir = self.store.machine_dir(&name);
        let mut final_config = plan.config.clone();
        // Until the machine is in the store, its files are where the user has them.
        let key = plan.config.driver.text("SSHKey").to_owned();
        if !key.is_empty() {
            plan.config.driver.set("SSHKeyPath", key.as_str());
        }
        if let Some(tls) = &plan.tls {
            let auth = &mut plan.config.host_options.auth;
            for (field, path) in [
                (&mut auth.ca_cert_path, &tls.ca),
                (&mut auth.client_cert_path, &tls.cert),
                (&mut auth.client_key_path, &tls.key),
            ] {
                *field = path.to_string_lossy().into_owned();
            }
            final_config.host_options.auth.keep_to(&dir);
            for (from, file) in [(&tls.ca, "ca.pem"), (&tls.cert, "cert.pem"), (&tls.key, "key.pem")] {
                imports.push(Import { from: from.clone(), name: file.to_owned(), optional: false });
            }
        }
        let mut machine = self.machine(name.clone(), planned(plan.config, plan.own));
        self.step(&name, "Looking whether the engine answers...");
        let looked = self.look_at(&mut machine).await;
        self.reporter.finish(&name, looked.is_ok());
        let version = looked.map_err(|e| Failure { exit: Exit::PreCheck, ..e })?;
        machine.stored.config = final_config;
        for note in self.store.reserve(&lock, &machine.stored, &imports)? {
            self.reporter.info(&name, &note);
        }
        Ok(version)
    }

    /// Over SSH first, where there is a host: its key is pinned with what is noted down.
    async fn look_at(&self, machine: &mut Machine) -> Result<String, Failure> {
        if machine.driver()?.features().host {
            let session = self.connect(machine).await?;
            machine.stored.own.host_key = Some(session.host_key().to_owned());
            session.close().await;
        }
        self.asked_version(machine).await.map_err(|reason| {
            let failure = Failure::new(format!("the engine of \"{}\" does not answer: {reason}", machine.name));
            match machine.stored.own.adopted {
                Some(Adopted::Ssh) => failure.hint(
                    "the user has to be one who may use the engine's socket: root, or a member of the group docker",
                ),
                _ => failure.hint("--tls-ca-cert, --tls-cert and --tls-key name what it wants to see"),
            }
        })
    }

    /// What would change a host that is not ours to change.
    pub(crate) fn refuse_adopted(&self, machine: &Machine, why: &str) -> Result<(), Failure> {
        if machine.stored.own.adopted.is_none() {
            return Ok(());
        }
        let (name, program) = (&machine.name, &self.program);
        Err(Failure::new(format!("Docker machine \"{name}\" was adopted: {why}")).hint(format!(
            "`{program} provision --force {name}` configures its engine as that of any machine, and from then on it is"
        )))
    }
}
