//! What hosts themselves have against a stack: ports that something else than a service has taken, and kernels without IPVS.

use futures_util::future::join_all;
use rmachine_driver::MachineName;
use serde_json::Value;

use crate::engine::{filters, with_query};
use crate::model::Failure;
use crate::stacks::definition::{Compose, LISTENS, Member, Surroundings};
use crate::stacks::deploy::{Ground, Request};
use crate::swarm::Swarm;

const SCRIPT: &str = include_str!("../../../templates/host/ground.sh");

/// What a host says.
struct Host {
    node: String,
    machine: MachineName,
    ipvs: bool,
    listeners: Vec<Listener>,
}

#[derive(Debug, PartialEq, Eq)]
struct Listener {
    udp: bool,
    port: u16,
    /// A program and the number of its process, where the host tells.
    who: Option<(String, String)>,
}

/// A port that the stack wants on a node.
struct Wish {
    port: u16,
    /// Nothing where it is not known.
    protocol: Option<String>,
    what: String,
    /// The nodes on which it must be free.
    nodes: Vec<String>,
}

pub(super) async fn check(
    swarm: &Swarm,
    ground: &Ground,
    request: &Request,
    compose: &Compose,
    around: &Surroundings,
) -> Result<(), Failure> {
    let wishes = wishes(ground, request, compose, around);
    let addresses = compose.needs_addresses();
    if wishes.is_empty() && !addresses {
        return Ok(());
    }
    let asked = ground.machines().map(async |(node, machine)| {
        let session = swarm.machines.open(&swarm.machines.load(machine)?).await?;
        let said = session.output("sh -s", SCRIPT.as_bytes()).await;
        session.close().await;
        let text = String::from_utf8_lossy(&said?.stdout).into_owned();
        let ipvs = text.lines().any(|line| line == "ipvs");
        let listeners = text.lines().filter_map(read).collect();
        Ok::<_, Failure>(Host { node: node.id.clone(), machine: machine.clone(), ipvs, listeners })
    });
    let mut hosts = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    hosts.sort_by(|a, b| a.machine.cmp(&b.machine));
    if addresses {
        all_have_ipvs(&hosts)?;
    }
    for (wish, host) in wishes.iter().flat_map(|w| hosts.iter().map(move |h| (w, h))) {
        if let Some(listener) = host.listeners.iter().find(|l| wish.meets(l, &host.node)) {
            return Err(taken(swarm, host, wish, listener).await);
        }
    }
    Ok(())
}

fn all_have_ipvs(hosts: &[Host]) -> Result<(), Failure> {
    let without: Vec<_> = hosts.iter().filter(|h| !h.ipvs).map(|h| h.machine.as_str()).collect();
    if without.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "no IPVS in the kernel of {}: services would not be found under the one address that each of them gets, and published \
         ports would lead nowhere; nothing was changed",
        without.join(", ")
    ))
    .hint("--set endpoint_mode=dnsrr does without: names lead to tasks, and a published port is that of the nodes that run one"))
}

fn wishes(ground: &Ground, request: &Request, compose: &Compose, around: &Surroundings) -> Vec<Wish> {
    let there = ground.of_stack(&request.name);
    let (mut published, mut listens) = (Vec::new(), Vec::new());
    for service in there {
        published.extend(service.ports().iter().map(|p| (p.published_port, p.protocol.clone())));
        let label = service.labels().find(|(key, _)| *key == LISTENS);
        listens
            .extend(label.iter().flat_map(|(_, text)| text.split(' ')).filter_map(|p| p.parse::<u16>().ok()));
    }
    let ids = |fits: &dyn Fn(&Member) -> bool| -> Vec<String> {
        around.nodes.iter().filter(|m| fits(m)).map(|m| m.id.clone()).collect()
    };
    // What it has already is no obstacle.
    let ports = compose.ports();
    let new_ports = ports.iter().filter(|p| !published.contains(&(p.number, p.protocol.clone())));
    let from_ports = new_ports.map(|p| Wish {
        port: p.number,
        protocol: Some(p.protocol.clone()),
        what: format!("the service {}", p.service),
        nodes: ids(&|m: &Member| !p.host || compose.may_run_on(&p.service, m)),
    });
    let new_listens = compose.listens.iter().filter(|l| !listens.contains(&l.port));
    let from_listens = new_listens.map(|l| Wish {
        port: l.port,
        protocol: None,
        what: format!("the stack {}", request.name),
        nodes: ids(&|m: &Member| l.everywhere || *m == around.chosen),
    });
    from_ports.chain(from_listens).collect()
}

