//! The errors of the core, written by hand: the build has no procedural macro.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use super::reason::{Kind, Reason};

/// The work was stopped before it finished: its body was dropped (R3).
///
/// As the outcome of a scope it means that this scope is where the cancellation stopped. As the
/// outcome of a [`Child`](crate::Child) it means that the child was cancelled, was refused, or
/// panicked (then [`Reason::kind`] is [`Kind::ChildPanicked`], and the panic itself is resumed in
/// the owner of the scope).
#[derive(Clone)]
pub struct Cancelled(Reason);

impl Cancelled {
    pub(crate) fn new(reason: Reason) -> Self {
        Self(reason)
    }

    /// The first cause.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.0
    }

    /// The first cause, by value.
    #[must_use]
    pub fn into_reason(self) -> Reason {
        self.0
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled: {}", self.0)
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancelled").field(&self.0).finish()
    }
}

impl Error for Cancelled {}

impl From<Cancelled> for io::Error {
    /// Kind [`TimedOut`](io::ErrorKind::TimedOut) if a deadline was the cause, else
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). Never
    /// [`Interrupted`](io::ErrorKind::Interrupted), on which std and tokio try again.
    fn from(cancelled: Cancelled) -> Self {
        let kind = match cancelled.0.kind() {
            Kind::Deadline => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, cancelled)
    }
}

/// A [`timeout`](crate::timeout)'s own deadline passed, and that is why its future was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elapsed {
    pub(crate) after: Duration,
}

impl Elapsed {
    /// The time that was allowed.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timed out after {:?}", self.after)
    }
}

impl Error for Elapsed {}

/// Why [`timeout`](crate::timeout) gave no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TimeoutError {
    /// Its own deadline passed (R20).
    Elapsed(Elapsed),
    /// Something else cancelled it, and no enclosing scope was left to absorb that: a scope it
    /// had been polled in before was cancelled (R23).
    Cancelled(Cancelled),
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elapsed(elapsed) => elapsed.fmt(f),
            Self::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

impl Error for TimeoutError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Elapsed(elapsed) => Some(elapsed),
            Self::Cancelled(cancelled) => Some(cancelled),
        }
    }
}

impl From<TimeoutError> for io::Error {
    fn from(error: TimeoutError) -> Self {
        match error {
            TimeoutError::Elapsed(elapsed) => io::Error::new(io::ErrorKind::TimedOut, elapsed),
            TimeoutError::Cancelled(cancelled) => cancelled.into(),
        }
    }
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_they_are_and_show_their_source() {
        let cancelled = Cancelled::new(Reason::new("enough"));
        assert!(format!("{cancelled:?}").starts_with("Cancelled(Reason { kind: Explicit, "));
        assert!(cancelled.to_string().starts_with("cancelled: cancel was called: enough (at "));
        let elapsed = Elapsed { after: Duration::from_secs(3) };
        assert_eq!(elapsed.to_string(), "timed out after 3s");
        for (error, source) in [
            (TimeoutError::Elapsed(elapsed.clone()), elapsed.to_string()),
            (TimeoutError::Cancelled(cancelled.clone()), cancelled.to_string()),
        ] {
            assert_eq!(error.to_string(), source);
            assert_eq!(error.source().map(ToString::to_string), Some(source));
        }
    }
}
