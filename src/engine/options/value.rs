//! From the text behind a flag to what daemon.json holds.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::engine::options::table::Kind;

/// One piece of daemon.json, as one flag gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Scalar(Value),
    Item(Value),
    Entry(String, Value),
    Nested(String, String, Value),
}

const ULIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads the text that a flag of this kind and name was given.
pub(super) fn read(kind: &Kind, name: &str, text: &str) -> Option<Piece> {
    if text.is_empty() || text.contains('\0') {
        return None;
    }
    match kind {
        Kind::Bool => boolean(text).map(|b| Piece::Scalar(b.into())),
        Kind::Number => text.parse::<u32>().ok().map(|n| Piece::Scalar(n.into())),
        Kind::Signed => text.parse::<i64>().ok().filter(|n| *n >= -1).map(|n| Piece::Scalar(n.into())),
        Kind::Text => scalar(text, true),
        Kind::Choice(words) => scalar(text, words.contains(&text)),
        Kind::Size => scalar(text, is_size(text)),
        Kind::Ip => scalar(text, text.parse::<IpAddr>().is_ok()),
        Kind::Cidr => scalar(text, is_cidr(text)),
        Kind::HostPort => scalar(text, is_host_port(text)),
        Kind::Url => item(text, is_mirror(text)),
        Kind::List => item(text, true),
        Kind::IpList => item(text, text.parse::<IpAddr>().is_ok()),
        Kind::KeyedList => item(text, text.split_once('=').is_some_and(|(k, _)| is_key(k))),
        Kind::Map => pair(text).map(|(k, v)| Piece::Entry(k.into(), v.into())),
        Kind::MapMap => map_map(text),
        Kind::Ulimit => ulimit(text),
        Kind::Pool => pool(text),
        Kind::Runtime => runtime(text),
        Kind::Feature => feature(text),
        Kind::Proxy => Some(Piece::Entry(name.to_owned(), text.into())),
    }
}

/// What a kind wants, in words that follow "takes".
pub(super) fn expected(kind: &Kind) -> String {
    let text = match kind {
        Kind::Bool => "true or false",
        Kind::Number | Kind::Signed => "a whole number",
        Kind::Choice(words) => return format!("one of {}", words.join(", ")),
        Kind::Size => "a size like 64M",
        Kind::Ip | Kind::IpList => "an IP address",
        Kind::Cidr => "an address with its prefix like 172.30.0.1/16",
        Kind::HostPort => "HOST:PORT",
        Kind::Url => "an http:// or https:// URL without user, query or fragment",
        Kind::Text | Kind::List | Kind::Proxy => "a text",
        Kind::KeyedList | Kind::Map => "KEY=VALUE",
        Kind::MapMap => "DRIVER=OPTION=VALUE",
        Kind::Ulimit => "NAME=SOFT[:HARD]",
        Kind::Pool => "base=ADDRESS/PREFIX,size=PREFIX",
        Kind::Runtime => "NAME=PATH, the name not runc",
        Kind::Feature => "NAME or NAME=true or NAME=false",
    };
    text.to_owned()
}

/// What Go takes for a truth value.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn scalar(text: &str, good: bool) -> Option<Piece> {
    good.then(|| Piece::Scalar(text.into()))
}

fn item(text: &str, good: bool) -> Option<Piece> {
    good.then(|| Piece::Item(text.into()))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && !key.contains(char::is_whitespace)
}

fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(key, _)| is_key(key))
}

fn is_size(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let units = ["", "b", "k", "kb", "kib", "m", "mb", "mib", "g", "gb", "gib", "t", "tb", "tib"];
    digits.parse::<u64>().is_ok() && units.contains(&unit.as_str())
}

/// The address and the prefix length of a network.
fn cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse().ok()?);
    (prefix <= width(address)).then_some((address, prefix))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_cidr(text: &str) -> bool {
    cidr(text).is_some()
}

/// dockerd looks the host up, so it may not be left out.
fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let good = bare.map_or(!host.is_empty() && !host.contains(':'), |b| b.contains(':'));
    good && port.parse::<u16>().is_ok()
}

fn is_mirror(text: &str) -> bool {
    let Ok(uri) = text.parse::<hyper::Uri>() else { return false };
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    scheme && host && uri.query().is_none() && !text.contains('#')
}

fn map_map(text: &str) -> Option<Piece> {
    let (driver, rest) = pair(text)?;
    let (key, value) = pair(rest)?;
    Some(Piece::Nested(driver.into(), key.into(), value.into()))
}

