//! Checksums as publishers write them, and files held against them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rmachine_driver::DriverError;
use sha2::{Digest, Sha256, Sha512};

use crate::files;

/// Of SHA-256 or SHA-512, told apart by its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checksum(String);

impl Checksum {
    pub(crate) fn parse(text: &str) -> Result<Self, DriverError> {
        let bare = text.trim().to_ascii_lowercase();
        let hex = bare.trim_start_matches("sha256:").trim_start_matches("sha512:");
        if matches!(hex.len(), 64 | 128) && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(hex.to_owned()));
        }
        Err(DriverError::invalid(format!("{text:?} is neither a SHA-256 nor a SHA-512 in hexadecimal")))
    }

    /// Out of a list with a line `SUM  FILE` each.
    pub(crate) fn of_list(list: &str, file: &str) -> Option<Self> {
        let line = |line: &str| {
            let (sum, name) = line.split_once(char::is_whitespace)?;
            (name.trim().trim_start_matches('*') == file).then(|| Self::parse(sum).ok())?
        };
        list.lines().find_map(line)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the whole file.
pub(crate) async fn verify(path: &Path, expected: &Checksum) -> Result<(), DriverError> {
    let (file, long) = (path.to_owned(), expected.0.len() == 128);
    let hashed =
        tokio::task::spawn_blocking(move || if long { hash::<Sha512>(&file) } else { hash::<Sha256>(&file) });
    let seen = hashed.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    let seen = seen.map_err(|e| files::failed("read", path, e))?;
    if seen == expected.0 {
        return Ok(());
    }
    Err(DriverError::invalid(format!(
        "{} is not what its publisher made: its checksum is {seen}, and it should be {expected}",
        path.display()
    )))
}

fn hash<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = D::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => digest.update(&piece[..n]),
        }
    }
    Ok(digest.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
