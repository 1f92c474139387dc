//! Taking a machine away: by what the journal names and by what bears its uuid, whichever finds more.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rmachine_driver::{DriverError, Leftovers, MachineHandle, Uuid};
use rmachine_engine_api::{filters, segment, with_query};
use serde_json::Value;

use crate::create::CONTAINER;
use crate::engine::{Engine, UUID, refused};
use crate::lock::Lock;
use crate::network;

const WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// A request whose sender was killed may still be at work at the engine.
const LATE: Duration = Duration::from_secs(2);

pub(crate) async fn remove(machine: &mut MachineHandle<'_>, locks: &Path) -> Result<(), DriverError> {
    if machine.journal.records().is_empty() {
        // Nothing was ever asked of the engine.
        return Ok(());
    }
    let mut engine = Engine::of(machine.state).await.map_err(|e| unknown(machine, e))?;
    let done = remove_all(machine, &mut engine, locks).await;
    done.map_err(|e| unknown(machine, e))
}

fn unknown(machine: &MachineHandle<'_>, error: DriverError) -> DriverError {
    let left = format!("docker ps -a --filter label={UUID}={}", machine.uuid);
    error.left(Leftovers::Unknown(left))
}

async fn remove_all(
    machine: &MachineHandle<'_>,
    engine: &mut Engine,
    locks: &Path,
) -> Result<(), DriverError> {
    for id in containers(machine, engine).await? {
        remove_container(engine, &id).await?;
    }
    // Containers take their volumes along, unless somebody else removed the container.
    for volume in volumes(engine, machine.uuid).await? {
        engine.delete(&format!("/volumes/{}?force=1", segment(&volume))).await?;
    }
    let _lock = Lock::take(locks, "addresses", WAIT).await;
    network::remove_if_last(engine, machine.state.text("Network")).await
}

async fn containers(
    machine: &MachineHandle<'_>,
    engine: &mut Engine,
) -> Result<BTreeSet<String>, DriverError> {
    let records = || machine.journal.records().iter().filter(|r| r.kind == CONTAINER);
    let mut ids: BTreeSet<String> = records().filter(|r| !r.id.is_empty()).map(|r| r.id.clone()).collect();
    let lost = records().any(|r| r.id.is_empty());
    let deadline = Instant::now() + LATE;
    loop {
        ids.extend(engine.of_machine(machine.uuid).await?.into_iter().map(|c| c.id));
        if !ids.is_empty() || !lost || Instant::now() > deadline {
            return Ok(ids);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn remove_container(engine: &mut Engine, id: &str) -> Result<(), DriverError> {
    let path = format!("/containers/{id}?force=1&v=1");
    match engine.client.delete(&path).await {
        Err(e) if e.is_missing() => Ok(()),
        // Somebody else is at it.
        Err(e) if e.status() == Some(409) => gone(engine, id).await,
        removed => removed.map_err(refused),
    }
}

async fn gone(engine: &mut Engine, id: &str) -> Result<(), DriverError> {
    let deadline = Instant::now() + WAIT;
    while engine.inspect(id).await?.is_some() {
        if Instant::now() > deadline {
            return Err(DriverError::invalid(format!("the engine does not get rid of the container {id}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn volumes(engine: &mut Engine, uuid: Uuid) -> Result<Vec<String>, DriverError> {
    let filters = filters(&[("label", &format!("{UUID}={uuid}"))]);
    let list: Value =
        engine.client.get(&with_query("/volumes", &[("filters", &filters)])).await.map_err(refused)?;
    let volumes = list.get("Volumes").and_then(Value::as_array);
    let name = |v: &Value| v.get("Name").and_then(Value::as_str).map(str::to_owned);
    Ok(volumes.into_iter().flatten().filter_map(name).collect())
}
