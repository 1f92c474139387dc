//! daemon.json: what is there, and what is added.

use serde_json::{Map, Value};

use crate::engine::options::table::Kind;
use crate::engine::options::value::Piece;
use crate::engine::options::{EngineOpt, EngineSettings, OptionError};

/// Where the engine listens and what it proves itself with: rmachine's own part of daemon.json.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// As dockerd's `--host` takes them: `tcp://0.0.0.0:2376`, `unix:///var/run/docker.sock`.
    pub(crate) hosts: Vec<String>,
    pub(crate) ca_cert: String,
    pub(crate) server_cert: String,
    pub(crate) server_key: String,
}

/// Reads a host's daemon.json; an empty file counts as an empty object, as it does for dockerd.
pub(crate) fn parse_daemon_json(text: &str) -> Result<Map<String, Value>, OptionError> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(OptionError::NotAnObject { found: kind_of(&other) }),
        Err(error) => Err(OptionError::NotJson { reason: error.to_string() }),
    }
}

/// What goes into the file.
pub(crate) fn render(map: &Map<String, Value>) -> String {
    format!("{:#}\n", Value::Object(map.clone()))
}

/// Adds settings and endpoints to what is there.
///
/// Lists grow by what they lack, objects by their keys, single values are replaced; a label, like any `key=value` of a
/// list, replaces the one of the same key. What the engine was `told` before and is not any more goes, where it is still
/// as it was told. All else stays, in its order. Merging the result again changes nothing.
pub(crate) fn daemon_json(
    existing: &Map<String, Value>,
    told: &[EngineSettings],
    settings: &EngineSettings,
    endpoints: &Endpoints,
) -> Result<Map<String, Value>, OptionError> {
    let mut map = existing.clone();
    add_all(&mut map, settings)?;
    let wanted = alone(settings)?;
    for told in told {
        take_back(&mut map, &alone(told)?, &wanted);
    }
    add_hosts(&mut map, &endpoints.hosts)?;
    map.insert("tlsverify".to_owned(), true.into());
    for (key, path) in [
        ("tlscacert", &endpoints.ca_cert),
        ("tlscert", &endpoints.server_cert),
        ("tlskey", &endpoints.server_key),
    ] {
        map.insert(key.to_owned(), path.as_str().into());
    }
    Ok(map)
}

fn add_all(map: &mut Map<String, Value>, settings: &EngineSettings) -> Result<(), OptionError> {
    settings.opts.iter().try_for_each(|option| add(map, option))
}

/// What the settings make of an empty file.
fn alone(settings: &EngineSettings) -> Result<Map<String, Value>, OptionError> {
    let mut map = Map::new();
    add_all(&mut map, settings)?;
    Ok(map)
}

fn take_back(map: &mut Map<String, Value>, told: &Map<String, Value>, wanted: &Map<String, Value>) {
    for (key, old) in told {
        let Some(there) = map.get_mut(key) else { continue };
        let kept = wanted.get(key);
        let emptied = match (there, old) {
            (Value::Array(there), Value::Array(old)) => {
                let kept = kept.and_then(Value::as_array);
                there.retain(|v| !old.contains(v) || kept.is_some_and(|kept| kept.contains(v)));
                there.is_empty()
            }
            (Value::Object(there), Value::Object(old)) => {
                let nothing = Map::new();
                take_back(there, old, kept.and_then(Value::as_object).unwrap_or(&nothing));
                there.is_empty()
            }
            (there, old) => there == old,
        };
        if emptied && kept.is_none() {
            map.shift_remove(key);
        }
    }
}

fn add(map: &mut Map<String, Value>, option: &EngineOpt) -> Result<(), OptionError> {
    let key = option.flag.key;
    match &option.piece {
        Piece::Scalar(value) => {
            map.insert(key.to_owned(), value.clone());
        }
        Piece::Item(value) => add_item(list(map, key)?, value, &option.flag.kind),
        Piece::Entry(name, value) => {
            object(map, key)?.insert(name.clone(), value.clone());
        }
        Piece::Nested(outer, name, value) => {
            object(object(map, key)?, outer)?.insert(name.clone(), value.clone());
        }
    }
    Ok(())
}

