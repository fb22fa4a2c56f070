//! What can be set, and what holds if it is not.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use umbel::RaceEventKind;
use umbel::net::{Attempt, Connector, Event};

use crate::common::ms;
use crate::hosts::{Hole, Names, Silence, good, in_step};

/// How long it takes to get past an address that does not answer.
async fn past_a_hole(connector: &Connector) -> Duration {
    let (hole, (_listener, open)) = (Hole::dig(), good());
    let start = Instant::now();
    in_step(connector.connect_addrs([hole.at, open])).await.unwrap();
    start.elapsed()
}

/// The delay is what was set, but no less than 10 ms: RFC 8305, section 8, forbids that. A clone that is set
/// otherwise leaves the other one as it is.
#[tokio::test(start_paused = true)]
async fn the_delay_has_a_least() {
    let connector = Connector::new();
    for (set, is) in [(400, 400), (11, 11), (10, 10), (9, 10), (0, 10)] {
        assert_eq!(past_a_hole(&connector.clone().delay(ms(set))).await, ms(is), "{set}");
    }
    assert_eq!(past_a_hole(&connector).await, ms(250));
}

/// RFC 8305, section 3: the other family is waited for as long as was set.
#[tokio::test(start_paused = true)]
async fn the_resolution_delay_is_what_was_set() {
    let (_listener, open) = good();
    for millis in [0, 20, 700] {
        let start = Instant::now();
        let connector = Connector::new().resolution_delay(ms(millis));
        let connector = connector.resolver(Names { v6: Silence, v4: open });
        in_step(connector.connect("host.test", open.port())).await.unwrap();
        assert_eq!(start.elapsed(), ms(millis));
    }
}

/// The order in which addresses are tried that all fail.
async fn order(connector: Connector, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&starts);
    let connector = connector.configure(|_, _| Err(io::Error::other("no"))).on_event(
        move |event| match event {
            Event::Attempt(event) if matches!(event.kind, RaceEventKind::Started) => {
                log.lock().unwrap().push(*event.candidate);
            }
            _ => {}
        },
    );
    in_step(connector.connect_addrs(addresses.to_vec())).await.unwrap_err();
    let starts = starts.lock().unwrap();
    starts.clone()
}

/// RFC 8305, section 4: "First Address Family Count", and then families in turn.
#[tokio::test(start_paused = true)]
async fn the_first_family_has_as_many_as_was_set() {
    let [a, b, c] = [1, 2, 3].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, 1));
    let list = [a, b, c, six];
    assert_eq!(order(Connector::new(), &list).await, [a, six, b, c]);
    assert_eq!(order(Connector::new().first_family_count(2), &list).await, [a, b, six, c]);
    assert_eq!(order(Connector::new().first_family_count(9), &list).await, list);
}

/// Six attempts are in flight unless something else is set; the oldest gives way to the seventh.
#[tokio::test(start_paused = true)]
async fn six_are_in_flight() {
    let holes: Vec<_> = (0..6).map(|_| Hole::dig()).collect();
    let (_listener, open) = good();
    let ends = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&ends);
    let connector = Connector::new().on_event(move |event| match event {
        Event::Attempt(event) if matches!(event.kind, RaceEventKind::Ended(_)) => {
            log.lock().unwrap().push(event.number);
        }
        _ => {}
    });
    in_step(connector.connect_addrs(holes.iter().map(|hole| hole.at).chain([open]))).await.unwrap();
    // The oldest, the winner, and then the losers.
    assert_eq!(*ends.lock().unwrap(), [0, 6, 1, 2, 3, 4, 5]);
}

/// R17: a layer that has lost may say goodbye, and is waited for.
#[tokio::test(start_paused = true)]
async fn a_loser_says_goodbye_within_the_grace() {
    let ((_one, first), (_two, open)) = (good(), good());
    let connector =
        Connector::new().grace(ms(500)).layer(move |_stream, attempt: Attempt| async move {
            if attempt.address() == first {
                umbel::stopping().await;
                sleep(ms(80)).await;
            }
            Ok(attempt.address())
        });
    let start = Instant::now();
    assert_eq!(in_step(connector.connect_addrs([first, open])).await.unwrap(), open);
    // The second was held back for a second: the first had got further.
    assert_eq!(start.elapsed(), ms(1_080));
}
