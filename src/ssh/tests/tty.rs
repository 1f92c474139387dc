//! The user's own terminal: this test program runs itself again on a pseudo-terminal, by script(1).

use std::io::Write;
use std::process::{Command, Stdio};

use crate::ssh::tests::lab::{Home, Sshd, join};
use crate::ssh::{ExitStatus, SshError, Terminal};

/// Names, in the environment of a child, what it does on its terminal.
const ACT: &str = "RMACHINE_TEST_ACT";

/// Runs one test of this file again, as a child that does one of the acts below, between two looks at the terminal; returns
/// both looks and what was on the screen.
fn run_act(test: &str, act: &str) -> (String, String, String) {
    let home = Home::new();
    let (before, after, screen) = (home.ssh("before"), home.ssh("after"), home.ssh("screen"));
    let script = format!(
        "stty rows 17 cols 91; stty -a > {}; {} --exact ssh::tests::tty::{test} --nocapture; stty -a > {}",
        before.display(),
        std::env::current_exe().unwrap().display(),
        after.display()
    );
    let mut command = Command::new("script");
    // an open pipe, for script(1) sends what an end of input would be to a terminal
    command.args(["-qec", &script]).arg(&screen).stdin(Stdio::piped()).stdout(Stdio::null()).env(ACT, act);
    let mut child = command.spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"typed").unwrap();
    child.wait().unwrap();
    let read = |path| std::fs::read_to_string(path).unwrap();
    (read(before), read(after), String::from_utf8_lossy(&std::fs::read(screen).unwrap()).into_owned())
}

fn same_settings(before: &str, after: &str) {
    let settings = |look: &str| look.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(settings(before), settings(after), "the terminal was left in another state");
    assert!(before.contains(" icanon") && before.contains(" echo "), "{before}");
}

/// Does what the parent asks of this process, if it is a child; says whether it was.
fn is_done_as_child() -> bool {
    let Some(act) = std::env::var_os(ACT) else { return false };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match act.to_str() {
        Some("shell") => runtime.block_on(use_shell()),
        Some("signal") => runtime.block_on(be_signalled()),
        Some("panic") => panic_while_raw(),
        _ => panic!("there is no act {act:?}"),
    }
    true
}

#[test]
fn the_users_terminal_is_raw_for_a_while_and_followed() {
    if is_done_as_child() {
        return;
    }
    let (before, after, screen) = run_act("the_users_terminal_is_raw_for_a_while_and_followed", "shell");
    assert!(screen.contains("test result: ok. 1 passed"), "{screen}");
    same_settings(&before, &after);
}

#[test]
fn it_is_given_back_after_a_signal_and_a_panic() {
    if is_done_as_child() {
        return;
    }
    for act in ["signal", "panic"] {
        let (before, after, screen) = run_act("it_is_given_back_after_a_signal_and_a_panic", act);
        assert!(screen.contains("test result: "), "{screen}");
        assert_eq!(screen.contains("1 passed"), act == "signal", "{screen}");
        same_settings(&before, &after);
    }
}

fn local() -> Terminal<crate::ssh::terminal::LocalStdin, tokio::io::Stdout> {
    let terminal = Terminal::local("vt220").unwrap().expect("no terminal");
    let look = Command::new("stty").arg("-a").stdin(Stdio::inherit()).output().unwrap();
    assert!(String::from_utf8(look.stdout).unwrap().contains("-icanon"), "it is not raw");
    terminal
}

async fn use_shell() {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let sshd = Sshd::start(&[&key]);
    let session = join(&sshd.endpoint(Some(&key)), &home.env()).await.unwrap();
    let tty = std::fs::read_link("/proc/self/fd/0").unwrap();
    // sh, for it has no line editor of its own that would look at what was typed
    let command = format!(
        "[ \"$(stty size)\" = '17 91' ] && [ $TERM = vt220 ] && [ \"$(head -c 5)\" = typed ] || exit 3; \
         stty -F {} rows 44 cols 133; until [ \"$(stty size)\" = '44 133' ]; do sleep 0.05; done; exit 7",
        tty.display()
    );
    let command = command.replace("[ \"$(head", "stty -icanon && [ \"$(head");
    let ended =
        tokio::time::timeout(crate::ssh::tests::lab::TIMEOUT, session.shell(Some(&command), local())).await;
    assert_eq!(ended.unwrap().unwrap(), ExitStatus::Code(7));
}

async fn be_signalled() {
    let home = Home::new();
    let key = home.key("id_ed25519", &["ed25519"], "");
    let sshd = Sshd::start(&[&key]);
    let session = join(&sshd.endpoint(Some(&key)), &home.env()).await.unwrap();
    let command = format!("kill -TERM {}; sleep 60", std::process::id());
    let e = session.shell(Some(&command), local()).await.unwrap_err();
    assert!(matches!(e, SshError::Interrupted { number: 15, .. }), "{e}");
}

fn panic_while_raw() {
    // as where a panic aborts: no destructor runs
    std::mem::forget(local());
    panic!("on purpose");
}
