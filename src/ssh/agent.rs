//! The user's SSH agent, opened when it is first needed.

use std::path::PathBuf;
use std::time::Duration;

use rmachine_driver::Cause;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::AgentSessionBinding;
use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::ssh_key::PublicKey;
use tokio::time::timeout;

use crate::ssh::SshError;

/// An agent answers at once or hangs; only signing may wait for a finger.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) type Client = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// What the agent holds, or why it does not tell.
pub(super) enum Agent {
    Absent,
    Broken(SshError),
    Open { client: Client, identities: Vec<AgentIdentity> },
}

impl Agent {
    pub(super) async fn open(socket: Option<&PathBuf>, binding: Option<&AgentSessionBinding>) -> Self {
        let Some(path) = socket else { return Self::Absent };
        let broken = |source: Cause| Self::Broken(SshError::AgentUnreachable { path: path.clone(), source });
        match timeout(PATIENCE, identities(path, binding)).await {
            Ok(Ok((client, identities))) => Self::Open { client, identities },
            Ok(Err(e)) => broken(e.into()),
            Err(_) => broken(format!("no answer within {} s", PATIENCE.as_secs()).into()),
        }
    }

    pub(super) fn identities(&self) -> &[AgentIdentity] {
        match self {
            Self::Open { identities, .. } => identities,
            _ => &[],
        }
    }

    pub(super) fn find(&self, key: &PublicKey) -> Option<AgentIdentity> {
        let same = |id: &&AgentIdentity| {
            matches!(id, AgentIdentity::PublicKey { .. }) && id.public_key().key_data() == key.key_data()
        };
        self.identities().iter().find(same).cloned()
    }

    /// The start of a half-sentence, for an error that would be puzzling without it.
    pub(super) fn trouble(&self) -> String {
        match self {
            Self::Broken(e) => format!(" ({e})"),
            Self::Absent => " (there is no agent)".to_owned(),
            Self::Open { .. } => String::new(),
        }
    }
}

async fn identities(
    path: &PathBuf,
    binding: Option<&AgentSessionBinding>,
) -> Result<(Client, Vec<AgentIdentity>), russh::keys::Error> {
    let mut client = dial(path).await?;
    if let Some(binding) = binding {
        // Agents before OpenSSH 8.9 refuse this; those after it hide keys that are bound to hosts without it.
        let _ = client.bind_session(binding, false).await;
    }
    let identities = client.request_identities().await?;
    Ok((client, identities))
}

#[cfg(unix)]
async fn dial(path: &PathBuf) -> Result<Client, russh::keys::Error> {
    AgentClient::connect_uds(path).await.map(AgentClient::dynamic)
}

#[cfg(windows)]
async fn dial(path: &PathBuf) -> Result<Client, russh::keys::Error> {
    AgentClient::connect_named_pipe(path).await.map(AgentClient::dynamic)
}
