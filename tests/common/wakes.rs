//! Wakers that count, and futures polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::boom;

/// A waker that counts how often it is woken.
#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// The count since the last call.
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that counts and then panics.
#[derive(Debug, Default)]
pub struct PanickingWaker(AtomicUsize);

impl PanickingWaker {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        boom("the waker panicked");
    }
}

/// Polls `future` once with `waker`.
pub fn with_waker<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// A future that is polled by hand, with a counting waker.
pub struct Driven<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

/// Takes a future to be polled by hand.
pub fn drive<F: Future>(future: F) -> Driven<F> {
    let wakes = Wakes::new();
    Driven { future: Box::pin(future), waker: Waker::from(Arc::clone(&wakes)), wakes }
}

impl<F: Future> Driven<F> {
    pub fn poll(&mut self) -> Poll<F::Output> {
        with_waker(self.future.as_mut(), &self.waker)
    }

    /// The output of a future that must be ready.
    #[track_caller]
    pub fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the future was not ready"),
        }
    }

    /// The output of a future that nothing else has to drive: polled for as long as it is woken.
    #[track_caller]
    pub fn output(&mut self) -> F::Output {
        loop {
            if let Poll::Ready(output) = self.poll() {
                return output;
            }
            assert!(self.wakes() > 0, "the future waits for somebody else");
        }
    }

    #[track_caller]
    pub fn pending(&mut self) {
        assert!(self.poll().is_pending(), "the future was ready");
    }

    /// How often it was woken since this was last asked.
    pub fn wakes(&self) -> usize {
        self.wakes.take()
    }

    pub fn future(&mut self) -> Pin<&mut F> {
        self.future.as_mut()
    }
}