fn add_item(list: &mut Vec<Value>, value: &Value, kind: &Kind) {
    match list.iter_mut().find(|v| identity(v, kind) == identity(value, kind)) {
        Some(same) => *same = value.clone(),
        None => list.push(value.clone()),
    }
}

/// What two items of a list may not share.
fn identity<'a>(item: &'a Value, kind: &Kind) -> Option<&'a str> {
    match kind {
        Kind::Pool => item.get("base")?.as_str(),
        Kind::KeyedList => item.as_str().map(|t| t.split_once('=').map_or(t, |(key, _)| key)),
        // dockerd adds the slash where it is missing.
        Kind::Url => item.as_str().map(|t| t.trim_end_matches('/')),
        _ => item.as_str(),
    }
}

/// One port is bound once: of two addresses of which one covers the other, the wider one stays, in the place of the
/// first.
fn add_hosts(map: &mut Map<String, Value>, ours: &[String]) -> Result<(), OptionError> {
    let list = list(map, "hosts")?;
    for host in ours {
        let there = |v: &Value| v.as_str().is_some_and(|there| covers(there, host));
        let covered = |v: &Value| v.as_str().is_some_and(|there| covers(host, there));
        if list.iter().any(there) {
            continue;
        }
        let place = list.iter().position(covered).unwrap_or(list.len());
        list.retain(|v| !covered(v));
        list.insert(place, host.as_str().into());
    }
    Ok(())
}

fn covers(wide: &str, narrow: &str) -> bool {
    let (Some((address, port)), Some((_, other))) = (tcp(wide), tcp(narrow)) else { return wide == narrow };
    wide == narrow || (port == other && matches!(address, "0.0.0.0" | "[::]" | ""))
}

fn tcp(host: &str) -> Option<(&str, &str)> {
    host.strip_prefix("tcp://")?.rsplit_once(':')
}

fn list<'a>(map: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Vec<Value>, OptionError> {
    let slot = map.entry(key).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Array(Vec::new());
    }
    let found = kind_of(slot);
    slot.as_array_mut().ok_or_else(|| conflict(key, found, "a list"))
}

fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Map<String, Value>, OptionError> {
    let slot = map.entry(key).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    let found = kind_of(slot);
    slot.as_object_mut().ok_or_else(|| conflict(key, found, "an object"))
}

