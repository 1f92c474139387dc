//! `scp`, and `__rsh`: the way by which rsync reaches a machine.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::Context;
use crate::commands::shared::{Outcome, existing};
use crate::machines::Machine;
use crate::model::{Exit, Failure};
use crate::ssh::{ExitStatus, SshError, external, local_stdin};
use crate::transfer::{self, Copied, Options, Place, Side};
use crate::ui::TransferBar;

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "rmachine scp [OPTIONS] SOURCE... TARGET",
    after_help = "\
A source or target is a local path, MACHINE:PATH or USER@MACHINE:PATH. A relative path on a machine begins in the \
user's home directory. Data between two machines passes through this computer, so the machines need no connection to \
each other.

Examples:
  rmachine scp site.conf node1:/etc/nginx/
  rmachine scp -r node1:/var/log/nginx ./logs   # keeps modes, times and links
  rmachine scp node1:/srv/db.dump deploy@node2:/srv/
  rmachine scp -r -d ./www node1:/srv/www       # only changes, with rsync

rmachine writes a file under a temporary name and renames it when it is complete. With -r, symbolic links that stay \
inside the copied tree are copied as links, and all others are followed."
)]
pub(crate) struct Args {
    /// Files to copy, then the target
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,

    /// Copy directories recursively
    #[arg(long, short)]
    recursive: bool,

    /// Copy only what differs, with rsync; both sides need rsync
    #[arg(long, short)]
    delta: bool,

    /// Print errors only
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RshArgs {
    #[arg(short = 'l')]
    user: Option<String>,

    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// A path as it was written: ours, or a machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    Here(OsString),
    There { user: Option<String>, machine: String, path: OsString },
}

impl Written {
    /// What has a colon before any slash is a machine's, but for `localhost:`.
    pub(super) fn parse(word: &OsStr) -> Self {
        match split_at_colon(word) {
            Some(("localhost", path)) => Self::Here(path.to_owned()),
            Some((before, path)) if !before.contains('/') && !before.is_empty() => {
                let (user, machine) = match before.rsplit_once('@') {
                    Some((user, machine)) => (Some(user.to_owned()).filter(|u| !u.is_empty()), machine),
                    None => (None, before),
                };
                Self::There { user, machine: machine.to_owned(), path: path.to_owned() }
            }
            _ => Self::Here(word.to_owned()),
        }
    }
}

/// The text before the first colon and the path behind it. File names on Unix are bytes, and need not be UTF-8.
#[cfg(unix)]
fn split_at_colon(word: &OsStr) -> Option<(&str, &OsStr)> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = word.as_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (before, path) = (bytes.get(..colon)?, bytes.get(colon + 1..)?);
    Some((std::str::from_utf8(before).ok()?, OsStr::from_bytes(path)))
}

#[cfg(not(unix))]
fn split_at_colon(word: &OsStr) -> Option<(&str, &OsStr)> {
    word.to_str()?.split_once(':').map(|(before, path)| (before, OsStr::new(path)))
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let Some((target, sources)) = args.paths.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Err(improper(ctx, "scp"));
    };
    let sources: Vec<Written> = sources.iter().map(|w| Written::parse(w)).collect();
    let target = Written::parse(target);
    if args.delta {
        delta(ctx, args, &sources, &target).await
    } else {
        copy(ctx, args, &sources, &target).await
    }
}

/// docker-machine's words, after the help.
pub(super) fn improper(ctx: &Context, name: &str) -> Failure {
    let mut command = crate::commands::root::command(&ctx.program, &ctx.argv, &ctx.env, &ctx.registry);
    command.build();
    if let Some(command) = command.find_subcommand_mut(name) {
        ctx.printer.raw(&command.render_help().to_string());
    }
    Failure::usage("Improper number of arguments")
}

async fn copy(ctx: &Context, args: &Args, sources: &[Written], target: &Written) -> Outcome {
    ctx.when_interrupted("Interrupted. Files that were not whole yet did not get their names.");
    let mut sessions = Sessions::open(ctx, sources.iter().chain([target])).await?;
    let target = sessions.place(target).await?;
    let mut places = Vec::new();
    for source in sources {
        places.push(sessions.place(source).await?);
    }
    let bar = TransferBar::new(args.quiet || !ctx.draws());
    let options = Options { recursive: args.recursive };
    let done = transfer::copy(&places, &target, options, Arc::new(bar.clone())).await;
    bar.finish();
    sessions.close().await;
    conclude(ctx, args, done.map_err(error)?, bar.seconds())
}

fn conclude(ctx: &Context, args: &Args, copied: Copied, seconds: f64) -> Outcome {
    let Copied { files, bytes, errors } = copied;
    if !args.quiet && errors.is_empty() {
        let plural = if files == 1 { "" } else { "s" };
        ctx.last_word(&format!("Copied {files} file{plural}, {} in {seconds:.1} s", size(bytes)));
    }
    Failure::join(errors.into_iter().map(error).collect())
}

