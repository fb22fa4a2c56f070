//! Pinned, polled once, and then what it borrows is dropped: not while the future is still in use.
use std::future::{Future, pending};
use std::task::{Context, Waker};

fn main() {
    let mut cx = Context::from_waker(Waker::noop());
    let value = String::from("borrowed");
    let mut work = Box::pin(umbel::scope(async |s| {
        s.fork(async {
            pending::<()>().await;
            println!("{value}");
        });
        pending::<()>().await
    }));
    assert!(work.as_mut().poll(&mut cx).is_pending());
    drop(value);
    let _ = work.as_mut().poll(&mut cx);
    std::mem::forget(work);
}
