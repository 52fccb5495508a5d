//! Completion scripts, from the table of verbs. Names of instances and images are asked for when they are needed, and
//! only of a daemon that runs already.

use std::fmt::Write as _;

use container::Failure;

use super::said::Said;
use super::table::{Kind, Row, Tail, Verb, verbs};

/// `completion`
pub fn perform(said: &Said) -> Result<u8, Failure> {
    let text = match said.word(0)? {
        "bash" => bash(),
        "zsh" => zsh(),
        "fish" => fish(),
        other => return Err(Failure::usage(format!("completion {other:?}: it is bash, zsh or fish"))),
    };
    crate::show(&text)
}

/// The words of a kind, as a command of a shell that prints them; files are left to the shell.
fn source(kind: Kind) -> Option<String> {
    let names = |what: &str| format!("husk --no-daemon ls {what} -q 2>/dev/null");
    match kind {
        Kind::Instance | Kind::Place | Kind::Root => Some(names("instances")),
        Kind::Image => Some(names("images")),
        Kind::Either => Some(format!("{}; {}", names("instances"), names("images"))),
        Kind::OneOf(words) => Some(format!("printf '%s\\n' {}", words.join(" "))),
        Kind::Verb => {
            let names: Vec<&str> = verbs().map(|verb| verb.name).collect();
            Some(format!("printf '%s\\n' {}", names.join(" ")))
        }
        Kind::File | Kind::Directory | Kind::Other => None,
    }
}

/// Whether files of the host are offered too.
const fn takes_files(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::File | Kind::Place => Some("file"),
        Kind::Directory | Kind::Root => Some("directory"),
        _ => None,
    }
}

/// What a word of bash is completed with: the action of one place.
fn bash_action(kind: Kind) -> String {
    let mut action = String::from("COMPREPLY=(");
    if let Some(source) = source(kind) {
        let _ = write!(action, " $(compgen -W \"$({source})\" -- \"$cur\")");
    }
    match takes_files(kind) {
        Some("file") => action.push_str(" $(compgen -f -- \"$cur\")"),
        Some(_) => action.push_str(" $(compgen -d -- \"$cur\")"),
        None => {}
    }
    action + " )"
}

fn bash() -> String {
    let names: Vec<&str> = verbs().map(|verb| verb.name).collect();
    let mut text = format!("{BASH_HEAD}    local verbs='{}'\n{BASH_MIDDLE}", names.join(" "));
    for verb in verbs() {
        let rows = verb.rows();
        let options: Vec<String> = rows.iter().flat_map(spellings).collect();
        let with_value = rows.iter().filter(|row| row.value.is_some()).flat_map(spellings);
        let with_value: Vec<String> = with_value.collect();
        let _ = writeln!(text, "        {})\n            options='{}'", verb.name, options.join(" "));
        let _ = writeln!(text, "            valued=' {} '", with_value.join(" "));
        let _ = writeln!(text, "            _husk_place {}", tail_word(verb));
        let _ = writeln!(text, "            case $previous in");
        for row in &rows {
            if let Some((_, kind)) = row.value {
                let patterns = spellings(row).collect::<Vec<_>>().join("|");
                let _ = writeln!(text, "                {patterns}) {}; return ;;", bash_action(kind));
            }
        }
        let _ = writeln!(text, "            esac\n            case $place in");
        for (place, last) in places(verb) {
            let pattern = if last { String::from("*") } else { place.to_string() };
            let _ = writeln!(text, "                {pattern}) {} ;;", bash_action(verb.kind(place)));
        }
        text.push_str("            esac\n            ;;\n");
    }
    text + BASH_TAIL
}

/// The places of a verb's words, and whether a place stands for all that follow.
fn places(verb: &Verb) -> Vec<(usize, bool)> {
    let (_, most) = verb.count;
    let known = verb.kinds.len();
    (0..known).map(|place| (place, place + 1 == known && most > known)).collect()
}

