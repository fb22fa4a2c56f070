//! How scopes and children of the library end, as the script sees it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use umbel::{Cancelled, Reason};

use crate::script::Number;
use crate::view::{Cause, Outcome};

/// The error of a `try_scope`.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Of(Number),
    Cancelled(Cause),
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cause(cancelled.reason()))
    }
}

/// What a panic of that body carries.
pub(super) struct Boom(Number);

/// Panics, without a word from the panic hook.
pub(super) fn boom(number: Number) -> ! {
    std::panic::resume_unwind(Box::new(Boom(number)))
}

/// Whose panic it is.
pub(super) fn bang(payload: &(dyn Any + Send)) -> Number {
    match payload.downcast_ref::<Boom>() {
        Some(Boom(number)) => *number,
        None => panic!("a panic that no script has asked for: {}", text(payload)),
    }
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

/// Awaits what may panic.
pub(super) async fn caught<T>(
    work: impl Future<Output = T>,
    outcome: impl FnOnce(T) -> Outcome,
) -> Outcome {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(value) => outcome(value),
        Err(payload) => Outcome::Panicked(bang(&*payload)),
    }
}

pub(super) fn of_failure(failure: Failure) -> Outcome {
    match failure {
        Failure::Of(number) => Outcome::Failed(number),
        Failure::Cancelled(cause) => Outcome::Cancelled(cause),
    }
}

pub(super) fn of_child<T>(outcome: Result<T, Cancelled>) -> Outcome {
    match outcome {
        Ok(_) => Outcome::Value,
        Err(cancelled) => Outcome::Cancelled(cause(cancelled.reason())),
    }
}

pub(super) fn cause(reason: &Reason) -> Cause {
    let names = reason.unfinished().iter().filter_map(|child| child.name()?.parse().ok());
    let mut unfinished: Vec<Number> = names.collect();
    unfinished.sort_unstable();
    let message = reason.message().map(str::to_owned);
    Cause { kind: reason.kind(), message, unfinished }
}

/// The number in a [`Failure`] that is shown; the hook is given no more.
pub(super) fn number_in(error: Option<&dyn fmt::Debug>) -> Number {
    let text = format!("{error:?}");
    let digits = text.chars().filter(char::is_ascii_digit).collect::<String>();
    digits.parse().unwrap_or_else(|_| panic!("an error that no script has asked for: {text}"))
}
