//! What dockerd's flags are called, what they take, and which key of daemon.json they mean.
//!
//! From the sources of Docker 20.10 to 29 (`daemon/command`, `daemon/config`) and the page of removed features. Flags
//! and keys differ in name where a flag may be repeated: `--label`, `labels`.

/// A flag of dockerd.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) short: Option<char>,
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) whose: Whose,
    /// The first engine, as (major, minor), that knows it.
    pub(super) since: (u32, u32),
    /// Engines before this one want `experimental` beside it.
    pub(super) settled: (u32, u32),
}

/// Who may set a flag.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    User,
    /// Not to be given as an engine option; the text says why, or how else.
    Reserved(&'static str),
    /// Current engines refuse it; the text says since when and what to use now.
    Removed(&'static str),
    /// Spelled otherwise by now: the name to use.
    Renamed(&'static str),
}

/// What a flag takes, and so how daemon.json holds it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// Whole, and not below zero.
    Number,
    /// Whole; -1 stands for no limit.
    Signed,
    Text,
    Choice(&'static [&'static str]),
    /// Bytes with an optional unit; kept as text, as dockerd takes it.
    Size,
    Ip,
    /// An address with the length of its prefix.
    Cidr,
    /// `host:port`
    HostPort,
    /// `http://` or `https://`, without a user.
    Url,
    List,
    IpList,
    /// `key=value` texts in a list, one for each key.
    KeyedList,
    Map,
    /// `driver=option=value`
    MapMap,
    Ulimit,
    Pool,
    Runtime,
    Feature,
    /// A text inside the object `proxies`.
    Proxy,
}

const fn flag(name: &'static str, key: &'static str, kind: Kind) -> Flag {
    Flag { name, short: None, key, kind, whose: Whose::User, since: (0, 0), settled: (0, 0) }
}

/// A flag that daemon.json calls the same.
const fn same(name: &'static str, kind: Kind) -> Flag {
    flag(name, name, kind)
}

const fn removed(name: &'static str, kind: Kind, instead: &'static str) -> Flag {
    Flag { whose: Whose::Removed(instead), ..same(name, kind) }
}

const fn reserved(name: &'static str, key: &'static str, kind: Kind, why: &'static str) -> Flag {
    Flag { whose: Whose::Reserved(why), ..flag(name, key, kind) }
}

impl Flag {
    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    const fn since(self, major: u32, minor: u32) -> Self {
        Self { since: (major, minor), ..self }
    }

    const fn settled(self, major: u32, minor: u32) -> Self {
        Self { settled: (major, minor), ..self }
    }
}

const CERTIFICATES: &str = "rmachine sets up TLS itself; see --tls-san and the --tls-* options";
const ADDRESSES: &str = "rmachine sets where the engine listens";
const NO_SETTING: &str = "it is a command to dockerd, not a setting";
const CLUSTER: &str = "removed in Docker 23.0 with classic swarm; overlay networks now come from swarm mode (docker swarm init)";

