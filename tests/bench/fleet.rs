//! Clusters of simulated hosts in this one process: engines that speak TLS and just enough of the API to be founded, joined
//! and looked at. Tells what planning and joining cost, and holds the memory of all of it, the engines included, to its
//! limit, and what a node costs to the same in a large cluster as in a small one.
//!
//!     cargo bench --profile dev --bench fleet
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of its own, which may print and give up"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rmachine::certs::Certs;
use rmachine::cluster::{Kit, Limits, Node, Place, Wanted, plan};
use rmachine::machines::{CreatePlan, Machines};
use rmachine::model::{Availability, ClusterName, Failure, Role, SwarmSettings};
use rmachine::pki;
use rmachine::registry::Registry;
use rmachine::ssh::SshEnv;
use rmachine::store::{HostConfig, OwnState, Store};
use rmachine::swarm::Swarm;
use rmachine::ui::TerminalPrompter;
use rmachine_driver::secrecy::ExposeSecret;
use rmachine_driver::{DraftRequest, MachineName, Options, Silent, Source, Value as OptionValue};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The last is the one that counts; the first is there to tell whether a node costs more among many.
const NODES: [usize; 2] = [125, 500];
/// Of requests and of bytes a node. What is asked once for all is a list of all, and so no more for each.
const GROWTH: f64 = 1.2;
const MANAGERS: usize = 3;
const LARGEST: usize = 100 << 20;

/// What all engines together know, and what was said to them.
#[derive(Default)]
struct Fleet {
    nodes: Mutex<BTreeMap<usize, Value>>,
    connections: AtomicUsize,
    requests: AtomicUsize,
    received: AtomicUsize,
    sent: AtomicUsize,
}

/// What was said since the last time.
#[derive(Clone, Copy)]
struct Traffic {
    connections: usize,
    requests: usize,
    bytes: usize,
}

impl Fleet {
    fn traffic(&self) -> Traffic {
        let take = |n: &AtomicUsize| n.swap(0, Ordering::Relaxed);
        Traffic {
            connections: take(&self.connections),
            requests: take(&self.requests),
            bytes: take(&self.received) + take(&self.sent),
        }
    }

    fn join(&self, number: usize, manager: bool) {
        let mut nodes = self.nodes.lock().unwrap();
        let leader = nodes.is_empty();
        let mut node = json!({
            "ID": id(number),
            "Version": {"Index": number},
            "Spec": {"Role": if manager { "manager" } else { "worker" }, "Availability": "active", "Labels": {}},
            "Description": {
                "Hostname": format!("host-{number}"),
                "Platform": {"Architecture": "x86_64", "OS": "linux"},
                "Resources": {"NanoCPUs": 2_000_000_000_u64, "MemoryBytes": 4_123_456_789_u64},
                "Engine": {"EngineVersion": "26.1.5", "Plugins": plugins()},
                // About as long as a real one.
                "TLSInfo": {"TrustRoot": "x".repeat(640), "CertIssuerSubject": "x".repeat(28), "CertIssuerPublicKey": "x".repeat(124)},
            },
            "Status": {"State": "ready", "Addr": address(number)},
        });
        if manager {
            let addr = format!("{}:2377", address(number));
            node["ManagerStatus"] = json!({"Leader": leader, "Reachability": "reachable", "Addr": addr});
        }
        nodes.insert(number, node);
    }

    /// Written one after the other: the engines here are not to hold what the program is measured by.
    fn all_nodes(&self, wanted: impl Fn(&Value) -> bool) -> String {
        let nodes = self.nodes.lock().unwrap();
        let mut text = "[".to_owned();
        for node in nodes.values().filter(|n| wanted(n)) {
            text.push_str(if text.len() > 1 { "," } else { "" });
            write!(text, "{node}").expect("a string");
        }
        text + "]"
    }

    /// The answer of one engine.
    fn answer(&self, number: usize, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let path = path.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (method, &segments[..]) {
            ("GET", ["info"]) => (200, self.info(number)),
            ("POST", ["swarm", "init"]) => {
                self.join(number, true);
                (200, json!(id(number)))
            }
            ("POST", ["swarm", "join"]) => {
                let request: Value = serde_json::from_slice(body).expect("a request");
                self.join(number, request["JoinToken"] == "manager-token");
                (200, Value::Null)
            }
            ("GET", ["swarm"]) => (
                200,
                json!({
                    "ID": "swarm", "Version": {"Index": 1}, "Spec": {"EncryptionConfig": {"AutoLockManagers": false}},
                    "JoinTokens": {"Worker": "worker-token", "Manager": "manager-token"},
                }),
            ),
            ("GET", ["nodes", id]) => match self.nodes.lock().unwrap().get(&number_of(id)) {
                Some(node) => (200, node.clone()),
                None => (404, json!({"message": "no such node"})),
            },
            ("POST", ["nodes", id, "update"]) => {
                let spec = serde_json::from_slice(body).expect("a spec");
                self.nodes.lock().unwrap().get_mut(&number_of(id)).expect("a node")["Spec"] = spec;
                (200, Value::Null)
            }
            ("GET", ["networks" | "services" | "tasks"]) => (200, json!([])),
            _ => (404, json!({"message": format!("{method} {path}?")})),
        }
    }

