//! The calls of VBoxManage that make and run a machine, as values.

use std::path::Path;

use rmachine_driver::ENGINE_PORT;

use crate::network::HAS_NETWORKS;
use crate::options::{Share, Wanted, cpu_count};
use crate::seed;

/// docker-machine's names.
pub(crate) const CONTROLLER: &str = "SATA";
pub(crate) const SSH_RULE: &str = "ssh";
pub(crate) const ENGINE_RULE: &str = "docker";
pub(crate) const SSH: u16 = 22;

/// What a machine is made with, beside what was asked for.
pub(crate) struct Make<'a> {
    pub(crate) name: &'a str,
    pub(crate) uuid: rmachine_driver::Uuid,
    pub(crate) dir: &'a Path,
    pub(crate) version: (u32, u32, u32),
    pub(crate) description: &'a str,
    pub(crate) ssh_port: u16,
    /// Where the engine has no address of its own.
    pub(crate) engine_port: Option<u16>,
    pub(crate) adapter: Option<&'a str>,
}

fn words<const N: usize>(all: [&str; N]) -> Vec<String> {
    all.map(str::to_owned).to_vec()
}

const fn on(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

pub(crate) fn create(make: &Make<'_>, boot2docker: bool) -> Vec<String> {
    let system = if boot2docker { "Linux26_64" } else { "Debian_64" };
    let mut all = words(["createvm", "--name", make.name, "--uuid", &make.uuid.to_string(), "--ostype"]);
    all.push(if cfg!(target_arch = "aarch64") { "Debian_arm64".to_owned() } else { system.to_owned() });
    // Since 7.1 there are two.
    if make.version >= (7, 1, 0) {
        let arch = if cfg!(target_arch = "aarch64") { "arm" } else { "x86" };
        all.extend(words(["--platform-architecture", arch]));
    }
    all.extend(words(["--register", "--basefolder", &make.dir.to_string_lossy()]));
    all
}

/// Everything that one call can set.
pub(crate) fn modify(make: &Make<'_>, wanted: &Wanted) -> Vec<String> {
    let (cpus, memory) = (cpu_count(wanted.cpus).to_string(), wanted.memory.to_string());
    let first = if wanted.boot2docker.is_some() { "dvd" } else { "disk" };
    let [nat, host_only] = seed::cards(make.uuid).map(seed::plain);
    let rule = forward(SSH_RULE, make.ssh_port, SSH);
    let mut all = words(["modifyvm", make.name, "--description", make.description]);
    if cfg!(not(target_arch = "aarch64")) {
        all.extend(words([
            "--firmware",
            "bios",
            "--bioslogofadein",
            "off",
            "--bioslogofadeout",
            "off",
            "--bioslogodisplaytime",
            "0",
            "--biosbootmenu",
            "disabled",
            "--acpi",
            "on",
            "--ioapic",
            "on",
            "--cpuhotplug",
            "off",
            "--pae",
            "on",
            "--hpet",
            "on",
            "--hwvirtex",
            "on",
            "--nestedpaging",
            "on",
            "--largepages",
            "on",
            "--vtxvpid",
            "on",
        ]));
    }
    all.extend(words([
        "--cpus",
        &cpus,
        "--memory",
        &memory,
        "--vram",
        "8",
        "--rtcuseutc",
        "on",
        "--accelerate3d",
        "off",
        "--boot1",
        first,
        "--boot2",
        "none",
        "--boot3",
        "none",
        "--boot4",
        "none",
    ]));
    if make.version >= (7, 0, 0) {
        all.extend(words(["--audio-enabled", "off"]));
    }
    all.extend(words([
        "--nic1",
        "nat",
        "--nictype1",
        &wanted.nat_card,
        "--macaddress1",
        &nat,
        "--cableconnected1",
        "on",
        "--natdnshostresolver1",
        on(wanted.host_resolver),
        "--natdnsproxy1",
        on(wanted.dns_proxy),
        "--natpf1",
        &rule,
    ]));
    if let Some(port) = make.engine_port {
        // An engine that is configured here listens where it is reached; boot2docker's has its own port.
        let inside = if wanted.boot2docker.is_some() { ENGINE_PORT } else { port };
        all.extend(words(["--natpf1", &forward(ENGINE_RULE, port, inside)]));
    }
    if let Some(adapter) = make.adapter {
        all.extend(plug(2, adapter, HAS_NETWORKS));
        all.extend(words([
            "--nictype2",
            &wanted.card,
            "--macaddress2",
            &host_only,
            "--nicpromisc2",
            &wanted.promiscuous,
            "--cableconnected2",
            "on",
        ]));
    }
    all
}

/// A card into a host-only adapter, or into a network where there are no adapters.
pub(crate) fn plug(card: u8, name: &str, is_network: bool) -> Vec<String> {
    if is_network {
        return words([&format!("--nic{card}"), "hostonlynet", &format!("--host-only-net{card}"), name]);
    }
    words([&format!("--nic{card}"), "hostonly", &format!("--hostonlyadapter{card}"), name])
}

/// A rule of NAT, as VBoxManage takes it.
pub(crate) fn forward(rule: &str, from: u16, to: u16) -> String {
    format!("{rule},tcp,127.0.0.1,{from},,{to}")
}

/// The same rule with another port, of a machine that is off.
pub(crate) fn move_port(id: &str, rule: &str, from: u16, to: u16, had_one: bool) -> Vec<String> {
    let mut all = words(["modifyvm", id]);
    if had_one {
        all.extend(words(["--natpf1", "delete", rule]));
    }
    all.extend(words(["--natpf1", &forward(rule, from, to)]));
    all
}

pub(crate) fn controller(name: &str) -> Vec<String> {
    words([
        "storagectl",
        name,
        "--name",
        CONTROLLER,
        "--add",
        "sata",
        "--portcount",
        "2",
        "--hostiocache",
        "on",
    ])
}

/// The disc is on port 0 and the disk on port 1, as docker-machine had them.
pub(crate) fn attach_disc(name: &str, iso: &Path) -> Vec<String> {
    attach(name, "0", "dvddrive", iso)
}

pub(crate) fn attach_disk(name: &str, disk: &Path) -> Vec<String> {
    attach(name, "1", "hdd", disk)
}

fn attach(name: &str, port: &str, kind: &str, medium: &Path) -> Vec<String> {
    words([
        "storageattach",
        name,
        "--storagectl",
        CONTROLLER,
        "--port",
        port,
        "--device",
        "0",
        "--type",
        kind,
        "--medium",
        &medium.to_string_lossy(),
    ])
}

pub(crate) fn share(name: &str, share: &Share) -> Vec<String> {
    words(["sharedfolder", "add", name, "--name", &share.name, "--hostpath", &share.folder, "--automount"])
}

pub(crate) fn start(id: &str, ui: &str) -> Vec<String> {
    words(["startvm", id, "--type", ui])
}

pub(crate) fn resize(disk: &Path, megabytes: i64) -> Vec<String> {
    words(["modifymedium", "disk", &disk.to_string_lossy(), "--resize", &megabytes.to_string()])
}

#[cfg(test)]
mod tests;
