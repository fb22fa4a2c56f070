//! `try_scope`: the first error cancels the others and is returned when all have ended (R14).
mod common;

use std::cell::Cell;
use std::future::{pending, ready};
use std::task::Poll;

use common::{Counts, Log, boom, drive, panic_of, secs, settle};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep};
use umbel::{
    CancelScope, Cancelled, Kind, TryScope, check, checkpoint, scope, shield, task, try_scope,
};

/// An error that cannot be copied, and counts how often it was made of a cancellation.
#[derive(Debug)]
enum Failure {
    Of(&'static str),
    Cancelled(Kind),
}

thread_local! {
    static CONVERTED: Cell<usize> = const { Cell::new(0) };
}

/// How many cancellations this test has made an error of.
fn converted() -> usize {
    CONVERTED.get()
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        CONVERTED.set(converted() + 1);
        Self::Cancelled(cancelled.reason().kind())
    }
}

type Outcome<T = ()> = Result<T, Failure>;

/// The text of an error that somebody made.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "it reads as an outcome that is taken")]
fn what<T>(outcome: Outcome<T>) -> &'static str {
    match outcome {
        Err(Failure::Of(what)) => what,
        Err(Failure::Cancelled(kind)) => panic!("cancelled: {kind}"),
        Ok(_) => panic!("no error"),
    }
}

/// The kind of a cancellation that became an error.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "as above")]
fn kind<T>(outcome: Outcome<T>) -> Kind {
    match outcome {
        Err(Failure::Cancelled(kind)) => kind,
        Err(Failure::Of(what)) => panic!("an error: {what}"),
        Ok(_) => panic!("no error"),
    }
}

/// R14: a spawned child's error stops the body and the siblings, and comes out when all are gone.
#[tokio::test(start_paused = true)]
async fn the_first_error_cancels_the_others_and_is_returned_after_they_have_ended() {
    let log = Log::new();
    let (spawned, forked) = (log.guard("spawned"), log.guard("forked"));
    let start = Instant::now();
    let outcome: Outcome = try_scope(async |s| {
        s.spawn(async move {
            let _guard = spawned;
            pending().await
        }) as umbel::Child<()>;
        s.fork(async move {
            let _guard = forked;
            pending().await
        }) as umbel::Child<()>;
        s.spawn(async {
            sleep(secs(1)).await;
            Err::<(), _>(Failure::Of("child"))
        });
        let _body = log.guard("body");
        pending().await
    })
    .await;
    assert_eq!((what(outcome), start.elapsed()), ("child", secs(1)));
    let mut all = log.all();
    all.sort_unstable();
    assert_eq!(all, ["body", "forked", "spawned"]);
}

/// R14: a forked child's error, poll by poll: in the poll in which it fails all is over.
#[test]
fn a_forked_childs_error_ends_the_scope_in_the_same_poll() {
    let (body, sibling, gate) = (Counts::new(), Counts::new(), common::Gate::new());
    let mut work = drive(try_scope(async |s| -> Outcome {
        s.fork(sibling.of(pending::<Outcome>()));
        s.fork(async {
            gate.wait().await;
            Err::<(), _>(Failure::Of("fork"))
        });
        body.of(pending()).await
    }));
    work.pending();
    work.wakes(); // The set of forks wakes itself when it has polled all.
    gate.open();
    assert_eq!(work.wakes(), 1);
    assert_eq!(what(work.ready()), "fork");
    assert_eq!((body.both(), sibling.both()), ((2, 1), (1, 1)));
}

/// R14: an error of the body ends its children first.
#[tokio::test(start_paused = true)]
async fn the_bodys_error_cancels_its_children() {
    let child = Counts::new();
    let pending = child.of(pending::<Outcome>());
    let outcome: Outcome = try_scope(async |s| {
        s.spawn(pending);
        settle().await;
        Err(Failure::Of("body"))
    })
    .await;
    assert_eq!((what(outcome), child.both()), ("body", (1, 1)));
}

