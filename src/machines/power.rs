//! Start, stop, kill, restart, remove: each under the machine's lock, saved at once, narrated as docker-machine does.

use std::time::{Duration, Instant};

use rmachine_driver::{MachineName, Phase, Restart, State};

use crate::engine::{EngineError, TlsFault};
use crate::machines::{Machine, Machines, SHELL};
use crate::model::Failure;
use crate::provision::{HostScript, host_script};
use crate::ssh::SshError;
use crate::store::{MachineLock, Readable, StoredMachine};

/// How long a machine may take to reach the state it was sent to, as docker-machine waits.
const STATE_WAIT: Duration = Duration::from_secs(180);
const STATE_PAUSE: Duration = Duration::from_millis(500);
/// How long a host may take to come back from a reboot.
const REBOOT: Duration = Duration::from_secs(180);
const REBOOT_PAUSE: Duration = Duration::from_millis(500);

const BOOT_MARK: &str = include_str!("../../templates/host/boot-mark.sh");

impl Machines {
    pub(crate) async fn start(&self, machine: Machine) -> Result<(), Failure> {
        let name = machine.name;
        let (lock, mut machine) = self.lock_and_load(&name).await?;
        self.step(&name, &format!("Starting \"{name}\"..."));
        let done = self.start_locked(&lock, &mut machine).await;
        self.reporter.finish(&name, done.is_ok());
        done
    }

    async fn start_locked(&self, lock: &MachineLock, machine: &mut Machine) -> Result<(), Failure> {
        let name = machine.name.clone();
        self.refuse_if(machine, State::Running).await?;
        self.with_driver(lock, machine, async |driver, handle| driver.start(handle).await).await?;
        self.await_state(machine, State::Running).await?;
        self.step(&name, &format!("Machine \"{name}\" was started."));
        self.await_host(lock, machine).await
    }

    pub(crate) async fn stop(&self, machine: Machine) -> Result<(), Failure> {
        let name = machine.name;
        self.step(&name, &format!("Stopping \"{name}\"..."));
        let done = self.halt(&name, "stopped", async |driver, handle| driver.stop(handle).await).await;
        self.reporter.finish(&name, done.is_ok());
        done
    }

    pub(crate) async fn kill(&self, machine: Machine) -> Result<(), Failure> {
        let name = machine.name;
        self.step(&name, &format!("Killing \"{name}\"..."));
        let done = self.halt(&name, "killed", async |driver, handle| driver.kill(handle).await).await;
        self.reporter.finish(&name, done.is_ok());
        done
    }

    async fn halt<F>(&self, name: &MachineName, verb: &str, act: F) -> Result<(), Failure>
    where
        F: AsyncFnOnce(
            &dyn rmachine_driver::Driver,
            &mut rmachine_driver::MachineHandle<'_>,
        ) -> Result<(), rmachine_driver::DriverError>,
    {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        self.refuse_if(&machine, State::Stopped).await?;
        self.with_driver(&lock, &mut machine, act).await?;
        self.await_state(&machine, State::Stopped).await?;
        self.step(name, &format!("Machine \"{name}\" was {verb}."));
        Ok(())
    }

    pub(crate) async fn restart(&self, machine: Machine) -> Result<(), Failure> {
        let name = machine.name;
        self.step(&name, &format!("Restarting \"{name}\"..."));
        let done = self.restart_locked(&name).await;
        self.reporter.finish(&name, done.is_ok());
        done
    }

    async fn restart_locked(&self, name: &MachineName) -> Result<(), Failure> {
        let (lock, mut machine) = self.lock_and_load(name).await?;
        let driver = machine.driver()?.clone();
        if let Restart::Refused(why) = driver.features().restart {
            return Err(Failure::new(why));
        }
        match driver.state(&machine.view()).await? {
            State::Stopped | State::Saved | State::Paused => {
                self.with_driver(&lock, &mut machine, async |d, handle| d.start(handle).await).await?;
            }
            State::Running if driver.features().restart == Restart::OverSsh => self.reboot(&machine).await?,
            State::Running => {
                self.with_driver(&lock, &mut machine, async |d, handle| d.stop(handle).await).await?;
                self.await_state(&machine, State::Stopped).await?;
                self.with_driver(&lock, &mut machine, async |d, handle| d.start(handle).await).await?;
            }
            _ => {}
        }
        self.await_host(&lock, &mut machine).await
    }

