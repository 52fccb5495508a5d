//! Each request, and who does it.

use std::sync::Arc;

use instance::message::{Refusal, Request, What};

use crate::client::{Client, Done};
use crate::daemon::Daemon;
use crate::verbs::{files, images, look, make, run};

/// Does what a client asks for.
///
/// # Errors
/// Why it is not done.
pub fn perform(daemon: &Arc<Daemon>, client: &mut Client, request: Request) -> Result<Done, Refusal> {
    let by = client.peer();
    match request {
        Request::Ping => Ok(look::ping(daemon)),
        Request::New { name, image, files, settings, at_end } => {
            let of = make::Of { image, files, settings: *settings, at_end };
            make::new(daemon, client, &name, &of)
        }
        Request::Run { name, command, others, terminal, stdin } => {
            let wanted = crate::launch::Wanted { command, terminal, stdin };
            run::run(daemon, by, &name, wanted, others)
        }
        Request::Stop { name, grace_ms } => run::stop(daemon, client, &name, grace_ms),
        Request::Pause { name } => run::pause(daemon, by, &name),
        Request::Resume { name } => run::resume(daemon, by, &name),
        Request::Rm { name, if_running, grace_ms } => {
            make::remove(daemon, client, &name, (if_running, grace_ms))
        }
        Request::Rename { name, to } => make::rename(daemon, by, &name, to),
        Request::Set { name, changes } => make::set(daemon, by, &name, changes),
        Request::Ls { what: What::Instances } => look::list_instances(daemon),
        Request::Ls { what: What::Images } => images::list(daemon),
        Request::Inspect { name } => look::inspect(daemon, &name),
        Request::Commit { name, image, form } => images::commit(daemon, client, &name, &image, form),
        Request::Seed { directory, image } => images::seed(daemon, client, &directory, &image),
        Request::Import { image } => images::import(daemon, client, &image),
        Request::Export { name, format, compression } => {
            images::export(daemon, client, &name, format, compression)
        }
        Request::Rmi { image } => images::remove(daemon, by, &image),
        Request::Wait { name } => run::wait(daemon, client, &name),
        Request::Connect { name, exec } => run::connect(daemon, by, &name, exec.as_deref()),
        Request::Logs { name } => look::logs(daemon, &name),
        Request::CopyOut { name, path, holes } => files::copy_out(daemon, client, &name, (&path, holes)),
        Request::CopyIn { name, path, of } => files::copy_in(daemon, client, &name, (&path, of)),
        // It has no end, and is served by the connection.
        Request::Events => Ok(Done::silent()),
    }
}
