//! A connector as the service that hyper's clients connect with. With the feature `hyper`.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::connector::Connector;
use super::layer::Layer;
use super::resolve::Resolver;

type Connecting<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// With the feature `hyper`: what hyper-util's client opens its connections with, in
/// `Client::builder(TokioExecutor::new()).build(connector)`, and what stands under hyper-rustls'
/// `HttpsConnector`.
///
/// The port is that of the URI, or else the scheme's: 80 for `http` and `ws`, 443 for `https` and `wss`. The
/// scheme means nothing else here. **Without TLS around the connector, or as a [layer](Connector::layer) in
/// it, an `https` URI is spoken to in plain text.** A client that is given the output of a layer asks for its
/// own trait of it, `Connection`, which `TcpStream` has.
///
/// `Uri`, `TokioIo` and `Service` are the only types in this interface that come from elsewhere than std,
/// tokio and futures-core. The price: when one of their crates has a new major version, so has this one.
/// It is paid with this feature only.
///
/// # Errors
///
/// Those of [`connect`](Connector::connect), and
/// [`InvalidInput`](ErrorKind::InvalidInput) for a URI without a host, or without a port and a scheme
/// that has one.
///
/// # Cancel safety
///
/// As [`connect`](Connector::connect). A client with a pool that finds another connection meanwhile moves
/// this one, half made, to a task of its own. There it ends at the latest with the child that it was begun in
/// (R23), and otherwise when its [time](Connector::timeout) is over.
///
/// # Examples
///
/// ```
/// use tower_service::Service;
/// use umbel::net::{ConnectError, Connector};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let port = listener.local_addr()?.port();
/// let mut connector = Connector::new();
/// let uri = format!("http://localhost:{port}/index.html").parse().unwrap();
/// let stream = connector.call(uri).await?.into_inner();
/// assert_eq!(stream.peer_addr()?.port(), port);
/// # Ok(())
/// # }
/// ```
impl<R, L> Service<Uri> for Connector<R, L>
where
    R: Resolver + 'static,
    L: Layer + 'static,
    L::Future: Send,
    L::Output: Send,
{
    type Response = TokioIo<L::Output>;
    type Error = io::Error;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let (host, port) = target(&uri)?;
            connector.connect(host, port).await.map(TokioIo::new)
        })
    }
}

/// Whom to connect to, and at which port.
fn target(uri: &Uri) -> io::Result<(&str, u16)> {
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| invalid("a URI without a host".to_owned()))?;
    let port = match port(uri, host) {
        Some(digits) => digits.parse().ok(),
        None => default_port(uri),
    };
    Ok((host, port.ok_or_else(|| no_port(uri, host))?))
}

/// What the URI has in the place of the port. `Uri::port` has nothing for a number that is too large.
fn port<'a>(uri: &'a Uri, host: &str) -> Option<&'a str> {
    let authority = uri.authority()?.as_str();
    let (_, rest) = authority.rsplit_once('@').unwrap_or(("", authority));
    rest.strip_prefix(host)?.strip_prefix(':').filter(|port| !port.is_empty())
}

/// Source: RFC 9110, section 4.2; RFC 6455, section 3.
fn default_port(uri: &Uri) -> Option<u16> {
    match uri.scheme_str()? {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// The URI itself is not shown: there may be secrets in it.
fn no_port(uri: &Uri, host: &str) -> io::Error {
    invalid(match (port(uri, host), uri.scheme_str()) {
        (Some(digits), _) => format!("no port for {host}: {digits} is none"),
        (None, Some(scheme)) => format!("no port for {host}: the URI has none, nor has {scheme}"),
        (None, None) => format!("no port for {host}: the URI has none, and no scheme"),
    })
}

fn invalid(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(uri: &str) -> Result<(String, u16), String> {
        let uri: Uri = uri.parse().unwrap();
        match target(&uri) {
            Ok((host, port)) => Ok((host.to_owned(), port)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                Err(error.to_string())
            }
        }
    }

    fn leads(uri: &str, host: &str, port: u16) {
        assert_eq!(said(uri), Ok((host.to_owned(), port)));
    }

    #[test]
    fn the_port_is_the_uris_or_the_schemes() {
        leads("http://stalk/", "stalk", 80);
        leads("ws://stalk/", "stalk", 80);
        leads("https://stalk/", "stalk", 443);
        leads("wss://stalk/", "stalk", 443);
        leads("HTTPS://stalk/", "stalk", 443);
        leads("https://stalk:8443/", "stalk", 8443);
        leads("stalk:7", "stalk", 7);
        leads("gopher://stalk:70/", "stalk", 70);
    }

    #[test]
    fn the_host_may_be_an_address_and_has_a_user_before_it() {
        leads("http://[2001:db8::1]/", "[2001:db8::1]", 80);
        leads("http://[2001:db8::1]:81/", "[2001:db8::1]", 81);
        leads("http://192.0.2.1:81/", "192.0.2.1", 81);
        leads("http://me:secret@stalk/", "stalk", 80);
        leads("http://me:secret@stalk:81/", "stalk", 81);
    }

    /// A port that is left out after the colon is the scheme's (RFC 3986, section 3.2.3).
    #[test]
    fn an_empty_port_is_none() {
        leads("http://stalk:/", "stalk", 80);
    }

    #[test]
    fn a_uri_that_leads_nowhere_says_why() {
        let fails = |uri, why: &str| assert_eq!(said(uri), Err(why.to_owned()));
        fails("/index.html", "a URI without a host");
        fails("stalk", "no port for stalk: the URI has none, and no scheme");
        fails("gopher://stalk/", "no port for stalk: the URI has none, nor has gopher");
        fails("http://me:secret@stalk:65536/", "no port for stalk: 65536 is none");
    }
}
