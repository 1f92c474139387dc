//! What a machine is made of, and that all of it goes again; how many processes that takes.

use super::scene::Scene;

const CREATE: &str =
    "create -d virtualbox --virtualbox-no-vtx-check --virtualbox-disk-size 64 --ssh-timeout 1";

/// Machines are said to have started, so that whatever does not need a kernel module is the real thing.
fn unstarted() -> Scene {
    let mut scene = Scene::new();
    scene.set("VBOX_UNSTARTED", "1");
    scene
}

/// A create that gets as far as waiting for SSH.
fn create(scene: &Scene, words: &str) -> Vec<String> {
    scene.calls();
    scene.run(words).failed(&["refused the connection", "phase created"]);
    scene.calls()
}

fn verbs(calls: &[String]) -> Vec<&str> {
    calls.iter().map(|c| c.split(' ').next().unwrap()).collect()
}

#[test]
fn a_machine_is_made_as_docker_machine_made_it_and_goes_without_a_trace() {
    let mut scene = unstarted();
    // Every answer comes after a warning, as from some packages.
    scene.set("VBOX_NOISE", "1");
    let before = scene.inventory();
    let disk = scene.disk("disk.qcow2");
    let create_n1 = format!("{CREATE} --virtualbox-image {} --virtualbox-memory 512 n1", disk.display());
    let calls = create(&scene, &create_n1);
    assert_eq!(
        verbs(&calls),
        [
            "--version",
            "list",
            "list",
            "hostonlyif",
            "hostonlyif",
            "createvm",
            "modifyvm",
            "clonemedium",
            "closemedium",
            "closemedium",
            "modifymedium",
            "storagectl",
            "storageattach",
            "storageattach",
            "sharedfolder",
            "startvm"
        ],
        "the first machine of all takes 16 processes"
    );
    let info = scene.vbox(&["showvminfo", "n1", "--machinereadable"]);
    let (folder, state) = (scene.path("S/machines/n1"), scene.driver_state("n1"));
    let at = |file: &str| folder.join(file).display().to_string();
    for line in [
        "name=\"n1\"".to_owned(),
        format!("CfgFile=\"{}\"", at("n1/n1.vbox")),
        "memory=512".to_owned(),
        "cpus=1".to_owned(),
        "VMState=\"poweroff\"".to_owned(),
        "storagecontrollername0=\"SATA\"".to_owned(),
        format!("\"SATA-0-0\"=\"{}\"", at("seed.iso")),
        format!("\"SATA-1-0\"=\"{}\"", at("disk.vdi")),
        "nic1=\"nat\"".to_owned(),
        format!("Forwarding(0)=\"ssh,tcp,127.0.0.1,{},,22\"", state["SSHPort"]),
        "nic2=\"hostonly\"".to_owned(),
        "hostonlyadapter2=\"vboxnet0\"".to_owned(),
        "SharedFolderNameMachineMapping1=\"hosthome\"".to_owned(),
        "SharedFolderPathMachineMapping1=\"/home\"".to_owned(),
        format!("UUID=\"{}\"", state["VMId"].as_str().unwrap()),
    ] {
        assert!(info.contains(&format!("{line}\n")), "{line} is not in:\n{info}");
    }
    assert!(scene.vbox(&["showmediuminfo", "disk", &at("disk.vdi")]).contains("Capacity:       64 MBytes"));
    assert!(scene.vbox(&["list", "hostonlyifs"]).contains("IPAddress:       192.168.56.1\n"));
    assert_eq!(state["IPAddress"], "192.168.56.2");

    let calls = create(&scene, &format!("{CREATE} --virtualbox-image {} n2", disk.display()));
    assert_eq!(
        calls.len(),
        11,
        "of an image that is converted already, on a network that is there: {calls:?}"
    );
    assert!(!verbs(&calls).contains(&"clonemedium"), "an image is converted once");
    assert_eq!(scene.driver_state("n2")["IPAddress"], "192.168.56.3");

    assert_eq!(scene.ok("ip n1"), "192.168.56.2\n");
    assert_eq!(scene.ok("url n1"), "tcp://192.168.56.2:2376\n");
    assert!(scene.calls().is_empty(), "an address that is known is not asked for");
    let rows = scene.ok("ls -t 60 -f '{{.Name}} {{.State}}'");
    assert_eq!(rows, "n1 Stopped\nn2 Stopped\n");
    assert_eq!(scene.calls().len(), 1, "one call tells the states of all machines");

    scene.ok("rm -y n1");
    assert!(scene.vbox(&["list", "hostonlyifs"]).contains("vboxnet0"), "n2 is on it");
    scene.ok("rm -y n2");
    assert_eq!(scene.inventory(), before);
}