    fn info(&self, number: usize) -> Value {
        let nodes = self.nodes.lock().unwrap();
        let swarm = match nodes.get(&number) {
            None => json!({"LocalNodeState": "inactive"}),
            Some(node) => json!({
                "NodeID": id(number),
                "NodeAddr": address(number),
                "LocalNodeState": "active",
                "ControlAvailable": node["ManagerStatus"].is_object(),
            }),
        };
        json!({"Name": format!("host-{number}"), "ServerVersion": "26.1.5",
            "SystemTime": Timestamp::now().to_string(), "Swarm": swarm})
    }
}

fn plugins() -> Value {
    let named = |(kind, name): &(&str, &str)| json!({"Type": kind, "Name": name});
    let logs =
        ["awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "splunk", "syslog"];
    let networks = ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"];
    let all = logs.iter().map(|n| ("Log", *n)).chain(networks.iter().map(|n| ("Network", *n)));
    all.collect::<Vec<_>>().iter().map(named).collect()
}

fn id(number: usize) -> String {
    format!("node{number:021}")
}

fn number_of(id: &str) -> usize {
    id.trim_start_matches("node").parse().expect("an id")
}

fn address(number: usize) -> String {
    format!("10.0.{}.{}", number / 250, number % 250 + 1)
}

/// One request after the other, until the other side goes.
async fn serve(fleet: &Fleet, number: usize, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            (stream.read_buf(&mut buffer).await.ok()? > 0).then_some(())?;
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
        let line = String::from_utf8_lossy(&buffer[..head]).lines().next()?.to_owned();
        let length =
            text.lines().find_map(|l| l.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
        while buffer.len() < head + length {
            (stream.read_buf(&mut buffer).await.ok()? > 0).then_some(())?;
        }
        let mut words = line.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let (code, body) = if path == "/nodes" {
            (200, fleet.all_nodes(|_| true))
        } else if path.starts_with("/nodes?filters=") && path.contains("role") && path.contains("manager") {
            (200, fleet.all_nodes(|n| n["ManagerStatus"].is_object()))
        } else {
            let (code, answer) = fleet.answer(number, method, path, &buffer[head..head + length]);
            (code, if answer.is_null() { String::new() } else { answer.to_string() })
        };
        buffer.drain(..head + length);
        let said = format!(
            "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        fleet.requests.fetch_add(1, Ordering::Relaxed);
        fleet.received.fetch_add(head + length, Ordering::Relaxed);
        fleet.sent.fetch_add(said.len() + body.len(), Ordering::Relaxed);
        stream.write_all(said.as_bytes()).await.ok()?;
        stream.write_all(body.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}

/// Starts the engines; their ports, in order.
async fn engines(nodes: usize, fleet: &Arc<Fleet>, store: &Store) -> Vec<u16> {
    let ca = pki::new_ca("bench", Timestamp::now()).expect("a CA");
    let certs = store.certs_dir();
    store.make_dir(&certs).expect("a folder");
    store.write_file(&certs.join("ca.pem"), ca.cert.as_bytes(), 0o644).expect("ca.pem");
    store
        .write_file(&certs.join("ca-key.pem"), ca.key.expose_secret().as_bytes(), 0o600)
        .expect("ca-key.pem");
    let pair =
        pki::server(&ca, "bench", &["127.0.0.1".to_owned()], false, Timestamp::now()).expect("a server");
    let key = PrivateKeyDer::from_pem_slice(pair.key.expose_secret().as_bytes()).expect("a key");
    let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut ports = Vec::with_capacity(nodes);
    for number in 0..nodes {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        ports.push(listener.local_addr().expect("an address").port());
        let (fleet, acceptor) = (fleet.clone(), acceptor.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (fleet, acceptor) = (fleet.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    fleet.connections.fetch_add(1, Ordering::Relaxed);
                    serve(&fleet, number, stream).await;
                });
            }
        });
    }
    ports
}

fn wanted(nodes: usize) -> Wanted {
    let node = |number: usize| Node {
        name: MachineName::parse(&format!("fleet-n-{number}")).expect("a name"),
        group: "n".to_owned(),
        role: if number < MANAGERS { Role::Manager } else { Role::Worker },
        availability: Availability::Active,
        labels: [("rack".to_owned(), (number % 10).to_string())].into(),
        driver: "none".to_owned(),
        options: BTreeMap::new(),
        shared: BTreeMap::new(),
        at: Place::default(),
    };
    Wanted {
        name: ClusterName::parse("fleet").expect("a name"),
        settings: SwarmSettings::default(),
        nodes: (0..nodes).map(node).collect(),
        networks: Vec::new(),
        stacks: Vec::new(),
    }
}

/// A machine that is nothing but the URL of its engine.
fn draft(registry: &Registry, store: &Store, ports: &[u16], node: &Node) -> Result<CreatePlan, Failure> {
    let driver = registry.find("none").expect("a driver");
    let number: usize = node.name.as_str().rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number");
    let mut options = Options::defaults(&driver.options());
    options.set("url", OptionValue::Text(format!("tcp://127.0.0.1:{}", ports[number])), Source::Given);
    let machine_dir = store.machine_dir(&node.name);
    let request = DraftRequest {
        name: &node.name,
        options: &options,
        store_path: store.root(),
        machine_dir: &machine_dir,
        member: false,
    };
    let draft = driver.draft(&request)?;
    let config = HostConfig::new(&node.name, driver.name(), draft.state, store.root());
    Ok(CreatePlan {
        name: node.name.clone(),
        driver,
        config,
        own: OwnState::new(Timestamp::now()),
        imports: draft.imports,
        secret: draft.secret,
        keep_on_failure: false,
        ssh_timeout: None,
    })
}

/// The most that this process ever held.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("its status");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("a high-water mark");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// Requests and bytes, for each node.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn row(what: &str, nodes: usize, took: Duration, fleet: &Fleet) -> (f64, f64) {
    let Traffic { connections, requests, bytes } = fleet.traffic();
    let each = (requests as f64 / nodes as f64, bytes as f64 / nodes as f64);
    println!(
        "| {what} | {:.2} s | {connections} | {requests} | {:.1} MB | {:.1} | {:.1} kB | {} MB |",
        took.as_secs_f64(),
        bytes as f64 / 1e6,
        each.0,
        each.1 / 1e3,
        most_memory() >> 20
    );
    each
}

