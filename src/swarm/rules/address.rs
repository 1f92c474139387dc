//! Which of a host's addresses the swarm is to know it by: one in a private network that all nodes share, where there
//! is one.

use std::net::IpAddr;

/// An address that a host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

/// An address, and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) address: IpAddr,
    pub(crate) interface: String,
    pub(crate) reason: String,
}

impl Interface {
    fn holds(&self, other: IpAddr) -> bool {
        network(self.address, self.prefix) == network(other, self.prefix)
    }

    /// Of a host itself, and not of what its engine or its hypervisor made.
    fn is_outward(&self) -> bool {
        const INNER: [&str; 7] = ["lo", "docker", "br-", "veth", "virbr", "cni", "flannel"];
        let link_local = match self.address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let inner = INNER.iter().any(|prefix| self.name.starts_with(prefix));
        !inner && !link_local && !self.address.is_loopback() && !self.address.is_unspecified()
    }

    fn chosen(&self, reason: String) -> Choice {
        Choice { address: self.address, interface: self.name.clone(), reason }
    }
}

/// `primary` is where the machine is reached from here; `others` are nodes that are in the swarm already, by the addresses
/// that it knows. Nothing when the engine had better decide itself.
pub(crate) fn choose(mine: &[Interface], primary: Option<IpAddr>, others: &[IpAddr]) -> Option<Choice> {
    let mut mine: Vec<_> = mine.iter().filter(|i| i.is_outward()).collect();
    // IPv4 first, where both would do: overlay networks of older engines know no other.
    mine.sort_by_key(|i| (i.address.is_ipv6(), !is_private(i.address)));
    shared(&mine, others).or_else(|| own(&mine, primary)).or_else(|| private(&mine)).or_else(|| {
        let known = mine.iter().find(|i| Some(i.address) == primary).or(mine.first());
        known.map(|i| i.chosen("it has no private one".to_owned()))
    })
}

/// Every node that is there has an address in the same network.
fn shared(mine: &[&Interface], others: &[IpAddr]) -> Option<Choice> {
    let fits = |i: &&&Interface| others.iter().all(|o| i.holds(*o) && *o != i.address);
    let found = mine.iter().find(fits).filter(|_| !others.is_empty())?;
    Some(found.chosen(format!("the managers are in {} too", shown(found))))
}

/// A private address that leads here from this computer leads here from the other nodes too, as a rule.
fn own(mine: &[&Interface], primary: Option<IpAddr>) -> Option<Choice> {
    let found = mine.iter().find(|i| Some(i.address) == primary && is_private(i.address))?;
    Some(found.chosen(format!("it is the machine's own, in the private network {}", shown(found))))
}

/// Beside a public address on the same interface, a private one is the provider's own affair (an anchor, a NAT).
fn private(mine: &[&Interface]) -> Option<Choice> {
    let beside_public = |i: &Interface| {
        mine.iter().any(|o| o.name == i.name && !is_private(o.address) && o.address.is_ipv4())
    };
    let found = mine.iter().find(|i| is_private(i.address) && !beside_public(i))?;
    Some(found.chosen(format!("it is in the private network {}", shown(found))))
}

fn shown(interface: &Interface) -> String {
    let bits = network(interface.address, interface.prefix);
    let base: IpAddr = match interface.address {
        #[expect(clippy::cast_possible_truncation, reason = "of an IPv4 address")]
        IpAddr::V4(_) => std::net::Ipv4Addr::from(bits as u32).into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::from(bits).into(),
    };
    format!("{base}/{}", interface.prefix)
}

/// The address with its host part cleared; of the two families never the same.
fn network(address: IpAddr, prefix: u8) -> u128 {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or_default();
            u128::from(u32::from(v4) & mask)
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or_default();
            u128::from(v6) & mask
        }
    }
}

pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        // 100.64/10 is shared address space: overlay VPNs use it between nodes.
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xC0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// An address and the length of its prefix.
pub(crate) fn is_network(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    prefix.parse::<u8>().is_ok_and(|p| p <= if address.is_ipv4() { 32 } else { 128 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(list: &[(&str, &str)]) -> Vec<Interface> {
        let one = |(name, text): &(&str, &str)| {
            let (address, prefix) = text.split_once('/').unwrap();
            Interface {
                name: (*name).to_owned(),
                address: address.parse().unwrap(),
                prefix: prefix.parse().unwrap(),
            }
        };
        list.iter().map(one).collect()
    }

    fn chosen(list: &[(&str, &str)], primary: &str, others: &[&str]) -> String {
        let others: Vec<IpAddr> = others.iter().map(|o| o.parse().unwrap()).collect();
        let choice = choose(&host(list), primary.parse().ok(), &others);
        choice.map_or("-".to_owned(), |c| format!("{} ({}): {}", c.address, c.interface, c.reason))
    }

    /// A droplet: its public address with the provider's anchor beside it, and a private network of its own.
    const DROPLET: [(&str, &str); 5] = [
        ("eth0", "203.0.113.7/20"),
        ("eth0", "10.17.0.5/16"),
        ("eth1", "10.108.0.2/20"),
        ("docker0", "172.17.0.1/16"),
        ("eth0", "2001:db8::7/64"),
    ];
    /// A VM of VirtualBox: the same NAT address in each of them.
    const VM: [(&str, &str); 3] =
        [("eth0", "10.0.2.15/24"), ("eth1", "192.168.99.101/24"), ("br-0a1b", "172.18.0.1/16")];

    #[test]
    fn the_network_that_all_share() {
        assert_eq!(
            chosen(&DROPLET, "203.0.113.7", &["10.108.0.3", "10.108.0.4"]),
            "10.108.0.2 (eth1): the managers are in 10.108.0.0/20 too"
        );
        assert!(chosen(&DROPLET, "203.0.113.7", &["203.0.113.9"]).starts_with("203.0.113.7 (eth0)"));
        assert!(
            chosen(&VM, "192.168.99.101", &["10.0.2.15"]).starts_with("192.168.99.101"),
            "an address that both have is no way from one to the other"
        );
        assert!(
            chosen(&DROPLET, "203.0.113.7", &["10.108.0.3", "198.51.100.1"]).starts_with("10.108.0.2 (eth1)")
        );
    }

    #[test]
    fn the_first_node_takes_its_private_network() {
        assert_eq!(
            chosen(&DROPLET, "203.0.113.7", &[]),
            "10.108.0.2 (eth1): it is in the private network 10.108.0.0/20"
        );
        assert_eq!(
            chosen(&VM, "192.168.99.101", &[]),
            "192.168.99.101 (eth1): it is the machine's own, in the private network 192.168.99.0/24"
        );
        assert_eq!(
            chosen(&[("eth0", "198.51.100.4/24")], "198.51.100.4", &[]),
            "198.51.100.4 (eth0): it has no private one"
        );
        assert!(chosen(&[("eth0", "172.18.0.3/16")], "127.0.0.1", &[]).starts_with("172.18.0.3"));
        assert!(
            chosen(&[("wg0", "100.64.3.4/32"), ("eth0", "198.51.100.4/24")], "", &[]).starts_with("100.64")
        );
    }

    #[test]
    fn where_nothing_is_known_the_engine_decides() {
        assert_eq!(chosen(&[], "203.0.113.7", &[]), "-");
        assert_eq!(chosen(&[("lo", "127.0.0.1/8"), ("eth0", "169.254.1.1/16")], "", &[]), "-");
    }

    #[test]
    fn sixes() {
        assert!(
            chosen(&[("eth0", "fd00::2/64"), ("eth0", "2001:db8::2/64")], "2001:db8::2", &["fd00::1"])
                .starts_with("fd00::2")
        );
        assert!(chosen(&[("eth0", "0.0.0.1/0")], "", &["::1"]).starts_with("0.0.0.1"));
    }
}
