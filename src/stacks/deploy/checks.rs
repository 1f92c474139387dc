//! All that can be known to go wrong, before anything is touched.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use rmachine_driver::MachineName;

use crate::engine::EngineClient;
use crate::engine::services::NetworkInfo;
use crate::model::Failure;
use crate::stacks::definition::{Compose, EngineWish, NAMESPACE, Port, Surroundings};
use crate::stacks::deploy::{Ground, Request, host_checks};
use crate::swarm::Swarm;

/// Patience with a port of a node's own.
const KNOCK: Duration = Duration::from_secs(5);

pub(super) async fn check(
    swarm: &Swarm,
    ground: &mut Ground,
    request: &Request,
    compose: &Compose,
    around: &Surroundings,
) -> Result<(), Failure> {
    name_is_free(swarm, ground, request)?;
    parts_are_free(ground, request, compose).await?;
    ports_are_free(ground, request, &compose.ports())?;
    host_checks::check(swarm, ground, request, compose, around).await?;
    images_are_there(swarm, ground, compose).await?;
    if request.settings.engines == EngineWish::Check {
        engines_answer(swarm, ground, request, around).await?;
    }
    Ok(())
}

pub(super) fn name_is_free(swarm: &Swarm, ground: &Ground, request: &Request) -> Result<(), Failure> {
    let name = &request.name;
    let Some(other) = ground.of_stack(name).find(|s| s.source() != Some(request.stack.id.as_str())) else {
        return Ok(());
    };
    let whose = other.source().map_or("by other means".to_owned(), |s| format!("from {s:?}"));
    let cluster = &ground.cluster.name;
    Err(Failure::new(format!(
        "there is a stack \"{name}\" on \"{cluster}\" already, which was deployed {whose}: nothing was changed"
    ))
    .hint("--name NAME deploys this one beside it")
    .hint(format!("`{} stack ls {cluster}` shows what is there", swarm.machines.program)))
}

/// Services and networks of somebody else's that bear a name which one of the stack would get.
async fn parts_are_free(ground: &mut Ground, request: &Request, compose: &Compose) -> Result<(), Failure> {
    let name = request.name.as_str();
    let networks: Vec<NetworkInfo> = ground.manager.client().get("/networks").await?;
    let ours = |labels: &serde_json::Map<String, serde_json::Value>| {
        labels.get(NAMESPACE).is_some_and(|stack| stack == name)
    };
    let services = ground.services.iter().filter(|s| s.stack() != Some(name)).map(|s| ("service", s.name()));
    let networks = networks.iter().filter(|n| !ours(&n.labels)).map(|n| ("network", n.name.as_str()));
    let wanted = |(kind, there): &(&str, &str)| {
        let own = there.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'));
        own.is_some_and(|own| compose.has(kind, own))
    };
    let Some((kind, there)) = services.chain(networks).find(wanted) else { return Ok(()) };
    Err(Failure::new(format!(
        "there is a {kind} {there} on \"{}\" already that belongs to no stack \"{name}\": nothing was changed",
        ground.cluster.name
    ))
    .hint("--name NAME deploys the stack under another name"))
}

/// The swarm's own ports are one space; a node's own ports clash where both are on the node, which is not known before.
fn ports_are_free(ground: &Ground, request: &Request, wanted: &[Port]) -> Result<(), Failure> {
    let others = ground.services.iter().filter(|s| s.stack() != Some(request.name.as_str()));
    for service in others {
        let clash = wanted.iter().find(|w| {
            service.ports().iter().any(|p| p.published_port == w.number && p.protocol == w.protocol)
        });
        if let Some(Port { service: ours, number, protocol, .. }) = clash {
            return Err(Failure::new(format!(
                "the service {ours} wants port {number}/{protocol}, which the service {} has: nothing was changed",
                service.name()
            ))
            .hint("another port for one of them, or without --publish"));
        }
    }
    Ok(())
}

