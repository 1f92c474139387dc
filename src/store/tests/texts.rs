//! config.json as text: what docker-machine wrote comes back byte for byte, and strange keys survive.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::store::tests::*;

fn reread(text: &str, as_name: &str) -> String {
    let config = HostConfig::parse(text.as_bytes(), Path::new("/S"), &name(as_name)).unwrap();
    config.to_json_pretty().unwrap()
}

#[test]
fn docker_machines_files_come_back_as_they_were() {
    for (file, name) in [
        ("v3-none.json", "x"),
        ("v3-generic.json", "node1"),
        ("v3-digitalocean.json", "do"),
        ("v3-virtualbox.json", "default"),
    ] {
        let text = fixture(file);
        assert_eq!(reread(&text, name), text, "{file}");
    }
}

#[test]
fn a_new_config_is_what_docker_machine_writes() {
    let store = Store::at("/S");
    let mut config = machine(&store, "x").config;
    config.driver.set("IPAddress", "127.0.0.1:2376");
    assert_eq!(config.to_json_pretty().unwrap(), fixture("v3-none.json"));
}

#[test]
fn the_folder_names_the_machine() {
    let text = fixture("v3-none.json");
    assert_eq!(reread(&text, "y"), text.replace(r#""Name": "x""#, r#""Name": "y""#));
}

#[test]
fn what_is_absent_takes_the_defaults() {
    for text in [
        r#"{"ConfigVersion": 3}"#,
        r#"{"ConfigVersion": 3, "HostOptions": null, "Driver": null, "Name": null}"#,
    ] {
        let empty = HostConfig::new(&name("x"), "", DriverState::default(), Path::new("/S"));
        assert_eq!(reread(text, "x"), empty.to_json_pretty().unwrap());
    }
    let text = r#"{"ConfigVersion": 3, "HostOptions": {"EngineOptions": {"Labels": null, "TlsVerify": null, "Env": ["a"]}}}"#;
    let config = HostConfig::parse(text.as_bytes(), Path::new("/S"), &name("x")).unwrap();
    let engine = &config.host_options.engine;
    assert_eq!((engine.labels.clone(), engine.env.clone()), (None, Some(vec!["a".to_owned()])));
    assert!(engine.tls_verify);
    assert_eq!(config.host_options.auth.cert_dir, "/S/certs");
}

#[test]
fn a_key_given_twice_counts_as_it_was_given_last() {
    let config = HostConfig::parse(
        br#"{"ConfigVersion": 3, "DriverName": "a", "DriverName": "b"}"#,
        Path::new("/S"),
        &name("x"),
    );
    assert_eq!(config.unwrap().driver_name, "b");
}

/// Any JSON but floats, whose digits serde_json may round.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Keys that nobody has a meaning for.
fn strangers() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((any::<String>().prop_map(|k| format!("X-{k}")), values()), 0..4)
        .prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn strange_keys_survive_at_every_level(levels in prop::array::uniform6(strangers())) {
        let text = fixture("v3-none.json");
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let pointers = [
            "", "/Driver", "/HostOptions", "/HostOptions/EngineOptions", "/HostOptions/SwarmOptions",
            "/HostOptions/AuthOptions",
        ];
        for (pointer, strangers) in pointers.iter().zip(levels) {
            document.pointer_mut(pointer).unwrap().as_object_mut().unwrap().extend(strangers);
        }
        let text = json::pretty(&document).unwrap();
        prop_assert_eq!(reread(&text, "x"), text);
    }

    #[test]
    fn strange_keys_survive_in_our_own_file(strangers in strangers()) {
        let scene = scene();
        let mut machine = put(&scene.store, "x");
        machine.own.extra = strangers;
        scene.store.save(&lock(&scene.store, "x", NOW).unwrap(), &machine).unwrap();
        prop_assert_eq!(scene.store.load(&name("x")).unwrap(), machine);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in values()) {
        let _ = HostConfig::parse(&bytes, Path::new("/S"), &name("x"));
        let _ = HostConfig::parse(text.to_string().as_bytes(), Path::new("/S"), &name("x"));
    }
}

#[test]
fn nested_nulls_and_empty_things_of_a_driver_are_kept() {
    let mut config = machine(&Store::at("/S"), "x").config;
    config.driver.set("Odd", json!({"a": null, "b": [], "c": {}, "d": [null, 1e300, 0.25]}));
    let text = config.to_json_pretty().unwrap();
    assert!(text.contains("1e+300"), "{text}");
    assert_eq!(reread(&text, "x"), text);
}
