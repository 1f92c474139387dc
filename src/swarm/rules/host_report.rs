//! What one node sees of itself and of another: addresses, room on its disk, and ports that answer or do not.

use std::net::IpAddr;

use crate::swarm::rules::Interface;
use crate::swarm::rules::disk_space::Room;

/// The script; its words are the ports to try.
pub(crate) const SCRIPT: &str = include_str!("../../../templates/swarm/look.sh");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// A port of another node, to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) protocol: Protocol,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Something took the connection. Of UDP: nothing came back, which may mean anything.
    Open,
    /// The host itself said that nobody listens, so that the way there is free. Some firewalls say it too.
    Refused,
    /// Nothing came back.
    Silent,
    /// Something on the way said no.
    Rejected,
    /// There are no means to try it on that host.
    Unknown,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) ports: Vec<(Probe, Answer)>,
    /// Of the folder that was asked for.
    pub(crate) room: Option<Room>,
    /// How many UDP packets ever came for a port that nobody has.
    pub(crate) strays: Option<u64>,
    /// Which of a swarm's own UDP ports somebody has.
    pub(crate) taken: Vec<u16>,
}

impl Probe {
    pub(crate) fn tcp(address: IpAddr, port: u16) -> Self {
        Self { protocol: Protocol::Tcp, address, port }
    }

    pub(crate) fn udp(address: IpAddr, port: u16) -> Self {
        Self { protocol: Protocol::Udp, address, port }
    }

    fn word(self) -> String {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        format!("{protocol}/{}/{}", self.address, self.port)
    }

    fn named(self) -> String {
        let protocol = match self.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        format!("{protocol} {} of {}", self.port, self.address)
    }

    fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('/');
        let protocol = match parts.next()? {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        };
        Some(Self { protocol, address: parts.next()?.parse().ok()?, port: parts.next()?.parse().ok()? })
    }
}

/// What to run, with the script at its standard input. The words are addresses and numbers, and the folder is quoted:
/// nothing in them is a shell's.
pub(crate) fn command(probes: &[Probe], folder: Option<&str>) -> String {
    let words: String = probes.iter().map(|p| format!(" {}", p.word())).collect();
    // One that cannot be quoted is none.
    let folder = folder.and_then(|f| shlex::try_quote(f).ok().map(|quoted| format!(" room:{quoted}")));
    format!("sh -s --{}{words}", folder.unwrap_or_default())
}

/// Nothing when it was cut short. Other lines, such as a banner, are no part of it.
pub(crate) fn parse(output: &str) -> Option<Look> {
    let (_, rest) = output.split_once("@rmachine look 1")?;
    let (body, _) = rest.split_once("@rmachine end")?;
    let mut look = Look::default();
    for line in body.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["=", "address", name, cidr] => look.interfaces.extend(interface(name, cidr)),
            ["=", "strays", count] => look.strays = count.parse().ok(),
            ["=", "taken", port] => look.taken.extend(port.parse::<u16>()),
            ["=", "room", free, files, all, ref folder @ ..] => look.room = room(free, files, all, folder),
            ["=", "port", probe, answer] => look.ports.extend(Probe::parse(probe).zip(answered(answer))),
            _ => {}
        }
    }
    Some(look)
}

fn interface(name: &str, cidr: &str) -> Option<Interface> {
    // Of a point-to-point link the address stands alone.
    let (address, prefix) = cidr.split_once('/').unwrap_or((cidr, "32"));
    Some(Interface { name: name.to_owned(), address: address.parse().ok()?, prefix: prefix.parse().ok()? })
}

fn room(kilobytes: &str, files: &str, all: &str, folder: &[&str]) -> Option<Room> {
    let counted = all.parse::<u64>().is_ok_and(|all| all > 0);
    Some(Room {
        folder: folder.join(" "),
        megabytes: kilobytes.parse::<u64>().ok()? >> 10,
        inodes: files.parse().ok().filter(|_| counted),
    })
}

/// Whether what was sent to a port between two looks got to the host. Nothing where its counters cannot tell.
pub(crate) fn arrived(probe: Probe, before: &Look, after: &Look) -> Option<bool> {
    let nobody_has_it = !before.taken.contains(&probe.port) && !after.taken.contains(&probe.port);
    before.strays.zip(after.strays).filter(|_| nobody_has_it).map(|(before, after)| after > before)
}

fn answered(word: &str) -> Option<Answer> {
    Some(match word {
        "open" => Answer::Open,
        "refused" => Answer::Refused,
        "silent" => Answer::Silent,
        "rejected" => Answer::Rejected,
        "unknown" => Answer::Unknown,
        _ => return None,
    })
}

/// What a node has to be told about the ports of one that listens there, or would.
pub(crate) fn complaint(probe: Probe, answer: Answer, listens: bool) -> Option<String> {
    let name = probe.named();
    match (probe.protocol, answer) {
        (_, Answer::Rejected) => Some(format!("{name} is closed: something on the way rejects it")),
        (Protocol::Tcp, Answer::Silent) => {
            Some(format!("{name} is closed: nothing answers there, as behind a firewall"))
        }
        (Protocol::Tcp, Answer::Refused) if listens => {
            Some(format!("{name} is closed: the connection is refused"))
        }
        _ => None,
    }
}

