//! What an instance is made with, from options. Values are checked by the parsers of `husk run ROOTFS` before they are
//! sent as they were written.

use container::{Failure, values};
use instance::{Init, Network, Profile, Restart, Settings, Terminal, Writable};
use serde_json::{Map, Value};

use super::said::{Said, milliseconds};

const NETWORKS: [(&str, Network); 3] =
    [("host", Network::Host), ("none", Network::None), ("private", Network::Private)];
const PROFILES: [(&str, Profile); 3] =
    [("default", Profile::Default), ("unrestricted", Profile::Unrestricted), ("rootless", Profile::Rootless)];

/// The settings of a new instance.
pub fn settings(said: &Said) -> Result<Settings, Failure> {
    let settings = all(said)?;
    match !settings.publish.is_empty() && settings.net != Network::Private {
        true => Err(Failure::usage("--publish: needs --net private")),
        false => Ok(settings),
    }
}

/// The settings that were said. What one needs of another the instance may have already.
fn all(said: &Said) -> Result<Settings, Failure> {
    let list = |long: &str| said.texts(long).map(String::from).collect::<Vec<String>>();
    let text = |long: &str| said.text(long).map(String::from);
    let settings = Settings {
        command: said.command()?,
        env: environment(said)?,
        user: text("user"),
        workdir: text("workdir"),
        hostname: text("hostname"),
        net: said.choice("net", &NETWORKS)?.unwrap_or_default(),
        publish: list("publish"),
        memory: text("memory"),
        cpus: text("cpus"),
        pids: text("pids"),
        cpuset: text("cpuset"),
        io_weight: text("io-weight"),
        device: list("device"),
        bind: said.texts("bind").map(bind).collect::<Result<_, _>>()?,
        tmpfs: list("tmpfs"),
        cap_add: list("cap-add"),
        cap_drop: list("cap-drop"),
        seccomp: said.path("seccomp").map(filter).transpose()?,
        rlimit: list("rlimit"),
        writable: if said.has("read-only") { Writable::No } else { Writable::Yes },
        init: if said.has("init") { Init::Minit } else { Init::Command },
        terminal: if said.has("tty") { Terminal::Own } else { Terminal::None },
        profile: said.choice("profile", &PROFILES)?.unwrap_or_default(),
        restart: said.text("restart").map(restart).transpose()?.unwrap_or_default(),
        stop_signal: said.text("stop-signal").map(|text| signal("stop-signal", text)).transpose()?,
        grace_ms: said.text("grace").map(|text| milliseconds("grace", text)).transpose()?,
    };
    check(&settings)?;
    Ok(settings)
}

/// What `set` changes: the members that were said, and `null` for those that are unset.
pub fn changes(said: &Said) -> Result<Map<String, Value>, Failure> {
    let all = serde_json::to_value(all(said)?);
    let Ok(Value::Object(all)) = all else { unreachable!("settings are an object") };
    let was_said = |member: &str| match member {
        "command" => !said.command.is_empty(),
        "env" => said.has("env") || said.has("env-file"),
        "writable" => said.has("read-only"),
        "terminal" => said.has("tty"),
        "grace_ms" => said.has("grace"),
        other => said.has(&other.replace('_', "-")),
    };
    let mut changes: Map<String, Value> = all.into_iter().filter(|(member, _)| was_said(member)).collect();
    for name in said.texts("unset") {
        let member = member(name).ok_or_else(|| {
            Failure::usage(format!("--unset {name:?}: no such setting; as in --unset memory"))
        })?;
        if changes.insert(member.clone(), Value::Null).is_some() {
            return Err(Failure::usage(format!("--unset {name}: it is set in the same command")));
        }
    }
    match changes.is_empty() {
        true => Err(Failure::usage("set: nothing to change")),
        false => Ok(changes),
    }
}

/// The member that an option is kept in.
fn member(option: &str) -> Option<String> {
    match option {
        "read-only" => Some("writable".into()),
        "tty" => Some("terminal".into()),
        "grace" => Some("grace_ms".into()),
        "unset" | "env-file" => None,
        "command" => Some("command".into()),
        _ => {
            let verb = super::table::Verb::named("set")?;
            let known = verb.options.iter().flat_map(|part| part.iter()).any(|row| row.long == option);
            known.then(|| option.replace('-', "_"))
        }
    }
}

