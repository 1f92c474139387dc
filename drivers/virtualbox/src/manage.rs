//! The one place where VBoxManage is run: its answers cleaned of what packages print before them, its errors found where
//! it writes them, its moments of not being ready waited for.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rmachine_driver::{DriverError, DriverErrorKind, describe_error};
use rmachine_host::lock_shared;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::answer;
use crate::{Settings, find};

/// Long enough for VirtualBox's service to come up on a computer that is busy with something else.
const QUICK: Duration = Duration::from_secs(180);
/// Converting and copying disks takes as long as the disks are large.
const LONG: Duration = Duration::from_secs(3600);
/// What passes within moments: an object that is being made, a machine that goes down this instant, and VirtualBox's service,
/// which ends five seconds after its last client and refuses who comes just then.
const NOT_READY: &[&str] = &[
    "The object is not ready",
    "Failed to get a console object from the direct session",
    "Failed to create the VirtualBox object",
];
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(150);

/// VBoxManage on this computer.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    program: PathBuf,
    locks: PathBuf,
}

/// What VBoxManage refused, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Refusal {
    /// Its subcommand.
    pub(crate) verb: String,
    /// The errors alone, without their prefix.
    pub(crate) said: String,
    /// What to do about an error that is not VBoxManage's own.
    pub(crate) hints: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VBoxManage {} failed: {}", self.verb, self.said)
    }
}

impl Refusal {
    pub(crate) fn has(&self, text: &str) -> bool {
        self.said.contains(text)
    }

    /// What was asked for is not there.
    pub(crate) fn is_missing(&self) -> bool {
        [
            "VBOX_E_OBJECT_NOT_FOUND",
            "Could not find a registered machine",
            "Could not find file for the medium",
        ]
        .iter()
        .any(|text| self.has(text))
    }

    fn is_not_ready(&self) -> bool {
        NOT_READY.iter().any(|text| self.has(text))
    }

    /// VirtualBox has its name in a list, and its files are gone.
    pub(crate) fn is_inaccessible(&self) -> bool {
        self.has("The object functionality is limited")
    }

    /// Somebody else is at it, or has just been.
    pub(crate) fn is_locked(&self) -> bool {
        self.has("is already locked") || self.has("while it is locked") || self.has("is locked for")
    }
}

impl Manager {
    pub(crate) async fn find(settings: &Settings) -> Result<Self, DriverError> {
        let program = match find::program(settings) {
            Some(program) => Some(program),
            None => installed_on_windows(settings).await,
        };
        let program = program.ok_or_else(find::missing)?;
        Ok(Self { program, locks: settings.locks.clone() })
    }

    pub(crate) fn locks(&self) -> &Path {
        &self.locks
    }

    /// One call, alone among those of this user.
    pub(crate) async fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String, Refusal> {
        let lock = lock_shared(&self.locks, "vboxmanage", QUICK).await;
        let _lock = lock.map_err(|e| Refusal { hints: e.hints, ..refusal(args, &e.message) })?;
        self.again(args, QUICK, &|_| {}).await
    }

    /// One call that copies disks: it may take its time, and others are not kept from theirs.
    pub(crate) async fn work<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        percent: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<String, Refusal> {
        self.again(args, LONG, percent).await
    }

    async fn again<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        limit: Duration,
        percent: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<String, Refusal> {
        let mut tries = 1;
        loop {
            match self.once(args, limit, percent).await {
                Err(refusal) if refusal.is_not_ready() && tries < TRIES => sleep(PAUSE * tries).await,
                done => return done,
            }
            tries += 1;
        }
    }

    async fn once<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        limit: Duration,
        percent: &(dyn Fn(u8) + Send + Sync),
    ) -> Result<String, Refusal> {
        let mut child = Command::new(&self.program)
            .args(args)
            // Errors are told apart by their words.
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| refusal(args, &format!("it could not be started: {}", describe_error(&e))))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let all = async {
            let (answer, said) = tokio::join!(read(stdout, &|_| {}), read(stderr, percent));
            (answer, said, child.wait().await)
        };
        let Ok((answer, said, status)) = timeout(limit, all).await else {
            return Err(refusal(args, &format!("it did not end within {} s", limit.as_secs())));
        };
        let errors = answer::errors(&said);
        // `discardstate` and others end well although they failed.
        if errors.is_empty() && status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Ok(answer::clean(&answer));
        }
        let ended = || status.map_or_else(|e| e.to_string(), |s| s.to_string());
        // Some say why they fail in their answer.
        let all = || format!("{} {} {}", answer::clean(&answer).trim(), said.trim(), ended());
        let said = if errors.is_empty() { all() } else { errors };
        Err(refusal(args, said.trim()))
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, percent: &(dyn Fn(u8) + Send + Sync)) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    // What ends in the middle has been said until there.
    while let Ok(n) = stream.read(&mut piece).await {
        if n == 0 {
            break;
        }
        all.extend_from_slice(&piece[..n]);
        if let Some(now) = answer::percent(&all) {
            percent(now);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn refusal<S: AsRef<OsStr>>(args: &[S], said: &str) -> Refusal {
    let verb = args.first().map(|a| a.as_ref().to_string_lossy().into_owned()).unwrap_or_default();
    Refusal { verb, said: said.to_owned(), hints: Vec::new() }
}

/// The installer leaves the folder in the registry, which has a program to be read with.
async fn installed_on_windows(settings: &Settings) -> Option<PathBuf> {
    if !cfg!(windows) {
        return None;
    }
    let key = r"HKLM\SOFTWARE\Oracle\VirtualBox";
    let answer = Command::new("reg").args(["query", key, "/v", "InstallDir"]).output().await.ok()?;
    let folder = find::of_registry(&String::from_utf8_lossy(&answer.stdout))?;
    find::program(&Settings { folders: vec![folder], ..settings.clone() })
}

/// The error of a driver that did not get as far as asking.
pub(crate) fn failed(message: impl Into<String>) -> DriverError {
    DriverError::new(DriverErrorKind::Provider, message)
}

#[cfg(test)]
mod tests;
