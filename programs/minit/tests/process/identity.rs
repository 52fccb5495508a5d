//! What the command is, as it was asked for.

use std::process::Command;

use serde_json::json;

use crate::bed::{minit, program, run, status};
use crate::client::Served;

/// What a shell says that runs under minit with these options.
fn says(options: &[&str], script: &str) -> String {
    let mut arguments = options.to_vec();
    arguments.extend(["sh", "-c", script]);
    let outcome = run(&mut minit(&arguments));
    assert_eq!((outcome.code, &*outcome.err), (Some(0), ""), "{options:?}");
    outcome.out.trim_end().to_owned()
}

#[test]
fn user_and_groups_are_those_asked_for_and_no_others() {
    const IDS: &str = "echo $(id -u):$(id -g):$(id -G)";
    assert_eq!(says(&["--user", "nobody"], IDS), "65534:65534:65534");
    assert_eq!(says(&["--user", "1234", "--group", "4321"], IDS), "1234:4321:4321");
    assert_eq!(says(&["--user=daemon", "--groups=7,8,mail"], IDS), "1:1:1 7 8");
    assert_eq!(says(&["--group", "9"], "id -g"), "9");
    assert_eq!(says(&["--user", "1000:1001"], IDS), "1000:1001:1001");
    assert_eq!(says(&["--user", "daemon:mail"], IDS), "1:8:8");
    assert_eq!(says(&["--user", "daemon:mail", "--group", "9"], IDS), "1:9:9");
}

#[test]
fn capabilities_are_those_asked_for() {
    const SETS: &str = "grep Cap /proc/self/status | cut -f2 | sed 's/^0*//' | tr '\\n' ' '";
    // inheritable, permitted, effective, bounding, ambient
    let options =
        ["--user", "nobody", "--ambient", "net_bind_service", "--bounding", "net_bind_service,chown"];
    assert_eq!(says(&options, SETS).trim_end(), "400 400 400 401 400");
    assert_eq!(says(&["--no-new-privs"], "grep NoNewPrivs /proc/self/status | cut -f2"), "1");
}

#[test]
fn limits_mask_priority_and_directory_are_those_asked_for() {
    assert_eq!(says(&["--rlimit", "nofile=64:128"], "ulimit -Sn; ulimit -Hn"), "64\n128");
    assert_eq!(says(&["--rlimit", "core=0", "--rlimit", "core=0:0"], "ulimit -c"), "0");
    assert_eq!(says(&["--umask", "027"], "umask"), "0027");
    assert_eq!(says(&["--nice", "7"], "nice"), "7");
    assert_eq!(says(&["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj"), "500");
    assert_eq!(says(&["--chdir", "/usr/bin"], "pwd"), "/usr/bin");
}

#[test]
fn process_1_is_spared_when_memory_is_short_and_all_others_have_what_it_had() {
    // With a score of its own, which is nobody's default.
    let script = "echo 123 > /proc/self/oom_score_adj && exec \"$@\"";
    let mut command = Command::new("sh");
    let unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", program()];
    command.args(["-c", script, "sh"]).args(unshare);
    let main = "cat /proc/1/oom_score_adj; cat /proc/self/oom_score_adj; exec sleep 1000";
    let mut served = Served::start(command, &["sh", "-c", main]);
    // To lower it needs CAP_SYS_RESOURCE, number 24; without that nothing changes. On a machine: tests/boot.
    let rights = status(std::process::id(), "CapEff").expect("the kernel tells");
    let may = u64::from_str_radix(&rights, 16).expect("a number") >> 24 & 1 == 1;
    let first = if may { "-1000" } else { "123" };
    assert_eq!((&*served.running.line(), &*served.running.line()), (first, "123"));
    let mut client = served.connect();
    // The api, its command, and what that starts.
    let script = "cat /proc/$PPID/oom_score_adj /proc/$$/oom_score_adj; (cat /proc/self/oom_score_adj)";
    client.send(json!({"type": "exec", "cmd": "sh", "args": ["-c", script]}));
    for whose in ["the api's", "a command's", "a child's"] {
        assert_eq!(client.next_of("stdout")["data"], "123", "{whose}");
    }
    assert_eq!(client.next_of("exit")["code"], 0);
}

#[test]
fn the_environment_is_ours_changed_as_asked_for() {
    assert_eq!(says(&["--env", "A=1", "--env=B=x=y"], "echo $A,$B,${PATH:+set}"), "1,x=y,set");
    let outcome = run(&mut minit(&["--clear-env", "--env", "A=1", "env"]));
    assert_eq!(outcome.out, "A=1\n");
    assert_eq!(run(&mut minit(&["--env", "=1", "true"])).code, Some(125));
}
