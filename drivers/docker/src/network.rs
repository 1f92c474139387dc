//! Networks, and addresses on them that a machine keeps.
//!
//! The engine hands out addresses anew at each start, and lets one be chosen only on a network whose range was
//! chosen. So a network of ours has a range of its own, of which the engine keeps a quarter for others.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use rmachine_driver::DriverError;
use rmachine_engine_api::{filters, segment, with_query};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::{Attachment, Container, Engine, Labels, Listed, NETWORK, PORTS, STORE, refused};
use crate::subnet::{self, Subnet};

/// As often a network is made that others take away.
const TRIES: usize = 6;
/// Below the ports that kernels hand out by themselves.
const PORT_RANGE: std::ops::Range<u16> = 22_000..32_000;

/// Where a machine is put.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) ports: Option<OwnPorts>,
}

/// Ports of the engine's host that lead to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnPorts {
    pub(crate) ip: String,
    pub(crate) ssh: u16,
    pub(crate) engine: u16,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) labels: Option<Labels>,
    #[serde(default, rename = "IPAM")]
    ipam: Ipam,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Ipam {
    config: Option<Vec<Range>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Range {
    subnet: String,
    #[serde(rename = "IPRange")]
    range: String,
}

impl Network {
    fn is_ours(&self) -> bool {
        self.labels.as_ref().is_some_and(|l| l.get(NETWORK) == Some(&self.name))
    }

    /// Whether addresses on it are ours to give; on one whose making was cut short they are not.
    fn gives_addresses(&self) -> bool {
        self.is_ours() && self.ipam.config.iter().flatten().any(|r| !r.range.is_empty())
    }

    /// The range from which it gives addresses, where that is ours to say.
    pub(crate) fn range(&self) -> String {
        let subnet = self.subnet().filter(|_| self.gives_addresses());
        subnet.map(Subnet::text).unwrap_or_default()
    }

    fn subnet(&self) -> Option<Subnet> {
        self.ipam.config.iter().flatten().find_map(|r| Subnet::parse(&r.subnet))
    }
}

/// The network of that name, if it is there.
pub(crate) async fn find(engine: &mut Engine, name: &str) -> Result<Option<Network>, DriverError> {
    Ok(find_all(engine, name).await?.into_iter().next())
}

/// All networks of that name. An engine makes two when two requests come at the same instant, such as one of a process
/// that was killed and one of the process that continues its work.
async fn find_all(engine: &mut Engine, name: &str) -> Result<Vec<Network>, DriverError> {
    let path = with_query("/networks", &[("filters", &filters(&[("name", name)]))]);
    let list: Vec<Network> = engine.client.get(&path).await.map_err(refused)?;
    Ok(list.into_iter().filter(|n| n.name == name).collect())
}

/// Removes all but one of several networks of ours with the same name, since no container can be made on an ambiguous one.
async fn remove_duplicates(engine: &mut Engine, name: &str) -> Result<(), DriverError> {
    let mut ours: Vec<Network> = find_all(engine, name).await?.into_iter().filter(Network::is_ours).collect();
    if ours.len() < 2 {
        return Ok(());
    }
    // Every process keeps the same one.
    ours.sort_by(|a, b| a.id.cmp(&b.id));
    let containers = engine.list(&[]).await?;
    let is_used = |network: &Network| {
        let attachments = containers.iter().filter_map(|c| c.network_settings.networks.as_ref());
        attachments.flat_map(|of_container| of_container.values()).any(|a| a.network_id == network.id)
    };
    let kept = ours.iter().position(is_used).unwrap_or(0);
    for (_, unused) in ours.iter().enumerate().filter(|(at, network)| *at != kept && !is_used(network)) {
        // An engine that refuses has a new container on it.
        drop(engine.client.delete(&format!("/networks/{}", segment(&unused.id))).await);
    }
    Ok(())
}

/// The ranges of all networks.
async fn subnets(engine: &mut Engine) -> Result<Vec<Subnet>, DriverError> {
    let all: Vec<Network> = engine.client.get("/networks").await.map_err(refused)?;
    Ok(all
        .iter()
        .flat_map(|n| n.ipam.config.iter().flatten())
        .filter_map(|r| Subnet::parse(&r.subnet))
        .collect())
}

/// A range that no network of the engine has, and to which no route of its host leads; none where that cannot be seen from here.
async fn free_subnet(engine: &mut Engine) -> Result<Option<Subnet>, DriverError> {
    let Some(mut taken) = subnet::routed(engine).await? else { return Ok(None) };
    taken.extend(subnets(engine).await?);
    Ok(subnet::choose(&taken))
}

/// The network of that name, made when it is not there.
pub(crate) async fn ensure(engine: &mut Engine, name: &str, store: &str) -> Result<Network, DriverError> {
    for _ in 0..TRIES {
        remove_duplicates(engine, name).await?;
        if let Some(network) = try_ensure(engine, name, store).await? {
            return Ok(network);
        }
    }
    Err(DriverError::invalid(format!("the network {name:?} goes away as often as it is made")))
}

/// Nothing when somebody else, who does not share our lock, takes it away meanwhile.
async fn try_ensure(engine: &mut Engine, name: &str, store: &str) -> Result<Option<Network>, DriverError> {
    // Containers keep addresses only where the range was chosen. Where it cannot be seen from here which ones are free,
    // the engine is asked once to choose, and then told to take what it chose.
    let chosen = match find(engine, name).await? {
        Some(network) if !network.is_ours() || network.gives_addresses() => return Ok(Some(network)),
        Some(cut_short) => Some(cut_short),
        None => {
            if let Some(range) = free_subnet(engine).await?
                && let Ok(made) = make(engine, name, store, Some(range)).await
            {
                return Ok(made);
            }
            make(engine, name, store, None).await?
        }
    };
    let Some(chosen) = chosen else { return Ok(None) };
    let subnet = chosen.subnet();
    let deleted = engine.delete(&format!("/networks/{}", chosen.id)).await;
    // In use already, it is as good as one that we did not make.
    if deleted.is_err() { Ok(Some(chosen)) } else { make(engine, name, store, subnet).await }
}

async fn make(
    engine: &mut Engine,
    name: &str,
    store: &str,
    subnet: Option<Subnet>,
) -> Result<Option<Network>, DriverError> {
    let body = network(name, store, subnet);
    let made: Result<Value, _> = engine.client.post("/networks/create", Some(&body)).await;
    match made {
        // Another process was faster.
        Err(e) if e.is_name_taken() => {}
        made => drop(made.map_err(refused)?),
    }
    find(engine, name).await
}

fn network(name: &str, store: &str, subnet: Option<Subnet>) -> Value {
    let config = subnet.map(|s| {
        json!({
            "Subnet": s.text(),
            "Gateway": s.gateway().to_string(),
            "IPRange": s.engines_part(),
        })
    });
    json!({
        "Name": name,
        "CheckDuplicate": true,
        "Driver": "bridge",
        "IPAM": {"Config": config.into_iter().collect::<Vec<_>>()},
        "Labels": {NETWORK: name, STORE: store},
    })
}

/// A network that was pruned while its machines were stopped is made again, with the range that it had where that is
/// free; a container that stood on it is put back at its address. Nothing happens to one whose network is there.
pub(crate) async fn rejoin(
    engine: &mut Engine,
    container: &Container,
    name: &str,
    range: &str,
    store: &str,
) -> Result<(), DriverError> {
    let networks = container.network_settings.networks.as_ref();
    let Some(attachment) = networks.and_then(|n| n.get(name)) else { return Ok(()) };
    let found = match (find(engine, name).await?, Subnet::parse(range)) {
        (Some(network), _) if attachment.network_id == network.id => return Ok(()),
        (Some(network), _) => network,
        (None, Some(range)) => match make(engine, name, store, Some(range)).await {
            Ok(Some(network)) => network,
            // Somebody else has the range by now.
            _ => ensure(engine, name, store).await?,
        },
        (None, None) => ensure(engine, name, store).await?,
    };
    let path = format!("/networks/{}", segment(name));
    let leave = json!({"Container": container.id, "Force": true});
    let left = engine.client.post::<Value>(&format!("{path}/disconnect"), Some(&leave)).await;
    left.map(drop).map_err(refused)?;
    let place = Place { address: kept_address(attachment, &found), ports: None };
    let join = json!({"Container": container.id, "EndpointConfig": endpoint_config(&place)});
    let joined = engine.client.post::<Value>(&format!("{path}/connect"), Some(&join)).await;
    joined.map(drop).map_err(refused)
}

/// A container's place on its network.
pub(crate) fn endpoint_config(place: &Place) -> Value {
    match place.address {
        Some(address) => json!({"IPAMConfig": {"IPv4Address": address.to_string()}}),
        None => json!({}),
    }
}

fn kept_address(attachment: &Attachment, network: &Network) -> Option<Ipv4Addr> {
    let address: Ipv4Addr = attachment.fixed.as_ref()?.address.parse().ok()?;
    let subnet = network.subnet().filter(|_| network.gives_addresses())?;
    subnet.holds(address).then_some(address)
}

/// Removes a network of ours on which no container is any more, running or not.
pub(crate) async fn remove_if_last(engine: &mut Engine, name: &str) -> Result<(), DriverError> {
    let ours: Vec<Network> = find_all(engine, name).await?.into_iter().filter(Network::is_ours).collect();
    let attached = |c: &Listed| c.network_settings.networks.iter().flatten().any(|(n, _)| n == name);
    if ours.is_empty() || engine.list(&[]).await?.iter().any(attached) {
        return Ok(());
    }
    for network in ours {
        match engine.client.delete(&format!("/networks/{}", segment(&network.id))).await {
            // Somebody joined it just now, or took it away.
            Err(e) if e.is_network_in_use() || e.is_missing() => {}
            removed => removed.map_err(refused)?,
        }
    }
    Ok(())
}

/// An address that no container has or is promised; none on a network whose addresses are not ours to give.
pub(crate) fn free_address(
    network: &Network,
    containers: &[Listed],
    refused: &BTreeSet<Ipv4Addr>,
) -> Result<Option<Ipv4Addr>, DriverError> {
    let Some(subnet) = network.subnet().filter(|_| network.gives_addresses()) else { return Ok(None) };
    let mut taken = refused.clone();
    for attachment in
        containers.iter().filter_map(|c| c.network_settings.networks.as_ref()?.get(&network.name))
    {
        let fixed = attachment.fixed.as_ref().map(|f| f.address.as_str());
        taken.extend(
            [Some(attachment.address.as_str()), fixed]
                .into_iter()
                .flatten()
                .filter_map(|a| a.parse::<Ipv4Addr>().ok()),
        );
    }
    subnet.free(&taken).map(Some).ok_or_else(|| {
        DriverError::invalid(format!("the network {:?} has no address left", network.name))
            .hint("name another one with --docker-network; it is made when it is not there")
    })
}

/// Two ports that no machine was given and, as far as can be seen from here, nobody listens on.
pub(crate) fn free_ports(ip: &str, containers: &[Listed], refused: &BTreeSet<u16>) -> Option<OwnPorts> {
    let given = containers.iter().filter_map(|c| c.labels.as_ref()?.get(PORTS));
    let mut taken: BTreeSet<u16> = given.flat_map(|p| p.split(',')).filter_map(|p| p.parse().ok()).collect();
    taken.extend(refused);
    let mut free = PORT_RANGE.filter(|p| !taken.contains(p) && (ip != "127.0.0.1" || nobody_listens(*p)));
    Some(OwnPorts { ip: ip.to_owned(), ssh: free.next()?, engine: free.next()? })
}

fn nobody_listens(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(network: &str, fixed: &str, address: &str, ports: &str) -> Listed {
        serde_json::from_value(json!({
            "Id": "x",
            "Labels": {"rmachine.ports": ports},
            "NetworkSettings": {"Networks": {network: {"IPAMConfig": {"IPv4Address": fixed}, "IPAddress": address}}},
        }))
        .unwrap()
    }

    fn rmachine(label: &str, subnet: &str, range: &str) -> Network {
        serde_json::from_value(json!({
            "Name": "rmachine", "Id": "n", "Labels": {"rmachine.network": label}, "IPAM": {"Config": [{"Subnet": subnet, "IPRange": range}]},
        }))
        .unwrap()
    }

    #[test]
    fn the_whole_request() {
        assert_eq!(
            network("rmachine", "/S", Subnet::parse("172.18.0.0/16")),
            json!({
                "Name": "rmachine",
                "CheckDuplicate": true,
                "Driver": "bridge",
                "IPAM": {"Config": [
                    {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1", "IPRange": "172.18.192.0/18"},
                ]},
                "Labels": {"rmachine.network": "rmachine", "rmachine.store": "/S"},
            })
        );
        assert_eq!(network("x", "/S", None)["IPAM"], json!({"Config": []}));
    }

    #[test]
    fn addresses_are_kept_by_stopped_machines_too() {
        let ours = rmachine("rmachine", "10.0.5.0/24", "10.0.5.192/26");
        let others = [
            listed("rmachine", "10.0.5.2", "", ""),
            listed("rmachine", "", "10.0.5.3", ""),
            listed("x", "10.0.5.4", "", ""),
        ];
        let free = |refused: &[&str]| {
            let refused = refused.iter().map(|a| a.parse().unwrap()).collect();
            free_address(&ours, &others, &refused).unwrap().map(|a| a.to_string())
        };
        assert_eq!(free(&[]).as_deref(), Some("10.0.5.4"));
        assert_eq!(free(&["10.0.5.4"]).as_deref(), Some("10.0.5.5"));
        for not_ours in
            [rmachine("", "10.0.5.0/24", "10.0.5.192/26"), rmachine("rmachine", "10.0.5.0/24", "")]
        {
            assert_eq!(free_address(&not_ours, &others, &BTreeSet::new()).unwrap(), None);
        }
    }

    #[test]
    fn a_range_has_an_end() {
        let small = rmachine("rmachine", "10.0.5.0/28", "10.0.5.12/30");
        let all = (2..12).map(|i| Ipv4Addr::new(10, 0, 5, i)).collect();
        let told = free_address(&small, &[], &all).unwrap_err();
        assert_eq!(told.to_string(), "the network \"rmachine\" has no address left");
        for odd in ["10.0.0.0/31", "fd00::/64", "x", "10.0.0.0"] {
            assert_eq!(Subnet::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn ports_are_kept_too() {
        let listener = (PORT_RANGE.start + 4..PORT_RANGE.end)
            .find_map(|p| std::net::TcpListener::bind(("127.0.0.1", p)).ok())
            .unwrap();
        let busy = listener.local_addr().unwrap().port();
        let given = format!("{},{}", PORT_RANGE.start, PORT_RANGE.start + 1);
        let refused = (PORT_RANGE.start + 2..busy).collect();
        let ports = free_ports("127.0.0.1", &[listed("x", "", "", &given)], &refused).unwrap();
        assert!(ports.ssh > busy && ports.engine > ports.ssh, "{ports:?}");
    }
}
