//! Making a machine: its image, its network, its container, the key to it, and its own key.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use rmachine_driver::{
    CreateRequest, DriverError, DriverErrorKind, DriverState, ENGINE_PORT, MachineHandle, MachineName, Uuid,
};
use rmachine_engine_api::{EngineError, with_query};
use rmachine_host::{Poll, lock_shared};
use serde_json::Value;

use crate::body::{self, Bounding};
use crate::engine::{Container, Engine, PORTS, STORE, UUID, refused};
use crate::furnish::furnish;
use crate::network::{self, Place};
use crate::options::Wanted;
use crate::reach::{self, answers};
use crate::records::{self, CONTAINER, NETWORK};
use crate::{hostkey, image};

/// Addresses are handed out in a moment, unless the computer is busy.
const ADDRESSES: Duration = Duration::from_secs(60);
/// How long the engine may need to finish the request of an rmachine that was killed.
const UNFINISHED: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);
/// What the engine refuses for being taken is tried with the next.
const TRIES: usize = 6;

/// What earlier tries taught.
struct Lessons {
    caps: Bounding,
    addresses: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<u16>,
}

pub(crate) async fn create(
    machine: &mut MachineHandle<'_>,
    mut engine: Engine,
    request: &CreateRequest<'_>,
    locks: &Path,
) -> Result<(), DriverError> {
    let wanted = Wanted::kept(machine.state);
    let id = match started(machine, &mut engine).await? {
        Some(id) => {
            engine.start(&id).await.map_err(refused)?;
            id
        }
        None => make(machine, &mut engine, &wanted, request, locks).await?,
    };
    let done = look(machine, &mut engine, &wanted, &id).await;
    done.map_err(|e| e.left(records::container_left(id)))
}

/// A container of an earlier run that got as far as its first start. One that did not may lack what it was to find then,
/// and holds nothing that anybody would miss.
async fn started(
    machine: &mut MachineHandle<'_>,
    engine: &mut Engine,
) -> Result<Option<String>, DriverError> {
    for found in engine.of_machine(machine.uuid).await? {
        match engine.inspect(&found.id).await? {
            Some(container) if container.state.status != "created" => {
                machine.record_id(CONTAINER, &found.id)?;
                return Ok(Some(found.id));
            }
            _ => discard(engine, &found.id).await?,
        }
    }
    Ok(None)
}

async fn make(
    machine: &mut MachineHandle<'_>,
    engine: &mut Engine,
    wanted: &Wanted,
    request: &CreateRequest<'_>,
    locks: &Path,
) -> Result<String, DriverError> {
    let image = image(machine, engine, wanted, locks).await?;
    let publish = reach::publish_at(engine, wanted).await?;
    let mut lessons =
        Lessons { caps: bounding(engine.peer), addresses: BTreeSet::new(), ports: BTreeSet::new() };
    for _ in 1..TRIES {
        let reserved =
            reserve(machine, engine, wanted, &image, publish.as_deref(), &mut lessons, locks).await?;
        let Some((id, place)) = reserved else { continue };
        machine.record_id(CONTAINER, &id)?;
        if let Err(e) = furnish(machine, engine, &id, wanted, request, &place).await {
            return Err(unstarted(engine, &id, e).await);
        }
        match engine.start(&id).await {
            Ok(()) => return Ok(id),
            Err(e) if is_lost_network(&e) || lessons.learn(&e, &place) => discard(engine, &id).await?,
            Err(e) => return Err(unstarted(engine, &id, refused(e)).await),
        }
    }
    Err(DriverError::invalid(format!("the engine refused {TRIES} containers one after the other")))
}

