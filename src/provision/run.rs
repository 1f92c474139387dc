//! Carries changes out over one session, and tells what the scripts tell.

use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{MachineName, Reporter};

use super::error::ProvisionError;
use super::facts::Facts;
use super::plan::{Changes, EngineVersion, Wanted, check_host, plan};
use super::progress::Progress;
use super::script;
use crate::ssh::{Session, Stream};

/// What was done, and what is there now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub installed: bool,
    pub restarted: bool,
    /// As `dockerd --version` has it: 26.1.5.
    pub engine_version: Option<String>,
}

/// How often a host is planned for anew: an installation counts once, and so does somebody who changed it meanwhile.
const ROUNDS: usize = 4;

/// Asks a host what it is.
pub async fn facts(session: &Session) -> Result<Facts, ProvisionError> {
    let answer = session.output("sh -s", script::FACTS.as_bytes()).await?;
    let text = String::from_utf8_lossy(&answer.stdout);
    Facts::parse(&text).map_err(|error| match text.trim() {
        "" => ProvisionError::no_facts(&String::from_utf8_lossy(&answer.stderr)),
        _ => error,
    })
}

/// Makes a host into what is wanted, however many rounds that takes: one, unless it has no engine yet.
pub async fn provision(
    session: &Session,
    mut known: Facts,
    wanted: &Wanted,
    reporter: &dyn Reporter,
) -> Result<Outcome, ProvisionError> {
    let mut outcome = Outcome::default();
    for _ in 0..ROUNDS {
        let changes = plan(&known, wanted)?;
        if outcome == Outcome::default() {
            changes.warnings.iter().for_each(|warning| reporter.warn(&wanted.machine, warning));
        }
        let installs = changes.install.is_some();
        match apply(session, &known, &changes, wanted, reporter).await {
            Err(ProvisionError::Stale) => {}
            Err(error) => return Err(error),
            Ok(()) if !installs => {
                outcome.restarted = changes.configure.is_some_and(|configure| configure.restart);
                outcome.engine_version = known.engine.and_then(|engine| engine.version);
                return Ok(outcome);
            }
            Ok(()) => outcome.installed = true,
        }
        known = facts(session).await?;
        if installs {
            check_version(&known, wanted.engine_version.as_ref())?;
        }
    }
    Err(ProvisionError::Stale)
}

/// One round: installs, or configures, or does nothing at all.
async fn apply(
    session: &Session,
    facts: &Facts,
    changes: &Changes,
    wanted: &Wanted,
    reporter: &dyn Reporter,
) -> Result<(), ProvisionError> {
    if let Some(install) = &changes.install {
        run(session, facts, &script::install(install)?, wanted, reporter).await?;
    }
    if let Some(configure) = &changes.configure {
        run(session, facts, script::configure(configure)?.expose_secret(), wanted, reporter).await?;
    }
    Ok(())
}

async fn run(
    session: &Session,
    facts: &Facts,
    script: &str,
    wanted: &Wanted,
    reporter: &dyn Reporter,
) -> Result<(), ProvisionError> {
    hear(session, facts, script, &wanted.machine, wanted.engine_version.as_ref(), reporter).await
}

/// Brings the engine that is there to another version, the newest one if none is wanted.
pub async fn upgrade(
    session: &Session,
    facts: &Facts,
    url: &str,
    version: Option<&EngineVersion>,
    machine: &MachineName,
    reporter: &dyn Reporter,
) -> Result<(), ProvisionError> {
    check_host(facts)?;
    let script = script::upgrade(url, version)?;
    hear(session, facts, &script, machine, version, reporter).await
}

async fn hear(
    session: &Session,
    facts: &Facts,
    script: &str,
    machine: &MachineName,
    version: Option<&EngineVersion>,
    reporter: &dyn Reporter,
) -> Result<(), ProvisionError> {
    let mut progress = Progress::new(machine, reporter);
    let heard = |_: Stream, line: &str| progress.line(line);
    let ended = session.lines(facts.shell(), script.as_bytes(), heard).await;
    match (progress.finish(), ended) {
        (Ok(()), _) => Ok(()),
        (Err(failure), Err(lost)) if !failure.is_told() => Err(lost.into()),
        (Err(failure), _) => Err(ProvisionError::from_script(failure, version)),
    }
}

fn check_version(facts: &Facts, wanted: Option<&EngineVersion>) -> Result<(), ProvisionError> {
    let found = facts.engine.as_ref().and_then(|engine| engine.version.as_ref());
    match (wanted, found) {
        (Some(wanted), Some(found)) if !wanted.is(found) => {
            Err(ProvisionError::WrongVersion { wanted: wanted.to_string(), found: found.clone() })
        }
        _ => Ok(()),
    }
}
