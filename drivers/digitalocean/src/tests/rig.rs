//! A provider, a driver that speaks to it, and machines with a journal that survives them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rmachine_digitalocean_server::{Cloud, Nobody, Outcome, Reply, Request};
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use rmachine_driver::{
    CreateRequest, DraftRequest, Driver, DriverError, DriverState, HostKeyPair, Journal, JournalRecord,
    Keyring, MachineHandle, MachineName, MachineView, Options, Reporter, Silent, Source, Tags, Uuid, Value,
};
use rmachine_rest::{Answer, Call, SendError, Transport};

use crate::account::TokenSettings;
use crate::{DigitalOcean, Settings};

pub(super) const TOKEN: &str = "dop_v1_s3cr3t";
pub(super) const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMACHINE rmachine web1";
pub(super) const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHOST first";

/// Not over a socket, so that a paused clock knows when everybody waits.
pub(super) struct InProcess(pub(super) Cloud);

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("in process")
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, call: &Call) -> Result<Answer, SendError> {
        let mut request = Request::new(call.method.as_str(), &call.path.to_string());
        request.token = Some(call.token.expose_secret().to_owned());
        request.body = call.body.clone();
        // A network is never instant: others get their turn.
        tokio::time::sleep(Duration::from_millis(20)).await;
        match self.0.call(&request) {
            Outcome::Answer(reply) => Ok(answer(&reply)),
            Outcome::Slow(pause, reply) => {
                tokio::time::sleep(pause).await;
                Ok(answer(&reply))
            }
            Outcome::Truncated(_) => {
                Err(SendError::Unclear("end of file before message length reached".into()))
            }
            Outcome::Garbage(status) => Ok(Answer { status, pause: None, body: b"<html>".to_vec() }),
            Outcome::Reset => Err(SendError::Unclear("connection reset".into())),
            Outcome::Hang => std::future::pending().await,
        }
    }
}

