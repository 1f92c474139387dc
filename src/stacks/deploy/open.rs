//! The way to a page of a stack: an SSH session to the node that runs its service, and from there to the container.
//!
//! No port has to be published for it: every task of a swarm has an address that its own node can reach.

use std::time::Duration;

use rmachine_driver::MachineName;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::engine::{EngineClient, EngineError, filters, segment, with_query};
use crate::model::{ClusterName, Failure};
use crate::ssh::{Forward, Session};
use crate::stacks::definition::{PAGE, StackName};
use crate::stacks::deploy::Ground;
use crate::swarm::Swarm;

/// Patience with a task where it was last.
const PATIENCE: Duration = Duration::from_secs(5);

/// From this computer to a page. Its task may move to another node meanwhile.
pub(crate) struct Way {
    listener: TcpListener,
    swarm: Swarm,
    cluster: ClusterName,
    service: String,
    port: u16,
    end: End,
}

/// Where a task is, and the session to its node.
struct End {
    session: Session,
    host: String,
    machine: MachineName,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Task {
    #[serde(rename = "NodeID")]
    node: String,
    status: TaskStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct TaskStatus {
    state: String,
    container_status: Container,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    #[serde(rename = "ContainerID")]
    id: String,
}

/// A page of a stack that is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenPage {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// In the order in which the stack names them: services bear their pages as labels.
pub(crate) async fn pages(
    swarm: &Swarm,
    cluster: &ClusterName,
    stack: &StackName,
) -> Result<Vec<OpenPage>, Failure> {
    let ground = Ground::look(swarm, cluster).await?;
    let services = ground.services.iter().filter(|s| s.stack() == Some(stack.as_str()));
    let mut pages: Vec<(u32, OpenPage)> = services
        .flat_map(|s| s.labels().filter_map(|(key, value)| read_page(stack, s.name(), key, value)))
        .collect();
    pages.sort_by_key(|(i, _)| *i);
    Ok(pages.into_iter().map(|(_, page)| page).collect())
}

fn read_page(stack: &StackName, service: &str, key: &str, value: &str) -> Option<(u32, OpenPage)> {
    let mut words = value.splitn(3, ' ');
    let (i, port) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let service = service.strip_prefix(stack.as_str())?.strip_prefix('_')?.to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    Some((i, OpenPage { name: key.strip_prefix(PAGE)?.to_owned(), service, port, path }))
}

/// Listens on 127.0.0.1, on a free port when `local` is 0.
pub(crate) async fn open(
    swarm: &Swarm,
    cluster: &ClusterName,
    stack: &StackName,
    (service, port): (&str, u16),
    local: u16,
) -> Result<Way, Failure> {
    let service = format!("{stack}_{service}");
    let end = find(swarm, cluster, &service).await?;
    // Whether somebody answers is better known before a browser asks.
    end.session.direct_tcpip(&end.host, port).await?;
    let listener = TcpListener::bind(("127.0.0.1", local)).await;
    let listener =
        listener.map_err(|e| Failure::because(format!("127.0.0.1:{local} cannot be listened on"), e))?;
    Ok(Way { listener, swarm: swarm.clone(), cluster: cluster.clone(), service, port, end })
}

async fn find(swarm: &Swarm, cluster: &ClusterName, service: &str) -> Result<End, Failure> {
    let mut ground = Ground::look(swarm, cluster).await?;
    if !ground.services.iter().any(|s| s.name() == service) {
        return Err(Failure::new(format!("there is no service \"{service}\" on \"{cluster}\""))
            .hint(format!("`{} stack ls {cluster}` shows what is deployed", swarm.machines.program)));
    }
    let path =
        with_query("/tasks", &[("filters", &filters(&[("service", service), ("desired-state", "running")]))]);
    let tasks: Vec<Task> = ground.manager.client().get(&path).await?;
    let running = tasks.iter().filter(|t| t.status.state == "running");
    let found =
        running.filter_map(|t| Some((ground.machine(&t.node)?, &t.status.container_status.id))).next();
    let (machine, container) = found.ok_or_else(|| {
        Failure::new(format!("no task of \"{service}\" runs on a machine of this store"))
            .hint(format!("{} stack ls {cluster}", swarm.machines.program))
    })?;
    let mut engine = swarm.engine(machine).await?;
    let host = address(engine.client(), container).await?.ok_or_else(|| {
        Failure::new(format!(
            "the task of \"{service}\" on {machine} has no address that its node could reach"
        ))
    })?;
    let session = swarm.machines.open(&swarm.machines.load(machine)?).await?;
    Ok(End { session, host, machine: machine.clone() })
}

impl Way {
    pub(crate) fn local_port(&self) -> u16 {
        self.listener.local_addr().map_or(0, |a| a.port())
    }

    pub(crate) fn machine(&self) -> &MachineName {
        &self.end.machine
    }

    /// Passes on what comes. What cannot be passed on is closed, and `tell` hears why.
    pub(crate) async fn serve(mut self, tell: &dyn Fn(&str)) {
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = under_way.join_next() => {}
                accepted = self.listener.accept() => {
                    let Ok((mut here, _)) = accepted else { continue };
                    match self.reach(tell).await {
                        Ok(mut there) => {
                            under_way.spawn(async move { drop(copy_bidirectional(&mut here, &mut there).await) });
                        }
                        Err(failure) => tell(&failure.message),
                    }
                }
            }
        }
    }

