//! The scope itself: a future that polls its body in four steps.
//!
//! On each poll, for its node N:
//!
//! 1. an ancestor of N is cancelled: the body is dropped. If a cancelled ancestor is being polled
//!    above, it will drop this future and absorb, so this future suspends for good (R4); if not, there
//!    is nobody left to absorb, and it does so itself (R23);
//! 2. N itself is cancelled: the body is dropped, children are waited for, the outcome is `Cancelled`;
//! 3. otherwise the body is polled with N as the ambient scope, and a value is final (R3);
//! 4. the body suspended: 1 and 2 are looked at again before this poll returns.
//!
//! The outer future is polled before the inner one, so that the outermost cancelled scope absorbs
//! without any protocol among them.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::StreamExt as _;
use pin_project_lite::pin_project;

use super::begin::Begin;
use super::erased::{self, Fork};
use super::finalize::{self, Finalizer};
use super::options::Options;
use super::run::{Outcome, Run};
use super::scope_handle::Scope;
use super::wake_key::WakeKey;
use crate::context::stack::{self, Place};
use crate::context::time::{self, Limit, Timer};
use crate::ground::error::Cancelled;
use crate::ground::panics::{self, Payload};
use crate::ground::reason::{Kind, Reason};
use crate::ground::runtime::Host;
use crate::ground::seeded;
use crate::ground::set::Set;
use crate::tree::{Closing, NodeRef, Part, Role, Shielding, Site, Word};

/// Opens a scope around `body`: a region that can be cancelled as a whole, and that does not end
/// before everything started in it has ended.
///
/// The body receives the scope's handle by value. It is an async closure, or a closure that returns a
/// future: `async |s| ..`, `|s| async move { .. }`.
///
/// The scope becomes a child of the scope in which it is *first polled* (R22), and whatever its body
/// awaits runs inside it. When it is awaited outside every scope it is the root of a tree.
///
/// # Outcomes
///
/// `Ok(value)` when the body returned, whatever was requested meanwhile (R3), and all children have
/// ended. `Err(Cancelled)` when this scope was cancelled and its body was dropped unfinished. A scope
/// that is cancelled only because an enclosing one is does not return at all: it is dropped with the
/// body around it (R4).
///
/// # Panics
///
/// Resumes the first panic of the body or of a child, after all children have ended (R14). Panics when
/// polled again after it has returned.
///
/// # Cancel safety
///
/// Dropping the future cancels the scope and never blocks. Its body and its forked children are
/// dropped at once; spawned children are cancelled, and the nearest enclosing scope waits for them.
/// Without one they are orphans: see [`drain`](crate::drain) (R18).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
///
/// let total = umbel::scope(async |s| {
///     let one = s.spawn(async { 1 });
///     let two = s.spawn(async { 2 });
///     one.await.unwrap() + two.await.unwrap()
/// })
/// .await
/// .unwrap();
/// assert_eq!(total, 3);
///
/// // A deadline cancels the body and all children; no child outlives this line.
/// let late = umbel::scope(async |s| {
///     let endless = s.spawn(std::future::pending::<()>());
///     endless.await
/// })
/// .timeout(Duration::from_secs(2))
/// .await;
/// assert_eq!(late.unwrap_err().reason().kind(), umbel::Kind::Deadline);
/// # }
/// ```
#[track_caller]
pub fn scope<'env, B, F>(body: B) -> ScopeFuture<'env, B, F>
where
    B: FnOnce(Scope<'env>) -> F,
    F: Future,
{
    ScopeFuture::new(Some(body), None, Role::Scope, Location::caller())
}

pin_project! {
    /// The future of a [`scope`](fn@crate::scope). Options are set on it before it is awaited.
    #[must_use = "a scope does nothing until it is awaited"]
    pub struct ScopeFuture<'env, B, F: Future> {
        pub(super) limit: Limit,
        // Taken at the first poll.
        pub(super) options: Option<Box<Options>>,
        pub(super) site: Site,
        // What makes the body, if it is not there yet; taken at the first poll.
        start: Option<B>,
        #[pin]
        pub(super) body: Option<F>,
        pub(super) run: Run<F::Output>,
        forks: Option<Box<Set<Fork<'env>>>>,
        // The finalizer that is running.
        finalizer: Option<Finalizer>,
    }

    impl<'env, B, F: Future> PinnedDrop for ScopeFuture<'env, B, F> {
        fn drop(this: Pin<&mut Self>) {
            this.abandon();
        }
    }
}

