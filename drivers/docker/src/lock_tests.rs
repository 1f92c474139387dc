//! The driver hands out addresses and builds images under a lock, or not at all.

use rmachine_driver::{CreateRequest, DriverError};
use tempfile::TempDir;

use crate::fake_engine::{Answer, Machine, engine};
use crate::image::Recipe;
use crate::{create, image, remove};

/// An engine without containers that has every image but node images. It refuses whatever changes something.
fn answer(request: &str) -> Answer {
    let (status, body) = match request {
        changing if !changing.starts_with("GET ") => ("500 Changed", r#"{"message":"changed"}"#),
        lists if lists.contains("/containers/json") => ("200 OK", "[]"),
        images if images.contains("rmachine") => ("404 Not Found", r#"{"message":"no such image"}"#),
        _ => ("200 OK", r#"{"Id":"i"}"#),
    };
    (status, body.to_owned())
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
    let mut machine = Machine::new();
    machine.state.set("Image", "debian");
    let (engine, locks) = (engine(dir.path(), answer).await, not_a_folder(&dir));
    let mut handle = machine.handle(dir.path());
    let created = create::create(&mut handle, engine, &CreateRequest::default(), &locks).await;
    assert_not_locked(&created.unwrap_err());
    assert_eq!(machine.journal.0, [], "nothing was asked of the engine");
}

#[tokio::test]
async fn image_build_fails_without_a_lock() {
    let dir = tempfile::tempdir().unwrap();
    let (mut engine, locks) = (engine(dir.path(), answer).await, not_a_folder(&dir));
    let recipe = Recipe { suite: "trixie".into(), extra: Vec::new(), engine: true };
    let built = image::ensure(&mut engine, &recipe, &locks, &|_| {}, &|_| {}).await;
    assert_not_locked(&built.unwrap_err());
}

#[tokio::test]
async fn network_removal_fails_without_a_lock() {
    let dir = tempfile::tempdir().unwrap();
    let (mut engine, locks) = (engine(dir.path(), answer).await, not_a_folder(&dir));
    assert_not_locked(&remove::remove_tagged(&mut engine, &[], &locks).await.unwrap_err());
}
