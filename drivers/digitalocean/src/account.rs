//! Which token a machine's account is entered with, and whose it is.

use std::process::Stdio;
use std::time::Duration;

use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use rmachine_driver::{
    Cause, DriverError, DriverErrorKind, DriverState, JournalRecord, Keyring, MachineHandle, recorded_ids,
};
use rmachine_rest::{Api, ApiError};
use sha2::{Digest, Sha256};
use tokio::process::Command;
use tokio::time::timeout;

use crate::DigitalOcean;
use crate::model::{OneAccount, Team};
use crate::paths;
use crate::records::ACCOUNT;

/// The state's key of docker-machine's token, and of the account of one that gave it up.
pub(crate) const TOKEN: &str = "AccessToken";
const STATE: &str = "Account";
/// How long a command may take that prints a token; it may ask somebody for a password.
const COMMAND: Duration = Duration::from_secs(120);

/// The provider, entered for one machine.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) api: Api,
    /// The machine's account, where the token may be one of another: the environment holds only one.
    pub(crate) unsure_of: Option<String>,
}

/// Where tokens come from when nothing is kept for the machine.
#[derive(Debug, Clone, Default)]
pub struct TokenSettings {
    pub token: Option<SecretString>,
    pub file: Option<String>,
    pub command: Option<String>,
}

impl TokenSettings {
    async fn read(&self) -> Result<Option<SecretString>, DriverError> {
        if let Some(token) = &self.token {
            return Ok(Some(token.clone()));
        }
        if let Some(file) = self.file.as_deref().filter(|f| !f.is_empty()) {
            return from_file(file).map(Some);
        }
        match self.command.as_deref().filter(|c| !c.is_empty()) {
            Some(command) => from_command(command).await.map(Some),
            None => Ok(None),
        }
    }
}

impl DigitalOcean {
    pub(crate) async fn session(
        &self,
        state: &DriverState,
        journal: &[JournalRecord],
        keyring: &dyn Keyring,
    ) -> Result<Session, DriverError> {
        let (token, unsure) = self.token(state, journal, keyring).await?;
        let unsure_of = account_of(state, journal).filter(|_| unsure).map(str::to_owned);
        Ok(Session { api: self.enter(state.text("APIURL"), token)?, unsure_of })
    }

    /// The token, and whether it may be another account's.
    async fn token(
        &self,
        state: &DriverState,
        journal: &[JournalRecord],
        keyring: &dyn Keyring,
    ) -> Result<(SecretString, bool), DriverError> {
        if let Some(token) = own_token(state) {
            return Ok((token, false));
        }
        if let Some(token) = keyring.given() {
            return Ok((token, false));
        }
        let account = account_of(state, journal);
        if let Some(kept) = account.map(|a| keyring.kept(a)).transpose()?.flatten() {
            return Ok((kept, false));
        }
        let told = TokenSettings {
            token: None,
            file: Some(state.text("TokenFile").to_owned()),
            command: Some(state.text("TokenCommand").to_owned()),
        };
        if let Some(token) = told.read().await? {
            return Ok((token, account.is_some()));
        }
        if let Some(token) = self.settings.tokens.read().await? {
            return Ok((token, account.is_some()));
        }
        if account.is_none()
            && let [only] = &keyring.accounts()?[..]
            && let Some(kept) = keyring.kept(only)?
        {
            return Ok((kept, false));
        }
        Err(no_token())
    }

    /// One session for each account that there is a token for.
    pub(crate) async fn sessions(&self, keyring: &dyn Keyring) -> Result<Vec<Session>, DriverError> {
        let mut tokens: Vec<SecretString> = keyring.given().into_iter().collect();
        tokens.extend(self.settings.tokens.read().await?);
        for account in keyring.accounts()? {
            tokens.extend(keyring.kept(&account)?);
        }
        let mut seen = Vec::new();
        tokens.retain(|t| {
            let new = !seen.contains(&t.expose_secret().to_owned());
            seen.push(t.expose_secret().to_owned());
            new
        });
        tokens.into_iter().map(|t| Ok(Session { api: self.enter("", t)?, unsure_of: None })).collect()
    }
}

