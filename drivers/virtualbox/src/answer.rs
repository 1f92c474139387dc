//! What VBoxManage answers, read: pure functions, tested on the answers of a real VirtualBox 7.2.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use rmachine_driver::{State, Tags, Uuid};

use crate::cidr::Cidr;
use crate::state::state;

const WARNING: &str = "WARNING:";
/// How the errors begin, on every system.
const ERROR: &str = "error: ";

/// Debian's and Ubuntu's packages print a warning of several lines before every answer.
pub(crate) fn clean(stdout: &str) -> String {
    let mut lines = stdout.lines().peekable();
    while lines.peek().is_some_and(|l| l.starts_with(WARNING)) {
        lines.next();
        while lines.peek().is_some_and(|l| l.starts_with('\t') || l.trim().is_empty()) {
            lines.next();
        }
    }
    lines.map(|l| format!("{}\n", l.trim_end_matches('\r'))).collect()
}

/// The errors alone, without the line that names VirtualBox's own source.
pub(crate) fn errors(stderr: &str) -> String {
    let said = |line: &str| {
        let (program, error) = line.split_once(ERROR)?;
        let program = program.trim_end_matches(": ");
        let is_program = program.starts_with("VBox") && !program.contains(' ');
        (is_program && !error.starts_with("Context:")).then(|| error.trim().to_owned())
    };
    stderr.lines().filter_map(said).collect::<Vec<_>>().join("\n")
}

/// Of a line like `0%...10%...20%`, as far as it has been written.
pub(crate) fn percent(written: &[u8]) -> Option<u8> {
    let text = String::from_utf8_lossy(&written[written.len().saturating_sub(64)..]).into_owned();
    let (before, _) = text.rsplit_once('%')?;
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|p| *p <= 100)
}

/// The numbers of a version like `7.2.22_Debianr175245`.
pub(crate) fn version(answer: &str) -> Option<(u32, u32, u32)> {
    let line = answer.lines().next_back()?.trim();
    let mut numbers = line.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Whether the processor can run other computers; nothing when it does not say.
pub(crate) fn virtualisation(hostinfo: &str) -> Option<bool> {
    let line = hostinfo.lines().find(|l| l.starts_with("Processor supports HW virtualization:"))?;
    Some(line.ends_with("yes"))
}

/// A machine among all that VirtualBox knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vm {
    pub(crate) name: String,
    pub(crate) uuid: Option<Uuid>,
    pub(crate) state: State,
    /// The host-only adapters and networks that it is on.
    pub(crate) networks: Vec<String>,
    /// What its description says, where it is ours.
    pub(crate) notes: BTreeMap<String, String>,
}

impl Vm {
    pub(crate) fn tags(&self) -> Option<Tags> {
        Tags::read(|key| self.notes.get(key).map(String::as_str))
    }

    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.notes.get(ADDRESS)?.parse().ok()
    }
}

/// In descriptions: the machine's address, and the adapter that was made for it or for one before it.
pub(crate) const ADDRESS: &str = "rmachine.address";
pub(crate) const ADAPTER: &str = "rmachine.adapter";

/// Out of `list --long vms`.
pub(crate) fn vms(answer: &str) -> Vec<Vm> {
    let mut all: Vec<Vm> = Vec::new();
    for line in answer.lines() {
        if let Some(name) = field(line, "Name:") {
            all.push(Vm {
                name: name.to_owned(),
                uuid: None,
                state: State::Error,
                networks: Vec::new(),
                notes: BTreeMap::new(),
            });
        } else if let Some(vm) = all.last_mut() {
            note(vm, line);
        }
    }
    all
}

/// Only fields of a machine itself are that far from their names.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.strip_prefix(name).filter(|rest| rest.starts_with("        ")).map(str::trim)
}

fn note(vm: &mut Vm, line: &str) {
    if let Some(uuid) = field(line, "UUID:") {
        vm.uuid = uuid.parse().ok();
    } else if let Some(now) = field(line, "State:") {
        vm.state = state(now.split(" (").next().unwrap_or(now));
    } else if line.starts_with("NIC ") {
        vm.networks.extend(quoted(line, "Host-only Interface '"));
        vm.networks.extend(quoted(line, "Host Only Network '"));
        vm.networks.extend(quoted(line, "Host-only Network '"));
    } else if let Some((key, value)) = line.split_once('=').filter(|(key, _)| key.starts_with("rmachine.")) {
        vm.notes.insert(key.to_owned(), value.to_owned());
    }
}

fn quoted(line: &str, before: &str) -> Option<String> {
    let (_, rest) = line.split_once(before)?;
    rest.split_once('\'').map(|(name, _)| name.to_owned())
}

/// Out of `showvminfo --machinereadable`: one machine, in full.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Info(BTreeMap<String, String>);

impl Info {
    pub(crate) fn read(answer: &str) -> Self {
        let mut all = BTreeMap::new();
        let mut lines = answer.lines();
        while let Some(line) = lines.next() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let mut value = value.to_owned();
            // Descriptions have several lines.
            while value.starts_with('"') && (value.len() < 2 || !value.ends_with('"')) {
                let Some(more) = lines.next() else { break };
                value = format!("{value}\n{more}");
            }
            all.insert(key.trim_matches('"').to_owned(), unquoted(&value).to_owned());
        }
        Self(all)
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(crate) fn state(&self) -> State {
        state(self.text("VMState"))
    }

