//! The connector, with real sockets on loopback, in paused time: when everybody waits, the clock jumps to the
//! next timer. So "250 ms later" is exact, and takes none.
#![cfg(feature = "net")]
#![expect(clippy::unwrap_used, reason = "a host that cannot be set up is shown where it was to be")]

#[path = "../common/mod.rs"]
mod common;
mod errors;
mod hosts;
mod layers;
mod ports;
mod settings;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;
use umbel::net::{Connector, Event, Family};
use umbel::{CancelScope, Kind, RaceEventKind, scope, task};

use hosts::{Hole, Names, Nothing, Repeats, Silence, TIMES, good, in_step, refusing};

const DELAY: Duration = Duration::from_millis(250);

/// What became of each attempt, in the order of their ends, with the time.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u128, String)>>>);

impl Log {
    fn kept_by(&self, connector: Connector) -> Connector {
        let log = self.clone();
        connector.on_event(move |event| {
            let Event::Attempt(event) = event else { return };
            let what = match event.kind {
                RaceEventKind::Started => "started".to_owned(),
                RaceEventKind::Ended(outcome) => outcome.to_string(),
                _ => return,
            };
            let line = (event.at.as_millis(), format!("{} {what}", event.number));
            log.0.lock().unwrap().push(line);
        })
    }

    fn lines(&self) -> Vec<(u128, String)> {
        self.0.lock().unwrap().clone()
    }
}

fn lines(expected: &[(u128, &str)]) -> Vec<(u128, String)> {
    expected.iter().map(|&(at, line)| (at, line.to_owned())).collect()
}

fn peer(stream: &TcpStream) -> std::net::SocketAddr {
    stream.peer_addr().unwrap()
}

/// RFC 8305, section 5: the first address hangs, the next one starts after the delay and wins. The
/// other socket is closed when the connection is returned.
#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_the_delay() {
    let (hole, (_listener, open)) = (Hole::dig(), good());
    let log = Log::default();
    let start = Instant::now();
    let connector = log.kept_by(Connector::new());
    let stream = in_step(connector.connect_addrs([hole.at, open])).await.unwrap();
    assert_eq!((peer(&stream), start.elapsed()), (open, DELAY));
    #[cfg(target_os = "linux")]
    assert_eq!(hole.callers(), 0);
    let expected = [(0, "0 started"), (250, "1 started"), (250, "1 won"), (250, "0 given up")];
    assert_eq!(log.lines(), lines(&expected));
}

/// Section 5: a refusal starts the next one at once.
#[tokio::test(start_paused = true)]
async fn a_refusal_costs_nothing() {
    let ((_taken, closed), (_listener, open)) = (refusing(), good());
    let start = Instant::now();
    let stream = in_step(Connector::new().connect_addrs([closed, open])).await.unwrap();
    assert_eq!((peer(&stream), start.elapsed()), (open, Duration::ZERO));
}

