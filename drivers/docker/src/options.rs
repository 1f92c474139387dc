//! What `create` can be told, understood at once and kept in the machine's state under docker-machine-like keys.

use std::net::IpAddr;

use rmachine_driver::{DriverError, DriverState, MachineName, OptionKind, OptionSpec, Options};
use serde_json::{Value, json};

use crate::image::Recipe;

/// The network that machines share unless told otherwise; made for the first and removed with the last.
pub(crate) const NETWORK: &str = "rmachine";
/// Linux takes no longer ones.
const LONGEST_HOSTNAME: usize = 63;
/// Less than this, and systemd with an engine does not come up.
const LEAST_MEMORY: i64 = 64 << 20;

fn flag(name: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::Flag, help).env(env)
}

fn text(name: &'static str, value: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::text(""), help).env(env).value_name(value)
}

fn list(name: &'static str, value: &'static str, env: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(name, OptionKind::list(), help).env(env).value_name(value)
}

pub(crate) fn specs() -> Vec<OptionSpec> {
    vec![
        text(
            "docker-cpus",
            "NUMBER",
            "RMACHINE_DOCKER_CPUS",
            "Maximum number of CPUs, for example 1.5 (default: no limit)",
        ),
        text(
            "docker-hostname",
            "NAME",
            "RMACHINE_DOCKER_HOSTNAME",
            "Host name (default: the machine's name)",
        ),
        text(
            "docker-image",
            "IMAGE",
            "RMACHINE_DOCKER_IMAGE",
            "Node image to use (default: rmachine builds one on first use)",
        ),
        text(
            "docker-memory",
            "SIZE",
            "RMACHINE_DOCKER_MEMORY",
            "Maximum memory, for example 512m or 2g (default: no limit)",
        ),
        OptionSpec {
            kind: OptionKind::text(NETWORK),
            ..text(
                "docker-network",
                "NETWORK",
                "RMACHINE_DOCKER_NETWORK",
                "Docker network of the machine; rmachine creates it if it is missing, and removes it with its last machine",
            )
        },
        flag(
            "docker-no-engine",
            "RMACHINE_DOCKER_NO_ENGINE",
            "Build the node image without Docker, so that `create` installs it",
        ),
        list(
            "docker-package",
            "PACKAGE",
            "RMACHINE_DOCKER_PACKAGE",
            "Additional Debian package in the node image",
        ),
        list("docker-port", "PORT", "RMACHINE_DOCKER_PORT", "Port to publish, as [[IP:]HOST:]MACHINE[/udp]"),
        flag(
            "docker-publish",
            "RMACHINE_DOCKER_PUBLISH",
            "Publish SSH and the engine on 127.0.0.1; always done if the container's address is unreachable from here",
        ),
        OptionSpec {
            kind: OptionKind::text("trixie"),
            ..text("docker-suite", "NAME", "RMACHINE_DOCKER_SUITE", "Debian release of the node image")
        },
        list(
            "docker-volume",
            "SOURCE:PATH",
            "RMACHINE_DOCKER_VOLUME",
            "Volume or directory to mount, as SOURCE:PATH[:ro]",
        ),
    ]
}

/// A machine as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) image: Option<String>,
    pub(crate) recipe: Recipe,
    pub(crate) network: String,
    /// Bytes; zero is no limit.
    pub(crate) memory: i64,
    /// Billionths; zero is no limit.
    pub(crate) nano_cpus: i64,
    pub(crate) volumes: Vec<String>,
    pub(crate) ports: Vec<String>,
    pub(crate) hostname: String,
    pub(crate) publish: bool,
}

impl Wanted {
    pub(crate) fn from_options(name: &MachineName, options: &Options) -> Result<Self, DriverError> {
        // The engine's rule for names of containers; a machine's are stricter in everything else.
        if name.as_str().len() < 2 {
            return Err(DriverError::invalid("a container's name has at least two characters"));
        }
        let text = |option: &str| Some(options.text(option).to_owned()).filter(|t| !t.is_empty());
        let memory = text("docker-memory").map_or(Ok(0), |t| memory(&t))?;
        let nano_cpus = text("docker-cpus").map_or(Ok(0), |t| cpus(&t))?;
        options.list("docker-volume").iter().try_for_each(|v| check_volume(v))?;
        options.list("docker-port").iter().try_for_each(|p| Port::parse(p).map(drop))?;
        Ok(Self {
            image: text("docker-image"),
            recipe: Recipe::from_options(options)?,
            network: network(options.text("docker-network"))?,
            memory,
            nano_cpus,
            volumes: options.list("docker-volume").to_vec(),
            ports: options.list("docker-port").to_vec(),
            hostname: hostname(&text("docker-hostname").unwrap_or_else(|| name.to_string()))?,
            publish: options.flag("docker-publish"),
        })
    }

