//! Docker contexts: the engine that the docker CLI speaks to where no `DOCKER_HOST` names one. Docker Desktop, Colima,
//! OrbStack and rootless engines are found by them alone.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{HostError, HostSettings};

/// The CLI's name for what it does without a context.
const NONE: &str = "default";

/// A context that names an engine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) name: String,
    pub(crate) host: String,
    /// Under the names that the CLI looks for.
    pub(crate) certs: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default, rename = "currentContext")]
    current: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Endpoint {
    host: String,
}

/// The name of the context that counts, by the CLI's rules: a named host comes first, then the variable, then the file.
pub fn current(settings: &HostSettings) -> Result<Option<String>, HostError> {
    if settings.host.is_some() {
        return Ok(None);
    }
    let name = match (&settings.context, folder(settings)) {
        (Some(named), _) => named.clone(),
        (None, Some(folder)) => chosen(&folder.join("config.json"))?,
        (None, None) => String::new(),
    };
    Ok(Some(name).filter(|name| !name.is_empty() && name != NONE))
}

pub(crate) fn find(settings: &HostSettings) -> Result<Option<Context>, HostError> {
    let Some(name) = current(settings)? else { return Ok(None) };
    let folder = folder(settings).unwrap_or_default().join("contexts");
    let id = id(&name);
    let path = folder.join("meta").join(&id).join("meta.json");
    let refused = |reason: String| HostError { named_by: words(&name), reason };
    let Some(text) = read(&path).map_err(|e| refused(e.to_string()))? else {
        return Err(refused(format!(
            "there is no {}; `docker context ls` shows what there is, DOCKER_HOST names an engine without one",
            path.display()
        )));
    };
    let meta: Meta = serde_json::from_str(&text).map_err(|e| refused(format!("{}: {e}", path.display())))?;
    let certs = Some(folder.join("tls").join(id).join("docker")).filter(|dir| dir.is_dir());
    Ok(Some(Context { name, host: meta.endpoints.docker.host, certs }))
}

/// How a context is told of.
pub(crate) fn words(name: &str) -> String {
    format!("the docker context {name:?}")
}

fn folder(settings: &HostSettings) -> Option<PathBuf> {
    settings.config.clone().or_else(|| Some(settings.home.as_ref()?.join(".docker")))
}

fn chosen(path: &Path) -> Result<String, HostError> {
    let refused = |reason: String| HostError { named_by: path.display().to_string(), reason };
    let Some(text) = read(path).map_err(|e| refused(e.to_string()))? else { return Ok(String::new()) };
    let config: Config = serde_json::from_str(&text).map_err(|e| refused(e.to_string()))?;
    Ok(config.current)
}

fn read(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        text => text.map(Some),
    }
}

/// The name of a context's folders.
fn id(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make what they look at")]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::EngineHost;

    struct Home(TempDir);

    impl Home {
        fn new(config: &str) -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            home.put(".docker/config.json", config);
            home
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// As `docker context create` writes it.
        fn context(&self, name: &str, host: &str) {
            let meta = format!(
                r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
            );
            self.put(&format!(".docker/contexts/meta/{}/meta.json", id(name)), &meta);
        }

        fn settings(&self) -> HostSettings {
            HostSettings { home: Some(self.0.path().to_owned()), ..HostSettings::default() }
        }

        fn host(&self, settings: &HostSettings) -> Result<String, String> {
            let home = self.0.path().to_string_lossy().into_owned();
            let told = |text: String| text.replace(&home, "~");
            EngineHost::parse(settings).map(|h| h.to_string()).map_err(|e| told(e.to_string()))
        }
    }

    #[test]
    fn the_folder_is_the_names_hash() {
        assert_eq!(id("local"), "25bf8e1a2393f1108d37029b3df5593236c755742ec93465bbafa9b290bddcf6");
    }

    #[test]
    fn the_clis_rules() {
        let home = Home::new(r#"{"auths":{},"currentContext":"colima"}"#);
        home.context("colima", "unix:///home/u/.colima/default/docker.sock");
        home.context("far", "tcp://10.0.0.5:2376");
        let plain = home.settings();
        let colima = "unix:///home/u/.colima/default/docker.sock";
        assert_eq!(home.host(&plain).as_deref(), Ok(colima));
        assert_eq!(current(&plain).unwrap().as_deref(), Some("colima"));
        let named =
            HostSettings { host: Some("unix:///s".into()), context: Some("far".into()), ..plain.clone() };
        assert_eq!((home.host(&named).as_deref(), current(&named).unwrap()), (Ok("unix:///s"), None));
        let variable = |name: &str| HostSettings { context: Some(name.into()), ..plain.clone() };
        assert_eq!(home.host(&variable("far")).as_deref(), Ok("tcp://10.0.0.5:2376"));
        assert_eq!(home.host(&variable("default")).as_deref(), Ok("unix:///var/run/docker.sock"));
        let elsewhere = HostSettings { config: Some(home.0.path().join("nowhere")), ..plain.clone() };
        assert_eq!(home.host(&elsewhere).as_deref(), Ok("unix:///var/run/docker.sock"));
    }

    #[test]
    fn certificates_of_a_context_make_it_tls() {
        let home = Home::new("{}");
        home.context("far", "tcp://10.0.0.5");
        let settings = HostSettings { context: Some("far".into()), ..home.settings() };
        assert_eq!(home.host(&settings).as_deref(), Ok("tcp://10.0.0.5:2375"));
        home.put(&format!(".docker/contexts/tls/{}/docker/ca.pem", id("far")), "");
        let dir = home.0.path().join(".docker/contexts/tls").join(id("far")).join("docker");
        let EngineHost::Tcp { port, certs, .. } = EngineHost::parse(&settings).unwrap() else { panic!() };
        assert_eq!((port, certs), (2376, Some(dir)));
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let home = Home::new(r#"{"currentContext":"gone"}"#);
        let told = home.host(&home.settings()).unwrap_err();
        assert!(
            told.starts_with("the docker context \"gone\": there is no ~/.docker/contexts/meta/"),
            "{told}"
        );
        home.context("gone", "ssh://me@h");
        let told = home.host(&home.settings()).unwrap_err();
        assert!(
            told.starts_with("the docker context \"gone\" (\"ssh://me@h\"): engines behind SSH"),
            "{told}"
        );
        home.put(".docker/config.json", "{");
        let told = home.host(&home.settings()).unwrap_err();
        assert!(told.starts_with("~/.docker/config.json: "), "{told}");
    }
}
