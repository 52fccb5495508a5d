//! `cp`: files into and out of instances, as a tar archive that the daemon reads or writes.

mod pack;
mod stream;
mod unpack;

use std::path::{Path, PathBuf};

use container::Failure;
use instance::InstanceName;
use instance::message::{Holes, Request};
use sys::fd::{AsFd, OwnedFd};
use sys::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sys::pipe::{PipeFlags, pipe_with};
use sys::signals::{SignalSet, block_too};
use sys::strerror::describe;
use sys::termios::isatty;

use super::meter::Ends;
use super::said::Said;
use super::work::{INTERRUPTED, Work};
use stream::Stream;

const SIGPIPE: i32 = 13;

/// One side of a copy.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// A path in an instance.
    Inside(InstanceName, String),
    /// A path of the host.
    Host(PathBuf),
    /// A tar archive on standard input or output.
    Archive,
}

/// `cp`
pub fn perform(said: &Said) -> Result<u8, Failure> {
    match (place(said, 0)?, place(said, 1)?) {
        (Place::Inside(name, path), Place::Archive) => {
            let stdout = std::io::stdout();
            if isatty(&stdout) {
                return Err(Failure::ours(
                    "cp -: standard output is a terminal, and an archive is nothing to look at",
                ));
            }
            let request = Request::CopyOut { name, path, holes: Holes::Filled };
            Work::begin(said, request, &[stdout.as_fd()], Ends::Silently)?.end()?;
        }
        (Place::Archive, Place::Inside(name, path)) => {
            let stdin = std::io::stdin();
            if isatty(&stdin) {
                return Err(Failure::ours("cp -: standard input is a terminal, not an archive"));
            }
            let request = Request::CopyIn { name, path, of: None };
            Work::begin(said, request, &[stdin.as_fd()], Ends::Silently)?.end()?;
        }
        (Place::Inside(name, path), Place::Host(to)) => out(said, name, path, &to)?,
        (Place::Host(from), Place::Inside(name, path)) => into(said, &from, name, path)?,
        (Place::Inside(..), Place::Inside(..)) => {
            let what = "cp: one side is a path of this machine, or -";
            return Err(Failure::usage(what));
        }
        _ => return Err(Failure::usage("cp: one side is NAME:PATH, a path in an instance")),
    }
    Ok(0)
}

/// `NAME:PATH` unless it is written as a path: then a colon is a character like any other.
fn place(said: &Said, number: usize) -> Result<Place, Failure> {
    let word = &said.words[number];
    if word == "-" {
        return Ok(Place::Archive);
    }
    let text = word.to_str().filter(|text| !text.starts_with(['/', '.']));
    let Some((name, path)) = text.and_then(|text| text.split_once(':')) else {
        return Ok(Place::Host(word.into()));
    };
    let name = InstanceName::new(name).map_err(|error| Failure::usage(error.to_string()))?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(Place::Inside(name, format!("{slash}{path}")))
}

fn out(said: &Said, name: InstanceName, path: String, to: &Path) -> Result<(), Failure> {
    let (reader, writer) = pipe()?;
    own(&reader)?;
    let asked = Request::CopyOut { name, path, holes: Holes::Kept };
    let mut work = Work::begin(said, asked, &[writer.as_fd()], Ends::Silently)?;
    // The daemon's end is the only one from here on.
    drop(writer);
    let mut stream = Stream::new(&mut work, reader.as_fd());
    let mut whole = 0;
    let unpacked = unpack::unpack(&mut stream, to, &mut whole);
    let is_over = stream.is_over();
    finish(work, unpacked, is_over).map_err(|failure| match (failure.code(), whole) {
        (INTERRUPTED, 1..) => {
            let what = format!("interrupted: {whole} files and directories are in {} by now", to.display());
            Failure::ours(what).with_code(INTERRUPTED)
        }
        _ => failure,
    })
}

/// The daemon decides where in the instance it goes: what stands there by then may be another than what stood there.
fn into(said: &Said, from: &Path, name: InstanceName, path: String) -> Result<(), Failure> {
    let source = pack::Source::of(from)?;
    // That the daemon has closed its end is an error of write(2), after which it says why.
    let blocked = block_too(SignalSet::EMPTY.with(SIGPIPE));
    blocked.map_err(|errno| Failure::ours(format!("sigprocmask: {}", describe(errno))))?;
    let (reader, writer) = pipe()?;
    own(&writer)?;
    let shown = format!("{name}:{path}");
    let request = Request::CopyIn { name, path, of: Some(source.of) };
    let mut work = Work::begin(said, request, &[reader.as_fd()], Ends::Silently)?;
    drop(reader);
    let mut stream = Stream::new(&mut work, writer.as_fd());
    let packed = source.pack(&mut stream);
    let is_over = stream.is_over();
    drop(writer);
    finish(work, packed, is_over).map_err(|failure| match failure.code() {
        INTERRUPTED => Failure::ours(format!("interrupted: what had come by then may be in {shown}"))
            .with_code(INTERRUPTED),
        _ => failure,
    })
}

/// What the daemon says counts more than what came of it here.
fn finish(mut work: Work, here: Result<(), Failure>, is_over: bool) -> Result<(), Failure> {
    match here {
        Err(failure) if !(work.is_given_up() || is_over && work.is_given_up_soon()) => {
            work.give_up();
            Err(failure)
        }
        _ => work.end().map(drop),
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Failure::ours(format!("pipe: {}", describe(errno))))
}

/// Our end of a pipe does not block.
fn own(end: &OwnedFd) -> Result<(), Failure> {
    let set = fcntl_getfl(end).and_then(|flags| fcntl_setfl(end, flags | OFlags::NONBLOCK));
    set.map_err(|errno| Failure::ours(format!("pipe: {}", describe(errno))))
}

#[cfg(test)]
mod tests {
    use super::super::said::tests::said;
    use super::*;

    #[test]
    fn a_colon_means_an_instance_unless_it_stands_in_a_path() {
        let inside = |name: &str, path: &str| Place::Inside(InstanceName::new(name).unwrap(), path.into());
        let of = |line: &str| {
            let said = said(line).unwrap();
            (place(&said, 0).unwrap(), place(&said, 1).unwrap())
        };
        assert_eq!(of("cp web:/etc/passwd ."), (inside("web", "/etc/passwd"), Place::Host(".".into())));
        assert_eq!(of("cp ./a:b web:etc"), (Place::Host("./a:b".into()), inside("web", "/etc")));
        assert_eq!(of("cp - web:/"), (Place::Archive, inside("web", "/")));
        assert!(place(&said("cp -- -x:/a b").unwrap(), 0).is_err());
    }
}