    pub(crate) fn keep(&self, state: &mut DriverState) {
        state.set("Image", self.image.clone().unwrap_or_default());
        state.set("Suite", self.recipe.suite.as_str());
        state.set("Packages", self.recipe.extra.clone());
        state.set("NoEngine", !self.recipe.engine);
        state.set("Network", self.network.as_str());
        state.set("Memory", self.memory);
        state.set("NanoCPUs", self.nano_cpus);
        state.set("Volumes", self.volumes.clone());
        state.set("Ports", self.ports.clone());
        state.set("Hostname", self.hostname.as_str());
        state.set("Publish", self.publish);
    }

    pub(crate) fn kept(state: &DriverState) -> Self {
        let list = |key: &str| -> Vec<String> {
            let values = state.0.get(key).and_then(Value::as_array);
            values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            image: Some(state.text("Image").to_owned()).filter(|t| !t.is_empty()),
            recipe: Recipe {
                suite: state.text("Suite").to_owned(),
                extra: list("Packages"),
                engine: !state.flag("NoEngine"),
            },
            network: state.text("Network").to_owned(),
            memory: state.int("Memory"),
            nano_cpus: state.int("NanoCPUs"),
            volumes: list("Volumes"),
            ports: list("Ports"),
            hostname: state.text("Hostname").to_owned(),
            publish: state.flag("Publish"),
        }
    }
}

/// A port of the machine's that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    ip: String,
    host: String,
    /// `80/tcp`.
    machine: String,
}

impl Port {
    pub(crate) fn parse(text: &str) -> Result<Self, DriverError> {
        let refused =
            || DriverError::invalid(format!("--docker-port {text:?} is not [[IP:]HOST:]MACHINE[/udp]"));
        let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        let (outer, machine) = rest.rsplit_once(':').map_or((None, rest), |(o, m)| (Some(o), m));
        let (ip, host) =
            outer.map_or((None, ""), |o| o.rsplit_once(':').map_or((None, o), |(i, h)| (Some(i), h)));
        let ip = ip.unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_port = |t: &str| t.parse::<u16>().is_ok_and(|p| p != 0);
        let good = is_port(machine)
            && (host.is_empty() || is_port(host))
            && (ip.is_empty() || ip.parse::<IpAddr>().is_ok())
            && matches!(protocol, "tcp" | "udp" | "sctp");
        let port =
            Self { ip: ip.to_owned(), host: host.to_owned(), machine: format!("{machine}/{protocol}") };
        if good { Ok(port) } else { Err(refused()) }
    }

    /// Of the machine's own services.
    pub(crate) fn own(ip: &str, host: u16, machine: u16) -> Self {
        Self { ip: ip.to_owned(), host: host.to_string(), machine: format!("{machine}/tcp") }
    }

    pub(crate) fn machine(&self) -> &str {
        &self.machine
    }

    pub(crate) fn binding(&self) -> Value {
        json!({"HostIp": self.ip, "HostPort": self.host})
    }
}

fn memory(text: &str) -> Result<i64, DriverError> {
    let refused = |why: &str| DriverError::invalid(format!("--docker-memory {text:?} {why}"));
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, unit) = match bare.chars().last() {
        Some('k') => (&bare[..bare.len() - 1], 1 << 10),
        Some('m') => (&bare[..bare.len() - 1], 1 << 20),
        Some('g') => (&bare[..bare.len() - 1], 1 << 30),
        Some('t') => (&bare[..bare.len() - 1], 1 << 40),
        _ => (bare, 1_i64),
    };
    let bytes = digits.parse::<i64>().ok().filter(|n| *n > 0).and_then(|n| n.checked_mul(unit));
    match bytes {
        None => Err(refused("is not an amount of memory like 512m or 2g")),
        Some(bytes) if bytes < LEAST_MEMORY => {
            Err(refused("is too little for a machine: give it 512m or more"))
        }
        Some(bytes) => Ok(bytes),
    }
}

fn cpus(text: &str) -> Result<i64, DriverError> {
    let refused =
        || DriverError::invalid(format!("--docker-cpus {text:?} is not a number of CPUs like 2 or 1.5"));
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str| !t.is_empty() && t.len() <= 9 && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(refused());
    }
    let billions: i64 = format!("{whole}{part:0<9}").parse().map_err(|_| refused())?;
    if billions > 0 { Ok(billions) } else { Err(refused()) }
}

