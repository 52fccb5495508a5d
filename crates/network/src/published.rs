//! The elements of the maps: which port leads to which instance.

use std::net::Ipv4Addr;

use sys::Result;

use crate::message::{ACKNOWLEDGE, Attributes, CREATE, DUMP, EXCLUSIVE, Message, Messages, Writer};
use crate::publish::{Protocol, Publish, number};
use crate::socket::Socket;
use crate::table::{ADDRESSES, DELSETELEM, GETSETELEM, HEAD, NEWSETELEM, PORTS, Transaction, attributes};
use crate::{Attachment, Name};

const TABLE: u16 = 1;
const MAP: u16 = 2;
const ELEMENTS: u16 = 3;
const ELEMENT: u16 = 1;
const KEY: u16 = 1;
const DATA: u16 = 2;
const USER_DATA: u16 = 6;
const VALUE: u16 = 1;
/// NFTNL_UDATA_SET_ELEM_COMMENT, nft(8)'s: a type of one byte, a length of one byte, text with a zero byte behind it.
const COMMENT: u8 = 0;

/// A published port, as the kernel has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// What leads where.
    pub publish: Publish,
    /// The name of the instance.
    pub instance: String,
}

/// All that is published.
pub fn list(socket: &mut Socket, table: &str) -> Result<Vec<Published>> {
    let mut all = Vec::new();
    for map in [PORTS, ADDRESSES] {
        let mut question = Messages::default();
        question.add(GETSETELEM, DUMP, &HEAD, |ask| {
            ask.put_text(TABLE, table);
            ask.put_text(MAP, map);
        });
        let elements = socket.list(&question, |message: Message<'_>| {
            let elements = attributes(message.body).within(ELEMENTS);
            Some(elements.filter_map(|(_, element)| read(Attributes(element))).collect::<Vec<_>>())
        })?;
        all.extend(elements.into_iter().flatten());
    }
    Ok(all)
}

/// Publishes all ports of an instance, or none.
pub fn add(socket: &mut Socket, table: &str, attachment: &Attachment) -> Result<()> {
    let mut transaction = Transaction::new();
    for publish in &attachment.publish {
        transaction.changes().add(NEWSETELEM, ACKNOWLEDGE | CREATE | EXCLUSIVE, &HEAD, |change| {
            element(change, table, publish, |element| {
                element.nest(DATA, |data| data.put(VALUE, &target(attachment.address, publish.instance)));
                element.put(USER_DATA, &comment(&attachment.name));
            });
        });
    }
    transaction.commit(socket)
}

/// Withdraws ports.
pub fn remove(socket: &mut Socket, table: &str, ports: &[Published]) -> Result<()> {
    if ports.is_empty() {
        return Ok(());
    }
    let mut transaction = Transaction::new();
    for port in ports {
        transaction.changes().add(DELSETELEM, ACKNOWLEDGE, &HEAD, |change| {
            element(change, table, &port.publish, |_| {});
        });
    }
    transaction.commit(socket)
}

/// An element of the map that its key belongs into.
fn element(change: &mut Writer<'_>, table: &str, publish: &Publish, rest: impl FnOnce(&mut Writer<'_>)) {
    change.put_text(TABLE, table);
    change.put_text(MAP, if publish.address.is_some() { ADDRESSES } else { PORTS });
    change.nest(ELEMENTS, |elements| {
        elements.nest(ELEMENT, |element| {
            element.nest(KEY, |data| data.put(VALUE, &key(publish)));
            rest(element);
        });
    });
}

/// `inet_proto . [ipv4_addr .] inet_service`, each at the start of four bytes.
fn key(publish: &Publish) -> Vec<u8> {
    let mut key = vec![number(publish.protocol), 0, 0, 0];
    key.extend(publish.address.iter().flat_map(Ipv4Addr::octets));
    key.extend(publish.host.to_be_bytes());
    key.extend([0; 2]);
    key
}

/// `ipv4_addr . inet_service`
fn target(address: Ipv4Addr, port: u16) -> [u8; 8] {
    let ([a, b, c, d], [high, low]) = (address.octets(), port.to_be_bytes());
    [a, b, c, d, high, low, 0, 0]
}

fn comment(name: &Name) -> Vec<u8> {
    // A name has at most 64 bytes.
    let text = name.as_str().as_bytes();
    [&[COMMENT, text.len() as u8 + 1], text, &[0]].concat()
}

/// What an element says; nothing if it is none that [`add`] writes.
fn read(element: Attributes<'_>) -> Option<Published> {
    let key = element.within(KEY).get(VALUE);
    let (protocol, address, port) = match *key {
        [protocol, 0, 0, 0, high, low, 0, 0] => (protocol, None, [high, low]),
        [protocol, 0, 0, 0, a, b, c, d, high, low, 0, 0] => {
            (protocol, Some(Ipv4Addr::new(a, b, c, d)), [high, low])
        }
        _ => return None,
    };
    let protocol = [Protocol::Tcp, Protocol::Udp].into_iter().find(|known| number(*known) == protocol)?;
    let instance = element.within(DATA).get(VALUE).get(4..6)?.try_into().map(u16::from_be_bytes).ok()?;
    let publish = Publish { address, host: u16::from_be_bytes(port), instance, protocol };
    let name = match element.get(USER_DATA) {
        [COMMENT, length, text @ ..] => text.get(..usize::from(*length)).unwrap_or_default(),
        _ => &[],
    };
    let name = String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned();
    Some(Published { publish, instance: name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_read_as_it_is_written() {
        let name: Name = "web-1.x_y".parse().expect("a name");
        for text in ["8080:80", "127.0.0.1:53:5353/udp"] {
            let publish: Publish = text.parse().expect(text);
            let mut messages = Messages::default();
            messages.add(NEWSETELEM, 0, &HEAD, |change| {
                element(change, "husk", &publish, |element| {
                    let to = target(Ipv4Addr::new(10, 0, 0, 2), publish.instance);
                    element.nest(DATA, |data| data.put(VALUE, &to));
                    element.put(USER_DATA, &comment(&name));
                });
            });
            let elements = attributes(&messages.bytes()[16..]).within(ELEMENTS);
            let read: Vec<_> = elements.filter_map(|(_, element)| read(Attributes(element))).collect();
            assert_eq!(read, [Published { publish, instance: name.to_string() }]);
        }
    }
}
