//! The list: rows, filters and formats. What is true of a machine comes from `swarm::observe`.

mod filter;

use std::cmp::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use rmachine_driver::{MachineName, State};
use serde_json::{Value, json};

use self::filter::Filters;
use crate::app::Context;
use crate::commands::shared::{Outcome, missing};
use crate::machines::Machine;
use crate::machines::observe::{Observed, Round};
use crate::model::{Failure, Role};
use crate::swarm::Swarm;
use crate::ui::{table, template};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rmachine ls --filter state=Running --filter driver=generic
  rmachine ls -f 'table {{.Name}}\\t{{.URL}}\\t{{.DockerVersion}}'
  rmachine rm -y $(rmachine ls -q)

Filters: name=REGEX, driver=NAME, state=STATE, swarm=NAME, label=KEY=VALUE. Several filters with the same key list \
the machines that match any of them.

Fields of a template: Name, Active, ActiveHost, ActiveSwarm, DriverName, State, URL, Swarm, SwarmOptions, \
EngineOptions, Error, DockerVersion, ResponseTime, Phase.")]
pub(crate) struct Args {
    /// Machines to list [default: all]
    #[arg(value_name = "MACHINE")]
    names: Vec<String>,

    /// Print names only
    #[arg(long, short)]
    quiet: bool,

    /// List only machines that match the filter; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,

    /// Seconds to wait for the machines, which are queried in parallel
    #[arg(long, short, value_name = "SECONDS", default_value = "10", value_parser = crate::commands::shared::go_int)]
    timeout: i64,

    /// Format the output with a Go template, or with `table` and a template
    #[arg(long, short, value_name = "TEMPLATE")]
    format: Option<String>,

    /// Output format: table or json
    #[arg(
        long,
        short,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        hide_possible_values = true,
        conflicts_with = "format"
    )]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

const TABLE: &str = "table {{.Name}}\t{{.Active}}\t{{.DriverName}}\t{{.State}}\t{{.URL}}\t{{.Swarm}}\t\
                     {{.DockerVersion}}\t{{.Error}}";

/// Headers of `table`, by field.
const HEADERS: [(&str, &str); 14] = [
    ("Name", "NAME"),
    ("Active", "ACTIVE"),
    ("ActiveHost", "ACTIVE_HOST"),
    ("ActiveSwarm", "ACTIVE_SWARM"),
    ("DriverName", "DRIVER"),
    ("State", "STATE"),
    ("URL", "URL"),
    ("SwarmOptions", "SWARM_OPTIONS"),
    ("Swarm", "SWARM"),
    ("EngineOptions", "ENGINE_OPTIONS"),
    ("Error", "ERRORS"),
    ("DockerVersion", "DOCKER"),
    ("ResponseTime", "RESPONSE"),
    ("Phase", "PHASE"),
];

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let filters = Filters::parse(&args.filter)?;
    let swarm = ctx.swarm();
    let names = names(ctx, &args.names)?;
    if args.quiet && filters.is_empty() {
        // Scripts that only want names pay for one directory, not for a thousand files.
        return quiet(ctx, args, names.iter());
    }
    let mut machines: Vec<_> = names.into_iter().map(|n| (swarm.machines.load(&n), n)).collect();
    // One that was removed since the names were read is not broken: it is gone.
    machines.retain(|(loaded, name)| loaded.is_ok() || ctx.store.exists(name));
    machines.retain(|(loaded, name)| filters.admit(loaded.as_ref().ok(), name));
    if args.quiet && filters.state.is_empty() && filters.swarm.is_empty() {
        return quiet(ctx, args, machines.iter().filter(|(m, _)| m.is_ok()).map(|(_, n)| n));
    }
    // docker-machine takes a negative time for none.
    let limit = Duration::from_secs(u64::try_from(args.timeout).unwrap_or(0));
    let round = Round::of(machines.iter().filter_map(|(m, _)| m.as_ref().ok()));
    let seen = join_all(machines.iter().map(|(m, _)| look(&swarm, &round, m.as_ref(), limit))).await;
    drop(round);
    let mut rows: Vec<_> = machines.into_iter().zip(seen).map(|((m, n), s)| Row::new(m, n, s)).collect();
    name_swarms(&mut rows);
    rows.retain(|row| filters.admit_state(row.seen.state) && filters.admit_swarm(&row.swarm));
    if args.quiet {
        return quiet(ctx, args, rows.iter().filter(|r| r.machine.is_some()).map(|r| &r.name));
    }
    rows.sort_by(|a, b| natural(a.name.as_str(), b.name.as_str()));
    let docker_host = ctx.env.get("DOCKER_HOST").unwrap_or_default();
    let data: Vec<Value> = rows.iter().map(|r| r.fields(docker_host, &ctx.program)).collect();
    ctx.printer.raw(&match args.output {
        Output::Json => format!("{}\n", template::pretty(&for_programs(ctx, &rows, data))),
        Output::Table => formatted(args.format.as_deref().unwrap_or(TABLE), &data)?,
    });
    crate::commands::engine::certs::note_due(
        ctx,
        &rows.iter().filter_map(|r| r.machine.as_ref()).collect::<Vec<_>>(),
    );
    Ok(())
}