fn answer(reply: &Reply) -> Answer {
    let seconds = reply.headers.iter().find(|(k, _)| k == "Retry-After").and_then(|(_, v)| v.parse().ok());
    let body = reply.body.as_ref().map(ToString::to_string).unwrap_or_default().into_bytes();
    Answer { status: reply.status, pause: seconds.map(Duration::from_secs), body }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Memory(pub(super) Vec<JournalRecord>);

impl Journal for Memory {
    /// As the store has it.
    fn record(&mut self, record: JournalRecord) -> Result<(), DriverError> {
        if self.0.contains(&record) {
            return Ok(());
        }
        match self.0.iter_mut().find(|r| r.kind == record.kind && r.id.is_empty()) {
            Some(waiting) => *waiting = record,
            None => self.0.push(record),
        }
        Ok(())
    }

    fn records(&self) -> &[JournalRecord] {
        &self.0
    }
}

#[derive(Debug, Default)]
pub(super) struct Ring {
    pub(super) given: Option<SecretString>,
    pub(super) kept: Mutex<Vec<(String, SecretString)>>,
}

impl Ring {
    pub(super) fn given(token: &str) -> Self {
        Self { given: Some(token.into()), kept: Mutex::default() }
    }
}

#[async_trait]
impl Keyring for Ring {
    fn given(&self) -> Option<SecretString> {
        self.given.clone()
    }

    fn accounts(&self) -> Result<Vec<String>, DriverError> {
        Ok(self.kept.lock().unwrap().iter().map(|(account, _)| account.clone()).collect())
    }

    fn kept(&self, account: &str) -> Result<Option<SecretString>, DriverError> {
        let kept = self.kept.lock().unwrap();
        Ok(kept.iter().find(|(a, _)| a == account).map(|(_, secret)| secret.clone()))
    }

    async fn keep(&self, account: &str, secret: &SecretString) -> Result<(), DriverError> {
        let mut kept = self.kept.lock().unwrap();
        kept.retain(|(a, _)| a != account);
        kept.push((account.to_owned(), secret.clone()));
        Ok(())
    }
}

pub(super) struct Rig {
    pub(super) cloud: Cloud,
    pub(super) driver: Arc<DigitalOcean>,
}

pub(super) fn settings(token: &str) -> Settings {
    let token = Some(token).filter(|t| !t.is_empty()).map(SecretString::from);
    Settings { api_url: None, tokens: TokenSettings { token, ..TokenSettings::default() } }
}

impl Rig {
    pub(super) fn new() -> Self {
        let cloud = Cloud::new(TOKEN, Box::new(Nobody));
        let driver = DigitalOcean::over(Arc::new(InProcess(cloud.clone())), settings(TOKEN));
        Self { cloud, driver: Arc::new(driver) }
    }

    /// Another process: it remembers nothing.
    pub(super) fn another(&self) -> Self {
        let driver = DigitalOcean::over(Arc::new(InProcess(self.cloud.clone())), settings(TOKEN));
        Self { cloud: self.cloud.clone(), driver: Arc::new(driver) }
    }

    pub(super) fn machine(&self, options: &[(&str, &str)]) -> Machine {
        self.named("web1", options)
    }

    pub(super) fn named(&self, name: &str, options: &[(&str, &str)]) -> Machine {
        let name = MachineName::parse(name).unwrap();
        let dir = PathBuf::from("/nowhere/machines").join(name.as_str());
        let draft = self
            .driver
            .draft(&DraftRequest {
                name: &name,
                options: &given(self.driver.as_ref(), options),
                store_path: Path::new("/nowhere"),
                machine_dir: &dir,
                member: false,
            })
            .unwrap();
        Machine {
            name,
            uuid: Uuid::new_v4(),
            dir,
            state: draft.state,
            journal: Memory::default(),
            ring: Ring::default(),
            keep_on_failure: false,
        }
    }

    pub(super) fn assert_described(&self) {
        assert_eq!(self.cloud.violations(), Vec::<String>::new());
    }
}

pub(super) fn given(driver: &dyn Driver, options: &[(&str, &str)]) -> Options {
    let specs = driver.options();
    let mut all = Options::defaults(&specs);
    for (name, value) in options {
        let name = format!("digitalocean-{name}");
        let spec = specs.iter().find(|s| s.name == name).unwrap();
        let value = match &spec.kind {
            rmachine_driver::OptionKind::Flag => Value::Flag(true),
            rmachine_driver::OptionKind::Int(_) => Value::Int(value.parse().unwrap()),
            rmachine_driver::OptionKind::Text(_) if spec.secret => Value::Secret((*value).into()),
            rmachine_driver::OptionKind::Text(_) => Value::Text((*value).to_owned()),
            rmachine_driver::OptionKind::List(_) => Value::List(vec![(*value).to_owned()]),
        };
        all.set(&name, value, Source::Given);
    }
    all
}

pub(super) struct Machine {
    pub(super) name: MachineName,
    uuid: Uuid,
    dir: PathBuf,
    pub(super) state: DriverState,
    pub(super) journal: Memory,
    pub(super) ring: Ring,
    pub(super) keep_on_failure: bool,
}

impl Machine {
    pub(super) fn view(&self) -> MachineView<'_> {
        MachineView {
            name: &self.name,
            uuid: self.uuid,
            dir: &self.dir,
            state: &self.state,
            journal: &self.journal.0,
            keyring: &self.ring,
        }
    }

    pub(super) fn handle(&mut self) -> MachineHandle<'_> {
        self.told(&Silent)
    }

    pub(super) fn told<'a>(&'a mut self, reporter: &'a dyn Reporter) -> MachineHandle<'a> {
        let tags = Tags {
            uuid: self.uuid,
            machine: self.name.clone(),
            store: "/nowhere".to_owned(),
            computer: "here".to_owned(),
            expires: None,
        };
        MachineHandle {
            name: &self.name,
            uuid: self.uuid,
            dir: &self.dir,
            tags,
            state: &mut self.state,
            journal: &mut self.journal,
            keyring: &self.ring,
            reporter,
        }
    }

    pub(super) async fn create(&mut self, rig: &Rig) -> Result<(), DriverError> {
        rig.driver.check(&self.view()).await?;
        self.resume(rig).await
    }

    pub(super) async fn resume(&mut self, rig: &Rig) -> Result<(), DriverError> {
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n".into();
        let public =
            format!("{PUBLIC}-{}", self.name).replace("MACHINE", &format!("M{}", self.uuid.simple()));
        let request = CreateRequest {
            public_key: Some(&public),
            host_key: Some(HostKeyPair { private: &private, public: HOST_KEY }),
            keep_on_failure: self.keep_on_failure,
            ..CreateRequest::default()
        };
        rig.driver.clone().create(&mut self.handle(), &request).await
    }

    pub(super) async fn remove(&mut self, rig: &Rig) -> Result<(), DriverError> {
        rig.driver.clone().remove(&mut self.handle()).await
    }
}
