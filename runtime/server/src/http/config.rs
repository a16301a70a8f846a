//! How the server listens, and the numbers that keep its clients in bounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

/// How the server listens. Every limit has a test at it and one past it.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Where to listen; port 0 takes a free one. Any address but loopback needs a token.
    pub address: SocketAddr,
    /// Connections at the same time (1,000). One more is told so and closed.
    pub connections_max: usize,
    /// Bytes of a request's head (64 KiB).
    pub head_bytes_max: usize,
    /// From when a connection can take a request to the end of its head (15 s): for slow clients
    /// and for connections that nobody uses.
    pub head_timeout: Duration,
    /// Bytes of a request's body (32 MiB: the default limit of a module).
    pub body_bytes_max: usize,
    /// From the end of the head to the end of the body (30 s).
    pub body_timeout: Duration,
    /// Bytes of the bodies of all requests that are in memory (256 MiB).
    pub bodies_bytes_max: usize,
    /// How long a client may take nothing of an answer that waits for it (30 s).
    pub write_timeout: Duration,
    /// Requests a second of one connection (1,000), which is also the most at once.
    pub connection_rate: NonZeroU32,
    /// Requests a second of one token (5,000), which is also the most at once.
    pub token_rate: NonZeroU32,
    /// How long a request may wait for the disk (30 s).
    pub durable_timeout: Duration,
    /// How long a long poll may wait (30 s).
    pub wait_max: Duration,
    /// Pause after which an idle event stream is sent a comment (15 s).
    pub heartbeat: Duration,
    /// How long running requests may go on once the server shuts down (10 s).
    pub drain_timeout: Duration,
}

const fn rate(a_second: u32) -> NonZeroU32 {
    match NonZeroU32::new(a_second) {
        Some(rate) => rate,
        None => NonZeroU32::MIN,
    }
}

impl HttpConfig {
    /// The defaults, on this address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connections_max: 1_000,
            head_bytes_max: 64 << 10,
            head_timeout: Duration::from_secs(15),
            body_bytes_max: 32 << 20,
            body_timeout: Duration::from_secs(30),
            bodies_bytes_max: 256 << 20,
            write_timeout: Duration::from_secs(30),
            connection_rate: rate(1_000),
            token_rate: rate(5_000),
            durable_timeout: Duration::from_secs(30),
            wait_max: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(10),
        }
    }

    /// The defaults, on this port of the loopback address.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }
}