fn size(bytes: u64) -> String {
    const STEPS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match STEPS.iter().find(|(least, _)| bytes >= *least) {
        Some((least, unit)) => format!("{:.1} {unit}", bytes as f64 / *least as f64),
        None => format!("{bytes} B"),
    }
}

fn error(mut e: transfer::TransferError) -> Failure {
    let (left, hint) = (e.left.take(), e.hint.take());
    let mut error = Failure::from_error(e);
    error.details.extend(left);
    error.hints.extend(hint);
    error
}

/// Each machine that is named is reached once, all of them at the same time.
struct Sessions(BTreeMap<(Option<String>, String), (crate::ssh::Session, Side)>);

impl Sessions {
    async fn open(ctx: &Context, paths: impl Iterator<Item = &Written>) -> Result<Self, Failure> {
        let mut wanted = BTreeMap::new();
        for path in paths {
            if let Written::There { user, machine, .. } = path {
                wanted.insert((user.clone(), machine.clone()), load(ctx, user.as_deref(), machine)?);
            }
        }
        let machines = ctx.machines();
        let opening = wanted.into_iter().map(|(key, machine)| {
            let machines = machines.clone();
            async move {
                let session = machines.open(&machine).await?;
                let sftp = session.sftp().await?;
                let side = Side::Host { machine: key.1.clone(), sftp };
                Ok::<_, Failure>((key, (session, side)))
            }
        });
        let opened = futures_util::future::join_all(opening).await;
        let (sessions, errors): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
        Failure::join(errors.into_iter().filter_map(Result::err).collect())?;
        Ok(Self(sessions.into_iter().flatten().collect()))
    }

    async fn place(&mut self, path: &Written) -> Result<Place, Failure> {
        let (user, machine, path) = match path {
            Written::Here(path) => return Ok(Place::new(Side::Local, local(path))),
            Written::There { user, machine, path } => (user, machine, path),
        };
        let found = self.0.get(&(user.clone(), machine.clone()));
        let (_, side) = found.ok_or_else(|| Failure::new(format!("{machine} was not reached")))?;
        Ok(Place::new(side.clone(), remote(path)?))
    }

    async fn close(self) {
        futures_util::future::join_all(self.0.into_values().map(|(session, _)| session.close())).await;
    }
}

fn local(path: &OsStr) -> PathBuf {
    PathBuf::from(if path.is_empty() { OsStr::new(".") } else { path })
}

/// SFTP begins in the home; a shell's `~` is that.
fn remote(path: &OsStr) -> Result<PathBuf, Failure> {
    let Some(text) = path.to_str() else { return Ok(path.into()) };
    match text {
        "" | "~" | "~/" => Ok(".".into()),
        _ if text.starts_with("~/") => Ok(text.trim_start_matches("~/").into()),
        _ if text.starts_with('~') => {
            let message = format!("{text}: homes of other users are not looked up");
            Err(Failure::usage(message).hint("give the whole path, or log in as that user: USER@MACHINE:"))
        }
        _ => Ok(path.into()),
    }
}

/// A machine, to be reached as somebody else if that is asked for.
pub(super) fn load(ctx: &Context, user: Option<&str>, name: &str) -> Result<Machine, Failure> {
    let failed = |e: Failure| e.prefix("Error loading host: Error loading host: ");
    let name = existing(ctx, name).map_err(failed)?;
    let mut machine = ctx.machines().load(&name).map_err(failed)?;
    if let Some(user) = user {
        machine.log_in_as(user);
    }
    Ok(machine)
}

/// rsync speaks through `__rsh`, so that machine, port, key, host key and jump host are what they are for `ssh`.
async fn delta(ctx: &Context, args: &Args, sources: &[Written], target: &Written) -> Outcome {
    let is_there = |w: &Written| matches!(w, Written::There { .. });
    if is_there(target) && sources.iter().any(is_there) {
        return Err(Failure::usage("rsync does not copy from one machine to another")
            .hint("leave out -d: then the data goes through this computer"));
    }
    let machines: Vec<_> = sources.iter().chain([target]).filter(|w| is_there(w)).collect();
    for path in &machines {
        if let Written::There { user, machine, .. } = path {
            load(ctx, user.as_deref(), machine)?;
        }
    }
    let program = ctx.find_program("rsync").ok_or_else(|| {
        Failure::new("You must have a copy of the rsync binary locally to use the --delta option")
            .hint("on Debian and Ubuntu: apt-get install rsync; or leave out -d")
    })?;
    let words = rsync_words(args, sources, target, ctx.printer.stdout_is_terminal());
    let status = external::run(&program, &words, &[("RSYNC_RSH", rsh(ctx)?.as_ref())]).await;
    ended("rsync", status)
}

