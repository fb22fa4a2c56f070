//! The connector of hyper-util, with its defaults.

use std::future::{Ready, poll_fn, ready};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::order::Order;

pub(super) async fn connect(order: &Order) -> io::Result<TcpStream> {
    let uri = format!("http://{}/", order.host).parse().map_err(io::Error::other)?;
    if order.addresses.is_empty() {
        call(HttpConnector::new(), uri).await
    } else {
        call(HttpConnector::new_with_resolver(Fixed(order.sockets())), uri).await
    }
}

async fn call<C>(mut connector: C, uri: Uri) -> io::Result<TcpStream>
where
    C: Service<Uri, Response = TokioIo<TcpStream>>,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    poll_fn(|context| connector.poll_ready(context)).await.map_err(io::Error::other)?;
    connector.call(uri).await.map(TokioIo::into_inner).map_err(io::Error::other)
}

/// Has the same addresses for every name.
#[derive(Clone)]
struct Fixed(Vec<SocketAddr>);

impl Service<Name> for Fixed {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.clone().into_iter()))
    }
}
