//! Where a piece of a program runs, and what it may do there.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use umbel::{CancelScope, Child, Scope, TryScope};

use super::journal::{Journal, Operation, Part, Phase, Spot};
use super::tokens::{Failure, Token, Value};

/// Never passes. A limit, so that what it is given to is armed all the same.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// The handle of the scope that a piece starts its children in.
#[derive(Clone, Debug)]
pub enum Host {
    Plain(Scope<'static>),
    Try(TryScope<'static, Failure>),
}

/// What sort of code this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The body of a scope: it can end what does not end by itself.
    Body,
    Child,
    /// In a shield or a timeout. What it returns is nobody's error.
    Section,
    Finalizer,
}

#[derive(Clone, Debug)]
pub struct Place {
    pub journal: Arc<Journal>,
    pub host: Host,
    /// The region of the host.
    pub on: usize,
    /// What is around this code: it differs from the host's region in a section.
    pub spot: Spot,
    pub sort: Sort,
    pub depth: u32,
}

impl Journal {
    /// A panic has come out of a region. It goes on into the body around.
    pub fn pass_on(&self, payload: Box<dyn Any + Send>, outside: Spot) -> ! {
        self.open().regions[outside.region].panics += 1;
        resume_unwind(payload)
    }
}

impl Host {
    #[must_use]
    pub fn handle(&self) -> CancelScope {
        match self {
            Self::Plain(scope) => scope.handle(),
            Self::Try(scope) => scope.handle(),
        }
    }
}

impl Place {
    /// The same host, seen from a child, a section or a finalizer.
    #[must_use]
    pub fn inside(&self, sort: Sort, region: usize, child: Option<usize>) -> Self {
        let spot = Spot { region, child };
        Self { spot, sort, depth: self.depth.saturating_sub(1), ..self.clone() }
    }

    /// Whether an error that is returned here goes to the scope.
    #[must_use]
    pub fn may_fail(&self) -> bool {
        self.sort != Sort::Section && matches!(self.host, Host::Try(_))
    }

    #[must_use]
    pub fn failure(&self) -> Failure {
        let error = self.journal.open().add_error(self.on);
        Failure::Made { journal: self.journal.number, error }
    }

    /// Starts a child from inside. The handle, and which one it is.
    pub fn start<F>(
        &self,
        operation: Operation,
        work: impl FnOnce(Self) -> F,
    ) -> (usize, Child<Value>)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.start_with(operation, Token::new, work)
    }

    /// As [`start`](Self::start), from anywhere (R13).
    pub fn start_from_afar<F>(
        &self,
        operation: Operation,
        work: impl FnOnce(Self) -> F,
    ) -> (usize, Child<Value>)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.start_with(operation, Token::late, work)
    }

    fn start_with<F>(
        &self,
        operation: Operation,
        token: fn(&Arc<Journal>, Part) -> Token,
        work: impl FnOnce(Self) -> F,
    ) -> (usize, Child<Value>)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let index = self.journal.open().add_child(self.on, operation == Operation::Service);
        let token = token(&self.journal, Part::Child(index));
        let work = work(self.inside(Sort::Child, self.on, Some(index)));
        let work = async move { witnessed(token, work).await.map(|()| Value::new(index)) };
        let child = match (&self.host, operation) {
            (Host::Plain(scope), Operation::Fork) => scope.fork(sure(work)),
            (Host::Plain(scope), Operation::Service) => scope.service(sure(work)),
            (Host::Plain(scope), _) => scope.spawn(sure(work)),
            (Host::Try(scope), Operation::Fork) => scope.fork(work),
            (Host::Try(scope), Operation::Service) => scope.service(work),
            (Host::Try(scope), _) => scope.spawn(work),
        };
        self.note_child(index, &child);
        (index, child)
    }

    fn note_child(&self, index: usize, child: &Child<Value>) {
        let mut pages = self.journal.open();
        let page = &mut pages.children[index];
        page.handle = child.handle();
        page.is_refused = page.handle.is_none();
        if page.is_refused && !page.is_dropped {
            pages.faults.push(format!("R13: child {index} was refused, and not dropped"));
        }
    }

    pub fn defer<F>(&self, limit: Duration, has_short_limit: bool, work: impl FnOnce(Self) -> F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let mut pages = self.journal.open();
        let index = pages.add_finalizer(self.on, has_short_limit);
        let region = pages.finalizers[index].region;
        drop(pages);
        let token = Token::new(&self.journal, Part::Finalizer(index));
        let work = witnessed(token, work(self.inside(Sort::Finalizer, region, None)));
        match &self.host {
            Host::Plain(scope) => scope.defer(limit, sure(work)),
            Host::Try(scope) => scope.defer(limit, work),
        }
    }
}

/// Writes down how far the work came.
async fn witnessed<F>(mut token: Token, work: F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    token.has_come_to(Phase::Running);
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(())) => {
            token.has_come_to(Phase::Value);
            Ok(())
        }
        Ok(Err(failure)) => {
            token.has_come_to(Phase::Failed);
            Err(failure)
        }
        Err(payload) => {
            token.has_come_to(Phase::Panicked);
            resume_unwind(payload)
        }
    }
}

/// Work of a plain scope, in which nothing fails.
async fn sure<T>(work: impl Future<Output = Result<T, Failure>>) -> T {
    match work.await {
        Ok(value) => value,
        Err(failure) => unreachable!("an error in a plain scope: {failure:?}"),
    }
}
