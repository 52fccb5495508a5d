//! What is pressed on all keyboards together, and when that is the chord. Pure: events in, answers out.

use std::collections::BTreeMap;
use std::time::Duration;

use sys::input::{Event, Keys};

use crate::Chord;

/// The chord is not taken again within this time of the last one: contacts of keys bounce, and fingers shake.
const DEBOUNCE: Duration = Duration::from_millis(200);

const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const SYN_REPORT: u16 = 0;
const SYN_DROPPED: u16 = 3;

/// A device, by a number that is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Device(pub u64);

/// What an event comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// The chord has been pressed.
    Hotkey,
    /// The kernel has dropped events of this device: [`Keyboards::reread`] wants to know which keys are pressed now,
    /// and events that were read before that are of no use.
    Lost,
}

/// The keyboards, as if they were one: a key is pressed while it is on any of them.
#[derive(Clone, Debug)]
pub struct Keyboards {
    chord: Chord,
    devices: BTreeMap<Device, State>,
    /// When the chord was taken last.
    taken: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    pressed: Keys,
    /// Between the kernel's word that events were dropped and the new state.
    is_lost: bool,
}

impl Keyboards {
    /// No keyboard yet.
    #[must_use]
    pub const fn new(chord: Chord) -> Self {
        Self { chord, devices: BTreeMap::new(), taken: None }
    }

    /// A keyboard has come, with these keys pressed. That alone is no hotkey.
    pub fn plug(&mut self, device: Device, pressed: Keys) {
        self.devices.insert(device, State { pressed, is_lost: false });
    }

    /// A keyboard has gone; its keys are pressed no more.
    pub fn unplug(&mut self, device: Device) {
        self.devices.remove(&device);
    }

    /// An event of a keyboard, at `now`, by any clock that only goes forward.
    pub fn take(&mut self, device: Device, event: Event, now: Duration) -> Answer {
        let Some(state) = self.devices.get_mut(&device) else { return Answer::Nothing };
        match (event.kind, event.code, event.value) {
            (EV_SYN, SYN_DROPPED, _) => state.is_lost = true,
            // Up to here the events are remains of what was dropped (Documentation/input/event-codes.rst).
            (EV_SYN, SYN_REPORT, _) if state.is_lost => return Answer::Lost,
            _ if state.is_lost => {}
            // 2 is a key that repeats by itself.
            (EV_KEY, code, 1) => {
                let pressed = state.pressed.with(code);
                return self.set(device, pressed, now);
            }
            (EV_KEY, code, 0) => {
                let pressed = state.pressed.without(code);
                return self.set(device, pressed, now);
            }
            _ => {}
        }
        Answer::Nothing
    }

    /// The keys that are pressed on a device now, after [`Answer::Lost`].
    pub fn reread(&mut self, device: Device, pressed: Keys, now: Duration) -> Answer {
        if self.devices.contains_key(&device) { self.set(device, pressed, now) } else { Answer::Nothing }
    }

    /// The chord is taken when its key goes down, on the first of the keyboards, while its modifiers are held.
    fn set(&mut self, device: Device, pressed: Keys, now: Duration) -> Answer {
        let was_down = self.is_pressed(self.chord.key());
        self.devices.insert(device, State { pressed, is_lost: false });
        let is_chord = !was_down
            && self.is_pressed(self.chord.key())
            && self.chord.has_modifiers(|code| self.is_pressed(code));
        if !is_chord || self.taken.is_some_and(|before| now.saturating_sub(before) < DEBOUNCE) {
            return Answer::Nothing;
        }
        self.taken = Some(now);
        Answer::Hotkey
    }

    fn is_pressed(&self, code: u16) -> bool {
        self.devices.values().any(|state| state.pressed.contains(code))
    }
}
