//! An address taken before there is anything to serve on it: a server that cannot listen makes no
//! journal.

use std::io;
use std::net::SocketAddr;

use pelton_core::{Domain, Error, Result};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be taken at most.
const BACKLOG: u32 = 1024;

/// An address that is this process's. Whoever connects is refused until a server listens on it.
#[derive(Debug)]
pub struct Claimed {
    socket: TcpSocket,
    wanted: SocketAddr,
}

impl Claimed {
    /// Takes an address; port 0 is one that is free.
    ///
    /// # Errors
    /// `E-HTTP-ADDRESS`, which says why it cannot be listened on.
    pub fn take(wanted: SocketAddr) -> Result<Self> {
        let socket = if wanted.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let bound = socket.and_then(|socket| {
            // What connections of a server before left behind keeps nobody from starting it again.
            // A port that is to be free is given to one process only while this is not set; set before it
            // listens, it counts for the connections all the same.
            socket.set_reuseaddr(cfg!(unix) && wanted.port() != 0)?;
            socket.bind(wanted)?;
            socket.set_reuseaddr(cfg!(unix))?;
            Ok(socket)
        });
        match bound {
            Ok(socket) => Ok(Self { socket, wanted }),
            Err(error) => Err(refused(wanted, error)),
        }
    }

    /// The address that was asked for.
    #[must_use]
    pub fn wanted(&self) -> SocketAddr {
        self.wanted
    }

    /// Begins to listen. To be called within a runtime.
    pub(super) fn listen(self) -> Result<(TcpListener, SocketAddr)> {
        let wanted = self.wanted;
        let listener = self.socket.listen(BACKLOG);
        listener
            .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
            .map_err(|error| refused(wanted, error))
    }
}

fn refused(wanted: SocketAddr, error: io::Error) -> Error {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there already".to_owned(),
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no address {}", wanted.ip())
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {} needs privileges that this process has not", wanted.port())
        }
        _ => error.to_string(),
    };
    let text = format!("cannot listen on {wanted}: {why}");
    Error::new("E-HTTP-ADDRESS", Domain::User, text)
}

/// Refuses an address that others can reach where nobody has a token.
///
/// # Errors
/// `E-HTTP-OPEN`.
pub fn check_open(wanted: SocketAddr, has_token: bool) -> Result<()> {
    if wanted.ip().is_loopback() || has_token {
        return Ok(());
    }
    let text = format!(
        "{wanted} can be reached from other machines and there is no token: make one first, or \
         listen on 127.0.0.1"
    );
    Err(Error::new("E-HTTP-OPEN", Domain::User, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_had_is_refused_with_the_reason() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap();
        for (wanted, why) in [(taken, "already"), ("203.0.113.1:1".parse().unwrap(), "no address")]
        {
            let error = Claimed::take(wanted).unwrap_err();
            assert_eq!(error.code, "E-HTTP-ADDRESS");
            assert!(error.to_string().contains(why), "{error}");
        }
        drop(held);
        assert_eq!(Claimed::take(taken).unwrap().wanted(), taken);
    }
}
