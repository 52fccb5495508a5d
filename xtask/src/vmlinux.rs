//! Taking a kernel image apart: the uncompressed kernel out of a bzImage, and what a module says of itself.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use crate::{Result, run};

/// How a kernel can be packed: the first bytes, and the program that unpacks it.
const PACKINGS: &[(&[u8], &str)] = &[
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x1f\x8b\x08", "gzip"),
];

/// Offsets in the setup header of a bzImage (Documentation/arch/x86/boot.rst in the kernel).
const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;

/// Writes the uncompressed kernel that is in `image` (a bzImage) to `to`. QEMU starts it by its PVH
/// entry, which is several seconds faster under emulation than a kernel that unpacks itself.
pub fn extract(image: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(image).map_err(|why| format!("read {}: {why}", image.display()))?;
    let payload = payload(&bytes).ok_or_else(|| format!("{}: not a bzImage", image.display()))?;
    let packing = PACKINGS.iter().find(|(magic, _)| payload.starts_with(magic));
    let &(_, program) = packing.ok_or_else(|| {
        format!("{}: the kernel is packed in an unknown way ({:02x?})", image.display(), &payload[..6])
    })?;
    let packed = to.with_extension("packed");
    fs::write(&packed, payload).map_err(|why| format!("write {}: {why}", packed.display()))?;
    let input = File::open(&packed).map_err(|why| format!("open {}: {why}", packed.display()))?;
    let kernel = run::output_of(run::command(program, ["-d", "-c"]), Stdio::from(input))?;
    if !kernel.starts_with(b"\x7fELF") {
        return Err(format!("{}: what it holds is not an ELF kernel", image.display()));
    }
    fs::write(to, kernel).map_err(|why| format!("write {}: {why}", to.display()))?;
    fs::remove_file(&packed).map_err(|why| format!("remove {}: {why}", packed.display()))
}

/// The packed kernel in a bzImage. Its last four bytes, the unpacked size, are left away: they are no
/// part of the packed stream (gzip excepted, which ends with the same four bytes by itself).
fn payload(image: &[u8]) -> Option<&[u8]> {
    if image.get(MAGIC..MAGIC + 4)? != b"HdrS" {
        return None;
    }
    let setup = (usize::from(*image.get(SETUP_SECTORS)?) + 1) * 512;
    let start = setup + number(image, PAYLOAD_OFFSET)?;
    let payload = image.get(start..start + number(image, PAYLOAD_LENGTH)?)?;
    if payload.starts_with(b"\x1f\x8b") { Some(payload) } else { payload.get(..payload.len() - 4) }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes) as usize)
}

/// A module without the signature behind it: to check one costs the emulated processor more than to load
/// the module (kernel/module_signature.c: marker, then a 12-byte record whose last word is the length).
pub fn without_signature(module: &[u8]) -> &[u8] {
    const MARKER: &[u8] = b"~Module signature appended~\n";
    let Some(signed) = module.strip_suffix(MARKER) else { return module };
    let Some((rest, record)) = signed.split_last_chunk::<12>() else { return module };
    let length = u32::from_be_bytes([record[8], record[9], record[10], record[11]]) as usize;
    rest.get(..rest.len().saturating_sub(length)).unwrap_or(module)
}

/// The modules that a module says it needs (`depends=` in its section .modinfo).
pub fn needs_of(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let value = module[at + KEY.len()..].split(|&byte| byte == 0).next().unwrap_or_default();
    let names = value.split(|&byte| byte == b',').filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_found_by_the_setup_header() {
        let mut image = vec![0; 2048];
        image[SETUP_SECTORS] = 1;
        image[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        image[PAYLOAD_OFFSET] = 16;
        image[PAYLOAD_LENGTH] = 12;
        image[1040..1052].copy_from_slice(b"\x02\x21\x4c\x18abcdSIZE");
        assert_eq!(payload(&image), Some(&b"\x02\x21\x4c\x18abcd"[..]));
    }

    #[test]
    fn file_that_is_no_kernel_has_no_payload() {
        assert_eq!(payload(b"MZ"), None);
        assert_eq!(payload(&[0; 2048]), None);
    }

    #[test]
    fn signature_is_cut_off() {
        let signed = b"module+SIGNATURE\0\0\0\0\0\0\0\0\0\0\0\x09~Module signature appended~\n";
        assert_eq!(without_signature(signed), b"module+");
        assert_eq!(without_signature(b"module"), b"module");
    }

    #[test]
    fn module_names_what_it_needs() {
        assert_eq!(needs_of(b"x\0license=GPL\0depends=vsock,vmw-common\0y"), ["vsock", "vmw_common"]);
        assert_eq!(needs_of(b"x\0depends=\0y"), [""; 0]);
    }
}
