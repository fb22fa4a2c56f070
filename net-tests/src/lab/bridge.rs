//! Joins the two TUN interfaces. What goes to the server is held on the way, or lost.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_tun::Tun;

use crate::plan::{HELD, Host, Kind};

/// Room for a packet of the interfaces' size.
const ROOM: usize = 2048;

/// Starts both directions.
pub(super) fn start(client: Tun, server: Tun) {
    let (client, server) = (Arc::new(client), Arc::new(server));
    tokio::spawn(to_the_client(Arc::clone(&server), Arc::clone(&client)));
    tokio::spawn(to_the_server(client, server));
}

async fn to_the_client(server: Arc<Tun>, client: Arc<Tun>) {
    let mut packet = [0; ROOM];
    while let Ok(length) = server.recv(&mut packet).await {
        // A packet that cannot be delivered is lost, as on any link.
        let _ = client.send(&packet[..length]).await;
    }
}

async fn to_the_server(client: Arc<Tun>, server: Arc<Tun>) {
    let mut packet = [0; ROOM];
    while let Ok(length) = client.recv(&mut packet).await {
        let packet = packet[..length].to_vec();
        if let Some(time) = destination(&packet).and_then(held) {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                sleep(time).await;
                let _ = server.send(&packet).await;
            });
        }
    }
}

/// For how long a packet to this address is held. Without an answer it is lost.
fn held(address: IpAddr) -> Option<Duration> {
    (Host::at(address)?.kind() == Kind::Slow).then_some(HELD)
}

/// Whom an IP packet is for.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(Ipv4Addr::from(*packet.get(16..)?.first_chunk::<4>()?).into()),
        6 => Some(Ipv6Addr::from(*packet.get(24..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet_to(address: IpAddr) -> Vec<u8> {
        match address {
            IpAddr::V4(address) => [&[0x45; 16][..], &address.octets()].concat(),
            IpAddr::V6(address) => [&[0x60; 24][..], &address.octets()].concat(),
        }
    }

    #[test]
    fn the_destination_is_read_in_both_families() {
        for host in [Host::v4(Kind::Slow), Host::v6(Kind::Slow)] {
            let packet = packet_to(host.address());
            assert_eq!(destination(&packet), Some(host.address()));
            assert_eq!(destination(&packet[..packet.len() - 1]), None);
            assert_eq!(held(host.address()), Some(HELD));
        }
        assert_eq!(destination(&[]), None);
        assert_eq!(destination(&[0; 60]), None);
    }

    #[test]
    fn what_is_for_nobody_on_the_link_is_lost() {
        assert_eq!(held(Host::v4(Kind::Good).address()), None);
        assert_eq!(held(Ipv6Addr::LOCALHOST.into()), None);
    }
}
