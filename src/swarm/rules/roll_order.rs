//! Who is next in a roll, and what is done to it so that the majority of the managers is never lost. Asks nobody.

use rmachine_driver::MachineName;

use crate::model::{Due, Role};
use crate::swarm::rules::Quorum;

/// A node while a roll is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: MachineName,
    pub(crate) role: Role,
    pub(crate) leader: bool,
    pub(crate) ready: bool,
    /// It may be given tasks.
    pub(crate) active: bool,
}

/// One move of a roll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    Promote(MachineName),
    Demote(MachineName),
    /// Emptied, until its tasks run elsewhere.
    Drain(MachineName),
    Do(MachineName, Due),
}

/// Workers first, then managers, the leader last of all.
pub(crate) fn next(left: &[Standing]) -> Option<usize> {
    let rank = |s: &Standing| match (s.role, s.leader) {
        (Role::Worker, _) => 0,
        (Role::Manager, false) => 1,
        (Role::Manager, true) => 2,
    };
    (0..left.len()).min_by_key(|i| rank(&left[*i]))
}

/// What happens before and at the node itself; what was changed on the way is changed back by whoever makes the moves.
pub(crate) fn moves(name: &MachineName, due: Due, nodes: &[Standing]) -> Result<Vec<Move>, String> {
    let Some(node) = nodes.iter().find(|n| n.name == *name) else {
        return Ok(vec![Move::Do(name.clone(), due)]);
    };
    let mut moves = Vec::new();
    let elsewhere = nodes.iter().any(|n| n.name != *name && n.ready && n.active);
    let drain = node.ready && elsewhere;
    if node.role == Role::Manager {
        moves.extend(as_manager(node, due, nodes)?);
    }
    if drain {
        moves.push(Move::Drain(name.clone()));
    }
    moves.push(Move::Do(name.clone(), due));
    Ok(moves)
}

