use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::sync::{Mutex, MutexGuard};

/// Something that happens once, on whichever thread, and that others wait for.
#[derive(Clone)]
pub struct Event(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    has_happened: bool,
    waker: Option<Waker>,
}

impl Event {
    /// It has not happened yet.
    #[expect(clippy::new_without_default, reason = "a default would be a surprise")]
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State::default())))
    }

    /// Now it has.
    pub fn happen(&self) {
        let mut state = self.lock();
        state.has_happened = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("a thread of the model has panicked")
    }
}

impl Future for Event {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.has_happened {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
