//! A descriptor that becomes readable when somebody is to look at something (eventfd(2)).

use std::sync::{Arc, Mutex, PoisonError};

use sys::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};

/// The descriptor.
#[derive(Debug)]
pub struct Wake(OwnedFd);

impl Wake {
    /// Makes one.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM.
    pub fn new() -> sys::Result<Self> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self)
    }

    /// It becomes readable.
    pub fn raise(&self) {
        // EAGAIN: it is, very much so.
        let _ = sys::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// It is readable no more.
    pub fn lower(&self) {
        let _ = sys::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Those who want to be woken when something changes.
#[derive(Debug, Default)]
pub struct Waiters(Mutex<Vec<Arc<Wake>>>);

impl Waiters {
    /// Wakes all.
    pub fn wake(&self) {
        for waiter in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            waiter.raise();
        }
    }

    /// Calls `look` now and whenever something has changed, until it has an answer; `None` where the other end of
    /// `with` has been closed before. It is not read from.
    ///
    /// # Errors
    /// Those of eventfd(2) and poll(2).
    pub fn wait<T>(
        &self,
        with: Option<BorrowedFd<'_>>,
        look: impl FnMut() -> Option<T>,
    ) -> sys::Result<Option<T>> {
        self.wait_until(u64::MAX, with, look)
    }

    /// The same until this time of the clock CLOCK_MONOTONIC, in nanoseconds: `None` then, too.
    ///
    /// # Errors
    /// As [`Waiters::wait`].
    pub fn wait_until<T>(
        &self,
        until: u64,
        with: Option<BorrowedFd<'_>>,
        mut look: impl FnMut() -> Option<T>,
    ) -> sys::Result<Option<T>> {
        let wake = Arc::new(Wake::new()?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(wake.clone());
        let answer = loop {
            if let Some(answer) = look() {
                break Ok(Some(answer));
            }
            let mut fds = vec![PollFd::new(&wake, PollFlags::IN)];
            fds.extend(with.map(|with| PollFd::from_borrowed_fd(with, PollFlags::RDHUP)));
            let left = until.saturating_sub(sys::clock::monotonic());
            let time = (until != u64::MAX).then(|| Timespec {
                tv_sec: (left / 1_000_000_000).cast_signed(),
                tv_nsec: (left % 1_000_000_000).cast_signed(),
            });
            match poll(&mut fds, time.as_ref()) {
                Ok(0) => break Ok(None),
                Ok(_) if fds.get(1).is_some_and(|with| !with.revents().is_empty()) => break Ok(None),
                Ok(_) => wake.lower(),
                Err(sys::Errno::INTR) => {}
                Err(errno) => break Err(errno),
            }
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| !Arc::ptr_eq(one, &wake));
        answer
    }
}

/// Whether the other end of a socket has been closed.
pub fn is_closed(socket: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&now)), Ok(1))
}

/// Waits until a descriptor is readable, or at its end; false where the other end of the socket `with` has been closed
/// before.
pub fn until_readable(fd: BorrowedFd<'_>, with: BorrowedFd<'_>) -> bool {
    let mut fds =
        [PollFd::from_borrowed_fd(fd, PollFlags::IN), PollFd::from_borrowed_fd(with, PollFlags::RDHUP)];
    while poll(&mut fds, None) == Err(sys::Errno::INTR) {}
    !fds[0].revents().is_empty()
}

/// Waits until a descriptor is readable, or so many milliseconds; whether it is.
pub fn is_readable_within(fd: BorrowedFd<'_>, ms: u64) -> bool {
    let time = Timespec { tv_sec: (ms / 1000).cast_signed(), tv_nsec: (ms % 1000 * 1_000_000).cast_signed() };
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&time)), Ok(1))
}
