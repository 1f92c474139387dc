use std::borrow::Cow;
use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

/// A flag of `create` that a driver asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionSpec {
    /// The long name, without dashes; it begins with the driver's name.
    pub name: Cow<'static, str>,
    pub kind: OptionKind,
    pub env: Option<Cow<'static, str>>,
    pub help: Cow<'static, str>,
    /// The kind of the value, as help shows it: `FILE`, `SECONDS`.
    pub value_name: Cow<'static, str>,
    /// Its value is a secret: never shown, logged or kept in config.json.
    pub secret: bool,
    /// Accepted, but absent from help: it does nothing any more.
    pub hidden: bool,
}

impl OptionSpec {
    /// An option without an environment variable.
    pub const fn new(name: &'static str, kind: OptionKind, help: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind,
            env: None,
            help: Cow::Borrowed(help),
            value_name: Cow::Borrowed("VALUE"),
            secret: false,
            hidden: false,
        }
    }

    #[must_use]
    pub fn value_name(mut self, kind: &'static str) -> Self {
        self.value_name = Cow::Borrowed(kind);
        self
    }

    #[must_use]
    pub fn env(mut self, variable: &'static str) -> Self {
        self.env = Some(Cow::Borrowed(variable));
        self
    }

    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
}

impl OptionKind {
    pub const fn text(default: &'static str) -> Self {
        Self::Text(Cow::Borrowed(default))
    }

    /// A list that is empty by default.
    pub const fn list() -> Self {
        Self::List(Vec::new())
    }
}

/// The kind of an option's values, with the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionKind {
    Flag,
    Int(i64),
    Text(Cow<'static, str>),
    List(Vec<String>),
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
        let value = |spec: &OptionSpec| match &spec.kind {
            OptionKind::Flag => Value::Flag(false),
            OptionKind::Int(n) => Value::Int(*n),
            OptionKind::Text(t) if spec.secret => Value::Secret(SecretString::from(t.as_ref())),
            OptionKind::Text(t) => Value::Text(t.to_string()),
            OptionKind::List(l) => Value::List(l.clone()),
        };
        Self(
            specs
                .iter()
                .map(|s| (s.name.to_string(), OptionValue { value: value(s), source: Source::Default }))
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

    fn specs() -> Vec<OptionSpec> {
        vec![
            OptionSpec::new("x-token", OptionKind::text(""), "").secret(),
            OptionSpec::new("x-size", OptionKind::Int(3), ""),
        ]
    }

    #[test]
    fn secrets_do_not_show() {
        let mut options = Options::defaults(&specs());
        assert!(options.secret("x-token").is_none());
        options.set("x-token", Value::Secret("s3cret".into()), Source::Given);
        assert!(!format!("{options:?}").contains("s3cret"));
        assert_eq!(options.secret("x-token").unwrap().expose_secret(), "s3cret");
        assert_eq!(options.text("x-token"), "", "a secret is no text");
    }

    #[test]
    fn defaults_are_not_given() {
        let options = Options::defaults(&specs());
        assert_eq!(options.int("x-size"), 3);
        assert!(!options.given("x-size"));
    }
}
