//! Each system call of a network's making may fail: then there is an error, and nothing has changed.

mod ground;

use std::env;
use std::process::Command;

use ground::{attachment, await_same, dump, network, on_a_host, run};

const CHILD: &str = "NETWORK_FAULT_CHILD";
const NAME: &str = "whatever_call_fails_a_network_is_made_whole_or_not_at_all";

/// System calls, and how often they are made at most until a first network with two ports is there.
const CALLS: &[(&str, usize)] = &[
    ("unshare", 1),
    ("ioctl", 3),
    ("clone3", 2),
    ("socket", 6),
    ("openat", 10),
    ("write", 30),
    ("read", 60),
];

#[test]
fn whatever_call_fails_a_network_is_made_whole_or_not_at_all() {
    if env::var_os(CHILD).is_some() {
        return make_network();
    }
    on_a_host(|_| {
        let before = dump();
        let (mut made, mut refused) = (0, 0);
        for (call, times) in CALLS {
            for number in 1..=*times {
                let output = with_fault(call, number);
                // The fault may also be met by the program around it, which then dies of it or has nothing to say.
                if output.contains("network: refused") {
                    refused += 1;
                } else {
                    made += usize::from(output.contains("network: made"));
                    network().sweep(&[]).expect("swept");
                }
                await_same(&before);
            }
        }
        assert!(refused >= 20 && made >= 5, "{refused} refused, {made} made in spite of it");
    });
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
fn with_fault(call: &str, number: usize) -> String {
    let program = env::current_exe().expect("this program");
    let inject = format!("inject={call}:error=ENOMEM:when={number}");
    let done = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &inject])
        .arg(program)
        .args(["--exact", "--nocapture", NAME])
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
