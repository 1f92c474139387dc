//! Taking a machine away: by what the journal names and by what bears its uuid, whichever finds more.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rmachine_driver::{
    DriverError, Leftovers, MachineHandle, Resource, Tagged, Tags, has_unknown_id, recorded_ids,
};
use rmachine_engine_api::{filters, segment, with_query};
use rmachine_host::lock_shared;
use serde::Deserialize;

use crate::engine::{Engine, Labels, UUID, refused};
use crate::network;
use crate::records::{CONTAINER, VOLUME};

const WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// A request whose sender was killed may still be at work at the engine.
const LATE: Duration = Duration::from_secs(2);

pub(crate) async fn remove(machine: &mut MachineHandle<'_>, locks: &Path) -> Result<(), DriverError> {
    if machine.journal.records().is_empty() && machine.state.text("ContainerId").is_empty() {
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
    for (volume, _) in volumes(engine, &format!("{UUID}={}", machine.uuid)).await? {
        engine.delete(&format!("/volumes/{}?force=1", segment(&volume))).await?;
    }
    let _lock = lock_shared(locks, "addresses", WAIT).await?;
    network::remove_if_last(engine, machine.state.text("Network")).await
}

/// Everything that bears a machine's labels. An engine that is not there holds nothing.
pub(crate) async fn tagged(engine: &mut Engine) -> Result<Vec<Tagged>, DriverError> {
    let containers = engine.list(&[("label", UUID)]).await?;
    let containers = containers.into_iter().map(|c| (CONTAINER, c.id, c.labels.unwrap_or_default()));
    let volumes = volumes(engine, UUID).await?.into_iter().map(|(name, labels)| (VOLUME, name, labels));
    let known = |(kind, id, labels): (&str, String, Labels)| {
        let tags = Tags::read(|key| labels.get(key).map(String::as_str))?;
        Some(Tagged { resource: Resource { kind: kind.to_owned(), id }, tags })
    };
    Ok(containers.chain(volumes).filter_map(known).collect())
}

pub(crate) async fn remove_tagged(
    engine: &mut Engine,
    tagged: &[Tagged],
    locks: &Path,
) -> Result<(), DriverError> {
    let of = |kind: &'static str| tagged.iter().map(|t| &t.resource).filter(move |r| r.kind == kind);
    let mut networks = BTreeSet::new();
    for container in of(CONTAINER) {
        if let Some(found) = engine.inspect(&container.id).await? {
            networks.extend(found.network_settings.networks.into_iter().flatten().map(|(name, _)| name));
        }
        remove_container(engine, &container.id).await?;
    }
    for volume in of(VOLUME) {
        engine.delete(&format!("/volumes/{}?force=1", segment(&volume.id))).await?;
    }
    let _lock = lock_shared(locks, "addresses", WAIT).await?;
    for network in networks {
        network::remove_if_last(engine, &network).await?;
    }
    Ok(())
}

async fn containers(
    machine: &MachineHandle<'_>,
    engine: &mut Engine,
) -> Result<BTreeSet<String>, DriverError> {
    let records = machine.journal.records();
    let mut ids: BTreeSet<String> = recorded_ids(records, CONTAINER).map(str::to_owned).collect();
    // A store that was put back from elsewhere may have lost its journal.
    ids.extend(Some(machine.state.text("ContainerId")).filter(|id| !id.is_empty()).map(str::to_owned));
    let lost = has_unknown_id(records, CONTAINER);
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
        Err(e) if e.is_removal_in_progress() => gone(engine, id).await,
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

async fn volumes(engine: &mut Engine, label: &str) -> Result<Vec<(String, Labels)>, DriverError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        volumes: Option<Vec<Volume>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Volume {
        name: String,
        labels: Option<Labels>,
    }
    let filters = filters(&[("label", label)]);
    let path = with_query("/volumes", &[("filters", &filters)]);
    let answer: Answer = engine.client.get(&path).await.map_err(refused)?;
    let volumes = answer.volumes.into_iter().flatten();
    Ok(volumes.map(|v| (v.name, v.labels.unwrap_or_default())).collect())
}
