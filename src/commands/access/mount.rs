//! `mount`: a folder of a machine as a folder here, by the sshfs program, told which host key to expect.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::app::Context;
use crate::commands::access::scp::{Written, ended, improper, load, prefixed};
use crate::commands::shared::Outcome;
use crate::machines::Mountable;
use crate::model::Failure;
use crate::ssh::external;

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "rmachine mount [OPTIONS] [[USER@]MACHINE:]PATH [MOUNTPOINT]",
    after_help = "\
This computer needs sshfs and FUSE; the machine needs only its SFTP server. rmachine passes the machine's address, \
user, key, pinned host key and jump host to sshfs.

Examples:
  rmachine mount node1:/srv ./srv
  rmachine mount deploy@node1:www ./www        # a directory in deploy's home
  rmachine mount -u node1:/srv ./srv           # or: fusermount -u ./srv"
)]
pub(crate) struct Args {
    /// Directory of the machine, then the local directory to mount it on [default: the same path]
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,

    /// Unmount the local directory
    #[arg(long, short)]
    unmount: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Outcome {
    let (source, mountpoint) = match &args.paths[..] {
        [source] => (source, None),
        [source, mountpoint] => (source, Some(mountpoint.as_os_str())),
        _ => return Err(improper(ctx, "mount")),
    };
    let (user, machine, path) = match Written::parse(source) {
        Written::There { user, machine, path } => (user, machine, path),
        // docker-machine's rule for every command that takes one machine.
        Written::Here(path) => (None, "default".to_owned(), path),
    };
    let mountpoint = mountpoint.unwrap_or(&path);
    if args.unmount {
        return unmount(ctx, mountpoint).await;
    }
    let sshfs = ctx.find_program("sshfs").ok_or_else(|| {
        Failure::new("You must have a copy of the sshfs binary locally to use the mount feature")
            .hint("on Debian and Ubuntu: apt-get install sshfs; on macOS: macFUSE and sshfs")
    })?;
    let loaded = load(ctx, user.as_deref(), &machine)?;
    if !Path::new(mountpoint).is_dir() {
        let mountpoint = mountpoint.display();
        return Err(Failure::new(format!("the mountpoint {mountpoint} is not a directory"))
            .hint(format!("mkdir -p {mountpoint}")));
    }
    let mountable = ctx.machines().mountable(&loaded, Path::new(&path)).await?;
    let words = sshfs_words(&mountable, &path, mountpoint);
    ended("sshfs", external::run(&sshfs, &words, &[]).await)
}

async fn unmount(ctx: &Context, mountpoint: &OsStr) -> Outcome {
    let program = ctx.find_program("fusermount").or_else(|| ctx.find_program("fusermount3"));
    let program = program.ok_or_else(|| {
        Failure::new("You must have a copy of the fusermount binary locally to use the unmount option")
            .hint("on Debian and Ubuntu: apt-get install fuse3; on macOS: umount")
    })?;
    let words = ["-u".into(), "--".into(), mountpoint.to_owned()];
    ended("fusermount", external::run(&program, &words, &[]).await)
}

fn sshfs_words(m: &Mountable, path: &OsStr, mountpoint: &OsStr) -> Vec<OsString> {
    let mut options = vec![
        "StrictHostKeyChecking=yes".to_owned(),
        format!("UserKnownHostsFile={}", m.known_hosts.display()),
        format!("HostKeyAlias={}", m.alias),
        "PasswordAuthentication=no".to_owned(),
        "LogLevel=error".to_owned(),
        format!("Port={}", m.endpoint.port),
    ];
    if let Some(key) = &m.endpoint.key {
        options.push("IdentitiesOnly=yes".to_owned());
        options.push(format!("IdentityFile={}", key.display()));
    }
    options.extend(m.jump.as_ref().map(|jump| format!("ProxyJump={jump}")));
    options.push("reconnect".to_owned());
    let host = m.endpoint.host.as_str();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let mut words: Vec<OsString> =
        options.iter().flat_map(|o| ["-o".to_owned(), escaped(o)]).map(OsString::from).collect();
    words.push(prefixed(&format!("{}@{host}:", m.endpoint.user), path));
    // A name that begins with a dash is no option.
    let is_absolute = Path::new(mountpoint).is_absolute();
    words.push(if is_absolute { mountpoint.to_owned() } else { prefixed("./", mountpoint) });
    words
}

/// FUSE parts options at commas.
fn escaped(option: &str) -> String {
    option.replace('\\', "\\\\").replace(',', "\\,")
}

#[cfg(test)]
mod tests {
    use rmachine_driver::{Endpoint, HostAddr};

    use super::*;

    #[test]
    fn sshfs_is_told_whom_to_expect() {
        let endpoint = Endpoint {
            host: HostAddr::parse("2001:db8::5").unwrap(),
            port: 2222,
            user: "debian".into(),
            key: Some("/S/machines/n,1/id".into()),
            host_key: None,
        };
        let m = Mountable {
            endpoint,
            known_hosts: "/S/machines/n,1/known_hosts".into(),
            alias: "rmachine-n1".into(),
            jump: Some("bastion".into()),
        };
        assert_eq!(
            sshfs_words(&m, "/srv".as_ref(), "-x".as_ref()).join(OsStr::new(" ")),
            "-o StrictHostKeyChecking=yes -o UserKnownHostsFile=/S/machines/n\\,1/known_hosts -o \
             HostKeyAlias=rmachine-n1 -o PasswordAuthentication=no -o LogLevel=error -o Port=2222 -o \
             IdentitiesOnly=yes -o IdentityFile=/S/machines/n\\,1/id -o ProxyJump=bastion -o reconnect \
             debian@[2001:db8::5]:/srv ./-x"
        );
    }
}
