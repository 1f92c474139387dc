//! New certificates: for one machine's engine, or for the client and every machine of its CA.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rmachine_driver::{MachineName, Phase};

use crate::certs::Server;
use crate::machines::{Machine, Machines};
use crate::model::Failure;

impl Machines {
    /// A new certificate for a machine's engine, which is restarted with it.
    pub(crate) async fn regenerate(&self, machine: Machine) -> Result<(), Failure> {
        let done = self.regenerate_locked(&machine.name).await;
        self.reporter.finish(&machine.name, done.is_ok());
        done
    }

    async fn regenerate_locked(&self, name: &MachineName) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        self.refuse_unmade(&machine)?;
        self.refuse_adopted(&machine, "its certificate is not ours to make")?;
        let driver = machine.driver()?.clone();
        if !driver.features().host {
            return Err(Failure::new(format!(
                "Docker machine \"{name}\" has no host to put a certificate on: the driver {:?} only keeps a URL",
                driver.name()
            )));
        }
        self.ensure_client(&machine).await?;
        if machine.stored.own.phase >= Phase::Created {
            self.must_run(&machine).await?;
        }
        self.bring_up_with(&lock, &mut machine, driver.features().boot, Server::New).await
    }

    /// Renews the client of the CA that these machines hang on, and the CA itself once it has less than 30 days. Returns
    /// all machines whose certificate is to be made anew: those named, and those whose CA is another one now.
    pub(crate) async fn renew_clients(&self, named: &[MachineName]) -> Result<Vec<MachineName>, Failure> {
        let mut done: BTreeSet<PathBuf> = BTreeSet::new();
        for name in named {
            self.take_in(name).await?;
            let auth = self.load(name)?.stored.config.host_options.auth;
            if done.insert(self.certs.client_files(&auth).cert) {
                self.certs.renew_client(&auth, &|text| self.step(name, text)).await?;
            }
        }
        let mut affected: BTreeSet<MachineName> = named.iter().cloned().collect();
        for name in self.store.names()? {
            // One that cannot be read hangs on nothing that could be told.
            let Ok(machine) = self.load(&name) else { continue };
            let auth = &machine.stored.config.host_options.auth;
            if !done.contains(&self.certs.client_files(auth).cert) || machine.stored.own.adopted.is_some() {
                continue;
            }
            let _lock = self.lock(&name).await?;
            self.certs.copy_client(&machine.holder())?;
            if self.certs.server_is_of_another_ca(&machine.holder())? {
                affected.insert(name);
            }
        }
        Ok(affected.into_iter().collect())
    }

    /// A machine that was imported with certificates of another CA, without that CA's key, becomes one of ours.
    async fn take_in(&self, name: &MachineName) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        let auth = &mut machine.stored.config.host_options.auth;
        let ca = self.certs.ca_files(auth);
        if ca.cert.starts_with(&machine.dir) && !ca.key.exists() && machine.stored.own.adopted.is_none() {
            auth.belong_to(self.store.root());
            self.save(&lock, &machine)?;
        }
        Ok(())
    }

    pub(crate) fn refuse_unmade(&self, machine: &Machine) -> Result<(), Failure> {
        let name = &machine.name;
        match machine.stored.own.phase {
            Phase::Reserved => Err(Failure::new(format!("Docker machine \"{name}\" has not been made yet"))
                .hint(format!("`{} create --resume {name}` makes it", self.program))),
            Phase::Removing => Err(Failure::new(format!("Docker machine \"{name}\" is being removed"))
                .hint(format!("`{} rm {name}` finishes that", self.program))),
            _ => Ok(()),
        }
    }
}
