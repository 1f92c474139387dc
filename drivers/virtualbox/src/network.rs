//! The network between this computer and its machines: which range VirtualBox allows, which adapter is on it, which
//! address is free.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;

use rmachine_driver::{DriverError, DriverErrorKind, JournalRecord, MachineHandle, recorded_ids};

use crate::answer::{self, ADAPTER, Adapter, Vm};
use crate::cidr::Cidr;
use crate::manage::{Manager, Refusal, failed};
use crate::options::Wanted;
use crate::records::{self, ADAPTERS_BEFORE};

const NONE: &str = "-";
/// The name of the network that is made on macOS.
const NETWORK: &str = "rmachine";
/// Where VirtualBox's own DHCP server hands out addresses, and docker-machine's did.
const DHCP_FROM: u32 = 100;
/// What VirtualBox allows since 6.1.28, where nobody says otherwise.
const ALLOWED: Cidr = Cidr::new(Ipv4Addr::new(192, 168, 56, 0), 21);
const CONFIG: &str = "/etc/vbox/networks.conf";

/// What the second card is plugged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostOnly {
    pub(crate) name: String,
    pub(crate) cidr: Cidr,
    /// It was made for a machine of ours, and goes with the last.
    pub(crate) made: bool,
}

/// macOS has had no adapters since VirtualBox 7, but networks.
pub(crate) const HAS_NETWORKS: bool = cfg!(target_os = "macos");

/// The ranges that adapters may have; nothing where VirtualBox does not restrict them.
pub(crate) fn allowed() -> Option<Vec<Cidr>> {
    if cfg!(windows) {
        return None;
    }
    Some(match std::fs::read_to_string(Path::new(CONFIG)) {
        Ok(text) => configured(&text),
        Err(_) => vec![ALLOWED],
    })
}

/// The lines `* RANGE...` of networks.conf. A file without any allows none.
fn configured(text: &str) -> Vec<Cidr> {
    let lines = text.lines().map(str::trim).filter_map(|line| line.strip_prefix('*'));
    let words = lines.flat_map(|l| l.split('#').next().unwrap_or_default().split_whitespace());
    words.filter_map(Cidr::parse).collect()
}

/// Refuses a range before anything is made in it.
pub(crate) fn check_range(cidr: Cidr, allowed: Option<&[Cidr]>) -> Result<(), DriverError> {
    let Some(allowed) = allowed else { return Ok(()) };
    if allowed.iter().any(|range| range.contains(cidr.address)) {
        return Ok(());
    }
    let list: Vec<_> = allowed.iter().map(ToString::to_string).collect();
    let list = if list.is_empty() { "no range at all".to_owned() } else { list.join(", ") };
    Err(DriverError::new(
        DriverErrorKind::Denied,
        format!("VirtualBox does not allow the host-only network {cidr}: {CONFIG} allows {list}"),
    )
    .hint(format!("allow it: echo '* {}/{}' | sudo tee -a {CONFIG}", cidr.network(), cidr.prefix()))
    .hint("or leave --virtualbox-hostonly-cidr out: a range that is allowed is taken then"))
}

/// An adapter that is there and will do, or the range of one to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    There(HostOnly),
    Make(Cidr),
}

fn choose(
    wanted: &Wanted,
    adapters: &[Adapter],
    vms: &[Vm],
    allowed: Option<&[Cidr]>,
) -> Result<Choice, DriverError> {
    let made = |name: &str| vms.iter().any(|vm| vm.notes.get(ADAPTER).is_some_and(|a| a == name));
    let there =
        |a: &Adapter, cidr| Choice::There(HostOnly { name: a.name.clone(), cidr, made: made(&a.name) });
    let with_cidr = || adapters.iter().filter_map(|a| Some((a, a.cidr?)));
    let same = |c: Cidr| c.address == wanted.cidr.address && c.prefix() == wanted.cidr.prefix();
    if let Some((adapter, cidr)) = with_cidr().find(|(_, c)| same(*c)) {
        return Ok(there(adapter, cidr));
    }
    if wanted.cidr_given {
        if let Some((adapter, other)) = with_cidr().find(|(_, c)| c.overlaps(wanted.cidr)) {
            return Err(DriverError::invalid(format!(
                "the host-only network {} overlaps with {other} of the adapter {}",
                wanted.cidr, adapter.name
            ))
            .hint(format!("--virtualbox-hostonly-cidr {other} uses that adapter")));
        }
        check_range(wanted.cidr, allowed)?;
        return Ok(Choice::Make(wanted.cidr));
    }
    let usable = |c: Cidr| c.prefix() <= 28 && check_range(c, allowed).is_ok();
    if let Some((adapter, cidr)) = with_cidr().find(|(_, c)| usable(*c)) {
        return Ok(there(adapter, cidr));
    }
    free_range(wanted.cidr, allowed).map(Choice::Make)
}

