//! The engines of all nodes are told what a stack needs of them, one node at a time, as a roll does it.

use std::time::Duration;

use rmachine_driver::MachineName;
use serde_json::Value;

use crate::model::{Due, Failure};
use crate::stacks::definition::{EngineWish, Surroundings};
use crate::stacks::deploy::{Ground, Request};
use crate::store::StoredMachine;
use crate::swarm::{Place, Rolling, Swarm, is_disturbed};

/// For tasks to leave a node, and for the node to come back.
const WAIT: Duration = Duration::from_secs(120);

/// What there is to say afterwards.
pub(super) async fn configure(
    swarm: &Swarm,
    ground: &mut Ground,
    request: &Request,
    around: &Surroundings,
) -> Result<Vec<String>, Failure> {
    if request.settings.engines != EngineWish::Set {
        return Ok(Vec::new());
    }
    let mut work = work(swarm, ground, request, around)?;
    let touched = work.len();
    if touched == 0 {
        return Ok(Vec::new());
    }
    let places = ground.machines().map(|(node, machine)| (machine.clone(), Place::of(node))).collect();
    let rolling = Rolling { swarm, cluster: &ground.cluster.name, wait: WAIT, places };
    let mut notes =
        vec![format!("reconfigured {touched} engines; the swarm's tasks moved to other nodes and restarted")];
    while !work.is_empty() {
        let names: Vec<MachineName> = work.iter().map(|(machine, _)| machine.clone()).collect();
        let (machine, options) = work.remove(rolling.next(&names).await?);
        let amend = |stored: &mut StoredMachine| {
            want(stored, request.name.as_str(), &options);
            Ok(())
        };
        let provision = async || swarm.machines.provision(swarm.machines.load(&machine)?, None, &amend).await;
        let turn = rolling.lock_cluster(&machine, Due::Provision, provision).await;
        turn.map_err(|e| stopped(e, &swarm.machines.program, &machine, work.len()))?;
        let logs = options.iter().any(|option| key(option) == "log-driver");
        let kept = if logs { own_containers(swarm, &machine).await? } else { 0 };
        if kept > 0 {
            notes.push(format!(
                "{machine}: {kept} containers beside the swarm keep the log driver that they were made with"
            ));
        }
    }
    // A manager may have been among them, and its connection is gone.
    *ground = Ground::look(swarm, &ground.cluster.name).await?;
    Ok(notes)
}

fn stopped(failure: Failure, program: &str, machine: &MachineName, left: usize) -> Failure {
    failure
        .prefix(&format!("{machine}: "))
        .detail(format!("nothing of the stack was deployed, and {left} more engines were left as they are"))
        .hint(format!("once that is mended, `{program} stack deploy` with the same words goes on"))
}

/// The machines that would be configured.
pub(super) fn due(
    swarm: &Swarm,
    ground: &Ground,
    request: &Request,
    around: &Surroundings,
) -> Result<Vec<MachineName>, Failure> {
    if request.settings.engines != EngineWish::Set {
        return Ok(Vec::new());
    }
    Ok(work(swarm, ground, request, around)?.into_iter().map(|(machine, _)| machine).collect())
}

/// The machines whose engines are not as they should be, and what they are to be told. Those that an earlier run was cut
/// short at are gone through again.
fn work(
    swarm: &Swarm,
    ground: &Ground,
    request: &Request,
    around: &Surroundings,
) -> Result<Vec<(MachineName, Vec<String>)>, Failure> {
    let mut work = Vec::new();
    for (node, machine) in ground.machines() {
        let Some(this) = around.nodes.iter().find(|m| m.id == node.id) else { continue };
        let options = request.stack.engine_options(&request.name, &request.settings, around, this)?;
        let stored = swarm.machines.load(machine)?.stored;
        if is_disturbed(node) || was_cut_short(&stored) || !options.iter().all(|o| has(&stored, o)) {
            work.push((machine.clone(), options));
        }
    }
    work.sort();
    Ok(work)
}

/// The stack that came last has its way.
fn want(machine: &mut StoredMachine, stack: &str, options: &[String]) {
    let stacks = &mut machine.own.stacks;
    let replaced = |old: &String| options.iter().any(|new| replaces(new, old));
    stacks.values_mut().for_each(|others| others.retain(|old| !replaced(old)));
    stacks.insert(stack.to_owned(), options.to_vec());
    stacks.retain(|_, options| !options.is_empty());
    tell_of_stacks(machine);
}

