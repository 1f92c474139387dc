//! How a machine gets into a swarm: as the one that founds it, or by joining. What would make it fail is looked for first,
//! and what was half done is undone.

use std::net::IpAddr;
use std::time::Instant;

use rmachine_driver::{MachineName, Phase};

use crate::engine::EngineError;
use crate::engine::swarm::{InitRequest, JoinRequest, LocalState, NodeInfo};
use crate::machines::Machine;
use crate::machines::engine_connection::Reached;
use crate::model::{ClusterName, Failure, Membership, Role, SwarmSettings};
use crate::store::MachineLock;
use crate::swarm::reachability::Ahead;
use crate::swarm::rules::clock;
use crate::swarm::{Cluster, Manager, Swarm};

const LISTEN: &str = "0.0.0.0:2377";

/// What may be done to get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Found,
    Join,
    /// A manager founds what is not there yet.
    Either,
}

/// A node that is in, as it sees itself.
struct Entry {
    node: String,
    address: String,
}

/// What whoever made it knows of the swarm, and need not be found out again.
#[derive(Default, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Who the managers are: reading all records for each of hundreds of machines takes longer than their joins.
    pub(crate) cluster: Option<&'a Cluster>,
    pub(crate) ahead: Option<&'a Ahead>,
}

/// A node that may join, and the way in.
struct Prepared {
    manager: Manager,
    reached: Reached,
    advertise: String,
    /// It is in already.
    entry: Option<Entry>,
}

impl Swarm {
    /// Makes a swarm of one machine, its first manager.
    pub(crate) async fn init(
        &self,
        name: &MachineName,
        cluster: &ClusterName,
        settings: &SwarmSettings,
    ) -> Result<(), Failure> {
        let wish = Membership::new(cluster.clone(), Role::Manager, settings.clone());
        self.enter_as(name, wish, Way::Found).await
    }

    /// Brings a machine into a swarm that is there.
    pub(crate) async fn join(
        &self,
        name: &MachineName,
        cluster: &ClusterName,
        role: Role,
        settings: &SwarmSettings,
    ) -> Result<(), Failure> {
        let wish = Membership::new(cluster.clone(), role, settings.clone());
        self.enter_as(name, wish, Way::Join).await
    }

    /// Does what the machine's record wants: it joins its cluster, or as a manager founds it. Nothing to do is done.
    pub(crate) async fn enter(&self, name: &MachineName) -> Result<(), Failure> {
        self.enter_by(name, Known::default()).await
    }

    pub(crate) async fn enter_by(&self, name: &MachineName, known: Known<'_>) -> Result<(), Failure> {
        let (lock, mut machine) = self.machines.lock_and_load(name).await?;
        let wish = self.needs_membership(&machine)?;
        if wish.has_joined() {
            return Ok(());
        }
        let known = Known { cluster: known.cluster.filter(|c| c.name == wish.cluster), ..known };
        let done = self.go_in(&lock, &mut machine, wish, Way::Either, known).await;
        self.machines.reporter.finish(name, done.is_ok());
        done
    }

    /// The wish is on disk while it is being done; a failure takes it back.
    async fn enter_as(&self, name: &MachineName, mut wish: Membership, way: Way) -> Result<(), Failure> {
        let (lock, mut machine) = self.machines.lock_and_load(name).await?;
        let before = machine.stored.own.swarm.clone();
        if let Some(before) = &before {
            if before.has_joined() && (before.cluster != wish.cluster || way == Way::Found) {
                return Err(self.elsewhere(name, &before.cluster));
            }
            if before.has_joined() {
                wish = before.clone();
            }
        }
        self.save_membership(&lock, &mut machine, Some(wish.clone()))?;
        let done = self.go_in(&lock, &mut machine, wish, way, Known::default()).await;
        if done.is_err() {
            self.save_membership(&lock, &mut machine, before)?;
        }
        self.machines.reporter.finish(name, done.is_ok());
        done
    }

