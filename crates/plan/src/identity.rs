//! Who the process is and what it may use.

use core::ffi::CStr;

use sys::Errno;
use sys::process::{Gid, Rlimit, Uid, chdir, setrlimit};
use sys::thread::{set_thread_res_gid, set_thread_res_uid};

use crate::fault::{Fault, Outcome, at};
use crate::perform::Performer;
use crate::{Call, Limit};

impl Performer<'_> {
    pub fn become_user(uid: u32, gid: u32) -> Outcome<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        at(Call::Group, set_thread_res_gid(gid, gid, gid))?;
        at(Call::User, set_thread_res_uid(uid, uid, uid))
    }

    pub fn limit(limit: Limit) -> Outcome<()> {
        let value = Rlimit { current: limit.soft, maximum: limit.hard };
        at(Call::Limit, setrlimit(limit.resource, value))
    }

    /// A working directory may be a link to a descriptor of the host's (/proc/self/fd/7): then the kernel
    /// says that it is not reachable from the root.
    pub fn change_directory(path: &CStr) -> Outcome<()> {
        at(Call::Chdir, chdir(path))?;
        match at(Call::Check, sys::exec::working_directory_is_within_root())? {
            true => Ok(()),
            false => Err(Fault { call: Call::Check, errno: Errno::XDEV }),
        }
    }
}
