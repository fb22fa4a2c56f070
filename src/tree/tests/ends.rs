//! Ending: what is given back, and when.

use super::super::Refusal;
use super::*;

/// The slot of a node that has closed goes to the next one when the last handle is dropped, not before
/// (I31).
#[test]
fn a_slot_is_used_again_when_the_last_handle_is_gone() {
    let (root, _root) = root();
    let (first, handle) = open(&root, Role::Scope);
    let slot = first.index();
    drop_early(&first);
    let (second, _second) = open(&root, Role::Scope);
    assert_ne!(second.index(), slot, "its handle can still be asked");
    drop(handle);
    let (third, _third) = open(&root, Role::Scope);
    assert_eq!(third.index(), slot);
}

/// A scope is busy while it has to wait for something.
#[test]
fn a_scope_with_a_child_is_busy() {
    let (root, _root) = root();
    let (_open, _handle) = open(&root, Role::Scope);
    assert!(!root.is_busy(), "nobody waits for a scope that has an owner");
    let (child, _child) = admit(&root, Role::Task);
    assert!(root.is_busy());
    child.finish();
    assert!(!root.is_busy());
}

/// R15: when it comes to end the services, a child may have been admitted meanwhile, or all may have been
/// cancelled: then they are left alone.
#[test]
fn services_are_ended_only_when_nothing_else_is_left() {
    let (root, handle) = root();
    let (_service, service) = admit(&root, Role::Service);
    let (child, _child) = admit(&root, Role::Task);
    root.end_services();
    assert!(!service.word().is_cancelled() && root.refusal().is_none());
    child.finish();
    root.end_services();
    assert_eq!(service.word().own(), 1);
    assert_eq!(root.refusal(), Some(Refusal::Closed), "nothing is admitted from here on");
    let (other, _other) = open(&root, Role::Scope);
    let (_service, service) = admit(&other, Role::Service);
    cancel(&handle);
    other.end_services();
    assert_eq!((service.word().own(), service.word().is_inherited()), (0, true));
}

/// R26: of a long chain of tasks in tasks, all ended, the last handle to the innermost lets go without
/// climbing by calls.
#[test]
fn a_long_chain_of_trees_is_let_go_one_by_one() {
    let (root, mut handle) = root();
    let mut owners = vec![root];
    for _ in 0..20_000 {
        let (task, _) = admit(&handle, Role::Task);
        let (scope, below) = open_in_task(&task);
        owners.extend([task, scope]);
        handle = below;
    }
    while let Some(owner) = owners.pop() {
        if owner.word().role() == Role::Task { owner.finish() } else { drop_early(&owner) }
    }
    assert!(handle.word().is_closed());
    drop(handle);
}

/// While no shield is in a tree nobody has to look for one; an owner that leaves is told so.
#[test]
fn shields_are_counted() {
    let (root, _root) = root();
    let (first, _first) = open(&root, Role::Scope);
    assert!(!root.may_have_shields());
    assert!(!first.abandon());
    for role in [Role::Shield, Role::Scope] {
        let (shield, _shield) = open(&root, Role::Shield);
        let (second, _second) = open(&root, role);
        assert!(root.may_have_shields());
        assert!(second.abandon());
        for ended in [&second, &shield] {
            assert!(!ended.release_scope(false), "there is no finalizer");
        }
        assert!(!root.may_have_shields());
    }
}
