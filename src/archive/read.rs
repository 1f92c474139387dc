//! `import`: an archive is read as if an enemy had written it, and becomes machines or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use rmachine_driver::{Login, MachineName};
use serde_json::Value;

use crate::archive::{
    Archive, ArchiveError, CONFIG, Files, MACHINE, MANIFEST, MOST_ARCHIVE, MOST_FILE, MOST_FILES, Manifest,
    OWN, Passphrase, STORE, VERSION, seal,
};
use crate::machines::Machines;
use crate::model::Failure;
use crate::store::{Arrival, StoreError, StoredMachine};

/// Understands an archive, asking for the passphrase if it is encrypted.
pub(crate) fn open_archive(bytes: &[u8], passphrase: Passphrase<'_>) -> Result<Archive, Failure> {
    if bytes.len() as u64 > MOST_ARCHIVE {
        return Err(ArchiveError::TooLarge.into());
    }
    if !seal::is_sealed(bytes) {
        return Ok(unpack(bytes)?);
    }
    let plain = seal::open(bytes, &passphrase()?).map_err(|e| ArchiveError::Sealed(e.to_string()))?;
    Ok(unpack(&plain)?)
}

pub(crate) fn unpack(bytes: &[u8]) -> Result<Archive, ArchiveError> {
    let mut tar = tar::Archive::new(bytes);
    let mut entries = tar.entries().map_err(|_| ArchiveError::NotOurs)?;
    let first = entries.next().ok_or(ArchiveError::NotOurs)?.map_err(|_| ArchiveError::NotOurs)?;
    let manifest = manifest(first)?;
    let mut machines: BTreeMap<MachineName, Files> = BTreeMap::new();
    for (n, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|e| ArchiveError::Damaged(e.to_string()))?;
        if n > MOST_FILES || entry.size() > MOST_FILE {
            return Err(ArchiveError::TooLarge);
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let plain = entry.header().entry_type() == tar::EntryType::Regular;
        let (machine, file) =
            named(&path).filter(|_| plain).ok_or_else(|| ArchiveError::Foreign(path.clone()))?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|e| ArchiveError::Damaged(e.to_string()))?;
        if machines.entry(machine).or_default().insert(file, content).is_some() {
            return Err(ArchiveError::Twice(path));
        }
    }
    complete(&manifest, &machines)?;
    Ok(Archive { machines })
}

fn manifest(mut entry: tar::Entry<'_, &[u8]>) -> Result<Manifest, ArchiveError> {
    if &*entry.path_bytes() != MANIFEST.as_bytes() || entry.size() > MOST_FILE {
        return Err(ArchiveError::NotOurs);
    }
    let mut text = String::new();
    entry.read_to_string(&mut text).map_err(|_| ArchiveError::NotOurs)?;
    let value: Value = serde_json::from_str(&text).map_err(|_| ArchiveError::NotOurs)?;
    match value.get("Version").and_then(Value::as_u64) {
        Some(VERSION) => serde_json::from_value(value).map_err(|_| ArchiveError::NotOurs),
        Some(version) => Err(ArchiveError::Newer(version)),
        None => Err(ArchiveError::NotOurs),
    }
}

/// `machines/NAME/FILE` and nothing else: no other place, no way up, no hidden name.
fn named(path: &str) -> Option<(MachineName, String)> {
    let rest = path.strip_prefix("machines/")?;
    let (machine, file) = rest.split_once('/')?;
    let plain = Path::new(file).file_name().is_some_and(|name| name == file) && !file.starts_with('.');
    let machine = MachineName::existing(machine).ok().filter(|_| plain && !file.contains('\\'))?;
    Some((machine, file.to_owned()))
}

/// A cut at the end of a file is nothing that tar would notice.
fn complete(manifest: &Manifest, machines: &BTreeMap<MachineName, Files>) -> Result<(), ArchiveError> {
    let listed: BTreeSet<&str> = manifest.machines.iter().map(String::as_str).collect();
    let found: BTreeSet<&str> = machines.keys().map(MachineName::as_str).collect();
    if listed != found || listed.len() != manifest.machines.len() {
        return Err(ArchiveError::Damaged("it does not hold the machines that it lists".to_owned()));
    }
    let whole = |files: &Files| files.contains_key(CONFIG) && files.contains_key(OWN);
    match machines.iter().find(|(_, files)| !whole(files)) {
        Some((name, _)) => Err(ArchiveError::Damaged(format!("machine {name} is not whole"))),
        None => Ok(()),
    }
}

