//! Machines that docker-machine made, by the calls that it made them with.

use std::path::Path;

use super::scene::Scene;

fn made_by_docker_machine(scene: &Scene, name: &str) {
    let folder = scene.path(&format!("S/machines/{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    let at = |file: &str| folder.join(file).display().to_string();
    std::fs::copy(scene.disk("old.vmdk"), folder.join("disk.vmdk")).unwrap();
    std::fs::write(folder.join("boot2docker.iso"), vec![0; 1 << 20]).unwrap();
    let said = scene.vbox(&[
        "createvm",
        "--basefolder",
        &folder.display().to_string(),
        "--name",
        name,
        "--register",
    ]);
    assert!(said.contains("is created and registered"), "{said}");
    scene.vbox(&[
        "modifyvm",
        name,
        "--memory",
        "256",
        "--nic1",
        "nat",
        "--natpf1",
        "ssh,tcp,127.0.0.1,41975,,22",
    ]);
    scene.vbox(&["modifyvm", name, "--nic2", "hostonly", "--hostonlyadapter2", "vboxnet0"]);
    scene.vbox(&["storagectl", name, "--name", "SATA", "--add", "sata", "--hostiocache", "on"]);
    for (port, kind, medium) in [("0", "dvddrive", at("boot2docker.iso")), ("1", "hdd", at("disk.vmdk"))] {
        let words = [
            "storageattach",
            name,
            "--storagectl",
            "SATA",
            "--port",
            port,
            "--device",
            "0",
            "--type",
            kind,
            "--medium",
            &medium,
        ];
        scene.vbox(&words);
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store/virtualbox.json");
    let text = std::fs::read_to_string(fixture).unwrap();
    let text = text.replace("\"/S", &format!("\"{}", scene.path("S").display())).replace("NAME", name);
    std::fs::write(folder.join("config.json"), text).unwrap();
}

#[test]
fn they_are_listed_and_removed() {
    let scene = Scene::new();
    let before = scene.inventory();
    made_by_docker_machine(&scene, "old");
    assert_eq!(scene.ok("ls -t 60 -f '{{.Name}} {{.DriverName}} {{.State}}'"), "old virtualbox Stopped\n");
    assert_eq!(scene.ok("ip old"), "192.168.99.100\n");
    assert!(scene.calls().len() == 1, "one for all, and none for the address");
    scene.run("stop old").failed(&["is already stopped"]);
    scene.ok("rm -y old");
    assert_eq!(scene.inventory(), before);
}

#[test]
fn another_machine_of_the_same_name_is_left_alone() {
    let scene = Scene::new();
    made_by_docker_machine(&scene, "old");
    scene.vbox(&["unregistervm", "old", "--delete"]);
    let disc = scene.path("S/machines/old/boot2docker.iso").display().to_string();
    scene.vbox(&["closemedium", "dvd", &disc]);
    scene.vbox(&["createvm", "--name", "old", "--platform-architecture", "x86", "--register"]);
    let before = scene.inventory();
    scene.run("rm -y old").failed(&["is not this one"]);
    assert_eq!(scene.inventory(), before);
    scene.ok("rm -y -f old");
    assert_eq!(scene.inventory(), before);
}

/// The adapter of before is gone, as after a restart of the computer: the machine gets another, of the same range.
#[test]
fn an_adapter_that_is_gone_is_made_again_for_a_start() {
    let mut scene = Scene::with(&[("VBOX_NETWORKS_CONF", "* 192.168.0.0/16")]);
    scene.set("VBOX_UNSTARTED", "1");
    let before = scene.inventory();
    made_by_docker_machine(&scene, "old");
    let mut start = scene.rmachine("start old").spawn().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    // It was not started, and would wait for an address.
    let mut calls = Vec::new();
    while !calls.iter().any(|c: &String| c.starts_with("dhcpserver findlease")) {
        assert!(std::time::Instant::now() < deadline, "{calls:?}");
        std::thread::sleep(std::time::Duration::from_millis(200));
        calls.extend(scene.calls());
    }
    scene.shell("pkill -9 -x rmachine; while pgrep -x rmachine; do sleep 0.1; done");
    start.wait().unwrap();
    assert!(scene.vbox(&["list", "hostonlyifs"]).contains("192.168.99.1\n"), "{calls:?}");
    let servers = scene.vbox(&["list", "dhcpservers"]);
    assert!(servers.contains("LowerIPAddress: 192.168.99.100\n"), "of that network: {servers}");
    scene.ok("rm -y old");
    let adapters = |inventory: &str| inventory.split("# hostonlyifs").nth(1).unwrap().to_owned();
    assert_eq!(adapters(&scene.inventory()), adapters(&before));
}
