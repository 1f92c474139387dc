//! Machines that really run: in VirtualBox's interpreter, a small Linux with OpenSSH, reached through NAT.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::scene::{Done, Scene, guest};

fn scene() -> Scene {
    let scene = Scene::on_this_network();
    std::fs::copy(guest(), scene.path("guest.img")).unwrap();
    scene
}

/// As far as a machine that boots.
fn started(scene: &Scene) {
    // VirtualBox' NAT takes connections for a guest that does not listen yet: only a banner tells.
    create(scene, 1).failed(&["took the connection, but did not finish the SSH handshake", "phase created"]);
}

fn create(scene: &Scene, wait: u32) -> Done {
    let image = scene.path("guest.img");
    scene.run(&format!(
        "create -d virtualbox --virtualbox-no-vtx-check --virtualbox-nat-only --virtualbox-disk-size 64 \
         --virtualbox-memory 512 --virtualbox-no-share --virtualbox-image {} --ssh-timeout {wait} n1",
        image.display()
    ))
}

/// A stranger has the port between its choice and the machine's start: VirtualBox starts it all the same, and only its log
/// tells.
#[test]
fn a_port_that_a_stranger_took_is_given_up_for_another() {
    let mut scene = scene();
    scene.set("VBOX_STRANGER", "1");
    let before = scene.inventory();
    create(&scene, 1).failed(&["phase created"]);
    let port = scene.driver_state("n1")["SSHPort"].clone();
    let calls = scene.calls();
    let first = calls.iter().find_map(|c| c.split("--natpf1 ssh\\,tcp\\,127.0.0.1\\,").nth(1)).unwrap();
    let first = first.split('\\').next().unwrap().to_owned();
    assert_ne!(port.to_string(), first, "{calls:?}");
    let info = scene.vbox(&["showvminfo", "n1", "--machinereadable"]);
    assert!(info.contains(&format!("\"ssh,tcp,127.0.0.1,{port},,22\"")), "{info}");
    assert!(!info.contains(&format!("127.0.0.1,{first},,22")), "{info}");
    let banner = scene.shell(&format!("ss -ltn 'sport = :{port}'"));
    assert!(banner.out.contains(&port.to_string()), "the machine has the port: {banner:?}");
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before);
}

#[test]
fn states_as_virtualbox_has_them() {
    let scene = scene();
    let before = scene.inventory();
    started(&scene);
    assert_eq!(scene.ok("status n1"), "Running\n");
    scene.run("start n1").failed(&["is already running"]);
    scene.vbox(&["controlvm", "n1", "pause"]);
    assert_eq!(scene.ok("status n1"), "Paused\n");
    start_without_waiting(&scene);
    assert_eq!(scene.ok("status n1"), "Running\n");
    scene.vbox(&["controlvm", "n1", "savestate"]);
    assert_eq!(scene.ok("status n1"), "Saved\n");
    scene.run("stop n1").failed(&["running state is saved", "kill it"]);
    start_without_waiting(&scene);
    assert_eq!(scene.ok("status n1"), "Running\n");
    let done = scene.shell("kill -9 $(pgrep VBoxHeadless); while pgrep VBoxHeadless; do sleep 0.1; done");
    assert_eq!(done.code, Some(0), "{done:?}");
    until(&scene, "Stopped");
    start_without_waiting(&scene);
    scene.ok("kill n1");
    assert_eq!(scene.ok("status n1"), "Stopped\n");
    start_without_waiting(&scene);
    scene.vbox(&["controlvm", "n1", "savestate"]);
    scene.ok("kill n1");
    assert_eq!(scene.ok("status n1"), "Stopped\n", "what was saved is discarded");
    start_without_waiting(&scene);
    scene.ok("snapshot n1 s1");
    assert_eq!(scene.ok("status n1"), "Running\n", "it runs on");
    scene.ok("kill n1");
    scene.ok("snapshot --restore n1 s1");
    assert_eq!(scene.ok("status n1"), "Saved\n", "it was kept while it ran");
    start_without_waiting(&scene);
    assert_eq!(scene.ok("status n1"), "Running\n");
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before, "a machine that runs is removed as well");
}