fn rsync_words(args: &Args, sources: &[Written], target: &Written, terminal: bool) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if !args.quiet && terminal {
        words.push("--progress".into());
    }
    // Names go as they are, for no shell to read.
    words.push("--protect-args".into());
    if args.recursive {
        words.extend(["--recursive", "--links", "--perms", "--times"].map(OsString::from));
    }
    words.push("--".into());
    words.extend(sources.iter().chain([target]).map(|path| match path {
        // A colon in it must not make it a host's.
        Written::Here(path) if Path::new(path).is_absolute() => path.clone(),
        Written::Here(path) => prefixed("./", path),
        Written::There { user: Some(user), machine, path } => prefixed(&format!("{user}@{machine}:"), path),
        Written::There { user: None, machine, path } => prefixed(&format!("{machine}:"), path),
    }));
    words
}

/// Joins text and a path of any bytes.
pub(super) fn prefixed(text: &str, path: &OsStr) -> OsString {
    let mut word = OsString::from(text);
    word.push(path);
    word
}

/// As rsync parts it again: blanks count unless they are quoted.
fn rsh(ctx: &Context) -> Result<String, Failure> {
    let own = ctx.own_program()?;
    let store = std::path::absolute(ctx.store.root()).unwrap_or_else(|_| ctx.store.root().to_owned());
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', "''"));
    Ok(format!("{} -s {} __rsh", quoted(&own), quoted(&store)))
}

/// A program that was run ended well, or has said why not.
pub(super) fn ended(program: &str, status: std::io::Result<i32>) -> Outcome {
    match status {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::with_exit(
            Exit::Remote(u8::try_from(code).unwrap_or(1)),
            format!("exit status {code}"),
        )
        .hint(format!("{program} says above what it did not like"))),
        Err(e) => Err(Failure::because(format!("{program} cannot be run"), e)),
    }
}

pub(crate) async fn rsh_run(ctx: &Context, args: &RshArgs) -> Outcome {
    let Some((name, command)) = args.words.split_first() else {
        return Err(Failure::usage("Error: Expected one machine name as an argument"));
    };
    let machine = load(ctx, args.user.as_deref(), name)?;
    let session = ctx.machines().open(&machine).await?;
    let command = command.join(" ");
    let done = session.pipe(Some(&command), local_stdin(), tokio::io::stdout(), tokio::io::stderr()).await;
    match done.as_ref().map(ExitStatus::code) {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::silent(Exit::Remote(u8::try_from(code).unwrap_or(255)))),
        Err(SshError::Local { .. }) => Ok(()),
        Err(_) => done.map(drop).map_err(Failure::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(user: Option<&str>, machine: &str, path: &str) -> Written {
        Written::There { user: user.map(str::to_owned), machine: machine.to_owned(), path: path.into() }
    }

    fn remote_path(path: &str) -> Result<PathBuf, Failure> {
        remote(path.as_ref())
    }

    fn parsed(word: &str) -> Written {
        Written::parse(word.as_ref())
    }

    #[test]
    fn paths_are_docker_machines() {
        assert_eq!(parsed("node1:/etc/x"), there(None, "node1", "/etc/x"));
        assert_eq!(parsed("me@node1:x y"), there(Some("me"), "node1", "x y"));
        assert_eq!(parsed("node1:"), there(None, "node1", ""));
        assert_eq!(parsed("localhost:/etc/x"), Written::Here("/etc/x".into()));
        assert_eq!(parsed("./a:b"), Written::Here("./a:b".into()));
        assert_eq!(parsed("/a:b"), Written::Here("/a:b".into()));
        assert_eq!(parsed("file"), Written::Here("file".into()));
        assert_eq!(parsed("node1:a:b"), there(None, "node1", "a:b"));
    }

    #[test]
    fn homes() {
        assert_eq!(remote_path("").unwrap(), PathBuf::from("."));
        assert_eq!(remote_path("~/x").unwrap(), PathBuf::from("x"));
        assert_eq!(remote_path("/x").unwrap(), PathBuf::from("/x"));
        assert!(remote_path("~ann/x").is_err());
    }

    #[test]
    fn rsync_is_told_names_and_no_more() {
        let args = Args { paths: vec![], recursive: true, delta: true, quiet: false };
        let sources = [parsed("a b"), parsed("./x:y"), parsed("-e")];
        let words = rsync_words(&args, &sources, &parsed("me@node1:/srv"), false);
        assert_eq!(
            words.join(OsStr::new("|")),
            "--protect-args|--recursive|--links|--perms|--times|--|./a b|././x:y|./-e|me@node1:/srv"
        );
        let quiet = Args { recursive: false, ..args };
        assert_eq!(rsync_words(&quiet, &sources[..1], &parsed("n:"), true)[0], "--progress");
    }

    #[test]
    fn sizes() {
        assert_eq!([size(7), size(1_500), size(2_000_000_000)], ["7 B", "1.5 kB", "2.0 GB"]);
    }
}
