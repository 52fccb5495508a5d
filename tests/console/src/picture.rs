//! A picture of the screen.

use std::path::Path;

/// Columns and rows of a screen in text mode.
pub const COLUMNS: usize = 80;
/// See [`COLUMNS`].
pub const ROWS: usize = 25;
/// Width and height of a character, in points.
const CELL: (usize, usize) = (9, 16);

/// What QEMU's command `screendump` writes.
pub struct Picture {
    /// Width and height in points.
    pub size: (usize, usize),
    /// Red, green, blue of each point.
    points: Vec<[u8; 3]>,
}

impl Picture {
    /// Reads a portable pixmap of 256 levels; `None` where it is not, or not yet, a whole one.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        // P6, width, height, levels, and behind one byte the points.
        let mut header = bytes.splitn(4, |byte| byte.is_ascii_whitespace());
        let mut word = || std::str::from_utf8(header.next()?).ok();
        if word()? != "P6" {
            return None;
        }
        let (width, height) = (word()?.parse().ok()?, word()?.parse().ok()?);
        let points = header.next()?.strip_prefix(b"255\n")?;
        let points: Vec<[u8; 3]> =
            points.chunks_exact(3).map(|point| [point[0], point[1], point[2]]).collect();
        (points.len() == width * height).then_some(Self { size: (width, height), points })
    }

    /// Whether it is one of a screen in text mode.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.size == (COLUMNS * CELL.0, ROWS * CELL.1)
    }

    /// How many points are not black.
    #[must_use]
    pub fn lit(&self) -> usize {
        self.points.iter().filter(|point| **point != [0; 3]).count()
    }

    /// The form of the character at a place: which of its points are not black, a row after the other.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Vec<bool> {
        let place = |y: usize, x: usize| (row * CELL.1 + y) * self.size.0 + column * CELL.0 + x;
        let points = (0..CELL.1).flat_map(|y| (0..CELL.0).map(move |x| (y, x)));
        points.map(|(y, x)| self.points[place(y, x)] != [0; 3]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixmap_is_read_when_it_is_whole() {
        let path = std::env::temp_dir().join(format!("picture-{}", std::process::id()));
        let mut bytes = b"P6\n2 1\n255\n".to_vec();
        bytes.extend([0, 0, 0, 1, 2]);
        std::fs::write(&path, &bytes).expect("a file");
        assert!(Picture::read(&path).is_none());
        bytes.push(3);
        std::fs::write(&path, &bytes).expect("a file");
        let picture = Picture::read(&path).expect("a picture");
        std::fs::remove_file(&path).expect("it was there");
        assert_eq!((picture.size, picture.lit(), picture.is_text()), ((2, 1), 1, false));
    }
}
