//! Where disks come from: servers that are slow or wrong, appliances, disks that are known already, and file systems that
//! are full on the way.

#[path = "../../../drivers/virtualbox/src/image/download/tests/shelf.rs"]
mod shelf;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use self::shelf::serve;
use super::scene::Scene;

const CREATE: &str = "create -d virtualbox --virtualbox-no-vtx-check --virtualbox-nat-only --virtualbox-disk-size 64 \
                      --ssh-timeout 1 --virtualbox-image";

/// On this computer's network, where the server is; machines are said to have started.
fn unstarted() -> Scene {
    let mut scene = Scene::on_this_network();
    scene.set("VBOX_UNSTARTED", "1");
    scene
}

/// A disk that nothing makes smaller.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..4 << 20).map(|_| next()).collect()
}

fn made(scene: &Scene, words: &str) {
    scene.run(words).failed(&["refused the connection", "phase created"]);
}

fn half_done(scene: &Scene) -> Vec<String> {
    let cache = std::fs::read_dir(scene.path("S/cache")).into_iter().flatten();
    let names = cache.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| [".new.", ".part", ".source."].iter().any(|half| name.contains(half))).collect()
}

/// What the machine sees of its disk.
fn content(scene: &Scene, machine: &str) -> Vec<u8> {
    let (disk, raw) = (scene.path(&format!("S/machines/{machine}/disk.vdi")), scene.path("seen"));
    let (disk, raw_text) = (disk.display(), raw.display());
    let done = scene.shell(&format!("qemu-img convert -f vdi -O raw {disk} {raw_text}"));
    assert_eq!(done.code, Some(0), "{done:?}");
    std::fs::read(raw).unwrap()
}

#[test]
fn an_appliance_holds_its_disk() {
    let scene = unstarted();
    let mut wanted = noise();
    let disk = scene.disk_of("disk.vdi", &mut wanted);
    let ova = scene.path("appliance.ova").display().to_string();
    scene.vbox(&["createvm", "--name", "a", "--platform-architecture", "x86", "--register"]);
    scene.vbox(&["storagectl", "a", "--name", "SATA", "--add", "sata"]);
    attach(&scene, "a", &disk);
    scene.vbox(&["export", "a", "-o", &ova]);
    scene.vbox(&["unregistervm", "a", "--delete"]);
    let before = scene.inventory();
    made(&scene, &format!("{CREATE} {ova} n1"));
    assert!(content(&scene, "n1").starts_with(&wanted), "not the disk that is in it");
    assert!(half_done(&scene).is_empty(), "{:?}", half_done(&scene));
    scene.ok("rm -y n1");
    assert_eq!(scene.inventory(), before);
}

/// A create in the background, its lines as they come.
struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn new(scene: &Scene, words: &str, name: &str) -> Self {
        let mut create = scene.rmachine(&format!("{words} {name}"));
        let mut child = create.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|l| drop(tell.send(l))));
        Self { name: name.to_owned(), child, lines }
    }

    /// The first line that says one of these.
    fn until(&self, texts: &[&str]) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(120));
            let line = line.unwrap_or_else(|e| panic!("{} says none of {texts:?}: {e}", self.name));
            if texts.iter().any(|text| line.contains(text)) {
                return line;
            }
        }
    }
}

const DOWNLOADING: &str = "Downloading http";

/// Three want the same image. The one that fetches it is killed in the middle: another goes on from there, and one
/// conversion is enough for all, also for the one that was killed once it is taken up again.
#[test]
fn what_several_want_is_fetched_once_whoever_dies() {
    let scene = unstarted();
    let before = scene.inventory();
    let mut wanted = noise();
    let disk = std::fs::read(scene.disk_of("disk.qcow2", &mut wanted)).unwrap();
    let server = serve(&[("disk.qcow2", &disk)]);
    server.shelf().held = true;
    let words = format!("{CREATE} {}/disk.qcow2", server.url);
    let all: Vec<Running> = ["n1", "n2", "n3"].map(|name| Running::new(&scene, &words, name)).into();
    let waits = "Waiting for another machine's image, which is the same";
    let (mut first, mut others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|run| run.until(&[DOWNLOADING, waits]).contains(DOWNLOADING));
    assert_eq!((first.len(), others.len()), (1, 2), "one fetches, and the others say that they wait");
    let mut first = first.remove(0);
    let part = || half_done(&scene).into_iter().find(|f| f.ends_with(".part"));
    let deadline = Instant::now() + Duration::from_secs(60);
    while part().is_none_or(|f| scene.path(&format!("S/cache/{f}")).metadata().unwrap().len() == 0) {
        assert!(Instant::now() < deadline, "nothing comes");
        std::thread::sleep(Duration::from_millis(50));
    }
    let killed = scene.shell(&format!("pkill -9 -f '[r]machine create .* {}$'", first.name));
    assert_eq!(killed.code, Some(0), "{killed:?}");
    first.child.wait().unwrap();
    server.release();
    for other in &mut others {
        assert!(!other.child.wait().unwrap().success(), "nobody answers SSH");
    }
    let asked = server.asked("/disk");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0] == "/disk.qcow2 0" && asked[1] != "/disk.qcow2 0", "it is gone on with: {asked:?}");
    let conversions = |calls: Vec<String>| calls.iter().filter(|c| c.starts_with("clonemedium")).count();
    assert_eq!(conversions(scene.calls()), 1);
    made(&scene, &format!("create --resume --ssh-timeout 1 {}", first.name));
    assert_eq!((server.asked("/disk").len(), conversions(scene.calls())), (0, 0), "it is there already");
    for name in ["n1", "n2", "n3"] {
        assert!(content(&scene, name).starts_with(&wanted), "{name} has another disk");
    }
    assert!(half_done(&scene).is_empty(), "{:?}", half_done(&scene));
    scene.ok("rm -y n1 n2 n3");
    assert_eq!(scene.inventory(), before);
}

