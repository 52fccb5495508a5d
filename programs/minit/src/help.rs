//! What `minit --help` prints, and texts of any length.

use crate::message::write_all;

/// The text.
pub const HELP: &str = "\
minit [OPTIONS] [--] [CMD [ARG…]]
minit VERB …

Starts CMD, passes signals on to it, reaps what falls to it, and serves clients beside it
(minit exec, ping, ps …: minit VERB --help). As the first process of a machine it mounts,
names and ends that too.
Called tini, tini-static, docker-init, dumb-init, catatonit or podman-init it takes that
program's options, and serves nobody.

The command
  --on-exit WHAT        when CMD has ended: stay (default), exit (default without an api),
                        respawn, poweroff (default on a machine), reboot
  --grace TIME          from SIGTERM to SIGKILL for what is left, at the end or at a stop (10s)
  -g, --all             accepted: signals always go to the whole process group
  -r, --rewrite A:B     pass signal A on as B; B 0 drops it
  -e, --remap CODE      end with 0 where CMD ends with CODE
  --same-signal         die of the signal that CMD died of
  --pdeath SIGNAL       get SIGNAL when the parent of minit ends
  --user U, --group G   by name or number; the group is the user's where it is not given
  --groups G,…          supplementary groups; with --user, none where it is not given
  --ambient CAPS        ambient capabilities (names with commas)
  --bounding CAPS       all that the bounding set keeps
  --no-new-privs        no program run from CMD gains privileges
  --rlimit NAME=S:H     soft and hard limit; unlimited is a value
  --memory, --cpus, --pids LIMIT
                        a cgroup of its own: 512m, 0.5, 100
  --umask MASK          octal
  --nice N              -20 to 19
  --oom-score-adj N     -1000 to 1000
  --env NAME=VALUE      sets a variable; --clear-env starts without any
  --chdir DIR           working directory
  --config FILE         the same words as a JSON object; the command line has the last word
  --on-crash PROGRAM    executed in place of a minit with a defect

Clients
  --socket PATH         a unix socket (/run/minit.sock); none is no socket
  --vsock PORT          a port for the host of this machine
  --dial vsock:CID:PORT connects to a host that listens, and again when that ends
  --listen-fd N         a listening socket that was inherited
  --allow-uid N         this user may connect too, besides root and minit's own
  --allow-env NAME      requests may set this variable
  --no-api              serves nobody

The machine
  --mount LIST          auto (default on a machine), none, or of devtmpfs, proc, sysfs, devpts,
                        shm, run, tmp, cgroup2 those that are wanted
  --hostname NAME       --modules LIST
  --net WHAT            lo (default on a machine), none, or ADDR/PREFIX,GATEWAY
  --report WHERE        the exit code to console, or to the host at vsock:PORT

  -h, --help            -V, --version

Signals: all are passed on. SIGTERM and SIGINT also mean the end: everything is told to end,
and killed after the grace. Exit codes: that of CMD, 128+n for signal n, 127 not found,
126 not executable, 125 minit itself.
";

/// Writes a text of any length to standard output.
pub fn print(text: &str) {
    write_all(sys::standard::output(), text.as_bytes());
}

/// Writes a text of any length to standard error.
pub fn print_error(text: &str) {
    write_all(sys::standard::error(), text.as_bytes());
}
