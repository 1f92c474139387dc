//! What a compose file asks for, and the file as it goes to docker: contents of configs and secrets become things of the
//! swarm whose names follow their content, so that an edited file is another one.
//!
//! Nothing of compose is done here; docker reads the file, and says what is wrong with it.

use std::collections::BTreeSet;

use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::stacks::definition::manifest::{Kind, PortRef};
use crate::stacks::definition::ports::{Port, on_nodes, published};
use crate::stacks::definition::{
    DIGEST, LABEL, LISTENS, Member, PAGE, Page, Settings, Stack, StackError, StackName, Surroundings,
};

/// A config of the swarm: what containers get as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    pub name: String,
    pub content: Vec<u8>,
    /// `golang` where docker is to fill it in for each task.
    pub(crate) driver: Option<String>,
}

/// A secret of the swarm.
#[derive(Debug, Clone)]
pub struct Secret {
    /// As the compose file calls it.
    pub(crate) key: String,
    pub(crate) source: SecretSource,
}

#[derive(Debug, Clone)]
pub enum SecretSource {
    Content(SecretString),
    /// The one that is there is kept; where there is none, one is made.
    Generated,
}

/// A port of a node's own that a container of the stack listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    pub(crate) port: u16,
    /// On every node, and not only on the chosen one.
    pub(crate) everywhere: bool,
}

type Reader<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, StackError>;

#[derive(Debug, Clone)]
pub struct Compose {
    pub(crate) name: StackName,
    document: Map<String, Value>,
    pub configs: Vec<Blob>,
    pub(crate) secrets: Vec<Secret>,
    /// What runs on a node's own network listens there.
    pub(crate) listens: Vec<Listen>,
    pub(crate) pages: Vec<Page>,
}

impl Compose {
    pub(super) fn read(
        document: Value,
        name: &StackName,
        source: &str,
        file: Reader,
    ) -> Result<Self, StackError> {
        let Value::Object(document) = document else {
            return Err(StackError::new("compose.yml: it is no mapping with services"));
        };
        let mut compose = Self {
            name: name.clone(),
            document,
            configs: Vec::new(),
            secrets: Vec::new(),
            listens: Vec::new(),
            pages: Vec::new(),
        };
        compose.document.entry("version").or_insert_with(|| json!("3.8"));
        compose.check_services()?;
        for (service, spec) in compose.services_mut() {
            label(service, spec, LABEL, source)?;
        }
        compose.take_configs(file)?;
        compose.take_secrets(file)?;
        Ok(compose)
    }

    fn check_services(&self) -> Result<(), StackError> {
        let services = self.document.get("services").and_then(Value::as_object).filter(|s| !s.is_empty());
        let services = services.ok_or_else(|| StackError::new("compose.yml: it has no services"))?;
        for (name, spec) in services {
            let spec = spec.as_object().ok_or_else(|| bad(name, "it is no mapping"))?;
            if spec.contains_key("build") {
                return Err(
                    bad(name, "a swarm does not build images").hint("build it, and name it as image:")
                );
            }
            if !spec.get("image").is_some_and(Value::is_string) {
                return Err(bad(name, "it has no image"));
            }
            if spec.contains_key("env_file") {
                return Err(bad(name, "env_file would be read on a manager, where it is not")
                    .hint("write the variables under environment:, or make a config of the file"));
            }
            if let Some(path) = relative_mount(spec) {
                return Err(bad(name, &format!("the folder {path:?} is not on the nodes"))
                    .hint("mount a volume, an absolute path of the nodes, or a config"));
            }
        }
        Ok(())
    }

