//! Killed at any moment.

mod ground;

use std::env;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ground::{HOST, attachment, demand_same, dump, network, on_a_host, tcp};

const CHILD: &str = "NETWORK_CRASH_CHILD";

#[test]
fn whoever_is_killed_while_making_networks_leaves_nothing_that_a_sweep_does_not_remove() {
    if env::var_os(CHILD).is_some() {
        make_networks();
    }
    on_a_host(|host| {
        let before = dump();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        // A network is made in two milliseconds; to remove all takes the kernel longer.
        for within in [4_000, 4_000, 80_000].repeat(25) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            kill_one_after(Duration::from_micros((state >> 33) % within));
            network().sweep(&[]).expect("swept");
            demand_same(&before, &dump());
        }
        let web = network().prepare(&attachment("web", 2, &["8080:80"])).expect("a network");
        assert!(tcp(&host.outside, &web, 80, (HOST, 8080)).is_ok());
    });
}

/// Makes and removes everything, until it is killed. Its thread is in the namespace of the test's.
fn make_networks() -> ! {
    let mut network = network();
    let (web, two) = (attachment("web", 2, &["8080:80", "53:53/udp"]), attachment("two", 3, &[]));
    println!("ready");
    loop {
        let held = (network.prepare(&web).expect("a network"), network.prepare(&two).expect("a network"));
        network.withdraw(&web.name).expect("withdrawn");
        drop(held);
        network.sweep(&[]).expect("swept");
    }
}

fn kill_one_after(delay: Duration) {
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args([
            "--exact",
            "--nocapture",
            "whoever_is_killed_while_making_networks_leaves_nothing_that_a_sweep_does_not_remove",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut output = child.stdout.take().expect("a pipe");
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"ready\n") {
        assert_eq!(output.read(&mut byte).expect("a pipe"), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    thread::sleep(delay);
    assert!(child.try_wait().expect("a child").is_none(), "it works until it is killed");
    child.kill().expect("killed");
    child.wait().expect("waited for");
}
