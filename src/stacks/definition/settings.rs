//! `--set NAME=VALUE`, understood by the types that the stack gives its parameters.

use std::collections::BTreeMap;

use rmachine_driver::secrecy::SecretString;
use serde::Deserialize;

use crate::stacks::definition::error::meant;
use crate::stacks::definition::manifest::{Kind, Manifest, PortRef};
use crate::stacks::definition::{Page, StackError};

/// One `--set` as it was typed, a secret's content read from where it lies.
#[derive(Debug, Clone)]
pub struct Given {
    pub(crate) name: String,
    pub(crate) value: GivenValue,
}

#[derive(Debug, Clone)]
pub enum GivenValue {
    Word(String),
    File(SecretString),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
}

/// What becomes of engines that are not told what the stack needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineWish {
    /// They are configured, one node at a time.
    Set,
    /// They are an error.
    Check,
    /// They stay as they are.
    #[default]
    Leave,
}

/// All parameters of a stack with their values.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) images: BTreeMap<String, String>,
    /// Secrets that the user brings; the others are generated.
    pub(crate) secrets: BTreeMap<String, SecretString>,
    pub(crate) engines: EngineWish,
}

impl Given {
    pub fn word(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: GivenValue::Word(value.to_owned()) }
    }
}

impl Settings {
    pub fn resolve(manifest: &Manifest, given: &[Given]) -> Result<Self, StackError> {
        let mut settings = Self {
            values: BTreeMap::new(),
            images: manifest.images.clone(),
            secrets: BTreeMap::new(),
            engines: manifest.engines.default,
        };
        for (name, parameter) in manifest.parameters.iter().filter(|(_, p)| p.kind != Kind::Secret) {
            settings.values.insert(name.clone(), parameter.default_value(name)?);
        }
        for one in given {
            settings.take(manifest, one)?;
        }
        Ok(settings)
    }

    fn take(&mut self, manifest: &Manifest, given: &Given) -> Result<(), StackError> {
        let name = given.name.as_str();
        if let Some(image) = name.strip_prefix("image.") {
            return self.image(image, given.text()?);
        }
        if name == "engines" {
            self.engines = engines(manifest, given.text()?)?;
            return Ok(());
        }
        let Some(parameter) = manifest.parameters.get(name) else { return Err(unknown(manifest, name)) };
        match (&parameter.kind, &given.value) {
            (Kind::Secret, GivenValue::File(secret)) => {
                self.secrets.insert(name.to_owned(), secret.clone());
            }
            (Kind::Secret, GivenValue::Word(_)) => {
                return Err(StackError::new(format!(
                    "{name} is a secret, which others could read where it is written"
                ))
                .hint(format!(
                    "\"@FILE\" in its place reads it from a file; --set {name}=@- from standard input"
                )));
            }
            (kind, _) => {
                self.values.insert(name.to_owned(), Value::parse(name, given.text()?, kind)?);
            }
        }
        Ok(())
    }

    fn image(&mut self, name: &str, reference: &str) -> Result<(), StackError> {
        if !self.images.contains_key(name) {
            let known: Vec<_> = self.images.keys().map(String::as_str).collect();
            let meant = meant(name, known.iter().copied());
            return Err(StackError::new(format!("the stack has no image {name:?}{meant}"))
                .hint(format!("its images: {}", known.join(", "))));
        }
        if !is_image(reference) {
            return Err(StackError::new(format!(
                "image.{name} must be the name of an image, not {reference:?}"
            )));
        }
        self.images.insert(name.to_owned(), reference.to_owned());
        Ok(())
    }

    /// All that may be known of them, as they would be typed.
    pub(crate) fn words(&self) -> BTreeMap<String, String> {
        let values = self.values.iter().map(|(name, value)| (name.clone(), value.to_string()));
        let images = self.images.iter().map(|(name, image)| (format!("image.{name}"), image.clone()));
        values.chain(images).collect()
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    pub(crate) fn port(&self, port: &PortRef) -> u16 {
        match port {
            PortRef::Number(number) => *number,
            PortRef::Parameter(name) => match self.values.get(name) {
                Some(Value::Number(number)) => u16::try_from(*number).unwrap_or_default(),
                _ => 0,
            },
        }
    }

    pub(crate) fn published(&self, page: &Page) -> Option<u16> {
        page.publish.as_ref().map(|port| self.port(port))
    }
}

impl Given {
    fn text(&self) -> Result<&str, StackError> {
        match &self.value {
            GivenValue::Word(word) => Ok(word),
            GivenValue::File(_) => {
                Err(StackError::new(format!("{} is no secret, and is not read from a file", self.name)))
            }
        }
    }
}

fn engines(manifest: &Manifest, text: &str) -> Result<EngineWish, StackError> {
    if manifest.engines.options.is_empty() {
        return Err(StackError::new(
            "the stack wants nothing of the engines: it does not take --set engines",
        ));
    }
    match text {
        "true" | "set" => Ok(EngineWish::Set),
        "check" => Ok(EngineWish::Check),
        "false" | "leave" => Ok(EngineWish::Leave),
        _ => Err(wrong("engines", "true, check or false", text)),
    }
}

fn unknown(manifest: &Manifest, name: &str) -> StackError {
    let known: Vec<_> = manifest.parameters.keys().map(String::as_str).collect();
    let images: Vec<_> = manifest.images.keys().map(|k| format!("image.{k}")).collect();
    let engines = (!manifest.engines.options.is_empty()).then_some("engines");
    let all = known.iter().copied().chain(images.iter().map(String::as_str)).chain(engines);
    let list: Vec<_> = all.clone().collect();
    StackError::new(format!("the stack has no parameter {name:?}{}", meant(name, all)))
        .hint(format!("it takes: {}", list.join(", ")))
}

fn wrong(name: &str, expected: &str, given: &str) -> StackError {
    StackError::new(format!("{name} takes {expected}, not {given:?}"))
}

impl Value {
    pub(super) fn parse(name: &str, text: &str, kind: &Kind) -> Result<Self, StackError> {
        let refuse = || wrong(name, &kind.words(), text);
        match kind {
            Kind::String | Kind::Secret if text.chars().any(char::is_control) => Err(refuse()),
            Kind::String | Kind::Secret => Ok(Self::Text(text.to_owned())),
            Kind::Integer { min, max } => {
                let number: i64 = text.parse().map_err(|_| refuse())?;
                let inside = min.is_none_or(|m| number >= m) && max.is_none_or(|m| number <= m);
                if inside { Ok(Self::Number(number)) } else { Err(refuse()) }
            }
            Kind::Port => match text.parse::<u16>() {
                Ok(port) if port > 0 => Ok(Self::Number(port.into())),
                _ => Err(refuse()),
            },
            Kind::Boolean => text.parse().map(Self::Flag).map_err(|_| refuse()),
            Kind::Choice { choices } if choices.iter().any(|c| c == text) => Ok(Self::Text(text.to_owned())),
            Kind::Choice { choices } => {
                let meant = meant(text, choices.iter().map(String::as_str));
                Err(StackError::new(format!("{}{meant}", refuse())))
            }
            Kind::Duration if is_duration(text) => Ok(Self::Text(text.to_owned())),
            Kind::Duration => Err(refuse()),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

/// One number and one unit, as all programs take it.
fn is_duration(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    ["ms", "s", "m", "h", "d"].contains(&unit) && digits.parse::<u32>().is_ok_and(|n| n > 0)
}

/// Loosely: the engine judges. What is kept out is what could be taken for something else.
fn is_image(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 255 && text.chars().all(allowed)
}
