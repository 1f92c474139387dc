//! Logs of services, from all nodes at once: a manager collects them, whichever node a task is on.
//!
//! Who follows outlives nodes and managers that go away: what is lost is said, and taken up where it was once they are back.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::engine::swarm::Node;
use crate::engine::{EngineError, segment, with_query};
use crate::model::{ClusterName, Failure};
use crate::stacks::deploy::{Ground, Service};
use crate::swarm::Swarm;

/// Between two looks at the nodes, and before a lost manager is asked again.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) follow: bool,
    /// The last lines of each service; all where it says nothing.
    pub(crate) tail: Option<u32>,
    pub(crate) timestamps: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Line(Line),
    /// Of the cluster itself: who went away, and who came back.
    Notice(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) service: String,
    pub(crate) node: String,
    pub(crate) stderr: bool,
    pub(crate) text: String,
}

type Show<'a> = &'a (dyn Fn(Heard) + Sync);

/// What all streams have in common.
struct Ear<'a> {
    swarm: &'a Swarm,
    cluster: &'a ClusterName,
    wanted: Wanted,
    nodes: HashMap<String, String>,
    show: Show<'a>,
}

/// Shows each line as it comes. `word` is a service or a stack; without one all services are meant.
pub(crate) async fn logs(
    swarm: &Swarm,
    cluster: &ClusterName,
    word: Option<&str>,
    wanted: Wanted,
    show: Show<'_>,
) -> Result<(), Failure> {
    let ground = Ground::look(swarm, cluster).await?;
    let services: Vec<(String, String)> = ground
        .services
        .iter()
        .filter(|s| word.is_none_or(|w| s.name() == w || s.stack() == Some(w)))
        .map(|s| (s.id.clone(), s.name().to_owned()))
        .collect();
    if services.is_empty() {
        return Err(none(&ground, word));
    }
    let nodes = names(&ground);
    drop(ground.manager);
    let ear = Ear { swarm, cluster, wanted, nodes, show };
    if !wanted.follow {
        let all = services.iter().map(async |(id, name)| ear.hear(id, name, &mut HashMap::new()).await);
        return join_all(all).await.into_iter().collect();
    }
    let (changes, anew) = watch::channel(());
    let each = services.iter().map(|(id, name)| ear.follow(id, name, anew.clone()));
    tokio::select! {
        never = ear.watch_nodes(changes) => never,
        // Only when all services are gone.
        _ = join_all(each) => Ok(()),
    }
}

