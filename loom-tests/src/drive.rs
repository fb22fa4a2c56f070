//! How a future is driven: the dimensions along which every scenario is varied.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;

/// One way to drive a future on a thread of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drive {
    /// Every poll brings a waker of its own, and only the last one counts.
    pub fresh_wakers: bool,
    /// So many polls that nobody has asked for.
    pub spurious: usize,
    /// Dropped when it has suspended so often.
    pub drop_after: Option<usize>,
}

/// Every combination of: one waker or fresh ones; no spurious poll or one; run to its end, or dropped
/// at its first or its second suspension.
pub fn drives() -> impl Iterator<Item = Drive> {
    [false, true].into_iter().flat_map(|fresh_wakers| {
        [0, 1].into_iter().flat_map(move |spurious| {
            let ends = [None, Some(1), Some(2)].into_iter();
            ends.map(move |drop_after| Drive { fresh_wakers, spurious, drop_after })
        })
    })
}

impl Drive {
    /// Polls a future to its end, or until it is to be dropped; then there is no output. A wake that is
    /// lost is a deadlock, which loom reports.
    pub fn run<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut alarm = Alarm::new();
        for suspended in 1.. {
            if let Poll::Ready(output) =
                future.as_mut().poll(&mut Context::from_waker(&alarm.waker()))
            {
                return Some(output);
            }
            if self.drop_after == Some(suspended) {
                return None;
            }
            if suspended > self.spurious {
                alarm.wait();
            }
            if self.fresh_wakers {
                alarm = Alarm::new();
            }
        }
        unreachable!("the count of suspensions has no end")
    }
}

impl fmt::Display for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.fresh_wakers { "fresh wakers" } else { "one waker" })?;
        if self.spurious > 0 {
            write!(f, ", {} spurious", self.spurious)?;
        }
        self.drop_after.map_or(Ok(()), |polls| write!(f, ", dropped at {polls}"))
    }
}

/// A waker, and the thread that waits for it. In std's `Arc`: one vtable, so that `will_wake` holds
/// from poll to poll.
struct Alarm(Arc<Bell>);

struct Bell(Notify);

impl Alarm {
    fn new() -> Self {
        Self(Arc::new(Bell(Notify::new())))
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    fn wait(&self) {
        self.0.0.wait();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify();
    }
}
