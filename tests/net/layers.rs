//! What comes after TCP is a part of the race.

use std::future::pending;
use std::io::{self, ErrorKind, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use umbel::CancelScope;
use umbel::net::{Attempt, ConnectError, Connector};

use crate::hosts::{Names, Silence, good, in_step, refusing};

/// Waits for three bytes.
async fn greeted(mut stream: TcpStream, _: Attempt) -> io::Result<[u8; 3]> {
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).await?;
    Ok(greeting)
}

/// Greets the first who comes, on a thread of its own.
fn greets(listener: TcpListener, greeting: &'static [u8]) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || listener.accept().unwrap().0.write_all(greeting).unwrap())
}

/// A middlebox that accepts everything and says nothing holds the next attempt back, for a second, and
/// does not win. Source: sections 6.1 and 6.2 of draft-ietf-happy-happyeyeballs-v3.
#[tokio::test(start_paused = true)]
async fn who_accepts_and_says_nothing_does_not_win() {
    let ((_silent, first), (listener, open)) = (good(), good());
    let server = greets(listener, b"hi!");
    let start = Instant::now();
    let connector = Connector::new().layer(greeted);
    assert_eq!(in_step(connector.connect_addrs([first, open])).await.unwrap(), *b"hi!");
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    server.join().unwrap();
}

/// Who fails after TCP has failed, and the next starts at once.
#[tokio::test(start_paused = true)]
async fn who_fails_in_the_layer_has_lost() {
    let ((_one, first), (_two, open)) = (good(), good());
    let start = Instant::now();
    let connector = Connector::new().layer(move |_, attempt: Attempt| async move {
        match attempt.address() {
            address if address == first => Err(ErrorKind::UnexpectedEof.into()),
            address => Ok(address),
        }
    });
    assert_eq!(in_step(connector.connect_addrs([first, open])).await.unwrap(), open);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// All fail in the layer: its errors are the attempts'.
#[tokio::test(start_paused = true)]
async fn a_layers_errors_are_in_the_report() {
    let (_listener, open) = good();
    let refuses = async |_, _| Err::<(), _>(io::Error::new(ErrorKind::InvalidData, "bad name"));
    let connector = Connector::new().layer(refuses);
    let error = in_step(connector.connect_addrs([open])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let report = ConnectError::of(&error).unwrap().report();
    assert_eq!(report.errors().map(ToString::to_string).collect::<Vec<_>>(), ["bad name"]);
}

/// A layer knows what was asked for, and where it is.
#[tokio::test(start_paused = true)]
async fn a_layer_knows_its_host() {
    let (_listener, open) = good();
    let connector = Connector::new().resolver(Names { v6: Silence, v4: open }).layer(
        async |_, attempt: Attempt| {
            Ok((attempt.host().to_owned(), attempt.address(), attempt.number()))
        },
    );
    let told = in_step(connector.connect("host.test", open.port())).await.unwrap();
    assert_eq!(told, ("host.test".to_owned(), open, 0));
    let (_taken, closed) = refusing();
    let told = in_step(connector.connect_addrs([closed, open])).await.unwrap();
    assert_eq!(told, ("127.0.0.1".to_owned(), open, 1));
}

/// Progress between two steps of a handshake holds the next attempt back again.
#[tokio::test(start_paused = true)]
async fn further_progress_holds_back_further() {
    let ((_one, first), (_two, open)) = (good(), good());
    let connector = Connector::new().layer(move |_stream, attempt: Attempt| async move {
        if attempt.address() == first {
            tokio::time::sleep(Duration::from_millis(600)).await;
            attempt.progress(Duration::from_secs(2));
            pending::<()>().await;
        }
        Ok(attempt.address())
    });
    let start = Instant::now();
    assert_eq!(in_step(connector.connect_addrs([first, open])).await.unwrap(), open);
    assert_eq!(start.elapsed(), Duration::from_millis(2_600));
}

/// A layer that is cancelled by its own program says nothing about the host: such a failure counts least.
#[tokio::test(start_paused = true)]
async fn a_layer_that_is_cancelled_has_not_timed_out() {
    let ((_listener, open), (_taken, closed)) = (good(), refusing());
    let connector = Connector::new().layer(async |_stream, _attempt| {
        CancelScope::current().unwrap().cancel();
        pending::<io::Result<()>>().await
    });
    let kind = async |addresses: &[_]| {
        in_step(connector.connect_addrs(addresses.iter().copied())).await.unwrap_err().kind()
    };
    assert_eq!(kind(&[open]).await, ErrorKind::ConnectionAborted);
    assert_eq!(kind(&[open, closed]).await, ErrorKind::ConnectionRefused);
}
