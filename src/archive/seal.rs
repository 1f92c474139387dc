//! Passphrase encryption in the format of age (age-encryption.org/v1, one scrypt recipient): `age -d` opens what is sealed
//! here, and the other way round.
//!
//! The age crate brings 45 crates for its languages and plugins; what is needed of the format is below, on the crypto that
//! TLS uses anyway.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::fill;
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};

const VERSION: &str = "age-encryption.org/v1";
const LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
/// About a second, as age itself has it.
const WORK: u8 = 18;
/// What somebody else chose may not keep us for minutes, nor take all memory.
const MOST_WORK: u8 = 22;
const BLOCK: u32 = 8;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the passphrase is wrong, or the archive was changed")]
    Wrong,
    #[error("the archive is encrypted in a way that is not understood: {0}")]
    Unknown(&'static str),
    #[error("the archive was cut off or changed")]
    Damaged,
    #[error("no random numbers are to be had")]
    Random,
}

pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(VERSION.as_bytes())
}

pub(crate) fn seal(plain: &[u8], passphrase: &SecretString) -> Result<Vec<u8>, SealError> {
    seal_with(plain, passphrase, WORK)
}

fn seal_with(plain: &[u8], passphrase: &SecretString, work: u8) -> Result<Vec<u8>, SealError> {
    let file_key: [u8; 16] = random()?;
    let salt: [u8; 16] = random()?;
    let wrap = wrap_key(passphrase, &salt, work)?;
    let wrapped = encrypt(&wrap, [0; 12], &file_key)?;
    let body = STANDARD_NO_PAD.encode(wrapped);
    let salt = STANDARD_NO_PAD.encode(salt);
    let header = format!("{VERSION}\n-> scrypt {salt} {work}\n{body}\n---");
    let mac = hmac::sign(&mac_key(&file_key)?, header.as_bytes());
    let mut out = format!("{header} {}\n", STANDARD_NO_PAD.encode(mac)).into_bytes();
    let nonce: [u8; 16] = random()?;
    out.extend(nonce);
    let key = derive(&file_key, &nonce, b"payload")?;
    let chunks: Vec<&[u8]> = if plain.is_empty() { vec![&[]] } else { plain.chunks(CHUNK).collect() };
    for (i, chunk) in chunks.iter().enumerate() {
        out.extend(encrypt(&key, counter(i, i + 1 == chunks.len()), chunk)?);
    }
    Ok(out)
}

pub(crate) fn open(sealed: &[u8], passphrase: &SecretString) -> Result<Vec<u8>, SealError> {
    let (header, mac, payload) = part(sealed)?;
    let (salt, work, body) = stanza(header)?;
    let wrap = wrap_key(passphrase, &salt, work)?;
    let file_key: [u8; 16] = decrypt(&wrap, [0; 12], &body)?.try_into().map_err(|_| SealError::Damaged)?;
    hmac::verify(&mac_key(&file_key)?, header.as_bytes(), &mac).map_err(|_| SealError::Damaged)?;
    let (nonce, chunks) = payload.split_at_checked(16).ok_or(SealError::Damaged)?;
    let key = derive(&file_key, nonce, b"payload")?;
    let chunks: Vec<&[u8]> = chunks.chunks(CHUNK + TAG).collect();
    let mut plain = Vec::new();
    for (i, chunk) in chunks.iter().enumerate() {
        let text = decrypt(&key, counter(i, i + 1 == chunks.len()), chunk).map_err(|_| SealError::Damaged)?;
        plain.extend(text);
    }
    if chunks.is_empty() { Err(SealError::Damaged) } else { Ok(plain) }
}

/// The header up to its three dashes, the code that authenticates it, and what follows.
fn part(sealed: &[u8]) -> Result<(&str, Vec<u8>, &[u8]), SealError> {
    const MARK: &[u8] = b"\n--- ";
    let at = sealed.windows(MARK.len()).position(|w| w == MARK).ok_or(SealError::Damaged)?;
    let header = std::str::from_utf8(&sealed[..at + 4]).map_err(|_| SealError::Damaged)?;
    let rest = &sealed[at + MARK.len()..];
    let end = rest.iter().position(|b| *b == b'\n').ok_or(SealError::Damaged)?;
    let mac = STANDARD_NO_PAD.decode(&rest[..end]).map_err(|_| SealError::Damaged)?;
    Ok((header, mac, &rest[end + 1..]))
}

