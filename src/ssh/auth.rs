//! Logging in with public keys, in an order that finds the right one before the host loses patience.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rmachine_driver::describe_error;
use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_key::PublicKey;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet, SendError, Signer};
use tokio::time::timeout;

use crate::ssh::agent::Agent;
use crate::ssh::hostkey::{Client, SharedNotes, sha256};
use crate::ssh::keyfile::{KeyFile, Secret, unlock};
use crate::ssh::route::Hop;
use crate::ssh::{Prompter, SshEnv, SshError};

/// sshd's MaxAuthTries.
const MAX_TRIES: usize = 6;
/// For one answer of the host; long, for an agent may wait for a finger on a token.
const PATIENCE: Duration = Duration::from_secs(60);
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

pub(super) async fn authenticate(
    handle: &mut Handle<Client>,
    hop: &Hop,
    notes: &SharedNotes,
    env: &SshEnv,
    prompter: &dyn Prompter,
) -> Result<(), SshError> {
    let seen = HashSet::new();
    let mut login =
        Login { handle, hop, notes, env, prompter, agent: None, seen, offered: vec![], skipped: vec![] };
    let done = match &hop.key {
        Some(path) => login.with_file(KeyFile::read(path)?).await?,
        None => login.with_all().await?,
    };
    if done { Ok(()) } else { Err(login.refused()) }
}

struct Login<'a> {
    handle: &'a mut Handle<Client>,
    hop: &'a Hop,
    notes: &'a SharedNotes,
    env: &'a SshEnv,
    prompter: &'a dyn Prompter,
    agent: Option<Agent>,
    /// Fingerprints of what was tried.
    seen: HashSet<String>,
    offered: Vec<String>,
    skipped: Vec<String>,
}

