//! Tables of text, with colours where a terminal shows them.

/// The colour of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// The terminal's own.
    None,
    /// All is well.
    Green,
    /// It waits.
    Yellow,
    /// Something went wrong.
    Red,
}

impl Colour {
    /// Whether standard output shows colours: it is a terminal, and nobody has asked for none (no-color.org).
    pub fn of_stdout() -> bool {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        !is_unwanted && sys::termios::isatty(std::io::stdout())
    }

    const fn code(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Green => Some("\x1b[32m"),
            Self::Yellow => Some("\x1b[33m"),
            Self::Red => Some("\x1b[31m"),
        }
    }
}

/// A table: its titles, and rows of as many cells.
#[derive(Clone, Debug)]
pub struct Table(Vec<Vec<(String, Colour)>>);

impl Table {
    /// With these titles.
    pub fn new(titles: &[&str]) -> Self {
        Self(vec![titles.iter().map(|title| ((*title).to_owned(), Colour::None)).collect()])
    }

    /// One more row.
    pub fn push(&mut self, row: Vec<(String, Colour)>) {
        self.0.push(row);
    }

    /// Its lines; columns are as wide as their widest cell, and nothing is behind the last word of a line.
    pub fn to_text(&self, coloured: bool) -> String {
        let mut widths = vec![0; self.0.iter().map(Vec::len).max().unwrap_or(0)];
        for row in &self.0 {
            for (width, (cell, _)) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = String::new();
        for row in &self.0 {
            let mut line = String::new();
            let mut blanks = 0;
            for (width, (cell, colour)) in widths.iter().zip(row) {
                if !cell.is_empty() {
                    line.extend(std::iter::repeat_n(' ', blanks));
                    blanks = 0;
                    match colour.code().filter(|_| coloured) {
                        Some(code) => line.extend([code, cell, "\x1b[0m"]),
                        None => line.push_str(cell),
                    }
                }
                blanks += width - cell.chars().count() + 2;
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}
