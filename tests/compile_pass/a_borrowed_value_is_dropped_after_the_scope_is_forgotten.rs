//! Forgotten it is never polled and never dropped again, nor is the fork in it: harmless. Handles that
//! are left have no way to the borrow.
use std::future::{Future, pending};
use std::task::{Context, Waker};

struct Reads<'a>(&'a String);

impl Drop for Reads<'_> {
    fn drop(&mut self) {
        panic!("dropped after what it borrows: {}", self.0);
    }
}

fn main() {
    let mut cx = Context::from_waker(Waker::noop());
    let value = String::from("borrowed");
    let (work, handle) = umbel::scope(async |s| {
        for _ in 0..2 {
            let reads = Reads(&value);
            s.fork(async move {
                pending::<()>().await;
                drop(reads);
            });
        }
        pending::<()>().await
    })
    .with_handle();
    let mut work = Box::pin(work);
    assert!(work.as_mut().poll(&mut cx).is_pending());
    std::mem::forget(work);
    drop(value);
    handle.cancel();
    assert!(handle.is_cancelled());
    drop(handle);
}
