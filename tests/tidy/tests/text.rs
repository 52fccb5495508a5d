//! What may not stand in any file.

use tidy::{TextFile, demand_none, root, text_files};

/// Files with a needle, as `path:line: needle`.
fn lines_with(files: &[TextFile], needles: &[String], finds: fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let needles = needles.iter().filter(|needle| finds(line, needle));
            found.extend(needles.map(|needle| format!("{}:{}: {needle}", file.path, number + 1)));
        }
    }
    found
}

/// Whether an absolute path begins with the needle in this line: `/srv/a` is not in `upper/srv/a`.
fn begins_path(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let goes_on = |character: char| character.is_alphanumeric() || "/._-}~$)".contains(character);
        !line[..at].ends_with(goes_on)
    })
}

/// Whether the word stands alone in the line, and is not quoted as `code` to be spoken about.
fn has_word(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let is_word = |character: char| character.is_alphanumeric() || "_`".contains(character);
        !line[..at].ends_with(is_word) && !line[at + needle.len()..].starts_with(is_word)
    })
}

#[test]
fn no_path_of_a_machine_stands_in_a_file() {
    // Put together here, so that this file has none of them in it.
    let mut needles: Vec<String> = [["/wo", "rk/"], ["/ho", "me/"], ["/ro", "ot/."], ["../sh", "ared"]]
        .map(|halves| halves.concat())
        .to_vec();
    // Whoever builds it, wherever: their own path is none of the project's business. A short one, such as
    // /src, is a word that files may have to use.
    let own = root().display().to_string();
    if own.matches('/').count() > 1 {
        needles.push(own);
    }
    let found = lines_with(&text_files(), &needles, begins_path);
    demand_none(&found, "name a path below the root, or one that exists on every Debian");
}

#[test]
fn no_work_is_left_as_a_remark() {
    let needles = [["TO", "DO"], ["FIX", "ME"], ["X", "XX"]].map(|halves| halves.concat());
    let found = lines_with(&text_files(), &needles, has_word);
    demand_none(&found, "do it, or open an issue and say in the comment what is so today");
}

#[test]
fn lines_end_without_blanks() {
    let ends = |file: &TextFile| [".rs", ".toml", ".md"].iter().any(|end| file.path.ends_with(end));
    let mut files = text_files();
    files.retain(ends);
    let found = lines_with(&files, &[" ".to_owned(), "\t".to_owned()], |line, blank| line.ends_with(blank));
    demand_none(&found, "remove the blanks at the ends of these lines");
}

#[test]
fn path_is_found_where_it_begins_only() {
    assert!(begins_path("see /srv/a", "/srv/"));
    assert!(begins_path("\"/srv/a\"", "/srv/"));
    assert!(!begins_path("upper/srv/a", "/srv/"));
}

#[test]
fn word_is_found_alone_only() {
    assert!(has_word("// LATER: more", "LATER"));
    assert!(!has_word("no `LATER` here", "LATER"));
    assert!(!has_word("const LATER_ON", "LATER"));
}
