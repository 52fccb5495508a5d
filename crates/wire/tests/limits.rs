//! The limits of docs/protocol.md are those that requests are held to: at each one is taken, beyond it refused.

use wire::Request;

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

/// The rows of the table of limits: name, lowest, highest.
fn rows() -> Vec<(&'static str, i128, i128)> {
    let (_, section) = DOCUMENT.split_once("\n## Limits\n").expect("the section of limits");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (name, from, to) = (cells.next()?, cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
        Some((name.trim_matches('`'), from, to))
    });
    rows.collect()
}

fn exec(fields: &str) -> String {
    format!("{{\"type\":\"exec\",\"cmd\":\"x\",{fields}}}")
}

fn array(count: usize, element: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..count).map(element).collect::<Vec<_>>().join(","))
}

/// Requests in which the thing of this name has this size, or is this number; none where the test is another one's.
fn requests(name: &str, size: i128) -> Vec<String> {
    let count = usize::try_from(size).unwrap_or(0);
    let text = |letter: &str| letter.repeat(count);
    match name {
        "line" => {
            let start = "{\"type\":\"ping\",\"x\":\"";
            vec![format!("{start}{}\"}}", "y".repeat(count.saturating_sub(start.len() + 2)))]
        }
        // The request is a level itself.
        "nesting" => {
            let levels = count.saturating_sub(1);
            vec![format!("{{\"type\":\"ping\",\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels))]
        }
        "id" => vec![
            exec(&format!("\"id\":\"{}\"", text("i"))),
            format!("{{\"type\":\"wait\",\"id\":\"{}\"}}", text("i")),
        ],
        "ids" => vec![
            format!("{{\"type\":\"wait\",\"ids\":{}}}", array(count, |number| format!("\"{number}\""))),
            format!("{{\"type\":\"ack\",\"ids\":{}}}", array(count, |number| format!("\"{number}\""))),
        ],
        "tag" | "user" => vec![exec(&format!("\"{name}\":\"{}\"", text("u")))],
        "groups" => vec![exec(&format!("\"groups\":{}", array(count, |_| "4294967294".to_owned())))],
        "ambient" => vec![exec(&format!("\"ambient\":{}", array(count, |_| "\"kill\"".to_owned())))],
        "rlimits" => {
            let members: Vec<String> = (0..count).map(|number| format!("\"r{number}\":1")).collect();
            vec![exec(&format!("\"rlimits\":{{{}}}", members.join(",")))]
        }
        "timeout_ms" => vec![
            exec(&format!("\"timeout_ms\":{size}")),
            format!("{{\"type\":\"wait\",\"id\":\"i\",\"timeout_ms\":{size}}}"),
        ],
        "grace_ms" => vec![
            exec(&format!("\"grace_ms\":{size}")),
            format!("{{\"type\":\"shutdown\",\"grace_ms\":{size}}}"),
        ],
        "linger_ms" | "replay_bytes" | "nice" | "oom_score_adj" => {
            vec![exec(&format!("\"{name}\":{size}"))]
        }
        "max_output" => {
            let mut all = vec![exec(&format!("\"max_output\":{size}"))];
            let attach = |field| format!("{{\"type\":\"attach\",\"id\":\"i\",\"{field}\":{size}}}");
            all.extend(["from_stdout", "from_stderr"].map(attach));
            all
        }
        "umask" => {
            let octal = if size < 0 { "-1".to_owned() } else { format!("{size:o}") };
            vec![exec(&format!("\"umask\":{size}")), exec(&format!("\"umask\":\"{octal}\""))]
        }
        "rows" => {
            ["rows", "cols"].iter().map(|name| exec(&format!("\"pty\":{{\"{name}\":{size}}}"))).collect()
        }
        "code" => vec![format!("{{\"type\":\"shutdown\",\"code\":{size}}}")],
        "pid" => vec![format!("{{\"type\":\"kill\",\"pid\":{size}}}")],
        "hostname" => vec![format!("{{\"type\":\"resume\",\"hostname\":\"{}\"}}", text("h"))],
        "machine_id" => vec![format!("{{\"type\":\"resume\",\"machine_id\":\"{}\"}}", text("0"))],
        _ => Vec::new(),
    }
}

#[test]
fn what_the_document_says_is_what_requests_are_held_to() {
    let rows = rows();
    assert!(rows.len() > 20, "the table has moved: {rows:?}");
    for (name, from, to) in rows {
        let at_limit = requests(name, to);
        if name == "waiting input" {
            // In `serve`; see its tests.
            assert_eq!(usize::try_from(to), Ok(wire::MAX_LINE));
            continue;
        }
        assert!(!at_limit.is_empty(), "{name}: a row that no test knows");
        for request in at_limit {
            let shown = &request[..request.len().min(80)];
            assert!(Request::parse(request.as_bytes()).is_ok(), "{name} of {to} is refused: {shown}");
        }
        for request in requests(name, to + 1) {
            let shown = &request[..request.len().min(80)];
            assert!(Request::parse(request.as_bytes()).is_err(), "{name} of {} is taken: {shown}", to + 1);
        }
        // Of a length there is none below 0, and one line that is too short is no JSON anyway.
        let is_length = !requests(name, -1).iter().any(|request| request.contains("-1"));
        if is_length && (from == 0 || name == "line") {
            continue;
        }
        for request in requests(name, from) {
            assert!(Request::parse(request.as_bytes()).is_ok(), "{name} of {from} is refused: {request}");
        }
        for request in requests(name, from - 1) {
            assert!(
                Request::parse(request.as_bytes()).is_err(),
                "{name} of {} is taken: {request}",
                from - 1
            );
        }
    }
}

#[test]
fn what_is_known_and_given_twice_is_refused() {
    for request in [
        r#"{"type":"ping","type":"ping"}"#,
        r#"{"type":"exec","cmd":"x","tag":"a","tag":"a"}"#,
        r#"{"type":"exec","cmd":"x","limits":{"pids":1,"pids":1}}"#,
        r#"{"type":"exec","cmd":"x","env":{"A":"1","A":"1"}}"#,
    ] {
        let said = Request::parse(request.as_bytes()).expect_err(request).to_string();
        assert!(said.contains("is given twice"), "{request}: {said}");
    }
    assert!(Request::parse(br#"{"type":"ping","other":1,"other":1}"#).is_ok());
}

#[test]
fn a_key_has_no_control_characters() {
    for letter in ["\\n", "\\u0000", "\\u007f", "\\u0085"] {
        let request = exec(&format!("\"id\":\"a{letter}\""));
        assert!(Request::parse(request.as_bytes()).is_err(), "{request}");
    }
}
