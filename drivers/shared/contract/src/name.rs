use std::fmt;

/// The name of a machine: a single folder name, never empty, hidden or path-like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineNameError {
    /// docker-machine's words.
    #[error("Invalid hostname specified. Allowed hostname chars are: 0-9a-zA-Z . -")]
    Invalid(String),
    #[error("{0:?} is not a machine name")]
    NotAName(String),
}

/// A folder name; Linux takes no longer ones, and the store adds up to a dozen characters for its lock.
const LONGEST: usize = 200;

impl MachineName {
    /// A name that may be given to a new machine.
    pub fn parse(text: &str) -> Result<Self, MachineNameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if first && text.len() <= LONGEST && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MachineNameError::Invalid(text.to_owned()))
        }
    }

    /// A name that a machine in the store may bear: whatever another tool left there, so long as it is one visible
    /// folder name and nothing that could lead elsewhere.
    pub fn existing(text: &str) -> Result<Self, MachineNameError> {
        let path_like = text.contains(['/', '\\', '\0']) || text.starts_with('.');
        if text.is_empty() || path_like {
            return Err(MachineNameError::NotAName(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for MachineName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_names_are_docker_machines() {
        for good in ["a", "node-1", "Node.2", "9", "a..b"] {
            assert_eq!(MachineName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "a_b", "a/b", "..", "a b", "é", &"a".repeat(201)] {
            assert!(MachineName::parse(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn existing_names_never_lead_elsewhere() {
        for good in ["a_b", "Ünder", "a b"] {
            assert_eq!(MachineName::existing(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", ".hidden", "../x", "a/b", "a\\b", "a\0"] {
            assert!(MachineName::existing(bad).is_err(), "{bad:?} was taken");
        }
    }
}
