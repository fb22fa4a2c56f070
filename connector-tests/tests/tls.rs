//! TLS inside the race: an address wins when its handshake is done, and not before.
#![cfg(target_os = "linux")]

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use connector_tests::web::{Nothing, Web, ask};
use connector_tests::{Heard, doors, names, tls};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, Error};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use umbel::net::{Attempt, ConnectError, Connector, Layer, Resolver};
use umbel::{AttemptOutcome, scope};

/// Nothing starts by the clock alone.
const NEVER: Duration = Duration::from_secs(3600);

/// The next attempt waits so long when a connection stands and its handshake has begun.
const HOLD: Duration = Duration::from_secs(1);

/// A connection with TLS, as hyper-util's client takes it.
struct Secure(TlsStream<TcpStream>);

/// Handshakes about the host that was asked for, and may hold back others for longer.
fn secured<R: Resolver>(
    connector: Connector<R>,
    tls: TlsConnector,
    hold: Option<Duration>,
) -> Connector<R, impl Layer<Output = Secure, Future: Send> + use<R>> {
    connector.layer(move |stream, attempt: Attempt| {
        let tls = tls.clone();
        if let Some(hold) = hold {
            attempt.progress(hold);
        }
        async move {
            let name = ServerName::try_from(attempt.host().to_owned());
            let name = name.map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
            tls.connect(name, stream).await.map(Secure)
        }
    })
}

/// Handshakes with one client, says what it is called, and hangs up.
async fn tells(listener: TcpListener, acceptor: TlsAcceptor, name: &'static str) -> io::Result<()> {
    let (stream, _) = listener.accept().await?;
    let mut stream = acceptor.accept(stream).await?;
    stream.write_all(name.as_bytes()).await?;
    stream.shutdown().await
}

/// What the other side says until it hangs up.
async fn heard_from(Secure(mut stream): Secure) -> io::Result<String> {
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    Ok(said)
}

/// Accepts a client, and answers nothing until it has gone. How many bytes it has sent.
async fn silence(listener: TcpListener) -> io::Result<usize> {
    let (mut stream, _) = listener.accept().await?;
    let mut sent = Vec::new();
    stream.read_to_end(&mut sent).await
}

