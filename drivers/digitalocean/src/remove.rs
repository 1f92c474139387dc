//! Removing what was made: by its ids, and by its tags where an id may never have been heard of.

use std::collections::BTreeSet;
use std::time::Duration;

use rmachine_driver::{
    DriverError, JournalRecord, MachineHandle, Resource, Tagged, Uuid, has_unknown_id, recorded_ids,
};
use rmachine_rest::{Api, ApiError, Polls, RequestPath};

use crate::account::Session;
use crate::api::is_pending;
use crate::model::{Droplet, Firewall, Key, ReservedIp};
use crate::records::{self, DROPLET, FIREWALL, KEY, RESERVED_IP, leftovers};
use crate::{firewall, paths, tags};

/// How long something under way may keep a droplet from being removed.
const PENDING: Duration = Duration::from_secs(300);

pub(crate) async fn remove(machine: &mut MachineHandle<'_>, session: &Session) -> Result<(), DriverError> {
    let records = machine.journal.records().to_vec();
    session.is_of_machine().await.map_err(|e| e.left(leftovers(&records)))?;
    let done = all(machine, &session.api, &records).await;
    done.map_err(|e| e.left(leftovers(&records)))?;
    // What is gone is not described any more.
    machine.state.set("DropletID", 0);
    machine.state.set("SSHKeyID", 0);
    machine.state.set("IPAddress", "");
    firewall::forget(machine.state);
    Ok(())
}

async fn all(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    records: &[JournalRecord],
) -> Result<(), DriverError> {
    let droplets = droplets(machine, api, records).await?;
    // Without its droplet nobody knows any more whose an address is.
    let ips = reserved_ips(api, records, &droplets).await?;
    for ip in &ips {
        machine.record_id(RESERVED_IP, ip)?;
    }
    for id in &droplets {
        delete_when_idle(api, &paths::droplet(*id)).await?;
    }
    for ip in ips {
        delete_when_idle(api, &paths::reserved_ip(&ip)?).await?;
    }
    for id in firewalls(machine.uuid, api, records).await? {
        api.delete(&paths::firewall(&id)?).await?;
    }
    for id in keys(machine, api, records).await? {
        api.delete(&paths::key(id)).await?;
    }
    if !records.is_empty() {
        // Only untidy, when it stays.
        let _ = api.delete(&paths::tag(&tags::of_machine(machine.uuid))?).await;
    }
    Ok(())
}

/// docker-machine's droplets bear no tags of ours.
async fn droplets(
    machine: &MachineHandle<'_>,
    api: &Api,
    records: &[JournalRecord],
) -> Result<BTreeSet<u64>, ApiError> {
    let mut ids: BTreeSet<u64> = u64::try_from(machine.state.int("DropletID")).into_iter().collect();
    ids.extend(recorded_ids(records, DROPLET).filter_map(|id| id.parse::<u64>().ok()));
    if records::is_requested(records, DROPLET) {
        ids.extend(tagged_droplets(api, machine.uuid).await?.iter().map(|d| d.id));
    }
    let unanswered = has_unknown_id(records, DROPLET) && ids.iter().all(|id| *id == 0);
    if unanswered {
        // The request may be under way still.
        Polls::within(PENDING).wait().await;
        ids.extend(tagged_droplets(api, machine.uuid).await?.iter().map(|d| d.id));
    }
    ids.remove(&0);
    Ok(ids)
}

pub(crate) async fn tagged_droplets(api: &Api, uuid: Uuid) -> Result<Vec<Droplet>, ApiError> {
    api.list(&paths::droplets_with_tag(&tags::of_machine(uuid)), "droplets").await
}

/// Waits until actions on the resource have ended, because the provider refuses to delete it before.
pub(crate) async fn delete_when_idle(api: &Api, path: &RequestPath) -> Result<(), ApiError> {
    let mut polls = Polls::within(PENDING);
    loop {
        match api.delete(path).await {
            Err(e) if is_pending(&e) => {
                if !polls.wait().await {
                    return Err(e);
                }
            }
            done => return done,
        }
    }
}

async fn reserved_ips(
    api: &Api,
    records: &[JournalRecord],
    droplets: &BTreeSet<u64>,
) -> Result<BTreeSet<String>, ApiError> {
    let mut ips: BTreeSet<String> = recorded_ids(records, RESERVED_IP).map(str::to_owned).collect();
    if has_unknown_id(records, RESERVED_IP) {
        let all: Vec<ReservedIp> = api.list(&paths::reserved_ips(), "reserved_ips").await?;
        let ours = |ip: &ReservedIp| ip.droplet.as_ref().is_some_and(|d| droplets.contains(&d.id));
        ips.extend(all.into_iter().filter(ours).map(|ip| ip.ip));
    }
    Ok(ips)
}

