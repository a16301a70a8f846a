//! Addresses of servers, and text within them.

use crate::error::{CliError, Result};
use crate::exit::Exit;

/// Text as a part of a path or query: everything but letters, digits and `-._~` is escaped.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Scheme, host and port of a server, however it was written.
pub(crate) fn base_of(text: &str) -> Result<String> {
    let text = text.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let full = full.trim_end_matches('/').to_owned();
    let parsed = full.parse::<ureq::http::Uri>().ok().filter(|uri| {
        let scheme = uri.scheme_str().is_some_and(|scheme| matches!(scheme, "http" | "https"));
        scheme && uri.host().is_some_and(|host| !host.is_empty()) && uri.path().len() <= 1
    });
    match parsed {
        Some(_) => Ok(full),
        None => {
            let text = format!("{text:?} is no address of a server");
            Err(CliError::new("E-USAGE", Exit::Usage, text)
                .next("write it as http://HOST:PORT, in --server or PELTON_SERVER"))
        }
    }
}

/// Whether an address is on this machine.
pub(super) fn is_local(base: &str) -> bool {
    let host = base.parse::<ureq::http::Uri>().ok();
    let host = host.as_ref().and_then(|uri| uri.host()).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_written_with_and_without_a_scheme() {
        for (text, base) in [
            ("localhost:7070", "http://localhost:7070"),
            ("http://10.0.0.1:80/", "http://10.0.0.1:80"),
            ("https://pelton.example", "https://pelton.example"),
            ("http://[::1]:7070", "http://[::1]:7070"),
        ] {
            assert_eq!(base_of(text).unwrap(), base);
        }
        for text in ["", "ftp://x", "http://", "http://x/y", "a b"] {
            assert_eq!(base_of(text).unwrap_err().code, "E-USAGE", "{text:?}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for base in ["http://localhost:1", "http://127.0.0.1:7070", "http://[::1]:1"] {
            assert!(is_local(base), "{base}");
        }
        for base in ["http://10.0.0.1", "http://localhost.example", "https://127.example"] {
            assert!(!is_local(base), "{base}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_its_part_of_a_path() {
        assert_eq!(encoded("a-b.c_d~1"), "a-b.c_d~1");
        assert_eq!(encoded("../x?y=z&ü"), "..%2Fx%3Fy%3Dz%26%C3%BC");
    }
}
