//! Starting and stopping, with what really goes wrong: ports that a stranger has, adapters that are gone, machines that do
//! not listen to their power button.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use rmachine_driver::{DriverError, DriverErrorKind, MachineHandle, State};
use tokio::time::sleep;

use crate::answer::Info;
use crate::boot2docker;
use crate::cidr::Cidr;
use crate::manage::{Manager, Refusal, failed};
use crate::network;
use crate::options::Wanted;
use crate::vm::{self, gone};
use crate::words::{self, ENGINE_RULE, SSH, SSH_RULE};

/// How long a machine gets to go down by itself: systemd gives its services a minute and a half.
const GRACE: Duration = Duration::from_secs(120);
/// A machine that still boots does not listen to its first press.
const PRESS_AGAIN: Duration = Duration::from_secs(20);
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LAST_LOOK: Duration = Duration::from_secs(3);
/// VirtualBox lets go of a machine a moment after it has ended.
const LET_GO: Duration = Duration::from_secs(30);
const TRIES: usize = 4;

/// One that nobody has right now.
pub(crate) fn free_port() -> Result<u16, DriverError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let port = listener.and_then(|l| l.local_addr()).map(|a| a.port());
    port.map_err(|e| DriverError::because(DriverErrorKind::Provider, "no port is free on 127.0.0.1", e))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

pub(crate) async fn start(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    id: &str,
) -> Result<(), DriverError> {
    let wanted = Wanted::kept(machine.state)?;
    let info = vm::info(manager, id).await.map_err(|e| gone(machine, &e))?;
    match info.state() {
        State::Running | State::Starting => return Ok(()),
        State::Paused => {
            manager.run(&["controlvm", id, "resume"]).await?;
            return Ok(());
        }
        State::Saved => {}
        State::Stopped => {
            replug(machine, manager, &wanted, id, &info).await?;
            check_ports(machine, manager, id, &info).await?;
        }
        _ => {
            return Err(failed(format!(
                "VirtualBox has the machine in the state {:?}, from which it cannot be started",
                info.text("VMState")
            ))
            .hint("kill it first"));
        }
    }
    let log = info.log().unwrap_or_default();
    launch(machine, manager, id, &wanted.ui, &log).await?;
    boot2docker::await_address(machine, manager, &wanted).await
}

async fn replug(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
    id: &str,
    info: &Info,
) -> Result<(), DriverError> {
    let Some((card, adapter)) = info.adapter() else { return Ok(()) };
    let kept = Cidr::parse(machine.state.text("HostOnlyNetwork")).unwrap_or(wanted.cidr);
    let moved = network::revive(machine, manager, wanted, adapter, kept).await?;
    if let Some(name) = &moved {
        let mut call = vec!["modifyvm".to_owned(), id.to_owned()];
        call.extend(words::plug(card, name, network::HAS_NETWORKS));
        manager.run(&call).await?;
        machine.state.set("HostOnlyAdapter", name.as_str());
    }
    if boot2docker::is_served(machine, wanted) {
        let now = moved.as_deref().unwrap_or(adapter);
        boot2docker::serve(machine, manager, now, kept, !wanted.no_dhcp).await?;
    }
    Ok(())
}

/// Another program may have the machine's port by now.
async fn check_ports(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    id: &str,
    info: &Info,
) -> Result<(), DriverError> {
    if let Some(port) = info.forwarded(ENGINE_RULE).filter(|port| !is_free(*port)) {
        return Err(engine_port_taken(machine, port));
    }
    let had = info.forwarded(SSH_RULE);
    match had.filter(|port| is_free(*port)) {
        Some(port) => machine.state.set("SSHPort", port),
        None => {
            let port = free_port()?;
            manager.run(&words::move_port(id, SSH_RULE, port, SSH, had.is_some())).await?;
            machine.state.set("SSHPort", port);
        }
    }
    Ok(())
}

fn engine_port_taken(machine: &MachineHandle<'_>, port: u16) -> DriverError {
    failed(format!(
        "another program has the port {port} of 127.0.0.1, on which the engine of {:?} is reached",
        machine.name.as_str()
    ))
    .hint(format!("see which it is, and end it: ss -ltnp 'sport = :{port}'"))
}