async fn image(
    machine: &MachineHandle<'_>,
    engine: &mut Engine,
    wanted: &Wanted,
    locks: &Path,
) -> Result<String, DriverError> {
    if let Some(image) = &wanted.image {
        return match engine.image_id(image).await? {
            Some(_) => Ok(image.clone()),
            None => Err(no_such_image(image)),
        };
    }
    let announce = |text: &str| machine.reporter.step(machine.name, text);
    let progress = |text: &str| machine.reporter.detail(machine.name, text);
    image::ensure(engine, &wanted.recipe, locks, &announce, &progress).await
}

/// What the engine did not do as it was asked, and where the machine answers if not at an address of its own.
fn tell(machine: &MachineHandle<'_>, made: &Value, place: &Place) {
    for warning in made["Warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        machine.reporter.warn(machine.name, warning);
    }
    if let Some(ports) = &place.ports {
        let at = if ports.ip.is_empty() { "the engine's host" } else { &ports.ip };
        let (ssh, engine) = (ports.ssh, ports.engine);
        let text = format!("Publishing its SSH and its engine on {at}, ports {ssh} and {engine}");
        machine.reporter.info(machine.name, &text);
    }
}

pub(crate) fn no_such_image(image: &str) -> DriverError {
    DriverError::new(DriverErrorKind::Missing, format!("the engine has no image {image:?}"))
        .hint("leave --docker-image out to have a node image built, or `docker load` yours first")
}

/// Network, address and container in one go, so that no two processes choose the same. Nothing when the network went away
/// meanwhile.
async fn reserve(
    machine: &mut MachineHandle<'_>,
    engine: &mut Engine,
    wanted: &Wanted,
    image: &str,
    publish: Option<&str>,
    lessons: &mut Lessons,
    locks: &Path,
) -> Result<Option<(String, Place)>, DriverError> {
    let _lock = lock_shared(locks, "addresses", ADDRESSES).await?;
    machine.record_id(NETWORK, &wanted.network)?;
    machine.record_request(CONTAINER)?;
    let network = network::ensure(engine, &wanted.network, machine.state.text("StorePath")).await?;
    machine.state.set("Subnet", network.range());
    let containers = engine.list(&[]).await?;
    let place = Place {
        address: network::free_address(&network, &containers, &lessons.addresses)?,
        ports: publish.and_then(|ip| network::free_ports(ip, &containers, &lessons.ports)),
    };
    let path = with_query("/containers/create", &[("name", machine.name.as_str())]);
    let unfinished = Poll::new(UNFINISHED, PAUSE);
    loop {
        let body = body::container(&machine.tags, wanted, image, &place, lessons.caps);
        match engine.client.post::<Value>(&path, Some(&body)).await {
            Ok(made) => {
                let id = made.get("Id").and_then(Value::as_str).unwrap_or_default();
                tell(machine, &made, &place);
                return Ok(Some((id.to_owned(), place)));
            }
            Err(e) if is_lost_network(&e) => return Ok(None),
            Err(e) if e.is_name_taken() => {
                remove_unfinished(engine, machine.name, machine.uuid).await?;
                if !unfinished.again().await {
                    return Err(refused(e));
                }
            }
            // There is an end to it: each time it is one capability less.
            Err(e) if lessons.learn(&e, &place) => {}
            Err(e) => return Err(refused(e)),
        }
    }
}

/// What the engine's own process may hand on, where that can be seen.
fn bounding(peer: Option<i32>) -> Bounding {
    let status = peer.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
    status.and_then(|s| Bounding::of_status(&s)).unwrap_or(Bounding::FULL)
}

impl Lessons {
    /// Whether another try can do better.
    fn learn(&mut self, error: &EngineError, place: &Place) -> bool {
        if let Some(capability) = error.refused_capability() {
            let fewer = self.caps.without(capability);
            return std::mem::replace(&mut self.caps, fewer) != fewer;
        }
        if let Some(ports) = place.ports.as_ref().filter(|_| error.is_port_taken()) {
            return self.ports.insert(ports.ssh) | self.ports.insert(ports.engine);
        }
        place.address.filter(|_| error.is_address_taken()).is_some_and(|a| self.addresses.insert(a))
    }
}

