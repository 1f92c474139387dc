use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

/// Where SSH answers, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: HostAddr,
    pub port: u16,
    pub user: String,
    /// A private key file; without one the agent and the user's default keys are tried.
    pub key: Option<PathBuf>,
    /// The host's public key in OpenSSH form, when the driver knows it before the first connection.
    pub host_key: Option<String>,
}

/// A host name or an address; never empty, never something that a program could take for an option.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostAddr(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a host name nor an IP address")]
pub struct HostAddrError(String);

impl HostAddr {
    /// Takes names, IPv4 and IPv6 addresses, the latter with or without brackets.
    pub fn parse(text: &str) -> Result<Self, HostAddrError> {
        let refused = || HostAddrError(text.to_owned());
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if bare.contains(':') {
            let address = bare.split_once('%').map_or(bare, |(address, _zone)| address);
            return address.parse::<Ipv6Addr>().map(|_| Self(bare.to_owned())).map_err(|_| refused());
        }
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let good = !bare.is_empty() && !bare.starts_with('-') && bare.chars().all(allowed);
        if good { Ok(Self(bare.to_owned())) } else { Err(refused()) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn with_port(&self, port: u16) -> String {
        if self.0.contains(':') { format!("[{}]:{port}", self.0) } else { format!("{}:{port}", self.0) }
    }
}

impl fmt::Display for HostAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.host.with_port(self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, with_port) in [
            ("10.0.0.5", "10.0.0.5:22"),
            ("db_1.example.com", "db_1.example.com:22"),
            ("2001:db8::1", "[2001:db8::1]:22"),
            ("[2001:db8::1]", "[2001:db8::1]:22"),
            ("fe80::1%eth0", "[fe80::1%eth0]:22"),
        ] {
            assert_eq!(HostAddr::parse(text).unwrap().with_port(22), with_port);
        }
        for bad in ["", "-oProxyCommand=x", "a b", "tcp://x", "a/b", "x:y", "[::", "user@host"] {
            assert!(HostAddr::parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}
