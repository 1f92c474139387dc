//! The key of the first login, for machines whose driver has the core make one.

use rmachine_driver::Login;
use rmachine_driver::secrecy::ExposeSecret;

use super::{Failure, Lifecycle, Machine};
use crate::ssh;

const NAME: &str = "id_ed25519";

impl Lifecycle {
    /// The public half of the machine's key; made once, and the same when a `create` is resumed.
    pub(super) fn login_key(&self, machine: &mut Machine) -> Result<Option<String>, Failure> {
        if machine.driver()?.features().login == Login::Given {
            return Ok(None);
        }
        let (private, public) = (machine.dir.join(NAME), machine.dir.join(format!("{NAME}.pub")));
        machine.stored.config.driver.set("SSHKeyPath", private.to_string_lossy().as_ref());
        if private.is_file()
            && let Ok(line) = std::fs::read_to_string(&public)
        {
            return Ok(Some(line));
        }
        let pair = ssh::generate(&format!("rmachine {}", machine.name))?;
        let line = format!("{}\n", pair.public);
        // The public half last: it tells that both are there.
        self.store
            .write_file(&private, pair.private.expose_secret().as_bytes(), 0o600)
            .and_then(|()| self.store.write_file(&public, line.as_bytes(), 0o644))
            .map_err(|e| self.store_failure(&e))?;
        Ok(Some(line))
    }
}
