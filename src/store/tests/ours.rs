//! rmachine.json and the journal in it.

use rmachine_driver::{Journal, JournalRecord, Leftovers, Phase, Resource};

use crate::model::InstallMethod;
use crate::store::tests::*;

fn record(kind: &str, id: &str) -> JournalRecord {
    JournalRecord { kind: kind.to_owned(), id: id.to_owned() }
}

fn on_disk(store: &Store) -> Vec<JournalRecord> {
    store.load(&name("x")).unwrap().own.journal
}

#[test]
fn the_file_as_text() {
    let Scene { store, dir: _dir } = scene();
    let mut machine = put(&store, "x");
    let own = &mut machine.own;
    own.phase = Phase::Provisioned;
    own.host_key = Some("ssh-ed25519 AAAA".to_owned());
    own.ssh_host = Some("node".to_owned());
    own.install_method = InstallMethod::Distro;
    own.engine_version = Some("26.1".to_owned());
    own.failure = Some("<no> route".to_owned());
    own.journal = vec![record("droplet", "7")];
    store.save(&lock(&store, "x", NOW).unwrap(), &machine).unwrap();
    assert_eq!(store.load(&name("x")).unwrap(), machine);
    let text = fs::read_to_string(store.machine_dir(&name("x")).join(OWN)).unwrap();
    insta::assert_snapshot!(text.replace(&machine.own.uuid.to_string(), "UUID"), @r#"
    {
        "Version": 1,
        "Uuid": "UUID",
        "Phase": "provisioned",
        "Created": "2026-01-02T03:04:05Z",
        "HostKey": "ssh-ed25519 AAAA",
        "SshHost": "node",
        "InstallMethod": "distro",
        "EngineVersion": "26.1",
        "Failure": "\u003cno\u003e route",
        "Journal": [
            {
                "Kind": "droplet",
                "Id": "7"
            }
        ]
    }
    "#);
}

#[test]
fn a_small_file_is_enough() {
    let Scene { store, dir: _dir } = scene();
    let dir = plant(&store, "x", &fixture("v3-none.json"));
    let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    fs::write(dir.join(OWN), format!(r#"{{"Version":1,"Uuid":"{uuid}","Phase":"removing"}}"#)).unwrap();
    let own = store.load(&name("x")).unwrap().own;
    assert_eq!((own.uuid.to_string().as_str(), own.phase, own.journal.len()), (uuid, Phase::Removing, 0));
    assert_eq!(own.install_method, InstallMethod::Script);
}

#[test]
fn each_record_is_on_disk_before_the_driver_goes_on() {
    let Scene { store, dir: _dir } = scene();
    let mut machine = put(&store, "x");
    let lock = lock(&store, "x", NOW).unwrap();
    let mut journal = StoreJournal::new(&store, &lock, &mut machine.own);
    // The driver's own state stays free to change beside it.
    machine.config.driver.set("KeyID", 9);
    for (kind, id, then) in [
        ("key", "9", vec![record("key", "9")]),
        ("droplet", "", vec![record("key", "9"), record("droplet", "")]),
        ("droplet", "", vec![record("key", "9"), record("droplet", "")]),
        ("droplet", "7", vec![record("key", "9"), record("droplet", "7")]),
        ("droplet", "7", vec![record("key", "9"), record("droplet", "7")]),
        ("droplet", "8", vec![record("key", "9"), record("droplet", "7"), record("droplet", "8")]),
    ] {
        journal.record(record(kind, id)).unwrap();
        assert_eq!(journal.records(), then);
        assert_eq!(on_disk(&store), then);
    }
}

#[test]
fn a_record_that_cannot_be_written_names_what_is_left() {
    let Scene { store, dir: _dir } = scene();
    let mut machine = put(&store, "x");
    let lock = lock(&store, "x", NOW).unwrap();
    fs::remove_dir_all(store.machine_dir(&name("x"))).unwrap();
    let mut journal = StoreJournal::new(&store, &lock, &mut machine.own);
    assert_eq!(journal.record(record("droplet", "")).unwrap_err().leftovers, Leftovers::None);
    let error = journal.record(record("droplet", "7")).unwrap_err();
    assert!(error.message.contains("\"x\" does not exist"), "{error}");
    let left = Resource { kind: "droplet".to_owned(), id: "7".to_owned() };
    assert_eq!(error.leftovers, Leftovers::Known(vec![left]));
}
