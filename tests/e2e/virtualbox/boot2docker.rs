//! The ISO of boot2docker, which there has not been since 2020: what stands in for it does with its disk and its login what it
//! did. It boots, is reached, and is not configured.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::scene::{Scene, boot2docker};

fn words(scene: &Scene) -> String {
    let iso = scene.path("boot2docker.iso");
    std::fs::copy(boot2docker(), &iso).unwrap();
    format!(
        "create -d virtualbox --virtualbox-no-vtx-check --virtualbox-disk-size 64 --virtualbox-memory 512 \
         --virtualbox-no-share --virtualbox-boot2docker-url {}",
        iso.display()
    )
}

#[test]
fn an_iso_that_is_named_boots() {
    let scene = Scene::on_this_network();
    let before = scene.inventory();
    let done = scene.run(&format!("{} --virtualbox-nat-only --ssh-timeout 900 b1", words(&scene)));
    // What becomes of it is said before it boots, and again where it ends.
    assert!(
        done.out.contains("boot2docker's Docker is of 2020, and rmachine does not configure it"),
        "{done:?}"
    );
    done.failed(&[
        "rmachine does not support the package manager of Boot2Docker 19.03.12 (TCL 10.1)",
        "phase reachable",
    ]);
    // By the key on its disk, which is its home's now.
    let seen = "hostname; id -un; ls -A; cut -d' ' -f1,2 /proc/mounts | grep data";
    let seen = scene.ok(&format!("ssh b1 {}", shlex::try_quote(seen).unwrap()));
    assert_eq!(seen, "boot2docker\ndocker\n.ssh\n/dev/sda /mnt/data\n");
    let info = scene.vbox(&["showvminfo", "b1", "--machinereadable"]);
    assert!(info.contains("boot1=\"dvd\"\n") && info.contains(",,2376\"\n"), "{info}");
    scene.ok("stop b1");
    let disk = scene.path("S/machines/b1/disk.vdi").display().to_string();
    let label =
        scene.shell(&format!("qemu-img convert -f vdi -O raw {disk} raw && blkid -p -s LABEL -o value raw"));
    assert_eq!(label.out, "boot2docker-data\n", "{label:?}");
    scene.ok("rm -y b1");
    assert_eq!(scene.inventory(), before);
}

/// VirtualBox has a DHCP server for the first adapter before there is one: it is told what differs, and to go by it.
#[test]
fn a_dhcp_server_that_is_there_is_used() {
    let mut scene = Scene::new();
    scene.set("VBOX_UNSTARTED", "1");
    let network = "HostInterfaceNetworking-vboxnet0";
    let before = scene.inventory();
    assert!(before.contains(network), "{before}");
    scene.vbox(&["dhcpserver", "modify", "--netname", network, "--disable"]);
    let mut create = scene.rmachine(&format!("{} b1", words(&scene)));
    let mut create = create.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    // It would wait for an address that nobody asks for.
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut calls = Vec::new();
    while !calls.iter().any(|c: &String| c.starts_with("dhcpserver findlease")) {
        assert!(Instant::now() < deadline, "{calls:?}");
        std::thread::sleep(Duration::from_millis(100));
        calls.extend(scene.calls());
    }
    scene.shell("pkill -9 -x rmachine; while pgrep -x rmachine; do sleep 0.1; done");
    create.wait().unwrap();
    let served: Vec<_> =
        calls.iter().filter(|c| c.starts_with("dhcpserver") && !c.contains("findlease")).collect();
    let verbs: Vec<_> = served.iter().filter_map(|c| c.split(' ').nth(1)).collect();
    assert_eq!(
        verbs,
        ["modify", "restart"],
        "one that runs goes on with what it was told before: {served:?}"
    );
    assert!(scene.vbox(&["list", "dhcpservers"]).contains("Enabled:        Yes"));
    scene.ok("rm -y b1");
    let after = scene.inventory();
    assert_eq!(after.matches(network).count(), 1, "whose server it was, it stays: {after}");
    assert!(after.contains("# hostonlyifs\n# natnets"), "its adapter goes: {after}");
}