impl Wish {
    fn meets(&self, listener: &Listener, node: &str) -> bool {
        let protocol = self.protocol.as_deref().is_none_or(|p| (p == "udp") == listener.udp);
        self.port == listener.port && protocol && self.nodes.iter().any(|n| n == node)
    }
}

async fn taken(swarm: &Swarm, host: &Host, wish: &Wish, listener: &Listener) -> Failure {
    let who = match &listener.who {
        None => "something else".to_owned(),
        Some((name, pid)) if name == "docker-proxy" => {
            let container = publisher(swarm, &host.machine, listener).await;
            container.map_or(format!("{name} (process {pid})"), |c| format!("the container {c}"))
        }
        Some((name, pid)) => format!("{name} (process {pid})"),
    };
    let (port, protocol) = (listener.port, if listener.udp { "udp" } else { "tcp" });
    Failure::new(format!(
        "{} wants port {port}, and on {} {who} listens on {port}/{protocol} already: nothing was changed",
        wish.what, host.machine
    ))
    .hint("another port (--set), or another node (--set node=NAME)")
}

/// The container that a port is passed on to.
async fn publisher(swarm: &Swarm, machine: &MachineName, listener: &Listener) -> Option<String> {
    let port = format!("{}/{}", listener.port, if listener.udp { "udp" } else { "tcp" });
    let path = with_query("/containers/json", &[("filters", &filters(&[("publish", &port)]))]);
    let found: Vec<Value> = swarm.engine(machine).await.ok()?.client().get(&path).await.ok()?;
    Some(found.first()?.pointer("/Names/0")?.as_str()?.trim_start_matches('/').to_owned())
}

/// A line of `ss -Hltunp`: protocol, state, queues, the local address, the peer's, and who.
fn read(line: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = words.get(4)?.rsplit_once(':')?;
    let who = words.get(6).and_then(|text| {
        let (name, rest) = text.strip_prefix("users:((\"")?.split_once('"')?;
        let pid = rest.strip_prefix(",pid=")?.split(',').next()?;
        Some((name.to_owned(), pid.to_owned()))
    });
    Some(Listener { udp: *words.first()? == "udp", port: port.parse().ok()?, who })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_in_what_ss_says() {
        let who = |name: &str, pid: &str| Some((name.to_owned(), pid.to_owned()));
        for (line, expected) in [
            (
                "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=77,fd=3))",
                Some(Listener { udp: false, port: 22, who: who("sshd", "77") }),
            ),
            ("udp UNCONN 0 0 10.0.0.5:5514 0.0.0.0:*", Some(Listener { udp: true, port: 5514, who: None })),
            (
                "tcp LISTEN 0 4096 [::]:2376 [::]:* users:((\"dockerd\",pid=9,fd=4),(\"x\",pid=1,fd=2))",
                Some(Listener { udp: false, port: 2376, who: who("dockerd", "9") }),
            ),
            ("ipvs", None),
            ("", None),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn a_wish_is_met_by_its_protocol_on_its_node() {
        let listener = |udp| Listener { udp, port: 80, who: None };
        let wish = |protocol: Option<&str>| Wish {
            port: 80,
            protocol: protocol.map(str::to_owned),
            what: String::new(),
            nodes: vec!["a".to_owned()],
        };
        assert!(wish(Some("tcp")).meets(&listener(false), "a"));
        assert!(!wish(Some("udp")).meets(&listener(false), "a"));
        assert!(wish(None).meets(&listener(true), "a"));
        assert!(!wish(None).meets(&listener(true), "b"));
    }
}
