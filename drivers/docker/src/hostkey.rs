//! The machine's own words about itself, read through the engine before anybody has spoken to it: its SSH host key,
//! and what its first process says when it does not come up.

use std::time::{Duration, Instant};

use rmachine_driver::{DriverError, DriverErrorKind};
use rmachine_engine_api::{Method, Payload, with_query};

use crate::archive::first_file;
use crate::engine::{Engine, refused};

const FILE: &str = "/etc/ssh/ssh_host_ed25519_key.pub";
/// A node makes its keys as the first thing of its first boot.
const WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(25);

/// Waits for the key of a container that runs.
pub(crate) async fn wait(engine: &mut Engine, id: &str) -> Result<String, DriverError> {
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(key) = read(engine, id).await? {
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
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(engine: &mut Engine, id: &str) -> Result<Option<String>, DriverError> {
    let path = with_query(&format!("/containers/{id}/archive"), &[("path", FILE)]);
    let archive = match engine.client.request(Method::GET, &path, None).await {
        Ok(archive) => archive,
        Err(e) if e.is_missing() => return Ok(None),
        Err(e) => return Err(refused(e)),
    };
    // Cut off while it was being written, it is read again.
    Ok(first_file(&archive).ok().flatten().and_then(|text| whole_key(&text)))
}

/// Type and key without the comment, once the line has its end.
fn whole_key(text: &str) -> Option<String> {
    let line = text.strip_suffix('\n')?;
    let mut words = line.split(' ');
    let (kind, key) = (words.next()?, words.next()?);
    (kind == "ssh-ed25519" && key.len() == 68).then(|| format!("{kind} {key}"))
}

/// Why a container that should run does not.
pub(crate) async fn ended(engine: &mut Engine, id: &str) -> DriverError {
    let path =
        with_query(&format!("/containers/{id}/logs"), &[("stdout", "1"), ("stderr", "1"), ("tail", "5")]);
    let said = match engine.client.exchange(Method::GET, &path, Payload::Empty, Duration::from_secs(10)).await
    {
        Ok(log) => plain(&log),
        Err(_) => String::new(),
    };
    let code = match engine.inspect(id).await {
        Ok(Some(container)) => format!("with exit code {}", container.state.exit_code),
        _ => "and is gone".to_owned(),
    };
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    DriverError::new(DriverErrorKind::Provider, format!("the machine's container ended {code}{said}"))
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
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
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
    fn logs_lose_their_frames() {
        let log = b"\x01\0\0\0\0\0\0\x04one\n\x02\0\0\0\0\0\0\x08 two\n\n\n ";
        assert_eq!(plain(log), "one; two");
        assert_eq!(plain(b""), "");
        assert_eq!(plain(b"\x01\0\0\0\0\0\xff\xffshort"), "short");
    }
}