/// R14: a value of the body does not hide the error of a child; the value is dropped.
#[tokio::test(start_paused = true)]
async fn a_childs_error_beats_the_bodys_value() {
    let log = Log::new();
    let value = log.guard("value");
    let outcome = try_scope(async |s| {
        s.spawn(async {
            sleep(secs(1)).await;
            Err::<(), _>(Failure::Of("late"))
        });
        Ok(value)
    })
    .await;
    assert_eq!((what(outcome), log.all()), ("late", vec!["value"]));
}

/// R3, R12: without an error the body's value is returned when the children have ended.
#[tokio::test(start_paused = true)]
async fn without_an_error_it_is_a_scope() {
    let start = Instant::now();
    let outcome: Outcome<u32> = try_scope(async |s| {
        s.named("slow").spawn(async {
            sleep(secs(2)).await;
            Ok(())
        });
        let (one, two) = (s.spawn(async { Ok(1) }), s.fork(async { Ok(2) }));
        assert_eq!(s.picture().to_string().matches("\"slow\"").count(), 1);
        Ok(one.await? + two.await?)
    })
    .await;
    assert_eq!((outcome.unwrap(), start.elapsed(), converted()), (3, secs(2), 0));
}

/// R1, I1: each failure counts one on the scope, and nowhere else. A failure in a clean-up counts too.
#[tokio::test(start_paused = true)]
async fn a_failure_is_one_request_to_its_scope() {
    scope(async |outer| {
        let (work, handle) = try_scope(async |s| -> Outcome {
            let cleaning = s.spawn(async {
                let cleaned = shield(secs(9), async {
                    sleep(secs(2)).await;
                    Err::<(), _>(Failure::Of("second"))
                });
                cleaned.await.unwrap()
            });
            let failing = s.spawn(async {
                sleep(secs(1)).await;
                Err::<(), _>(Failure::Of("first"))
            });
            let (_one, _two) = tokio::join!(cleaning, failing);
            Ok(())
        })
        .with_handle();
        assert_eq!(what(work.await), "first");
        assert_eq!((handle.cancel_count(), outer.cancel_count()), (2, 0));
        assert_eq!(task::current().cancel_count(), 0);
        assert!(!outer.is_cancelled() && handle.is_cancelled());
    })
    .await
    .unwrap();
}

/// R8: the reason is that a child failed, and where it was started; the failed child's own is no other.
#[tokio::test(start_paused = true)]
async fn the_reason_is_that_a_child_failed() {
    let mut handles = Vec::new();
    let mut line = 0;
    let (work, handle) = try_scope(async |s| {
        handles.push(s.spawn(pending::<Outcome>()));
        line = line!() + 1;
        handles.push(s.spawn(async { Err::<(), _>(Failure::Of("child")) }));
        handles.push(s.fork(pending::<Outcome>()));
        pending::<Outcome>().await
    })
    .with_handle();
    assert_eq!(what(work.await), "child");
    let reason = handle.reason().unwrap();
    assert_eq!((reason.kind(), reason.location().line()), (Kind::ChildFailed, line));
    for child in handles {
        assert_eq!((child.is_finished(), child.cancel_count()), (true, 0));
        let cancelled = child.await.unwrap_err();
        assert_eq!(cancelled.reason().kind(), Kind::ChildFailed);
        assert_eq!(cancelled.reason().location().line(), line);
    }
}

/// I22: awaiting the child that failed makes no second error of the cancellation.
#[tokio::test(start_paused = true)]
async fn a_failed_child_that_is_awaited_is_no_second_error() {
    for forked in [true, false] {
        let outcome: Outcome = try_scope(async |s| {
            let failing = async {
                checkpoint().await;
                Err(Failure::Of("child"))
            };
            let child = if forked { s.fork(failing) } else { s.spawn(failing) };
            child.await?;
            unreachable!("it has no value");
        })
        .await;
        assert_eq!((what(outcome), converted()), ("child", 0));
    }
}

