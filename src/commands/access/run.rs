//! `run`: one command on every node of a cluster, or with `ssh --all` on every machine.

use regex::Regex;
use rmachine_driver::{MachineName, Phase};
use serde_json::json;

use crate::app::Context;
use crate::commands::shared::Outcome;
use crate::machines::{Machine, Ran};
use crate::model::{Exit, Failure, Role};
use crate::ssh::Stream;
use crate::swarm::{Cluster, Swarm};

/// A connection each; more of them at once gain nothing.
const AT_ONCE: usize = 64;
/// What the ssh program says of a host that it cannot reach.
const UNREACHED: u8 = 255;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line of output begins with the name of its node. The exit status is the highest of all nodes, where an \
unreachable node counts as 255. The command gets no standard input. Ctrl-C stops the command on all nodes.

Examples:
  rmachine run lab -- uptime
  rmachine run lab --role worker -- docker system df
  rmachine run lab --name '-w[12]$' -o json -- cat /etc/hostname
  rmachine ssh --all -- df -h /")]
pub(crate) struct Args {
    /// Swarm, or one of its machines
    #[arg(value_name = "SWARM")]
    cluster: String,

    /// Run on the nodes with this role: manager or worker
    #[arg(long, value_enum, value_name = "ROLE", hide_possible_values = true)]
    role: Option<Kind>,

    #[command(flatten)]
    choice: Choice,

    /// Command to run, with its arguments
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Manager,
    Worker,
}

/// Which machines, and how they are heard.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Choice {
    /// Run on the machines with this label of the node or of the engine
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,

    /// Run on the machines whose name matches
    #[arg(long, value_name = "REGEX")]
    name: Option<String>,

    /// Output format: text, or json with one object a line
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Form,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    #[default]
    Text,
    Json,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let swarm = ctx.swarm();
    let cluster = crate::commands::swarm::which(&swarm, Some(&args.cluster))?;
    let wanted = args.role.map(|k| if k == Kind::Manager { Role::Manager } else { Role::Worker });
    let members = cluster.members.iter().filter(|m| wanted.is_none_or(|r| r == m.membership.role));
    let names: Vec<MachineName> = members.map(|m| m.machine.clone()).collect();
    let names = chosen(&swarm, names, &args.choice, Some(&cluster)).await?;
    on(ctx, &swarm, &names, &args.command, &args.choice).await
}

/// `ssh --all`: every machine that has a host and is finished.
pub(super) async fn everywhere(ctx: &Context, command: &[String], choice: &Choice) -> Outcome {
    if command.is_empty() {
        return Err(Failure::usage("ssh --all wants a command: a terminal is on one machine alone"));
    }
    let swarm = ctx.swarm();
    let has_host = |m: &Machine| {
        m.stored.own.phase == Phase::Ready && m.driver.as_ref().is_some_and(|d| d.features().host)
    };
    let names = ctx.store.names()?;
    let names = names.into_iter().filter(|n| swarm.machines.load(n).is_ok_and(|m| has_host(&m))).collect();
    let names = chosen(&swarm, names, choice, None).await?;
    on(ctx, &swarm, &names, command, choice).await
}

async fn chosen(
    swarm: &Swarm,
    mut names: Vec<MachineName>,
    choice: &Choice,
    cluster: Option<&Cluster>,
) -> Result<Vec<MachineName>, Failure> {
    if let Some(pattern) = &choice.name {
        let pattern = Regex::new(pattern).map_err(|e| Failure::usage(format!("--name: {e}")))?;
        names.retain(|n| pattern.is_match(n.as_str()));
    }
    for label in &choice.label {
        let Some((key, value)) = label.split_once('=') else {
            return Err(Failure::usage(format!("--label must be KEY=VALUE, not {label:?}")));
        };
        let of_nodes = match cluster {
            Some(cluster) => swarm.labelled_status(cluster, key, value).await?,
            None => Vec::new(),
        };
        names.retain(|n| {
            of_nodes.contains(n) || swarm.machines.load(n).is_ok_and(|m| m.has_engine_label(label))
        });
    }
    if names.is_empty() {
        return Err(Failure::new("no machine is left to run it on"));
    }
    Ok(names)
}

