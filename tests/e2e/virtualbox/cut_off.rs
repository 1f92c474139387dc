//! rmachine killed after each of its calls: the machine is removed, and VirtualBox is as before.

use super::scene::Scene;

#[test]
fn a_create_that_was_killed_anywhere_can_be_removed() {
    let mut scene = Scene::new();
    scene.set("VBOX_UNSTARTED", "1");
    let before = scene.inventory();
    for call in 1..=16 {
        // Another image each time, so that each try converts one.
        let disk = scene.disk(&format!("disk{call}.qcow2"));
        let words = format!(
            "create -d virtualbox --virtualbox-no-vtx-check --virtualbox-disk-size 64 --ssh-timeout 1 --virtualbox-image {} n1",
            disk.display()
        );
        scene.calls();
        scene.set("VBOX_KILL", &call.to_string());
        let done = scene.run(&words);
        assert_eq!(done.code, None, "killed after call {call}: {done:?}");
        assert_eq!(scene.calls().len(), call);
        scene.set("VBOX_KILL", "0");
        if call > 1 {
            scene.ok("rm -y n1");
        }
        assert_eq!(scene.inventory(), before, "after call {call}");
        let cache = std::fs::read_dir(scene.path("S/cache"));
        let half = cache.into_iter().flatten().filter_map(|f| f.unwrap().file_name().into_string().ok());
        let half: Vec<String> = half.filter(|f| f.contains(".new.") || f.contains(".part")).collect();
        assert!(half.is_empty(), "after call {call}: {half:?}");
    }
}

#[test]
fn a_create_that_was_killed_goes_on() {
    let mut scene = Scene::new();
    scene.set("VBOX_UNSTARTED", "1");
    let before = scene.inventory();
    let disk = scene.disk("disk.vdi");
    let words = format!(
        "create -d virtualbox --virtualbox-no-vtx-check --virtualbox-disk-size 64 --ssh-timeout 1 --virtualbox-image {} n1",
        disk.display()
    );
    // In the middle of its disks, and after its start.
    for call in [9, 13] {
        scene.calls();
        scene.set("VBOX_KILL", &call.to_string());
        assert_eq!(scene.run(&words).code, None, "call {call}");
        scene.set("VBOX_KILL", "0");
        scene.run("create --resume --ssh-timeout 1 n1").failed(&["refused the connection", "phase created"]);
        let state = scene.driver_state("n1");
        assert_eq!(state["IPAddress"], "192.168.56.2");
        let info = scene.vbox(&["showvminfo", "n1", "--machinereadable"]);
        assert!(info.contains(&format!("ssh,tcp,127.0.0.1,{},,22", state["SSHPort"])), "{info}");
        assert!(info.contains("disk.vdi") && info.contains("seed.iso"), "{info}");
        scene.ok("rm -y n1");
        assert_eq!(scene.inventory(), before);
    }
}
