//! A connector that has its names from hickory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::proto::rr::RecordType::{A, AAAA};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use umbel::net::{ConnectError, Connector, Event, Family};
use umbel::{AttemptOutcome, RaceEventKind, scope};

use crate::server::{Reply, Server};
use crate::{NEVER, hickory};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// What a connector has told: when, and what.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(Duration, String)>>>);

impl Told {
    fn ear(&self) -> impl Fn(&Event<'_>) + Send + Sync + use<> {
        let told = Arc::clone(&self.0);
        move |event| told.lock().expect("no test has panicked").extend(line(event))
    }

    fn all(&self) -> Vec<(Duration, String)> {
        self.0.lock().expect("no test has panicked").clone()
    }

    fn lines(&self) -> Vec<String> {
        self.all().into_iter().map(|(_, line)| line).collect()
    }
}

fn line(event: &Event<'_>) -> Option<(Duration, String)> {
    match event {
        Event::Resolved { at, family, answer, .. } => {
            let what = if answer.is_ok() { "addresses" } else { "error" };
            Some((*at, format!("{family}: {what}")))
        }
        Event::Attempt(attempt) => {
            let what = match attempt.kind {
                RaceEventKind::Started => "started",
                RaceEventKind::Ended(AttemptOutcome::Won) => "won",
                RaceEventKind::Ended(AttemptOutcome::Failed(_)) => "failed",
                _ => "something else",
            };
            Some((attempt.at, format!("{} {what}", attempt.candidate.ip())))
        }
        _ => None,
    }
}

/// The answer about IPv6 is lost. What that costs is the resolution delay, and not the resolver's hour;
/// and when the connection stands, nobody asks any more.
#[tokio::test]
async fn a_lost_answer_costs_the_resolution_delay() {
    let zone = [(("stalk.", A), Reply::Address(V4)), (("stalk.", AAAA), Reply::Silence)];
    let (server, told) = (Server::bind(zone), Told::default());
    let listener = TcpListener::bind((V4, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let delay = Duration::from_millis(50);
    let connector = Connector::new()
        .resolution_delay(delay)
        .resolver(hickory(server.address(), NEVER))
        .on_event(told.ear());
    let asked = server.asked();
    scope(async |s| {
        s.service(server.serve());
        connector.connect("stalk", port).await.unwrap();
    })
    .await
    .unwrap();
    assert_eq!(told.lines(), ["IPv4: addresses", "127.0.0.1 started", "127.0.0.1 won"]);
    let told = told.all();
    assert!(told[1].0 >= told[0].0 + delay);
    assert!(asked.borrow().iter().any(|asked| asked.what == AAAA), "it was asked for");
    #[cfg(target_os = "linux")]
    assert_eq!(crate::lookups::sockets_of(&asked.borrow()), 0);
}

/// The answer about IPv6 comes after that about IPv4, and within the resolution delay: IPv6 goes first.
#[tokio::test]
async fn an_answer_within_the_resolution_delay_goes_first() {
    let released = Arc::new(Notify::new());
    let held = Reply::Held(Arc::clone(&released), V6);
    let zone = [(("stalk.", A), Reply::Address(V4)), (("stalk.", AAAA), held)];
    let (server, told) = (Server::bind(zone), Told::default());
    let listener = TcpListener::bind((V4, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hear = told.ear();
    let connector = Connector::new()
        .resolution_delay(NEVER)
        .prefer(Family::V6)
        .resolver(hickory(server.address(), NEVER))
        .on_event(move |event| {
            hear(event);
            released.notify_one();
        });
    scope(async |s| {
        s.service(server.serve());
        connector.connect("stalk", port).await.unwrap();
    })
    .await
    .unwrap();
    let lines = told.lines();
    assert_eq!(lines[..3], ["IPv4: addresses", "IPv6: addresses", "::1 started"]);
    assert_eq!(lines[3..], ["::1 failed", "127.0.0.1 started", "127.0.0.1 won"]);
}

/// A name that does not exist: both lookups are in the error, with their kinds.
#[tokio::test]
async fn a_name_that_does_not_exist_is_not_found_in_either_family() {
    let server = Server::bind([]);
    let connector = Connector::new().resolver(hickory(server.address(), NEVER));
    scope(async |s| {
        s.service(server.serve());
        let error = connector.connect("stalk", 80).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        let report = ConnectError::of(&error).unwrap().report();
        assert_eq!((report.attempts.len(), report.source_errors.len()), (0, 2), "{error}");
    })
    .await
    .unwrap();
}