async fn on(
    ctx: &Context,
    swarm: &Swarm,
    names: &[MachineName],
    command: &[String],
    choice: &Choice,
) -> Outcome {
    let json = choice.output == Form::Json;
    let printer = ctx.printer;
    let on_line = |name: &MachineName, stream: Stream, line: &str| match (json, stream) {
        (true, _) => {
            let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" };
            printer.line(&json!({"machine": name.as_str(), "stream": stream, "line": line}).to_string());
        }
        (false, Stream::Stdout) => printer.line(&format!("{name}: {line}")),
        (false, Stream::Stderr) => printer.error_line(&format!("{name}: {line}")),
    };
    let on_end = |ran: &Ran| {
        if json {
            printer.line(&ended(ran).to_string());
        }
    };
    // As ssh does: words joined by blanks, for the remote shell to read.
    let command = command.join(" ");
    ctx.when_interrupted("Interrupted: the command ends on every machine.");
    let ran = swarm.machines.run_on(names, &command, AT_ONCE, &on_line, on_end).await;
    conclude(ctx, &ran, json)
}

fn ended(ran: &Ran) -> serde_json::Value {
    let ms = u64::try_from(ran.took.as_millis()).unwrap_or(u64::MAX);
    match &ran.ended {
        Ok(status) => json!({"machine": ran.machine.as_str(), "exit": status.code(), "ms": ms}),
        Err(e) => {
            json!({"machine": ran.machine.as_str(), "error": e.message, "causes": e.causes(), "ms": ms})
        }
    }
}

fn code(ran: &Ran) -> u8 {
    ran.ended.as_ref().map_or(UNREACHED, |status| u8::try_from(status.code()).unwrap_or(UNREACHED))
}

fn conclude(ctx: &Context, ran: &[Ran], json: bool) -> Outcome {
    let highest = ran.iter().map(code).max().unwrap_or_default();
    if highest == 0 {
        return Ok(());
    }
    let mut bad: Vec<_> = ran.iter().filter(|r| code(r) != 0).collect();
    bad.sort_by(|a, b| a.machine.cmp(&b.machine));
    if !json {
        let told = bad.iter().map(|r| match &r.ended {
            Ok(status) => format!("{}: {status}", r.machine),
            Err(e) => format!("{}: {}", r.machine, e.message),
        });
        let told: Vec<_> = told.collect();
        let summary =
            format!("It failed on {} of {} machines:\n  {}", bad.len(), ran.len(), told.join("\n  "));
        ctx.printer.error_line(&summary);
    }
    Err(Failure::silent(Exit::Remote(highest)))
}

impl Machine {
    /// Of `--engine-label`, as docker-machine keeps them.
    fn has_engine_label(&self, label: &str) -> bool {
        let labels = &self.stored.config.host_options.engine.labels;
        labels.iter().flatten().any(|l| l == label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::ExitStatus;

    #[test]
    fn the_highest_exit_code_counts() {
        let ran =
            |ended| Ran { machine: MachineName::parse("m").unwrap(), ended, took: std::time::Duration::ZERO };
        assert_eq!(code(&ran(Ok(ExitStatus::Code(3)))), 3);
        assert_eq!(code(&ran(Ok(ExitStatus::Signal("TERM".into())))), 143);
        assert_eq!(code(&ran(Err(Failure::new("gone")))), 255);
    }

    #[test]
    fn json_lists_the_causes_of_a_failure() {
        let failure = Failure::new("cannot reach m").caused_by(std::io::Error::from_raw_os_error(113));
        let machine = MachineName::parse("m").unwrap();
        let ran = Ran { machine, ended: Err(failure), took: std::time::Duration::ZERO };
        let expected =
            json!({"machine": "m", "error": "cannot reach m", "causes": ["no route to host"], "ms": 0});
        assert_eq!(ended(&ran), expected);
    }
}
