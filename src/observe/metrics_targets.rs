//! Where the engines give their metrics, as Prometheus reads it from a file (`file_sd_configs`).

use std::collections::BTreeMap;

use rmachine_driver::MachineName;
use serde::Serialize;

use crate::machines::Machine;
use crate::model::Failure;
use crate::swarm::Swarm;

/// Where engines give their metrics unless they are told another port.
const PORT: &str = "9323";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Target {
    pub(crate) targets: [String; 1],
    pub(crate) labels: BTreeMap<&'static str, String>,
}

/// Of these machines. Those whose engines were never told to give metrics are named beside: they are targets all the same,
/// so that Prometheus shows what is missing. Machines without an address are left out.
pub(crate) fn targets(
    swarm: &Swarm,
    names: &[MachineName],
) -> Result<(Vec<Target>, Vec<MachineName>), Failure> {
    let (mut targets, mut silent) = (Vec::new(), Vec::new());
    for name in names {
        let machine = swarm.machines.load(name)?;
        let told = told(&machine);
        let Some(address) = address(&machine, told.as_deref()) else { continue };
        if told.is_none() {
            silent.push(name.clone());
        }
        targets.push(Target { targets: [address], labels: labels(&machine) });
    }
    Ok((targets, silent))
}

/// The engine's option, as the machine's record has it.
fn told(machine: &Machine) -> Option<String> {
    let flags = machine.stored.config.host_options.engine.arbitrary_flags.as_ref()?;
    let last = flags.iter().rev().find_map(|flag| flag.strip_prefix("metrics-addr="));
    last.map(str::to_owned)
}

fn address(machine: &Machine, told: Option<&str>) -> Option<String> {
    let own = machine.description().engine_url.and_then(|url| host(&url));
    joined(told, own.as_deref())
}

/// One that listens everywhere is asked at the machine's address.
fn joined(told: Option<&str>, own: Option<&str>) -> Option<String> {
    let (host, port) = told.and_then(|t| t.rsplit_once(':')).unwrap_or(("", PORT));
    let everywhere = matches!(host, "" | "0.0.0.0" | "[::]");
    let host = if everywhere { own? } else { host };
    Some(format!("{host}:{port}"))
}

fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, _) = rest.rsplit_once(':')?;
    Some(host.to_owned())
}

fn labels(machine: &Machine) -> BTreeMap<&'static str, String> {
    let mut labels = BTreeMap::from([
        ("machine", machine.name.to_string()),
        ("driver", machine.stored.config.driver_name.clone()),
    ]);
    if let Some(membership) = &machine.stored.own.swarm {
        labels.insert("cluster", membership.cluster.to_string());
        labels.insert("role", membership.role.to_string());
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let own = host("tcp://10.0.0.5:2376");
        let at = |told| joined(told, own.as_deref());
        assert_eq!(at(None).as_deref(), Some("10.0.0.5:9323"));
        assert_eq!(at(Some("0.0.0.0:1234")).as_deref(), Some("10.0.0.5:1234"));
        assert_eq!(at(Some("192.168.1.2:9323")).as_deref(), Some("192.168.1.2:9323"));
        assert_eq!(host("tcp://[fd00::1]:2376").as_deref(), Some("[fd00::1]"));
        assert_eq!(joined(None, None), None, "a machine that has no address yet");
    }
}
