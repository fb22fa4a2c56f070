//! Pinned, anybody may poll it.
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

fn main() {
    let mut work = pin!(umbel::scope(async |_: umbel::Scope<'_>| 1));
    assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}
