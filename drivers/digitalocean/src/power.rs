//! Actions on droplets, each awaited to its end.

use std::time::Duration;

use rmachine_driver::{DriverError, DriverErrorKind, MachineHandle, MachineView, Snapshot, State};
use rmachine_rest::{Api, ApiError, Polls};
use serde_json::{Value, json};

use crate::api::is_pending;
use crate::model::{Action, Droplet, DropletSnapshot, OneAction, OneDroplet};
use crate::paths;

const ACTION: Duration = Duration::from_secs(300);
/// How long a host may take to shut itself down before its power is cut.
const GRACE: Duration = Duration::from_secs(60);
/// A disk is copied, however large.
const COPY: Duration = Duration::from_secs(3600);
const TRIES: usize = 4;

/// docker-machine's words for DigitalOcean's.
pub(crate) fn state_of(status: &str) -> State {
    match status {
        "new" => State::Starting,
        "active" => State::Running,
        "off" | "archive" => State::Stopped,
        _ => State::None,
    }
}

pub(crate) fn id_of(state: &rmachine_driver::DriverState) -> Option<u64> {
    u64::try_from(state.int("DropletID")).ok().filter(|id| *id != 0)
}

pub(crate) fn made(machine: &MachineHandle<'_>) -> Result<u64, DriverError> {
    id_of(machine.state).ok_or_else(|| {
        DriverError::new(DriverErrorKind::Missing, "the machine's droplet has not been made yet")
    })
}

pub(crate) fn gone(machine: &MachineView<'_>) -> DriverError {
    let id = machine.state.int("DropletID");
    let name = machine.name;
    DriverError::new(DriverErrorKind::Missing, format!("its droplet {id} is gone: somebody destroyed it"))
        .hint(format!("`rmachine rm {name}` clears up what is left"))
}

async fn look(api: &Api, id: u64) -> Result<Droplet, ApiError> {
    Ok(api.get::<OneDroplet>(&paths::droplet(id)).await?.droplet)
}

pub(crate) async fn start(machine: &MachineHandle<'_>, api: &Api) -> Result<(), DriverError> {
    let id = made(machine)?;
    power(api, id, "power_on", "active", ACTION).await?;
    Ok(())
}

/// By itself, or else without being asked.
pub(crate) async fn stop(machine: &MachineHandle<'_>, api: &Api) -> Result<(), DriverError> {
    let id = made(machine)?;
    match power(api, id, "shutdown", "off", GRACE).await {
        Ok(()) => Ok(()),
        Err(Unmoved::Error(e)) if [401, 403, 404].iter().any(|status| e.has_status(*status)) => Err(e.into()),
        Err(_) => {
            let text = format!("It did not shut down in {} s: its power is cut", GRACE.as_secs());
            machine.reporter.warn(machine.name, &text);
            kill(machine, api).await
        }
    }
}

pub(crate) async fn kill(machine: &MachineHandle<'_>, api: &Api) -> Result<(), DriverError> {
    let id = made(machine)?;
    Ok(power(api, id, "power_off", "off", ACTION).await?)
}

#[derive(Debug)]
enum Unmoved {
    Error(ApiError),
    /// The text says what did not happen.
    Never(String),
}

