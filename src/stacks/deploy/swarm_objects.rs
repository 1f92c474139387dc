//! Configs, secrets and networks of a swarm that bear the name of a stack.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::{EngineClient, EngineError, filters, segment, with_query};
use crate::model::Failure;
use crate::stacks::definition::{Compose, LABEL, NAMESPACE, StackName};

/// A config or a secret.
#[derive(Debug, Deserialize)]
pub(super) struct Thing {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "CreatedAt")]
    pub(super) created: String,
    #[serde(rename = "Spec")]
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: String,
    #[serde(default)]
    labels: Option<Map<String, Value>>,
}

impl Thing {
    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.spec.labels.as_ref()?.get(key)?.as_str()
    }
}

pub(super) fn labels(stack: &StackName, source: &str) -> Value {
    json!({NAMESPACE: stack.as_str(), LABEL: source})
}

/// Its name follows its content, so that what is there already is the same.
pub(super) fn unless_there(done: Result<Value, EngineError>) -> Result<(), Failure> {
    match done {
        Err(e) if e.is_name_taken() => Ok(()),
        done => Ok(done.map(drop)?),
    }
}

pub(super) async fn things(
    client: &mut EngineClient,
    path: &str,
    stack: &StackName,
) -> Result<Vec<Thing>, EngineError> {
    let label = format!("{NAMESPACE}={stack}");
    client.get(&with_query(path, &[("filters", &filters(&[("label", &label)]))])).await
}

/// Whether a deployment that ended early left configs or secrets of ours.
pub(super) async fn are_left(client: &mut EngineClient, stack: &StackName) -> Result<bool, EngineError> {
    for kind in ["/configs", "/secrets"] {
        if things(client, kind, stack).await?.iter().any(|t| t.label(LABEL).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what an earlier content left. What a service still uses stays: the engine refuses.
pub(super) async fn sweep(client: &mut EngineClient, compose: &Compose) {
    let text = compose.text();
    for kind in ["/configs", "/secrets"] {
        for thing in things(client, kind, &compose.name).await.unwrap_or_default() {
            if !text.contains(&format!("{:?}", thing.name())) {
                let gone = client.delete(&format!("{kind}/{}", segment(&thing.id))).await;
                tracing::debug!(name = thing.name(), "swept: {gone:?}");
            }
        }
    }
}
