//! What hickory says, and what a lookup makes of it.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::time::Duration;

use hickory_resolver::config::NameServerConfig;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RecordType::{A, AAAA};
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Handle};
use tokio::task::yield_now;
use umbel::net::{Family, Resolver};
use umbel::scope;
use umbel_hickory::Hickory;

use crate::server::{Asked, Reply, Server, Zone};
use crate::{NEVER, hickory, made};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));

/// Looks a name up, with that in the zone; and what the server was asked.
async fn looked_up(
    host: &str,
    family: Family,
    zone: impl Into<Zone>,
) -> (io::Result<Vec<IpAddr>>, Vec<Asked>) {
    let server = Server::bind(zone);
    let asked = server.asked();
    let hickory = hickory(server.address(), NEVER);
    let found = scope(async |s| {
        s.service(server.serve());
        hickory.lookup(host, family).await
    });
    let found = found.await.expect("nobody cancels it");
    let asked = asked.borrow().clone();
    (found.map(|found| found.iter().map(SocketAddr::ip).collect()), asked)
}

fn dns_error(error: &io::Error) -> &NetError {
    error.get_ref().and_then(|error| error.downcast_ref()).expect("hickory's own error")
}

#[tokio::test]
async fn each_family_is_asked_for_by_itself() {
    let zone = [(("stalk.", A), Reply::Address(V4)), (("stalk.", AAAA), Reply::Address(V6))];
    for (family, ip, record_type) in [(Family::V4, V4, A), (Family::V6, V6, AAAA)] {
        let (found, asked) = looked_up("stalk", family, zone.clone()).await;
        assert_eq!(found.unwrap(), [ip]);
        let [Asked { name, what, .. }] = &asked[..] else { panic!("one question: {asked:?}") };
        assert_eq!((name.as_str(), *what), ("stalk.", record_type));
    }
}

#[tokio::test]
async fn an_alias_on_the_way_is_no_address() {
    let zone = [(("stalk.", A), Reply::Alias("stem.", V4))];
    let (found, _) = looked_up("stalk", Family::V4, zone).await;
    assert_eq!(found.unwrap(), [V4]);
}

#[tokio::test]
async fn no_records_of_a_name_that_exists_are_no_addresses() {
    let zone = [(("stalk.", AAAA), Reply::NoData)];
    let (found, asked) = looked_up("stalk", Family::V6, zone).await;
    assert_eq!(found.unwrap(), [] as [IpAddr; 0]);
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_found() {
    let (found, _) = looked_up("stalk", Family::V4, []).await;
    let error = found.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(dns_error(&error).is_nx_domain());
}

#[tokio::test]
async fn a_server_that_fails_is_an_error_in_its_own_words() {
    let zone = [(("stalk.", A), Reply::Fails(ResponseCode::ServFail))];
    let (found, _) = looked_up("stalk", Family::V4, zone).await;
    let error = found.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let own = dns_error(&error);
    assert!(matches!(own, NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail))));
    assert_eq!(error.to_string(), own.to_string());
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let server = Server::bind([(("stalk.", A), Reply::Silence)]);
    let hickory = hickory(server.address(), Duration::from_millis(50));
    let found = scope(async |s| {
        s.service(server.serve());
        hickory.lookup("stalk", Family::V4).await
    });
    assert_eq!(found.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
}

/// Nobody listens where the server should be.
#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_in_hickorys_words() {
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let at = closed.local_addr().unwrap();
    let hickory = made(NameServerConfig::tcp(at.ip()), at.port(), NEVER, Vec::new());
    let error = hickory.lookup("stalk", Family::V4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(matches!(dns_error(&error), NetError::NoConnections), "{error}");
}

