//! What `create` can be told: docker-machine's flags for VirtualBox and ours, understood at once and kept in the machine's
//! state under docker-machine's keys.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use rmachine_driver::{DriverError, DriverState, MachineName, OptionKind, OptionSpec, Options};
use serde_json::{Map, Value};

use crate::cidr::Cidr;
use crate::image::Checksum;

/// docker-machine's login on its machines; ours have the same.
pub(crate) const LOGIN: &str = "docker";
const IMAGE: &str = "debian-13";
/// VirtualBox's own default, and inside of what it allows without being told more.
const CIDR: &str = "192.168.56.1/24";
/// What docker-machine allowed.
const MOST_CPUS: i64 = 32;
/// Less than this, and nothing that runs an engine comes up.
const LEAST_MEMORY: i64 = 128;
const LEAST_DISK: i64 = 16;

const CARDS: &[&str] =
    &["82540EM", "82543GC", "82545EM", "Am79C960", "Am79C970A", "Am79C973", "virtio", "usbnet"];
const PROMISCUOUS: &[&str] = &["deny", "allow-vms", "allow-all"];
const FRONTENDS: &[&str] = &["headless", "gui", "sdl", "separate"];

fn flag(name: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::Flag, help).env(env)
}

fn number(name: &'static str, default: i64, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::Int(default), help).env(env).value_name("NUMBER")
}

fn text(name: &'static str, default: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::text(default), help).env(env)
}

pub(crate) fn specs() -> Vec<OptionSpec> {
    vec![
        text(
            "virtualbox-boot2docker-url",
            "",
            "VIRTUALBOX_BOOT2DOCKER_URL",
            "URL or file of a boot2docker ISO to boot instead of a cloud image",
        )
        .value_name("URL"),
        number(
            "virtualbox-cpu-count",
            1,
            "VIRTUALBOX_CPU_COUNT",
            "Number of CPUs, or -1 for all CPUs of this computer",
        ),
        number("virtualbox-disk-size", 20000, "VIRTUALBOX_DISK_SIZE", "Size of the disk in MB")
            .value_name("MB"),
        flag(
            "virtualbox-host-dns-resolver",
            "VIRTUALBOX_HOST_DNS_RESOLVER",
            "Answer the machine's DNS requests with this computer's resolver",
        ),
        text(
            "virtualbox-hostonly-cidr",
            CIDR,
            "VIRTUALBOX_HOSTONLY_CIDR",
            "Address of this computer in the host-only network, with the prefix length",
        )
        .value_name("CIDR"),
        text(
            "virtualbox-hostonly-nicpromisc",
            "deny",
            "VIRTUALBOX_HOSTONLY_NIC_PROMISC",
            "Promiscuous mode of the host-only network card: deny, allow-vms or allow-all",
        )
        .value_name("MODE"),
        text(
            "virtualbox-hostonly-nictype",
            "82540EM",
            "VIRTUALBOX_HOSTONLY_NIC_TYPE",
            "Type of the host-only network card",
        )
        .value_name("TYPE"),
        flag(
            "virtualbox-hostonly-no-dhcp",
            "VIRTUALBOX_HOSTONLY_NO_DHCP",
            "Disable the DHCP server of the host-only network, which only boot2docker uses",
        ),
        text(
            "virtualbox-image",
            IMAGE,
            "VIRTUALBOX_IMAGE",
            "Cloud image: debian-12, debian-13, ubuntu-22.04, ubuntu-24.04, a URL, or a file (qcow2, vmdk, vdi, raw, ova)",
        )
        .value_name("IMAGE"),
        text(
            "virtualbox-image-checksum",
            "",
            "VIRTUALBOX_IMAGE_CHECKSUM",
            "SHA-256 or SHA-512 checksum of the image, if its publisher provides none",
        )
        .value_name("CHECKSUM"),
        text(
            "virtualbox-image-mirror",
            "",
            "VIRTUALBOX_IMAGE_MIRROR",
            "Base URL to download named images from, instead of their publisher's",
        )
        .value_name("URL"),
        text(
            "virtualbox-import-boot2docker-vm",
            "",
            "VIRTUALBOX_BOOT2DOCKER_IMPORT_VM",
            "Refused; rmachine imports no virtual machines of the boot2docker client",
        )
        .value_name("NAME")
        .hidden(),
        number("virtualbox-memory", 1024, "VIRTUALBOX_MEMORY_SIZE", "Memory in MB").value_name("MB"),
        text("virtualbox-nat-nictype", "82540EM", "VIRTUALBOX_NAT_NICTYPE", "Type of the NAT network card")
            .value_name("TYPE"),
        flag(
            "virtualbox-nat-only",
            "VIRTUALBOX_NAT_ONLY",
            "Create no host-only network; connect to SSH and the engine through ports on 127.0.0.1",
        ),
        flag(
            "virtualbox-no-dns-proxy",
            "VIRTUALBOX_NO_DNS_PROXY",
            "Do not proxy the machine's DNS requests",
        ),
        flag(
            "virtualbox-no-share",
            "VIRTUALBOX_NO_SHARE",
            "Do not share this computer's home directories with the machine",
        ),
        flag(
            "virtualbox-no-vtx-check",
            "VIRTUALBOX_NO_VTX_CHECK",
            "Do not check whether this computer supports hardware virtualization",
        ),
        text(
            "virtualbox-share-folder",
            "",
            "VIRTUALBOX_SHARE_FOLDER",
            "Directory to share instead of the home directories, as FOLDER:NAME",
        )
        .value_name("FOLDER:NAME"),
        text(
            "virtualbox-ui-type",
            "headless",
            "VIRTUALBOX_UI_TYPE",
            "Display of the virtual machine: headless, gui, sdl or separate",
        )
        .value_name("MODE"),
        text(
            "virtualbox-userdata",
            "",
            "VIRTUALBOX_USERDATA",
            "File with user-data for cloud-init, merged with rmachine's own",
        )
        .value_name("FILE"),
    ]
}

