//! Contents become configs and secrets of the swarm; then docker deploys the file, on a manager, from standard input.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::engine::EngineClient;
use crate::model::Failure;
use crate::ssh::Output;
use crate::stacks::definition::{Blob, Compose, StackName};
use crate::stacks::deploy::swarm_objects::{labels, sweep, unless_there};
use crate::stacks::deploy::{Ground, Request, Show, secrets};
use crate::swarm::Swarm;

const DOCKER: &str = include_str!("../../../templates/host/docker.sh");

/// docker's own judgement of the file, where its CLI can give one without deploying.
pub(super) async fn config_accepts(swarm: &Swarm, ground: &Ground, compose: &Compose) -> Result<(), Failure> {
    let said = docker(swarm, ground, &["stack", "config", "--compose-file", "-"], &compose.text()).await?;
    let complaint = String::from_utf8_lossy(&said.stderr);
    let unknown = complaint.contains("--compose-file") || complaint.contains("is not a docker command");
    if said.status.success() || unknown {
        return Ok(());
    }
    let failure = Failure::new(format!("docker does not take the compose file of \"{}\"", compose.name));
    Err(explained(failure, ground, &said))
}

/// One deployment at a time: two would make two secrets of one, and docker does not bear it.
pub(super) async fn put(
    swarm: &Swarm,
    ground: &mut Ground,
    request: &Request,
    compose: &mut Compose,
    show: Show<'_>,
) -> Result<(), Failure> {
    let _turn = swarm.lock_cluster(&ground.cluster.name).await?;
    let (manager, name) = (ground.manager.machine.clone(), compose.name.clone());
    swarm.machines.reporter.step(&manager, &format!("Deploying the stack {name}..."));
    let client = ground.manager.client();
    let source = &request.stack.id;
    for config in &compose.configs {
        put_config(client, &name, source, config).await?;
    }
    secrets::put(client, compose, source, show).await?;
    let words = ["stack", "deploy", "--prune", "--with-registry-auth", "--compose-file", "-", name.as_str()];
    let said = docker(swarm, ground, &words, &compose.text()).await?;
    if !said.status.success() {
        let failure = Failure::new(format!("the stack \"{name}\" was not deployed completely"));
        let failure = explained(failure, ground, &said);
        return Err(take_back(swarm, ground, &name, failure).await);
    }
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        swarm.machines.reporter.detail(&manager, line);
    }
    sweep(ground.manager.client(), compose).await;
    Ok(())
}

/// Of a stack that was not there before, nothing stays.
async fn take_back(swarm: &Swarm, ground: &Ground, name: &StackName, failure: Failure) -> Failure {
    if ground.of_stack(name).next().is_some() {
        return failure
            .hint("what was there before runs on where it was not changed; the same words again go on");
    }
    match docker(swarm, ground, &["stack", "rm", name.as_str()], "").await {
        Ok(said) if said.status.success() => failure.detail("what had been made for it was removed again"),
        _ => failure.hint(format!(
            "`{} stack rm {} {name}` removes what was made for it",
            swarm.machines.program, ground.cluster.name
        )),
    }
}

/// Content never goes into the words: those are seen by all users of the host.
pub(super) async fn docker(
    swarm: &Swarm,
    ground: &Ground,
    words: &[&str],
    stdin: &str,
) -> Result<Output, Failure> {
    let session = swarm.machines.open(&swarm.machines.load(&ground.manager.machine)?).await?;
    let quoted = shlex::try_join(["sh", "-c", DOCKER, "docker"].into_iter().chain(words.iter().copied()));
    let command = quoted.map_err(Failure::from_error)?;
    let said = session.output(&command, stdin.as_bytes()).await;
    session.close().await;
    Ok(said?)
}

pub(super) fn explained(mut failure: Failure, ground: &Ground, said: &Output) -> Failure {
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    failure.details.extend(text.lines().map(str::to_owned));
    let manager = &ground.manager.machine;
    if said.status.code() == 127 {
        return failure.hint(format!(
            "the manager {manager} needs docker's CLI: its package is docker-cli or docker-ce-cli"
        ));
    }
    failure
}

async fn put_config(
    client: &mut EngineClient,
    stack: &StackName,
    source: &str,
    blob: &Blob,
) -> Result<(), Failure> {
    let mut body = json!({
        "Name": blob.name,
        "Labels": labels(stack, source),
        "Data": STANDARD.encode(&blob.content),
    });
    if let Some(driver) = &blob.driver {
        body["Templating"] = json!({"Name": driver});
    }
    unless_there(client.post::<Value>("/configs/create", Some(&body)).await)
}