/// The range that is asked for by default, or one that the configuration allows.
fn free_range(default: Cidr, allowed: Option<&[Cidr]>) -> Result<Cidr, DriverError> {
    let refused = match check_range(default, allowed) {
        Ok(()) => return Ok(default),
        Err(refused) => refused,
    };
    let first = |range: &Cidr| Some(Cidr::new(range.hosts().next()?, range.prefix().max(24)));
    allowed.into_iter().flatten().filter(|r| r.prefix() <= 28).find_map(first).ok_or(refused)
}

/// The adapter for a new machine: one that is there, or one that is made once its range is known to be allowed.
pub(crate) async fn ensure(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
    vms: &[Vm],
) -> Result<HostOnly, DriverError> {
    if HAS_NETWORKS {
        return ensure_network(machine, manager, wanted, vms).await;
    }
    let adapters = answer::adapters(&manager.run(&["list", "hostonlyifs"]).await?);
    let range = match choose(wanted, &adapters, vms, allowed().as_deref())? {
        Choice::There(found) => return Ok(found),
        Choice::Make(range) => range,
    };
    refuse_conflict(range)?;
    let before: Vec<&str> = adapters.iter().map(|a| a.name.as_str()).collect();
    let before = if before.is_empty() { NONE.to_owned() } else { before.join(" ") };
    machine.record_id(ADAPTERS_BEFORE, &before)?;
    let name = make(manager, range).await?;
    machine.record_id(records::ADAPTER, &name)?;
    Ok(HostOnly { name, cidr: range, made: true })
}

/// The network of another card of this computer's must not be hidden.
fn refuse_conflict(range: Cidr) -> Result<(), DriverError> {
    let Ok(table) = std::fs::read_to_string("/proc/net/route") else { return Ok(()) };
    match routed(&table, range) {
        // docker-machine's words.
        Some(card) => Err(DriverError::invalid(format!(
            "host-only cidr conflicts with the network address of a host interface: {range} is on {card}"
        ))
        .hint("choose another with --virtualbox-hostonly-cidr, like 192.168.59.1/24")),
        None => Ok(()),
    }
}

/// The card that leads into a range, by Linux' table of routes.
fn routed(table: &str, range: Cidr) -> Option<String> {
    let number = |hex: &str| u32::from_str_radix(hex, 16).ok().map(u32::swap_bytes).map(Ipv4Addr::from);
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (card, to, mask) = (*words.first()?, number(words.get(1)?)?, number(words.get(7)?)?);
        let route = Cidr::with_mask(to, &mask.to_string()).filter(|r| r.prefix() > 0)?;
        (!card.starts_with("vboxnet") && route.overlaps(range)).then(|| card.to_owned())
    })
}

async fn make(manager: &Manager, range: Cidr) -> Result<String, DriverError> {
    let said = manager.run(&["hostonlyif", "create"]).await?;
    let name = answer::made_adapter(&said)
        .ok_or_else(|| failed(format!("VBoxManage did not say which adapter it made: {}", said.trim())))?;
    match configure(manager, &name, range).await {
        Ok(()) => Ok(name),
        Err(e) => {
            // Of an adapter without an address nobody has any use.
            let _ = manager.run(&["hostonlyif", "remove", &name]).await;
            Err(e)
        }
    }
}

async fn configure(manager: &Manager, name: &str, range: Cidr) -> Result<(), DriverError> {
    let (ip, mask) = (range.address.to_string(), range.mask().to_string());
    let done = manager.run(&["hostonlyif", "ipconfig", name, "--ip", &ip, "--netmask", &mask]).await;
    done.map(drop).map_err(|refusal| {
        if refusal.has("E_ACCESSDENIED") {
            return check_range(range, Some(&[])).err().unwrap_or_else(|| refusal.into());
        }
        refusal.into()
    })
}

