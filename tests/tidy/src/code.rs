//! Rust source as far as the rules need to understand it: without comments, strings and test modules.

/// The source with comments and the insides of strings and characters blanked out, line by line the same.
pub fn without_comments_and_strings(source: &str) -> String {
    let mut rest = source;
    let mut code = String::with_capacity(source.len());
    while let Some(first) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_word);
        let length = if after_word { 0 } else { literal(rest) };
        let length = if length == 0 { comment(rest).max(plain_string(rest)) } else { length };
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            // Newlines stay, so that line numbers do; one blank stands for the rest.
            code.push(' ');
            code.extend(rest[..length].chars().filter(|&character| character == '\n'));
            rest = &rest[length..];
        }
    }
    code
}

/// The code above the first module of tests, which is the last thing in a file by custom.
pub fn without_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod ").map_or(code, |at| &code[..at])
}

/// Words of the code with the number of their line, from 1.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(number, line)| {
        line.split(|character| !is_word(character))
            .filter(|word| !word.is_empty())
            .map(move |word| (number + 1, word))
    })
}

/// The parts of a name in small letters: `FileHandler` and `file_handler` are `file`, `handler`.
pub fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for character in name.chars() {
        if character == '_' || character.is_uppercase() {
            parts.push(String::new());
        }
        if character != '_'
            && let Some(part) = parts.last_mut()
        {
            part.extend(character.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The length of the comment that the text begins with, or 0.
fn comment(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if !text.starts_with("/*") {
        return 0;
    }
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of the string that the text begins with, or 0.
fn plain_string(text: &str) -> usize {
    if text.starts_with('"') { quoted(text, '"') } else { 0 }
}

/// The length of the raw string or character that the text begins with, or 0.
fn literal(text: &str) -> usize {
    let unprefixed = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - unprefixed.len();
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = &raw[hashes + 1..];
            return prefix + 1 + hashes + 1 + inside.find(&end).map_or(inside.len(), |at| at + end.len());
        }
    }
    let mut characters = unprefixed.chars();
    if characters.next() != Some('\'') {
        return 0;
    }
    // 'a and 'static are lifetimes: a character has its second quote right behind it.
    let (inside, behind) = (characters.next(), characters.next());
    if inside == Some('\\') || behind == Some('\'') { prefix + quoted(unprefixed, '\'') } else { 0 }
}

/// The length of what begins with a quote and ends with the next that no backslash precedes.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if character == quote && !is_escaped {
            return at + quote.len_utf8();
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(source: &str) -> Vec<String> {
        let code = without_comments_and_strings(source);
        words(&code).map(|(_, word)| word.to_owned()).collect()
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        assert_eq!(words_of("a // b\n/* c /* d */ e */ f \"g \\\" h\" i"), ["a", "f", "i"]);
        assert_eq!(words_of("r#\"a \" b\"# c b\"d\" br\"e\""), ["c", "b"]);
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(words_of("'\"' a '\\'' b 'x' &'c str"), ["a", "b", "c", "str"]);
        assert_eq!(words_of("for"), ["for"]);
    }

    #[test]
    fn lines_keep_their_numbers() {
        let code = without_comments_and_strings("\"a\nb\"\n/*\n*/ word");
        assert_eq!(words(&code).collect::<Vec<_>>(), [(4, "word")]);
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(parts("FileHandler"), ["file", "handler"]);
        assert_eq!(parts("file_handler"), ["file", "handler"]);
        assert_eq!(parts("database"), ["database"]);
    }
}
