//! Each system call of a network's making may fail: then there is an error, and nothing has changed.

mod ground;

use std::env;
use std::process::Command;

use ground::{attachment, await_same, dump, network, on_a_host, run};
use network::Name;

const CHILD: &str = "NETWORK_FAULT_CHILD";

/// A system call, and how often it fails at most: once each time, and the time after.
type Call = (&'static str, usize);

#[test]
fn whatever_call_fails_the_first_network_is_made_whole_or_not_at_all() {
    let name = "whatever_call_fails_the_first_network_is_made_whole_or_not_at_all";
    let calls: [Call; 7] = [
        ("unshare", 1),
        ("ioctl", 3),
        ("clone3", 2),
        ("socket", 6),
        ("openat", 10),
        ("write", 30),
        ("read", 50),
    ];
    if is_child() {
        return make_network();
    }
    on_a_host(|_| fail_each(name, &calls, &[]));
}

#[test]
fn whatever_call_fails_a_further_network_is_made_whole_or_not_at_all() {
    let name = "whatever_call_fails_a_further_network_is_made_whole_or_not_at_all";
    if is_child() {
        return make_network();
    }
    on_a_host(|_| {
        let first = attachment("first", 9, &["80:80"]);
        let _held = network().prepare(&first).expect("a network");
        fail_each(name, &[("write", 18), ("read", 40)], &[first.name]);
    });
}

/// Lets each call fail in a process that makes a network, in which it runs the test of this name again.
fn fail_each(test: &str, calls: &[Call], alive: &[Name]) {
    let before = dump();
    let (mut made, mut refused) = (0, 0);
    for (call, times) in calls {
        for number in 1..=*times {
            let output = with_fault(test, call, number);
            // The fault may also be met by the program around it, which then dies of it or has nothing to say.
            if output.contains("network: refused") {
                refused += 1;
            } else {
                made += usize::from(output.contains("network: made"));
                network().sweep(alive).expect("swept");
            }
            await_same(&before);
        }
    }
    assert!(refused >= 20 && made >= 5, "{refused} refused, {made} made in spite of it");
}

/// Whether this is the process in which a call fails. It is where the test's thread is that started it.
fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// Makes a network and says how that went. It ends with this process.
fn make_network() {
    let made = network().prepare(&attachment("web", 2, &["8080:80", "53:53/udp"]));
    match made {
        Ok(_) => println!("network: made"),
        Err(error) => println!("network: refused: {error}"),
    }
}

/// What this program says while a call fails.
fn with_fault(test: &str, call: &str, number: usize) -> String {
    let program = env::current_exe().expect("this program");
    let inject = format!("inject={call}:error=ENOMEM:when={number}");
    let done = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &inject])
        .arg(program)
        .args(["--exact", "--nocapture", test])
        .env(CHILD, "1")
        .output()
        .expect("strace starts");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn a_network_whose_ports_cannot_be_published_is_not_made() {
    on_a_host(|_| {
        let mut network = network();
        let _first = network.prepare(&attachment("first", 9, &[])).expect("a network");
        for chain in ["arriving", "local"] {
            run(&format!("nft flush chain ip husk {chain}"));
        }
        run("nft delete map ip husk ports");
        let before = dump();
        let error = network.prepare(&attachment("web", 2, &["127.0.0.1:53:53", "8080:80"]));
        let text = error.expect_err("there is no map for it").to_string();
        assert_eq!(text, "publish the ports of web in table ip husk: No such file or directory");
        ground::demand_same(&before, &dump());
    });
}