/// Section 3: a server that does not answer AAAA queries costs the resolution delay.
#[tokio::test(start_paused = true)]
async fn a_silent_family_costs_the_resolution_delay() {
    let (_listener, open) = good();
    let start = Instant::now();
    let connector = Connector::new().resolver(Names { v6: Silence, v4: open });
    let stream = in_step(connector.connect("host.test", open.port())).await.unwrap();
    assert_eq!((peer(&stream), start.elapsed()), (open, Duration::from_millis(50)));
    // A family that has nothing costs nothing, nor does one that is not preferred.
    let start = Instant::now();
    let connector = Connector::new().resolver(Names { v6: Nothing, v4: open });
    in_step(connector.connect("host.test", open.port())).await.unwrap();
    let connector = connector.resolver(Names { v6: Silence, v4: open }).prefer(Family::V4);
    in_step(connector.connect("host.test", open.port())).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// A family that cannot be tried, for want of a local address, is not waited for; won or lost.
#[tokio::test(start_paused = true)]
async fn a_family_that_cannot_be_tried_costs_nothing() {
    let ((_listener, open), (_taken, closed)) = (good(), refusing());
    let start = Instant::now();
    let connector = Connector::new().local_address("127.0.0.1".parse().unwrap());
    let half = connector.clone().resolver(Names { v6: Silence, v4: open });
    assert_eq!(peer(&in_step(half.connect("host.test", open.port())).await.unwrap()), open);
    let half = connector.clone().resolver(Names { v6: Silence, v4: closed });
    let error = in_step(half.connect("host.test", closed.port())).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let said = "IPv6: not looked up, there is no local IPv6 address";
    assert!(error.to_string().ends_with(said), "{error}");
    let error = connector.resolver(Names { v6: open, v4: Nothing }).connect("host.test", 9).await;
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// A resolver that has much to say does not keep the first attempt from its start.
#[tokio::test(start_paused = true)]
async fn an_attempt_does_not_wait_for_the_last_answer() {
    let (_listener, open) = good();
    let told = Arc::new(Mutex::new((0, None)));
    let heard = Arc::clone(&told);
    let connector = Connector::new().on_event(move |event| {
        let (answers, at_start) = &mut *heard.lock().unwrap();
        match event {
            Event::Resolved { .. } => *answers += 1,
            _ => _ = at_start.get_or_insert(*answers),
        }
    });
    let connector = connector.resolver(Repeats(Names { v6: Nothing, v4: open }));
    in_step(connector.connect("host.test", open.port())).await.unwrap();
    let (_, at_start) = *told.lock().unwrap();
    assert!(at_start.unwrap() < TIMES, "{at_start:?}");
}

/// R1: neither the enclosing scope nor the task is charged, before, during or after; won or lost.
#[tokio::test(start_paused = true)]
async fn a_connection_changes_no_count_but_its_losers() {
    let (hole, (_listener, open)) = (Hole::dig(), good());
    scope(async |s| {
        let around = s.handle();
        let child = s.spawn(async move {
            let seen = Arc::new(AtomicU64::new(0));
            let count = {
                let (seen, around) = (Arc::clone(&seen), around.clone());
                move || {
                    let counts = around.cancel_count() + task::current().cancel_count();
                    seen.fetch_add(counts, Ordering::Relaxed);
                }
            };
            let connector = Connector::new().on_event({
                let count = count.clone();
                move |_| count()
            });
            in_step(connector.connect_addrs([hole.at, open])).await.unwrap();
            let late = connector.clone().timeout(Duration::from_secs(1));
            late.connect_addrs([hole.at]).await.unwrap_err();
            count();
            seen.load(Ordering::Relaxed)
        });
        assert_eq!(child.await.unwrap(), 0);
        assert_eq!(s.cancel_count(), 0);
    })
    .await
    .unwrap();
}

/// R1, R12: a loser's own scope has the one request, and its reason says why.
#[tokio::test(start_paused = true)]
async fn a_loser_is_cancelled_on_its_own_scope() {
    let (hole, (_listener, open)) = (Hole::dig(), good());
    let scopes = Arc::new(Mutex::new(Vec::new()));
    let made = Arc::clone(&scopes);
    let connector = Connector::new().configure(move |_, _| {
        made.lock().unwrap().extend(CancelScope::current());
        Ok(())
    });
    in_step(connector.connect_addrs([hole.at, open])).await.unwrap();
    let scopes = scopes.lock().unwrap();
    let counts: Vec<_> = scopes.iter().map(CancelScope::cancel_count).collect();
    assert_eq!(counts, [1, 0]);
    let reason = scopes[0].reason().unwrap();
    assert_eq!(
        (reason.kind(), reason.message()),
        (Kind::Explicit, Some("another candidate has won"))
    );
}

/// R12: cancelled or dropped half way, no socket is left.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_wanted_any_more_closes_its_sockets() {
    let holes = [Hole::dig(), Hole::dig()];
    let callers = || holes.each_ref().map(Hole::callers);
    let connector = Connector::new();
    let connect = async || {
        let connecting = connector.connect_addrs(holes.each_ref().map(|hole| hole.at));
        let watch = async {
            tokio::time::sleep(DELAY * 2).await;
            assert_eq!(callers(), [1, 1]);
        };
        tokio::join!(connecting, watch).0
    };
    assert!(umbel::timeout(DELAY * 3, connect()).await.is_err());
    assert_eq!(callers(), [0, 0]);
    assert!(tokio::time::timeout(DELAY * 3, connect()).await.is_err());
    assert_eq!(callers(), [0, 0]);
}

/// A picture shows a connection where it was asked for, and not as a line of the library's.
#[tokio::test(start_paused = true)]
async fn a_picture_shows_where_a_connection_was_asked_for() {
    let hole = Hole::dig();
    let (host, port) = (hole.at.ip().to_string(), hole.at.port());
    let connector = Connector::new();
    let picture = scope(async |s| {
        let connecting = async {
            tokio::join!(umbel::net::connect(&host, port), connector.connect(&host, port))
        };
        let shown = umbel::timeout(DELAY, connecting);
        tokio::join!(shown, async { s.picture().to_string() }).1
    });
    let picture = picture.await.unwrap();
    let races: Vec<_> = picture.lines().filter(|line| line.contains("race ")).collect();
    assert_eq!(races.len(), 2, "{picture}");
    assert!(races.iter().all(|race| race.contains(file!())), "{picture}");
}

/// The system's own resolver, by a name that every host has; from a spawned task.
#[tokio::test]
async fn the_systems_resolver_knows_this_host() {
    let (_listener, open) = good();
    let stream = tokio::spawn(umbel::net::connect("localhost".to_owned(), open.port()));
    assert_eq!(peer(&stream.await.unwrap().unwrap()), open);
}

/// An address needs no lookup: in the forms in which hosts are written.
#[tokio::test]
async fn an_address_is_a_host_too() {
    let (_listener, open) = good();
    for host in ["127.0.0.1", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"] {
        let connector = Connector::new().resolver(Names { v6: Silence, v4: Silence });
        let stream = connector.connect(host, open.port()).await.unwrap();
        assert_eq!(peer(&stream), open, "{host}");
    }
}

/// A socket is configured before it connects, and connects from the local address that is set.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_socket_is_configured_and_has_its_local_address() {
    let (listener, open) = good();
    let connector = Connector::new()
        .local_address("127.0.0.3".parse().unwrap())
        .configure(|socket, _| socket.set_keepalive(true));
    let stream = connector.connect_addrs([open]).await.unwrap();
    assert_eq!(listener.accept().unwrap().1.ip().to_string(), "127.0.0.3");
    assert!(socket2::SockRef::from(&stream).keepalive().unwrap());
}

