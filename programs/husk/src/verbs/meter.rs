//! How far long work is: a bar on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use instance::message::Progress;

use super::words;

/// Between two lines, where there is no terminal.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows how far some work is, on standard error.
pub struct Meter {
    /// What is being done, as `import debian:12`.
    what: String,
    began: Instant,
    shown: Shown,
    ends: Ends,
    phase: Phase,
    /// What the phases have come to: those of one kind, as the layers that are unpacked, are added up.
    done: BTreeMap<String, BTreeMap<String, u64>>,
}

/// What is said at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// How much it was, and how long it took.
    Aloud,
    /// Nothing.
    Silently,
}

enum Shown {
    Bar(ProgressBar),
    Lines { next: Instant },
}

/// A part of the work, as unpacking.
struct Phase {
    name: String,
    began: Instant,
}

impl Meter {
    /// For work that begins now.
    pub fn new(what: String, ends: Ends) -> Self {
        let began = Instant::now();
        let shown = if sys::termios::isatty(std::io::stderr()) {
            Shown::Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)))
        } else {
            Shown::Lines { next: began + PAUSE }
        };
        let phase = Phase { name: String::new(), began };
        Self { what, began, shown, ends, phase, done: BTreeMap::new() }
    }

    /// It has come so far.
    pub fn update(&mut self, progress: &Progress) {
        let now = Instant::now();
        let kind = progress.phase.split(' ').next().unwrap_or_default();
        let phases = self.done.entry(kind.into()).or_default();
        let most = phases.entry(progress.phase.clone()).or_default();
        *most = progress.done.max(*most);
        let is_new = self.phase.name != progress.phase;
        if is_new {
            self.phase = Phase { name: progress.phase.clone(), began: now };
        }
        match &mut self.shown {
            Shown::Bar(bar) => {
                if is_new {
                    bar.reset();
                    bar.set_style(style(progress.total));
                    bar.set_message(format!("{}: {}", self.what, words::plain(&progress.phase)));
                }
                if let Some(total) = progress.total {
                    bar.set_length(total);
                }
                bar.set_position(progress.done);
            }
            Shown::Lines { next } => {
                if now >= *next {
                    *next = now + PAUSE;
                    let line = line(progress, now.duration_since(self.phase.began));
                    crate::tell(&format!("{}: {line}", self.what));
                }
            }
        }
    }

    /// The most bytes that any kind of phase has come to.
    fn most(&self) -> u64 {
        self.done.values().map(|phases| phases.values().sum()).max().unwrap_or_default()
    }

    /// It is done, or given up: what was shown of it is taken away.
    pub fn clear(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    /// It is done.
    pub fn finish(&self) {
        self.clear();
        if self.ends == Ends::Aloud {
            let took = format!("{:.1} s", self.began.elapsed().as_secs_f64());
            match self.most() {
                0 => crate::tell(&format!("{}: done in {took}", self.what)),
                bytes => crate::tell(&format!("{}: {} in {took}", self.what, words::size(bytes))),
            }
        }
    }
}

/// `unpack 12MiB of 100MiB, 30MiB/s, 3 seconds left`
fn line(progress: &Progress, since: Duration) -> String {
    let mut line = format!("{} {}", words::plain(&progress.phase), words::size(progress.done));
    if let Some(total) = progress.total {
        line = format!("{line} of {}", words::size(total));
    }
    let seconds = since.as_secs_f64();
    if progress.done > 0 && seconds > 0.1 {
        let rate = progress.done as f64 / seconds;
        line = format!("{line}, {}/s", words::size(rate as u64));
        if let Some(total) = progress.total.filter(|total| *total > progress.done) {
            let left = (total - progress.done) as f64 / rate;
            line = format!("{line}, {} left", words::span(left.ceil() as u64));
        }
    }
    line
}

fn style(total: Option<u64>) -> ProgressStyle {
    let template = match total {
        Some(_) => {
            "{msg} [{bar:24}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
        }
        None => "{msg} {spinner} {binary_bytes}, {binary_bytes_per_sec}, {elapsed}",
    };
    let style = ProgressStyle::with_template(template);
    style.map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let line = |done, total, ms| {
            line(&Progress { phase: "unpack".into(), done, total }, Duration::from_millis(ms))
        };
        assert_eq!(line(12 << 20, Some(100 << 20), 1000), "unpack 12MiB of 100MiB, 12MiB/s, 8 seconds left");
        assert_eq!(line(12 << 20, None, 2000), "unpack 12MiB, 6.0MiB/s");
        assert_eq!(line(0, Some(5), 2000), "unpack 0B of 5B");
        assert_eq!(line(7, Some(5), 1000), "unpack 7B of 5B, 7B/s");
    }

    #[test]
    fn the_layers_of_an_image_are_added_up() {
        let mut meter = Meter::new("import x".into(), Ends::Silently);
        for (phase, done) in
            [("receive", 90), ("unpack 1/2", 20), ("unpack 1/2", 50), ("unpack 2/2", 70), ("sync", 0)]
        {
            meter.update(&Progress { phase: phase.into(), done, total: None });
        }
        assert_eq!(meter.most(), 120);
    }

    #[test]
    fn templates_of_bars_are_templates() {
        for total in [None, Some(1)] {
            let _ = style(total);
        }
        assert!(ProgressStyle::with_template("{msg} [{bar:24}] {bytes} of {total_bytes}").is_ok());
    }
}
