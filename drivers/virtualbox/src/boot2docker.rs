//! The way docker-machine made machines: a live system from an ISO, an empty disk that it formats for itself, and an
//! address from VirtualBox's DHCP server.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rmachine_driver::{CreateRequest, DriverError, JournalRecord, MachineHandle, recorded_ids};
use tokio::time::sleep;

use crate::answer::{self, Vm};
use crate::cidr::Cidr;
use crate::manage::{Manager, Refusal, failed};
use crate::options::Wanted;
use crate::records::DHCP_SERVER;
use crate::{files, image, vm};

pub(crate) const ISO: &str = "boot2docker.iso";
/// A disk that begins with this file of a tar is boot2docker's to format; the rest of the tar goes into its home.
const MAGIC: &str = "boot2docker, please format-me";
const NO_ENGINE: &str = "boot2docker's Docker is of 2020, and rmachine does not configure it: the machine boots and is \
                         reached by `ssh`, and there its making ends";
/// The least disk that VirtualBox converts; it is grown afterwards.
const DISK_BYTES: usize = 1 << 20;
/// It boots from a CD, on a computer that may be busy.
const ADDRESS_WAIT: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_secs(2);

/// Its disk and its disc, in the machine's folder.
pub(crate) async fn media(
    machine: &MachineHandle<'_>,
    manager: &Manager,
    request: &CreateRequest<'_>,
    url: &str,
) -> Result<(PathBuf, PathBuf), DriverError> {
    let iso = machine.dir.join(ISO);
    if url.starts_with("http://") || url.starts_with("https://") {
        image::fetch_plain(machine, url, &iso).await.map_err(explain)?;
    } else {
        let file = PathBuf::from(url.strip_prefix("file://").unwrap_or(url));
        files::copy(&file, &iso).await.map_err(explain)?;
    }
    machine.reporter.warn(machine.name, NO_ENGINE);
    let disk = machine.dir.join(files::DISK);
    let content =
        tar(request.public_key.unwrap_or_default()).map_err(|e| files::failed("write", &disk, e))?;
    image::raw_disk(manager, &content, &disk).await?;
    Ok((disk, iso))
}

fn explain(error: DriverError) -> DriverError {
    error.hint(
        "boot2docker's last release is v19.03.12 of 2020; without --virtualbox-boot2docker-url the machine boots a \
         current Debian",
    )
}

fn tar(public_key: &str) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, mode: u32, content: &str, kind| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content.as_bytes())
    };
    add(MAGIC, 0o644, MAGIC, tar::EntryType::Regular)?;
    add(".ssh", 0o700, "", tar::EntryType::Directory)?;
    for name in [".ssh/authorized_keys", ".ssh/authorized_keys2"] {
        add(name, 0o644, &format!("{}\n", public_key.trim()), tar::EntryType::Regular)?;
    }
    let mut content = tar.into_inner()?;
    content.resize(DISK_BYTES.max(content.len()), 0);
    Ok(content)
}

fn network_of(adapter: &str) -> String {
    format!("HostInterfaceNetworking-{adapter}")
}

/// What its guest additions mount, and who gives it an address.
pub(crate) async fn settle(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
) -> Result<(), DriverError> {
    let name = machine.name.to_string();
    for key in ["MountPrefix", "MountDir"] {
        let property = format!("/VirtualBox/GuestAdd/SharedFolders/{key}");
        manager.run(&["guestproperty", "set", &name, &property, "/"]).await?;
    }
    let adapter = machine.state.text("HostOnlyAdapter").to_owned();
    let Some(range) = Cidr::parse(machine.state.text("HostOnlyNetwork")) else { return Ok(()) };
    serve(machine, manager, &adapter, range, !wanted.no_dhcp).await
}

/// A machine that has no seed to read its address from: boot2docker, and whatever docker-machine made.
pub(crate) fn is_served(machine: &MachineHandle<'_>, wanted: &Wanted) -> bool {
    let is_ours = machine.state.0.contains_key("Image");
    !wanted.nat_only && (!is_ours || wanted.boot2docker.is_some())
}

