use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::MachineName;

/// What a provider says of a machine, in docker-machine's words and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    #[default]
    None = 0,
    Running = 1,
    Paused = 2,
    Saved = 3,
    Stopped = 4,
    Stopping = 5,
    Starting = 6,
    Error = 7,
    Timeout = 8,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "",
            Self::Running => "Running",
            Self::Paused => "Paused",
            Self::Saved => "Saved",
            Self::Stopped => "Stopped",
            Self::Stopping => "Stopping",
            Self::Starting => "Starting",
            Self::Error => "Error",
            Self::Timeout => "Timeout",
        })
    }
}

/// How far a machine got. Saved before and after each step of its making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Reserved,
    Created,
    Reachable,
    Provisioned,
    Ready,
    Removing,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reserved => "reserved",
            Self::Created => "created",
            Self::Reachable => "reachable",
            Self::Provisioned => "provisioned",
            Self::Ready => "ready",
            Self::Removing => "removing",
        })
    }
}

/// A driver's own state: the JSON object that docker-machine keeps under `Driver`, in its order, unknown keys and all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DriverState(pub Map<String, Value>);

/// The keys that every driver of docker-machine begins with.
const BASE: [&str; 9] = [
    "IPAddress",
    "MachineName",
    "SSHUser",
    "SSHPort",
    "SSHKeyPath",
    "StorePath",
    "SwarmMaster",
    "SwarmHost",
    "SwarmDiscovery",
];

impl DriverState {
    /// [`BASE`], with what is known before anything is.
    pub fn base(name: &MachineName, store_path: &Path) -> Self {
        let mut state = Self::default();
        state.set("IPAddress", "");
        state.set("MachineName", name.as_str());
        state.set("SSHUser", "");
        state.set("SSHPort", 0);
        state.set("SSHKeyPath", "");
        state.set("StorePath", store_path.to_string_lossy().as_ref());
        state.set("SwarmMaster", false);
        state.set("SwarmHost", "");
        state.set("SwarmDiscovery", "");
        state
    }

    /// What the driver was asked for beyond what every machine has: `Key=value`, leaving out what says nothing.
    pub fn settings(&self) -> Vec<String> {
        let says_nothing = |value: &Value| match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
        };
        let said = self.0.iter().filter(|(key, value)| !BASE.contains(&key.as_str()) && !says_nothing(value));
        said.map(|(key, value)| match value {
            Value::String(text) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect()
    }

    /// Text of a key; empty when it is absent or no text.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A whole number; zero when it is absent or none.
    pub fn int(&self, key: &str) -> i64 {
        self.0.get(key).and_then(Value::as_i64).unwrap_or_default()
    }

    pub fn flag(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The texts of a list; none when it is absent or no list.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let values = self.0.get(key).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Empties the texts of these keys.
    pub fn clear(&mut self, keys: &[impl AsRef<str>]) {
        for key in keys {
            if let Some(value) = self.0.get_mut(key.as_ref()) {
                *value = Value::from("");
            }
        }
    }

    /// Sets a key in its place, or at the end.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }
}
