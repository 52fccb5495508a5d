//! Every input of the corpus through its target, without libFuzzer: what was once found stays mended.

use std::path::Path;

#[test]
fn every_input_of_the_corpus_keeps_its_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, run) in fuzz::TARGETS {
        let folder = corpus.join(name);
        let inputs = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        let mut count = 0;
        for input in inputs {
            let path = input.expect("an entry").path();
            // The test's own words, should it panic: libtest shows them for a failure.
            println!("{}", path.display());
            run(&std::fs::read(&path).expect("an input"));
            count += 1;
        }
        assert!(count >= 3, "{name}: {count} inputs");
    }
}

#[test]
fn every_corpus_has_a_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for folder in std::fs::read_dir(corpus).expect("the corpus") {
        let name = folder.expect("an entry").file_name();
        assert!(fuzz::target(&name.to_string_lossy()).is_some(), "{name:?}");
    }
}
