//! Scope locals: values that are set on a scope and read by whatever runs below it.
//!
//! Nothing is copied downwards. A value hangs on the node of its scope, and a reader climbs from where
//! it stands to the nearest scope that has one. So children inherit without being told, a place that is
//! entered late (a destructor, a finalizer) sees what was there all along, and scopes that set nothing
//! pay nothing.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::stack;
use crate::tree::{Attachment, NodeRef, Shelf};

/// Declares [`ScopeLocal`]s: values that a scope sets, and that everything below it sees.
///
/// Each `static NAME: T` becomes a `static NAME: ScopeLocal<T>`, with the attributes and the visibility
/// that it is given. `T` must be `Send`, `Sync` and `'static`.
///
/// # Examples
///
/// ```
/// umbel::scope_local! {
///     /// The request that is being answered.
///     pub static REQUEST: u64;
///     static USER: String;
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let answered = umbel::scope(async |s| s.spawn(async { REQUEST.get() }).await.unwrap())
///     .local(&REQUEST, 7)
///     .local(&USER, "ada".to_owned())
///     .await;
/// assert_eq!(answered.unwrap(), Some(7));
/// assert_eq!(REQUEST.get(), None);
/// # }
/// ```
#[macro_export]
macro_rules! scope_local {
    ($($(#[$meta:meta])* $vis:vis static $name:ident: $ty:ty);* $(;)?) => {$(
        $(#[$meta])*
        $vis static $name: $crate::ScopeLocal<$ty> = {
            enum Key {}
            $crate::ScopeLocal::declared::<Key>(::core::stringify!($name))
        };
    )*};
}

/// A value that a scope sets and that everything below it sees: its body, its children and theirs, on
/// whichever thread they run. Declared by [`scope_local!`](crate::scope_local), set by
/// [`ScopeFuture::local`](crate::ScopeFuture::local).
///
/// What counts is where the reader stands in the tree (R22), not who started it: the nearest scope on
/// the way up that has a value gives it. A child sees what its scope sees, and nothing that the body
/// which spawned it had set further in. Shields hide nothing. Destructors and finalizers see what their
/// scope sees. Outside every scope, in tasks of `tokio::spawn` and on other threads, there is no value.
///
/// To override a value, open a scope inside and set another there. What is below sees that one; nobody
/// else notices.
///
/// The value lives until its scope has ended. It is dropped before the scope returns, outside of it,
/// with no lock held (R25). If its destructor panics, the panic hook reports that, and the scope returns
/// all the same.
///
/// # Examples
///
/// ```
/// umbel::scope_local! {
///     static DEPTH: u32;
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// umbel::scope(async |_| {
///     let inner = umbel::scope(async |_| DEPTH.get()).local(&DEPTH, 2).await;
///     assert_eq!(inner.unwrap(), Some(2));
///     assert_eq!(DEPTH.get(), Some(1));
/// })
/// .local(&DEPTH, 1)
/// .await
/// .unwrap();
/// # }
/// ```
pub struct ScopeLocal<T> {
    /// What tells this local from all others: the id of a type that only its declaration names. (Its
    /// address would need an argument about statics being merged; types are never merged.) A function,
    /// because the id is not to be had in a constant.
    key: fn() -> TypeId,
    name: &'static str,
    /// It gives out values and holds none.
    value: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> ScopeLocal<T> {
    /// For `scope_local!` alone, which makes a new `Key` for each local.
    #[doc(hidden)]
    #[must_use]
    pub const fn declared<Key: 'static>(name: &'static str) -> Self {
        Self { key: TypeId::of::<Key>, name, value: PhantomData }
    }

    /// Calls `read` with the value that is in force where the caller is being polled, or with nothing.
    /// No lock is held meanwhile.
    ///
    /// # Panics
    ///
    /// Only if `read` does.
    pub fn with<R>(&'static self, read: impl FnOnce(Option<&T>) -> R) -> R {
        read(self.shared().as_deref())
    }

    /// A clone of the value that is in force where the caller is being polled.
    #[must_use]
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.shared().as_deref().cloned()
    }

    /// The value itself, shared: for what is large or cannot be cloned. Whoever keeps it keeps it alive
    /// beyond the end of its scope.
    #[must_use]
    pub fn shared(&'static self) -> Option<Arc<T>> {
        let key = (self.key)();
        // Under the lock only a count is raised.
        stack::innermost()?.pick(Shelf::Locals, |values| find(values, key)).map(typed)
    }
}

impl<T> fmt::Debug for ScopeLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopeLocal").field(&format_args!("{}", self.name)).finish()
    }
}

/// The values that one scope sets, each under the key of its local.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<(TypeId, Attachment)>);

impl Values {
    /// Sets a value, in place of one that was set before.
    pub(crate) fn set<T>(&mut self, local: &'static ScopeLocal<T>, value: T)
    where
        T: Send + Sync + 'static,
    {
        let key = (local.key)();
        let value: Attachment = Arc::new(value);
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, before)) => *before = value,
            None => self.0.push((key, value)),
        }
    }

    /// Makes them visible below `node`, which nothing runs in yet.
    pub(crate) fn hang_on(self, node: &NodeRef) {
        if !self.0.is_empty() {
            node.attach(Shelf::Locals, Arc::new(self));
        }
    }
}

fn typed<T: Send + Sync + 'static>(value: Attachment) -> Arc<T> {
    // INVARIANT: `Values::set` puts a `T` under the key of a `ScopeLocal<T>`.
    value.downcast().expect("a local has the type that it was declared with")
}

fn find(values: &Attachment, key: TypeId) -> Option<Attachment> {
    // INVARIANT: nothing else is put on this shelf.
    let Values(values) = values.downcast_ref().expect("what hangs there are values of locals");
    values.iter().find(|(known, _)| *known == key).map(|(_, value)| Arc::clone(value))
}