/// The same of a port to which UDP was sent that never came.
pub(crate) fn lost(probe: Probe) -> String {
    format!("{} is closed: what is sent there does not arrive", probe.named())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Welcome!\n@rmachine look 1\n= address lo 127.0.0.1/8\n= address eth0 172.18.0.2/16\n\
        = address tun0 10.9.0.1\n= address eth0 fe80::1/64\n= port tcp/172.18.0.3/2377 open\n\
        = port udp/172.18.0.3/4789 refused\n= strays 17\n\
        = taken 4789\n= room 204800 7 9 /var/lib/docker\n= port tcp/x/2 open\nnoise\n@rmachine end\n";

    #[test]
    fn looks_are_understood() {
        let look = parse(SAID).unwrap();
        let names: Vec<_> =
            look.interfaces.iter().map(|i| format!("{} {}/{}", i.name, i.address, i.prefix)).collect();
        assert_eq!(names, ["lo 127.0.0.1/8", "eth0 172.18.0.2/16", "tun0 10.9.0.1/32", "eth0 fe80::1/64"]);
        let peer = "172.18.0.3".parse().unwrap();
        assert_eq!(
            look.ports,
            [(Probe::tcp(peer, 2377), Answer::Open), (Probe::udp(peer, 4789), Answer::Refused)]
        );
        assert_eq!(parse(SAID.trim_end_matches("@rmachine end\n")), None, "cut short");
        assert_eq!(command(&[Probe::tcp(peer, 2377)], None), "sh -s -- tcp/172.18.0.3/2377");
        assert_eq!(command(&[], Some("/var/lib/a b; c")), "sh -s -- room:'/var/lib/a b; c'");
        assert_eq!((look.strays, &look.taken[..]), (Some(17), &[4789][..]));
        let room = Room { folder: "/var/lib/docker".into(), megabytes: 200, inodes: Some(7) };
        assert_eq!(look.room, Some(room));
        let uncounted = parse("@rmachine look 1\n= room 1023 0 0 /a b\n@rmachine end").unwrap().room.unwrap();
        assert_eq!((uncounted.megabytes, uncounted.inodes, uncounted.folder.as_str()), (0, None, "/a b"));
    }

    #[test]
    fn what_arrives_for_nobody_is_counted() {
        let probe = Probe::udp("10.0.0.5".parse().unwrap(), 4789);
        let look = |strays, taken: &[u16]| Look { strays, taken: taken.to_vec(), ..Look::default() };
        let between = |before, after, taken| arrived(probe, &look(before, &[]), &look(after, taken));
        assert_eq!(between(Some(3), Some(4), &[7946]), Some(true));
        assert_eq!(between(Some(3), Some(3), &[]), Some(false));
        assert_eq!(between(Some(3), Some(3), &[4789]), None, "somebody may have taken it");
        assert_eq!(between(None, Some(3), &[]), None);
    }

    /// The script itself, in a shell of this computer.
    #[test]
    fn the_script_tells_open_from_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let open = Probe::tcp(here, listener.local_addr().unwrap().port());
        let closed = {
            let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            other.local_addr().unwrap().port()
        };
        let probes = [open, Probe::tcp(here, closed), Probe::udp(here, closed)];
        let before = parse(&run(&command(&[], None))).unwrap();
        let look = parse(&run(&command(&probes, Some("/proc")))).unwrap();
        assert_eq!(look.room.as_ref().map(|r| r.folder.as_str()), Some("/proc"), "{look:?}");
        let after = parse(&run(&command(&[], None))).unwrap();
        assert_eq!(arrived(probes[2], &before, &after), Some(true), "it came, and nobody was there");
        let answer = |probe| look.ports.iter().find(|(p, _)| *p == probe).map(|(_, a)| *a);
        assert_eq!(answer(probes[0]), Some(Answer::Open));
        assert_eq!(answer(probes[1]), Some(Answer::Refused));
        assert_eq!(answer(probes[2]), Some(Answer::Refused), "UDP");
    }

    #[allow(clippy::disallowed_methods, reason = "tests run what a host would")]
    fn run(command: &str) -> String {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        child.stdin.take().unwrap().write_all(SCRIPT.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn complaints() {
        let peer = "10.0.0.5".parse().unwrap();
        let tcp = |answer, listens| complaint(Probe::tcp(peer, 2377), answer, listens);
        assert_eq!(tcp(Answer::Open, true), None);
        assert_eq!(tcp(Answer::Refused, false), None, "nobody listens there yet");
        assert!(tcp(Answer::Refused, true).unwrap().starts_with("TCP 2377 of 10.0.0.5 is closed"));
        assert!(tcp(Answer::Silent, false).unwrap().contains("firewall"));
        assert_eq!(complaint(Probe::udp(peer, 4789), Answer::Silent, false), None, "it cannot be known");
        assert!(complaint(Probe::udp(peer, 4789), Answer::Rejected, true).is_some());
    }
}
