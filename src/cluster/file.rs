//! cluster.toml: from its text to [`Wanted`], or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rmachine_driver::secrecy::SecretString;
use rmachine_driver::{Driver, Login, MachineName, OptionKind, OptionSpec, Value as OptionValue};
use toml::de::{DeTable, DeValue};

use super::model::{Given, Network, Node, Options, Stack, Wanted};
use super::read::{Place, Reader, Remark, Value, integer, json, kind, scalar};
use crate::engine::options::closest;
use crate::registry::Registry;
use crate::store::{Availability, ClusterName, Role, SwarmSettings};
use crate::swarm::{is_network, quorum};

/// More than a number that went wrong should make.
const MOST: usize = 1000;
const ENGINE: &str = "engine-";
/// Options of `create` that stand at the top of the file, in the names that they have there.
const AT_THE_TOP: [&str; 3] = ["ttl", "tls-san", "ssh-timeout"];

/// What the file may speak of, and what it may ask for.
pub struct Surroundings<'a> {
    pub registry: &'a Registry,
    /// The options that every driver's `create` has.
    pub shared: &'a [OptionSpec],
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// A file that makes sense.
#[derive(Debug)]
pub struct Read {
    pub wanted: Wanted,
    pub warnings: Vec<Remark>,
}

/// Reads the whole file and tells all that is wrong, in its order.
pub fn parse(text: &str, around: &Surroundings<'_>) -> Result<Read, Vec<Remark>> {
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

    /// A driver that the program has.
    fn driver(&mut self, table: &DeTable<'_>) -> Option<String> {
        let (name, at) = self.reader.text(table, "driver")?;
        match self.around.registry.find(&name) {
            Some(driver) if driver.features().host => return Some(driver.name().to_owned()),
            Some(_) => {
                self.reader
                    .problem(at, format!("the driver {name:?} makes no hosts that could join a swarm"));
            }
            None => {
                let names = self.around.registry.names();
                let meant = closest(&name, names.iter().copied()).map_or_else(
                    || format!("there are: {}", names.join(", ")),
                    |m| format!("did you mean {m:?}?"),
                );
                self.reader.problem(at, format!("there is no driver {name:?}; {meant}"));
            }
        }
        None
    }

    fn found(&self, driver: &str) -> Option<Arc<dyn Driver>> {
        self.around.registry.find(driver)
    }

    /// The driver's own options, with its name before them or without.
    fn options(&mut self, table: &DeTable<'_>, what: &str, driver: &str) -> Options {
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
    fn shared(&mut self, table: &DeTable<'_>, what: &str) -> Options {
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
            if options.contains_key(spec.name) {
                self.reader
                    .problem(key.span(), format!("{name:?} is given twice: it is {:?} too", spec.name));
                continue;
            }
            options.extend(self.value(name, value, spec).map(|given| (spec.name.to_owned(), given)));
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
        let short: Vec<&str> = specs.iter().map(|s| s.name.strip_prefix(prefix).unwrap_or(s.name)).collect();
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
                let name = spec.env.unwrap_or("NAME");
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

    fn refuse(&mut self, key: &str, value: &Value<'_>, wanted: &str) -> Option<Given> {
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

    fn groups(
        &mut self,
        top: &DeTable<'_>,
        cluster: Option<&ClusterName>,
        base: &Base,
        span: &Range<usize>,
    ) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for (group, table, at) in self.reader.tables(top, "groups") {
            for node in self.group(&group, table, at.clone(), cluster, base) {
                match nodes.iter().find(|n| n.name == node.name) {
                    Some(same) => {
                        let text = format!("the node {} is in the group {:?} already", node.name, same.group);
                        self.reader.problem(at.clone(), text);
                    }
                    None => nodes.push(node),
                }
            }
        }
        self.sizes(top, &nodes, span);
        nodes
    }

    fn sizes(&mut self, top: &DeTable<'_>, nodes: &[Node], span: &Range<usize>) {
        let at = top.get_key_value("groups").map_or(span.start..span.start, |(k, _)| k.span());
        let managers = nodes.iter().filter(|n| n.role == Role::Manager).count();
        if managers == 0 && self.reader.problems.is_empty() {
            let text =
                "a cluster has at least one manager: [groups.managers] with role = \"manager\" and count = 1";
            self.reader.problem(at.clone(), text);
        }
        if nodes.len() > MOST {
            self.reader.problem(at.clone(), format!("that are {} nodes, more than {MOST}", nodes.len()));
        }
        if let Some(advice) = quorum::even_advice(managers) {
            self.reader.warning(at, advice);
        }
    }

    fn group(
        &mut self,
        group: &str,
        table: &DeTable<'_>,
        at: Range<usize>,
        cluster: Option<&ClusterName>,
        base: &Base,
    ) -> Vec<Node> {
        const KEYS: [&str; 8] =
            ["role", "count", "nodes", "driver", "options", "engine", "labels", "availability"];
        let what = format!("groups.{group}");
        self.reader.only(table, &what, &KEYS);
        let role = self.role(table, &what, &at);
        let base = self.own_base(table, &what, base);
        if base.driver.is_empty() && self.reader.problems.is_empty() {
            self.reader.problem(at.clone(), format!("[{what}] has no driver: driver = \"docker\""));
        }
        let template = Pattern {
            group: group.to_owned(),
            role,
            availability: self.availability(table),
            labels: self.reader.pairs(table, "labels"),
            base,
        };
        match table.get("nodes") {
            Some(list) => self.listed(list, &what, table, cluster, &template),
            None => self.counted(table, &what, &at, cluster, &template),
        }
    }

    /// Another driver takes nothing from the options of the first.
    fn own_base(&mut self, table: &DeTable<'_>, what: &str, base: &Base) -> Base {
        let mut own = base.clone();
        if let Some(driver) = self.driver(table) {
            if driver != own.driver {
                own.options.clear();
            }
            own.driver = driver;
        }
        let options = self.options(table, &format!("{what}.options"), &own.driver);
        own.options.extend(options);
        own.shared.extend(self.shared(table, what));
        own
    }

    fn role(&mut self, table: &DeTable<'_>, what: &str, at: &Range<usize>) -> Role {
        if !table.contains_key("role") {
            let text = format!("[{what}] has no role: role = \"manager\" or role = \"worker\"");
            self.reader.problem(at.clone(), text);
        }
        match self.reader.text(table, "role") {
            Some((text, _)) if text == "manager" => Role::Manager,
            Some((text, at)) if text != "worker" => {
                self.reader.problem(at, format!("\"role\" must be manager or worker, not {text:?}"));
                Role::Worker
            }
            _ => Role::Worker,
        }
    }

    fn availability(&mut self, table: &DeTable<'_>) -> Availability {
        match self.reader.text(table, "availability") {
            Some((text, at)) => match text.as_str() {
                "active" => Availability::Active,
                "pause" => Availability::Pause,
                "drain" => Availability::Drain,
                _ => {
                    let text = format!("\"availability\" must be active, pause or drain, not {text:?}");
                    self.reader.problem(at, text);
                    Availability::Active
                }
            },
            None => Availability::Active,
        }
    }

    /// CLUSTER-GROUP-1, CLUSTER-GROUP-2, ...
    fn counted(
        &mut self,
        table: &DeTable<'_>,
        what: &str,
        at: &Range<usize>,
        cluster: Option<&ClusterName>,
        template: &Pattern,
    ) -> Vec<Node> {
        let most = i64::try_from(MOST).unwrap_or(i64::MAX);
        if !table.contains_key("count") {
            self.reader.problem(at.clone(), format!("[{what}] has no count: count = 1"));
        }
        let Some((count, span)) = self.reader.count(table, "count", most) else { return Vec::new() };
        let given = self.found(&template.base.driver).is_some_and(|d| d.features().login == Login::Given);
        if given && count > 0 {
            let text = format!(
                "the driver {:?} makes no machines: in place of count, name the hosts that are there, as in nodes = [{{ \
                 name = \"n1\", options = {{ ... }} }}]",
                template.base.driver
            );
            self.reader.problem(span, text);
            return Vec::new();
        }
        let numbered = (1..=count).map(|n| self.named(&n.to_string(), at.clone(), cluster, template));
        numbered.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Each with options of its own.
    fn listed(
        &mut self,
        list: &Value<'_>,
        what: &str,
        group: &DeTable<'_>,
        cluster: Option<&ClusterName>,
        template: &Pattern,
    ) -> Vec<Node> {
        if let Some((key, _)) = group.get_key_value("count") {
            self.reader.problem(key.span(), format!("[{what}] has nodes, and so no count"));
        }
        let Some(list_of) = list.get_ref().as_array() else {
            self.refuse("nodes", list, "a list of tables");
            return Vec::new();
        };
        let mut nodes = Vec::new();
        for (number, item) in list_of.iter().enumerate() {
            let DeValue::Table(table) = item.get_ref() else {
                self.refuse("nodes", item, "a list of tables");
                continue;
            };
            let what = format!("{what}.nodes");
            self.reader.only(table, &what, &["name", "options", "engine", "labels", "availability"]);
            let (name, at) =
                self.reader.text(table, "name").unwrap_or_else(|| ((number + 1).to_string(), item.span()));
            let Some(mut node) = self.named(&name, at, cluster, template) else { continue };
            let own = self.options(table, &format!("{what}.options"), &template.base.driver);
            node.options.extend(own);
            node.shared.extend(self.shared(table, &what));
            node.labels.extend(self.reader.pairs(table, "labels"));
            if table.contains_key("availability") {
                node.availability = self.availability(table);
            }
            nodes.push(node);
        }
        nodes
    }

    fn named(
        &mut self,
        name: &str,
        at: Range<usize>,
        cluster: Option<&ClusterName>,
        template: &Pattern,
    ) -> Option<Node> {
        let full = format!("{}-{}-{name}", cluster.map_or("x", ClusterName::as_str), template.group);
        match MachineName::parse(&full) {
            Ok(name) => {
                let place = self.reader.place(at.start);
                Some(template.node(name, place))
            }
            Err(_) => {
                let text = format!(
                    "{full:?} is no name for a machine: letters, digits, . and - make one, of the cluster and the group \
                     too"
                );
                if !self.reader.problems.iter().any(|p| p.text == text) {
                    self.reader.problem(at, text);
                }
                None
            }
        }
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
        let stack = |(name, table, _): (String, &DeTable<'_>, _)| Stack {
            name,
            parameters: table.iter().map(|(k, v)| (k.get_ref().to_string(), json(v.get_ref()))).collect(),
        };
        tables.into_iter().map(stack).collect()
    }
}

/// What the nodes of a group have in common.
struct Pattern {
    group: String,
    role: Role,
    availability: Availability,
    labels: BTreeMap<String, String>,
    base: Base,
}

impl Pattern {
    fn node(&self, name: MachineName, at: Place) -> Node {
        let Base { driver, options, shared } = self.base.clone();
        Node {
            name,
            group: self.group.clone(),
            role: self.role,
            availability: self.availability,
            labels: self.labels.clone(),
            driver,
            options,
            shared,
            at,
        }
    }
}

/// Where an option stands that an error speaks of by its flag, and else the group of the node.
pub fn place_of(node: &Node, message: &str) -> Place {
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
