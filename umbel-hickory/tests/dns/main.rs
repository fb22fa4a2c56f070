//! hickory's resolver asks a server on this machine, and a connector asks hickory's resolver.

mod connections;
mod lookups;
mod server;
#[cfg(target_os = "linux")]
mod sockets;

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use umbel_hickory::Hickory;

/// No test waits for that.
const NEVER: Duration = Duration::from_secs(3600);

/// Asks that server, once, and gives up after `timeout`.
fn hickory(server: SocketAddr, timeout: Duration) -> Hickory {
    made(NameServerConfig::udp(server.ip()), server.port(), timeout, Vec::new())
}

/// Asks that server, on that port, and looks for names in those domains, too.
fn made(mut server: NameServerConfig, port: u16, timeout: Duration, domains: Vec<Name>) -> Hickory {
    for connection in &mut server.connections {
        connection.port = port;
    }
    let config = ResolverConfig::from_parts(None, domains, vec![server]);
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, provider);
    let options = builder.options_mut();
    options.timeout = timeout;
    options.attempts = 0;
    options.use_hosts_file = ResolveHosts::Never;
    Hickory::new(builder.build().expect("a resolver"))
}
