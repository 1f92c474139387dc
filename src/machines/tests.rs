//! What tests of this room begin with.
#![allow(clippy::disallowed_methods, reason = "a test writes a damaged file")]

use std::path::Path;
use std::sync::Arc;

use rmachine_driver::{DriverError, DriverErrorKind, MachineName, Silent};

use crate::certs::Certs;
use crate::engine::EngineError;
use crate::machines::Machines;
use crate::model::Failure;
use crate::provision::ProvisionError;
use crate::registry::Registry;
use crate::ssh::{SshEnv, SshError, Unattended};
use crate::store::{Store, StoreError};

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

#[test]
fn errors_of_every_room_keep_their_cause() {
    let missing = || std::io::Error::from_raw_os_error(2);
    let ssh = || SshError::Unreachable { at: "192.0.2.1:22".to_owned(), source: missing() };
    let engine = EngineError::Broken { path: "/info".to_owned(), source: ssh().into() };
    let driver = DriverError::because(DriverErrorKind::Invalid, "--userdata", missing());
    let failures = [
        Failure::from(ssh()),
        Failure::from_error(ProvisionError::from(ssh())),
        Failure::from(StoreError::Read { path: "/S".into(), source: missing() }),
        Failure::from(engine),
        Failure::from(driver),
    ];
    for failure in failures {
        assert!(failure.cause::<std::io::Error>().is_some(), "{failure:?}");
        assert_eq!(failure.message.matches(": no such file or directory").count(), 1, "{}", failure.message);
        assert!(failure.causes().is_empty(), "{:?} repeats {}", failure.causes(), failure.message);
    }
    let dir = tempfile::tempdir().unwrap();
    let damaged = dir.path().join("machines/x");
    std::fs::create_dir_all(&damaged).unwrap();
    std::fs::write(damaged.join("config.json"), "{").unwrap();
    let failure = Failure::from(Store::at(dir.path()).load(&MachineName::parse("x").unwrap()).err().unwrap());
    assert!(failure.cause::<serde_json::Error>().is_some(), "{failure:?}");
}
