//! `./install.sh --demo` on a computer that has nothing yet, by somebody who is not root, and what is there afterwards.

use crate::e2e::computer::Computer;
use crate::e2e::lab::{Done, done};

const REPO: &str = env!("CARGO_MANIFEST_DIR");

/// A checkout as far as the script needs one, with a binary that is there already: cargo is not what is tried here.
fn checkout(computer: &Computer, user: &str) {
    let folder = format!("/home/{user}/rmachine");
    computer.run(&format!("mkdir -p {folder}/tests/lab"));
    for file in ["install.sh", "tests/lab/engine", "tests/lab/lib.sh"] {
        computer.put(&format!("{REPO}/{file}"), &format!("{folder}/{file}"));
    }
    computer.run(&format!("mv /usr/local/bin/rmachine {folder}/rmachine.built; chown -R {user}: {folder}"));
}

fn install(computer: &Computer, user: &str, args: &[&str]) -> Done {
    let script = "cd rmachine && exec ./install.sh \"$@\"";
    let words = [&["-c", script, "sh"], args].concat();
    done(computer.command_as(user, "sh", &words).output().expect("docker runs"))
}

/// Packages that are installed, and files that are nobody's.
fn inventory(computer: &Computer) -> String {
    let files = "find / -xdev -not -path '/var/cache/*' -not -path '/var/log/*' -not -path '/var/lib/apt/*' \
                 -not -path '/var/lib/dpkg/*' -not -path '/tmp/*' -not -path '/run/*' -not -path '/proc/*'";
    computer.run(&format!(
        "dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}}\\n' | grep '^ii'; {files} | sort"
    ))
}

#[test]
fn a_demo_from_nothing_to_a_swarm_and_back_to_nothing() {
    let computer = Computer::up("e2e-demo", &[]);
    checkout(&computer, "debian");
    let before = inventory(&computer);
    let sum = computer.run("sha256sum /home/debian/rmachine/rmachine.built");
    let sum = sum.split(' ').next().expect("a checksum").to_owned();
    let binary = ["--binary", "./rmachine.built", "--sha256", &sum];
    let shown = install(&computer, "debian", &[&["--demo"], &binary[..]].concat()).ok();
    for words in ["demo (manager)", "demo-w2   worker   ready", "--demo-remove"] {
        assert!(shown.out.contains(words), "{words:?} is not in:\n{}\n{}", shown.out, shown.err);
    }
    assert_eq!(computer.run("docker ps -q").lines().count(), 3);
    // The same words again go on with what is there.
    install(&computer, "debian", &[&["--demo"], &binary[..]].concat()).ok();

    let removed = install(&computer, "debian", &["--demo-remove"]).ok();
    assert!(removed.err.contains("the demo is gone"), "{}", removed.err);
    let after = inventory(&computer);
    let left: Vec<&str> = after.lines().filter(|line| !before.lines().any(|l| l == *line)).collect();
    assert_eq!(left, Vec::<&str>::new(), "{}", removed.err);
    let gone: Vec<&str> = before.lines().filter(|line| !after.lines().any(|l| l == *line)).collect();
    assert_eq!(gone, Vec::<&str>::new(), "{}", removed.err);
    let again = install(&computer, "debian", &["--demo-remove"]).ok();
    assert!(again.err.contains("there is no demo here"), "{}", again.err);
}

#[test]
fn a_demo_that_cannot_be_says_why() {
    let computer = Computer::up("e2e-no-demo", &["--no-internet"]);
    checkout(&computer, "nosudo");
    let failed = |user: &str, code: i32, args: &[&str], words: &[&str]| {
        let all = [args, &["--binary", "./rmachine.built"]].concat();
        install(&computer, user, &all).failed(code, words);
        assert!(!computer.host.try_run("test -e /usr/local/bin/rmachine").status.success(), "{args:?}");
    };
    failed("nosudo", 2, &["--demonstrate"], &["Usage:"]);
    failed("nosudo", 2, &["--sha256"], &["Usage:"]);
    failed(
        "nosudo",
        1,
        &["--sha256", "0123"],
        &["has the checksum", "and not 0123", "nothing was installed"],
    );
    failed("nosudo", 1, &["--demo"], &["sudo refused; run the demo as root"]);
    let missing = ["--demo", "--binary", "./nowhere"];
    install(&computer, "nosudo", &missing).failed(1, &["./nowhere is not there", "--binary"]);
    // Files of the demo's are root's to write now.
    computer.run("ln -s /home/nosudo/rmachine /root/rmachine");
    failed("root", 1, &["--demo"], &["the packages could not be installed", "apt.log"]);
    install(&computer, "root", &["--demo-remove"]).ok();
    assert_eq!(computer.run("ls -A /home/nosudo/rmachine"), "install.sh\nrmachine.built\ntests\n");
}
