//! Groups of children that fail: scenarios of AnyIO, Trio and Eio's switches that `errors.rs` and
//! `errors_collected.rs` do not have (R12, R14).
mod common;

use std::fmt;
use std::future::pending;

use common::{Log, boom, catch, drive, secs, settle};
use tokio::time::{Instant, sleep};
use umbel::{Cancelled, Child, Errors, Kind, TryScope, checkpoint, scope, shield, try_scope};

/// An error that says what it is, and whether it was made of a cancellation.
#[derive(Debug, PartialEq)]
enum Failure {
    Of(&'static str),
    Cancelled(Kind),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(what) => f.write_str(what),
            Self::Cancelled(kind) => write!(f, "cancelled, {kind}"),
        }
    }
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled.reason().kind())
    }
}

type Outcome<T = ()> = Result<T, Failure>;

/// R14, as in Trio's `test_task_crash_propagation`: a sibling notes its cancellation once, and of two
/// endings the error is the only one that is collected.
#[tokio::test(start_paused = true)]
async fn a_cancelled_sibling_adds_nothing_to_the_errors() {
    let log = Log::new();
    let sibling = log.guard("sibling");
    let errors = try_scope(async |s| -> Outcome {
        s.spawn(async move {
            let _sibling = sibling;
            pending::<Outcome>().await
        });
        sleep(secs(1)).await;
        s.spawn(async { Err::<(), _>(Failure::Of("child")) });
        pending().await
    })
    .collect_errors()
    .await
    .unwrap_err();
    assert_eq!(errors.into_vec(), [Failure::Of("child")]);
    assert_eq!(log.all(), ["sibling"]);
}

/// R14, as in Trio's `test_nursery_collapse` in its strict mode: one error or several, one level or two,
/// the shape is the same. There is nothing that unwraps a list of one.
#[tokio::test(start_paused = true)]
async fn the_shape_of_the_errors_does_not_depend_on_their_number() {
    for also_second in [false, true] {
        let outer: Result<(), Errors<Errors<Failure>>> = try_scope(async |outer| {
            outer.spawn(pending::<Result<(), Errors<Failure>>>());
            let inner = try_scope(async |s| -> Outcome {
                if also_second {
                    s.defer(secs(9), async { Err(Failure::Of("second")) });
                }
                s.spawn(async { Err::<(), _>(Failure::Of("first")) });
                pending().await
            });
            inner.collect_errors().await
        })
        .collect_errors()
        .await;
        let [inner] = <[_; 1]>::try_from(outer.unwrap_err().into_vec()).unwrap();
        let expected = [Failure::Of("first"), Failure::Of("second")];
        assert_eq!(inner.into_vec(), expected[..=usize::from(also_second)]);
    }
}

/// R14, as in AnyIO's `test_exception_group_children` and `test_exception_group_host`: what fails while
/// it is being cancelled is not lost, and comes after what had failed first.
#[tokio::test(start_paused = true)]
async fn an_error_of_a_clean_up_comes_after_the_error_that_caused_it() {
    for of_body in [false, true] {
        let errors = try_scope(async |s| -> Outcome {
            s.spawn(async {
                let cleanup = async {
                    sleep(secs(3)).await;
                    Err::<(), _>(Failure::Of("clean-up"))
                };
                shield(secs(9), cleanup).await.unwrap()
            });
            sleep(secs(1)).await;
            if of_body {
                return Err(Failure::Of("host"));
            }
            s.spawn(async { Err::<(), _>(Failure::Of("child")) });
            pending().await
        })
        .collect_errors()
        .await
        .unwrap_err();
        let first = if of_body { "host" } else { "child" };
        assert_eq!(errors.into_vec(), [Failure::Of(first), Failure::Of("clean-up")]);
    }
}

/// R14, as in Eio's switches with two fibers: both pass, the first one fails, the second one does. The
/// other one is cancelled where it waits, and there is one error.
#[tokio::test(start_paused = true)]
async fn of_two_children_one_fails() {
    for (failing, ended) in [(None, vec!["a", "b"]), (Some("a"), vec![]), (Some("b"), vec!["a"])] {
        let log = Log::new();
        let start = Instant::now();
        let outcome: Outcome<usize> = try_scope(async |s| {
            let child = |name: &'static str, seconds| {
                let log = log.clone();
                async move {
                    sleep(secs(seconds)).await;
                    if failing == Some(name) {
                        return Err(Failure::Of(name));
                    }
                    log.add(name);
                    Ok(1)
                }
            };
            let (a, b): (Child<usize>, Child<usize>) =
                (s.spawn(child("a", 1)), s.fork(child("b", 2)));
            Ok(a.await? + b.await?)
        })
        .await;
        match failing {
            None => assert_eq!(outcome, Ok(2)),
            Some(name) => assert_eq!(outcome, Err(Failure::Of(name))),
        }
        assert_eq!(log.all(), ended);
        assert_eq!(start.elapsed(), secs(if failing == Some("a") { 1 } else { 2 }));
    }
}

