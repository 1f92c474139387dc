//! What hangs on a droplet besides its disk: a firewall of its own, a reserved address, a project.

use std::time::Duration;

use rmachine_driver::{DriverError, DriverErrorKind, ENGINE_PORT, MachineHandle, Uuid};
use serde_json::{Value, json};

use crate::api::{Api, ApiError, Polls};
use crate::create::{journaled, record};
use crate::model::{Droplet, Firewall, OneAction, OneFirewall, OneReservedIp, OneVpc, ReservedIp};
use crate::options::{self, NEW};
use crate::tags;

pub(crate) const FIREWALL: &str = "firewall";
pub(crate) const RESERVED_IP: &str = "reserved-ip";
const ASSIGNED: Duration = Duration::from_secs(300);
const TRIES: usize = 4;
/// What the members of a swarm say to each other.
const SWARM: [(&str, &str); 4] = [("tcp", "2377"), ("tcp", "7946"), ("udp", "7946"), ("udp", "4789")];

pub(crate) async fn attach(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    droplet: &Droplet,
) -> Result<(), DriverError> {
    firewall(machine, api, droplet).await?;
    reserved_ip(machine, api, droplet).await?;
    project(machine, api, droplet).await
}

pub(crate) fn firewall_name(uuid: Uuid) -> String {
    format!("rmachine-{uuid}")
}

async fn firewall(machine: &mut MachineHandle<'_>, api: &Api, droplet: &Droplet) -> Result<(), DriverError> {
    let sources = options::words(machine.state, "Firewall");
    if sources.is_empty() {
        return Ok(());
    }
    let name = firewall_name(machine.uuid);
    if journaled(machine.journal.records(), FIREWALL).is_some()
        && let Some(found) = find_firewall(api, &name).await?
    {
        return record(machine, FIREWALL, &found.id);
    }
    let vpc: OneVpc = api.get(&format!("/v2/vpcs/{}", droplet.vpc_uuid)).await?;
    record(machine, FIREWALL, "")?;
    let body = json!({
        "name": name,
        "inbound_rules": inbound(&sources, &vpc.vpc.ip_range, machine.state.int("SSHPort")),
        "outbound_rules": outbound(),
        // It holds for every droplet that bears it: no other has this one.
        "tags": [tags::of_machine(machine.uuid)],
    });
    for _ in 1..TRIES {
        let made = match api.post::<OneFirewall>("/v2/firewalls", body.clone()).await {
            Ok(made) => Some(made.firewall),
            Err(ApiError::Lost(_)) => find_firewall(api, &name).await?,
            Err(e) => return Err(e.into()),
        };
        if let Some(made) = made {
            return record(machine, FIREWALL, &made.id);
        }
    }
    Err(never("the firewall"))
}

async fn find_firewall(api: &Api, name: &str) -> Result<Option<Firewall>, ApiError> {
    let all: Vec<Firewall> = api.list("/v2/firewalls", "firewalls").await?;
    Ok(all.into_iter().find(|f| f.name == name))
}

fn inbound(sources: &[String], vpc: &str, ssh: i64) -> Vec<Value> {
    let rule = |protocol: &str, port: String, addresses: Value| json!({"protocol": protocol, "ports": port, "sources": {"addresses": addresses}});
    let mut rules: Vec<Value> = [ssh.to_string(), ENGINE_PORT.to_string()]
        .into_iter()
        .map(|port| rule("tcp", port, json!(sources)))
        .collect();
    rules.extend(SWARM.map(|(protocol, port)| rule(protocol, port.to_owned(), json!([vpc]))));
    rules
}

fn outbound() -> Vec<Value> {
    let anywhere = json!({"addresses": ["0.0.0.0/0", "::/0"]});
    let all = ["tcp", "udp"].map(|p| json!({"protocol": p, "ports": "all", "destinations": anywhere}));
    let ping = json!({"protocol": "icmp", "ports": "0", "destinations": anywhere});
    all.into_iter().chain([ping]).collect()
}

async fn reserved_ip(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    droplet: &Droplet,
) -> Result<(), DriverError> {
    let wanted = machine.state.text("ReservedIP").to_owned();
    let ip = match wanted.as_str() {
        "" => return Ok(()),
        NEW => new_ip(machine, api, droplet.id).await?,
        given => {
            assign(api, given, droplet.id).await?;
            given.to_owned()
        }
    };
    machine.state.set("IPAddress", ip);
    Ok(())
}

async fn new_ip(machine: &mut MachineHandle<'_>, api: &Api, droplet: u64) -> Result<String, DriverError> {
    if journaled(machine.journal.records(), RESERVED_IP).is_some()
        && let Some(ip) = ip_of(api, droplet).await?
    {
        record(machine, RESERVED_IP, &ip)?;
        return Ok(ip);
    }
    record(machine, RESERVED_IP, "")?;
    for _ in 1..TRIES {
        let ip = match api.post::<OneReservedIp>("/v2/reserved_ips", json!({"droplet_id": droplet})).await {
            Ok(made) => Some(made.reserved_ip.ip),
            Err(ApiError::Lost(_)) => ip_of(api, droplet).await?,
            Err(e) => return Err(e.into()),
        };
        if let Some(ip) = ip {
            record(machine, RESERVED_IP, &ip)?;
            return Ok(ip);
        }
    }
    Err(never("the reserved IP"))
}

async fn ip_of(api: &Api, droplet: u64) -> Result<Option<String>, ApiError> {
    let all: Vec<ReservedIp> = api.list("/v2/reserved_ips", "reserved_ips").await?;
    Ok(all.into_iter().find(|ip| ip.droplet.as_ref().is_some_and(|d| d.id == droplet)).map(|ip| ip.ip))
}

/// To the end: until then it leads elsewhere.
async fn assign(api: &Api, ip: &str, droplet: u64) -> Result<(), DriverError> {
    let path = format!("/v2/reserved_ips/{ip}/actions");
    let mut polls = Polls::within(ASSIGNED);
    loop {
        match api.post::<OneAction>(&path, json!({"type": "assign", "droplet_id": droplet})).await {
            Ok(_) | Err(ApiError::Lost(_)) => {}
            Err(e) if e.is_pending() => {}
            Err(e) => return Err(e.into()),
        }
        for _ in 0..TRIES {
            if ip_of(api, droplet).await?.as_deref() == Some(ip) {
                return Ok(());
            }
            if !polls.wait().await {
                let message = format!("the reserved IP {ip} was not assigned in {} s", ASSIGNED.as_secs());
                return Err(DriverError::new(DriverErrorKind::Unreachable, message));
            }
        }
    }
}

async fn project(machine: &MachineHandle<'_>, api: &Api, droplet: &Droplet) -> Result<(), DriverError> {
    let project = machine.state.text("Project");
    if project.is_empty() {
        return Ok(());
    }
    let path = format!("/v2/projects/{project}/resources");
    let body = json!({"resources": [format!("do:droplet:{}", droplet.id)]});
    for _ in 1..TRIES {
        // Once more does no harm.
        match api.post::<Value>(&path, body.clone()).await {
            Ok(_) => return Ok(()),
            Err(ApiError::Lost(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(never("its place in the project"))
}

fn never(what: &str) -> DriverError {
    DriverError::new(
        DriverErrorKind::Unreachable,
        format!("DigitalOcean did not answer requests to make {what}"),
    )
}
