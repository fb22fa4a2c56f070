//! A scope's future may borrow from itself, so it has to be pinned for good before it is polled.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

fn main() {
    let mut work = umbel::scope(async |_: umbel::Scope<'_>| 1);
    let _ = Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop()));
}
