//! The loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use spawn::wait;
use sys::Errno;
use sys::clone::Child;
use sys::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use sys::fd::{AsFd, OwnedFd};

use crate::hangup::{Leader, end_session, has_ended};
use crate::screen::Screen;
use crate::watch::Watch;
use crate::{Error, Event, Instances, Settings, shell};

/// The control console; [`Console::run`] in a thread of its own.
pub struct Console {
    settings: Settings,
    instances: Box<dyn Instances>,
    watch: Watch,
    orders: Arc<Orders>,
    up: Option<Up>,
    /// Shells that hung in the kernel when the console was left.
    hanging: Vec<Child>,
}

/// What there is while the console is up.
struct Up {
    screen: Screen,
    shell: Child,
    frozen: Vec<String>,
}

/// What other threads want of it.
struct Orders {
    wake: OwnedFd,
    leave: AtomicBool,
    stop: AtomicBool,
}

/// The way to a console from other threads.
#[derive(Clone)]
pub struct Handle {
    orders: Arc<Orders>,
}

impl Handle {
    /// Leaves the console if it is up: for when an instance is run or resumed. Returns at once;
    /// [`Event::Left`] tells when it has happened.
    pub fn leave(&self) {
        self.give(&self.orders.leave);
    }

    /// Leaves the console and has [`Console::run`] return.
    pub fn stop(&self) {
        self.give(&self.orders.stop);
    }

    fn give(&self, order: &AtomicBool) {
        order.store(true, Ordering::Release);
        // EAGAIN: it has been woken more often than it can count, and will look.
        let _ = sys::io::write(&self.orders.wake, &1u64.to_ne_bytes());
    }
}

impl Console {
    /// A console that waits for its keys once it [runs](Console::run). Needs no keyboard and no terminal yet.
    ///
    /// # Errors
    /// Descriptors that could not be had.
    pub fn new(settings: Settings, instances: Box<dyn Instances>) -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::call("eventfd for the control console", errno))?;
        let orders = Orders { wake, leave: AtomicBool::new(false), stop: AtomicBool::new(false) };
        Ok(Self {
            watch: Watch::new(settings.chord)?,
            settings,
            instances,
            orders: Arc::new(orders),
            up: None,
            hanging: Vec::new(),
        })
    }

    /// The way to it from other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { orders: Arc::clone(&self.orders) }
    }

    /// Watches until [`Handle::stop`]. Wakes up for a modifier, for the key of the chord, and for keyboards that come
    /// and go; for no other key.
    ///
    /// # Errors
    /// Those of poll(2), when the kernel is out of memory; the console has been left then.
    pub fn run(mut self) -> Result<(), Error> {
        let instances = &mut self.instances;
        self.watch.scan(&mut |event| instances.tell(&event));
        let ended = loop {
            if let Err(errno) = self.sleep() {
                break Err(Error::call("wait for keyboards", errno));
            }
            self.reap();
            if self.orders.stop.load(Ordering::Acquire) {
                break Ok(());
            }
            let is_left = self.orders.leave.swap(false, Ordering::AcqRel);
            if is_left || self.up.as_ref().is_some_and(|up| has_ended(&up.shell)) {
                self.leave();
            }
            let instances = &mut self.instances;
            if self.watch.read(&mut |event| instances.tell(&event)) && self.up.is_none() {
                self.open();
            }
        };
        self.leave();
        ended
    }

    fn sleep(&self) -> sys::Result<()> {
        let shell = self.up.as_ref().map(|up| &up.shell);
        let processes = self.hanging.iter().chain(shell).map(|child| child.pidfd.as_fd());
        let descriptors = [self.orders.wake.as_fd(), self.watch.as_fd()].into_iter().chain(processes);
        let mut polled: Vec<PollFd<'_>> =
            descriptors.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        // How often it was woken does not matter. Before the orders are looked at, or one might be overlooked.
        let _ = sys::io::read(&self.orders.wake, &mut [0u8; 8]);
        Ok(())
    }

    /// Waits for shells that have ended after all.
    fn reap(&mut self) {
        self.hanging.retain(|shell| {
            let is_over = has_ended(shell);
            if is_over {
                let _ = wait(shell);
            }
            !is_over
        });
    }

    fn open(&mut self) {
        match self.bring_up() {
            Ok(up) => {
                let (terminal, before) = (self.settings.terminal, up.screen.before());
                self.instances.tell(&Event::Opened { terminal, before, frozen: up.frozen.clone() });
                self.up = Some(up);
            }
            Err(error) => self.instances.tell(&Event::Trouble(error)),
        }
    }

    fn bring_up(&mut self) -> Result<Up, Error> {
        let screen = Screen::take(self.settings.terminal)?;
        let frozen = match screen.say("husk: control console").and_then(|()| self.freeze()) {
            Ok(frozen) => frozen,
            Err(error) => {
                self.give_back(screen);
                return Err(error);
            }
        };
        let started = screen
            .say(&greeting(&frozen))
            .and_then(|()| shell::start(&self.settings.shell, screen.terminal()));
        match started {
            Ok(shell) => Ok(Up { screen, shell, frozen }),
            Err(error) => {
                self.thaw(&frozen);
                self.give_back(screen);
                Err(error)
            }
        }
    }

    fn leave(&mut self) {
        let Some(Up { screen, shell, frozen }) = self.up.take() else { return };
        match end_session(&shell) {
            Leader::Ended => drop(wait(&shell)),
            Leader::Hangs => self.hanging.push(shell),
        }
        self.thaw(&frozen);
        if let Some(terminal) = self.give_back(screen) {
            self.instances.tell(&Event::Left { terminal });
        }
    }

    fn freeze(&mut self) -> Result<Vec<String>, Error> {
        self.instances.freeze().map_err(|why| Error::new(format!("control console: {why}")))
    }

    fn thaw(&mut self, names: &[String]) {
        if let Err(why) = self.instances.thaw(names) {
            self.instances.tell(&Event::Trouble(Error::new(format!("leave the control console: {why}"))));
        }
    }

    /// Gives the screen back, and tells trouble with that. What is shown then, where there was none.
    fn give_back(&mut self, screen: Screen) -> Option<sys::vt::Number> {
        match screen.give_back() {
            Ok(terminal) => Some(terminal),
            Err(error) => {
                self.instances.tell(&Event::Trouble(error));
                None
            }
        }
    }
}

/// What the person at the console has to know. The names are shown as text, whatever is in them.
fn greeting(frozen: &[String]) -> String {
    let names: Vec<String> = frozen.iter().map(|name| name.escape_default().to_string()).collect();
    let what = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    format!("frozen: {what}\r\nback: exit, husk run NAME or husk resume NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_says_what_is_frozen_and_how_to_get_back() {
        let back = "back: exit, husk run NAME or husk resume NAME";
        assert_eq!(greeting(&[]), format!("frozen: nothing\r\n{back}"));
        let names = ["web".to_owned(), "a\x1b[2Jb".to_owned()];
        assert_eq!(greeting(&names), format!("frozen: web, a\\u{{1b}}[2Jb\r\n{back}"));
    }
}