impl Login<'_> {
    /// The keys that the user named for this host come first, through the agent where it holds them.
    async fn with_all(&mut self) -> Result<bool, SshError> {
        if self.with_files(self.hop.settings.identity_files.clone()).await? {
            return Ok(true);
        }
        if self.hop.settings.identities_only == Some(true) {
            return Ok(false);
        }
        for identity in self.agent().await.identities().to_vec() {
            if self.more() && self.with_identity(&identity).await? {
                return Ok(true);
            }
        }
        let ssh = self.env.home.iter().map(|home| home.join(".ssh"));
        self.with_files(ssh.flat_map(|dir| DEFAULT_KEYS.map(|name| dir.join(name))).collect()).await
    }

    async fn with_files(&mut self, paths: Vec<std::path::PathBuf>) -> Result<bool, SshError> {
        for path in paths {
            if !self.more() {
                break;
            }
            let tried = match KeyFile::read(&path) {
                Ok(file) => self.with_file(file).await,
                Err(e) => Err(e),
            };
            match tried {
                Ok(true) => return Ok(true),
                Ok(false) | Err(SshError::KeyMissing { .. }) => {}
                Err(e) if is_about_key(&e) => self.skipped.push(e.to_string()),
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    async fn with_file(&mut self, file: KeyFile) -> Result<bool, SshError> {
        let KeyFile { path, public, secret } = file;
        if let Secret::Open(key) = secret {
            return self.with_key(*key, &path).await;
        }
        if let Some(public) = &public {
            if self.seen.contains(&sha256(public)) {
                return Ok(false);
            }
            if let Some(identity) = self.agent().await.find(public) {
                return self.with_identity(&identity).await;
            }
        }
        match (secret, public) {
            (Secret::Locked(text), Some(public)) if !self.would_take(&public, &path).await? => {
                tracing::debug!(path = %path.display(), text = text.len(), "not asked for its passphrase");
                Ok(false)
            }
            (Secret::Locked(text), _) => {
                let key = unlock(&path, &text, self.prompter)?;
                self.with_key(key, &path).await
            }
            _ => {
                let agent = self.agent().await.trouble();
                Err(SshError::NotInAgent { path, agent })
            }
        }
    }

    async fn with_key(&mut self, key: PrivateKey, path: &Path) -> Result<bool, SshError> {
        let Some(hash) = self.begin(key.public_key()).await? else { return Ok(false) };
        let line = describe(key.public_key(), &path.display().to_string());
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let user = self.hop.user.clone();
        let result = timeout(PATIENCE, self.handle.authenticate_publickey(user, key)).await;
        let result = result.map_err(|_| self.silent())?.map_err(|e| self.lost(e))?;
        self.judge(result, line)
    }

    async fn with_identity(&mut self, identity: &AgentIdentity) -> Result<bool, SshError> {
        let public = identity.public_key().into_owned();
        let Some(hash) = self.begin(&public).await? else { return Ok(false) };
        let line = describe(&public, &format!("agent: {}", identity.comment()));
        let user = self.hop.user.clone();
        let Some(Agent::Open { client, .. }) = &mut self.agent else { return Ok(false) };
        let signed = async {
            match identity {
                AgentIdentity::PublicKey { key, .. } => {
                    self.handle.authenticate_publickey_with(user, key.clone(), hash, client).await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    self.handle.authenticate_certificate_with(user, certificate.clone(), hash, client).await
                }
            }
        };
        match timeout(PATIENCE, signed).await {
            Err(_) => Err(self.silent()),
            Ok(Ok(result)) => self.judge(result, line),
            Ok(Err(e)) => {
                self.skipped.push(format!("{line}: the agent did not sign ({e})"));
                Ok(false)
            }
        }
    }

    /// Whether the host would take a key, asked before its passphrase is: nobody wants to type it for nothing.
    async fn would_take(&mut self, public: &PublicKey, path: &Path) -> Result<bool, SshError> {
        let Some(hash) = self.begin(public).await? else { return Ok(false) };
        self.seen.remove(&sha256(public));
        let user = self.hop.user.clone();
        let mut signer = Probe;
        let probe = self.handle.authenticate_publickey_with(user, public.clone(), hash, &mut signer);
        match timeout(PATIENCE, probe).await {
            Err(_) => Err(self.silent()),
            Ok(Err(Probed::Accepted)) => Ok(true),
            Ok(Err(Probed::Gone)) => Err(self.lost(russh::Error::Disconnect)),
            Ok(Ok(result)) => self.judge(result, describe(public, &path.display().to_string())),
        }
    }

    /// Notes that a key is tried, and with which signature; `None` if there is no use.
    async fn begin(&mut self, public: &PublicKey) -> Result<Option<Option<HashAlg>>, SshError> {
        if !self.seen.insert(sha256(public)) {
            return Ok(None);
        }
        if !matches!(public.algorithm(), Algorithm::Rsa { .. }) {
            return Ok(Some(None));
        }
        match self.handle.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => Ok(Some(Some(hash))),
            Ok(None) => Ok(Some(Some(HashAlg::Sha512))),
            Ok(Some(None)) => {
                self.skipped.push(format!("{}: the host takes RSA only with SHA-1", describe(public, "RSA")));
                Ok(None)
            }
            Err(e) => Err(self.lost(e)),
        }
    }

    fn judge(&mut self, result: AuthResult, line: String) -> Result<bool, SshError> {
        match result {
            AuthResult::Success => Ok(true),
            AuthResult::Failure { partial_success: true, remaining_methods } => Err(SshError::MoreAuth {
                at: self.hop.at(),
                user: self.hop.user.clone(),
                methods: names(&remaining_methods),
            }),
            AuthResult::Failure { remaining_methods, .. } => {
                self.offered.push(line);
                if !remaining_methods.is_empty() && !remaining_methods.contains(&MethodKind::PublicKey) {
                    self.skipped.push(format!("it takes only {}", names(&remaining_methods)));
                    return Err(self.refused());
                }
                Ok(false)
            }
        }
    }

    fn more(&self) -> bool {
        self.offered.len() < MAX_TRIES && !self.handle.is_closed()
    }

    async fn agent(&mut self) -> &Agent {
        if self.agent.is_none() {
            let binding = self.handle.agent_session_binding();
            self.agent = Some(Agent::open(self.env.agent_socket.as_ref(), binding).await);
        }
        self.agent.get_or_insert(Agent::Absent)
    }

    fn refused(&mut self) -> SshError {
        if let Some(Agent::Broken(e)) = &self.agent {
            self.skipped.push(e.to_string());
        }
        let skipped = self.skipped.iter().map(|why| format!("; {why}")).collect();
        let (at, user) = (self.hop.at(), self.hop.user.clone());
        if self.offered.is_empty() {
            return SshError::NoKey { at, user, skipped };
        }
        let notes = self.notes.get();
        let words: Vec<_> = [Some(&notes.banner), notes.ended.as_ref()].into_iter().flatten().collect();
        let said: Vec<_> = words.into_iter().filter(|text| !text.is_empty()).map(|t| one_line(t)).collect();
        SshError::AuthRefused {
            at,
            user,
            skipped,
            offered: self.offered.join(", "),
            // pam_nologin keeps everybody but root out until systemd is done
            booting: notes.banner.contains("System is booting up"),
            said: if said.is_empty() { String::new() } else { format!("; it said: {}", said.join(", ")) },
        }
    }

    fn silent(&self) -> SshError {
        SshError::AuthSilent { at: self.hop.at(), user: self.hop.user.clone(), seconds: PATIENCE.as_secs() }
    }

    fn lost(&self, e: russh::Error) -> SshError {
        let ended = self.notes.get().ended.clone();
        let reason = ended.unwrap_or_else(|| describe_error(&e));
        SshError::Lost { at: self.hop.at(), reason, source: Some(e.into()) }
    }
}

/// Trouble with one key is no reason not to try the next.
fn is_about_key(e: &SshError) -> bool {
    matches!(
        e,
        SshError::KeyUnreadable { .. }
            | SshError::KeyTooOpen { .. }
            | SshError::KeyMalformed { .. }
            | SshError::PassphraseNeeded { .. }
            | SshError::WrongPassphrase { .. }
            | SshError::NotInAgent { .. }
    )
}

fn describe(key: &PublicKey, origin: &str) -> String {
    format!("{} ({origin})", sha256(key))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn names(methods: &MethodSet) -> String {
    methods.iter().map(String::from).collect::<Vec<_>>().join(", ")
}

/// A signer that never signs: being asked to is the answer.
struct Probe;

enum Probed {
    Accepted,
    Gone,
}

impl From<SendError> for Probed {
    fn from(_: SendError) -> Self {
        Self::Gone
    }
}

impl Signer for Probe {
    type Error = Probed;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        _: Vec<u8>,
    ) -> Result<Vec<u8>, Probed> {
        Err(Probed::Accepted)
    }
}