pub(super) static FLAGS: &[Flag] = &[
    flag("add-runtime", "runtimes", Kind::Runtime),
    same("allow-direct-routing", Kind::Bool).since(28, 2),
    same("allow-nondistributable-artifacts", Kind::List),
    flag("authorization-plugin", "authorization-plugins", Kind::List),
    same("bip", Kind::Cidr),
    same("bip6", Kind::Cidr).since(28, 0),
    same("bridge", Kind::Text).short('b'),
    same("bridge-accept-fwmark", Kind::Text).since(28, 0),
    flag("cdi-spec-dir", "cdi-spec-dirs", Kind::List).since(25, 0),
    same("cgroup-parent", Kind::Text),
    same("containerd", Kind::Text),
    same("containerd-namespace", Kind::Text),
    same("cpu-rt-period", Kind::Signed),
    same("cpu-rt-runtime", Kind::Signed),
    same("cri-containerd", Kind::Bool),
    same("data-root", Kind::Text),
    same("debug", Kind::Bool).short('D'),
    flag("default-address-pool", "default-address-pools", Kind::Pool),
    same("default-cgroupns-mode", Kind::Choice(&["host", "private"])).since(20, 10),
    same("default-gateway", Kind::Ip),
    same("default-gateway-v6", Kind::Ip),
    same("default-ipc-mode", Kind::Choice(&["shareable", "private"])),
    flag("default-network-opt", "default-network-opts", Kind::MapMap).since(24, 0),
    same("default-runtime", Kind::Text),
    same("default-shm-size", Kind::Size),
    flag("default-ulimit", "default-ulimits", Kind::Ulimit),
    same("dns", Kind::IpList),
    flag("dns-opt", "dns-opts", Kind::List),
    same("dns-search", Kind::List),
    flag("exec-opt", "exec-opts", Kind::KeyedList),
    same("exec-root", Kind::Text),
    same("experimental", Kind::Bool),
    flag("feature", "features", Kind::Feature),
    same("firewall-backend", Kind::Choice(&["iptables", "nftables"])).since(29, 0),
    same("fixed-cidr", Kind::Cidr),
    same("fixed-cidr-v6", Kind::Cidr),
    same("group", Kind::Text).short('G'),
    same("host-gateway-ip", Kind::Ip).since(20, 10),
    flag("http-proxy", "proxies", Kind::Proxy).since(23, 0),
    flag("https-proxy", "proxies", Kind::Proxy).since(23, 0),
    same("icc", Kind::Bool),
    same("init", Kind::Bool),
    same("init-path", Kind::Text),
    flag("insecure-registry", "insecure-registries", Kind::List),
    same("ip", Kind::Ip),
    same("ip-forward", Kind::Bool),
    same("ip-forward-no-drop", Kind::Bool).since(28, 0),
    same("ip-masq", Kind::Bool),
    same("ip6tables", Kind::Bool).since(20, 10).settled(27, 0),
    same("iptables", Kind::Bool),
    same("ipv6", Kind::Bool),
    flag("label", "labels", Kind::KeyedList),
    same("live-restore", Kind::Bool),
    same("log-driver", Kind::Text),
    same("log-format", Kind::Choice(&["text", "json"])).since(25, 0),
    same("log-level", Kind::Choice(&["debug", "info", "warn", "error", "fatal"])).short('l'),
    flag("log-opt", "log-opts", Kind::Map),
    same("max-concurrent-downloads", Kind::Number),
    same("max-concurrent-uploads", Kind::Number),
    same("max-download-attempts", Kind::Number).since(20, 10),
    same("metrics-addr", Kind::HostPort).settled(20, 10),
    same("mtu", Kind::Number),
    same("network-control-plane-mtu", Kind::Number),
    same("network-diagnostic-port", Kind::Number),
    same("no-new-privileges", Kind::Bool),
    flag("no-proxy", "proxies", Kind::Proxy).since(23, 0),
    flag("node-generic-resource", "node-generic-resources", Kind::List),
    same("pidfile", Kind::Text).short('p'),
    same("raw-logs", Kind::Bool),
    flag("registry-mirror", "registry-mirrors", Kind::Url),
    same("seccomp-profile", Kind::Text),
    same("selinux-enabled", Kind::Bool),
    same("shutdown-timeout", Kind::Signed),
    same("storage-driver", Kind::Text).short('s'),
    flag("storage-opt", "storage-opts", Kind::KeyedList),
    same("swarm-default-advertise-addr", Kind::Text),
    same("userland-proxy", Kind::Bool),
    same("userland-proxy-path", Kind::Text),
    same("userns-remap", Kind::Text),
    // Spelled otherwise by now.
    Flag { whose: Whose::Renamed("data-root"), ..flag("graph", "data-root", Kind::Text).short('g') },
    // Set by rmachine, or no settings at all.
    reserved(
        "config-file",
        "config-file",
        Kind::Text,
        "rmachine keeps the engine's settings in /etc/docker/daemon.json",
    ),
    // The file's key has another spelling than the flag (`-plugin-`), and dockerd refuses the one and ignores the other.
    reserved(
        "containerd-plugins-namespace",
        "containerd-plugins-namespace",
        Kind::Text,
        "daemon.json cannot hold it",
    ),
    reserved("help", "help", Kind::Bool, NO_SETTING).short('h'),
    reserved("host", "hosts", Kind::List, ADDRESSES).short('H'),
    reserved(
        "min-api-version",
        "min-api-version",
        Kind::Text,
        "use --engine-env DOCKER_MIN_API_VERSION=VERSION",
    ),
    reserved("rootless", "rootless", Kind::Bool, "rmachine's engines run as root"),
    reserved("tls", "tls", Kind::Bool, CERTIFICATES),
    reserved("tlscacert", "tlscacert", Kind::Text, CERTIFICATES),
    reserved("tlscert", "tlscert", Kind::Text, CERTIFICATES),
    reserved("tlskey", "tlskey", Kind::Text, CERTIFICATES),
    reserved("tlsverify", "tlsverify", Kind::Bool, CERTIFICATES),
    reserved("validate", "validate", Kind::Bool, NO_SETTING),
    reserved("version", "version", Kind::Bool, NO_SETTING).short('v'),
    // Gone.
    removed(
        "api-cors-header",
        Kind::Text,
        "removed in Docker 28.0; put a reverse proxy in front of the engine",
    ),
    removed(
        "api-enable-cors",
        Kind::Bool,
        "removed in Docker 17.09; put a reverse proxy in front of the engine",
    ),
    removed("cluster-advertise", Kind::Text, CLUSTER),
    removed("cluster-store", Kind::Text, CLUSTER),
    removed("cluster-store-opt", Kind::Map, CLUSTER),
    removed(
        "disable-legacy-registry",
        Kind::Bool,
        "removed in Docker 19.03; no engine speaks to such registries now",
    ),
    removed("exec-driver", Kind::Text, "removed in Docker 1.10; use add-runtime and default-runtime"),
    removed(
        "oom-score-adjust",
        Kind::Signed,
        "removed in Docker 25.0; set OOMScoreAdjust= in docker.service",
    ),
    removed("restart", Kind::Bool, "it never was more than a default; use docker run --restart").short('r'),
];