/// Where a command begins, for the script: after so many words, or `-`.
const fn tail_word(verb: &Verb) -> &'static str {
    match verb.tail {
        Tail::Words => "-",
        Tail::AfterFirst => "1",
        Tail::AfterDashes => "--",
    }
}

fn spellings(row: &Row) -> impl Iterator<Item = String> {
    row.short.map(|letter| format!("-{letter}")).into_iter().chain([format!("--{}", row.long)])
}

const BASH_HEAD: &str = r#"# husk: completion for bash, made by: husk completion bash

# Counts the words before the cursor that are no options; sets place, or `command` where the words are a command's.
# $1: after how many words a command begins, `--` where it begins after --, `-` where there is none.
_husk_place() {
    local index word skip=''
    place=0
    for ((index = verb_at + 1; index < cword; index++)); do
        word=${words[index]}
        if [[ $skip ]]; then
            skip=''
        elif [[ $word == -- ]]; then
            [[ $1 == -- ]] && place=command
            [[ $1 == -- ]] && return
        elif [[ $word == -?* ]]; then
            [[ $valued == *" $word "* ]] && skip=yes
        else
            place=$((place + 1))
            [[ $1 == 1 && $place -ge 1 ]] && place=command
            [[ $place == command ]] && return
        fi
    done
}

_husk() {
    local cur previous place options valued verb verb_at index words cword line=${COMP_LINE:0:COMP_POINT}
    # Not COMP_WORDS: there a name with a colon in it is several words.
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    cword=$((${#words[@]} - 1))
    cur=${words[cword]}
    previous=${words[cword - 1]}
"#;

const BASH_MIDDLE: &str = r#"    COMPREPLY=()
    for ((index = 1; index < cword; index++)); do
        case ${words[index]} in
            --socket) index=$((index + 1)) ;;
            -*) ;;
            *) verb=${words[index]} verb_at=$index; break ;;
        esac
    done
    if [[ ! $verb ]]; then
        case $previous in
            --socket) COMPREPLY=( $(compgen -f -- "$cur") ) ;;
            *) COMPREPLY=( $(compgen -W "$verbs --socket --no-daemon --verbose --help --version" -- "$cur") ) ;;
        esac
        return
    fi
    case $verb in
"#;

const BASH_TAIL: &str = r#"        *) return ;;
    esac
    if [[ $place == command ]]; then
        COMPREPLY=( $(compgen -c -- "$cur") )
    elif [[ $cur == -* ]]; then
        COMPREPLY=( $(compgen -W "$options" -- "$cur") )
    fi
    # Bash replaces what follows the last colon only.
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=( "${COMPREPLY[@]#"${cur%:*}:"}" )
    fi
}

complete -o filenames -F _husk husk
"#;

/// A text between single quotes of a shell.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

/// What stands behind a colon in zsh's _arguments, where `:` and brackets mean something.
fn zsh_text(text: &str) -> String {
    quoted(text).replace(':', "\\:").replace('[', "\\[").replace(']', "\\]")
}

/// An action that begins with a blank is called as it is written (zshcompsys(1)).
fn zsh_action(kind: Kind) -> String {
    match (source(kind), takes_files(kind)) {
        (Some(_), Some(files)) => format!(" _husk_names_and_files {} {files}", zsh_source(kind)),
        (Some(_), None) => match kind {
            Kind::OneOf(words) => format!("({})", words.join(" ")),
            _ => format!(" _husk_names {}", zsh_source(kind)),
        },
        (None, Some("file")) => "_files".into(),
        (None, Some(_)) => "_files -/".into(),
        (None, None) => " ".into(),
    }
}

const fn zsh_source(kind: Kind) -> &'static str {
    match kind {
        Kind::Image => "images",
        Kind::Either => "both",
        Kind::Verb => "verbs",
        _ => "instances",
    }
}

