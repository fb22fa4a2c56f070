//! What is said when there is no connection.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpStream;
use umbel::net::{ConnectError, Connector};

use crate::hosts::{Fails, Hole, Names, Nothing, Silence, in_step, refusing};

fn refused(outcome: io::Result<TcpStream>) -> io::Error {
    outcome.unwrap_err()
}

/// Every attempt is in the text, the kind is what they have in common, the report is inside.
#[tokio::test(start_paused = true)]
async fn the_error_names_every_attempt() {
    let ((_one, a), (_two, b)) = (refusing(), refusing());
    let error = refused(in_step(Connector::new().connect_addrs([a, b])).await);
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let inner = ConnectError::of(&error).unwrap();
    assert_eq!(inner.report().attempts.iter().map(|a| a.candidate).collect::<Vec<_>>(), [a, b]);
    let os = io::Error::from_raw_os_error(
        inner.report().errors().next().unwrap().raw_os_error().unwrap(),
    );
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to any of the addresses: {a}: {os} (after 0.0ns); {b}: {os} (after 0.0ns)"
        )
    );
    assert!(error.source().is_none(), "who prints a chain of causes prints each attempt once");
    assert_eq!(inner.target(), "any of the addresses");
}

/// Of different failures the one furthest out gives the kind: a host that refuses says more than one that
/// is silent, and that more than an address that this host cannot use.
#[tokio::test(start_paused = true)]
async fn the_kind_is_that_of_the_failure_furthest_out() {
    let (hole, (_taken, closed)) = (Hole::dig(), refusing());
    let here = "[fe80::1]:9".parse().unwrap();
    let connector = Connector::new().attempt_timeout(Duration::from_secs(1));
    let kind =
        async |list: &[_]| refused(in_step(connector.connect_addrs(list.to_vec())).await).kind();
    assert_eq!(kind(&[here, hole.at, closed]).await, ErrorKind::ConnectionRefused);
    assert_eq!(kind(&[closed, hole.at, here]).await, ErrorKind::ConnectionRefused);
    assert_eq!(kind(&[here, hole.at]).await, ErrorKind::TimedOut);
    assert_ne!(kind(&[here]).await, ErrorKind::TimedOut);
}

/// What a connection comes to whose attempts fail like this, in this order.
async fn kind_of(failures: &[fn() -> io::Error]) -> ErrorKind {
    let fails = failures.to_vec();
    let connector =
        Connector::new().configure(move |_, address| Err(fails[usize::from(address.port())]()));
    let addresses = (0..).zip(failures).map(|(port, _)| (Ipv4Addr::LOCALHOST, port).into());
    refused(connector.connect_addrs(addresses).await).kind()
}

/// A limit that has passed says more than whatever this host could not do itself, and less than anything
/// else. Of two that say as much the first is told.
#[tokio::test(start_paused = true)]
async fn failures_are_told_by_how_far_out_they_happened() {
    let here: &[fn() -> io::Error] = &[
        || ErrorKind::AddrInUse.into(),
        || ErrorKind::AddrNotAvailable.into(),
        || ErrorKind::HostUnreachable.into(),
        || ErrorKind::InvalidInput.into(),
        || ErrorKind::NetworkDown.into(),
        || ErrorKind::NetworkUnreachable.into(),
        || ErrorKind::OutOfMemory.into(),
        || ErrorKind::PermissionDenied.into(),
        || ErrorKind::Unsupported.into(),
        #[cfg(unix)]
        || io::Error::from_raw_os_error(libc::EAFNOSUPPORT),
        #[cfg(unix)]
        || io::Error::from_raw_os_error(libc::EMFILE),
    ];
    let late: fn() -> io::Error = || ErrorKind::TimedOut.into();
    let there: [fn() -> io::Error; 3] = [
        || ErrorKind::ConnectionReset.into(),
        || ErrorKind::ConnectionRefused.into(),
        || io::Error::other("a layer's"),
    ];
    for here in here {
        assert_eq!(kind_of(&[*here, late]).await, ErrorKind::TimedOut, "{}", here());
    }
    for there in there {
        assert_eq!(kind_of(&[late, there]).await, there().kind());
    }
    assert_eq!(kind_of(&there).await, ErrorKind::ConnectionReset);
}

/// The time for everything is up: what hangs, and what had no turn, is named.
#[tokio::test(start_paused = true)]
async fn a_limit_says_how_far_everybody_got() {
    let (first, second) = (Hole::dig(), Hole::dig());
    let connector = Connector::new().timeout(Duration::from_millis(200));
    let error = refused(in_step(connector.connect_addrs([first.at, second.at])).await);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(
        error.to_string(),
        format!(
            "no connection to any of the addresses in 200.0ms: {}: given up (after 200.0ms); not tried: [{}]",
            first.at, second.at
        )
    );
}