#[test]
fn an_image_that_is_not_what_was_published_makes_no_machine() {
    let scene = unstarted();
    let before = scene.inventory();
    let disk = std::fs::read(scene.disk("disk.qcow2")).unwrap();
    let sums = format!("{}  disk.qcow2\n", "0".repeat(128));
    let server = serve(&[("disk.qcow2", &disk), ("SHA512SUMS", sums.as_bytes())]);
    let words = format!("{CREATE} {}/disk.qcow2 n1", server.url);
    scene.run(&words).failed(&["disk.qcow2", "is not what its publisher made", "rm n1"]);
    assert_eq!(scene.inventory(), before);
    assert!(half_done(&scene).is_empty(), "{:?}", half_done(&scene));
}

/// Makes a folder of the store a file system of its own, which VirtualBox sees as well.
fn small(scene: &Scene, folder: &str, size: &str) {
    let folder = scene.path(folder);
    let done = scene.shell(&format!(
        "mkdir -p {0} && mount -t tmpfs -o size={size} small {0} && mount --bind {0} $VBOX_LAB/root{0}",
        folder.display()
    ));
    assert_eq!(done.code, Some(0), "{done:?}");
}

fn enlarge(scene: &Scene, folder: &str) {
    let done = scene.shell(&format!("mount -o remount,size=64m {}", scene.path(folder).display()));
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// The disk is full while an image is fetched, converted, and copied: one clear error each time, nothing at VirtualBox, and
/// once there is room the same machine is made.
#[test]
fn a_disk_that_gets_full_on_the_way() {
    let mut wanted = noise();
    // So large is the image, and so large its converted form.
    for (folder, size, file) in [
        ("S/cache", "1m", "disk.img"),
        ("S/cache", "6m", "disk.img"),
        ("S/cache", "6m", "disk.qcow2"),
        ("S/machines", "3m", "disk.qcow2"),
    ] {
        let scene = unstarted();
        let before = scene.inventory();
        let disk = std::fs::read(scene.disk_of(file, &mut wanted)).unwrap();
        let server = serve(&[(file, &disk)]);
        small(&scene, folder, size);
        let done = scene.run(&format!("{CREATE} {}/{file} n1", server.url));
        done.failed(&["the disk is full", "df -h", "create --resume n1"]);
        let errors = done.err.lines().filter(|l| l.contains("the disk is full")).count();
        assert_eq!(errors, 1, "{folder} {size} {file}: {done:?}");
        assert_eq!(scene.inventory(), before, "{folder} {size} {file}");
        enlarge(&scene, folder);
        made(&scene, "create --resume --ssh-timeout 1 n1");
        assert!(content(&scene, "n1").starts_with(&wanted), "{folder} {size} {file}");
        assert!(half_done(&scene).is_empty(), "{:?}", half_done(&scene));
        scene.ok("rm -y n1");
        assert_eq!(scene.inventory(), before);
    }
}

/// Copies of one disk have one uuid, of which VirtualBox takes only one.
#[test]
fn a_copy_of_a_disk_that_virtualbox_knows() {
    let scene = unstarted();
    let mut wanted = noise();
    for ending in ["vdi", "vmdk"] {
        let own = scene.disk_of(&format!("own.{ending}"), &mut wanted);
        let copy = scene.path(&format!("copy.{ending}"));
        std::fs::copy(&own, &copy).unwrap();
        let name = format!("own-{ending}");
        scene.vbox(&["createvm", "--name", &name, "--platform-architecture", "x86", "--register"]);
        scene.vbox(&["storagectl", &name, "--name", "SATA", "--add", "sata"]);
        attach(&scene, &name, &own);
        let before = scene.inventory();
        made(&scene, &format!("{CREATE} {} n1", copy.display()));
        assert!(content(&scene, "n1").starts_with(&wanted), "{ending}");
        scene.ok("rm -y n1");
        assert_eq!(scene.inventory(), before, "{ending}");
    }
}

fn attach(scene: &Scene, machine: &str, disk: &Path) {
    let disk = disk.display().to_string();
    let port = ["--port", "0", "--device", "0", "--type", "hdd", "--medium", &disk];
    scene.vbox(&[["storageattach", machine, "--storagectl", "SATA"].as_slice(), &port].concat());
}