/// A server that is there already is only told what differs.
pub(crate) async fn serve(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    adapter: &str,
    range: Cidr,
    enabled: bool,
) -> Result<(), DriverError> {
    let network = network_of(adapter);
    let servers = answer::dhcp_servers(&manager.run(&["list", "dhcpservers"]).await?);
    let there = servers.iter().find(|s| s.network == network);
    let inside = |a: Option<Ipv4Addr>| a.is_some_and(|a| range.contains(a));
    if there.is_some_and(|s| s.enabled == enabled && (!enabled || inside(s.lower) && inside(s.upper))) {
        return Ok(());
    }
    let [ip, lower, upper] = addresses(range).map(|a| a.to_string());
    let (verb, switch) =
        (if there.is_some() { "modify" } else { "add" }, if enabled { "--enable" } else { "--disable" });
    if there.is_none() {
        machine.record_id(DHCP_SERVER, &network)?;
    }
    let mask = range.mask().to_string();
    let call = [
        "dhcpserver",
        verb,
        "--netname",
        &network,
        "--ip",
        &ip,
        "--netmask",
        &mask,
        "--lowerip",
        &lower,
        "--upperip",
        &upper,
        switch,
    ];
    match manager.run(&call).await {
        // Somebody was faster; whose server it is makes no difference.
        Err(e) if e.has("DHCP server already exists") => return Ok(()),
        done => drop(done?),
    }
    if there.is_none() || !enabled {
        return Ok(());
    }
    // One that runs, or ran a moment ago, goes on with what it was told before.
    match manager.run(&["dhcpserver", "restart", "--network", &network]).await {
        Err(e) if e.has("not running") => Ok(()),
        done => done.map(drop).map_err(Into::into),
    }
}

/// The server's own, and the first and last that it hands out: above those that machines of ours have for good.
fn addresses(range: Cidr) -> [Ipv4Addr; 3] {
    let hosts: Vec<Ipv4Addr> = range.hosts().take(254).collect();
    let last = hosts.last().copied().unwrap_or(range.address);
    let at = |n: usize| hosts.get(n).copied().unwrap_or(last);
    let (ip, lower) =
        if hosts.len() > 150 { (at(98), at(99)) } else { (at(hosts.len() / 2), at(hosts.len() / 2 + 1)) };
    [ip, lower, last]
}

/// Waits until VirtualBox has given an address to a machine that has none of its own, and keeps it.
pub(crate) async fn await_address(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
) -> Result<(), DriverError> {
    if !is_served(machine, wanted) {
        return Ok(());
    }
    let id = crate::id(machine.name.as_str(), machine.state);
    let info = vm::info(manager, &id).await.map_err(|e| vm::gone(machine, &e))?;
    let Some((card, adapter)) = info.adapter() else { return Ok(()) };
    let (network, mac) = (network_of(adapter), info.text(&format!("macaddress{card}")));
    machine.reporter.step(machine.name, "Waiting for an IP...");
    let deadline = Instant::now() + ADDRESS_WAIT;
    loop {
        let asked = Instant::now();
        let call = ["dhcpserver", "findlease", "--network", &network, "--mac-address", mac];
        let address = manager.run(&call).await.ok().and_then(|said| answer::lease(&said));
        if let Some(address) = address {
            machine.state.set("IPAddress", address.to_string());
            return Ok(());
        }
        if Instant::now() > deadline {
            // One that was known before may be right still.
            if !machine.state.text("IPAddress").is_empty() {
                return Ok(());
            }
            let seconds = ADDRESS_WAIT.as_secs();
            return Err(failed(format!("the machine got no address on {network} within {seconds} s"))
                .hint("look at its screen: VBoxManage controlvm NAME screenshotpng screen.png"));
        }
        // A question is a process of VirtualBox: on a slow computer they would take what the machine needs to boot.
        sleep(PAUSE.max(asked.elapsed() * 4)).await;
    }
}

/// Only a server that was made for this machine, and only when its network has no machine any more.
pub(crate) async fn remove_dhcp(
    manager: &Manager,
    records: &[JournalRecord],
    vms: &[Vm],
) -> Result<(), Refusal> {
    let used = |network: &str| vms.iter().any(|vm| vm.networks.iter().any(|n| network_of(n) == network));
    for server in recorded_ids(records, DHCP_SERVER).filter(|server| !used(server)) {
        match manager.run(&["dhcpserver", "remove", "--netname", server]).await {
            Err(e) if e.has("does not exist") || e.is_missing() => {}
            done => drop(done?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_boot2docker_takes_for_its_own() {
        let disk = tar("ssh-ed25519 AAAA me\n").unwrap();
        assert_eq!(disk.len(), DISK_BYTES);
        assert!(disk.starts_with(MAGIC.as_bytes()), "the magic is at the very beginning");
        let mut archive = tar::Archive::new(disk.as_slice());
        let names: Vec<String> =
            archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, [MAGIC, ".ssh", ".ssh/authorized_keys", ".ssh/authorized_keys2"]);
    }

    #[test]
    fn dhcp_begins_above_the_addresses_that_stay() {
        let of = |text: &str| addresses(Cidr::parse(text).unwrap()).map(|a| a.to_string()).join(" ");
        assert_eq!(of("192.168.56.1/24"), "192.168.56.99 192.168.56.100 192.168.56.254");
        assert_eq!(of("192.168.56.1/21"), "192.168.56.99 192.168.56.100 192.168.56.254");
        assert_eq!(of("10.0.0.1/28"), "10.0.0.8 10.0.0.9 10.0.0.14");
    }
}