/// As the store takes them.
type FileList = Vec<(String, Vec<u8>)>;

/// Puts the machines of an archive into the store.
pub(crate) struct Importer<'a> {
    pub(crate) machines: &'a Machines,
}

impl Importer<'_> {
    /// Puts machines into the store, each under its new name: all of them, or none.
    pub(crate) async fn import(&self, machines: BTreeMap<MachineName, Files>) -> Result<(), Failure> {
        // The locks in the order of names, so that two imports cannot wait for each other.
        let mut arrivals = Vec::new();
        for (name, files) in machines {
            let lock = self.machines.lock(&name).await?;
            if self.machines.store.exists(&name) {
                return Err(Failure::from(StoreError::AlreadyExists(name.clone()))
                    .hint(format!("import it under another name: --rename {name}=NEW")));
            }
            let (machine, files) = self.settle(&name, files)?;
            arrivals.push((lock, machine, files));
        }
        let arrivals: Vec<Arrival<'_>> =
            arrivals.iter().map(|(lock, machine, files)| Arrival { lock, machine, files }).collect();
        self.machines.store.place(&arrivals).map_err(Failure::from)
    }

    /// A machine of this store: its paths lead into it.
    fn settle(&self, name: &MachineName, mut files: Files) -> Result<(StoredMachine, FileList), Failure> {
        let damaged = |e: String| Failure::from(ArchiveError::Damaged(format!("machine {name}: {e}")));
        let dir = self.machines.store.machine_dir(name);
        let config = files.remove(CONFIG).unwrap_or_default();
        let own = files.remove(OWN).unwrap_or_default();
        let mut config: Value = serde_json::from_slice(&config).map_err(|e| damaged(e.to_string()))?;
        lead_here(&mut config, self.machines.store.root(), &dir).map_err(&damaged)?;
        let mut machine = self
            .machines
            .store
            .read_arrival(name, &config.to_string(), &own)
            .map_err(|e| damaged(e.to_string()))?;
        if !files.contains_key("ca.pem") || self.is_our_ca(&files) {
            machine.config.host_options.auth.belong_to(self.machines.store.root());
        } else {
            machine.config.host_options.auth.keep_to(&dir);
        }
        let auth = &mut machine.config.host_options.auth;
        auth.store_path = dir.to_string_lossy().into_owned();
        auth.server_cert_path = dir.join("server.pem").to_string_lossy().into_owned();
        auth.server_key_path = dir.join("server-key.pem").to_string_lossy().into_owned();
        let given = self
            .machines
            .registry
            .find(&machine.config.driver_name)
            .is_none_or(|driver| driver.features().login == Login::Given);
        if let Some(driver) = self.machines.registry.find(&machine.config.driver_name) {
            // An enemy's would be sent tokens, or be run.
            machine.config.driver.clear(&driver.local_keys());
        }
        if given {
            // Others find what they made by this name.
            machine.config.driver.set("MachineName", name.as_str());
        }
        Ok((machine, files.into_iter().collect()))
    }

    /// The store's own copy is renewed with the rest of its certificates; one that came along is not.
    fn is_our_ca(&self, files: &Files) -> bool {
        let ours = std::fs::read(self.machines.store.certs_dir().join("ca.pem")).ok();
        ours.is_some() && ours.as_ref() == files.get("ca.pem")
    }
}

