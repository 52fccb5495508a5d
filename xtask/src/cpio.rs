//! The archive that a kernel unpacks as its first root file system: cpio in the "newc" form
//! (Documentation/driver-api/early-userspace/buffer-format.rst in the kernel).

/// An archive being written. Folders must be added before what they hold.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// The type bits of a mode (inode(7)).
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

impl Archive {
    /// Adds a folder, mode 0755.
    pub fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER | 0o755, b"");
    }

    /// Adds a file that may be executed, mode 0755.
    pub fn program(&mut self, path: &str, content: &[u8]) {
        self.entry(path, FILE | 0o755, content);
    }

    /// Adds a file that may be read, mode 0644.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, FILE | 0o644, content);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.entry(path, SYMLINK | 0o777, target.as_bytes());
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"");
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let name = path.trim_start_matches('/');
        let length = u32::try_from(content.len()).expect("a file in the guest is smaller than 4 GiB");
        let name_length = name.len() as u32 + 1;
        let links = if mode & FOLDER == FOLDER { 2 } else { 1 };
        // Inode, mode, user, group, links, time, size, four device numbers, name's length, no checksum.
        let fields = [self.entries, mode, 0, 0, links, 0, length, 0, 0, 0, 0, name_length, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Header with name, and content, each end at a multiple of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_has_header_name_and_content_in_words_of_four() {
        let mut archive = Archive::default();
        archive.file("/a", b"hello");
        let bytes = archive.finish();
        assert_eq!(&bytes[..14], b"07070100000001");
        assert_eq!(&bytes[14..22], b"000081A4");
        assert_eq!(&bytes[54..62], b"00000005", "the size of the content");
        assert_eq!(&bytes[110..112], b"a\0");
        assert_eq!(&bytes[112..120], b"hello\0\0\0");
        assert_eq!(&bytes[120..126], b"070701");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn archive_ends_with_the_trailer() {
        let bytes = Archive::default().finish();
        assert!(bytes.windows(11).any(|window| window == b"TRAILER!!!\0"));
    }
}
