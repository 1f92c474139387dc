//! Tells the binary which commit it was built from.

use std::process::Command;

fn main() {
    // HEAD itself only names a branch; its log gets a line with every commit.
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-changed=.git/logs/HEAD");
    println!("cargo:rerun-if-env-changed=RMACHINE_BUILD");
    #[expect(clippy::disallowed_methods, reason = "a build script has no context")]
    let given = std::env::var("RMACHINE_BUILD").ok();
    println!("cargo:rustc-env=RMACHINE_BUILD={}", given.or_else(commit).unwrap_or_else(|| "HEAD".to_owned()));
}

fn commit() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a build script has no runner")]
    let answer = Command::new("git").args(["rev-parse", "--short=7", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(answer.stdout).ok()?;
    Some(commit.trim().to_owned()).filter(|c| !c.is_empty() && answer.status.success())
}