    fn services(&self) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
        let services = self.document.get("services").and_then(Value::as_object).into_iter().flatten();
        services.filter_map(|(name, spec)| Some((name, spec.as_object()?)))
    }

    fn services_mut(&mut self) -> impl Iterator<Item = (&String, &mut Map<String, Value>)> {
        let services = self.document.get_mut("services").and_then(Value::as_object_mut).into_iter().flatten();
        services.filter_map(|(name, spec)| Some((name, spec.as_object_mut()?)))
    }

    pub(crate) fn service_names(&self) -> impl Iterator<Item = &str> {
        self.services().map(|(name, _)| name.as_str())
    }

    pub(crate) fn images(&self) -> BTreeSet<String> {
        let image = |spec: &Map<String, Value>| spec.get("image")?.as_str().map(str::to_owned);
        self.services().filter_map(|(_, spec)| image(spec)).collect()
    }

    pub(crate) fn ports(&self) -> Vec<Port> {
        let ports = self.services().flat_map(|(name, spec)| {
            let list = spec.get("ports").and_then(Value::as_array).into_iter().flatten();
            list.flat_map(move |port| published(name, port))
        });
        ports.collect()
    }

    /// Whether a `service` or a `network` of it is called so.
    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        let declared = |kind: &str| self.document.get(kind).and_then(|map| map.get(name));
        let Some(spec) = declared(&format!("{kind}s")) else {
            // Who names none gets one.
            return kind == "network" && name == "default";
        };
        spec.get("external").is_none_or(|external| external == false)
    }

    /// Whether a service may run on a node, as far as its constraints on ids and roles say.
    pub(crate) fn may_run_on(&self, service: &str, node: &Member) -> bool {
        let spec = self.services().find(|(name, _)| *name == service);
        let constraints =
            spec.and_then(|(_, s)| s.get("deploy")?.get("placement")?.get("constraints")?.as_array());
        let role = if node.manager { "manager" } else { "worker" };
        let allows = |constraint: &str| {
            let (key, value, equal) = match (constraint.split_once("=="), constraint.split_once("!=")) {
                (Some((key, value)), _) => (key.trim(), value.trim(), true),
                (None, Some((key, value))) => (key.trim(), value.trim(), false),
                (None, None) => return true,
            };
            match key {
                "node.id" => (value == node.id) == equal,
                "node.role" => (value == role) == equal,
                _ => true,
            }
        };
        constraints.into_iter().flatten().filter_map(Value::as_str).all(allows)
    }

    /// Whether it counts on services having addresses of their own: they find each other by them, and published ports lead
    /// to them.
    pub(crate) fn needs_addresses(&self) -> bool {
        let has_one = |spec: &Map<String, Value>| {
            !on_host_network(spec)
                && spec.get("deploy").and_then(|d| d.get("endpoint_mode")).is_none_or(|m| m != "dnsrr")
        };
        let by_name = self.services().filter(|(_, spec)| has_one(spec)).count();
        by_name > 1 || self.ports().iter().any(|p| !p.host)
    }

    /// Labels all services.
    pub(crate) fn mark(&mut self, key: &str, value: &str) -> Result<(), StackError> {
        self.services_mut().try_for_each(|(service, spec)| label(service, spec, key, value))
    }

    /// Labels all services with a digest of everything that it is made of. Secrets that are generated have no names yet.
    pub(crate) fn sign(&mut self) -> Result<String, StackError> {
        let digest = digest(self.text().as_bytes());
        self.mark(DIGEST, &digest)?;
        Ok(digest)
    }

    /// JSON is YAML too.
    pub fn text(&self) -> String {
        Value::Object(self.document.clone()).to_string()
    }

    /// For people.
    pub(crate) fn pretty(&self) -> String {
        serde_json::to_string_pretty(&self.document).unwrap_or_default()
    }

    fn take_configs(&mut self, file: Reader) -> Result<(), StackError> {
        let Some(configs) = self.document.get_mut("configs").and_then(Value::as_object_mut) else {
            return Ok(());
        };
        for (key, spec) in configs {
            let driver = spec.get("template_driver").and_then(Value::as_str).map(str::to_owned);
            let content = match (spec.get("file").and_then(Value::as_str), spec.get("content")) {
                (Some(path), _) => file(path)?,
                (None, Some(Value::String(text))) => text.clone().into_bytes(),
                _ => continue,
            };
            let mut digested = content.clone();
            digested.extend(driver.iter().flat_map(|d| d.bytes()));
            let name = hashed(&self.name, key, &digested);
            *spec = json!({"external": true, "name": name});
            self.configs.push(Blob { name, content, driver });
        }
        Ok(())
    }

    /// The names of what is generated are known only to the swarm: see [`Compose::name_secret`].
    fn take_secrets(&mut self, file: Reader) -> Result<(), StackError> {
        let Some(secrets) = self.document.get_mut("secrets").and_then(Value::as_object_mut) else {
            return Ok(());
        };
        for (key, spec) in secrets {
            let Some(path) = spec.get("file").and_then(Value::as_str) else { continue };
            let text = String::from_utf8(file(path)?)
                .map_err(|_| StackError::new(format!("the secret {key} in {path} is no text")))?;
            let source = SecretSource::Content(text.into());
            self.secrets.push(Secret { key: key.clone(), source });
        }
        Ok(())
    }

    /// What depends on more than the file: secret parameters, names of services, opened pages, ports of the node.
    pub(super) fn place(
        &mut self,
        stack: &Stack,
        settings: &Settings,
        at: &Surroundings,
    ) -> Result<(), StackError> {
        self.secret_parameters(stack, settings);
        if settings.text("endpoint_mode") == "dnsrr" {
            self.services_mut().for_each(|(_, spec)| by_dns(spec));
        }
        let names: Vec<String> = self.service_names().map(str::to_owned).collect();
        self.pages = stack.manifest.pages.iter().filter(|p| names.contains(&p.service)).cloned().collect();
        for page in &mut self.pages {
            page.publish = page.publish.take().filter(|_| at.publish);
            page.port = PortRef::Number(settings.port(&page.port));
        }
        for (i, page) in self.pages.clone().into_iter().enumerate() {
            let spot = format!("{i} {} {}", settings.port(&page.port), page.path);
            let service = self.services_mut().find(|(name, _)| **name == page.service);
            let (service, spec) = service.ok_or_else(|| bad(&page.service, "it is not there"))?;
            label(service, spec, &format!("{PAGE}{}", page.name), &spot)?;
        }
        if at.publish {
            self.publish(settings)?;
        }
        let ports = stack.manifest.parameters.iter().filter(|(_, p)| p.listens);
        let listen = |name: &String, everywhere| Listen {
            port: settings.port(&PortRef::Parameter(name.clone())),
            everywhere,
        };
        self.listens = ports.map(|(name, p)| listen(name, p.everywhere)).collect();
        if !self.listens.is_empty() {
            let ports: Vec<_> = self.listens.iter().map(|l| l.port.to_string()).collect();
            self.mark(LISTENS, &ports.join(" "))?;
        }
        Ok(())
    }

    fn secret_parameters(&mut self, stack: &Stack, settings: &Settings) {
        let used = self.document.get("secrets").and_then(Value::as_object);
        let used: Vec<&String> = used.into_iter().flat_map(Map::keys).collect();
        let ours = stack
            .manifest
            .parameters
            .iter()
            .filter(|(name, p)| p.kind == Kind::Secret && used.contains(name));
        for (key, _) in ours {
            let given = settings.secrets.get(key).cloned();
            let source = given.map_or(SecretSource::Generated, SecretSource::Content);
            self.secrets.push(Secret { key: key.clone(), source });
        }
    }

    /// A page of a service on the node's own network opens itself: its template knows `publish`.
    fn publish(&mut self, settings: &Settings) -> Result<(), StackError> {
        if self.pages.iter().all(|p| p.publish.is_none()) {
            return Err(StackError::new("the stack has no page that --publish could open"));
        }
        let host = settings.text("endpoint_mode") == "dnsrr";
        for page in self.pages.clone() {
            let Some(published) = settings.published(&page) else { continue };
            let target = settings.port(&page.port);
            let service = self.services_mut().find(|(name, _)| **name == page.service);
            let Some((_, spec)) = service.filter(|(_, spec)| !on_host_network(spec)) else { continue };
            let mode = if host { "host" } else { "ingress" };
            let port = json!({"target": target, "published": published, "protocol": "tcp", "mode": mode});
            match spec.entry("ports").or_insert_with(|| json!([])) {
                Value::Array(ports) => ports.push(port),
                _ => return Err(bad(&page.service, "ports must be a list")),
            }
        }
        Ok(())
    }

    /// Tells the file what a secret is called in the swarm.
    pub(crate) fn name_secret(&mut self, key: &str, name: &str) {
        if let Some(secrets) = self.document.get_mut("secrets").and_then(Value::as_object_mut) {
            secrets.insert(key.to_owned(), json!({"external": true, "name": name}));
        }
    }

    pub(crate) fn secret_name(&self, key: &str, content: &SecretString) -> String {
        hashed(&self.name, key, content.expose_secret().as_bytes())
    }
}

