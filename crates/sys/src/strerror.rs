//! The names and the English texts of the errno(3) numbers of Linux on x86_64, without a C library:
//! an error message must be the same in a static program, in PID 1 and in a test.
use crate::Errno;

/// One line for each number, from 1 upwards: the name, a space, the text. A single string rather than a
/// table of pairs: 133 pairs of pointer and length would be larger than all the texts.
/// Numbers 41 and 58 do not exist (they were never assigned apart from aliases): their name is `-`.
const TABLE: &str = "\
EPERM Operation not permitted
ENOENT No such file or directory
ESRCH No such process
EINTR Interrupted system call
EIO Input/output error
ENXIO No such device or address
E2BIG Argument list too long
ENOEXEC Exec format error
EBADF Bad file descriptor
ECHILD No child processes
EAGAIN Resource temporarily unavailable
ENOMEM Cannot allocate memory
EACCES Permission denied
EFAULT Bad address
ENOTBLK Block device required
EBUSY Device or resource busy
EEXIST File exists
EXDEV Invalid cross-device link
ENODEV No such device
ENOTDIR Not a directory
EISDIR Is a directory
EINVAL Invalid argument
ENFILE Too many open files in system
EMFILE Too many open files
ENOTTY Inappropriate ioctl for device
ETXTBSY Text file busy
EFBIG File too large
ENOSPC No space left on device
ESPIPE Illegal seek
EROFS Read-only file system
EMLINK Too many links
EPIPE Broken pipe
EDOM Numerical argument out of domain
ERANGE Numerical result out of range
EDEADLK Resource deadlock avoided
ENAMETOOLONG File name too long
ENOLCK No locks available
ENOSYS Function not implemented
ENOTEMPTY Directory not empty
ELOOP Too many levels of symbolic links
- Unknown error
ENOMSG No message of desired type
EIDRM Identifier removed
ECHRNG Channel number out of range
EL2NSYNC Level 2 not synchronized
EL3HLT Level 3 halted
EL3RST Level 3 reset
ELNRNG Link number out of range
EUNATCH Protocol driver not attached
ENOCSI No CSI structure available
EL2HLT Level 2 halted
EBADE Invalid exchange
EBADR Invalid request descriptor
EXFULL Exchange full
ENOANO No anode
EBADRQC Invalid request code
EBADSLT Invalid slot
- Unknown error
EBFONT Bad font file format
ENOSTR Device not a stream
ENODATA No data available
ETIME Timer expired
ENOSR Out of streams resources
ENONET Machine is not on the network
ENOPKG Package not installed
EREMOTE Object is remote
ENOLINK Link has been severed
EADV Advertise error
ESRMNT Srmount error
ECOMM Communication error on send
EPROTO Protocol error
EMULTIHOP Multihop attempted
EDOTDOT RFS specific error
EBADMSG Bad message
EOVERFLOW Value too large for defined data type
ENOTUNIQ Name not unique on network
EBADFD File descriptor in bad state
EREMCHG Remote address changed
ELIBACC Can not access a needed shared library
ELIBBAD Accessing a corrupted shared library
ELIBSCN .lib section in a.out corrupted
ELIBMAX Attempting to link in too many shared libraries
ELIBEXEC Cannot exec a shared library directly
EILSEQ Invalid or incomplete multibyte or wide character
ERESTART Interrupted system call should be restarted
ESTRPIPE Streams pipe error
EUSERS Too many users
ENOTSOCK Socket operation on non-socket
EDESTADDRREQ Destination address required
EMSGSIZE Message too long
EPROTOTYPE Protocol wrong type for socket
ENOPROTOOPT Protocol not available
EPROTONOSUPPORT Protocol not supported
ESOCKTNOSUPPORT Socket type not supported
EOPNOTSUPP Operation not supported
EPFNOSUPPORT Protocol family not supported
EAFNOSUPPORT Address family not supported by protocol
EADDRINUSE Address already in use
EADDRNOTAVAIL Cannot assign requested address
ENETDOWN Network is down
ENETUNREACH Network is unreachable
ENETRESET Network dropped connection on reset
ECONNABORTED Software caused connection abort
ECONNRESET Connection reset by peer
ENOBUFS No buffer space available
EISCONN Transport endpoint is already connected
ENOTCONN Transport endpoint is not connected
ESHUTDOWN Cannot send after transport endpoint shutdown
ETOOMANYREFS Too many references: cannot splice
ETIMEDOUT Connection timed out
ECONNREFUSED Connection refused
EHOSTDOWN Host is down
EHOSTUNREACH No route to host
EALREADY Operation already in progress
EINPROGRESS Operation now in progress
ESTALE Stale file handle
EUCLEAN Structure needs cleaning
ENOTNAM Not a XENIX named type file
ENAVAIL No XENIX semaphores available
EISNAM Is a named type file
EREMOTEIO Remote I/O error
EDQUOT Disk quota exceeded
ENOMEDIUM No medium found
EMEDIUMTYPE Wrong medium type
ECANCELED Operation canceled
ENOKEY Required key not available
EKEYEXPIRED Key has expired
EKEYREVOKED Key has been revoked
EKEYREJECTED Key was rejected by service
EOWNERDEAD Owner died
ENOTRECOVERABLE State not recoverable
ERFKILL Operation not possible due to RF-kill
EHWPOISON Memory page has hardware error";

