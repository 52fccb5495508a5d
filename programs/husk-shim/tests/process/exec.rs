//! Commands that enter a container.

use std::collections::BTreeMap;

use husk_client::{Error, Event, Exec};

use crate::ground::{Ground, Shim, until};

fn text(shim: &Shim<'_>, exec: &Exec) -> String {
    let output = shim.output(exec);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn refusal(shim: &Shim<'_>, exec: &Exec) -> (u8, String) {
    match shim.client().output(exec, b"") {
        Err(Error::Refused { text, code, .. }) => (code, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_is_in_the_container_and_nowhere_else() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    for kind in ["mnt", "pid", "uts", "ipc", "cgroup", "net", "user"] {
        let own = std::fs::read_link(format!("/proc/{}/ns/{kind}", shim.pid)).unwrap();
        let inside = shim.shell(&format!("readlink /proc/self/ns/{kind}; readlink /proc/1/ns/{kind}"));
        let own = own.to_string_lossy();
        assert_eq!(inside, format!("{own}\n{own}\n"), "{kind}");
    }
    assert_eq!(shim.shell("hostname"), format!("{}\n", ground.task("").name));
    assert_eq!(shim.shell("cat /proc/1/comm"), "sh\n".replace("sh", "sleep"));
}

#[test]
fn processes_of_the_host_are_neither_listed_nor_killed() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let mut other = std::process::Command::new("/bin/busybox").args(["sleep", "1000"]).spawn().unwrap();
    let mut client = shim.client();
    let processes = client.list_processes().unwrap();
    let pids: Vec<u64> = processes.iter().map(|process| process.pid).collect();
    assert_eq!(pids, [u64::try_from(shim.pid).unwrap()], "{processes:?}");
    let refused = client.kill_process(other.id().into(), "KILL", husk_client::Scope::Leader);
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("No such process"), "{said}");
    assert_eq!(other.try_wait().unwrap(), None);
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_command_is_as_confined_as_the_container() {
    let ground = Ground::new();
    let shim = ground.run("cat /proc/self/status; sleep 1000");
    until("it has written", || ground.logged().contains("Seccomp:"));
    let of = |status: &str| -> BTreeMap<String, String> {
        let fields = [
            "CapInh",
            "CapPrm",
            "CapEff",
            "CapBnd",
            "CapAmb",
            "NoNewPrivs",
            "Seccomp",
            "Groups",
            "Uid",
            "Gid",
        ];
        let lines = status.lines().filter_map(|line| line.split_once(':'));
        let lines = lines.filter(|(name, _)| fields.contains(name));
        lines.map(|(name, value)| (name.into(), value.trim().into())).collect()
    };
    let (own, entered) = (of(&ground.logged()), of(&shim.shell("cat /proc/self/status")));
    assert_eq!((own.len(), &own), (10, &entered));
    assert_eq!((&*own["CapInh"], &*own["NoNewPrivs"], &*own["Seccomp"]), ("0000000000000000", "1", "2"));
    // A user other than root has nothing that it did not ask for.
    let user = of(&text(&shim, &Exec::new("cat").arg("/proc/self/status").user("www")));
    assert_eq!(
        (&*user["CapEff"], &*user["CapPrm"], &*user["CapInh"]),
        (&*own["CapInh"], &*own["CapInh"], &*own["CapInh"])
    );
    assert_eq!((&*user["CapBnd"], &*user["Groups"]), (&*own["CapBnd"], "4"));
    let asked = Exec::new("cat").arg("/proc/self/status").user("www").ambient(&["CAP_NET_BIND_SERVICE"]);
    assert_eq!(of(&text(&shim, &asked))["CapEff"], "0000000000000400");
    let (_, words) = refusal(&shim, &Exec::new("true").ambient(&["CAP_SYS_ADMIN"]));
    assert!(words.contains("nothing that the container has"), "{words}");
}

#[test]
fn users_are_those_of_the_container() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let id = |user: &str| text(&shim, &Exec::new("sh").args(["-c", "id -u; id -g; echo $HOME"]).user(user));
    assert_eq!(id("www"), "33\n33\n/srv\n");
    assert_eq!(id("1:2"), "1\n2\n/\n");
    assert_eq!(id("root"), "0\n0\n/root\n");
    // Looked up when the command starts.
    shim.shell("echo new:x:77:78::/new:/bin/sh >> /etc/passwd");
    assert_eq!(id("new"), "77\n78\n/new\n");
    for user in ["nobody-of-this-name", "1:", ":1", "-1", "4294967296"] {
        let (code, words) = refusal(&shim, &Exec::new("true").user(user));
        assert!(code == 125 && words.contains("user"), "{user}: {words}");
    }
}

#[test]
fn what_is_asked_of_a_command_is_so() {
    let ground = Ground::new();
    let mut task = ground.task("sleep 1000");
    task.settings.env = vec!["COLOUR=red".into()];
    task.settings.workdir = Some("/srv".into());
    task.settings.rlimit = vec!["nofile=100:200".into()];
    let shim = ground.start(&task).unwrap();
    let sh = |script| Exec::new("sh").args(["-c", script]);
    assert_eq!(shim.shell("pwd; echo $COLOUR $HOME; ulimit -n"), "/srv\nred /root\n100\n");
    assert_eq!(text(&shim, &sh("pwd").cwd("/tmp")), "/tmp\n");
    assert_eq!(text(&shim, &sh("echo $COLOUR").env("COLOUR", "blue")), "blue\n");
    assert_eq!(text(&shim, &sh("ulimit -n").rlimit("nofile", Some(50), Some(60))), "50\n");
    assert_eq!(text(&shim, &sh("umask").umask(0o77)), "0077\n");
    assert_eq!(
        text(
            &shim,
            &sh("cut -d ' ' -f 19 /proc/self/stat; cat /proc/self/oom_score_adj").nice(5).oom_score_adj(77)
        ),
        "5\n77\n"
    );
    assert_eq!(
        text(&shim, &Exec::new("busybox").argv0("echo").arg("a name of its own")),
        "a name of its own\n"
    );
    assert_eq!(shim.client().output(&Exec::new("cat"), b"what it reads").unwrap().text(), "what it reads");
    assert_eq!(shim.output(&sh("exit 42")).exit.code, 42);
    assert_eq!(shim.output(&sh("kill -KILL $$")).exit.signal, Some(9));
}

#[test]
fn what_cannot_be_executed_says_so_with_its_code() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    for (exec, code, part) in [
        (Exec::new("nothing-of-this-name"), 127, "not found"),
        (Exec::new("/etc/passwd"), 126, "not executable"),
        (Exec::new("true").cwd("/nowhere"), 125, "No such file"),
    ] {
        let (own, words) = refusal(&shim, &exec);
        assert!(own == code && words.contains(part), "{own}: {words}");
    }
}

