use std::borrow::Cow;
use std::time::Duration;

/// What the core must know of a driver's machines before it works on them.
#[derive(Debug, Clone)]
pub struct Features {
    /// The machine has a host that answers SSH, and its engine is ours to install and configure.
    pub host: bool,
    /// The user gave the address, so `~/.ssh/config` may set user, port, key and route.
    pub ssh_config: bool,
    /// How long a host that was just created or started may take until it answers SSH.
    pub boot: Duration,
    pub restart: Restart,
    pub login: Login,
    /// The driver can give a machine a host key before its first boot: see [`crate::HostKeyPair`].
    pub first_host_key: Option<FirstHostKey>,
    /// Machines cost money from their first minute: a failed `create` removes what it created unless the user wants to
    /// inspect it.
    pub is_billed: bool,
    /// Machines run on this computer and share its cores: `create` finishes one that others wait for first.
    pub is_local: bool,
}

/// How machines get the host key of their first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstHostKey {
    /// URL at which the machine, and no one else, can read its user data. A host that can read back the planted key is
    /// the machine, whatever host key it shows.
    pub user_data_url: Option<Cow<'static, str>>,
    /// The flag of `create` for images that read no user data at their first boot.
    pub opt_out_flag: Option<Cow<'static, str>>,
}

/// Where the key of the first SSH connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The host exists and accepts a key of the user's or the agent's.
    Given,
    /// The core generates a pair in the machine's folder, sets `SSHKeyPath` and hands the public half to `create`.
    Generated,
}

/// How a machine is restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restart {
    /// `stop`, then `start`.
    StopStart,
    /// The core reboots the host over SSH; the driver takes no part.
    OverSsh,
    /// Not at all; the text is docker-machine's error message.
    Refused(Cow<'static, str>),
}
