//! What a client is told, as the arguments of its process.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::plan::{Host, PORT};
use crate::scenario::Target;

/// The name under which a list of addresses is connected to. Nobody resolves it.
const NOBODY: &str = "list.test";

/// Connect to `host`, which has these addresses if there are any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) host: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) limit: Duration,
}

impl Order {
    pub(super) fn new(target: Target, limit: Duration) -> Self {
        let (host, addresses) = match target {
            Target::Addresses(hosts) => {
                (NOBODY, hosts.iter().copied().map(Host::address).collect())
            }
            Target::Name(zone) => (zone.name, Vec::new()),
        };
        Self { host: host.into(), addresses, limit }
    }

    /// `HOST PORT ADDRESSES SECONDS`
    pub(super) fn arguments(&self) -> [String; 4] {
        let addresses: Vec<_> = self.addresses.iter().map(IpAddr::to_string).collect();
        let limit = self.limit.as_secs_f64();
        [self.host.clone(), PORT.to_string(), addresses.join(","), limit.to_string()]
    }

    /// Reads the arguments of an order that this program has given to itself.
    pub(super) fn read(arguments: &[String]) -> Option<Self> {
        let [host, _, addresses, limit] = arguments else { return None };
        let addresses = addresses.split(',').filter(|address| !address.is_empty());
        Some(Self {
            host: host.clone(),
            addresses: addresses.map(|address| address.parse().ok()).collect::<Option<_>>()?,
            limit: Duration::try_from_secs_f64(limit.parse().ok()?).ok()?,
        })
    }

    pub(super) fn sockets(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(|address| SocketAddr::new(*address, PORT)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{LISTS, NAMES};

    #[test]
    fn an_order_is_read_as_it_was_given() {
        for scenario in LISTS.iter().chain(&NAMES) {
            let order = Order::new(scenario.target, Duration::from_millis(2_500));
            assert_eq!(Order::read(&order.arguments()), Some(order));
        }
    }
}
