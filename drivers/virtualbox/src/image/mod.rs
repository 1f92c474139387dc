//! Disks to make machines from: fetched and checked once, converted once by VBoxManage, and kept in the store's cache.

mod convert;
mod download;
mod known;
mod sums;
mod vdi;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rmachine_driver::{DriverError, MachineHandle};
use rmachine_host::{FileLock, LockError, check_folder};
use sha2::{Digest, Sha256};

use crate::files;
use crate::manage::Manager;
use crate::options::Wanted;

pub(crate) use convert::{discard, raw_disk};
pub(crate) use download::fetch_plain;
pub(crate) use sums::Checksum;
pub(crate) use vdi::{capacity, give_uuid};

/// Another `create` may be fetching the same image over a slow line.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Its checksum must be published there; without it nothing is taken.
    Known {
        url: String,
        sums: String,
    },
    Url(String),
    File(PathBuf),
}

/// An image that was asked for, with the name that it has in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) source: Source,
    pub(crate) key: String,
}

impl Image {
    pub(crate) fn of(wanted: &Wanted) -> Result<Self, DriverError> {
        let text = wanted.image.as_str();
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self { source: Source::Url(text.to_owned()), key: key(text, text) });
        }
        if let Some(known) = known::find(text) {
            let (url, sums) = known.addresses(wanted.mirror.as_deref());
            let key = match &wanted.mirror {
                Some(_) => key(&url, &url),
                None => known.file.to_owned(),
            };
            return Ok(Self { source: Source::Known { url, sums }, key });
        }
        let path = PathBuf::from(text.strip_prefix("file://").unwrap_or(text));
        let file =
            path.metadata().ok().filter(std::fs::Metadata::is_file).ok_or_else(|| no_such_image(text))?;
        let changed = file.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let seen = format!("{} {} {changed:?}", path.display(), file.len());
        Ok(Self { key: key(text, &seen), source: Source::File(path) })
    }
}

fn no_such_image(text: &str) -> DriverError {
    let known: Vec<&str> = known::KNOWN.iter().map(|k| k.name).collect();
    DriverError::invalid(format!(
        "{text:?} is no image: no file of this name, and none of {}",
        known.join(", ")
    ))
    .hint("a URL, a file, or a known name goes with --virtualbox-image")
}

/// The last part of an address, and what tells it from others of the same name.
fn key(address: &str, seen: &str) -> String {
    let name =
        address.split(['?', '#']).next().unwrap_or(address).rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' })
        .collect();
    let digest: String = Sha256::digest(seen.as_bytes()).iter().take(6).map(|b| format!("{b:02x}")).collect();
    format!("{}-{digest}", plain.trim_start_matches('.'))
}

/// The converted disk in the cache; made first, if it is not there yet.
pub(crate) async fn ensure(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    wanted: &Wanted,
    cache: &Path,
) -> Result<PathBuf, DriverError> {
    let image = Image::of(wanted)?;
    let disk = cache.join(format!("{}.vdi", image.key));
    if disk.is_file() {
        return Ok(disk);
    }
    std::fs::create_dir_all(cache).map_err(|e| files::failed("make", cache, e))?;
    let _lock = alone(machine, cache, &image.key).await?;
    if disk.is_file() {
        return Ok(disk);
    }
    let source = match &image.source {
        Source::File(path) => path.clone(),
        _ => download::image(machine, &image, wanted.checksum.as_ref(), cache).await?,
    };
    if let (Source::File(_), Some(sum)) = (&image.source, &wanted.checksum) {
        sums::verify(&source, sum).await?;
    }
    convert::to_vdi(machine, manager, &source, &disk).await?;
    if !matches!(image.source, Source::File(_)) {
        files::remove(&source);
    }
    Ok(disk)
}

/// Several machines that are made at once share one download and one conversion.
async fn alone(machine: &MachineHandle<'_>, cache: &Path, key: &str) -> Result<FileLock, DriverError> {
    check_folder(cache)?;
    let path = cache.join(format!(".{key}.lock"));
    match FileLock::take(path.clone(), Duration::ZERO).await {
        Err(LockError::Busy { .. }) => {}
        taken => return Ok(taken?),
    }
    machine.reporter.step(machine.name, "Waiting for another machine's image, which is the same...");
    Ok(FileLock::take(path, PATIENCE).await?)
}

#[cfg(test)]
mod tests;