/// A folder of this computer that the machine sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) folder: String,
    pub(crate) name: String,
}

/// A machine as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) cpus: i64,
    pub(crate) memory: i64,
    pub(crate) disk: i64,
    pub(crate) nat_card: String,
    pub(crate) boot2docker: Option<String>,
    pub(crate) host_resolver: bool,
    pub(crate) cidr: Cidr,
    /// The user asked for this very network, so no other will do.
    pub(crate) cidr_given: bool,
    pub(crate) card: String,
    pub(crate) promiscuous: String,
    pub(crate) ui: String,
    pub(crate) no_dhcp: bool,
    pub(crate) no_share: bool,
    pub(crate) dns_proxy: bool,
    pub(crate) no_check: bool,
    pub(crate) share_folder: String,
    pub(crate) image: String,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) mirror: Option<String>,
    pub(crate) nat_only: bool,
    pub(crate) user_data: Option<PathBuf>,
}

impl Wanted {
    pub(crate) fn from_options(options: &Options) -> Result<Self, DriverError> {
        refuse_import(options.text("virtualbox-import-boot2docker-vm"))?;
        let text = |option: &str| Some(options.text(option).to_owned()).filter(|t| !t.is_empty());
        let wanted = Self {
            cpus: cpus(options.int("virtualbox-cpu-count")),
            memory: at_least(options, "virtualbox-memory", LEAST_MEMORY)?,
            disk: at_least(options, "virtualbox-disk-size", LEAST_DISK)?,
            nat_card: one_of(options, "virtualbox-nat-nictype", CARDS)?,
            boot2docker: text("virtualbox-boot2docker-url").map(|url| located(&url)),
            host_resolver: options.flag("virtualbox-host-dns-resolver"),
            cidr: cidr(options.text("virtualbox-hostonly-cidr"))?,
            cidr_given: options.given("virtualbox-hostonly-cidr"),
            card: one_of(options, "virtualbox-hostonly-nictype", CARDS)?,
            promiscuous: one_of(options, "virtualbox-hostonly-nicpromisc", PROMISCUOUS)?,
            ui: one_of(options, "virtualbox-ui-type", FRONTENDS)?,
            no_dhcp: options.flag("virtualbox-hostonly-no-dhcp"),
            no_share: options.flag("virtualbox-no-share"),
            dns_proxy: !options.flag("virtualbox-no-dns-proxy"),
            no_check: options.flag("virtualbox-no-vtx-check"),
            share_folder: options.text("virtualbox-share-folder").to_owned(),
            image: text("virtualbox-image").map_or_else(|| IMAGE.to_owned(), |image| located(&image)),
            checksum: text("virtualbox-image-checksum").map(|c| Checksum::parse(&c)).transpose()?,
            mirror: text("virtualbox-image-mirror"),
            nat_only: options.flag("virtualbox-nat-only"),
            user_data: text("virtualbox-userdata").map(|file| absolute(&file)),
        };
        wanted.consistent()
    }