/// What stacks want of the engine, beside what it was told otherwise.
pub(crate) fn tell_of_stacks(machine: &mut StoredMachine) {
    let options: Vec<String> = machine.own.stacks.values().flatten().cloned().collect();
    options.iter().for_each(|option| tell(machine, option));
}

/// The engine may not have heard all of what the machine's record says.
fn was_cut_short(machine: &StoredMachine) -> bool {
    machine.own.told.iter().any(|told| *told != machine.config.host_options.engine)
}

/// Single options are replaced; those that may be given several times, by their own key.
fn tell(machine: &mut StoredMachine, option: &str) {
    let flags = machine.config.host_options.engine.arbitrary_flags.get_or_insert_default();
    flags.retain(|old| !replaces(option, old));
    flags.push(option.to_owned());
}

/// The options of one log driver are refused by another.
fn replaces(new: &str, old: &str) -> bool {
    key(old) == key(new) || (key(new) == "log-driver" && old.starts_with("log-opt="))
}

fn has(machine: &StoredMachine, option: &str) -> bool {
    let flags = machine.config.host_options.engine.arbitrary_flags.iter().flatten();
    flags.into_iter().any(|old| old == option)
}

/// `log-opt=tag=x` is about `log-opt=tag`.
fn key(option: &str) -> &str {
    let (name, rest) = option.split_once('=').unwrap_or((option, ""));
    if !name.ends_with("-opt") {
        return name;
    }
    rest.find('=').map_or(option, |end| &option[..name.len() + 1 + end])
}

/// Containers that the swarm does not renew.
async fn own_containers(swarm: &Swarm, machine: &MachineName) -> Result<usize, Failure> {
    let all: Vec<Value> = swarm.engine(machine).await?.client().get("/containers/json?all=true").await?;
    Ok(all.iter().filter(|c| c.pointer("/Labels/com.docker.swarm.task.id").is_none()).count())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rmachine_driver::DriverState;

    use super::*;
    use crate::store::{HostConfig, OwnState};

    #[test]
    fn options_are_about_their_key() {
        for (option, about) in [
            ("metrics-addr=10.0.0.5:9323", "metrics-addr"),
            ("log-driver=syslog", "log-driver"),
            ("log-opt=tag={{.Name}}", "log-opt=tag"),
            ("log-opt=syslog-address=udp://10.0.0.5:514", "log-opt=syslog-address"),
        ] {
            assert_eq!(key(option), about);
        }
    }

    fn flags(machine: &StoredMachine) -> Vec<&str> {
        let flags = machine.config.host_options.engine.arbitrary_flags.iter().flatten();
        flags.map(String::as_str).collect()
    }

    #[test]
    fn stacks_have_their_say_beside_the_user_and_the_last_one_wins() {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let name = MachineName::parse("x").unwrap();
        let config = HostConfig::new(&name, "none", DriverState::default(), Path::new("/S"));
        let mut machine = StoredMachine { config, own: OwnState::default() };
        machine.config.host_options.engine.arbitrary_flags =
            Some(words(&["mtu=1400", "log-driver=json-file", "log-opt=max-size=1m"]));
        want(&mut machine, "monitoring", &words(&["metrics-addr=10.0.0.1:9323"]));
        want(&mut machine, "syslog", &words(&["log-driver=syslog", "log-opt=tag=x"]));
        let all = ["mtu=1400", "metrics-addr=10.0.0.1:9323", "log-driver=syslog", "log-opt=tag=x"];
        assert_eq!(flags(&machine), all);
        // What a file says anew, and what stacks want, is no other than it was.
        machine.config.host_options.engine.arbitrary_flags =
            Some(words(&["mtu=1400", "log-driver=json-file", "log-opt=max-size=1m"]));
        tell_of_stacks(&mut machine);
        assert_eq!(flags(&machine), all);
        want(&mut machine, "elk", &words(&["log-driver=gelf"]));
        assert_eq!(flags(&machine), ["mtu=1400", "log-driver=gelf", "metrics-addr=10.0.0.1:9323"]);
        assert_eq!(machine.own.stacks.keys().collect::<Vec<_>>(), ["elk", "monitoring"]);
    }
}