/// What is kept as text must be what a start can use.
fn check(settings: &Settings) -> Result<(), Failure> {
    container::settings::options(settings).map_err(Failure::into_usage)?;
    let capabilities = [("cap-add", &settings.cap_add), ("cap-drop", &settings.cap_drop)];
    for (long, names) in capabilities {
        names.iter().try_for_each(|name| capability(long, name))?;
    }
    for text in &settings.publish {
        if text.contains('-') {
            let what = "a range of ports is not taken: --publish once for each port";
            return Err(Failure::usage(format!("--publish {text:?}: {what}")));
        }
        text.parse::<network::Publish>().map_err(|error| Failure::usage(error.to_string()))?;
    }
    if let Some(path) = settings.workdir.as_ref().filter(|path| !path.starts_with('/')) {
        return Err(Failure::usage(format!("--workdir {path:?}: not an absolute path")));
    }
    Ok(())
}

/// The variables that were given: those of files first, so that what is written on the command line counts.
pub fn environment(said: &Said) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for path in said.texts("env-file") {
        all.extend(env_file(path)?);
    }
    said.texts("env").try_for_each(|text| variable(text).map(|entry| all.push(entry)))?;
    Ok(all)
}

/// The variables of a file: a line each, as of `--env`; empty lines and those that begin with # say nothing. Quotes are
/// characters like others, as docker-run(1) has it.
pub fn env_file(path: &str) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Failure::usage(format!("--env-file {path}: not UTF-8")),
        _ => Failure::io(format!("--env-file {path}"), &error),
    })?;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim_start()));
    let entries = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    entries
        .map(|(number, line)| variable(line).map_err(|failure| failure.on(format_args!("{path}:{number}"))))
        .collect()
}

/// `NAME=VALUE` as it is; `NAME` with husk's own value: the daemon has another environment.
pub fn variable(text: &str) -> Result<String, Failure> {
    match text.split_once('=') {
        Some(("", _)) => Err(Failure::usage(format!("--env {text}: no name before ="))),
        Some(_) => Ok(text.into()),
        None => match std::env::var(text) {
            Ok(value) => Ok(format!("{text}={value}")),
            Err(_) => Err(Failure::usage(format!("--env {text}: not set here, and no =VALUE given"))),
        },
    }
}

/// A bind whose source does not depend on a working directory: the daemon has another one.
fn bind(text: &str) -> Result<String, Failure> {
    let mount = values::bind(text)?;
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    match mount.source.contains(':') {
        true => Err(Failure::usage(format!("--bind {text:?}: {} has a : in it", mount.source))),
        false => Ok(format!("{}:{rest}", mount.source)),
    }
}

fn filter(path: &std::path::Path) -> Result<String, Failure> {
    let text = path.to_str().ok_or_else(|| Failure::usage("--seccomp: not UTF-8"))?;
    if matches!(text, "default" | "unconfined") {
        return Ok(text.into());
    }
    let failed = |error| Failure::io(format!("--seccomp {text}"), &error);
    let absolute = std::path::absolute(path).map_err(failed)?;
    std::fs::metadata(&absolute).map_err(failed)?;
    Ok(absolute.to_string_lossy().into_owned())
}

fn capability(long: &str, name: &str) -> Result<(), Failure> {
    let known = name.eq_ignore_ascii_case("all") || sys::privilege::Capabilities::named(name).is_some();
    match known {
        true => Ok(()),
        false => Err(Failure::usage(format!("--{long} {name:?}: no capability; see capabilities(7)"))),
    }
}

fn restart(text: &str) -> Result<Restart, Failure> {
    let wrong = || {
        let what = "it is no, on-failure, on-failure:N with N from 1, always or unless-stopped";
        Failure::usage(format!("--restart {text:?}: {what}"))
    };
    match text.split_once(':') {
        // 0 would be without limit, which nobody means who writes it.
        Some(("on-failure", count)) => match count.parse() {
            Ok(0) | Err(_) => Err(wrong()),
            Ok(count) => Ok(Restart::OnFailure(count)),
        },
        Some(_) => Err(wrong()),
        None => match text {
            "no" => Ok(Restart::No),
            "on-failure" => Ok(Restart::OnFailure(0)),
            "always" => Ok(Restart::Always),
            "unless-stopped" => Ok(Restart::UnlessStopped),
            _ => Err(wrong()),
        },
    }
}

