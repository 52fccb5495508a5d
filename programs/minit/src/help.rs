//! What `minit --help` prints, and texts of any length.

use crate::message::write_all;

/// The text.
pub const HELP: &str = "\
minit [OPTIONS] [--] [CMD [ARG…]]
minit VERB …

Starts CMD, passes signals on, reaps, and serves clients beside it: the verbs below. As the first
process of a machine it mounts, names and ends that too. Called tini, docker-init, dumb-init,
catatonit or podman-init it is that program.

The command
  --on-exit WHAT\tafter CMD: stay (default), exit (default without an api), respawn,
\tpoweroff (default on a machine), reboot
  --grace TIME\tfrom SIGTERM to SIGKILL, at the end or at a stop (10s)
  -g, --all\tsignals go to the whole group anyway
  -r, --rewrite A:B\tpass signal A on as B, or 0: not
  -e, --remap CODE\tend with 0 instead
  --same-signal\tdie of the signal that CMD died of
  --pdeath SIGNAL\tget it when the parent ends
  --user U, --group G\tnames or numbers, also U:G; the user's group by default
  --groups G,…\tsupplementary groups; with --user, none by default
  --ambient CAPS\tambient capabilities
  --bounding CAPS\tall that the bounding set keeps
  --no-new-privs\tno program run from CMD gains privileges
  --rlimit NAME=S:H\tas nofile=1024:unlimited
  --memory, --cpus, --pids LIMIT
\ta cgroup of its own: 512m, 0.5, 100
  --umask MASK\toctal
  --nice N\t-20 to 19
  --oom-score-adj N\t-1000 to 1000
  --env NAME=VALUE\tsets a variable; --clear-env starts without any
  --chdir DIR\tworking directory
  --config FILE\tthe same words as JSON
  --on-crash PROGRAM\tin place of a minit with a defect

Clients
  --socket PATH\t/run/minit.sock by default; none is none
  --vsock PORT\ta port for the host of this machine
  --dial vsock:CID:PORT\tconnects to a host that listens
  --listen-fd N\ta listening socket that was inherited
  --allow-uid N\tlets this user in too
  --allow-env NAME\trequests may set this variable
  --no-api\tserves nobody

The machine
  --mount LIST\tauto (default on a machine), none, or some of devtmpfs, proc, sysfs,
\tdevpts, shm, run, tmp, cgroup2
  --hostname NAME\t--modules LIST
  --net WHAT\tlo (default on a machine), none, or ADDR/PREFIX,GATEWAY
  --report WHERE\tthe exit code to console, or to the host at vsock:PORT

  -h, --help\t-V, --version

Exit codes: that of CMD, 128+n for signal n, 127 not found, 126 not executable, 125 minit itself.
SIGTERM and SIGINT end everything, after the grace by SIGKILL.
";

/// Writes a text of any length to standard output.
pub fn print(text: &str) {
    write_all(sys::standard::output(), text.as_bytes());
}

/// Writes a text of any length to standard error.
pub fn print_error(text: &str) {
    write_all(sys::standard::error(), text.as_bytes());
}

/// Where the second column of a text begins.
const COLUMN: usize = 26;

/// Writes a text in two columns, with a tab before the second one, to standard output.
pub fn explain(text: &str) {
    let (mut shown, mut length, mut column) = ([0u8; 4096], 0, 0);
    for byte in text.bytes() {
        let (byte, count) = if byte == b'\t' { (b' ', COLUMN.saturating_sub(column)) } else { (byte, 1) };
        shown.iter_mut().skip(length).take(count).for_each(|place| *place = byte);
        length += count;
        column = match byte {
            b'\n' => 0,
            // The rest of a character of several bytes.
            0x80..0xc0 => column,
            _ => column + count,
        };
    }
    write_all(sys::standard::output(), shown.get(..length).unwrap_or_default());
}