#[test]
fn a_terminal_is_one_of_the_containers() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let script =
        "tty; stty size; test -c /dev/tty && echo controlling > /dev/tty; echo $TERM; ls -1 /dev/pts";
    let exec = Exec::new("sh").args(["-c", script]).pty(33, 99, Some("vt100"));
    let shown = text(&shim, &exec).replace('\r', "");
    assert_eq!(shown, "/dev/pts/0\n33 99\ncontrolling\nvt100\n0\nptmx\n");
}

#[test]
fn output_comes_whole_and_in_order() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let output = shim.output(&Exec::new("sh").args(["-c", "seq 1 100000; echo last >&2"]));
    let expected: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(output.text() == expected, "{} bytes", output.stdout.len());
    assert_eq!(output.stderr, b"last\n");
}

#[test]
fn many_commands_run_side_by_side() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let mut client = shim.client();
    let running: Vec<_> = (0..30)
        .map(|number| {
            client.exec(&Exec::new("sh").args(["-c", &format!("sleep 0.2; exit {number}")])).unwrap()
        })
        .collect();
    for (number, running) in running.iter().enumerate() {
        loop {
            match running.next(&mut client).unwrap() {
                Some(Event::Exit(exit)) => break assert_eq!(usize::from(exit.code), number),
                Some(_) => {}
                None => panic!("no exit"),
            }
        }
    }
}

