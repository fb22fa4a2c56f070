//! A DNS server (RFC 1035) that does to each question what its zone says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::sleep;
use umbel::net::Family;

use crate::zone::{self, Answer, Zone};

/// More than a question over UDP may have.
const ROOM: usize = 512;
const HEADER: usize = 12;

const A: u16 = 1;
const AAAA: u16 = 28;
const INTERNET: u16 = 1;

/// A name that stands behind the header: the one in the question.
const NAME_ABOVE: [u8; 2] = [0xc0, 12];
/// For how many seconds an answer may be remembered.
const FORGET: u32 = 0;

const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NAME_ERROR: u8 = 3;

/// Answers until the runtime ends.
pub(super) async fn answer(socket: UdpSocket) {
    let socket = Arc::new(socket);
    let mut packet = [0; ROOM];
    loop {
        // An error here is about an earlier answer that could not be delivered.
        let Ok((length, from)) = socket.recv_from(&mut packet).await else { continue };
        if let Some((reply, after)) = Question::read(&packet[..length]).as_ref().and_then(reply) {
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                sleep(after).await;
                let _ = socket.send_to(&reply, from).await;
            });
        }
    }
}

/// A question, and the part of its packet that every reply begins with.
struct Question<'a> {
    packet: &'a [u8],
    name: String,
    kind: u16,
}

impl<'a> Question<'a> {
    /// Reads the first question of a packet, or nothing if it is not well formed.
    fn read(packet: &'a [u8]) -> Option<Self> {
        let mut labels = Vec::new();
        let mut at = HEADER;
        loop {
            let length = usize::from(*packet.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(std::str::from_utf8(packet.get(at..at + length)?).ok()?);
            at += length;
        }
        let kind = u16::from_be_bytes(*packet.get(at..)?.first_chunk()?);
        let packet = packet.get(..at + 4)?;
        Some(Self { packet, name: labels.join(".").to_ascii_lowercase(), kind })
    }

    fn zone(&self) -> Option<&'static Zone> {
        zone::ALL.into_iter().find(|zone| zone.name == self.name)
    }

    fn family(&self) -> Option<Family> {
        match self.kind {
            A => Some(Family::V4),
            AAAA => Some(Family::V6),
            _ => None,
        }
    }

    fn reply(&self, code: u8, address: Option<IpAddr>) -> Vec<u8> {
        let mut reply = self.packet.to_vec();
        // A reply, recursion desired and available; one question, and no records but the answers.
        reply[2..HEADER].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0]);
        if let Some(address) = address {
            reply[7] = 1;
            reply.extend(self.record(address));
        }
        reply
    }

    /// The one record of an answer.
    fn record(&self, address: IpAddr) -> Vec<u8> {
        let (length, data) = match address {
            IpAddr::V4(address) => (4_u16, address.octets().to_vec()),
            IpAddr::V6(address) => (16_u16, address.octets().to_vec()),
        };
        let kind = [self.kind, INTERNET].map(u16::to_be_bytes).concat();
        [&NAME_ABOVE[..], &kind, &FORGET.to_be_bytes(), &length.to_be_bytes(), &data].concat()
    }
}

/// What is sent back, and after how long.
fn reply(question: &Question<'_>) -> Option<(Vec<u8>, Duration)> {
    let Some(zone) = question.zone() else {
        return Some((question.reply(NAME_ERROR, None), Duration::ZERO));
    };
    match question.family().map(|family| zone.answer(family)) {
        Some(Answer::Late(host, time)) => {
            Some((question.reply(NO_ERROR, Some(host.address())), time))
        }
        Some(Answer::ServFail) => Some((question.reply(SERVER_FAILURE, None), Duration::ZERO)),
        Some(Answer::Silence) => None,
        None => Some((question.reply(NO_ERROR, None), Duration::ZERO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, record: u16) -> Vec<u8> {
        let mut packet = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        for label in name.split('.') {
            packet.push(u8::try_from(label.len()).expect("a short label"));
            packet.extend(label.bytes());
        }
        packet.push(0);
        packet.extend([record, INTERNET].map(u16::to_be_bytes).concat());
        packet
    }

    fn replied(name: &str, record: u16) -> Option<(Vec<u8>, Duration)> {
        // A further record, as of EDNS, is no part of the question.
        let packet = [question(name, record), vec![0; 11]].concat();
        reply(&Question::read(&packet).expect("a question"))
    }

    #[test]
    fn an_address_comes_when_its_zone_says() {
        let (reply, after) = replied("AAAA-late.test", AAAA).expect("a reply");
        assert_eq!(after, Duration::from_millis(30));
        assert_eq!(reply[..HEADER], [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        let asked = question("AAAA-late.test", AAAA).len();
        let head = [0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 0, 0, 16, 0x20, 0x01, 0x0d, 0xb8];
        assert_eq!(reply[asked..asked + head.len()], head);
        assert_eq!(reply.len(), asked + 12 + 16);
    }

    #[test]
    fn a_zone_fails_or_stays_silent_for_one_type_only() {
        let (reply, _) = replied("aaaa-fails.test", AAAA).expect("a reply");
        assert_eq!(reply[3] & 0xf, SERVER_FAILURE);
        assert_eq!(replied("aaaa-lost.test", AAAA), None);
        for name in ["aaaa-fails.test", "aaaa-lost.test"] {
            let (reply, _) = replied(name, A).expect("a reply");
            assert_eq!((reply[3] & 0xf, reply[7]), (NO_ERROR, 1));
        }
    }

    #[test]
    fn other_names_and_other_records_do_not_exist() {
        let (reply, _) = replied("elsewhere.test", A).expect("a reply");
        assert_eq!((reply[3] & 0xf, reply[7]), (NAME_ERROR, 0));
        let (reply, _) = replied("both.test", 15).expect("a reply");
        assert_eq!((reply[3] & 0xf, reply[7]), (NO_ERROR, 0));
    }

    #[test]
    fn half_a_question_is_none() {
        let whole = question("both.test", A);
        for length in 0..whole.len() {
            assert!(Question::read(&whole[..length]).is_none(), "{length} bytes");
        }
    }
}
