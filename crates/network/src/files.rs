//! The files by which programs of an instance find names: /etc/resolv.conf, /etc/hosts, /etc/hostname.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};

use crate::subnet::is_unicast;
use crate::{Attachment, Error};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// systemd-resolved(8): the resolvers that stand behind its own at 127.0.0.53.
const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";
/// More than that is no list of resolvers.
const LONGEST: u64 = 64 * 1024;

/// Texts of files for an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// /etc/resolv.conf
    pub resolv_conf: String,
    /// /etc/hosts
    pub hosts: String,
    /// /etc/hostname
    pub hostname: String,
    /// What is in resolv_conf.
    pub resolvers: Resolvers,
}

/// Which resolvers an instance can ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolvers {
    /// The host's own, those that can be reached from a private network.
    Host(Vec<Ipv4Addr>),
    /// None: the host's, these, are on its loopback interface or have IPv6 addresses. None of somebody else is put in
    /// their place: who is asked about names is for the owner of the host to say. The C library then asks 127.0.0.1
    /// of the instance, where nobody answers.
    Unreachable(Vec<String>),
}

/// The files for an instance, from those of the host.
///
/// # Errors
/// The host name is none: 1 to 64 letters, digits, '-', '_' and '.'.
pub fn files(attachment: &Attachment, hostname: &str) -> Result<Files, Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !(1..=64).contains(&hostname.len()) || !hostname.bytes().all(fits) {
        return Err(Error::said(format!(
            "host name \"{}\": must be 1 to 64 letters, digits, '-', '_' and '.'",
            hostname.escape_debug()
        )));
    }
    let (resolv_conf, resolvers) = resolv_conf(&read(RESOLV_CONF), &read(BEHIND_RESOLVED));
    let short = hostname.split_once('.').map_or(String::new(), |(first, _)| format!(" {first}"));
    let hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{}\t{hostname}{short}\n",
        attachment.address
    );
    Ok(Files { resolv_conf, hosts, hostname: format!("{hostname}\n"), resolvers })
}

/// What is in a file; nothing if there is none.
fn read(path: &str) -> String {
    let mut bytes = Vec::new();
    let file = File::open(path).map(|file| file.take(LONGEST));
    // Half a file of the host's is better than no resolver at all.
    let _ = file.and_then(|mut file| file.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A resolv.conf(5) for a private network from the host's, and from the one behind systemd-resolved, which counts
/// where none of the host's can be reached.
fn resolv_conf(host: &str, behind: &str) -> (String, Resolvers) {
    let (mut reachable, mut unreachable) = resolvers(host);
    if reachable.is_empty() {
        let (others, more) = resolvers(behind);
        reachable = others;
        unreachable.extend(more);
    }
    let mut text = String::new();
    let kept = |line: &&str| matches!(word(line), "search" | "domain" | "options" | "sortlist");
    for line in host.lines().filter(kept) {
        text.push_str(line);
        text.push('\n');
    }
    for resolver in &reachable {
        text.push_str(&format!("nameserver {resolver}\n"));
    }
    if reachable.is_empty() {
        text.push_str("# No resolver of the host can be reached from this network.\n");
        return (text, Resolvers::Unreachable(unreachable));
    }
    (text, Resolvers::Host(reachable))
}

/// The resolvers of a resolv.conf that can be reached from a private network, and the others.
fn resolvers(text: &str) -> (Vec<Ipv4Addr>, Vec<String>) {
    let (mut reachable, mut others) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| word(line) == "nameserver") {
        let address = line.split_ascii_whitespace().nth(1).unwrap_or_default();
        match address.parse() {
            Ok(IpAddr::V4(address)) if is_unicast(address) => reachable.push(address),
            _ => others.push(address.to_owned()),
        }
    }
    (reachable, others)
}

/// The word that says what a line of resolv.conf is. It has to begin the line.
fn word(line: &str) -> &str {
    line.split([' ', '\t']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment() -> Attachment {
        let name = "web".parse().expect("a name");
        Attachment { name, address: Ipv4Addr::new(10, 231, 64, 2), publish: Vec::new() }
    }

    #[test]
    fn resolvers_of_the_host_are_the_instances_too() {
        let host = "# made by hand\nsearch example.org lan\noptions ndots:2\nnameserver 192.0.2.1\n;x\nnameserver\t192.0.2.2 \n";
        let (text, resolvers) = resolv_conf(host, "");
        assert_eq!(
            text,
            "search example.org lan\noptions ndots:2\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"
        );
        assert_eq!(resolvers, Resolvers::Host(vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]));
    }

    #[test]
    fn a_resolver_on_the_hosts_loopback_is_left_out() {
        let host = "nameserver 127.0.0.1\nnameserver ::1\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n";
        assert_eq!(resolv_conf(host, "nameserver 192.0.2.9\n").0, "nameserver 192.0.2.1\n");
    }

    #[test]
    fn behind_systemd_resolved_its_own_resolvers_are_asked() {
        let stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n";
        let (text, _) = resolv_conf(stub, "nameserver 192.0.2.9\nsearch other\n");
        assert_eq!(text, "options edns0 trust-ad\nsearch lan\nnameserver 192.0.2.9\n");
    }

    #[test]
    fn where_none_can_be_reached_none_is_invented() {
        let (text, resolvers) =
            resolv_conf("nameserver 127.0.0.53\n", "nameserver 2001:db8::1\nnameserver x;y\n");
        assert_eq!(text, "# No resolver of the host can be reached from this network.\n");
        let others = ["127.0.0.53", "2001:db8::1", "x;y"].map(str::to_owned).to_vec();
        assert_eq!(resolvers, Resolvers::Unreachable(others));
    }

    #[test]
    fn an_instance_finds_itself_by_its_name() {
        let files = files(&attachment(), "web.example.org").expect("files");
        assert_eq!(
            files.hosts,
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.231.64.2\tweb.example.org web\n"
        );
        assert_eq!(files.hostname, "web.example.org\n");
        for bad in ["", "a b", "a\n1.2.3.4 b", &"n".repeat(65)] {
            assert!(super::files(&attachment(), bad).is_err(), "{bad:?}");
        }
    }
}
