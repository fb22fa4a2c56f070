//! Scopes of our own, around futures that are there already: of a timeout, a shield, a race and its attempts.
//! Whoever makes one is its owner, and may change and cancel it.

use std::future::Future;
use std::pin::Pin;

use super::future::ScopeFuture;
use super::handle::CancelScope;
use super::scope_handle::Scope;
use crate::ground::reason::Reason;
use crate::tree::{Role, Site};

/// The type of a body that is there already, and need not be made.
pub(crate) type Plain<F> = fn(Scope<'static>) -> F;

/// A scope around a future that does not ask for the handle.
pub(crate) fn around<F: Future>(future: F, site: Site) -> ScopeFuture<'static, Plain<F>, F> {
    around_as(Role::Scope, future, site)
}

/// As [`around`], shown in pictures as what it is.
pub(crate) fn around_as<F: Future>(
    role: Role,
    future: F,
    site: Site,
) -> ScopeFuture<'static, Plain<F>, F> {
    ScopeFuture::new(None, Some(future), role, site)
}

/// As [`around`], and what is cancelled above does not reach it (R10).
pub(super) fn shielded<F: Future>(future: F, site: Site) -> ScopeFuture<'static, Plain<F>, F> {
    ScopeFuture::new(None, Some(future), Role::Shield, site)
}

impl<B, F: Future> ScopeFuture<'_, B, F> {
    /// The body of a scope that is made and has not been polled.
    pub(crate) fn body_mut(&mut self) -> Option<&mut F> {
        self.body.as_mut()
    }

    /// The same scope around another body, before its first poll.
    pub(crate) fn map_body<G: Future>(
        mut self,
        make: impl FnOnce(F) -> G,
    ) -> ScopeFuture<'static, Plain<G>, G> {
        let mut scope =
            ScopeFuture::new(None, self.body.take().map(make), self.run.role, self.site);
        scope.limit = self.limit;
        scope.options = self.options.take();
        scope
    }

    /// Cancels the scope, from outside and by its owner; softly first, if it has a grace (R17). Before
    /// the first poll it will then never start (R6).
    pub(crate) fn cancel(self: Pin<&mut Self>, reason: Reason) {
        let this = self.project();
        if !this.run.is_open {
            this.run.early(this.site);
        }
        if let Some(place) = &this.run.place {
            CancelScope(place.node().clone()).request(|| reason);
        }
    }
}
