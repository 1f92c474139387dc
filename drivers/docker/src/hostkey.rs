//! The machine's own words about itself, read through the engine before anybody has spoken to it: its SSH host key,
//! and what its first process says when it does not come up.

use std::time::{Duration, Instant};

use rmachine_driver::{DriverError, DriverErrorKind};
use rmachine_engine_api::{Method, Payload, with_query};

use crate::engine::Engine;

const FILE: &str = "/etc/ssh/ssh_host_ed25519_key.pub";
/// How a node's first process says it: a log is read in a moment, a file only by a process of the engine's.
const SAID: &str = "@rmachine host-key ";
/// A node makes its keys as the first thing of its first boot.
const WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);
/// When the file is looked for, since not all images and not all log drivers tell.
const LOOK: Duration = Duration::from_millis(400);

/// Waits for the key of a container that runs.
pub(crate) async fn wait(engine: &mut Engine, id: &str) -> Result<String, DriverError> {
    let deadline = Instant::now() + WAIT;
    let mut look = Instant::now() + LOOK;
    loop {
        if let Some(key) = announced(&log(engine, id, "all").await) {
            return Ok(key);
        }
        if Instant::now() < look {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        look = Instant::now() + LOOK;
        // Cut off while it was being written, it is read again.
        if let Some(key) = engine.read(id, FILE).await?.and_then(|text| whole_key(&text)) {
            return Ok(key);
        }
        let state = engine.inspect(id).await?.map(|c| c.state);
        if state.as_ref().is_none_or(|s| s.status != "running") {
            return Err(ended(engine, id).await);
        }
        if Instant::now() > deadline {
            let seconds = WAIT.as_secs();
            return Err(DriverError::new(
                DriverErrorKind::Unreachable,
                format!("the machine has no {FILE} after {seconds} s: its image is not a node's"),
            )
            .hint("leave --docker-image out, or build such an image on the one that `rmachine node-image build` makes"));
        }
    }
}

/// The last one that was said: a machine says it at each start.
fn announced(log: &str) -> Option<String> {
    log.split_inclusive('\n').filter_map(|line| whole_key(line.trim_start().strip_prefix(SAID)?)).next_back()
}

/// Type and key without the comment, once the line has its end.
fn whole_key(text: &str) -> Option<String> {
    let line = text.strip_suffix('\n')?.trim_end_matches('\r');
    let mut words = line.split(' ');
    let (kind, key) = (words.next()?, words.next()?);
    (kind == "ssh-ed25519" && key.len() == 68).then(|| format!("{kind} {key}"))
}

/// Why a container that should run does not.
pub(crate) async fn ended(engine: &mut Engine, id: &str) -> DriverError {
    let lines = log(engine, id, "5").await;
    let lines = lines.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(SAID));
    let said = lines.collect::<Vec<_>>().join("; ");
    let code = match engine.inspect(id).await {
        Ok(Some(container)) => format!("with exit code {}", container.state.exit_code),
        _ => "and is gone".to_owned(),
    };
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    DriverError::new(DriverErrorKind::Provider, format!("the machine's container ended {code}{said}"))
}

/// What a container has written; nothing where the engine cannot tell.
async fn log(engine: &mut Engine, id: &str, tail: &str) -> String {
    let wanted = [("stdout", "1"), ("stderr", "1"), ("tail", tail)];
    let path = with_query(&format!("/containers/{id}/logs"), &wanted);
    let read = engine.client.exchange(Method::GET, &path, Payload::Empty, Duration::from_secs(10)).await;
    read.map(|log| plain(&log)).unwrap_or_default()
}

/// Without the eight bytes that the engine puts before each piece of a log.
fn plain(log: &[u8]) -> String {
    let mut text = Vec::new();
    let mut rest = log;
    while let [0..=2, 0, 0, 0, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (piece, next) = after.split_at(length.min(after.len()));
        text.extend_from_slice(piece);
        rest = next;
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_whole_or_none() {
        let key = "A".repeat(68);
        assert_eq!(whole_key(&format!("ssh-ed25519 {key} root@x\n")), Some(format!("ssh-ed25519 {key}")));
        for partial in
            [format!("ssh-ed25519 {key} root@"), "ssh-ed25519 AAAA\n".into(), "\n".into(), String::new()]
        {
            assert_eq!(whole_key(&partial), None, "{partial:?}");
        }
    }

    #[test]
    fn the_first_process_says_it() {
        let (one, two) = ("A".repeat(68), "B".repeat(68));
        let log = format!(
            "x\n{SAID}ssh-ed25519 {one} root@x\n[ OK ]\n{SAID}ssh-ed25519 {two} root@x\r\n{SAID}ssh-ed25519 CC"
        );
        assert_eq!(announced(&log), Some(format!("ssh-ed25519 {two}")));
        assert_eq!(announced(&format!("said: {SAID}ssh-ed25519 {one}\n")), None);
    }

    #[test]
    fn logs_lose_their_frames() {
        let log = b"\x01\0\0\0\0\0\0\x04one\n\x02\0\0\0\0\0\0\x08 two\n\n\n ";
        assert_eq!(plain(log), "one\n two\n\n\n ");
        assert_eq!(plain(b""), "");
        assert_eq!(plain(b"\x01\0\0\0\0\0\xff\xffshort"), "short");
    }
}