#[test]
fn fifty_machines_are_listed_with_one_process() {
    let scene = unstarted();
    let disk = scene.disk("disk.vdi");
    create(&scene, &format!("{CREATE} --virtualbox-image {} m1", disk.display()));
    let config = std::fs::read_to_string(scene.path("S/machines/m1/config.json")).unwrap();
    let own = std::fs::read_to_string(scene.path("S/machines/m1/rmachine.json")).unwrap();
    let id = scene.driver_state("m1")["VMId"].as_str().unwrap().to_owned();
    for n in 2..=50 {
        let name = format!("m{n}");
        let said = scene.vbox(&["createvm", "--name", &name, "--platform-architecture", "x86", "--register"]);
        let uuid = said.split("UUID: ").nth(1).unwrap().lines().next().unwrap();
        let folder = scene.path(&format!("S/machines/{name}"));
        std::fs::create_dir(&folder).unwrap();
        let renamed = config.replace("\"m1\"", &format!("\"{name}\"")).replace(&id, uuid);
        std::fs::write(folder.join("config.json"), renamed).unwrap();
        std::fs::write(folder.join("rmachine.json"), &own).unwrap();
    }
    scene.calls();
    let rows = scene.ok("ls -t 60 -f '{{.State}}'");
    assert_eq!(rows, "Stopped\n".repeat(50));
    assert_eq!(scene.calls(), ["list --long vms"]);
}

#[test]
fn a_range_that_virtualbox_does_not_allow_is_refused_before_anything_is_made() {
    let scene = unstarted();
    let before = scene.inventory();
    let disk = scene.disk("disk.vdi");
    let words = format!(
        "{CREATE} --virtualbox-image {} --virtualbox-hostonly-cidr 192.168.99.1/24 n1",
        disk.display()
    );
    scene.run(&words).failed(&[
        "VirtualBox does not allow the host-only network 192.168.99.1/24",
        "/etc/vbox/networks.conf allows 192.168.56.0/21",
        "echo '* 192.168.99.0/24' | sudo tee -a /etc/vbox/networks.conf",
    ]);
    assert!(!scene.calls().iter().any(|c| c.starts_with("hostonlyif")), "nothing is made first");
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before);
}

#[test]
fn what_networks_conf_allows_is_allowed() {
    let mut scene = Scene::with(&[("VBOX_NETWORKS_CONF", "* 192.168.96.0/20 10.0.0.0/8")]);
    scene.set("VBOX_UNSTARTED", "1");
    let before = scene.inventory();
    let disk = scene.disk("disk.vdi");
    let words = format!("{CREATE} --virtualbox-image {}", disk.display());
    create(&scene, &format!("{words} --virtualbox-hostonly-cidr 192.168.99.1/24 n1"));
    assert_eq!(scene.driver_state("n1")["IPAddress"], "192.168.99.2");
    create(&scene, &format!("{words} n2"));
    assert_eq!(scene.driver_state("n2")["IPAddress"], "192.168.99.3", "an adapter that is there is used");
    scene.ok("rm -y n1 n2");
    assert_eq!(scene.inventory(), before);
}

#[test]
fn an_adapter_of_the_users_own_is_used_and_stays() {
    let scene = unstarted();
    scene.vbox(&["hostonlyif", "create"]);
    scene.vbox(&["hostonlyif", "ipconfig", "vboxnet0", "--ip", "192.168.58.1", "--netmask", "255.255.255.0"]);
    let before = scene.inventory();
    let disk = scene.disk("disk.vmdk");
    create(&scene, &format!("{CREATE} --virtualbox-image {} n1", disk.display()));
    assert_eq!(scene.driver_state("n1")["IPAddress"], "192.168.58.2");
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before);
}

/// What the real VirtualBox says of a host-only card where it has no kernel module.
#[test]
fn a_machine_that_does_not_start_leaves_nothing() {
    let scene = Scene::new();
    let before = scene.inventory();
    let disk = scene.disk("disk.img");
    scene.run(&format!("{CREATE} --virtualbox-image {} n1", disk.display())).failed(&[
        "VirtualBox's kernel module is not loaded",
        "VERR_SUP_DRIVERLESS",
        "sudo modprobe vboxdrv",
    ]);
    assert_eq!(scene.inventory(), before);
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before);
}

