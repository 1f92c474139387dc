//! Ranges of addresses, and which of them are free where an engine runs.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use rmachine_driver::DriverError;

use crate::engine::Engine;

/// The engine's own ranges, as long as nobody told it others, but for that of its default bridge.
const OWN: std::ops::RangeInclusive<u8> = 18..=31;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnet {
    first: u32,
    prefix: u32,
}

impl Subnet {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix: u32 = prefix.parse().ok().filter(|p| (8..=28).contains(p))?;
        let address: Ipv4Addr = address.parse().ok()?;
        Some(Self { first: u32::from(address) >> (32 - prefix) << (32 - prefix), prefix })
    }

    pub(crate) fn text(self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.first), self.prefix)
    }

    pub(crate) fn holds(self, address: Ipv4Addr) -> bool {
        u32::from(address) >> (32 - self.prefix) == self.first >> (32 - self.prefix)
    }

    fn overlaps(self, other: Self) -> bool {
        let shorter = self.prefix.min(other.prefix);
        (self.first ^ other.first).leading_zeros() >= shorter
    }

    fn size(self) -> u32 {
        1 << (32 - self.prefix)
    }

    pub(crate) fn gateway(self) -> Ipv4Addr {
        (self.first + 1).into()
    }

    /// The last quarter is the engine's, for containers that ask for no address.
    pub(crate) fn engines_part(self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.first + self.size() / 4 * 3), self.prefix + 2)
    }

    pub(crate) fn free(self, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
        (2..self.size() / 4 * 3).map(|i| Ipv4Addr::from(self.first + i)).find(|a| !taken.contains(a))
    }
}

/// The ranges to which routes of the engine's host lead. None where they cannot be seen from here, or where the engine is
/// configured with address pools of its own.
pub(crate) async fn routed(engine: &mut Engine) -> Result<Option<Vec<Subnet>>, DriverError> {
    let routes = engine.peer.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/net/route")).ok());
    let Some(routes) = routes else { return Ok(None) };
    let has_pools = engine.info().await?.address_pools.is_some_and(|pools| !pools.is_empty());
    Ok((!has_pools).then(|| routes_in(&routes)))
}

/// A range that the engine would choose itself.
pub(crate) fn choose(taken: &[Subnet]) -> Option<Subnet> {
    let mut own = OWN.map(|second| Subnet { first: u32::from(Ipv4Addr::new(172, second, 0, 0)), prefix: 16 });
    own.find(|range| !taken.iter().any(|other| range.overlaps(*other)))
}

/// Where the routes of the kernel's table lead, but for the one that leads everywhere.
fn routes_in(table: &str) -> Vec<Subnet> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let number = |word: Option<&str>| u32::from_str_radix(word?, 16).ok().map(u32::swap_bytes);
        let first = number(words.next())?;
        Some(Subnet { first, prefix: number(words.nth(5))?.count_ones() })
    });
    rows.filter(|route| route.prefix > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t000014AC\t00000000\t0001\t0\t0\t0\t0000FCFF\t0\t0\t0
";

    #[test]
    fn routes_are_read() {
        let texts: Vec<String> = routes_in(ROUTES).into_iter().map(Subnet::text).collect();
        assert_eq!(texts, ["10.0.0.0/24", "172.20.0.0/14"]);
        assert!(routes_in("").is_empty() && routes_in("Iface\nrubbish\n").is_empty());
    }

    #[test]
    fn what_is_taken_is_not_chosen() {
        let of = |texts: &[&str]| texts.iter().map(|t| Subnet::parse(t).unwrap()).collect::<Vec<_>>();
        let chosen = |taken: &[Subnet]| choose(taken).map(Subnet::text);
        assert_eq!(chosen(&[]).as_deref(), Some("172.18.0.0/16"));
        let some = of(&["172.18.0.0/16", "172.19.4.0/24", "192.168.0.0/20"]);
        assert_eq!(chosen(&[some, routes_in(ROUTES)].concat()).as_deref(), Some("172.24.0.0/16"));
        assert_eq!(chosen(&of(&["172.16.0.0/12"])), None);
        assert_eq!(
            chosen(&[Subnet { first: 0x8000_0000, prefix: 1 }]),
            None,
            "a VPN that takes half of the world"
        );
    }
}