fn as_manager(node: &Standing, due: Due, nodes: &[Standing]) -> Result<Vec<Move>, String> {
    let managers = nodes.iter().filter(|n| n.role == Role::Manager);
    let quorum = Quorum::new(managers.clone().count(), managers.filter(|n| n.ready).count());
    let name = &node.name;
    let leaves = matches!(due, Due::Replace | Due::Rejoin);
    let (demote, promote) = (|| Move::Demote(name.clone()), |n: &Standing| Move::Promote(n.name.clone()));
    if quorum.managers == 1 {
        let stand_in = nodes.iter().find(|n| n.name != *name && n.ready && n.role == Role::Worker);
        return match stand_in {
            Some(worker) => Ok(vec![promote(worker), demote()]),
            None if leaves => Err(format!(
                "{name} is the only manager, and no worker could stand in for it: what the swarm knows would be lost; \
                 add a node first"
            )),
            // Nobody else is there whom the pause could disturb.
            None => Ok(Vec::new()),
        };
    }
    let down = Quorum { reachable: quorum.reachable - usize::from(node.ready), ..quorum };
    // One that leaves is no manager any more while it is away.
    if down.holds() && !leaves {
        return Ok(Vec::new());
    }
    if quorum.without(node.ready).holds() {
        return Ok(vec![demote()]);
    }
    Err(format!(
        "{} of {} managers answer: without {name} they would lose the majority",
        quorum.reachable, quorum.managers
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(name: &str, role: Role, leader: bool) -> Standing {
        Standing { name: MachineName::parse(name).unwrap(), role, leader, ready: true, active: true }
    }

    fn said(name: &str, due: Due, nodes: &[Standing]) -> String {
        match moves(&MachineName::parse(name).unwrap(), due, nodes) {
            Ok(moves) => format!("{moves:?}").replace("MachineName", ""),
            Err(e) => e,
        }
    }

    #[test]
    fn workers_then_managers_then_the_leader() {
        let nodes = [
            node("m1", Role::Manager, true),
            node("m2", Role::Manager, false),
            node("w1", Role::Worker, false),
        ];
        let mut left = nodes.to_vec();
        let mut order = Vec::new();
        while let Some(i) = next(&left) {
            order.push(left.remove(i).name.to_string());
        }
        assert_eq!(order, ["w1", "m2", "m1"]);
    }

    #[test]
    fn managers_keep_their_majority() {
        let (m1, m2, m3) = (
            node("m1", Role::Manager, true),
            node("m2", Role::Manager, false),
            node("m3", Role::Manager, false),
        );
        let w1 = node("w1", Role::Worker, false);
        let three = [m1.clone(), m2.clone(), m3.clone()];
        assert_eq!(said("m2", Due::Provision, &three), r#"[Drain(("m2")), Do(("m2"), Provision)]"#);
        assert_eq!(
            said("m2", Due::Provision, &three[..2]),
            r#"[Demote(("m2")), Drain(("m2")), Do(("m2"), Provision)]"#,
            "one of two is no majority, one of one is"
        );
        assert_eq!(
            said("m1", Due::Replace, &[m1.clone(), w1.clone()]),
            r#"[Promote(("w1")), Demote(("m1")), Drain(("m1")), Do(("m1"), Replace)]"#
        );
        assert_eq!(said("m2", Due::Rejoin, &three), r#"[Demote(("m2")), Drain(("m2")), Do(("m2"), Rejoin)]"#);
        assert!(said("m1", Due::Rejoin, &three[..1]).contains("the only manager"), "nobody would be left");
        assert_eq!(said("m1", Due::Provision, &three[..1]), r#"[Do(("m1"), Provision)]"#);
        assert!(said("m1", Due::Replace, &three[..1]).contains("the only manager"));
        let lame = [m1, m2, Standing { ready: false, ..m3 }];
        assert!(said("m1", Due::Provision, &lame).contains("lose the majority"), "one of two would be left");
        let four = [&lame[..], &[node("m4", Role::Manager, false)]].concat();
        assert!(said("m1", Due::Provision, &four).starts_with(r#"[Demote(("m1"))"#), "two of three are left");
        assert!(said("m3", Due::Restart, &lame).starts_with(r#"[Do(("m3")"#), "it is down already");
        let worse = [lame[0].clone(), lame[2].clone(), w1];
        assert!(said("m1", Due::Provision, &worse).contains("lose the majority"));
    }

    /// A swarm to make moves on: who is a manager, and who is up.
    fn holds(nodes: &[Standing]) -> bool {
        let managers = nodes.iter().filter(|n| n.role == Role::Manager);
        Quorum::new(managers.clone().count(), managers.filter(|n| n.ready).count()).holds()
    }

    fn set(nodes: &mut [Standing], name: &MachineName, change: impl Fn(&mut Standing)) {
        nodes.iter_mut().filter(|n| n.name == *name).for_each(change);
    }

    proptest! {
        #[test]
        fn no_roll_breaks_a_majority(
            managers in 1..8_usize,
            workers in 0..4_usize,
            down in proptest::collection::vec(any::<bool>(), 12),
            replace in any::<bool>(),
        ) {
            let due = if replace { Due::Replace } else { Due::Restart };
            let mut nodes: Vec<Standing> = (0..managers)
                .map(|i| node(&format!("m{i}"), Role::Manager, i == 0))
                .chain((0..workers).map(|i| node(&format!("w{i}"), Role::Worker, false)))
                .collect();
            for (node, down) in nodes.iter_mut().zip(&down) {
                node.ready = !down;
            }
            prop_assume!(holds(&nodes));
            let whole = nodes.clone();
            for name in whole.iter().map(|n| n.name.clone()) {
                let Ok(moves) = moves(&name, due, &nodes) else { continue };
                let alone = managers == 1 && !moves.iter().any(|m| matches!(m, Move::Promote(_)));
                for one in &moves {
                    match one {
                        Move::Promote(n) => set(&mut nodes, n, |n| n.role = Role::Manager),
                        Move::Demote(n) => set(&mut nodes, n, |n| n.role = Role::Worker),
                        Move::Drain(n) => set(&mut nodes, n, |n| n.active = false),
                        Move::Do(n, _) => set(&mut nodes, n, |n| n.ready = false),
                    }
                    let only = alone && whole.iter().any(|n| n.name == name && n.role == Role::Manager);
                    prop_assert!(holds(&nodes) || only, "{one:?} of {moves:?} for {name}: {nodes:?}");
                }
                // Whoever makes the moves puts all back; one that was down stays so at worst.
                nodes.clone_from(&whole);
            }
        }
    }
}
