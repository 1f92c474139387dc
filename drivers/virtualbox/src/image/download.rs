//! Fetching an image: resumed where an earlier try ended, held against its published checksum, under its final name only
//! when it is whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode};
use rmachine_driver::{DriverError, DriverErrorKind, MachineHandle};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::sums::{self, Checksum};
use super::{Image, Source};
use crate::files;

const CONNECT: Duration = Duration::from_secs(30);
/// A line on which nothing comes for so long is dead.
const SILENCE: Duration = Duration::from_secs(60);
const TRIES: u32 = 5;
const SHOWN_EVERY: u64 = 4 << 20;

/// How a try ended that may be followed by another.
enum Interrupted {
    /// The line broke; the next try goes on there.
    Line(String),
    Final(DriverError),
}

impl From<DriverError> for Interrupted {
    fn from(error: DriverError) -> Self {
        Self::Final(error)
    }
}

/// The image as its publisher made it.
pub(crate) async fn image(
    machine: &MachineHandle<'_>,
    image: &Image,
    given: Option<&Checksum>,
    cache: &Path,
) -> Result<PathBuf, DriverError> {
    let (url, published_at) = match &image.source {
        Source::Known { url, sums } => (url, vec![sums.clone()]),
        Source::Url(url) => (url, ["SHA512SUMS", "SHA256SUMS"].map(|list| beside(url, list)).to_vec()),
        Source::File(path) => return Ok(path.clone()),
    };
    let client = client()?;
    let sum = match given {
        Some(sum) => Some(sum.clone()),
        None => published(&client, url, &published_at).await?,
    };
    if sum.is_none() {
        match image.source {
            Source::Known { .. } => return Err(unpublished(url, &published_at)),
            _ => machine
                .reporter
                .warn(machine.name, &format!("No checksum is published beside {url}: it is taken unchecked")),
        }
    }
    machine.reporter.step(machine.name, &format!("Downloading {url}..."));
    let part = cache.join(format!("{}.part", image.key));
    whole(machine, &client, url, &part, sum.as_ref()).await?;
    Ok(part)
}

/// Fetches, and checks; what was resumed and turns out wrong is fetched once more from its beginning.
async fn whole(
    machine: &MachineHandle<'_>,
    client: &Client,
    url: &str,
    part: &Path,
    sum: Option<&Checksum>,
) -> Result<(), DriverError> {
    let resumed = part.is_file();
    fetch(machine, client, url, part).await?;
    let Some(sum) = sum else { return Ok(()) };
    let Err(wrong) = sums::verify(part, sum).await else { return Ok(()) };
    forget(part);
    if !resumed {
        return Err(wrong.hint("try again later: mirrors need a while to become complete"));
    }
    fetch(machine, client, url, part).await?;
    sums::verify(part, sum).await.inspect_err(|_| forget(part))
}

fn forget(part: &Path) {
    files::remove(part);
    files::remove(&validator(part));
}

/// Beside the part: by which a server knows that it is still the same file.
fn validator(part: &Path) -> PathBuf {
    part.with_extension("part.from")
}

async fn fetch(
    machine: &MachineHandle<'_>,
    client: &Client,
    url: &str,
    part: &Path,
) -> Result<(), DriverError> {
    let mut tries = 1;
    loop {
        match attempt(machine, client, url, part).await {
            Ok(()) => {
                files::remove(&validator(part));
                return Ok(());
            }
            Err(Interrupted::Final(e)) => return Err(e),
            Err(Interrupted::Line(e)) if tries == TRIES => return Err(unreachable(url, &e)),
            Err(Interrupted::Line(e)) => machine.reporter.detail(machine.name, &format!("{e}; going on")),
        }
        tokio::time::sleep(Duration::from_millis(250) * 2_u32.pow(tries)).await;
        tries += 1;
    }
}

