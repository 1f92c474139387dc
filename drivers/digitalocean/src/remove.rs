//! Removing what was made: by its ids, and by its tags where an id may never have been heard of.

use std::collections::BTreeSet;
use std::time::Duration;

use rmachine_driver::{DriverError, JournalRecord, Leftovers, MachineHandle, Resource, Tagged, Uuid};

use crate::account::{ACCOUNT, Session};
use crate::api::{Api, ApiError, Polls};
use crate::create::{DROPLET, KEY, record};
use crate::extras::RESERVED_IP;
use crate::firewall::{self, FIREWALL};
use crate::model::{Droplet, Firewall, Key, ReservedIp};
use crate::tags;

/// How long something under way may keep a droplet from being removed.
const PENDING: Duration = Duration::from_secs(300);

/// What the journal names, for errors that cannot say more.
pub(crate) fn known(records: &[JournalRecord]) -> Leftovers {
    let made = records.iter().filter(|r| r.kind != ACCOUNT);
    let left: Vec<Resource> = made
        .map(|r| {
            let id = if r.id.is_empty() { "of unknown id" } else { &r.id };
            Resource { kind: r.kind.clone(), id: id.to_owned() }
        })
        .collect();
    if left.is_empty() { Leftovers::None } else { Leftovers::Known(left) }
}

pub(crate) async fn remove(machine: &mut MachineHandle<'_>, session: &Session) -> Result<(), DriverError> {
    let records = machine.journal.records().to_vec();
    session.is_of_machine().await.map_err(|e| e.left(known(&records)))?;
    let done = all(machine, &session.api, &records).await;
    done.map_err(|e| e.left(known(&records)))?;
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
        record(machine, RESERVED_IP, ip)?;
    }
    for id in &droplets {
        droplet(api, *id).await?;
    }
    for ip in ips {
        reserved_ip(api, &ip).await?;
    }
    for id in firewalls(machine.uuid, api, records).await? {
        api.delete(&format!("/v2/firewalls/{id}")).await?;
    }
    for id in keys(machine, api, records).await? {
        api.delete(&format!("/v2/account/keys/{id}")).await?;
    }
    if !records.is_empty() {
        // Only untidy, when it stays.
        let _ = api.delete(&format!("/v2/tags/{}", tags::of_machine(machine.uuid))).await;
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
    ids.extend(of_kind(records, DROPLET).filter_map(|id| id.parse::<u64>().ok()));
    if records.iter().any(|r| r.kind == DROPLET) {
        ids.extend(tagged_droplets(api, machine.uuid).await?.iter().map(|d| d.id));
    }
    let unanswered = is_open(records, DROPLET) && ids.iter().all(|id| *id == 0);
    if unanswered {
        // The request may be under way still.
        Polls::within(PENDING).wait().await;
        ids.extend(tagged_droplets(api, machine.uuid).await?.iter().map(|d| d.id));
    }
    ids.remove(&0);
    Ok(ids)
}

fn of_kind<'a>(records: &'a [JournalRecord], kind: &'a str) -> impl Iterator<Item = &'a str> {
    records.iter().filter(move |r| r.kind == kind && !r.id.is_empty()).map(|r| r.id.as_str())
}

/// Whether something was asked for whose id was never heard of.
fn is_open(records: &[JournalRecord], kind: &str) -> bool {
    records.iter().any(|r| r.kind == kind && r.id.is_empty())
}

pub(crate) async fn tagged_droplets(api: &Api, uuid: Uuid) -> Result<Vec<Droplet>, ApiError> {
    let path = format!("/v2/droplets?tag_name={}", tags::of_machine(uuid));
    api.list(&path, "droplets").await
}

