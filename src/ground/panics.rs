//! Panics of the user's code: caught where they surface, carried as values, resumed in the owner.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a panic carries, as the panicking code gave it.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs code of the user's and catches its panic.
///
/// `AssertUnwindSafe`: what the code leaves behind is dropped and never used again, and the panic
/// is resumed in the owner; a value that other code shares is as broken as after any panic.
#[inline]
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(code))
}

/// Lets a caught panic go on in the caller. The panic hook has run already and does not run again.
pub(crate) fn resume(payload: Payload) -> ! {
    resume_unwind(payload)
}

/// Drops a payload that nobody is to see: the first panic is the one that is resumed. The panic
/// hook has reported this one. A payload whose own destructor panics is stopped here.
pub(crate) fn discard(payload: Payload) {
    if let Err(second) = catch(|| drop(payload)) {
        // Dropping a payload panicked; its payload is leaked, as std itself does, to end the regress.
        std::mem::forget(second);
    }
}
