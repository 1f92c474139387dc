//! A server of images that can break off, forget, lie and take its time. The end-to-end tests have it too, by its path.
#![allow(dead_code, unreachable_pub, reason = "each has its own use of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What it has, and what it was asked.
#[derive(Default)]
pub struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    pub etag: String,
    pub knows_ranges: bool,
    /// So many answers end in the middle.
    pub broken: usize,
    /// Answers stop in the middle for as long as this is so.
    pub held: bool,
    asked: Vec<String>,
}

pub struct Server {
    pub url: String,
    shared: Arc<(Mutex<Shelf>, Condvar)>,
}

pub fn serve(files: &[(&str, &[u8])]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let files = files.iter().map(|(name, content)| (format!("/{name}"), content.to_vec())).collect();
    let shelf = Shelf { files, etag: "\"one\"".into(), knows_ranges: true, ..Shelf::default() };
    let shared = Arc::new((Mutex::new(shelf), Condvar::new()));
    let server = Server { url, shared: shared.clone() };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = shared.clone();
            // Whoever is held does not hold others.
            std::thread::spawn(move || answer(&stream, &shared.0, &shared.1));
        }
    });
    server
}

impl Server {
    pub fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shared.0.lock().unwrap()
    }

    /// What is held goes on.
    pub fn release(&self) {
        self.shelf().held = false;
        self.shared.1.notify_all();
    }

    /// Since the last time: paths that begin so, each with the byte from which it was wanted.
    pub fn asked(&self, beginning: &str) -> Vec<String> {
        let all = std::mem::take(&mut self.shelf().asked);
        all.into_iter().filter(|a| a.starts_with(beginning)).collect()
    }
}

fn answer(mut stream: &TcpStream, shared: &Mutex<Shelf>, changed: &Condvar) -> std::io::Result<()> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
    let request: Vec<String> = lines.collect();
    let path = request.first().and_then(|l| l.split(' ').nth(1)).unwrap_or_default().to_owned();
    let header = |name: &str| {
        let found = request.iter().find(|l| l.to_ascii_lowercase().starts_with(name));
        found.and_then(|l| l.split_once(": ")).map(|(_, v)| v.to_owned())
    };
    let mut shelf = shared.lock().unwrap();
    let same = shelf.knows_ranges && header("if-range:").as_ref() == Some(&shelf.etag);
    let range = header("range:").filter(|_| same);
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
    if path.ends_with("SUMS") {
        return stream.write_all(rest);
    }
    let (first, second) = rest.split_at(rest.len() / 2);
    let breaks = shelf.broken > 0;
    shelf.broken -= usize::from(breaks);
    drop(shelf);
    stream.write_all(first)?;
    drop(changed.wait_while(shared.lock().unwrap(), |shelf| shelf.held).unwrap());
    if breaks { Ok(()) } else { stream.write_all(second) }
}