#[test]
fn what_commands_leave_behind_falls_to_the_container() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    shim.shell("(setsid sleep 777 >/dev/null 2>&1 &) ; true");
    let parents = "for pid in $(pidof sleep); do grep PPid /proc/$pid/status; done | sort -u";
    until("it is a child of the first process", || shim.shell(parents) == "PPid:\t0\nPPid:\t1\n");
}

#[test]
fn a_filter_that_refuses_what_entering_needs_holds_for_the_command_alone() {
    let ground = Ground::new();
    let filter = ground.directory.join("filter.json");
    // Without clone, setsid and execveat nothing gets in under it.
    let refused = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ERRNO","errnoRet":95,
        "names":["clone","clone3","fork","vfork","setsid","execveat","mkdir"]}]}"#;
    std::fs::write(&filter, refused).unwrap();
    let mut task = ground.task("while :; do read x; done");
    task.settings.seccomp = Some(filter.display().to_string());
    let shim = ground.start(&task).unwrap();
    assert_eq!(
        shim.shell("mkdir /tmp/x; echo $?").lines().next_back(),
        Some("sh: can't fork: Operation not supported")
    );
    let made = shim.output(&Exec::new("mkdir").arg("/tmp/x"));
    assert_eq!(made.exit.code, 1, "{made:?}");
    assert!(String::from_utf8_lossy(&made.stderr).contains("Operation not supported"), "{made:?}");
    assert_eq!(
        shim.output(&Exec::new("grep").args(["Seccomp:", "/proc/self/status"])).stdout,
        b"Seccomp:\t2\n"
    );
}

#[test]
fn a_filter_without_no_new_privs_holds_on_the_way_in_and_lets_a_command_pass() {
    let ground = Ground::new();
    let mut task = ground.task("sleep 1000");
    task.settings.profile = instance::Profile::Unrestricted;
    task.settings.seccomp = Some("default".into());
    let shim = ground.start(&task).unwrap();
    let state = shim.output(&Exec::new("grep").args(["-E", "NoNewPrivs:|Seccomp:", "/proc/self/status"]));
    assert_eq!(String::from_utf8_lossy(&state.stdout), "NoNewPrivs:\t0\nSeccomp:\t2\n");
}

#[test]
fn a_name_is_looked_for_as_a_shell_does_it() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let script = "mkdir -p /tmp/a /tmp/b /tmp/c; echo not a program > /tmp/a/it; \
        printf '#!/bin/sh\\necho $0' > /tmp/b/it; chmod 755 /tmp/b/it; \
        printf '#!/bin/none\\n' > /tmp/c/it; chmod 755 /tmp/c/it; \
        printf none > /tmp/c/data; chmod 755 /tmp/c/data; mkdir /tmp/b/data";
    assert_eq!(shim.shell(script), "");
    let mut client = shim.client();
    let mut of = |path: &str, name: &str| client.output(&Exec::new(name).env("PATH", path), b"");
    // What is no program, is missing or lies below a file is passed over.
    assert_eq!(of("/none:/tmp/a/it:/tmp/a:/tmp/b", "it").unwrap().stdout, b"/tmp/b/it\n");
    // One that is there and cannot be executed is the one that was meant.
    for (path, name, says) in [
        ("/none:/tmp/a", "it", "not executable"),
        ("/tmp/c:/tmp/b", "it", "the interpreter that it names does not"),
        ("/tmp/b:/tmp/c", "data", "wrong architecture"),
        ("/none:/tmp/a/it", "it", "command not found"),
        ("/none", "/tmp/a/it", "not executable"),
        ("/none", "/tmp/a/it/it", "command not found"),
    ] {
        let refused = of(path, name).unwrap_err().to_string();
        assert!(refused.contains(says), "{path} {name}: {refused}");
    }
}