fn stanza(header: &str) -> Result<([u8; 16], u8, Vec<u8>), SealError> {
    let mut lines = header.lines();
    if lines.next() != Some(VERSION) {
        return Err(SealError::Unknown("its version"));
    }
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let ["->", "scrypt", salt, work] = words[..] else {
        return Err(SealError::Unknown("it is for a key and not for a passphrase; open it with age"));
    };
    let salt = STANDARD_NO_PAD.decode(salt).ok().and_then(|s| s.try_into().ok()).ok_or(SealError::Damaged)?;
    let work: u8 = work.parse().map_err(|_| SealError::Damaged)?;
    if !(1..=MOST_WORK).contains(&work) {
        return Err(SealError::Unknown("it would take too much work to open"));
    }
    let body = STANDARD_NO_PAD.decode(lines.next().unwrap_or_default()).map_err(|_| SealError::Damaged)?;
    if body.len() != 16 + TAG || lines.next() != Some("---") {
        return Err(SealError::Unknown("it is for several"));
    }
    Ok((salt, work, body))
}

fn wrap_key(passphrase: &SecretString, salt: &[u8; 16], work: u8) -> Result<[u8; 32], SealError> {
    let params = scrypt::Params::new(work, BLOCK, 1).map_err(|_| SealError::Damaged)?;
    let mut key = [0; 32];
    let salt = [LABEL, salt].concat();
    scrypt::scrypt(passphrase.expose_secret().as_bytes(), &salt, &params, &mut key)
        .map_err(|_| SealError::Damaged)?;
    Ok(key)
}

fn derive(file_key: &[u8], salt: &[u8], label: &[u8]) -> Result<[u8; 32], SealError> {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(file_key);
    let expanded = extracted.expand(&[label], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key));
    expanded.map(|()| key).map_err(|_| SealError::Damaged)
}

fn mac_key(file_key: &[u8]) -> Result<hmac::Key, SealError> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(file_key, b"", b"header")?))
}

/// Eleven bytes that count, and one that says which is the last.
fn counter(i: usize, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&(i as u64).to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| SealError::Damaged)
}

fn encrypt(key: &[u8; 32], nonce: [u8; 12], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut text = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    let done = cipher(key)?.seal_in_place_append_tag(nonce, Aad::empty(), &mut text);
    done.map(|()| text).map_err(|_| SealError::Damaged)
}

fn decrypt(key: &[u8; 32], nonce: [u8; 12], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut text = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    let plain = cipher(key)?.open_in_place(nonce, Aad::empty(), &mut text).map_err(|_| SealError::Wrong)?;
    Ok(plain.to_vec())
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    fill(&mut bytes).map(|()| bytes).map_err(|_| SealError::Random)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn what_is_sealed_opens_again_whatever_its_length() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain = vec![7; length];
            let sealed = seal_with(&plain, &phrase("s3cret"), 4).unwrap();
            assert!(is_sealed(&sealed));
            assert_eq!(open(&sealed, &phrase("s3cret")).unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn every_change_is_seen() {
        let sealed = seal_with(b"text", &phrase("s3cret"), 4).unwrap();
        assert_eq!(open(&sealed, &phrase("other")), Err(SealError::Wrong));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&changed, &phrase("s3cret")).is_err(), "byte {at}");
        }
        for end in 0..sealed.len() {
            assert!(open(&sealed[..end], &phrase("s3cret")).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_last_chunk_that_was_cut_away_is_missed() {
        let sealed = seal_with(&vec![7; 2 * CHUNK], &phrase("s3cret"), 4).unwrap();
        assert_eq!(open(&sealed[..sealed.len() - CHUNK - TAG], &phrase("s3cret")), Err(SealError::Damaged));
    }

    #[test]
    fn work_without_end_is_refused() {
        let sealed = seal_with(b"text", &phrase("s3cret"), 4).unwrap();
        let text = String::from_utf8_lossy(&sealed[..80]).replacen(" 4\n", " 30\n", 1);
        assert!(matches!(
            open(&[text.as_bytes(), &sealed[80..]].concat(), &phrase("s3cret")),
            Err(SealError::Unknown(_))
        ));
    }
}