/// By name, or by its one letter.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => FLAGS.iter().find(|f| f.short == Some(letter)),
        _ => FLAGS.iter().find(|f| f.name == name),
    }
}

/// The flag whose name, or whose key in daemon.json, is most like a word that is none.
pub(super) fn nearest(word: &str) -> Option<&'static str> {
    let like = |f: &Flag| distance(word, f.name).min(distance(word, f.key));
    let offered = FLAGS.iter().filter(|f| f.whose == Whose::User);
    let (far, name) = offered.map(|f| (like(f), f.name)).min()?;
    (far <= 1 + word.len() / 4).then_some(name)
}

/// The one of these words that was probably meant.
pub(crate) fn closest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (far, name) = words.into_iter().map(|w| (distance(word, w), w)).min()?;
    (far <= 1 + word.len() / 4).then_some(name)
}

/// How many letters must change to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_letters_come_once() {
        let mut seen: Vec<String> = FLAGS.iter().map(|f| f.name.to_owned()).collect();
        seen.extend(FLAGS.iter().filter_map(|f| f.short).map(String::from));
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn new_names_are_there() {
        for flag in FLAGS {
            if let Whose::Renamed(name) = flag.whose {
                assert_eq!(find(name).unwrap().whose, Whose::User);
            }
        }
    }

    #[test]
    fn letters_find_their_flags() {
        assert_eq!(find("D").unwrap().name, "debug");
        assert_eq!(find("g").unwrap().name, "graph");
        assert_eq!(find("G").unwrap().name, "group");
        assert!(find("x").is_none() && find("").is_none());
    }

    #[test]
    fn near_names_are_found() {
        for (typed, meant) in [
            ("labels", Some("label")),
            ("log-drivers", Some("log-driver")),
            ("metric-addr", Some("metrics-addr")),
            ("registry-mirrors", Some("registry-mirror")),
            ("insecure-registries", Some("insecure-registry")),
            ("data_root", Some("data-root")),
            ("dns-server", None),
            ("frobnicate", None),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
