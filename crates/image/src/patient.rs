//! Descriptors whose other end somebody else has: they are read and written without ever waiting in the kernel, since who
//! has the other end may never come back. What waits here asks, ten times a second, whether to go on.

use std::fs::File;
use std::io::{self, Read, Write};

use sys::Errno;
use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd, AsRawFd as _, OwnedFd};
use sys::fs::{self, FileType, Mode, OFlags};
use sys::net::{RecvFlags, SendFlags, recv, send};

use crate::error::{Error, Result};
use crate::progress::{Gauge, Go, PATIENCE};

/// What a pipe that poll(2) calls writable takes without blocking (PIPE_BUF of pipe(7)).
const PIECE: usize = 4096;
/// The device of pseudoterminals' masters: to open it once more makes another terminal (pts(4)).
const PTMX: (u32, u32) = (5, 2);

/// What is wanted of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    In,
    Out,
}

/// How a descriptor is kept from blocking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// It does not: the disk is waited for, and nobody else.
    Plain,
    /// It is opened once more, with O_NONBLOCK: that of the first is the other's too, who shares its description.
    Reopened,
    /// By a flag of each call.
    Socket,
    /// It is asked before each call. Blocks only where somebody else reads or writes the same end in between.
    Polled,
}

/// A descriptor that is read or written without blocking.
#[derive(Debug)]
struct Descriptor {
    fd: OwnedFd,
    way: Way,
    direction: Direction,
}

impl Descriptor {
    /// Takes one over.
    ///
    /// # Errors
    /// EBADF where it is not open for this; those of fcntl(2), fstat(2) and open(2).
    fn new(fd: OwnedFd, direction: Direction) -> sys::Result<Self> {
        let flags = fs::fcntl_getfl(&fd)?;
        let (access, refused) = match direction {
            Direction::In => (OFlags::RDONLY, OFlags::WRONLY),
            Direction::Out => (OFlags::WRONLY, OFlags::RDONLY),
        };
        // Opened once more it would be open for what its owner was not allowed.
        if flags.contains(OFlags::PATH) || flags & OFlags::RWMODE == refused {
            return Err(Errno::BADF);
        }
        let stat = fs::fstat(&fd)?;
        let device = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
        let opens_again = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => return Ok(Self { fd, way: Way::Socket, direction }),
            FileType::Fifo => true,
            FileType::CharacterDevice if sys::termios::isatty(&fd) => device != PTMX,
            FileType::CharacterDevice => return Ok(Self { fd, way: Way::Polled, direction }),
            _ => return Ok(Self { fd, way: Way::Plain, direction }),
        };
        if !opens_again {
            return Ok(Self { fd, way: Way::Polled, direction });
        }
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let again = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match fs::open(path, again, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, way: Way::Reopened, direction }),
            // A named pipe whose last reader has gone.
            Err(Errno::NXIO) => Err(Errno::PIPE),
            // Another user namespace's, or there is no /proc.
            Err(Errno::ACCESS | Errno::PERM | Errno::NOENT) => Ok(Self { fd, way: Way::Polled, direction }),
            Err(errno) => Err(errno),
        }
    }

    /// Reads what is there; EAGAIN where that is nothing.
    fn read(&self, into: &mut [u8]) -> sys::Result<usize> {
        match self.way {
            Way::Socket => recv(&self.fd, into, RecvFlags::DONTWAIT).map(|(count, _)| count),
            Way::Polled if !self.is_ready(0)? => Err(Errno::AGAIN),
            _ => sys::io::read(&self.fd, into),
        }
    }

    /// Writes what there is room for; EAGAIN where there is none.
    fn write(&self, bytes: &[u8]) -> sys::Result<usize> {
        match self.way {
            Way::Socket => send(&self.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Way::Polled if !self.is_ready(0)? => Err(Errno::AGAIN),
            Way::Polled => sys::io::write(&self.fd, &bytes[..bytes.len().min(PIECE)]),
            Way::Plain | Way::Reopened => sys::io::write(&self.fd, bytes),
        }
    }

    /// Waits until it is worth a try, for so many nanoseconds at most; whether it is.
    fn is_ready(&self, ns: u32) -> sys::Result<bool> {
        let flags = match self.direction {
            Direction::In => PollFlags::IN,
            Direction::Out => PollFlags::OUT,
        };
        let timeout = Timespec { tv_sec: 0, tv_nsec: ns.into() };
        match poll(&mut [PollFd::from_borrowed_fd(self.fd.as_fd(), flags)], Some(&timeout)) {
            Err(Errno::INTR) => Ok(false),
            polled => polled.map(|count| count > 0),
        }
    }

    /// Tries until something was done, and asks before each wait whether to go on.
    fn patiently(
        &self,
        mut call: impl FnMut() -> sys::Result<usize>,
        mut ask: impl FnMut() -> Result<()>,
    ) -> io::Result<usize> {
        loop {
            match call() {
                Err(Errno::AGAIN) => {
                    ask().map_err(io::Error::other)?;
                    self.is_ready(PATIENCE.subsec_nanos())?;
                }
                Err(Errno::INTR) => {}
                done => return done.map_err(io::Error::from),
            }
        }
    }
}

