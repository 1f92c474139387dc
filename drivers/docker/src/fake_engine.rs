//! An engine whose answers a unit test chooses, and a machine to use it with.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmachine_driver::{
    DriverError, DriverState, Journal, JournalRecord, MachineHandle, MachineName, NoKeyring, Silent, Tags,
    Uuid,
};
use rmachine_engine_api::EngineHost;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::engine::Engine;

/// The status line and the body of an answer.
pub(crate) type Answer = (&'static str, String);

/// Listens on a socket in `dir` and gives each request to `answer`.
pub(crate) async fn engine(dir: &Path, answer: impl FnMut(&str) -> Answer + Send + 'static) -> Engine {
    let socket = dir.join("s.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = Arc::new(Mutex::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 16_384];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    let request = String::from_utf8_lossy(&request[..length]);
                    let (status, body) = answer.lock().unwrap()(&request);
                    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(text.as_bytes()).await.unwrap();
                }
            });
        }
    });
    Engine::at(EngineHost::Unix(socket), Duration::from_secs(10)).await.unwrap()
}

#[derive(Default)]
pub(crate) struct Memory(pub(crate) Vec<JournalRecord>);

impl Journal for Memory {
    fn record(&mut self, record: JournalRecord) -> Result<(), DriverError> {
        self.0.push(record);
        Ok(())
    }

    fn records(&self) -> &[JournalRecord] {
        &self.0
    }
}

/// The machine `n1`.
pub(crate) struct Machine {
    name: MachineName,
    pub(crate) state: DriverState,
    pub(crate) journal: Memory,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let name = MachineName::parse("n1").unwrap();
        Self { name, state: DriverState::default(), journal: Memory::default() }
    }

    pub(crate) fn handle<'a>(&'a mut self, dir: &'a Path) -> MachineHandle<'a> {
        let (store, computer) = (String::new(), String::new());
        MachineHandle {
            name: &self.name,
            uuid: Uuid::nil(),
            dir,
            tags: Tags { uuid: Uuid::nil(), machine: self.name.clone(), store, computer, expires: None },
            state: &mut self.state,
            journal: &mut self.journal,
            keyring: &NoKeyring,
            reporter: &Silent,
        }
    }
}
