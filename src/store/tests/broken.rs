//! Bad input: each ends in one error that names the file, and `rm` still works.

use crate::store::tests::*;

const ROOT: &str = "<S>";

fn error(store: &Store, text: &str) -> String {
    let error = store.load(&name(text)).unwrap_err().to_string();
    error.replace(store.root().to_str().unwrap(), ROOT)
}

#[test]
fn a_missing_machine() {
    let Scene { store, dir } = scene();
    let sentence = "Docker machine \"x\" does not exist. Use \"rmachine ls\" to list machines. Use \
                    \"rmachine create\" to add a new one.";
    assert_eq!(error(&store, "x"), sentence);
    assert!(ls(dir.path()).is_empty(), "asking makes nothing");
    fs::create_dir_all(store.machines_dir()).unwrap();
    fs::write(store.machines_dir().join("x"), "").unwrap();
    assert_eq!(error(&store, "x"), sentence, "a file is no machine");
    let lock = lock(&store, "x", NOW).unwrap();
    assert!(matches!(store.remove(lock), Err(StoreError::Missing(_))));
    assert_eq!(ls(&store.machines_dir()), ["x"], "and is left alone");
}

#[test]
fn a_broken_config() {
    let Scene { store, dir: _dir } = scene();
    for (text, says) in [
        ("", "Error getting migrated host: EOF while parsing a value at line 1 column 0"),
        ("{\"a\": }", "Error getting migrated host: expected value at line 1 column 7"),
        ("[]", "Error getting migrated host: the file holds no JSON object"),
        ("null", "Error getting migrated host: the file holds no JSON object"),
        (
            "{\"ConfigVersion\": \"3\"}",
            "Error getting migrated host: ConfigVersion is \"3\", not a whole number",
        ),
        ("{\"ConfigVersion\": -1}", "Error getting migrated host: ConfigVersion is -1, not a whole number"),
        ("{\"HostOptions\": 7}", "Error getting migrated host: HostOptions is not an object"),
        (
            "{\"ConfigVersion\": 3, \"DriverName\": 7}",
            "Error getting migrated host: invalid type: integer `7`, expected a string",
        ),
        (
            "{\"ConfigVersion\": 4, \"DriverName\": 7}",
            "Error getting migrated host: config version is from the future -- you should upgrade your Docker \
             Machine client",
        ),
    ] {
        plant(&store, "x", text);
        assert_eq!(error(&store, "x"), says, "{text}");
        let at = store.machine_dir(&name("x")).join(CONFIG);
        assert_eq!(store.load(&name("x")).unwrap_err().path(), Some(at.as_path()));
    }
    plant(&store, "x", &"[".repeat(100_000));
    assert!(error(&store, "x").starts_with("Error getting migrated host: recursion limit exceeded"));
}

#[test]
fn no_config_at_all() {
    let Scene { store, dir: _dir } = scene();
    fs::create_dir_all(store.machine_dir(&name("x"))).unwrap();
    assert_eq!(error(&store, "x"), "open <S>/machines/x/config.json: no such file or directory");
    assert!(matches!(store.load(&name("x")), Err(StoreError::NoConfig(_))));
    assert_eq!(store.names().unwrap(), [name("x")], "it is listed all the same");
}

#[test]
fn our_own_file_is_damaged_or_too_new() {
    let Scene { store, dir: _dir } = scene();
    let dir = plant(&store, "x", &fixture("v3-none.json"));
    for (text, says) in [
        ("", "<S>/machines/x/rmachine.json is damaged: EOF while parsing a value at line 1 column 0"),
        ("7", "<S>/machines/x/rmachine.json is damaged: it states no version"),
        ("{}", "<S>/machines/x/rmachine.json is damaged: it states no version"),
        ("{\"Version\": 1}", "<S>/machines/x/rmachine.json is damaged: missing field `Uuid`"),
        (
            "{\"Version\": 2, \"Phase\": \"flying\"}",
            "<S>/machines/x/rmachine.json has version 2: a newer rmachine wrote it, upgrade this one",
        ),
    ] {
        fs::write(dir.join(OWN), text).unwrap();
        assert_eq!(error(&store, "x"), says, "{text}");
        let readable = store.load_lenient(&name("x")).unwrap();
        assert_eq!(readable.config.unwrap().driver_name, "none", "the rest is read");
        assert!(readable.own.is_err());
    }
}

#[test]
fn the_phase_is_known_though_the_config_is_not() {
    let Scene { store, dir: _dir } = scene();
    put(&store, "x");
    fs::write(store.machine_dir(&name("x")).join(CONFIG), "{").unwrap();
    let readable = store.load_lenient(&name("x")).unwrap();
    assert!(readable.config.is_err());
    assert_eq!(readable.own.unwrap().phase, rmachine_driver::Phase::Reserved);
}

#[test]
fn a_broken_machine_can_be_removed() {
    let Scene { store, dir: _dir } = scene();
    let dir = plant(&store, "x", "{");
    fs::write(dir.join(OWN), "{").unwrap();
    fs::create_dir_all(dir.join("deep/er")).unwrap();
    store.remove(lock(&store, "x", NOW).unwrap()).unwrap();
    assert!(ls(&store.machines_dir()).is_empty());
}

#[test]
fn a_config_that_cannot_be_read_is_kept_when_it_is_replaced() {
    let Scene { store, dir: _dir } = scene();
    let dir = plant(&store, "x", "{ by hand");
    store.save(&lock(&store, "x", NOW).unwrap(), &machine(&store, "x")).unwrap();
    assert_eq!(fs::read_to_string(dir.join(BACKUP)).unwrap(), "{ by hand");
}
