//! The caller's terminal and the container's.
//!
//! script(1), of Debian's bsdutils, gives husk a controlling terminal whatever the tests were started from.

use std::fs;
use std::process::Command;

use security::{Ground, Outcome, attempt};
use serde_json::Value;

/// CVE-2017-5226: who shares a controlling terminal with a shell may type into it (TIOCSTI). A container never
/// shares one: it begins a session, and what it has is a terminal of its own, or none.
#[test]
fn terminal_of_the_caller_is_not_the_containers() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let out = ground.join("out");
    let husk = ground.program().display();
    for (options, has_one) in [("", false), ("-t", true), ("--ephemeral", false)] {
        let line =
            format!("{husk} run {options} {} /bin/probe < /dev/null > {}", root.display(), out.display());
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let ended = attempt(&mut script);
        assert!(matches!(ended, Outcome::Ran(0, ..)), "script(1) gives husk a terminal: {ended:?}");
        let text = fs::read_to_string(&out).expect("report");
        let report: Value = serde_json::from_str(text.trim()).expect("the probe's line");
        assert_eq!(report["process"]["sid"], 1, "{options}: a session of its own");
        assert_eq!(report["terminal"]["device"].is_string(), has_one, "{options}: {}", report["terminal"]);
        assert_eq!(report["terminal"]["open"] == "ok", has_one, "{options}: {}", report["terminal"]);
    }
}
