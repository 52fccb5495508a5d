//! The descriptors behind the keyboards: /dev/input as it changes, and each keyboard in it, in one epoll(7).

use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::time::Instant;

use sys::Errno;
use sys::event::{Timespec, epoll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{CWD, Mode, OFlags, inotify, openat};
use sys::input::{self, Keys};

use crate::{Answer, Chord, Device, Error, Event, Keyboards};

const FOLDER: &str = "/dev/input";
const PARENT: &str = "/dev";
/// Which entry of the epoll the changes of folders are; devices are numbered from 1.
const FOLDERS: u64 = 0;
/// A keyboard has more than so many of the keys from 1 to 254: buttons of power and volume are not one.
const FEW_KEYS: usize = 15;

/// All keyboards there are, and those to come.
#[derive(Debug)]
pub struct Watch {
    epoll: OwnedFd,
    inotify: OwnedFd,
    /// The watch on /dev, while there is no /dev/input: without a device the kernel's devtmpfs has none.
    parent: Option<i32>,
    open: BTreeMap<Device, Open>,
    keyboards: Keyboards,
    keys: Keys,
    next: u64,
    began: Instant,
}

#[derive(Debug)]
struct Open {
    name: String,
    node: OwnedFd,
}

impl Watch {
    /// Watches for the keys of a chord; [`Watch::scan`] finds the keyboards that are there.
    pub fn new(chord: Chord) -> Result<Self, Error> {
        let told = |errno| Error::call("watch for keyboards", errno);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(told)?;
        let inotify =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).map_err(told)?;
        let data = epoll::EventData::new_u64(FOLDERS);
        epoll::add(&epoll, &inotify, data, epoll::EventFlags::IN).map_err(told)?;
        Ok(Self {
            epoll,
            inotify,
            parent: None,
            open: BTreeMap::new(),
            keyboards: Keyboards::new(chord),
            keys: chord.keys(),
            next: FOLDERS + 1,
            began: Instant::now(),
        })
    }

    /// Takes what has happened since the last time, without waiting; whether the chord was pressed.
    pub fn read(&mut self, tell: &mut dyn FnMut(Event)) -> bool {
        let mut events = [MaybeUninit::uninit(); 16];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ready: Vec<u64> = match epoll::wait(&self.epoll, &mut events, Some(&at_once)) {
            Ok((ready, _)) => ready.iter().map(|event| event.data.u64()).collect(),
            // EINTR: the next time then.
            Err(_) => return false,
        };
        let (mut is_pressed, mut is_changed) = (false, false);
        for number in ready {
            if number == FOLDERS {
                is_changed = true;
                continue;
            }
            match self.read_device(Device(number)) {
                Ok(pressed) => is_pressed |= pressed,
                Err(_) => {
                    self.drop_device(Device(number), tell);
                    // Its name may have a new device behind it, whose coming was overlooked for the old one.
                    is_changed = true;
                }
            }
        }
        if is_changed {
            self.scan(tell);
        }
        is_pressed
    }

    fn read_device(&mut self, device: Device) -> sys::Result<bool> {
        // Dropped in this very round.
        let Some(open) = self.open.get(&device) else { return Ok(false) };
        let (keyboards, now) = (&mut self.keyboards, self.began.elapsed());
        let mut is_pressed = false;
        let mut is_lost = false;
        let answer = input::read(&open.node, |event| {
            if is_lost {
                return;
            }
            match keyboards.take(device, event, now) {
                Answer::Nothing => {}
                Answer::Hotkey => is_pressed = true,
                Answer::Lost => is_lost = true,
            }
        });
        match answer {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if is_lost {
            let pressed = input::pressed(&open.node)?;
            is_pressed |= keyboards.reread(device, pressed, now) == Answer::Hotkey;
        }
        Ok(is_pressed)
    }

    fn drop_device(&mut self, device: Device, tell: &mut dyn FnMut(Event)) {
        self.keyboards.unplug(device);
        if let Some(open) = self.open.remove(&device) {
            tell(Event::Unplugged(open.name));
        }
    }

    /// Opens the keyboards that are not open yet. Which change of the folder led here does not matter, so that none
    /// can be missed.
    pub fn scan(&mut self, tell: &mut dyn FnMut(Event)) {
        let mut changes = [0u8; 4096];
        while sys::io::read(&self.inotify, &mut changes).is_ok_and(|length| length > 0) {}
        if let Err(error) = self.follow_folder() {
            tell(Event::Trouble(error));
        }
        // Without the folder there is no keyboard.
        let Ok(entries) = fs::read_dir(FOLDER) else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !name.starts_with("event") || self.open.values().any(|open| open.name == name) {
                continue;
            }
            match self.open_device(&name) {
                Ok(true) => tell(Event::Plugged(name)),
                // Another kind of device, or gone again.
                Ok(false) | Err(Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::NOTTY) => {}
                Err(errno) => {
                    tell(Event::Trouble(Error::call(format_args!("watch {FOLDER}/{name}"), errno)));
                }
            }
        }
    }

    /// Sees to it that changes of the folder are told, or its coming.
    fn follow_folder(&mut self) -> Result<(), Error> {
        let told = |folder: &'static str| move |errno| Error::call(format_args!("watch {folder}"), errno);
        let comes =
            inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::ONLYDIR;
        // A node may become readable only some time after it was made.
        let changes = comes | inotify::WatchFlags::ATTRIB | inotify::WatchFlags::DELETE_SELF;
        // The second time it may have come before the parent was watched.
        for _ in 0..2 {
            match inotify::add_watch(&self.inotify, FOLDER, changes) {
                Ok(_) => {
                    if let Some(parent) = self.parent.take() {
                        inotify::remove_watch(&self.inotify, parent).map_err(told(PARENT))?;
                    }
                    return Ok(());
                }
                Err(Errno::NOENT) => {
                    let parent = inotify::add_watch(&self.inotify, PARENT, comes).map_err(told(PARENT))?;
                    self.parent = Some(parent);
                }
                Err(errno) => return Err(told(FOLDER)(errno)),
            }
        }
        Ok(())
    }

    /// Whether it is a keyboard, and is watched.
    fn open_device(&mut self, name: &str) -> sys::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NOFOLLOW;
        let node = openat(CWD, format!("{FOLDER}/{name}"), flags, Mode::empty())?;
        if !is_keyboard(&input::keys(&node)?) {
            return Ok(false);
        }
        input::narrow(&node, &self.keys)?;
        let device = Device(self.next);
        let data = epoll::EventData::new_u64(device.0);
        epoll::add(&self.epoll, &node, data, epoll::EventFlags::IN)?;
        self.keyboards.plug(device, input::pressed(&node)?);
        self.next += 1;
        self.open.insert(device, Open { name: name.to_owned(), node });
        Ok(true)
    }
}

/// Readable when [`Watch::read`] has something to take.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn is_keyboard(keys: &Keys) -> bool {
    (1..255).filter(|code| keys.contains(*code)).count() > FEW_KEYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyboard_has_more_than_15_keys() {
        let with = |codes: std::ops::Range<u16>| codes.fold(Keys::NONE, Keys::with);
        assert!(!is_keyboard(&with(1..16)));
        assert!(is_keyboard(&with(1..17)));
        assert!(!is_keyboard(&with(255..400)), "a joystick's or a mouse's buttons");
    }

    #[test]
    fn a_watch_without_keyboards_has_nothing_to_tell() {
        let mut watch = Watch::new(Chord::DEFAULT).expect("a watch");
        assert!(!watch.read(&mut |event| panic!("{event:?}")));
    }
}
