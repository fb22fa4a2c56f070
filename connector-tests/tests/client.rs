//! hyper's client, with the connector for a connector: feature `hyper`.
#![cfg(target_os = "linux")]

use std::error::Error;
use std::future::pending;
use std::io;
use std::iter::successors;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connector_tests::web::{Nothing, Web, ask};
use connector_tests::{Heard, doors, names, tls};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use tokio::task::yield_now;
use umbel::net::{ConnectError, Connector, Family, Resolver};
use umbel::{AttemptOutcome, scope};

fn client<C>(connector: C) -> Client<C, Nothing>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    Client::builder(TokioExecutor::new()).build(connector)
}

/// The connector's error, somewhere behind the client's.
fn connect_error<'a>(error: &'a (dyn Error + 'static)) -> &'a ConnectError {
    let mut chain = successors(Some(error), |&error| error.source());
    let found = chain.find_map(|error| ConnectError::of(error.downcast_ref()?));
    found.expect("the connector's error in the chain")
}

/// The first address hangs, so the second has the request; and the next request too, on the same connection.
#[tokio::test]
async fn a_client_passes_an_address_that_hangs_and_keeps_the_connection() {
    let [good, hole] = doors();
    let (port, ips) = (good.port(), [hole.ip(), good.ip()]);
    let _hole = hole.hole().unwrap();
    let (web, heard) = (Web::default(), Heard::default());
    let connector = Connector::new().resolver(names("stalk", ips)).on_event(heard.ear());
    let client = client(connector);
    scope(async |s| {
        s.service(web.clone().serve(good.open().unwrap()));
        let one = ask(&client, &format!("http://stalk:{port}/one")).await;
        assert_eq!(one.unwrap(), "/one");
        let connected = ["127.0.0.2 started", "127.0.0.1 started", "127.0.0.1 won"];
        assert_eq!(heard.all()[..3], connected);
        assert_eq!(heard.all()[3..], ["127.0.0.2 lost"], "the black hole is left");
        let two = ask(&client, &format!("http://stalk:{port}/two")).await;
        assert_eq!(two.unwrap(), "/two");
        assert_eq!(heard.all().len(), 4, "no other connection");
        assert_eq!(web.connections(), 1);
    })
    .await
    .unwrap();
}

/// Nobody listens at any address: the client's error has the connector's in its chain, and that has every
/// attempt.
#[tokio::test]
async fn a_refusal_comes_through_with_every_attempt() {
    let [one, two] = doors();
    let (port, ips) = (one.port(), [one.ip(), two.ip()]);
    let _closed = [one.closed(), two.closed()];
    let client = client(Connector::new().resolver(names("stalk", ips)));
    let error = ask(&client, &format!("http://stalk:{port}/")).await.unwrap_err();
    assert!(error.is_connect());
    let error = connect_error(&error);
    assert_eq!(error.target(), format!("stalk:{port}"));
    let attempts = &error.report().attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.candidate.ip()).collect::<Vec<_>>(), ips);
    assert!(attempts.iter().all(|attempt| is_refused(&attempt.outcome)), "{error}");
}

fn is_refused(outcome: &AttemptOutcome<io::Error>) -> bool {
    let refused = io::ErrorKind::ConnectionRefused;
    matches!(outcome, AttemptOutcome::Failed(error) if error.kind() == refused)
}

/// A name that does not exist is an error of the same sort, without attempts.
#[tokio::test]
async fn a_name_that_does_not_exist_comes_through() {
    let client = client(Connector::new().resolver(names("stalk", [])));
    let error = ask(&client, "http://stem/").await.unwrap_err();
    let error = connect_error(&error);
    assert_eq!(error.target(), "stem:80");
    assert_eq!(error.report().attempts.len(), 0);
    let errors = error.report().source_errors.iter().map(io::Error::kind);
    assert_eq!(errors.collect::<Vec<_>>(), [io::ErrorKind::NotFound; 2]);
}

/// A URI without a port, of a scheme without one.
#[tokio::test]
async fn a_uri_that_leads_nowhere_is_bad_input() {
    let client = client(Connector::new());
    let error = ask(&client, "gopher://stalk/").await.unwrap_err();
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::InvalidInput);
}

/// TLS around the connector: hyper-rustls gives it `https` URIs.
#[tokio::test]
async fn tls_may_stand_around_the_race() {
    let [good, hole] = doors();
    let (port, ips) = (good.port(), [hole.ip(), good.ip()]);
    let _hole = hole.hole().unwrap();
    let (web, host) = (Web::default(), tls::Host::named("stalk"));
    let connector = Connector::new().resolver(names("stalk", ips));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls::trusting(&[&host])).https_only();
    let client = client(https.enable_http1().wrap_connector(connector));
    scope(async |s| {
        s.service(web.serve_one_secure(good.open().unwrap(), host.acceptor()));
        let one = ask(&client, &format!("https://stalk:{port}/one")).await;
        assert_eq!(one.unwrap(), "/one");
    })
    .await
    .unwrap();
}

/// The first lookup of each family has an answer, all others hang.
struct Once {
    ip: IpAddr,
    asked: [AtomicBool; 2],
    hanging: Arc<()>,
}

impl Once {
    fn new(ip: IpAddr) -> Self {
        Self { ip, asked: Default::default(), hanging: Arc::default() }
    }

    /// How many lookups hang.
    fn hanging(&self) -> usize {
        Arc::strong_count(&self.hanging) - 1
    }
}

impl Resolver for Once {
    async fn lookup(&self, _: &str, family: Family) -> io::Result<Vec<SocketAddr>> {
        let is_v4 = family == Family::V4;
        if self.asked[usize::from(is_v4)].swap(true, Ordering::SeqCst) {
            let _hangs = Arc::clone(&self.hanging);
            pending::<()>().await;
        }
        Ok(if is_v4 { vec![SocketAddr::new(self.ip, 0)] } else { vec![] })
    }
}

/// A client with a pool may find another connection while it makes one, and then moves the half-made one to a
/// task of its own. It was begun in a child of a scope, so it ends with that child (R23), and the scope after
/// both (R12).
#[tokio::test]
async fn a_connection_that_a_pool_has_moved_away_ends_with_its_scope() {
    let [good] = doors();
    let (port, once) = (good.port(), Arc::new(Once::new(good.ip())));
    let (web, heard) = (Web::silent(), Heard::default());
    let client = client(Connector::new().resolver(Arc::clone(&once)).on_event(heard.ear()));
    let uri = format!("http://stalk:{port}/one");
    scope(async |s| {
        s.service(web.clone().serve(good.open().unwrap()));
        scope(async |s| {
            let first = s.fork(ask(&client, &uri));
            heard.until("127.0.0.1 won").await;
            let second = s.fork(ask(&client, &uri));
            while once.hanging() < 2 {
                yield_now().await;
            }
            web.answer();
            assert_eq!(first.await.unwrap().unwrap(), "/one");
            assert_eq!(once.hanging(), 2, "the second connection is being made");
            web.answer();
            assert_eq!(second.await.unwrap().unwrap(), "/one");
        })
        .await
        .unwrap();
        assert_eq!(once.hanging(), 0);
        assert_eq!(web.connections(), 1);
    })
    .await
    .unwrap();
}
