//! The options of one place in the file: which there are, what form they have, and where each stands.

use std::ops::Range;
use std::sync::Arc;

use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{Driver, OptionKind, OptionSpec, Value as OptionValue};
use toml::de::{DeTable, DeValue};

use crate::cluster::file::File;
use crate::cluster::model::{Given, Node, Options};
use crate::cluster::read::{Place, Value, integer, kind, scalar};
use crate::engine::options::closest;

const ENGINE: &str = "engine-";
/// Options of `create` that stand at the top of the file, in the names that they have there.
const AT_THE_TOP: [&str; 3] = ["ttl", "tls-san", "ssh-timeout"];

impl File<'_, '_> {
    /// A driver that the program has.
    pub(super) fn driver(&mut self, table: &DeTable<'_>) -> Option<String> {
        let (name, at) = self.reader.text(table, "driver")?;
        match self.around.registry.find(&name) {
            Some(driver) if driver.features().host => return Some(driver.name().to_owned()),
            Some(_) => {
                self.reader
                    .problem(at, format!("the driver {name:?} makes no hosts that could join a swarm"));
            }
            None => {
                let names = self.around.registry.names();
                let meant = closest(&name, names.iter().map(String::as_str)).map_or_else(
                    || format!("there are: {}", names.join(", ")),
                    |m| format!("did you mean {m:?}?"),
                );
                self.reader.problem(at, format!("there is no driver {name:?}; {meant}"));
            }
        }
        None
    }

    pub(super) fn found(&self, driver: &str) -> Option<Arc<dyn Driver>> {
        self.around.registry.find(driver)
    }

    /// The driver's own options, with its name before them or without.
    pub(super) fn options(&mut self, table: &DeTable<'_>, what: &str, driver: &str) -> Options {
        let Some((inner, _)) = self.reader.table(table, "options") else { return Options::new() };
        let Some(found) = self.found(driver) else {
            if let Some((first, _)) = inner.iter().next().filter(|_| !table.contains_key("driver")) {
                self.reader.problem(first.span(), "options of which driver? driver = \"docker\" names it");
            }
            return Options::new();
        };
        let (specs, prefix) = (found.options(), format!("{driver}-"));
        self.by_specs(inner, what, &specs, &prefix, &format!("the driver {driver:?}"))
    }

    /// `[engine]`, and of the options that every driver has those that are named at the top.
    pub(super) fn shared(&mut self, table: &DeTable<'_>, what: &str) -> Options {
        let specs = self.around.shared;
        let engine: Vec<_> = specs.iter().filter(|s| s.name.starts_with(ENGINE)).cloned().collect();
        let mut options = match self.reader.table(table, "engine") {
            Some((inner, _)) => {
                let what = if what.is_empty() { "engine".to_owned() } else { format!("{what}.engine") };
                self.by_specs(inner, &what, &engine, ENGINE, "the engine")
            }
            None => Options::new(),
        };
        for key in AT_THE_TOP.iter().filter(|_| what.is_empty()) {
            let spec = specs.iter().find(|s| s.name == *key);
            if let Some((value, spec)) = table.get(*key).zip(spec) {
                options.extend(self.value(key, value, spec).map(|given| ((*key).to_owned(), given)));
            }
        }
        options
    }

