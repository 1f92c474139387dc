//! What is kept of a machine, by VirtualBox's own snapshots.

use std::time::{SystemTime, UNIX_EPOCH};

use rmachine_driver::{DriverError, DriverErrorKind, MachineHandle, Snapshot, State};

use crate::answer;
use crate::manage::{Manager, failed};
use crate::{power, vm};

/// In a snapshot's description: when it was taken, which VBoxManage does not tell.
const CREATED: &str = "created";

pub(crate) async fn take(
    machine: &MachineHandle<'_>,
    manager: &Manager,
    id: &str,
    name: &str,
) -> Result<Snapshot, DriverError> {
    if list(manager, id).await?.iter().any(|s| s.name == name) {
        return Err(DriverError::invalid(format!(
            "{:?} has a snapshot {name:?} already",
            machine.name.as_str()
        )));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let created = i64::try_from(now).unwrap_or_default();
    let description = format!("{CREATED}={created}");
    let percent = |n: u8| machine.reporter.detail(machine.name, &format!("{n} %"));
    let call = ["snapshot", id, "take", name, "--description", &description];
    let said = manager.work(&call, &percent).await.map_err(|e| vm::gone(machine, &e))?;
    let uuid = said.split_once("UUID: ").map(|(_, uuid)| uuid.trim().to_owned()).unwrap_or_default();
    Ok(Snapshot { name: name.to_owned(), id: uuid, bytes: 0, created })
}

pub(crate) async fn list(manager: &Manager, id: &str) -> Result<Vec<Snapshot>, DriverError> {
    let said = match manager.run(&["snapshot", id, "list", "--machinereadable"]).await {
        Ok(said) => said,
        Err(e) if e.has("does not have any snapshots") => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let snapshot =
        |(name, uuid, notes): (String, rmachine_driver::Uuid, std::collections::BTreeMap<_, String>)| {
            let created = notes.get(CREATED).and_then(|at: &String| at.parse().ok()).unwrap_or_default();
            Snapshot { name, id: uuid.to_string(), bytes: 0, created }
        };
    Ok(answer::snapshots(&said).into_iter().map(snapshot).collect())
}

/// A machine that runs is switched off for it, and runs again afterwards.
pub(crate) async fn restore(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    id: &str,
    name: &str,
) -> Result<(), DriverError> {
    let uuid = find(manager, id, name).await?;
    let state = vm::info(manager, id).await.map_err(|e| vm::gone(machine, &e))?.state();
    let ran = matches!(state, State::Running | State::Paused);
    if !matches!(state, State::Stopped | State::Saved) {
        power::power_off(manager, id).await?;
    }
    power::when_let_go(manager, &["snapshot", id, "restore", &uuid]).await?;
    if ran { power::start(machine, manager, id).await } else { Ok(()) }
}

pub(crate) async fn remove(manager: &Manager, id: &str, name: &str) -> Result<bool, DriverError> {
    let uuid = match find(manager, id, name).await {
        Ok(uuid) => uuid,
        Err(e) if e.kind == DriverErrorKind::Missing => return Ok(false),
        Err(e) => return Err(e),
    };
    manager.work(&["snapshot", id, "delete", &uuid], &|_| {}).await?;
    Ok(true)
}

async fn find(manager: &Manager, id: &str, name: &str) -> Result<String, DriverError> {
    let all = list(manager, id).await?;
    let names: Vec<&str> = all.iter().map(|s| s.name.as_str()).collect();
    match all.iter().find(|s| s.name == name) {
        Some(found) => Ok(found.id.clone()),
        None => Err(DriverError {
            kind: DriverErrorKind::Missing,
            ..failed(format!("there is no snapshot {name:?}, but these: {}", names.join(", ")))
        }),
    }
}
