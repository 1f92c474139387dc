//! VirtualBox with its kernel modules, on a whole computer that QEMU emulates: host-only networks that machines are on, its
//! DHCP server, and what it says when its modules are gone. It takes some minutes: `tests/run --all` has it.
#![allow(clippy::print_stdout, reason = "what a test that fails after minutes saw until there")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::scene::{Done, SCRIPTS, boot2docker, guest, lab, made_by};

const BOOT: Duration = Duration::from_secs(300);
/// A guest's boot in a computer that is emulated itself.
const GUEST: u32 = 900;

struct Computer {
    dir: TempDir,
    qemu: Child,
    port: u16,
}

impl Computer {
    /// With rmachine and these files in it, in `/brought`.
    fn new(brought: &[PathBuf]) -> Self {
        let dir = TempDir::with_prefix("rmachine-qemu-").unwrap();
        let key = dir.path().join("key");
        succeed(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
        let inside = dir.path().join("brought");
        std::fs::create_dir(&inside).unwrap();
        std::fs::copy(key.with_extension("pub"), inside.join("authorized_keys")).unwrap();
        // What debuggers want of it is half of it.
        succeed(
            Command::new("strip").arg("-o").arg(inside.join("rmachine")).arg(env!("CARGO_BIN_EXE_rmachine")),
        );
        std::fs::copy(&key, inside.join("login")).unwrap();
        std::fs::write(inside.join("config.json"), made_by_docker_machine()).unwrap();
        for file in brought {
            std::fs::copy(file, inside.join(file.file_name().unwrap())).unwrap();
        }
        let tar = dir.path().join("brought.tar");
        succeed(Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(&inside).arg("."));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut emulate = Command::new(format!("{SCRIPTS}/emulate"));
        emulate.arg(lab().join("computer")).arg(&tar).arg(port.to_string());
        let mut qemu = emulate.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let console = BufReader::new(qemu.stdout.take().unwrap());
        let computer = Self { dir, qemu, port };
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in console.lines().map_while(Result::ok) {
                println!("console: {line}");
                let _ = tell.send(line);
            }
        });
        let deadline = Instant::now() + BOOT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = told.recv_timeout(left).expect("the computer comes up");
            if line.starts_with("C: up") {
                return computer;
            }
        }
    }

    /// A script in it; also how long that took goes into the test's output.
    fn shell(&self, script: &str) -> Done {
        let began = Instant::now();
        let mut ssh = Command::new("timeout");
        ssh.args(["1200", "ssh", "-n", "-p", &self.port.to_string(), "-i"]).arg(self.dir.path().join("key"));
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "LogLevel=ERROR",
            "ConnectTimeout=60",
        ] {
            ssh.args(["-o", option]);
        }
        let done = Done::of(ssh.args(["root@127.0.0.1", script]).output().unwrap());
        println!("{:>5.1} s  {script}: {:?}", began.elapsed().as_secs_f32(), done.code);
        done
    }

    #[track_caller]
    fn ok(&self, script: &str) -> String {
        let done = self.shell(script);
        assert_eq!(done.code, Some(0), "{script}: {done:?}");
        done.out
    }

    fn inventory(&self) -> String {
        let lists = "vms runningvms hdds dvds dhcpservers hostonlyifs natnets";
        // Where its modules are gone, each answer begins with some words on that.
        let warning = "/^WARNING: The character device/,/until this problem is fixed/d; /^$/d";
        self.ok(&format!(
            "set -o pipefail
             for l in {lists}; do echo \"# $l\"; VBoxManage list $l | sed '{warning}' || exit; done
             ls /root/.docker/machine/machines"
        ))
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What docker-machine would have written of a machine called `old`.
fn made_by_docker_machine() -> String {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/store/virtualbox.json");
    let text = std::fs::read_to_string(fixture).unwrap();
    let text = text.replace("\"/S", "\"/root/.docker/machine").replace("NAME", "old");
    // Another than it is going to have.
    text.replace("192.168.99.100", "192.168.99.50")
}

#[track_caller]
fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Who answers there: the banner of a sshd.
fn banner(address: &str) -> String {
    format!("timeout 60 bash -c 'exec 3<>/dev/tcp/{address}/22 && head -c 4 <&3'")
}

/// Waits in there until a command says so.
fn until(command: &str, said: &str) -> String {
    format!("for n in $(seq 1200); do {command} 2>&1 | grep -q '{said}' && exit 0; sleep 0.5; done; exit 1")
}

/// As far as a login; from there it would wait for an engine.
fn started(computer: &Computer, machine: &str) {
    computer.ok(&format!("rmachine start {machine} >/tmp/start 2>&1 &"));
    computer.ok(&until("cat /tmp/start", "Detecting the provisioner"));
    computer.ok("pkill -9 -x rmachine");
}

const CREATE: &str =
    "rmachine create -d virtualbox --virtualbox-disk-size 64 --virtualbox-memory 256 --virtualbox-no-share";

#[test]
fn machines_with_the_kernel_modules() {
    made_by("computer");
    let computer = Computer::new(&[guest(), boot2docker()]);
    computer.ok("mkdir -p /root/.docker/machine/machines");
    let before = computer.inventory();
    // First, since it changes what the DHCP server hands out: after the process of a machine was killed, VirtualBox lets its
    // server run on with what it was told before.
    a_machine_that_docker_machine_made(&computer);
    assert_eq!(computer.inventory(), before);
    a_machine_on_a_host_only_network(&computer);
    assert_eq!(computer.inventory(), before);
    a_machine_that_is_given_its_address(&computer);
    assert_eq!(computer.inventory(), before);
    without_the_modules(&computer);
    assert_eq!(computer.inventory(), before);
}

/// Its processor has AMD-V, so nobody has to say that it need not be looked at.
fn a_machine_on_a_host_only_network(computer: &Computer) {
    let done =
        computer.shell(&format!("{CREATE} --ssh-timeout {GUEST} --virtualbox-image /brought/guest.img n1"));
    done.failed(&["Error running provisioning", "phase reachable"]);
    assert_eq!(computer.ok("rmachine ip n1"), "192.168.56.2\n");
    assert_eq!(computer.ok("rmachine ssh n1 hostname"), "n1\n");
    assert_eq!(computer.ok(&banner("192.168.56.2")), "SSH-", "on the host-only network");
    let info = computer.ok("VBoxManage showvminfo n1 --machinereadable");
    assert!(
        info.contains("nic2=\"hostonly\"\n") && info.contains("hostonlyadapter2=\"vboxnet0\"\n"),
        "{info}"
    );
    computer.ok("rmachine stop n1");
    assert_eq!(computer.ok("rmachine status n1"), "Stopped\n");
    started(computer, "n1");
    assert_eq!(computer.ok("rmachine ssh n1 hostname"), "n1\n", "it is back");
    assert_eq!(computer.ok(&banner("192.168.56.2")), "SSH-");
    computer.ok("pkill -9 -x VBoxHeadless");
    computer.ok(&until("rmachine status n1", "Stopped"));
    computer.ok("rmachine rm -y n1");
}

/// By VirtualBox's own DHCP server, as boot2docker wants it.
fn a_machine_that_is_given_its_address(computer: &Computer) {
    let iso = "--virtualbox-boot2docker-url /brought/boot2docker.iso";
    let done = computer.shell(&format!("{CREATE} --ssh-timeout {GUEST} {iso} b1"));
    done.failed(&["the host runs Boot2Docker 19.03.12", "phase reachable"]);
    let address = computer.ok("rmachine ip b1").trim().to_owned();
    let last: u8 =
        address.strip_prefix("192.168.56.").and_then(|l| l.parse().ok()).expect("an address there");
    assert!(last >= 100, "{address} is not one that it hands out");
    assert_eq!(computer.ok("rmachine ssh b1 hostname"), "boot2docker\n");
    assert_eq!(computer.ok(&banner(&address)), "SSH-");
    computer.ok("rmachine kill b1");
    computer.ok("rmachine rm -y b1");
}

/// By the calls that docker-machine made, with its network that VirtualBox has to be told to allow.
const OLD: &str = r#"set -e
folder=/root/.docker/machine/machines/old magic='boot2docker, please format-me'
mkdir -p $folder /tmp/old/.ssh /etc/vbox
echo '* 192.168.0.0/16' >/etc/vbox/networks.conf
cd $folder
cp /brought/boot2docker.iso /brought/config.json .
install -m 600 /brought/login id_rsa
printf %s "$magic" >"/tmp/old/$magic"
cp /brought/authorized_keys /tmp/old/.ssh/authorized_keys
cp /brought/authorized_keys /tmp/old/.ssh/authorized_keys2
tar -C /tmp/old -cf /tmp/old.raw "$magic" .ssh
truncate -s 64M /tmp/old.raw
VBoxManage convertfromraw stdin $folder/disk.vmdk 67108864 --format VMDK </tmp/old.raw
VBoxManage createvm --basefolder $folder --name old --register
VBoxManage modifyvm old --firmware bios --bioslogofadein off --bioslogofadeout off --bioslogodisplaytime 0 \
    --biosbootmenu disabled --ostype Linux26_64 --cpus 1 --memory 256 --acpi on --ioapic on --rtcuseutc on \
    --natdnshostresolver1 off --natdnsproxy1 on --cpuhotplug off --pae on --hpet on --hwvirtex on --nestedpaging on \
    --largepages on --vtxvpid on --accelerate3d off --boot1 dvd
VBoxManage modifyvm old --nic1 nat --nictype1 82540EM --cableconnected1 on
VBoxManage storagectl old --name SATA --add sata --hostiocache on
VBoxManage storageattach old --storagectl SATA --port 0 --device 0 --type dvddrive --medium $folder/boot2docker.iso
VBoxManage storageattach old --storagectl SATA --port 1 --device 0 --type hdd --medium $folder/disk.vmdk
VBoxManage modifyvm old --nic2 hostonly --nictype2 82540EM --nicpromisc2 deny --hostonlyadapter2 vboxnet0 \
    --cableconnected2 on
VBoxManage modifyvm old --natpf1 ssh,tcp,127.0.0.1,41975,,22
"#;

/// Listed, started on an adapter that is made anew, reached, stopped and removed.
fn a_machine_that_docker_machine_made(computer: &Computer) {
    computer.ok(OLD);
    assert_eq!(computer.ok("rmachine ls -t 60 -f '{{.Name}} {{.State}}'"), "old Stopped\n");
    started(computer, "old");
    assert_eq!(computer.ok("rmachine ssh old hostname"), "boot2docker\n");
    let address = computer.ok("rmachine ip old").trim().to_owned();
    assert!(address.starts_with("192.168.99.1"), "{address}");
    assert_eq!(computer.ok(&banner(&address)), "SSH-");
    computer.ok("rmachine stop old");
    assert_eq!(computer.ok("rmachine status old"), "Stopped\n");
    computer.ok("rmachine rm -y old; rm /etc/vbox/networks.conf");
    // Its DHCP server was there before, and keeps the range of its network.
    let network = "--netname HostInterfaceNetworking-vboxnet0 --netmask 255.255.255.0 --ip 192.168.56.100";
    computer.ok(&format!(
        "VBoxManage dhcpserver modify {network} --lowerip 192.168.56.101 --upperip 192.168.56.254 --enable
         VBoxManage dhcpserver restart --network HostInterfaceNetworking-vboxnet0 2>&1 || true"
    ));
}

/// As after a new kernel for which nobody built them.
fn without_the_modules(computer: &Computer) {
    // Whatever of VirtualBox still runs has them in use.
    computer.ok("pkill -x 'VBoxNetDHCP|VBoxSVC'
         for m in vboxnetadp vboxnetflt vboxdrv; do
             for n in $(seq 60); do busybox rmmod $m && continue 2; sleep 1; done
             exit 1
         done");
    let create = format!("{CREATE} --ssh-timeout 1 --virtualbox-image /brought/guest.img n2");
    computer.shell(&create).failed(&["the kernel module vboxnetadp is not loaded", "--virtualbox-nat-only"]);
    computer.ok("rmachine rm -y n2");
    computer
        .shell(&format!("{create} --virtualbox-nat-only"))
        .failed(&["VirtualBox's kernel module is not loaded", "sudo modprobe vboxdrv"]);
    computer.ok("rmachine rm -y n2");
}