    fn consistent(self) -> Result<Self, DriverError> {
        split_share(&self.share_folder)?;
        if self.boot2docker.is_some() && self.user_data.is_some() {
            return Err(DriverError::invalid("boot2docker has no cloud-init to read --virtualbox-userdata"));
        }
        Ok(self)
    }

    /// Under docker-machine's keys first, in its order.
    pub(crate) fn keep(&self, state: &mut DriverState) {
        for key in ["VBoxManager", "HostInterfaces"] {
            state.set(key, Value::Object(Map::new()));
        }
        state.set("CPU", self.cpus);
        state.set("Memory", self.memory);
        state.set("DiskSize", self.disk);
        state.set("NatNicType", self.nat_card.as_str());
        state.set("Boot2DockerURL", self.boot2docker.as_deref().unwrap_or_default());
        state.set("Boot2DockerImportVM", "");
        state.set("HostDNSResolver", self.host_resolver);
        state.set("HostOnlyCIDR", self.cidr.to_string());
        state.set("HostOnlyNicType", self.card.as_str());
        state.set("HostOnlyPromiscMode", self.promiscuous.as_str());
        state.set("UIType", self.ui.as_str());
        state.set("HostOnlyNoDHCP", self.no_dhcp);
        state.set("NoShare", self.no_share);
        state.set("DNSProxy", self.dns_proxy);
        state.set("NoVTXCheck", self.no_check);
        state.set("ShareFolder", self.share_folder.as_str());
        state.set("Image", self.image.as_str());
        state.set("ImageChecksum", self.checksum.as_ref().map(ToString::to_string).unwrap_or_default());
        state.set("ImageMirror", self.mirror.as_deref().unwrap_or_default());
        state.set("NatOnly", self.nat_only);
        state.set("HostOnlyCIDRGiven", self.cidr_given);
        let user_data = self.user_data.as_ref().map(|p| p.to_string_lossy().into_owned());
        state.set("UserDataFile", user_data.unwrap_or_default());
    }

    /// Also of machines that docker-machine made, whose missing keys are its defaults.
    pub(crate) fn kept(state: &DriverState) -> Result<Self, DriverError> {
        let text = |key: &str| Some(state.text(key).to_owned()).filter(|t| !t.is_empty());
        let number = |key: &str, default| Some(state.int(key)).filter(|n| *n != 0).unwrap_or(default);
        Ok(Self {
            cpus: number("CPU", 1),
            memory: number("Memory", 1024),
            disk: number("DiskSize", 20000),
            nat_card: text("NatNicType").unwrap_or_else(|| "82540EM".to_owned()),
            boot2docker: text("Boot2DockerURL"),
            host_resolver: state.flag("HostDNSResolver"),
            cidr: cidr(&text("HostOnlyCIDR").unwrap_or_else(|| CIDR.to_owned()))?,
            // docker-machine's machines are on a network of their own choice.
            cidr_given: !state.0.contains_key("Image") || state.flag("HostOnlyCIDRGiven"),
            card: text("HostOnlyNicType").unwrap_or_else(|| "82540EM".to_owned()),
            promiscuous: text("HostOnlyPromiscMode").unwrap_or_else(|| "deny".to_owned()),
            ui: text("UIType").unwrap_or_else(|| "headless".to_owned()),
            no_dhcp: state.flag("HostOnlyNoDHCP"),
            no_share: state.flag("NoShare"),
            dns_proxy: !state.0.contains_key("DNSProxy") || state.flag("DNSProxy"),
            no_check: state.flag("NoVTXCheck"),
            share_folder: state.text("ShareFolder").to_owned(),
            image: text("Image").unwrap_or_else(|| IMAGE.to_owned()),
            checksum: text("ImageChecksum").map(|c| Checksum::parse(&c)).transpose()?,
            mirror: text("ImageMirror"),
            nat_only: state.flag("NatOnly"),
            user_data: text("UserDataFile").map(PathBuf::from),
        })
    }

