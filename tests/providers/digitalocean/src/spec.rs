//! The provider's own description (openapi.json, Apache-2.0, see README.md), as a judge of requests and replies.

use std::collections::{BTreeSet, HashMap};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::{Reply, Request};

const TEXT: &str = include_str!("../openapi.json");

pub(crate) struct Spec {
    document: Value,
    compiled: HashMap<String, Validator>,
}

impl Spec {
    pub(crate) fn load() -> Self {
        let mut document: Value = serde_json::from_str(TEXT).expect("the description is JSON");
        modernize(&mut document);
        Self { document, compiled: HashMap::new() }
    }

    pub(crate) fn example(&self, name: &str) -> Value {
        self.document["components"]["examples"][name]["value"].clone()
    }

    /// What the description has against a request.
    pub(crate) fn request(&mut self, request: &Request) -> Vec<String> {
        let Some((template, operation)) = self.operation(request) else {
            return vec![format!("no such operation: {} {}", request.method, request.path)];
        };
        let mut faults = self.query(&operation, request);
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if let (Some(body), true) = (&request.body, schema.is_object()) {
            let mut known = BTreeSet::new();
            self.properties(schema, &mut known, 0);
            let unknown =
                body.as_object().into_iter().flat_map(Map::keys).filter(|key| !known.contains(*key));
            faults.extend(unknown.map(|key| format!("the description knows no field {key:?}")));
            let pointer = format!(
                "/paths/{}/{}/requestBody/content/application~1json/schema",
                escaped(&template),
                request.method.to_lowercase()
            );
            faults.extend(self.against(&pointer, body));
        }
        if request.body.is_some() && !schema.is_object() {
            faults.push("a body where none belongs".to_owned());
        }
        faults
    }

    /// What it has against an answer.
    pub(crate) fn reply(&mut self, request: &Request, reply: &Reply) -> Vec<String> {
        let Some((template, operation)) = self.operation(request) else { return Vec::new() };
        let status = reply.status.to_string();
        let responses = &operation["responses"];
        let key = if responses.get(&status).is_some() { status.as_str() } else { "default" };
        if key == "default" && reply.status < 400 {
            return vec![format!("the description knows no status {status} of {template}")];
        }
        let response = self.resolved(&responses[key]);
        let pointer = match responses[key]["$ref"].as_str() {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => {
                format!("/paths/{}/{}/responses/{key}", escaped(&template), request.method.to_lowercase())
            }
        };
        let described = response["content"]["application/json"]["schema"].is_object();
        match (&reply.body, described) {
            (Some(body), true) => self.against(&format!("{pointer}/content/application~1json/schema"), body),
            (None, true) => vec![format!("{status} of {template} needs a body")],
            (Some(_), false) => vec![format!("{status} of {template} has no body")],
            (None, false) => Vec::new(),
        }
    }

    fn operation(&self, request: &Request) -> Option<(String, Value)> {
        let paths = self.document["paths"].as_object()?;
        let exact = paths.keys().filter(|p| **p == request.path);
        let templates = paths.keys().filter(|p| matches(p, &request.path));
        let template = exact.chain(templates).next()?;
        let operation = paths[template].get(request.method.to_lowercase())?;
        Some((template.clone(), operation.clone()))
    }

    fn query(&mut self, operation: &Value, request: &Request) -> Vec<String> {
        let parameters: Vec<Value> =
            operation["parameters"].as_array().into_iter().flatten().map(|p| self.resolved(p)).collect();
        let mut faults = Vec::new();
        for (key, value) in &request.query {
            let Some(parameter) = parameters.iter().find(|p| p["name"] == **key && p["in"] == "query") else {
                faults.push(format!("the description knows no parameter {key:?}"));
                continue;
            };
            let typed = match parameter["schema"]["type"].as_str() {
                Some("integer") => value.parse::<i64>().map_or(json!(value), |n| json!(n)),
                Some("boolean") => json!(value == "true"),
                _ => json!(value),
            };
            let key = format!("parameter {}", parameter["schema"]);
            let validator = self.compiled.entry(key).or_insert_with(|| compiled(&parameter["schema"]));
            faults.extend(judged(validator, &typed));
        }
        faults
    }

    fn resolved(&self, node: &Value) -> Value {
        match node["$ref"].as_str() {
            Some(reference) => {
                self.document.pointer(reference.trim_start_matches('#')).cloned().unwrap_or_default()
            }
            None => node.clone(),
        }
    }

    fn properties(&self, schema: &Value, known: &mut BTreeSet<String>, depth: usize) {
        if depth > 12 {
            return;
        }
        let schema = self.resolved(schema);
        known.extend(schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned());
        for several in ["allOf", "anyOf", "oneOf"] {
            for part in schema[several].as_array().into_iter().flatten() {
                self.properties(part, known, depth + 1);
            }
        }
    }

    fn against(&mut self, pointer: &str, value: &Value) -> Vec<String> {
        if !self.compiled.contains_key(pointer) {
            let (components, paths) = (&self.document["components"], &self.document["paths"]);
            let schema = json!({"$ref": format!("#{pointer}"), "components": components, "paths": paths});
            self.compiled.insert(pointer.to_owned(), compiled(&schema));
        }
        judged(&self.compiled[pointer], value)
    }
}

fn compiled(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).expect("the description's schemas are sound")
}

fn judged(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|e| format!("{e} at {}", e.instance_path())).collect()
}

fn escaped(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D")
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(t, p)| t == p || (t.starts_with('{') && !p.is_empty()))
}

/// OpenAPI 3.0's `nullable` in the words of JSON Schema.
fn modernize(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(modernize),
        Value::Object(map) => {
            for key in ["example", "examples", "discriminator"] {
                if map.get("type").is_some() || key == "discriminator" {
                    map.remove(key);
                }
            }
            if map.remove("nullable") == Some(json!(true))
                && let Some(kind) = map.get("type").cloned()
            {
                map.insert("type".to_owned(), json!([kind, "null"]));
            }
            map.values_mut().for_each(modernize);
        }
        _ => {}
    }
}
