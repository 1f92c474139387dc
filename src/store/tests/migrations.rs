//! Files of older versions: read in memory, kept as config.json.bak at the first save.

use crate::store::tests::*;

#[test]
fn old_files_become_version_3() {
    for version in ["v0-flat", "v0-nested", "v1", "v2"] {
        let old = fixture(&format!("{version}.json"));
        let config = HostConfig::parse(old.as_bytes(), Path::new("/S"), &name("x")).unwrap();
        let new = config.to_json_pretty().unwrap();
        assert_eq!(new, fixture(&format!("{version}.migrated.json")), "{version}");
    }
}

#[test]
fn version_0_may_lack_every_option() {
    let config = HostConfig::parse(br#"{"DriverName": "none"}"#, Path::new("/S"), &name("x")).unwrap();
    let mut state = DriverState::default();
    state.set("StorePath", "/S");
    assert_eq!(config, HostConfig::new(&name("x"), "none", state, Path::new("/S")));
}

#[test]
fn reading_writes_nothing_and_saving_keeps_the_old_file() {
    let Scene { store, dir: _dir } = scene();
    let old = fixture("v1.json");
    let dir = plant(&store, "x", &old);
    let machine = store.load(&name("x")).unwrap();
    assert_eq!(ls(&dir), [CONFIG]);
    assert_eq!(fs::read_to_string(dir.join(CONFIG)).unwrap(), old);

    store.save(&lock(&store, "x", NOW).unwrap(), &machine).unwrap();
    assert_eq!(ls(&dir), [CONFIG, BACKUP, OWN]);
    assert_eq!(fs::read_to_string(dir.join(BACKUP)).unwrap(), old);
    assert_eq!(mode(&dir.join(BACKUP)), 0o600);
    assert_eq!(store.load(&name("x")).unwrap(), machine);

    // A later change is no migration.
    let mut changed = machine.clone();
    changed.config.driver.set("IPAddress", "10.0.0.10");
    store.save(&lock(&store, "x", NOW).unwrap(), &changed).unwrap();
    assert_eq!(fs::read_to_string(dir.join(BACKUP)).unwrap(), old);
}
