//! `[groups.NAME]`: how many nodes of which kind, and what each of them is called.

use std::collections::BTreeMap;
use std::ops::Range;

use rmachine_driver::{Login, MachineName};
use toml::de::{DeTable, DeValue};

use crate::cluster::file::{Base, File};
use crate::cluster::model::Node;
use crate::cluster::read::{Place, Value};
use crate::model::{Availability, ClusterName, Role};
use crate::swarm::rules::quorum;

/// More than a number that went wrong should make.
const MOST: usize = 1000;

impl File<'_, '_> {
    pub(super) fn groups(
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
