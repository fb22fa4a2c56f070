//! Clients that are part of this program: it starts itself in the lab.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::time::Instant;

use tokio::net::TcpStream;

use super::order::Order;
use super::{Client, hyper_util, umbel};
use crate::Lab;
use crate::plan::PORT;
use crate::report::{Outcome, Report};
use crate::stalls::Stalls;

/// The first argument of a process that is a client.
const CLIENT: &str = "client";

pub(super) fn command(lab: &Lab, name: &str, order: &Order) -> io::Result<Command> {
    let mut command = lab.inside(std::env::current_exe()?);
    command.args([CLIENT, name]).args(order.arguments());
    Ok(command)
}

pub(super) fn dispatch() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, name, order @ ..] = arguments.as_slice() else { return None };
    if first != CLIENT {
        return None;
    }
    let order = Order::read(order).ok_or(io::ErrorKind::InvalidInput.into());
    match order.and_then(|order| run(name, &order)) {
        Ok(report) => println!("{}", report.line()),
        Err(error) => eprintln!("{name}: {error}"),
    }
    Some(ExitCode::SUCCESS)
}

fn run(name: &str, order: &Order) -> io::Result<Report> {
    match Client::ALL.into_iter().find(|client| client.name() == name) {
        Some(Client::Umbel) => measured(order, umbel::connect(order)),
        Some(Client::Tokio) => measured(order, tokio(order)),
        Some(Client::HyperUtil) => measured(order, hyper_util::connect(order)),
        Some(Client::Curl | Client::Node | Client::Asyncio) | None => {
            Err(io::Error::other("no library of that name"))
        }
    }
}

/// In a runtime of its own, so that its end can be measured too.
fn measured(
    order: &Order,
    connecting: impl Future<Output = io::Result<TcpStream>>,
) -> io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (here, elsewhere) = (Stalls::new(), Stalls::new());
    elsewhere.of_a_thread();
    let start = Instant::now();
    let (outcome, decided) = runtime.block_on(async {
        here.of_this_runtime();
        let ended = tokio::time::timeout(order.limit, connecting).await;
        let decided = start.elapsed();
        (ended.map_or(Outcome::Open, |ended| outcome(ended.and_then(|s| s.peer_addr()))), decided)
    });
    let stalled = here.so_far();
    drop(runtime);
    let over = start.elapsed();
    Ok(Report { outcome, decided, over, stalled: stalled + elsewhere.so_far() })
}

fn outcome(ended: io::Result<SocketAddr>) -> Outcome {
    match ended {
        Ok(peer) => Outcome::Connected(peer.ip()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

async fn tokio(order: &Order) -> io::Result<TcpStream> {
    if order.addresses.is_empty() {
        TcpStream::connect((order.host.as_str(), PORT)).await
    } else {
        TcpStream::connect(order.sockets().as_slice()).await
    }
}