/// R14, as in Eio's "both fibers fail": each in a section that a cancellation does not end. Both errors,
/// in the order in which they came.
#[tokio::test(start_paused = true)]
async fn two_children_fail_in_sections() {
    let failing = async |seconds, what| -> Outcome {
        let late = shield(secs(9), async {
            sleep(secs(seconds)).await;
            Err(Failure::Of(what))
        });
        late.await.unwrap()
    };
    let errors = try_scope(async |s| -> Outcome {
        s.fork(failing(2, "second"));
        s.fork(failing(1, "first"));
        Ok(())
    })
    .collect_errors()
    .await
    .unwrap_err();
    assert_eq!(errors.to_string(), "2 errors: first; second");
}

/// R4, R14, as in Eio's "child switches": the scopes of two children are stopped because the one around
/// fails. What handles the errors of those scopes hears nothing: it was a cancellation.
#[tokio::test(start_paused = true)]
async fn who_handles_errors_of_an_inner_scope_hears_nothing_of_a_cancellation() {
    let log = Log::new();
    let outcome: Outcome = try_scope(async |s| {
        for _ in 0..2 {
            let log = log.clone();
            s.spawn(async move {
                let inner: Outcome = try_scope(async |inner| {
                    let _guard = log.guard("stopped");
                    Ok(inner.spawn(pending::<Outcome>()).await?)
                })
                .await;
                inner.inspect_err(|_| log.add("handled"))
            });
        }
        settle().await;
        Err(Failure::Of("outer"))
    })
    .await;
    assert_eq!((outcome, log.all()), (Err(Failure::Of("outer")), vec!["stopped"; 2]));
}

/// R14, as in Eio's "child error handler": a handler takes an error of the inner scope and goes on, or
/// raises another one, which is the outer scope's.
#[tokio::test(start_paused = true)]
async fn a_handler_of_an_inner_scope_goes_on_or_fails_itself() {
    for raises in [false, true] {
        let log = Log::new();
        let outcome: Outcome = try_scope(async |s: TryScope<'_, Failure>| {
            s.spawn(async move {
                let inner: Outcome = try_scope(async |inner| {
                    inner.spawn(async { Err::<(), _>(Failure::Of("inner")) });
                    pending().await
                })
                .await;
                assert_eq!(inner, Err(Failure::Of("inner")));
                if raises { Err(Failure::Of("handler")) } else { Ok(()) }
            });
            sleep(secs(1)).await;
            log.add("the body goes on");
            Ok(())
        })
        .await;
        if raises {
            assert_eq!((outcome, log.is_empty()), (Err(Failure::Of("handler")), true));
        } else {
            assert_eq!((outcome, log.all().len()), (Ok(()), 1));
        }
    }
}

/// R12, I31, as in Trio's `test_*_doesnt_create_cyclic_garbage` and AnyIO's `TestRefcycles`: after every
/// sort of end, its handle still held where there is one, nothing keeps what body and children had.
#[tokio::test(start_paused = true)]
async fn after_every_end_nothing_is_kept() {
    for end in ["child", "host", "outer", "cancel", "panic", "value"] {
        let log = Log::new();
        let ended = catch(scope(async |outer| {
            let (in_child, in_body) = (log.clone(), log.clone());
            let (work, handle) = try_scope(async move |s| -> Outcome {
                let own = s.spawner();
                let child = s.spawn(async move {
                    let _kept = (own, in_child);
                    checkpoint().await;
                    match end {
                        "child" => Err(Failure::Of("child")),
                        "panic" => boom("child"),
                        _ => pending().await,
                    }
                }) as Child<()>;
                settle().await;
                match end {
                    "host" => return Err(Failure::Of("host")),
                    "outer" => outer.cancel(),
                    "cancel" => s.cancel(),
                    "value" => child.cancel(),
                    _ => {}
                }
                if end == "value" {
                    return Ok(());
                }
                checkpoint().await;
                pending::<()>().await;
                drop(in_body);
                Ok(())
            })
            .with_handle();
            (work.await, handle)
        }))
        .await;
        assert_eq!(ended.is_err(), end == "panic");
        assert_eq!(log.holders(), 1, "{end}");
    }
}

/// R13, as in AnyIO's `test_run_natively`: a scope needs no runner of ours. Any runtime of tokio's will
/// do, a `LocalSet` in it, and, if nothing is spawned, none.
#[test]
fn a_scope_runs_wherever_futures_do() {
    use tokio::runtime::{Builder, Handle};

    async fn work() -> usize {
        scope(async |s| s.spawn(async { 1 }).await.unwrap() + s.fork(async { 2 }).await.unwrap())
            .await
            .unwrap()
    }

    let one = Builder::new_current_thread().build().unwrap();
    let many = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for runtime in [&one, &many] {
        assert_eq!(runtime.block_on(work()), 3);
        assert_eq!(runtime.block_on(async { tokio::spawn(work()).await.unwrap() }), 3);
        let local = tokio::task::LocalSet::new();
        let in_local = local.run_until(async { tokio::task::spawn_local(work()).await.unwrap() });
        assert_eq!(runtime.block_on(in_local), 3);
        let handle: Handle = runtime.handle().clone();
        assert_eq!(runtime.block_on(async move { handle.spawn(work()).await.unwrap() }), 3);
    }
    let mut alone = drive(scope(async |s| s.fork(async { 2 }).await.unwrap()));
    assert_eq!(alone.output().unwrap(), 2);
}
