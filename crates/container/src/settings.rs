//! What an instance's settings mean: each value by the parser that the option of `husk run` has.

use std::ffi::OsString;

use cgroup::{Cpus, Cpuset, Invalid, Memory, Pids, Weight};
use instance::{Network as Net, Profile, Settings, Writable as Writes};
use oci::profile::{Confinement, Network};

use crate::{Change, Failure, Options, Writable, filter, identity, values};

/// The options that settings come to. Of a private network only its maker knows: here it is the host's, in place of
/// which a container enters that one.
///
/// # Errors
/// What is wrong with a value.
pub fn options(settings: &Settings) -> Result<Options, Failure> {
    let all =
        |list: &[String], change| list.iter().map(move |name| (change, name.clone())).collect::<Vec<_>>();
    let mut capabilities = all(&settings.cap_add, Change::Add);
    capabilities.extend(all(&settings.cap_drop, Change::Drop));
    let mut mounts = parsed(&settings.bind, values::bind)?;
    mounts.extend(parsed(&settings.tmpfs, values::tmpfs)?);
    Ok(Options {
        command: settings.command.iter().map(OsString::from).collect(),
        memory: limit(&settings.memory, Memory::parse)?.zip(settings.memory.clone()),
        cpus: limit(&settings.cpus, Cpus::parse)?,
        pids: limit(&settings.pids, Pids::parse)?,
        cpuset: limit(&settings.cpuset, Cpuset::parse)?,
        io_weight: limit(&settings.io_weight, Weight::parse)?,
        writable: match settings.writable {
            Writes::Yes => Writable::Yes,
            Writes::No => Writable::No,
        },
        mounts,
        env: parsed(&settings.env, variable)?,
        user: settings.user.clone(),
        workdir: settings.workdir.clone(),
        hostname: settings.hostname.as_deref().map(values::hostname).transpose()?,
        network: Some(match settings.net {
            Net::Host | Net::Private => Network::Host,
            Net::None => Network::None,
        }),
        capabilities,
        seccomp: settings.seccomp.as_ref().map(OsString::from),
        confinement: match settings.profile {
            Profile::Unrestricted => Some(Confinement::Unrestricted),
            Profile::Default | Profile::Rootless => None,
        },
        devices: parsed(&settings.device, values::device)?,
        rlimits: parsed(&settings.rlimit, values::rlimit)?,
    })
}

/// The least memory of an instance, in bytes: with less its first process dies before it says why. Docker's is the same.
const LEAST_MEMORY: u64 = 6 << 20;

/// Whether settings can be an instance's, where they are given: what a start would refuse whatever the machine is like then.
///
/// # Errors
/// What is wrong with a value.
pub fn check(settings: &Settings) -> Result<(), Failure> {
    let options = options(settings)?;
    if let Some((Memory::Bytes(bytes), text)) = &options.memory
        && *bytes < LEAST_MEMORY
    {
        return Err(Failure::ours(format!("memory {text:?}: an instance needs 6m at least")));
    }
    settings.user.as_deref().map_or(Ok(()), identity::check)?;
    settings.seccomp.as_deref().map_or(Ok(()), filter::check)?;
    for (number, limit) in options.rlimits.iter().enumerate() {
        if options.rlimits.iter().take(number).any(|earlier| earlier.kind == limit.kind) {
            return Err(Failure::ours(format!("rlimit: {} is there twice", limit.kind)));
        }
    }
    Ok(())
}

fn parsed<T>(texts: &[String], parse: fn(&str) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    texts.iter().map(|text| parse(text)).collect()
}

fn limit<T>(text: &Option<String>, parse: fn(&str) -> Result<T, Invalid>) -> Result<Option<T>, Failure> {
    text.as_deref().map(parse).transpose().map_err(|error| Failure::ours(error.to_string()))
}

fn variable(text: &str) -> Result<OsString, Failure> {
    match text.find('=') {
        None | Some(0) => Err(Failure::ours(format!("env {text:?}: not NAME=VALUE"))),
        Some(_) => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_start_would_refuse_is_refused_where_it_is_given() {
        let file = std::env::temp_dir().join(format!("husk-settings-{}", std::process::id()));
        std::fs::write(&file, "no JSON").unwrap();
        let filter = file.display().to_string();
        let set = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            check(&settings).map_err(|failure| failure.to_string())
        };
        let given = |text: &str| Some(String::from(text));
        for (outcome, part) in [
            (set(&|to| to.memory = given("1k")), "memory \"1k\": an instance needs 6m at least"),
            (set(&|to| to.user = given("-1")), "\"-1\" is no user or group"),
            (set(&|to| to.user = given("99999999999")), "not in 0 to 4294967294"),
            (set(&|to| to.seccomp = Some(filter.clone())), filter.as_str()),
            (set(&|to| to.seccomp = given("/tmp")), "Is a directory"),
            (set(&|to| to.rlimit = vec!["bogus=1".into()]), "BOGUS is no resource limit"),
            (set(&|to| to.rlimit = vec!["nofile=10:5".into()]), "above the hard limit"),
            (
                set(&|to| to.rlimit = vec!["core=1".into(), "RLIMIT_CORE=2".into()]),
                "RLIMIT_CORE is there twice",
            ),
            (set(&|to| to.tmpfs = vec!["/x:size=huge".into()]), "a size is a number"),
        ] {
            let error = outcome.unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{error} does not say {part}");
        }
        std::fs::remove_file(&file).unwrap();
        for right in [
            set(&|to| to.memory = given("6m")),
            set(&|to| to.user = given("www:1000")),
            set(&|to| to.seccomp = given("unconfined")),
            set(&|to| to.seccomp = given("/no/such")),
        ] {
            assert_eq!(right, Ok(()));
        }
    }

    #[test]
    fn every_value_is_parsed_and_what_is_wrong_with_it_is_said() {
        type Mistake = fn(&mut Settings);
        let wrong: [(Mistake, &str); 8] = [
            (|settings| settings.memory = Some("1x".into()), "1x"),
            (|settings| settings.cpus = Some("-".into()), "-"),
            (|settings| settings.bind = vec!["a:b".into()], "starts with / or ."),
            (|settings| settings.tmpfs = vec!["a".into()], "absolute"),
            (|settings| settings.env = vec!["A".into()], "NAME=VALUE"),
            (|settings| settings.hostname = Some("-".into()), "beginning"),
            (|settings| settings.device = vec!["/etc".into()], "below /dev"),
            (|settings| settings.rlimit = vec!["x".into()], "no ="),
        ];
        for (change, part) in wrong {
            let mut settings = Settings::default();
            change(&mut settings);
            let error = options(&settings).unwrap_err().to_string();
            assert!(error.contains(part), "{error} does not say {part}");
        }
        let settings =
            Settings { memory: Some("1m".into()), cap_add: vec!["ALL".into()], ..Settings::default() };
        let options = options(&settings).unwrap();
        assert_eq!(options.memory, Some((Memory::Bytes(1 << 20), "1m".into())));
        assert_eq!(options.capabilities, [(Change::Add, "ALL".into())]);
    }
}
