//! The engine as this driver asks it: typed answers, and errors that say what to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmachine_driver::{DriverError, DriverErrorKind, DriverState, Uuid};
use rmachine_engine_api::{
    Connection, EngineClient, EngineError, EngineHost, HostSettings, Method, Payload, filters, segment,
    with_query,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::archive::first_file;

/// Making a container takes a fraction of a second; a busy computer is given more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

const INFO: &str = "/info";

/// The labels of everything that is made for a machine.
pub(crate) const STORE: &str = "rmachine.store";
pub(crate) const UUID: &str = "rmachine.uuid";
/// Of a network that was made here: its name.
pub(crate) const NETWORK: &str = "rmachine.network";
/// Ports of the engine's host that a machine was given, so that a stopped one keeps them.
pub(crate) const PORTS: &str = "rmachine.ports";

pub(crate) type Labels = BTreeMap<String, String>;

/// A container, as the list of them tells.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) labels: Option<Labels>,
    #[serde(default, rename = "ImageID")]
    pub(crate) image_id: String,
    #[serde(default)]
    pub(crate) network_settings: Networks,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Networks {
    pub(crate) networks: Option<BTreeMap<String, Attachment>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Attachment {
    #[serde(rename = "IPAddress")]
    pub(crate) address: String,
    #[serde(rename = "IPAMConfig")]
    pub(crate) fixed: Option<Fixed>,
    #[serde(rename = "NetworkID")]
    pub(crate) network_id: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fixed {
    #[serde(rename = "IPv4Address")]
    pub(crate) address: String,
}

/// One container, inspected.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) state: ContainerState,
    pub(crate) config: Config,
    #[serde(default)]
    pub(crate) network_settings: Networks,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ContainerState {
    pub(crate) status: String,
    pub(crate) error: String,
    pub(crate) exit_code: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Config {
    pub(crate) labels: Option<Labels>,
}

/// What an engine is and where it runs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    #[serde(rename = "OSType")]
    pub(crate) os_type: String,
    #[serde(rename = "OperatingSystem")]
    pub(crate) operating_system: String,
    #[serde(rename = "KernelVersion")]
    pub(crate) kernel: String,
    #[serde(rename = "CpuCfsQuota")]
    pub(crate) cpu_quota: Option<bool>,
    /// Where somebody told it which ranges its networks are to have.
    #[serde(rename = "DefaultAddressPools")]
    pub(crate) address_pools: Option<Vec<Value>>,
    #[serde(rename = "SecurityOptions")]
    pub(crate) security: Option<Vec<String>>,
}

/// What was learned of the engine, for all machines of this process: to say it, an engine starts programs each time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Arc<Mutex<Option<(EngineHost, Info)>>>);

pub(crate) struct Engine {
    pub(crate) client: EngineClient,
    pub(crate) host: EngineHost,
    /// The engine's own process, when it can be seen.
    pub(crate) peer: Option<i32>,
    known: Known,
}

impl Engine {
    pub(crate) async fn at(host: EngineHost, limit: Duration) -> Result<Self, DriverError> {
        let Connection { client, peer } = host.connect(limit).await.map_err(|e| unreachable(&host, e))?;
        Ok(Self { client, host, peer, known: Known::default() })
    }

    /// Learns with others.
    pub(crate) fn sharing(mut self, known: &Known) -> Self {
        self.known = known.clone();
        self
    }

    /// The engine that a machine was made at, wherever DOCKER_HOST leads by now.
    pub(crate) async fn of(state: &DriverState) -> Result<Self, DriverError> {
        Self::of_within(state, PATIENCE).await
    }

    pub(crate) async fn of_within(state: &DriverState, limit: Duration) -> Result<Self, DriverError> {
        let settings = HostSettings {
            host: Some(state.text("EngineHost").to_owned()),
            cert_path: Some(state.text("EngineCertPath")).filter(|p| !p.is_empty()).map(Into::into),
            ..HostSettings::default()
        };
        let host =
            EngineHost::parse(&settings).map_err(|e| DriverError::invalid(e.to_string()).caused_by(e))?;
        Self::at(host, limit).await
    }

    pub(crate) async fn info(&mut self) -> Result<Info, DriverError> {
        // Who comes second waits for the first, and asks an engine that hangs no second time.
        let known = self.known.clone();
        let late = |_| refused(EngineError::Timeout { what: INFO.to_owned() });
        let mut known = timeout(self.client.limit(), known.0.lock()).await.map_err(late)?;
        match &*known {
            Some((host, info)) if *host == self.host => Ok(info.clone()),
            _ => {
                let info: Info = self.client.get(INFO).await.map_err(refused)?;
                *known = Some((self.host.clone(), info.clone()));
                Ok(info)
            }
        }
    }

    /// By id or by name; nothing when there is none.
    pub(crate) async fn inspect(&mut self, container: &str) -> Result<Option<Container>, DriverError> {
        found(self.client.get(&format!("/containers/{}/json", segment(container))).await)
    }

    pub(crate) async fn list(&mut self, wanted: &[(&str, &str)]) -> Result<Vec<Listed>, DriverError> {
        let filters = filters(wanted);
        let path = with_query("/containers/json", &[("all", "1"), ("filters", &filters)]);
        self.client.get(&path).await.map_err(refused)
    }

    /// A file in a container, running or not; nothing where there is none, or while it is being written.
    pub(crate) async fn read(&mut self, id: &str, file: &str) -> Result<Option<String>, DriverError> {
        let path = with_query(&format!("/containers/{id}/archive"), &[("path", file)]);
        match self.client.request(Method::GET, &path, None).await {
            Ok(archive) => Ok(first_file(&archive).ok().flatten()),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(refused(e)),
        }
    }

    /// All that was made for a machine: more than one only when an answer was lost.
    pub(crate) async fn of_machine(&mut self, uuid: Uuid) -> Result<Vec<Listed>, DriverError> {
        self.list(&[("label", &format!("{UUID}={uuid}"))]).await
    }

    /// One that runs already is left as it is.
    pub(crate) async fn start(&mut self, id: &str) -> Result<(), EngineError> {
        let done = self.client.request(Method::POST, &format!("/containers/{id}/start"), None).await;
        unless_so_already(done)
    }

    /// `limit` covers the time that the container is given.
    pub(crate) async fn post(&mut self, path: &str, limit: Duration) -> Result<(), DriverError> {
        let done = self.client.exchange(Method::POST, path, Payload::Empty, limit).await;
        unless_so_already(done).map_err(refused)
    }

    /// Deletes what may be gone already.
    pub(crate) async fn delete(&mut self, path: &str) -> Result<(), DriverError> {
        match self.client.delete(path).await {
            Err(e) if !e.is_missing() => Err(refused(e)),
            _ => Ok(()),
        }
    }

    pub(crate) async fn image_id(&mut self, image: &str) -> Result<Option<String>, DriverError> {
        let found: Option<Value> = found(self.client.get(&format!("/images/{image}/json")).await)?;
        Ok(found.and_then(|i| i.get("Id").and_then(Value::as_str).map(str::to_owned)))
    }
}

fn found<T>(answer: Result<T, EngineError>) -> Result<Option<T>, DriverError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(e) if e.is_missing() => Ok(None),
        Err(e) => Err(refused(e)),
    }
}

/// The engine answers 304 where it finds nothing to do.
fn unless_so_already<T>(done: Result<T, EngineError>) -> Result<(), EngineError> {
    match done {
        Err(e) if e.is_unchanged() => Ok(()),
        done => done.map(drop),
    }
}

/// No way to the engine.
fn unreachable(host: &EngineHost, error: EngineError) -> DriverError {
    let denied = matches!(&error, EngineError::Socket { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied);
    if denied {
        return DriverError::new(DriverErrorKind::Denied, format!("no permission to use the engine at {host}: {error}"))
            .hint("be root, or become a member of the socket's group: sudo usermod -aG docker $USER, then log in again")
            .caused_by(error);
    }
    DriverError::new(DriverErrorKind::Unreachable, format!("no engine answers at {host}: {error}"))
        .hint("start one (sudo systemctl start docker), install one (sudo apt-get install docker.io), or name one with DOCKER_HOST or `docker context use`")
        .caused_by(error)
}

/// The engine's own words, and a hint where it is known what helps.
pub(crate) fn refused(error: EngineError) -> DriverError {
    let message = match &error {
        EngineError::Refused { message, .. } => message.clone(),
        other => other.to_string(),
    };
    let kind = match &error {
        EngineError::Refused { status: 404, .. } => DriverErrorKind::Missing,
        e if e.is_unanswered() || e.is_disconnected() => DriverErrorKind::Unreachable,
        _ => DriverErrorKind::Provider,
    };
    let full = error.is_disk_full();
    let hangs = error.is_unanswered();
    let port = error.is_port_taken();
    let driver_error = DriverError::new(kind, message).caused_by(error);
    if full {
        return driver_error
            .hint("make room where the engine keeps its data: docker system df, docker system prune");
    }
    if hangs {
        return driver_error.hint("the engine hangs or is very busy; its own words: journalctl -u docker");
    }
    if port {
        return driver_error.hint("see who has that port, and end it: sudo ss -ltnp, docker ps");
    }
    driver_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_any_engine_are_read() {
        let text = r#"[{"Id":"a","Names":["/x"],"ImageID":"sha256:1","Labels":null,"NetworkSettings":{"Networks":{"rmachine":
            {"IPAMConfig":{"IPv4Address":"172.18.0.2"},"IPAddress":""},"bridge":{"IPAMConfig":null,"IPAddress":"172.17.0.2"}}}},
            {"Id":"b","NetworkSettings":{"Networks":null}}]"#;
        let list: Vec<Listed> = serde_json::from_str(text).unwrap();
        let networks = list[0].network_settings.networks.as_ref().unwrap();
        assert_eq!(networks["rmachine"].fixed.as_ref().unwrap().address, "172.18.0.2");
        assert_eq!(networks["bridge"].address, "172.17.0.2");
        assert!(list[1].network_settings.networks.is_none());
    }

    #[tokio::test]
    async fn no_engine_and_no_permission_are_told_apart() {
        let host = EngineHost::Unix("/nowhere/docker.sock".into());
        let error = Engine::at(host, Duration::from_secs(1)).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "no engine answers at unix:///nowhere/docker.sock: dial unix /nowhere/docker.sock: connect: no such file or \
             directory"
        );
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error =
            unreachable(&EngineHost::Unix("/s".into()), EngineError::Socket { path: "/s".into(), source });
        assert_eq!(error.kind, DriverErrorKind::Denied);
        assert!(error.hints[0].contains("usermod -aG docker"));
    }

    #[tokio::test]
    async fn what_an_engine_is_is_asked_once() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let dir = tempfile::tempdir().unwrap();
        let host = EngineHost::Unix(dir.path().join("s.sock"));
        let listener = tokio::net::UnixListener::bind(dir.path().join("s.sock")).unwrap();
        let asked = Arc::new(Mutex::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = count.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                        *count.lock().await += 1;
                        let body = r#"{"KernelVersion":"6.12"}"#;
                        let answer =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let known = Known::default();
        let ask = async |known: &Known| {
            let engine = Engine::at(host.clone(), Duration::from_secs(5)).await.unwrap();
            engine.sharing(known).info().await.unwrap().kernel
        };
        assert_eq!(tokio::join!(ask(&known), ask(&known)), ("6.12".to_owned(), "6.12".to_owned()));
        assert_eq!((ask(&known).await.as_str(), *asked.lock().await), ("6.12", 1));
        ask(&Known::default()).await;
        assert_eq!(*asked.lock().await, 2, "by those who know nothing of each other");
    }

    #[test]
    fn what_is_so_already_is_done() {
        let said = |status| EngineError::Refused { status, message: String::new(), path: "/x".into() };
        assert!(unless_so_already::<()>(Err(said(304))).is_ok());
        assert!(unless_so_already::<()>(Err(said(409))).is_err() && unless_so_already(Ok(1)).is_ok());
    }

    #[test]
    fn a_full_disk_is_known() {
        let error = refused(EngineError::Failed {
            message: "write /usr/x: no space left on device".into(),
            path: "/images/create".into(),
        });
        assert_eq!(error.hints.len(), 1);
    }
}
