//! Contents become configs and secrets of the swarm; then docker deploys the file, on a manager, from standard input.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmachine_driver::Uuid;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Done, Ground};
use crate::engine::{EngineClient, EngineError, filters, segment, with_query};
use crate::lifecycle::{Failure, Lifecycle};
use crate::ssh::Output;
use crate::stacks::{Blob, Compose, NAMESPACE, SecretSource, StackName};

/// Which parameter a secret belongs to.
const SECRET: &str = "rmachine.secret";
const DOCKER: &str = include_str!("../../templates/host/docker.sh");

/// A config or a secret.
#[derive(Debug, Deserialize)]
struct Thing {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "CreatedAt")]
    created: String,
    #[serde(rename = "Spec")]
    spec: ThingSpec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ThingSpec {
    name: String,
    #[serde(default)]
    labels: Option<serde_json::Map<String, Value>>,
}

/// docker's own judgement of the file, where its CLI can give one without deploying.
pub(super) async fn config_accepts(
    lifecycle: &Lifecycle,
    ground: &Ground,
    compose: &Compose,
) -> Result<(), Failure> {
    let said =
        docker(lifecycle, ground, &["stack", "config", "--compose-file", "-"], &compose.text()).await?;
    let complaint = String::from_utf8_lossy(&said.stderr);
    let unknown = complaint.contains("--compose-file") || complaint.contains("is not a docker command");
    if said.status.success() || unknown {
        return Ok(());
    }
    let failure = Failure::new(format!("docker does not take the compose file of \"{}\"", compose.name));
    Err(explained(failure, ground, &said))
}

pub(super) async fn put(
    lifecycle: &Lifecycle,
    ground: &mut Ground,
    mut compose: Compose,
) -> Result<Done, Failure> {
    let manager = ground.manager.machine.clone();
    lifecycle.reporter.step(&manager, &format!("Deploying the stack {}...", compose.name));
    let client = ground.manager.client();
    for config in &compose.configs {
        put_config(client, &compose.name, config).await?;
    }
    let generated = put_secrets(client, &mut compose).await?;
    let name = compose.name.clone();
    let words = ["stack", "deploy", "--prune", "--with-registry-auth", "--compose-file", "-", name.as_str()];
    let said = docker(lifecycle, ground, &words, &compose.text()).await?;
    if !said.status.success() {
        let failure = Failure::new(format!("the stack \"{name}\" was not deployed completely"));
        return Err(explained(failure, ground, &said));
    }
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        lifecycle.reporter.detail(&manager, line);
    }
    sweep(ground.manager.client(), &compose).await;
    Ok(Done { pages: compose.pages, generated, notes: Vec::new() })
}

/// Content never goes into the words: those are seen by all users of the host.
pub(super) async fn docker(
    lifecycle: &Lifecycle,
    ground: &Ground,
    words: &[&str],
    stdin: &str,
) -> Result<Output, Failure> {
    let session = lifecycle.open(&lifecycle.load(&ground.manager.machine)?).await?;
    let quoted = shlex::try_join(["sh", "-c", DOCKER, "docker"].into_iter().chain(words.iter().copied()));
    let command = quoted.map_err(|e| Failure::new(e.to_string()))?;
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

async fn put_config(client: &mut EngineClient, stack: &StackName, blob: &Blob) -> Result<(), Failure> {
    let mut body = json!({
        "Name": blob.name,
        "Labels": {NAMESPACE: stack.as_str()},
        "Data": STANDARD.encode(&blob.content),
    });
    if let Some(driver) = &blob.driver {
        body["Templating"] = json!({"Name": driver});
    }
    unless_there(client.post::<Value>("/configs/create", Some(&body)).await)
}

/// Its name follows its content, so that what is there already is the same.
fn unless_there(done: Result<Value, EngineError>) -> Result<(), Failure> {
    match done {
        Err(e) if e.status() == Some(409) => Ok(()),
        done => Ok(done.map(drop)?),
    }
}

async fn put_secrets(
    client: &mut EngineClient,
    compose: &mut Compose,
) -> Result<Vec<(String, SecretString)>, Failure> {
    let mut generated = Vec::new();
    for secret in compose.secrets.clone() {
        let (key, stack) = (secret.key, compose.name.clone());
        let content = match secret.source {
            SecretSource::Content(content) => content,
            SecretSource::Generated => match kept(client, &stack, &key).await? {
                Some(name) => {
                    compose.name_secret(&key, &name);
                    continue;
                }
                None => {
                    let made = SecretString::from(Uuid::new_v4().simple().to_string());
                    generated.push((key.clone(), made.clone()));
                    made
                }
            },
        };
        let name = compose.secret_name(&key, &content);
        let body = json!({
            "Name": name,
            "Labels": {NAMESPACE: stack.as_str(), SECRET: key},
            "Data": STANDARD.encode(content.expose_secret()),
        });
        unless_there(client.post::<Value>("/secrets/create", Some(&body)).await)?;
        compose.name_secret(&key, &name);
    }
    Ok(generated)
}

/// The newest secret of that parameter, which nobody can read any more, and nobody has to.
async fn kept(client: &mut EngineClient, stack: &StackName, key: &str) -> Result<Option<String>, Failure> {
    let things = things(client, "/secrets", stack).await?;
    let of_key = |t: &&Thing| t.spec.labels.as_ref().and_then(|l| l.get(SECRET)).is_some_and(|v| v == key);
    let newest = things.iter().filter(of_key).max_by(|a, b| a.created.cmp(&b.created));
    Ok(newest.map(|t| t.spec.name.clone()))
}

async fn things(client: &mut EngineClient, path: &str, stack: &StackName) -> Result<Vec<Thing>, EngineError> {
    let label = format!("{NAMESPACE}={stack}");
    client.get(&with_query(path, &[("filters", &filters(&[("label", &label)]))])).await
}

/// Removes what an earlier content left. What a service still uses stays: the engine refuses.
async fn sweep(client: &mut EngineClient, compose: &Compose) {
    let text = compose.text();
    for kind in ["/configs", "/secrets"] {
        for thing in things(client, kind, &compose.name).await.unwrap_or_default() {
            if !text.contains(&format!("{:?}", thing.spec.name)) {
                let gone = client.delete(&format!("{kind}/{}", segment(&thing.id))).await;
                tracing::debug!(name = thing.spec.name, "swept: {gone:?}");
            }
        }
    }
}
