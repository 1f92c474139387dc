//! Engines that are not there yet: from the distribution, from a script, at a version, and every way that fails.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::thread;

use crate::e2e::lab::{Host, User};

#[test]
fn trixie_gets_the_distributions_engine_at_the_version_asked_for() {
    let host = Host::up("e2e-distro-trixie", &[]);
    let user = User::new();
    let failed = user.create(&host, "node1", &["--engine-install", "distro", "--engine-version", "19.3"]);
    failed.failed(1, &["19.3", "26.1", "--resume node1"]);
    assert!(!host.try_run("command -v dockerd").status.success(), "another version was installed");
    let args = ["create", "--resume", "--engine-version", "26.1", "node1"];
    let done = user.rmachine(&args).ok();
    assert!(done.out.contains("Installing Docker...\n"), "{}", done.out);
    let version = user.docker("node1", &["version", "-f", "{{.Server.Version}}"]).ok().out;
    assert!(version.starts_with("26.1."), "{version}");
    assert!(host.run("systemctl is-enabled docker").contains("enabled"));
}

#[test]
fn bookworm_gets_its_engine_while_another_program_holds_aptss_lock() {
    let host = Host::up("e2e-distro-bookworm", &["--suite", "bookworm"]);
    let user = User::new();
    host.run(HOLD_THE_LOCK);
    user.create(&host, "node1", &["--generic-ssh-user", "debian", "--engine-install", "distro"]).ok();
    user.docker("node1", &["version"]).ok();
}

/// What unattended-upgrades does on a fresh host: apt's lock is taken for a while.
const HOLD_THE_LOCK: &str = r#"perl -MFcntl -e '
    open(my $file, ">>", "/var/lib/dpkg/lock-frontend") or die;
    my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
    fcntl($file, F_SETLK, $lock) or die "lock: $!";
    open(my $held, ">", "/run/held"); close $held;
    select(undef, undef, undef, 6);' </dev/null >/dev/null 2>/run/not-held &
  for i in $(seq 100); do [ -e /run/held ] && exit; sleep 0.1; done; cat /run/not-held >&2; exit 1"#;

#[test]
fn an_install_script_is_downloaded_completely_run_and_its_failures_are_seen() {
    let host = Host::up("e2e-script", &[]);
    let user = User::new();
    let server = Server::start(gateway(&host));
    let url = |path: &str| format!("http://{}/{path}", server.address);
    let first = format!("--engine-install-url={}", url("missing"));
    user.create(&host, "node1", &[&first, "--engine-version", "26.1"])
        .failed(1, &["missing", "--resume node1"]);
    for (path, words) in [
        ("truncated", &["could not be downloaded"][..]),
        ("page", &["page"][..]),
        ("fails", &["installer", "this is why it failed"][..]),
    ] {
        let args = ["create", "--resume", "--engine-install-url", &url(path), "node1"];
        user.rmachine(&args).failed(1, words);
        assert!(!host.try_run("test -e /root/ran").status.success(), "{path}: a part of a script was run");
    }
    user.rmachine(&["create", "--resume", "--engine-install-url", &url("works"), "node1"]).ok();
    assert_eq!(host.run("cat /root/version").trim(), "26.1", "the version did not reach the script");
    user.docker("node1", &["version"]).ok();
}

#[test]
fn a_host_without_an_engine_is_left_alone_when_none_is_to_be_installed() {
    let host = Host::up("e2e-none", &[]);
    let user = User::new();
    user.create(&host, "node1", &["--engine-install", "none"])
        .failed(1, &["no Docker engine", "--engine-install"]);
    assert!(!host.try_run("test -e /etc/docker").status.success());
}

#[test]
fn no_network_for_the_installation() {
    let host = Host::up("e2e-offline", &["--no-internet"]);
    let user = User::new();
    let failed = user.create(&host, "node1", &["--engine-install", "distro"]).failed(1, &["--resume node1"]);
    assert!(failed.err.contains("cannot reach") || failed.err.contains("installing"), "{}", failed.err);
    let script = user.rmachine(&["create", "--resume", "--engine-install", "script", "node1"]);
    script.failed(1, &["get.docker.com"]);
    assert_eq!(user.phase("node1"), "reachable");
}

/// The address of this machine on the host's network.
pub fn gateway(host: &Host) -> IpAddr {
    let route = host.run("ip route show default");
    route.split(' ').nth(2).expect("a gateway").parse().expect("an address")
}

/// Serves scripts, some of them badly, until the test ends.
pub struct Server {
    pub address: String,
}

impl Server {
    pub fn start(address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port on the lab's network");
        let address = listener.local_addr().expect("its address").to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream);
            }
        });
        Self { address }
    }
}

const WORKS: &str = "#!/bin/sh\nset -e\necho \"$VERSION\" > /root/version\napt-get update -q\n\
                     DEBIAN_FRONTEND=noninteractive apt-get install -q -y docker.io docker-cli\n";

fn answer(mut stream: std::net::TcpStream) {
    let mut request = [0; 2048];
    let read = stream.read(&mut request).unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let (status, body, length) = match path.as_str() {
        "works" => ("200 OK", WORKS, WORKS.len()),
        "same" => ("200 OK", SAME, SAME.len()),
        "broken" => ("200 OK", BROKEN, BROKEN.len()),
        "fails" => ("200 OK", FAILS, FAILS.len()),
        "truncated" => ("200 OK", TRUNCATED, TRUNCATED.len() + 1000),
        "page" => ("200 OK", "<html>not a script</html>", 25),
        _ => ("404 Not Found", "nothing here", 12),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // A client that has seen enough may go away.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

const FAILS: &str = "#!/bin/sh\necho this is why it failed >&2\nexit 4\n";
const TRUNCATED: &str = "#!/bin/sh\ntouch /root/ran\n";
/// What upgrades meet: the engine that is there, and one that does not start.
const SAME: &str = "#!/bin/sh\ntrue\n";
const BROKEN: &str = "#!/bin/sh\nprintf '#!/bin/sh\\necho broken engine >&2; exit 1\\n' > /usr/local/sbin/dockerd.new && \
                      chmod 755 /usr/local/sbin/dockerd.new && mv /usr/local/sbin/dockerd.new /usr/local/sbin/dockerd\n";