/// Starts a machine, and makes sure that its ports lead to it: VirtualBox starts it all the same when a stranger has one,
/// and tells only its log.
pub(crate) async fn launch(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    id: &str,
    ui: &str,
    log: &Path,
) -> Result<(), DriverError> {
    if let Err(refusal) = manager.run(&words::start(id, ui)).await {
        return Err(not_started(refusal, log));
    }
    for _ in 0..TRIES {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let engine = u16::try_from(machine.state.int("EnginePort")).unwrap_or_default();
        if is_refused(&text, engine) {
            return Err(stop_at_once(manager, id, engine_port_taken(machine, engine)).await);
        }
        let now = u16::try_from(machine.state.int("SSHPort")).unwrap_or_default();
        if !is_refused(&text, now) {
            return Ok(());
        }
        let port = free_port()?;
        // A rule that led nowhere is a rule all the same.
        manager.run(&["controlvm", id, "natpf1", "delete", SSH_RULE]).await?;
        manager.run(&["controlvm", id, "natpf1", &words::forward(SSH_RULE, port, SSH)]).await?;
        machine.state.set("SSHPort", port);
    }
    Err(stop_at_once(manager, id, failed("other programs took every port that was chosen for SSH")).await)
}

async fn stop_at_once(manager: &Manager, id: &str, error: DriverError) -> DriverError {
    // The first error is the one to tell.
    let _ = manager.run(&["controlvm", id, "poweroff"]).await;
    error
}

/// What the log says of a port that could not be had.
fn is_refused(log: &str, port: u16) -> bool {
    let said = format!("failed to set up redirection of {port} to ");
    port != 0 && log.contains(&said)
}

/// With what the machine's own log says of it.
fn not_started(mut refusal: Refusal, log: &Path) -> DriverError {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let told = text.lines().rfind(|l| l.contains("VMSetError") || l.contains("rc=VERR_"));
    if let Some(line) = told {
        refusal.said = format!("{}\n{}", refusal.said, line.trim());
    }
    refusal.into()
}

/// By the power button; what does not listen to it is switched off.
pub(crate) async fn stop(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    id: &str,
) -> Result<(), DriverError> {
    let info = vm::info(manager, id).await.map_err(|e| gone(machine, &e))?;
    match info.state() {
        State::Stopped => return Ok(()),
        State::Saved => {
            return Err(failed("the machine's running state is saved, and stopping it would lose that")
                .hint("start it first; or kill it, which discards what was saved"));
        }
        State::Paused => drop(manager.run(&["controlvm", id, "resume"]).await?),
        State::Error => return power_off(manager, id).await,
        _ => {}
    }
    let deadline = Instant::now() + GRACE;
    let mut pressed: Option<Instant> = None;
    let mut pause = FIRST_LOOK;
    while Instant::now() < deadline {
        if pressed.is_none_or(|at| at.elapsed() > PRESS_AGAIN) {
            press(manager, id).await?;
            pressed = Some(Instant::now());
        }
        sleep(pause).await;
        pause = LAST_LOOK.min(pause * 2);
        if vm::info(manager, id).await?.state() == State::Stopped {
            return Ok(());
        }
    }
    let seconds = GRACE.as_secs();
    machine
        .reporter
        .warn(machine.name, &format!("It did not go down within {seconds} s and is switched off"));
    power_off(manager, id).await
}

async fn press(manager: &Manager, id: &str) -> Result<(), Refusal> {
    match manager.run(&["controlvm", id, "acpipowerbutton"]).await {
        Err(e) if e.has("is not currently running") => Ok(()),
        done => done.map(drop),
    }
}

pub(crate) async fn kill(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    id: &str,
) -> Result<(), DriverError> {
    match vm::info(manager, id).await.map_err(|e| gone(machine, &e))?.state() {
        State::Stopped => Ok(()),
        State::Saved => manager.run(&["discardstate", id]).await.map(drop).map_err(Into::into),
        _ => power_off(manager, id).await,
    }
}

/// Returns once VirtualBox has let go of the machine.
pub(crate) async fn power_off(manager: &Manager, id: &str) -> Result<(), DriverError> {
    match manager.run(&["controlvm", id, "poweroff"]).await {
        Err(e) if e.has("is not currently running") || e.is_missing() => {}
        done => drop(done?),
    }
    let deadline = Instant::now() + LET_GO;
    while Instant::now() < deadline {
        match vm::info(manager, id).await {
            Ok(info) if matches!(info.state(), State::Stopped | State::Saved) => return Ok(()),
            Err(e) if e.is_missing() => return Ok(()),
            _ => sleep(FIRST_LOOK).await,
        }
    }
    Err(failed(format!("VirtualBox did not switch the machine off within {} s", LET_GO.as_secs())))
}

/// For what is refused only because the machine has just ended.
pub(crate) async fn when_let_go(manager: &Manager, call: &[&str]) -> Result<String, Refusal> {
    let deadline = Instant::now() + LET_GO;
    loop {
        match manager.run(call).await {
            Err(e) if e.is_locked() && Instant::now() < deadline => sleep(FIRST_LOOK).await,
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests;
