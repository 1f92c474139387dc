//! The stacks of a cluster's file: understood before anything is made, compared, deployed once the nodes are there.

use std::path::Path;

use rmachine_driver::secrecy::SecretString;

use crate::app::Context;
use crate::cluster::{Action, Place, Plan, Present, Stack, StackParameter, Step, Subject, Wanted};
use crate::commands::stack::deploy::{given, show, tell};
use crate::model::Failure;
use crate::stacks::definition::{Given, StackName};
use crate::stacks::deploy::{self, Ground, Request, Standing};
use crate::swarm::Swarm;

/// Paths in the file are meant from where the file is.
pub(super) fn requests(wanted: &Wanted, file: &Path) -> Result<Vec<Request>, Failure> {
    wanted.stacks.iter().map(|stack| request(stack, file)).collect()
}

fn request(stack: &Stack, file: &Path) -> Result<Request, Failure> {
    let told = |e: Failure, at: &Place| e.prefix(&format!("{}:{at}: ", file.display()));
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut all: Vec<Given> = Vec::new();
    for (name, parameter) in &stack.parameters {
        let StackParameter { value, at } = parameter;
        all.push(given(&format!("{name}={value}"), folder).map_err(|e| told(e, at))?);
    }
    let from = stack.from.as_deref().unwrap_or(&stack.name);
    let from = match from.contains(['/', '\\']) || from.starts_with('.') {
        true => folder.join(from).to_string_lossy().into_owned(),
        false => from.to_owned(),
    };
    let name = stack.from.is_some().then_some(stack.name.as_str());
    let request = Request::new(&from, name, &all, stack.publish).map_err(|e| {
        let spoken = stack.parameters.iter().find(|(name, _)| e.message.contains(name.as_str()));
        told(e.into(), spoken.map_or(&stack.at, |(_, parameter)| &parameter.at))
    })?;
    Ok(Request { declared: true, ..request })
}

/// Adds to a plan what there is to do for the stacks.
pub(super) async fn compare(
    swarm: &Swarm,
    wanted: &Wanted,
    stacks: &[Request],
    present: &Present,
    plan: &mut Plan,
) -> Result<(), Failure> {
    let step = |action, name: &StackName, reasons| Step {
        action,
        subject: Subject::Stack(name.to_string()),
        work: Vec::new(),
        reasons,
    };
    let in_the_file = || vec!["in the file".to_owned()];
    if present.swarm.is_none() {
        if !present.silent {
            plan.extend(stacks.iter().map(|s| step(Action::Add, &s.name, in_the_file())).collect());
        }
        return Ok(());
    }
    let ground = Ground::look(swarm, &wanted.name).await?;
    let mut steps = Vec::new();
    for request in stacks {
        match deploy::standing(swarm, &ground, request) {
            Ok(Standing::Absent) => steps.push(step(Action::Add, &request.name, in_the_file())),
            Ok(Standing::Other(reasons)) => steps.push(step(Action::Change, &request.name, reasons)),
            Ok(Standing::AsWanted { running, desired }) if running < desired => {
                let name = &request.name;
                plan.notes.push(format!("of the stack {name}, {running} of {desired} tasks run"));
            }
            Ok(Standing::AsWanted { .. }) => {}
            // A node that it names may be about to be made.
            Err(_) if !plan.is_empty() => {
                steps.push(step(Action::Change, &request.name, vec!["once the nodes are there".to_owned()]));
            }
            Err(failure) => return Err(failure),
        }
    }
    for name in deploy::undeclared(&ground, stacks) {
        steps.push(step(Action::Remove, &name, vec!["it is not in the file; its volumes stay".to_owned()]));
    }
    plan.extend(steps);
    Ok(())
}

/// What is there as the file has it stays as it is.
pub(super) async fn bring(
    ctx: &Context,
    swarm: &Swarm,
    wanted: &Wanted,
    stacks: &[Request],
) -> Result<(), Failure> {
    let cluster = wanted.name.as_str();
    for request in stacks {
        let ground = Ground::look(swarm, &wanted.name).await?;
        if let Standing::AsWanted { .. } = deploy::standing(swarm, &ground, request)? {
            continue;
        }
        let show = |key: &str, secret: &SecretString| show(ctx, key, secret);
        let done = deploy::deploy(swarm, &wanted.name, request, &show).await?;
        tell(ctx, cluster, request, &done);
    }
    let ground = Ground::look(swarm, &wanted.name).await?;
    for name in deploy::undeclared(&ground, stacks) {
        // What it wanted of engines the next comparison with the file takes back.
        deploy::remove(swarm, &wanted.name, &name).await?;
        ctx.last_word(&format!("Removed the stack {name}; its volumes stay on their nodes"));
    }
    Ok(())
}
