//! Why there is no connection.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use super::dial::is_shortage;
use super::family::Family;
use crate::race::report::{AttemptOutcome, RaceError, RaceReport};

/// Why there is no connection: what every attempt, and every lookup, came to.
///
/// It comes inside an [`io::Error`]: [`ConnectError::of`] finds it there. That error's kind is the one that
/// all attempts have in common; or, if they differ, that of the failure furthest out: a host that
/// answered, if only to refuse, says more than one that did not, and that more than this host's own routes
/// and sockets. If there was no address, it is the lookups' kind, and
/// [`NotFound`](ErrorKind::NotFound) for a host that does not exist.
///
/// Its text has every attempt and every lookup, so it has no [`source`](Error::source).
#[derive(Debug)]
pub struct ConnectError {
    target: String,
    what: What,
    report: RaceReport<SocketAddr, io::Error>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    NoAddress,
    AllFailed,
    TimedOut,
}

impl ConnectError {
    /// The connector's error inside `error`, if that is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// What was to be connected to, as `host:port`; an IPv6 address in brackets.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Every attempt in the order of their starts, the addresses that were not tried, and, as
    /// `source_errors`, the lookups that failed, or had not answered when the time was over.
    #[must_use]
    pub fn report(&self) -> &RaceReport<SocketAddr, io::Error> {
        &self.report
    }

    /// Of the race to `target`.
    pub(super) fn made(target: String, error: RaceError<SocketAddr, io::Error>) -> io::Error {
        let (what, report) = match error {
            RaceError::NoCandidates(report) => (What::NoAddress, report),
            RaceError::AllFailed(report) => (What::AllFailed, report),
            RaceError::TimedOut(report) => (What::TimedOut, report),
            RaceError::Cancelled(cancelled) => return cancelled.into(),
        };
        let kind = match what {
            What::TimedOut => ErrorKind::TimedOut,
            What::NoAddress => most_telling(report.source_errors.iter().map(kind_of)),
            What::AllFailed => {
                most_telling(report.attempts.iter().map(|attempt| match &attempt.outcome {
                    AttemptOutcome::Failed(error) => kind_of(error),
                    // It says something of this program, and nothing of the host.
                    AttemptOutcome::Cancelled(cancelled) => {
                        (Distance::Here, io::Error::from(cancelled.clone()).kind())
                    }
                    _ => (Distance::OnTheWay, ErrorKind::TimedOut),
                }))
            }
        };
        io::Error::new(kind, Self { target, what, report })
    }
}

/// How far out a failure happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Distance {
    Here,
    OnTheWay,
    There,
}

fn kind_of(error: &io::Error) -> (Distance, ErrorKind) {
    let kind = error.kind();
    let distance = match kind {
        ErrorKind::TimedOut => Distance::OnTheWay,
        ErrorKind::AddrInUse
        | ErrorKind::AddrNotAvailable
        | ErrorKind::HostUnreachable
        | ErrorKind::InvalidInput
        | ErrorKind::NetworkDown
        | ErrorKind::NetworkUnreachable
        | ErrorKind::OutOfMemory
        | ErrorKind::PermissionDenied
        | ErrorKind::Unsupported => Distance::Here,
        _ if is_shortage(error) || is_unsupported(error) => Distance::Here,
        _ => Distance::There,
    };
    (distance, kind)
}

/// The host does not do this family; std has no kind for that.
fn is_unsupported(error: &io::Error) -> bool {
    #[cfg(unix)]
    const CODE: i32 = libc::EAFNOSUPPORT;
    // WSAEAFNOSUPPORT.
    #[cfg(not(unix))]
    const CODE: i32 = 10_047;
    error.raw_os_error() == Some(CODE)
}

/// Of the failures furthest out, the first.
fn most_telling(kinds: impl Iterator<Item = (Distance, ErrorKind)>) -> ErrorKind {
    let furthest = kinds.reduce(|best, next| if next.0 > best.0 { next } else { best });
    furthest.map_or(ErrorKind::NotFound, |(_, kind)| kind)
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, what, report } = self;
        match what {
            What::NoAddress => write!(f, "cannot connect to {target}: no address")?,
            What::AllFailed => write!(f, "cannot connect to {target}")?,
            What::TimedOut => write!(f, "no connection to {target} in {:.1?}", report.elapsed)?,
        }
        let is_silent = report.attempts.is_empty() && report.source_errors.is_empty();
        if is_silent && report.untried.is_empty() { Ok(()) } else { write!(f, ": {report}") }
    }
}

/// Without a source: none of the attempts is the cause more than another, and the text has them all.
impl Error for ConnectError {}

/// An address that cannot be tried from here.
pub(super) fn skipped(address: SocketAddr) -> io::Error {
    let family = Family::of(&address);
    let text = format!("{address}: not tried, there is no local {family} address");
    io::Error::new(ErrorKind::AddrNotAvailable, text)
}

/// A family whose addresses could not be tried from here.
pub(super) fn not_asked(family: Family) -> io::Error {
    let text = format!("{family}: not looked up, there is no local {family} address");
    io::Error::new(ErrorKind::AddrNotAvailable, text)
}

/// A lookup that had not answered when the time was over.
pub(super) fn unanswered(family: Family) -> io::Error {
    LookupFailed::made(family, io::Error::new(ErrorKind::TimedOut, "no answer"))
}

/// Why the addresses of one family are not known.
#[derive(Debug)]
pub(super) struct LookupFailed {
    family: Family,
    error: io::Error,
}

impl LookupFailed {
    pub(super) fn made(family: Family, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Self { family, error })
    }
}

impl fmt::Display for LookupFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lookup: {}", self.family, self.error)
    }
}

impl Error for LookupFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
