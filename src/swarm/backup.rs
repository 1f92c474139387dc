//! When managers are lost: a swarm made anew of what one node knows, and that knowledge kept elsewhere.

use rmachine_driver::MachineName;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::engine::swarm::{InitRequest, LocalState};
use crate::machines::Machine;
use crate::model::{ClusterName, Failure, Membership, Role, SwarmSettings};
use crate::provision::{HostScript, host_script};
use crate::store::MachineLock;
use crate::swarm::Swarm;

impl Swarm {
    /// Makes a new swarm of one manager out of what this node knows: services, networks, secrets, the list of nodes.
    pub(crate) async fn recover(&self, name: &MachineName) -> Result<(), Failure> {
        let (lock, mut machine) = self.machines.lock_and_load(name).await?;
        let membership = self.needs_membership(&machine)?;
        self.machines.step(name, "Making a new swarm of what it knows...");
        let done = self.stand_alone(&lock, &mut machine, &membership.cluster).await;
        self.machines.reporter.finish(name, done.is_ok());
        done
    }

    async fn stand_alone(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        cluster: &ClusterName,
    ) -> Result<(), Failure> {
        let name = machine.name.clone();
        let mut reached = self.engine_of(machine).await?;
        let info = reached.client.node_info().await?;
        match info.swarm.state {
            LocalState::Locked => {
                return Err(Failure::new(format!("{name} is locked: without its key it knows nothing"))
                    .hint(format!(
                        "{0} swarm unlock {cluster}, then {0} swarm recover {name}",
                        self.machines.program
                    )));
            }
            LocalState::Inactive => {
                return Err(Failure::new(format!(
                    "{name} is in no swarm: there is nothing to make a new one of"
                )));
            }
            LocalState::Active if !info.swarm.manager => {
                return Err(Failure::new(format!(
                    "{name} is a worker: only a manager knows what the swarm was"
                ))
                .hint("name a machine that was a manager"));
            }
            _ => {}
        }
        let kept = machine.stored.own.swarm.clone();
        let settings = kept.as_ref().map(|m| m.settings.clone()).unwrap_or_default();
        let advertise = self.own_address(machine, &settings, &info.swarm.address).await;
        let request = InitRequest {
            listen: settings.listen.clone().unwrap_or_else(|| "0.0.0.0:2377".to_owned()),
            advertise,
            data_path: settings.data_path.clone().unwrap_or_default(),
            force_new_cluster: true,
            ..InitRequest::default()
        };
        let made = reached.client.swarm_init(&request).await;
        made.map_err(|e| Failure::from(e).prefix(&format!("{name} cannot make a new swarm: ")))?;
        let info = reached.client.node_info().await?;
        let member = Membership {
            node: Some(info.swarm.id),
            address: Some(info.swarm.address),
            role: Role::Manager,
            ..Membership::new(cluster.clone(), Role::Manager, settings)
        };
        self.save_membership(lock, machine, Some(member))
    }

    /// Where it was known, as long as the host still has that address.
    async fn own_address(&self, machine: &Machine, settings: &SwarmSettings, known: &str) -> String {
        if let Some(given) = &settings.advertise {
            return given.clone();
        }
        let seen = self.look_from(machine, &[]).await;
        let still = seen.interfaces.iter().any(|i| i.address.to_string() == known);
        if still || seen.interfaces.is_empty() {
            known.to_owned()
        } else {
            self.advertised(machine, &seen, &[])
        }
    }

    /// A manager's state, as it lies on its disk: with it go the keys of the swarm. Its engine is stopped for a moment.
    pub(crate) async fn backup(&self, name: &MachineName, sink: impl AsyncWrite) -> Result<(), Failure> {
        let machine = self.machines.load(name)?;
        self.needs_membership(&machine)?;
        self.machines.step(name, "Stopping the engine and reading its state...");
        let root = self.data_root(&machine).await?;
        let done = self.as_root(&machine, HostScript::SwarmBackup, &root, tokio::io::empty(), sink).await;
        self.machines.reporter.finish(name, done.is_ok());
        done
    }

    /// Puts such a state onto a machine, and makes a swarm of it in which that machine is the only manager.
    pub(crate) async fn restore(
        &self,
        name: &MachineName,
        cluster: &ClusterName,
        source: impl AsyncRead,
    ) -> Result<(), Failure> {
        let (lock, mut machine) = self.machines.lock_and_load(name).await?;
        self.machines.step(name, "Stopping the engine and putting the state in its place...");
        let done = self.restore_locked(&lock, &mut machine, cluster, source).await;
        self.machines.reporter.finish(name, done.is_ok());
        done
    }

    async fn restore_locked(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        cluster: &ClusterName,
        source: impl AsyncRead,
    ) -> Result<(), Failure> {
        let root = self.data_root(machine).await?;
        self.as_root(machine, HostScript::SwarmRestore, &root, source, tokio::io::sink()).await?;
        self.machines.engine_comes_up(machine).await?;
        self.stand_alone(lock, machine, cluster).await
    }

    async fn data_root(&self, machine: &Machine) -> Result<String, Failure> {
        Ok(self.engine_of(machine).await?.client.node_info().await?.root)
    }

    /// The script goes along with the command: standard input is for the archive.
    async fn as_root(
        &self,
        machine: &Machine,
        script: HostScript,
        root: &str,
        stdin: impl AsyncRead,
        stdout: impl AsyncWrite,
    ) -> Result<(), Failure> {
        let script = host_script(script).map_err(Failure::from_error)?;
        let session = self.machines.connect(machine).await?;
        let quoted = |text: &str| shlex::try_quote(text).map(std::borrow::Cow::into_owned);
        let (script, root) =
            quoted(&script).and_then(|script| Ok((script, quoted(root)?))).map_err(Failure::from_error)?;
        let command = format!(
            "if [ \"$(id -u)\" = 0 ]; then exec sh -c {script} sh {root}; else exec sudo -n sh -c {script} sh {root}; fi"
        );
        let mut said = Vec::new();
        let ended = session.pipe(Some(&command), stdin, stdout, &mut said).await?;
        session.close().await;
        if ended.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let last = lines.pop().unwrap_or_else(|| ended.to_string());
        let mut failure = Failure::new(format!("{}: {last}", machine.name));
        failure.details = lines;
        Err(failure)
    }
}
