//! What is true of a machine right now: asked of its engine and of its driver at once, with a deadline.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use rmachine_driver::{MachineName, Phase, State};
use tokio::time::timeout;

use crate::engine::EngineError;
use crate::machines::{Machine, Machines};
use crate::model::Failure;

/// One answer about a machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    pub(crate) state: State,
    pub(crate) url: String,
    /// `v26.1.5`, or `Unknown`.
    pub(crate) docker_version: String,
    pub(crate) error: String,
    pub(crate) took: Duration,
}

/// docker-machine's words.
const NO_ANSWER: &str = "Cannot connect to the docker engine endpoint";
/// Added to the deadline of a whole observation, so that it is the observation that ends in time and says so.
const LONGER: Duration = Duration::from_secs(5);

/// More than anybody waits; sums of times stay sums.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

type States = Arc<HashMap<MachineName, Result<State, Failure>>>;

/// Machines that are looked at together: a driver that can tell of many at once is asked once, as soon as the first of
/// its machines is looked at.
#[derive(Default)]
pub(crate) struct Round<'a> {
    lists: HashMap<&'a str, Shared<BoxFuture<'a, States>>>,
}

impl<'a> Round<'a> {
    pub(crate) fn of(machines: impl IntoIterator<Item = &'a Machine>) -> Self {
        let mut together: HashMap<&'a str, Vec<&'a Machine>> = HashMap::new();
        for machine in machines {
            if machine.driver.as_ref().is_some_and(|d| d.batch_states().is_some()) {
                together.entry(machine.stored.config.driver_name.as_str()).or_default().push(machine);
            }
        }
        let shared = |machines: Vec<&'a Machine>| list(machines).boxed().shared();
        Self { lists: together.into_iter().map(|(name, machines)| (name, shared(machines))).collect() }
    }

    /// Nothing when the driver has to be asked for this machine alone.
    async fn state(&self, machine: &Machine) -> Option<Result<State, Failure>> {
        let list = self.lists.get(machine.stored.config.driver_name.as_str())?;
        list.clone().await.get(&machine.name).cloned()
    }
}

async fn list(machines: Vec<&Machine>) -> States {
    let Some(driver) = machines.first().and_then(|m| m.driver.clone()) else { return States::default() };
    let views: Vec<_> = machines.iter().map(|m| m.view()).collect();
    let Some(batch) = driver.batch_states() else { return States::default() };
    let states = batch.states(&views).await;
    let named = machines.iter().map(|m| m.name.clone()).zip(states);
    Arc::new(named.map(|(name, state)| (name, state.map_err(Failure::from))).collect())
}

impl Machines {
    pub(crate) async fn state(&self, machine: &Machine) -> Result<State, Failure> {
        self.ask_driver(machine).await
    }

    pub(crate) async fn observe(&self, machine: &Machine, limit: Duration) -> Observed {
        self.observe_in(&Round::default(), machine, limit).await
    }

    pub(crate) async fn observe_in(&self, round: &Round<'_>, machine: &Machine, limit: Duration) -> Observed {
        let limit = limit.min(LONGEST);
        let began = Instant::now();
        let seen = match timeout(limit, self.look(round, machine, limit + LONGER)).await {
            Ok(seen) => seen,
            Err(_) => Observed { state: State::Timeout, ..Observed::default() },
        };
        let took = if seen.state == State::Timeout { limit } else { began.elapsed() };
        Observed { took, ..seen }
    }

    /// An engine that answers is proof of a running machine; only otherwise does the driver's word count.
    async fn look(&self, round: &Round<'_>, machine: &Machine, limit: Duration) -> Observed {
        let unknown = || "Unknown".to_owned();
        if machine.driver.is_none() {
            return Observed { state: State::Error, docker_version: unknown(), ..Observed::default() };
        }
        let url = machine.description().engine_url.unwrap_or_default();
        let has_engine = !url.is_empty() && machine.stored.own.phase >= Phase::Provisioned;
        let engine = async {
            if has_engine { self.ask_engine(machine, limit).await } else { Err(NO_ANSWER.to_owned()) }
        };
        let state = async {
            match round.state(machine).await {
                Some(state) => state,
                None => self.ask_driver(machine).await,
            }
        };
        let (mut engine, mut driver) = (pin!(engine), pin!(state));
        let (version, state) = tokio::select! {
            version = &mut engine => match version {
                Ok(version) => (Ok(version), Ok(State::Running)),
                Err(reason) => (Err(reason), driver.await),
            },
            // Nobody waits for the engine of a machine that is down.
            state = &mut driver => match state {
                Ok(State::Running) | Err(_) => (engine.await, state),
                Ok(down) => (Err(String::new()), Ok(down)),
            },
        };
        match (version, state) {
            (Ok(version), _) => {
                let docker_version = format!("v{version}");
                Observed { state: State::Running, url, docker_version, ..Observed::default() }
            }
            (Err(reason), Ok(State::Running)) if has_engine => Observed {
                state: State::Running,
                url,
                docker_version: unknown(),
                error: format!("Unable to query docker version: {reason}"),
                ..Observed::default()
            },
            (Err(_), Ok(state)) => Observed { state, docker_version: unknown(), ..Observed::default() },
            (Err(_), Err(e)) => Observed {
                state: State::Error,
                docker_version: unknown(),
                error: e.message,
                ..Observed::default()
            },
        }
    }

    /// Of an engine that is looked at for the first time.
    pub(crate) async fn asked_version(&self, machine: &Machine) -> Result<String, String> {
        const PATIENCE: Duration = Duration::from_secs(20);
        self.ask_engine(machine, PATIENCE).await
    }

    /// The version, or the reason why it is not known.
    async fn ask_engine(&self, machine: &Machine, limit: Duration) -> Result<String, String> {
        let version = match self.reach(machine, limit).await.map_err(|e| e.message)? {
            Ok(mut engine) => engine.client.version().await,
            Err(e) => Err(e),
        };
        version.map(|v| v.version).map_err(|e| match e {
            EngineError::Dial { .. } => NO_ANSWER.to_owned(),
            e => e.to_string(),
        })
    }

    /// A driver that probes the SSH port from here cannot see a host behind another one.
    async fn ask_driver(&self, machine: &Machine) -> Result<State, Failure> {
        let driver = machine.driver()?;
        if self.behind_jump_host(machine) {
            return Ok(if self.connect(machine).await.is_ok() { State::Running } else { State::Stopped });
        }
        Ok(driver.state(&machine.view()).await?)
    }

    /// The version of a machine's engine, for `version NAME`.
    pub(crate) async fn engine_version(&self, machine: &Machine) -> Result<String, String> {
        const PATIENCE: Duration = Duration::from_secs(10);
        match self.ask_engine(machine, PATIENCE).await {
            Ok(version) => Ok(version),
            Err(e) => match self.state(machine).await {
                Ok(State::Running) | Err(_) => Err(e),
                Ok(_) => Err("Host is not running".to_owned()),
            },
        }
    }
}
