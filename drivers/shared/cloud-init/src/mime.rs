//! Several parts in one: a MIME message, the user's part first and ours after it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

use crate::UserDataError;

const CLOUD_CONFIG: &str = "text/cloud-config";
/// Base64 in lines of this length.
const LINE: usize = 76;
const BOUNDARY: &str = "rmachine-part";

/// What the first line says of user-data, as cloud-init reads it.
const KINDS: [(&str, &str); 8] = [
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config", CLOUD_CONFIG),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("## template: jinja", "text/jinja2"),
    ("#!", "text/x-shellscript"),
];

pub(crate) enum Kind {
    /// One part of this type.
    Part(&'static str),
    /// A message with headers of its own.
    Message,
}

pub(crate) fn kind(own: &[u8]) -> Result<Kind, UserDataError> {
    let text = std::str::from_utf8(own).map_err(|_| UserDataError::NotText)?;
    if let Some((_, kind)) = KINDS.iter().find(|(start, _)| text.starts_with(start)) {
        return Ok(Kind::Part(kind));
    }
    let first = text.lines().next().unwrap_or_default();
    let lower = first.to_ascii_lowercase();
    let headers = ["content-type:", "mime-version:"];
    if headers.iter().any(|header| lower.starts_with(header)) {
        return Ok(Kind::Message);
    }
    Err(UserDataError::Unknown(first.chars().take(40).collect()))
}

pub(crate) fn merged(
    own: &[u8],
    appended: &SecretString,
    ours: &SecretString,
) -> Result<SecretString, UserDataError> {
    let text = std::str::from_utf8(own).map_err(|_| UserDataError::NotText)?;
    let theirs = match kind(own)? {
        Kind::Part(kind) => part(kind, text),
        // Messages nest; its own headers are those of the part.
        Kind::Message => text.to_owned(),
    };
    let parts =
        [theirs, part(CLOUD_CONFIG, appended.expose_secret()), part(CLOUD_CONFIG, ours.expose_secret())];
    let boundary = boundary(&parts);
    let mut message =
        format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n");
    for part in parts {
        // Writing to a string cannot fail.
        let _ = write!(message, "--{boundary}\n{part}\n");
    }
    let _ = writeln!(message, "--{boundary}--");
    Ok(message.into())
}

/// ASCII as it is; the rest as base64, since not every reader of messages knows eight bits.
fn part(kind: &str, text: &str) -> String {
    let plain = text.bytes().all(|b| b == b'\n' || b == b'\t' || (b' '..=b'~').contains(&b));
    if plain {
        return format!(
            "Content-Type: {kind}; charset=\"us-ascii\"\nContent-Transfer-Encoding: 7bit\n\n{text}"
        );
    }
    let encoded = STANDARD.encode(text);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / LINE + 1);
    for line in encoded.as_bytes().chunks(LINE) {
        lines.extend(line.iter().copied().map(char::from));
        lines.push('\n');
    }
    format!("Content-Type: {kind}; charset=\"utf-8\"\nContent-Transfer-Encoding: base64\n\n{lines}")
}

/// One that stands in none of the parts.
fn boundary(parts: &[String]) -> String {
    let mut boundary = BOUNDARY.to_owned();
    while parts.iter().any(|part| part.contains(&boundary)) {
        boundary.push('-');
        boundary.push_str(&boundary.len().to_string());
    }
    boundary
}
