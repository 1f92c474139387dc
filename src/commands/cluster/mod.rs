//! `cluster`: swarms declared in one file.

mod init;
mod show;
mod stacks;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rmachine_driver::MachineName;

use crate::app::Context;
use crate::cluster::file::{Surroundings, driver_names, parse, place_of};
use crate::cluster::{Kit, Limits, Node, Plan, Present, Remark, Wanted, down};
use crate::commands::machine::create::plan_of;
use crate::commands::shared::machine_options::{amendments_from_file, apply, from_file, shared};
use crate::commands::shared::{Outcome, SURE, SwarmRemoval, confirmed, remove_swarm};
use crate::commands::swarm::StatusForm;
use crate::machines::CreatePlan;
use crate::model::{ClusterName, Due, Exit, Failure};
use crate::stacks::deploy::Request;
use crate::store::StoredMachine;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rmachine cluster init && $EDITOR cluster.toml
  rmachine cluster plan
  rmachine cluster up
  rmachine cluster roll --replace workers
  rmachine cluster down")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write an example cluster file
    Init(init::Args),
    /// Print what `up` would add, change, replace and remove
    Plan(PlanArgs),
    /// Create or update the cluster to match the file
    #[command(alias = "create")]
    Up(Up),
    /// Provision, restart or replace the nodes one at a time
    Roll(Roll),
    /// Remove the cluster with all its machines
    #[command(visible_alias = "rm")]
    Down(Down),
    /// Print the nodes of the cluster and whether it has quorum
    #[command(visible_alias = "show")]
    Status(StatusArgs),
}

#[derive(Debug, Clone, clap::Args)]
struct File {
    /// Cluster file
    #[arg(long, short, value_name = "FILE", default_value = "cluster.toml")]
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
struct PlanArgs {
    #[command(flatten)]
    file: File,

    /// Output format: text or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: show::Output,

    /// Exit with status 2 if the plan has changes, and with 0 if not
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Debug, clap::Args)]
struct Up {
    #[command(flatten)]
    file: File,

    /// Maximum number of machines to create in parallel [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    parallel: Option<u32>,

    #[command(flatten)]
    patience: Patience,