    /// To the task where it was, or where it is now.
    async fn reach(&mut self, tell: &dyn Fn(&str)) -> Result<Forward, Failure> {
        let before = timeout(PATIENCE, self.end.session.direct_tcpip(&self.end.host, self.port)).await;
        if let Ok(Ok(stream)) = before {
            return Ok(stream);
        }
        let end = find(&self.swarm, &self.cluster, &self.service).await?;
        if end.machine != self.end.machine {
            tell(&format!("{} runs on {} now", self.service, end.machine));
        }
        self.end = end;
        Ok(self.end.session.direct_tcpip(&self.end.host, self.port).await?)
    }
}

/// Of a container on its node's own network the node itself; else what the bridge gave its sandbox.
async fn address(client: &mut EngineClient, container: &str) -> Result<Option<String>, EngineError> {
    let inspected: Value = client.get(&format!("/containers/{}/json", segment(container))).await?;
    let networks = inspected.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    if networks.is_some_and(|n| n.contains_key("host")) {
        // What listens on the node's other address only is told by the refusal of this one.
        return Ok(Some("127.0.0.1".to_owned()));
    }
    let sandbox = inspected.pointer("/NetworkSettings/SandboxID").and_then(Value::as_str).unwrap_or_default();
    let bridge: Value = client.get("/networks/docker_gwbridge").await?;
    Ok(on_bridge(&bridge, sandbox))
}

/// The bridge calls a sandbox `gateway_` and the beginning of its id.
fn on_bridge(bridge: &Value, sandbox: &str) -> Option<String> {
    let name = format!("gateway_{}", sandbox.get(..12)?);
    let containers = bridge.get("Containers")?.as_object()?;
    let found = containers.iter().find(|(key, c)| **key == name || c["Name"] == name.as_str())?;
    let address = found.1.get("IPv4Address")?.as_str()?;
    Some(address.split('/').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bridge_knows_sandboxes_by_their_beginning() {
        let bridge = json!({"Containers": {
            "ingress-sbox": {"Name": "gateway_ingress-sbox", "IPv4Address": "172.18.0.2/16"},
            "e1": {"Name": "gateway_0123456789ab", "IPv4Address": "172.18.0.3/16"},
        }});
        assert_eq!(on_bridge(&bridge, "0123456789abcdef").as_deref(), Some("172.18.0.3"));
        assert_eq!(on_bridge(&bridge, "ffff56789abcdef"), None);
        assert_eq!(on_bridge(&bridge, ""), None);
    }
}
