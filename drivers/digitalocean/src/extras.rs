//! What hangs on a droplet besides its disk and its firewall: a reserved address, a project.

use std::time::Duration;

use rmachine_driver::{DriverError, DriverErrorKind, MachineHandle};
use rmachine_rest::{Api, ApiError, Polls};
use serde_json::{Value, json};

use crate::api::{is_pending, unanswered};
use crate::model::{Droplet, OneAction, OneReservedIp, ReservedIp};
use crate::options::NEW;
use crate::records::{self, RESERVED_IP};
use crate::{firewall, paths};

const ASSIGNED: Duration = Duration::from_secs(300);
const TRIES: usize = 4;

pub(crate) async fn attach(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    droplet: &Droplet,
) -> Result<(), DriverError> {
    firewall::make(machine, api, droplet).await?;
    reserved_ip(machine, api, droplet).await?;
    project(machine, api, droplet).await
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
    if records::is_requested(machine.journal.records(), RESERVED_IP)
        && let Some(ip) = ip_of(api, droplet).await?
    {
        machine.record_id(RESERVED_IP, &ip)?;
        return Ok(ip);
    }
    machine.record_request(RESERVED_IP)?;
    for _ in 1..TRIES {
        let ip = match api.post::<OneReservedIp>(&paths::reserved_ips(), json!({"droplet_id": droplet})).await
        {
            Ok(made) => Some(made.reserved_ip.ip),
            Err(e) if e.is_unclear() => ip_of(api, droplet).await?,
            Err(e) => return Err(e.into()),
        };
        if let Some(ip) = ip {
            machine.record_id(RESERVED_IP, &ip)?;
            return Ok(ip);
        }
    }
    Err(unanswered("the reserved IP"))
}

async fn ip_of(api: &Api, droplet: u64) -> Result<Option<String>, ApiError> {
    let all: Vec<ReservedIp> = api.list(&paths::reserved_ips(), "reserved_ips").await?;
    Ok(all.into_iter().find(|ip| ip.droplet.as_ref().is_some_and(|d| d.id == droplet)).map(|ip| ip.ip))
}

/// To the end: until then it leads elsewhere.
async fn assign(api: &Api, ip: &str, droplet: u64) -> Result<(), DriverError> {
    let path = paths::reserved_ip_actions(ip)?;
    let mut polls = Polls::within(ASSIGNED);
    loop {
        match api.post::<OneAction>(&path, json!({"type": "assign", "droplet_id": droplet})).await {
            Ok(_) => {}
            Err(e) if e.is_unclear() || is_pending(&e) => {}
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
    let path = paths::project_resources(project)?;
    let body = json!({"resources": [format!("do:droplet:{}", droplet.id)]});
    for _ in 1..TRIES {
        // Once more does no harm.
        match api.post::<Value>(&path, body.clone()).await {
            Ok(_) => return Ok(()),
            Err(e) if e.is_unclear() => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(unanswered("its place in the project"))
}
