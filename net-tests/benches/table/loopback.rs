//! P9: one address on the loopback interface, where nothing but the client takes time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use umbel::net::Connector;

use super::sample::{quartiles, verdict};

/// How often each side connects.
const ROUNDS: usize = 4_000;
/// Rounds that do not count.
const WARM: usize = 200;

/// What the median of the ratios may be.
const BAR: f64 = 1.05;

pub(crate) fn compare() {
    let address = server().expect("a port can be had on the loopback interface");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (ours, theirs) = runtime.expect("a runtime can be made").block_on(times(address));
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>();
    let [low, median, high] = quartiles(ratios);
    let [ours, theirs] = [ours, theirs].map(|times| quartiles(times)[1] * 1e6);
    println!("P9   one address on loopback, {ROUNDS} times each, in turn");
    println!("     tokio {theirs:.1} us, umbel {ours:.1} us");
    println!(
        "     ratio {median:.3} (quartiles {low:.3} .. {high:.3}), bar {BAR}: {}",
        verdict(median <= BAR)
    );
}

/// Seconds for each connection, of either side.
async fn times(address: SocketAddr) -> (Vec<f64>, Vec<f64>) {
    let connector = Connector::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..WARM + ROUNDS {
        // Neither profits from its place.
        let (one, other) = if round % 2 == 0 {
            let one = timed(connector.connect_addrs([address])).await;
            (one, timed(TcpStream::connect(address)).await)
        } else {
            let other = timed(TcpStream::connect(address)).await;
            (timed(connector.connect_addrs([address])).await, other)
        };
        if round >= WARM {
            ours.push(one.as_secs_f64());
            theirs.push(other.as_secs_f64());
        }
    }
    (ours, theirs)
}

async fn timed(connecting: impl Future<Output = io::Result<TcpStream>>) -> Duration {
    let start = Instant::now();
    let stream = connecting.await.expect("somebody listens");
    let time = start.elapsed();
    drop(stream);
    time
}

/// Somebody who accepts everybody, on a thread that ends with the process.
fn server() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
        }
    });
    Ok(address)
}
