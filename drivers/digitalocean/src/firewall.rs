//! The cloud firewall of one machine: who may reach SSH and the engine, what the VPC says to it, and nothing else.
//!
//! `auto` is whoever makes the machine, by the address that the machine itself sees at the first login: nobody else is
//! asked for it. Until then SSH is open to all, which take keys alone, and the engine to nobody.

use std::net::IpAddr;

use rmachine_driver::{DriverError, DriverState, ENGINE_PORT, MachineHandle, Uuid};
use rmachine_rest::{Api, ApiError};
use serde_json::{Value, json};

use crate::api::unanswered;
use crate::model::{Droplet, Firewall, OneDroplet, OneFirewall, OneVpc};
use crate::records::{self, DROPLET, FIREWALL, last_id};
use crate::{paths, power, tags};

/// The state's key of the flag's words, and of the address that `auto` turned out to be.
const WORDS: &str = "Firewall";
const CALLER: &str = "FirewallCaller";
/// And of the VPC's range.
const NETWORK: &str = "FirewallNetwork";
const AUTO: &str = "auto";
const NONE: &str = "none";
const TRIES: usize = 4;
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];
/// What the members of a swarm say to each other.
const SWARM: [(&str, u16); 4] = [("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", 4789)];

/// One word of the flag.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Auto,
    None,
    /// May reach SSH and the engine.
    Source(String),
    Port {
        protocol: &'static str,
        port: u16,
        from: From,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Anywhere,
    Vpc,
    Network(String),
}

impl Word {
    fn parse(text: &str) -> Result<Self, DriverError> {
        let refused = || {
            DriverError::invalid(format!(
                "--digitalocean-firewall: {text:?} is none of auto, none, an address, a network like 203.0.113.0/24, or a \
                 port to open like port:443, port:53/udp or port:9323@vpc"
            ))
        };
        match text {
            AUTO => return Ok(Self::Auto),
            NONE => return Ok(Self::None),
            _ => {}
        }
        let Some(rest) = text.strip_prefix("port:") else {
            return network(text).map(Self::Source).ok_or_else(refused);
        };
        let (port, from) = rest.split_once('@').unwrap_or((rest, ""));
        let (port, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let protocol = ["tcp", "udp"].into_iter().find(|p| *p == protocol).ok_or_else(refused)?;
        let port = port.parse().ok().filter(|p| *p != 0).ok_or_else(refused)?;
        let from = match from {
            "" if rest.contains('@') => return Err(refused()),
            "" => From::Anywhere,
            "vpc" => From::Vpc,
            other => From::Network(network(other).ok_or_else(refused)?),
        };
        Ok(Self::Port { protocol, port, from })
    }
}

/// An address is the network that holds it alone.
fn network(text: &str) -> Option<String> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(longest), |p| p.parse::<u8>().ok().filter(|p| *p <= longest))?;
    Some(format!("{address}/{prefix}"))
}

/// The words as they are kept. A member of a cluster is guarded unless the user says otherwise.
pub(crate) fn words(given: &[String], member: bool) -> Result<Vec<String>, DriverError> {
    let mut words: Vec<String> = given.iter().filter(|w| !w.is_empty()).cloned().collect();
    if words.is_empty() && member {
        words.push(AUTO.to_owned());
    }
    let parsed = words.iter().map(|w| Word::parse(w)).collect::<Result<Vec<_>, _>>()?;
    let off = parsed.contains(&Word::None);
    if off && words.len() > 1 {
        return Err(DriverError::invalid("--digitalocean-firewall: none stands alone"));
    }
    // Who opens a port wants to get in all the same.
    if parsed.iter().all(|w| matches!(w, Word::Port { .. })) && !words.is_empty() {
        words.push(AUTO.to_owned());
    }
    Ok(if off { Vec::new() } else { words })
}

fn kept(state: &DriverState) -> Vec<Word> {
    // The first form of this flag knew networks alone, which were checked by the provider.
    state.texts(WORDS).iter().map(|w| Word::parse(w).unwrap_or(Word::Source(w.clone()))).collect()
}

pub(crate) fn is_for_caller(state: &DriverState) -> bool {
    kept(state).contains(&Word::Auto)
}

/// Its name tells whose it is.
pub(crate) fn name(uuid: Uuid) -> String {
    format!("rmachine-{uuid}")
}

/// Of a machine that is gone: the next one is somebody else's until it is reached.
pub(crate) fn forget(state: &mut DriverState) {
    for key in [CALLER, NETWORK] {
        if !state.text(key).is_empty() {
            state.set(key, "");
        }
    }
}

/// Makes it, where one is wanted and not there yet; before the droplet boots, if its network is known by then.
pub(crate) async fn make(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    droplet: &Droplet,
) -> Result<(), DriverError> {
    let records = machine.journal.records();
    let (is_requested, made) =
        (records::is_requested(records, FIREWALL), last_id(records, FIREWALL).is_some());
    if kept(machine.state).is_empty() || droplet.vpc_uuid.is_empty() || made {
        return Ok(());
    }
    if is_requested && let Some(found) = find(api, &name(machine.uuid)).await? {
        return machine.record_id(FIREWALL, &found.id);
    }
    network_of(machine, api, &droplet.vpc_uuid).await?;
    post(machine, api).await
}

