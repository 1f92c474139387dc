//! Our part of the cloud-config, in two halves: lists that are added to the user's, and values that have the last word.

use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::{FirstBoot, UserDataError};

const ROOT: &str = "root";
/// What is left of a machine that the image was once goes first; for each machine once, however often its disk boots.
const FIRST_BOOT: &str = include_str!("../../../../templates/host/first-boot.sh");
/// useradd's own limit.
const LONGEST_LOGIN: usize = 32;

/// Both halves in one, where there is nobody's to be merged with.
pub(crate) fn whole(boot: &FirstBoot<'_>) -> Result<SecretString, UserDataError> {
    let mut all = lists(boot)?;
    all.extend(values(boot));
    Ok(text(all))
}

/// Lists, with the rule that they are added to those of the parts before.
pub(crate) fn appended(boot: &FirstBoot<'_>) -> Result<SecretString, UserDataError> {
    let mut part = lists(boot)?;
    part.insert("merge_how".to_owned(), json!("list(append)+dict(no_replace,recurse_list)+str()"));
    Ok(text(part))
}

/// Values without which nobody could log in, or would not know to whom: they replace what parts before said.
pub(crate) fn ours(boot: &FirstBoot<'_>) -> Result<SecretString, UserDataError> {
    let mut part = values(boot);
    part.insert("merge_how".to_owned(), json!("dict(replace)+list()+str()"));
    Ok(text(part))
}

fn lists(boot: &FirstBoot<'_>) -> Result<Map<String, Value>, UserDataError> {
    let mut part = Map::new();
    let first = ["cloud-init-per", "instance", "rmachine-first-boot", "sh", "-c", FIRST_BOOT];
    part.insert("bootcmd".to_owned(), json!([first]));
    let keys: Vec<&str> = boot.public_key.iter().map(|key| key.trim()).collect();
    if boot.login == ROOT {
        part.insert("ssh_authorized_keys".to_owned(), json!(keys));
        return Ok(part);
    }
    let login = json!({
        "name": login(boot.login)?,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "shell": "/bin/bash",
        "lock_passwd": true,
        "ssh_authorized_keys": keys,
    });
    part.insert("users".to_owned(), json!(["default", login]));
    Ok(part)
}

fn values(boot: &FirstBoot<'_>) -> Map<String, Value> {
    let mut part = Map::new();
    if boot.login == ROOT {
        part.insert("disable_root".to_owned(), json!(false));
    }
    if let Some(name) = boot.host_name {
        part.insert("hostname".to_owned(), json!(name));
        part.insert("preserve_hostname".to_owned(), json!(false));
    }
    if let Some(pair) = boot.host_key {
        let keys = json!({
            "ed25519_private": pair.private.expose_secret(),
            "ed25519_public": pair.public,
        });
        // Keys that an image brings along are known to all who have the image.
        part.insert("ssh_deletekeys".to_owned(), json!(true));
        part.insert("ssh_keys".to_owned(), keys);
    }
    part
}

fn login(name: &str) -> Result<&str, UserDataError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let good = first && name.len() <= LONGEST_LOGIN && name.chars().all(allowed);
    if good { Ok(name) } else { Err(UserDataError::Login(name.to_owned())) }
}

fn text(part: Map<String, Value>) -> SecretString {
    SecretString::from(format!("#cloud-config\n{}\n", ascii(&Value::Object(part).to_string())))
}

/// JSON in printable ASCII: YAML takes fewer characters as they are than JSON does.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}
