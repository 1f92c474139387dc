//! What a program that speaks SSH by itself has to know to reach a machine, and no other host.

use std::path::{Path, PathBuf};

use rmachine_driver::Endpoint;

use crate::machines::{Machine, Machines, connect};
use crate::model::Failure;
use crate::ssh::{self, FileKind, SftpError};

pub(crate) struct Mountable {
    pub(crate) endpoint: Endpoint,
    /// Holds the machine's host key alone.
    pub(crate) known_hosts: PathBuf,
    /// The name under which it stands there.
    pub(crate) alias: String,
    pub(crate) jump: Option<String>,
}

impl Machines {
    /// Sees that the folder is there, and writes down the host key for as long as the machine is.
    pub(crate) async fn mountable(&self, machine: &Machine, path: &Path) -> Result<Mountable, Failure> {
        let session = self.open(machine).await?;
        let sftp = session.sftp().await?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let cannot =
            |why: &str| Failure::new(format!("cannot mount {}:{}: {why}", machine.name, path.display()));
        let Some(text) = path.to_str() else { return Err(cannot(&SftpError::Name.to_string())) };
        match sftp.stat(text).await {
            Ok(found) if found.kind == FileKind::Dir => {}
            Ok(_) => return Err(cannot("it is not a directory")),
            Err(SftpError::Missing) => return Err(cannot("no such file or directory")),
            Err(e) => return Err(cannot(&e.to_string())),
        }
        let alias = format!("rmachine-{}", machine.name);
        let line = format!("{alias} {}\n", session.host_key().trim());
        session.close().await;
        let known_hosts = machine.dir.join("known_hosts");
        let _lock = self.lock(&machine.name).await?;
        self.store.write_file(&known_hosts, line.as_bytes(), 0o600)?;
        let config = machine.stored.own.ssh_host.as_ref().zip(self.ssh_env.home.as_ref());
        let jump = config.and_then(|(alias, home)| ssh::config::lookup(home, alias).ok()?.proxy_jump);
        let jump = jump.filter(|j| !j.eq_ignore_ascii_case("none"));
        // sshfs goes on in a folder of its own.
        let known_hosts = std::path::absolute(&known_hosts).unwrap_or(known_hosts);
        Ok(Mountable { endpoint: connect::endpoint(machine)?, known_hosts, alias, jump })
    }
}