async fn post(machine: &mut MachineHandle<'_>, api: &Api) -> Result<(), DriverError> {
    machine.record_request(FIREWALL)?;
    let body = body(machine);
    for _ in 1..TRIES {
        let made = match api.post::<OneFirewall>(&paths::firewalls(), body.clone()).await {
            Ok(made) => Some(made.firewall),
            Err(e) if e.is_unclear() => find(api, &name(machine.uuid)).await?,
            Err(e) => return Err(e.into()),
        };
        if let Some(made) = made {
            return machine.record_id(FIREWALL, &made.id);
        }
    }
    Err(unanswered("the firewall"))
}

pub(crate) async fn find(api: &Api, name: &str) -> Result<Option<Firewall>, ApiError> {
    let all: Vec<Firewall> = api.list(&paths::firewalls(), "firewalls").await?;
    Ok(all.into_iter().find(|f| f.name == name))
}

/// From here on `auto` is this address.
pub(crate) async fn let_in(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    from: IpAddr,
) -> Result<(), DriverError> {
    let caller = network(&from.to_canonical().to_string()).unwrap_or_default();
    if machine.state.text(CALLER) == caller {
        return Ok(());
    }
    machine.state.set(CALLER, caller.as_str());
    if let Err(e) = settle(machine, api).await {
        // Asked for again by the next run.
        machine.state.set(CALLER, "");
        return Err(e);
    }
    machine.reporter.info(machine.name, &format!("Its firewall lets in {caller} alone from now on"));
    Ok(())
}

/// Other words than before.
pub(crate) async fn guard(
    machine: &mut MachineHandle<'_>,
    api: &Api,
    given: &[String],
) -> Result<(), DriverError> {
    if !records::is_requested(machine.journal.records(), DROPLET) {
        return Err(DriverError::invalid(
            "a droplet that docker-machine made bears no tag that a firewall could hold for",
        ));
    }
    let words = words(given, false)?;
    machine.state.set(WORDS, words.into_iter().map(Value::from).collect::<Vec<_>>());
    machine.state.set(CALLER, "");
    settle(machine, api).await
}

/// The provider's firewall as the state has it: made, changed or removed.
async fn settle(machine: &mut MachineHandle<'_>, api: &Api) -> Result<(), DriverError> {
    let known = last_id(machine.journal.records(), FIREWALL).map(str::to_owned);
    let wanted = !kept(machine.state).is_empty();
    if wanted && machine.state.text(NETWORK).is_empty() {
        let id = power::made(machine)?;
        let droplet = api.get::<OneDroplet>(&paths::droplet(id)).await?.droplet;
        network_of(machine, api, &droplet.vpc_uuid).await?;
    }
    if let Some(id) = &known
        && wanted
    {
        match api.put(&paths::firewall(id)?, body(machine)).await {
            // Somebody removed it.
            Err(e) if e.has_status(404) => {}
            done => return Ok(done?),
        }
    }
    match find(api, &name(machine.uuid)).await? {
        Some(found) if wanted => {
            machine.record_id(FIREWALL, &found.id)?;
            Ok(api.put(&paths::firewall(&found.id)?, body(machine)).await?)
        }
        Some(found) => Ok(api.delete(&paths::firewall(&found.id)?).await?),
        None if wanted => post(machine, api).await,
        None => Ok(()),
    }
}

/// A VPC's range never changes.
async fn network_of(machine: &mut MachineHandle<'_>, api: &Api, vpc: &str) -> Result<(), DriverError> {
    let vpc: OneVpc = api.get(&paths::vpc(vpc)?).await?;
    machine.state.set(NETWORK, vpc.vpc.ip_range);
    Ok(())
}

fn body(machine: &MachineHandle<'_>) -> Value {
    let state = &machine.state;
    let ssh = u16::try_from(state.int("SSHPort")).unwrap_or(22);
    json!({
        "name": name(machine.uuid),
        "inbound_rules": inbound(&kept(state), state.text(CALLER), state.text(NETWORK), ssh),
        "outbound_rules": outbound(),
        // It holds for every droplet that bears it: no other has this one.
        "tags": [tags::of_machine(machine.uuid)],
    })
}

/// `caller`: as `auto` is known, or empty.
fn inbound(words: &[Word], caller: &str, vpc: &str, ssh: u16) -> Vec<Value> {
    let mut named: Vec<&str> = words
        .iter()
        .filter_map(|w| match w {
            Word::Source(network) => Some(network.as_str()),
            Word::Auto if !caller.is_empty() => Some(caller),
            _ => None,
        })
        .collect();
    named.dedup();
    let waits = words.contains(&Word::Auto) && caller.is_empty();
    let mut rules = vec![rule("tcp", ssh, if waits { &ANYWHERE } else { &named })];
    if !named.is_empty() {
        rules.push(rule("tcp", ENGINE_PORT, &named));
    }
    rules.extend(SWARM.map(|(protocol, port)| rule(protocol, port, &[vpc])));
    rules.extend(words.iter().filter_map(|w| match w {
        Word::Port { protocol, port, from: From::Anywhere } => Some(rule(protocol, *port, &ANYWHERE)),
        Word::Port { protocol, port, from: From::Vpc } => Some(rule(protocol, *port, &[vpc])),
        Word::Port { protocol, port, from: From::Network(network) } => {
            Some(rule(protocol, *port, &[network]))
        }
        _ => None,
    }));
    rules
}

