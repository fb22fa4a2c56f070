//! Readiness: a child that is waited for until it says that it is ready (R15).
//!
//! One lock decides between the child's word, its end, and the caller's leaving (I27).

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::child::Child;
use super::handle::CancelScope;
use super::scope_handle::{Named, Scope};
use super::spawn;
use crate::ground::error::Cancelled;
use crate::ground::panics;
use crate::ground::seeded;
use crate::ground::sync::Lock;
use crate::tree::{NodeRef, Role, Site};

/// How far a start has come.
enum Stage<R, X> {
    /// Neither ready nor given up. The waker is the caller's.
    Waiting(Option<Waker>),
    /// Ready, and the caller has not been told yet.
    Ready(R),
    /// Failed before it was ready, and the caller has not been told yet.
    Failed(X),
    /// The caller has been told, or has left.
    Over,
}

/// Between the child and whoever waits for it to be ready. `X` is what the caller alone is to hear if it
/// comes before that.
pub(super) struct Start<R, X>(Lock<Stage<R, X>>);

impl<R, X> Start<R, X> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Lock::new(Stage::Waiting(None))))
    }

    /// Has the caller told, if he still waits and has not been told. Gives `word` back if not.
    fn tell<W>(&self, word: W, stage: impl FnOnce(W) -> Stage<R, X>) -> Option<W> {
        let mut current = self.0.lock();
        let Stage::Waiting(waker) = &mut *current else { return Some(word) };
        let waker = waker.take();
        *current = stage(word);
        drop(current);
        waker.into_iter().filter(|_| !seeded!(UnheardWord)).for_each(panics::wake);
        None
    }

    /// The child has failed. Gives the failure back if it is not the caller's to hear.
    pub(super) fn fail(&self, failure: X) -> Option<X> {
        self.tell(failure, Stage::Failed)
    }

    /// What the child said; if nothing yet, `waker` waits.
    fn ask(&self, waker: &Waker) -> Option<Result<R, X>> {
        let waker = waker.clone();
        let mut stage = self.0.lock();
        if let Stage::Waiting(slot) = &mut *stage {
            let unused = slot.replace(waker);
            drop(stage);
            drop(unused);
            return None;
        }
        drop(stage);
        self.leave()
    }

    /// Waits for the child's word, or its end. Takes the child when either has come.
    pub(super) fn poll<T>(
        &self,
        slot: &mut Option<Child<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<Heard<R, X, T>> {
        let mut child = slot.take().expect("a start was polled after it had returned");
        if let Some(word) = self.ask(cx.waker()) {
            return Poll::Ready(Heard::Told(word, child));
        }
        let Poll::Ready(outcome) = Pin::new(&mut child).poll(cx) else {
            *slot = Some(child);
            return Poll::Pending;
        };
        // It may have said something just before it ended; a word that comes later is nobody's.
        let word = if seeded!(UnheardReady) { None } else { self.leave() };
        Poll::Ready(match word {
            Some(word) => Heard::Told(word, child.with_outcome(outcome)),
            None => Heard::Ended(outcome),
        })
    }

    /// Nobody waits any more. Gives what the child had said by then.
    pub(super) fn leave(&self) -> Option<Result<R, X>> {
        let before = std::mem::replace(&mut *self.0.lock(), Stage::Over);
        match before {
            Stage::Ready(value) => Some(Ok(value)),
            Stage::Failed(failure) => Some(Err(failure)),
            Stage::Waiting(_) | Stage::Over => None,
        }
    }
}

/// What came of a start.
pub(super) enum Heard<R, X, T> {
    /// The child has said something, and goes on or has ended.
    Told(Result<R, X>, Child<T>),
    /// It has ended without a word.
    Ended(Result<T, Cancelled>),
}

/// What a [`Ready`] speaks to.
trait Notify<R>: Send + Sync {
    /// The child is ready. Gives the value back if nobody waits any more.
    fn notify(&self, value: R) -> Option<R>;
}

impl<R: Send, X: Send> Notify<R> for Start<R, X> {
    fn notify(&self, value: R) -> Option<R> {
        self.tell(value, Stage::Ready)
    }
}

/// With this a child says that it is ready: see [`Scope::start`].
pub struct Ready<R>(Option<Arc<dyn Notify<R>>>);

impl<R> Ready<R> {
    pub(super) fn to<X>(start: &Arc<Start<R, X>>) -> Self
    where
        R: Send + 'static,
        X: Send + 'static,
    {
        Self(Some(Arc::<Start<R, X>>::clone(start)))
    }

    /// One that nobody listens to: for calling a function that wants one without starting a child.
    #[must_use]
    pub fn ignored() -> Self {
        Self(None)
    }

    /// Says that the child is ready, and gives whoever started it `value`. From here on the child
    /// belongs to its scope alone. If nobody waits any more, the value is dropped.
    pub fn notify(self, value: R) {
        match &self.0 {
            Some(start) => drop(start.notify(value)),
            None => drop(value),
        }
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
        R: Send + 'static,
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
        R: Send + 'static,
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
    R: Send + 'static,
    B: FnOnce(Ready<R>) -> F,
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let start = Start::new();
    let child = match scope.refusal() {
        // Not even made: a closure may do more than give a future.
        Some(refusal) => Child::refused(scope, refusal, site),
        None => spawn::spawn(scope, Role::Task, name, site, body(Ready::to(&start))),
    };
    Starting { start, child: Some(child) }
}

/// The future of [`Scope::start`].
#[must_use = "dropped, it cancels the child"]
pub struct Starting<R, T> {
    start: Arc<Start<R, Infallible>>,
    /// Taken when this has returned.
    child: Option<Child<T>>,
}

impl<R, T> Starting<R, T> {
    /// A handle to the child's task as a scope. Nothing if it was refused, or this has returned.
    #[must_use]
    pub fn handle(&self) -> Option<CancelScope> {
        self.child.as_ref()?.handle()
    }
}

impl<R, T> Unpin for Starting<R, T> {}

impl<R, T> Future for Starting<R, T> {
    type Output = Result<Started<R, T>, StartError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.start.poll(&mut this.child, cx).map(|turn| match turn {
            Heard::Told(Ok(value), child) => Ok(Started { value, child }),
            Heard::Told(Err(never), _) => match never {},
            Heard::Ended(Ok(output)) => Err(StartError::Ended(output)),
            Heard::Ended(Err(cancelled)) => Err(StartError::Cancelled(cancelled)),
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