async fn firewalls(uuid: Uuid, api: &Api, records: &[JournalRecord]) -> Result<BTreeSet<String>, ApiError> {
    let mut ids: BTreeSet<String> = recorded_ids(records, FIREWALL).map(str::to_owned).collect();
    if has_unknown_id(records, FIREWALL) {
        let all: Vec<Firewall> = api.list(&paths::firewalls(), "firewalls").await?;
        ids.extend(all.into_iter().filter(|f| f.name == firewall::name(uuid)).map(|f| f.id));
    }
    Ok(ids)
}

/// Only such as we made: docker-machine made the one whose id it kept, unless it was given a fingerprint.
async fn keys(
    machine: &MachineHandle<'_>,
    api: &Api,
    records: &[JournalRecord],
) -> Result<BTreeSet<u64>, ApiError> {
    let mut ids: BTreeSet<u64> = recorded_ids(records, KEY).filter_map(|id| id.parse().ok()).collect();
    let state = &machine.state;
    if records.is_empty() && state.text("SSHKeyFingerprint").is_empty() {
        ids.extend(u64::try_from(state.int("SSHKeyID")).ok().filter(|id| *id != 0));
    }
    if has_unknown_id(records, KEY) {
        let tag = tags::of_machine(machine.uuid);
        let all: Vec<Key> = api.list(&paths::keys(), "ssh_keys").await?;
        ids.extend(all.into_iter().filter(|k| k.name.contains(&tag)).map(|k| k.id));
    }
    Ok(ids)
}

/// Everything of an account that bears our tags.
pub(crate) async fn tagged(api: &Api) -> Result<Vec<Tagged>, ApiError> {
    let mut found = Vec::new();
    let mut add = |kind: &str, id: String, tags: Option<rmachine_driver::Tags>| {
        found.extend(tags.map(|tags| Tagged { resource: Resource { kind: kind.to_owned(), id }, tags }));
    };
    let droplets: Vec<Droplet> = api.list(&paths::droplets_with_tag(tags::OURS), "droplets").await?;
    // Before their droplets: without those nobody would know whose they are.
    if droplets.iter().any(|d| d.tags.iter().any(|t| t == tags::WITH_ADDRESS)) {
        let all: Vec<ReservedIp> = api.list(&paths::reserved_ips(), "reserved_ips").await?;
        for ip in all {
            let of = |d: &&Droplet| ip.droplet.as_ref().is_some_and(|on| on.id == d.id);
            let of = droplets.iter().find(of).filter(|d| d.tags.iter().any(|t| t == tags::WITH_ADDRESS));
            add(RESERVED_IP, ip.ip.clone(), of.and_then(|d| tags::read(d.tags.iter().map(String::as_str))));
        }
    }
    for droplet in &droplets {
        add(DROPLET, droplet.id.to_string(), tags::read(droplet.tags.iter().map(String::as_str)));
    }
    let keys: Vec<Key> = api.list(&paths::keys(), "ssh_keys").await?;
    for key in &keys {
        add(KEY, key.id.to_string(), tags::read(key.name.split(' ')));
    }
    // A firewall's own tags say for whom it holds, so its name has to do; the key is removed after it.
    let firewalls: Vec<Firewall> = api.list(&paths::firewalls(), "firewalls").await?;
    for firewall in firewalls {
        let of = found.iter().find(|t| firewall.name == firewall::name(t.tags.uuid)).map(|t| t.tags.clone());
        let resource = Resource { kind: FIREWALL.to_owned(), id: firewall.id };
        found.extend(of.map(|tags| Tagged { resource, tags }));
    }
    Ok(found)
}

pub(crate) async fn remove_tagged(api: &Api, tagged: &[Tagged]) -> Result<(), DriverError> {
    for Tagged { resource, .. } in tagged {
        match (resource.kind.as_str(), resource.id.parse::<u64>()) {
            (DROPLET, Ok(id)) => delete_when_idle(api, &paths::droplet(id)).await?,
            (KEY, Ok(id)) => api.delete(&paths::key(id)).await?,
            (RESERVED_IP, _) => delete_when_idle(api, &paths::reserved_ip(&resource.id)?).await?,
            (FIREWALL, _) => api.delete(&paths::firewall(&resource.id)?).await?,
            _ => {}
        }
    }
    Ok(())
}
