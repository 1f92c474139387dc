//! Managers decide by majority. What that means for so many of them, in words.

/// Managers of a swarm, and how many of them answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quorum {
    pub(crate) managers: usize,
    pub(crate) reachable: usize,
}

impl Quorum {
    pub(crate) fn new(managers: usize, reachable: usize) -> Self {
        Self { managers, reachable }
    }

    pub(crate) fn majority(self) -> usize {
        self.managers / 2 + 1
    }

    pub(crate) fn holds(self) -> bool {
        self.managers > 0 && self.reachable >= self.majority()
    }

    /// Without one of its managers.
    #[must_use]
    pub(crate) fn without(self, reachable: bool) -> Self {
        Self {
            managers: self.managers.saturating_sub(1),
            reachable: self.reachable.saturating_sub(usize::from(reachable)),
        }
    }

    /// `3 managers, majority 2, can lose 1`.
    pub(crate) fn words(self) -> String {
        let Self { managers, reachable } = self;
        if !self.holds() {
            return format!("quorum lost: {reachable} of {managers} {}", verb(reachable, "answer"));
        }
        let counted = match managers {
            1 => return "1 manager: the swarm is lost with it".to_owned(),
            2 => return "2 managers: worse than 1, for losing either of them stops the swarm".to_owned(),
            _ => format!("{managers} managers, majority {}", self.majority()),
        };
        let spare = reachable - self.majority();
        if reachable == managers {
            return format!("{counted}, can lose {spare}");
        }
        let more = if spare == 0 { "no more".to_owned() } else { format!("{spare} more") };
        format!("{counted}, {reachable} {}, can lose {more}", verb(reachable, "answer"))
    }

    /// What would make it better, if anything would.
    pub(crate) fn advice(self) -> Option<String> {
        let Self { managers, reachable } = self;
        if !self.holds() {
            let missing = self.majority() - reachable.min(self.majority());
            return Some(format!(
                "bring back {missing} of the managers that do not answer; if they are gone for good, `swarm recover` \
                 makes a new swarm of one that is left"
            ));
        }
        if reachable < managers {
            return Some(
                "bring back the managers that do not answer, or `swarm rm-node` those that are gone and promote others"
                    .to_owned(),
            );
        }
        match managers {
            1 => Some("with 3 managers it would survive the loss of one".to_owned()),
            2 => Some(
                "promote a worker: 3 managers survive the loss of one; or demote one of the two".to_owned(),
            ),
            _ => even_advice(managers),
        }
    }

    /// Why one of the managers cannot go, if it cannot. `nodes` counts all nodes, it included.
    pub(crate) fn refuses_to_lose(self, reachable: bool, nodes: usize) -> Option<String> {
        if self.managers <= 1 {
            let others = nodes.saturating_sub(1);
            let word = if others == 1 { "node" } else { "nodes" };
            return (others > 0).then(|| {
                format!("it is the last manager, and {others} other {word} would be left without a swarm")
            });
        }
        if !self.holds() {
            return Some(format!("{}, so that nothing can be changed", self.words()));
        }
        let after = self.without(reachable);
        (!after.holds()).then(|| {
            format!(
                "of the {} managers that would be left only {} {}, and it takes {}",
                after.managers,
                after.reachable,
                verb(after.reachable, "answer"),
                after.majority()
            )
        })
    }
}

/// A warning for so many managers that are about to be made.
pub(crate) fn even_advice(managers: usize) -> Option<String> {
    (managers > 0 && managers.is_multiple_of(2)).then(|| match managers {
        2 => "2 managers are worse than 1: losing either stops the swarm; take 1 or 3".to_owned(),
        _ => format!(
            "{managers} managers survive the loss of {}, as {} do: an odd number is better",
            (managers - 1) / 2,
            managers - 1
        ),
    })
}

fn verb(count: usize, verb: &str) -> String {
    if count == 1 { format!("{verb}s") } else { verb.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (managers, reachable, words) in [
            (1, 1, "1 manager: the swarm is lost with it"),
            (2, 2, "2 managers: worse than 1, for losing either of them stops the swarm"),
            (3, 3, "3 managers, majority 2, can lose 1"),
            (3, 2, "3 managers, majority 2, 2 answer, can lose no more"),
            (3, 1, "quorum lost: 1 of 3 answers"),
            (2, 1, "quorum lost: 1 of 2 answers"),
            (4, 4, "4 managers, majority 3, can lose 1"),
            (5, 5, "5 managers, majority 3, can lose 2"),
            (5, 4, "5 managers, majority 3, 4 answer, can lose 1 more"),
            (5, 2, "quorum lost: 2 of 5 answer"),
            (0, 0, "quorum lost: 0 of 0 answer"),
        ] {
            assert_eq!(Quorum::new(managers, reachable).words(), words);
        }
    }

    #[test]
    fn even_numbers_are_warned_about() {
        assert!(even_advice(2).unwrap().contains("worse than 1"));
        assert_eq!(
            even_advice(4).as_deref(),
            Some("4 managers survive the loss of 1, as 3 do: an odd number is better")
        );
        assert_eq!((even_advice(1), even_advice(3), even_advice(0)), (None, None, None));
    }

    #[test]
    fn who_may_go() {
        let refuses = |m, r, reachable, nodes| Quorum::new(m, r).refuses_to_lose(reachable, nodes);
        assert_eq!(refuses(3, 3, true, 5), None);
        assert_eq!(refuses(2, 2, true, 2), None, "one of two can be demoted while both answer");
        assert_eq!(refuses(3, 2, false, 3), None, "the one that is gone can go");
        assert!(refuses(3, 2, true, 3).unwrap().contains("only 1 answers, and it takes 2"));
        assert!(refuses(3, 1, false, 3).unwrap().starts_with("quorum lost: 1 of 3"));
        assert!(refuses(1, 1, true, 2).unwrap().contains("last manager, and 1 other node would"));
        assert_eq!(refuses(1, 1, true, 1), None, "a swarm of one ends with it");
    }
}