    /// Tells the host to reboot, and waits until it has: a host that still goes down also answers.
    async fn reboot(&self, machine: &Machine) -> Result<(), Failure> {
        let script = host_script(HostScript::Reboot).map_err(|e| Failure::new(e.to_string()))?;
        let session = self.open(machine).await?;
        let before = session.output(SHELL, BOOT_MARK.as_bytes()).await?.stdout;
        match session.output(SHELL, script.as_bytes()).await {
            Ok(done) if !done.status.success() => {
                return Err(Failure::new(format!("the host of \"{}\" refused to reboot", machine.name))
                    .detail(String::from_utf8_lossy(&done.stderr).trim().to_owned()));
            }
            // A host that goes down at once does not say good-bye.
            Ok(_) | Err(SshError::Lost { .. } | SshError::NoExitStatus { .. }) => {}
            Err(e) => return Err(e.into()),
        }
        let deadline = Instant::now() + REBOOT;
        loop {
            tokio::time::sleep(REBOOT_PAUSE).await;
            let after = match self.open(machine).await {
                Ok(session) => session.output(SHELL, BOOT_MARK.as_bytes()).await.ok().map(|o| o.stdout),
                Err(_) => None,
            };
            if after.is_some_and(|after| !after.is_empty() && after != before) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seconds = REBOOT.as_secs();
                let message =
                    format!("\"{}\" did not come back from its reboot in {seconds} s", machine.name);
                return Err(Failure::new(message).hint("look at the host's console"));
            }
        }
    }

    /// After a start: SSH answers, and then the engine.
    pub(crate) async fn await_host(&self, lock: &MachineLock, machine: &mut Machine) -> Result<(), Failure> {
        let features = machine.driver()?.features();
        if !features.host {
            return Ok(());
        }
        let name = machine.name.clone();
        self.step(&name, "Waiting for SSH to be available...");
        let session = self.wait_for_ssh(machine, features.boot).await?;
        session.close().await;
        self.save(lock, machine)?;
        self.step(&name, "Detecting the provisioner...");
        self.engine_comes_up(machine).await
    }

    /// Waits for an engine that is starting. One that answers without being trusted is up, and waiting changes nothing.
    pub(crate) async fn engine_comes_up(&self, machine: &Machine) -> Result<(), Failure> {
        let (name, program) = (&machine.name, &self.program);
        let deadline = Instant::now() + STATE_WAIT;
        loop {
            match self.ping(machine).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(e)) if is_final(&e) => {
                    let text = format!("{e}; `{program} provision {name}` gives it a new certificate");
                    self.reporter.warn(name, &text);
                    return Ok(());
                }
                answer if Instant::now() > deadline => {
                    let reason = answer
                        .map_or_else(|e| e.message, |a| a.err().map_or_else(String::new, |e| e.to_string()));
                    return Err(Failure::new(format!(
                        "Unable to verify the Docker daemon is listening: {reason}"
                    ))
                    .hint(format!("`{program} provision {name}` repairs it")));
                }
                _ => tokio::time::sleep(STATE_PAUSE).await,
            }
        }
    }

    async fn refuse_if(&self, machine: &Machine, state: State) -> Result<(), Failure> {
        if self.state(machine).await? == state {
            let state = state.to_string().to_lowercase();
            return Err(Failure::new(format!("Machine \"{}\" is already {state}.", machine.name)));
        }
        Ok(())
    }

    pub(crate) async fn await_state(&self, machine: &Machine, wanted: State) -> Result<(), Failure> {
        let deadline = Instant::now() + STATE_WAIT;
        loop {
            let state = self.state(machine).await?;
            if state == wanted {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seconds = STATE_WAIT.as_secs();
                let message =
                    format!("\"{}\" is {state:?} and not {wanted:?} after {seconds} s", machine.name);
                return Err(Failure::new(message));
            }
            tokio::time::sleep(STATE_PAUSE).await;
        }
    }

    /// Removes what the journal names, then the machine's folder; `before` runs first, under the machine's lock. With `force`
    /// the folder goes even when the provider cannot be asked; a warning names the reason.
    pub(crate) async fn remove_after<F>(
        &self,
        name: &MachineName,
        force: bool,
        before: F,
    ) -> Result<(), Failure>
    where
        F: AsyncFnOnce(&MachineLock, &mut Machine) -> Result<(), Failure>,
    {
        let lock = self.lock(name).await?;
        let removed = match self.store.load_lenient(name)? {
            Readable { config: Ok(config), own: Ok(own) } => {
                let mut machine = self.machine(name.clone(), StoredMachine { config, own });
                before(&lock, &mut machine).await?;
                self.remove_at_provider(&lock, &mut machine).await
            }
            Readable { config: Err(e), .. } | Readable { own: Err(e), .. } => Err(e.into()),
        };
        match removed {
            Err(failure) if !force => return Err(failure),
            Err(failure) => {
                self.reporter.warn(name, &format!("it is only forgotten here: {}", failure.message));
                for line in &failure.details {
                    self.reporter.warn(name, line);
                }
            }
            Ok(()) => {}
        }
        self.store.remove(lock).map_err(Failure::from)
    }

    async fn remove_at_provider(&self, lock: &MachineLock, machine: &mut Machine) -> Result<(), Failure> {
        machine.driver()?;
        // On a full disk this cannot be noted; removing works without, and again if it is cut short.
        let noted = self.enter(lock, machine, Phase::Removing);
        if let Err(e) = noted {
            self.reporter.warn(&machine.name, &e.message);
        }
        self.with_driver(lock, machine, async |driver, handle| driver.remove(handle).await).await
    }
}

pub(crate) fn is_final(error: &EngineError) -> bool {
    use TlsFault::{Expired, OtherName, UnknownCa};
    matches!(error, EngineError::Tls { fault: Expired | OtherName | UnknownCa, .. })
}