/// I22: nor in the one poll in which the child has ended and the body is not dropped yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cancelled_in_the_middle_of_a_poll_is_not_told_either() {
    for _ in 0..200 {
        let outcome: Outcome = try_scope(async |s| {
            let child = s.spawn(async { Err::<(), _>(Failure::Of("child")) });
            while !child.is_finished() {
                std::hint::spin_loop();
            }
            child.await?;
            unreachable!("it has no value");
        })
        .await;
        assert_eq!((what(outcome), converted()), ("child", 0));
    }
}

/// I22: a child that was refused because the scope is cancelled: the same.
#[tokio::test(start_paused = true)]
async fn a_refused_child_that_is_awaited_is_no_error() {
    let (work, handle) = try_scope(async |s| -> Outcome {
        s.cancel();
        s.spawn(async { Ok(()) }).await?;
        unreachable!("it has no value");
    })
    .with_handle();
    assert_eq!((kind(work.await), converted()), (Kind::Explicit, 1));
    assert_eq!(handle.cancel_count(), 1, "it was cancelled, and has not failed");
}

/// R10: code that is shielded is not about to be dropped, and is told.
#[tokio::test(start_paused = true)]
async fn who_is_shielded_is_told() {
    let log = Log::new();
    let outcome: Outcome = try_scope(async |s| {
        let child = s.spawn(async { Err::<(), _>(Failure::Of("child")) });
        shield(secs(9), async {
            assert_eq!(child.await.unwrap_err().reason().kind(), Kind::ChildFailed);
            log.add("told");
        })
        .await
        .unwrap();
        pending().await
    })
    .await;
    assert_eq!((what(outcome), log.all()), ("child", vec!["told"]));
}

/// R23: who asked in a cancelled scope, and goes on outside of it, is woken and told.
#[tokio::test(start_paused = true)]
async fn who_is_carried_out_of_a_cancelled_scope_is_told() {
    let mut handles = FuturesUnordered::new();
    try_scope(async |s| -> Outcome {
        let child = s.spawn(pending::<Outcome>());
        child.cancel();
        handles.push(child);
        Ok(())
    })
    .await
    .unwrap();
    let asked = scope(async |s| {
        s.cancel();
        assert!(futures_util::poll!(handles.next()).is_pending());
        checkpoint().await;
    });
    assert!(asked.await.is_err());
    let told = tokio::time::timeout(secs(1), handles.next()).await.unwrap().unwrap();
    assert_eq!(told.unwrap_err().reason().kind(), Kind::Explicit);
}

/// R14: a child that was cancelled alone is no failure, unless somebody makes one of it.
#[tokio::test(start_paused = true)]
async fn a_child_that_is_cancelled_alone_has_not_failed() {
    let outcome: Outcome<Kind> = try_scope(async |s| {
        let (one, two) = (s.spawn(pending::<Outcome>()), s.spawn(async { Ok(()) }));
        one.cancel();
        two.await?;
        Ok(one.await.unwrap_err().reason().kind())
    })
    .await;
    assert_eq!((outcome.unwrap(), converted()), (Kind::Explicit, 0));
    let outcome: Outcome = try_scope(async |s| {
        let one = s.spawn(pending::<Outcome>());
        one.cancel();
        Ok(one.await?)
    })
    .await;
    assert_eq!((kind(outcome), converted()), (Kind::Explicit, 1));
}

/// A scope that was itself cancelled makes one error of that.
#[tokio::test(start_paused = true)]
async fn a_cancelled_scope_gives_an_error_made_of_that() {
    let cancelled: Outcome = try_scope(async |s| {
        s.spawn(pending::<Outcome>());
        s.cancel();
        pending().await
    })
    .await;
    assert_eq!((kind(cancelled), converted()), (Kind::Explicit, 1));
    let late: Outcome = try_scope(async |_| pending().await).timeout(secs(2)).await;
    assert_eq!((kind(late), converted()), (Kind::Deadline, 2));
    let late: Outcome =
        try_scope(async |_| pending().await).deadline(Instant::now() + secs(2)).await;
    assert_eq!((kind(late), converted()), (Kind::Deadline, 3));
    let (work, handle) = try_scope(async |_| -> Outcome { Ok(()) }).name("never").with_handle();
    handle.cancel();
    assert_eq!((kind(work.await), handle.name().as_deref()), (Kind::Explicit, Some("never")));
}

