//! `export`: what is in a machine's folder, with everything in it that is a path made relative.

use std::fs;
use std::path::{Path, PathBuf};

use rmachine_driver::MachineName;
use rmachine_driver::secrecy::SecretString;
use serde_json::Value;

use crate::archive::{CONFIG, Files, MACHINE, MANIFEST, MOST_FILE, Manifest, OWN, STORE, VERSION, seal};
use crate::certs::read as read_text;
use crate::machines::{Machine, Machines};
use crate::model::Failure;

/// Of no use elsewhere: an older form, and what sshfs was told on this computer.
const STAYS: [&str; 2] = ["config.json.bak", "known_hosts"];

/// The archive of these machines, and notes about what is not in it.
pub(crate) fn export_archive(
    machines: &Machines,
    names: &[MachineName],
    passphrase: Option<&SecretString>,
) -> Result<(Vec<u8>, Vec<String>), Failure> {
    let mut packed = Vec::new();
    let mut notes = Vec::new();
    for name in names {
        let machine = machines.load(name)?;
        machines.refuse_unmade(&machine)?;
        let files = files_of(machines, &machine, &mut notes)?;
        packed.push((name.clone(), files));
    }
    let tar = pack(&packed).map_err(|e| Failure::new(format!("the archive cannot be made: {e}")))?;
    match passphrase {
        None => Ok((tar, notes)),
        Some(passphrase) => seal::seal(&tar, passphrase)
            .map(|sealed| (sealed, notes))
            .map_err(|e| Failure::new(e.to_string())),
    }
}

fn files_of(machines: &Machines, machine: &Machine, notes: &mut Vec<String>) -> Result<Files, Failure> {
    let mut files = Files::new();
    let unreadable = |path: &Path, e: std::io::Error| Failure::new(format!("open {}: {e}", path.display()));
    for entry in fs::read_dir(&machine.dir).map_err(|e| unreadable(&machine.dir, e))? {
        let path = entry.map_err(|e| unreadable(&machine.dir, e))?.path();
        let found = fs::symlink_metadata(&path).map_err(|e| unreadable(&path, e))?;
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if name.starts_with('.') || [CONFIG, OWN].contains(&name) || STAYS.contains(&name) {
            continue;
        }
        if !found.is_file() || found.len() > MOST_FILE {
            notes.push(format!("{}: {name} is not in the archive", machine.name));
            continue;
        }
        files.insert(name.to_owned(), fs::read(&path).map_err(|e| unreadable(&path, e))?);
    }
    take_certificates(machines, machine, &mut files)?;
    let mut known = machine.stored.config.clone();
    known.driver.clear(&machine.driver().map(|d| d.local_keys()).unwrap_or_default());
    notes.extend(account_note(machine));
    let mut config =
        serde_json::to_value(&known).map_err(|e| Failure::new(format!("{}: {e}", machine.name)))?;
    take_key(machine, &mut config, &mut files, notes)?;
    relative(&mut config, machines.store.root(), machine, &files);
    let text = crate::store::json::pretty(&config).map_err(|e| Failure::new(e.to_string()))?;
    files.insert(CONFIG.to_owned(), text.into_bytes());
    let own = crate::store::json::pretty(&machine.stored.own).map_err(|e| Failure::new(e.to_string()))?;
    files.insert(OWN.to_owned(), own.into_bytes());
    Ok(files)
}

/// A token opens a whole account, and an archive is of machines.
fn account_note(machine: &Machine) -> Option<String> {
    machine.account_flag()?;
    let name = &machine.name;
    Some(format!(
        "{name}: the access token of its account is not in the archive; say it anew where it is imported"
    ))
}

/// The CA and the client come along, so that the machine answers beside machines of another CA. The CA's key does not: it
/// opens all that hang on it.
fn take_certificates(machines: &Machines, machine: &Machine, files: &mut Files) -> Result<(), Failure> {
    let auth = &machine.stored.config.host_options.auth;
    let client = machines.certs.client_files(auth);
    files.remove("ca-key.pem");
    if !machine.has_tls() {
        return Ok(());
    }
    for (path, name) in
        [(machines.certs.ca_files(auth).cert, "ca.pem"), (client.cert, "cert.pem"), (client.key, "key.pem")]
    {
        if let Some(text) = read_text(&path)? {
            files.insert(name.to_owned(), text.into_bytes());
        }
    }
    Ok(())
}

/// A key that lies elsewhere is one of the machine's files from then on.
fn take_key(
    machine: &Machine,
    config: &mut Value,
    files: &mut Files,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let path = machine.stored.config.driver.text("SSHKeyPath").to_owned();
    if path.is_empty() {
        if machine.description().endpoint.is_some() {
            let name = &machine.name;
            notes.push(format!(
                "{name}: it has no key of its own; where it is imported, the user's must open it"
            ));
        }
        return Ok(());
    }
    let path = PathBuf::from(path);
    let name = format!("ssh-{}", path.file_name().unwrap_or_default().to_string_lossy());
    if path.parent() != Some(&machine.dir) {
        let key = fs::read(&path).map_err(|e| Failure::new(format!("open {}: {e}", path.display())))?;
        files.insert(name.clone(), key);
        if let Some(field) = config.pointer_mut("/Driver/SSHKeyPath") {
            *field = format!("{MACHINE}/{name}").into();
        }
    }
    // Where the user once had it.
    if let Some(field) = config.pointer_mut("/Driver/SSHKey") {
        *field = "".into();
    }
    Ok(())
}

/// Paths in the store become words for them; others mean nothing elsewhere and go.
fn relative(value: &mut Value, store: &Path, machine: &Machine, files: &Files) {
    match value {
        Value::String(text) if Path::new(text.as_str()).is_absolute() => {
            let path = Path::new(text.as_str());
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let under = |base: &Path, word: &str| {
                let rest = path.strip_prefix(base).ok()?.to_string_lossy().into_owned();
                Some(if rest.is_empty() { word.to_owned() } else { format!("{word}/{rest}") })
            };
            let known = under(&machine.dir, MACHINE).or_else(|| under(store, STORE));
            *text = known.unwrap_or_else(|| {
                if files.contains_key(name) { format!("{MACHINE}/{name}") } else { String::new() }
            });
        }
        Value::Array(list) => list.iter_mut().for_each(|v| relative(v, store, machine, files)),
        Value::Object(map) => map.iter_mut().for_each(|(key, v)| {
            // Engine options are paths of the host.
            if key != "EngineOptions" {
                relative(v, store, machine, files);
            }
        }),
        _ => {}
    }
}

pub(crate) fn pack(machines: &[(MachineName, Files)]) -> std::io::Result<Vec<u8>> {
    let manifest =
        Manifest { version: VERSION, machines: machines.iter().map(|(name, _)| name.to_string()).collect() };
    let mut tar = tar::Builder::new(Vec::new());
    add(&mut tar, MANIFEST, &serde_json::to_vec(&manifest)?)?;
    for (name, files) in machines {
        for (file, bytes) in files {
            add(&mut tar, &format!("machines/{name}/{file}"), bytes)?;
        }
    }
    tar.into_inner()
}

/// Without times and owners: the same machines make the same archive.
fn add(tar: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    tar.append_data(&mut header, path, bytes)
}