/// VirtualBox notices a moment later that a machine's process is gone.
fn until(scene: &Scene, state: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while scene.ok("status n1").trim() != state {
        assert!(std::time::Instant::now() < deadline, "never {state}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// Up to where it waits for SSH.
fn start_without_waiting(scene: &Scene) {
    start_until(scene, "Waiting for SSH to be available...");
}

fn start_until(scene: &Scene, line: &str) {
    let mut start = scene.rmachine("start n1").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(start.stdout.take().unwrap()).lines();
    let seen = lines.by_ref().any(|l| l.unwrap().contains(line));
    // What was started here is only the way in.
    scene.shell("pkill -9 -x rmachine; while pgrep -x rmachine; do sleep 0.1; done");
    let _ = start.wait();
    assert!(seen, "it did not come as far as {line:?}");
}

/// From nothing to the first command over SSH, by the host key that was made here; then the host's own key, a stop by the
/// power button, a start, and a removal. The guest has no engine, and no packages to install one: there the making ends.
#[test]
fn a_machine_boots_is_known_by_its_key_and_goes_down_by_its_button() {
    let scene = scene();
    let before = scene.inventory();
    create(&scene, 900).failed(&["Error running provisioning", "phase reachable"]);
    let planted = scene.driver_state("n1")["SSHHostKey"].as_str().unwrap().to_owned();
    assert!(planted.starts_with("ssh-ed25519 "), "{planted}");
    let own = std::fs::read_to_string(scene.path("S/machines/n1/rmachine.json")).unwrap();
    assert!(own.contains("ssh-ed25519 ") && !own.contains(&planted), "the host made a key of its own: {own}");
    assert!(!scene.path("S/machines/n1/first_host_key").exists(), "and the first is forgotten");
    assert_eq!(scene.ok("ssh n1 hostname"), "n1\n");
    an_engine_answers_through_the_nat(&scene);
    scene.ok("stop n1");
    assert_eq!(scene.ok("status n1"), "Stopped\n");
    start_until(&scene, "Detecting the provisioner...");
    assert_eq!(scene.ok("ssh n1 hostname"), "n1\n");
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before);
}

/// The guest has no engine, so what comes to its port goes through a tunnel to this computer's, behind the machine's own
/// certificate: from the address that `rmachine` tells to an answer, all is real but where the engine runs.
fn an_engine_answers_through_the_nat(scene: &Scene) {
    let state = scene.driver_state("n1");
    let (ssh, engine, login) =
        (&state["SSHPort"], &state["EnginePort"], state["SSHKeyPath"].as_str().unwrap());
    assert_eq!(scene.ok("url n1"), format!("tcp://127.0.0.1:{engine}\n"));
    assert_eq!(scene.ok("ip n1"), "127.0.0.1\n");
    let folder = scene.path("S/machines/n1").display().to_string();
    let (log, free) = (scene.path("tunnel"), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let port = free.local_addr().unwrap().port();
    drop(free);
    // The second returns once the guest listens.
    let done = scene.shell(&format!(
        "exec >{log} 2>&1 </dev/null
         socat OPENSSL-LISTEN:{port},bind=127.0.0.1,fork,cert={folder}/server.pem,key={folder}/server-key.pem,cafile={folder}/ca.pem,verify=1 \
            UNIX-CONNECT:/var/run/docker.sock &
         ssh -f -N -o ExitOnForwardFailure=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes \
            -o IdentitiesOnly=yes -i {login} -p {ssh} -R 0.0.0.0:{engine}:127.0.0.1:{port} docker@127.0.0.1",
        log = log.display(),
    ));
    assert_eq!(done.code, Some(0), "{}", std::fs::read_to_string(&log).unwrap());
    let here = scene.shell("docker version --format '{{.Server.Version}}'");
    let config = scene.ok("config n1");
    assert!(config.contains(&format!("-H=tcp://127.0.0.1:{engine}")), "{config}");
    let config = config.replace('\n', " ");
    let there = scene.shell(&format!("docker {config} version --format '{{{{.Server.Version}}}}'"));
    assert!(there.code == Some(0) && there.out == here.out, "{there:?} {here:?}");
    let env = scene.ok("env --check --shell sh n1");
    assert!(env.contains(&format!("DOCKER_HOST=\"tcp://127.0.0.1:{engine}\"")), "{env}");
    // Whoever has no certificate of the store's is not let in.
    let stranger = scene.shell(&format!("docker --tls -H tcp://127.0.0.1:{engine} version"));
    assert_ne!(stranger.code, Some(0), "{stranger:?}");
}
