//! What a cluster is like before something is done with it: its nodes, the machines behind them, what runs there.

use rmachine_driver::MachineName;
use serde::Deserialize;
use serde_json::Value;

use crate::engine::swarm::Node;
use crate::engine::{EngineClient, EngineError, filters, with_query};
use crate::model::{ClusterName, Failure};
use crate::stacks::definition::{LABEL, Member, NAMESPACE, NODE, StackName, Surroundings};
use crate::stacks::deploy::Request;
use crate::swarm::{Cluster, Engine, Swarm};

/// A manager that answers, and what it says.
pub(crate) struct Ground {
    pub(crate) cluster: Cluster,
    pub(crate) manager: Engine,
    pub(crate) nodes: Vec<Node>,
    pub(crate) services: Vec<Service>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Service {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "Spec")]
    spec: Spec,
    #[serde(rename = "Endpoint")]
    endpoint: Endpoint,
    #[serde(rename = "ServiceStatus")]
    status: ServiceStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Spec {
    name: String,
    labels: Option<serde_json::Map<String, Value>>,
    task_template: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Endpoint {
    ports: Option<Vec<Published>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Published {
    pub(crate) protocol: String,
    pub(crate) published_port: u16,
    pub(crate) publish_mode: String,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ServiceStatus {
    running_tasks: u64,
    desired_tasks: u64,
}

impl Service {
    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.spec.labels.iter().flatten();
        labels.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.spec.labels.as_ref()?.get(key)?.as_str()
    }

    pub(crate) fn stack(&self) -> Option<&str> {
        self.label(NAMESPACE)
    }

    /// What rmachine deployed it from.
    pub(crate) fn source(&self) -> Option<&str> {
        self.label(LABEL)
    }

    pub(crate) fn ports(&self) -> &[Published] {
        self.endpoint.ports.as_deref().unwrap_or_default()
    }

    pub(crate) fn running(&self) -> u64 {
        self.status.running_tasks
    }

    pub(crate) fn desired(&self) -> u64 {
        self.status.desired_tasks
    }

    /// What its tasks are made from.
    pub(super) fn container_spec(&self) -> Option<&Value> {
        self.spec.task_template.get("ContainerSpec")
    }
}

/// All services, or those of one stack.
pub(super) async fn services(
    client: &mut EngineClient,
    stack: Option<&StackName>,
) -> Result<Vec<Service>, EngineError> {
    let label = stack.map(|name| format!("{NAMESPACE}={name}"));
    let pairs: Vec<_> = label.iter().map(|l| ("label", l.as_str())).collect();
    client.get(&with_query("/services", &[("status", "true"), ("filters", &filters(&pairs))])).await
}

impl Ground {
    pub(crate) async fn look(swarm: &Swarm, cluster: &ClusterName) -> Result<Self, Failure> {
        let mut manager = swarm.manager_engine(cluster).await?;
        let nodes = manager.client().nodes().await?;
        let services = services(manager.client(), None).await?;
        Ok(Self { cluster: swarm.cluster(cluster)?, manager, nodes, services })
    }

    /// The nodes that take part, with the machines behind them.
    pub(super) fn machines(&self) -> impl Iterator<Item = (&Node, &MachineName)> {
        let ready = self.nodes.iter().filter(|n| n.state() == "ready");
        ready.filter_map(|node| Some((node, self.cluster.machine_of(node)?)))
    }

    pub(super) fn of_stack(&self, name: &StackName) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |s| s.stack() == Some(name.as_str()))
    }

    pub(super) fn machine(&self, node: &str) -> Option<&MachineName> {
        self.cluster.machine_of(self.nodes.iter().find(|n| n.id == node)?)
    }

    fn member(&self, node: &Node) -> Member {
        let machine = self.cluster.machine_of(node);
        Member {
            id: node.id.clone(),
            name: machine.map_or(node.host_name(), MachineName::as_str).to_owned(),
            address: node.address().to_owned(),
            manager: node.manager.is_some(),
        }
    }

    pub(super) fn surroundings(&self, swarm: &Swarm, request: &Request) -> Result<Surroundings, Failure> {
        let mut nodes: Vec<Member> = self.nodes.iter().map(|n| self.member(n)).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let wish = request.settings.text("node");
        let usable = |m: &&Member| {
            self.nodes.iter().any(|n| n.id == m.id && n.state() == "ready" && n.availability() == "active")
        };
        let before = self.of_stack(&request.name).find_map(|s| s.label(NODE));
        let where_data_is = nodes.iter().find(|m| Some(m.id.as_str()) == before);
        let chosen = if wish.is_empty() && where_data_is.is_some() {
            where_data_is
        } else if wish.is_empty() {
            let kept = nodes.iter().filter(usable).find(|m| m.manager);
            kept.or_else(|| nodes.iter().find(usable))
        } else {
            nodes.iter().filter(usable).find(|m| m.name == wish)
        };
        let chosen = chosen.cloned().ok_or_else(|| {
            let cluster = &self.cluster.name;
            let message = if wish.is_empty() {
                format!("no node of \"{cluster}\" takes tasks")
            } else {
                format!("{wish:?} is no node of \"{cluster}\" that takes tasks")
            };
            Failure::new(message).hint(format!("{} swarm status {cluster}", swarm.machines.program))
        })?;
        let cluster = self.cluster.name.to_string();
        Ok(Surroundings { cluster, nodes, chosen, publish: request.publish })
    }
}