async fn attempt(
    machine: &MachineHandle<'_>,
    client: &Client,
    url: &str,
    part: &Path,
) -> Result<(), Interrupted> {
    let (known, have) =
        (std::fs::read_to_string(validator(part)).ok(), part.metadata().map_or(0, |m| m.len()));
    let mut request = client.get(url);
    if let Some(known) = known.as_ref().filter(|_| have > 0) {
        request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, known);
    }
    let mut response = request.send().await.map_err(|e| Interrupted::Line(plain(&e)))?;
    let (mut file, mut at) = match response.status() {
        StatusCode::PARTIAL_CONTENT => (open(part, true).await?, have),
        status if status.is_success() => (open(part, false).await?, 0),
        // All of it is there already.
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(()),
        status => return Err(refused(url, status).into()),
    };
    note_validator(part, &response)?;
    let total = response.content_length().map(|left| at + left);
    let mut shown = 0;
    loop {
        let piece = response.chunk().await.map_err(|e| Interrupted::Line(plain(&e)))?;
        let Some(piece) = piece else { break };
        file.write_all(&piece).await.map_err(|e| files::failed("write", part, e))?;
        at += piece.len() as u64;
        if at >= shown + SHOWN_EVERY {
            shown = at;
            machine.reporter.detail(machine.name, &progress(at, total));
        }
    }
    file.flush().await.map_err(|e| files::failed("write", part, e))?;
    match total {
        Some(total) if at < total => {
            Err(Interrupted::Line(format!("the line ended after {at} of {total} bytes")))
        }
        _ => Ok(()),
    }
}

async fn open(part: &Path, append: bool) -> Result<File, DriverError> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).append(append).truncate(!append);
    options.open(part).await.map_err(|e| files::failed("write", part, e))
}

fn note_validator(part: &Path, response: &Response) -> Result<(), DriverError> {
    // A weak tag is none for ranges.
    let strong = |v: &str| !v.starts_with("W/");
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).filter(|v| strong(v));
    match header(ETAG).or_else(|| header(LAST_MODIFIED)) {
        Some(known) => files::write_private(&validator(part), known.as_bytes()),
        None => {
            files::remove(&validator(part));
            Ok(())
        }
    }
}

fn progress(at: u64, total: Option<u64>) -> String {
    let mb = |bytes: u64| bytes >> 20;
    match total.filter(|t| *t > 0) {
        Some(total) => format!("{} of {} MB ({} %)", mb(at), mb(total), at * 100 / total),
        None => format!("{} MB", mb(at)),
    }
}

/// The checksum of the file in the first of these lists that is there.
async fn published(client: &Client, url: &str, lists: &[String]) -> Result<Option<Checksum>, DriverError> {
    let file = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or_default();
    for list in lists {
        let response = client.get(list).send().await.map_err(|e| unreachable(list, &plain(&e)))?;
        if !response.status().is_success() {
            continue;
        }
        let text = response.text().await.map_err(|e| unreachable(list, &plain(&e)))?;
        if let Some(sum) = Checksum::of_list(&text, file) {
            return Ok(Some(sum));
        }
    }
    Ok(None)
}

fn beside(url: &str, name: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or(url);
    let folder = plain.rsplit_once('/').map_or(plain, |(folder, _)| folder);
    format!("{folder}/{name}")
}

/// A file that nobody publishes a checksum of, straight to its place.
pub(crate) async fn fetch_plain(
    machine: &MachineHandle<'_>,
    url: &str,
    to: &Path,
) -> Result<(), DriverError> {
    let part = to.with_extension("part");
    machine.reporter.step(machine.name, &format!("Downloading {url}..."));
    fetch(machine, &client()?, url, &part).await?;
    files::rename(&part, to)
}

/// Built when it is wanted: it cannot be on a computer without certificates of authorities.
fn client() -> Result<Client, DriverError> {
    let agent = concat!("rmachine/", env!("CARGO_PKG_VERSION"));
    let client = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).user_agent(agent).build();
    client.map_err(|e| {
        DriverError::new(DriverErrorKind::Unreachable, format!("nothing can be downloaded: {}", plain(&e)))
    })
}

/// With the reasons that are wrapped in it.
fn plain(error: &reqwest::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        texts.push(inner.to_string());
        source = inner.source();
    }
    texts.join(": ")
}

fn unreachable(url: &str, reason: &str) -> DriverError {
    DriverError::new(DriverErrorKind::Unreachable, format!("{url} could not be fetched: {reason}"))
        .hint("a file that is there already goes with --virtualbox-image FILE, another server with --virtualbox-image-mirror URL")
}

fn refused(url: &str, status: StatusCode) -> DriverError {
    DriverError::new(
        DriverErrorKind::Missing,
        format!("{url} could not be fetched: the server answers {status}"),
    )
}

fn unpublished(url: &str, lists: &[String]) -> DriverError {
    let lists = lists.join(", ");
    DriverError::new(
        DriverErrorKind::Denied,
        format!("{lists} lists no checksum of {url}, so it is not taken"),
    )
    .hint("if you know it: --virtualbox-image-checksum SHA")
}

#[cfg(test)]
mod tests;
