//! With programs that behave as VBoxManage was seen to.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests write programs")]

use std::os::unix::fs::PermissionsExt;

use super::*;

struct Scene {
    dir: tempfile::TempDir,
    manager: Manager,
}

/// A VBoxManage that does what this script says.
fn scene(script: &str) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("VBoxManage");
    // Written elsewhere and moved: another test's child may hold a file open that was just written.
    std::fs::write(dir.path().join("new"), format!("#!/bin/sh\ncd '{}'\n{script}\n", dir.path().display()))
        .unwrap();
    std::fs::set_permissions(dir.path().join("new"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(dir.path().join("new"), &program).unwrap();
    let manager = Manager { program, locks: dir.path().join("locks") };
    Scene { dir, manager }
}

#[tokio::test]
async fn an_error_is_one_even_when_it_ends_well() {
    let scene = scene(
        "echo 'VBoxManage: error: Cannot discard' >&2; echo 'VBoxManage: error: Context: x' >&2; exit 0",
    );
    let refusal = scene.manager.run(&["discardstate", "x"]).await.unwrap_err();
    assert_eq!(refusal.to_string(), "VBoxManage discardstate failed: Cannot discard");
}

#[tokio::test]
async fn an_exit_code_is_one_even_without_a_word() {
    let scene = scene("echo 'Segmentation fault' >&2; exit 3");
    let refusal = scene.manager.run(&["list", "vms"]).await.unwrap_err();
    assert!(refusal.said.contains("Segmentation fault") && refusal.said.contains('3'), "{refusal}");
}

#[tokio::test]
async fn what_is_not_ready_is_asked_again() {
    let scene = scene(
        "echo x >>tries; case $(wc -l <tries) in\n\
         1) echo 'VBoxManage: error: The object is not ready' >&2; exit 1;;\n\
         2) echo 'VBoxManage: error: Failed to create the VirtualBox object!' >&2; exit 1;;\n\
         3) echo 'VBoxManage: error: Failed to get a console object from the direct session (VBOX_E_INVALID_OBJECT_STATE)' >&2\n\
            exit 1;; esac\n\
         printf 'WARNING: no module\\n\\t at all\\n\\n'; echo \"$LC_ALL $*\"",
    );
    assert_eq!(scene.manager.run(&["list", "a b"]).await.unwrap(), "C.UTF-8 list a b\n");
    let tries = std::fs::read_to_string(scene.dir.path().join("tries")).unwrap();
    assert_eq!(tries.lines().count(), 4);
}

#[tokio::test]
async fn what_never_gets_ready_is_not_asked_for_ever() {
    let scene = scene("echo x >>tries; echo 'VBoxManage: error: The object is not ready' >&2; exit 1");
    assert!(scene.manager.run(&["list"]).await.unwrap_err().is_not_ready());
    let tries = std::fs::read_to_string(scene.dir.path().join("tries")).unwrap();
    assert_eq!(tries.lines().count(), TRIES as usize);
}

/// The second would see the mark of the first.
#[tokio::test]
async fn one_call_at_a_time() {
    let scene =
        scene("mkdir mark || { echo 'VBoxManage: error: two at once' >&2; exit 1; }; sleep 0.1; rmdir mark");
    let both = tokio::join!(scene.manager.run(&["a"]), scene.manager.run(&["b"]));
    assert_eq!(both, (Ok(String::new()), Ok(String::new())));
}

#[tokio::test]
async fn a_call_that_does_not_end_is_ended() {
    let scene = scene("sleep 60");
    let done = scene.manager.once(&["list"], Duration::from_millis(100), &|_| {}).await;
    assert!(done.unwrap_err().has("did not end within"));
}

#[tokio::test]
async fn work_tells_how_far_it_is() {
    let scene = scene("printf '0%%...10%%...' >&2; sleep 0.05; printf '100%%\\n' >&2");
    let seen = std::sync::Mutex::new(Vec::new());
    scene.manager.work(&["clonemedium"], &|n| seen.lock().unwrap().push(n)).await.unwrap();
    assert_eq!(seen.into_inner().unwrap().last(), Some(&100));
}

#[tokio::test]
async fn a_program_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let manager = Manager { program: "/nowhere/VBoxManage".into(), locks: dir.path().to_owned() };
    assert!(manager.run(&["list"]).await.unwrap_err().has("could not be started"));
    let error = Manager::find(&Settings::default()).await.unwrap_err();
    assert!(error.message.starts_with("VBoxManage not found."), "{error}");
}

#[tokio::test]
async fn call_without_a_lock_is_refused() {
    let mut scene = scene("echo called >called");
    std::fs::write(scene.dir.path().join("file"), "").unwrap();
    scene.manager.locks = scene.dir.path().join("file");
    let error = DriverError::from(scene.manager.run(&["list", "vms"]).await.unwrap_err());
    let start = "VBoxManage list failed: cannot keep lock files in ";
    assert!(error.message.starts_with(start) && error.message.ends_with("it is not a folder"), "{error}");
    assert!(error.hints[0].starts_with("move it away: "), "{:?}", error.hints);
    assert!(!scene.dir.path().join("called").exists(), "VBoxManage was called without the lock");
}