/// The name of the number that has none.
const HOLE: &str = "-";

/// The usual English text of an error number, as perror(3) prints it (`Operation not permitted`).
/// A number that Linux does not have gives `Unknown error`.
pub fn describe(errno: Errno) -> &'static str {
    line(errno).map_or("Unknown error", |(_, text)| text)
}

/// The symbolic name of an error number (`EPERM`). Of two names for one number it is the one that errno(3)
/// lists first: `EAGAIN`, `EDEADLK`, `EOPNOTSUPP`. A number that Linux does not have gives `E?`.
pub fn name(errno: Errno) -> &'static str {
    line(errno).map_or("E?", |(name, _)| name)
}

/// Both columns of the table for one number.
fn line(errno: Errno) -> Option<(&'static str, &'static str)> {
    let index = usize::try_from(errno.raw_os_error()).ok()?.checked_sub(1)?;
    TABLE.lines().nth(index)?.split_once(' ').filter(|(name, _)| *name != HOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_but_the_two_holes_has_a_name_and_a_text() {
        for number in 1..=133 {
            let errno = Errno::from_raw_os_error(number);
            if number == 41 || number == 58 {
                assert_eq!((name(errno), describe(errno)), ("E?", "Unknown error"), "{number}");
            } else {
                assert!(name(errno).starts_with('E') && name(errno).len() > 2, "{number}: {}", name(errno));
                assert!(describe(errno).len() > 5 && describe(errno) != "Unknown error", "{number}");
            }
        }
    }

    #[test]
    fn names_are_unique() {
        for (index, line) in TABLE.lines().enumerate() {
            let name = line.split(' ').next().unwrap_or_default();
            let twice = TABLE.lines().skip(index + 1).any(|other| other.split(' ').next() == Some(name));
            assert!(!twice || name == HOLE, "{name}");
        }
    }

    #[test]
    fn numbers_stand_on_their_own_line() {
        for (errno, expected, text) in [
            (Errno::PERM, "EPERM", "Operation not permitted"),
            (Errno::AGAIN, "EAGAIN", "Resource temporarily unavailable"),
            (Errno::LOOP, "ELOOP", "Too many levels of symbolic links"),
            (Errno::NOMSG, "ENOMSG", "No message of desired type"),
            (Errno::BFONT, "EBFONT", "Bad font file format"),
            (Errno::OPNOTSUPP, "EOPNOTSUPP", "Operation not supported"),
            (Errno::TIMEDOUT, "ETIMEDOUT", "Connection timed out"),
            (Errno::HWPOISON, "EHWPOISON", "Memory page has hardware error"),
        ] {
            assert_eq!((name(errno), describe(errno)), (expected, text));
        }
    }

    #[test]
    fn a_number_that_linux_does_not_have_is_unknown() {
        assert_eq!(name(Errno::from_raw_os_error(134)), "E?");
        assert_eq!(describe(Errno::from_raw_os_error(4000)), "Unknown error");
    }
}