    fn elsewhere(&self, name: &MachineName, cluster: &ClusterName) -> Failure {
        Failure::new(format!("Docker machine \"{name}\" is in the swarm \"{cluster}\" already"))
            .hint(format!("{} swarm leave {name}", self.machines.program))
    }

    async fn go_in(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        wish: Membership,
        way: Way,
        known: Known<'_>,
    ) -> Result<(), Failure> {
        let name = machine.name.clone();
        if machine.stored.own.phase != Phase::Ready {
            return Err(Failure::new(format!("Docker machine \"{name}\" is not finished"))
                .hint(format!("{} create --resume {name}", self.machines.program)));
        }
        if wish.role == Role::Manager {
            return self.go_in_as_manager(lock, machine, wish, way).await;
        }
        let prepared = match known.cluster {
            Some(cluster) => self.prepare(machine, &wish, cluster, known.ahead).await?,
            None => {
                let cluster = self.members(&wish.cluster)?.without(&name);
                self.prepare(machine, &wish, &cluster, known.ahead).await?
            }
        };
        let entry = self.carry_in(machine, &wish, prepared).await?;
        self.entered(lock, machine, wish, entry)
    }

    /// One at a time; what can be looked at before it is their turn, several look at together.
    async fn go_in_as_manager(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        wish: Membership,
        way: Way,
    ) -> Result<(), Failure> {
        let name = machine.name.clone();
        let mut prepared = None;
        loop {
            // Held until it is written down: the next one looks who is there.
            let turn = self.lock_cluster(&wish.cluster).await?;
            let cluster = self.members(&wish.cluster)?.without(&name);
            let founded = cluster.joined(Role::Manager).next().is_some();
            let entry = match (way, prepared.take()) {
                (Way::Found, _) if founded => return Err(self.founded_already(&cluster)),
                (Way::Found, _) => self.found(machine, &wish).await?,
                (Way::Either, None) if !founded => self.found(machine, &wish).await?,
                (_, Some(prepared)) => self.carry_in(machine, &wish, prepared).await?,
                (_, None) => {
                    drop(turn);
                    prepared = Some(self.prepare(machine, &wish, &cluster, None).await?);
                    continue;
                }
            };
            return self.entered(lock, machine, wish, entry);
        }
    }

    fn entered(
        &self,
        lock: &MachineLock,
        machine: &mut Machine,
        wish: Membership,
        entry: Entry,
    ) -> Result<(), Failure> {
        let Entry { node, address } = entry;
        let said = format!("Node of the swarm {} as a {} at {address}", wish.cluster, wish.role);
        let member = Membership { node: Some(node), address: Some(address), ..wish };
        self.save_membership(lock, machine, Some(member))?;
        self.machines.step(&machine.name, &said);
        Ok(())
    }

    fn founded_already(&self, cluster: &Cluster) -> Failure {
        let name = &cluster.name;
        let at = cluster.joined(Role::Manager).map(|m| m.machine.as_str()).collect::<Vec<_>>().join(", ");
        Failure::new(format!("the swarm \"{name}\" exists already: its managers are {at}"))
            .hint(format!("{} swarm join NODE --cluster {name} --manager", self.machines.program))
    }

