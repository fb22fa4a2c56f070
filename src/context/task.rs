//! The task that runs: one strand of execution, with its own tree.

use std::borrow::Cow;
use std::fmt;

use super::stack;
use crate::ground::reason::Reason;
use crate::tree::NodeRef;

pub use crate::ground::runtime::TaskId;

/// The running task, as its scopes see it: the innermost child around the caller, or a task that no
/// scope of ours started.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// umbel::scope(async |s| {
///     let child = s.spawn(async {
///         // A scope inside is cancelled: that is counted there, and never here (R1).
///         let _ = umbel::scope(async |inner| {
///             inner.cancel();
///             std::future::pending::<()>().await
///         })
///         .await;
///         umbel::task::current().cancel_count()
///     });
///     assert_eq!(child.await.unwrap(), 0);
/// })
/// .await
/// .unwrap();
/// # }
/// ```
#[must_use]
pub fn current() -> Task {
    Task(stack::task())
}

/// A task, seen from inside. See [`current`].
#[derive(Clone)]
pub struct Task(Option<NodeRef>);

impl Task {
    /// How many cancel requests were addressed to this task itself, by
    /// [`Child::cancel`](crate::Child::cancel). Requests addressed to scopes in it, above it or below
    /// it do not change this (R1).
    ///
    /// Always 0 for a task that no scope of ours started: nobody can address it.
    #[must_use]
    pub fn cancel_count(&self) -> u64 {
        self.0.as_ref().map_or(0, |node| node.peek().own())
    }

    /// Whether the task is cancelled, by a request of its own or from above.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|node| node.peek().is_cancelled())
    }

    /// The first cause, if it is cancelled.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.as_ref().and_then(NodeRef::reason)
    }

    /// The name that was given to it.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'static, str>> {
        self.0.as_ref().and_then(NodeRef::name)
    }

    /// Whether a scope of ours started it.
    #[must_use]
    pub fn is_child(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name())
            .field("cancel_count", &self.cancel_count())
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}