/// What making a cluster of so many takes, for each of them.
async fn measure(nodes: usize) -> (f64, f64) {
    // Hosts that are made within the same moment would wait for the disk together, as no real ones do.
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let store = Store::at(folder.path().join("store"));
    let fleet = Arc::new(Fleet::default());
    let ports = engines(nodes, &fleet, &store).await;
    let registry = Registry::default();
    let machines = Machines {
        store: store.clone(),
        registry: registry.clone(),
        ssh_env: SshEnv::default(),
        prompter: Arc::new(TerminalPrompter),
        reporter: Arc::new(Silent),
        certs: Certs::new(store.clone(), "bench".to_owned()),
        computer: "bench".to_owned(),
        program: "rmachine".to_owned(),
    };
    let kit = Kit {
        swarm: Swarm { machines },
        draft: &|node| draft(&registry, &store, &ports, node),
        amend: &|_, _| Ok(()),
        tell: &|_| (),
    };
    let wanted = wanted(nodes);
    let limits = Limits { at_once: 50, wait: Duration::from_secs(60) };
    println!(
        "| {nodes} hosts in this process | time | connections | requests | traffic | requests a node | traffic a node | memory at most |"
    );
    println!("|---|---|---|---|---|---|---|---|");

    let began = Instant::now();
    let present = kit.look(&wanted).await.expect("a look");
    let first = plan::plan(&wanted, &present);
    row("plan of what is to be made", nodes, began.elapsed(), &fleet);
    assert_eq!(first.steps.len(), nodes);

    let began = Instant::now();
    if let Err(failures) = kit.up(&wanted, &first, &present, &limits).await {
        panic!("{} failures: {:?}", failures.len(), failures.first());
    }
    let each = row("up: made, joined, labelled, all ready", nodes, began.elapsed(), &fleet);

    let began = Instant::now();
    let present = kit.look(&wanted).await.expect("a look");
    let again = plan::plan(&wanted, &present);
    row("plan when all is there", nodes, began.elapsed(), &fleet);
    assert!(again.is_empty(), "{:?}", again.steps.first());
    println!();
    each
}

fn main() -> ExitCode {
    let _ = rlimit::increase_nofile_limit(16_384);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let [few, many] = NODES.map(|nodes| runtime.block_on(measure(nodes)));
    let growth = (many.0 / few.0, many.1 / few.1);
    let even = growth.0 <= GROWTH && growth.1 <= GROWTH;
    println!(
        "A node among {} against one among {}: {:.2} x the requests, {:.2} x the bytes, at most {GROWTH} x: {}.",
        NODES[1],
        NODES[0],
        growth.0,
        growth.1,
        if even { "met" } else { "**not met**" }
    );
    let small = most_memory() <= LARGEST;
    println!(
        "Memory of all of it, the engines included: {} MB, at most {} MB: {}.",
        most_memory() >> 20,
        LARGEST >> 20,
        if small { "met" } else { "**not met**" }
    );
    if small && even { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