/// R3: a value of the body wins over the cancellation, and an error over both.
#[tokio::test(start_paused = true)]
async fn an_error_beats_a_cancellation_at_the_same_moment() {
    let value: Outcome<u8> = try_scope(async |s| {
        s.cancel();
        Ok(7)
    })
    .await;
    assert_eq!(value.unwrap(), 7);
    let error: Outcome = try_scope(async |s| {
        s.cancel();
        Err(Failure::Of("body"))
    })
    .await;
    assert_eq!(what(error), "body");
    let (error, handle) = try_scope(async |s| -> Outcome {
        let mine = s.clone();
        s.fork(async move {
            mine.cancel();
            Err::<(), _>(Failure::Of("child"))
        });
        pending().await
    })
    .with_handle();
    assert_eq!((what(error.await), converted()), ("child", 0));
    assert_eq!((handle.cancel_count(), handle.reason().unwrap().kind()), (2, Kind::Explicit));
}

/// R3, R5: an error in the poll in which an enclosing scope is cancelled is a value there: it goes
/// through, and the enclosing scope has been called and has absorbed nothing.
#[tokio::test(start_paused = true)]
async fn an_error_goes_through_a_scope_that_is_cancelled_at_the_same_moment() {
    let (work, outer) = scope(async |outer| {
        try_scope(async |_| -> Outcome {
            outer.cancel();
            Err(Failure::Of("body"))
        })
        .await
    })
    .with_handle();
    assert_eq!(what(work.await.expect("not absorbed")), "body");
    assert_eq!((outer.cancel_count(), outer.is_cancelled()), (1, true));
}

/// R9: what the body makes of its own questions is its own.
#[tokio::test(start_paused = true)]
async fn a_check_in_a_cancelled_body_is_an_error_of_the_body() {
    let outcome: Outcome = try_scope(async |s| {
        s.cancel();
        check()?;
        unreachable!("it is cancelled");
    })
    .await;
    assert_eq!((kind(outcome), converted()), (Kind::Explicit, 1));
}

/// R14: a supervised child's outcome is its handle's alone.
#[tokio::test(start_paused = true)]
async fn a_supervised_child_cancels_nobody() {
    let (work, handle) = try_scope(async |s| {
        let failed = s.supervised().spawn(async { Err::<u8, _>("a value") });
        let forked = s.supervised().fork(async { Err::<u8, _>("another") });
        let sibling = s.spawn(async {
            sleep(secs(1)).await;
            Ok(())
        });
        let pair = (failed.await?, forked.await?);
        sibling.await?;
        Outcome::Ok(pair)
    })
    .with_handle();
    assert_eq!(work.await.unwrap(), (Err("a value"), Err("another")));
    assert_eq!(handle.cancel_count(), 0);
}

/// R14: the handle of a supervised child says at once that it has no value, also to who is cancelled.
#[tokio::test(start_paused = true)]
async fn a_supervised_child_is_a_plain_child() {
    let outcome: Outcome<Kind> = try_scope(async |s| {
        s.cancel();
        Ok(s.supervised().spawn(async {}).await.unwrap_err().reason().kind())
    })
    .await;
    assert_eq!(outcome.unwrap(), Kind::Explicit);
}