    /// What is shared: the folder of the home directories under docker-machine's name, or the one that was given.
    pub(crate) fn share(&self) -> Option<Share> {
        if self.no_share {
            return None;
        }
        let given = split_share(&self.share_folder).ok().flatten();
        given.or_else(|| {
            let (folder, name) = if cfg!(target_os = "macos") {
                ("/Users", "Users")
            } else if cfg!(windows) {
                (r"\\?\c:\Users", "c/Users")
            } else {
                ("/home", "hosthome")
            };
            let there = std::path::Path::new(folder).is_dir();
            there.then(|| Share { folder: folder.to_owned(), name: name.to_owned() })
        })
    }
}

/// A `create` may be gone on with from another folder.
fn absolute(file: &str) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file))
}

/// Files are told from names by the folder in front of them, as shells do it.
fn located(text: &str) -> String {
    let is_file = text.contains(['/', '\\']) && !text.contains("://");
    if is_file { absolute(text).to_string_lossy().into_owned() } else { text.to_owned() }
}

/// This computer's CPUs are counted when the machine is made.
fn cpus(given: i64) -> i64 {
    if given < 0 { -1 } else { given.clamp(1, MOST_CPUS) }
}

/// How many that are.
pub(crate) fn cpu_count(kept: i64) -> i64 {
    if kept > 0 {
        return kept;
    }
    let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    i64::try_from(all).unwrap_or(1).clamp(1, MOST_CPUS)
}

fn at_least(options: &Options, name: &str, least: i64) -> Result<i64, DriverError> {
    match options.int(name) {
        n if n >= least => Ok(n),
        n => Err(DriverError::invalid(format!("--{name} {n} is too little: {least} MB is the least"))),
    }
}

fn one_of(options: &Options, name: &str, all: &[&str]) -> Result<String, DriverError> {
    let given = options.text(name);
    match all.iter().find(|known| known.eq_ignore_ascii_case(given)) {
        Some(known) => Ok((*known).to_owned()),
        None => Err(DriverError::invalid(format!("--{name} {given:?} is none of {}", all.join(", ")))),
    }
}

fn cidr(text: &str) -> Result<Cidr, DriverError> {
    let cidr = Cidr::parse(text).filter(|c| (8..=30).contains(&c.prefix())).ok_or_else(|| {
        DriverError::invalid(format!("--virtualbox-hostonly-cidr {text:?} is not an address like {CIDR}"))
    })?;
    if cidr.is_network_address() {
        // docker-machine's words.
        let first = cidr.hosts().next().unwrap_or(Ipv4Addr::UNSPECIFIED);
        return Err(DriverError::invalid(
            "host-only cidr must be specified with a host address, not a network address",
        )
        .hint(format!("--virtualbox-hostonly-cidr {first}/{}", cidr.prefix())));
    }
    Ok(cidr)
}

fn split_share(text: &str) -> Result<Option<Share>, DriverError> {
    if text.is_empty() {
        return Ok(None);
    }
    let split = text.rsplit_once(':').filter(|(folder, name)| !folder.is_empty() && !name.is_empty());
    // A drive's letter is no folder.
    let split = split.filter(|(folder, _)| folder.len() > 1);
    let (folder, name) = split.ok_or_else(|| {
        DriverError::invalid(format!("--virtualbox-share-folder {text:?} is not FOLDER:NAME"))
    })?;
    Ok(Some(Share { folder: folder.to_owned(), name: name.to_owned() }))
}

fn refuse_import(vm: &str) -> Result<(), DriverError> {
    if vm.is_empty() {
        return Ok(());
    }
    Err(DriverError::unsupported(format!(
        "--virtualbox-import-boot2docker-vm {vm:?}: machines of boot2docker's first client, which ended in 2015, are no \
         longer imported"
    ))
    .hint("leave the flag out: the machine boots a current cloud image"))
}

/// A host name that Linux takes and cloud-init sets.
pub(crate) fn host_name(name: &MachineName) -> Result<String, DriverError> {
    let name = name.as_str();
    let label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-');
    if name.len() <= 63 && name.split('.').all(label) {
        return Ok(name.to_owned());
    }
    Err(DriverError::invalid(format!("{name:?} cannot be a host name")).hint("give the machine another name"))
}

#[cfg(test)]
mod tests;
