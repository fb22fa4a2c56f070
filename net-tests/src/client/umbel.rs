//! The connector of umbel, with its defaults.

use std::io;

use tokio::net::TcpStream;
use umbel::net::Connector;

use super::order::Order;
use crate::plan::PORT;

pub(super) async fn connect(order: &Order) -> io::Result<TcpStream> {
    let connector = Connector::new();
    if order.addresses.is_empty() {
        connector.connect(&order.host, PORT).await
    } else {
        connector.connect_addrs(order.sockets()).await
    }
}
