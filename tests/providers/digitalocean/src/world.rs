//! What there is: accounts, droplets, keys, and what is under way with them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Requests until a new droplet has networks, and until it is active.
const NETWORKS: u32 = 2;
const ACTIVE: u32 = 3;
/// Requests until an action ends.
const ACTION: u32 = 2;
pub(crate) const MADE: &str = "2026-01-01T00:00:00Z";
pub(crate) const VPC: &str = "760e09ef-dc84-11e8-981e-3cfdfeaae000";
pub(crate) const PROJECT: &str = "4e1bfbc3-dc3e-41f2-a18f-1b4d7ba71679";
pub(crate) const VOLUME: &str = "506f78a4-e098-11e5-ad9f-000f53306ae1";

/// What stands behind droplets.
pub trait Hosts: Send {
    /// Comes up; returns at once.
    fn create(&mut self, id: u64, asked: &Value, keys: &[String]);
    /// Its public address, once it is up.
    fn address(&mut self, id: u64) -> Option<String>;
    fn power(&mut self, id: u64, on: bool);
    fn destroy(&mut self, id: u64);
    /// Who may reach it: the inbound rules of its firewalls, or nothing where it has none.
    fn guard(&mut self, _: u64, _: Option<&[Value]>) {}
    /// Keeps its disk as it is now, under the snapshot's id, which a create request may name as its image.
    fn snapshot(&mut self, _: u64, _: u64) {}
    /// The range of the VPC that it is in.
    fn range(&self) -> String {
        "10.10.10.0/24".to_owned()
    }
}

/// Nothing behind them, but an address.
#[derive(Debug, Default)]
pub struct Nobody;

impl Hosts for Nobody {
    fn create(&mut self, _: u64, _: &Value, _: &[String]) {}

    fn address(&mut self, id: u64) -> Option<String> {
        Some(format!("203.0.113.{}", id % 250 + 1))
    }

    fn power(&mut self, _: u64, _: bool) {}

    fn destroy(&mut self, _: u64) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accepts {
    #[default]
    Everything,
    /// Names of snapshots are no slugs.
    KnownImages,
}

/// How it behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Knobs {
    /// New droplets stay so.
    pub stuck_new: bool,
    /// Hosts do not mind being told to shut down.
    pub ignores_shutdown: bool,
    pub actions_fail: bool,
    pub actions_hang: bool,
    pub images: Accepts,
}

#[derive(Debug)]
pub(crate) struct Droplet {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) asked: Value,
    pub(crate) status: &'static str,
    age: u32,
    pub(crate) action: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Action {
    pub(crate) id: u64,
    pub(crate) droplet: u64,
    pub(crate) kind: String,
    pub(crate) asked: Value,
    pub(crate) status: &'static str,
    age: u32,
}

pub(crate) struct World {
    pub(crate) knobs: Knobs,
    pub(crate) tokens: BTreeMap<String, String>,
    pub(crate) droplets: BTreeMap<u64, Droplet>,
    pub(crate) actions: BTreeMap<u64, Action>,
    pub(crate) keys: BTreeMap<u64, Value>,
    pub(crate) firewalls: BTreeMap<String, Value>,
    /// Address to the droplet that it leads to.
    pub(crate) reserved: BTreeMap<String, Option<u64>>,
    pub(crate) snapshots: BTreeMap<u64, (u64, String)>,
    hosts: Box<dyn Hosts>,
    template: Value,
    last: u64,
}

