//! The last step.

use sys::Errno;
use sys::exec::{execve, execveat, exists};
use sys::fd::BorrowedFd;

use crate::fault::Fault;
use crate::resolve::PathBuffer;
use crate::{Call, Execute};

/// Becomes the program, or says why not. Without a slash the name is looked for as execvp(3) does it: a
/// directory that cannot be searched is passed over, and remembered.
pub fn execute(program: &Execute<'_>, opened: Option<BorrowedFd<'_>>) -> Fault {
    if let Some(file) = opened {
        return Fault { call: Call::Execute, errno: execveat(file, program.argv, program.envp) };
    }
    let file = program.file.to_bytes();
    if file.contains(&b'/') {
        return explain(program.file, execve(program.file, program.argv, program.envp));
    }
    let mut fault = Fault { call: Call::Execute, errno: Errno::NOENT };
    if file.is_empty() {
        return fault;
    }
    let mut path = PathBuffer::new();
    for directory in program.search.to_bytes().split(|byte| *byte == b':') {
        path.clear();
        let directory = if directory.is_empty() { b"." } else { directory };
        if [directory, b"/", file].into_iter().any(|part| path.push(part).is_err()) {
            fault.errno = Errno::NAMETOOLONG;
            continue;
        }
        let errno = execve(path.as_c_str(), program.argv, program.envp);
        match errno {
            Errno::NOENT if exists(path.as_c_str()).is_err() => {}
            Errno::NOTDIR => {}
            Errno::ACCESS => fault.errno = errno,
            _ => return explain(path.as_c_str(), errno),
        }
    }
    fault
}

/// ENOENT for a file that is there is about its interpreter.
fn explain(path: &core::ffi::CStr, errno: Errno) -> Fault {
    let interpreter = errno == Errno::NOENT && exists(path).is_ok();
    Fault { call: if interpreter { Call::Interpreter } else { Call::Execute }, errno }
}
