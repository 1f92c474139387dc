//! The way to a machine's engine: straight to its port, or through SSH where only a jump host leads to the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rmachine_driver::HostAddr;

use crate::engine::{EngineClient, EngineError, Redial, connect_tls, over_tls};
use crate::machines::firewall::{OPENS, awaits_caller};
use crate::machines::power::is_final;
use crate::machines::{Machine, Machines};
use crate::model::Failure;
use crate::ssh::{self, Forward, SshError};
use crate::store::Adopted;

/// docker-machine's patience with the engine's TLS.
const TLS: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_secs(1);
/// An engine listens early, and answers once it is up; what is still to come after this is better asked on its host.
const STARTS: Duration = Duration::from_secs(5);
const REFUSED: Duration = Duration::from_millis(25);
pub(crate) const SOCKET: &str = "/var/run/docker.sock";

/// An engine that can be asked. Where an SSH session leads to the engine, the client owns the session.
pub(crate) struct Reached {
    pub(crate) client: EngineClient,
}

impl Machines {
    /// After a provisioning: the engine has answered on its own socket, here it has to answer from here. A provider takes
    /// its time to open its port to us, where it was told so a moment ago.
    pub(crate) async fn await_engine(&self, machine: &Machine) -> Result<(), Failure> {
        let (host, port) = engine_address(machine)?;
        let patience = if awaits_caller(machine) { OPENS } else { Duration::ZERO };
        let deadline = Instant::now() + patience;
        while let Err(e) = self.ping(machine).await? {
            if is_final(&e) || Instant::now() >= deadline {
                return Err(unreachable(&host, port, &e));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    pub(crate) fn tell_jump_host(&self, machine: &Machine) {
        if self.behind_jump_host(machine) {
            self.reporter.warn(
                &machine.name,
                "it is reached through a jump host: its engine answers through SSH, and not to `env` and the docker CLI",
            );
        }
    }

    /// For an engine that is starting: whether it answers in the time that engines take for that.
    pub(crate) async fn engine_answers_soon(&self, machine: &Machine) -> bool {
        let answer = async {
            loop {
                match self.ping(machine).await {
                    Ok(Ok(())) => return true,
                    Ok(Err(e)) if !is_final(&e) => tokio::time::sleep(REFUSED).await,
                    _ => return false,
                }
            }
        };
        tokio::time::timeout(STARTS, answer).await.unwrap_or(false)
    }

    /// For `config` and `env --check`: whether the engine answers with a certificate of ours, and takes ours.
    pub(crate) async fn check_tls(&self, machine: &Machine) -> Result<(), String> {
        self.ping(machine).await.map_err(|e| e.message)?.map_err(|e| e.to_string())
    }

    /// For `--swarm`: the same of the manager of a classic swarm, which listens beside the engine.
    pub(crate) async fn check_swarm_tls(&self, machine: &Machine, url: &str) -> Result<(), String> {
        let tls = self.certs.client_tls(&machine.holder()).map_err(|e| e.message)?;
        let (host, port) = parse_url(url).ok_or_else(|| format!("{url:?} is not the URL of a swarm"))?;
        let manager = connect_tls(&host, port, host.as_str(), &tls, TLS).await;
        manager.map_err(|e| e.to_string())?.ping().await.map_err(|e| e.to_string())
    }

    /// docker-machine's sentence for a machine that is down, where that is known without waiting.
    pub(crate) async fn is_known_to_be_down(&self, machine: &Machine) -> bool {
        !self.is_far_away(machine) && self.must_run(machine).await.is_err()
    }

    /// The same, once it did not answer, where asking the provider costs something.
    pub(crate) async fn turns_out_to_be_down(&self, machine: &Machine) -> bool {
        self.is_far_away(machine) && self.must_run(machine).await.is_err()
    }

    /// Its provider counts questions: it is asked only when the machine itself does not answer.
    pub(crate) fn is_far_away(&self, machine: &Machine) -> bool {
        machine.driver.as_ref().is_some_and(|d| d.batch_states().is_some())
    }

    /// A request, not only a handshake: with TLS 1.3 an engine refuses a client's certificate after it.
    pub(crate) async fn ping(&self, machine: &Machine) -> Result<Result<(), EngineError>, Failure> {
        Ok(match self.reach(machine, TLS).await? {
            Ok(mut engine) => engine.client.ping().await,
            Err(e) => Err(e),
        })
    }

    /// Failures are ours (files, SSH); the inner errors are the engine's.
    pub(crate) async fn reach(
        &self,
        machine: &Machine,
        limit: Duration,
    ) -> Result<Result<Reached, EngineError>, Failure> {
        if machine.stored.own.adopted == Some(Adopted::Ssh) {
            return self.reach_socket(machine, limit).await;
        }
        let tls = self.certs.client_tls(&machine.holder())?;
        let (host, port) = engine_address(machine)?;
        if !self.behind_jump_host(machine) {
            let client = connect_tls(&host, port, host.as_str(), &tls, limit).await;
            return Ok(client.map(|client| Reached { client }));
        }
        let session = Arc::new(self.open(machine).await?);
        let stream = session.direct_tcpip("127.0.0.1", port).await?;
        let at = host.with_port(port);
        let again = redial(&at, move || {
            let session = session.clone();
            async move { session.direct_tcpip("127.0.0.1", port).await }
        });
        let client = over_tls(stream, again, &at, host.as_str(), &tls, limit).await;
        Ok(client.map(|client| Reached { client }))
    }

    /// The engine's own socket, for whoever may use it on the host.
    async fn reach_socket(
        &self,
        machine: &Machine,
        limit: Duration,
    ) -> Result<Result<Reached, EngineError>, Failure> {
        let session = Arc::new(self.connect(machine).await?);
        let stream = session.unix_socket(SOCKET).await?;
        let again = redial(SOCKET, move || {
            let session = session.clone();
            async move { session.unix_socket(SOCKET).await }
        });
        let client = EngineClient::over(stream, limit).await;
        Ok(client.map(|client| Reached { client: client.redial_with(again) }))
    }

    /// Whether `~/.ssh/config` leads to the machine's host by another one: its ports cannot be reached from here.
    pub(crate) fn behind_jump_host(&self, machine: &Machine) -> bool {
        let Some((alias, home)) = machine.stored.own.ssh_host.as_ref().zip(self.ssh_env.home.as_ref()) else {
            return false;
        };
        let jump = ssh::config::lookup(home, alias).ok().and_then(|known| known.proxy_jump);
        jump.is_some_and(|jump| !jump.eq_ignore_ascii_case("none"))
    }
}

/// Further channels of an SSH session to an engine, as `open` opens them.
fn redial<F, O>(at: &str, open: F) -> Redial
where
    F: Fn() -> O + Send + Sync + 'static,
    O: Future<Output = Result<Forward, SshError>> + Send + 'static,
{
    let at = at.to_owned();
    Redial::new(move || {
        let (opening, path) = (open(), at.clone());
        async move { opening.await.map_err(|e| EngineError::Broken { path, reason: e.to_string() }) }
    })
}

/// Where a machine's engine answers.
pub(crate) fn engine_address(machine: &Machine) -> Result<(HostAddr, u16), Failure> {
    let url = machine.description().engine_url.ok_or_else(|| Failure::new("Host is not running"))?;
    parse_url(&url).ok_or_else(|| Failure::new(format!("{url:?} is not the URL of an engine")))
}

fn parse_url(url: &str) -> Option<(HostAddr, u16)> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, port) = rest.rsplit_once(':')?;
    Some((HostAddr::parse(host).ok()?, port.trim_end_matches('/').parse().ok()?))
}

fn unreachable(host: &HostAddr, port: u16, error: &EngineError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        EngineError::Dial { .. } | EngineError::Timeout { .. } => failure.hint(format!(
            "the engine runs and listens; port {port} of {host} must be open for this computer (firewall, security \
             group)"
        )),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_urls() {
        let parsed = |url| parse_url(url).map(|(h, p)| h.with_port(p));
        assert_eq!(parsed("tcp://10.0.0.5:2376").as_deref(), Some("10.0.0.5:2376"));
        assert_eq!(parsed("tcp://[2001:db8::1]:4243").as_deref(), Some("[2001:db8::1]:4243"));
        assert_eq!(parsed("https://engine.example.com:2376/").as_deref(), Some("engine.example.com:2376"));
        assert_eq!(parsed("localhost"), None);
    }
}
