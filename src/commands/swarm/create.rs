//! `swarm create`: so many managers, so many workers, all at once. The same words again go on where it was.

use clap::ArgMatches;
use rmachine_driver::{Login, MachineName};

use crate::app::Context;
use crate::commands::machine::create::{interrupted, known_driver, plan, report_default_driver};
use crate::commands::shared::Outcome;
use crate::commands::swarm::{Founding, Settings, cluster_name};
use crate::model::{ClusterName, Exit, Failure, Membership, Role, SwarmSettings};
use crate::registry::Registry;
use crate::swarm::Making;
use crate::swarm::rules::quorum;

/// More than a flag that went wrong should make.
const MOST: u32 = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the swarm; its machines are SWARM-m1, SWARM-m2, ... and SWARM-w1, SWARM-w2, ...
    #[arg(value_name = "SWARM")]
    name: String,

    /// Number of managers, which should be odd
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    managers: u32,

    /// Number of workers
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    workers: u32,

    /// Continue with the existing machines and create no others
    #[arg(long)]
    resume: bool,

    /// Print what would be created and exit
    #[arg(long)]
    dry_run: bool,

    /// Keep provider resources if creation fails
    #[arg(long)]
    keep_on_failure: bool,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    founding: Founding,
}

/// The flags of `create`, without those of the classic swarm.
pub(super) fn augment(command: clap::Command, registry: &Registry, driver: &str) -> clap::Command {
    let command = crate::commands::machine::create::augment(command, registry, driver);
    command
        .mut_args(|arg| if arg.get_id().as_str().starts_with("swarm") { arg.hide(true) } else { arg })
        .after_help(
            "\
To continue after a failure or an interruption, run the same command again, or run it with --resume to continue with the \
existing machines only. Without --driver, this help shows the options of the default driver.

Examples:
  rmachine swarm create --managers 3 --workers 2 lab
  rmachine swarm status lab
  rmachine swarm rm lab",
        )
}

pub(super) async fn run(ctx: &Context, args: &Args, matches: &ArgMatches) -> Outcome {
    let inner = matches.subcommand_matches("swarm").and_then(|m| m.subcommand_matches("create"));
    let matches = inner.unwrap_or(matches);
    let cluster = cluster_name(&args.name)?;
    let wanted = if args.resume { members(ctx, &cluster)? } else { wanted(ctx, args, &cluster)? };
    let settings = args.settings.resolve(Some(&args.founding))?;
    report_default_driver(ctx);
    let work = work(ctx, &cluster, &wanted, &settings, args.keep_on_failure, matches)?;
    let managers = wanted.iter().filter(|(_, role)| *role == Role::Manager).count();
    if let Some(warning) = quorum::even_advice(managers) {
        ctx.last_word(&format!("Warning: {warning}"));
    }
    if args.dry_run {
        for making in &work {
            let how = if matches!(making, Making::Create(_)) { "Would create" } else { "Would finish" };
            ctx.printer.line(&format!("{how} {}", making.name()));
        }
        return Ok(());
    }
    let names: Vec<MachineName> = wanted.iter().map(|(name, _)| name.clone()).collect();
    ctx.when_interrupted(format!(
        "{}\nThe same words again go on with the swarm.",
        interrupted(&ctx.program, &names)
    ));
    let swarm = ctx.swarm_for(names.len());
    let results = swarm.create_nodes(work).await;
    conclude(ctx, &cluster, &names, results)
}

fn wanted(ctx: &Context, args: &Args, cluster: &ClusterName) -> Result<Vec<(MachineName, Role)>, Failure> {
    if args.managers == 0 {
        return Err(Failure::usage("a swarm has at least one manager"));
    }
    if args.managers.saturating_add(args.workers) > MOST {
        return Err(Failure::usage(format!("that are more than {MOST} machines")));
    }
    let driver = known_driver(&ctx.argv, &ctx.env, &ctx.registry)?;
    if driver.features().login != Login::Generated {
        let message = format!("the driver {:?} makes one machine of one address", driver.name());
        return Err(Failure::usage(message)
            .hint("make each with `create --swarm-cluster NAME --swarm-role manager` or `worker`"));
    }
    let name = |role: Role, number: u32| {
        let letter = if role == Role::Manager { 'm' } else { 'w' };
        let name = MachineName::parse(&format!("{cluster}-{letter}{number}"));
        name.map(|n| (n, role)).map_err(|e| Failure::usage(e.to_string()))
    };
    let managers = (1..=args.managers).map(|n| name(Role::Manager, n));
    managers.chain((1..=args.workers).map(|n| name(Role::Worker, n))).collect()
}

fn members(ctx: &Context, cluster: &ClusterName) -> Result<Vec<(MachineName, Role)>, Failure> {
    let members = ctx.swarm().cluster(cluster)?.members;
    Ok(members.into_iter().map(|m| (m.machine, m.membership.role)).collect())
}

/// What is missing of each machine; one that is there and belongs elsewhere is refused before anything is done.
fn work(
    ctx: &Context,
    cluster: &ClusterName,
    wanted: &[(MachineName, Role)],
    settings: &SwarmSettings,
    keep_on_failure: bool,
    matches: &ArgMatches,
) -> Result<Vec<Making>, Failure> {
    let swarm = ctx.swarm();
    let making = |(name, role): &(MachineName, Role)| {
        if !ctx.store.exists(name) {
            let mut plan = plan(ctx, name.clone(), keep_on_failure, true, matches)?;
            plan.own.swarm = Some(Membership::new(cluster.clone(), *role, settings.clone()));
            return Ok(Making::Create(Box::new(plan)));
        }
        match swarm.membership(name)? {
            Some(member) if member.cluster == *cluster => Ok(Making::Finish(name.clone())),
            other => {
                let whose = other.map_or("no swarm".to_owned(), |m| format!("the swarm {}", m.cluster));
                Err(Failure::new(format!("Docker machine \"{name}\" already exists, and belongs to {whose}"))
                    .hint(format!(
                        "{} swarm join {name} --cluster {cluster}; or take another name",
                        ctx.program
                    )))
            }
        }
    };
    wanted.iter().map(making).collect()
}

fn conclude(
    ctx: &Context,
    cluster: &ClusterName,
    names: &[MachineName],
    results: Vec<Result<(), Failure>>,
) -> Outcome {
    let (good, bad): (Vec<_>, Vec<_>) = names.iter().zip(results).partition(|(_, r)| r.is_ok());
    let members = ctx.swarm().members(cluster)?;
    let managers = members.joined(Role::Manager).count();
    ctx.last_word(&format!(
        "{} of {} nodes are in the swarm {cluster}: {managers} managers, {} workers",
        good.len(),
        names.len(),
        members.joined(Role::Worker).count()
    ));
    if managers > 0 {
        ctx.last_word(&format!("{} swarm status {cluster} shows it", ctx.program));
    }
    let errors = bad.into_iter().filter_map(|(name, result)| {
        let failure = Failure { exit: Exit::Failed, ..result.err()? };
        Some(failure.prefix(&format!("{name}: ")))
    });
    Failure::join(errors.collect())
}