/// What docker takes as the name of a config has 64 characters at most.
fn hashed(stack: &StackName, key: &str, content: &[u8]) -> String {
    const SHOWN: usize = 12;
    const KEY: usize = 64 - 32 - SHOWN - 2;
    let key: String = key.chars().take(KEY).collect();
    format!("{stack}_{key}-{}", &digest(content)[..SHOWN])
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bad(service: &str, what: &str) -> StackError {
    StackError::new(format!("compose.yml: the service {service}: {what}"))
}

/// Labels may be a mapping or a list of `key=value`. Compose would take a dollar for the beginning of a variable.
fn label(service: &str, spec: &mut Map<String, Value>, key: &str, value: &str) -> Result<(), StackError> {
    let value = value.replace('$', "$$");
    let labels = spec
        .entry("deploy")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .map(|deploy| deploy.entry("labels").or_insert_with(|| json!({})));
    match labels {
        Some(Value::Object(labels)) => drop(labels.insert(key.to_owned(), value.into())),
        Some(Value::Array(labels)) => labels.push(format!("{key}={value}").into()),
        _ => return Err(bad(service, "deploy.labels must be a mapping or a list")),
    }
    Ok(())
}

fn by_dns(spec: &mut Map<String, Value>) {
    if on_host_network(spec) {
        return;
    }
    if let Some(ports) = spec.get_mut("ports").and_then(Value::as_array_mut) {
        *ports = ports.drain(..).flat_map(on_nodes).collect();
    }
    if let Some(deploy) = spec.entry("deploy").or_insert_with(|| json!({})).as_object_mut() {
        deploy.entry("endpoint_mode").or_insert_with(|| "dnsrr".into());
    }
}

fn on_host_network(spec: &Map<String, Value>) -> bool {
    match spec.get("networks") {
        Some(Value::Array(networks)) => networks.iter().any(|n| n == "host"),
        Some(Value::Object(networks)) => networks.contains_key("host"),
        _ => false,
    }
}

fn relative_mount(spec: &Map<String, Value>) -> Option<String> {
    let volumes = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let sources = volumes.filter_map(|volume| match volume {
        Value::String(text) => text.split_once(':').map(|(source, _)| source),
        Value::Object(long) if long.get("type").is_some_and(|t| t == "bind") => long.get("source")?.as_str(),
        _ => None,
    });
    let mut relative = sources.filter(|s| s.starts_with('.') || s.starts_with('~'));
    relative.next().map(str::to_owned)
}
