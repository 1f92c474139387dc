//! Logs of services, from all nodes at once: a manager collects them, whichever node a task is on.

use std::collections::HashMap;

use futures_util::future::{join_all, try_join_all};

use crate::deploy::{Ground, Service};
use crate::engine::{segment, with_query};
use crate::lifecycle::{Failure, Lifecycle};
use crate::store::ClusterName;

#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub follow: bool,
    /// The last lines of each service; all where it says nothing.
    pub tail: Option<u32>,
    pub timestamps: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub service: String,
    pub node: String,
    pub stderr: bool,
    pub text: String,
}

/// Shows each line as it comes. `word` is a service or a stack; without one all services are meant.
pub async fn logs(
    lifecycle: &Lifecycle,
    cluster: &ClusterName,
    word: Option<&str>,
    wanted: Wanted,
    show: &(dyn Fn(Line) + Sync),
) -> Result<(), Failure> {
    let ground = Ground::look(lifecycle, cluster).await?;
    let services: Vec<(String, String)> = ground
        .services
        .iter()
        .filter(|s| word.is_none_or(|w| s.name() == w || s.stack() == Some(w)))
        .map(|s| (s.id.clone(), s.name().to_owned()))
        .collect();
    if services.is_empty() {
        return Err(none(&ground, word));
    }
    let nodes: HashMap<String, String> = ground
        .nodes
        .iter()
        .map(|n| {
            let machine = ground.cluster.machine_of(n).map(ToString::to_string);
            (n.id.clone(), machine.unwrap_or_else(|| n.host_name().to_owned()))
        })
        .collect();
    drop(ground.manager);
    let each = services.iter().map(|(id, name)| one(lifecycle, cluster, id, name, wanted, &nodes, show));
    if wanted.follow {
        return try_join_all(each).await.map(drop);
    }
    join_all(each).await.into_iter().collect()
}

fn none(ground: &Ground, word: Option<&str>) -> Failure {
    let cluster = &ground.cluster.name;
    let names: Vec<_> = ground.services.iter().map(Service::name).collect();
    let failure = match word {
        Some(word) => Failure::new(format!("there is no service or stack \"{word}\" on \"{cluster}\"")),
        None => Failure::new(format!("no service runs on \"{cluster}\"")),
    };
    if names.is_empty() { failure } else { failure.hint(format!("there are: {}", names.join(", "))) }
}

async fn one(
    lifecycle: &Lifecycle,
    cluster: &ClusterName,
    id: &str,
    service: &str,
    wanted: Wanted,
    nodes: &HashMap<String, String>,
    show: &(dyn Fn(Line) + Sync),
) -> Result<(), Failure> {
    let flag = |on| if on { "1" } else { "0" };
    let tail = wanted.tail.map_or("all".to_owned(), |n| n.to_string());
    let path = with_query(
        &format!("/services/{}/logs", segment(id)),
        &[
            ("stdout", "1"),
            ("stderr", "1"),
            ("details", "1"),
            ("follow", flag(wanted.follow)),
            ("timestamps", flag(wanted.timestamps)),
            ("tail", &tail),
        ],
    );
    let mut manager = lifecycle.manager_engine(cluster).await?;
    let failed = |e| Failure::from(e).prefix(&format!("{service}: "));
    let mut frames = manager.client().frames(&path).await.map_err(failed)?;
    while let Some(frame) = frames.next().await.map_err(failed)? {
        for text in String::from_utf8_lossy(&frame.data).lines() {
            let (node, text) = split(text);
            let node = node.and_then(|id| nodes.get(id)).cloned().unwrap_or_default();
            show(Line { service: service.to_owned(), node, stderr: frame.stderr, text });
        }
    }
    Ok(())
}

/// `[TIME ]KEY=VALUE,KEY=VALUE TEXT`: the node, and the rest with the time before it.
fn split(line: &str) -> (Option<&str>, String) {
    const NODE: &str = "com.docker.swarm.node.id=";
    let (time, rest) = match line.split_once(' ') {
        Some((first, rest)) if !first.contains('=') && rest.contains(NODE) => (Some(first), rest),
        _ => (None, line),
    };
    let (details, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let Some(node) = details.split(',').find_map(|pair| pair.strip_prefix(NODE)) else {
        return (None, line.to_owned());
    };
    (Some(node), time.map_or_else(|| text.to_owned(), |time| format!("{time} {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_name_the_node() {
        let details = "com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t";
        assert_eq!(split(&format!("{details} GET /?a=b 200")), (Some("n1"), "GET /?a=b 200".to_owned()));
        assert_eq!(split(&format!("{details} ")), (Some("n1"), String::new()));
        let timed = format!("2026-11-21T11:00:00Z {details} hello");
        assert_eq!(split(&timed), (Some("n1"), "2026-11-21T11:00:00Z hello".to_owned()));
        assert_eq!(split("no details"), (None, "no details".to_owned()));
    }
}
