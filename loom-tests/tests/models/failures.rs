//! Failures: each comes out once, whoever is left to hear it.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll};

use loom_tests::{Bell, models};
use umbel::model::block_on;
use umbel::testing::{Explored, Model};
use umbel::{Cancelled, set_unhandled_hook};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failure {
    One,
    Two,
    Cancelled,
}

impl From<Cancelled> for Failure {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

type Reported = Arc<Mutex<Vec<String>>>;

/// What is reported from here on, in this execution.
fn reported() -> Reported {
    let reported = Reported::default();
    let told = Arc::clone(&reported);
    set_unhandled_hook(move |unhandled| {
        let error = unhandled.debug().map(|error| format!("{error:?}"));
        told.lock().unwrap().push(error.unwrap());
    });
    reported
}

/// I22: the body of a `try_scope` and its child fail at once. One error is returned and the other one
/// reported; or the child was cancelled first.
fn two_errors_bounded(model: Model) -> Explored {
    use Failure::{One, Two};
    let expected = [(One, "Two"), (Two, ""), (Two, "One")];
    model.floor(100).bounded(3).check(&expected, || {
        let reported = reported();
        let outcome = block_on(umbel::try_scope(async |s| {
            s.spawn(async { Err::<(), _>(One) });
            Err::<(), _>(Two)
        }));
        let reported = reported.lock().unwrap().join(" ");
        (outcome.unwrap_err(), known(&reported))
    })
}

fn known(reported: &str) -> &'static str {
    ["", "One", "Two"].into_iter().find(|known| *known == reported).unwrap()
}

/// I22: a child of a `try_scope` panics while its body fails. The panic is resumed and the error
/// reported; or the child was cancelled first, and the error is returned.
fn a_panic_and_an_error_bounded(model: Model) -> Explored {
    quiet();
    model.floor(50).bounded(3).check(&["error", "panic"], || {
        let reported = reported();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            block_on(umbel::try_scope(async |s| {
                s.spawn(async { panic_any(PANICS[0]) as Result<(), Failure> });
                Err::<(), _>(Failure::One)
            }))
        }));
        let reported = reported.lock().unwrap().join(" ");
        match outcome {
            Ok(outcome) => {
                assert_eq!((outcome, reported.as_str()), (Err(Failure::One), ""));
                "error"
            }
            Err(panic) => {
                assert_eq!((text(&*panic), reported.as_str()), (PANICS[0], "One"));
                "panic"
            }
        }
    })
}

/// I22: a child panics, and so does the body. One panic is resumed by the scope; the other one, if the
/// child was not cancelled before it, went to the hook.
fn two_panics_bounded(model: Model) -> Explored {
    quiet();
    let [one, two] = PANICS;
    model.floor(50).bounded(3).check(&[(one, 2), (two, 1), (two, 2)], || {
        PANICKED.set(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            block_on(umbel::scope(async |s| {
                s.spawn(async { panic_any(PANICS[0]) as () });
                // Unwinding must not come to a lock: loom's threads are one thread to std.
                drop(s);
                panic_any(PANICS[1])
            }))
        }))
        .unwrap_err();
        (text(&*panic), PANICKED.get())
    })
}

fn text(panic: &(dyn Any + Send)) -> &'static str {
    panic.downcast_ref::<&str>().unwrap()
}

const PANICS: [&str; 2] = ["one panics", "two panics"];

std::thread_local! {
    // All threads of a model are coroutines on the thread that runs it.
    static PANICKED: Cell<usize> = const { Cell::new(0) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Has the panic hook count the panics here, and say nothing of them.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match info.payload().downcast_ref::<&str>() {
            Some(text) if PANICS.contains(text) => {
                PANICKED.set(PANICKED.get() + 1);
            }
            _ => loud(info),
        }));
    });
}

/// I19, I22: the future of a `try_scope` is dropped while its child fails. The error is reported once: in
/// the drop, or when it comes; or there is none, because the child was cancelled first.
fn an_error_against_the_drop(model: Model) -> Explored {
    model.floor(50).check(&["", "One"], || {
        let reported = reported();
        FAILED.set(false);
        let mut scope = Box::pin(umbel::try_scope(async |s| {
            s.spawn(async {
                FAILED.set(true);
                Err::<(), _>(Failure::One)
            });
            pending::<Result<(), Failure>>().await
        }));
        let (_, waker) = Bell::new();
        let first = scope.as_mut().poll(&mut Context::from_waker(&waker));
        drop(scope);
        block_on(umbel::drain());
        let mut reported = reported.lock().unwrap().join(" ");
        if let Poll::Ready(outcome) = first {
            let returned = format!("{:?}", outcome.unwrap_err());
            reported.push_str(&returned);
        }
        assert_eq!(FAILED.get(), !reported.is_empty(), "an error is lost");
        known(&reported)
    })
}

models! { failures:
    two_errors_bounded,
    a_panic_and_an_error_bounded,
    two_panics_bounded,
    an_error_against_the_drop,
}