/// R1, R14: an inner scope's failure is the inner one's, until its error is passed on.
#[tokio::test(start_paused = true)]
async fn nested_scopes_fail_one_by_one() {
    let mut counts = Vec::new();
    let (outer, handle) = try_scope(async |s| -> Outcome {
        s.spawn(pending::<Outcome>());
        let (inner, handle) = try_scope(async |s| -> Outcome {
            s.spawn(async { Err::<(), _>(Failure::Of("inner")) });
            pending().await
        })
        .with_handle();
        let inner = inner.await;
        counts.push((handle.cancel_count(), s.cancel_count(), s.is_cancelled()));
        inner
    })
    .with_handle();
    assert_eq!(what(outer.await), "inner");
    assert_eq!((counts, handle.cancel_count()), (vec![(1, 0, false)], 1));
}

/// R14: children started by children, through a clone and through a spawner, fail the same scope.
#[tokio::test(start_paused = true)]
async fn whoever_started_it_an_error_goes_to_its_scope() {
    let outcome: Outcome = try_scope(async |s: TryScope<'static, _>| {
        let mine = s.clone();
        s.spawn(async move {
            let spawner = mine.spawner();
            mine.spawn(async move {
                spawner.clone().spawn(async { Err::<(), _>(Failure::Of("grandchild")) });
                Ok(())
            });
            Ok(())
        });
        pending().await
    })
    .await;
    assert_eq!(what(outcome), "grandchild");
}

/// R15: a service's error is the scope's.
#[tokio::test(start_paused = true)]
async fn a_services_error_is_the_scopes() {
    let start = Instant::now();
    let outcome: Outcome = try_scope(async |s| {
        s.service(pending::<Outcome>());
        s.named("beat").service(async {
            sleep(secs(1)).await;
            Err::<(), _>(Failure::Of("service"))
        });
        pending().await
    })
    .await;
    assert_eq!((what(outcome), start.elapsed()), ("service", secs(1)));
    let outcome: Outcome<u8> = try_scope(async |s| {
        s.service(pending::<Outcome>());
        Ok(5)
    })
    .await;
    assert_eq!((outcome.unwrap(), converted()), (5, 0));
}

/// R16: a finalizer's error is the scope's, whatever the body has returned.
#[tokio::test(start_paused = true)]
async fn a_finalizers_error_is_the_scopes() {
    let (work, handle) = try_scope(async |s| {
        s.defer_unbounded(async { Ok(()) });
        s.defer(secs(5), async {
            sleep(secs(1)).await;
            Err(Failure::Of("finalizer"))
        });
        Ok(())
    })
    .with_handle();
    assert_eq!((what(work.await), handle.cancel_count()), ("finalizer", 1));
}

/// R17: a failure is not softened by a grace; a request is.
#[tokio::test(start_paused = true)]
async fn a_failure_is_granted_no_grace() {
    let start = Instant::now();
    let outcome: Outcome = try_scope(async |s| {
        s.spawn(async { Err::<(), _>(Failure::Of("child")) });
        umbel::stopping().await;
        sleep(secs(1)).await;
        unreachable!("it is cancelled");
    })
    .grace(secs(9))
    .await;
    assert_eq!((what(outcome), start.elapsed()), ("child", secs(0)));
    let outcome: Outcome = try_scope(async |s| {
        s.cancel();
        umbel::stopping().await;
        sleep(secs(1)).await;
        Ok(())
    })
    .grace(secs(9))
    .await;
    assert_eq!((outcome.is_ok(), start.elapsed()), (true, secs(1)));
}

/// R14: a panic beats errors, whichever was first.
#[tokio::test(start_paused = true)]
async fn a_panic_beats_an_error() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("destructor");
        }
    }
    let panic = panic_of(try_scope(async |s| -> Outcome {
        s.spawn(async {
            let _bomb = Bomb;
            pending::<Outcome>().await
        });
        settle().await;
        Err(Failure::Of("was first"))
    }))
    .await;
    assert_eq!(panic, "destructor");
    let panic = panic_of(try_scope(async |s| -> Outcome {
        s.fork(async { Err::<(), _>(Failure::Of("of the same moment")) });
        boom("body")
    }))
    .await;
    assert_eq!(panic, "body");
}

