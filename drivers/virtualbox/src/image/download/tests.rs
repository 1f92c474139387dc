//! From a server of the test's own, which can break off, forget and lie.
#![allow(clippy::disallowed_methods, reason = "tests write files")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rmachine_driver::{
    DriverState, Journal, JournalRecord, MachineHandle, MachineName, NoKeyring, Silent, Tags, Uuid,
};
use sha2::{Digest, Sha512};

use super::*;

struct Memory;

impl Journal for Memory {
    fn record(&mut self, _: JournalRecord) -> Result<(), DriverError> {
        Ok(())
    }

    fn records(&self) -> &[JournalRecord] {
        &[]
    }
}

/// What the server has, and what it was asked.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    etag: String,
    /// So many answers end in the middle.
    broken: usize,
    asked: Vec<String>,
}

struct Server {
    url: String,
    shelf: Arc<Mutex<Shelf>>,
}

fn serve(files: &[(&str, &[u8])]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let files = files.iter().map(|(name, content)| (format!("/{name}"), content.to_vec())).collect();
    let shelf = Arc::new(Mutex::new(Shelf { files, etag: "\"one\"".into(), ..Shelf::default() }));
    let shared = shelf.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(&stream, &shared);
        }
    });
    Server { url, shelf }
}

fn answer(mut stream: &std::net::TcpStream, shelf: &Mutex<Shelf>) -> std::io::Result<()> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
    let request: Vec<String> = lines.collect();
    let path = request.first().and_then(|l| l.split(' ').nth(1)).unwrap_or_default().to_owned();
    let header = |name: &str| {
        let found = request.iter().find(|l| l.to_ascii_lowercase().starts_with(name));
        found.and_then(|l| l.split_once(": ")).map(|(_, v)| v.to_owned())
    };
    let mut shelf = shelf.lock().unwrap();
    let range = header("range:").filter(|_| header("if-range:") == Some(shelf.etag.clone()));
    let from: usize =
        range.and_then(|r| r.strip_prefix("bytes=")?.trim_end_matches('-').parse().ok()).unwrap_or(0);
    shelf.asked.push(format!("{path} {from}"));
    let Some(content) = shelf.files.get(&path).cloned() else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let rest = &content[from.min(content.len())..];
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {}\r\nConnection: close\r\n\r\n",
        rest.len(),
        shelf.etag
    );
    stream.write_all(head.as_bytes())?;
    if !path.ends_with("SUMS") && shelf.broken > 0 {
        shelf.broken -= 1;
        return stream.write_all(&rest[..rest.len() / 2]);
    }
    stream.write_all(rest)
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
    let all = std::mem::take(&mut server.shelf.lock().unwrap().asked);
    all.into_iter().filter(|a| a.starts_with("/disk")).collect()
}

#[tokio::test]
async fn what_breaks_off_is_gone_on_with() {
    let (content, cache) = (content(), tempfile::tempdir().unwrap());
    let server = serve(&[("disk.qcow2", &content), ("SHA512SUMS", sums(&content).as_bytes())]);
    server.shelf.lock().unwrap().broken = 2;
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
