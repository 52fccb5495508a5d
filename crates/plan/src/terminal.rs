//! The container's terminal.

use core::ffi::CStr;

use sys::Errno;
use sys::fd::{AsFd, OwnedFd};
use sys::fs::{Mode, OFlags, ResolveFlags, fstatfs, openat2};
use sys::mounts::Depth;
use sys::process::ioctl_tiocsctty;
use sys::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use sys::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use sys::termios::{Winsize, tcsetwinsize};

use crate::fault::{Fault, Outcome, at};
use crate::mounts::{attach, detach};
use crate::perform::Performer;
use crate::resolve::{PathBuffer, open_or_make};
use crate::{Call, Console, Control, Kind, Links, Standard};

impl Performer<'_> {
    /// The slave is got from the master (TIOCGPTPEER), never by a name in /dev/pts that a container might
    /// exchange (CVE-2025-52565), and goes on /dev/console by descriptor.
    pub fn open_terminal(
        &self,
        devpts: &CStr,
        replace: Standard,
        (console, control): (Console, Control),
        owner: u32,
        size: Option<(u16, u16)>,
    ) -> Outcome<()> {
        let master = self.open_master(devpts)?;
        at(Call::Terminal, unlockpt(&master))?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = at(Call::Terminal, ioctl_tiocgptpeer(&master, flags))?;
        if let Some((rows, columns)) = size {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            at(Call::Terminal, tcsetwinsize(&master, size))?;
        }
        if owner != 0 {
            let owner = Some(sys::fs::Uid::from_raw(owner));
            at(Call::Terminal, sys::fs::fchown(&slave, owner, None))?;
        }
        if console == Console::Bound {
            let tree = detach(slave.as_fd(), Depth::One)?;
            let target = open_or_make(self.root()?, c"dev/console", Links::Refused, Kind::File)?;
            attach(tree.as_fd(), target.as_fd())?;
        }
        at(Call::Channel, self.channel.send_terminal(master.as_fd()))?;
        if control == Control::Session {
            at(Call::Terminal, ioctl_tiocsctty(&slave))?;
        }
        for number in (0..3).filter(|number| replace.contains(*number)) {
            let result = match number {
                0 => dup2_stdin(&slave),
                1 => dup2_stdout(&slave),
                _ => dup2_stderr(&slave),
            };
            at(Call::Descriptors, result)?;
        }
        Ok(())
    }

    fn open_master(&self, devpts: &CStr) -> Outcome<OwnedFd> {
        const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;
        let mut path = PathBuffer::new();
        at(Call::Find, path.push(devpts.to_bytes()))?;
        at(Call::Find, path.push(b"/ptmx"))?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let master = at(Call::Find, openat2(self.root()?, path.as_c_str(), flags, Mode::empty(), resolve))?;
        if at(Call::Statfs, fstatfs(&master))?.f_type as u64 != DEVPTS_SUPER_MAGIC {
            return Err(Fault { call: Call::Check, errno: Errno::NODEV });
        }
        Ok(master)
    }
}