impl Session {
    /// The account's name for us: the team's id where there is one. A token that may not ask stands for itself.
    pub(crate) async fn account(&self) -> Result<String, ApiError> {
        match self.api.get::<OneAccount>(&paths::account()).await {
            Ok(OneAccount { account }) => {
                let team = account.team.map(|Team { uuid }| uuid).filter(|uuid| !uuid.is_empty());
                Ok(team.unwrap_or(account.uuid))
            }
            Err(e) if e.has_status(403) => Ok(print(self.api.token())),
            Err(e) => Err(e),
        }
    }

    /// Before something counts as gone: it may only be out of this token's sight.
    pub(crate) async fn is_of_machine(&self) -> Result<(), DriverError> {
        let Some(expected) = self.unsure_of.as_deref() else { return Ok(()) };
        let found = self.account().await?;
        // Tokens that may not ask are not compared: a newer one of the same account is another.
        if found == *expected || found.starts_with(PRINT) || expected.starts_with(PRINT) {
            return Ok(());
        }
        let message = format!("the access token is of the account {found}, and the machine is in {expected}");
        Err(DriverError::new(DriverErrorKind::Denied, message)
            .hint("rmachine credentials set digitalocean, with a token of that account"))
    }
}

const PRINT: &str = "token-";

/// Tells tokens apart, and nothing else.
fn print(token: &SecretString) -> String {
    let digest = Sha256::digest(token.expose_secret().trim());
    let hex: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
    format!("{PRINT}{hex}")
}

/// As the journal has it, or, of a machine that docker-machine made, its state since it gave up its token.
pub(crate) fn account_of<'a>(state: &'a DriverState, journal: &'a [JournalRecord]) -> Option<&'a str> {
    recorded_ids(journal, ACCOUNT)
        .next()
        .or_else(|| Some(state.text(STATE)).filter(|account| !account.is_empty()))
}

/// Moves a token that docker-machine left in config.json to where the others are.
pub(crate) async fn give_up(
    machine: &mut MachineHandle<'_>,
    session: &Session,
) -> Result<Option<String>, DriverError> {
    let Some(token) = own_token(machine.state) else { return Ok(None) };
    let account = session.account().await?;
    machine.keyring.keep(&account, &token).await?;
    machine.state.set(TOKEN, "");
    machine.state.set(STATE, account.as_str());
    Ok(Some(account))
}

/// docker-machine's, which it kept in config.json.
fn own_token(state: &DriverState) -> Option<SecretString> {
    Some(state.text(TOKEN)).filter(|t| !t.is_empty()).map(SecretString::from)
}

pub(crate) fn no_token() -> DriverError {
    // docker-machine's sentence.
    DriverError::invalid("digitalocean driver requires the --digitalocean-access-token option")
        .hint("or DIGITALOCEAN_ACCESS_TOKEN, or --digitalocean-access-token-file, or --digitalocean-access-token-command")
        .hint("rmachine credentials set digitalocean")
}

fn from_file(path: &str) -> Result<SecretString, DriverError> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        let what = format!("the file with the access token, {path}");
        DriverError::because(DriverErrorKind::Invalid, what, e)
    })?;
    some_token(&text, path)
}

async fn from_command(command: &str) -> Result<SecretString, DriverError> {
    let failed = |why: Cause| {
        let what = format!("the command that prints the access token, {command:?}");
        DriverError::because(DriverErrorKind::Invalid, what, why)
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let done = timeout(COMMAND, shell.output())
        .await
        .map_err(|_| failed(format!("it did not end in {} s", COMMAND.as_secs()).into()))?
        .map_err(|e| failed(e.into()))?;
    if !done.status.success() {
        return Err(failed(done.status.to_string().into()));
    }
    some_token(&String::from_utf8_lossy(&done.stdout), command)
}

fn some_token(text: &str, from: &str) -> Result<SecretString, DriverError> {
    match text.trim() {
        "" => Err(DriverError::invalid(format!("{from} has no access token"))),
        token => Ok(token.into()),
    }
}