    async fn found(&self, machine: &Machine, wish: &Membership) -> Result<Entry, Failure> {
        let name = &machine.name;
        self.machines.step(name, &format!("Starting the swarm {}...", wish.cluster));
        // Two ways to the same host, at once.
        let (reached, seen) = tokio::join!(self.engine_of(machine), self.look_from(machine, &[]));
        let mut reached = reached?;
        let info = reached.client.node_info().await?;
        match info.swarm.state {
            LocalState::Inactive => {}
            // The run that founded it ended before it could write that down.
            LocalState::Active if info.swarm.manager && self.is_alone(&mut reached).await => {
                return Ok(Entry { node: info.swarm.id, address: info.swarm.address });
            }
            _ => return Err(self.in_another(name, &info)),
        }
        let settings = &wish.settings;
        let advertise = match &settings.advertise {
            Some(given) => given.clone(),
            None => self.advertised(machine, &seen, &[]),
        };
        let request = InitRequest {
            listen: settings.listen.clone().unwrap_or_else(|| LISTEN.to_owned()),
            advertise,
            data_path: settings.data_path.clone().unwrap_or_default(),
            pools: settings.address_pools.clone(),
            subnet_size: 24,
            availability: settings.availability.as_str().to_owned(),
            autolock: settings.autolock,
            force_new_cluster: false,
        };
        let node = reached.client.swarm_init(&request).await;
        let node = node.map_err(|e| Failure::from(e).prefix(&format!("{name} cannot start a swarm: ")))?;
        let info = reached.client.node_info().await?;
        Ok(Entry { node, address: info.swarm.address })
    }

    async fn is_alone(&self, reached: &mut Reached) -> bool {
        reached.client.nodes().await.is_ok_and(|nodes| nodes.len() == 1)
    }

    /// A node of some other swarm, by what it knows itself.
    fn in_another(&self, name: &MachineName, info: &NodeInfo) -> Failure {
        let managers: Vec<_> = info.swarm.remote_managers.iter().map(|p| p.address.as_str()).collect();
        let program = &self.machines.program;
        if info.swarm.state == LocalState::Locked {
            return Failure::new(format!("{name} is in a swarm already, and locked"))
                .hint(format!("open it with `{program} swarm unlock {name}`, or leave it: {program} swarm leave --force {name}"));
        }
        let at =
            if managers.is_empty() { String::new() } else { format!(" (managers: {})", managers.join(", ")) };
        let force = if info.swarm.manager { "--force " } else { "" };
        Failure::new(format!("{name} is a node of another swarm already{at}"))
            .hint(format!("{program} swarm leave {force}{name}"))
    }

    /// Everything that is looked at before a join; what would make it fail fails here, and nothing was changed.
    async fn prepare(
        &self,
        machine: &Machine,
        wish: &Membership,
        cluster: &Cluster,
        ahead: Option<&Ahead>,
    ) -> Result<Prepared, Failure> {
        let name = &machine.name;
        self.machines.step(name, &format!("Joining the swarm {} as a {}...", wish.cluster, wish.role));
        let (manager, reached) = tokio::join!(self.manager(cluster), self.engine_of(machine));
        let (mut manager, mut reached) = (manager?, reached?);
        let info = reached.client.node_info().await?;
        let read = Instant::now();
        let entry = self.may_join(name, &info, &mut manager, &mut reached).await?;
        let advertise = match &entry {
            Some(_) => String::new(),
            None => {
                self.clocks_agree(name, &info, read, &manager)?;
                self.ways_are_open(machine, wish, &manager, &info.root, ahead).await?
            }
        };
        Ok(Prepared { manager, reached, advertise, entry })
    }

    async fn carry_in(
        &self,
        machine: &Machine,
        wish: &Membership,
        prepared: Prepared,
    ) -> Result<Entry, Failure> {
        let Prepared { mut manager, mut reached, advertise, entry } = prepared;
        if let Some(entry) = entry {
            return Ok(entry);
        }
        let swarm = manager.reached.client.swarm().await?;
        let settings = &wish.settings;
        let request = JoinRequest {
            listen: settings.listen.clone().unwrap_or_else(|| LISTEN.to_owned()),
            advertise,
            data_path: settings.data_path.clone().unwrap_or_default(),
            availability: settings.availability.as_str().to_owned(),
            managers: manager_addresses(&manager),
            token: match wish.role {
                Role::Manager => swarm.manager_token,
                Role::Worker => swarm.worker_token,
            },
        };
        if let Err(e) = reached.client.swarm_join(&request).await {
            return Err(self.undo_join(machine, &mut manager, e).await);
        }
        let info = reached.client.node_info().await?;
        Ok(Entry { node: info.swarm.id, address: info.swarm.address })
    }