/// Sees to it that the adapter of a machine that is about to start is there and has its address: both are lost when
/// VirtualBox's kernel modules are loaded anew. Returns its name where that changed.
pub(crate) async fn revive(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
    name: &str,
    cidr: Cidr,
) -> Result<Option<String>, DriverError> {
    if HAS_NETWORKS {
        return Ok(None);
    }
    let adapters = answer::adapters(&manager.run(&["list", "hostonlyifs"]).await?);
    let range = if wanted.cidr_given { wanted.cidr } else { cidr };
    match adapters.iter().find(|a| a.name == name) {
        Some(Adapter { cidr: Some(_), .. }) => Ok(None),
        Some(Adapter { cidr: None, .. }) => configure(manager, name, range).await.map(|()| None),
        None => match adapters.iter().find(|a| a.cidr.is_some_and(|c| c.contains(range.address))) {
            Some(other) => Ok(Some(other.name.clone())),
            None => {
                let made = make(manager, range).await?;
                machine.record_id(records::ADAPTER, &made)?;
                Ok(Some(made))
            }
        },
    }
}

/// An address that no machine has, below those that VirtualBox's DHCP servers hand out.
pub(crate) fn free_address(network: Cidr, vms: &[Vm]) -> Result<Ipv4Addr, DriverError> {
    let taken: BTreeSet<Ipv4Addr> = vms.iter().filter_map(Vm::address).collect();
    let base = u32::from(network.network());
    let free = |a: &Ipv4Addr| *a != network.address && !taken.contains(a) && u32::from(*a) - base < DHCP_FROM;
    network.hosts().find(free).ok_or_else(|| {
        DriverError::invalid(format!(
            "the host-only network {network} has no address left for another machine"
        ))
        .hint("choose another with --virtualbox-hostonly-cidr, like 192.168.59.1/24")
    })
}

/// Takes away the adapter that was made for machines of ours, unless another machine is on it.
pub(crate) async fn remove_unused(
    manager: &Manager,
    records: &[JournalRecord],
    own: Option<&str>,
    vms: &[Vm],
) -> Result<(), Refusal> {
    let used = |name: &str| vms.iter().any(|vm| vm.networks.iter().any(|n| n == name));
    let mut names: BTreeSet<String> = own.map(str::to_owned).into_iter().collect();
    names.extend(recorded_ids(records, records::ADAPTER).map(str::to_owned));
    let before = recorded_ids(records, ADAPTERS_BEFORE).next();
    let known = records::has_any(records, &[records::ADAPTER]);
    if let Some(before) = before.filter(|_| !known) {
        // The answer to the request for one was lost: it is the one that was not there before.
        let before: BTreeSet<&str> = before.split(' ').collect();
        let now = answer::adapters(&manager.run(&["list", "hostonlyifs"]).await?);
        names.extend(now.into_iter().map(|a| a.name).filter(|name| !before.contains(name.as_str())));
    }
    for name in names.iter().filter(|name| !used(name)) {
        remove(manager, name).await?;
    }
    Ok(())
}

async fn remove(manager: &Manager, name: &str) -> Result<(), Refusal> {
    let done = if HAS_NETWORKS {
        manager.run(&["hostonlynet", "remove", "--name", name]).await
    } else {
        manager.run(&["hostonlyif", "remove", name]).await
    };
    match done {
        Err(e) if e.has("could not be found") || e.is_missing() => Ok(()),
        done => done.map(drop),
    }
}

async fn ensure_network(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
    vms: &[Vm],
) -> Result<HostOnly, DriverError> {
    let networks = answer::networks(&manager.run(&["list", "hostonlynets"]).await?);
    let found = networks.iter().find_map(|n| {
        let cidr = Cidr::with_mask(n.lower?, &n.mask)?;
        (!wanted.cidr_given || cidr.contains(wanted.cidr.address)).then(|| (n.name.clone(), cidr))
    });
    if let Some((name, cidr)) = found {
        let made = vms.iter().any(|vm| vm.notes.get(ADAPTER) == Some(&name));
        return Ok(HostOnly { name, cidr, made });
    }
    machine.record_id(records::ADAPTER, NETWORK)?;
    manager.run(&network_words(wanted.cidr)).await?;
    Ok(HostOnly { name: NETWORK.to_owned(), cidr: wanted.cidr, made: true })
}

fn network_words(cidr: Cidr) -> Vec<String> {
    let hosts: Vec<Ipv4Addr> = cidr.hosts().collect();
    let upper = hosts.last().copied().unwrap_or(cidr.address);
    let words = [
        "hostonlynet",
        "add",
        "--name",
        NETWORK,
        "--netmask",
        &cidr.mask().to_string(),
        "--lower-ip",
        &cidr.address.to_string(),
        "--upper-ip",
        &upper.to_string(),
        "--enable",
    ];
    words.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests;
