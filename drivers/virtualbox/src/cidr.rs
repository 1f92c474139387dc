//! Ranges of IPv4 addresses, as `--virtualbox-hostonly-cidr` and `/etc/vbox/networks.conf` write them.

use std::fmt;
use std::net::Ipv4Addr;

/// An address with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    pub(crate) address: Ipv4Addr,
    prefix: u8,
}

impl Cidr {
    pub(crate) const fn new(address: Ipv4Addr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix = prefix.parse().ok().filter(|p| *p <= 32)?;
        Some(Self { address: address.parse().ok()?, prefix })
    }

    /// From a mask like `255.255.255.0`, or as VirtualBox printed it once, `0f000000`.
    pub(crate) fn with_mask(address: Ipv4Addr, mask: &str) -> Option<Self> {
        let mask = match mask {
            "0f000000" => 0xffff_ff00,
            text => u32::from(text.parse::<Ipv4Addr>().ok()?),
        };
        let prefix = u8::try_from(mask.leading_ones()).ok()?;
        (mask.count_ones() == u32::from(prefix)).then_some(Self { address, prefix })
    }

    pub(crate) fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from(self.mask_bits())
    }

    fn mask_bits(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    fn first(self) -> u32 {
        u32::from(self.address) & self.mask_bits()
    }

    fn last(self) -> u32 {
        self.first() | !self.mask_bits()
    }

    pub(crate) fn prefix(self) -> u8 {
        self.prefix
    }

    pub(crate) fn is_network_address(self) -> bool {
        self.prefix < 31 && u32::from(self.address) == self.first()
    }

    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        (self.first()..=self.last()).contains(&u32::from(address))
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.contains(other.network()) || other.contains(self.network())
    }

    pub(crate) fn network(self) -> Ipv4Addr {
        Ipv4Addr::from(self.first())
    }

    /// All addresses that a host may have, in order.
    pub(crate) fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.first().saturating_add(1)..self.last()).map(Ipv4Addr::from)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn texts() {
        assert_eq!(cidr("192.168.56.1/24").mask().to_string(), "255.255.255.0");
        assert_eq!(cidr("0.0.0.0/0").mask().to_string(), "0.0.0.0");
        assert_eq!(cidr("10.1.2.3/21").network().to_string(), "10.1.0.0");
        for bad in ["", "192.168.56.1", "192.168.56.1/33", "192.168.56/24", "x/24", "192.168.56.1/-1"] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
        let host = Ipv4Addr::new(192, 168, 56, 1);
        assert_eq!(Cidr::with_mask(host, "255.255.255.0"), Some(cidr("192.168.56.1/24")));
        assert_eq!(Cidr::with_mask(host, "0f000000"), Some(cidr("192.168.56.1/24")));
        assert_eq!(Cidr::with_mask(host, "255.0.255.0"), None);
    }

    #[test]
    fn ranges() {
        assert!(cidr("192.168.56.0/21").overlaps(cidr("192.168.63.1/24")));
        assert!(cidr("192.168.63.1/24").overlaps(cidr("192.168.56.0/21")));
        assert!(!cidr("192.168.56.0/21").overlaps(cidr("192.168.64.1/24")));
        assert!(cidr("192.168.56.0/24").is_network_address());
        assert!(!cidr("192.168.56.1/24").is_network_address());
        let hosts: Vec<_> = cidr("10.0.0.1/30").hosts().map(|h| h.to_string()).collect();
        assert_eq!(hosts, ["10.0.0.1", "10.0.0.2"]);
    }
}
