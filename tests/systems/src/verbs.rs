//! Verbs in random order, as a script for the machine, and what is to be there after each of them.
//!
//! What they store says itself what it is: a *payload* is a directory `/data/TAG` with the files that its number makes,
//! so that whoever finds a layer later knows whether it is whole.

use std::collections::{BTreeMap, BTreeSet};

use stress::Random;

/// What is there between two verbs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Images, with the payloads of each.
    pub images: BTreeMap<String, BTreeSet<u32>>,
    /// Instances, with the payloads of the image that each was made of.
    pub instances: BTreeMap<String, BTreeSet<u32>>,
}

/// The verbs, and the state after each; the first is what there is before them.
#[derive(Debug)]
pub struct Verbs {
    /// Lines of a shell. Each does one thing, and is followed by `mark`.
    pub script: String,
    /// One more than there are verbs.
    pub states: Vec<State>,
}

/// A payload's files: name, length.
#[must_use]
pub fn files(tag: u32) -> Vec<(String, usize)> {
    let count = 3 + tag % 5;
    (0..count)
        .map(|number| (format!("f{number}"), ((tag * 7919 + number * 104_729) % 90_000) as usize))
        .collect()
}

/// What is in each of them: a line again and again.
#[must_use]
pub fn content(tag: u32, length: usize) -> Vec<u8> {
    format!("{tag}\n").into_bytes().into_iter().cycle().take(length).collect()
}

/// What makes a payload in a shell, below `at`.
fn writing(tag: u32, at: &str) -> String {
    let mut lines = format!("mkdir -p {at}/data/{tag}");
    for (name, length) in files(tag) {
        lines += &format!(" && yes {tag} | head -c {length} > {at}/data/{tag}/{name}");
    }
    lines
}

struct Writer<'r> {
    random: &'r mut Random,
    now: State,
    /// What each instance has written besides.
    written: BTreeMap<String, BTreeSet<u32>>,
    last: u32,
    verbs: Verbs,
}

impl Verbs {
    /// So many, of archives with the payloads 1 to `archives`.
    #[must_use]
    pub fn random(count: usize, archives: u32, random: &mut Random) -> Self {
        let verbs = Self { script: String::new(), states: vec![State::default()] };
        let mut writer =
            Writer { random, now: State::default(), written: BTreeMap::new(), last: archives, verbs };
        writer.import(archives);
        while writer.verbs.states.len() <= count {
            writer.any(archives);
        }
        writer.verbs
    }
}

impl Writer<'_> {
    /// One verb more, which is done by this line and comes to what is there now.
    fn add(&mut self, line: &str) {
        let number = self.verbs.states.len();
        self.verbs.script += &format!(
            "{line} > /dev/null 2> /tmp/error || say failed {number}: {line}: $(cat /tmp/error)\nmark {number}\n"
        );
        self.verbs.states.push(self.now.clone());
    }

    fn number(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    fn any(&mut self, archives: u32) {
        let (image, instance) = (self.one_of(|now| &now.images), self.one_of(|now| &now.instances));
        match (self.random.below(11), image, instance) {
            (0 | 1, ..) => self.import(archives),
            (2, ..) => self.seed(),
            (3 | 4, Some(image), _) => self.make(&image),
            (5, _, Some(instance)) => self.run(&instance),
            (6, _, Some(instance)) => self.commit(&instance),
            (7, _, Some(instance)) => self.rename(&instance),
            (8, _, Some(instance)) => {
                self.now.instances.remove(&instance);
                self.add(&format!("husk rm {instance}"));
            }
            (9, Some(image), _) => {
                self.now.images.remove(&image);
                self.add(&format!("husk rmi {image}"));
            }
            (10, _, Some(instance)) => {
                let number = self.number();
                self.add(&format!("husk set {instance} --hostname h{number}"));
            }
            _ => {}
        }
    }

    fn one_of(&mut self, kind: impl Fn(&State) -> &BTreeMap<String, BTreeSet<u32>>) -> Option<String> {
        let names = kind(&self.now);
        names.keys().nth(self.random.below(names.len())).cloned()
    }

    fn import(&mut self, archives: u32) {
        let tag = 1 + self.random.below(archives as usize) as u32;
        let name = format!("image-{}", self.number());
        self.now.images.insert(name.clone(), BTreeSet::from([tag]));
        self.add(&format!("husk import /in/{tag}.tar {name}"));
    }

    fn seed(&mut self) {
        let tag = self.number();
        let name = format!("image-{}", self.number());
        self.verbs.script += &format!("rm -rf /seed/data; {}\n", writing(tag, "/seed"));
        self.now.images.insert(name.clone(), BTreeSet::from([tag]));
        self.add(&format!("husk seed /seed {name}"));
    }

    fn make(&mut self, image: &str) {
        let name = format!("instance-{}", self.number());
        let copy = if self.random.below(3) == 0 { "--copy " } else { "" };
        self.now.instances.insert(name.clone(), self.now.images[image].clone());
        self.written.insert(name.clone(), BTreeSet::new());
        self.add(&format!("husk new {copy}{name} {image} -- /bin/busybox true"));
    }

    fn run(&mut self, instance: &str) {
        let tag = self.number();
        self.written.entry(instance.to_owned()).or_default().insert(tag);
        self.add(&format!("husk run {instance} /bin/busybox sh -c '{}'", writing(tag, "")));
    }

    fn commit(&mut self, instance: &str) {
        let name = format!("image-{}", self.number());
        let all = &self.now.instances[instance] | &self.written[instance];
        self.now.images.insert(name.clone(), all);
        self.add(&format!("husk commit {instance} {name}"));
    }

    fn rename(&mut self, instance: &str) {
        let name = format!("instance-{}", self.number());
        for names in [&mut self.now.instances, &mut self.written] {
            if let Some(tags) = names.remove(instance) {
                names.insert(name.clone(), tags);
            }
        }
        self.add(&format!("husk rename {instance} {name}"));
    }
}