    /// Replace and remove machines without asking
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct Patience {
    /// Seconds to wait for tasks to move and for nodes to become ready
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
rmachine rolls one node at a time: first the workers, then the managers, the leader last. It drains the node, changes it, \
waits until it is ready and activates it again. The managers keep their quorum. If a node fails, the roll stops. To \
continue, run: rmachine cluster up

Examples:
  rmachine cluster roll
  rmachine cluster roll --replace workers
  rmachine cluster roll --restart lab-workers-2")]
struct Roll {
    /// Groups or nodes to roll [default: all]
    #[arg(value_name = "GROUP|NODE")]
    which: Vec<String>,

    #[command(flatten)]
    file: File,

    /// Remove each machine and create it again
    #[arg(long, conflicts_with = "restart")]
    replace: bool,

    /// Restart each host instead of provisioning it
    #[arg(long)]
    restart: bool,

    #[command(flatten)]
    patience: Patience,

    /// Replace machines without asking
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
struct Down {
    /// Cluster to remove [default: the cluster of the file]
    #[arg(value_name = "CLUSTER", conflicts_with = "file")]
    cluster: Option<String>,

    #[command(flatten)]
    file: File,

    /// Remove machines from the store even if their provider is unreachable; implies -y
    #[arg(long)]
    force: bool,

    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = crate::commands::swarm::STATUS_HELP)]
struct StatusArgs {
    #[command(flatten)]
    file: File,

    #[command(flatten)]
    form: StatusForm,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Init(args) => init::run(ctx, args).await,
        Verb::Plan(args) => plan(ctx, args).await,
        Verb::Up(args) => up(ctx, args).await,
        Verb::Roll(args) => roll(ctx, args).await,
        Verb::Down(args) => down(ctx, args).await,
        Verb::Status(args) => args.form.show(ctx, &read(ctx, &args.file).await?.name).await,
    }
}

/// Reads the file, and finds out of every group whether its machines could be made.
async fn read(ctx: &Context, file: &File) -> Result<Wanted, Failure> {
    let path = &file.file;
    let text = std::fs::read_to_string(path).map_err(|e| {
        Failure::because(format!("cannot read {}", path.display()), e)
            .hint(format!("`{} cluster init` writes an example; -f names another file", ctx.program))
    })?;
    for name in driver_names(&text) {
        ctx.registry.open(&name).await?;
    }
    let specs = shared();
    let env = |name: &str| ctx.env.get(name).map(str::to_owned);
    let around = Surroundings { registry: &ctx.registry, shared: &specs, env: &env };
    let read = parse(&text, &around).map_err(|problems| refused(path, &problems))?;
    for warning in &read.warnings {
        ctx.printer.error_line(&format!("Warning: {}", told(path, warning)));
    }
    can_be_made(ctx, path, &read.wanted)?;
    Ok(read.wanted)
}

/// What a driver or the engine refuses is told for all groups at once, and for the nodes of one group once.
fn can_be_made(ctx: &Context, path: &Path, wanted: &Wanted) -> Outcome {
    let mut seen = Vec::new();
    let mut errors = Vec::new();
    for node in &wanted.nodes {
        let Err(failure) = draft(ctx, node) else { continue };
        let told = (place_of(node, &failure.message), failure.message.clone());
        if seen.contains(&told) {
            continue;
        }
        let at = told.0;
        seen.push(told);
        errors.push(failure.prefix(&format!("{}:{at}: {}: ", path.display(), node.name)));
    }
    Failure::join(errors)
}

fn refused(path: &Path, problems: &[Remark]) -> Failure {
    let lines: Vec<String> = problems.iter().map(|p| told(path, p)).collect();
    Failure::new(lines.join("\n"))
}

fn told(path: &Path, remark: &Remark) -> String {
    format!("{}:{}: {}", path.display(), remark.at, remark.text)
}

fn draft(ctx: &Context, node: &Node) -> Result<CreatePlan, Failure> {
    let driver = ctx.registry.find(&node.driver);
    let driver = driver.ok_or_else(|| Failure::new(format!("there is no driver {:?}", node.driver)))?;
    let common = from_file(&shared(), &node.shared, &ctx.env);
    let own = from_file(&driver.options(), &node.options, &ctx.env);
    plan_of(ctx, node.name.clone(), driver, &common, &own, true)
}

fn amend(ctx: &Context, node: &Node, machine: &mut StoredMachine) -> Result<(), Failure> {
    let options = amendments_from_file(&node.shared, &ctx.env);
    if !options.given("engine-version") {
        machine.own.engine_version = None;
    }
    apply(machine, &options)?;
    // What a stack has brought is not in the file, and wanted all the same.
    crate::stacks::deploy::tell_of_stacks(machine);
    Ok(())
}

/// Everything that work on a cluster needs, for as long as that work takes.
async fn with_kit<T>(ctx: &Context, wanted: &Wanted, work: impl AsyncFnOnce(&Kit<'_>) -> T) -> T {
    let kit = Kit {
        swarm: ctx.swarm_for(wanted.nodes.len().max(2)),
        draft: &|node| draft(ctx, node),
        amend: &|node, machine| amend(ctx, node, machine),
        tell: &|text| ctx.last_word(text),
    };
    work(&kit).await
}

async fn compare(kit: &Kit<'_>, wanted: &Wanted, stacks: &[Request]) -> Result<(Plan, Present), Failure> {
    let present = kit.look(wanted).await?;
    let mut plan = crate::cluster::plan::plan(wanted, &present);
    stacks::compare(&kit.swarm, wanted, stacks, &present, &mut plan).await?;
    Ok((plan, present))
}

async fn plan(ctx: &Context, args: &PlanArgs) -> Outcome {
    let wanted = read(ctx, &args.file).await?;
    let stacks = stacks::requests(&wanted, &args.file.file)?;
    let (plan, _) = with_kit(ctx, &wanted, async |kit| compare(kit, &wanted, &stacks).await).await?;
    ctx.printer.raw(&show::plan(&wanted, &plan, args.output));
    if args.detailed_exitcode && !plan.is_empty() {
        return Err(Failure::silent(Exit::Remote(2)));
    }
    Ok(())
}

async fn up(ctx: &Context, args: &Up) -> Outcome {
    let wanted = read(ctx, &args.file).await?;
    let at_once = args.parallel.map_or(tokio::sync::Semaphore::MAX_PERMITS, |n| n as usize);
    let limits = Limits { at_once, wait: Duration::from_secs(args.patience.wait) };
    let mut stacks = stacks::requests(&wanted, &args.file.file)?;
    stacks.iter_mut().for_each(|request| request.wait = limits.wait);
    with_kit(ctx, &wanted, async |kit| converge(ctx, kit, &wanted, &stacks, &limits, args.yes).await).await
}

/// What is done may show what else there is to do: a swarm whose managers were stopped can be asked once they run.
async fn converge(
    ctx: &Context,
    kit: &Kit<'_>,
    wanted: &Wanted,
    stacks: &[Request],
    limits: &Limits,
    yes: bool,
) -> Outcome {
    const ROUNDS: usize = 3;
    for round in 0..ROUNDS {
        let (plan, present) = compare(kit, wanted, stacks).await?;
        if plan.is_empty() {
            let said = if round == 0 { show::nothing(&plan, "the cluster") } else { "Done.".to_owned() };
            show::remarks(&plan).lines().for_each(|remark| ctx.last_word(remark));
            ctx.last_word(&said);
            return Ok(());
        }
        ctx.last_word(show::plan(wanted, &plan, show::Output::Text).trim_end());
        if plan.destroys() && !yes && !confirmed(ctx, "Replace or remove these? (y/n): ", "-y")? {
            return Ok(());
        }
        ctx.when_interrupted("Interrupted. The same words again go on where it was.");
        let done = kit.up(wanted, &plan, &present, limits).await;
        done.map_err(|failures| failed(ctx, failures))?;
        stacks::bring(ctx, &kit.swarm, wanted, stacks).await?;
    }
    Err(Failure::new("the cluster does not come to rest: something else changes it")
        .hint(format!("{} cluster plan", ctx.program)))
}

fn failed(ctx: &Context, failures: Vec<Failure>) -> Failure {
    let errors = failures.into_iter().map(|f| Failure { exit: Exit::Failed, ..f });
    match Failure::join(errors.collect()) {
        Err(joined) => joined.hint(format!("`{} cluster up` goes on where it was", ctx.program)),
        Ok(()) => Failure::silent(Exit::Failed),
    }
}

async fn roll(ctx: &Context, args: &Roll) -> Outcome {
    let wanted = read(ctx, &args.file).await?;
    let names = chosen(&wanted, &args.which)?;
    let due = match (args.replace, args.restart) {
        (true, _) => Due::Replace,
        (_, true) => Due::Restart,
        _ => Due::Provision,
    };
    let limits = Limits { at_once: 1, wait: Duration::from_secs(args.patience.wait) };
    let work = async |kit: &Kit<'_>| -> Outcome {
        let known = down::members(&kit.swarm, &wanted.name)?;
        if let Some(missing) = names.iter().find(|n| !known.contains(n)) {
            return Err(Failure::new(format!("the machine {missing} is not there yet"))
                .hint(format!("{} cluster up", ctx.program)));
        }
        if due == Due::Replace {
            let list: Vec<&str> = names.iter().map(MachineName::as_str).collect();
            ctx.last_word(&format!("About to replace, one after the other: {}", list.join(", ")));
            if !args.yes && !confirmed(ctx, SURE, "-y")? {
                return Ok(());
            }
        }
        ctx.when_interrupted(format!("Interrupted. `{} cluster up` goes on with the roll.", ctx.program));
        let due: Vec<(MachineName, Due)> = names.iter().map(|n| (n.clone(), due)).collect();
        kit.roll(&wanted, &due, &limits).await?;
        ctx.last_word(&format!("Rolled over {} nodes.", due.len()));
        Ok(())
    };
    with_kit(ctx, &wanted, work).await
}

/// The machines that these words name, each once.
fn chosen(wanted: &Wanted, words: &[String]) -> Result<Vec<MachineName>, Failure> {
    let nodes = &wanted.nodes;
    for word in words {
        if !nodes.iter().any(|n| n.group == *word || n.name.as_str() == word) {
            let mut groups: Vec<&str> = nodes.iter().map(|n| n.group.as_str()).collect();
            groups.dedup();
            return Err(Failure::usage(format!("the file has no group and no machine {word:?}"))
                .hint(format!("its groups: {}", groups.join(", "))));
        }
    }
    let meant = |n: &&Node| words.is_empty() || words.iter().any(|w| n.group == *w || n.name.as_str() == w);
    Ok(nodes.iter().filter(meant).map(|n| n.name.clone()).collect())
}

async fn down(ctx: &Context, args: &Down) -> Outcome {
    let name = match &args.cluster {
        Some(name) => ClusterName::parse(name).map_err(|e| Failure::usage(e.to_string()))?,
        None => read(ctx, &args.file).await?.name,
    };
    let again = format!("{} cluster down {name}", ctx.program);
    let (yes, force) = (args.yes, args.force);
    remove_swarm(ctx, &SwarmRemoval { swarm: &name, noun: "cluster", again, yes, force }).await
}
