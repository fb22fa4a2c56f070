//! How the body of a scope comes about: from the closure that the user wrote, and a handle.

use std::future::Future;

use super::scope_handle::Scope;

/// What makes the body of a scope, at its first poll.
///
/// Every `FnOnce(Scope<'env>) -> F` does. Other kinds of scope give their bodies other handles.
pub trait Begin<'env, F: Future> {
    /// Makes the body.
    fn begin(self, scope: Scope<'env>) -> F;
}

impl<'env, B, F> Begin<'env, F> for B
where
    B: FnOnce(Scope<'env>) -> F,
    F: Future,
{
    #[inline]
    fn begin(self, scope: Scope<'env>) -> F {
        self(scope)
    }
}
