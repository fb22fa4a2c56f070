//! What can be set on a scope before it is awaited.

use std::borrow::Cow;
use std::future::Future;
use std::time::{Duration, Instant};

use super::bound;
use super::future::ScopeFuture;
use super::handle::CancelScope;
use crate::context::local::{ScopeLocal, Values};
use crate::context::time::{self, Limit};
use crate::tree::NodeRef;

impl Limit {
    /// The first poll: the time begins.
    #[inline]
    pub(super) fn apply(self, node: &NodeRef) {
        match self {
            Self::None => {}
            Self::After(limit) => node.set_deadline(Some(time::after(limit))),
            Self::At(at) => node.set_deadline(Some(at)),
        }
    }
}

/// What else is set, until the first poll. In a box, so that a scope without options is small.
#[derive(Debug, Default)]
pub(super) struct Options {
    name: Option<Cow<'static, str>>,
    grace: Option<Duration>,
    max_children: Option<usize>,
    locals: Values,
}

impl Options {
    /// The first poll: the scope has its place.
    pub(super) fn apply(self, node: &NodeRef) {
        if let Some(name) = self.name {
            node.set_name(name);
        }
        if let Some(grace) = self.grace {
            node.set_grace(grace);
        }
        if let Some(max) = self.max_children {
            bound::set(node, max);
        }
        self.locals.hang_on(node);
    }
}

impl<B, F: Future> ScopeFuture<'_, B, F> {
    /// Gives the scope a name, for pictures, reasons and logs. Shown escaped, so any text will do.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.options.get_or_insert_default().name = Some(name.into());
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
        self.limit = Limit::After(limit);
        self
    }

    /// As [`timeout`](Self::timeout), at a moment of tokio's clock. A moment in the past stops the
    /// body at its first suspension. Replaces what was set before, sooner or later. Panics as that
    /// does.
    pub fn deadline(mut self, at: impl Into<Instant>) -> Self {
        self.limit = Limit::At(at.into());
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
        self.options.get_or_insert_default().grace = Some(grace);
        self
    }

    /// Has no more than `max` children run at a time. A child that is started when the scope is full
    /// waits for its turn: it is admitted, is cancelled with the others, and is polled when one that
    /// runs has ended; first come, first served. To wait before starting it, and have no heap of waiting
    /// futures, see [`reserve`](crate::Scope::reserve); to be refused, [`try_reserve`](crate::Scope::try_reserve).
    ///
    /// Services are not counted, because they end last; nor are blocking and pinned children, which are
    /// bounded by their threads.
    ///
    /// # Panics
    ///
    /// If `max` is 0: nothing could ever run.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    /// use tokio::time::{Instant, sleep};
    ///
    /// let start = Instant::now();
    /// umbel::scope(async |s| {
    ///     for _ in 0..10 {
    ///         s.spawn(async { sleep(Duration::from_secs(1)).await });
    ///     }
    /// })
    /// .max_children(5)
    /// .await
    /// .unwrap();
    /// assert_eq!(start.elapsed(), Duration::from_secs(2));
    /// # }
    /// ```
    #[track_caller]
    pub fn max_children(mut self, max: usize) -> Self {
        assert!(max > 0, "a scope in which no child may run: `max_children(0)`");
        self.options.get_or_insert_default().max_children = Some(max);
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
        self.options.get_or_insert_default().locals.set(local, value);
        self
    }

    /// A handle to the scope, before it is awaited.
    ///
    /// Until the first poll the scope has no parent; then it joins the one it is polled in, with
    /// everything that was asked of it by then: if it is cancelled already, the body is never polled
    /// (R6).
    pub fn handle(&mut self) -> CancelScope {
        let node = self.early().clone();
        if let Some(name) = self.options.as_mut().and_then(|options| options.name.take()) {
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