/// An image that a node does not have, it must get from a registry; whether that is so, the engine tells.
async fn images_are_there(swarm: &Swarm, ground: &mut Ground, compose: &Compose) -> Result<(), Failure> {
    let images: Vec<String> = compose.images().into_iter().collect();
    let asked = ground.machines().map(async |(_, machine)| {
        let missing = missing_on(swarm, machine, &images).await?;
        Ok::<_, Failure>((machine.clone(), missing))
    });
    let mut missing: BTreeMap<String, Vec<MachineName>> = BTreeMap::new();
    for answer in join_all(asked).await {
        let (machine, images) = answer?;
        for image in images {
            missing.entry(image).or_default().push(machine.clone());
        }
    }
    let mut failure: Option<Failure> = None;
    for (image, mut machines) in missing {
        machines.sort();
        let Err(reason) = in_registry(ground.manager.client(), &image).await else { continue };
        let names: Vec<_> = machines.iter().map(MachineName::as_str).collect();
        let line = format!("{image}: not on {}, and no registry gives it: {reason}", names.join(", "));
        let said = failure.take().unwrap_or_else(|| {
            Failure::new("images are missing: nothing was changed").hint(
                "--set image.NAME=REFERENCE takes another image; `docker save` and `rmachine ssh NODE docker load` bring one",
            )
        });
        failure = Some(said.detail(line));
    }
    failure.map_or(Ok(()), Err)
}

async fn missing_on(swarm: &Swarm, machine: &MachineName, images: &[String]) -> Result<Vec<String>, Failure> {
    let mut engine = swarm.engine(machine).await?;
    let mut missing = Vec::new();
    for image in images {
        match engine.client().get::<serde_json::Value>(&format!("/images/{image}/json")).await {
            Ok(_) => {}
            Err(e) if e.is_missing() => missing.push(image.clone()),
            Err(e) => return Err(Failure::from(e).prefix(&format!("{machine}: "))),
        }
    }
    Ok(missing)
}

async fn in_registry(client: &mut EngineClient, image: &str) -> Result<(), String> {
    let asked = client.get::<serde_json::Value>(&format!("/distribution/{image}/json")).await;
    asked.map(drop).map_err(|e| e.to_string())
}

/// Engines that do not give what the stack is for.
async fn engines_answer(
    swarm: &Swarm,
    ground: &Ground,
    request: &Request,
    around: &Surroundings,
) -> Result<(), Failure> {
    let engines = &request.stack.manifest.engines;
    let Some(port) = engines.port else { return Ok(()) };
    let asked = ground.machines().map(async |(node, machine)| {
        (!answers(swarm, machine, node.address(), port).await).then(|| machine.to_string())
    });
    let silent: Vec<String> = join_all(asked).await.into_iter().flatten().collect();
    if silent.is_empty() {
        return Ok(());
    }
    let options: Vec<_> = engines.options.iter().filter_map(|o| Some(o.split_once('=')?.0)).collect();
    let (cluster, stack, program) = (&around.cluster, &request.stack.id, &swarm.machines.program);
    Err(Failure::new(format!(
        "{}, and {} of {} do not: {}",
        engines.why,
        silent.len(),
        around.nodes.len(),
        silent.join(", ")
    ))
    .hint(format!(
        "`{program} stack deploy {cluster} {stack} --set engines=true`, with what else you set, turns {} on for all nodes, \
         one at a time",
        options.join(", ")
    ))
    .hint("--set engines=false deploys it all the same"))
}

async fn answers(swarm: &Swarm, machine: &MachineName, address: &str, port: u16) -> bool {
    let knock = async {
        let session = swarm.machines.open(&swarm.machines.load(machine).ok()?).await.ok()?;
        let open = session.direct_tcpip(address, port).await.is_ok();
        session.close().await;
        Some(open)
    };
    tokio::time::timeout(KNOCK, knock).await.ok().flatten().unwrap_or(false)
}