    fn by_specs(
        &mut self,
        table: &DeTable<'_>,
        what: &str,
        specs: &[OptionSpec],
        prefix: &str,
        whose: &str,
    ) -> Options {
        let mut options = Options::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let spec = specs.iter().find(|s| s.name == name || s.name.strip_prefix(prefix) == Some(name));
            let Some(spec) = spec else {
                self.unknown_option(key.span(), name, what, specs, prefix, whose);
                continue;
            };
            if options.contains_key(spec.name.as_ref()) {
                self.reader
                    .problem(key.span(), format!("{name:?} is given twice: it is {:?} too", spec.name));
                continue;
            }
            options.extend(self.value(name, value, spec).map(|given| (spec.name.to_string(), given)));
        }
        options
    }

    fn unknown_option(
        &mut self,
        span: Range<usize>,
        name: &str,
        what: &str,
        specs: &[OptionSpec],
        prefix: &str,
        whose: &str,
    ) {
        let short: Vec<&str> = specs.iter().map(|s| s.name.strip_prefix(prefix).unwrap_or(&s.name)).collect();
        let bare = name.strip_prefix(prefix).unwrap_or(name);
        let elsewhere =
            self.around.registry.owner_of(name).map(|owner| format!("it belongs to the driver {owner:?}"));
        let meant = closest(bare, short.iter().copied())
            .map(|m| format!("did you mean {m:?}?"))
            .or(elsewhere)
            .unwrap_or_else(|| format!("there are: {}", short.join(", ")));
        self.reader.problem(span, format!("{whose} has no option {name:?} (in [{what}]); {meant}"));
    }

    /// A value in the form that its option has; `{ env = "NAME" }` takes it from the environment.
    fn value(&mut self, key: &str, value: &Value<'_>, spec: &OptionSpec) -> Option<Given> {
        let at = self.reader.place(value.span().start);
        let text = match value.get_ref() {
            DeValue::Table(table)
                if table.contains_key("env") && !matches!(spec.kind, OptionKind::List(_)) =>
            {
                Some(self.environment(table)?)
            }
            _ => None,
        };
        let read = match (&spec.kind, text) {
            (OptionKind::Text(_), Some(text)) if spec.secret => OptionValue::Secret(SecretString::from(text)),
            (OptionKind::Text(_), Some(text)) => OptionValue::Text(text),
            (_, Some(_)) => {
                return self.refuse(key, value, "written here: only texts come from the environment");
            }
            (OptionKind::Text(_), None) if spec.secret => {
                let name = spec.env.as_deref().unwrap_or("NAME");
                let text = format!(
                    "{key:?} is a secret and does not belong into a file: {key} = {{ env = {name:?} }} takes it from \
                     the environment"
                );
                self.reader.problem(value.span(), text);
                return None;
            }
            (OptionKind::Text(_), None) => match scalar(value.get_ref()) {
                Some(text) => OptionValue::Text(text),
                None => return self.refuse(key, value, "a text"),
            },
            (OptionKind::Flag, None) => match value.get_ref().as_bool() {
                Some(flag) => OptionValue::Flag(flag),
                None => return self.refuse(key, value, "true or false"),
            },
            (OptionKind::Int(_), None) => match integer(value.get_ref()) {
                Some(number) => OptionValue::Int(number),
                None => return self.refuse(key, value, "a whole number"),
            },
            (OptionKind::List(_), None) => OptionValue::List(self.list(key, value)?),
        };
        Some(Given { value: read, at })
    }

    pub(super) fn refuse(&mut self, key: &str, value: &Value<'_>, wanted: &str) -> Option<Given> {
        let found = kind(value.get_ref());
        self.reader.problem(value.span(), format!("{key:?} must be {wanted}, not {found}"));
        None
    }

    fn environment(&mut self, table: &DeTable<'_>) -> Option<String> {
        self.reader.only(table, "a value", &["env"]);
        let (name, at) = self.reader.text(table, "env")?;
        let found = (self.around.env)(&name).filter(|v| !v.is_empty());
        if found.is_none() {
            self.reader.problem(at, format!("the environment has no {name:?}"));
        }
        found
    }

    /// Texts; a table stands for KEY=VALUE, a list in it for several of one key.
    fn list(&mut self, key: &str, value: &Value<'_>) -> Option<Vec<String>> {
        let DeValue::Table(table) = value.get_ref() else { return self.reader.texts(key, value) };
        let mut list = Vec::new();
        for (name, value) in table {
            let name = name.get_ref();
            match value.get_ref() {
                DeValue::Array(_) => {
                    list.extend(self.reader.texts(name, value)?.iter().map(|t| format!("{name}={t}")));
                }
                single => match scalar(single) {
                    Some(text) => list.push(format!("{name}={text}")),
                    None => {
                        self.refuse(name, value, "a text, a number, true or false");
                        return None;
                    }
                },
            }
        }
        Some(list)
    }
}

/// Where an option stands that an error speaks of by its flag, and else the group of the node.
pub(crate) fn place_of(node: &Node, message: &str) -> Place {
    let given = node.options.iter().chain(&node.shared);
    let spoken = given.filter(|(name, _)| message.contains(&format!("--{name}")) || speaks_of(message, name));
    spoken.map(|(_, given)| given.at).next().unwrap_or(node.at)
}

/// "the engine option mtu ..." and "the engine label ..." speak of `engine-opt` and `engine-label`.
fn speaks_of(message: &str, option: &str) -> bool {
    match option {
        "engine-opt" => message.contains("engine option") || message.contains("option of the Docker engine"),
        "engine-label" => message.contains("engine label"),
        _ => false,
    }
}