/// Waits for what is under way with it.
pub(crate) async fn droplet(api: &Api, id: u64) -> Result<(), ApiError> {
    let mut polls = Polls::within(PENDING);
    loop {
        match api.delete(&format!("/v2/droplets/{id}")).await {
            Err(e) if e.is_pending() => {
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
    let mut ips: BTreeSet<String> = of_kind(records, RESERVED_IP).map(str::to_owned).collect();
    if is_open(records, RESERVED_IP) {
        let all: Vec<ReservedIp> = api.list("/v2/reserved_ips", "reserved_ips").await?;
        let ours = |ip: &ReservedIp| ip.droplet.as_ref().is_some_and(|d| droplets.contains(&d.id));
        ips.extend(all.into_iter().filter(ours).map(|ip| ip.ip));
    }
    Ok(ips)
}

async fn reserved_ip(api: &Api, ip: &str) -> Result<(), ApiError> {
    let mut polls = Polls::within(PENDING);
    loop {
        match api.delete(&format!("/v2/reserved_ips/{ip}")).await {
            Err(e) if e.is_pending() => {
                if !polls.wait().await {
                    return Err(e);
                }
            }
            done => return done,
        }
    }
}

async fn firewalls(uuid: Uuid, api: &Api, records: &[JournalRecord]) -> Result<BTreeSet<String>, ApiError> {
    let mut ids: BTreeSet<String> = of_kind(records, FIREWALL).map(str::to_owned).collect();
    if is_open(records, FIREWALL) {
        let all: Vec<Firewall> = api.list("/v2/firewalls", "firewalls").await?;
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
    let mut ids: BTreeSet<u64> = of_kind(records, KEY).filter_map(|id| id.parse().ok()).collect();
    let state = &machine.state;
    if records.is_empty() && state.text("SSHKeyFingerprint").is_empty() {
        ids.extend(u64::try_from(state.int("SSHKeyID")).ok().filter(|id| *id != 0));
    }
    if is_open(records, KEY) {
        let tag = tags::of_machine(machine.uuid);
        let all: Vec<Key> = api.list("/v2/account/keys", "ssh_keys").await?;
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
    let droplets: Vec<Droplet> =
        api.list(&format!("/v2/droplets?tag_name={}", tags::OURS), "droplets").await?;
    // Before their droplets: without those nobody would know whose they are.
    if droplets.iter().any(|d| d.tags.iter().any(|t| t == tags::WITH_ADDRESS)) {
        let all: Vec<ReservedIp> = api.list("/v2/reserved_ips", "reserved_ips").await?;
        for ip in all {
            let of = |d: &&Droplet| ip.droplet.as_ref().is_some_and(|on| on.id == d.id);
            let of = droplets.iter().find(of).filter(|d| d.tags.iter().any(|t| t == tags::WITH_ADDRESS));
            add(RESERVED_IP, ip.ip.clone(), of.and_then(|d| tags::read(d.tags.iter().map(String::as_str))));
        }
    }
    for droplet in &droplets {
        add(DROPLET, droplet.id.to_string(), tags::read(droplet.tags.iter().map(String::as_str)));
    }
    let keys: Vec<Key> = api.list("/v2/account/keys", "ssh_keys").await?;
    for key in &keys {
        add(KEY, key.id.to_string(), tags::read(key.name.split(' ')));
    }
    // A firewall's own tags say for whom it holds, so its name has to do; the key is removed after it.
    let firewalls: Vec<Firewall> = api.list("/v2/firewalls", "firewalls").await?;
    for firewall in firewalls {
        let of = found.iter().find(|t| firewall.name == firewall::name(t.tags.uuid)).map(|t| t.tags.clone());
        let resource = Resource { kind: FIREWALL.to_owned(), id: firewall.id };
        found.extend(of.map(|tags| Tagged { resource, tags }));
    }
    Ok(found)
}

pub(crate) async fn remove_tagged(api: &Api, tagged: &[Tagged]) -> Result<(), ApiError> {
    for Tagged { resource, .. } in tagged {
        match (resource.kind.as_str(), resource.id.parse::<u64>()) {
            (DROPLET, Ok(id)) => droplet(api, id).await?,
            (KEY, Ok(id)) => api.delete(&format!("/v2/account/keys/{id}")).await?,
            (RESERVED_IP, _) => reserved_ip(api, &resource.id).await?,
            (FIREWALL, _) => api.delete(&format!("/v2/firewalls/{}", resource.id)).await?,
            _ => {}
        }
    }
    Ok(())
}