/// A port that is not to be had any more may be another time; but an attempt does not try for ever.
#[tokio::test(start_paused = true)]
async fn an_attempt_is_made_three_times_at_most() {
    let (_listener, open) = good();
    for (taken, all) in [(2, 3), (u64::MAX, 3)] {
        let sockets = Arc::new(AtomicU64::new(0));
        let made = Arc::clone(&sockets);
        let connector = Connector::new().configure(move |_, _| {
            let is_taken = made.fetch_add(1, Ordering::Relaxed) < taken;
            if is_taken { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(()) }
        });
        let outcome = connector.connect_addrs([open]).await;
        assert_eq!(outcome.is_ok(), taken < all);
        assert_eq!(sockets.load(Ordering::Relaxed), all);
    }
}

/// An attempt that cannot have a socket fails by itself, and the next one starts.
#[tokio::test(start_paused = true)]
async fn what_configure_refuses_is_that_attempts_failure() {
    let ((_other, first), (_listener, open)) = (good(), good());
    let connector = Connector::new().configure(move |_, address| {
        if address == first { Err(io::Error::other("not this one")) } else { Ok(()) }
    });
    let stream = in_step(connector.connect_addrs([first, open])).await.unwrap();
    assert_eq!(peer(&stream), open);
}

/// When descriptors run out it is no fault of the address: the list is not burnt, the next attempt
/// starts when its time has come.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_shortage_of_descriptors_does_not_burn_the_list() {
    const EMFILE: i32 = 24;
    let (hole, (_other, starved), (_listener, open)) = (Hole::dig(), good(), good());
    let log = Log::default();
    let connector = log.kept_by(Connector::new()).configure(move |_, address| {
        if address == starved { Err(io::Error::from_raw_os_error(EMFILE)) } else { Ok(()) }
    });
    let start = Instant::now();
    let stream = in_step(connector.connect_addrs([hole.at, starved, open])).await.unwrap();
    assert_eq!((peer(&stream), start.elapsed()), (open, DELAY * 2));
    // With nothing in flight there is nothing to wait for.
    let start = Instant::now();
    in_step(connector.connect_addrs([starved, open])).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// More than may be in flight: the oldest is given up for the next.
#[tokio::test(start_paused = true)]
async fn dead_addresses_do_not_keep_the_rest_from_their_turn() {
    let holes: Vec<_> = (0..3).map(|_| Hole::dig()).collect();
    let (_listener, open) = good();
    let log = Log::default();
    let connector = log.kept_by(Connector::new().max_in_flight(2));
    let list = holes.iter().map(|hole| hole.at).chain([open]);
    in_step(connector.connect_addrs(list)).await.unwrap();
    let evicted = |n| format!("{n} given up for a newer attempt");
    let lines = log.lines();
    assert!(lines.contains(&(500, evicted(0))) && lines.contains(&(750, evicted(1))), "{lines:?}");
    assert_eq!(lines.last(), Some(&(750, "2 given up".to_owned())));
}

/// What a panic in the user's part of a connection does: it comes out.
#[tokio::test(start_paused = true)]
async fn a_panic_comes_out() {
    let (_listener, open) = good();
    let connector = Connector::new().configure(|_, _| common::boom("configure"));
    assert_eq!(common::panic_of(connector.connect_addrs([open])).await, "configure");
    let connector = Connector::new().on_event(|_| common::boom("listener"));
    assert_eq!(common::panic_of(connector.connect_addrs([open])).await, "listener");
}

/// An attempt that takes too long has failed, and its failure starts the next.
#[tokio::test(start_paused = true)]
async fn an_attempt_may_have_a_limit() {
    let (hole, (_listener, open)) = (Hole::dig(), good());
    let connector = Connector::new().attempt_timeout(Duration::from_millis(40));
    let start = Instant::now();
    let stream = in_step(connector.connect_addrs([hole.at, open])).await.unwrap();
    assert_eq!((peer(&stream), start.elapsed()), (open, Duration::from_millis(40)));
    let log = Log::default();
    in_step(log.kept_by(connector).connect_addrs([hole.at, open])).await.unwrap();
    assert_eq!(log.lines()[1], (40, "0 timed out".to_owned()));
}

/// What was set can be read.
#[test]
fn a_connector_can_be_printed() {
    let shown = format!("{:?}", Connector::new().timeout(Duration::from_secs(7)));
    assert!(shown.starts_with("Connector {") && shown.contains("timeout: Some(7s)"), "{shown}");
}
