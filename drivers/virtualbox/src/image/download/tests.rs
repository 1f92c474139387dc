//! From a server of the test's own, which can break off, forget and lie.
#![allow(clippy::disallowed_methods, reason = "tests write files")]

use rmachine_driver::{
    DriverState, Journal, JournalRecord, MachineHandle, MachineName, NoKeyring, Silent, Tags, Uuid,
};
use sha2::{Digest, Sha512};

use self::shelf::{Server, serve};
use super::*;

mod shelf;

struct Memory;

impl Journal for Memory {
    fn record(&mut self, _: JournalRecord) -> Result<(), DriverError> {
        Ok(())
    }

    fn records(&self) -> &[JournalRecord] {
        &[]
    }
}

fn content() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn sums(content: &[u8]) -> String {
    let sum: String = Sha512::digest(content).iter().map(|b| format!("{b:02x}")).collect();
    format!("{sum}  disk.qcow2\n")
}

async fn fetched(server: &Server, cache: &Path, given: Option<&Checksum>) -> Result<Vec<u8>, DriverError> {
    let name = MachineName::parse("n1").unwrap();
    let (mut state, mut journal) = (DriverState::default(), Memory);
    let tags = Tags {
        uuid: Uuid::nil(),
        machine: name.clone(),
        store: String::new(),
        computer: String::new(),
        expires: None,
    };
    let machine = MachineHandle {
        name: &name,
        uuid: Uuid::nil(),
        dir: cache,
        tags,
        state: &mut state,
        journal: &mut journal,
        keyring: &NoKeyring,
        reporter: &Silent,
    };
    let source = Source::Url(format!("{}/disk.qcow2", server.url));
    let image = Image { source, key: "disk".into() };
    Ok(std::fs::read(super::image(&machine, &image, given, cache).await?).unwrap())
}

fn asked(server: &Server) -> Vec<String> {
    server.asked("/disk")
}

#[tokio::test]
async fn what_breaks_off_is_gone_on_with() {
    let (content, cache) = (content(), tempfile::tempdir().unwrap());
    let server = serve(&[("disk.qcow2", &content), ("SHA512SUMS", sums(&content).as_bytes())]);
    server.shelf().broken = 2;
    assert_eq!(fetched(&server, cache.path(), None).await.unwrap(), content);
    assert_eq!(asked(&server), ["/disk.qcow2 0", "/disk.qcow2 400000", "/disk.qcow2 600000"]);
}

#[tokio::test]
async fn what_another_run_left_is_gone_on_with_only_while_it_is_the_same() {
    let (content, cache) = (content(), tempfile::tempdir().unwrap());
    let server = serve(&[("disk.qcow2", &content), ("SHA512SUMS", sums(&content).as_bytes())]);
    let leave = |from: &str| {
        std::fs::write(cache.path().join("disk.part"), &content[..1000]).unwrap();
        std::fs::write(validator(&cache.path().join("disk.part")), from).unwrap();
    };
    leave("\"one\"");
    assert_eq!(fetched(&server, cache.path(), None).await.unwrap(), content);
    assert_eq!(asked(&server), ["/disk.qcow2 1000"]);
    leave("\"another\"");
    assert_eq!(fetched(&server, cache.path(), None).await.unwrap(), content);
    assert_eq!(asked(&server), ["/disk.qcow2 0"]);
}

/// It sends all of it whatever it is asked for, and it has to be all that is taken.
#[tokio::test]
async fn a_server_that_knows_no_ranges_sends_all_of_it_again() {
    let (content, cache) = (content(), tempfile::tempdir().unwrap());
    let server = serve(&[("disk.qcow2", &content), ("SHA512SUMS", sums(&content).as_bytes())]);
    server.shelf().broken = 1;
    server.shelf().knows_ranges = false;
    assert_eq!(fetched(&server, cache.path(), None).await.unwrap(), content);
    assert_eq!(asked(&server), ["/disk.qcow2 0", "/disk.qcow2 0"]);
}

#[tokio::test]
async fn what_is_wrong_is_not_taken() {
    let (content, cache) = (content(), tempfile::tempdir().unwrap());
    let server = serve(&[("disk.qcow2", &content), ("SHA512SUMS", sums(b"other").as_bytes())]);
    let error = fetched(&server, cache.path(), None).await.unwrap_err();
    assert!(error.to_string().contains("is not what its publisher made"), "{error}");
    assert!(!cache.path().join("disk.part").exists(), "and not kept");
}

/// The half of an older image, which its server cannot tell from the new one.
#[tokio::test]
async fn what_was_put_together_wrongly_is_fetched_anew() {
    let (content, cache) = (content(), tempfile::tempdir().unwrap());
    let server = serve(&[("disk.qcow2", &content), ("SHA512SUMS", sums(&content).as_bytes())]);
    std::fs::write(cache.path().join("disk.part"), [7; 1000]).unwrap();
    std::fs::write(validator(&cache.path().join("disk.part")), "\"one\"").unwrap();
    assert_eq!(fetched(&server, cache.path(), None).await.unwrap(), content);
    assert_eq!(asked(&server), ["/disk.qcow2 1000", "/disk.qcow2 0"]);
}

#[tokio::test]
async fn a_given_checksum_counts_where_none_is_published() {
    let (content, cache) = (content(), tempfile::tempdir().unwrap());
    let server = serve(&[("disk.qcow2", &content)]);
    assert_eq!(fetched(&server, cache.path(), None).await.unwrap(), content, "unchecked, with a warning");
    let wrong = Checksum::parse(&"0".repeat(64)).unwrap();
    assert!(fetched(&server, cache.path(), Some(&wrong)).await.is_err());
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be() {
    let cache = tempfile::tempdir().unwrap();
    let error = fetched(&serve(&[]), cache.path(), None).await.unwrap_err();
    assert_eq!(error.kind, DriverErrorKind::Missing);
    assert!(error.to_string().contains("404"), "{error}");
}
