//! What holds for every plan, whatever the configuration: tried on the corpus, on random combinations of its
//! parts, and, as far as panics go, on damaged JSON.

mod corpus;
mod random;

use oci::Spec;
use oci::spec::{Linux, Mount, Process};
use plan::{FileSystem, Links, Step};
use random::Random;
use sys::clone::Namespaces;

/// Steps that mount something, or change a mount.
const fn mounts(step: &Step<'_>) -> bool {
    matches!(
        step,
        Step::Root { .. }
            | Step::Scratch
            | Step::OverlayRoot { .. }
            | Step::Layers(_)
            | Step::EmptyRoot { .. }
            | Step::Overlay(_)
            | Step::Mount(_)
            | Step::MountInPlace(_)
            | Step::Bind(_)
            | Step::Device { .. }
            | Step::Mask { .. }
            | Step::Protect { .. }
            | Step::Split { .. }
            | Step::Seal
            | Step::MaskBelow { .. }
            | Step::ProtectBelow { .. }
            | Step::SetRoot { .. }
    )
}

/// Steps that need the host's tree, or the place that was entered before the pivot.
const fn needs_the_host(step: &Step<'_>) -> bool {
    mounts(step)
        || matches!(
            step,
            Step::Propagate(_)
                | Step::Enter { .. }
                | Step::Directory { .. }
                | Step::Symlink { .. }
                | Step::Terminal { .. }
                | Step::Join { .. }
                | Step::WriteProc { .. }
                | Step::Loopback
        )
}

/// The positions of the steps that are so.
fn all(steps: &[Step<'_>], is: impl Fn(&Step<'_>) -> bool) -> Vec<usize> {
    (0..steps.len()).filter(|number| is(&steps[*number])).collect()
}

/// The only one that is so.
fn only(steps: &[Step<'_>], what: &str, is: impl Fn(&Step<'_>) -> bool) -> usize {
    match all(steps, is).as_slice() {
        [one] => *one,
        other => panic!("{what}: {} times", other.len()),
    }
}

fn check(spec: &Spec, steps: &[Step<'_>]) {
    if spec.annotations.get("plan.exec").is_some_and(|value| !value.is_empty()) {
        return check_exec(spec, steps);
    }
    let last = steps.len() - 1;
    let execute = only(steps, "execute", |step| matches!(step, Step::Execute(_)));
    assert_eq!(execute, last, "the last step is the program");
    let propagate = only(steps, "propagate", |step| matches!(step, Step::Propagate(_)));
    let pivot = only(steps, "pivot", |step| matches!(step, Step::Pivot));
    for number in all(steps, mounts) {
        assert!(propagate < number, "mounted before propagation was stopped: {}", steps[number]);
    }
    for number in all(steps, needs_the_host) {
        assert!(number < pivot, "after the pivot: {}", steps[number]);
    }
    let first = all(steps, mounts).first().copied().unwrap_or(pivot);
    for number in all(steps, |step| matches!(step, Step::Join { .. })) {
        assert!(number < first, "a sysfs shows the network of who mounts it");
    }
    check_places(steps);
    check_identity(spec, steps, pivot);
}

/// A process that enters a container: what is in there must not get at it before it is the program.
fn check_exec(spec: &Spec, steps: &[Step<'_>]) {
    let join = only(steps, "join", |step| matches!(step, Step::Join { .. }));
    assert!(matches!(steps[join - 1], Step::Undumpable), "{}", steps[join - 1]);
    let execute = only(steps, "execute", |step| matches!(step, Step::Execute(_)));
    assert_eq!(execute, steps.len() - 1, "the last step is the program");
    assert!(all(steps, mounts).is_empty(), "nothing is mounted in a container that runs");
    for number in all(steps, |step| matches!(step, Step::WriteProc { .. })) {
        assert!(number < join, "{}: of the host's /proc", steps[number]);
    }
    for number in all(steps, |step| matches!(step, Step::BecomeRoot | Step::User { .. })) {
        assert!(matches!(steps[number + 1], Step::Undumpable), "{}: makes it dumpable", steps[number]);
    }
    for number in all(steps, |step| matches!(step, Step::Terminal { .. })) {
        assert!(join < number, "the devpts is the container's");
    }
    check_identity(spec, &check_passage(steps), join);
}

/// What is born in the container's pid namespace has nothing left that is not the container's, and no right more than
/// its program. Gives the steps back without those of the passage.
fn check_passage<'s>(steps: &[Step<'s>]) -> Vec<Step<'s>> {
    let enters = |step: &Step<'_>| matches!(step, Step::Join { namespaces, .. } if namespaces.contains(Namespaces::PID));
    if all(steps, enters).is_empty() {
        assert!(all(steps, |step| matches!(step, Step::Cross)).is_empty(), "there is nothing to go over to");
        return steps.to_vec();
    }
    let cross = only(steps, "cross", |step| matches!(step, Step::Cross));
    let (pass, close) = (
        only(steps, "pass", |step| matches!(step, Step::Pass(_))),
        only(steps, "close", |step| matches!(step, Step::CloseOthers)),
    );
    assert_eq!(pass + 1, close, "what is passed takes the places of others");
    assert!(close < cross);
    for step in &steps[cross + 1..] {
        let is_harmless =
            matches!(step, Step::NewSession | Step::TakeTerminal | Step::Seccomp { .. } | Step::Execute(_));
        assert!(is_harmless, "{step}: by a process that is seen");
    }
    let own = |step: &&Step<'_>| !matches!(step, Step::NewSession | Step::TakeTerminal | Step::Cross);
    let before = steps[..cross].iter().filter(|step| !matches!(step, Step::Pass(_)));
    before.chain(steps[cross..].iter().filter(own)).copied().collect()
}

