//! What nobody is left to hear is reported, each once (I22). One hook for the process: each test looks
//! for its own errors.
mod common;

use std::fmt;
use std::future::pending;
use std::sync::{Mutex, Once, PoisonError};

use common::{Gate, Log, boom, drive, panic_of, secs, settle};
use tokio::time::sleep;
use umbel::{
    Cancelled, Unhandled, UnhandledKind, drain, scope, set_unhandled_hook, shield, try_scope,
};

/// All that was reported in this process: what, and the line of the scope.
static REPORTED: Mutex<Vec<(String, u32)>> = Mutex::new(Vec::new());

fn on_unhandled(unhandled: &Unhandled<'_>) {
    let shown = format!("{:?}", unhandled.debug().expect("an error"));
    assert_eq!(unhandled.kind(), UnhandledKind::Error);
    let line = unhandled.location().line();
    REPORTED.lock().unwrap_or_else(PoisonError::into_inner).push((shown, line));
}

/// Takes what has been reported of the errors whose text begins with `mine`.
fn reported(mine: &str) -> Vec<(String, u32)> {
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    let (mine, others) = reported.drain(..).partition(|(shown, _)| shown.starts_with(mine));
    *reported = others;
    mine
}

/// The texts alone.
fn texts(mine: &str) -> Vec<String> {
    reported(mine).into_iter().map(|(shown, _)| shown).collect()
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_unhandled_hook(on_unhandled));
}

/// An error that cannot be copied.
struct Failure(&'static str);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl From<Cancelled> for Failure {
    fn from(_: Cancelled) -> Self {
        Self("cancelled")
    }
}

type Outcome<T = ()> = Result<T, Failure>;

/// Fails, after a shielded clean-up, some seconds after it was cancelled or started.
async fn cleans_up(seconds: u64, what: &'static str) -> Outcome {
    let cleanup = async {
        sleep(secs(seconds)).await;
        Err(Failure(what))
    };
    shield(secs(99), cleanup).await.expect("within the limit")
}

/// R14: the first error is returned; those of the clean-up that follows are reported, in order.
#[tokio::test(start_paused = true)]
async fn later_errors_are_reported_and_the_first_is_not() {
    listen();
    let line = line!() + 1;
    let outcome: Outcome = try_scope(async |s| {
        s.spawn(cleans_up(3, "later: third"));
        s.spawn(cleans_up(2, "later: second"));
        s.defer(secs(9), async { Err(Failure("later: finalizer")) });
        sleep(secs(1)).await;
        Err(Failure("later: first"))
    })
    .await;
    assert_eq!(outcome.unwrap_err().0, "later: first");
    let expected = ["later: second", "later: third", "later: finalizer"];
    assert_eq!(reported("later: "), expected.map(|what| (what.to_owned(), line)));
}

/// R14: a scope that returns a value, or the one error it had, has nothing to report.
#[tokio::test(start_paused = true)]
async fn what_is_returned_is_not_reported() {
    listen();
    let outcome: Outcome = try_scope(async |s| {
        s.spawn(async { Err::<(), _>(Failure("returned: one")) }).await?;
        Ok(())
    })
    .await;
    assert_eq!(outcome.unwrap_err().0, "returned: one");
    let all = try_scope(async |s| -> Outcome {
        s.spawn(cleans_up(2, "returned: two"));
        sleep(secs(1)).await;
        Err(Failure("returned: one"))
    })
    .collect_errors()
    .await;
    assert_eq!(all.unwrap_err().len(), 2);
    assert!(reported("returned: ").is_empty());
}

/// R14: a panic beats errors: it is resumed, and all of them are reported.
#[tokio::test(start_paused = true)]
async fn a_panic_beats_errors_and_they_are_reported() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("destructor");
        }
    }
    listen();
    let work = try_scope(async |s| -> Outcome {
        s.spawn(cleans_up(2, "panic: second"));
        s.spawn(async {
            let _bomb = Bomb;
            pending::<Outcome>().await
        });
        sleep(secs(1)).await;
        Err(Failure("panic: first"))
    });
    assert_eq!(panic_of(work).await, "destructor");
    assert_eq!(texts("panic: "), ["panic: first", "panic: second"]);
}

