//! What is kept of a machine, asked of the driver itself.

use std::os::unix::fs::PermissionsExt;

use rmachine_driver::{
    DriverError, DriverState, Journal, JournalRecord, MachineHandle, MachineName, MachineView, NoKeyring,
    Silent, Snapshots, Tags, Uuid,
};
use rmachine_driver_virtualbox::{Settings, Virtualbox};

use super::scene::Scene;

struct Forgetful;

impl Journal for Forgetful {
    fn record(&mut self, _: JournalRecord) -> Result<(), DriverError> {
        Ok(())
    }

    fn records(&self) -> &[JournalRecord] {
        &[]
    }
}

/// A VBoxManage that goes to the scene's VirtualBox from wherever it is called.
fn driver(scene: &Scene) -> Virtualbox {
    let shim = scene.path("bin/VBoxManage");
    std::fs::write(&shim, scene.shim()).unwrap();
    std::fs::set_permissions(&shim, PermissionsExt::from_mode(0o755)).unwrap();
    let path = Some(scene.path("bin").into_os_string());
    Virtualbox::new(Settings { path, folders: Vec::new(), locks: scene.path("run") })
}

#[tokio::test]
async fn a_machine_is_again_what_it_was() {
    let scene = Scene::new();
    let driver = driver(&scene);
    scene.vbox(&["createvm", "--name", "n1", "--platform-architecture", "x86", "--register"]);
    let name = MachineName::parse("n1").unwrap();
    let mut state: DriverState = serde_json::from_str(r#"{"MachineName": "n1"}"#).unwrap();
    let dir = scene.path("S");
    let kept = state.clone();
    let view = MachineView {
        name: &name,
        uuid: Uuid::nil(),
        dir: &dir,
        state: &kept,
        journal: &[],
        keyring: &NoKeyring,
    };
    let mut journal = Forgetful;
    let tags = Tags {
        uuid: Uuid::nil(),
        machine: name.clone(),
        store: String::new(),
        computer: String::new(),
        expires: None,
    };
    let mut machine = MachineHandle {
        name: &name,
        uuid: Uuid::nil(),
        dir: &dir,
        tags,
        state: &mut state,
        journal: &mut journal,
        keyring: &NoKeyring,
        reporter: &Silent,
    };
    assert!(driver.list_snapshots(&view).await.unwrap().is_empty());
    scene.vbox(&["modifyvm", "n1", "--memory", "100"]);
    let first = driver.take_snapshot(&mut machine, "before it").await.unwrap();
    assert_eq!((first.name.as_str(), first.id.len()), ("before it", 36));
    assert!(first.created > 1_700_000_000);
    let error = driver.take_snapshot(&mut machine, "before it").await.unwrap_err();
    assert!(error.to_string().contains("has a snapshot \"before it\" already"), "{error}");
    scene.vbox(&["modifyvm", "n1", "--memory", "200"]);
    driver.take_snapshot(&mut machine, "after it").await.unwrap();
    let all = driver.list_snapshots(&view).await.unwrap();
    assert_eq!(all.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["before it", "after it"]);
    assert_eq!(all[0], first);
    driver.restore_snapshot(&mut machine, "before it").await.unwrap();
    assert!(scene.vbox(&["showvminfo", "n1", "--machinereadable"]).contains("memory=100\n"));
    let error = driver.restore_snapshot(&mut machine, "never").await.unwrap_err();
    assert!(
        error.to_string().contains("there is no snapshot \"never\", but these: before it, after it"),
        "{error}"
    );
    assert!(driver.remove_snapshot(&mut machine, "after it").await.unwrap());
    assert!(!driver.remove_snapshot(&mut machine, "after it").await.unwrap());
}
