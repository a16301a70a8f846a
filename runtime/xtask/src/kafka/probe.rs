//! Whether a broker answers: a metadata request, by hand, so that xtask needs no Kafka client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
const METADATA: u16 = 3;
const VERSION: u16 = 1;

/// Whether the address answers with at least one live broker.
pub(super) fn answers(address: &str) -> bool {
    brokers(address).is_some_and(|count| count > 0)
}

/// The number of live brokers that the broker at `address` knows.
fn brokers(address: &str) -> Option<i32> {
    let address: SocketAddr = address.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(TIMEOUT)).ok()?;
    // Request header v1: api, version, correlation id, client id (null). Body: no topics.
    let mut request = Vec::new();
    request.extend(METADATA.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(7_i32.to_be_bytes());
    request.extend((-1_i16).to_be_bytes());
    request.extend(0_i32.to_be_bytes());
    stream.write_all(&(request.len() as u32).to_be_bytes()).ok()?;
    stream.write_all(&request).ok()?;
    // Answer: length, correlation id, number of brokers, ...
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    let count: [u8; 4] = answer[8..].try_into().ok()?;
    Some(i32::from_be_bytes(count))
}
