//! Futures that are polled together, each with a waker of its own: futures-util's set, or in models one
//! whose queue loom can see. (What orders a wake before the poll that it causes has to be a lock of loom's;
//! else a poll may miss in a model what it cannot miss in truth.)

#[cfg(not(any(umbel_loom, loom)))]
pub(crate) use futures_util::stream::FuturesUnordered as Set;
#[cfg(any(umbel_loom, loom))]
pub(crate) use model::Set;

#[cfg(any(umbel_loom, loom))]
mod model {
    use std::collections::VecDeque;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    use futures_util::stream::Stream;
    use slab::Slab;

    use crate::ground::sync::Lock;

    /// As far as it is needed here, what `FuturesUnordered` is.
    pub(crate) struct Set<F> {
        futures: Slab<(F, Waker)>,
        queue: Arc<Lock<Queue>>,
    }

    #[derive(Default)]
    struct Queue {
        ready: VecDeque<usize>,
        waker: Option<Waker>,
    }

    /// One of the futures, to be woken.
    struct Member {
        key: usize,
        queue: Arc<Lock<Queue>>,
    }

    impl Wake for Member {
        fn wake(self: Arc<Self>) {
            let mut queue = self.queue.lock();
            if !queue.ready.contains(&self.key) {
                queue.ready.push_back(self.key);
            }
            let waker = queue.waker.take();
            drop(queue);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    impl<F> Set<F> {
        pub(crate) fn is_empty(&self) -> bool {
            self.futures.is_empty()
        }

        fn push(&mut self, future: F) {
            let entry = self.futures.vacant_entry();
            let key = entry.key();
            let member = Member { key, queue: Arc::clone(&self.queue) };
            entry.insert((future, Waker::from(Arc::new(member))));
            self.queue.lock().ready.push_back(key);
        }
    }

    impl<F: Future + Unpin> Stream for Set<F> {
        type Item = F::Output;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
            let this = &mut *self;
            let old = this.queue.lock().waker.replace(cx.waker().clone());
            drop(old);
            while let Some(key) = next(&this.queue) {
                let Some((future, waker)) = this.futures.get_mut(key) else { continue };
                if let Poll::Ready(output) = Pin::new(future).poll(&mut Context::from_waker(waker))
                {
                    drop(this.futures.remove(key));
                    return Poll::Ready(Some(output));
                }
            }
            if this.is_empty() { Poll::Ready(None) } else { Poll::Pending }
        }
    }

    fn next(queue: &Lock<Queue>) -> Option<usize> {
        queue.lock().ready.pop_front()
    }

    impl<F> Default for Set<F> {
        fn default() -> Self {
            Self { futures: Slab::new(), queue: Arc::new(Lock::new(Queue::default())) }
        }
    }

    impl<F> Extend<F> for Set<F> {
        fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
            futures.into_iter().for_each(|future| self.push(future));
        }
    }

    impl<F> FromIterator<F> for Set<F> {
        fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
            let mut set = Self::default();
            set.extend(futures);
            set
        }
    }

    impl<F> IntoIterator for Set<F> {
        type Item = F;
        type IntoIter = std::vec::IntoIter<F>;

        fn into_iter(self) -> Self::IntoIter {
            let futures: Vec<F> = self.futures.into_iter().map(|(_, (future, _))| future).collect();
            futures.into_iter()
        }
    }

    impl<'a, F> IntoIterator for &'a mut Set<F> {
        type Item = &'a mut F;
        type IntoIter = std::vec::IntoIter<&'a mut F>;

        fn into_iter(self) -> Self::IntoIter {
            let futures: Vec<_> = self.futures.iter_mut().map(|(_, (future, _))| future).collect();
            futures.into_iter()
        }
    }
}
