//! When keys are the hotkey: by example, and in random order against a model.

use std::collections::BTreeSet;
use std::time::Duration;

use console::{Answer, Chord, Device, Keyboards};
use sys::input::{Event, Keys};

const CTRL: u16 = 29;
const RIGHT_CTRL: u16 = 97;
const ALT: u16 = 56;
const RIGHT_ALT: u16 = 100;
const SHIFT: u16 = 42;
const J: u16 = 36;
const K: u16 = 37;
const CODES: [u16; 7] = [CTRL, RIGHT_CTRL, ALT, RIGHT_ALT, SHIFT, J, K];

const A: Device = Device(1);
const B: Device = Device(2);
const DROPPED: Event = Event { kind: 0, code: 3, value: 0 };
const REPORT: Event = Event { kind: 0, code: 0, value: 0 };

/// Keyboards, and a clock.
struct Desk {
    keyboards: Keyboards,
    now: Duration,
}

impl Desk {
    fn with(devices: &[Device]) -> Self {
        let mut keyboards = Keyboards::new(Chord::DEFAULT);
        devices.iter().for_each(|device| keyboards.plug(*device, Keys::NONE));
        Self { keyboards, now: Duration::from_secs(1) }
    }

    /// An event a second after the last one.
    fn event(&mut self, device: Device, code: u16, value: i32) -> Answer {
        self.now += Duration::from_secs(1);
        self.keyboards.take(device, Event { kind: 1, code, value }, self.now)
    }

    fn press(&mut self, device: Device, code: u16) -> Answer {
        self.event(device, code, 1)
    }

    fn release(&mut self, device: Device, code: u16) -> Answer {
        self.event(device, code, 0)
    }
}

fn set(codes: &[u16]) -> Keys {
    codes.iter().fold(Keys::NONE, |keys, code| keys.with(*code))
}

#[test]
fn the_chord_is_taken_when_its_key_goes_down_and_not_before_or_after() {
    let mut desk = Desk::with(&[A]);
    assert_eq!(desk.press(A, CTRL), Answer::Nothing);
    assert_eq!(desk.press(A, ALT), Answer::Nothing);
    assert_eq!(desk.press(A, J), Answer::Hotkey);
    for code in [J, ALT, CTRL] {
        assert_eq!(desk.release(A, code), Answer::Nothing);
    }
    // The key first is another thing: a person who types has not meant it.
    for code in [J, CTRL, ALT] {
        assert_eq!(desk.press(A, code), Answer::Nothing);
    }
}

#[test]
fn a_chord_that_is_held_is_taken_once() {
    let mut desk = Desk::with(&[A]);
    desk.press(A, CTRL);
    desk.press(A, ALT);
    assert_eq!(desk.press(A, J), Answer::Hotkey);
    for _ in 0..50 {
        assert_eq!(desk.event(A, J, 2), Answer::Nothing);
        assert_eq!(desk.press(A, J), Answer::Nothing, "it has not been released");
    }
    desk.release(A, J);
    assert_eq!(desk.press(A, J), Answer::Hotkey, "with the modifiers still held");
}

#[test]
fn the_chord_may_be_spread_over_keyboards() {
    let mut desk = Desk::with(&[A, B]);
    desk.press(A, RIGHT_CTRL);
    desk.press(B, ALT);
    assert_eq!(desk.press(B, J), Answer::Hotkey);
    assert_eq!(desk.press(A, J), Answer::Nothing, "it is down already");
    desk.release(B, J);
    assert_eq!(desk.press(B, J), Answer::Nothing, "on the other keyboard it still is");
    desk.release(A, J);
    desk.release(B, J);
    assert_eq!(desk.press(A, J), Answer::Hotkey);
}

#[test]
fn one_side_of_a_modifier_is_enough_until_both_are_released() {
    let mut desk = Desk::with(&[A]);
    for code in [CTRL, RIGHT_CTRL, RIGHT_ALT] {
        desk.press(A, code);
    }
    desk.release(A, CTRL);
    assert_eq!(desk.press(A, J), Answer::Hotkey);
    desk.release(A, J);
    desk.release(A, RIGHT_CTRL);
    assert_eq!(desk.press(A, J), Answer::Nothing);
}

#[test]
fn pulling_a_keyboard_out_in_the_middle_of_a_chord_releases_its_keys() {
    let mut desk = Desk::with(&[A, B]);
    desk.press(A, CTRL);
    desk.press(A, ALT);
    desk.keyboards.unplug(A);
    assert_eq!(desk.press(B, J), Answer::Nothing);
    assert_eq!(desk.press(A, J), Answer::Nothing, "it is not there");
    desk.release(B, J);
    desk.press(B, CTRL);
    desk.press(B, ALT);
    assert_eq!(desk.press(B, J), Answer::Hotkey);
}

#[test]
fn keys_that_are_held_when_a_keyboard_comes_count_but_are_no_hotkey() {
    let mut desk = Desk::with(&[]);
    desk.keyboards.plug(A, set(&[CTRL, ALT, J]));
    assert_eq!(desk.press(A, J), Answer::Nothing);
    desk.release(A, J);
    assert_eq!(desk.press(A, J), Answer::Hotkey);
}

