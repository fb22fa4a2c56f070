//! Whole scopes with tens of tasks, written by hand, one for each of the great races.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use shuttle::future::{spawn, yield_now};
use shuttle::sync::Mutex;
use shuttle_tests::Schedules;
use umbel::model::block_on;
use umbel::{CancelScope, Cancelled, Kind, Scope, Spawner, TryScope, scope, shield, try_scope};

/// Never passes: timers do not run in models.
const LIMIT: Duration = Duration::from_secs(1);
const EACH: usize = 150;

/// Counts something outside of shuttle's sight.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// One more, until it is dropped.
    fn guard(&self) -> Guard {
        self.add();
        Guard(self.clone())
    }
}

struct Guard(Count);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn some_turns(turns: usize) {
    for _ in 0..turns {
        yield_now().await;
    }
}

async fn for_ever(guard: Guard) {
    let _guard = guard;
    pending::<()>().await;
}

/// A binary tree of tasks, each with a scope, that wait for ever. Gives the handles of the scopes.
fn tree(depth: u32, alive: Count, handles: Handles) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let guard = alive.guard();
    Box::pin(async move {
        let _guard = guard;
        let body = scope(async move |s: Scope<'static>| {
            note(&handles, s.handle());
            if depth > 0 {
                s.spawn(tree(depth - 1, alive.clone(), Arc::clone(&handles)));
                s.spawn(tree(depth - 1, alive, handles));
            }
            pending::<()>().await;
        });
        let _ = body.await;
    })
}

type Handles = Arc<Mutex<Vec<CancelScope>>>;

fn note(handles: &Handles, handle: CancelScope) {
    handles.lock().expect("nobody panics here").push(handle);
}

/// R1, R7, I4: thirty-one tasks open scopes in each other while two tasks cancel, the root and one of
/// those that are there. All end, and two requests are counted, where they were addressed.
#[test]
fn a_growing_tree_is_cancelled_at_two_places() {
    let expected = ["grown", "growing"].map(ToOwned::to_owned);
    Schedules::new("a growing tree is cancelled at two places", EACH).check(&expected, || {
        let (alive, handles) = (Count::default(), Handles::default());
        let (work, root) = scope({
            let (alive, handles) = (alive.clone(), Arc::clone(&handles));
            async move |s: Scope<'static>| {
                s.spawn(tree(3, alive.clone(), Arc::clone(&handles)));
                s.spawn(tree(3, alive, handles));
                pending::<()>().await;
            }
        })
        .with_handle();
        let one = spawn(cancel_one(Arc::clone(&handles)));
        let all = spawn(async move {
            some_turns(25).await;
            root.cancel();
            assert!(root.is_cancelled());
            root
        });
        assert!(block_on(work).is_err());
        assert_eq!(alive.get(), 0, "R12");
        let root = block_on(all).expect("nobody aborts it");
        let addressed = block_on(one).expect("nobody aborts it");
        assert_eq!(root.cancel_count(), 1, "R1");
        let handles = std::mem::take(&mut *handles.lock().expect("nobody panics here"));
        for handle in &handles {
            assert!(handle.is_finished() && handle.is_cancelled());
            let asked = u64::from(addressed.as_ref() == Some(handle));
            assert_eq!(handle.cancel_count(), asked, "R1");
        }
        if handles.len() == 30 { "grown".to_owned() } else { "growing".to_owned() }
    });
}

/// Cancels a scope in the middle, if there is one by then. What is below it is cancelled when this returns.
async fn cancel_one(handles: Handles) -> Option<CancelScope> {
    some_turns(12).await;
    let handle = handles.lock().expect("nobody panics here").first().cloned()?;
    handle.cancel();
    assert!(handle.is_cancelled(), "R7");
    Some(handle)
}

/// R18, I19: a scope with thirty children is dropped while another task cancels it; the scope around
/// waits for all of them. Whoever was first says why.
#[test]
fn the_children_of_a_dropped_scope_are_waited_for() {
    let expected = ["Abandoned", "by hand"].map(ToOwned::to_owned);
    Schedules::new("a scope with thirty children is dropped", EACH).check(&expected, || {
        let alive = Count::default();
        let counts = alive.clone();
        let told = block_on(scope(async move |_| {
            let (work, handle) = scope(async move |s: Scope<'static>| {
                for _ in 0..30 {
                    s.spawn(for_ever(counts.guard()));
                }
                pending::<()>().await;
            })
            .with_handle();
            let mut work = Box::pin(work);
            assert!((&mut work).now_or_never().is_none());
            let canceller = handle.clone();
            let canceller = spawn(async move { canceller.cancel_with("by hand") });
            yield_now().await;
            drop(work);
            canceller.await.expect("nobody aborts it");
            handle
        }))
        .expect("nobody cancels it");
        assert_eq!(alive.get(), 0, "R12");
        assert!(told.is_finished());
        assert_eq!(told.cancel_count(), 1, "R1");
        let reason = told.reason().expect("it was cancelled");
        reason.message().map_or_else(|| format!("{:?}", reason.kind()), ToOwned::to_owned)
    });
}