/// Whether the network has to be found or made once more: another user, who does not share our lock, removed it, or it
/// exists twice since a killed process made it too.
fn is_lost_network(error: &EngineError) -> bool {
    error.is_network_gone() || error.is_ambiguous_network() || error.is_outside_subnet()
}

async fn discard(engine: &mut Engine, id: &str) -> Result<(), DriverError> {
    engine.delete(&format!("/containers/{id}?force=1&v=1")).await
}

/// A container that does not start is of no use to a later try either.
async fn unstarted(engine: &mut Engine, id: &str, error: DriverError) -> DriverError {
    match discard(engine, id).await {
        Ok(()) => error,
        Err(_) => error.left(records::container_left(id.to_owned())),
    }
}

/// What a machine that runs says of itself.
async fn look(
    machine: &mut MachineHandle<'_>,
    engine: &mut Engine,
    wanted: &Wanted,
    id: &str,
) -> Result<(), DriverError> {
    machine.state.set("ContainerId", id);
    let key = hostkey::wait(engine, id).await?;
    machine.state.set("SSHHostKey", key);
    let Some(container) = engine.inspect(id).await? else { return Err(hostkey::ended(engine, id).await) };
    let host = engine.host.remote().map(ToString::to_string);
    note_address(machine.state, wanted, &container, host.as_deref())
}

/// Where it answers now: its own address, or ports of the engine's host.
pub(crate) fn note_address(
    state: &mut DriverState,
    wanted: &Wanted,
    container: &Container,
    remote: Option<&str>,
) -> Result<(), DriverError> {
    let given = container.config.labels.as_ref().and_then(|l| l.get(PORTS)).and_then(|p| parse_ports(p));
    match given {
        Some((ssh, engine)) => answers(state, remote.unwrap_or("127.0.0.1"), ssh, engine),
        None => answers(state, own_address(container, &wanted.network)?, 22, ENGINE_PORT),
    }
    Ok(())
}

fn parse_ports(label: &str) -> Option<(u16, u16)> {
    let (ssh, engine) = label.split_once(',')?;
    Some((ssh.parse().ok()?, engine.parse().ok()?))
}

fn own_address<'a>(container: &'a Container, network: &str) -> Result<&'a str, DriverError> {
    let networks = container.network_settings.networks.as_ref();
    let address = networks.and_then(|n| n.get(network)).map(|a| a.address.as_str());
    address.filter(|a| !a.is_empty()).ok_or_else(|| {
        let id = container.id.get(..12).unwrap_or(&container.id);
        DriverError::new(
            DriverErrorKind::Provider,
            format!("the container {id} has no address on the network {network:?}"),
        )
    })
}

/// Removes the container that a killed rmachine requested for this machine. The engine gives the name to a container before
/// it shows the container, so there may be none yet. The container of anybody else is an error.
async fn remove_unfinished(engine: &mut Engine, name: &MachineName, uuid: Uuid) -> Result<(), DriverError> {
    match engine.inspect(name.as_str()).await? {
        Some(container) if is_of_machine(uuid, &container) => discard(engine, &container.id).await,
        Some(container) => Err(foreign(name.as_str(), &container)),
        None => Ok(()),
    }
}

fn is_of_machine(uuid: Uuid, container: &Container) -> bool {
    let labels = container.config.labels.as_ref();
    labels.and_then(|labels| labels.get(UUID)).is_some_and(|label| *label == uuid.to_string())
}

