//! Brings a config.json of version 0, 1 or 2 to version 3, in memory.
//!
//! Follows docker-machine but for its slips: it lost the nested options of version 0, pointed `AuthOptions.StorePath`
//! at the whole store, and wrote "." as the driver's. Here each is what the machine's place in the store says.

use std::path::Path;

use rmachine_driver::{DriverState, MachineName};
use serde_json::{Map, Value};

use crate::store::config::{HostConfig, ParseError, VERSION};

type Object = Map<String, Value>;

/// Where version 0 kept flat what is nested since: its key, the group, the key there.
const FLAT: [(&str, &str, &str); 9] = [
    ("CaCertPath", "AuthOptions", "CaCertPath"),
    ("PrivateKeyPath", "AuthOptions", "PrivateKeyPath"),
    ("ServerCertPath", "AuthOptions", "ServerCertPath"),
    ("ServerKeyPath", "AuthOptions", "ServerKeyPath"),
    ("ClientCertPath", "AuthOptions", "ClientCertPath"),
    ("ClientKeyPath", "AuthOptions", "ClientKeyPath"),
    ("SwarmHost", "SwarmOptions", "Host"),
    ("SwarmMaster", "SwarmOptions", "Master"),
    ("SwarmDiscovery", "SwarmOptions", "Discovery"),
];

/// A document of any version as one of the current version, every known key present.
pub(super) fn to_current(document: Value, root: &Path, name: &MachineName) -> Result<Object, ParseError> {
    let Value::Object(mut document) = document else {
        return Err(ParseError::broken("the file holds no JSON object"));
    };
    let defaults = HostConfig::new(name, "", DriverState::default(), root);
    match version(&document)? {
        VERSION => {}
        newer if newer > VERSION => return Err(ParseError::Future(newer)),
        older => upgrade(&mut document, older, &defaults, root)?,
    }
    if let Value::Object(defaults) = serde_json::to_value(defaults).map_err(ParseError::broken)? {
        fill(&mut document, defaults);
    }
    Ok(document)
}

/// The version that a document claims; none is 0.
pub(super) fn version(document: &Object) -> Result<u64, ParseError> {
    match document.get("ConfigVersion") {
        None | Some(Value::Null) => Ok(0),
        Some(version) => version
            .as_u64()
            .ok_or_else(|| ParseError::broken(format!("ConfigVersion is {version}, not a whole number"))),
    }
}

fn upgrade(document: &mut Object, from: u64, defaults: &HostConfig, root: &Path) -> Result<(), ParseError> {
    let auth = &defaults.host_options.auth;
    if from == 0 {
        nest(document)?;
    }
    document.remove("StorePath");
    let paths = group(group(document, "HostOptions")?, "AuthOptions")?;
    if let Some(key) = paths.remove("PrivateKeyPath") {
        put(paths, "CaPrivateKeyPath", key);
    }
    if paths.get("CertDir").is_none_or(is_empty) {
        put(paths, "CertDir", auth.cert_dir.as_str().into());
    }
    put(paths, "StorePath", auth.store_path.as_str().into());
    put(group(document, "Driver")?, "StorePath", root.to_string_lossy().into());
    put(document, "ConfigVersion", VERSION.into());
    Ok(())
}

/// Moves the flat keys of version 0 to where they belong.
fn nest(document: &mut Object) -> Result<(), ParseError> {
    for (flat, within, key) in FLAT {
        if let Some(value) = document.remove(flat) {
            put(group(group(document, "HostOptions")?, within)?, key, value);
        }
    }
    Ok(())
}

/// Sets a key, unless that would put nothing in the place of something.
fn put(object: &mut Object, key: &str, value: Value) {
    if !is_empty(&value) || object.get(key).is_none_or(is_empty) {
        object.insert(key.to_owned(), value);
    }
}

/// Go's zero values.
fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_str().is_some_and(str::is_empty)
}

/// The object under a key, made when it is not there.
fn group<'a>(object: &'a mut Object, key: &str) -> Result<&'a mut Object, ParseError> {
    let value = object.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Object::new());
    }
    value.as_object_mut().ok_or_else(|| ParseError::broken(format!("{key} is not an object")))
}

/// Gives each absent key its default. `null` counts as absent, as it does to Go, save in a list.
fn fill(object: &mut Object, defaults: Object) {
    for (key, default) in defaults {
        match (object.get_mut(&key), default) {
            (Some(Value::Object(inner)), Value::Object(default)) => fill(inner, default),
            (Some(Value::Null), Value::Array(_) | Value::Null) => {}
            (Some(slot @ Value::Null), default) => *slot = default,
            (Some(_), _) => {}
            (None, default) => {
                object.insert(key, default);
            }
        }
    }
}
