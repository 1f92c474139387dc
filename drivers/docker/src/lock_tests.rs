//! The driver hands out addresses and builds images under a lock, or not at all.

use std::path::Path;
use std::time::Duration;

use rmachine_driver::{
    CreateRequest, DriverError, DriverState, Journal, JournalRecord, MachineHandle, MachineName, NoKeyring,
    Silent, Tags, Uuid,
};
use rmachine_engine_api::EngineHost;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::engine::Engine;
use crate::image::Recipe;
use crate::{create, image, remove};

#[derive(Default)]
struct Memory(Vec<JournalRecord>);

impl Journal for Memory {
    fn record(&mut self, record: JournalRecord) -> Result<(), DriverError> {
        self.0.push(record);
        Ok(())
    }

    fn records(&self) -> &[JournalRecord] {
        &self.0
    }
}

/// An engine without containers that has every image but node images. It refuses whatever changes something.
async fn engine(dir: &Path) -> Engine {
    let socket = dir.join("s.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    let request = String::from_utf8_lossy(&request[..length]);
                    stream.write_all(answer(&request).as_bytes()).await.unwrap();
                }
            });
        }
    });
    Engine::at(EngineHost::Unix(socket), Duration::from_secs(10)).await.unwrap()
}

fn answer(request: &str) -> String {
    let (status, body) = match request {
        changing if !changing.starts_with("GET ") => ("500 Changed", r#"{"message":"changed"}"#),
        lists if lists.contains("/containers/json") => ("200 OK", "[]"),
        images if images.contains("rmachine") => ("404 Not Found", r#"{"message":"no such image"}"#),
        _ => ("200 OK", r#"{"Id":"i"}"#),
    };
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A file where the folder for locks should be.
fn not_a_folder(dir: &TempDir) -> std::path::PathBuf {
    tempfile::Builder::new().disable_cleanup(true).tempfile_in(dir).unwrap().path().to_owned()
}

fn assert_not_locked(error: &DriverError) {
    assert!(error.message.starts_with("cannot keep lock files in "), "{error}");
    assert!(error.hints[1].contains("XDG_RUNTIME_DIR"), "{:?}", error.hints);
}

#[tokio::test]
async fn create_fails_without_a_lock() {
    let dir = tempfile::tempdir().unwrap();
    let name = MachineName::parse("n1").unwrap();
    let (mut state, mut journal) = (DriverState::default(), Memory::default());
    state.set("Image", "debian");
    let (store, computer) = (String::new(), String::new());
    let tags = Tags { uuid: Uuid::nil(), machine: name.clone(), store, computer, expires: None };
    let mut machine = MachineHandle {
        name: &name,
        uuid: Uuid::nil(),
        dir: dir.path(),
        tags,
        state: &mut state,
        journal: &mut journal,
        keyring: &NoKeyring,
        reporter: &Silent,
    };
    let (engine, locks) = (engine(dir.path()).await, not_a_folder(&dir));
    let created = create::create(&mut machine, engine, &CreateRequest::default(), &locks).await;
    assert_not_locked(&created.unwrap_err());
    assert_eq!(journal.0, [], "nothing was asked of the engine");
}

#[tokio::test]
async fn image_build_fails_without_a_lock() {
    let dir = tempfile::tempdir().unwrap();
    let (mut engine, locks) = (engine(dir.path()).await, not_a_folder(&dir));
    let recipe = Recipe { suite: "trixie".into(), extra: Vec::new(), engine: true };
    let built = image::ensure(&mut engine, &recipe, &locks, &|_| {}, &|_| {}).await;
    assert_not_locked(&built.unwrap_err());
}

#[tokio::test]
async fn network_removal_fails_without_a_lock() {
    let dir = tempfile::tempdir().unwrap();
    let (mut engine, locks) = (engine(dir.path()).await, not_a_folder(&dir));
    assert_not_locked(&remove::remove_tagged(&mut engine, &[], &locks).await.unwrap_err());
}
