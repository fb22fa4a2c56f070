use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// A waker that counts: not part of what loom explores.
#[derive(Debug, Default)]
pub struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    /// A bell and the waker that rings it.
    #[must_use]
    pub fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    /// How often it rang.
    #[must_use]
    pub fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A waker that calls somebody.
pub fn waker_that(call: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Caller(call)))
}

struct Caller<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Caller<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}
