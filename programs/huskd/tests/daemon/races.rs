//! Several clients at once make, rename and remove instances of the same few names. Whatever they were answered is what
//! could have been answered had they asked one after another.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::sync::Barrier;
use std::time::Instant;

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::client::{Client, of};
use crate::crashes::{Random, rounds};

const NAMES: [&str; 3] = ["a", "b", "c"];
const CLIENTS: u64 = 4;
const EACH: u64 = 4;

/// Which instance has which name: each is told apart by its command.
type State = BTreeMap<String, String>;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Verb {
    New(&'static str, String),
    Rename(&'static str, &'static str),
    Remove(&'static str),
    List,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Outcome {
    Done,
    Listed(State),
    Refused(String),
}

/// What was asked, from when to when, and what was answered.
#[derive(Debug)]
struct Operation {
    begin: Instant,
    end: Instant,
    verb: Verb,
    outcome: Outcome,
}

impl Verb {
    fn random(random: &mut Random, id: String) -> Self {
        let mut name = || NAMES[random.below(3) as usize];
        let (one, other) = (name(), name());
        match random.below(8) {
            0..=2 => Self::New(one, id),
            3 | 4 if one != other => Self::Rename(one, other),
            5 => Self::List,
            _ => Self::Remove(one),
        }
    }

    fn request(&self) -> Value {
        match self {
            Self::New(name, id) => {
                json!({"type": "new", "name": name, "image": "box", "settings": {"command": [id]}})
            }
            Self::Rename(name, to) => json!({"type": "rename", "name": name, "to": to}),
            Self::Remove(name) => of("rm", name),
            Self::List => json!({"type": "ls", "what": "instances"}),
        }
    }

    fn names(&self) -> Vec<&'static str> {
        match self {
            Self::New(name, _) | Self::Remove(name) => vec![name],
            Self::Rename(name, to) => vec![name, to],
            Self::List => Vec::new(),
        }
    }

    /// What it comes to where nobody else is there: the outcome, and the state after it.
    fn alone(&self, state: &State) -> (Outcome, State) {
        let (mut after, refused) = (state.clone(), |why: &str| Outcome::Refused(why.into()));
        let outcome = match self {
            Self::List => Outcome::Listed(state.clone()),
            Self::New(name, _) if state.contains_key(*name) => refused("exists"),
            Self::New(name, id) => {
                after.insert((*name).into(), id.clone());
                Outcome::Done
            }
            Self::Remove(name) if after.remove(*name).is_none() => refused("not_found"),
            Self::Remove(_) => Outcome::Done,
            Self::Rename(name, _) if !state.contains_key(*name) => refused("not_found"),
            Self::Rename(_, to) if state.contains_key(*to) => refused("exists"),
            Self::Rename(name, to) => {
                let id = after.remove(*name).unwrap();
                after.insert((*to).into(), id);
                Outcome::Done
            }
        };
        (outcome, after)
    }
}

fn listed(answer: &Value) -> State {
    let one = |one: &Value| {
        (one["name"].as_str().unwrap().to_string(), one["command"][0].as_str().unwrap().to_string())
    };
    answer["instances"].as_array().unwrap().iter().map(one).collect()
}

fn perform(client: &mut Client, verb: Verb) -> Operation {
    let begin = Instant::now();
    let answer = client.ask(&verb.request());
    let end = Instant::now();
    let outcome = match (answer["type"].as_str(), &verb) {
        (Some("ok"), Verb::List) => Outcome::Listed(listed(&answer)),
        (Some("ok"), _) => Outcome::Done,
        _ => Outcome::Refused(answer["code"].as_str().unwrap().into()),
    };
    Operation { begin, end, verb, outcome }
}

/// Whether somebody else was about a name of this one's at the same time: then it may be refused for that.
fn is_disturbed(all: &[Operation], at: usize) -> bool {
    let one = &all[at];
    let is_same = |other: &Operation| other.verb.names().iter().any(|name| one.verb.names().contains(name));
    let others = all.iter().enumerate().filter(|(number, _)| *number != at);
    others.into_iter().any(|(_, other)| is_same(other) && other.begin < one.end && one.begin < other.end)
}

/// Whether there is an order, in which none stands before one that had ended when it began, that explains all answers
/// and leads from `state` to `last`. `done` are those that stand in it already.
fn is_explained(
    all: &[Operation],
    done: u64,
    state: &State,
    last: &State,
    seen: &mut HashSet<(u64, State)>,
) -> bool {
    let is_done = |at: usize| done & 1 << at != 0;
    let left: Vec<usize> = (0..all.len()).filter(|at| !is_done(*at)).collect();
    if left.is_empty() {
        return state == last;
    }
    if !seen.insert((done, state.clone())) {
        return false;
    }
    let first_end = left.iter().map(|at| all[*at].end).min().unwrap();
    left.iter().filter(|at| all[**at].begin <= first_end).any(|at| {
        let (outcome, after) = all[*at].verb.alone(state);
        let next = done | 1 << at;
        if outcome == all[*at].outcome {
            return is_explained(all, next, &after, last, seen);
        }
        matches!(&all[*at].outcome, Outcome::Refused(why) if why == "busy" || why == "state")
            && is_disturbed(all, *at)
            && is_explained(all, next, state, last, seen)
    })
}

/// What is on the disk, by the records there.
fn on_disk(bed: &Bed) -> State {
    let entries = fs::read_dir(bed.directory.join("root/instances")).unwrap().flatten();
    let read = |entry: fs::DirEntry| {
        let text = fs::read(entry.path().join("instance.json")).unwrap();
        let record: Value = serde_json::from_slice(&text).unwrap();
        let id = record["settings"]["command"][0].as_str().unwrap().to_string();
        (entry.file_name().into_string().unwrap(), id)
    };
    entries.map(read).collect()
}

fn list(bed: &Bed) -> State {
    listed(&bed.client().done(&json!({"type": "ls", "what": "instances"})))
}

#[test]
fn clients_that_race_for_names_are_answered_as_if_one_came_after_another() {
    let mut bed = Bed::new();
    let mut random = Random::new(0xACE5);
    let mut state = State::new();
    for round in 0..rounds(60) {
        let work: Vec<Vec<Verb>> = (0..CLIENTS)
            .map(|client| {
                let id = |number| format!("{round}-{client}-{number}");
                (0..EACH).map(|number| Verb::random(&mut random, id(number))).collect()
            })
            .collect();
        let barrier = Barrier::new(work.len());
        let all: Vec<Operation> = std::thread::scope(|scope| {
            let one = |verbs: Vec<Verb>| {
                let (mut client, barrier) = (bed.client(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    verbs.into_iter().map(|verb| perform(&mut client, verb)).collect::<Vec<_>>()
                })
            };
            let threads: Vec<_> = work.into_iter().map(one).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let last = list(&bed);
        let is_explained = is_explained(&all, 0, &state, &last, &mut HashSet::new());
        assert!(is_explained, "round {round}: from {state:?} to {last:?} by\n{all:#?}");
        assert_eq!(on_disk(&bed), last, "round {round}: what is on the disk, and what is listed");
        if round % 20 == 19 {
            bed.await_rest(0);
            bed.check();
            bed.kill();
            bed.start();
            assert_eq!(list(&bed), last, "round {round}: after a restart");
        }
        state = last;
    }
}
