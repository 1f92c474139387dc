//! The keys that the core makes in a machine's folder, for drivers that have it do so.

use std::path::Path;

use rmachine_driver::Login;
use rmachine_driver::secrecy::ExposeSecret;

use crate::machines::{Machine, Machines};
use crate::model::Failure;
use crate::ssh::{self, KeyPair};

const NAME: &str = "id_ed25519";

impl Machines {
    /// The public half of the machine's key; made once, and the same when a `create` is resumed.
    pub(crate) fn login_key(&self, machine: &mut Machine) -> Result<Option<String>, Failure> {
        if machine.driver()?.features().login == Login::Given {
            return Ok(None);
        }
        let path = machine.dir.join(NAME);
        machine.stored.config.driver.set("SSHKeyPath", path.to_string_lossy().as_ref());
        let pair = self.pair(&path, &format!("rmachine {}", machine.name))?;
        Ok(Some(format!("{}\n", pair.public)))
    }

    /// A pair of keys in files; made once.
    pub(crate) fn pair(&self, private: &Path, comment: &str) -> Result<KeyPair, Failure> {
        let public = private.with_extension("pub");
        if let (Ok(secret), Ok(line)) = (std::fs::read_to_string(private), std::fs::read_to_string(&public)) {
            return Ok(KeyPair { private: secret.into(), public: line.trim_end().to_owned() });
        }
        let pair = ssh::generate(comment)?;
        let line = format!("{}\n", pair.public);
        // The public half last: it tells that both are there.
        self.store
            .write_file(private, pair.private.expose_secret().as_bytes(), 0o600)
            .and_then(|()| self.store.write_file(&public, line.as_bytes(), 0o644))?;
        Ok(pair)
    }
}
