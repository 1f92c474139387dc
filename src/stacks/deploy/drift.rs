//! Whether a stack is on a cluster as it is to be. Its services bear what it was told and made of.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Failure;
use crate::stacks::definition::{Compose, DECLARED, DIGEST, NODE, SETTINGS, StackName, Surroundings};
use crate::stacks::deploy::checks::name_is_free;
use crate::stacks::deploy::{Ground, Request, engine_options};
use crate::swarm::Swarm;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Absent,
    AsWanted {
        running: u64,
        desired: u64,
    },
    /// Why it has to be deployed again.
    Other(Vec<String>),
}

/// All of it, with the labels by which it is known again, and a digest.
pub(super) fn filled(
    ground: &Ground,
    request: &Request,
    around: &Surroundings,
) -> Result<(Compose, String), Failure> {
    let mut compose = request.stack.fill(&request.name, &request.settings, around)?;
    let cluster = ground.cluster.name.as_str();
    let declared = ground.of_stack(&request.name).any(|s| s.label(DECLARED) == Some(cluster));
    // Whoever deploys by hand what a file wants leaves it to the file.
    if request.declared || declared {
        compose.mark(DECLARED, cluster)?;
    }
    let settings = serde_json::to_string(&request.settings.words());
    compose.mark(SETTINGS, &settings.map_err(Failure::from_error)?)?;
    compose.mark(NODE, &around.chosen.id)?;
    let digest = compose.sign()?;
    Ok((compose, digest))
}

/// Changes nothing. A stack of that name which somebody else deployed is refused.
pub(crate) fn standing(swarm: &Swarm, ground: &Ground, request: &Request) -> Result<Standing, Failure> {
    name_is_free(swarm, ground, request)?;
    if ground.of_stack(&request.name).next().is_none() {
        return Ok(Standing::Absent);
    }
    let around = ground.surroundings(swarm, request)?;
    let (compose, digest) = filled(ground, request, &around)?;
    let mut reasons = Vec::new();
    for service in ground.of_stack(&request.name) {
        if service.label(DIGEST) != Some(digest.as_str()) {
            reasons = differences(service.label(SETTINGS).unwrap_or_default(), &request.settings.words());
        }
    }
    let name = |service: &str| format!("{}_{service}", request.name);
    let missing =
        compose.service_names().filter(|s| !ground.of_stack(&request.name).any(|t| t.name() == name(s)));
    reasons.extend(missing.map(|s| format!("the service {s} is missing")));
    let engines = engine_options::due(swarm, ground, request, &around)?;
    if !engines.is_empty() {
        let names: Vec<_> = engines.iter().map(ToString::to_string).collect();
        reasons.push(format!("engines to be told: {}", names.join(", ")));
    }
    if !reasons.is_empty() {
        return Ok(Standing::Other(reasons));
    }
    let sum =
        |of: fn(&crate::stacks::deploy::Service) -> u64| ground.of_stack(&request.name).map(of).sum::<u64>();
    Ok(Standing::AsWanted {
        running: sum(crate::stacks::deploy::Service::running),
        desired: sum(crate::stacks::deploy::Service::desired),
    })
}

/// Stacks that the cluster's file had brought and has no more.
pub(crate) fn undeclared(ground: &Ground, wanted: &[Request]) -> Vec<StackName> {
    let cluster = ground.cluster.name.as_str();
    let declared = ground.services.iter().filter(|s| s.label(DECLARED) == Some(cluster));
    let names: BTreeSet<&str> = declared.filter_map(crate::stacks::deploy::Service::stack).collect();
    let gone = names.into_iter().filter(|name| !wanted.iter().any(|w| w.name.as_str() == *name));
    gone.filter_map(|name| StackName::parse(name).ok()).collect()
}

fn differences(before: &str, now: &BTreeMap<String, String>) -> Vec<String> {
    let before: BTreeMap<String, String> = serde_json::from_str(before).unwrap_or_default();
    let told = |value: Option<&String>| value.map_or_else(|| "(none)".to_owned(), |v| format!("{v:?}"));
    let names = now.keys().chain(before.keys().filter(|name| !now.contains_key(*name)));
    let differing = names.filter(|name| before.get(*name) != now.get(*name));
    let reasons: Vec<String> =
        differing.map(|n| format!("{n}: {} -> {}", told(before.get(n)), told(now.get(n)))).collect();
    if reasons.is_empty() { vec!["its files, or the nodes, are others".to_owned()] } else { reasons }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_otherwise_is_named() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let now = map(&[("interval", "5s"), ("new", "1")]);
        let before = r#"{"interval":"15s","old":"x"}"#;
        assert_eq!(
            differences(before, &now),
            [r#"interval: "15s" -> "5s""#, r#"new: (none) -> "1""#, r#"old: "x" -> (none)"#]
        );
        assert_eq!(
            differences(r#"{"interval":"5s","new":"1"}"#, &now),
            ["its files, or the nodes, are others"]
        );
    }
}