fn lead_here(value: &mut Value, store: &Path, machine: &Path) -> Result<(), String> {
    match value {
        Value::String(text) => {
            let led = |word: &str, base: &Path| {
                let rest = text.strip_prefix(word)?;
                let rest = if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }?;
                let up = Path::new(rest).components().any(|c| !matches!(c, std::path::Component::Normal(_)));
                if up {
                    return Some(Err(format!("it names the path {text:?}")));
                }
                Some(Ok(if rest.is_empty() { base.to_owned() } else { base.join(rest) }))
            };
            if let Some(path) = led(MACHINE, machine).or_else(|| led(STORE, store)) {
                *text = path?.to_string_lossy().into_owned();
            }
            Ok(())
        }
        Value::Array(list) => list.iter_mut().try_for_each(|v| lead_here(v, store, machine)),
        Value::Object(map) => map.iter_mut().try_for_each(|(key, v)| match key.as_str() {
            "EngineOptions" => Ok(()),
            // A key of the importing user's that an archive names would be sent nowhere, but is none of its business.
            "SSHKeyPath" | "SSHKey" if v.as_str().is_some_and(|p| Path::new(p).is_absolute()) => {
                Err(format!("it names the path {v}"))
            }
            _ => lead_here(v, store, machine),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::write::pack;

    fn good() -> Vec<(MachineName, Files)> {
        let files = [(CONFIG, "{}"), (OWN, "{}"), ("id", "key")];
        let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        vec![(MachineName::parse("a").unwrap(), files.into())]
    }

    fn error(bytes: &[u8]) -> String {
        unpack(bytes).err().map_or_else(|| "taken".to_owned(), |e| e.to_string())
    }

    /// The same archive with one more entry.
    fn with(path: &str, kind: tar::EntryType, link: Option<&str>) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut bytes = pack(&good()).unwrap();
        bytes.truncate(bytes.len() - 1024);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o600);
        // The crate itself would not write such names.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        if let Some(link) = link {
            header.set_link_name_literal(link).unwrap();
        }
        header.set_cksum();
        tar.append(&header, &[][..]).unwrap();
        bytes.extend(tar.into_inner().unwrap());
        bytes
    }

    #[test]
    fn what_was_packed_comes_out() {
        let archive = unpack(&pack(&good()).unwrap()).unwrap();
        assert_eq!(archive.machines.into_iter().collect::<Vec<_>>(), good());
    }

    #[test]
    fn what_no_export_writes_is_refused() {
        for path in [
            "../x",
            "/etc/passwd",
            "machines/../x",
            "machines/a/../../x",
            "machines/a/b/c",
            "machines/.a/x",
            "machines/a/.x",
            "machines/a/",
            "machines//x",
            "x",
            "machines/a/..",
            "certs/ca.pem",
        ] {
            let said = error(&with(path, tar::EntryType::Regular, None));
            assert!(said.contains("which no `export` writes"), "{path}: {said}");
        }
        for kind in [
            tar::EntryType::Symlink,
            tar::EntryType::Link,
            tar::EntryType::Char,
            tar::EntryType::Fifo,
            tar::EntryType::Directory,
        ] {
            let said = error(&with("machines/a/x", kind, Some("/etc/passwd")));
            assert!(said.contains("which no `export` writes"), "{kind:?}: {said}");
        }
        let twice = error(&with("machines/a/id", tar::EntryType::Regular, None));
        assert_eq!(twice, "the archive holds \"machines/a/id\" twice: nothing was imported");
        let more = error(&with("machines/b/x", tar::EntryType::Regular, None));
        assert!(more.contains("does not hold the machines that it lists"), "{more}");
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let mut files = good();
        files[0].1.insert("big".to_owned(), vec![0; usize::try_from(MOST_FILE).unwrap() + 1]);
        assert!(error(&pack(&files).unwrap()).contains("larger than any"));
    }

    #[test]
    fn rubbish_and_cuts_are_told() {
        assert_eq!(error(b""), "this is no archive that `export` made");
        assert_eq!(error(&[7; 4096]), "this is no archive that `export` made");
        let whole = pack(&good()).unwrap();
        for end in (512..whole.len() - 1024).step_by(512) {
            assert_ne!(error(&whole[..end]), "taken", "cut at {end}");
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let lead = |text: &str| {
            let mut value = serde_json::json!({ "Driver": { "SSHKeyPath": text } });
            lead_here(&mut value, Path::new("/S"), Path::new("/S/machines/n"))
                .map(|()| value["Driver"]["SSHKeyPath"].as_str().unwrap().to_owned())
        };
        assert_eq!(lead("@machine/id").unwrap(), "/S/machines/n/id");
        assert_eq!(lead("@store").unwrap(), "/S");
        assert!(lead("@machine/../../x").is_err());
        assert!(lead("/root/.ssh/id_rsa").is_err());
    }
}
