//! Programs of this computer that speak SSH by themselves, or through us: rsync, sshfs. The one place that runs them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use tokio::process::Command;

/// Runs a program on our own terminal, and returns its exit code when it has ended.
pub(crate) async fn run(program: &Path, words: &[OsString], vars: &[(&str, &OsStr)]) -> io::Result<i32> {
    let mut command = Command::new(program);
    command.args(words).envs(vars.iter().copied()).kill_on_drop(true);
    Ok(command.status().await?.code().unwrap_or(1))
}
