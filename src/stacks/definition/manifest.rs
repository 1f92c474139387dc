//! `stack.toml`: what a stack is, its parameters, its images, its pages, and what it needs of the engines.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::stacks::definition::StackError;
use crate::stacks::definition::error::meant;
use crate::stacks::definition::settings::{EngineWish, Value};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manifest {
    /// One line.
    pub(crate) title: String,
    /// As long as it takes.
    pub(crate) about: String,
    /// What a user sees, the first that is deployed being the one that is meant.
    pub(crate) pages: Vec<Page>,
    pub(crate) images: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, Parameter>,
    pub(crate) engines: Engines,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    pub(crate) name: String,
    pub(crate) service: String,
    /// A number, or the parameter that holds it.
    pub(crate) port: PortRef,
    #[serde(default)]
    pub(crate) path: String,
    /// Where `--publish` opens it; a page without is never opened.
    #[serde(default)]
    pub(crate) publish: Option<PortRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum PortRef {
    Number(u16),
    Parameter(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct Parameter {
    pub kind: Kind,
    /// A secret without one is generated.
    pub(crate) default: Option<toml::Value>,
    pub(crate) help: String,
    /// The port that something listens on at the chosen node itself, so that it must be free there.
    pub(crate) listens: bool,
    /// Not only there, but at every node.
    pub(crate) everywhere: bool,
}

/// A parameter as `stack.toml` has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    r#type: String,
    #[serde(default)]
    choices: Vec<String>,
    #[serde(default)]
    min: Option<i64>,
    #[serde(default)]
    max: Option<i64>,
    #[serde(default)]
    default: Option<toml::Value>,
    help: String,
    #[serde(default)]
    listens: bool,
    #[serde(default)]
    everywhere: bool,
}

impl TryFrom<Written> for Parameter {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { r#type, choices, min, max, default, help, listens, everywhere } = written;
        let kind = match r#type.as_str() {
            "string" => Kind::String,
            "integer" => Kind::Integer { min, max },
            "boolean" => Kind::Boolean,
            "choice" if choices.is_empty() => return Err("a choice needs choices".to_owned()),
            "choice" => Kind::Choice { choices },
            "duration" => Kind::Duration,
            "port" => Kind::Port,
            "secret" => Kind::Secret,
            other => return Err(format!("there is no type {other:?}{}", meant(other, TYPES))),
        };
        if everywhere && !listens {
            return Err("everywhere says where it listens, and listens is missing".to_owned());
        }
        Ok(Self { kind, default, help, listens, everywhere })
    }
}

const TYPES: [&str; 7] = ["string", "integer", "boolean", "choice", "duration", "port", "secret"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    String,
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    Boolean,
    Choice {
        choices: Vec<String>,
    },
    /// As Prometheus and docker write them: 15s, 5m, 2h, 15d.
    Duration,
    Port,
    Secret,
}

/// What the engines of all nodes must be told before the stack is of use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engines {
    pub(crate) why: String,
    /// `OPTION=VALUE` as `--engine-opt` takes them, with `${{ this.address }}` and the parameters filled in.
    pub(crate) options: Vec<String>,
    /// What answers on a node's own address once its engine has the options.
    pub(crate) port: Option<u16>,
    /// What happens to engines when nothing is said.
    pub(crate) default: EngineWish,
}

/// What every stack takes.
const SHARED: &str = r#"
[endpoint_mode]
type = "choice"
choices = ["vip", "dnsrr"]
default = "vip"
help = "how services are found by name; dnsrr where the kernel has no IPVS (published ports are then the nodes' own)"

[node]
type = "string"
default = ""
help = "the machine that keeps the data [default: the first manager]"
"#;

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Self, StackError> {
        let broken =
            |e: toml::de::Error| StackError::new(format!("stack.toml: {}", e.to_string().trim_end()));
        let mut manifest: Self = toml::from_str(text).map_err(broken)?;
        let shared: BTreeMap<String, Parameter> = toml::from_str(SHARED).map_err(broken)?;
        if let Some(own) = manifest.parameters.keys().find(|name| is_reserved(name)) {
            return Err(StackError::new(format!(
                "stack.toml: the parameter {own:?} means something already"
            )));
        }
        manifest.parameters.extend(shared);
        for (name, parameter) in &manifest.parameters {
            parameter.check(name)?;
        }
        manifest.check_pages()?;
        Ok(manifest)
    }

    /// Of a folder without a `stack.toml`.
    pub(crate) fn plain() -> Result<Self, StackError> {
        Self::parse("")
    }

    fn check_pages(&self) -> Result<(), StackError> {
        let ports = self.pages.iter().flat_map(|p| [Some(&p.port), p.publish.as_ref()]).flatten();
        for port in ports {
            let PortRef::Parameter(name) = port else { continue };
            if !self.parameters.get(name).is_some_and(|p| p.kind == Kind::Port) {
                return Err(StackError::new(format!(
                    "stack.toml: a page names {name:?} as its port, which is no parameter of the type port{}",
                    meant(name, self.parameters.keys().map(String::as_str))
                )));
            }
        }
        Ok(())
    }
}

fn is_reserved(name: &str) -> bool {
    ["endpoint_mode", "node", "engines", "image", "cluster", "stack", "this", "publish"].contains(&name)
}

impl Parameter {
    fn check(&self, name: &str) -> Result<(), StackError> {
        match (&self.default, &self.kind) {
            (None, Kind::Secret) => Ok(()),
            (Some(_), Kind::Secret) => {
                Err(StackError::new(format!("stack.toml: the secret {name:?} must have no default")))
            }
            (None, _) => Err(StackError::new(format!("stack.toml: the parameter {name:?} has no default"))),
            (Some(_), _) => self.default_value(name).map(drop),
        }
    }

    pub(super) fn default_value(&self, name: &str) -> Result<Value, StackError> {
        let text = match &self.default {
            Some(toml::Value::String(text)) => text.clone(),
            Some(toml::Value::Integer(number)) => number.to_string(),
            Some(toml::Value::Boolean(flag)) => flag.to_string(),
            Some(_) => {
                return Err(StackError::new(format!(
                    "stack.toml: the default of {name:?} is no plain value"
                )));
            }
            None => String::new(),
        };
        Value::parse(name, &text, &self.kind)
    }
}

impl Kind {
    /// For `stack show`.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::String => "text".to_owned(),
            Self::Integer { min, max } => match (min, max) {
                (Some(min), Some(max)) => format!("{min} to {max}"),
                (Some(min), None) => format!("{min} or more"),
                (None, Some(max)) => format!("up to {max}"),
                (None, None) => "a number".to_owned(),
            },
            Self::Boolean => "true or false".to_owned(),
            Self::Choice { choices } => choices.join(" or "),
            Self::Duration => "a duration like 15s".to_owned(),
            Self::Port => "a port".to_owned(),
            Self::Secret => "a secret, from a file (@FILE) or standard input (@-)".to_owned(),
        }
    }
}
