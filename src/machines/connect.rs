//! One SSH connection to a machine, its host key pinned; waits for a host that is still booting.

use std::iter;
use std::time::{Duration, Instant};

use rmachine_driver::{Endpoint, Login, Phase, State};

use crate::machines::{Machine, Machines, set_login};
use crate::model::Failure;
use crate::ssh::{self, Connect, HostKeyPolicy, Session, SshError};

/// Patience with one attempt, as docker-machine's ssh has it.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
const LEAST_CONNECT: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// The longer a host takes, the less it matters to notice at once.
const SHARE: u32 = 10;

impl Machines {
    /// A session for a user's command: no waiting.
    pub(crate) async fn open(&self, machine: &Machine) -> Result<Session, Failure> {
        let session = if self.is_far_away(machine) {
            match self.connect(machine).await {
                Ok(session) => session,
                Err(e) => return Err(self.may_run(machine).await.err().unwrap_or(e)),
            }
        } else {
            self.may_run(machine).await?;
            self.connect(machine).await?
        };
        if machine.stored.own.host_key.as_deref() != Some(session.host_key()) {
            self.pin(machine, session.host_key()).await?;
        }
        Ok(session)
    }

    async fn may_run(&self, machine: &Machine) -> Result<(), Failure> {
        self.must_run(machine).await.map_err(|e| e.prefix("Error: Cannot run SSH command: "))
    }

    /// Of a machine that its driver made the driver knows at once that it is down; others can only be tried.
    pub(crate) async fn must_run(&self, machine: &Machine) -> Result<(), Failure> {
        let name = &machine.name;
        if machine.driver()?.features().login != Login::Generated
            || self.state(machine).await? == State::Running
        {
            return Ok(());
        }
        Err(Failure::new(format!("Host \"{name}\" is not running"))
            .hint(format!("{} start {name}", self.program)))
    }

    pub(crate) async fn connect(&self, machine: &Machine) -> Result<Session, Failure> {
        let endpoint = endpoint(machine)?;
        self.attempt(machine, &endpoint, CONNECT).await.map_err(|e| self.explain(machine, e))
    }

    async fn attempt(
        &self,
        machine: &Machine,
        endpoint: &Endpoint,
        patience: Duration,
    ) -> Result<Session, SshError> {
        self.attempt_with(machine, endpoint, policy(machine, endpoint), patience).await
    }

    pub(crate) async fn attempt_with(
        &self,
        machine: &Machine,
        endpoint: &Endpoint,
        policy: HostKeyPolicy,
        patience: Duration,
    ) -> Result<Session, SshError> {
        tracing::debug!(machine = %machine.name, %endpoint, "connecting");
        let alias = machine.stored.own.ssh_host.as_deref();
        ssh::connect(Connect {
            endpoint,
            alias,
            use_config: machine.driver().is_ok_and(|d| d.features().ssh_config),
            policy,
            connect_timeout: patience,
            env: &self.ssh_env,
            prompter: self.prompter.as_ref(),
        })
        .await
    }