    /// Whether it may; a node that is in already is an entry. What an earlier try left half done is undone.
    async fn may_join(
        &self,
        name: &MachineName,
        info: &NodeInfo,
        manager: &mut Manager,
        reached: &mut Reached,
    ) -> Result<Option<Entry>, Failure> {
        let swarm = &info.swarm;
        match swarm.state {
            LocalState::Inactive => Ok(None),
            LocalState::Active if manager.node(&swarm.id).await?.is_some() => {
                Ok(Some(Entry { node: swarm.id.clone(), address: swarm.address.clone() }))
            }
            LocalState::Pending | LocalState::Error => {
                self.machines.reporter.info(name, "An earlier join was not finished: it is taken back first");
                reached.client.swarm_leave(true).await?;
                Ok(None)
            }
            LocalState::Active | LocalState::Locked => Err(self.in_another(name, info)),
        }
    }

    fn clocks_agree(
        &self,
        name: &MachineName,
        info: &NodeInfo,
        read: Instant,
        manager: &Manager,
    ) -> Result<(), Failure> {
        let between =
            read.saturating_duration_since(manager.asked).max(manager.asked.saturating_duration_since(read));
        let Some(skew) = clock::skew(&manager.info.time, &info.time, between) else { return Ok(()) };
        let said =
            format!("the clock of {name} is {} s away from that of {}", skew.as_secs(), manager.machine);
        if skew >= clock::TOO_MUCH {
            return Err(Failure::new(format!(
                "{said}: more than {} s, it does not join",
                clock::TOO_MUCH.as_secs()
            ))
            .detail(format!("{name}: {}; {}: {}", info.time, manager.machine, manager.info.time))
            .hint(format!("{} ssh {name} sudo timedatectl set-ntp true", self.machines.program)));
        }
        if skew >= clock::WORTH_A_WORD {
            self.machines.reporter.warn(name, &said);
        }
        Ok(())
    }

    /// A join that failed may go on in the background, or have left the node half in.
    async fn undo_join(&self, machine: &Machine, manager: &mut Manager, error: EngineError) -> Failure {
        let name = &machine.name;
        let failure = Failure::because(format!("{name} cannot join"), error);
        let undone = async {
            let mut reached = self.engine_of(machine).await?;
            let info = reached.client.node_info().await?;
            if info.swarm.state != LocalState::Inactive {
                reached.client.swarm_leave(true).await?;
            }
            if !info.swarm.id.is_empty() {
                // It may never have got that far.
                let _ = manager.reached.client.remove_node(&info.swarm.id, true).await;
            }
            Ok::<_, Failure>(())
        };
        match undone.await {
            Ok(()) => failure.detail("nothing of it was left behind"),
            Err(e) => failure
                .detail(format!("it may be half joined: {}", e.message))
                .hint(format!("{} swarm leave --force {name}", self.machines.program)),
        }
    }
}

/// Where managers that can be reached take those who join, the one that was asked first.
pub(crate) fn manager_addresses(manager: &Manager) -> Vec<String> {
    let of = |n: &crate::engine::swarm::Node| n.manager.as_ref().map(|m| m.addr.clone());
    let reachable = manager.managers.iter().filter(|n| n.is_reachable_manager());
    let (own, others): (Vec<_>, Vec<_>) = reachable.partition(|n| n.id == manager.info.swarm.id);
    let known = own.into_iter().chain(others).filter_map(of);
    // One that was told to listen everywhere may be listed as nowhere.
    known.filter(|a| !a.is_empty() && !a.starts_with("0.0.0.0") && !a.starts_with("[::]")).collect()
}

/// The address in `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`.
pub(crate) fn ip_of(text: &str) -> Option<IpAddr> {
    let socket: Option<std::net::SocketAddr> = text.parse().ok();
    socket.map(|s| s.ip()).or_else(|| text.parse().ok())
}
