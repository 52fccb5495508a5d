//! Verbs of instances and images: what is asked of the daemon, and how its answers are shown.

mod archives;
mod asks;
mod completion;
mod copy;
mod events;
mod follow;
pub mod foreign;
mod keys;
mod list;
mod live;
mod logs;
mod meter;
pub mod near;
mod once;
#[cfg(test)]
mod pages;
pub mod said;
pub mod settings;
mod stats;
pub mod table;
mod table_text;
mod top;
mod words;
mod work;

use container::Failure;
use instance::message::{Answer, Reason, Refusal, Request, What};
use serde_json::{Map, Value};

use crate::daemon::Connection;
use said::Said;

/// Does what was said; the exit code.
pub fn perform(said: &Said) -> Result<u8, Failure> {
    match said.verb.name {
        "import" => archives::import(said),
        "export" => archives::export(said),
        "commit" | "seed" => archives::make(said),
        "cp" => copy::perform(said),
        "logs" => logs::perform(said),
        "stats" => stats::perform(said),
        "top" => top::perform(said),
        "completion" => completion::perform(said),
        "events" => events::perform(said),
        "run" if said.has("rm") => once::run(said),
        "run" => follow::run(said),
        "exec" => follow::exec(said),
        "attach" => follow::attach(said),
        "kill" => follow::kill(said),
        "ls" | "images" => list::perform(said),
        _ => asks::perform(said),
    }
}

/// Asks, and waits for the answer. How far it is on the way is nobody's concern.
fn ask(connection: &mut Connection, request: &Request) -> Result<Map<String, Value>, Failure> {
    connection.send(request, &[])?;
    answer(connection, request)
}

/// Waits for the answer to what was asked.
fn answer(connection: &mut Connection, request: &Request) -> Result<Map<String, Value>, Failure> {
    loop {
        match connection.next()? {
            Answer::Ok(answer) => return Ok(answer),
            Answer::Error(refusal) => return Err(refused(connection, request, refusal)),
            Answer::Progress(_) | Answer::Event(_) => {}
        }
    }
}

/// What the daemon says beside that something is done.
fn warn(answer: &Map<String, Value>) {
    let warnings = answer.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        crate::tell(&format!("warning: {}", words::plain(warning)));
    }
    if let Some(more @ 1..) = answer.get("more_warnings").and_then(Value::as_u64) {
        crate::tell(&format!("warning: {more} more of these"));
    }
}

/// What the daemon says, with what may help: its own hint, else a name that may have been meant, else what to do in
/// such a case.
fn refused(connection: &mut Connection, request: &Request, refusal: Refusal) -> Failure {
    let hint = match (&refusal.code, refusal.hint) {
        (Reason::NotFound, hint) => match meant(connection, request) {
            Meant::Image(name) => Some(an_image(&name)),
            Meant::Another(name) => Some(format!("did you mean {name}?")),
            // It is something in it that was not found.
            Meant::Itself => hint,
            Meant::Unknown => hint.or_else(|| Some(unknown(request).into())),
        },
        (_, Some(hint)) => Some(hint),
        (Reason::State, None) => match request {
            Request::Connect { name, .. } | Request::Logs { name } | Request::Wait { name } => {
                Some(format!("husk run {name}"))
            }
            Request::Rm { name, .. } | Request::Rename { name, .. } => Some(format!("husk stop {name}")),
            _ => Some("husk ls".into()),
        },
        (Reason::Exists, None) => match request {
            Request::New { name, .. } | Request::Rename { to: name, .. } => Some(format!("husk rm {name}")),
            Request::Commit { image, .. } | Request::Seed { image, .. } | Request::Import { image } => {
                Some(format!("husk rmi {image}"))
            }
            _ => None,
        },
        (Reason::InUse, None) => Some("husk ls shows what was made from it".into()),
        (Reason::Busy, None) => Some("wait until the other command is done".into()),
        (_, None) => None,
    };
    Failure::ours(refusal.data).hint(hint).with_code(refusal.exit.unwrap_or(125))
}

/// What to do with an image where an instance was named.
fn an_image(name: &str) -> String {
    format!(
        "an image is called so: husk new NAME {name} makes an instance, husk run --rm {name} one for this once"
    )
}

fn unknown(request: &Request) -> &'static str {
    match request {
        Request::New { .. } | Request::Rmi { .. } => {
            "husk images lists what there is, husk import and husk seed make one"
        }
        Request::Run { .. } => {
            "husk ls lists what there is, husk new makes one; a root file system starts with / or ."
        }
        _ => "husk ls lists instances, husk images lists images",
    }
}

/// What somebody may have meant with the name that was asked for.
enum Meant {
    /// An image, where an instance is run.
    Image(String),
    Another(String),
    Itself,
    Unknown,
}

fn meant(connection: &mut Connection, request: &Request) -> Meant {
    let is_image = matches!(request, Request::New { .. } | Request::Rmi { .. });
    let value = serde_json::to_value(request).unwrap_or_default();
    let wanted = value.get(if is_image { "image" } else { "name" }).and_then(Value::as_str);
    let Some(wanted) = wanted else { return Meant::Unknown };
    let is_either = matches!(request, Request::Inspect { .. } | Request::Export { .. });
    let mut names = Vec::new();
    if is_image || is_either {
        names.extend(names_of(connection, What::Images, "images").unwrap_or_default());
    }
    if !is_image {
        names.extend(names_of(connection, What::Instances, "instances").unwrap_or_default());
    }
    if names.iter().any(|name| name == wanted) {
        return Meant::Itself;
    }
    if matches!(request, Request::Run { .. }) {
        let images = names_of(connection, What::Images, "images").unwrap_or_default();
        if images.iter().any(|name| name == wanted) {
            return Meant::Image(wanted.into());
        }
    }
    let near = near::near(wanted, names.iter().map(String::as_str));
    near.map_or(Meant::Unknown, |name| Meant::Another(name.into()))
}

/// The names of what there is; `None` where the daemon does not say.
fn names_of(connection: &mut Connection, what: What, list: &str) -> Option<Vec<String>> {
    connection.send(&Request::Ls { what }, &[]).ok()?;
    let Answer::Ok(answer) = connection.next().ok()? else { return None };
    let listed = answer.get(list)?.as_array()?;
    Some(listed.iter().filter_map(|one| one.get("name")?.as_str().map(String::from)).collect())
}
