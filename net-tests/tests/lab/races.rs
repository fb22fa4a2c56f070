//! R12: what is left of a thousand races with a black hole is nothing, whether they are won or given up.

use std::fs;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;

use futures_util::future::join_all;
use net_tests::Lab;
use net_tests::plan::{Host, Kind};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use umbel::net::Connector;

/// The argument of the process in which they are run: nothing else happens there.
const RACES: &str = "races";
/// So many batches of races at once.
const BATCHES: usize = 10;
const AT_ONCE: usize = 100;
/// What `/proc/net/tcp` calls a socket that has sent its SYN and waits.
const SYN_SENT: &str = "02";

/// Returns how many checks were wrong.
pub(crate) fn wrong(lab: &Lab) -> usize {
    let program = std::env::current_exe();
    let ended = program.and_then(|program| lab.inside(program).arg(RACES).status());
    let right = ended.is_ok_and(|status| status.success());
    println!(
        "\n{0} races with a black hole that are won, and {0} that are given up, leave no socket and no \
         task: {1}",
        BATCHES * AT_ONCE,
        if right { "ok" } else { "WRONG" }
    );
    usize::from(!right)
}

/// The process in the lab.
pub(crate) fn dispatch() -> Option<ExitCode> {
    if std::env::args().nth(1)? != RACES {
        return None;
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(races());
    Some(ExitCode::SUCCESS)
}

async fn races() {
    let before = descriptors();
    for _ in 0..BATCHES {
        won().await;
        assert_nothing_is_left(before);
        given_up().await;
        assert_nothing_is_left(before);
    }
}

/// Races that are won by the good host.
async fn won() {
    for stream in join_all((0..AT_ONCE).map(|_| race())).await {
        let peer = stream.and_then(|stream| stream.peer_addr());
        assert_eq!(peer.expect("a good host"), good());
    }
}

/// Races that are dropped before that.
async fn given_up() {
    let mut batch = pin!(join_all((0..AT_ONCE).map(|_| race())));
    let pending = poll_fn(|context| Poll::Ready(batch.as_mut().poll(context).is_pending())).await;
    assert!(pending, "the first host is a black hole");
    assert_eq!(waiting(), AT_ONCE, "each race has begun with it");
}

async fn race() -> io::Result<TcpStream> {
    Connector::new().connect_addrs([Host::v6(Kind::Hole).socket(), good()]).await
}

fn good() -> SocketAddr {
    Host::v4(Kind::Good).socket()
}

fn assert_nothing_is_left(before: usize) {
    assert_eq!(waiting(), 0, "sockets in SYN-SENT");
    assert_eq!(descriptors(), before, "descriptors");
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "tasks");
}

/// The sockets of this namespace that have sent a SYN.
fn waiting() -> usize {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(fs::read_to_string);
    let tables = tables.map(|table| table.expect("the kernel lists its sockets"));
    let rows = tables.iter().flat_map(|table| table.lines());
    rows.filter(|row| row.split_whitespace().nth(3) == Some(SYN_SENT)).count()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("the kernel lists what is open").count()
}
