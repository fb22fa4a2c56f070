//! Happy eyeballs: a connector tries four addresses, the first connection wins, the others are closed.
//!
//! A thousand such races run, each two scopes deep in one task. Then everything that could have been
//! left behind is counted: cancel requests on somebody who was not asked, sockets, tasks.
//!
//! `cargo run --features net --example happy_eyeballs` needs no network and no set-up. It ends with 1 if
//! any count is not what it must be.

mod journal;
mod lab;
mod report;

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use tokio::time::sleep;
use umbel::net::Connector;
use umbel::{CancelScope, Cancelled, task};

use journal::Journal;
use lab::{Address, Lab};
use report::Leftovers;

const RACES: usize = 1_000;
/// How many races are on at the same time, all in one task.
const AT_ONCE: usize = 10;
/// From one start to the next, unless an attempt fails: the least that RFC 8305 permits. A connector's
/// default is 250 ms.
const DELAY: Duration = Duration::from_millis(10);
/// In the middle of a race two addresses hang, one has failed, one is still to start.
const MIDDLE: Duration = Duration::from_millis(15);
/// No race takes so long. One that does is given up, and missed in the count.
const LIMIT: Duration = Duration::from_secs(60);

/// One thread, so that what is left over can be counted at once: where there are more, tokio takes a
/// task off its list a moment after the task has ended.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => eprintln!("happy_eyeballs: {error}"),
    }
    ExitCode::FAILURE
}

/// Whether all counts are what they must be.
async fn run() -> io::Result<bool> {
    let before = Leftovers::count();
    let lab = Lab::open()
        .await
        .map_err(|error| io::Error::other(format!("the four addresses cannot be had: {error}")))?;
    let addresses = lab.addresses;
    report::intro(&addresses);
    let began = Instant::now();
    let seen = example(lab).await?;
    let took = began.elapsed();
    let after = Leftovers::count();

    report::one_race(&seen, &addresses);
    Ok(report::table(&seen, took, &before, &after))
}

/// What is seen from the host task.
#[derive(Default)]
struct Seen {
    journal: Journal,
    /// How much of the journal is about the first race, and the tree in the middle of that.
    first: usize,
    picture: String,
    won: usize,
    /// Cancel counts: of all request scopes, of the host scope, of the host task before and after.
    on_requests: u64,
    on_scope: u64,
    on_task: [u64; 2],
}

/// The outermost scope. It owns two tasks, and does not return before both have ended.
async fn example(lab: Lab) -> io::Result<Seen> {
    umbel::scope(async |s| {
        let host = host(lab.addresses, CancelScope::clone(&s));
        let listener = s.named("good listener").spawn(lab.accept());
        let mut host = s.named("host task").spawn(host);
        let seen = (&mut host).await;

        // This stops the listener, and nothing else.
        listener.cancel();
        if let Ok(Err(broken)) = listener.await {
            return Err(broken);
        }
        let mut seen = seen??;
        seen.on_task[1] = host.cancel_count();
        Ok(seen)
    })
    .name("example")
    .await?
}

/// The host task: all races run in here, and none of them in a task of its own.
async fn host(addresses: [Address; 4], all: CancelScope) -> Result<Seen, Cancelled> {
    let before = task::current().cancel_count();
    let body = umbel::scope(async |s| (races(&addresses, &all).await, s));
    let (mut seen, scope) = body.name("host").await?;
    seen.on_task[0] = before;
    seen.on_scope = scope.cancel_count();
    Ok(seen)
}

/// One race by itself, to be looked at closely, and then the others.
async fn races(addresses: &[Address; 4], all: &CancelScope) -> Seen {
    let journal = Journal::default();
    let connector = journal.kept_by(Connector::new().delay(DELAY).timeout(LIMIT));
    let request = || request(&connector, addresses);
    let (won, picture) = tokio::join!(request(), async {
        sleep(MIDDLE).await;
        all.picture().to_string()
    });
    let first = journal.notes().lines.len();
    let others = stream::iter(1..RACES).map(|_| request());
    let won: Vec<u64> = stream::iter([won])
        .chain(others.buffer_unordered(AT_ONCE))
        .filter_map(async |count| count)
        .collect()
        .await;
    Seen {
        journal,
        first,
        picture,
        won: won.len(),
        on_requests: won.iter().sum(),
        ..Seen::default()
    }
}

/// One race, in a scope of its own. Gives the cancel count of that scope, if somebody has won.
async fn request(connector: &Connector, addresses: &[Address; 4]) -> Option<u64> {
    let addresses = addresses.map(|address| address.at);
    let request = umbel::scope(async |s| (connector.connect_addrs(addresses).await, s));
    match request.name("request").await {
        Ok((Ok(_connection), scope)) => return Some(scope.cancel_count()),
        Ok((Err(error), _)) => eprintln!("a race without a winner: {error}"),
        Err(cancelled) => eprintln!("a race without an end: {cancelled}"),
    }
    None
}
