//! The manual pages describe the program that there is: every option and every verb, and no others.

use tidy::{demand_none, document};

const TABLE: &str = "programs/husk/src/options.rs";

fn read(path: &str) -> String {
    document(path).unwrap_or_else(|| panic!("{path}: missing"))
}

/// The insides of the double-quoted texts of a row of the table. They hold no escapes.
fn quoted(row: &str) -> Vec<&str> {
    row.split('"').skip(1).step_by(2).collect()
}

/// The head of an option's paragraph, as mdoc(7) has it, from its row in the table.
fn head(row: &str) -> String {
    let texts = quoted(row);
    let short = row.split_once("Some('").and_then(|(_, rest)| rest.chars().next());
    let short = short.map_or(String::new(), |letter| format!("{letter} , Fl "));
    // A row has its long name, the name of its value if it takes one, and what it does.
    let value = if texts.len() == 3 { format!(" Ar {}", texts[1]) } else { String::new() };
    format!(".It Fl {short}-{}{value}", texts[0])
}

/// The heads of all options, from the source of the table.
fn options(source: &str) -> Vec<String> {
    let (_, table) = source.split_once("pub const OPTIONS").expect("the table of options");
    let (table, _) = table.split_once("];\n").expect("the end of the table");
    table.split("row(").skip(1).map(head).collect()
}

/// The lines of a page between one heading and the next.
fn section<'p>(page: &'p str, heading: &str) -> Vec<&'p str> {
    let start = format!(".Sh {heading}");
    page.lines().skip_while(|line| *line != start).skip(1).take_while(|l| !l.starts_with(".Sh ")).collect()
}

/// What stands on one side and not on the other.
fn differences(said: &[String], is: &[String]) -> Vec<String> {
    let only = |one: &[String], other: &[String], what: &str| -> Vec<String> {
        let missing = one.iter().filter(|line| !other.contains(line));
        missing.map(|line| format!("{line}: {what}")).collect()
    };
    [only(is, said, "not in the manual page"), only(said, is, "in the manual page only")].concat()
}

#[test]
fn every_option_of_run_is_in_its_manual_page_and_no_other() {
    let is = options(&read(TABLE));
    let page = read("docs/man/husk-run.1");
    let heads = section(&page, "OPTIONS").into_iter().filter(|line| line.starts_with(".It "));
    let said: Vec<String> = heads.map(str::to_owned).collect();
    demand_none(&differences(&said, &is), "describe the option in docs/man/husk-run.1, or remove it there");
    assert_eq!(said, is, "the page and `husk help run` have one order");
}

#[test]
fn every_option_of_the_daemon_is_in_its_manual_page_and_no_other() {
    let is = options(&read("programs/huskd/src/options.rs"));
    let page = read("docs/man/huskd.8");
    let heads = section(&page, "OPTIONS").into_iter().filter(|line| line.starts_with(".It "));
    let said: Vec<String> = heads.map(str::to_owned).collect();
    assert_eq!(said, is, "describe the option in docs/man/huskd.8, or remove it there");
}

/// The names of the verbs, from the sources of their tables.
fn verbs() -> Vec<String> {
    let mut names = Vec::new();
    for part in ["instances", "inside", "images", "alone"] {
        let source = read(&format!("programs/husk/src/verbs/table/{part}.rs"));
        let (_, table) = source.split_once("pub const VERBS").expect("the table of verbs");
        // A verb begins with its name, however it is written.
        let named = table.split("name: \"").skip(1).chain(table.split("on_instances(").skip(1));
        names.extend(
            named.map(|rest| rest.trim_start().trim_start_matches('"').split('"').next().unwrap().to_owned()),
        );
    }
    assert!(names.len() > 20, "the verbs are written in another way now");
    names
}

#[test]
fn every_verb_is_in_the_manual_page_and_no_other() {
    let is: Vec<String> = verbs().iter().map(|verb| format!(".It Cm {verb}")).collect();
    let page = read("docs/man/husk.1");
    let heads = section(&page, "DESCRIPTION").into_iter().filter(|line| line.starts_with(".It "));
    let said: Vec<String> = heads.map(str::to_owned).collect();
    demand_none(&differences(&said, &is), "describe the command in docs/man/husk.1, or remove it there");
}

#[test]
fn every_verb_of_instances_has_its_part_of_their_manual_page() {
    let page = read("docs/man/husk-instances.1");
    let alone = ["plan", "completion", "help", "version"];
    let missing = verbs().into_iter().filter(|verb| !alone.contains(&verb.as_str()));
    let missing: Vec<String> = missing.filter(|verb| !page.contains(&format!(".Ss husk {verb} "))).collect();
    demand_none(
        &missing,
        "give the verb a begin and an end in docs/man/husk-instances.1, and run cargo xtask man",
    );
}

