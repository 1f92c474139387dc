//! Taking a machine away, however much of it is there: by the uuid that it was made with, by what the journal names, and
//! for docker-machine's machines by their name, as long as it is theirs.

use std::path::{Path, PathBuf};

use rmachine_driver::{DriverError, Leftovers, MachineHandle, Resource, State, Tagged, recorded_ids};

use crate::answer::{self, Vm};
use crate::image;
use crate::manage::{Manager, Refusal, failed};
use crate::records::{self, ADAPTER, ADAPTERS_BEFORE, CONVERSION, DHCP_SERVER, VM};
use crate::{boot2docker, files, network, power, seed, vm};

/// Everything. What is already gone is done.
pub(crate) async fn all(machine: &MachineHandle<'_>, manager: &Manager) -> Result<(), DriverError> {
    let is_ours = machine.state.0.contains_key("Image");
    let done = take_away(machine, manager, is_ours).await;
    done.map_err(|e| e.left(Leftovers::Unknown(format!("VBoxManage showvminfo {:?}", machine.name.as_str()))))
}

async fn take_away(machine: &MachineHandle<'_>, manager: &Manager, is_ours: bool) -> Result<(), DriverError> {
    let id = id(machine, is_ours);
    match vm::info(manager, &id).await {
        Ok(info) => {
            if !is_ours {
                must_be_its_own(machine, info.text("CfgFile"))?;
            }
            unregister(manager, &id, info.state()).await?;
        }
        Err(e) => strike_off(manager, &id, e).await?,
    }
    close_media(machine, manager).await?;
    let made = machine.state.flag("HostOnlyAdapterMade").then(|| machine.state.text("HostOnlyAdapter"));
    let records = machine.journal.records();
    if made.is_some() || records::has_any(records, &[ADAPTER, ADAPTERS_BEFORE, DHCP_SERVER]) {
        let vms = answer::vms(&manager.run(&["list", "--long", "vms"]).await?);
        let made = made.filter(|m| !m.is_empty());
        network::remove_unused(manager, records, made, &vms).await?;
        boot2docker::remove_dhcp(manager, records, &vms).await?;
    }
    Ok(())
}

/// What VBoxManage is to call it.
fn id(machine: &MachineHandle<'_>, is_ours: bool) -> String {
    let known = machine.state.text("VMId");
    if !known.is_empty() {
        return known.to_owned();
    }
    if is_ours { machine.uuid.to_string() } else { machine.state.text("MachineName").to_owned() }
}

/// Another machine may have the name by now.
fn must_be_its_own(machine: &MachineHandle<'_>, config: &str) -> Result<(), DriverError> {
    let stored = Path::new(machine.state.text("StorePath")).join("machines").join(machine.name.as_str());
    let file = Path::new(config);
    if config.is_empty() || file.starts_with(machine.dir) || file.starts_with(stored) {
        return Ok(());
    }
    Err(failed(format!(
        "VirtualBox's machine {:?} is not this one: its files are in {}",
        machine.name.as_str(),
        file.parent().unwrap_or(file).display()
    ))
    .hint(format!("`rm -f {}` forgets this one and leaves that one alone", machine.name)))
}

async fn unregister(manager: &Manager, id: &str, state: State) -> Result<(), DriverError> {
    if !matches!(state, State::Stopped | State::Saved) {
        power::power_off(manager, id).await?;
    }
    match power::when_let_go(manager, &["unregistervm", id, "--delete"]).await {
        Err(e) if e.is_missing() => Ok(()),
        done => done.map(drop).map_err(Into::into),
    }
}

/// Of a machine that tells nothing of itself: either it is gone, or its files are.
async fn strike_off(manager: &Manager, id: &str, refusal: Refusal) -> Result<(), Refusal> {
    match refusal {
        e if e.is_missing() => Ok(()),
        e if e.is_inaccessible() => manager.run(&["unregistervm", id]).await.map(drop),
        e => Err(e),
    }
}

/// Disks that VirtualBox knows of although no machine has them: a making was cut off.
async fn close_media(machine: &MachineHandle<'_>, manager: &Manager) -> Result<(), Refusal> {
    for conversion in recorded_ids(machine.journal.records(), CONVERSION) {
        let Some((source, fresh)) =
            conversion.split_once('\n').map(|(s, f)| (PathBuf::from(s), PathBuf::from(f)))
        else {
            continue;
        };
        // Under its final name it is finished, and everybody's.
        if fresh.exists() {
            image::discard(manager, &source, &fresh).await;
        }
    }
    for disc in [seed::path(machine.dir), machine.dir.join(boot2docker::ISO)] {
        if disc.exists() {
            // VirtualBox remembers discs of machines that are gone; one that it does not know is as well.
            let _ = manager.run(&["closemedium", "dvd", &disc.to_string_lossy()]).await;
        }
    }
    let disk = machine.dir.join(files::DISK);
    if !disk.exists() {
        return Ok(());
    }
    match power::when_let_go(manager, &["closemedium", "disk", &disk.to_string_lossy(), "--delete"]).await {
        // A file that VirtualBox never heard of goes with the folder.
        Err(e) if e.is_locked() => Err(e),
        _ => Ok(()),
    }
}

pub(crate) fn tagged(vms: &[Vm]) -> Vec<Tagged> {
    let tagged = |vm: &Vm| {
        let resource = Resource { kind: VM.to_owned(), id: vm.uuid?.to_string() };
        Some(Tagged { resource, tags: vm.tags()? })
    };
    vms.iter().filter_map(tagged).collect()
}

pub(crate) async fn remove_tagged(manager: &Manager, tagged: &[Tagged]) -> Result<(), DriverError> {
    let before = answer::vms(&manager.run(&["list", "--long", "vms"]).await?);
    for Tagged { resource, .. } in tagged {
        match vm::info(manager, &resource.id).await {
            Ok(info) => unregister(manager, &resource.id, info.state()).await?,
            Err(e) => strike_off(manager, &resource.id, e).await?,
        }
    }
    let after = answer::vms(&manager.run(&["list", "--long", "vms"]).await?);
    let made = before.iter().filter_map(|vm| vm.notes.get(answer::ADAPTER));
    for adapter in made {
        network::remove_unused(manager, &[], Some(adapter), &after).await?;
    }
    Ok(())
}