/// Reads a descriptor that may block, for no longer than anybody wants it to.
pub(crate) struct PatientReader {
    descriptor: Descriptor,
    gauge: Gauge,
}

impl PatientReader {
    pub(crate) fn new(file: File, gauge: Gauge) -> Result<Self> {
        let descriptor = Descriptor::new(file.into(), Direction::In);
        Ok(Self { descriptor: descriptor.map_err(Error::system("read", "the archive"))?, gauge })
    }
}

impl Read for PatientReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // However fast it comes: who wants an end of it does not wait for that of the archive.
        self.gauge.go_on().map_err(io::Error::other)?;
        self.descriptor.patiently(|| self.descriptor.read(buffer), || self.gauge.go_on())
    }
}

/// Writes an archive to a descriptor whose reader may never come back: a pipe, a socket, a terminal, a file. While it
/// takes nothing, `ask` is asked ten times a second whether to go on; where not, the export ends with
/// [`Error::Interrupted`].
pub struct PatientWriter<'a> {
    descriptor: Descriptor,
    ask: Box<dyn FnMut() -> Go + 'a>,
}

impl<'a> PatientWriter<'a> {
    /// Takes a descriptor over.
    ///
    /// # Errors
    /// EBADF where it is not open for writing, EPIPE where nobody reads; those of fstat(2) and open(2).
    pub fn new(file: File, ask: impl FnMut() -> Go + 'a) -> Result<Self> {
        let descriptor = Descriptor::new(file.into(), Direction::Out);
        Ok(Self {
            descriptor: descriptor.map_err(Error::system("write", "the archive"))?,
            ask: Box::new(ask),
        })
    }
}

impl Write for PatientWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { descriptor, ask } = self;
        descriptor.patiently(
            || descriptor.write(bytes),
            || match ask() {
                Go::On => Ok(()),
                Go::Stop => Err(Error::Interrupted),
            },
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Both ends of everything that can be the other end of an export, and what they hold.
    fn pairs() -> Vec<(OwnedFd, OwnedFd)> {
        let (reader, writer) = sys::pipe::pipe().unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        vec![(reader, writer), (one.into(), other.into())]
    }

    #[test]
    fn a_writer_without_a_reader_asks_and_ends_when_told_so() {
        for (reader, writer) in pairs() {
            let mut asked = 0;
            let mut patient = PatientWriter::new(writer.try_clone().unwrap().into(), || {
                asked += 1;
                if asked < 3 { Go::On } else { Go::Stop }
            })
            .unwrap();
            let error = patient.write_all(&vec![0; 8 << 20]).unwrap_err();
            assert!(matches!(Error::stream("write", "the archive", &error), Error::Interrupted), "{error}");
            drop(patient);
            assert_eq!(asked, 3);
            let flags = fs::fcntl_getfl(&writer).unwrap();
            assert!(!flags.contains(OFlags::NONBLOCK), "the other's own description is as it was");
            drop(reader);
        }
    }

    #[test]
    fn all_that_is_written_comes_out() {
        for (reader, writer) in pairs() {
            let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
            let wanted = bytes.clone();
            let writing = std::thread::spawn(move || {
                PatientWriter::new(writer.into(), || Go::On).unwrap().write_all(&bytes).unwrap();
            });
            let mut got = Vec::new();
            PatientReader::new(reader.into(), Gauge::default()).unwrap().read_to_end(&mut got).unwrap();
            writing.join().unwrap();
            assert!(got == wanted);
        }
    }

    #[test]
    fn nobody_gets_more_by_a_descriptor_than_it_allows() {
        let (reader, writer) = sys::pipe::pipe().unwrap();
        let path = fs::open("/dev/null", OFlags::PATH, Mode::empty()).unwrap();
        for (fd, direction) in [(reader, Direction::Out), (writer, Direction::In), (path, Direction::In)] {
            assert_eq!(Descriptor::new(fd, direction).unwrap_err(), Errno::BADF);
        }
        let (reader, writer) = sys::pipe::pipe().unwrap();
        drop(reader);
        let descriptor = Descriptor::new(writer, Direction::Out).unwrap();
        assert_eq!(descriptor.write(b"x").unwrap_err(), Errno::PIPE);
    }
}
