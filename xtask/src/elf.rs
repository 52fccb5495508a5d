//! As much of ELF as is needed to see that a program is static.

/// Program header type of the path of the loader (elf(5)).
const PT_INTERP: u32 = 3;

/// Whether the file is a 64-bit little-endian ELF that names no loader, hence starts without one.
/// An error says what about the file is not ELF.
pub fn is_static(file: &[u8]) -> Result<bool, &'static str> {
    if file.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err("not a 64-bit little-endian ELF");
    }
    let at = number::<8>(file, 32)? as usize;
    let size = number::<2>(file, 54)? as usize;
    let count = number::<2>(file, 56)? as usize;
    for header in 0..count {
        if number::<4>(file, at + header * size)? as u32 == PT_INTERP {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The little-endian number of N bytes at an offset.
fn number<const N: usize>(file: &[u8], at: usize) -> Result<u64, &'static str> {
    let bytes = file.get(at..at + N).ok_or("cut short")?;
    Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, and one program header of the given type behind it.
    fn elf(program_header: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64..68].copy_from_slice(&program_header.to_le_bytes());
        file
    }

    #[test]
    fn program_without_interpreter_is_static() {
        assert_eq!(is_static(&elf(1)), Ok(true));
    }

    #[test]
    fn program_with_interpreter_is_not_static() {
        assert_eq!(is_static(&elf(PT_INTERP)), Ok(false));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(is_static(b"#!/bin/sh\n"), Err("not a 64-bit little-endian ELF"));
        assert_eq!(is_static(&elf(1)[..70]), Ok(true));
        assert_eq!(is_static(&elf(1)[..66]), Err("cut short"));
    }
}
