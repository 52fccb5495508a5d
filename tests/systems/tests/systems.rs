//! Whole systems as instances: what they promise at their start, frozen, committed, stopped, and run again.

/// Everything from the archive to the image of an image, for one system. `$2` is its archive, `$3` a command that ends when
/// its init is up, and says so; what follows are arguments of the init.
const LIFE: &str = r#"
life() {
  name=$1 archive=$2 ready=$3; shift 3
  husk import $archive $name-image > /dev/null && say $name imported
  husk new --profile unrestricted $name $name-image -- /sbin/init "$@" && say $name new
  husk run -d $name > /dev/null && say $name runs
  say $name state $(husk exec $name sh -c "$ready")
  husk exec $name sh -c 'echo mark > /root/mark'
  husk pause $name; say $name $(grep frozen /sys/fs/cgroup/husk/$name/cgroup.events)
  husk exec $name true 2>&1 | sed 's/^/T refused /'
  husk resume $name; say $name $(grep frozen /sys/fs/cgroup/husk/$name/cgroup.events)
  husk commit $name $name-again > /dev/null && say $name committed
  husk stop $name; say $name stopped $?
  say $name left $(ls -d /sys/fs/cgroup/husk/$name /run/husk/$name/shim.sock 2> /dev/null | wc -l)
  husk new --profile unrestricted $name-2 $name-again -- /sbin/init "$@"
  husk run -d $name-2 > /dev/null
  say $name second $(husk exec $name-2 sh -c "$ready") $(husk exec $name-2 cat /root/mark)
  husk stop $name-2; say $name second stopped $?
  husk run -d $name > /dev/null
  say $name third $(husk exec $name sh -c "$ready") $(husk exec $name cat /root/mark)
  husk stop $name
  say $name ended $(husk inspect $name | grep -c '"signal": 9')
  husk rm $name $name-2; husk rmi $name-again $name-image
  say $name gone $(husk ls -q | wc -l) $(husk images -q | wc -l) $(ls /var/lib/husk/layers | wc -l)
}
"#;

fn demand(said: &[String], name: &str, expected: &[&str]) {
    let own: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect();
    assert_eq!(own, expected, "{said:#?}");
}

#[test]
fn a_debian_with_systemd_lives_as_an_instance() {
    // Before its bus is there it cannot even be asked to wait.
    let ready = "until systemctl is-system-running --wait 2> /dev/null | grep -E \"running|degraded\"; do sleep 1; done";
    // With all rights it has the machine's terminals too, and what asks for a login on one hangs up who was there.
    let quiet = "systemd.mask=console-getty.service systemd.mask=getty.target";
    let said = systems::run(&format!("{LIFE}\nlife debian /in/debian.tar '{ready}' {quiet}"));
    demand(
        &said,
        "debian",
        &[
            "imported",
            "new",
            "runs",
            "state running",
            "frozen 1",
            "frozen 0",
            "committed",
            "stopped 0",
            "left 0",
            "second running mark",
            "second stopped 0",
            "third running mark",
            "ended 0",
            "gone 0 0 0",
        ],
    );
    assert!(said.iter().any(|line| line.starts_with("refused") && line.contains("paused")), "{said:#?}");
}

#[test]
fn an_init_of_busybox_lives_as_an_instance() {
    let ready = "until [ -e /run/up ]; do sleep 0.1; done; echo up";
    let said = systems::run(&format!("{LIFE}\nlife small /in/small.tar '{ready}'"));
    demand(
        &said,
        "small",
        &[
            "imported",
            "new",
            "runs",
            "state up",
            "frozen 1",
            "frozen 0",
            "committed",
            "stopped 0",
            "left 0",
            "second up mark",
            "second stopped 0",
            "third up mark",
            "ended 0",
            "gone 0 0 0",
        ],
    );
}
