//! The words of a unit's ExecStart, without those that daemon.json says too.
//!
//! dockerd refuses to start when a setting is both a flag and in its file, whatever the values.

use serde_json::{Map, Value};

use crate::engine::options::table::{self, Flag, Kind};

/// A command line, parted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Words {
    pub(crate) kept: Vec<String>,
    pub(crate) dropped: Vec<String>,
}

/// Parts the words of a command line of dockerd into those that may stay beside a daemon.json and those that may not.
///
/// Unknown words stay, `$VARIABLES` that systemd fills in among them: what they hold cannot be seen from here.
pub(crate) fn without_clashes(words: &[String], daemon_json: &Map<String, Value>) -> Words {
    let mut parted = Words::default();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        for (flag, mut group) in flags_of(word) {
            if flag.is_some_and(|f| wants_next(f, &group)) {
                group.extend(rest.next().map(str::to_owned));
            }
            let clashes = flag.is_some_and(|f| is_set(f, daemon_json));
            if clashes { &mut parted.dropped } else { &mut parted.kept }.extend(group);
        }
    }
    parted
}

/// The flags in one word: one, or as many as there are letters behind a single dash.
fn flags_of(word: &str) -> Vec<(Option<&'static Flag>, Vec<String>)> {
    let whole = |flag| vec![(flag, vec![word.to_owned()])];
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        return whole(table::find(name).filter(|f| f.name == name));
    }
    match word.strip_prefix('-') {
        Some(letters) if !letters.is_empty() => cluster(letters).unwrap_or_else(|| whole(None)),
        _ => whole(None),
    }
}

/// `-DH fd://` is `-D` and `-H fd://`; the first letter that takes a value takes the rest of the word.
fn cluster(letters: &str) -> Option<Vec<(Option<&'static Flag>, Vec<String>)>> {
    let mut groups = Vec::new();
    for (at, letter) in letters.char_indices() {
        let flag = table::find(&letter.to_string())?;
        let tail = &letters[at + letter.len_utf8()..];
        let ends = flag.kind != Kind::Bool || tail.starts_with('=');
        let text = if ends { format!("-{letter}{tail}") } else { format!("-{letter}") };
        groups.push((Some(flag), vec![text]));
        if ends {
            break;
        }
    }
    Some(groups)
}

fn wants_next(flag: &Flag, group: &[String]) -> bool {
    let text = group.first().map_or("", String::as_str);
    let alone = text.len() == 2 || (text.starts_with("--") && !text.contains('='));
    flag.kind != Kind::Bool && alone
}

/// Whether the file sets what a flag sets. Runtimes alone may come from both.
fn is_set(flag: &Flag, daemon_json: &Map<String, Value>) -> bool {
    match flag.kind {
        Kind::Runtime => false,
        Kind::Proxy => daemon_json.get(flag.key).and_then(|p| p.get(flag.name)).is_some(),
        // `graph` is an old name in both places.
        _ => daemon_json.contains_key(flag.key) || daemon_json.contains_key(flag.name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parted(line: &str, file: &Value) -> (String, String) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let parted = without_clashes(&words, file.as_object().unwrap());
        (parted.kept.join(" "), parted.dropped.join(" "))
    }

    #[test]
    fn units_of_distributions() {
        let file = json!({"hosts": [], "labels": [], "tlsverify": true});
        for (line, kept, dropped) in [
            ("/usr/sbin/dockerd -H fd:// $DOCKER_OPTS", "/usr/sbin/dockerd $DOCKER_OPTS", "-H fd://"),
            (
                "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock",
                "/usr/bin/dockerd --containerd=/run/containerd/containerd.sock",
                "-H fd://",
            ),
            ("dockerd", "dockerd", ""),
        ] {
            assert_eq!(parted(line, &file), (kept.to_owned(), dropped.to_owned()));
        }
    }

    #[test]
    fn the_unit_that_docker_machine_wrote() {
        let line = "/usr/bin/dockerd -H tcp://0.0.0.0:2376 -H unix:///var/run/docker.sock --storage-driver overlay2 \
                    --tlsverify --tlscacert /etc/docker/ca.pem --tlscert /etc/docker/server.pem \
                    --tlskey /etc/docker/server-key.pem --label a=b --label provider=generic \
                    --insecure-registry r:5 --registry-mirror https://m --log-driver=json-file";
        let all = json!({"hosts": [], "storage-driver": "", "tlsverify": true, "tlscacert": "", "tlscert": "",
            "tlskey": "", "labels": [], "insecure-registries": [], "registry-mirrors": [], "log-driver": ""});
        assert_eq!(parted(line, &all).0, "/usr/bin/dockerd");
        let some = json!({"hosts": [], "labels": [], "tlsverify": true});
        let expected = "/usr/bin/dockerd --storage-driver overlay2 --tlscacert /etc/docker/ca.pem \
                        --tlscert /etc/docker/server.pem --tlskey /etc/docker/server-key.pem --insecure-registry r:5 \
                        --registry-mirror https://m --log-driver=json-file";
        assert_eq!(parted(line, &some).0, expected);
    }

    #[test]
    fn every_spelling_of_a_flag() {
        let file = json!({"hosts": [], "debug": true, "log-level": "info", "data-root": "/x"});
        for (line, kept) in [
            ("d -H=x -Hx --host=x --host x -H x", "d"),
            ("d -D --debug --debug=false rest", "d rest"),
            ("d -l warn -lwarn -l=warn", "d"),
            ("d -DH fd:// end", "d end"),
            ("d -DG root end", "d -G root end"),
            ("d -g /y --graph=/y --data-root /y", "d"),
            ("d --unknown x -Z y - --", "d --unknown x -Z y - --"),
            ("d --log-level", "d"),
            ("d --pidfile -p x -p", "d --pidfile -p x -p"),
            ("d --mtu 1500 --ipv6 --hosts x", "d --mtu 1500 --ipv6 --hosts x"),
        ] {
            assert_eq!(parted(line, &file).0, kept, "{line}");
        }
    }

    #[test]
    fn objects_clash_by_what_they_hold() {
        let file = json!({"proxies": {"http-proxy": "x"}, "runtimes": {"a": {}}, "log-opts": {"a": "b"}});
        let line = "d --http-proxy=p --https-proxy=p --add-runtime=b=/b --log-opt c=d";
        assert_eq!(parted(line, &file).0, "d --https-proxy=p --add-runtime=b=/b");
    }

    #[test]
    fn words_are_only_parted() {
        let words = ["d", "-H", "fd://", "--mtu", "1"].map(str::to_owned);
        let parted = without_clashes(&words, json!({"hosts": []}).as_object().unwrap());
        assert_eq!(parted.kept, ["d", "--mtu", "1"]);
        assert_eq!(parted.dropped, ["-H", "fd://"]);
    }
}
