//! What `minit --help` prints.

/// The text.
pub const HELP: &str = "\
minit [OPTIONS] [--] CMD [ARG…]

Starts CMD, passes signals on to it, reaps what falls to it, and ends with it.
Called tini, tini-static, docker-init, dumb-init, catatonit or podman-init it takes that
program's options.

  --on-exit WHAT        when CMD has ended: exit (default), stay, respawn, poweroff, reboot
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
  --umask MASK          octal
  --nice N              -20 to 19
  --oom-score-adj N     -1000 to 1000
  --env NAME=VALUE      sets a variable
  --clear-env           starts from an empty environment
  --chdir DIR           working directory
  --no-api              accepted: this version serves no socket
  -h, --help            -V, --version

Signals: all are passed on. SIGTERM and SIGINT also mean the end: everything is told to end,
and killed after the grace. Exit codes: that of CMD, 128+n for signal n, 127 not found,
126 not executable, 125 minit itself.
";
