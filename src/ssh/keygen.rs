//! A key pair for the first login to a machine that is yet to be made.

use rmachine_driver::secrecy::SecretString;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

use crate::ssh::SshError;

pub(crate) struct KeyPair {
    /// In OpenSSH's own form, without a passphrase.
    pub(crate) private: SecretString,
    /// One line, as `authorized_keys` wants it.
    pub(crate) public: String,
}

/// Ed25519: made in no time, short, and taken by every sshd since 2014.
pub(crate) fn generate(comment: &str) -> Result<KeyPair, SshError> {
    let failed = |e: russh::keys::ssh_key::Error| SshError::NoKeyMade { source: e.into() };
    let mut key =
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(failed)?;
    key.set_comment(comment);
    let private = key.to_openssh(LineEnding::LF).map_err(failed)?;
    let public = key.public_key().to_openssh().map_err(failed)?;
    Ok(KeyPair { private: SecretString::from(private.as_str()), public })
}

#[cfg(test)]
mod tests {
    use rmachine_driver::secrecy::ExposeSecret;
    use russh::keys::decode_secret_key;
    use russh::keys::ssh_key::PublicKey;

    use super::*;

    #[test]
    fn the_halves_belong_together() {
        let pair = generate("rmachine node1").unwrap();
        let private = decode_secret_key(pair.private.expose_secret(), None).unwrap();
        let public = PublicKey::from_openssh(&pair.public).unwrap();
        assert_eq!(private.public_key().key_data(), public.key_data());
        assert!(pair.public.starts_with("ssh-ed25519 ") && pair.public.ends_with(" rmachine node1"));
        assert_ne!(pair.public, generate("rmachine node1").unwrap().public);
    }
}