impl<B, F: Future> ScopeFuture<'_, B, F> {
    pub(super) fn new(start: Option<B>, body: Option<F>, role: Role, site: Site) -> Self {
        Self {
            limit: Limit::None,
            options: None,
            site,
            start,
            body,
            run: Run::new(role),
            forks: None,
            finalizer: None,
        }
    }

    /// The node of a scope that is addressed before its first poll.
    pub(super) fn early(&mut self) -> &NodeRef {
        self.run.early(self.site)
    }

    /// Whether this scope's own deadline was the first cause of its cancellation.
    pub(super) fn has_timed_out(&self) -> bool {
        self.run.fired
    }
}

impl<'env, B, F> Future for ScopeFuture<'env, B, F>
where
    B: Begin<'env, F>,
    F: Future,
{
    type Output = Result<F::Output, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.run.outcome.is_some() {
            self.as_mut().project().run.look_around_again();
        } else if self.as_mut().advance(cx).is_pending() {
            return Poll::Pending;
        }
        self.drain(cx)
    }
}

impl<'env, B, F> ScopeFuture<'env, B, F>
where
    B: Begin<'env, F>,
    F: Future,
{
    /// Steps 1 to 4. Ready when there is an outcome.
    #[inline]
    fn advance(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let handle = if self.run.is_open { None } else { Some(self.as_mut().open()) };
        if !self.node().peek().is_calm() && self.as_mut().judge() == Verdict::Stop {
            return self.stop(cx);
        }
        let mut this = self.as_mut().project();
        let outcome = &mut this.run.outcome;
        let (beneath, polled) = stack::within(&mut this.run.place, || {
            panics::catch(|| {
                if let Some(handle) = handle {
                    if let Some(start) = this.start.take() {
                        this.body.set(Some(start.begin(Scope::new(handle))));
                    }
                }
                let Some(body) = this.body.as_mut().as_pin_mut() else { return };
                if let Poll::Ready(value) = body.poll(cx) {
                    *outcome = Some(Outcome::Value(value));
                    this.body.set(None);
                }
            })
        });
        if let Err(panic) = polled {
            self.as_mut().body_panicked(panic);
        }
        let this = self.as_mut().project();
        this.run.look_around(beneath);
        if this.run.outcome.is_some() {
            return Poll::Ready(());
        }
        loop {
            if self.forks.is_some() || self.run.timer.is_some() {
                self.as_mut().poll_forks_and_timer(cx);
            }
            self.as_mut().project().run.register(cx);
            // I5: whoever cancels after the registration finds the waker; whoever did before it is seen
            // here.
            if self.node().peek().is_calm() || seeded!(LostRecheck) {
                return Poll::Pending;
            }
            if let Some(outcome) = self.as_mut().attend(cx) {
                return outcome;
            }
        }
    }

    /// Step 4: the body has suspended, and there is something to look at. Nothing if it goes on.
    #[cold]
    fn attend(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<()>> {
        match self.as_mut().judge() {
            Verdict::GoOn => None,
            Verdict::Stop => Some(self.stop(cx)),
            Verdict::Stay(shielding) => self.stay(shielding, cx).then_some(Poll::Pending),
        }
    }

    /// Cancelled, and kept by a shield (R10): has itself woken all the same, for forks, for deadlines,
    /// for a shield that is carried away, and for one that does not notice its limit. What the shield
    /// does not keep has its turn, to end (I14). Returns whether there is nothing to attend to.
    #[cold]
    fn stay(self: Pin<&mut Self>, shielding: Shielding, cx: &mut Context<'_>) -> bool {
        let run = self.project().run;
        run.register(cx);
        let roused = run.place.as_mut().is_some_and(|place| place.rouse(cx.waker()));
        Timer::watch(&mut run.timer, shielding.until);
        let is_overdue = run.timer.as_mut().is_some_and(|timer| timer.poll(cx).is_ready());
        // The forks that were roused have their turn at once.
        !roused && !is_overdue && !run.node().peek().must_attend()
    }

    /// The first poll: finds the parent. Gives the handle for the body.
    #[inline]
    fn open(self: Pin<&mut Self>) -> NodeRef {
        let this = self.project();
        this.run.is_open = true;
        let (place, handle) = match this.run.place.take() {
            // The handle was asked for before: the scope has a tree of its own, which joins now.
            Some(place) => {
                place.node().tree().set_host(Host::current());
                this.run.beneath = stack::graft(this.site, place.node().tree());
                let handle = place.node().clone();
                (place, handle)
            }
            None => {
                let (owner, handle, beneath) = stack::open(this.run.role, this.site);
                this.run.beneath = beneath;
                (Place::of(owner), handle)
            }
        };
        if let Some(options) = this.options.take() {
            options.apply(&handle);
        }
        this.limit.apply(&handle);
        this.run.place = Some(place);
        if stack::may_be_aground() {
            this.run.find_place(this.run.beneath);
        }
        handle
    }

    /// The scope is cancelled, and nothing shields its body: drops it, and the forks that are not
    /// shielded themselves (dropped, not left where they are: they may hold what somebody else's
    /// clean-up waits for). Ready if this scope absorbs.
    #[cold]
    fn stop(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.as_mut().drop_body();
        if self.forks.is_some() {
            self.as_mut().poll_forks_and_timer(cx);
        }
        let this = self.project();
        let node = this.run.node();
        let is_above = node.peek().is_inherited() && stack::has_cancelled_ancestor(node);
        if is_above && !seeded!(AbsorbedBelow) {
            // Dropped from above, or woken if that cannot come any more.
            this.run.register(cx);
            return Poll::Pending;
        }
        // INVARIANT I24: there is one; the fallback is for a defect of ours to stay harmless.
        let reason = node.reason().unwrap_or_else(|| Reason::bare(Kind::ScopeEnded));
        this.run.outcome = Some(Outcome::Stopped(reason));
        Poll::Ready(())
    }

    /// The body is over: waits for what still lives below, runs the finalizers, and closes.
    fn drain(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Cancelled>> {
        loop {
            if !self.node().peek().is_calm() && self.as_mut().look().is_cancelled() {
                self.as_mut().drop_body();
            }
            if self.forks.is_some() || self.run.timer.is_some() {
                self.as_mut().poll_forks_and_timer(cx);
            }
            if self.finalizer.is_some() && self.as_mut().poll_finalizer(cx).is_pending() {
                let run = self.as_mut().project().run;
                // A child of the finalizer's that ended may have taken the waker out.
                run.key = WakeKey::NONE;
                run.register(cx);
                if run.node().peek().must_attend() {
                    continue;
                }
                return Poll::Pending;
            }
            let this = self.as_mut().project();
            this.run.key = WakeKey::NONE;
            match this.run.node().try_close(cx.waker()) {
                Closing::Closed(panic) => {
                    this.run.place = None;
                    if this.run.timer.is_some() {
                        this.run.timer = None;
                    }
                    if this.forks.is_some() {
                        *this.forks = None;
                    }
                    let outcome = this.run.outcome.take();
                    if let Some(panic) = panic {
                        drop(outcome);
                        panics::resume(panic);
                    }
                    return Poll::Ready(
                        match outcome.expect("a scope that drains has an outcome") {
                            Outcome::Value(value) => Ok(value),
                            Outcome::Stopped(reason) => Err(Cancelled::new(reason)),
                        },
                    );
                }
                Closing::Finalize(finalizer) => *this.finalizer = Some(finalize::unpack(finalizer)),
                Closing::Waiting => {
                    let word = this.run.node().peek();
                    let has_forks = this.forks.as_ref().is_some_and(|forks| !forks.is_empty());
                    let must_cull = word.is_cancelled() && has_forks && !this.run.culled;
                    if !(word.must_attend() || must_cull) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Polls the forks as far as they go, and the timer.
    #[inline(never)]
    fn poll_forks_and_timer(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        if let Some(forks) = this.forks {
            let (_, polled) = stack::within(&mut this.run.place, || {
                panics::catch(|| while let Poll::Ready(Some(())) = forks.poll_next_unpin(cx) {})
            });
            if let Err(panic) = polled {
                // Not a fork's own panic, which it catches: a waker's, say.
                this.run.node().fail(panic);
            }
        }
        this.run.poll_timer(cx);
    }

    /// Polls the running finalizer in the scope's place. A shield of its own protects it (R16).
    #[cold]
    fn poll_finalizer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let Some(finalizer) = this.finalizer else { return Poll::Ready(()) };
        let (_, polled) =
            stack::within(&mut this.run.place, || panics::catch(|| finalizer.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            // The others run all the same.
            Err(panic) => this.run.node().fail(panic),
        }
        *this.finalizer = None;
        Poll::Ready(())
    }
}

impl<'env, B, F: Future> ScopeFuture<'env, B, F> {
    fn node(&self) -> &NodeRef {
        self.run.node()
    }

    /// Looks at what the node's word asks for, and says whether the body has to go (steps 1 and 2).
    #[cold]
    fn judge(self: Pin<&mut Self>) -> Verdict {
        let this = self.project();
        if !look(this.run, this.forks).is_cancelled() {
            return Verdict::GoOn;
        }
        // Where there is no body, nothing in it can be shielded.
        let has_body = this.body.is_some();
        let find = || this.run.node().shielding(Part::Body, time::overdue());
        let shielding = has_body.then(find).flatten();
        shielding.map_or(Verdict::Stop, Verdict::Stay)
    }

    /// Looks at what the node's word asks for, and gives the state then.
    #[cold]
    fn look(self: Pin<&mut Self>) -> Word {
        let this = self.project();
        look(this.run, this.forks)
    }

    /// What is left of a body that has panicked is dropped, and never polled again.
    #[cold]
    fn body_panicked(mut self: Pin<&mut Self>, panic: Payload) {
        self.node().fail(panic);
        self.as_mut().drop_body();
    }

    /// Drops the body and the forks, inside the scope (R22), and sees to their panics. Forks in which a
    /// shield is active are kept: they end when that does.
    fn drop_body(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.run.timer = None;
        if this.body.is_none() && this.forks.is_none() && this.start.is_none() {
            return;
        }
        let keeps_forks =
            this.forks.is_some() && (this.run.culled || this.run.node().may_have_shields());
        let (start, mut forks) = (this.start.take(), this.forks.take());
        let kept = if keeps_forks { forks.take() } else { None };
        let (_, dropped) = stack::within(&mut this.run.place, || {
            let body = panics::catch(|| this.body.set(None));
            body.and(panics::catch(|| drop(start))).and(panics::catch(|| drop(forks)))
        });
        if let Some(kept) = kept {
            if this.run.culled {
                *this.forks = Some(kept);
            } else {
                // In a new set all are polled once: who is not shielded finds that it is cancelled.
                *this.forks = Some(Box::new(kept.into_iter().collect()));
            }
        }
        this.run.culled = true;
        if let Err(panic) = dropped {
            this.run.node().fail(panic);
        }
    }

    /// The future is dropped before it has returned (R18).
    fn abandon(mut self: Pin<&mut Self>) {
        if self.run.place.is_none() {
            return;
        }
        // A panic here (of a waker, of a destructor) must not leave this destructor: the user's own
        // are passed on to an enclosing scope below, and the panic hook has reported all of them.
        let settled = panics::catch(|| {
            let node = self.node();
            // Dropped elsewhere: somebody above may have stayed for the sake of a shield that goes now.
            let is_carried =
                node.abandon() && !stack::is_in_place(node) && !stack::is_within_parent_of(node);
            let this = self.as_mut().project();
            let outcome = this.run.outcome.take();
            // SAFETY: as in `look`.
            #[expect(unsafe_code, reason = "see `erased`")]
            let unposted: Vec<Fork<'env>> = unsafe { erased::close(this.run.node()) };
            let forks = this.forks.take();
            let (_, dropped) = stack::within(&mut this.run.place, || {
                panics::catch(|| drop(outcome))
                    .and(panics::catch(|| drop(unposted)))
                    .and(panics::catch(|| drop(forks)))
            });
            if let Err(panic) = dropped {
                this.run.node().fail_above(Kind::ChildPanicked, Some(panic));
            }
            self.as_mut().drop_body();
            let this = self.as_mut().project();
            if is_carried {
                this.run.node().wake_protected();
            }
            if let Some(place) = this.run.place.take() {
                finalize::leave(place, this.finalizer.take());
            }
        });
        if let Err(panic) = settled {
            panics::discard(panic);
        }
    }
}

/// What is to become of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    GoOn,
    Stop,
    /// Cancelled, and shielded.
    Stay(Shielding),
}

/// Attends to what the node's owner was asked to, and gives the node's state then.
fn look<'env, T>(run: &mut Run<T>, forks: &mut Option<Box<Set<Fork<'env>>>>) -> Word {
    // Whoever set a mark may have taken the waker out.
    run.key = WakeKey::NONE;
    if run.node().peek().must_attend() {
        run.node().attended();
        run.find_place(run.beneath);
        run.retime();
        // SAFETY: this future owns the node and gave it a `Scope<'env>` of its own `'env`.
        #[expect(unsafe_code, reason = "see `erased`")]
        let new: Vec<Fork<'env>> = unsafe { erased::collect(run.node()) };
        if !new.is_empty() {
            forks.get_or_insert_default().extend(new);
        }
    }
    run.node().peek()
}

impl<B, F: Future> fmt::Debug for ScopeFuture<'_, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFuture").field("options", &self.options).finish_non_exhaustive()
    }
}