pub(crate) fn foreign(name: &str, container: &Container) -> DriverError {
    let labels = container.config.labels.clone().unwrap_or_default();
    let id = container.id.get(..12).unwrap_or(&container.id);
    let whose = match (labels.get(UUID), labels.get(STORE)) {
        (Some(_), Some(store)) => format!("it is a machine of the store {store}"),
        _ => "rmachine did not make it".to_owned(),
    };
    DriverError::invalid(format!("the engine has a container called {name:?} already ({id}), and {whose}"))
        .hint("give the machine another name, or rename that container: docker rename")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;
    use crate::fake_engine::{Answer, Machine, engine};
    use crate::network::OwnPorts;

    fn inspected(labels: &Value, address: &str) -> Value {
        json!({
            "Id": "0123456789abcdef",
            "State": {"Status": "running"},
            "Config": {"Labels": labels},
            "NetworkSettings": {"Networks": {"rmachine": {"IPAddress": address}}},
        })
    }

    fn container(labels: &Value, address: &str) -> Container {
        serde_json::from_value(inspected(labels, address)).unwrap()
    }

    fn wanted() -> Wanted {
        let mut state = DriverState::default();
        state.set("Network", "rmachine");
        Wanted::kept(&state)
    }

    fn failed(message: &str) -> EngineError {
        EngineError::Refused { status: 500, message: message.into(), path: "/x".into() }
    }

    /// Answers a request for a container with "the name is taken" as often as `conflicts` has containers of that name, which
    /// `inspect` shows, and then creates it. Removing a container frees its name.
    fn name_taken_by(
        conflicts: Vec<Option<&'static str>>,
        seen: &Arc<Mutex<Vec<String>>>,
    ) -> impl FnMut(&str) -> Answer + Send + 'static {
        let (seen, mut conflicts, mut shown) = (seen.clone(), conflicts.into_iter(), None);
        move |request| {
            let line = request.split(" HTTP/").next().unwrap_or_default();
            if line.starts_with("POST") && line.contains("/containers/create") {
                seen.lock().unwrap().push("create".to_owned());
                let Some(container) = conflicts.next() else {
                    return ("201 Created", r#"{"Id":"new"}"#.to_owned());
                };
                shown = container;
                return (
                    "409 Conflict",
                    r#"{"message":"The container name \"/n1\" is already in use"}"#.to_owned(),
                );
            }
            if line.starts_with("DELETE") {
                seen.lock().unwrap().push("delete".to_owned());
                return ("204 No Content", String::new());
            }
            match line {
                inspect if inspect.contains("/containers/n1/json") => match shown {
                    Some(uuid) => ("200 OK", inspected(&json!({ UUID: uuid }), "").to_string()),
                    None => ("404 Not Found", r#"{"message":"no such container"}"#.to_owned()),
                },
                lists if lists.contains("/containers/json") => ("200 OK", "[]".to_owned()),
                networks if networks.contains("/networks") => {
                    ("200 OK", r#"[{"Name":"rmachine","Id":"n"}]"#.to_owned())
                }
                _ => ("200 OK", r#"{"Id":"i"}"#.to_owned()),
            }
        }
    }

    /// Reserves a container for the machine `n1`, and returns its id and the requests that changed something.
    async fn reserved(conflicts: Vec<Option<&'static str>>) -> (Result<String, DriverError>, Vec<String>) {
        let (dir, seen) = (tempfile::tempdir().unwrap(), Arc::default());
        let mut engine = engine(dir.path(), name_taken_by(conflicts, &seen)).await;
        let mut machine = Machine::new();
        let mut lessons =
            Lessons { caps: Bounding::FULL, addresses: BTreeSet::new(), ports: BTreeSet::new() };
        let locks = dir.path().join("locks");
        let mut handle = machine.handle(dir.path());
        let done = reserve(&mut handle, &mut engine, &wanted(), "image", None, &mut lessons, &locks).await;
        let id = done.map(|reserved| reserved.map(|(id, _)| id).unwrap_or_default());
        let requests = seen.lock().unwrap().clone();
        (id, requests)
    }

    #[tokio::test]
    async fn create_removes_the_container_that_a_killed_create_requested() {
        // The engine has the name before it shows the container.
        let (id, requests) = reserved(vec![None, Some("00000000-0000-0000-0000-000000000000")]).await;
        assert_eq!(id.unwrap(), "new");
        assert_eq!(requests, ["create", "create", "delete", "create"]);
    }

    #[tokio::test]
    async fn create_leaves_the_container_of_another_machine_alone() {
        let (id, requests) = reserved(vec![Some("11111111-1111-1111-1111-111111111111")]).await;
        let error = id.unwrap_err();
        assert!(error.message.contains("has a container called \"n1\" already"), "{error}");
        assert_eq!(requests, ["create"]);
    }

    #[test]
    fn refusals_teach() {
        let mut lessons =
            Lessons { caps: Bounding::FULL, addresses: BTreeSet::new(), ports: BTreeSet::new() };
        let place = Place { address: Some([172, 18, 0, 2].into()), ports: None };
        let caps =
            failed("OCI runtime create failed: unable to apply caps: operation not permitted: unknown");
        assert!(lessons.learn(&caps, &place));
        assert!(!lessons.learn(&caps, &place), "there is nothing more to leave out");
        let named = "invalid CapAdd: capability not supported by your kernel or not available in the current \
                     environment: \"CAP_SYS_TIME\"";
        assert!(lessons.learn(&failed(named), &place));
        assert_eq!(lessons.caps, Bounding::FULL.without("SYS_RESOURCE").without("SYS_TIME"));
        assert!(lessons.learn(&failed("Address already in use"), &place));
        assert!(lessons.addresses.contains(&Ipv4Addr::new(172, 18, 0, 2)));
        assert!(!lessons.learn(&failed("no space left on device"), &place));
        let ports = OwnPorts { ip: "127.0.0.1".into(), ssh: 22_000, engine: 22_001 };
        let published = Place { address: None, ports: Some(ports) };
        let busy = "Bind for 127.0.0.1:22001 failed: port is already allocated";
        assert!(lessons.learn(&failed(busy), &published));
        assert!(lessons.ports.contains(&22_000) && lessons.ports.contains(&22_001));
        let newer =
            "Error starting userland proxy: listen tcp4 127.0.0.1:22000: bind: address already in use";
        for taken in [busy, newer] {
            assert!(!lessons.learn(&failed(taken), &place), "a port of the user's own stays taken");
        }
    }

    #[test]
    fn addresses_are_noted() {
        let noted = |labels: &Value, address: &str, remote: Option<&str>| {
            let mut state = DriverState::default();
            note_address(&mut state, &wanted(), &container(labels, address), remote)
                .map_err(|e| e.to_string())?;
            Ok::<_, String>(serde_json::to_string(&state).unwrap())
        };
        assert_eq!(
            noted(&json!({}), "172.18.0.2", None).unwrap(),
            r#"{"IPAddress":"172.18.0.2","SSHUser":"root","SSHPort":22,"EnginePort":2376}"#
        );
        let ports = json!({"rmachine.ports": "22000,22001"});
        assert_eq!(
            noted(&ports, "172.18.0.2", None).unwrap(),
            r#"{"IPAddress":"127.0.0.1","SSHUser":"root","SSHPort":22000,"EnginePort":22001}"#
        );
        assert!(noted(&ports, "", Some("10.0.0.9")).unwrap().starts_with(r#"{"IPAddress":"10.0.0.9""#));
        assert_eq!(
            noted(&json!(null), "", None).unwrap_err(),
            "the container 0123456789ab has no address on the network \"rmachine\""
        );
    }

    #[test]
    fn a_taken_name_is_told_with_its_owner() {
        let told = |labels: Value| foreign("node1", &container(&labels, "")).to_string();
        assert_eq!(
            told(json!(null)),
            "the engine has a container called \"node1\" already (0123456789ab), and rmachine did not make it"
        );
        assert!(
            told(json!({"rmachine.uuid": "1", "rmachine.store": "/S"}))
                .ends_with("it is a machine of the store /S")
        );
    }
}
