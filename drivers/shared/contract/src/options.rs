use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

/// A flag of `create` that a driver asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionSpec {
    /// The long name, without dashes; it begins with the driver's name.
    pub name: &'static str,
    pub kind: OptionKind,
    pub env: Option<&'static str>,
    pub help: &'static str,
    /// Its value is a secret: never shown, logged or kept in config.json.
    pub secret: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    Flag,
    Int(i64),
    Text(&'static str),
    List(&'static [&'static str]),
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Given,
    Environment,
    Default,
}

#[derive(Debug, Clone)]
pub enum Value {
    Flag(bool),
    Int(i64),
    Text(String),
    List(Vec<String>),
    Secret(SecretString),
}

#[derive(Debug, Clone)]
pub struct OptionValue {
    pub value: Value,
    pub source: Source,
}

/// The resolved options of one `create`: one value for each [`OptionSpec`] of the driver.
#[derive(Debug, Clone, Default)]
pub struct Options(BTreeMap<String, OptionValue>);

impl Options {
    /// Every option of a driver at its default.
    pub fn defaults(specs: &[OptionSpec]) -> Self {
        let value = |spec: &OptionSpec| match spec.kind {
            OptionKind::Flag => Value::Flag(false),
            OptionKind::Int(n) => Value::Int(n),
            OptionKind::Text(t) if spec.secret => Value::Secret(SecretString::from(t)),
            OptionKind::Text(t) => Value::Text(t.to_owned()),
            OptionKind::List(l) => Value::List(l.iter().map(|s| (*s).to_owned()).collect()),
        };
        Self(
            specs
                .iter()
                .map(|s| (s.name.to_owned(), OptionValue { value: value(s), source: Source::Default }))
                .collect(),
        )
    }

    pub fn set(&mut self, name: &str, value: Value, source: Source) {
        self.0.insert(name.to_owned(), OptionValue { value, source });
    }

    /// Whether the user gave it, by flag or by environment.
    pub fn given(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|o| o.source != Source::Default)
    }

    pub fn source(&self, name: &str) -> Option<Source> {
        self.0.get(name).map(|o| o.source)
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name).map(|o| &o.value), Some(Value::Flag(true)))
    }

    pub fn int(&self, name: &str) -> i64 {
        match self.0.get(name).map(|o| &o.value) {
            Some(Value::Int(n)) => *n,
            _ => 0,
        }
    }

    pub fn text(&self, name: &str) -> &str {
        match self.0.get(name).map(|o| &o.value) {
            Some(Value::Text(t)) => t,
            _ => "",
        }
    }

    pub fn list(&self, name: &str) -> &[String] {
        match self.0.get(name).map(|o| &o.value) {
            Some(Value::List(l)) => l,
            _ => &[],
        }
    }

    /// A secret, when there is one.
    pub fn secret(&self, name: &str) -> Option<&SecretString> {
        match self.0.get(name).map(|o| &o.value) {
            Some(Value::Secret(s)) if !s.expose_secret().is_empty() => Some(s),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec { name: "x-token", kind: OptionKind::Text(""), env: None, help: "", secret: true },
        OptionSpec { name: "x-size", kind: OptionKind::Int(3), env: None, help: "", secret: false },
    ];

    #[test]
    fn secrets_do_not_show() {
        let mut options = Options::defaults(SPECS);
        assert!(options.secret("x-token").is_none());
        options.set("x-token", Value::Secret("s3cret".into()), Source::Given);
        assert!(!format!("{options:?}").contains("s3cret"));
        assert_eq!(options.secret("x-token").unwrap().expose_secret(), "s3cret");
        assert_eq!(options.text("x-token"), "", "a secret is no text");
    }

    #[test]
    fn defaults_are_not_given() {
        let options = Options::defaults(SPECS);
        assert_eq!(options.int("x-size"), 3);
        assert!(!options.given("x-size"));
    }
}
