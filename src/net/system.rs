//! The system's resolver, `getaddrinfo`, on threads of its own.
//!
//! It blocks, and nothing can stop it: with a server that does not answer, for fifteen seconds or more.
//! On the runtime's threads for blocking work it would hold up the runtime's end for as long. Here it
//! outlives the connection that has asked, and nobody waits for it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType};
use tokio::sync::oneshot;

use super::family::Family;
use super::resolve::Resolver;
use crate::ground::runtime;
use crate::ground::sync::{Lock, static_lock};

/// So many lookups run at a time, in the whole process, for each family. Others wait for their turn: a
/// server that does not answer AAAA queries fills the one half of these threads, and A queries have the
/// other.
const THREADS: usize = 32;

/// The system's resolver: `getaddrinfo`, with what `/etc/hosts`, `/etc/resolv.conf` and the like say.
///
/// A lookup cannot be cancelled. It runs on a thread of its own, and **may outlive the scope it was asked
/// in**: the only thing in this crate that does. The scope does not wait for it, nor does the end of the
/// runtime; its answer is then dropped. At most 32 run at a time for each family, in the whole process;
/// others wait for their turn, and are not started at all when whoever asked is gone. A thread ends when
/// there is nothing left to look up.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct System;

impl Resolver for System {
    async fn lookup(&self, host: &str, family: Family) -> io::Result<Vec<SocketAddr>> {
        let (reply, answer) = oneshot::channel();
        submit(Query { host: host.to_owned(), family, reply });
        answer.await.unwrap_or_else(|_| Err(io::Error::other("the lookup panicked")))
    }
}

struct Query {
    host: String,
    family: Family,
    reply: oneshot::Sender<io::Result<Vec<SocketAddr>>>,
}

/// The queries of one family, and the threads that are at them.
#[derive(Default)]
struct Desk {
    waiting: VecDeque<Query>,
    threads: usize,
}

static_lock! {
    static V4: Desk = Desk::default();
}

static_lock! {
    static V6: Desk = Desk::default();
}

fn desk(family: Family) -> &'static Lock<Desk> {
    match family {
        Family::V4 => &V4,
        Family::V6 => &V6,
    }
}

fn submit(query: Query) {
    let family = query.family;
    let mut desk = desk(family).lock();
    desk.waiting.push_back(query);
    let hires = desk.threads < THREADS;
    desk.threads += usize::from(hires);
    drop(desk);
    if hires {
        let name = format!("lookup {family}");
        if let Err(error) = runtime::spawn_thread(&name, move || while work(family) {}) {
            short_of_threads(family, &error);
        }
    }
}

/// The system has no thread to give. If there is none at all, nobody is left to answer.
fn short_of_threads(family: Family, error: &io::Error) {
    let mut desk = desk(family).lock();
    desk.threads -= 1;
    let stranded =
        if desk.threads == 0 { std::mem::take(&mut desk.waiting) } else { VecDeque::new() };
    drop(desk);
    for query in stranded {
        // Whoever has asked may be gone.
        let _ = query.reply.send(Err(io::Error::new(error.kind(), error.to_string())));
    }
}

/// Answers one query. Whether there was one; if not, the thread is off the books.
fn work(family: Family) -> bool {
    let mut desk = desk(family).lock();
    let query = desk.waiting.pop_front();
    desk.threads -= usize::from(query.is_none());
    drop(desk);
    let Some(Query { host, reply, .. }) = query else { return false };
    if !reply.is_closed() {
        let _ = reply.send(look_up(&host, family));
    }
    true
}

fn look_up(host: &str, family: Family) -> io::Result<Vec<SocketAddr>> {
    let hints = AddrInfoHints {
        address: match family {
            Family::V4 => AddrFamily::Inet,
            Family::V6 => AddrFamily::Inet6,
        }
        .into(),
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    match dns_lookup::getaddrinfo(Some(host), None, Some(hints)) {
        Ok(found) => found.map(|info| info.map(|info| info.sockaddr)).collect(),
        // The host exists, and has no address in this family.
        Err(error) if matches!(error.kind(), LookupErrorKind::NoData) => Ok(Vec::new()),
        Err(error) => Err(telling(error)),
    }
}

/// The system's words, with a kind that tells more than "other".
fn telling(error: LookupError) -> io::Error {
    let kind = match error.kind() {
        LookupErrorKind::NoName => ErrorKind::NotFound,
        LookupErrorKind::Memory => ErrorKind::OutOfMemory,
        _ => return error.into(),
    };
    let error: io::Error = error.into();
    io::Error::new(kind, error.to_string())
}
