//! What this driver reads of the provider's answers.

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Droplet {
    pub(crate) id: u64,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) locked: bool,
    #[serde(default)]
    pub(crate) networks: Networks,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) vpc_uuid: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Networks {
    #[serde(default)]
    v4: Vec<Network>,
}

#[derive(Debug, Clone, Deserialize)]
struct Network {
    ip_address: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Droplet {
    /// By its type: the private one is often listed first.
    pub(crate) fn public_address(&self) -> Option<&str> {
        self.networks.v4.iter().find(|n| n.kind == "public").map(|n| n.ip_address.as_str())
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneDroplet {
    pub(crate) droplet: Droplet,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Action {
    pub(crate) id: u64,
    pub(crate) status: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneAction {
    pub(crate) action: Action,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) public_key: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneKey {
    pub(crate) ssh_key: Key,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneAccount {
    pub(crate) account: Account,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    #[serde(default)]
    pub(crate) uuid: String,
    #[serde(default)]
    pub(crate) team: Option<Team>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Team {
    #[serde(default)]
    pub(crate) uuid: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Size {
    pub(crate) slug: String,
    pub(crate) memory: u64,
    pub(crate) vcpus: u64,
    pub(crate) disk: u64,
    pub(crate) price_hourly: f64,
    pub(crate) price_monthly: f64,
    #[serde(default)]
    pub(crate) regions: Vec<String>,
    #[serde(default)]
    pub(crate) available: bool,
    #[serde(default)]
    pub(crate) description: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Region {
    pub(crate) slug: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) available: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Image {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) distribution: String,
    #[serde(default)]
    pub(crate) slug: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Firewall {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneFirewall {
    pub(crate) firewall: Firewall,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReservedIp {
    pub(crate) ip: String,
    #[serde(default)]
    pub(crate) droplet: Option<Id>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Id {
    pub(crate) id: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneReservedIp {
    pub(crate) reserved_ip: ReservedIp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneVpc {
    pub(crate) vpc: Vpc,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) ip_range: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DropletSnapshot {
    pub(crate) id: u64,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) size_gigabytes: f64,
}