#[test]
fn a_name_that_virtualbox_has_already_is_refused_and_left_alone() {
    let scene = unstarted();
    scene.vbox(&["createvm", "--name", "n1", "--platform-architecture", "x86", "--register"]);
    let before = scene.inventory();
    let disk = scene.disk("disk.vdi");
    scene.run(&format!("{CREATE} --virtualbox-image {} n1", disk.display())).failed(&[
        "VirtualBox has a machine called \"n1\" already, and rmachine did not make it",
        "unregistervm",
    ]);
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before);
}

#[test]
fn machines_that_were_changed_in_virtualbox_itself() {
    let scene = unstarted();
    let before = scene.inventory();
    let disk = scene.disk("disk.vdi");
    create(&scene, &format!("{CREATE} --virtualbox-image {} n1", disk.display()));
    scene.vbox(&["modifyvm", "n1", "--name", "renamed"]);
    assert_eq!(scene.ok("status n1"), "Stopped\n", "it is known by its uuid");
    scene.vbox(&["unregistervm", "renamed", "--delete"]);
    scene.run("status n1").failed(&["VirtualBox knows no machine of \"n1\" any more"]);
    scene.run("start n1").failed(&["knows no machine"]);
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before);
}

/// Somebody deleted its files; VirtualBox learns of it when its service starts anew.
#[test]
fn a_machine_whose_files_are_gone() {
    let scene = unstarted();
    let before = scene.inventory();
    let disk = scene.disk("disk.vdi");
    for notices in [false, true] {
        create(&scene, &format!("{CREATE} --virtualbox-image {} n1", disk.display()));
        std::fs::remove_dir_all(scene.path("S/machines/n1/n1")).unwrap();
        if notices {
            scene.shell("pkill -x VBoxSVC; while pgrep -r R,S,D -x VBoxSVC; do sleep 0.1; done");
            scene.run("start n1").failed(&["the files of the machine are gone", "`rm`"]);
            assert_eq!(scene.ok("ls -t 60 -f '{{.State}}'"), "Error\n");
        }
        scene.ok("rm -y n1");
        assert_eq!(scene.inventory(), before, "noticed: {notices}");
    }
}

#[test]
fn this_computers_processor_is_looked_at() {
    let scene = unstarted();
    let disk = scene.disk("disk.vdi");
    let words = format!("create -d virtualbox --virtualbox-image {} n1", disk.display());
    let can = std::fs::read_to_string("/proc/cpuinfo")
        .unwrap()
        .split_whitespace()
        .any(|f| f == "vmx" || f == "svm");
    let done = scene.run(&format!("{words} --ssh-timeout 1"));
    if can {
        done.failed(&["refused the connection"]);
    } else {
        done.failed(&["This computer doesn't have VT-X/AMD-v enabled", "--virtualbox-no-vtx-check"]);
        assert_eq!(done.code, Some(3), "nothing was made");
    }
}

#[test]
fn without_virtualbox_it_is_said_what_is_missing() {
    let scene = unstarted();
    let done = scene.rmachine("create -d virtualbox n1").env("PATH", "/usr/bin:/bin").output().unwrap();
    assert_eq!(done.status.code(), Some(3));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("VBoxManage not found. Make sure VirtualBox is installed"), "{said}");
}

/// Nobody names a driver, and no engine answers: docker-machine's default it is.
#[test]
fn it_is_the_default_where_no_engine_answers() {
    let scene = unstarted();
    let disk = scene.disk("disk.vdi");
    let words = format!(
        "create --virtualbox-no-vtx-check --virtualbox-disk-size 64 --ssh-timeout 1 --virtualbox-image {} n1",
        disk.display()
    );
    let done = scene.rmachine(&words).env("DOCKER_HOST", "unix:///nowhere.sock").output().unwrap();
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        out.contains("No driver is named: taking \"virtualbox\", because VirtualBox is installed here"),
        "{out}"
    );
    assert_eq!(scene.driver_state("n1")["VMId"].as_str().map(str::len), Some(36));
    scene.ok("rm -y n1");
}

#[test]
fn an_address_that_only_a_route_has_is_not_hidden() {
    let scene = unstarted();
    let done = scene.shell(
        "ip link add card type bridge && ip addr add 192.168.56.77/24 dev card && ip link set card up",
    );
    assert_eq!(done.code, Some(0), "{done:?}");
    let disk = scene.disk("disk.vdi");
    scene
        .run(&format!("{CREATE} --virtualbox-image {} n1", disk.display()))
        .failed(&["host-only cidr conflicts with the network address of a host interface", "is on card"]);
    scene.ok("rm -y n1");
}
