//! Machines that their provider keeps callers away from: who we are, it is told by what the host sees.

use std::net::IpAddr;
use std::time::Duration;

use rmachine_driver::{MachineName, require};

use crate::machines::{Machine, Machines};
use crate::model::Failure;
use crate::ssh::Session;
use crate::store::MachineLock;

const CALLER: &str = include_str!("../../templates/host/caller.sh");
/// How long a provider may take to open what it was told to open.
pub(crate) const OPENS: Duration = Duration::from_secs(90);

impl Machines {
    /// Says anew, in the words of the driver's flag, who may reach the machine.
    pub(crate) async fn guard(&self, name: &MachineName, words: &[String]) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        self.step(name, &format!("Changing the firewall of \"{name}\"..."));
        let done = self.guard_locked(&lock, &mut machine, words).await;
        self.reporter.finish(name, done.is_ok());
        done
    }

    async fn guard_locked(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        words: &[String],
    ) -> Result<(), Failure> {
        self.with_driver(lock, machine, async |driver, handle| {
            require(driver, driver.firewall())?.set_allowed_sources(handle, words).await
        })
        .await?;
        if !awaits_caller(machine) {
            return Ok(());
        }
        let open = |e: Failure, name: &MachineName, program: &str| {
            e.detail("its SSH is open to all until then, for keys alone; its engine is not").hint(format!(
                "`{program} firewall {name}` tries again; with addresses it is not reached first"
            ))
        };
        let session = match self.wait_for_ssh(machine, OPENS).await {
            Ok(session) => session,
            Err(e) => return Err(open(e, &machine.name, &self.program)),
        };
        let known = self.introduce(lock, machine, &session).await;
        session.close().await;
        known.map_err(|e| open(e, &machine.name, &self.program))
    }

    /// Tells the driver from where we come, if that is whom it lets in.
    pub(crate) async fn introduce(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        session: &Session,
    ) -> Result<(), Failure> {
        if !awaits_caller(machine) {
            return Ok(());
        }
        let said = self.on_host(session, CALLER, "the host does not tell from where we come").await?;
        let from: IpAddr = said.trim().parse().map_err(|_| {
            Failure::new(format!("the host says that we come from {:?}, which is no address", said.trim()))
        })?;
        self.with_driver(lock, machine, async |driver, handle| {
            require(driver, driver.firewall())?.admit_caller(handle, from).await
        })
        .await
    }

    /// What may keep us from a machine that lets in only one address.
    pub(crate) fn guard_hint(&self, machine: &Machine) -> Option<String> {
        let (name, program) = (&machine.name, &self.program);
        awaits_caller(machine).then(|| {
            format!("if your address has changed: `{program} firewall {name}` lets in where you are now")
        })
    }
}

pub(crate) fn awaits_caller(machine: &Machine) -> bool {
    let firewall = machine.driver().ok().and_then(|driver| driver.firewall());
    firewall.is_some_and(|firewall| firewall.admits_only_caller(&machine.stored.config.driver))
}
