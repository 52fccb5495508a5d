//! Archives made field by field, so that every field can lie.

/// An archive that is being written.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

/// A header block with nothing wrong in it: 0644, owned by root, at second 1,000,000,000.
pub fn header(kind: u8, name: &[u8], size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(format!("{:011o}\0", 1_000_000_000).as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

/// Makes the checksum right.
pub fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    /// Any bytes.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A header with some of its fields changed, and content.
    pub fn with(self, mut block: [u8; 512], change: impl FnOnce(&mut [u8; 512]), content: &[u8]) -> Self {
        change(&mut block);
        seal(&mut block);
        self.raw(&block).content(content)
    }

    /// Content, filled up to a whole block.
    fn content(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Anything with a name that fits into its field.
    pub fn entry(self, kind: u8, name: &[u8], content: &[u8]) -> Self {
        self.raw(&header(kind, name, content.len() as u64)).content(content)
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        self.entry(b'0', name.as_bytes(), content.as_bytes())
    }

    pub fn mode(self, kind: u8, name: &str, mode: u32) -> Self {
        let set = |block: &mut [u8; 512]| block[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
        self.with(header(kind, name.as_bytes(), 0), set, b"")
    }

    pub fn directory(self, name: &str) -> Self {
        self.mode(b'5', name, 0o755)
    }

    /// A symbolic link (`2`) or a hard link (`1`).
    pub fn link(self, kind: u8, name: &str, target: &str) -> Self {
        let set = |block: &mut [u8; 512]| block[157..157 + target.len()].copy_from_slice(target.as_bytes());
        self.with(header(kind, name.as_bytes(), 0), set, b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.link(b'2', name, target)
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.link(b'1', name, target)
    }

    pub fn device(self, kind: u8, name: &str, (major, minor): (u32, u32)) -> Self {
        let set = |block: &mut [u8; 512]| {
            block[329..337].copy_from_slice(format!("{major:07o}\0").as_bytes());
            block[337..345].copy_from_slice(format!("{minor:07o}\0").as_bytes());
        };
        self.with(header(kind, name.as_bytes(), 0), set, b"")
    }

    /// PAX records for the entry that follows.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut bytes = Vec::new();
        for (key, value) in records {
            bytes.extend_from_slice(&record(key, value));
        }
        self.entry(b'x', b"PaxHeader", &bytes)
    }

    /// A name of GNU's (`L`) or a link target (`K`) for the entry that follows.
    pub fn long(self, kind: u8, text: &[u8]) -> Self {
        self.entry(kind, b"././@LongLink", &[text, b"\0"].concat())
    }

    /// The bytes so far, without an end.
    pub fn unfinished(self) -> Vec<u8> {
        self.0
    }

    /// The whole archive.
    pub fn finish(self) -> Vec<u8> {
        self.raw(&[0; 1024]).0
    }
}

/// One PAX record.
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..rest + 20).find(|length| length - rest == length.to_string().len()).unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}