impl World {
    pub(crate) fn new(token: &str, hosts: Box<dyn Hosts>, template: Value) -> Self {
        Self {
            knobs: Knobs::default(),
            tokens: [(token.to_owned(), "team-1".to_owned())].into(),
            droplets: BTreeMap::new(),
            actions: BTreeMap::new(),
            keys: BTreeMap::new(),
            firewalls: BTreeMap::new(),
            reserved: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            hosts,
            template,
            last: 1000,
        }
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// One step for whatever is under way.
    pub(crate) fn tick(&mut self) {
        let stuck = self.knobs.stuck_new;
        for droplet in self.droplets.values_mut().filter(|d| d.status == "new") {
            droplet.age += 1;
            if droplet.age >= ACTIVE && !stuck && self.hosts.address(droplet.id).is_some() {
                droplet.status = "active";
                droplet.action = None;
            }
        }
        let due: Vec<u64> =
            self.actions.values().filter(|a| a.status == "in-progress").map(|a| a.id).collect();
        for id in due {
            self.step(id);
        }
    }

    fn step(&mut self, id: u64) {
        let knobs = self.knobs;
        let Some(action) = self.actions.get_mut(&id) else { return };
        action.age += 1;
        if action.age < ACTION || knobs.actions_hang {
            return;
        }
        action.status = if knobs.actions_fail { "errored" } else { "completed" };
        let action = action.clone();
        if let Some(droplet) = self.droplets.get_mut(&action.droplet) {
            droplet.action = None;
        }
        if !knobs.actions_fail {
            self.take_effect(&action);
        }
    }

    fn take_effect(&mut self, action: &Action) {
        let id = action.droplet;
        let power = match action.kind.as_str() {
            "power_on" => Some(true),
            "shutdown" if self.knobs.ignores_shutdown => None,
            "power_off" | "shutdown" => Some(false),
            _ => None,
        };
        if let (Some(on), Some(droplet)) = (power, self.droplets.get_mut(&id)) {
            droplet.status = if on { "active" } else { "off" };
            self.hosts.power(id, on);
        }
        if action.kind == "snapshot" {
            let name = action.asked["name"].as_str().unwrap_or("snapshot").to_owned();
            let snapshot = self.next_id();
            self.hosts.snapshot(id, snapshot);
            self.snapshots.insert(snapshot, (id, name));
        }
        if action.kind == "assign" {
            let ip = action.asked["ip"].as_str().unwrap_or_default().to_owned();
            self.reserved.insert(ip, Some(id));
        }
    }

    pub(crate) fn act(&mut self, droplet: u64, kind: &str, asked: &Value) -> Action {
        let id = self.next_id();
        let action = Action {
            id,
            droplet,
            kind: kind.to_owned(),
            asked: asked.clone(),
            status: "in-progress",
            age: 0,
        };
        self.actions.insert(id, action.clone());
        if let Some(droplet) = self.droplets.get_mut(&droplet) {
            droplet.action = Some(id);
        }
        action
    }

    pub(crate) fn make_droplet(&mut self, owner: &str, asked: &Value) -> u64 {
        let id = self.next_id();
        let keys: Vec<String> =
            asked["ssh_keys"].as_array().into_iter().flatten().filter_map(|k| self.key(k)).collect();
        self.hosts.create(id, asked, &keys);
        let droplet = Droplet {
            id,
            owner: owner.to_owned(),
            asked: asked.clone(),
            status: "new",
            age: 0,
            action: None,
        };
        self.droplets.insert(id, droplet);
        self.guard();
        id
    }

    /// Has every host know its firewalls.
    pub(crate) fn guard(&mut self) {
        for droplet in self.droplets.values() {
            let bears = |tag: &Value| droplet.asked["tags"].as_array().is_some_and(|tags| tags.contains(tag));
            let of =
                self.firewalls.values().filter(|f| f["tags"].as_array().is_some_and(|t| t.iter().any(bears)));
            let of: Vec<&Value> = of.collect();
            let rules: Vec<Value> =
                of.iter().flat_map(|f| f["inbound_rules"].as_array().cloned().unwrap_or_default()).collect();
            self.hosts.guard(droplet.id, (!of.is_empty()).then_some(&rules[..]));
        }
    }

    pub(crate) fn range(&self) -> String {
        self.hosts.range()
    }

    /// By id or fingerprint; fingerprints here are the ids as text.
    pub(crate) fn key(&self, named: &Value) -> Option<String> {
        let found = match named.as_u64() {
            Some(id) => self.keys.get(&id),
            None => self.keys.values().find(|k| k["fingerprint"] == *named),
        };
        Some(found?["public_key"].as_str()?.to_owned())
    }

    pub(crate) fn add_key(&mut self, name: &str, public_key: &str) -> u64 {
        let id = self.next_id();
        let fingerprint = format!("3b:16:{:02x}:{:02x}", id / 256 % 256, id % 256);
        let key = json!({"id": id, "fingerprint": fingerprint, "name": name, "public_key": public_key});
        self.keys.insert(id, key);
        id
    }

    pub(crate) fn destroy(&mut self, id: u64) -> bool {
        let there = self.droplets.remove(&id).is_some();
        if there {
            self.hosts.destroy(id);
            self.reserved.values_mut().filter(|d| **d == Some(id)).for_each(|d| *d = None);
        }
        there
    }

    pub(crate) fn populate(&mut self, count: usize, tags: &[&str]) -> Vec<u64> {
        let made = (0..count).map(|i| {
            let asked = json!({"name": format!("old-{i}"), "region": "nyc3", "size": "s-1vcpu-1gb", "image": "x", "tags": tags});
            let id = self.make_droplet("team-1", &asked);
            self.droplets.get_mut(&id).unwrap().status = "active";
            id
        });
        made.collect()
    }

    pub(crate) fn holds(&self) -> Vec<String> {
        let mut all: Vec<String> = self.droplets.keys().map(|id| format!("droplet {id}")).collect();
        all.extend(self.keys.keys().map(|id| format!("key {id}")));
        all.extend(self.firewalls.keys().map(|id| format!("firewall {id}")));
        all.extend(self.reserved.keys().map(|ip| format!("reserved ip {ip}")));
        all
    }

    fn named(&self, name: &str) -> Option<&Droplet> {
        self.droplets.values().find(|d| d.asked["name"] == name)
    }

    pub(crate) fn shown(&mut self, name: &str) -> Option<Value> {
        let id = self.named(name)?.id;
        Some(self.show(id))
    }

    pub(crate) fn asked(&self, name: &str) -> Option<Value> {
        Some(self.named(name)?.asked.clone())
    }

    pub(crate) fn show(&mut self, id: u64) -> Value {
        let droplet = &self.droplets[&id];
        let mut shown = self.template.clone();
        shown["id"] = json!(id);
        shown["name"] = droplet.asked["name"].clone();
        shown["status"] = json!(droplet.status);
        shown["locked"] = json!(droplet.action.is_some());
        shown["created_at"] = json!(MADE);
        shown["tags"] = droplet.asked.get("tags").cloned().unwrap_or_else(|| json!([]));
        shown["size_slug"] = droplet.asked["size"].clone();
        shown["vpc_uuid"] = droplet.asked.get("vpc_uuid").cloned().unwrap_or_else(|| json!(VPC));
        shown["volume_ids"] = droplet.asked.get("volumes").cloned().unwrap_or_else(|| json!([]));
        let known = droplet.age >= NETWORKS || droplet.status != "new";
        shown["networks"] = match self.hosts.address(id).filter(|_| known) {
            // The private one first, as the provider has it.
            Some(public) => json!({"v4": [
                {"ip_address": "10.128.192.124", "netmask": "255.255.0.0", "gateway": "nil", "type": "private"},
                {"ip_address": public, "netmask": "255.255.255.0", "gateway": "192.241.165.1", "type": "public"},
            ], "v6": []}),
            None => json!({"v4": [], "v6": []}),
        };
        shown
    }
}
