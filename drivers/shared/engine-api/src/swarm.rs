//! Swarm mode: what a node says of itself, what a manager says of all, and what they are told.
//!
//! Join tokens and unlock keys go out in bodies and come back as types that redact themselves; an answer that holds one
//! is never quoted in an error.

use std::time::Duration;

use hyper::Method;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::stream::Payload;
use crate::{EngineClient, EngineError, filters, segment, with_query};

/// The engine itself gives up after 20 s, and says so.
const JOINING: Duration = Duration::from_secs(40);

/// How a node stands to swarm mode, in the engine's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalState {
    #[default]
    #[serde(alias = "")]
    Inactive,
    Pending,
    Active,
    Error,
    /// Its keys are sealed until somebody brings the unlock key.
    Locked,
}

/// A part of `/info`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeInfo {
    #[serde(rename = "Name")]
    pub host_name: String,
    #[serde(rename = "ServerVersion")]
    pub version: String,
    /// RFC 3339, by the host's own clock.
    #[serde(rename = "SystemTime")]
    pub time: String,
    #[serde(rename = "DockerRootDir")]
    pub root: String,
    #[serde(rename = "LiveRestoreEnabled")]
    pub live_restore: bool,
    #[serde(rename = "Swarm")]
    pub swarm: LocalNode,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LocalNode {
    #[serde(rename = "NodeID")]
    pub id: String,
    #[serde(rename = "NodeAddr")]
    pub address: String,
    #[serde(rename = "LocalNodeState")]
    pub state: LocalState,
    /// It is a manager, and takes requests as one.
    #[serde(rename = "ControlAvailable")]
    pub manager: bool,
    pub error: String,
    #[serde(deserialize_with = "or_default")]
    pub remote_managers: Vec<Peer>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Peer {
    #[serde(rename = "NodeID")]
    pub id: String,
    #[serde(rename = "Addr")]
    pub address: String,
}

/// A member, as a manager sees it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Node {
    #[serde(rename = "ID")]
    pub id: String,
    version: Index,
    /// As it came, so that an update changes what it means to change.
    pub spec: Map<String, Value>,
    description: Description,
    status: NodeStatus,
    #[serde(rename = "ManagerStatus")]
    pub manager: Option<ManagerStatus>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Index {
    index: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Description {
    hostname: String,
    engine: EngineDescription,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct EngineDescription {
    engine_version: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct NodeStatus {
    state: String,
    message: String,
    addr: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ManagerStatus {
    pub leader: bool,
    /// `reachable`, `unreachable` or `unknown`.
    pub reachability: String,
    /// Where it takes those who join.
    pub addr: String,
}

impl Node {
    pub fn host_name(&self) -> &str {
        &self.description.hostname
    }

    pub fn engine(&self) -> &str {
        &self.description.engine.engine_version
    }

    /// `ready`, `down`, `unknown` or `disconnected`.
    pub fn state(&self) -> &str {
        &self.status.state
    }

    pub fn message(&self) -> &str {
        &self.status.message
    }

    /// A manager may not know its own: the peers' address of it says more.
    pub fn address(&self) -> &str {
        match &self.manager {
            Some(manager) if !manager.addr.is_empty() => {
                manager.addr.rsplit_once(':').map_or(manager.addr.as_str(), |(host, _)| host)
            }
            _ => &self.status.addr,
        }
    }

    /// What it is meant to be: `manager` or `worker`.
    pub fn role(&self) -> &str {
        self.word("Role")
    }

    /// `active`, `pause` or `drain`.
    pub fn availability(&self) -> &str {
        self.word("Availability")
    }

    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.spec.get("Labels").and_then(Value::as_object);
        labels.into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
    }

    pub fn is_reachable_manager(&self) -> bool {
        self.manager.as_ref().is_some_and(|m| m.reachability == "reachable")
    }

    pub fn is_leader(&self) -> bool {
        self.manager.as_ref().is_some_and(|m| m.leader)
    }

    fn word(&self, key: &str) -> &str {
        self.spec.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The swarm itself, as its managers know it.
#[derive(Debug, Clone)]
pub struct SwarmSpec {
    pub id: String,
    pub autolock: bool,
    /// Where its overlay networks are cut from; nothing from engines that do not tell.
    pub pools: Vec<String>,
    pub worker_token: SecretString,
    pub manager_token: SecretString,
    version: u64,
    spec: Value,
}

/// What a first manager, or one that is to stand alone, is told.
#[derive(Debug, Clone, Default)]
pub struct InitRequest {
    pub listen: String,
    pub advertise: String,
    pub data_path: String,
    pub pools: Vec<String>,
    pub subnet_size: u32,
    pub availability: String,
    pub autolock: bool,
    pub force_new_cluster: bool,
}

#[derive(Debug, Clone)]
pub struct JoinRequest {
    pub listen: String,
    pub advertise: String,
    pub data_path: String,
    pub availability: String,
    pub managers: Vec<String>,
    pub token: SecretString,
}

/// One piece of a service on a node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Task {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "ServiceID")]
    pub service: String,
    #[serde(rename = "NodeID")]
    pub node: String,
    #[serde(rename = "DesiredState")]
    pub desired: String,
    #[serde(rename = "Status")]
    status: TaskStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct TaskStatus {
    state: String,
    err: String,
}

impl Task {
    pub fn state(&self) -> &str {
        &self.status.state
    }

    /// It waits for a node that takes no tasks now, and no other may have it, in the scheduler's own words.
    pub fn is_bound_elsewhere(&self) -> bool {
        let err = &self.status.err;
        self.state() == "pending"
            && err.contains("scheduling constraints not satisfied")
            && !err.contains("insufficient")
    }

    /// It runs, or is on its way there.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state(), "complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned")
    }
}

/// What is to be replaced by a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotate {
    WorkerToken,
    ManagerToken,
    UnlockKey,
    Nothing,
}

impl Rotate {
    fn flag(self) -> Option<&'static str> {
        match self {
            Self::WorkerToken => Some("rotateWorkerToken"),
            Self::ManagerToken => Some("rotateManagerToken"),
            Self::UnlockKey => Some("rotateManagerUnlockKey"),
            Self::Nothing => None,
        }
    }
}

impl EngineClient {
    pub async fn node_info(&mut self) -> Result<NodeInfo, EngineError> {
        self.get("/info").await
    }

    /// Answers with the id of the node.
    pub async fn swarm_init(&mut self, request: &InitRequest) -> Result<String, EngineError> {
        const PATH: &str = "/swarm/init";
        let answer = self.exchange(Method::POST, PATH, Payload::Json(&init_body(request)), JOINING).await?;
        plain(PATH, &answer)
    }

    /// Returns once the node is in, or the engine gives up.
    pub async fn swarm_join(&mut self, request: &JoinRequest) -> Result<(), EngineError> {
        let body = json!({
            "ListenAddr": request.listen,
            "AdvertiseAddr": request.advertise,
            "DataPathAddr": request.data_path,
            "Availability": request.availability,
            "RemoteAddrs": request.managers,
            "JoinToken": request.token.expose_secret(),
        });
        self.exchange(Method::POST, "/swarm/join", Payload::Json(&body), JOINING).await.map(drop)
    }

    pub async fn swarm_leave(&mut self, force: bool) -> Result<(), EngineError> {
        let path = with_query("/swarm/leave", &[("force", if force { "true" } else { "false" })]);
        self.exchange(Method::POST, &path, Payload::Empty, JOINING).await.map(drop)
    }

    pub async fn swarm(&mut self) -> Result<SwarmSpec, EngineError> {
        const PATH: &str = "/swarm";
        let answer: Value = plain(PATH, &self.request(Method::GET, PATH, None).await?)?;
        let text =
            |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let autolock = answer.pointer("/Spec/EncryptionConfig/AutoLockManagers").and_then(Value::as_bool);
        let pools = answer.get("DefaultAddrPool").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(SwarmSpec {
            id: text("/ID"),
            autolock: autolock.unwrap_or_default(),
            pools: pools.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            worker_token: text("/JoinTokens/Worker").into(),
            manager_token: text("/JoinTokens/Manager").into(),
            version: answer.pointer("/Version/Index").and_then(Value::as_u64).unwrap_or_default(),
            spec: answer.get("Spec").cloned().unwrap_or_default(),
        })
    }

    /// Replaces a token or the key; the old one is worth nothing from then on.
    pub async fn swarm_rotate(&mut self, swarm: &SwarmSpec, what: Rotate) -> Result<(), EngineError> {
        self.swarm_update(swarm, swarm.spec.clone(), what).await
    }

    pub async fn swarm_autolock(&mut self, swarm: &SwarmSpec, on: bool) -> Result<(), EngineError> {
        let mut spec = swarm.spec.clone();
        if let Value::Object(spec) = &mut spec {
            spec.insert("EncryptionConfig".to_owned(), json!({ "AutoLockManagers": on }));
        }
        self.swarm_update(swarm, spec, Rotate::Nothing).await
    }

    async fn swarm_update(
        &mut self,
        swarm: &SwarmSpec,
        spec: Value,
        what: Rotate,
    ) -> Result<(), EngineError> {
        let version = swarm.version.to_string();
        let mut pairs = vec![("version", version.as_str())];
        pairs.extend(what.flag().map(|flag| (flag, "true")));
        let path = with_query("/swarm/update", &pairs);
        self.request(Method::POST, &path, Some(&spec)).await.map(drop)
    }

    pub async fn swarm_unlock(&mut self, key: &SecretString) -> Result<(), EngineError> {
        let body = json!({ "UnlockKey": key.expose_secret() });
        self.exchange(Method::POST, "/swarm/unlock", Payload::Json(&body), JOINING).await.map(drop)
    }

    /// Empty when the swarm does not lock itself.
    pub async fn swarm_unlock_key(&mut self) -> Result<SecretString, EngineError> {
        const PATH: &str = "/swarm/unlockkey";
        let answer: Value = plain(PATH, &self.request(Method::GET, PATH, None).await?)?;
        Ok(answer.get("UnlockKey").and_then(Value::as_str).unwrap_or_default().to_owned().into())
    }

    pub async fn nodes(&mut self) -> Result<Vec<Node>, EngineError> {
        self.get("/nodes").await
    }

    /// The managers alone, however many nodes there are.
    pub async fn managers(&mut self) -> Result<Vec<Node>, EngineError> {
        self.get(&with_query("/nodes", &[("filters", &filters(&[("role", "manager")]))])).await
    }

    pub async fn node(&mut self, id: &str) -> Result<Node, EngineError> {
        self.get(&format!("/nodes/{}", segment(id))).await
    }

    /// Refused when somebody else has changed the node since it was read.
    pub async fn update_node(&mut self, node: &Node, spec: &Map<String, Value>) -> Result<(), EngineError> {
        let path = format!("/nodes/{}/update", segment(&node.id));
        let path = with_query(&path, &[("version", &node.version.index.to_string())]);
        self.request(Method::POST, &path, Some(&Value::Object(spec.clone()))).await.map(drop)
    }

    pub async fn remove_node(&mut self, id: &str, force: bool) -> Result<(), EngineError> {
        let path = format!("/nodes/{}", segment(id));
        self.delete(&with_query(&path, &[("force", if force { "true" } else { "false" })])).await
    }

    /// What is meant to run, of one node or of all.
    pub async fn tasks(&mut self, node: Option<&str>) -> Result<Vec<Task>, EngineError> {
        let mut pairs = vec![("desired-state", "running")];
        pairs.extend(node.map(|id| ("node", id)));
        self.get(&with_query("/tasks", &[("filters", &filters(&pairs))])).await
    }

    /// What is still there on a node, meant to run or not.
    pub async fn tasks_left(&mut self, node: &str) -> Result<usize, EngineError> {
        let path = with_query("/tasks", &[("filters", &filters(&[("node", node)]))]);
        let tasks: Vec<Task> = self.get(&path).await?;
        Ok(tasks.iter().filter(|t| t.state() == "running").count())
    }
}

fn init_body(request: &InitRequest) -> Value {
    let mut body = json!({
        "ListenAddr": request.listen,
        "AdvertiseAddr": request.advertise,
        "DataPathAddr": request.data_path,
        "Availability": request.availability,
        "ForceNewCluster": request.force_new_cluster,
        "Spec": {"EncryptionConfig": {"AutoLockManagers": request.autolock}},
    });
    if !request.pools.is_empty() {
        body["DefaultAddrPool"] = json!(request.pools);
        body["SubnetSize"] = json!(request.subnet_size);
    }
    body
}

/// JSON whose reader's complaints never quote it.
fn plain<T: serde::de::DeserializeOwned>(path: &str, answer: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(answer).map_err(|e| EngineError::NotJson {
        path: path.to_owned(),
        source: format!("line {} column {}", e.line(), e.column()).into(),
    })
}

/// Go writes an absent list as null.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
