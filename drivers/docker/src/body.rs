//! The container that is a machine, as the Engine API takes it.

use serde_json::{Map, Value, json};

use rmachine_driver::Tags;

use crate::engine::{Labels, PORTS};
use crate::network::{Place, endpoint_config};
use crate::options::{Port, Wanted};

/// Where a machine keeps its own images and containers: overlay2 cannot be stacked on overlay2.
const VOLUMES: [&str; 2] = ["/var/lib/docker", "/var/lib/containerd"];

/// Every capability by its own name, in the kernel's order. `ALL` asks for those that the engine itself may lack, and the
/// few that are younger than these come with SYS_ADMIN.
const CAPABILITIES: [&str; 38] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
];

/// The capabilities that an engine can hand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounding(u64);

impl Bounding {
    pub(crate) const FULL: Self = Self(u64::MAX);

    /// Out of `/proc/PID/status`.
    pub(crate) fn of_status(status: &str) -> Option<Self> {
        let line = status.lines().find_map(|l| l.strip_prefix("CapBnd:"))?;
        u64::from_str_radix(line.trim(), 16).ok().map(Self)
    }

    /// Without one, by its name.
    pub(crate) fn without(self, name: &str) -> Self {
        let bit = CAPABILITIES.iter().position(|c| *c == name);
        Self(bit.map_or(self.0, |bit| self.0 & !(1 << bit)))
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        CAPABILITIES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| name)
    }
}

