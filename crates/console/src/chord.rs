//! Which keys bring the console.

use std::fmt;
use std::str::FromStr;

use sys::input::Keys;

use crate::Error;

/// A key that changes what others mean: its name, and its codes on the left and on the right.
struct Modifier {
    name: &'static str,
    codes: [u16; 2],
}

/// Codes are those of linux/input-event-codes.h, here and below.
const MODIFIERS: [Modifier; 4] = [
    Modifier { name: "ctrl", codes: [29, 97] },
    Modifier { name: "alt", codes: [56, 100] },
    Modifier { name: "shift", codes: [42, 54] },
    Modifier { name: "super", codes: [125, 126] },
];
const CTRL: u8 = 1;
const ALT: u8 = 1 << 1;
const SHIFT: u8 = 1 << 2;

/// Rows of keys whose codes follow each other: the first code, and the names.
const ROWS: &[(u16, &str)] = &[
    (1, "esc 1 2 3 4 5 6 7 8 9 0 minus equal backspace"),
    (15, "tab q w e r t y u i o p"),
    (28, "enter"),
    (30, "a s d f g h j k l semicolon apostrophe grave"),
    (43, "backslash z x c v b n m comma dot slash"),
    (57, "space"),
    (59, "f1 f2 f3 f4 f5 f6 f7 f8 f9 f10"),
    (70, "scrolllock"),
    (87, "f11 f12"),
    (99, "print"),
    (102, "home up pageup left right end down pagedown insert delete"),
    (119, "pause"),
    (127, "menu"),
];

/// A key, and the modifiers that are held when it is pressed: these and no others.
///
/// Keys are places on the keyboard, named after what a US keyboard has there: `y` is what a German one calls Z.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chord {
    /// Bit n for `MODIFIERS[n]`.
    modifiers: u8,
    key: u16,
}

impl Chord {
    /// Ctrl+Alt+J.
    pub const DEFAULT: Self = Self { modifiers: CTRL | ALT, key: 36 };

    /// The code of its key.
    #[must_use]
    pub const fn key(self) -> u16 {
        self.key
    }

    /// Every key that matters to it: its own, and all modifiers.
    #[must_use]
    pub fn keys(self) -> Keys {
        let modifiers = MODIFIERS.iter().flat_map(|modifier| modifier.codes);
        modifiers.fold(Keys::NONE.with(self.key), Keys::with)
    }

    /// Whether exactly its modifiers are held, on whichever side.
    #[must_use]
    pub fn has_modifiers(self, is_held: impl Fn(u16) -> bool) -> bool {
        MODIFIERS.iter().enumerate().all(|(number, modifier)| {
            let wanted = self.modifiers >> number & 1 == 1;
            modifier.codes.into_iter().any(&is_held) == wanted
        })
    }
}

fn code_of(name: &str) -> Option<u16> {
    ROWS.iter().find_map(|(first, names)| {
        let place = names.split(' ').position(|other| other == name)?;
        Some(first + u16::try_from(place).ok()?)
    })
}

fn name_of(code: u16) -> Option<&'static str> {
    let (first, names) = ROWS.iter().rev().find(|(first, _)| *first <= code)?;
    names.split(' ').nth(usize::from(code - first))
}

/// Words joined by `+`, in any order and in either case: `ctrl+alt+j`.
impl FromStr for Chord {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: String| Err(Error::new(format!("hotkey {text:?}: {why}")));
        let (mut modifiers, mut key) = (0u8, None);
        for word in text.split('+') {
            let name = word.trim().to_ascii_lowercase();
            if name.is_empty() {
                return refuse("a key is missing; the form is ctrl+alt+j".to_owned());
            }
            if let Some(number) = MODIFIERS.iter().position(|modifier| modifier.name == name) {
                if modifiers >> number & 1 == 1 {
                    return refuse(format!("{name} stands there twice"));
                }
                modifiers |= 1 << number;
                continue;
            }
            let Some(code) = code_of(&name) else {
                return refuse(format!("{name:?} is no key that is known here"));
            };
            if let Some(other) = key.replace(code) {
                let other = name_of(other).unwrap_or_default();
                return refuse(format!(
                    "{other} and {name} are two keys, and there can be one besides modifiers"
                ));
            }
        }
        let Some(key) = key else {
            return refuse("there is no key besides the modifiers".to_owned());
        };
        if modifiers & !SHIFT == 0 {
            return refuse("it is typed by the way; ctrl, alt or super must be part of it".to_owned());
        }
        let chord = Self { modifiers, key };
        match chord.taken() {
            Some(by) => refuse(format!("the kernel itself {by} when it is pressed")),
            None => Ok(chord),
        }
    }
}

