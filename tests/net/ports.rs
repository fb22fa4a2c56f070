//! When an attempt is not made again: another port would change nothing.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpSocket, TcpStream};
use umbel::net::Connector;

use crate::hosts::{good, refusing};

/// What connecting to `to` comes to if `choose` chooses the port of each socket; and how many there were.
async fn ports(
    to: SocketAddr,
    choose: impl Fn(&TcpSocket) -> io::Result<()> + Send + Sync + 'static,
) -> (io::Result<TcpStream>, usize) {
    let sockets = Arc::new(AtomicUsize::new(0));
    let made = Arc::clone(&sockets);
    let connector = Connector::new().configure(move |socket, _| {
        made.fetch_add(1, Ordering::Relaxed);
        choose(socket)
    });
    (connector.connect_addrs([to]).await, sockets.load(Ordering::Relaxed))
}

/// A connection that stands is made once, and so is one that fails for a reason of its own.
#[tokio::test]
async fn what_another_port_would_not_change_is_not_done_again() {
    let ((_listener, open), (_taken, closed)) = (good(), refusing());
    let (outcome, sockets) = ports(open, |_| Ok(())).await;
    assert_eq!((outcome.is_ok(), sockets), (true, 1));
    let (outcome, sockets) = ports(closed, |_| Ok(())).await;
    assert_eq!((outcome.unwrap_err().kind(), sockets), (ErrorKind::ConnectionRefused, 1));
}

/// The same port of another address is another's.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_port_of_the_same_number_will_do() {
    let (_listener, open) = good();
    let other = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), open.port()));
    let (outcome, sockets) = ports(open, move |socket| socket.bind(other)).await;
    assert_eq!((outcome.unwrap().local_addr().unwrap(), sockets), (other, 1));
}