/// R15: twenty workers start ten services and end in any order; the services end after them, each by one
/// request, and nothing is left waiting.
#[test]
fn services_end_when_the_last_worker_has() {
    Schedules::new("services end when the last worker has", EACH).check(&["ended"], || {
        let (workers, services) = (Count::default(), Count::default());
        let (working, serving) = (workers.clone(), services.clone());
        let counts = block_on(scope(async move |s: Scope<'static>| {
            let handles = Handles::default();
            for n in 0..20 {
                let (s, working, serving) = (s.clone(), working.clone(), serving.clone());
                let (spawner, guard, handles) = (s.clone(), working.guard(), Arc::clone(&handles));
                s.spawn(async move {
                    let _guard = guard;
                    some_turns(n % 3).await;
                    if n % 2 == 0 {
                        let last = Outlives(working, serving.guard());
                        let service = spawner.service(async move {
                            let _last = last;
                            pending::<()>().await;
                        });
                        note(&handles, service.handle().expect("it is admitted"));
                    }
                });
            }
            handles
        }))
        .expect("nobody cancels it");
        assert_eq!((workers.get(), services.get()), (0, 0), "R12");
        for service in &*counts.lock().expect("nobody panics here") {
            let kind = service.reason().map(|reason| reason.kind());
            assert_eq!((service.cancel_count(), kind), (1, Some(Kind::ScopeEnded)));
        }
        "ended"
    });
}

/// In a service: when it is dropped no worker is left.
struct Outlives(Count, #[expect(dead_code, reason = "dropped with it")] Guard);

impl Drop for Outlives {
    fn drop(&mut self) {
        assert_eq!(self.0.get(), 0, "R15: a service has ended before a worker");
    }
}

/// I20: twenty tasks try to start a child while the scope ends. Each child has run to its end before the
/// scope returned, or was refused.
#[test]
fn children_are_admitted_or_refused_while_the_scope_ends() {
    let seen = Schedules::new("admission against the end", 2 * EACH).explore(|| {
        let ran = Count::default();
        let (sender, tasks) = (Arc::new(Mutex::new(None)), Count::default());
        let offer = Arc::clone(&sender);
        let work = scope(async move |s: Scope<'static>| {
            *offer.lock().expect("nobody panics here") = Some(s.spawner());
            some_turns(2).await;
        });
        let starters: Vec<_> = (0..20)
            .map(|_| spawn(start_one(Arc::clone(&sender), ran.clone(), tasks.clone())))
            .collect();
        block_on(work).expect("nobody cancels it");
        let before = ran.get();
        let mut admitted = 0;
        for starter in starters {
            admitted += usize::from(block_on(starter).expect("nobody aborts it"));
        }
        assert_eq!(ran.get(), before, "R12: a child ran after the end");
        assert_eq!(admitted, before, "I20: {admitted} were admitted, and {before} ran");
        assert_eq!(tasks.get(), 0, "R12");
        admitted.min(1) + usize::from(admitted == 20)
    });
    assert!(seen[&0] > 0 && seen[&1] > 0, "none admitted, and some: {seen:?}");
}

/// Starts a child, when there is a scope to do it on. Says whether it was admitted.
async fn start_one(on: Arc<Mutex<Option<Spawner>>>, ran: Count, tasks: Count) -> bool {
    some_turns(1).await;
    let Some(spawner) = on.lock().expect("nobody panics here").clone() else { return false };
    let child = spawner.spawn(async move {
        let _guard = tasks.guard();
        yield_now().await;
        ran.add();
    });
    child.handle().is_some()
}

/// What the children of a `try_scope` fail with.
#[derive(Debug)]
struct Failed;

impl From<Cancelled> for Failed {
    fn from(_: Cancelled) -> Self {
        unreachable!("there is always an error, and it comes first")
    }
}

/// R14, I22: of twenty-four children every fourth fails, at about the same time. The first error is
/// returned and the others that there were are reported; each counted one request.
#[test]
fn every_error_is_returned_or_reported() {
    let seen = Schedules::new("six of twenty-four children fail", EACH).explore(|| {
        let (made, reported) = (Count::default(), Count::default());
        let hears = reported.clone();
        umbel::set_unhandled_hook(move |_| hears.add());
        let makes = made.clone();
        let (work, handle) = try_scope(async move |s: TryScope<'static, Failed>| {
            for n in 0..24 {
                let makes = makes.clone();
                s.spawn(async move {
                    some_turns(1 + n % 2).await;
                    if n % 4 > 0 {
                        return pending().await;
                    }
                    makes.add();
                    Err::<(), _>(Failed)
                });
            }
            pending::<Result<(), Failed>>().await
        })
        .with_handle();
        assert!(block_on(work).is_err());
        let made = made.get();
        assert_eq!(reported.get() + 1, made, "I22");
        assert_eq!(handle.cancel_count(), made as u64, "R1");
        made.min(2)
    });
    assert!(seen[&1] > 0 && seen[&2] > 0, "one error, and several: {seen:?}");
}

