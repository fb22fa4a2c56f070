//! An HTTP server, and what a client asks it.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::{Client, Error, connect::Connect};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Answers every request with its path, on any number of connections.
#[derive(Clone, Debug)]
pub struct Web {
    connections: Arc<AtomicUsize>,
    turns: Arc<Semaphore>,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            connections: Arc::default(),
            turns: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }
}

impl Web {
    /// One that answers as many requests as [`answer`](Self::answer) says.
    #[must_use]
    pub fn silent() -> Self {
        Self { connections: Arc::default(), turns: Arc::new(Semaphore::new(0)) }
    }

    /// Answers one more request.
    pub fn answer(&self) {
        self.turns.add_permits(1);
    }

    /// How many have connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Serves whoever comes.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        umbel::scope(async |s| -> io::Result<()> {
            loop {
                let (stream, _) = listener.accept().await?;
                let web = self.clone();
                s.spawn(async move { web.connection(stream).await });
            }
        })
        .await?
    }

    /// Serves the first who comes, with TLS.
    ///
    /// # Panics
    ///
    /// If that connection breaks off.
    pub async fn serve_one_secure(self, listener: TcpListener, acceptor: TlsAcceptor) {
        let (stream, _) = listener.accept().await.expect("a client");
        let stream = acceptor.accept(stream).await.expect("a handshake");
        self.connection(stream).await.expect("an answer");
    }

    /// Serves one connection.
    pub async fn connection<S>(&self, stream: S) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let answer = service_fn(async |request: Request<Incoming>| {
            if let Ok(turn) = self.turns.acquire().await {
                turn.forget();
            }
            Ok::<_, Infallible>(Response::new(request.uri().path().to_owned()))
        });
        http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await
    }
}

/// What a client sends: no body.
pub type Nothing = Empty<Bytes>;

/// What the server at `uri` has to say.
///
/// # Panics
///
/// If the answer breaks off, or `uri` is none.
pub async fn ask<C>(client: &Client<C, Nothing>, uri: &str) -> Result<String, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let uri: Uri = uri.parse().expect("a URI");
    let answer = client.get(uri).await?;
    let body = answer.into_body().collect().await.expect("the whole answer");
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}