    /// Connects as soon as the host answers, or says after the deadline what kept it from answering. The host key it
    /// showed is left in the machine, for the caller to save.
    pub(crate) async fn wait_for_ssh(
        &self,
        machine: &mut Machine,
        wait: Duration,
    ) -> Result<Session, Failure> {
        let endpoint = endpoint(machine)?;
        let began = Instant::now();
        let deadline = began + wait;
        let mut asked = false;
        loop {
            let pause = (began.elapsed() / SHARE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            // A user who does not want to wait for ten seconds does not want one attempt to.
            let left = deadline.saturating_duration_since(Instant::now());
            match self.attempt(machine, &endpoint, left.clamp(LEAST_CONNECT, CONNECT)).await {
                Ok(session) => {
                    self.note_host_key(machine, session.host_key());
                    return Ok(session);
                }
                Err(e) if e.is_transient() && Instant::now() + pause < deadline => {
                    tracing::debug!(machine = %machine.name, "not yet: {e}");
                    self.reporter.detail(&machine.name, &e.to_string());
                }
                Err(SshError::HostKeyChanged { seen, .. })
                    if !asked && self.proves_itself(machine, &endpoint, &seen).await =>
                {
                    asked = true;
                    continue;
                }
                Err(e) => return Err(self.explain(machine, e)),
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn note_host_key(&self, machine: &mut Machine, seen: &str) {
        let known = machine.description().endpoint.is_some_and(|e| e.host_key.is_some());
        let own = &mut machine.stored.own;
        if own.host_key.is_none() && !known {
            let print = ssh::fingerprint(seen).unwrap_or_default();
            self.reporter
                .info(&machine.name, &format!("Host key {print} seen for the first time and pinned"));
        }
        own.host_key = Some(seen.to_owned());
        own.next_host_key.take_if(|next| ssh::same_key(next, seen));
    }

    /// Keeps the key of a first contact outside of `create`, for machines that docker-machine made.
    async fn pin(&self, machine: &Machine, key: &str) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(&machine.name).await?;
        machine.stored.own.host_key = Some(key.to_owned());
        self.save(&lock, &machine)
    }

    /// Fills in what `~/.ssh/config` says of the host, where the user gave no flag for it.
    pub(crate) fn apply_ssh_config(&self, machine: &mut crate::store::StoredMachine) -> Result<(), Failure> {
        let state = &mut machine.config.driver;
        let given = state.text("IPAddress").to_owned();
        let known = match &self.ssh_env.home {
            Some(home) => ssh::config::lookup(home, &given)?,
            None => ssh::config::HostSettings::default(),
        };
        let user = Some(state.text("SSHUser").to_owned()).filter(|u| !u.is_empty());
        let port = u16::try_from(state.int("SSHPort")).ok().filter(|p| *p != 0);
        let user = user.or(known.user).unwrap_or_else(|| "root".to_owned());
        set_login(state, &user, port.or(known.port).unwrap_or(22));
        if known.host_name.is_some() || known.proxy_jump.is_some() {
            machine.own.ssh_host = Some(given.clone());
        }
        state.set("IPAddress", known.host_name.unwrap_or(given));
        Ok(())
    }

    fn explain(&self, machine: &Machine, error: SshError) -> Failure {
        let SshError::HostKeyChanged { at, expected, seen } = &error else {
            let hint = self.guard_hint(machine).filter(|_| error.is_transient());
            let failure = Failure::from(error);
            return match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            };
        };
        let (program, name, own) = (&self.program, &machine.name, &machine.stored.own);
        let accept = if own.phase < Phase::Ready { "create --resume" } else { "provision" };
        let accept = format!(
            "if {seen} is what `ssh-keygen -lf` shows on the host, accept it with: {program} {accept} --ssh-host-key \
             {seen} {name}"
        );
        if own.host_key.as_ref().is_some_and(|demanded| demanded.starts_with("SHA256:")) {
            let message =
                format!("{at} showed the host key {seen}, and not {expected}, which --ssh-host-key demands");
            return Failure::new(message).hint(accept);
        }
        let failure = Failure::from_error(error).hint(accept);
        match self.not_planted(machine) {
            Some(detail) => failure.detail(detail),
            None => failure,
        }
    }
}

pub(crate) fn endpoint(machine: &Machine) -> Result<Endpoint, Failure> {
    machine.description().endpoint.ok_or_else(|| {
        let name = &machine.name;
        Failure::new(format!("Docker machine \"{name}\" has no host that answers SSH")).hint(
            "one that is only a URL is reached with `env`; one that was not finished, with `create --resume`",
        )
    })
}

fn policy(machine: &Machine, endpoint: &Endpoint) -> HostKeyPolicy {
    let own = &machine.stored.own;
    match own.host_key.as_ref().or(endpoint.host_key.as_ref()) {
        Some(print) if print.starts_with("SHA256:") => HostKeyPolicy::Fingerprint(print.clone()),
        Some(key) => HostKeyPolicy::Pinned(iter::once(key).chain(&own.next_host_key).cloned().collect()),
        None => HostKeyPolicy::TrustFirst,
    }
}
