//! What can be set on a scope before it is awaited.

use std::borrow::Cow;
use std::future::Future;
use std::time::{Duration, Instant};

use super::future::ScopeFuture;
use super::handle::CancelScope;
use crate::context::local::{ScopeLocal, Values};
use crate::context::time;
use crate::tree::NodeRef;

/// When a scope has to be done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    None,
    /// Counted from the first poll.
    After(Duration),
    At(Instant),
}

/// What few scopes are given: in a box, so that the others need not carry it.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) grace: Option<Duration>,
    pub(super) locals: Values,
}

/// All that is set, until the first poll.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) limit: Limit,
    pub(super) name: Option<Cow<'static, str>>,
    pub(super) terms: Option<Box<Terms>>,
}

impl Options {
    pub(super) fn new() -> Self {
        Self { limit: Limit::None, name: None, terms: None }
    }

    /// The first poll: the scope has its place, and its time begins.
    #[inline]
    pub(super) fn apply(&mut self, node: &NodeRef) {
        if let Some(name) = self.name.take() {
            node.set_name(name);
        }
        match self.limit {
            Limit::None => {}
            Limit::After(limit) => node.set_deadline(Some(time::after(limit))),
            Limit::At(at) => node.set_deadline(Some(at)),
        }
        if let Some(terms) = self.terms.take() {
            if let Some(grace) = terms.grace {
                node.set_grace(grace);
            }
            terms.locals.hang_on(node);
        }
    }
}

impl<B, F: Future> ScopeFuture<'_, B, F> {
    /// Gives the scope a name, for pictures, reasons and logs. Shown escaped, so any text will do.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.options_mut().name = Some(name.into());
        self
    }

    /// Cancels the scope when `limit` has passed since its first poll, with reason
    /// [`Kind::Deadline`](crate::Kind::Deadline). The nearest deadline on the way up is in force
    /// (R20); a limit that is longer than an enclosing one arms no timer.
    ///
    /// The deadline is looked at when the body suspends, so a body that is ready at once wins even
    /// over a zero limit. A limit of thirty years or more is thirty years. Replaces what
    /// [`deadline`](Self::deadline) set.
    ///
    /// The scope gives [`Cancelled`](crate::Cancelled); for a future that says `Elapsed`, see
    /// [`timeout`](crate::timeout).
    ///
    /// # Panics
    ///
    /// The scope's future panics when it is polled without a tokio runtime that has its time driver
    /// enabled, as tokio's own timers do.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options_mut().limit = Limit::After(limit);
        self
    }

    /// As [`timeout`](Self::timeout), at a moment of tokio's clock. A moment in the past stops the
    /// body at its first suspension. Replaces what was set before, sooner or later. Panics as that
    /// does.
    pub fn deadline(mut self, at: impl Into<Instant>) -> Self {
        self.options_mut().limit = Limit::At(at.into());
        self
    }

    /// Makes every request to this scope a soft one first (R17): a [`cancel`](CancelScope::cancel), or
    /// its own deadline, does at first what [`stop`](CancelScope::stop) does, and what is still
    /// running when `grace` is over is cancelled then, for the reason that the first request gave.
    /// Requests are counted when that happens.
    ///
    /// A failure (a panic, an error of a child) is not softened, and neither is a cancellation from
    /// above.
    ///
    /// # Panics
    ///
    /// As [`timeout`](Self::timeout), when the grace begins.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    ///
    /// let served = umbel::scope(async |s| {
    ///     s.cancel();
    ///     // A loop that serves would end here of its own accord.
    ///     umbel::stopping().await;
    ///     "all answered"
    /// })
    /// .grace(Duration::from_secs(5))
    /// .await;
    /// assert_eq!(served.unwrap(), "all answered");
    /// # }
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.terms_mut().grace = Some(grace);
        self
    }

    /// Sets a [scope local](crate::scope_local): its value for this scope and for all that is below it.
    /// Further in, a scope can set another. Set again on the same scope, the later value replaces the
    /// earlier one.
    ///
    /// It is in force from the first poll on, before the body is made, until the scope has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// umbel::scope_local! {
    ///     static LANGUAGE: &'static str;
    /// }
    ///
    /// fn greeting() -> &'static str {
    ///     if LANGUAGE.get() == Some("de") { "Guten Tag" } else { "hello" }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let greeted = umbel::scope(async |_| greeting()).local(&LANGUAGE, "de").await;
    /// assert_eq!(greeted.unwrap(), "Guten Tag");
    /// # }
    /// ```
    pub fn local<T>(mut self, local: &'static ScopeLocal<T>, value: T) -> Self
    where
        T: Send + Sync + 'static,
    {
        self.terms_mut().locals.set(local, value);
        self
    }

    fn terms_mut(&mut self) -> &mut Terms {
        self.options_mut().terms.get_or_insert_default()
    }

    /// A handle to the scope, before it is awaited.
    ///
    /// Until the first poll the scope has no parent; then it joins the one it is polled in, with
    /// everything that was asked of it by then: if it is cancelled already, the body is never polled
    /// (R6).
    pub fn handle(&mut self) -> CancelScope {
        let node = self.early().clone();
        if let Some(name) = self.options_mut().name.take() {
            node.set_name(name);
        }
        CancelScope(node)
    }

    /// [`handle`](Self::handle), in the middle of a chain.
    pub fn with_handle(mut self) -> (Self, CancelScope) {
        let handle = self.handle();
        (self, handle)
    }
}