fn zsh() -> String {
    let mut text = String::from(ZSH_HEAD);
    text.push_str("_husk_verbs() {\n    local -a verbs=(\n");
    for verb in verbs() {
        let _ = writeln!(text, "        '{}:{}'", verb.name, quoted(verb.text));
    }
    text.push_str("    )\n    _describe -t verbs verb verbs\n}\n");
    text.push_str(ZSH_MIDDLE);
    for verb in verbs() {
        let _ = writeln!(text, "        ({})\n            _arguments -s -S \\", verb.name);
        for row in verb.rows() {
            let value = row
                .value
                .map_or(String::new(), |(name, kind)| format!(":{}:{}", zsh_text(name), zsh_action(kind)));
            for spelling in spellings(&row) {
                let _ = writeln!(text, "                '*{spelling}[{}]{value}' \\", zsh_text(row.text));
            }
        }
        for (place, last) in places(verb) {
            let star = if last { String::from("*") } else { (place + 1).to_string() };
            let action = match (verb.tail, place) {
                (Tail::AfterFirst, 1) => "_normal".into(),
                _ => zsh_action(verb.kind(place)),
            };
            let _ = writeln!(text, "                '{star}:{}:{action}' \\", zsh_text(verb.words));
        }
        text.push_str("                && return 0\n            ;;\n");
    }
    text + ZSH_TAIL
}

const ZSH_HEAD: &str = r#"#compdef husk
# husk: completion for zsh, made by: husk completion zsh

_husk_names() {
    local -a names
    case $1 in
        (instances|both) names+=(${(f)"$(husk --no-daemon ls instances -q 2>/dev/null)"}) ;|
        (images|both) names+=(${(f)"$(husk --no-daemon ls images -q 2>/dev/null)"}) ;;
        (verbs) _husk_verbs; return ;;
    esac
    compadd -a names
}

_husk_names_and_files() {
    _husk_names $1
    [[ $2 == directory ]] && _files -/ || _files
}

"#;

const ZSH_MIDDLE: &str = r#"
_husk() {
    local curcontext=$curcontext state line
    local -A opt_args
    _arguments -C -S \
        '--socket[the socket of the daemon]:PATH:_files' \
        '--no-daemon[start no daemon]' \
        '--verbose[say so when a daemon is started]' \
        '1:verb:_husk_verbs' \
        '*::words:->words' && return 0
    case $line[1] in
"#;

const ZSH_TAIL: &str = r#"    esac
}

if [[ $funcstack[1] == _husk ]]; then _husk "$@"; else compdef _husk husk; fi
"#;

fn fish() -> String {
    let mut text =
        String::from("# husk: completion for fish, made by: husk completion fish\n\ncomplete -c husk -f\n");
    for verb in verbs() {
        let name = verb.name;
        let _ = writeln!(
            text,
            "complete -c husk -n __fish_use_subcommand -a {name} -d '{}'",
            fish_text(verb.text)
        );
        let seen = format!("-n '__fish_seen_subcommand_from {name}'");
        for row in verb.rows() {
            let short = row.short.map_or(String::new(), |letter| format!(" -s {letter}"));
            let value = match row.value {
                None => String::new(),
                Some((_, kind)) => fish_value(kind),
            };
            let _ = writeln!(
                text,
                "complete -c husk {seen}{short} -l {}{value} -d '{}'",
                row.long,
                fish_text(row.text)
            );
        }
        let kinds: Vec<Kind> = verb.kinds.iter().copied().filter(|kind| *kind != Kind::Other).collect();
        for kind in kinds {
            if let Some(source) = source(kind) {
                let _ = writeln!(text, "complete -c husk {seen} -a '({})'", fish_source(&source));
            }
            if takes_files(kind).is_some() {
                let _ = writeln!(text, "complete -c husk {seen} -F");
            }
        }
    }
    text
}

fn fish_value(kind: Kind) -> String {
    match (source(kind), takes_files(kind)) {
        (Some(source), _) => format!(" -x -a '({})'", fish_source(&source)),
        (None, Some(_)) => " -r".into(),
        (None, None) => " -x".into(),
    }
}

/// In fish a quote within quotes is escaped, and so is a backslash.
fn fish_source(source: &str) -> String {
    source.replace('\\', "\\\\").replace('\'', "\\'")
}

fn fish_text(text: &str) -> String {
    fish_source(text)
}