/// No address: both lookups say why.
#[tokio::test]
async fn a_host_without_addresses_says_why() {
    let unknown = || Fails(ErrorKind::NotFound, "no such host");
    let connector = Connector::new().resolver(Names { v6: unknown(), v4: unknown() });
    let error = refused(connector.connect("host.test", 443).await);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "cannot connect to host.test:443: no address: IPv6 lookup: no such host; IPv4 lookup: no such host"
    );
    let lookups = &ConnectError::of(&error).unwrap().report().source_errors;
    assert_eq!(lookups.len(), 2);
    // The resolver's own error is within.
    assert_eq!(lookups[0].source().unwrap().to_string(), "no such host");
    // None at all is no failure of a lookup.
    let connector = Connector::new().resolver(Names { v6: Nothing, v4: Nothing });
    let error = refused(connector.connect("host.test", 443).await);
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, "cannot connect to host.test:443: no address")
    );
    let error = refused(Connector::new().connect_addrs([]).await);
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// A failed lookup is told, if nothing else was better.
#[tokio::test(start_paused = true)]
async fn a_failed_lookup_is_told_beside_the_attempts() {
    let (_taken, closed) = refusing();
    let fails = Fails(ErrorKind::TimedOut, "the server is silent");
    let connector = Connector::new().resolver(Names { v6: fails, v4: closed });
    let error = refused(in_step(connector.connect("host.test", closed.port())).await);
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.to_string().ends_with("; IPv6 lookup: the server is silent"), "{error}");
}

/// When the time is over, the error names the lookups that it was lost with.
#[tokio::test(start_paused = true)]
async fn a_lookup_without_an_answer_is_named() {
    let (_taken, closed) = refusing();
    let connector = Connector::new().timeout(Duration::from_secs(2));
    let silent = connector.clone().resolver(Names { v6: Silence, v4: Silence });
    let error = refused(silent.connect("host.test", 443).await);
    assert_eq!(
        error.to_string(),
        "no connection to host.test:443 in 2.0s: IPv6 lookup: no answer; IPv4 lookup: no answer"
    );
    // It is not said of one that has answered.
    let half = connector.resolver(Names { v6: Silence, v4: closed });
    let error = refused(in_step(half.connect("host.test", closed.port())).await);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let report = ConnectError::of(&error).unwrap().report();
    let lookups: Vec<_> = report.source_errors.iter().map(ToString::to_string).collect();
    assert_eq!((report.attempts.len(), lookups), (1, vec!["IPv6 lookup: no answer".to_owned()]));
}

/// What no resolver can look up is an error, and no panic.
#[tokio::test]
async fn hosts_that_cannot_be() {
    for host in ["", "a\0b", "[::1", " ", "256.256.256.256", &"x".repeat(10_000)] {
        let error = refused(umbel::net::connect(host, 9).await);
        assert!(ConnectError::of(&error).is_some(), "{host:?}: {error}");
    }
}

/// An address with a zone is one of IPv6, and no lookup of IPv4 has failed beside it.
#[tokio::test]
async fn an_address_with_a_zone_is_of_one_family() {
    let error = refused(umbel::net::connect("[fe80::1%nowhere]", 9).await);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let errors = &ConnectError::of(&error).unwrap().report().source_errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].to_string().starts_with("IPv6 lookup: "), "{error}");
}

/// Addresses that cannot be tried from the local address are named.
#[tokio::test]
async fn an_address_without_a_local_one_is_named() {
    let (_taken, closed) = refusing();
    let connector = Connector::new().local_address("::1".parse().unwrap());
    let error = refused(connector.connect_addrs([closed]).await);
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    assert!(error.to_string().ends_with("not tried, there is no local IPv4 address"), "{error}");
}

/// A local address that is not this host's fails the attempt.
#[tokio::test]
async fn a_foreign_local_address_fails_the_attempt() {
    let (_taken, closed) = refusing();
    let connector = Connector::new().local_address("192.0.2.1".parse().unwrap());
    let error = refused(connector.connect_addrs([closed]).await);
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    assert_eq!(ConnectError::of(&error).unwrap().report().attempts.len(), 1);
}

/// Settings under which nothing could ever be tried are refused where they are made.
#[test]
fn no_attempts_are_no_setting() {
    type Set = fn(Connector) -> Connector;
    let sets: [Set; 2] = [|it| it.max_in_flight(0), |it| it.first_family_count(0)];
    for set in sets {
        let panic = std::panic::catch_unwind(|| set(Connector::new())).unwrap_err();
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        assert!(text.unwrap().contains("(0)"));
    }
}