impl From<ApiError> for Unmoved {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl From<Unmoved> for DriverError {
    fn from(unmoved: Unmoved) -> Self {
        match unmoved {
            Unmoved::Error(e) => e.into(),
            Unmoved::Never(message) => Self::new(DriverErrorKind::Unreachable, message),
        }
    }
}

/// Acts, and looks until the droplet is as it should be. It may be so already: somebody else did it, or a request whose
/// answer was lost.
async fn power(api: &Api, id: u64, kind: &str, wanted: &str, limit: Duration) -> Result<(), Unmoved> {
    let mut polls = Polls::within(limit);
    for _ in 0..TRIES {
        match act(api, id, &json!({"type": kind}), &mut polls).await {
            Ok(()) => {}
            Err(Unmoved::Error(e)) if e.is_unclear() || e.has_status(422) => {}
            Err(e) => return Err(e),
        }
        loop {
            let droplet = look(api, id).await?;
            if droplet.status == wanted && !droplet.locked {
                return Ok(());
            }
            if !polls.wait().await {
                let message = format!(
                    "droplet {id} is {:?} and not {wanted:?} after {} s",
                    droplet.status,
                    limit.as_secs()
                );
                return Err(Unmoved::Never(message));
            }
            if kind != "shutdown" && !droplet.locked {
                break;
            }
        }
    }
    Err(Unmoved::Never(format!("{kind} of droplet {id} had no effect, {TRIES} times")))
}

/// Asks for an action once nothing else is under way, and waits for its end.
async fn act(api: &Api, id: u64, body: &Value, polls: &mut Polls) -> Result<(), Unmoved> {
    let path = paths::droplet_actions(id);
    let mut action = loop {
        match api.post::<OneAction>(&path, body.clone()).await {
            Ok(one) => break one.action,
            Err(e) if is_pending(&e) => {
                if !polls.wait().await {
                    return Err(e.into());
                }
            }
            Err(e) => return Err(e.into()),
        }
    };
    loop {
        match action.status.as_str() {
            "completed" => return Ok(()),
            "errored" => return Err(Unmoved::Never(failed(body, id, &action))),
            _ => {}
        }
        if !polls.wait().await {
            return Err(Unmoved::Never(format!("{} of droplet {id} does not end", body["type"])));
        }
        action = api.get::<OneAction>(&paths::action(action.id)).await?.action;
    }
}

fn failed(body: &Value, id: u64, action: &Action) -> String {
    let kind = body["type"].as_str().unwrap_or_default();
    format!("DigitalOcean says that {kind} of droplet {id} failed (action {})", action.id)
}

pub(crate) async fn snapshots(api: &Api, id: u64) -> Result<Vec<Snapshot>, DriverError> {
    let mut all: Vec<DropletSnapshot> = api.list(&paths::droplet_snapshots(id), "snapshots").await?;
    all.sort_by(|a, b| (&a.created_at, a.id).cmp(&(&b.created_at, b.id)));
    Ok(all.into_iter().map(shown).collect())
}

fn shown(snapshot: DropletSnapshot) -> Snapshot {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size is neither negative nor huge"
    )]
    let bytes = (snapshot.size_gigabytes * 1e9) as u64;
    Snapshot {
        name: snapshot.name,
        id: snapshot.id.to_string(),
        bytes,
        created: crate::catalog::seconds(&snapshot.created_at).unwrap_or_default(),
    }
}

pub(crate) async fn snapshot(
    machine: &MachineHandle<'_>,
    api: &Api,
    name: &str,
) -> Result<Snapshot, DriverError> {
    let id = made(machine)?;
    if find(api, id, name).await?.is_some() {
        return Err(DriverError::invalid(format!("the machine has a snapshot called {name:?} already")));
    }
    let mut polls = Polls::within(COPY);
    for _ in 0..TRIES {
        let acted = act(api, id, &json!({"type": "snapshot", "name": name}), &mut polls).await;
        if let Some(made) = find(api, id, name).await? {
            return Ok(made);
        }
        match acted {
            // It may be under way: then the next request is refused until it has ended.
            Err(Unmoved::Error(e)) if e.is_unclear() => {
                unlocked(api, id, &mut polls).await?;
                if let Some(made) = find(api, id, name).await? {
                    return Ok(made);
                }
            }
            Err(e) => return Err(e.into()),
            Ok(()) => {
                polls.wait().await;
            }
        }
    }
    Err(DriverError::new(DriverErrorKind::Unreachable, format!("no snapshot {name:?} appeared")))
}

async fn unlocked(api: &Api, id: u64, polls: &mut Polls) -> Result<(), ApiError> {
    while look(api, id).await?.locked && polls.wait().await {}
    Ok(())
}

async fn find(api: &Api, id: u64, name: &str) -> Result<Option<Snapshot>, DriverError> {
    Ok(snapshots(api, id).await?.into_iter().find(|s| s.name == name))
}

pub(crate) async fn restore(machine: &MachineHandle<'_>, api: &Api, name: &str) -> Result<(), DriverError> {
    let id = made(machine)?;
    let Some(snapshot) = find(api, id, name).await? else { return Err(no_snapshot(name)) };
    let image = snapshot.id.parse::<u64>().map_err(|_| no_snapshot(name))?;
    let mut polls = Polls::within(COPY);
    Ok(act(api, id, &json!({"type": "restore", "image": image}), &mut polls).await?)
}

fn no_snapshot(name: &str) -> DriverError {
    DriverError::new(DriverErrorKind::Missing, format!("the machine has no snapshot called {name:?}"))
}

pub(crate) async fn remove_snapshot(
    machine: &MachineHandle<'_>,
    api: &Api,
    name: &str,
) -> Result<bool, DriverError> {
    let Some(snapshot) = find(api, made(machine)?, name).await? else { return Ok(false) };
    api.delete(&paths::snapshot(&snapshot.id)?).await?;
    Ok(true)
}