/// A signal by name, with or without SIG, or by number.
pub fn signal(long: &str, text: &str) -> Result<String, Failure> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_number = name.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    let is_real_time = name.strip_prefix("RTMIN").is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('+').is_some_and(|more| more.parse::<u8>().is_ok_and(|more| more <= 30))
    });
    match is_number || is_real_time || sys::signals::NAMES.contains(&name) {
        true => Ok(name.into()),
        false => Err(Failure::usage(format!("--{long} {text:?}: no signal; as in TERM, RTMIN+3, 15"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::said::tests::said;
    use super::*;

    #[test]
    fn settings_are_what_was_said() {
        let line = "new -m 512m --cpus 0.5 -e A=b=c -p 8080:80/udp --net private --restart on-failure:3 --grace 2m \
                    --stop-signal sigint --profile rootless --read-only -t --init -v /a:/b:ro web debian -- sleep 5";
        let settings = serde_json::to_value(settings(&said(line).unwrap()).unwrap()).unwrap();
        let expected = serde_json::json!({
            "command": ["sleep", "5"], "env": ["A=b=c"], "net": "private", "publish": ["8080:80/udp"],
            "memory": "512m", "cpus": "0.5", "bind": ["/a:/b:ro"], "writable": "no", "init": "minit",
            "terminal": "own", "profile": "rootless", "restart": {"on-failure": 3}, "stop_signal": "INT",
            "grace_ms": 120_000,
        });
        assert_eq!(settings, expected);
    }

    #[test]
    fn set_sends_what_was_said_and_nothing_else() {
        let of = |line| changes(&said(line).unwrap()).map(Value::Object);
        let expected = serde_json::json!({"memory": "1g", "writable": "no", "cpus": null, "terminal": null});
        assert_eq!(of("set web -m 1g --read-only --unset cpus --unset tty").unwrap(), expected);
        assert_eq!(
            of("set web --net host -- ls").unwrap(),
            serde_json::json!({"net": "host", "command": ["ls"]})
        );
        assert_eq!(of("set web -p 80:80").unwrap(), serde_json::json!({"publish": ["80:80"]}));
        for (line, part) in [
            ("set web", "nothing to change"),
            ("set web --unset fly", "no such setting"),
            ("set web --unset unset", "no such setting"),
            ("set web -m 1g --unset memory", "in the same command"),
        ] {
            assert!(of(line).unwrap_err().to_string().contains(part), "{line}");
        }
    }

    #[test]
    fn whatever_a_setting_may_be_unset_is_one() {
        for row in
            super::super::table::Verb::named("set").unwrap().options.iter().flat_map(|part| part.iter())
        {
            if let Some((_, super::super::table::Kind::OneOf(names))) =
                row.value.filter(|_| row.long == "unset")
            {
                assert!(names.iter().all(|name| member(name).is_some()));
                let all = serde_json::to_value(Settings::default()).unwrap();
                let required = all.as_object().unwrap().keys();
                assert!(
                    required
                        .into_iter()
                        .all(|one| names.iter().any(|name| member(name).as_ref() == Some(one)))
                );
            }
        }
    }

    #[test]
    fn a_wrong_value_is_refused_before_it_is_sent() {
        for (options, part) in [
            ("-m x", "\"x\""),
            ("--cpus -1", "-1"),
            ("--net fly", "host, none, private"),
            ("-p 80:80", "needs --net private"),
            ("--net private -p 80", "must be [ADDRESS:]HOST:INSTANCE"),
            ("--net private -p 80:99999", "must be 1 to 65535"),
            ("--net private -p x:80:80", "no IPv4 address"),
            ("--net private -p 80:80/sctp", "tcp or udp"),
            ("--restart sometimes", "on-failure"),
            ("--restart always:3", "on-failure"),
            ("--restart on-failure:0", "N from 1"),
            ("--stop-signal FLY", "no signal"),
            ("--stop-signal 65", "no signal"),
            ("--cap-add fly", "no capability"),
            ("--workdir x", "absolute"),
            ("--seccomp /none", "No such file"),
            ("--grace soon", "no time"),
            ("--profile fly", "unrestricted"),
            ("-v a:/b", "starts with / or ."),
        ] {
            let error =
                settings(&said(&format!("new {options} web debian")).unwrap()).unwrap_err().to_string();
            assert!(error.contains(part), "{options}: {error}");
        }
    }
}
