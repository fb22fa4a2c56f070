//! The system's resolver, `getaddrinfo`, on threads of its own.
//!
//! It blocks, and nothing can stop it: with a server that does not answer, for fifteen seconds or more.
//! On the runtime's threads for blocking work it would hold up the runtime's end for as long. Here it
//! outlives the connection that has asked, and nobody waits for it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::iter;
use std::mem;
use std::net::SocketAddr;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupError, LookupErrorKind, SockType};
use tokio::sync::oneshot;

use super::family::Family;
use super::resolve::{Answer, Resolver};
use crate::ground::panics;
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
        // An address with a zone (`fe80::1%eth0`): there is none like it of the other family.
        if family == Family::V4 && host.contains(':') {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        submit(Query { host: host.to_owned(), family, reply });
        answer.await.unwrap_or_else(|_| Err(io::Error::other("the lookup panicked")))
    }
}

struct Query {
    host: String,
    family: Family,
    reply: oneshot::Sender<Answer>,
}

impl Query {
    fn answer(self, found: Answer) {
        // Whoever has asked may be gone by now.
        let _ = self.reply.send(found);
    }
}

/// The queries of one family, and how many threads are at them.
#[derive(Default)]
struct Desk {
    waiting: VecDeque<Query>,
    threads: usize,
}

impl Desk {
    /// Takes a query in. Whether a thread is to be started for it.
    #[must_use]
    fn take_in(&mut self, query: Query) -> bool {
        self.waiting.push_back(query);
        let hires = self.threads < THREADS;
        self.threads += usize::from(hires);
        hires
    }

    /// The next query for one of the threads; if there is none, that thread ends. What nobody waits for any
    /// more is not asked.
    fn next(&mut self) -> Option<Query> {
        let mut waiting = iter::from_fn(|| self.waiting.pop_front());
        let query = waiting.find(|query| !query.reply.is_closed());
        self.threads -= usize::from(query.is_none());
        query
    }

    /// The thread was not to be had. If there is no other, nobody is left to answer these.
    fn short_of_threads(&mut self) -> VecDeque<Query> {
        self.threads -= 1;
        if self.threads == 0 { mem::take(&mut self.waiting) } else { VecDeque::new() }
    }
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
    if !desk(family).lock().take_in(query) {
        return;
    }
    let main = move || work(desk(family), |host| look_up(host, family));
    let started = runtime::spawn_thread(&format!("lookup {family}"), main);
    if let Err(error) = started {
        let stranded = desk(family).lock().short_of_threads();
        for query in stranded {
            query.answer(Err(io::Error::new(error.kind(), error.to_string())));
        }
    }
}

/// What a thread does, until there is nothing left to do.
///
/// A panic costs the query and not the thread, which would be missing for good: of a waker, or where the
/// system's words for an error are no UTF-8.
fn work(desk: &Lock<Desk>, look_up: impl Fn(&str) -> Answer) {
    loop {
        let next = desk.lock().next();
        let Some(query) = next else { return };
        let answered = panics::catch(|| {
            let found = look_up(&query.host);
            query.answer(found);
        });
        if let Err(panic) = answered {
            panics::discard(panic);
        }
    }
}

fn look_up(host: &str, family: Family) -> Answer {
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
        Err(error) => without(error),
    }
}

/// No addresses: the system's words why, with a kind that tells more than "other".
fn without(error: LookupError) -> Answer {
    let kind = match error.kind() {
        // The host exists, and has no address in this family.
        LookupErrorKind::NoData => return Ok(Vec::new()),
        LookupErrorKind::NoName => ErrorKind::NotFound,
        LookupErrorKind::Memory => ErrorKind::OutOfMemory,
        _ => return Err(error.into()),
    };
    let error: io::Error = error.into();
    Err(io::Error::new(kind, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(host: &str) -> (Query, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (Query { host: host.to_owned(), family: Family::V4, reply }, answer)
    }

    /// Any number of queries, and 32 threads.
    #[test]
    fn threads_are_bounded_and_end_when_there_is_nothing_left() {
        let mut desk = Desk::default();
        let (queries, _answers): (Vec<_>, Vec<_>) = (0..100).map(|_| query("host")).unzip();
        let hired = queries.into_iter().filter_map(|query| desk.take_in(query).then_some(()));
        assert_eq!(hired.count(), THREADS);
        for left in (0..100).rev() {
            assert!(desk.next().is_some());
            assert_eq!((desk.waiting.len(), desk.threads), (left, THREADS));
        }
        for left in (0..THREADS).rev() {
            assert!(desk.next().is_none());
            assert_eq!(desk.threads, left);
        }
        assert!(desk.take_in(query("host").0), "the next one finds a thread again");
    }

    /// A query that has waited for its turn in vain costs no lookup.
    #[test]
    fn what_nobody_waits_for_is_not_asked() {
        let mut desk = Desk::default();
        let ((gone, answer), (wanted, _answer)) = (query("gone"), query("wanted"));
        assert!(desk.take_in(gone) && desk.take_in(wanted));
        drop(answer);
        assert_eq!(desk.next().map(|query| query.host).as_deref(), Some("wanted"));
        assert!(desk.next().is_none());
    }

    /// Without any thread the queries get an error; with one left, they have their turn.
    #[test]
    fn nobody_waits_for_a_thread_that_could_not_be_started() {
        let mut desk = Desk::default();
        let ((one, _answer), (two, _other)) = (query("one"), query("two"));
        assert!(desk.take_in(one) && desk.take_in(two));
        assert_eq!(desk.short_of_threads().len(), 0);
        assert_eq!(desk.short_of_threads().len(), 2);
        assert_eq!(desk.threads, 0);
    }

    /// A lookup that panics has no answer; the thread goes on to the next.
    #[test]
    fn a_panic_costs_a_query_and_no_thread() {
        let desk = Lock::new(Desk::default());
        let ((bad, mut none), (good, mut some)) = (query("bad"), query("good"));
        assert!(desk.lock().take_in(bad) && desk.lock().take_in(good));
        work(&desk, |host| if host == "bad" { panic!("no UTF-8") } else { Ok(Vec::new()) });
        assert!(none.try_recv().is_err());
        assert!(some.try_recv().is_ok_and(|found| found.is_ok_and(|found| found.is_empty())));
        let desk = desk.lock();
        assert_eq!((desk.waiting.len(), desk.threads), (0, 1));
    }

    /// What the system says of names that cannot be: an error of a kind that tells.
    #[test]
    fn a_name_that_cannot_be_is_an_error() {
        let kind = |host| look_up(host, Family::V4).map_err(|error| error.kind());
        assert_eq!(kind("a\0b"), Err(ErrorKind::InvalidInput));
        assert_eq!(kind(""), Err(ErrorKind::NotFound));
        assert_eq!(kind("127.0.0.1"), Ok(vec![([127, 0, 0, 1], 0).into()]));
        assert!(kind("::1").is_err(), "an address of the other family");
    }

    /// What the system says of the others: no addresses at all are an answer, and what it has run out of is
    /// no fault of the name.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_systems_words_have_kinds() {
        let said = |code| without(LookupError::new(code)).map_err(|error| error.kind());
        assert_eq!(said(libc::EAI_NODATA), Ok(vec![]));
        assert_eq!(said(libc::EAI_NONAME), Err(ErrorKind::NotFound));
        assert_eq!(said(libc::EAI_MEMORY), Err(ErrorKind::OutOfMemory));
        let is_error = said(libc::EAI_AGAIN).is_err_and(|kind| kind != ErrorKind::NotFound);
        assert!(is_error, "whoever does not answer has not said that there is no such host");
    }
}