fn ulimit(text: &str) -> Option<Piece> {
    let (name, limits) = pair(text)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let limit = |text: &str| text.parse::<i64>().ok().filter(|n| *n >= -1);
    let (soft, hard) = (limit(soft)?, limit(hard)?);
    let ordered = hard == -1 || (soft != -1 && soft <= hard);
    let object = json!({"Name": name, "Hard": hard, "Soft": soft});
    (ULIMITS.contains(&name) && ordered).then(|| Piece::Entry(name.into(), object))
}

fn pool(text: &str) -> Option<Piece> {
    let (mut base, mut size) = (None, None);
    for part in text.split(',') {
        match part.split_once('=')? {
            ("base", network) => base = Some(network),
            ("size", prefix) => size = prefix.parse::<u8>().ok(),
            _ => return None,
        }
    }
    let (base, size) = (base?, size?);
    let (address, prefix) = cidr(base)?;
    let good = size >= prefix && size <= width(address);
    good.then(|| Piece::Item(json!({"base": base, "size": size})))
}

fn runtime(text: &str) -> Option<Piece> {
    let (name, path) = pair(text)?;
    // dockerd keeps this name for the runtime that it brings along.
    let good = name != "runc" && !path.is_empty();
    good.then(|| Piece::Entry(name.into(), Value::Object(Map::from_iter([("path".into(), path.into())]))))
}