/// The options of minit: the head of a paragraph without the name of the value, and whether there is one.
fn options_of_minit(source: &str) -> Vec<String> {
    let (_, table) = source.split_once("const TABLE").expect("the table of options");
    let (table, _) = table.split_once("];\n").expect("the end of the table");
    let head = |row: &str| {
        let short = row.split_once("b'").and_then(|(_, rest)| rest.chars().next());
        let short = short.map_or(String::new(), |letter| format!("{letter} , Fl "));
        let value = if row.contains("Value::Needed") { " Ar" } else { "" };
        format!(".It Fl {short}-{}{value}", quoted(row)[0])
    };
    table.split("(Name::").skip(1).map(head).collect()
}

#[test]
fn every_option_of_minit_is_in_its_manual_page_and_no_other() {
    let is = options_of_minit(&read("programs/minit/src/options.rs"));
    let page = read("docs/man/minit.1");
    let heads = section(&page, "OPTIONS").into_iter().filter(|line| line.starts_with(".It "));
    let without_name = |head: &str| match head.split_once(" Ar ") {
        Some((option, _)) => format!("{option} Ar"),
        None => head.to_owned(),
    };
    let said: Vec<String> = heads.map(without_name).collect();
    assert!(is.len() > 30, "programs/minit/src/options.rs: the table is written in another way now");
    demand_none(&differences(&said, &is), "describe the option in docs/man/minit.1, or remove it there");
}

/// The verbs of minit, each with its options as the page writes them.
fn verbs_of_minit(source: &str) -> Vec<(String, Vec<String>)> {
    let (_, table) = source.split_once("pub static VERBS").expect("the table of verbs");
    let (table, exec) = table.split_once("const EXEC").expect("the options of exec");
    let options = |rows: &str| -> Vec<String> {
        let rows = rows.split("(\"").skip(1).filter(|row| row.contains("NEEDED") || row.contains("NONE"));
        rows.map(|row| format!("Fl -{}", row.split('"').next().unwrap_or_default())).collect()
    };
    let verbs = table.split("name: \"").skip(1).map(|verb| {
        let name = verb.split('"').next().unwrap_or_default().to_owned();
        let rows = verb.split_once("rows:").map_or("", |(_, rows)| rows);
        let all = if rows.contains("&EXEC") { options(exec) } else { options(rows) };
        (name, all)
    });
    verbs.collect()
}

#[test]
fn every_verb_of_minit_is_in_its_manual_page_with_its_options_and_no_other() {
    let verbs = verbs_of_minit(&read("programs/minit/src/verbs/list.rs"));
    let options: usize = verbs.iter().map(|(_, options)| options.len()).sum();
    assert!(verbs.len() > 15 && options > 25, "the table is written in another way now: {verbs:?}");
    let page = read("docs/man/minit.1");
    let lines = section(&page, "VERBS");
    let heads: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with(".It ")).collect();
    let paragraphs: Vec<String> = heads
        .iter()
        .enumerate()
        .map(|(number, at)| lines[*at..heads.get(number + 1).copied().unwrap_or(lines.len())].join(" "))
        .collect();
    let name = |paragraph: &String| paragraph.split(' ').nth(2).unwrap_or_default().to_owned();
    let said: Vec<String> = paragraphs.iter().map(name).collect();
    let is: Vec<String> = verbs.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(
        said, is,
        "describe the verb in docs/man/minit.1, or remove it there, in the order of the help"
    );
    let mut missing = Vec::new();
    for ((name, options), paragraph) in verbs.iter().zip(&paragraphs) {
        let has = |option: &String| {
            paragraph
                .split(option.as_str())
                .skip(1)
                .any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        };
        missing
            .extend(options.iter().filter(|option| !has(option)).map(|option| format!("{name}: {option}")));
    }
    demand_none(&missing, "describe the option in docs/man/minit.1, under VERBS");
}

#[test]
fn rows_of_the_table_become_heads_of_paragraphs() {
    let table = "pub const OPTIONS: [Description; 2] = [\n\
                 row(Name::Memory, \"memory\", Some('m'), Some(\"SIZE\"), \"most memory\"),\n\
                 row(\n  Name::Plan,\n  \"plan\",\n  None,\n  None,\n  \"print\",\n),\n];\n";
    assert_eq!(options(table), [".It Fl m , Fl -memory Ar SIZE", ".It Fl -plan"]);
}
