//! cluster.toml: from its text to [`Wanted`], or to everything that is wrong with it.

mod groups;
mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rmachine_driver::OptionSpec;
use toml::de::{DeTable, DeValue};

use crate::cluster::model::{Network, Options, Stack, StackParameter, Wanted};
use crate::cluster::read::{Reader, Remark, Value, scalar};
use crate::model::{ClusterName, SwarmSettings};
use crate::registry::Registry;
use crate::swarm::rules::is_network;

pub(crate) use options::place_of;

/// What the file may speak of, and what it may ask for.
pub(crate) struct Surroundings<'a> {
    pub(crate) registry: &'a Registry,
    /// The options that every driver's `create` has.
    pub(crate) shared: &'a [OptionSpec],
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
}

/// A file that makes sense.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) wanted: Wanted,
    pub(crate) warnings: Vec<Remark>,
}

/// The drivers that the file names, which load their options before [`parse`] reads them.
pub(crate) fn driver_names(text: &str) -> BTreeSet<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let top = table.get_ref();
    let groups = top.get("groups").and_then(|groups| groups.get_ref().as_table());
    let groups = groups.into_iter().flat_map(|groups| groups.values()).filter_map(|g| g.get_ref().as_table());
    let named =
        std::iter::once(top).chain(groups).filter_map(|table| table.get("driver")?.get_ref().as_str());
    named.map(str::to_owned).collect()
}

/// Reads the whole file and tells all that is wrong, in its order.
pub(crate) fn parse(text: &str, around: &Surroundings<'_>) -> Result<Read, Vec<Remark>> {
    let mut reader = Reader::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            reader.problem(error.span().unwrap_or_default(), error.message().to_owned());
        }
        return Err(reader.problems);
    }
    let read = File { reader, around }.wanted(table.get_ref(), table.span());
    read.map(|(wanted, warnings)| Read { wanted, warnings })
}

/// The options of one place, as far as they are inherited from there.
#[derive(Clone, Default)]
struct Base {
    driver: String,
    options: Options,
    shared: Options,
}

struct File<'a, 'i> {
    reader: Reader<'i>,
    around: &'a Surroundings<'a>,
}

impl File<'_, '_> {
    fn wanted(mut self, top: &DeTable<'_>, span: Range<usize>) -> Result<(Wanted, Vec<Remark>), Vec<Remark>> {
        const KEYS: [&str; 11] = [
            "name",
            "driver",
            "options",
            "engine",
            "swarm",
            "groups",
            "networks",
            "stacks",
            "ttl",
            "tls-san",
            "ssh-timeout",
        ];
        self.reader.only(top, "", &KEYS);
        let name = self.name(top, &span);
        let settings = self.settings(top);
        let mut base = Base { shared: self.shared(top, ""), ..Base::default() };
        base.driver = self.driver(top).unwrap_or_default();
        base.options = self.options(top, "options", &base.driver);
        let nodes = self.groups(top, name.as_ref(), &base, &span);
        let networks = self.networks(top);
        let stacks = self.stacks(top);
        self.reader.problems.sort_by_key(|p| p.at);
        match name {
            Some(name) if self.reader.problems.is_empty() => {
                Ok((Wanted { name, settings, nodes, networks, stacks }, self.reader.warnings))
            }
            _ => Err(self.reader.problems),
        }
    }

    fn name(&mut self, top: &DeTable<'_>, span: &Range<usize>) -> Option<ClusterName> {
        if !top.contains_key("name") {
            self.reader.problem(span.start..span.start, "the cluster has no name: name = \"lab\"");
        }
        let (text, at) = self.reader.text(top, "name")?;
        let name = ClusterName::parse(&text).map_err(|e| self.reader.problem(at, e.to_string()));
        name.ok()
    }

    fn settings(&mut self, top: &DeTable<'_>) -> SwarmSettings {
        const KEYS: [&str; 5] =
            ["autolock", "default-addr-pool", "advertise-addr", "data-path-addr", "listen-addr"];
        let mut settings = SwarmSettings::default();
        let Some((table, _)) = self.reader.table(top, "swarm") else { return settings };
        self.reader.only(table, "swarm", &KEYS);
        settings.autolock = self.reader.flag(table, "autolock").unwrap_or_default();
        if let Some(value) = table.get("default-addr-pool") {
            settings.address_pools = self.reader.texts("default-addr-pool", value).unwrap_or_default();
            if let Some(bad) = settings.address_pools.iter().find(|p| !is_network(p)) {
                self.reader.problem(
                    value.span(),
                    format!("\"default-addr-pool\" must be a network like 10.20.0.0/16, not {bad:?}"),
                );
            }
        }
        for (key, field) in [
            ("advertise-addr", &mut settings.advertise),
            ("data-path-addr", &mut settings.data_path),
            ("listen-addr", &mut settings.listen),
        ] {
            *field = self.way(table, key);
        }
        settings
    }

