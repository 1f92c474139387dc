//! Until all tasks of a stack run, or why they do not.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use crate::engine::{EngineError, filters, with_query};
use crate::model::Failure;
use crate::stacks::deploy::swarm_snapshot::services;
use crate::stacks::deploy::{Ground, Request, Service};
use crate::swarm::Swarm;

const PAUSE: Duration = Duration::from_millis(300);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Task {
    #[serde(rename = "NodeID")]
    node: String,
    #[serde(rename = "ServiceID")]
    service: String,
    spec: Value,
    status: TaskStatus,
}

impl Task {
    /// It runs, and as the service is now: what an update has not reached yet runs too.
    fn is_up(&self, service: &Service) -> bool {
        self.service == service.id
            && self.status.state == "running"
            && self.spec.get("ContainerSpec") == service.container_spec()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct TaskStatus {
    timestamp: String,
    state: String,
    err: String,
}

pub(super) async fn until_up(swarm: &Swarm, ground: &mut Ground, request: &Request) -> Result<(), Failure> {
    if request.wait.is_zero() {
        return Ok(());
    }
    let deadline = Instant::now() + request.wait;
    let manager = ground.manager.machine.clone();
    swarm.machines.reporter.step(&manager, "Waiting for its services...");
    loop {
        let services = services(ground.manager.client(), Some(&request.name)).await?;
        let wanted = with_query("/tasks", &[("filters", &filters(&[("desired-state", "running")]))]);
        let tasks: Vec<Task> = ground.manager.client().get(&wanted).await?;
        let up = |s: &Service| tasks.iter().filter(|t| t.is_up(s)).count() as u64;
        let late: Vec<_> = services.iter().filter(|s| up(s) < s.desired()).collect();
        if late.is_empty() && !services.is_empty() {
            swarm.machines.reporter.finish(&manager, true);
            return Ok(());
        }
        if Instant::now() >= deadline {
            let mut failure = Failure::new(format!(
                "the stack \"{}\" is deployed, and {} of its {} services do not run completely after {} s",
                request.name,
                late.len(),
                services.len(),
                request.wait.as_secs()
            ));
            for service in &late {
                let line = format!("{}: {} of {} run", service.name(), up(service), service.desired());
                let why = last_error(ground, &service.id).await?;
                failure = failure.detail(format!("{line}{why}"));
            }
            let cluster = &ground.cluster.name;
            let program = &swarm.machines.program;
            return Err(failure
                .hint(format!("`{program} stack ls {cluster}` shows when they do; --wait 300 waits longer"))
                .hint(format!("`{program} stack rm {cluster} {}` takes it away again", request.name)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What the latest task of a service failed of.
async fn last_error(ground: &mut Ground, service: &str) -> Result<String, EngineError> {
    let path = with_query("/tasks", &[("filters", &filters(&[("service", service)]))]);
    let mut tasks: Vec<Task> = ground.manager.client().get(&path).await?;
    tasks.retain(|t| !t.status.err.is_empty());
    tasks.sort_by(|a, b| a.status.timestamp.cmp(&b.status.timestamp));
    let last = tasks.pop();
    Ok(last.map_or_else(String::new, |t| {
        let machine = ground.machine(&t.node).map(|m| format!(" on {m}")).unwrap_or_default();
        format!("; a task{machine} is {}: {}", t.status.state, t.status.err)
    }))
}
