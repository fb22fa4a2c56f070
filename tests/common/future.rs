//! A future that counts what is done to it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// How often a [`Counted`] was polled and dropped.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<[AtomicUsize; 2]>);

impl Counts {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn polls(&self) -> usize {
        self.0[0].load(Ordering::SeqCst)
    }

    pub fn drops(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }

    /// Polls and drops.
    pub fn both(&self) -> (usize, usize) {
        (self.polls(), self.drops())
    }

    /// Wraps a future so that it counts here.
    pub fn of<F: Future>(&self, future: F) -> Counted<F> {
        Counted { inner: Box::pin(future), counts: self.clone() }
    }

    /// A future that is never ready and counts here.
    pub fn pending(&self) -> Counted<std::future::Pending<()>> {
        self.of(std::future::pending())
    }
}

/// A future that counts its polls and its drop.
pub struct Counted<F> {
    inner: Pin<Box<F>>,
    counts: Counts,
}

/// Counts a future's polls and drops.
pub fn counted<F: Future>(future: F) -> (Counted<F>, Counts) {
    let counts = Counts::new();
    (counts.of(future), counts)
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.counts.0[0].fetch_add(1, Ordering::SeqCst);
        self.inner.as_mut().poll(cx)
    }
}

impl<F> Drop for Counted<F> {
    fn drop(&mut self) {
        self.counts.0[1].fetch_add(1, Ordering::SeqCst);
    }
}
