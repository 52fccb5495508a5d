//! The program's own file, which no container may write to.
//!
//! Who enters a container is seen from in there, and with it the file that it was executed from (/proc/PID/exe); so is
//! this program where an image says `#!/proc/self/exe` (CVE-2019-5736). Through the mount that the program is
//! executed through it cannot be opened for writing: that is read-only, and nobody in a container can reach it to
//! change that. A starter that does the same (`plan::Step::OpenProgram`) saves this second execution.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt as _;

use container::Failure;
use sys::Errno;
use sys::exec::{Argument, execveat};
use sys::fd::AsFd;
use sys::fs::{CWD, Mode, OFlags, StatVfsMountFlags, fstatvfs, openat};
use sys::mount::{OpenTreeFlags, open_tree};
use sys::mounts::{Attributes, Depth, set_attributes};
use sys::strerror::describe;

const OWN: &std::ffi::CStr = c"/proc/self/exe";

/// Sees to it that this program is executed through a read-only mount: it executes itself once more if it is not.
/// Descriptors that are to be inherited stay as they are.
pub fn protect() -> Result<(), Failure> {
    let failed = |errno: Errno| Failure::ours(format!("{}: {}", OWN.to_string_lossy(), describe(errno)));
    let own = openat(CWD, OWN, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    if fstatvfs(&own).map_err(failed)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        // It was executed by a descriptor, and would be listed by that one's number.
        return sys::thread::set_name(c"husk-shim").map_err(failed);
    }
    let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, OWN, how).map_err(failed)?;
    let (set, clear) = (Attributes::READ_ONLY, Attributes::NONE);
    set_attributes(tree.as_fd(), Depth::One, set, clear, None).map_err(failed)?;
    let text = |words: Vec<u8>| CString::new(words).map_err(|_| failed(Errno::INVAL));
    let args: Vec<CString> =
        std::env::args_os().map(|word| text(word.into_vec())).collect::<Result<_, _>>()?;
    let envs = std::env::vars_os()
        .map(|(name, value)| text([name.into_vec(), b"=".to_vec(), value.into_vec()].concat()));
    let envs: Vec<CString> = envs.collect::<Result<_, _>>()?;
    Err(failed(execveat(tree.as_fd(), &vector(&args), &vector(&envs))))
}

fn vector(words: &[CString]) -> Vec<Argument<'_>> {
    words.iter().map(|word| Argument::new(word)).chain([Argument::END]).collect()
}
