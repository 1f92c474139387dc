//! Somebody whose machines are containers of the engine on this computer, on a network of a test's own.

use std::process::Command;

use crate::e2e::lab::{Done, User, done};

/// Whatever a failed test leaves goes with it.
pub struct Owner {
    pub user: User,
    pub network: String,
}

impl Owner {
    pub fn new(network: &str) -> Self {
        let owner = Self { user: User::new(), network: network.to_owned() };
        // What a run that was killed left would be in the way.
        docker(&["network", "rm", &owner.network]);
        owner
    }

    /// All that the engine holds of this user.
    pub fn left(&self) -> String {
        let label = self.label();
        let listed = |what: &[&str]| docker(&[what, &["-q", "--filter", &label]].concat()).out;
        listed(&["ps", "-a"]) + &listed(&["volume", "ls"]) + &listed(&["network", "ls"])
    }

    /// What everything bears that was made for this user.
    pub fn label(&self) -> String {
        format!("label=rmachine.store={}", self.user.store().display())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        for id in docker(&["ps", "-aq", "--filter", &self.label()]).out.lines() {
            docker(&["rm", "-fv", id]);
        }
        docker(&["network", "rm", &self.network]);
    }
}

/// Makes an image of what a node has itself, since there may be no registry: a perl that answers.
pub const PACK: &str = "set -e; files=$(ldd /usr/bin/perl | grep -o '/[^ ]*'); \
    tar -C / -ch /usr/bin/perl $files $(echo /usr/lib/*/perl-base) 2>/dev/null | docker import - answerer >/dev/null";
/// Its answer names its node and ends with `hello`, after as many more bytes as it was told.
const SERVE: &str = "$SIG{TERM} = sub { exit }; use IO::Socket::INET; \
    $s = IO::Socket::INET->new(LocalPort => 80, Listen => 64, ReuseAddr => 1) or die; \
    while ($c = $s->accept) { $c->sysread($b, 999); print $c \"HTTP/1.0 200 OK\\r\\n\\r\\nfrom $ENV{NODE} \", \
    '.' x $ENV{BULK}, 'hello'; close $c }";

/// The words that make a service of it.
pub fn answering<'a>(name: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["service", "create", "--quiet", "--detach", "--name", name, "--no-resolve-image"];
    args.extend(["--endpoint-mode", "dnsrr", "--env", "NODE={{.Node.Hostname}}"]);
    args.extend(extra);
    args.extend(["answerer", "/usr/bin/perl", "-e", SERVE]);
    args
}

/// The outer engine's CLI.
pub fn docker(args: &[&str]) -> Done {
    done(Command::new("docker").args(args).output().expect("docker runs"))
}