fn names(ground: &Ground) -> HashMap<String, String> {
    let name = |n: &Node| ground.cluster.machine_of(n).map(ToString::to_string);
    ground.nodes.iter().map(|n| (n.id.clone(), name(n).unwrap_or_else(|| n.host_name().to_owned()))).collect()
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

impl Ear<'_> {
    fn notice(&self, text: String) {
        (self.show)(Heard::Notice(text));
    }

    /// Until the service is gone. Whatever breaks the stream, it is taken up where it was.
    async fn follow(&self, id: &str, service: &str, mut anew: watch::Receiver<()>) {
        let mut heard = HashMap::new();
        let mut lost = false;
        loop {
            let ended = tokio::select! {
                ended = self.hear(id, service, &mut heard) => ended,
                Ok(()) = anew.changed() => continue,
            };
            match ended {
                Err(e) if e.cause().is_some_and(EngineError::is_missing) => {
                    return self.notice(format!("{service} is gone"));
                }
                Err(e) if !lost => {
                    lost = true;
                    self.notice(format!("{}; it is tried again", e.message));
                }
                Err(_) => {}
                // The manager was stopped in order, or has nothing more to say.
                Ok(()) => lost = false,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Who goes away, and who comes back: either begins all streams anew.
    async fn watch_nodes(&self, anew: watch::Sender<()>) -> Result<(), Failure> {
        let (mut states, mut silent): (HashMap<String, bool>, bool) = (HashMap::new(), false);
        loop {
            match self.look().await {
                Err(e) if !silent => {
                    silent = true;
                    self.notice(format!("{}; it is tried again", e.message));
                }
                Err(_) => {}
                Ok(nodes) => {
                    let mut changed = silent;
                    if silent {
                        self.notice(format!("the managers of {} answer again", self.cluster));
                    }
                    silent = false;
                    for node in nodes {
                        let (ready, name) = (node.state() == "ready", self.name(&node.id));
                        let before = states.insert(node.id.clone(), ready);
                        let news = match before {
                            Some(true) if !ready => "went away: what it says is missing until it is back",
                            Some(false) if ready => "is back",
                            _ => continue,
                        };
                        self.notice(format!("{name} {news}"));
                        changed = true;
                    }
                    if changed {
                        // Streams may have hung on who went away, and lack who came back.
                        anew.send_replace(());
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self) -> Result<Vec<Node>, Failure> {
        let mut manager = self.swarm.manager_engine(self.cluster).await?;
        Ok(manager.client().nodes().await?)
    }

    fn name(&self, node: &str) -> String {
        self.nodes.get(node).cloned().unwrap_or_default()
    }

    /// One stream to its end. `heard` is the time of the last line of each task.
    async fn hear(
        &self,
        id: &str,
        service: &str,
        heard: &mut HashMap<String, String>,
    ) -> Result<(), Failure> {
        let flag = |on| if on { "1" } else { "0" };
        let tail = self.wanted.tail.map_or("all".to_owned(), |n| n.to_string());
        let before = heard.clone();
        // Tasks that have said nothing yet are heard from their beginning.
        let tail = if before.is_empty() { tail } else { "all".to_owned() };
        let oldest = before.values().min().and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let since = oldest.map(|time| time.as_second().to_string());
        let mut pairs = vec![
            ("stdout", "1"),
            ("stderr", "1"),
            ("details", "1"),
            ("timestamps", "1"),
            ("follow", flag(self.wanted.follow)),
            ("tail", &tail),
        ];
        pairs.extend(since.as_deref().map(|time| ("since", time)));
        let path = with_query(&format!("/services/{}/logs", segment(id)), &pairs);
        let failed = |e| Failure::from(e).prefix(&format!("{service}: "));
        let mut manager = self.swarm.manager_engine(self.cluster).await?;
        let mut frames = manager.client().frames(&path).await.map_err(failed)?;
        while let Some(frame) = frames.next().await.map_err(failed)? {
            for text in String::from_utf8_lossy(&frame.data).lines() {
                let said = split(text);
                if before.get(said.task).is_some_and(|last| said.time <= last.as_str()) {
                    continue;
                }
                heard.insert(said.task.to_owned(), said.time.to_owned());
                let text = match self.wanted.timestamps {
                    true => format!("{} {}", said.time, said.text),
                    false => said.text.to_owned(),
                };
                let (service, node) = (service.to_owned(), self.name(said.node));
                (self.show)(Heard::Line(Line { service, node, stderr: frame.stderr, text }));
            }
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Said<'a> {
    time: &'a str,
    node: &'a str,
    task: &'a str,
    text: &'a str,
}

/// `TIME KEY=VALUE,KEY=VALUE TEXT`
fn split(line: &str) -> Said<'_> {
    let whole = Said { time: "", node: "", task: "", text: line };
    let Some((time, rest)) = line.split_once(' ') else { return whole };
    let (details, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let value = |key: &str| details.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    match (value("com.docker.swarm.node.id"), value("com.docker.swarm.task.id")) {
        (Some(node), Some(task)) => Said { time, node, task, text },
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_name_the_node() {
        let details = "com.docker.swarm.node.id=n1,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t";
        let time = "2026-11-21T11:00:00.000000001Z";
        let said = |text| Said { time, node: "n1", task: "t", text };
        assert_eq!(split(&format!("{time} {details} GET /?a=b 200")), said("GET /?a=b 200"));
        assert_eq!(split(&format!("{time} {details} ")), said(""));
        assert_eq!(split("no details"), Said { time: "", node: "", task: "", text: "no details" });
    }
}
