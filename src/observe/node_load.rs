//! How busy nodes are: asked of the hosts over one SSH session each, of their engines' metrics through the same session, and
//! of the engines themselves where they give none.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};

use crate::engine::{EngineClient, Version};
use crate::model::Failure;
use crate::ssh::Session;
use crate::swarm::{Cluster, Member, Swarm};

const SCRIPT: &str = include_str!("../../templates/host/load.sh");
const METRICS: u16 = 9323;
/// Patience with one node in one round.
const ROUND: Duration = Duration::from_secs(8);
const STEP: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct NodeLoad {
    pub(crate) name: String,
    pub(crate) role: String,
    /// Why nothing is known of it.
    pub(crate) error: Option<String>,
    pub(crate) engine: String,
    /// Whether the engine's own metrics said how many containers run.
    pub(crate) metrics: bool,
    pub(crate) containers: Option<u64>,
    #[serde(flatten)]
    pub(crate) host: HostLoad,
    /// Since the look before; of the first, since the host was started.
    pub(crate) cpu_percent: Option<f64>,
}

/// Sizes are in KiB.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct HostLoad {
    pub(crate) load: f64,
    pub(crate) cores: u64,
    pub(crate) up_seconds: u64,
    pub(crate) memory: u64,
    pub(crate) memory_available: u64,
    pub(crate) disk: u64,
    pub(crate) disk_used: u64,
    #[serde(skip)]
    ticks: (u64, u64),
}

/// One node as it is seen again and again: the session stays from one look to the next.
#[derive(Default)]
struct Sight {
    session: Option<Session>,
    ticks: (u64, u64),
}

impl Sight {
    /// A node that does not answer is a row that says so.
    async fn look(&mut self, swarm: &Swarm, member: &Member) -> NodeLoad {
        let looked = timeout(ROUND, node(swarm, member, self.session.take())).await;
        let late = || Err(Failure::new(format!("no answer within {} s", ROUND.as_secs())));
        match looked.unwrap_or_else(|_| late()) {
            Ok((mut load, session)) => {
                self.session = Some(session);
                load.cpu_percent = percent(self.ticks, load.host.ticks);
                self.ticks = load.host.ticks;
                load
            }
            // What could not be done is plain; why is what there is room for.
            Err(e) => {
                let why = e.message.trim_start_matches("Error: Cannot run SSH command: ").to_owned();
                NodeLoad { error: Some(why), ..NodeLoad::of(member) }
            }
        }
    }
}

impl NodeLoad {
    /// Of whom nothing is known yet.
    pub(crate) fn of(member: &Member) -> Self {
        let (name, role) = (member.machine.to_string(), member.membership.role.to_string());
        Self { name, role, ..Self::default() }
    }
}

/// All nodes at once, managers first.
pub(crate) async fn look(swarm: &Swarm, cluster: &Cluster) -> Vec<NodeLoad> {
    let looks = cluster.members.iter().map(async |member| Sight::default().look(swarm, member).await);
    let mut rows = join_all(looks).await;
    rows.sort_by(|a, b| (&a.role, &a.name).cmp(&(&b.role, &b.name)));
    rows
}

/// Looks at all nodes for as long as it is kept, each at its own pace: one that hangs keeps no other waiting.
pub(crate) struct Watch {
    news: mpsc::Receiver<NodeLoad>,
    _looks: JoinSet<()>,
}

impl Watch {
    pub(crate) fn new(swarm: &Swarm, cluster: &Cluster, interval: Duration) -> Self {
        let (sender, news) = mpsc::channel(cluster.members.len().max(1));
        let mut looks = JoinSet::new();
        for member in &cluster.members {
            let (swarm, member, sender) = (swarm.clone(), member.clone(), sender.clone());
            looks.spawn(async move {
                let mut sight = Sight::default();
                let mut tick = tokio::time::interval(interval);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tick.tick().await;
                    let load = sight.look(&swarm, &member).await;
                    if sender.send(load).await.is_err() {
                        return;
                    }
                }
            });
        }
        Self { news, _looks: looks }
    }

    /// What is new of one node.
    pub(crate) async fn next(&mut self) -> Option<NodeLoad> {
        self.news.recv().await
    }
}

