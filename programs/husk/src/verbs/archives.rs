//! Verbs that make and write images: long work, beside which an archive goes by as a descriptor.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use container::Failure;
use instance::message::{Archive, Compression, Request};
use sys::fd::AsFd;
use sys::termios::isatty;

use super::asks;
use super::meter::Ends;
use super::said::Said;
use super::work::{INTERRUPTED, Work};

/// `commit` and `seed`
pub fn make(said: &Said) -> Result<u8, Failure> {
    for request in asks::requests(said)? {
        Work::begin(said, request, &[], Ends::Aloud)?.end()?;
    }
    Ok(0)
}

/// `import`
pub fn import(said: &Said) -> Result<u8, Failure> {
    let request = Request::Import { image: said.image(1)? };
    let stdin = std::io::stdin();
    let work = match said.words.first().filter(|word| *word != "-") {
        None => {
            if isatty(&stdin) {
                let what = "import -: standard input is a terminal, not an archive";
                return Err(Failure::ours(what).hint(Some("husk import FILE IMAGE")));
            }
            Work::begin(said, request, &[stdin.as_fd()], Ends::Aloud)
        }
        Some(path) => {
            let path = Path::new(path);
            let file = File::open(path).map_err(|error| Failure::io(path.display(), &error))?;
            Work::begin(said, request, &[file.as_fd()], Ends::Aloud)
        }
    };
    let file = said.words.first().map_or("-".into(), |word| word.display().to_string());
    work?.end().map_err(|failure| match failure.code() {
        INTERRUPTED => failure,
        // The daemon has a descriptor, and knows no name.
        _ => failure.on(format_args!("import {file}")),
    })?;
    Ok(0)
}

/// `export`
pub fn export(said: &Said) -> Result<u8, Failure> {
    let output = said.path("output").filter(|path| *path != Path::new("-"));
    let format = said.choice("format", &[("tar", Archive::Tar), ("oci", Archive::Oci)])?.unwrap_or_default();
    let choices = [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
    let compression = match said.choice("compress", &choices)? {
        Some(compression) => compression,
        None => output.map_or(Compression::None, by_name),
    };
    let request = Request::Export { name: said.word(0)?.to_owned(), format, compression };
    let Some(path) = output else {
        let stdout = std::io::stdout();
        if isatty(&stdout) {
            let what = "export: standard output is a terminal, and an archive is nothing to look at";
            return Err(Failure::ours(what).hint(Some("husk export -o FILE NAME")));
        }
        Work::begin(said, request, &[stdout.as_fd()], Ends::Aloud)?.end()?;
        return Ok(0);
    };
    let target = Target::create(path)?;
    Work::begin(said, request, &[target.file.as_fd()], Ends::Aloud)?.end()?;
    target.publish()?;
    Ok(0)
}

/// How the name of a file says that it is compressed.
fn by_name(path: &Path) -> Compression {
    match path.extension().and_then(|end| end.to_str()) {
        Some("gz" | "tgz") => Compression::Gzip,
        Some("zst" | "tzst" | "zstd") => Compression::Zstd,
        _ => Compression::None,
    }
}

/// A file that is there whole or not at all: under another name until it is.
struct Target {
    file: File,
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl Target {
    fn create(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::io(path.display(), &error);
        // What is no file, as /dev/null or a pipe, cannot be replaced.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
            return Ok(Self { file, path: path.into(), temporary: None });
        }
        let name =
            path.file_name().ok_or_else(|| Failure::usage(format!("{}: is no file", path.display())))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o666).open(&temporary).map_err(failed)?;
        Ok(Self { file, path: path.into(), temporary: Some(temporary) })
    }

    fn publish(mut self) -> Result<(), Failure> {
        let Some(temporary) = self.temporary.take() else { return Ok(()) };
        let done = self.file.sync_all().and_then(|()| fs::rename(&temporary, &self.path));
        done.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            Failure::io(self.path.display(), &error)
        })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_a_file_is_compressed() {
        let of = |name: &str| by_name(Path::new(name));
        assert_eq!(
            (of("a.tar.gz"), of("a.tgz"), of("a.tar.zst")),
            (Compression::Gzip, Compression::Gzip, Compression::Zstd)
        );
        assert_eq!(
            (of("a.tar"), of("gz"), of(".gz")),
            (Compression::None, Compression::None, Compression::None)
        );
    }
}
