use uuid::Uuid;

use crate::{MachineName, Resource};

/// What everything that a driver makes at its provider bears, so that it is found again when an answer, a store or a
/// whole computer is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    pub uuid: Uuid,
    pub machine: MachineName,
    /// The folder of the store that knows the machine, on the computer that made it.
    pub store: String,
    pub computer: String,
    /// Seconds since 1970 after which nobody wants it any more.
    pub expires: Option<i64>,
}

/// One thing at a provider that bears our tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    pub resource: Resource,
    pub tags: Tags,
}

const UUID: &str = "rmachine.uuid";
const MACHINE: &str = "rmachine.machine";
const STORE: &str = "rmachine.store";
const COMPUTER: &str = "rmachine.computer";
const EXPIRES: &str = "rmachine.expires";

impl Tags {
    /// As keys and values, for providers that know those.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            (UUID, self.uuid.to_string()),
            (MACHINE, self.machine.to_string()),
            (STORE, self.store.clone()),
            (COMPUTER, self.computer.clone()),
        ];
        pairs.extend(self.expires.map(|at| (EXPIRES, at.to_string())));
        pairs
    }

    /// Read back; nothing when they are not ours or not whole.
    pub fn read<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        Some(Self {
            uuid: value(UUID)?.parse().ok()?,
            machine: MachineName::existing(value(MACHINE)?).ok()?,
            store: value(STORE)?.to_owned(),
            computer: value(COMPUTER)?.to_owned(),
            expires: value(EXPIRES).and_then(|at| at.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for expires in [None, Some(1_800_000_000)] {
            let tags = Tags {
                uuid: Uuid::from_u128(7),
                machine: MachineName::parse("ci-1").unwrap(),
                store: "/S".to_owned(),
                computer: "laptop".to_owned(),
                expires,
            };
            let pairs: BTreeMap<_, _> = tags.pairs().into_iter().collect();
            assert_eq!(Tags::read(|key| pairs.get(key).map(String::as_str)), Some(tags));
        }
        assert_eq!(Tags::read(|key| (key == UUID).then_some("7")), None);
    }
}