    pub(crate) fn log(&self) -> Option<PathBuf> {
        let folder = self.text("LogFldr");
        (!folder.is_empty()).then(|| PathBuf::from(folder).join("VBox.log"))
    }

    /// The port of this computer that a rule of its NAT leads from.
    pub(crate) fn forwarded(&self, rule: &str) -> Option<u16> {
        let rules = self.0.iter().filter(|(key, _)| key.starts_with("Forwarding(")).map(|(_, value)| value);
        rules
            .map(|rule| rule.split(',').collect::<Vec<_>>())
            .find(|r| r.first() == Some(&rule))?
            .get(3)?
            .parse()
            .ok()
    }

    /// The first host-only adapter, with the number of its card.
    pub(crate) fn adapter(&self) -> Option<(u8, &str)> {
        (1..=8).find_map(|n| Some((n, self.0.get(&format!("hostonlyadapter{n}"))?.as_str())))
    }

    pub(crate) fn notes(&self) -> BTreeMap<String, String> {
        let lines = self.text("description").lines();
        lines.filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

/// One block of an answer that consists of `Key: value` lines, an empty line after each block.
fn blocks(answer: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut all = vec![BTreeMap::new()];
    for line in answer.lines() {
        match line.split_once(':') {
            _ if line.trim().is_empty() => all.push(BTreeMap::new()),
            Some((key, value)) => drop(all.last_mut().map(|block| block.insert(key.trim(), value.trim()))),
            None => {}
        }
    }
    all.retain(|block| !block.is_empty());
    all
}

/// A host-only adapter of this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Adapter {
    pub(crate) name: String,
    /// Nothing while it has no address.
    pub(crate) cidr: Option<Cidr>,
}

/// Out of `list hostonlyifs`.
pub(crate) fn adapters(answer: &str) -> Vec<Adapter> {
    let read = |block: &BTreeMap<&str, &str>| {
        let address: Option<Ipv4Addr> = block.get("IPAddress").and_then(|a| a.parse().ok());
        let address = address.filter(|a| !a.is_unspecified());
        let mask = block.get("NetworkMask").copied().unwrap_or_default();
        let cidr = address.and_then(|a| Cidr::with_mask(a, mask));
        Some(Adapter { name: (*block.get("Name")?).to_owned(), cidr })
    };
    blocks(answer).iter().filter_map(read).collect()
}

/// A host-only network of macOS, where there are no adapters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) lower: Option<Ipv4Addr>,
    pub(crate) mask: String,
}

/// Out of `list hostonlynets`.
pub(crate) fn networks(answer: &str) -> Vec<Network> {
    let read = |block: &BTreeMap<&str, &str>| {
        let text = |key: &str| block.get(key).copied().unwrap_or_default();
        Some(Network {
            name: (*block.get("Name")?).to_owned(),
            lower: text("LowerIP").parse().ok(),
            mask: text("NetworkMask").to_owned(),
        })
    };
    blocks(answer).iter().filter_map(read).collect()
}

/// A DHCP server of VirtualBox's: older versions called its fields otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dhcp {
    pub(crate) network: String,
    pub(crate) lower: Option<Ipv4Addr>,
    pub(crate) upper: Option<Ipv4Addr>,
    pub(crate) enabled: bool,
}

/// Out of `list dhcpservers`.
pub(crate) fn dhcp_servers(answer: &str) -> Vec<Dhcp> {
    let read = |block: &BTreeMap<&str, &str>| {
        let address = |key: &str| {
            let found = block.iter().find(|(k, _)| k.eq_ignore_ascii_case(key));
            found.and_then(|(_, value)| value.parse().ok())
        };
        Some(Dhcp {
            network: (*block.get("NetworkName")?).to_owned(),
            lower: address("LowerIPAddress"),
            upper: address("UpperIPAddress"),
            enabled: block.get("Enabled").is_some_and(|e| *e == "Yes"),
        })
    };
    blocks(answer).iter().filter_map(read).collect()
}

/// Out of `dhcpserver findlease`: the address, as long as it is the client's.
pub(crate) fn lease(answer: &str) -> Option<Ipv4Addr> {
    let block = blocks(answer).into_iter().next()?;
    let held = block.get("State").is_none_or(|state| matches!(*state, "acked" | "static" | "offered"));
    block.get("IP Address").filter(|_| held)?.parse().ok()
}

/// Out of `snapshot list --machinereadable`: names with the rest of what is known of each, the oldest first.
pub(crate) fn snapshots(answer: &str) -> Vec<(String, Uuid, BTreeMap<String, String>)> {
    let info = Info::read(answer);
    // Each has the place in the tree of snapshots at the end of its key: the longer, the later.
    let mut places: Vec<&str> = info.0.keys().filter_map(|key| key.strip_prefix("SnapshotName")).collect();
    places.sort_by_key(|place| (place.len(), *place));
    let read = |place: &str| {
        let text = |key: &str| info.text(&format!("{key}{place}"));
        let notes = text("SnapshotDescription").lines().filter_map(|l| l.split_once('='));
        let notes = notes.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Some((text("SnapshotName").to_owned(), text("SnapshotUUID").parse().ok()?, notes))
    };
    places.into_iter().filter_map(read).collect()
}

/// The name in `Interface 'vboxnet0' was successfully created`.
pub(crate) fn made_adapter(answer: &str) -> Option<String> {
    answer.lines().filter(|l| l.contains("successfully created")).find_map(|l| quoted(l, "'"))
}

#[cfg(test)]
mod tests;