/// Greets a client in plain text.
async fn plain_text(listener: TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    stream.write_all(b"220 this is no place for TLS\r\n").await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

/// A middlebox that accepts every connection and answers none does not win. What stands before a handshake
/// holds back the next address for a second; then that one wins, and the silent connection is closed.
#[tokio::test]
async fn an_address_that_accepts_and_is_silent_does_not_win() {
    let [good, silent] = doors();
    let (port, ips) = (good.port(), [silent.ip(), good.ip()]);
    let (host, heard) = (tls::Host::named("stalk"), Heard::default());
    let connector = Connector::new().resolver(names("stalk", ips)).on_event(heard.ear());
    let connector = secured(connector, tls::connector(&[&host]), None);
    scope(async |s| {
        let silent = s.spawn(silence(silent.open().unwrap()));
        let good = s.spawn(tells(good.open().unwrap(), host.acceptor(), "good"));
        let stream = connector.connect("stalk", port).await.unwrap();
        let (held, steps) = ("127.0.0.2 got further", heard.all());
        assert_eq!(steps[..3], ["127.0.0.2 started", held, "127.0.0.1 started"]);
        assert_eq!(steps[3..], ["127.0.0.1 got further", "127.0.0.1 won", "127.0.0.2 lost"]);
        assert!(heard.at("127.0.0.1 started").unwrap() >= heard.at(held).unwrap() + HOLD);
        let sent = silent.await.unwrap().unwrap();
        assert_ne!(sent, 0, "it has been greeted, and hung up on");
        assert_eq!(heard_from(stream).await.unwrap(), "good");
        good.await.unwrap().unwrap();
    })
    .await
    .unwrap();
}

/// Somebody else's certificate, and a server that speaks no TLS: each fails, gives back the time for which it
/// has held the others back, and the next starts at once.
#[tokio::test]
async fn a_handshake_that_fails_starts_the_next_at_once() {
    let [good, wrong, plain] = doors();
    let (port, ips) = (good.port(), [wrong.ip(), plain.ip(), good.ip()]);
    let (host, other) = (tls::Host::named("stalk"), tls::Host::named("stem"));
    let heard = Heard::default();
    let connector = Connector::new().resolver(names("stalk", ips)).on_event(heard.ear());
    let connector = secured(connector.delay(NEVER), tls::connector(&[&host, &other]), Some(NEVER));
    scope(async |s| {
        let good = s.spawn(tells(good.open().unwrap(), host.acceptor(), "good"));
        s.service(tells(wrong.open().unwrap(), other.acceptor(), "wrong"));
        s.service(plain_text(plain.open().unwrap()));
        let stream = connector.connect("stalk", port).await.unwrap();
        let steps = heard.all();
        let of = |n, end| {
            ["started", "got further", "got further", end].map(|what| format!("127.0.0.{n} {what}"))
        };
        assert_eq!(steps[..4], of(2, "failed"));
        assert_eq!(steps[4..8], of(3, "failed"));
        assert_eq!(steps[8..], of(1, "won"));
        assert_eq!(heard_from(stream).await.unwrap(), "good");
        good.await.unwrap().unwrap();
    })
    .await
    .unwrap();
}

/// When none is good, the report says of each what was wrong with it. How long a handshake takes is up to the
/// machine: so the limit is one that nobody comes to, until three have failed and the clock is set forward.
#[tokio::test]
async fn the_report_names_what_was_wrong_with_each() {
    let [wrong, plain, closed, silent] = doors();
    let port = wrong.port();
    let ips = [wrong.ip(), plain.ip(), closed.ip(), silent.ip()];
    let other = tls::Host::named("stem");
    let heard = Heard::default();
    let connector = Connector::new().resolver(names("stalk", ips)).on_event(heard.ear());
    let connector = connector.delay(NEVER).attempt_timeout(NEVER);
    let connector = secured(connector, tls::connector(&[&other]), None);
    let wait_in_vain = async {
        heard.until("127.0.0.4 got further").await;
        tokio::time::pause();
        tokio::time::advance(NEVER).await;
    };
    scope(async |s| {
        let _closed = closed.closed();
        s.service(tells(wrong.open().unwrap(), other.acceptor(), "wrong"));
        s.service(plain_text(plain.open().unwrap()));
        s.service(silence(silent.open().unwrap()));
        let (connected, ()) = tokio::join!(connector.connect("stalk", port), wait_in_vain);
        let Err(error) = connected else { panic!("nobody is good") };
        assert_eq!(error.kind(), ErrorKind::InvalidData, "the first that has answered");
        let attempts = &ConnectError::of(&error).unwrap().report().attempts;
        let outcomes: [_; 4] =
            attempts.iter().map(|a| &a.outcome).collect::<Vec<_>>().try_into().unwrap();
        let [wrong, plain, closed, silent] = outcomes;
        let Some(Error::InvalidCertificate(wrong)) = tls_error(wrong) else { panic!("{wrong:?}") };
        assert!(matches!(wrong, CertificateError::NotValidForNameContext { .. }), "{wrong}");
        assert!(matches!(tls_error(plain), Some(Error::InvalidMessage(_))));
        let refused = ErrorKind::ConnectionRefused;
        assert!(matches!(closed, AttemptOutcome::Failed(error) if error.kind() == refused));
        assert!(matches!(silent, AttemptOutcome::TimedOut));
    })
    .await
    .unwrap();
}

fn tls_error(outcome: &AttemptOutcome<io::Error>) -> Option<&Error> {
    let AttemptOutcome::Failed(error) = outcome else { return None };
    error.get_ref()?.downcast_ref()
}

/// The connector with TLS in it, under hyper's client: the address in front, which has none, does not get the
/// request.
#[tokio::test]
async fn a_client_has_its_tls_inside_the_race() {
    let [good, plain] = doors();
    let (port, ips) = (good.port(), [plain.ip(), good.ip()]);
    let (web, host) = (Web::default(), tls::Host::named("stalk"));
    let connector = Connector::new().resolver(names("stalk", ips)).delay(NEVER);
    let connector = secured(connector, tls::connector(&[&host]), None);
    let client: Client<_, Nothing> = Client::builder(TokioExecutor::new()).build(connector);
    scope(async |s| {
        s.service(plain_text(plain.open().unwrap()));
        s.service(web.serve_one_secure(good.open().unwrap(), host.acceptor()));
        let one = ask(&client, &format!("https://stalk:{port}/one")).await;
        assert_eq!(one.unwrap(), "/one");
    })
    .await
    .unwrap();
}

impl Connection for Secure {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Secure {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Secure {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