pub(crate) fn labels(tags: &Tags) -> Labels {
    tags.pairs().into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(crate) fn container(tags: &Tags, wanted: &Wanted, image: &str, place: &Place, caps: Bounding) -> Value {
    let mut labels = labels(tags);
    if let Some(ports) = &place.ports {
        labels.insert(PORTS.to_owned(), format!("{},{}", ports.ssh, ports.engine));
    }
    json!({
        "Image": image,
        "Hostname": wanted.hostname,
        "Labels": labels,
        "StopSignal": "SIGRTMIN+3",
        "ExposedPorts": exposed(wanted, place),
        "HostConfig": host_config(tags, wanted, place, caps),
        "NetworkingConfig": {"EndpointsConfig": {&wanted.network: endpoint_config(place)}},
    })
}

/// What makes a container a host: it may do all that its engine may, and sees a /proc and a /sys of which nothing is hidden.
fn host_config(tags: &Tags, wanted: &Wanted, place: &Place, caps: Bounding) -> Value {
    let mounts: Vec<Value> = VOLUMES
        .iter()
        .map(|path| json!({"Type": "volume", "Target": path, "VolumeOptions": {"Labels": labels(tags)}}))
        .collect();
    json!({
        "CapAdd": caps.names().collect::<Vec<_>>(),
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
        "MaskedPaths": [],
        "ReadonlyPaths": [],
        "CgroupnsMode": "private",
        "UsernsMode": "host",
        "DeviceCgroupRules": ["a *:* rwm"],
        "Tmpfs": {"/run": "", "/run/lock": ""},
        "Mounts": mounts,
        "Binds": wanted.volumes,
        "NetworkMode": wanted.network,
        "PortBindings": bindings(wanted, place),
        "Memory": wanted.memory,
        "NanoCpus": wanted.nano_cpus,
        "RestartPolicy": {"Name": "no"},
    })
}

fn ports(wanted: &Wanted, place: &Place) -> Vec<Port> {
    // Understood once already, before the machine was written down.
    let mut ports: Vec<Port> = wanted.ports.iter().filter_map(|p| Port::parse(p).ok()).collect();
    if let Some(own) = &place.ports {
        ports.push(Port::own(&own.ip, own.ssh, 22));
        // The engine inside is told to listen where it is reached: one port has one name on both sides.
        ports.push(Port::own(&own.ip, own.engine, own.engine));
    }
    ports
}

fn exposed(wanted: &Wanted, place: &Place) -> Value {
    ports(wanted, place).iter().map(|p| (p.machine().to_owned(), json!({}))).collect::<Map<_, _>>().into()
}

fn bindings(wanted: &Wanted, place: &Place) -> Value {
    let mut all = Map::new();
    for port in ports(wanted, place) {
        if let Value::Array(list) = all.entry(port.machine()).or_insert_with(|| json!([])) {
            list.push(port.binding());
        }
    }
    all.into()
}

#[cfg(test)]
mod tests {
    use rmachine_driver::{MachineName, Uuid};

    use super::*;
    use crate::image::Recipe;
    use crate::network::OwnPorts;

    fn wanted() -> Wanted {
        Wanted {
            image: None,
            recipe: Recipe { suite: "trixie".into(), extra: vec![], engine: true },
            network: "rmachine".into(),
            memory: 2 << 30,
            nano_cpus: 1_500_000_000,
            volumes: vec!["/src:/src:ro".into()],
            ports: vec!["8080:80".into(), "127.0.0.1:8081:80".into()],
            hostname: "node-1".into(),
            publish: false,
        }
    }

    fn body(place: &Place, caps: Bounding) -> Value {
        let tags = Tags {
            uuid: Uuid::nil(),
            machine: MachineName::parse("node-1").unwrap(),
            store: "/S".into(),
            computer: "laptop".into(),
            expires: None,
        };
        container(&tags, &wanted(), "rmachine-node:x", place, caps)
    }

    #[test]
    fn the_whole_request() {
        let caps = Bounding::of_status("Name:\tdockerd\nCapBnd:\t0000000000000003\n").unwrap();
        let body = body(&Place { address: Some([172, 18, 0, 2].into()), ports: None }, caps);
        let labels = json!({
            "rmachine.computer": "laptop",
            "rmachine.machine": "node-1",
            "rmachine.store": "/S",
            "rmachine.uuid": "00000000-0000-0000-0000-000000000000",
        });
        assert_eq!(
            body,
            json!({
                "Image": "rmachine-node:x",
                "Hostname": "node-1",
                "Labels": labels,
                "StopSignal": "SIGRTMIN+3",
                "ExposedPorts": {"80/tcp": {}},
                "HostConfig": {
                    "CapAdd": ["CHOWN", "DAC_OVERRIDE"],
                    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
                    "MaskedPaths": [],
                    "ReadonlyPaths": [],
                    "CgroupnsMode": "private",
                    "UsernsMode": "host",
                    "DeviceCgroupRules": ["a *:* rwm"],
                    "Tmpfs": {"/run": "", "/run/lock": ""},
                    "Mounts": [
                        {"Type": "volume", "Target": "/var/lib/docker", "VolumeOptions": {"Labels": labels}},
                        {"Type": "volume", "Target": "/var/lib/containerd", "VolumeOptions": {"Labels": labels}},
                    ],
                    "Binds": ["/src:/src:ro"],
                    "NetworkMode": "rmachine",
                    "PortBindings": {"80/tcp": [
                        {"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "8081"},
                    ]},
                    "Memory": 2_147_483_648_i64,
                    "NanoCpus": 1_500_000_000,
                    "RestartPolicy": {"Name": "no"},
                },
                "NetworkingConfig": {"EndpointsConfig": {"rmachine": {"IPAMConfig": {"IPv4Address": "172.18.0.2"}}}},
            })
        );
    }

    #[test]
    fn published_where_its_address_is_out_of_reach() {
        let ports = OwnPorts { ip: "127.0.0.1".into(), ssh: 20001, engine: 20002 };
        let body = body(&Place { address: None, ports: Some(ports) }, Bounding::FULL);
        assert_eq!(body["Labels"]["rmachine.ports"], "20001,20002");
        assert_eq!(
            body["HostConfig"]["PortBindings"]["22/tcp"],
            json!([{"HostIp": "127.0.0.1", "HostPort": "20001"}])
        );
        assert_eq!(body["ExposedPorts"], json!({"80/tcp": {}, "22/tcp": {}, "20002/tcp": {}}));
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"]["rmachine"], json!({}));
    }

    #[test]
    fn capabilities_are_those_of_the_engine() {
        let of = |status: &str| Bounding::of_status(status).unwrap().names().collect::<Vec<_>>();
        let most = of("CapBnd:\t000001fffeffffff");
        assert!(most.len() == 37 && !most.contains(&"SYS_RESOURCE"));
        assert_eq!(Bounding::FULL.names().count(), 38);
        assert_eq!(Bounding::FULL.without("SYS_RESOURCE").names().collect::<Vec<_>>(), most);
        assert_eq!(Bounding::FULL.without("NO_SUCH"), Bounding::FULL);
        assert_eq!(Bounding::of_status("Name: x"), None);
    }
}
