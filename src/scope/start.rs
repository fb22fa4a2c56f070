//! Readiness: a child that is waited for until it says that it is ready (R15).
//!
//! One lock decides between the child's word, its end, and the caller's leaving (I27).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::child::Child;
use super::scope_handle::{Named, Scope};
use super::spawn;
use crate::ground::error::Cancelled;
use crate::ground::panics;
use crate::ground::sync::Lock;
use crate::tree::{NodeRef, Role, Site};

/// How far a start has come.
enum Stage<R> {
    /// Neither ready nor given up. The waker is the caller's.
    Waiting(Option<Waker>),
    /// Ready, and the caller has not been told yet.
    Ready(R),
    /// The caller has been told, or has left.
    Over,
}

/// Between the child and whoever waits for it to be ready.
struct Start<R>(Lock<Stage<R>>);

impl<R> Start<R> {
    fn new() -> Arc<Self> {
        Arc::new(Self(Lock::new(Stage::Waiting(None))))
    }

    /// The child is ready. Gives the value back if nobody waits any more.
    fn notify(&self, value: R) -> Option<R> {
        let mut stage = self.0.lock();
        match &mut *stage {
            Stage::Waiting(waker) => {
                let waker = waker.take();
                *stage = Stage::Ready(value);
                drop(stage);
                waker.into_iter().for_each(panics::wake);
                None
            }
            Stage::Ready(_) | Stage::Over => Some(value),
        }
    }

    /// What the child said; if nothing yet, `waker` waits.
    fn ask(&self, waker: &Waker) -> Option<R> {
        let waker = waker.clone();
        let mut stage = self.0.lock();
        let unused = match &mut *stage {
            Stage::Waiting(slot) => slot.replace(waker),
            Stage::Ready(_) => {
                let Stage::Ready(value) = std::mem::replace(&mut *stage, Stage::Over) else {
                    unreachable!("looked at under the same lock");
                };
                drop(stage);
                return Some(value);
            }
            Stage::Over => Some(waker),
        };
        drop(stage);
        drop(unused);
        None
    }

    /// Nobody waits any more. Gives what the child had said by then.
    fn leave(&self) -> Option<R> {
        let before = std::mem::replace(&mut *self.0.lock(), Stage::Over);
        match before {
            Stage::Ready(value) => Some(value),
            Stage::Waiting(_) | Stage::Over => None,
        }
    }
}

/// With this a child says that it is ready: see [`Scope::start`].
pub struct Ready<R>(Arc<Start<R>>);

impl<R> Ready<R> {
    /// One that nobody listens to: for calling a function that wants one without starting a child.
    #[must_use]
    pub fn ignored() -> Self {
        let start = Start::new();
        drop(start.leave());
        Self(start)
    }

    /// Says that the child is ready, and gives whoever started it `value`. From here on the child
    /// belongs to its scope alone. If nobody waits any more, the value is dropped.
    pub fn notify(self, value: R) {
        drop(self.0.notify(value));
    }
}

impl<R> fmt::Debug for Ready<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready(..)")
    }
}

/// A child that has said it is ready.
#[derive(Debug)]
#[non_exhaustive]
pub struct Started<R, T> {
    /// What it said.
    pub value: R,
    /// The child, which goes on.
    pub child: Child<T>,
}

/// Why a child did not get ready.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StartError<T> {
    /// It ended before it was ready; this is what it returned.
    Ended(T),
    /// It was cancelled, was refused, or panicked before it was ready.
    Cancelled(Cancelled),
}

impl<T> fmt::Display for StartError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(_) => f.write_str("the child ended before it was ready"),
            Self::Cancelled(cancelled) => write!(f, "the child did not get ready: {cancelled}"),
        }
    }
}

impl<T: fmt::Debug> Error for StartError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Ended(_) => None,
            Self::Cancelled(cancelled) => Some(cancelled),
        }
    }
}