    /// Of all nodes alike, so that it can be no address.
    fn way(&mut self, table: &DeTable<'_>, key: &str) -> Option<String> {
        let (text, at) = self.reader.text(table, key)?;
        let plausible = |c: char| c.is_ascii_alphanumeric() || ".:-_[]%@".contains(c);
        if text.is_empty() || !text.chars().all(plausible) {
            self.reader.problem(at, format!("{key:?} must be an interface, not {text:?}"));
            return None;
        }
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        if is_address && key != "listen-addr" {
            let said =
                format!("{key:?} holds for all nodes: name an interface that all have, not an address");
            self.reader.problem(at, said);
            return None;
        }
        Some(text)
    }

    fn networks(&mut self, top: &DeTable<'_>) -> Vec<Network> {
        const KEYS: [&str; 6] = ["driver", "attachable", "internal", "encrypted", "subnet", "options"];
        let tables = self.reader.tables(top, "networks");
        tables
            .into_iter()
            .map(|(name, table, at)| {
                let what = format!("networks.{name}");
                self.reader.only(table, &what, &KEYS);
                if let Some((driver, at)) = self.reader.text(table, "driver").filter(|(d, _)| d != "overlay")
                {
                    let text = format!("the networks of a cluster are overlay networks, not {driver:?}");
                    self.reader.problem(at, text);
                }
                let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                if name.is_empty() || !name.chars().all(good) || name == "ingress" {
                    self.reader.problem(at, format!("{name:?} is no name for a network of yours"));
                }
                let subnets = match table.get("subnet") {
                    Some(value) => self.reader.texts("subnet", value).unwrap_or_default(),
                    None => Vec::new(),
                };
                if let Some((bad, value)) = subnets.iter().find(|s| !is_network(s)).zip(table.get("subnet")) {
                    let text = format!("\"subnet\" must be a network like 10.20.0.0/24, not {bad:?}");
                    self.reader.problem(value.span(), text);
                }
                Network {
                    attachable: self.reader.flag(table, "attachable").unwrap_or_default(),
                    internal: self.reader.flag(table, "internal").unwrap_or_default(),
                    encrypted: self.reader.flag(table, "encrypted").unwrap_or_default(),
                    options: self.reader.pairs(table, "options"),
                    name,
                    subnets,
                }
            })
            .collect()
    }

    fn stacks(&mut self, top: &DeTable<'_>) -> Vec<Stack> {
        let tables = self.reader.tables(top, "stacks");
        tables.into_iter().map(|(name, table, span)| self.stack(name, table, &span)).collect()
    }

    /// What it takes is known to the stack itself, and judged when that is found.
    fn stack(&mut self, name: String, table: &DeTable<'_>, span: &Range<usize>) -> Stack {
        let from = self.reader.text(table, "from").map(|(text, _)| text);
        let publish = self.reader.flag(table, "publish").unwrap_or_default();
        let mut parameters = BTreeMap::new();
        for (key, value) in table.iter().filter(|(key, _)| !["from", "publish"].contains(&&**key.get_ref())) {
            self.parameter(key.get_ref(), value, &mut parameters);
        }
        Stack { name, from, publish, parameters, at: self.reader.place(span.start) }
    }

    /// `image.prometheus = "..."` is a table in TOML.
    fn parameter(&mut self, key: &str, value: &Value<'_>, parameters: &mut BTreeMap<String, StackParameter>) {
        if let (DeValue::Table(inner), "image") = (value.get_ref(), key) {
            for (name, value) in inner {
                self.parameter(&format!("image.{}", name.get_ref()), value, parameters);
            }
            return;
        }
        match scalar(value.get_ref()) {
            Some(text) => {
                let at = self.reader.place(value.span().start);
                parameters.insert(key.to_owned(), StackParameter { value: text, at });
            }
            None => self.reader.wrong(key, value, "a text, a number, true or false"),
        }
    }
}
