//! The verbs: one table, from which command lines are understood, and help, completions and manual pages are written.

mod alone;
mod images;
mod inside;
mod instances;
mod rows;

use crate::options::OPTIONS;
pub use rows::CONNECTION;
pub use rows::{HELP, ONCE};

/// An option of a verb.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its long form, without dashes.
    pub long: &'static str,
    /// Its short form.
    pub short: Option<char>,
    /// What its value is called, and what it may be; `None`: it takes none.
    pub value: Option<(&'static str, Kind)>,
    /// What it does.
    pub text: &'static str,
}

/// What a word of a command line is, for completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The name of an instance.
    Instance,
    /// The name of an image.
    Image,
    /// The name of an instance or an image.
    Either,
    /// A file of the host.
    File,
    /// A directory of the host.
    Directory,
    /// A file of the host, or `NAME:PATH`.
    Place,
    /// An instance, or a directory of the host.
    Root,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A verb.
    Verb,
    /// Something else.
    Other,
}

/// For what a verb is: the part of help that it stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// Containers.
    Instances,
    /// What they are made from.
    Images,
    /// Processes and files in them.
    Inside,
    /// What is no concern of the daemon's.
    Alone,
}

/// A verb.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// Its name.
    pub name: &'static str,
    /// Its part of help.
    pub group: Group,
    /// What follows its options.
    pub words: &'static str,
    /// What these words are; the last one stands for all that follow.
    pub kinds: &'static [Kind],
    /// What it does, in a few words.
    pub text: &'static str,
    /// What else there is to know, in sentences.
    pub about: &'static str,
    /// Its options, but for those that all have.
    pub options: &'static [&'static [Row]],
    /// The fewest and the most words.
    pub count: (usize, usize),
    /// Where words stop to be husk's.
    pub tail: Tail,
}

/// Where the words of a command line stop to be husk's: the rest is a command's, untouched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tail {
    /// Nowhere.
    Words,
    /// After the first one.
    AfterFirst,
    /// After `--`.
    AfterDashes,
}

/// As many words as there are.
const MANY: usize = usize::MAX;

/// Every verb, in the order in which help shows them.
pub fn verbs() -> impl Iterator<Item = &'static Verb> {
    let parts: [&'static [Verb]; 4] = [&instances::VERBS, &inside::VERBS, &images::VERBS, &alone::VERBS];
    parts.into_iter().flatten()
}

impl Verb {
    /// The verb of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        verbs().find(|verb| verb.name == name)
    }

    /// Its options, in the order in which help shows them.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = match self.name {
            "run" => {
                let own = OPTIONS.iter().map(Row::of).filter(|row| row.long != HELP.long);
                own.chain(ONCE).collect()
            }
            _ => self.options.iter().flat_map(|part| part.iter()).copied().collect(),
        };
        if self.group != Group::Alone {
            rows.extend(CONNECTION);
        }
        rows.push(HELP);
        rows
    }

    /// What a word is, by its place from 0.
    pub fn kind(&self, place: usize) -> Kind {
        let last = if self.count.1 == MANY { self.kinds.last() } else { None };
        self.kinds.get(place).or(last).copied().unwrap_or(Kind::Other)
    }
}