#[test]
fn after_dropped_events_the_state_is_asked_for_and_remains_are_passed_over() {
    let mut desk = Desk::with(&[A]);
    desk.press(A, CTRL);
    desk.press(A, ALT);
    let now = desk.now;
    assert_eq!(desk.keyboards.take(A, DROPPED, now), Answer::Nothing);
    assert_eq!(desk.press(A, J), Answer::Nothing, "it is not known what came before it");
    assert_eq!(desk.keyboards.take(A, REPORT, now), Answer::Lost);
    assert_eq!(desk.keyboards.reread(A, set(&[]), now), Answer::Nothing);
    assert_eq!(desk.press(A, J), Answer::Nothing, "the modifiers were released meanwhile");
    desk.release(A, J);

    desk.keyboards.take(A, DROPPED, now);
    assert_eq!(desk.keyboards.take(A, REPORT, now), Answer::Lost);
    assert_eq!(desk.keyboards.reread(A, set(&[RIGHT_CTRL, ALT, J]), now), Answer::Hotkey, "held now");
    assert_eq!(desk.keyboards.take(A, REPORT, now), Answer::Nothing, "all is known again");
}

#[test]
fn presses_within_the_debounce_of_the_last_hotkey_are_passed_over() {
    let mut desk = Desk::with(&[A]);
    desk.press(A, CTRL);
    desk.press(A, ALT);
    let began = desk.now;
    let mut taken = Vec::new();
    // 100 presses, one every 10 ms.
    for number in 0..100 {
        let now = began + Duration::from_millis(number * 10);
        for value in [1, 0] {
            if desk.keyboards.take(A, Event { kind: 1, code: J, value }, now) == Answer::Hotkey {
                taken.push(number * 10);
            }
        }
    }
    assert_eq!(taken, [0, 200, 400, 600, 800]);
}

/// What the keyboards should come to, in the plainest way: the keys of each device, and the union of all.
#[derive(Default)]
struct Model {
    /// Device, key.
    pressed: BTreeSet<(u64, u16)>,
    taken: Option<Duration>,
}

impl Model {
    fn has(&self, code: u16) -> bool {
        self.pressed.iter().any(|(_, other)| *other == code)
    }

    fn keys(&self, device: u64) -> Keys {
        let own = self.pressed.iter().filter(|(other, _)| *other == device);
        own.fold(Keys::NONE, |keys, (_, code)| keys.with(*code))
    }

    /// Changes what is pressed; whether that is a hotkey.
    fn change(&mut self, now: Duration, change: impl FnOnce(&mut BTreeSet<(u64, u16)>)) -> bool {
        let was_down = self.has(J);
        change(&mut self.pressed);
        let chord = !was_down
            && self.has(J)
            && (self.has(CTRL) || self.has(RIGHT_CTRL))
            && (self.has(ALT) || self.has(RIGHT_ALT))
            && !self.has(SHIFT);
        let is_taken = chord && self.taken.is_none_or(|before| now - before >= Duration::from_millis(200));
        if is_taken {
            self.taken = Some(now);
        }
        is_taken
    }
}

/// Numbers that are the same in each run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }

    fn code(&mut self) -> u16 {
        CODES[self.below(CODES.len())]
    }
}

/// One thing that happens on a desk with three keyboards, to the keyboards and to the model alike: what the first
/// answer, and whether the second takes it for the hotkey.
fn step(random: &mut Random, keyboards: &mut Keyboards, model: &mut Model, now: Duration) -> (Answer, bool) {
    let (number, code) = (random.below(3) as u64, random.code());
    let device = Device(number);
    let event = |value| Event { kind: 1, code, value };
    match random.below(20) {
        0 => {
            // Pulled out, and plugged in again.
            keyboards.unplug(device);
            keyboards.plug(device, Keys::NONE);
            (Answer::Nothing, model.change(now, |pressed| pressed.retain(|(other, _)| *other != number)))
        }
        1 => {
            // Some keys change unseen, and of what is told the one half is missing.
            let unseen: Vec<u16> = (0..random.below(4)).map(|_| random.code()).collect();
            assert_eq!(keyboards.take(device, DROPPED, now), Answer::Nothing);
            for code in &unseen {
                let remains = Event { kind: 1, code: *code, value: 1 };
                assert_eq!(keyboards.take(device, remains, now), Answer::Nothing);
            }
            assert_eq!(keyboards.take(device, REPORT, now), Answer::Lost);
            let is_taken = model.change(now, |pressed| {
                for code in unseen {
                    if !pressed.remove(&(number, code)) {
                        pressed.insert((number, code));
                    }
                }
            });
            (keyboards.reread(device, model.keys(number), now), is_taken)
        }
        2 => (keyboards.take(device, event(2), now), false),
        kind if kind % 2 == 0 => {
            let answer = keyboards.take(device, event(1), now);
            (answer, model.change(now, |pressed| pressed.extend([(number, code)])))
        }
        _ => {
            let answer = keyboards.take(device, event(0), now);
            (answer, model.change(now, |pressed| pressed.retain(|key| *key != (number, code))))
        }
    }
}

#[test]
fn keys_in_random_order_on_several_keyboards_come_to_what_the_model_says() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut hotkeys = 0;
    for _ in 0..300 {
        let (mut keyboards, mut model) = (Keyboards::new(Chord::DEFAULT), Model::default());
        (0..3).for_each(|number| keyboards.plug(Device(number), Keys::NONE));
        let mut now = Duration::ZERO;
        for number in 0..500 {
            now += Duration::from_millis(random.below(150) as u64);
            let (answer, expected) = step(&mut random, &mut keyboards, &mut model, now);
            assert_eq!(answer == Answer::Hotkey, expected, "step {number}");
            hotkeys += usize::from(expected);
        }
    }
    assert!(hotkeys > 500, "{hotkeys}");
}