impl Scope<'_> {
    /// Starts a child and waits until it says that it is ready (R15): that a server listens, that a
    /// connection stands.
    ///
    /// The child runs at once, as with [`spawn`](Self::spawn), and belongs to this scope from the
    /// beginning: it is cancelled with it, and waited for. Until it is ready, the scope counts the start
    /// as a child that lives.
    ///
    /// # Outcomes
    ///
    /// [`Started`] with the value that the child gave to [`Ready::notify`] and the child's handle, when
    /// it was ready. What it returns before that goes to the caller alone, as [`StartError::Ended`];
    /// what it returns afterwards goes to its handle alone. A child that drops its [`Ready`] unused is
    /// waited for to its end.
    ///
    /// # Panics
    ///
    /// Never. A panic of the child, ready or not, goes to the scope (R14), and the caller is told with
    /// [`StartError::Cancelled`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it has returned, the child is cancelled: the request counts on
    /// the child and not on the scope (I28).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use tokio::net::{TcpListener, TcpStream};
    /// use umbel::Ready;
    ///
    /// umbel::scope(async |s| {
    ///     let server = s
    ///         .start(async |ready: Ready<_>| {
    ///             let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///             ready.notify(listener.local_addr()?);
    ///             listener.accept().await.map(drop)
    ///         })
    ///         .await
    ///         .unwrap();
    ///     TcpStream::connect(server.value).await.unwrap();
    ///     server.child.await.unwrap().unwrap();
    /// })
    /// .await
    /// .unwrap();
    /// # }
    /// ```
    #[track_caller]
    pub fn start<R, B, F>(&self, body: B) -> Starting<R, F::Output>
    where
        B: FnOnce(Ready<R>) -> F,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        starting(&self.handle.0, None, Location::caller(), body)
    }
}

impl Named<'_, '_> {
    /// As [`Scope::start`].
    #[track_caller]
    pub fn start<R, B, F>(self, body: B) -> Starting<R, F::Output>
    where
        B: FnOnce(Ready<R>) -> F,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        starting(&self.scope.handle.0, Some(self.name), Location::caller(), body)
    }
}

fn starting<R, B, F>(
    scope: &NodeRef,
    name: Option<Cow<'static, str>>,
    site: Site,
    body: B,
) -> Starting<R, F::Output>
where
    B: FnOnce(Ready<R>) -> F,
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let start = Start::new();
    let child = match scope.refusal() {
        // Not even made: a closure may do more than give a future.
        Some(refusal) => Child::refused(scope, refusal, site),
        None => spawn::spawn(scope, Role::Task, name, site, body(Ready(Arc::clone(&start)))),
    };
    Starting { start, child: Some(child) }
}

/// The future of [`Scope::start`].
#[must_use = "dropped, it cancels the child"]
pub struct Starting<R, T> {
    start: Arc<Start<R>>,
    /// Taken when this has returned.
    child: Option<Child<T>>,
}

impl<R, T> Unpin for Starting<R, T> {}

impl<R, T> Future for Starting<R, T> {
    type Output = Result<Started<R, T>, StartError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut child = this.child.take().expect("a start was polled after it had returned");
        if let Some(value) = this.start.ask(cx.waker()) {
            return Poll::Ready(Ok(Started { value, child }));
        }
        let Poll::Ready(outcome) = Pin::new(&mut child).poll(cx) else {
            this.child = Some(child);
            return Poll::Pending;
        };
        // It may have been ready just before it ended; a word that comes later is nobody's.
        Poll::Ready(match (this.start.leave(), outcome) {
            (Some(value), outcome) => Ok(Started { value, child: child.with_outcome(outcome) }),
            (None, Ok(output)) => Err(StartError::Ended(output)),
            (None, Err(cancelled)) => Err(StartError::Cancelled(cancelled)),
        })
    }
}

impl<R, T> Drop for Starting<R, T> {
    #[track_caller]
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            drop(self.start.leave());
            if !child.is_finished() {
                child.cancel();
            }
        }
    }
}

impl<R, T> fmt::Debug for Starting<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting").field("child", &self.child).finish_non_exhaustive()
    }
}