/// Names without a path are used only where the kernel's own file system was entered before.
fn check_places(steps: &[Step<'_>]) {
    let mut entered = None;
    for step in steps {
        match step {
            Step::Enter { expect, .. } => entered = Some(*expect),
            // These two go somewhere else.
            Step::Mount(_) | Step::Overlay(_) | Step::OverlayRoot { .. } => entered = None,
            Step::Device { .. } | Step::Directory { .. } | Step::Symlink { .. } => {
                assert_eq!(entered, Some(FileSystem::Tmpfs), "{step}");
            }
            Step::MountInPlace(mount) => {
                assert!(entered.is_some() && !mount.target.to_bytes().starts_with(b"/"), "{step}");
            }
            Step::Mask { .. } | Step::Protect { .. } | Step::Split { .. } | Step::Seal => {
                assert!(matches!(entered, Some(FileSystem::Proc | FileSystem::Sysfs)), "{step}");
            }
            _ => {}
        }
        if let Step::Mount(mount) = step
            && matches!(mount.target.to_bytes(), b"proc" | b"sys" | b"dev")
        {
            assert_eq!(mount.links, Links::Refused, "{step}: CVE-2019-19921");
        }
        if let Step::Mask { name, .. } | Step::Protect { name } | Step::Split { name } = step {
            assert!(!name.to_bytes().split(|byte| *byte == b'/').any(|part| part == b".."), "{step}");
        }
    }
}

/// The second half, from the pivot to the program.
fn check_identity(spec: &Spec, steps: &[Step<'_>], pivot: usize) {
    let last = steps.len() - 1;
    let users = all(steps, |step| matches!(step, Step::User { .. }));
    let own = spec.process.as_ref().map_or((0, 0), |process| (process.user.uid, process.user.gid));
    assert!(users.len() == 1 || users.is_empty() && own == (0, 0), "user {own:?}: {users:?}");
    let capabilities = only(steps, "capabilities", |step| matches!(step, Step::SetCapabilities { .. }));
    let groups = all(steps, |step| matches!(step, Step::Groups(_)));
    let denied = spec.annotations.get("plan.groups").is_some_and(|value| value == "denied");
    assert!(groups.len() == 1 || groups.is_empty() && denied, "groups: {groups:?}");
    let user = users.first().or(groups.first()).copied().unwrap_or(capabilities);
    assert!(groups.iter().all(|number| *number <= user), "after the user there is no right to change groups");
    let close = only(steps, "close others", |step| matches!(step, Step::CloseOthers));
    let session = only(steps, "session", |step| matches!(step, Step::NewSession));
    // The pivot leaves the child in the root.
    let directories = all(steps, |step| matches!(step, Step::Chdir { .. }));
    let cwd = spec.process.as_ref().map_or("", |process| process.cwd.as_str());
    assert!(directories.len() == 1 || directories.is_empty() && cwd == "/", "{cwd}: {directories:?}");
    // A descriptor of the host's must be gone before a directory is gone to by name (CVE-2024-21626).
    let order = [pivot, close, directories.first().copied().unwrap_or(close), user, capabilities];
    assert!(order.is_sorted(), "pivot, close others, chdir, user, capabilities: {order:?}");
    for number in all(steps, |step| matches!(step, Step::Terminal { .. })) {
        assert!(session < number && number < close, "a terminal needs a session, and the container's devpts");
    }
    // Rights are given up only when nothing is left to be mounted, and the user's are the last.
    for number in all(steps, |step| matches!(step, Step::BoundingSet(_) | Step::KeepCapabilities)) {
        assert!(pivot < number && number < user, "{}", steps[number]);
    }
    for number in all(steps, |step| matches!(step, Step::Ambient(_) | Step::NoNewPrivileges)) {
        assert!(capabilities < number, "{}", steps[number]);
    }
    for number in all(steps, |step| matches!(step, Step::Limit(_))) {
        assert!(pivot < number && number < user, "{}: needs the rights of root", steps[number]);
    }
    // What is made on the way has the modes that the plan says, whatever the caller's mask is.
    let umask = all(steps, |step| matches!(step, Step::Umask(_)));
    assert!(all(steps, mounts).iter().all(|mount| umask[0] < *mount), "mounted under the caller's umask");
    for number in all(steps, |step| matches!(step, Step::DieWithCaller(_))) {
        assert!(user < number && capabilities < number, "the change of user clears PR_SET_PDEATHSIG");
    }
    let confined = spec.process.as_ref().is_some_and(|process| process.no_new_privileges);
    assert_eq!(all(steps, |step| matches!(step, Step::NoNewPrivileges)).len(), usize::from(confined));
    for number in all(steps, |step| matches!(step, Step::Seccomp { .. })) {
        match confined {
            true => assert_eq!(number + 1, last, "with no_new_privs the filter is loaded last"),
            false => assert!(pivot < number && number < user, "without, while the right to load it is there"),
        }
    }
}

#[test]
fn invariants_hold_for_the_corpus() {
    let mut plans = 0;
    for (name, spec) in corpus::specs() {
        corpus::compile_with(&spec, |compiled| {
            let Ok(compiled) = compiled else { return };
            plans += 1;
            println!("{name}");
            check(&spec, &compiled.steps);
        });
    }
    assert!(plans >= 60, "{plans} plans");
}

/// A specification whose parts are those of several others.
fn mixed(random: &mut Random, specs: &[Spec]) -> Spec {
    let mut pick = || random.pick(specs).clone();
    let (body, process, linux, notes) = (pick(), pick(), pick(), pick());
    let (namespaces, filter, covers) = (pick(), pick(), pick());
    let part = |spec: &Spec| spec.linux.clone().unwrap_or_default();
    let mut mounts: Vec<Mount> = body.mounts.clone();
    for _ in 0..random.below(4) {
        mounts.extend_from_slice(&random.pick(specs).mounts);
    }
    let linux = Linux {
        namespaces: part(&namespaces).namespaces,
        seccomp: part(&filter).seccomp,
        masked_paths: part(&covers).masked_paths,
        readonly_paths: part(&covers).readonly_paths,
        ..part(&linux)
    };
    let own = process.process.unwrap_or_default();
    let process = Process {
        no_new_privileges: random.below(2) == 0,
        terminal: random.below(4) == 0,
        capabilities: random.pick(specs).process.clone().and_then(|process| process.capabilities),
        rlimits: random.pick(specs).process.clone().unwrap_or_default().rlimits,
        user: random.pick(specs).process.clone().unwrap_or_default().user,
        ..own
    };
    Spec { process: Some(process), linux: Some(linux), mounts, annotations: notes.annotations, ..body }
}

#[test]
fn invariants_hold_for_random_specifications() {
    // Those that compile, so that most mixtures do; the errors have tests of their own.
    let compiles = |spec: &Spec| corpus::compile_with(spec, |compiled| compiled.is_ok());
    let specs: Vec<Spec> = corpus::specs().into_iter().map(|(_, spec)| spec).filter(compiles).collect();
    let mut random = Random::new(0x6875_736b);
    let mut plans = 0;
    for round in 0..10_000 {
        let spec = mixed(&mut random, &specs);
        corpus::compile_with(&spec, |compiled| {
            if let Ok(compiled) = compiled {
                plans += 1;
                check(&spec, &compiled.steps);
                assert!(!corpus::words(&compiled).contains('\r'), "round {round}: not one line a step");
            }
        });
    }
    println!("{plans} of 10000 mixtures are valid");
    assert!(plans > 2_000, "{plans} of 10000 mixtures are valid: too few to mean something");
}

#[test]
fn plans_are_short() {
    for (name, spec) in corpus::specs() {
        corpus::compile_with(&spec, |compiled| {
            let Ok(compiled) = compiled else { return };
            let process = spec.process.as_ref().map_or(0, |process| process.rlimits.len());
            let own = compiled.steps.len() - process;
            assert!(own <= 80, "{name}: {own} steps");
        });
    }
}

/// Damages a text: bytes changed, removed, doubled, pieces of another put in.
fn damaged(random: &mut Random, text: &[u8], other: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..=random.below(4) {
        if text.is_empty() {
            break;
        }
        let at = random.below(text.len());
        match random.below(6) {
            0 => text[at] = random.next() as u8,
            1 => text[at] = *random.pick(b"\"{}[]:,0123456789-ntf\\/ "),
            2 => drop(text.remove(at)),
            3 => text.insert(at, *random.pick(b"\"{}[]:,09-")),
            4 => text.truncate(at.max(1)),
            _ => {
                let from = random.below(other.len());
                let piece = &other[from..other.len().min(from + random.below(200))];
                text.splice(at..at, piece.iter().copied());
            }
        }
    }
    text
}

#[test]
fn nothing_panics_on_damaged_json() {
    let texts: Vec<Vec<u8>> = corpus::all().into_iter().map(|config| config.text).collect();
    let mut random = Random::new(42);
    let (mut parsed, mut compiled) = (0, 0);
    for _ in 0..30_000 {
        let (text, other) = (random.pick(&texts).clone(), random.pick(&texts).clone());
        let Ok(spec) = Spec::from_json(&damaged(&mut random, &text, &other)) else { continue };
        parsed += 1;
        compiled += usize::from(corpus::compile_with(&spec, |compiled| {
            compiled.map(|compiled| corpus::words(&compiled)).is_ok()
        }));
    }
    println!("{parsed} of 30000 are JSON of the right types, {compiled} come to a plan");
    assert!(parsed > 500 && compiled > 100, "{parsed}, {compiled}: too few to mean something");
}

/// Puts another value in the place of one of a JSON document's.
fn replace(random: &mut Random, value: &mut serde_json::Value) {
    use serde_json::{Value, json};
    let values = [
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(1.5),
        json!(null),
        json!(true),
        json!(""),
        json!("\u{0}"),
        json!("/../.."),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        json!([null]),
    ];
    match value {
        Value::Object(fields) if !fields.is_empty() && random.below(8) > 0 => {
            let key = fields.keys().nth(random.below(fields.len())).cloned().unwrap_or_default();
            if let Some(field) = fields.get_mut(&key) {
                replace(random, field);
            }
        }
        Value::Array(list) if !list.is_empty() && random.below(8) > 0 => {
            let at = random.below(list.len());
            replace(random, &mut list[at]);
        }
        other => *other = random.pick(&values).clone(),
    }
}

#[test]
fn nothing_panics_on_other_values() {
    let parse = |config: corpus::Config| serde_json::from_slice(&config.text).ok();
    let documents: Vec<serde_json::Value> = corpus::all().into_iter().filter_map(parse).collect();
    let mut random = Random::new(7);
    let mut compiled = 0;
    for _ in 0..10_000 {
        let mut document = random.pick(&documents).clone();
        for _ in 0..=random.below(3) {
            replace(&mut random, &mut document);
        }
        let Ok(spec) = Spec::from_json(document.to_string().as_bytes()) else { continue };
        compiled += usize::from(corpus::compile_with(&spec, |compiled| match compiled {
            Ok(compiled) => {
                check(&spec, &compiled.steps);
                true
            }
            Err(error) => {
                assert!(!error.field().is_empty() && !error.to_string().contains('\n'), "{error}");
                false
            }
        }));
    }
    assert!(compiled > 250, "{compiled} come to a plan: too few to mean something");
}