fn check_volume(text: &str) -> Result<(), DriverError> {
    let mut parts = text.split(':');
    let (source, path, mode) = (parts.next(), parts.next(), parts.next());
    let source_good = source.is_some_and(|s| !s.is_empty() && (s.starts_with('/') || !s.contains('/')));
    let good = source_good
        && path.is_some_and(|p| p.starts_with('/') && p.len() > 1)
        && mode.is_none_or(|m| !m.is_empty())
        && parts.next().is_none();
    if good {
        return Ok(());
    }
    Err(DriverError::invalid(format!(
        "--docker-volume {text:?} is not SOURCE:PATH[:ro], with an absolute path or a volume's name as its source"
    )))
}

fn network(text: &str) -> Result<String, DriverError> {
    let shared = matches!(text, "host" | "none") || text.starts_with("container:");
    let good = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if text.is_empty() || shared || !good {
        return Err(DriverError::invalid(format!(
            "--docker-network {text:?} cannot be a machine's: it needs a network on which it has an address of its own"
        )));
    }
    Ok(text.to_owned())
}

fn hostname(text: &str) -> Result<String, DriverError> {
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if text.len() <= LONGEST_HOSTNAME && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(DriverError::invalid(format!(
        "{text:?} cannot be a host name: Linux takes up to {LONGEST_HOSTNAME} characters"
    ))
    .hint("give the machine one with --docker-hostname"))
}

#[cfg(test)]
mod tests {
    use rmachine_driver::{Source, Value as Given};

    use super::*;

    fn wanted(set: &[(&str, Given)]) -> Result<Wanted, String> {
        let mut options = Options::defaults(&specs());
        for (name, value) in set {
            options.set(name, value.clone(), Source::Given);
        }
        Wanted::from_options(&MachineName::parse("node-1").unwrap(), &options).map_err(|e| e.to_string())
    }

    fn text(t: &str) -> Given {
        Given::Text(t.into())
    }

    fn list(t: &[&str]) -> Given {
        Given::List(t.iter().map(|t| (*t).to_owned()).collect())
    }

    #[test]
    fn options_survive_the_state() {
        let wanted = wanted(&[
            ("docker-memory", text("2g")),
            ("docker-cpus", text("1.5")),
            ("docker-volume", list(&["/src:/src:ro", "cache:/var/cache"])),
            ("docker-port", list(&["8080:80"])),
            ("docker-package", list(&["vim", "g++"])),
            ("docker-no-engine", Given::Flag(true)),
            ("docker-hostname", text("db.example.com")),
        ])
        .unwrap();
        assert_eq!((wanted.memory, wanted.nano_cpus), (2 << 30, 1_500_000_000));
        assert_eq!(wanted.recipe.extra, ["g++", "vim"]);
        let mut state = DriverState::default();
        wanted.keep(&mut state);
        assert_eq!(Wanted::kept(&state), wanted);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (option, bad, told) in [
            ("docker-memory", "2x", "is not an amount of memory"),
            ("docker-memory", "-1g", "is not an amount"),
            ("docker-memory", "99999999999g", "is not an amount"),
            ("docker-memory", "1m", "too little"),
            ("docker-cpus", "many", "is not a number of CPUs"),
            ("docker-cpus", "0", "is not a number"),
            ("docker-cpus", "1.", "is not a number"),
            ("docker-network", "host", "cannot be a machine's"),
            ("docker-network", "container:x", "cannot be a machine's"),
            ("docker-hostname", "-x", "cannot be a host name"),
            ("docker-suite", "trixie; id", "is not a Debian suite"),
        ] {
            let error = wanted(&[(option, text(bad))]).unwrap_err();
            assert!(error.contains(told), "{option} {bad}: {error}");
        }
        for (option, bad) in [
            ("docker-volume", "/src"),
            ("docker-volume", "./src:/src"),
            ("docker-volume", "x:rel"),
            ("docker-port", "80:"),
            ("docker-port", "0"),
            ("docker-port", "x:1:2"),
            ("docker-port", "80/icmp"),
            ("docker-package", "vim; id"),
            ("docker-package", "-y"),
        ] {
            assert!(wanted(&[(option, list(&[bad]))]).is_err(), "{option} {bad}");
        }
        let short = MachineName::parse("a").unwrap();
        assert!(Wanted::from_options(&short, &Options::defaults(&specs())).is_err());
    }

    #[test]
    fn ports() {
        for (text, machine, binding) in [
            ("80", "80/tcp", r#"{"HostIp":"","HostPort":""}"#),
            ("8080:80", "80/tcp", r#"{"HostIp":"","HostPort":"8080"}"#),
            ("127.0.0.1:8080:80/udp", "80/udp", r#"{"HostIp":"127.0.0.1","HostPort":"8080"}"#),
            ("[::1]:1:2", "2/tcp", r#"{"HostIp":"::1","HostPort":"1"}"#),
        ] {
            let port = Port::parse(text).unwrap();
            assert_eq!((port.machine(), port.binding().to_string().as_str()), (machine, binding));
        }
    }
}
