//! What is shown again every second on a terminal, and once elsewhere.

use std::time::Duration;

use container::Failure;
use husk_client::screen;

use super::keys::{End, Keys};

/// From one look to the next.
pub const TICK: Duration = Duration::from_secs(1);
/// What use over time is measured over where there is one look only.
pub const GLANCE: Duration = Duration::from_millis(300);

/// How often something is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Times {
    /// So many times.
    Limited(u64),
    /// Until somebody ends it.
    Endless,
}

impl Times {
    /// Without end on a terminal, once elsewhere.
    pub fn by_stdout() -> Self {
        if sys::termios::isatty(std::io::stdout()) { Self::Endless } else { Self::Limited(1) }
    }
}

/// Shows what `look` finds, so many times, or until `q` is pressed where it is a screen. The first look is not shown: what it finds is what use is measured from.
pub fn show(times: Times, mut look: impl FnMut() -> Result<String, Failure>) -> Result<u8, Failure> {
    look()?;
    std::thread::sleep(GLANCE);
    // Once is a list like any other; again and again is a screen.
    let is_screen = times != Times::Limited(1) && sys::termios::isatty(std::io::stdout());
    let mut keys = if is_screen { Keys::take() } else { None };
    if is_screen {
        crate::show("\x1b[2J")?;
    }
    let mut shown = 0;
    loop {
        let text = match &keys {
            Some(keys) => keys.aside(&mut look),
            None => look(),
        }?;
        crate::show(&if is_screen { framed(&text, screen::size()) } else { text })?;
        shown += 1;
        if times == Times::Limited(shown) {
            return Ok(0);
        }
        let Some(waiting) = &mut keys else {
            std::thread::sleep(TICK);
            continue;
        };
        match (waiting.wait(TICK), keys.take()) {
            (Some(End::Signal(number)), Some(keys)) => return Ok(keys.end_by(number)),
            (Some(_), _) => return Ok(0),
            (None, still) => keys = still,
        }
    }
}

/// As much as fits on the screen, over what was there before.
fn framed(text: &str, size: Option<(u16, u16)>) -> String {
    let (rows, columns) =
        size.map_or((usize::MAX, usize::MAX), |(rows, columns)| (rows.into(), columns.into()));
    let mut frame = String::from("\x1b[H");
    for line in text.lines().take(rows - 1) {
        frame.extend(line.chars().take(columns));
        frame.push_str("\x1b[K\n");
    }
    frame + "\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_on_the_screen_and_covers_what_was_there() {
        assert_eq!(framed("ab\ncd\nef\n", Some((3, 1))), "\x1b[Ha\x1b[K\nc\x1b[K\n\x1b[J");
        assert_eq!(framed("ab\n", None), "\x1b[Hab\x1b[K\n\x1b[J");
    }
}
