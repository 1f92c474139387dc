//! Whether services run again what they ran before a node was taken from them.

use std::collections::BTreeMap;

use crate::engine::services::Service;
use crate::engine::swarm::Task;

/// How many tasks of each service ran, and how many of them on the node that goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Before(BTreeMap<String, Count>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Count {
    all: usize,
    there: usize,
}

fn running<'a>(tasks: &'a [Task], service: &'a Service) -> impl Iterator<Item = &'a Task> {
    tasks.iter().filter(|t| t.service == service.id && t.state() == "running")
}

pub(crate) fn before(services: &[Service], tasks: &[Task], node: &str) -> Before {
    let lasting = services.iter().filter(|s| !s.is_job());
    let count = |s: &Service| Count {
        all: running(tasks, s).count(),
        there: running(tasks, s).filter(|t| t.node == node).count(),
    };
    Before(lasting.map(|s| (s.id.clone(), count(s))).collect())
}

/// The services that do not run what they ran, in words. While a node is `away`, a global service has none there, and what
/// may run nowhere else has to wait for it. One that somebody made since then, or scaled down, is no concern of a roll.
pub(crate) fn missing(
    before: &Before,
    services: &[Service],
    tasks: &[Task],
    away: Option<&str>,
) -> Vec<String> {
    let short = |service: &Service| {
        let count = before.0.get(&service.id)?;
        let elsewhere = running(tasks, service).filter(|t| Some(t.node.as_str()) != away).count();
        let bound = tasks.iter().filter(|t| t.service == service.id && t.is_bound_elsewhere()).count();
        let lost = match away {
            None => 0,
            Some(_) if service.is_global() => count.there,
            Some(_) => bound.min(count.there),
        };
        let wanted = (count.all - lost).min(service.replicas().unwrap_or(usize::MAX));
        (elsewhere < wanted).then(|| format!("{}: {elsewhere} of {wanted} tasks run", service.name()))
    };
    services.iter().filter_map(short).collect()
}

/// The services that have to wait for the node that goes: no other may run them.
pub(crate) fn waiting<'a>(services: &'a [Service], tasks: &[Task]) -> Vec<&'a str> {
    let waits = |s: &&Service| tasks.iter().any(|t| t.service == s.id && t.is_bound_elsewhere());
    services.iter().filter(waits).map(Service::name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(id: &str, mode: &str) -> Service {
        let mode = json!({mode: {"Replicas": 2}});
        serde_json::from_value(json!({"ID": id, "Spec": {"Name": id, "Mode": mode}})).unwrap()
    }

    fn tasks(list: &[(&str, &str, &str)]) -> Vec<Task> {
        let one = |(service, node, state): &(&str, &str, &str)| json!({"ID": "t", "ServiceID": service, "NodeID": node, "Status": {"State": state}});
        serde_json::from_value(list.iter().map(one).collect()).unwrap()
    }

    #[test]
    fn tasks_that_moved_and_tasks_that_did_not() {
        let services =
            [service("web", "Replicated"), service("agent", "Global"), service("once", "ReplicatedJob")];
        let (all, agents) = ([("web", "a", "running"), ("web", "b", "running")], ("agent", "b", "running"));
        let at_first = tasks(&[all[0], all[1], ("agent", "a", "running"), agents, ("once", "a", "running")]);
        let before = before(&services, &at_first, "a");
        let missing = |list: &[(&str, &str, &str)], away| missing(&before, &services, &tasks(list), away);
        assert_eq!(
            missing(&[("web", "c", "preparing"), all[1], agents], Some("a")),
            ["web: 1 of 2 tasks run"]
        );
        assert!(missing(&[("web", "c", "running"), all[1], agents], Some("a")).is_empty());
        assert_eq!(missing(&[all[0], all[1], agents], Some("a")), ["web: 1 of 2 tasks run"], "not moved yet");
        let back = [all[0], all[1], ("agent", "a", "starting"), agents];
        assert_eq!(missing(&back, None), ["agent: 1 of 2 tasks run"]);
        let pending = json!({"ServiceID": "web", "DesiredState": "running", "Status": {"State": "pending", "Err":
            "no suitable node (scheduling constraints not satisfied on 2 nodes; 1 node not available for new tasks)"}});
        let mut tied = tasks(&[all[1], agents]);
        tied.push(serde_json::from_value(pending).unwrap());
        assert!(
            super::missing(&before, &services, &tied, Some("a")).is_empty(),
            "it may run on that node alone"
        );
        assert_eq!(waiting(&services, &tied), ["web"]);
        let back = super::missing(&before, &services, &tied, None);
        assert_eq!(back, ["web: 1 of 2 tasks run", "agent: 1 of 2 tasks run"], "and is missed afterwards");
        let less =
            serde_json::from_value(json!({"ID": "web", "Spec": {"Mode": {"Replicated": {"Replicas": 1}}}}));
        let left = tasks(&[all[1]]);
        assert!(super::missing(&before, &[less.unwrap()], &left, None).is_empty(), "scaled down by somebody");
    }
}
