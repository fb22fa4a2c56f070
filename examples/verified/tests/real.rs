//! The sources are real: a server on this machine, asked by HTTP.
#![cfg(not(umbel_loom))]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use umbel::testing::assert_no_leaks_within;
use verified::{Resolver, Source, sources};

/// Answers one request with an address.
async fn serve(listener: TcpListener) {
    let (mut caller, _) = listener.accept().await.expect("a caller");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let byte = caller.read_u8().await.expect("a request");
        request.push(byte);
    }
    assert!(request.starts_with(b"GET /here HTTP/1.1\r\n"));
    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n127.0.0.1";
    caller.write_all(answer.as_bytes()).await.expect("the caller waits");
}

/// On a real clock, and a busy machine: longer than anything takes.
const LONG: Duration = Duration::from_secs(3_600);

/// A server that answers, and one that refuses: the first wins, and no connection is left open.
#[tokio::test]
async fn a_server_is_asked() {
    assert_no_leaks_within(LONG, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let good = format!("http://{}", listener.local_addr().unwrap());
        let sources: [Box<dyn Source>; 2] = [
            Box::new(sources::Server::at(good)),
            Box::new(sources::Server::at("http://127.0.0.1:1")),
        ];
        let resolver = Resolver::new(sources.into(), LONG);
        let address = umbel::scope(async |s| {
            s.spawn(serve(listener));
            resolver.resolve("here").await
        })
        .await
        .unwrap();
        assert_eq!(address, Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    })
    .await;
}
