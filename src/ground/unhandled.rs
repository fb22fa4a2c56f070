//! What nobody is left to hear: reported, so that nothing is lost in silence.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::runtime::Host;
use super::sync::static_lock;
use super::{panics, watch};

/// What sort of thing nobody was left to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnhandledKind {
    /// An error that the scope did not return: another was first, a panic was resumed instead, or the
    /// scope's future was dropped.
    Error,
    /// A finalizer was still running when its limit had passed, and was dropped there.
    FinalizerCut,
    /// A finalizer was not run: there was no runtime to run it, or it was shut down.
    FinalizerLost,
}

/// Something that nobody was left to hear: see [`set_unhandled_hook`].
#[derive(Clone, Copy)]
pub struct Unhandled<'a> {
    kind: UnhandledKind,
    location: &'static Location<'static>,
    error: Option<&'a dyn fmt::Debug>,
}

impl<'a> Unhandled<'a> {
    pub(crate) fn new(kind: UnhandledKind, location: &'static Location<'static>) -> Self {
        Self { kind, location, error: None }
    }

    pub(crate) fn error(error: &'a dyn fmt::Debug, location: &'static Location<'static>) -> Self {
        Self { kind: UnhandledKind::Error, location, error: Some(error) }
    }

    /// What sort of thing it is.
    #[must_use]
    pub fn kind(&self) -> UnhandledKind {
        self.kind
    }

    /// Where the scope was opened, or the finalizer registered.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The error, if it is one, to be shown.
    #[must_use]
    pub fn debug(&self) -> Option<&'a dyn fmt::Debug> {
        self.error
    }

    /// Reports it.
    pub(crate) fn report(&self) {
        #[cfg(all(feature = "tracing", not(any(umbel_loom, loom, umbel_shuttle))))]
        tracing::error!(target: "umbel", kind = ?self.kind, location = %self.location, "{self}");
        quietly(|| watch::unhandled(Host::current().id(), || self.to_string()));
        let hook = HOOK.lock().clone();
        match hook {
            Some(hook) => quietly(|| hook(self)),
            #[cfg(not(feature = "tracing"))]
            #[expect(
                clippy::print_stderr,
                reason = "as std's panic hook: silence is the worst choice"
            )]
            None => eprintln!("umbel: {self}"),
            #[cfg(feature = "tracing")]
            None => {}
        }
    }
}

/// Runs code of the user's, from which nothing may unwind.
fn quietly(code: impl FnOnce()) {
    if let Err(payload) = panics::catch(code) {
        panics::discard(payload);
    }
}

impl fmt::Display for Unhandled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.location;
        match (self.kind, self.error) {
            (UnhandledKind::Error, Some(error)) => {
                // Escaped by being quoted: an error's text may be anybody's.
                write!(f, "an error that the scope at {at} did not return: ")?;
                write!(f, "{:?}", format!("{error:?}"))
            }
            (UnhandledKind::Error, None) => {
                write!(f, "an error that the scope at {at} did not return")
            }
            (UnhandledKind::FinalizerCut, _) => {
                write!(f, "the finalizer registered at {at} did not end within its limit")
            }
            (UnhandledKind::FinalizerLost, _) => {
                write!(f, "the finalizer registered at {at} was not run: there is no runtime")
            }
        }
    }
}

impl fmt::Debug for Unhandled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unhandled")
            .field("kind", &self.kind)
            .field("location", &format_args!("{}", self.location))
            .field("error", &self.error)
            .finish()
    }
}

type Hook = Arc<dyn Fn(&Unhandled<'_>) + Send + Sync>;

static_lock! {
    static HOOK: Option<Hook> = None;
}

/// Has `hook` called with everything that nobody is left to hear: errors that a scope did not return,
/// finalizers that were cut short or could not be run. It replaces the hook that was set before.
///
/// It is called in the middle of somebody else's work, on any thread: it should be quick. A panic in it
/// is caught.
///
/// Without a hook, and without the feature `tracing`, a line is written to standard error, as for a
/// panic. With that feature an event of level `ERROR` is recorded, with or without a hook.
///
/// # Examples
///
/// ```
/// umbel::set_unhandled_hook(|unhandled| {
///     println!("{:?}: {unhandled}", unhandled.kind());
/// });
/// ```
pub fn set_unhandled_hook(hook: impl Fn(&Unhandled<'_>) + Send + Sync + 'static) {
    let before = HOOK.lock().replace(Arc::new(hook));
    drop(before);
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn it_says_in_one_line_what_nobody_heard() {
        let here = Location::caller();
        let error = Unhandled::error(&"a\nb", here);
        let lost = Unhandled::new(UnhandledKind::FinalizerLost, here);
        let cut = Unhandled::new(UnhandledKind::FinalizerCut, here);
        let unknown = Unhandled::new(UnhandledKind::Error, here);
        assert_eq!(
            [error, unknown, cut, lost].map(|unhandled| unhandled.to_string()),
            [
                format!("an error that the scope at {here} did not return: \"\\\"a\\\\nb\\\"\""),
                format!("an error that the scope at {here} did not return"),
                format!("the finalizer registered at {here} did not end within its limit"),
                format!("the finalizer registered at {here} was not run: there is no runtime"),
            ]
        );
        assert_eq!(
            format!("{error:?}"),
            format!("Unhandled {{ kind: Error, location: {here}, error: Some(\"a\\nb\") }}")
        );
    }
}