fn feature(text: &str) -> Option<Piece> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let value = boolean(value)?;
    is_key(name).then(|| Piece::Entry(name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use crate::engine::options::EngineOpt;

    /// Each option as one line: what it sets, or why not.
    fn read(options: &[&str]) -> String {
        let line = |text: &&str| match EngineOpt::parse(text) {
            Ok(option) => format!("{text}  =>  {} {:?}", option.key(), option.piece),
            Err(error) => format!("{text}  =>  ERROR {error}"),
        };
        options.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_kind_is_read() {
        insta::assert_snapshot!(read(&[
            "metrics-addr=0.0.0.0:9323",
            "metrics-addr=[::1]:9323",
            "log-driver=json-file",
            "log-opt=max-size=10m",
            "log-opt tag={{.Name}} x",
            "experimental",
            "--debug",
            "-D",
            "iptables=false",
            "icc=0",
            "mtu=1450",
            "shutdown-timeout=-1",
            "bip=172.30.0.1/16",
            "fixed-cidr-v6=2001:db8::/64",
            "dns=8.8.8.8",
            "dns-search=example.com",
            "default-shm-size=64M",
            "log-level=warn",
            "label=a=b=c",
            "label=x=$(id -u)",
            "node-generic-resource=GPU=UUID1",
            "registry-mirror=https://mirror.example.com:5000/path",
            "insecure-registry=10.0.0.0/8",
            "storage-opt=overlay2.size=10G",
            "exec-opt=native.cgroupdriver=systemd",
            "default-ulimit=nofile=64000:65000",
            "default-ulimit=core=-1",
            "default-address-pool=base=172.30.0.0/16,size=24",
            "default-network-opt=bridge=com.docker.network.driver.mtu=1400",
            "add-runtime=crun=/usr/bin/crun",
            "feature=containerd-snapshotter",
            "feature=buildkit=false",
            "no-proxy=localhost,.example.com",
            "graph=/data",
            "-g /data",
        ]), @r#"
        metrics-addr=0.0.0.0:9323  =>  metrics-addr Scalar(String("0.0.0.0:9323"))
        metrics-addr=[::1]:9323  =>  metrics-addr Scalar(String("[::1]:9323"))
        log-driver=json-file  =>  log-driver Scalar(String("json-file"))
        log-opt=max-size=10m  =>  log-opts Entry("max-size", String("10m"))
        log-opt tag={{.Name}} x  =>  log-opts Entry("tag", String("{{.Name}} x"))
        experimental  =>  experimental Scalar(Bool(true))
        --debug  =>  debug Scalar(Bool(true))
        -D  =>  debug Scalar(Bool(true))
        iptables=false  =>  iptables Scalar(Bool(false))
        icc=0  =>  icc Scalar(Bool(false))
        mtu=1450  =>  mtu Scalar(Number(1450))
        shutdown-timeout=-1  =>  shutdown-timeout Scalar(Number(-1))
        bip=172.30.0.1/16  =>  bip Scalar(String("172.30.0.1/16"))
        fixed-cidr-v6=2001:db8::/64  =>  fixed-cidr-v6 Scalar(String("2001:db8::/64"))
        dns=8.8.8.8  =>  dns Item(String("8.8.8.8"))
        dns-search=example.com  =>  dns-search Item(String("example.com"))
        default-shm-size=64M  =>  default-shm-size Scalar(String("64M"))
        log-level=warn  =>  log-level Scalar(String("warn"))
        label=a=b=c  =>  labels Item(String("a=b=c"))
        label=x=$(id -u)  =>  labels Item(String("x=$(id -u)"))
        node-generic-resource=GPU=UUID1  =>  node-generic-resources Item(String("GPU=UUID1"))
        registry-mirror=https://mirror.example.com:5000/path  =>  registry-mirrors Item(String("https://mirror.example.com:5000/path"))
        insecure-registry=10.0.0.0/8  =>  insecure-registries Item(String("10.0.0.0/8"))
        storage-opt=overlay2.size=10G  =>  storage-opts Item(String("overlay2.size=10G"))
        exec-opt=native.cgroupdriver=systemd  =>  exec-opts Item(String("native.cgroupdriver=systemd"))
        default-ulimit=nofile=64000:65000  =>  default-ulimits Entry("nofile", Object {"Name": String("nofile"), "Hard": Number(65000), "Soft": Number(64000)})
        default-ulimit=core=-1  =>  default-ulimits Entry("core", Object {"Name": String("core"), "Hard": Number(-1), "Soft": Number(-1)})
        default-address-pool=base=172.30.0.0/16,size=24  =>  default-address-pools Item(Object {"base": String("172.30.0.0/16"), "size": Number(24)})
        default-network-opt=bridge=com.docker.network.driver.mtu=1400  =>  default-network-opts Nested("bridge", "com.docker.network.driver.mtu", String("1400"))
        add-runtime=crun=/usr/bin/crun  =>  runtimes Entry("crun", Object {"path": String("/usr/bin/crun")})
        feature=containerd-snapshotter  =>  features Entry("containerd-snapshotter", Bool(true))
        feature=buildkit=false  =>  features Entry("buildkit", Bool(false))
        no-proxy=localhost,.example.com  =>  proxies Entry("no-proxy", String("localhost,.example.com"))
        graph=/data  =>  data-root Scalar(String("/data"))
        -g /data  =>  data-root Scalar(String("/data"))
        "#);
    }

    #[test]
    fn every_kind_refuses_what_it_cannot_be() {
        insta::assert_snapshot!(read(&[
            "mtu=abc",
            "mtu=-5",
            "mtu",
            "mtu=",
            "shutdown-timeout=-2",
            "debug=maybe",
            "metrics-addr=9323",
            "metrics-addr=:9323",
            "metrics-addr=host:99999",
            "metrics-addr=::1:9323",
            "bip=172.30.0.1",
            "bip=172.30.0.1/33",
            "ip=localhost",
            "dns=dns.google",
            "default-shm-size=lots",
            "log-level=loud",
            "label=novalue",
            "label==v",
            "label=com.docker.x=y",
            "log-opt=max-size",
            "registry-mirror=mirror.example.com",
            "registry-mirror=ftp://m",
            "registry-mirror=https://u:p@m",
            "registry-mirror=https://m/?q",
            "default-ulimit=files=1",
            "default-ulimit=nofile=5:4",
            "default-address-pool=base=10.0.0.0/16,size=8",
            "default-address-pool=10.0.0.0/16",
            "default-network-opt=bridge=x",
            "add-runtime=runc=/usr/bin/runc",
            "add-runtime=x=",
            "feature=x=y",
            "host=tcp://0.0.0.0:2375",
            "-H fd://",
            "tlsverify",
            "config-file=/x",
            "cluster-store=consul://x",
            "cluster-advertise=eth0:2376",
            "cluster-store-opt=a=b",
            "disable-legacy-registry",
            "oom-score-adjust=-500",
            "api-cors-header=*",
            "min-api-version=1.24",
            "lable=a=b",
            "labels=a=b",
            "frobnicate=1",
            "",
        ]), @r#"
        mtu=abc  =>  ERROR the engine option mtu takes a whole number, not "abc"
        mtu=-5  =>  ERROR the engine option mtu takes a whole number, not "-5"
        mtu  =>  ERROR the engine option mtu needs a value: a whole number
        mtu=  =>  ERROR the engine option mtu needs a value: a whole number
        shutdown-timeout=-2  =>  ERROR the engine option shutdown-timeout takes a whole number, not "-2"
        debug=maybe  =>  ERROR the engine option debug takes true or false, not "maybe"
        metrics-addr=9323  =>  ERROR the engine option metrics-addr takes HOST:PORT, not "9323"
        metrics-addr=:9323  =>  ERROR the engine option metrics-addr takes HOST:PORT, not ":9323"
        metrics-addr=host:99999  =>  ERROR the engine option metrics-addr takes HOST:PORT, not "host:99999"
        metrics-addr=::1:9323  =>  ERROR the engine option metrics-addr takes HOST:PORT, not "::1:9323"
        bip=172.30.0.1  =>  ERROR the engine option bip takes an address with its prefix like 172.30.0.1/16, not "172.30.0.1"
        bip=172.30.0.1/33  =>  ERROR the engine option bip takes an address with its prefix like 172.30.0.1/16, not "172.30.0.1/33"
        ip=localhost  =>  ERROR the engine option ip takes an IP address, not "localhost"
        dns=dns.google  =>  ERROR the engine option dns takes an IP address, not "dns.google"
        default-shm-size=lots  =>  ERROR the engine option default-shm-size takes a size like 64M, not "lots"
        log-level=loud  =>  ERROR the engine option log-level takes one of debug, info, warn, error, fatal, not "loud"
        label=novalue  =>  ERROR the engine option label takes KEY=VALUE, not "novalue"
        label==v  =>  ERROR the engine option label takes KEY=VALUE, not "=v"
        label=com.docker.x=y  =>  ERROR the engine option label takes a label outside the namespaces that Docker keeps for itself, not "com.docker.x=y"
        log-opt=max-size  =>  ERROR the engine option log-opt takes KEY=VALUE, not "max-size"
        registry-mirror=mirror.example.com  =>  ERROR the engine option registry-mirror takes an http:// or https:// URL without user, query or fragment, not "mirror.example.com"
        registry-mirror=ftp://m  =>  ERROR the engine option registry-mirror takes an http:// or https:// URL without user, query or fragment, not "ftp://m"
        registry-mirror=https://u:p@m  =>  ERROR the engine option registry-mirror takes an http:// or https:// URL without user, query or fragment, not "https://***@m"
        registry-mirror=https://m/?q  =>  ERROR the engine option registry-mirror takes an http:// or https:// URL without user, query or fragment, not "https://m/?q"
        default-ulimit=files=1  =>  ERROR the engine option default-ulimit takes NAME=SOFT[:HARD], not "files=1"
        default-ulimit=nofile=5:4  =>  ERROR the engine option default-ulimit takes NAME=SOFT[:HARD], not "nofile=5:4"
        default-address-pool=base=10.0.0.0/16,size=8  =>  ERROR the engine option default-address-pool takes base=ADDRESS/PREFIX,size=PREFIX, not "base=10.0.0.0/16,size=8"
        default-address-pool=10.0.0.0/16  =>  ERROR the engine option default-address-pool takes base=ADDRESS/PREFIX,size=PREFIX, not "10.0.0.0/16"
        default-network-opt=bridge=x  =>  ERROR the engine option default-network-opt takes DRIVER=OPTION=VALUE, not "bridge=x"
        add-runtime=runc=/usr/bin/runc  =>  ERROR the engine option add-runtime takes NAME=PATH, the name not runc, not "runc=/usr/bin/runc"
        add-runtime=x=  =>  ERROR the engine option add-runtime takes NAME=PATH, the name not runc, not "x="
        feature=x=y  =>  ERROR the engine option feature takes NAME or NAME=true or NAME=false, not "x=y"
        host=tcp://0.0.0.0:2375  =>  ERROR the engine option host cannot be used: rmachine sets where the engine listens
        -H fd://  =>  ERROR the engine option host cannot be used: rmachine sets where the engine listens
        tlsverify  =>  ERROR the engine option tlsverify cannot be used: rmachine sets up TLS itself; see --tls-san and the --tls-* options
        config-file=/x  =>  ERROR the engine option config-file cannot be used: rmachine keeps the engine's settings in /etc/docker/daemon.json
        cluster-store=consul://x  =>  ERROR the engine option cluster-store cannot be used: removed in Docker 23.0 with classic swarm; overlay networks now come from swarm mode (docker swarm init)
        cluster-advertise=eth0:2376  =>  ERROR the engine option cluster-advertise cannot be used: removed in Docker 23.0 with classic swarm; overlay networks now come from swarm mode (docker swarm init)
        cluster-store-opt=a=b  =>  ERROR the engine option cluster-store-opt cannot be used: removed in Docker 23.0 with classic swarm; overlay networks now come from swarm mode (docker swarm init)
        disable-legacy-registry  =>  ERROR the engine option disable-legacy-registry cannot be used: removed in Docker 19.03; no engine speaks to such registries now
        oom-score-adjust=-500  =>  ERROR the engine option oom-score-adjust cannot be used: removed in Docker 25.0; set OOMScoreAdjust= in docker.service
        api-cors-header=*  =>  ERROR the engine option api-cors-header cannot be used: removed in Docker 28.0; put a reverse proxy in front of the engine
        min-api-version=1.24  =>  ERROR the engine option min-api-version cannot be used: use --engine-env DOCKER_MIN_API_VERSION=VERSION
        lable=a=b  =>  ERROR "lable" is no option of the Docker engine; did you mean label?
        labels=a=b  =>  ERROR "labels" is no option of the Docker engine; did you mean label?
        frobnicate=1  =>  ERROR "frobnicate" is no option of the Docker engine
          =>  ERROR "" is no option of the Docker engine
        "#);
    }
}
