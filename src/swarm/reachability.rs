//! Whether a node that is to join and the manager that lets it in can speak to each other, and have room for what they
//! write: found out and named before anything is changed.

use std::net::IpAddr;

use rmachine_driver::MachineName;

use crate::machines::Machine;
use crate::model::{Failure, Membership, Role};
use crate::swarm::join::{ip_of, manager_addresses};
use crate::swarm::rules::host_report::{self, Look, Probe};
use crate::swarm::rules::{Answer, Choice, GOSSIP_PORT, MANAGER_PORT, OVERLAY_PORT, choose, disk_space};
use crate::swarm::{Manager, Swarm};

/// What was seen of the ways between two machines before one of them was a manager. Nobody listened there yet.
pub(crate) struct Ahead {
    manager: MachineName,
    there: IpAddr,
    advertise: String,
}

/// What is between two machines.
struct Ways {
    /// The address that the one that joins is to be known by.
    advertise: String,
    closed: Vec<String>,
    full: Vec<String>,
}

/// The machine that lets another one in, or will.
struct Host<'a> {
    machine: &'a Machine,
    address: IpAddr,
    root: Option<&'a str>,
    /// As a manager does.
    listens: bool,
}

impl Swarm {
    /// Which address it is to be known by, once the ports are found open both ways.
    pub(crate) async fn ways_are_open(
        &self,
        machine: &Machine,
        wish: &Membership,
        manager: &Manager,
        root: &str,
        ahead: Option<&Ahead>,
    ) -> Result<String, Failure> {
        let name = &machine.name;
        let peers: Vec<IpAddr> = manager_addresses(manager).iter().filter_map(|a| ip_of(a)).collect();
        let there: IpAddr = match ip_of(&manager.info.swarm.address).or(peers.first().copied()) {
            Some(address) => address,
            None => return Ok(wish.settings.advertise.clone().unwrap_or_default()),
        };
        if let Some(seen) = ahead.filter(|seen| seen.manager == manager.machine && seen.there == there) {
            return Ok(seen.advertise.clone());
        }
        let back = self.machines.load(&manager.machine)?;
        let root_there = Some(manager.info.root.as_str());
        let host = Host { machine: &back, address: there, root: root_there, listens: true };
        let Ways { advertise, closed, full } = self.look_both_ways(machine, wish, root, &host, &peers).await;
        if !full.is_empty() {
            let mut failure =
                Failure::new(format!("{name} cannot join: there is no room; nothing was changed"));
            failure.details = full;
            return Err(failure.hint(format!(
                "make room there: `{0} ssh NODE docker system prune` removes what no container uses; `{0} ssh NODE df -h`",
                self.machines.program
            )));
        }
        if closed.is_empty() {
            return Ok(advertise);
        }
        let mut failure = Failure::new(format!(
            "{name} and {} cannot speak to each other as nodes of a swarm do; nothing was changed",
            manager.machine
        ));
        failure.details = closed;
        Err(failure.hint(
            "open TCP 2377 to the managers, and TCP and UDP 7946 and UDP 4789 between all nodes (firewall, security \
             group); or name another network with --advertise-addr",
        ))
    }

    /// The same before there is a manager, when the one that will be has something else to do. Nothing where there is
    /// anything to complain of: that is looked at again, and told, when it is time to join.
    pub(crate) async fn look_ahead(
        &self,
        name: &MachineName,
        wish: &Membership,
        manager: &MachineName,
    ) -> Option<Ahead> {
        let (machine, back) = (self.machines.load(name).ok()?, self.machines.load(manager).ok()?);
        let address = ip_of(&back.description().address?)?;
        let root = self.engine_of(&machine).await.ok()?.client.node_info().await.ok()?.root;
        let host = Host { machine: &back, address, root: None, listens: false };
        let Ways { advertise, closed, full } =
            self.look_both_ways(&machine, wish, &root, &host, &[address]).await;
        let sound = closed.is_empty() && full.is_empty();
        sound.then(|| Ahead { manager: manager.clone(), there: address, advertise })
    }

