//! What a machine reads on its first boot: NoCloud's files, on a disc of their own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rmachine_cloud_init::{FirstBoot, check_own, user_data};
use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{CreateRequest, DriverError, DriverErrorKind, MachineHandle, Uuid};
use serde_json::{Value, json};

use crate::files;
use crate::iso::{self, File};
use crate::network::HostOnly;
use crate::options::{LOGIN, Share, Wanted, host_name};

const FILE: &str = "seed.iso";
/// By which cloud-init finds the disc.
const LABEL: &str = "cidata";
/// The disc is read as a whole; nobody has a reason to put more there.
const LIMIT: usize = 1 << 20;

pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// The hardware addresses of a machine's two cards: known before there is a machine, and never another's.
pub(crate) fn cards(uuid: Uuid) -> [[u8; 6]; 2] {
    let bytes = uuid.as_bytes();
    // VirtualBox's own prefix; the last bit tells the two apart.
    let card = |last: u8| [0x08, 0x00, 0x27, bytes[0], bytes[1], bytes[2] & 0xfe | last];
    [card(0), card(1)]
}

/// As VBoxManage takes it.
pub(crate) fn plain(card: [u8; 6]) -> String {
    card.iter().map(|b| format!("{b:02X}")).collect()
}

fn with_colons(card: [u8; 6]) -> String {
    card.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

/// The user's own user-data, judged before anything is made.
pub(crate) fn own_user_data(wanted: &Wanted) -> Result<Option<Vec<u8>>, DriverError> {
    let Some(file) = &wanted.user_data else { return Ok(None) };
    let own = std::fs::read(file).map_err(|e| files::failed("read", file, e))?;
    check_own(&own, LIMIT)
        .map_err(|e| DriverError::because(DriverErrorKind::Invalid, "--virtualbox-userdata", e))?;
    Ok(Some(own))
}

pub(crate) fn write(
    machine: &MachineHandle<'_>,
    request: &CreateRequest<'_>,
    wanted: &Wanted,
    place: Option<(&HostOnly, Ipv4Addr)>,
) -> Result<PathBuf, DriverError> {
    let name = host_name(machine.name)?;
    let own = own_user_data(wanted)?;
    let boot = FirstBoot {
        login: LOGIN,
        public_key: request.public_key,
        host_key: request.host_key,
        host_name: Some(&name),
        own: own.as_deref(),
    };
    let user_data = user_data(&boot, LIMIT).map_err(|e| DriverError::invalid(e.to_string()).caused_by(e))?;
    let meta = json!({"instance-id": machine.uuid.to_string(), "local-hostname": name});
    let network = network(cards(machine.uuid), place.map(|(on, address)| (address, on.cidr.prefix())));
    let vendor = vendor(wanted.share().as_ref());
    let texts = [meta, network].map(|value| format!("{value}\n"));
    let files = [
        File { name: "user-data", content: user_data.expose_secret().as_bytes() },
        File { name: "meta-data", content: texts[0].as_bytes() },
        File { name: "network-config", content: texts[1].as_bytes() },
        File { name: "vendor-data", content: vendor.as_bytes() },
    ];
    let path = path(machine.dir);
    files::write_private(&path, &iso::image(LABEL, &files))?;
    Ok(path)
}

/// The NAT card asks VirtualBox for an address; the other has one that stays.
fn network([nat, host_only]: [[u8; 6]; 2], own: Option<(Ipv4Addr, u8)>) -> Value {
    let mut cards = json!({"nat": {"match": {"macaddress": with_colons(nat)}, "dhcp4": true}});
    if let Some((address, prefix)) = own {
        cards["hostonly"] = json!({
            "match": {"macaddress": with_colons(host_only)},
            "dhcp4": false,
            "addresses": [format!("{address}/{prefix}")],
        });
    }
    json!({"version": 2, "ethernets": cards})
}

/// Ours, but weaker than the user's: the shared folder is mounted, where the machine's kernel can.
fn vendor(share: Option<&Share>) -> String {
    let Some(share) = share else { return "#cloud-config\n{}\n".to_owned() };
    let at = format!("/{}", share.name.trim_start_matches('/'));
    let options = "nofail,dmode=0777,fmode=0777";
    let mounts = json!([[share.name, at, "vboxsf", options, "0", "0"]]);
    format!("#cloud-config\n{}\n", json!({"mounts": mounts}))
}

#[cfg(test)]
mod tests;
