//! Names to addresses.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use umbel::{Cancelled, RaceError};

use crate::cell::{Cell, Mistake};
use crate::sync::{Mutex, lock};

/// Where addresses come from.
pub trait Source: Send + Sync {
    /// The address of `name`.
    fn ask<'a>(&'a self, name: &'a str) -> Answer<'a>;
}

/// An address to come.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<IpAddr, Failed>> + Send + 'a>>;

/// There is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed(pub String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failed {}

impl From<RaceError<usize, Failed>> for Failed {
    fn from(failed: RaceError<usize, Failed>) -> Self {
        Self(failed.to_string())
    }
}

/// Looks names up, each once.
pub struct Resolver {
    sources: Vec<Box<dyn Source>>,
    limit: Duration,
    known: Mutex<HashMap<String, Arc<Cell<IpAddr>>>>,
    mistake: Option<Mistake>,
}

impl Resolver {
    /// Asks all of `sources` at once, and waits no longer than `limit` for the first of them.
    #[must_use]
    pub fn new(sources: Vec<Box<dyn Source>>, limit: Duration) -> Self {
        Self { sources, limit, known: Mutex::default(), mistake: None }
    }

    /// For tests that are to find it.
    #[must_use]
    pub fn with_mistake(mut self, mistake: Option<Mistake>) -> Self {
        self.mistake = mistake;
        self
    }

    /// The address of `name`.
    ///
    /// # Errors
    ///
    /// What every source says, if none has an address; or that none had one in time.
    pub async fn resolve(&self, name: &str) -> Result<IpAddr, Failed> {
        let cell = self.cell(name);
        cell.find(self.ask(name)).await
    }

    /// Resolves all of `names` side by side, so that they are known afterwards, or cannot be.
    ///
    /// # Errors
    ///
    /// If the scope that this opens is cancelled.
    pub async fn fetch(self: &Arc<Self>, names: &[&str]) -> Result<(), Cancelled> {
        umbel::scope(async |s| {
            for name in names {
                let (this, name) = (Arc::clone(self), (*name).to_owned());
                let fetched = async move { this.resolve(&name).await.is_ok() };
                if self.mistake == Some(Mistake::Detached) {
                    drop(tokio::spawn(fetched));
                } else {
                    s.spawn(fetched);
                }
            }
        })
        .await
    }

    fn cell(&self, name: &str) -> Arc<Cell<IpAddr>> {
        let mut known = lock(&self.known);
        let cell = known.entry(name.to_owned());
        Arc::clone(cell.or_insert_with(|| Arc::new(Cell::new(self.mistake))))
    }

    async fn ask(&self, name: &str) -> Result<IpAddr, Failed> {
        let race = umbel::race(self.sources.iter().map(|source| source.ask(name)));
        match umbel::timeout(self.limit, race).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Failed(format!("nobody knew {name} within {:?}", self.limit))),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("limit", &self.limit).finish_non_exhaustive()
    }
}