/// R18: dropped from outside: what has come is reported in the drop, and the rest when it comes.
#[tokio::test(start_paused = true)]
async fn a_dropped_scopes_errors_are_reported_before_and_after() {
    listen();
    let gate = Gate::new();
    scope(async |_| {
        let mut work = drive(try_scope(async |s| -> Outcome {
            s.spawn(cleans_up(2, "dropped: after"));
            s.defer(secs(9), async { Err(Failure("dropped: finalizer")) });
            gate.wait().await;
            Err(Failure("dropped: before"))
        }));
        work.pending();
        settle().await;
        gate.open();
        work.pending();
        assert!(reported("dropped: ").is_empty(), "its owner may still ask");
        drop(work);
        assert_eq!(texts("dropped: "), ["dropped: before"]);
    })
    .await
    .unwrap();
    // The enclosing scope has waited for the others.
    assert_eq!(texts("dropped: "), ["dropped: after", "dropped: finalizer"]);
}

/// R18: likewise where nobody waits: an orphan's error is reported when it comes.
#[tokio::test(start_paused = true)]
async fn an_orphans_error_is_reported() {
    listen();
    let mut work = Box::pin(try_scope(async |s| -> Outcome {
        s.spawn(cleans_up(2, "orphan: late"));
        pending().await
    }));
    assert!(tokio::time::timeout(secs(1), work.as_mut()).await.is_err());
    drop(work);
    assert!(reported("orphan: ").is_empty());
    drain().await;
    assert_eq!(texts("orphan: "), ["orphan: late"]);
}

/// R4: a scope in a cancelled one is dropped with the code around it, and so is not asked any more.
#[tokio::test(start_paused = true)]
async fn the_errors_of_a_scope_that_is_dropped_from_above_are_reported() {
    listen();
    let outcome = scope(async |outer| -> Outcome {
        try_scope(async |s| -> Outcome {
            s.fork(async {
                outer.cancel();
                Err::<(), _>(Failure("above: child"))
            });
            pending().await
        })
        .await
    })
    .await;
    assert!(outcome.is_err());
    assert_eq!(texts("above: "), ["above: child"]);
}

/// R14: an error that a scope passes on to another is one error.
#[tokio::test(start_paused = true)]
async fn nested_scopes_report_what_they_do_not_pass_on() {
    listen();
    let outer: Outcome = try_scope(async |s| {
        s.spawn(cleans_up(5, "nested: outer's second"));
        try_scope(async |s| {
            s.spawn(cleans_up(3, "nested: inner's second"));
            sleep(secs(1)).await;
            Err(Failure("nested: first"))
        })
        .await
    })
    .await;
    assert_eq!(outer.unwrap_err().0, "nested: first");
    assert_eq!(texts("nested: "), ["nested: inner's second", "nested: outer's second"]);
}

/// R19: a scope that is forgotten leaks its errors, as all that it has.
#[tokio::test(start_paused = true)]
async fn a_forgotten_scopes_errors_are_forgotten() {
    listen();
    let mut work = drive(try_scope(async |s| -> Outcome {
        s.spawn(async { Err::<(), _>(Failure("forgotten: child")) });
        Ok(())
    }));
    work.pending();
    settle().await;
    std::mem::forget(work);
    assert!(reported("forgotten: ").is_empty());
}

/// R24: what is deferred on a scope that has ended runs, and nobody waits for its error.
#[tokio::test(start_paused = true)]
async fn the_error_of_a_late_finalizer_is_reported() {
    listen();
    let mut handed_out = None;
    try_scope(async |s| -> Outcome {
        handed_out = Some(s);
        Ok(())
    })
    .await
    .unwrap();
    handed_out.unwrap().defer_unbounded(async { Err(Failure("finalizer: late")) });
    drain().await;
    assert_eq!(texts("finalizer: "), ["finalizer: late"]);
}

/// R18: neither the text nor the destructor of an error unwinds from where it is reported.
#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_it_is_reported_stops_nobody() {
    struct Nasty(Option<Log>);
    impl From<Cancelled> for Nasty {
        fn from(_: Cancelled) -> Self {
            unreachable!("it has failed")
        }
    }
    impl fmt::Debug for Nasty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {
                Some(_) => f.write_str("nasty: shown"),
                None => boom("text"),
            }
        }
    }
    impl Drop for Nasty {
        fn drop(&mut self) {
            if let Some(log) = &self.0 {
                log.add("dropped");
                boom("destructor");
            }
        }
    }
    listen();
    let (log, gate) = (Log::new(), Gate::new());
    let mut work = drive(try_scope(async |s| -> Result<(), Nasty> {
        for log in [Some(log.clone()), None, Some(log.clone())] {
            let turn = gate.wait();
            s.fork(async move {
                shield(secs(9), turn).await.expect("within the limit");
                Err::<(), _>(Nasty(log))
            });
        }
        shield(secs(9), pending::<()>()).await.expect("dropped before");
        Ok(())
    }));
    work.pending();
    gate.open();
    work.pending();
    drop(work);
    assert_eq!((texts("nasty: ").len(), log.count("dropped")), (2, 2));
}