fn rule(protocol: &str, port: u16, addresses: &[&str]) -> Value {
    json!({"protocol": protocol, "ports": port.to_string(), "sources": {"addresses": addresses}})
}

fn outbound() -> Vec<Value> {
    let anywhere = json!({"addresses": ANYWHERE});
    let all = ["tcp", "udp"].map(|p| json!({"protocol": p, "ports": "all", "destinations": anywhere}));
    let ping = json!({"protocol": "icmp", "ports": "0", "destinations": anywhere});
    all.into_iter().chain([ping]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words_given: &[&str], member: bool) -> Result<Vec<String>, String> {
        let given: Vec<String> = words_given.iter().map(|w| (*w).to_owned()).collect();
        words(&given, member).map_err(|e| e.message)
    }

    #[test]
    fn members_are_guarded_unless_told_otherwise() {
        assert_eq!(given(&[], false).unwrap(), Vec::<String>::new());
        assert_eq!(given(&[], true).unwrap(), ["auto"]);
        assert_eq!(given(&["none"], true).unwrap(), Vec::<String>::new());
        assert_eq!(given(&["198.51.100.7"], true).unwrap(), ["198.51.100.7"]);
        assert_eq!(given(&["port:443"], false).unwrap(), ["port:443", "auto"], "it would lock us out");
        assert!(given(&["none", "auto"], true).unwrap_err().contains("stands alone"));
    }

    #[test]
    fn words_that_mean_nothing_are_refused() {
        for bad in [
            "me",
            "10.0.0.0/33",
            "port:0",
            "port:x",
            "port:80/icmp",
            "port:80@",
            "port:80@here",
            "::/129",
            "1.2.3",
        ] {
            assert!(given(&[bad], false).is_err(), "{bad}");
        }
        assert_eq!(Word::parse("203.0.113.7").unwrap(), Word::Source("203.0.113.7/32".into()));
        assert_eq!(Word::parse("2001:db8::7").unwrap(), Word::Source("2001:db8::7/128".into()));
        let port = |port, protocol, from| Word::Port { port, protocol, from };
        assert_eq!(
            Word::parse("port:53/udp@10.0.0.0/8").unwrap(),
            port(53, "udp", From::Network("10.0.0.0/8".into()))
        );
        assert_eq!(Word::parse("port:9323@vpc").unwrap(), port(9323, "tcp", From::Vpc));
    }

    fn open(words: &[&str], caller: &str) -> Vec<String> {
        let words: Vec<Word> = words.iter().map(|w| Word::parse(w).unwrap()).collect();
        let show = |r: &Value| {
            let text = |v: &Value| v.as_str().unwrap().to_owned();
            let from: Vec<String> = r["sources"]["addresses"].as_array().unwrap().iter().map(text).collect();
            format!("{}/{} {}", text(&r["ports"]), text(&r["protocol"]), from.join(" "))
        };
        let mut rules: Vec<String> = inbound(&words, caller, "10.1.0.0/20", 22).iter().map(show).collect();
        rules.retain(|r| !r.ends_with(" 10.1.0.0/20") || r.starts_with("9323"));
        rules
    }

    #[test]
    fn the_engine_is_open_to_nobody_until_the_caller_is_known() {
        assert_eq!(open(&["auto"], ""), ["22/tcp 0.0.0.0/0 ::/0"]);
        assert_eq!(
            open(&["auto"], "198.51.100.7/32"),
            ["22/tcp 198.51.100.7/32", "2376/tcp 198.51.100.7/32"]
        );
        assert_eq!(open(&["auto", "10.9.0.0/16"], ""), ["22/tcp 0.0.0.0/0 ::/0", "2376/tcp 10.9.0.0/16"],);
        assert_eq!(
            open(&["10.9.0.0/16", "port:443", "port:9323@vpc"], ""),
            ["22/tcp 10.9.0.0/16", "2376/tcp 10.9.0.0/16", "443/tcp 0.0.0.0/0 ::/0", "9323/tcp 10.1.0.0/20"],
        );
    }

    #[test]
    fn what_a_swarm_says_stays_in_the_vpc() {
        let rules = inbound(&[Word::Auto], "", "10.1.0.0/20", 22);
        let swarm: Vec<_> =
            rules.iter().filter(|r| r["sources"]["addresses"] == json!(["10.1.0.0/20"])).collect();
        let ports: Vec<_> =
            swarm.iter().map(|r| format!("{}/{}", r["ports"], r["protocol"]).replace('"', "")).collect();
        assert_eq!(ports, ["2377/tcp", "7946/tcp", "7946/udp", "4789/udp"]);
        assert_eq!(rules.len(), 5, "nothing else is open");
    }
}