/// R16, R18: twenty children of a dropped scope are in the middle of a shield, and leave a finalizer to it.
/// They run when the last child has ended, before the scope around returns.
#[test]
fn finalizers_registered_after_the_drop_are_waited_for() {
    let expected = ["all", "some"];
    Schedules::new("finalizers registered after the drop", EACH).check(&expected, || {
        let (alive, left, run) = (Count::default(), Count::default(), Count::default());
        let (living, leaves, runs) = (alive.clone(), left.clone(), run.clone());
        block_on(scope(async move |_| {
            let work = scope(async move |s: Scope<'static>| {
                for n in 0..20 {
                    let counts = (leaves.clone(), runs.clone());
                    s.spawn(leave_a_finalizer(s.clone(), living.guard(), counts, n));
                }
                pending::<()>().await;
            });
            let mut work = Box::pin(work);
            assert!((&mut work).now_or_never().is_none());
        }))
        .expect("nobody cancels it");
        assert_eq!(alive.get(), 0, "R12");
        assert_eq!(run.get(), left.get(), "R16");
        if left.get() == 20 { "all" } else { "some" }
    });
}

async fn leave_a_finalizer(
    s: Scope<'static>,
    guard: Guard,
    (left, run): (Count, Count),
    turns: usize,
) {
    let alive = guard.0.clone();
    let _guard = guard;
    let section = async move {
        some_turns(turns % 4).await;
        left.add();
        s.defer(LIMIT, async move {
            assert_eq!(alive.get(), 0, "R16: it runs when no child lives");
            yield_now().await;
            run.add();
        });
        yield_now().await;
    };
    shield(LIMIT, section).await.expect("no timer runs");
}

/// R17: thirty children, some of which listen, are asked to stop while they start. Those that listen end
/// with a value, and the others are cancelled when somebody gives up on them.
#[test]
fn thirty_children_are_asked_to_stop() {
    let expected = ["admitted", "refused"];
    Schedules::new("thirty children are asked to stop", EACH).check(&expected, || {
        let (work, handle) = scope(async |s: Scope<'static>| {
            let mut refused = 0;
            for _ in 0..30 {
                let child = s.spawn(async { umbel::stopping().await });
                refused += usize::from(child.handle().is_none());
            }
            some_turns(1).await;
            refused
        })
        .with_handle();
        let stopper = spawn(async move {
            some_turns(1).await;
            handle.stop(LIMIT);
            handle
        });
        let refused = block_on(work).expect("its body returns");
        let handle = block_on(stopper).expect("nobody aborts it");
        assert_eq!((handle.cancel_count(), handle.is_cancelled()), (0, false), "R1, R17");
        if refused == 0 { "admitted" } else { "refused" }
    });
}

/// R10, R11: a body is in a shield with ten children of its own, and is cancelled. The section runs to its
/// end, and what comes after it does not, if the cancellation was there by then.
#[test]
fn a_section_with_children_runs_to_its_end() {
    let expected = ["cancelled", "too late"];
    Schedules::new("a section with ten children", EACH).check(&expected, || {
        let ended = Count::default();
        let ends = ended.clone();
        let (work, handle) = scope(async move |_| {
            let section = scope(async |s: Scope<'static>| {
                for _ in 0..10 {
                    s.spawn(some_turns(2));
                }
            });
            let section = shield(LIMIT, section).await.expect("no timer runs");
            section.expect("the shield protects it");
            ends.add();
            yield_now().await;
        })
        .with_handle();
        let canceller = handle.clone();
        let canceller = spawn(async move {
            some_turns(8).await;
            canceller.cancel();
        });
        let outcome = block_on(work);
        block_on(canceller).expect("nobody aborts it");
        assert_eq!(handle.cancel_count(), 1, "R1");
        assert_eq!(ended.get(), 1, "R10");
        if outcome.is_err() { "cancelled" } else { "too late" }
    });
}

/// R1, R18: a child is cancelled while a tree of tasks grows below it. It ends with all that, and nobody
/// else hears of it.
#[test]
fn a_child_is_cancelled_while_a_tree_grows_below_it() {
    let expected = ["grown", "growing"];
    Schedules::new("a child is cancelled", EACH).check(&expected, || {
        let (alive, handles) = (Count::default(), Handles::default());
        let (counts, grows) = (alive.clone(), Arc::clone(&handles));
        block_on(scope(async move |s: Scope<'static>| {
            let child = s.spawn(tree(4, counts, grows));
            some_turns(14).await;
            child.cancel();
            assert_eq!((child.cancel_count(), s.cancel_count()), (1, 0), "R1");
            assert!(child.await.is_err() && !s.is_cancelled());
        }))
        .expect("nobody cancels it");
        assert_eq!((alive.get(), umbel::orphans()), (0, 0), "R12");
        let count = handles.lock().expect("nobody panics here").len();
        if count == 31 { "grown" } else { "growing" }
    });
}
