use std::path::PathBuf;

use crate::{DriverState, Endpoint, HostAddr};

/// The port of a machine's engine unless the driver says otherwise.
pub const ENGINE_PORT: u16 = 2376;

/// A machine's addresses, as its state has them: no network is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// What `ip` prints.
    pub address: Option<String>,
    /// What `url` prints.
    pub engine_url: Option<String>,
    pub endpoint: Option<Endpoint>,
    /// The host name that the driver gave to the host; without one, the core sets the machine's name.
    pub host_name: Option<String>,
}

impl Description {
    /// From the keys that every docker-machine driver keeps.
    pub fn from_state(state: &DriverState, engine_port: u16) -> Self {
        let Ok(host) = HostAddr::parse(state.text("IPAddress")) else { return Self::default() };
        let port = u16::try_from(state.int("SSHPort")).ok().filter(|p| *p != 0).unwrap_or(22);
        let user = state.text("SSHUser");
        let key = state.text("SSHKeyPath");
        Self {
            address: Some(host.to_string()),
            engine_url: Some(format!("tcp://{}", host.with_port(engine_port))),
            endpoint: Some(Endpoint {
                host,
                port,
                user: if user.is_empty() { "root".to_owned() } else { user.to_owned() },
                key: (!key.is_empty()).then(|| PathBuf::from(key)),
                host_key: None,
            }),
            host_name: None,
        }
    }
}
