use std::io::ErrorKind;

use crate::app::Context;
use crate::commands::shared::{Outcome, one_name};
use crate::model::{Exit, Failure};
use crate::ssh::{ExitStatus, SshError, Terminal, local_stdin};

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "rmachine ssh [OPTIONS] [MACHINE] [COMMAND]...",
    after_help = "\
All words after the machine's name belong to the command. The exit status is that of the command.

Examples:
  rmachine ssh node1                       # a login shell
  rmachine ssh node1 docker ps -a
  cat app.tar | rmachine ssh node1 'tar -x -C /srv'
  rmachine ssh --all -- uptime             # on every machine"
)]
pub(crate) struct Args {
    /// Machine [default: the machine named default], then the command to run on it
    #[arg(value_name = "MACHINE|COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,

    /// Allocate a terminal for the command
    #[arg(long, short = 't')]
    tty: bool,

    /// Run the command on all machines, as `run` does on the nodes of a swarm
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    choice: crate::commands::access::run::Choice,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    if args.all {
        return crate::commands::access::run::everywhere(ctx, own_words(&args.words, false)?.1, &args.choice)
            .await;
    }
    if args.choice != crate::commands::access::run::Choice::default() {
        return Err(Failure::usage("--label, --name and --output are for ssh --all"));
    }
    let (name, command) = match args.words.split_first() {
        Some((name, command)) => (one_name(ctx, std::slice::from_ref(name))?, command),
        None => (one_name(ctx, &[])?, &[][..]),
    };
    let (tty, command) = own_words(command, args.tty)?;
    let machines = ctx.machines();
    let machine = machines.load(&name)?;
    let session = machines.open(&machine).await?;
    // As ssh does: words joined by blanks, for the remote shell to read.
    let command = Some(command.join(" ")).filter(|c| !c.is_empty());
    let term = ctx.env.get("TERM").unwrap_or("xterm");
    let terminal = if command.is_none() || tty { Terminal::local(term)? } else { None };
    let status = match terminal {
        Some(terminal) => session.shell(command.as_deref(), terminal).await,
        None => {
            session.pipe(command.as_deref(), local_stdin(), tokio::io::stdout(), tokio::io::stderr()).await
        }
    };
    match status {
        Ok(status) => ended(&status),
        // Whoever read our output has seen enough.
        Err(SshError::Local { source, .. }) if source.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(SshError::Interrupted { number, .. }) => Err(Failure::silent(Exit::Remote(code(128 + number)))),
        Err(e) => Err(Failure::from(e)),
    }
}

/// What the ssh program would have taken for itself before the command begins: `--` and -t are understood.
fn own_words(words: &[String], tty: bool) -> Result<(bool, &[String]), Failure> {
    match words.split_first() {
        Some((word, rest)) if word == "--" => Ok((tty, rest)),
        Some((word, rest)) if word == "-t" || word == "-tt" => own_words(rest, true),
        Some((word, rest)) if word == "-T" => own_words(rest, false),
        Some((word, _)) if word.starts_with('-') => Err(Failure::usage(format!(
            "ssh {word}: options of the ssh program are not understood, beside -t, -T and --"
        ))
        .hint("inspect -f '{{.Driver.SSHUser}}@{{.Driver.IPAddress}} {{.Driver.SSHKeyPath}}' tells what ssh needs")),
        _ => Ok((tty, words)),
    }
}

fn ended(status: &ExitStatus) -> Outcome {
    match code(status.code()) {
        0 => Ok(()),
        code => Err(Failure::silent(Exit::Remote(code))),
    }
}

fn code(status: i32) -> u8 {
    u8::try_from(status).unwrap_or(255)
}
