use jiff::{Timestamp, Unit};
use rmachine_driver::MachineName;
use serde_json::{Value, json};

use crate::app::Context;
use crate::certs::{Certificate, CertificateKind, Holder};
use crate::commands::shared::{Outcome, existing};
use crate::machines::Machine;
use crate::model::Failure;
use crate::ui::table;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The list shows the CA certificate, the client certificate and the certificate of every engine, and when each one \
expires. rmachine reads them from its store and contacts no machine. `rmachine provision` and `rmachine \
regenerate-certs` renew certificates that expire in less than 30 days.

Examples:
  rmachine certs
  rmachine certs -o json | jq -r '.[] | select(.DaysLeft < 90) | .Machines[]'
  rmachine regenerate-certs -f node1             # the engine's certificate
  rmachine regenerate-certs -f --client-certs    # the client certificate too")]
pub(crate) struct Args {
    /// List only the certificates of these machines
    #[arg(value_name = "MACHINE")]
    names: Vec<String>,

    /// Output format: table or json
    #[arg(
        long,
        short,
        default_value = "table",
        value_parser = ["table", "json"],
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    output: String,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Outcome {
    let chosen = chosen_machines(ctx, &args.names)?;
    let holders: Vec<Holder<'_>> = chosen.iter().map(Machine::holder).collect();
    let mut list = ctx.machines().certs.certificates(&holders);
    if !args.names.is_empty() {
        list.retain(|c| !c.machines.is_empty());
    }
    let now = Timestamp::now();
    if args.output == "json" {
        let list: Vec<Value> = list.iter().map(|c| described(c, now)).collect();
        let text = crate::store::json::pretty(&list).map_err(Failure::from_error)?;
        ctx.printer.line(&text);
        return Ok(());
    }
    let mut text = "CERTIFICATE\tMACHINE\tENDS\tDAYS LEFT\tFILE\n".to_owned();
    list.iter().for_each(|c| text.push_str(&row(c, now)));
    ctx.printer.raw(&table::align(&text));
    Ok(())
}

/// All that can be read, unless some are named: those have to be there.
fn chosen_machines(ctx: &Context, names: &[String]) -> Result<Vec<Machine>, Failure> {
    let machines = ctx.machines();
    if names.is_empty() {
        let all = ctx.store.names()?;
        return Ok(all.iter().filter_map(|name| machines.load(name).ok()).collect());
    }
    names.iter().map(|name| machines.load(&existing(ctx, name)?)).collect()
}

fn word(kind: CertificateKind) -> &'static str {
    match kind {
        CertificateKind::Ca => "ca",
        CertificateKind::Client => "client",
        CertificateKind::Server => "server",
    }
}

fn days(ends: Timestamp, now: Timestamp) -> i64 {
    ends.duration_since(now).as_secs().div_euclid(24 * 3600)
}

fn row(c: &Certificate, now: Timestamp) -> String {
    let machine = match &c.machines[..] {
        [] => "-".to_owned(),
        [one] => one.to_string(),
        several => format!("{} machines", several.len()),
    };
    let (ends, left) = match &c.ends {
        Ok(ends) => (ends.strftime("%F").to_string(), days(*ends, now).to_string()),
        Err(reason) => (format!("unknown: {}", reason.replace(['\n', '\t'], " ")), "-".to_owned()),
    };
    format!("{}\t{machine}\t{ends}\t{left}\t{}\n", word(c.kind), c.path.display())
}

fn described(c: &Certificate, now: Timestamp) -> Value {
    json!({
        "Kind": word(c.kind),
        "Machines": c.machines.iter().map(MachineName::as_str).collect::<Vec<_>>(),
        "File": c.path,
        "Ends": c.ends.as_ref().ok().map(|t| t.round(Unit::Second).unwrap_or(*t).to_string()),
        "DaysLeft": c.ends.as_ref().ok().map(|t| days(*t, now)),
        "Error": c.ends.as_ref().err(),
    })
}

/// A line for a person at a terminal, and for no program: any other output of `ls` is docker-machine's.
pub(crate) fn note_due(ctx: &Context, machines: &[&Machine]) {
    if !ctx.printer.stdout_is_terminal() || !ctx.printer.stderr_is_terminal() {
        return;
    }
    let now = Timestamp::now();
    let holders: Vec<Holder<'_>> = machines.iter().map(|m| m.holder()).collect();
    for c in ctx.machines().certs.certificates(&holders).iter().filter(|c| c.is_due(now)) {
        let program = &ctx.program;
        let (what, advice) = match (c.kind, &c.machines[..]) {
            (CertificateKind::Server, [name, ..]) => {
                (format!("of {name}"), format!("{program} regenerate-certs -f {name}"))
            }
            (kind, names) => {
                let names: Vec<&str> = names.iter().map(MachineName::as_str).collect();
                let advice = format!("{program} regenerate-certs -f --client-certs {}", names.join(" "));
                (format!("({}) {}", word(kind), c.path.display()), advice)
            }
        };
        let left = c.ends.as_ref().map_or(0, |ends| days(*ends, now));
        let when = if left < 0 { "has ended".to_owned() } else { format!("ends in {left} days") };
        ctx.printer.error_line(&format!("The certificate {what} {when}: `{advice}`"));
    }
}

/// What `inspect` shows of a machine beside docker-machine's keys, and only when it is due.
pub(crate) fn due(ctx: &Context, machine: &Machine) -> Option<Value> {
    let now = Timestamp::now();
    let due = ctx.machines().certs.due_certificates(&machine.holder(), now);
    let of = |c: &Certificate| json!({ "Kind": word(c.kind), "Ends": c.ends.as_ref().ok().map(ToString::to_string) });
    (!due.is_empty()).then(|| due.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_ones() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let at = |seconds: i64| days(Timestamp::from_second(1_800_000_000 + seconds).unwrap(), now);
        assert_eq!([at(86_400), at(86_399), at(0), at(-1)], [1, 0, 0, -1]);
    }
}
