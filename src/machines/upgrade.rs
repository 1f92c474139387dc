//! The engine of a machine, brought to another version; its containers are counted before and after.

use std::collections::BTreeMap;
use std::time::Duration;

use rmachine_driver::{MachineName, Phase, State};
use serde::Deserialize;

use crate::certs::Server;
use crate::machines::{Machine, Machines};
use crate::model::Failure;
use crate::provision::{self, EngineVersion};

const PATIENCE: Duration = Duration::from_secs(20);

/// What ran, and what runs: the state of each container by its name.
type Containers = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    names: Vec<String>,
    state: String,
}

impl Machines {
    pub(crate) async fn upgrade(
        &self,
        machine: Machine,
        version: Option<&EngineVersion>,
    ) -> Result<(), Failure> {
        let done = self.upgrade_locked(&machine.name, version).await;
        self.reporter.finish(&machine.name, done.is_ok());
        done
    }

    async fn upgrade_locked(
        &self,
        name: &MachineName,
        version: Option<&EngineVersion>,
    ) -> Result<(), Failure> {
        self.wake(name).await?;
        let (lock, mut machine) = self.lock_and_load(name).await?;
        self.refuse_unmade(&machine)?;
        self.refuse_adopted(&machine, "its engine is not ours to change")?;
        if !machine.driver()?.features().host {
            return Err(Failure::new(format!(
                "Docker machine \"{name}\" has no host whose engine could be changed: its driver only keeps a URL"
            )));
        }
        let before = self.containers(&machine).await;
        let session = self.connect(&machine).await?;
        let facts = provision::facts(&session, true)
            .await
            .map_err(|e| crate::machines::provision::failure_on(&machine, &e))?;
        let Some(engine) = &facts.engine else {
            return Err(Failure::new(format!("the host of \"{name}\" has no engine to upgrade"))
                .hint(format!("`{} provision {name}` installs one", self.program)));
        };
        let from = engine.version.clone().unwrap_or_default();
        let url = machine.stored.config.host_options.engine.install_url.clone();
        let upgraded =
            provision::upgrade(&session, &facts, &url, version, name, self.reporter.as_ref()).await;
        upgraded.map_err(|e| {
            crate::machines::provision::failure_on(&machine, &e)
                .prefix(&format!("the engine of \"{name}\" was not upgraded: "))
        })?;
        let after = provision::facts(&session, true)
            .await
            .map_err(|e| crate::machines::provision::failure_on(&machine, &e))?;
        session.close().await;
        let to = after.engine.and_then(|e| e.version).unwrap_or_default();
        // What a later `provision` would hold against it.
        machine.stored.own.engine_version = version.map(|v| v.as_str().to_owned()).or(machine
            .stored
            .own
            .engine_version
            .take()
            .filter(|pinned| EngineVersion::parse(pinned).is_ok_and(|pinned| pinned.is(&to))));
        self.save(&lock, &machine)?;
        let verb = if from == to { "is" } else { "was" };
        self.reporter.info(
            name,
            &format!(
                "Docker {verb} {from}{}",
                if from == to { String::new() } else { format!(", and is {to} now") }
            ),
        );
        if from != to && machine.stored.own.phase == Phase::Ready {
            // Another engine may be started by another unit.
            let wait = machine.driver()?.features().boot;
            self.bring_up_with(&lock, &mut machine, wait, Server::Kept).await?;
        }
        self.tell_containers(&machine, before).await;
        Ok(())
    }

    async fn wake(&self, name: &MachineName) -> Result<(), Failure> {
        let machine = self.load(name)?;
        self.refuse_unmade(&machine)?;
        if machine.driver()?.features().host && self.state(&machine).await? == State::Stopped {
            self.step(name, "Starting machine so machine can be upgraded...");
            return self.start(machine).await;
        }
        Ok(())
    }

    /// Nothing where the engine does not say: an upgrade may be what it needs.
    async fn containers(&self, machine: &Machine) -> Option<Containers> {
        let mut engine = self.reach(machine, PATIENCE).await.ok()?.ok()?;
        let list: Vec<Container> = engine.client.get("/containers/json?all=1").await.ok()?;
        let name = |c: &Container| c.names.first().map(|n| n.trim_start_matches('/').to_owned());
        Some(list.into_iter().filter_map(|c| Some((name(&c)?, c.state))).collect())
    }

    async fn tell_containers(&self, machine: &Machine, before: Option<Containers>) {
        let (Some(before), Some(after)) = (before, self.containers(machine).await) else { return };
        let name = &machine.name;
        let running = |list: &Containers| list.values().filter(|state| *state == "running").count();
        self.reporter.info(
            name,
            &format!(
                "Containers running: {} of {} before, {} of {} now",
                running(&before),
                before.len(),
                running(&after),
                after.len()
            ),
        );
        for (container, _) in before.iter().filter(|(_, state)| *state == "running") {
            match after.get(container).map(String::as_str) {
                Some("running") => {}
                now => self.reporter.warn(
                    name,
                    &format!(
                        "container {container} ran before and is {} now: `{} ssh {name} sudo docker start {container}`",
                        now.unwrap_or("gone"),
                        self.program
                    ),
                ),
            }
        }
    }
}
