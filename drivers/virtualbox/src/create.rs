//! Making a machine: its place on the network, its entry at VirtualBox, its disk, its seed, and its first start.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rmachine_driver::{
    CreateRequest, DriverError, DriverState, Leftovers, MachineHandle, Resource, State, Uuid,
};
use rmachine_host::lock_shared;

use crate::answer::{self, ADAPTER, ADDRESS, Info, Vm};
use crate::image;
use crate::manage::Manager;
use crate::network::{self, HostOnly};
use crate::options::{LOGIN, Wanted};
use crate::records::{self, COMPLETE, VM};
use crate::words::{self, ENGINE_RULE, Make, SSH_RULE};
use crate::{Version, boot2docker, files, power, remove, seed};

/// Choosing an address and making the entry that has it takes a moment, unless the computer is busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where a machine is put.
struct Place {
    on: Option<HostOnly>,
    /// Nothing where a DHCP server gives it one.
    address: Option<Ipv4Addr>,
    ssh_port: u16,
    engine_port: Option<u16>,
}

pub(crate) async fn create(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
    manager: &Manager,
    version: Version,
) -> Result<(), DriverError> {
    let wanted = Wanted::kept(machine.state)?;
    let Err(error) = make_or_go_on(machine, request, manager, &wanted, version).await else { return Ok(()) };
    if request.keep_on_failure {
        let id = machine.uuid.to_string();
        return Err(error.left(Leftovers::Known(vec![Resource { kind: VM.into(), id }])));
    }
    match remove::all(machine, manager).await {
        Ok(()) => Err(error),
        Err(e) => Err(error.left(Leftovers::Unknown(format!("VBoxManage list vms; {e}")))),
    }
}

async fn make_or_go_on(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
    manager: &Manager,
    wanted: &Wanted,
    version: Version,
) -> Result<(), DriverError> {
    let lock = lock_shared(manager.locks(), "virtualbox-networks", PATIENCE).await?;
    let mut vms = answer::vms(&manager.run(&["list", "--long", "vms"]).await?);
    if vms.iter().any(|vm| vm.uuid == Some(machine.uuid)) {
        if records::has_any(machine.journal.records(), &[COMPLETE]) {
            drop(lock);
            return go_on(machine, request, manager, wanted).await;
        }
        remove::all(machine, manager).await?;
        vms.retain(|vm| vm.uuid != Some(machine.uuid));
    }
    if let Some(other) = vms.iter().find(|vm| vm.name == machine.name.as_str()) {
        return Err(foreign(other));
    }
    let place = register(machine, manager, wanted, &vms, version).await?;
    drop(lock);
    note_place(machine.state, &place, machine.uuid);
    equip(machine, request, manager, wanted, &place).await?;
    machine.record_id(COMPLETE, &machine.uuid.to_string())?;
    start(machine, request, manager, wanted).await
}

pub(crate) fn foreign(vm: &Vm) -> DriverError {
    let name = &vm.name;
    let whose = match vm.tags() {
        Some(tags) => format!("it is a machine of the store {}", tags.store),
        None => "rmachine did not make it".to_owned(),
    };
    let uuid = vm.uuid.map(|u| u.to_string()).unwrap_or_default();
    DriverError::invalid(format!("VirtualBox has a machine called {name:?} already, and {whose}"))
        .hint("give the new machine another name")
        .hint(format!("or take that one away, with its disks: VBoxManage unregistervm {uuid} --delete"))
}

/// The machine's entry at VirtualBox, with its place on the network in its description, for others to see.
async fn register(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
    vms: &[Vm],
    version: Version,
) -> Result<Place, DriverError> {
    let place = place(machine, manager, wanted, vms).await?;
    let description = description(machine, &place);
    let make = Make {
        name: machine.name.as_str(),
        uuid: machine.uuid,
        dir: machine.dir,
        version,
        description: &description,
        ssh_port: place.ssh_port,
        engine_port: place.engine_port,
        adapter: place.on.as_ref().map(|on| on.name.as_str()),
    };
    let (create, modify) = (words::create(&make, wanted.boot2docker.is_some()), words::modify(&make, wanted));
    machine.record_id(VM, &machine.uuid.to_string())?;
    manager.run(&create).await?;
    manager.run(&modify).await?;
    Ok(place)
}

async fn place(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
    vms: &[Vm],
) -> Result<Place, DriverError> {
    let ssh_port = power::free_port()?;
    if wanted.nat_only {
        let engine_port = Some(power::free_port()?);
        return Ok(Place { on: None, address: None, ssh_port, engine_port });
    }
    let on = network::ensure(machine, manager, wanted, vms).await?;
    let address = match wanted.boot2docker {
        Some(_) => None,
        None => Some(network::free_address(on.cidr, vms)?),
    };
    Ok(Place { on: Some(on), address, ssh_port, engine_port: None })
}

fn description(machine: &MachineHandle<'_>, place: &Place) -> String {
    let mut pairs = machine.tags.pairs();
    pairs.extend(place.address.map(|a| (ADDRESS, a.to_string())));
    pairs.extend(place.on.iter().filter(|on| on.made).map(|on| (ADAPTER, on.name.clone())));
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n")
}

