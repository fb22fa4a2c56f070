//! Panics of the user's code: caught where they surface, carried as values, resumed in the owner.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// What a panic carries, as the panicking code gave it.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs code of the user's and catches its panic.
///
/// `AssertUnwindSafe`: what the code leaves behind is dropped and never used again, and the panic
/// is resumed in the owner; a value that other code shares is as broken as after any panic.
#[inline]
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Payload> {
    let result = catch_unwind(AssertUnwindSafe(code));
    #[cfg(any(umbel_loom, loom))]
    let result = result.map_err(pass_on_what_is_looms);
    result
}

/// loom ends the threads of a failed execution by a panic of its own, and reports a deadlock by one.
#[cfg(any(umbel_loom, loom))]
fn pass_on_what_is_looms(payload: Payload) -> Payload {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    match text.or_else(|| payload.downcast_ref::<&str>().copied()) {
        Some(text) if !text.starts_with("deadlock") => payload,
        _ => resume_unwind(payload),
    }
}

/// Wakes. A waker is foreign code: if it panics, the panic hook reports it, and that is all, because
/// whoever wakes has others to wake and a tree to leave in order.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch(|| waker.wake()) {
        discard(payload);
    }
}

/// Drops something foreign, with the same care.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch(|| drop(value)) {
        discard(payload);
    }
}

/// Lets a caught panic go on in the caller. The panic hook has run already and does not run again.
pub(crate) fn resume(payload: Payload) -> ! {
    resume_unwind(payload)
}

/// What a panic says, if it says it as `panic!` does.
pub(crate) fn text(payload: &Payload) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a payload that is no text")
}

/// Keeps a panic if it is the first: that one is resumed. Gives a later one back, to be discarded with
/// no lock held.
pub(crate) fn keep_first(slot: &mut Option<Payload>, panic: Payload) -> Option<Payload> {
    if slot.is_some() {
        return Some(panic);
    }
    *slot = Some(panic);
    None
}

/// Drops a payload that nobody is to see: the first panic is the one that is resumed. The panic
/// hook has reported this one. A payload whose own destructor panics is stopped here.
pub(crate) fn discard(payload: Payload) {
    if let Err(second) = catch(|| drop(payload)) {
        // Dropping a payload panicked; its payload is leaked, as std itself does, to end the regress.
        std::mem::forget(second);
    }
}

#[cfg(all(test, not(any(umbel_loom, loom, umbel_shuttle))))]
mod tests {
    use super::*;

    /// Panics when it is dropped, with a payload that does so too.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                resume_unwind(Box::new(Bomb(self.0 - 1)));
            }
        }
    }

    #[test]
    fn a_payload_that_panics_when_dropped_goes_no_further() {
        for fuse in 0..3 {
            assert!(catch_unwind(|| discard(Box::new(Bomb(fuse)))).is_ok());
            assert!(catch_unwind(|| drop_quietly(Bomb(fuse))).is_ok());
        }
    }

    #[test]
    fn the_first_panic_is_kept_and_a_later_one_given_back() {
        let mut slot = None;
        assert!(keep_first(&mut slot, Box::new(1)).is_none());
        let later = keep_first(&mut slot, Box::new(2));
        let number = |payload: Option<Payload>| payload.and_then(|it| it.downcast_ref().copied());
        assert_eq!((number(slot), number(later)), (Some(1), Some(2)));
    }
}
