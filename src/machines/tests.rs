//! What tests of this room begin with.

use std::path::Path;
use std::sync::Arc;

use rmachine_driver::Silent;

use crate::certs::Certs;
use crate::machines::Machines;
use crate::registry::Registry;
use crate::ssh::{SshEnv, Unattended};
use crate::store::Store;

pub(crate) fn machines(root: &Path) -> Machines {
    Machines {
        store: Store::at(root),
        registry: Registry::default(),
        ssh_env: SshEnv::default(),
        prompter: Arc::new(Unattended),
        reporter: Arc::new(Silent),
        certs: Certs::new(Store::at(root), "tester".to_owned()),
        computer: "here".to_owned(),
        program: "rmachine".to_owned(),
    }
}