fn note_place(state: &mut DriverState, place: &Place, uuid: Uuid) {
    state.set("VMId", uuid.to_string());
    note_ports(state, place.ssh_port, place.engine_port);
    if let Some(address) = place.address {
        state.set("IPAddress", address.to_string());
    }
    if let Some(on) = &place.on {
        state.set("HostOnlyAdapter", on.name.as_str());
        state.set("HostOnlyNetwork", on.cidr.to_string());
        state.set("HostOnlyAdapterMade", on.made);
    }
}

fn note_ports(state: &mut DriverState, ssh: u16, engine: Option<u16>) {
    state.set("SSHUser", LOGIN);
    state.set("SSHPort", ssh);
    if let Some(engine) = engine {
        state.set("IPAddress", "127.0.0.1");
        state.set("EnginePort", engine);
    }
}

/// Disk, disc and shared folder.
async fn equip(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
    manager: &Manager,
    wanted: &Wanted,
    place: &Place,
) -> Result<(), DriverError> {
    let name = machine.name.to_string();
    let (disk, disc) = match &wanted.boot2docker {
        Some(url) => boot2docker::media(machine, manager, request, url).await?,
        None => {
            let disk = disk(machine, manager, wanted).await?;
            (disk, seed::write(machine, request, wanted, place.on.as_ref().zip(place.address))?)
        }
    };
    grow(machine, manager, &disk, wanted.disk).await?;
    manager.run(&words::controller(&name)).await?;
    manager.run(&words::attach_disk(&name, &disk)).await?;
    manager.run(&words::attach_disc(&name, &disc)).await?;
    if let Some(share) = wanted.share() {
        manager.run(&words::share(&name, &share)).await?;
    }
    if wanted.boot2docker.is_some() {
        boot2docker::settle(machine, manager, wanted).await?;
    }
    Ok(())
}

/// A copy of the image's disk, with a uuid of its own.
async fn disk(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
) -> Result<PathBuf, DriverError> {
    let cache = Path::new(machine.state.text("StorePath")).join("cache");
    let image = image::ensure(machine, manager, wanted, &cache).await?;
    let disk = machine.dir.join(files::DISK);
    machine.reporter.step(machine.name, "Creating the VM's disk...");
    files::copy(&image, &disk).await?;
    image::give_uuid(&disk, Uuid::new_v4())?;
    Ok(disk)
}

async fn grow(
    machine: &MachineHandle<'_>,
    manager: &Manager,
    disk: &Path,
    megabytes: i64,
) -> Result<(), DriverError> {
    let now = image::capacity(disk)?;
    let wanted = u64::try_from(megabytes).unwrap_or_default() << 20;
    if now < wanted {
        manager.work(&words::resize(disk, megabytes), &|_| {}).await?;
    } else if now > wanted {
        let text = format!("The image is larger than {megabytes} MB: the disk has {} MB", now >> 20);
        machine.reporter.info(machine.name, &text);
    }
    Ok(())
}

/// A machine whose making an earlier run had finished, but for its start.
async fn go_on(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
    manager: &Manager,
    wanted: &Wanted,
) -> Result<(), DriverError> {
    let id = machine.uuid.to_string();
    let info = Info::read(&manager.run(&["showvminfo", &id, "--machinereadable"]).await?);
    let notes = info.notes();
    machine.state.set("VMId", id);
    note_ports(machine.state, info.forwarded(SSH_RULE).unwrap_or_default(), info.forwarded(ENGINE_RULE));
    if let Some(address) = notes.get(ADDRESS) {
        machine.state.set("IPAddress", address.as_str());
    }
    if let Some((_, adapter)) = info.adapter() {
        machine.state.set("HostOnlyAdapter", adapter);
        machine.state.set("HostOnlyAdapterMade", notes.contains_key(ADAPTER));
    }
    if info.state() == State::Running {
        note_host_key(machine, request, wanted);
        return boot2docker::await_address(machine, manager, wanted).await;
    }
    start(machine, request, manager, wanted).await
}

async fn start(
    machine: &mut MachineHandle<'_>,
    request: &CreateRequest<'_>,
    manager: &Manager,
    wanted: &Wanted,
) -> Result<(), DriverError> {
    machine.reporter.step(machine.name, "Starting the VM...");
    let log = machine.dir.join(machine.name.as_str()).join("Logs").join("VBox.log");
    let id = machine.uuid.to_string();
    power::launch(machine, manager, &id, &wanted.ui, &log).await?;
    note_host_key(machine, request, wanted);
    boot2docker::await_address(machine, manager, wanted).await
}

/// boot2docker makes its own key.
fn note_host_key(machine: &mut MachineHandle<'_>, request: &CreateRequest<'_>, wanted: &Wanted) {
    if let (Some(pair), None) = (request.host_key, &wanted.boot2docker) {
        machine.state.set("SSHHostKey", pair.public);
    }
}
