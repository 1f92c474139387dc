//! The way to a host: the jump hosts that `~/.ssh/config` asks for, and the host itself.

use std::path::PathBuf;

use rmachine_driver::HostAddr;

use crate::ssh::config::{self, HostSettings};
use crate::ssh::hostkey::{self, Trust};
use crate::ssh::{Connect, SshEnv, SshError};

const MAX_HOPS: usize = 8;

/// One SSH server on the way; the last is the host itself.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) trust: Trust,
    /// The only key to use.
    pub(super) key: Option<PathBuf>,
    pub(super) settings: HostSettings,
    pub(super) jump: bool,
}

impl Hop {
    /// `host:port`, an IPv6 address in brackets.
    pub(super) fn at(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

pub(super) fn plan(c: &Connect<'_>) -> Result<Vec<Hop>, SshError> {
    let name = c.alias.unwrap_or(c.endpoint.host.as_str());
    let settings = if c.use_config { settings_of(c.env, name)? } else { HostSettings::default() };
    let mut hops = Vec::new();
    jumps(c, name, &settings, &mut hops, 0)?;
    hops.push(Hop {
        host: settings.host_name.clone().unwrap_or_else(|| c.endpoint.host.to_string()),
        port: c.endpoint.port,
        user: c.endpoint.user.clone(),
        trust: Trust::from_policy(&c.policy)?,
        key: c.endpoint.key.clone(),
        settings,
        jump: false,
    });
    Ok(hops)
}

fn settings_of(env: &SshEnv, name: &str) -> Result<HostSettings, SshError> {
    env.home.as_deref().map_or_else(|| Ok(HostSettings::default()), |home| config::lookup(home, name))
}

/// The first jump host may itself need one; those after it are reached through the one before, as ssh does it.
fn jumps(
    c: &Connect<'_>,
    name: &str,
    settings: &HostSettings,
    hops: &mut Vec<Hop>,
    depth: usize,
) -> Result<(), SshError> {
    if settings.proxy_command.as_deref().is_some_and(|command| !command.eq_ignore_ascii_case("none")) {
        return Err(SshError::ProxyCommand { host: name.to_owned() });
    }
    let spec = settings.proxy_jump.as_deref().filter(|spec| !spec.eq_ignore_ascii_case("none"));
    for (i, jump) in spec.into_iter().flat_map(|spec| spec.split(',')).enumerate() {
        if depth >= MAX_HOPS || hops.len() >= MAX_HOPS {
            return Err(SshError::JumpLoop { host: name.to_owned() });
        }
        let jump = Jump::parse(jump.trim()).ok_or_else(|| SshError::Resolve {
            host: jump.trim().to_owned(),
            source: std::io::Error::other("ProxyJump wants [user@]host[:port]"),
        })?;
        let settings = settings_of(c.env, &jump.host)?;
        if i == 0 {
            jumps(c, &jump.host, &settings, hops, depth + 1)?;
        }
        hops.push(jump.hop(c, settings)?);
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Jump {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

impl Jump {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("ssh://").unwrap_or(text);
        let (user, text) = text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user), rest));
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (text, None),
        };
        let host = HostAddr::parse(host).ok()?.to_string();
        Some(Self { user: user.map(str::to_owned), host, port })
    }

    fn hop(self, c: &Connect<'_>, settings: HostSettings) -> Result<Hop, SshError> {
        let host = settings.host_name.clone().unwrap_or(self.host);
        let port = self.port.or(settings.port).unwrap_or(22);
        let user = self.user.or_else(|| settings.user.clone()).or_else(|| c.env.local_user.clone());
        Ok(Hop {
            trust: hostkey::known(c.env.home.as_deref(), &host, port)?,
            user: user.unwrap_or_else(|| c.endpoint.user.clone()),
            host,
            port,
            key: None,
            settings,
            jump: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_hosts() {
        let jump = |user: Option<&str>, host: &str, port| {
            Some(Jump { user: user.map(str::to_owned), host: host.to_owned(), port })
        };
        assert_eq!(Jump::parse("bastion"), jump(None, "bastion", None));
        assert_eq!(Jump::parse("me@bastion:2222"), jump(Some("me"), "bastion", Some(2222)));
        assert_eq!(Jump::parse("ssh://me@bastion:2222"), jump(Some("me"), "bastion", Some(2222)));
        assert_eq!(Jump::parse("[2001:db8::1]:22"), jump(None, "2001:db8::1", Some(22)));
        assert_eq!(Jump::parse("2001:db8::1"), jump(None, "2001:db8::1", None));
        for text in ["", "-oProxyCommand=x", "bastion:", "bastion:ssh", "a b"] {
            assert_eq!(Jump::parse(text), None, "{text:?} was taken");
        }
    }
}
