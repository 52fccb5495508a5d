//! What runs in process 1 once its command does.

use tidy::code::{without_comments_and_strings, without_tests};
use tidy::{TextFile, demand_none, rust_files};

/// Crates that allocate or parse.
const HEAP: &[&str] =
    &["alloc::", "serve::", "wire::", "cgroup::", "spawn::", "husk_client::", "config::", "errand::"];

/// Lines of code that one reads in an hour.
const HOUR: usize = 1_200;

/// The folder of the first process, and the two files by which it says something.
fn is_of_first_process(file: &TextFile) -> bool {
    let rest = file.path.strip_prefix("programs/minit/src/");
    rest.is_some_and(|rest| rest.starts_with("first/") || rest == "message.rs" || rest == "notes.rs")
}

#[test]
fn first_process_has_no_heap_and_no_parser() {
    let mut found = Vec::new();
    for file in rust_files().iter().filter(|file| is_of_first_process(file)) {
        let code = without_comments_and_strings(&file.text);
        for (number, line) in without_tests(&code).lines().enumerate() {
            if let Some(what) = HEAP.iter().find(|what| line.contains(*what)) {
                found.push(format!("{}:{}: {what}", file.path, number + 1));
            }
        }
    }
    demand_none(&found, "let the api do it, or a child before the command is started (errand.rs)");
}

#[test]
fn first_process_can_be_read_in_an_hour() {
    let files = rust_files();
    let lines = files.iter().filter(|file| is_of_first_process(file)).map(|file| {
        let code = without_comments_and_strings(&file.text);
        without_tests(&code).lines().filter(|line| !line.trim().is_empty()).count()
    });
    let (files, lines) = lines.fold((0, 0), |(files, sum), lines| (files + 1, sum + lines));
    println!("{lines} lines of code in {files} files");
    assert!(files > 8, "the files have moved: tell this test where to");
    assert!(
        lines <= HOUR,
        "{lines} lines of code run in process 1. What to do: do it before its command is started, or in the api"
    );
}
