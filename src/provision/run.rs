//! Carries changes out over one session, and tells what the scripts tell.

use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{MachineName, Reporter};

use crate::provision::error::ProvisionError;
use crate::provision::facts::Facts;
use crate::provision::plan::{Changes, check_host, plan};
use crate::provision::progress::Progress;
use crate::provision::script;
use crate::provision::version::EngineVersion;
use crate::provision::wanted::Wanted;
use crate::ssh::{Session, Stream};

/// How often a host is planned for anew: an installation counts once, and so does somebody who changed it meanwhile.
const ROUNDS: usize = 4;

/// Asks a host what it is; its engine's version only where that matters.
pub(crate) async fn facts(session: &Session, version: bool) -> Result<Facts, ProvisionError> {
    let shell = if version { "sh -s version" } else { "sh -s" };
    let answer = session.output(shell, script::facts()?.as_bytes()).await?;
    let text = String::from_utf8_lossy(&answer.stdout);
    Facts::parse(&text).map_err(|error| match text.trim() {
        "" => ProvisionError::no_facts(&String::from_utf8_lossy(&answer.stderr)),
        _ => error,
    })
}

/// Makes a host into what is wanted, however many rounds that takes: one, unless it has no engine yet.
///
/// An engine that starts with all that is wanted is waited for by `comes_up`, which says whether it answered in the time
/// that engines take. If so the answer is true: nothing was done on the host, and nobody has to look again.
pub(crate) async fn provision<F: Future<Output = bool>>(
    session: &Session,
    mut known: Facts,
    wanted: &Wanted,
    reporter: &dyn Reporter,
    comes_up: impl Fn() -> F,
) -> Result<bool, ProvisionError> {
    for round in 0..ROUNDS {
        let changes = plan(&known, wanted)?;
        if round == 0 {
            changes.warnings.iter().for_each(|warning| reporter.warn(&wanted.machine, warning));
        }
        if changes.only_waits() && comes_up().await {
            return Ok(true);
        }
        let installs = changes.install.is_some();
        match apply(session, &known, &changes, wanted, reporter).await {
            Err(ProvisionError::Stale) => {}
            Err(error) => return Err(error),
            Ok(()) if !installs => return Ok(false),
            Ok(()) => {}
        }
        known = facts(session, wanted.asks_version()).await?;
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
pub(crate) async fn upgrade(
    session: &Session,
    facts: &Facts,
    url: &str,
    version: Option<&EngineVersion>,
    machine: &MachineName,
    reporter: &dyn Reporter,
) -> Result<(), ProvisionError> {
    let (packages, service) = check_host(facts)?;
    let script = script::upgrade(packages, service, url, version)?;
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