fn names(ctx: &Context, wanted: &[String]) -> Result<Vec<MachineName>, Failure> {
    let mut names = ctx.store.names()?;
    if let Some(unknown) = wanted.iter().find(|w| !names.iter().any(|n| n.as_str() == *w)) {
        return Err(missing(ctx, unknown));
    }
    names.retain(|n| wanted.is_empty() || wanted.iter().any(|w| w == n.as_str()));
    Ok(names)
}

fn quiet<'a>(ctx: &Context, args: &Args, names: impl Iterator<Item = &'a MachineName>) -> Outcome {
    let names: Vec<&str> = names.map(MachineName::as_str).collect();
    let ended = |name: &&str| format!("{name}\n");
    ctx.printer.raw(&match args.output {
        Output::Json => format!("{}\n", template::pretty(&json!(names))),
        Output::Table => names.iter().map(ended).collect(),
    });
    Ok(())
}

/// Programs get numbers where templates read words.
fn for_programs(ctx: &Context, rows: &[Row], data: Vec<Value>) -> Value {
    let more = |(row, mut fields): (&Row, Value)| {
        fields["ResponseTime"] = u64::try_from(row.seen.took.as_nanos()).unwrap_or(u64::MAX).into();
        fields["CertificatesDue"] =
            row.machine.as_ref().and_then(|m| crate::commands::engine::certs::due(ctx, m)).into();
        fields
    };
    rows.iter().zip(data).map(more).collect()
}

struct Row {
    name: MachineName,
    /// Nothing when its config.json cannot be read.
    machine: Option<Machine>,
    seen: Observed,
    swarm: String,
}

/// What $DOCKER_HOST has to do with a machine.
struct Active {
    mark: &'static str,
    host: bool,
    swarm: bool,
}

async fn look(
    swarm: &Swarm,
    round: &Round<'_>,
    loaded: Result<&Machine, &Failure>,
    limit: Duration,
) -> Observed {
    match loaded {
        Ok(machine) => swarm.machines.observe_in(round, machine, limit).await,
        Err(e) => Observed { state: State::Error, error: one_line(&e.message), ..Observed::default() },
    }
}

impl Row {
    fn new(loaded: Result<Machine, Failure>, name: MachineName, seen: Observed) -> Self {
        Self { name, machine: loaded.ok(), seen, swarm: String::new() }
    }

    fn driver_name(&self) -> &str {
        match &self.machine {
            None => "not found",
            Some(m) if m.driver.is_none() => "not-found",
            Some(m) => &m.stored.config.driver_name,
        }
    }

    /// Broken machines and those that gave no answer say neither `*` nor `-`.
    fn active(&self, docker_host: &str) -> Active {
        let Some(machine) = self.machine.as_ref().filter(|_| self.seen.state != State::Timeout) else {
            return Active { mark: "", host: false, swarm: false };
        };
        let running = self.seen.state == State::Running && !docker_host.is_empty();
        let host = running && self.seen.url == docker_host;
        let swarm = running && machine.swarm_url().as_deref() == Some(docker_host);
        let mark = if swarm {
            "* (swarm)"
        } else if host {
            "*"
        } else {
            "-"
        };
        Active { mark, host, swarm }
    }

    fn docker_version(&self) -> String {
        match (&self.machine, self.seen.state) {
            (None, _) | (_, State::Timeout) => String::new(),
            (Some(m), _) if m.driver.is_none() => "Unknown".to_owned(),
            _ => self.seen.docker_version.clone(),
        }
    }

