//! The parts of `docs/man/husk-instances.1` that are written from the table of verbs: `cargo xtask man` writes them, and
//! a test holds the page to them. Between the parts stands what people have written.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::table::{CONNECTION, Group, HELP, Row, Verb, verbs};

fn page() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/man/husk-instances.1"))
}

/// Text as mdoc(7) takes it, on a line of its own.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace(" …", " ...").replace('…', " ...");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// Lines of at most 110 characters, each sentence on its own.
fn sentences(text: &str) -> String {
    let mut lines = String::new();
    for sentence in text.split_inclusive(". ") {
        let _ = writeln!(lines, "{}", escaped(sentence.trim_end()));
    }
    lines
}

fn paragraph(row: &Row) -> String {
    let short = row.short.map_or(String::new(), |letter| format!("{letter} , Fl "));
    let value = row.value.map_or(String::new(), |(name, _)| format!(" Ar {}", escaped(name)));
    format!(".It Fl {short}-{}{value}\n{}\n", row.long, escaped(row.text))
}

fn list(rows: &[Row]) -> String {
    let paragraphs: String = rows.iter().map(paragraph).collect();
    if rows.is_empty() { String::new() } else { format!(".Bl -tag -width Ds\n{paragraphs}.El\n") }
}

/// The options of a verb that are nobody else's on the page.
fn rows(verb: &Verb) -> Vec<Row> {
    let of_new = Verb::named("new").map_or_else(Vec::new, Verb::rows);
    let is_own = |row: &Row| match verb.name {
        "run" => crate::arguments::is_of_instance(row.long) || matches!(row.long, "rm" | "name"),
        "set" => !of_new.contains(row),
        _ => true,
    };
    let own = verb.rows().into_iter().filter(|row| !CONNECTION.contains(row) && *row != HELP);
    own.filter(is_own).collect()
}

fn part(verb: &Verb) -> String {
    let words = format!(".Ss husk {} [options] {}", verb.name, escaped(verb.words));
    format!("{}\n{}{}", words.trim_end(), sentences(verb.about), list(&rows(verb)))
}

/// The page with its parts as the table has them now.
fn renewed(page: &str) -> String {
    let mut parts: Vec<(String, String)> = vec![("connection".into(), list(&CONNECTION))];
    parts
        .extend(verbs().filter(|verb| verb.group != Group::Alone).map(|verb| (verb.name.into(), part(verb))));
    let mut page = page.to_owned();
    for (name, text) in parts {
        let (begin, end) = (format!(".\\\" begin {name}\n"), format!(".\\\" end {name}\n"));
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
        let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no {end}"));
        page = format!("{before}{begin}{text}{end}{after}");
    }
    page
}

#[test]
fn the_manual_page_has_the_verbs_and_options_of_the_table() {
    let page = page();
    let there = std::fs::read_to_string(&page).expect("docs/man/husk-instances.1");
    let renewed = renewed(&there);
    if std::env::var_os("MAN_UPDATE").is_some() {
        std::fs::write(&page, renewed).expect("docs/man/husk-instances.1");
        return;
    }
    let wrong = renewed.lines().zip(there.lines()).find(|(is, said)| is != said);
    assert!(renewed == there, "cargo xtask man writes it anew; the first difference: {wrong:?}");
}

#[test]
fn every_verb_and_option_is_told_apart_and_told_of() {
    for verb in verbs() {
        assert!(!verb.text.is_empty() && verb.about.ends_with(['.', ')']), "{}", verb.name);
        let rows = verb.rows();
        for (number, row) in rows.iter().enumerate() {
            let is_twice = rows[..number]
                .iter()
                .any(|other| other.long == row.long || (other.short.is_some() && other.short == row.short));
            assert!(!is_twice && !row.text.is_empty(), "{} --{}", verb.name, row.long);
        }
    }
    let mut names: Vec<&str> = verbs().map(|verb| verb.name).collect();
    names.sort_unstable();
    names.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1]));
}