/// R14: the value that an error beats has a destructor: if that panics, so does the scope.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_dropped_value_comes_out() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom("value");
        }
    }
    let work = try_scope(async |s| {
        s.fork(async { Err::<(), _>(Failure::Of("child")) });
        Ok(Bomb)
    });
    assert_eq!(panic_of(work).await, "value");
}

/// R6: cancelled before its first turn a child is not polled, and has not failed.
#[tokio::test(start_paused = true)]
async fn what_does_not_start_does_not_fail() {
    let never = Counts::new();
    let outcome: Outcome = try_scope(async |s| {
        let failing = never.of(ready(Err::<(), _>(Failure::Of("never"))));
        s.spawn(failing);
        Err(Failure::Of("body"))
    })
    .await;
    assert_eq!((what(outcome), never.both()), ("body", (0, 1)));
}

/// An error is moved, from the child to whoever awaits the scope, and never copied.
#[tokio::test(start_paused = true)]
async fn an_error_keeps_its_identity() {
    #[derive(Debug)]
    struct Own(Box<u8>);
    impl From<Cancelled> for Own {
        fn from(_: Cancelled) -> Self {
            unreachable!("nobody cancels")
        }
    }
    let token = Box::new(1);
    let address = std::ptr::from_ref(&*token).addr();
    let Err(Own(token)) = try_scope(async |s| -> Result<(), Own> {
        s.spawn(async move { Err::<(), _>(Own(token)) });
        pending().await
    })
    .await
    else {
        unreachable!("it has failed")
    };
    assert_eq!(std::ptr::from_ref(&*token).addr(), address);
}

/// Errors that borrow: in forks, which may; and a type that is not `Send`: in a body without children.
#[tokio::test(start_paused = true)]
async fn an_error_may_borrow_or_stay_on_its_thread() {
    #[derive(Debug, PartialEq)]
    enum Borrowed<'a> {
        Word(&'a str),
        Cancelled,
    }
    impl From<Cancelled> for Borrowed<'_> {
        fn from(_: Cancelled) -> Self {
            Self::Cancelled
        }
    }
    #[derive(Debug)]
    struct Local(std::rc::Rc<u8>);
    impl From<Cancelled> for Local {
        fn from(_: Cancelled) -> Self {
            Self(std::rc::Rc::new(0))
        }
    }
    let text = String::from("one two");
    let mut seen = 0;
    let outcome = try_scope(async |s| -> Result<(), Borrowed<'_>> {
        s.fork(async {
            seen += 1;
            Err::<(), _>(Borrowed::Word(&text[4..]))
        });
        pending().await
    })
    .await;
    assert_eq!((outcome, seen), (Err(Borrowed::Word("two")), 1));
    let outcome: Result<(), _> = try_scope(async |_| Err(Local(std::rc::Rc::new(7)))).await;
    assert_eq!(*outcome.unwrap_err().0, 7);
}

/// `?` with `anyhow` and `eyre`, in the body, in children, and around the scope.
#[tokio::test(start_paused = true)]
async fn errors_of_any_sort_pass_through_question_marks() {
    async fn with_anyhow(text: &str) -> anyhow::Result<u32> {
        let sum = try_scope(async |s| -> anyhow::Result<u32> {
            let five = s.spawn(async { Ok("5".parse::<u32>()?) });
            let forked = s.fork(async { Ok(text.parse::<u32>()?) });
            Ok(five.await? + forked.await?)
        })
        .await?;
        Ok(sum)
    }
    async fn with_eyre(text: &str) -> eyre::Result<u32> {
        try_scope(|s| async move {
            let child = s.fork(async { Ok(text.parse::<u32>()?) });
            Ok(child.await?)
        })
        .await
    }
    assert_eq!(with_anyhow("7").await.unwrap(), 12);
    assert!(with_anyhow("x").await.unwrap_err().is::<std::num::ParseIntError>());
    assert_eq!(with_eyre("7").await.unwrap(), 7);
    assert!(with_eyre("x").await.unwrap_err().is::<std::num::ParseIntError>());
    let late: anyhow::Result<u8> = try_scope(async |_| Ok(pending().await)).timeout(secs(1)).await;
    let cancelled = late.unwrap_err().downcast::<Cancelled>().unwrap();
    assert_eq!(cancelled.reason().kind(), Kind::Deadline);
}

