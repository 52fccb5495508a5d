//! Tar archives from few bytes: headers whose checksum holds, so that what is behind it is reached, with any field changed.

use crate::source::Source;

const BLOCK: usize = 512;
/// So many entries; more show nothing new.
const ENTRIES_MAX: usize = 40;

/// Kinds of entries, extensions among them.
const KINDS: [u8; 16] = *b"0\x001234567xgLKSVZ";

/// Names that mean something, somewhere.
const NAMES: [&[u8]; 24] = [
    b"a",
    b"b",
    b"a/b",
    b"a/b/c",
    b"a/../b",
    b"../a",
    b"/a",
    b"./",
    b"..",
    b"l",
    b"l/x",
    b"l/l/x",
    b".wh.a",
    b"a/.wh.b",
    b".wh.l",
    b".wh..wh..opq",
    b"a/.wh..wh..opq",
    b".wh..wh.plnk/1",
    b".wh.",
    b"a/.wh...",
    b"../../../../canary",
    b"../../../../canary/secret",
    b"../../../canary/directory/inner",
    b"a\nb\x1b[2J\xff",
];

/// Keys of PAX records.
const KEYS: [&[u8]; 20] = [
    b"path",
    b"linkpath",
    b"size",
    b"uid",
    b"gid",
    b"mtime",
    b"GNU.sparse.major",
    b"GNU.sparse.minor",
    b"GNU.sparse.name",
    b"GNU.sparse.realsize",
    b"GNU.sparse.size",
    b"GNU.sparse.map",
    b"GNU.sparse.offset",
    b"GNU.sparse.numbytes",
    b"GNU.sparse.numblocks",
    b"SCHILY.xattr.user.a",
    b"SCHILY.xattr.security.capability",
    b"SCHILY.xattr.trusted.overlay.redirect",
    b"SCHILY.xattr.trusted.overlay.opaque",
    b"comment",
];

/// An archive of what the source says.
pub fn of(source: &mut Source<'_>) -> Vec<u8> {
    let mut archive = Vec::new();
    for _ in 0..ENTRIES_MAX {
        if source.is_empty() {
            break;
        }
        entry(&mut archive, source);
    }
    // Cut off, or ended as it should be.
    if archive.len() % 7 != 1 {
        archive.resize(archive.len() + 2 * BLOCK, 0);
    }
    archive
}

fn entry(archive: &mut Vec<u8>, source: &mut Source<'_>) {
    let choice = source.byte();
    let kind = KINDS[usize::from(choice & 15)];
    let content = content(kind, source);
    let mut block = [0; BLOCK];
    let name = name(source);
    block[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    for (at, text) in
        [(100, &b"0000644\0"[..]), (108, b"0000000\0"), (116, b"0000000\0"), (136, b"00000000001\0")]
    {
        block[at..at + text.len()].copy_from_slice(text);
    }
    block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    block[156] = kind;
    if matches!(kind, b'1' | b'2') {
        let link = self::name(source);
        block[157..157 + link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
    }
    block[257..265].copy_from_slice(if choice & 16 == 0 { b"ustar\x0000" } else { b"ustar  \0" });
    if choice & 32 != 0 {
        let at = usize::from(source.short()) % BLOCK;
        let length = source.below(128).min(BLOCK - at);
        let bytes = source.bytes(length);
        block[at..at + bytes.len()].copy_from_slice(bytes);
    }
    if choice & 192 != 192 {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    archive.extend_from_slice(&block);
    archive.extend_from_slice(&content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

/// Names, records, maps, or any bytes.
fn content(kind: u8, source: &mut Source<'_>) -> Vec<u8> {
    match kind {
        b'x' | b'g' => (0..source.below(6)).flat_map(|_| record(source)).collect(),
        b'L' | b'K' => name(source),
        _ => {
            let length = usize::from(source.byte());
            let bytes = source.bytes(length).to_vec();
            // Whole blocks are where maps end and the next header begins.
            if length % 5 == 4 { bytes.repeat(4) } else { bytes }
        }
    }
}

fn record(source: &mut Source<'_>) -> Vec<u8> {
    let key = KEYS[source.below(KEYS.len())];
    let value = match source.byte() {
        // A name, a number, or any bytes.
        choice @ 0..=39 => NAMES[usize::from(choice) % NAMES.len()].to_vec(),
        40..=139 => source.short().to_string().into_bytes(),
        140..=149 => source.long().to_string().into_bytes(),
        choice => source.bytes(usize::from(choice) - 149).to_vec(),
    };
    let bare = key.len() + value.len() + 3;
    let length =
        (bare + 1..bare + 6).find(|length| bare + length.to_string().len() == *length).unwrap_or(bare);
    [length.to_string().as_bytes(), b" ", key, b"=", &value, b"\n"].concat()
}

fn name(source: &mut Source<'_>) -> Vec<u8> {
    match usize::from(source.byte()) {
        known if known < NAMES.len() => NAMES[known].to_vec(),
        30 => vec![b'n'; 300],
        31 => b"d/".repeat(2500),
        _ => source.until(0).to_vec(),
    }
}
