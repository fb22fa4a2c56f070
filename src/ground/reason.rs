//! Why a scope was cancelled.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::runtime::TaskId;

/// What sort of cause cancelled a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Somebody called `cancel`.
    Explicit,
    /// The scope's deadline passed.
    Deadline,
    /// A child, or the body itself, returned an error: in a [`try_scope`](fn@crate::try_scope).
    ChildFailed,
    /// A child, or the body itself, panicked.
    ChildPanicked,
    /// The task that a surviving future was opened in has ended.
    ScopeEnded,
    /// The scope's future was dropped before it finished.
    Abandoned,
    /// There is no runtime, or it was shut down.
    Shutdown,
    /// The process received a signal.
    Signal,
    /// It was asked to stop: as the cause of a cancellation, it was not done when the grace was over.
    Stopped,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Explicit => "cancel was called",
            Self::Deadline => "the deadline passed",
            Self::ChildFailed => "a child failed",
            Self::ChildPanicked => "a child panicked",
            Self::ScopeEnded => "the task of the enclosing scope ended",
            Self::Abandoned => "the scope's future was dropped",
            Self::Shutdown => "the runtime is gone",
            Self::Signal => "a signal was received",
            Self::Stopped => "it was asked to stop",
        })
    }
}

/// The first cause of a cancellation: what happened, where, and in which task.
///
/// A scope keeps the first one it is given; later requests count, but do not replace it (R8).
/// Cloning is cheap.
///
/// # Examples
///
/// ```
/// use umbel::{Kind, Reason};
///
/// let reason = Reason::new("the client hung up");
/// assert_eq!(reason.kind(), Kind::Explicit);
/// assert_eq!(reason.message(), Some("the client hung up"));
///
/// let reason = Reason::new("SIGTERM").with_kind(Kind::Signal);
/// assert_eq!(reason.kind(), Kind::Signal);
/// ```
#[derive(Clone)]
pub struct Reason(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
    task: Option<TaskId>,
    unfinished: Vec<Unfinished>,
}

/// A child that was still running when the grace of a soft stop was over. Its `Display` names it.
///
/// See [`Reason::unfinished`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    name: Option<Cow<'static, str>>,
    location: &'static Location<'static>,
}

impl Unfinished {
    pub(crate) fn new(
        name: Option<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> Self {
        Self { name, location }
    }

    /// The name that the child was given.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was started.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "\"{}\" ", name.escape_debug())?;
        }
        write!(f, "({})", self.location)
    }
}

impl Reason {
    /// A reason of kind [`Kind::Explicit`] with a message, the caller's location and the tokio
    /// task it runs in.
    #[track_caller]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self::made(Kind::Explicit, Some(message.into()), Location::caller())
    }

    /// The same reason with another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        Arc::make_mut(&mut self.0).kind = kind;
        self
    }

    #[track_caller]
    pub(crate) fn bare(kind: Kind) -> Self {
        Self::made(kind, None, Location::caller())
    }

    pub(crate) fn noted(
        kind: Kind,
        message: &'static str,
        location: &'static Location<'static>,
    ) -> Self {
        Self::made(kind, Some(message.into()), location)
    }

    pub(crate) fn at(kind: Kind, location: &'static Location<'static>) -> Self {
        Self::made(kind, None, location)
    }

    fn made(
        kind: Kind,
        message: Option<Cow<'static, str>>,
        location: &'static Location<'static>,
    ) -> Self {
        let task = TaskId::current();
        Self(Arc::new(Inner { kind, message, location, task, unfinished: Vec::new() }))
    }

    /// The same reason, and what it cut.
    pub(crate) fn with_unfinished(mut self, unfinished: Vec<Unfinished>) -> Self {
        if !unfinished.is_empty() {
            Arc::make_mut(&mut self.0).unfinished = unfinished;
        }
        self
    }

    /// What sort of cause it was.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The message given with the request, if one was.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Where the request was made. For a deadline, a panic, an abandoned scope: where the scope
    /// or the child was opened.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location
    }

    /// The task that made the request, if it was one.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        self.0.task
    }

    /// The children that had not ended when the grace of a soft stop was over, and so were cut off by
    /// this cancellation. Empty for every other cause.
    #[must_use]
    pub fn unfinished(&self) -> &[Unfinished] {
        &self.0.unfinished
    }

    /// Whether two handles show one and the same request, and not merely equal ones.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<&'static str> for Reason {
    #[track_caller]
    fn from(message: &'static str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Reason {
    #[track_caller]
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{}", inner.kind)?;
        if let Some(message) = &inner.message {
            // Escaped: a message is the user's text, and this line ends up in terminals and logs.
            write!(f, ": {}", message.escape_debug())?;
        }
        write!(f, " (at {}", inner.location)?;
        if let Some(task) = inner.task {
            write!(f, ", in task {task}")?;
        }
        f.write_str(")")?;
        for (n, unfinished) in inner.unfinished.iter().enumerate() {
            f.write_str(if n == 0 { "; not done in time: " } else { ", " })?;
            unfinished.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reason")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("location", &format_args!("{}", self.0.location))
            .field("task", &self.0.task)
            .finish()
    }
}