    async fn look_both_ways(
        &self,
        machine: &Machine,
        wish: &Membership,
        root: &str,
        host: &Host<'_>,
        peers: &[IpAddr],
    ) -> Ways {
        let probes = [Probe::tcp(host.address, MANAGER_PORT), Probe::tcp(host.address, GOSSIP_PORT)];
        let seen = self.look_into(machine, &probes, Some(root)).await;
        let mut closed = complaints(&seen, host.listens);
        let mut full: Vec<_> =
            disk_space::complaint(machine.name.as_str(), wish.role, seen.room.as_ref()).into_iter().collect();
        let advertise = match &wish.settings.advertise {
            Some(given) => given.clone(),
            None => self.advertised(machine, &seen, peers),
        };
        if let Some(here) = ip_of(&advertise).filter(|_| closed.is_empty()) {
            let mut probes = vec![
                Probe::tcp(here, GOSSIP_PORT),
                Probe::udp(here, GOSSIP_PORT),
                Probe::udp(here, OVERLAY_PORT),
            ];
            probes.extend((wish.role == Role::Manager).then(|| Probe::tcp(here, MANAGER_PORT)));
            let seen = self.look_into(host.machine, &probes, host.root).await;
            closed = complaints(&seen, false);
            closed.extend(self.lost(machine, host.machine, &seen).await);
            full.extend(disk_space::complaint(host.machine.name.as_str(), Role::Worker, seen.room.as_ref()));
        }
        Ways { advertise, closed, full }
    }

    /// UDP says nothing where it gets through to somebody, nor where it is thrown away on the way. A host counts what
    /// arrives for a port that nobody has: that tells the two apart.
    async fn lost(&self, machine: &Machine, from: &Machine, seen: &Look) -> Vec<String> {
        let silent = seen.ports.iter().filter(|(p, a)| {
            p.protocol == host_report::Protocol::Udp && matches!(a, Answer::Open | Answer::Silent)
        });
        let mut lost = Vec::new();
        for (probe, _) in silent {
            let before = self.look_from(machine, &[]).await;
            self.look_from(from, &[*probe]).await;
            let after = self.look_from(machine, &[]).await;
            match host_report::arrived(*probe, &before, &after) {
                Some(true) => {}
                Some(false) => lost.push(host_report::lost(*probe)),
                None => self.machines.reporter.warn(
                    &machine.name,
                    &format!(
                        "UDP {} gives no answer to {}: whether that gets through cannot be known from here",
                        probe.port, from.name
                    ),
                ),
            }
        }
        lost
    }

    /// What the engine is told; empty when it is to find out itself.
    pub(crate) fn advertised(&self, machine: &Machine, seen: &Look, others: &[IpAddr]) -> String {
        let primary = machine.description().address.and_then(|a| a.parse().ok());
        let Some(Choice { address, interface, reason }) = choose(&seen.interfaces, primary, others) else {
            return String::new();
        };
        self.machines.reporter.info(&machine.name, &format!("Advertising {address} ({interface}): {reason}"));
        address.to_string()
    }

    pub(crate) async fn look_from(&self, machine: &Machine, probes: &[Probe]) -> Look {
        self.look_into(machine, probes, None).await
    }

    /// What a node sees, and what room there is in a folder. A host that cannot be looked at is no reason to give up: its
    /// engine will say more.
    async fn look_into(&self, machine: &Machine, probes: &[Probe], folder: Option<&str>) -> Look {
        if !machine.driver().is_ok_and(|d| d.features().host) {
            return Look::default();
        }
        let seen = async {
            let session = self.machines.connect(machine).await.ok()?;
            let command = host_report::command(probes, folder);
            let said = session.output(&command, host_report::SCRIPT.as_bytes()).await.ok()?;
            let look = host_report::parse(&String::from_utf8_lossy(&said.stdout));
            // A goodbye takes a round trip, which nobody has to wait for.
            tokio::spawn(session.close());
            look
        };
        match seen.await {
            Some(look) => look,
            None => {
                self.machines
                    .reporter
                    .warn(&machine.name, "its addresses and ports could not be looked at over SSH");
                Look::default()
            }
        }
    }
}

fn complaints(seen: &Look, listens: bool) -> Vec<String> {
    seen.ports.iter().filter_map(|(probe, answer)| host_report::complaint(*probe, *answer, listens)).collect()
}
