//! Cancelling: who is marked, and who is not (I3, R7, R10).

use super::super::aftermath::Aftermath;
use super::*;

/// While a canceller is on its way from one tree to those below, the tree says so, once; a second
/// canceller goes the whole way itself (R7).
#[test]
fn a_second_canceller_overtakes_the_first() {
    let (root, handle) = root();
    let tasks = [admit(&root, Role::Task), admit(&root, Role::Task)];
    let inside = tasks.each_ref().map(|(task, _)| open_in_task(task));
    let tree = root.tree();
    let mut first = Aftermath::default();
    first.mark_below(tree, &mut tree.state.lock(), TRUNK);
    assert_eq!(tree.state.lock().in_flight, 1);
    assert!(tree.state.lock().is_propagating());
    assert!(tasks.iter().all(|(task, _)| task.word().is_inherited()));
    assert!(inside.iter().all(|(scope, _)| !scope.word().is_cancelled()), "not marked yet");
    cancel(&handle);
    assert!(inside.iter().all(|(scope, _)| scope.word().is_cancelled()));
    first.run();
    assert_eq!(tree.state.lock().in_flight, 0);
    assert!(!tree.state.lock().is_propagating());
}

/// R23, I3, I12: what outlives a fork is cancelled with all below it, on both sides of a shield, and
/// nothing beside it is.
#[test]
fn what_outlives_a_fork_is_marked_and_nothing_beside_it() {
    let (root, _root) = root();
    let (beside, _beside) = open(&root, Role::Scope);
    let (fork, _fork) = admit(&root, Role::Fork);
    let (survivor, _survivor) = open(&fork, Role::Scope);
    let (older, _older) = open(&survivor, Role::Scope);
    let (shield, _shield) = open(&survivor, Role::Shield);
    let (younger, _younger) = open(&survivor, Role::Scope);
    fork.finish();
    for (node, is_marked) in
        [(&survivor, true), (&older, true), (&younger, true), (&shield, false), (&beside, false)]
    {
        assert_eq!(node.word().is_inherited(), is_marked, "{node:?}");
    }
    assert!(survivor.parent().expect("it hangs on").is_same(&root));
}

/// A scope that was made early and first polled below a cancelled one is marked (R22), and waits for
/// nothing else.
#[test]
fn a_graft_below_a_cancelled_scope_is_marked() {
    let (root, handle) = root();
    let below = Tree::early();
    let (scope, _scope) = below.open(TRUNK, Role::Scope, Location::caller());
    cancel(&handle);
    root.tree().graft(root.index(), Location::caller(), &below).run();
    assert!(scope.word().is_inherited());
    assert_eq!(scope.word().own(), 0);
}

/// A deadline that moves is no stop: nobody who waits for one is woken (I6).
#[test]
fn a_deadline_that_moves_wakes_nobody_who_waits_to_be_stopped() {
    let (root, _root) = root();
    let (inner, _inner) = open(&root, Role::Scope);
    let (bell, waker) = Bell::new();
    let mut ticket = None;
    assert!(!inner.watch_stop(&mut ticket, &waker));
    root.set_deadline(Some(std::time::Instant::now()));
    assert_eq!(bell.rings(), 0);
    inner.stop_watching_stop(ticket);
}
