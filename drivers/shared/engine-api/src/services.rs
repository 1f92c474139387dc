//! Services and the networks between nodes: what a manager says of them, as far as this program asks.

use hyper::Method;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::{EngineClient, EngineError, filters, segment, with_query};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Service {
    #[serde(rename = "ID")]
    pub id: String,
    spec: ServiceSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ServiceSpec {
    name: String,
    mode: Map<String, Value>,
}

impl Service {
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// One task on each node that takes it.
    pub fn is_global(&self) -> bool {
        self.spec.mode.contains_key("Global")
    }

    /// How many tasks it is meant to have, where a number says so.
    pub fn replicas(&self) -> Option<usize> {
        let number = self.spec.mode.get("Replicated")?.get("Replicas")?.as_u64()?;
        usize::try_from(number).ok()
    }

    /// It is meant to end, and not to run for good.
    pub fn is_job(&self) -> bool {
        self.spec.mode.contains_key("ReplicatedJob") || self.spec.mode.contains_key("GlobalJob")
    }
}

/// A network, as it is listed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkInfo {
    pub id: String,
    pub name: String,
    pub driver: String,
    pub internal: bool,
    pub attachable: bool,
    #[serde(deserialize_with = "or_default")]
    pub options: Map<String, Value>,
    #[serde(deserialize_with = "or_default")]
    pub labels: Map<String, Value>,
}

impl EngineClient {
    pub async fn services(&mut self) -> Result<Vec<Service>, EngineError> {
        self.get("/services").await
    }

    /// Those that bear a label, `key` or `key=value`.
    pub async fn labelled_networks(&mut self, label: &str) -> Result<Vec<NetworkInfo>, EngineError> {
        self.get(&with_query("/networks", &[("filters", &filters(&[("label", label)]))])).await
    }

    pub async fn create_network(&mut self, spec: &Value) -> Result<(), EngineError> {
        self.request(Method::POST, "/networks/create", Some(spec)).await.map(drop)
    }

    pub async fn remove_network(&mut self, name: &str) -> Result<(), EngineError> {
        self.delete(&format!("/networks/{}", segment(name))).await
    }
}

/// Go writes an absent map as null.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
