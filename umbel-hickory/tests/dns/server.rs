//! A DNS server that says, or fails to say, what a test wants.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};

/// How long an answer is good for, in seconds.
const TTL: u32 = 60;

/// What the server does with a question.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Address(IpAddr),
    /// The name stands for another one, which has that address.
    Alias(&'static str, IpAddr),
    /// No records of that type.
    NoData,
    Fails(ResponseCode),
    /// Nothing, as if the question, or the answer, were lost.
    Silence,
    /// An address, when it is told to.
    Held(Arc<Notify>, IpAddr),
}

/// What is known of a name and type. Of others, that they do not exist.
pub(crate) type Zone = HashMap<(&'static str, RecordType), Reply>;

/// A question, and the socket that it came from.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) what: RecordType,
    #[cfg(target_os = "linux")]
    pub(crate) by: Option<crate::sockets::Socket>,
}

pub(crate) struct Server {
    socket: Arc<UdpSocket>,
    zone: Zone,
    asked: watch::Sender<Vec<Asked>>,
}

impl Server {
    pub(crate) fn bind(zone: impl Into<Zone>) -> Self {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        Self::of(socket.expect("a free port"), zone)
    }

    pub(crate) fn of(socket: std::net::UdpSocket, zone: impl Into<Zone>) -> Self {
        let ready = socket.set_nonblocking(true).and_then(|()| UdpSocket::from_std(socket));
        let socket = Arc::new(ready.expect("a runtime"));
        Self { socket, zone: zone.into(), asked: watch::Sender::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    /// Everything that it has been asked.
    pub(crate) fn asked(&self) -> watch::Receiver<Vec<Asked>> {
        self.asked.subscribe()
    }

    /// Answers until it is cancelled.
    pub(crate) async fn serve(self) -> io::Result<()> {
        umbel::scope(async |s| -> io::Result<()> {
            let mut buffer = [0; 4096];
            loop {
                let (length, from) = self.socket.recv_from(&mut buffer).await?;
                let message = Message::from_vec(&buffer[..length]).map_err(io::Error::other)?;
                let reply = self.reply(&message, from);
                let socket = Arc::clone(&self.socket);
                s.spawn(async move { answer(&message, reply, &socket, from).await });
            }
        })
        .await?
    }

    fn reply(&self, message: &Message, from: SocketAddr) -> Reply {
        let Some(query) = message.queries.first() else { return Reply::Silence };
        let (name, what) = (query.name().to_string(), query.query_type());
        let known = self.zone.get(&(name.as_str(), what));
        let reply = known.cloned().unwrap_or(Reply::Fails(ResponseCode::NXDomain));
        self.asked.send_modify(|asked| {
            asked.push(Asked {
                name,
                what,
                #[cfg(target_os = "linux")]
                by: crate::sockets::Socket::at(from),
            });
        });
        reply
    }
}

async fn answer(
    message: &Message,
    reply: Reply,
    socket: &UdpSocket,
    to: SocketAddr,
) -> io::Result<()> {
    let mut answer = Message::response(message.id, OpCode::Query);
    let Some(query) = message.queries.first().cloned() else { return Ok(()) };
    match reply {
        Reply::Address(ip) => add(&mut answer, query.name(), ip.into()),
        Reply::Alias(name, ip) => {
            let name = Name::from_ascii(name).map_err(io::Error::other)?;
            add(&mut answer, query.name(), RData::CNAME(CNAME(name.clone())));
            add(&mut answer, &name, ip.into());
        }
        Reply::NoData => {}
        Reply::Fails(code) => answer.metadata.response_code = code,
        Reply::Silence => return Ok(()),
        Reply::Held(until, ip) => {
            until.notified().await;
            add(&mut answer, query.name(), ip.into());
        }
    }
    answer.add_query(query);
    let bytes = answer.to_vec().map_err(io::Error::other)?;
    socket.send_to(&bytes, to).await.map(drop)
}

fn add(answer: &mut Message, name: &Name, data: RData) {
    answer.add_answer(Record::from_rdata(name.clone(), TTL, data));
}