impl Chord {
    /// What the kernel does at these keys, in its usual keymap (keymaps(5)).
    fn taken(self) -> Option<&'static str> {
        let name = name_of(self.key)?;
        match self.modifiers {
            _ if self.modifiers & ALT != 0 && name == "print" => Some("takes commands (SysRq)"),
            modifiers if modifiers == CTRL | ALT && name == "delete" => Some("restarts the machine"),
            modifiers if modifiers & !CTRL == ALT && name.starts_with('f') && name != "f" => {
                Some("switches to another terminal")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, modifier) in MODIFIERS.iter().enumerate() {
            if self.modifiers >> number & 1 == 1 {
                write!(f, "{}+", modifier.name)?;
            }
        }
        f.write_str(name_of(self.key).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Chord>().expect_err(text).to_string()
    }

    #[test]
    fn the_default_is_ctrl_alt_j() {
        assert_eq!("ctrl+alt+j".parse(), Ok(Chord::DEFAULT));
        assert_eq!(Chord::DEFAULT.to_string(), "ctrl+alt+j");
        assert_eq!(Chord::DEFAULT.key(), 36);
    }

    #[test]
    fn order_case_and_spaces_do_not_matter() {
        assert_eq!("J + Alt + CTRL".parse(), Ok(Chord::DEFAULT));
    }

    #[test]
    fn every_key_that_has_a_name_is_read_as_it_is_written() {
        let codes = (0..768).filter_map(|code| Some((code, name_of(code)?)));
        let codes: Vec<_> = codes.collect();
        assert_eq!(codes.len(), ROWS.iter().map(|(_, names)| names.split(' ').count()).sum::<usize>());
        for (key, name) in codes {
            let chord = format!("super+shift+{name}").parse::<Chord>().expect(name);
            assert_eq!((chord.key, chord.to_string()), (key, format!("shift+super+{name}")));
        }
    }

    #[test]
    fn codes_are_those_of_the_kernel() {
        let known = [("esc", 1), ("0", 11), ("p", 25), ("j", 36), ("m", 50), ("f10", 68), ("f12", 88)];
        for (name, code) in known.into_iter().chain([("delete", 111), ("pagedown", 109), ("slash", 53)]) {
            assert_eq!(code_of(name), Some(code), "{name}");
        }
    }

    #[test]
    fn what_is_no_chord_is_refused_with_its_reason() {
        for (text, why) in [
            ("", "a key is missing; the form is ctrl+alt+j"),
            ("ctrl+", "a key is missing; the form is ctrl+alt+j"),
            ("ctrl++j", "a key is missing; the form is ctrl+alt+j"),
            ("ctrl+alt", "there is no key besides the modifiers"),
            ("ctrl+ctrl+j", "ctrl stands there twice"),
            ("ctrl+j+k", "j and k are two keys, and there can be one besides modifiers"),
            ("ctrl+jj", "\"jj\" is no key that is known here"),
            ("ctrl+\u{1b}[2J", "\"\\u{1b}[2j\" is no key that is known here"),
            ("j", "it is typed by the way; ctrl, alt or super must be part of it"),
            ("shift+j", "it is typed by the way; ctrl, alt or super must be part of it"),
            ("ctrl+alt+delete", "the kernel itself restarts the machine when it is pressed"),
            ("ctrl+alt+f2", "the kernel itself switches to another terminal when it is pressed"),
            ("alt+f12", "the kernel itself switches to another terminal when it is pressed"),
            ("alt+print", "the kernel itself takes commands (SysRq) when it is pressed"),
        ] {
            assert_eq!(refused(text), format!("hotkey {text:?}: {why}"));
        }
        for text in ["alt+f", "super+f1", "ctrl+shift+f1", "ctrl+delete"] {
            assert_eq!(text.parse::<Chord>().map(|chord| chord.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn modifiers_of_either_side_count_and_others_must_not_be_held() {
        let held = |codes: &'static [u16]| move |code| codes.contains(&code);
        assert!(Chord::DEFAULT.has_modifiers(held(&[29, 56])));
        assert!(Chord::DEFAULT.has_modifiers(held(&[97, 100])));
        assert!(Chord::DEFAULT.has_modifiers(held(&[29, 97, 100])));
        assert!(!Chord::DEFAULT.has_modifiers(held(&[29])));
        assert!(!Chord::DEFAULT.has_modifiers(held(&[29, 56, 42])));
        assert!(!Chord::DEFAULT.has_modifiers(held(&[29, 56, 126])));
    }
}
