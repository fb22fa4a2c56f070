//! What serves the lab: one thread, with a runtime, in the server's namespace.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;
use tokio_tun::Tun;

use super::namespaces::{self, Namespaces};
use super::{bridge, dns};
use crate::plan::{self, Link, PORT};
use crate::stalls::Stalls;

/// The thread. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Servers {
    stalls: Stalls,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    /// Returns when everything listens.
    pub(super) fn start(namespaces: &Namespaces) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (say, heard) = mpsc::sync_channel(1);
        let (client, server) = (namespaces.client().to_owned(), namespaces.server().to_owned());
        let stalls = Stalls::new();
        let watched = stalls.clone();
        let thread = std::thread::Builder::new().name("servers".into()).spawn(move || {
            if let Err(error) = serve(&client, &server, &watched, stopped, &say) {
                // Nobody listens any more if this comes after the start.
                let _ = say.try_send(Err(error));
            }
        })?;
        let servers = Self { stalls, stop: Some(stop), thread: Some(thread) };
        heard.recv().map_err(io::Error::other)??;
        Ok(servers)
    }

    /// How long the thread has been kept waiting, in all.
    pub(super) fn stalled(&self) -> Duration {
        self.stalls.so_far()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            if !std::thread::panicking() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn serve(
    client: &str,
    server: &str,
    stalls: &Stalls,
    stopped: oneshot::Receiver<()>,
    say: &mpsc::SyncSender<io::Result<()>>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // A device belongs to the namespace in which its descriptor was opened.
        namespaces::enter(client)?;
        let clients_end = tun()?;
        namespaces::enter(server)?;
        bridge::start(clients_end, tun()?);
        tokio::spawn(accept(TcpListener::bind(("::", PORT)).await?));
        tokio::spawn(dns::answer(UdpSocket::bind(plan::dns()).await?));
        stalls.of_this_runtime();
        let _ = say.send(Ok(()));
        let _ = stopped.await;
        Ok(())
    })
}

fn tun() -> io::Result<Tun> {
    let made = Tun::builder().name(Link::Slow.interface()).build().map_err(io::Error::other)?;
    made.into_iter().next().ok_or_else(|| io::Error::other("no TUN was made"))
}

/// Accepts everybody, and closes the connection.
async fn accept(listener: TcpListener) {
    loop {
        // What failed was that connection, and not the listener.
        drop(listener.accept().await);
    }
}