fn conflict(key: &str, found: &'static str, expected: &'static str) -> OptionError {
    OptionError::Conflict { key: key.to_owned(), found, expected }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::options::EngineFlags;

    fn endpoints() -> Endpoints {
        Endpoints {
            hosts: vec!["tcp://0.0.0.0:2376".into(), "unix:///var/run/docker.sock".into()],
            ca_cert: "/etc/docker/ca.pem".into(),
            server_cert: "/etc/docker/server.pem".into(),
            server_key: "/etc/docker/server-key.pem".into(),
        }
    }

    fn settings(opts: &[&str]) -> EngineSettings {
        let opts: Vec<String> = opts.iter().map(|o| (*o).to_owned()).collect();
        EngineSettings::parse(&EngineFlags { opts: &opts, ..EngineFlags::default() }).unwrap()
    }

    /// What the options make of a file, without rmachine's own part.
    fn merged(file: &str, opts: &[&str]) -> Result<String, OptionError> {
        let mut map = daemon_json(&parse_daemon_json(file)?, &[], &settings(opts), &endpoints())?;
        for key in ["hosts", "tlsverify", "tlscacert", "tlscert", "tlskey"] {
            map.shift_remove(key);
        }
        Ok(Value::Object(map).to_string())
    }

    fn hosts(file: &str) -> String {
        let map = daemon_json(&parse_daemon_json(file).unwrap(), &[], &settings(&[]), &endpoints()).unwrap();
        map["hosts"].to_string()
    }

    #[test]
    fn a_fresh_host_gets_all_of_ours() {
        let map =
            daemon_json(&Map::new(), &[], &settings(&["log-driver=json-file", "label=a=b"]), &endpoints());
        insta::assert_snapshot!(render(&map.unwrap()), @r#"
        {
          "log-driver": "json-file",
          "labels": [
            "a=b"
          ],
          "hosts": [
            "tcp://0.0.0.0:2376",
            "unix:///var/run/docker.sock"
          ],
          "tlsverify": true,
          "tlscacert": "/etc/docker/ca.pem",
          "tlscert": "/etc/docker/server.pem",
          "tlskey": "/etc/docker/server-key.pem"
        }
        "#);
    }

    #[test]
    fn what_is_there_stays_in_its_order() {
        let file = r#"{"zebra": {"x": [1]}, "labels": ["os=deb", "env=test"], "mtu": 1400, "unknown": null}"#;
        let json = merged(file, &["label=env=prod", "label=new=1", "mtu=1500"]).unwrap();
        let expected =
            r#"{"zebra":{"x":[1]},"labels":["os=deb","env=prod","new=1"],"mtu":1500,"unknown":null}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn lists_grow_and_objects_are_filled() {
        for (file, opts, json) in [
            (
                r#"{"dns":["1.1.1.1"]}"#,
                &["dns=8.8.8.8", "dns=1.1.1.1"][..],
                r#"{"dns":["1.1.1.1","8.8.8.8"]}"#,
            ),
            (r#"{"log-opts":{"a":"1","b":"2"}}"#, &["log-opt=b=3"], r#"{"log-opts":{"a":"1","b":"3"}}"#),
            (r#"{"log-opts":null}"#, &["log-opt=b=3"], r#"{"log-opts":{"b":"3"}}"#),
            (
                r#"{"registry-mirrors":["https://m/"]}"#,
                &["registry-mirror=https://m", "registry-mirror=https://n"],
                r#"{"registry-mirrors":["https://m","https://n"]}"#,
            ),
            (
                r#"{"default-address-pools":[{"base":"10.1.0.0/16","size":20}]}"#,
                &[
                    "default-address-pool=base=10.1.0.0/16,size=24",
                    "default-address-pool=base=10.2.0.0/16,size=24",
                ],
                r#"{"default-address-pools":[{"base":"10.1.0.0/16","size":24},{"base":"10.2.0.0/16","size":24}]}"#,
            ),
            (
                r#"{"proxies":{"no-proxy":"a"}}"#,
                &["http-proxy=http://p:3128"],
                r#"{"proxies":{"no-proxy":"a","http-proxy":"http://p:3128"}}"#,
            ),
            (
                "{}",
                &["default-network-opt=bridge=a.b=1", "default-network-opt=bridge=a.c=2"],
                r#"{"default-network-opts":{"bridge":{"a.b":"1","a.c":"2"}}}"#,
            ),
            (
                r#"{"exec-opts":["native.cgroupdriver=cgroupfs"]}"#,
                &["exec-opt=native.cgroupdriver=systemd"],
                r#"{"exec-opts":["native.cgroupdriver=systemd"]}"#,
            ),
            ("{}", &["mtu=1400", "mtu=1500"], r#"{"mtu":1500}"#),
        ] {
            assert_eq!(merged(file, opts).unwrap(), json);
        }
    }

    #[test]
    fn what_was_told_before_is_taken_back() {
        let told =
            ["label=a=1", "label=b=2", "log-driver=gelf", "log-opt=x=1", "log-opt=y=2", "mtu=1400", "debug"];
        for (there, now, left) in [
            (r#"{"keep":1}"#, &[][..], r#"{"keep":1}"#),
            (r#"{"labels":["os=deb"]}"#, &["label=b=3"], r#"{"labels":["os=deb","b=3"]}"#),
            ("{}", &["log-opt=y=2", "mtu=1500"], r#"{"log-opts":{"y":"2"},"mtu":1500}"#),
        ] {
            let old = parse_daemon_json(there).unwrap();
            let first = daemon_json(&old, &[], &settings(&told), &endpoints()).unwrap();
            let mut second = daemon_json(&first, &[settings(&told)], &settings(now), &endpoints()).unwrap();
            for key in ["hosts", "tlsverify", "tlscacert", "tlscert", "tlskey"] {
                second.shift_remove(key);
            }
            assert_eq!(Value::Object(second).to_string(), left, "told {now:?} after {told:?}");
        }
    }

    #[test]
    fn what_somebody_changed_since_is_theirs() {
        let (told, now) = (settings(&["mtu=1400", "log-opt=x=1"]), settings(&[]));
        let there = parse_daemon_json(r#"{"mtu":9000,"log-opts":{"x":"5"}}"#).unwrap();
        let map = daemon_json(&there, &[told], &now, &endpoints()).unwrap();
        assert_eq!((&map["mtu"], &map["log-opts"]["x"]), (&9000.into(), &"5".into()));
    }

    #[test]
    fn a_port_is_bound_once() {
        for (file, expected) in [
            ("{}", r#"["tcp://0.0.0.0:2376","unix:///var/run/docker.sock"]"#),
            (r#"{"hosts":["fd://"]}"#, r#"["fd://","tcp://0.0.0.0:2376","unix:///var/run/docker.sock"]"#),
            (
                r#"{"hosts":["unix:///var/run/docker.sock","tcp://127.0.0.1:2376","tcp://10.0.0.5:2376","tcp://h:1"]}"#,
                r#"["unix:///var/run/docker.sock","tcp://0.0.0.0:2376","tcp://h:1"]"#,
            ),
            (r#"{"hosts":["tcp://[::]:2376"]}"#, r#"["tcp://[::]:2376","unix:///var/run/docker.sock"]"#),
        ] {
            assert_eq!(hosts(file), expected);
        }
    }

    #[test]
    fn files_that_nothing_can_be_added_to() {
        for (file, error) in [
            ("{\n  \"mtu\": ,\n}", "daemon.json is not valid JSON: expected value at line 2 column 10"),
            ("[]", "daemon.json holds a list where an object is expected"),
            ("{\"labels\": \"a=b\"}", "daemon.json holds a text under \"labels\" where a list is expected"),
            ("{\"log-opts\": []}", "daemon.json holds a list under \"log-opts\" where an object is expected"),
        ] {
            assert_eq!(merged(file, &["label=x=y", "log-opt=a=b"]).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn empty_files_are_empty_objects() {
        for file in ["", " \n", "\u{feff}", "\u{feff}{}"] {
            assert_eq!(parse_daemon_json(file), Ok(Map::new()));
        }
    }

    fn option() -> impl Strategy<Value = String> {
        prop_oneof![
            "(label|log-opt|storage-opt)=[a-c]=[a-z $\"%]{0,5}",
            "(dns-search|insecure-registry|node-generic-resource)=[a-z]{1,2}",
            "(debug|experimental|icc)=(true|false)",
            "(mtu|shutdown-timeout)=[0-9]{1,4}",
            "registry-mirror=https?://[a-c]/?",
            "default-address-pool=base=10.[0-3].0.0/16,size=2[0-4]",
            "default-ulimit=(nofile|nproc)=[0-9]{1,3}",
            "http-proxy=[a-z]{1,3}",
        ]
    }

    fn file() -> impl Strategy<Value = String> {
        let labels = prop::collection::vec("[a-d](=[a-z]{0,2})?", 0..4);
        let hosts =
            prop::collection::vec("(tcp://(0.0.0.0|127.0.0.1|\\[::\\]):237[56]|fd://|unix:///x)", 0..4);
        let searched = prop::collection::vec("[a-z]{1,2}", 0..3);
        (labels, hosts, searched).prop_map(|(labels, hosts, search)| {
            serde_json::json!({"keep": 1, "labels": labels, "hosts": hosts, "dns-search": search}).to_string()
        })
    }

    proptest! {
        #[test]
        fn merging_twice_is_merging_once(file in file(), opts in prop::collection::vec(option(), 0..8)) {
            let flags = EngineFlags { opts: &opts, provider: "generic", ..EngineFlags::default() };
            let Ok(settings) = EngineSettings::parse(&flags) else { return Ok(()) };
            let once = daemon_json(&parse_daemon_json(&file).unwrap(), &[], &settings, &endpoints()).unwrap();
            let twice = daemon_json(&once, &[], &settings, &endpoints()).unwrap();
            prop_assert_eq!(render(&once), render(&twice));
            prop_assert_eq!(&once["keep"], 1);
            prop_assert_eq!(parse_daemon_json(&render(&once)).unwrap(), once);
        }
    }
}
