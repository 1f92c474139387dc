//! A stack, its settings and the cluster it goes to: what templates see.

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Value as Seen, context};
use serde::Serialize;

use crate::stacks::definition::settings::Value;
use crate::stacks::definition::{Compose, EngineWish, Settings, Stack, StackError, StackName, template_text};

/// A node as templates see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    pub id: String,
    pub name: String,
    pub address: String,
    pub manager: bool,
}

/// Where a stack goes.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub cluster: String,
    pub nodes: Vec<Member>,
    /// The node that keeps the data.
    pub chosen: Member,
    pub publish: bool,
}

impl Stack {
    /// All that is to be deployed, or what is wrong with it.
    pub fn fill(
        &self,
        name: &StackName,
        settings: &Settings,
        at: &Surroundings,
    ) -> Result<Compose, StackError> {
        let values = values(name, settings, at);
        let text = match self.templates {
            true => template_text::lines("compose.yml", &self.compose, &values)?,
            false => self.compose.clone(),
        };
        let broken = |e: serde_saphyr::Error| {
            let error = StackError::new(format!("compose.yml: {e}"));
            let hint = "inside of [ ] and { }, what holds ${{ }} must be quoted";
            if self.templates && text.contains("${{") { error.hint(hint) } else { error }
        };
        let mut document: serde_json::Value = serde_saphyr::from_str(&text).map_err(broken)?;
        if self.templates {
            fill_in(&mut document, &values)?;
        }
        let file = |path: &str| self.filled_file(path, &values);
        let mut compose = Compose::read(document, name, &self.id, &file)?;
        compose.place(self, settings, at)?;
        Ok(compose)
    }

    fn filled_file(&self, path: &str, values: &Seen) -> Result<Vec<u8>, StackError> {
        let bytes = self.file(path)?;
        match String::from_utf8(bytes) {
            Ok(text) if self.templates => template_text::file(path, &text, values).map(String::into_bytes),
            Ok(text) => Ok(text.into_bytes()),
            Err(e) => Ok(e.into_bytes()),
        }
    }

    /// The options that the engine of one node is to have.
    pub(crate) fn engine_options(
        &self,
        name: &StackName,
        settings: &Settings,
        at: &Surroundings,
        this: &Member,
    ) -> Result<Vec<String>, StackError> {
        let values = context! { this => Seen::from(Serde(this)), ..values(name, settings, at) };
        let options = self.manifest.engines.options.iter();
        options.map(|option| template_text::file("stack.toml", option, &values)).collect()
    }
}

fn values(name: &StackName, settings: &Settings, at: &Surroundings) -> Seen {
    let parameters: BTreeMap<&str, Seen> =
        settings.values.iter().map(|(name, value)| (name.as_str(), seen(value))).collect();
    context! {
        image => &settings.images,
        engines => settings.engines == EngineWish::Set,
        publish => at.publish,
        stack => context! { name => name.as_str() },
        node => Seen::from(Serde(&at.chosen)),
        cluster => context! {
            name => &at.cluster,
            nodes => Seen::from(Serde(&at.nodes)),
            managers => at.nodes.iter().filter(|n| n.manager).count(),
        },
        ..Seen::from(parameters)
    }
}

fn seen(value: &Value) -> Seen {
    match value {
        Value::Text(text) => Seen::from(text.as_str()),
        Value::Number(number) => Seen::from(*number),
        Value::Flag(flag) => Seen::from(*flag),
    }
}

fn fill_in(document: &mut serde_json::Value, values: &Seen) -> Result<(), StackError> {
    match document {
        serde_json::Value::String(text) if text.contains("${{") => {
            *document = template_text::scalar(text, values)?;
        }
        serde_json::Value::Array(items) => items.iter_mut().try_for_each(|item| fill_in(item, values))?,
        serde_json::Value::Object(map) => map.values_mut().try_for_each(|item| fill_in(item, values))?,
        _ => {}
    }
    Ok(())
}