    fn fields(&self, docker_host: &str, program: &str) -> Value {
        let active = self.active(docker_host);
        let options = self.machine.as_ref().filter(|_| self.seen.state != State::Timeout);
        let options = options.map(|m| &m.stored.config.host_options);
        let mut error = one_line(&self.seen.error);
        if let Some(unfinished) = self.machine.as_ref().and_then(|m| m.unfinished(program)) {
            error = unfinished;
        }
        json!({
            "Name": self.name.as_str(),
            "Active": active.mark,
            "ActiveHost": active.host,
            "ActiveSwarm": active.swarm,
            "DriverName": self.driver_name(),
            "State": self.seen.state.to_string(),
            "URL": self.seen.url,
            "SwarmOptions": options.map(|o| &o.swarm),
            "Swarm": self.swarm,
            "EngineOptions": options.map(|o| &o.engine),
            "Error": error,
            "DockerVersion": self.docker_version(),
            "ResponseTime": template::duration(self.seen.took),
            "Phase": self.machine.as_ref().map(|m| m.stored.own.phase.to_string()),
        })
    }
}

/// The cluster; of a classic swarm the master that shares the discovery string, as docker-machine has it.
fn name_swarms(rows: &mut [Row]) {
    let options = |row: &Row| row.machine.as_ref().map(|m| m.stored.config.host_options.swarm.clone());
    let masters: Vec<(String, String)> = rows
        .iter()
        .filter_map(|r| options(r).filter(|o| o.master).map(|o| (o.discovery, r.name.to_string())))
        .collect();
    for row in rows {
        let member = row.machine.as_ref().and_then(|m| m.stored.own.swarm.as_ref());
        if let Some(member) = member.filter(|m| m.has_joined()) {
            let manager = if member.role == Role::Manager { " (manager)" } else { "" };
            row.swarm = format!("{}{manager}", member.cluster);
        }
        let Some(swarm) = options(row).filter(|o| !o.discovery.is_empty()) else { continue };
        if let Some((_, master)) = masters.iter().find(|(discovery, _)| *discovery == swarm.discovery) {
            row.swarm = if swarm.master { format!("{} (master)", row.name) } else { master.clone() };
        }
    }
}

fn formatted(format: &str, rows: &[Value]) -> Result<String, Failure> {
    let format = format.trim().replace("\\t", "\t").replace("\\n", "\n");
    let render = |template: &str, row: &Value| {
        let text = template::render(template, row, template::Shape::Struct);
        text.map(|t| format!("{t}\n")).map_err(Failure::new)
    };
    match format.strip_prefix("table") {
        Some(template) => {
            let template = template.trim_start_matches(' ');
            let headers: Value = HEADERS.iter().map(|(f, h)| ((*f).to_owned(), Value::from(*h))).collect();
            let mut text = render(template, &headers)?;
            for row in rows {
                text.push_str(&render(template, row)?);
            }
            Ok(table::align(&text))
        }
        None => rows.iter().map(|row| render(&format, row)).collect(),
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

/// By lower-cased name, runs of digits by their number, numbers before letters; equal so far, by the bytes.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (x, y) = (a.to_lowercase(), b.to_lowercase());
    let (mut x, mut y) = (x.as_str(), y.as_str());
    loop {
        match (x.chars().next(), y.chars().next()) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(c), Some(d)) if c.is_ascii_digit() && d.is_ascii_digit() => {
                let (n, rest_x) = digits(x);
                let (m, rest_y) = digits(y);
                match n.len().cmp(&m.len()).then_with(|| n.cmp(m)) {
                    Ordering::Equal => (x, y) = (rest_x, rest_y),
                    unequal => return unequal,
                }
            }
            (Some(c), Some(d)) if c != d => return c.cmp(&d),
            (Some(c), Some(_)) => (x, y) = (&x[c.len_utf8()..], &y[c.len_utf8()..]),
        }
    }
}

/// A leading run of digits without its zeros, and what follows it.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_natural() {
        let mut names = ["z.a", "node10", "a", "Node2", "z-a", "node9", "1b", "node09"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["1b", "a", "Node2", "node09", "node9", "node10", "z-a", "z.a"]);
        assert_ne!(natural("A", "a"), Ordering::Equal, "two machines must not become one");
    }

    #[test]
    fn formats() {
        let rows = [json!({"Name": "a", "State": "Running"}), json!({"Name": "long-name", "State": ""})];
        assert_eq!(formatted("{{.Name}}={{.State}}", &rows).unwrap(), "a=Running\nlong-name=\n");
        assert_eq!(
            formatted("table {{.Name}}\\t{{.State}}", &rows).unwrap(),
            "NAME        STATE\na           Running\nlong-name   \n"
        );
    }
}
