//! Questions: what is climbed past, and what is passed by.

use std::time::{Duration, Instant};

use super::super::{Part, Rows};
use super::*;

/// R20: a deadline in between that is later does not hide the one above it.
#[test]
fn the_nearest_deadline_is_found_behind_a_later_one() {
    let (root, _root) = root();
    let (middle, _middle) = open(&root, Role::Scope);
    let (inner, _inner) = open(&middle, Role::Scope);
    let in_seconds = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
    let (near, own, far) = (in_seconds(10), in_seconds(30), in_seconds(50));
    root.set_deadline(near);
    middle.set_deadline(far);
    inner.set_deadline(own);
    assert_eq!(root.own_nearest_deadline(), near);
    assert_eq!(middle.own_nearest_deadline(), None);
    assert_eq!(inner.own_nearest_deadline(), None);
    root.set_deadline(None);
    assert_eq!(middle.own_nearest_deadline(), far);
    assert_eq!(inner.own_nearest_deadline(), own);
}

/// R17: what is cancelled cannot be stopped softly.
#[test]
fn a_cancelled_scope_has_no_grace() {
    let (root, handle) = root();
    assert_eq!(root.grace(), None);
    root.set_grace(Duration::from_secs(1));
    assert_eq!(root.grace(), Some(Duration::from_secs(1)));
    cancel(&handle);
    assert_eq!(root.grace(), None);
}

/// A shield that goes elsewhere concerns those above it that are cancelled, as far as the task, and not the
/// others (I6).
#[test]
fn only_who_is_cancelled_is_woken_for_a_shield_that_goes() {
    let (root, _root) = root();
    let (task, _task) = admit(&root, Role::Task);
    let (outer, _outer) = open_in_task(&task);
    let (middle, handle) = open(&outer, Role::Scope);
    let (shield, _shield) = open(&middle, Role::Shield);
    let bells = [&root, &task, &outer, &middle].map(|node| {
        let (bell, waker) = Bell::new();
        drop(node.register(&waker));
        bell
    });
    let rings = || bells.each_ref().map(|bell| bell.rings());
    shield.wake_protected();
    assert_eq!(rings(), [0, 0, 0, 0]);
    cancel(&handle);
    let (again, waker) = Bell::new();
    drop(middle.register(&waker));
    shield.wake_protected();
    assert_eq!((rings(), again.rings()), ([0, 0, 0, 1], 1));
}

#[test]
fn a_reference_shows_its_index() {
    let (root, _root) = root();
    let (inner, _inner) = open(&root, Role::Scope);
    assert_eq!(format!("{root:?} {inner:?}"), "NodeRef(0) NodeRef(1)");
}

/// Above and below, across trees; what is the same is neither.
#[test]
fn above_and_below() {
    let (root, _root) = root();
    let (task, _task) = admit(&root, Role::Task);
    let (inner, _inner) = open_in_task(&task);
    let (beside, _beside) = open(&root, Role::Scope);
    assert!(inner.is_below(&root) && inner.is_below(&task) && task.is_below(&root));
    assert!(!root.is_below(&inner) && !inner.is_below(&beside) && !beside.is_below(&task));
    assert!(!root.is_below(&root) && !inner.is_below(&inner));
}

/// Who is polled by whom: a task by its runtime, and what is adrift by a stranger (R23).
#[test]
fn polls_are_nested_as_far_as_a_task_or_something_adrift() {
    let (root, _root) = root();
    let (outer, _outer) = open(&root, Role::Scope);
    let (inner, _inner) = open(&outer, Role::Scope);
    assert!(inner.is_polled_by(&inner) && inner.is_polled_by(&root));
    assert!(!root.is_polled_by(&inner));
    outer.set_adrift(true);
    assert!(inner.is_polled_by(&outer) && !inner.is_polled_by(&root));
    outer.set_adrift(false);
    assert!(inner.is_polled_by(&root));
    let (task, _task) = admit(&inner, Role::Task);
    let (inside, _inside) = open_in_task(&task);
    assert!(inside.is_polled_by(&task) && !inside.is_polled_by(&inner));
}

/// R4: whoever is polled further out, is cancelled and is an ancestor will drop the one that asks; the one
/// that asks is no ancestor of its own.
#[test]
fn a_cancelled_ancestor_is_one_that_polls() {
    let (root, _root) = root();
    let (outer, handle) = open(&root, Role::Scope);
    let (inner, inner_handle) = open(&outer, Role::Scope);
    let (beside, _beside) = open(&outer, Role::Scope);
    assert!(!inner.polls_cancelled_ancestor_of(&inner));
    cancel(&inner_handle);
    assert!(!inner.polls_cancelled_ancestor_of(&inner), "itself");
    assert!(!inner.polls_cancelled_ancestor_of(&beside), "nobody's ancestor");
    cancel(&handle);
    assert!(inner.polls_cancelled_ancestor_of(&inner));
    assert!(beside.polls_cancelled_ancestor_of(&inner), "polled beside where it was opened");
    beside.set_adrift(true);
    assert!(!beside.polls_cancelled_ancestor_of(&inner), "polled by a stranger");
}

/// R17: what is unfinished below a child is what it started, and not the child itself.
#[test]
fn a_child_is_not_unfinished_below_itself() {
    let (root, _root) = root();
    let (task, _task) = admit(&root, Role::Task);
    let (inner, _inner) = open_in_task(&task);
    assert!(task.unfinished().is_empty());
    let _grandchild = admit(&inner, Role::Task);
    assert_eq!((task.unfinished().len(), root.unfinished().len()), (1, 2));
}

/// The depth of what hangs below a task counts on from the task.
#[test]
fn rows_count_their_depth_across_trees() {
    let (root, _root) = root();
    let (task, _task) = admit(&root, Role::Task);
    let (inner, _inner) = open_in_task(&task);
    let _grandchild = admit(&inner, Role::Task);
    let rows = Rows::below(root).map(|row| (row.depth, row.word.role()));
    let expected = [Role::Scope, Role::Task, Role::Scope, Role::Task];
    assert!(rows.eq(expected.into_iter().enumerate()));
}

/// I13: a shield below somebody who has left, or is leaving, is not polled there any more, and keeps
/// nobody above.
#[test]
fn a_shield_below_somebody_who_has_left_keeps_nobody() {
    let (root, _root) = root();
    let is_kept = || root.shielding(Part::Whole, None).is_some();
    let (fork, _fork) = admit(&root, Role::Fork);
    let (_below_fork, handle) = open(&fork, Role::Shield);
    let (scope, _scope) = open(&fork, Role::Scope);
    let _child = admit(&scope, Role::Task);
    assert!(is_kept());
    drop_early(&scope);
    fork.finish();
    assert!(fork.word().is_zombie() && !handle.word().is_closed());
    assert!(!is_kept(), "the fork has ended, and waits for the child");
    let (leaving, _leaving) = open(&root, Role::Scope);
    let _below_leaving = open(&leaving, Role::Shield);
    assert!(is_kept());
    let _ = leaving.abandon();
    assert!(!is_kept(), "its owner is being dropped");
}