/// The README says so: each family goes through the search list by itself.
#[tokio::test]
async fn a_search_list_is_gone_through_for_each_family() {
    let zone = [
        (("stalk.", A), Reply::Address(V4)),
        (("stalk.umbel.example.", AAAA), Reply::Address(V6)),
        (("stalk.", AAAA), Reply::NoData),
    ];
    let server = Server::bind(zone);
    let domain = Name::from_ascii("umbel.example.").unwrap();
    let at = server.address();
    let hickory = made(NameServerConfig::udp(at.ip()), at.port(), NEVER, vec![domain]);
    scope(async |s| {
        s.service(server.serve());
        let both = async |host| {
            let found = async |family| hickory.lookup(host, family).await.unwrap().len();
            (found(Family::V4).await, found(Family::V6).await)
        };
        assert_eq!(both("stalk").await, (1, 1), "of two hosts");
        assert_eq!(both("stalk.").await, (1, 0));
    })
    .await
    .unwrap();
}

/// An address with a zone is no name, and no server is asked about it.
#[tokio::test]
async fn what_cannot_be_a_name_is_not_asked_for() {
    let (found, asked) = looked_up("fe80::1%eth0", Family::V6, []).await;
    assert_eq!(found.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(asked.len(), 0);
}

/// A lookup that is dropped leaves no socket, and so nobody who would ask again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_drop_cancels_a_lookup() {
    let server = Server::bind([(("stalk.", A), Reply::Silence)]);
    let (mut asked, hickory) = (server.asked(), hickory(server.address(), NEVER));
    scope(async |s| {
        s.service(server.serve());
        {
            let mut lookup = pin!(hickory.lookup("stalk", Family::V4));
            tokio::select! {
                found = &mut lookup => panic!("there is no answer: {found:?}"),
                asked = asked.wait_for(|asked| !asked.is_empty()) => drop(asked.unwrap()),
            }
            assert_eq!(sockets_of(&asked.borrow()), 1);
        }
        assert_eq!(sockets_of(&asked.borrow()), 0);
    })
    .await
    .unwrap();
}

/// What a lookup leaves is hickory's task for the server, and that ends with the last clone.
#[tokio::test]
async fn what_stays_ends_with_the_resolver() {
    let server = Server::bind([(("stalk.", A), Reply::Address(V4))]);
    let hickory = hickory(server.address(), NEVER);
    let clone = hickory.clone();
    scope(async |s| {
        s.service(server.serve());
        hickory.lookup("stalk", Family::V4).await.unwrap();
    })
    .await
    .unwrap();
    let tasks = Handle::current().metrics();
    drop(hickory);
    yield_now().await;
    assert_eq!(tasks.num_alive_tasks(), 1);
    drop(clone);
    yield_now().await;
    assert_eq!(tasks.num_alive_tasks(), 0);
}

/// One that has been used in a runtime can be used in the next.
#[test]
fn a_resolver_survives_its_runtime() {
    let zone = [(("stalk.", A), Reply::Address(V4)), (("stem.", A), Reply::Address(V4))];
    let mut known: Option<Hickory> = None;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for host in ["stalk", "stem"] {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::of(socket.try_clone().unwrap(), zone.clone());
            let hickory = known.get_or_insert_with(|| hickory(server.address(), NEVER));
            let found = scope(async |s| {
                s.service(server.serve());
                hickory.lookup(host, Family::V4).await
            });
            assert_eq!(found.await.unwrap().unwrap().len(), 1);
        });
    }
}

/// The system's set-up can be read, and hickory knows this name by itself. Where no server is set up, that is an
/// error.
#[tokio::test]
#[cfg(all(feature = "system-config", target_os = "linux"))]
async fn the_systems_set_up_will_do() {
    let set_up = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let has_servers = set_up.lines().any(|line| line.starts_with("nameserver"));
    let found = match Hickory::from_system_conf() {
        Ok(hickory) => hickory.lookup("localhost", Family::V4).await,
        Err(error) => Err(error),
    };
    assert_eq!(found.is_ok(), has_servers, "{found:?}");
    let found = found.unwrap_or_default();
    assert!(found.iter().all(|address| address.ip() == Ipv4Addr::LOCALHOST));
    assert_eq!(found.len(), usize::from(has_servers));
}

/// How many of those who have asked have their sockets open.
#[cfg(target_os = "linux")]
pub(crate) fn sockets_of(asked: &[Asked]) -> usize {
    asked.iter().filter_map(|asked| asked.by).filter(|socket| socket.is_open()).count()
}