/// R13: in a spawned task, in every way in which a body can be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_try_scope_can_be_spawned() {
    let work = try_scope(async |s: TryScope<'static, anyhow::Error>| {
        let child = s.spawn(async { Ok(1) });
        Ok(child.await? + s.fork(async { Ok(2) }).await?)
    });
    assert_eq!(tokio::spawn(work).await.unwrap().unwrap(), 3);
    let work = try_scope(|s| async move {
        s.named("forked").fork(async { Err::<u8, _>(Failure::Of("forked")) }).await?;
        Ok(())
    });
    assert_eq!(what(tokio::spawn(work).await.unwrap()), "forked");
    let nested = async {
        let mut halves = [1, 2, 3, 4];
        let (left, right) = halves.split_at_mut(2);
        try_scope(async |s| {
            s.fork(async move {
                left.reverse();
                Ok(())
            });
            try_scope(async |inner| -> Outcome {
                inner.fork(async move {
                    right.reverse();
                    Ok(())
                });
                Ok(())
            })
            .await
        })
        .await
        .map(|()| halves)
    };
    assert_eq!(tokio::spawn(nested).await.unwrap().unwrap(), [2, 1, 4, 3]);
}

/// R1: in whichever task: the failure of a child of a `try_scope` in a child does not reach upwards.
#[tokio::test(start_paused = true)]
async fn a_failure_in_a_task_below_stays_below() {
    let outcome: Outcome<&str> = try_scope(async |s| {
        let child = s.spawn(async {
            let inner = try_scope(async |s| -> Outcome {
                s.spawn(async { Err::<(), _>(Failure::Of("below")) });
                pending().await
            })
            .await;
            assert!(!CancelScope::current().unwrap().is_cancelled());
            assert_eq!(task::current().cancel_count(), 0);
            Ok(what(inner))
        });
        Ok(child.await?)
    })
    .await;
    assert_eq!(outcome.unwrap(), "below");
}

/// R20: polled by hand: the futures say what they are, and a deadline needs no child.
#[test]
fn futures_and_handles_can_be_shown() {
    let mut work = drive(try_scope(async |s| -> Outcome {
        assert!(format!("{s:?}").starts_with("TryScope(CancelScope"), "{s:?}");
        assert!(format!("{:?}", s.spawner()).starts_with("TrySpawner("));
        assert!(format!("{:?}", s.named("x")).starts_with("TryNamed("));
        Ok(())
    }));
    assert!(format!("{:?}", work.future()).starts_with("TryScopeFuture("));
    assert!(matches!(work.poll(), Poll::Ready(Ok(()))));
}

/// R14: the error of a blocking child, of a pinned one, and of one in a bounded place is the scope's.
#[tokio::test]
async fn errors_of_children_of_all_sorts_are_the_scopes() {
    for sort in ["blocking", "pinned", "reserved", "reserved fork"] {
        let outcome: Result<(), anyhow::Error> = try_scope(async |s| {
            match sort {
                "blocking" => drop(s.spawn_blocking(|_| Err::<(), _>(anyhow::anyhow!("blocking")))),
                "pinned" => {
                    drop(s.spawn_pinned(|| async { Err::<(), _>(anyhow::anyhow!("pinned")) }));
                }
                "reserved" => {
                    let place = s.reserve().await;
                    assert!(s.try_reserve().is_err());
                    drop(place.spawn(async { Err::<(), _>(anyhow::anyhow!("reserved")) }));
                }
                _ => {
                    let place = s.try_reserve().unwrap();
                    drop(place.fork(async { Err::<(), _>(anyhow::anyhow!("reserved fork")) }));
                }
            }
            pending().await
        })
        .max_children(1)
        .await;
        assert_eq!(outcome.unwrap_err().to_string(), sort);
    }
}