async fn node(
    swarm: &Swarm,
    member: &Member,
    session: Option<Session>,
) -> Result<(NodeLoad, Session), Failure> {
    let name = &member.machine;
    let session = match session {
        Some(session) => session,
        None => swarm.machines.open(&swarm.machines.load(name)?).await?,
    };
    let said = session.output("sh -s", SCRIPT.as_bytes()).await?;
    let host = read(&String::from_utf8_lossy(&said.stdout)).ok_or_else(|| {
        Failure::new("the host does not say how busy it is: it has no /proc as Linux has it")
    })?;
    let mut load = NodeLoad { host, ..NodeLoad::of(member) };
    let address = member.membership.address.as_deref().unwrap_or("127.0.0.1");
    if let Some(metrics) = metrics(&session, address).await {
        load.metrics = true;
        load.containers = running(&metrics);
        load.engine = engine_version(&metrics).unwrap_or_default();
    } else if let Ok(mut engine) = swarm.engine(name).await {
        load.containers =
            engine.client().info().await.ok().and_then(|i| i.get("ContainersRunning")?.as_u64());
        load.engine = engine.client().version().await.map(|v: Version| v.version).unwrap_or_default();
    }
    Ok((load, session))
}

/// The engine's own page of metrics, which is HTTP like its API.
async fn metrics(session: &Session, address: &str) -> Option<String> {
    let stream = session.direct_tcpip(address, METRICS).await.ok()?;
    let mut client = EngineClient::over(stream, STEP).await.ok()?;
    let page = client.request(rmachine_engine_api::Method::GET, "/metrics", None).await.ok()?;
    Some(String::from_utf8_lossy(&page).into_owned())
}

fn running(metrics: &str) -> Option<u64> {
    let line = metrics
        .lines()
        .find(|l| l.starts_with("engine_daemon_container_states_containers{state=\"running\"}"))?;
    let number: f64 = line.rsplit_once(' ')?.1.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of containers")]
    Some(number as u64)
}

fn engine_version(metrics: &str) -> Option<String> {
    let line = metrics.lines().find(|l| l.starts_with("engine_daemon_engine_info{"))?;
    let (_, rest) = line.split_once(",version=\"")?;
    Some(rest.split('"').next()?.to_owned())
}

fn read(said: &str) -> Option<HostLoad> {
    let words: HashMap<&str, Vec<&str>> = said
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.collect()))
        })
        .collect();
    let number = |key: &str, i: usize| words.get(key)?.get(i)?.parse::<u64>().ok();
    Some(HostLoad {
        load: words.get("load")?.first()?.parse().ok()?,
        cores: number("cores", 0)?,
        up_seconds: number("up", 0)?,
        memory: number("memory", 0)?,
        memory_available: number("available", 0)?,
        disk: number("disk", 0).unwrap_or_default(),
        disk_used: number("disk", 1).unwrap_or_default(),
        ticks: (number("cpu", 0)?, number("cpu", 1)?),
    })
}

fn percent(before: (u64, u64), now: (u64, u64)) -> Option<f64> {
    let (busy, idle) = (now.0.checked_sub(before.0)?, now.1.checked_sub(before.1)?);
    let all = busy + idle;
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
    (all > 0).then(|| (busy as f64 / all as f64 * 1000.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_says_here_is_understood() {
        use std::process::Command;
        #[allow(clippy::disallowed_methods, reason = "tests run what a host would")]
        let said = Command::new("sh").args(["-c", SCRIPT]).output().unwrap();
        let load = read(&String::from_utf8(said.stdout).unwrap()).unwrap();
        assert!(
            load.cores > 0 && load.memory > load.memory_available && load.disk > load.disk_used,
            "{load:?}"
        );
        assert!(load.ticks.0 > 0 && load.ticks.1 > 0 && load.up_seconds > 0, "{load:?}");
        assert_eq!(read("load 0.1\nup 1\n"), None);
    }

    #[test]
    fn metrics_of_an_engine() {
        let page = "# HELP x\nengine_daemon_container_states_containers{state=\"paused\"} 0\n\
                    engine_daemon_container_states_containers{state=\"running\"} 12\n\
                    engine_daemon_engine_info{architecture=\"x86_64\",os_version=\"13\",version=\"26.1.5+dfsg1\"} 1\n";
        assert_eq!(running(page), Some(12));
        assert_eq!(engine_version(page).as_deref(), Some("26.1.5+dfsg1"));
        assert_eq!(running("x 1\n"), None);
    }

    #[test]
    fn processor_time_is_that_since_the_look_before() {
        assert_eq!(percent((100, 900), (150, 950)), Some(50.0));
        assert_eq!(percent((0, 0), (1, 2)), Some(33.3));
        assert_eq!(percent((5, 5), (5, 5)), None);
        assert_eq!(percent((5, 5), (1, 1)), None, "it was started anew");
    }
}
