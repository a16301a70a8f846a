//! Which server, and who calls it.

use clap::Args;

use super::url::base_of;
use super::{Client, agent};
use crate::error::Result;
use crate::up::PORT;

const HEADING: &str = "Server";

/// Options of every command that talks to a server.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The server's address; else http://127.0.0.1:7070
    #[arg(long, value_name = "URL", env = "PELTON_SERVER", hide_env_values = true,
        help_heading = HEADING)]
    server: Option<String>,
    /// The token to call it with
    #[arg(long, value_name = "TOKEN", env = "PELTON_TOKEN", hide_env_values = true,
        help_heading = HEADING)]
    token: Option<String>,
    /// Whose topics and functions
    #[arg(long, value_name = "TENANT", env = "PELTON_TENANT", hide_env_values = true,
        default_value = "default", help_heading = HEADING)]
    tenant: String,
}

impl ServerArgs {
    /// The same, for another server.
    pub(crate) fn at(&self, base: String) -> Self {
        Self { server: Some(base), ..self.clone() }
    }

    /// As if these had been given.
    pub(crate) fn of(server: String, token: Option<String>, tenant: &str) -> Self {
        Self { server: Some(server), token, tenant: tenant.to_owned() }
    }

    /// Whether a server was named, by flag or environment.
    pub(crate) fn is_given(&self) -> bool {
        self.server.as_deref().is_some_and(|server| !server.is_empty())
    }

    /// A client for the server. Nothing is sent yet.
    ///
    /// # Errors
    /// Where the address is none.
    pub(crate) fn client(&self) -> Result<Client> {
        let base = match self.server.as_deref().filter(|server| !server.is_empty()) {
            Some(server) => base_of(server)?,
            None => format!("http://127.0.0.1:{PORT}"),
        };
        let token = self.token.clone().filter(|token| !token.is_empty());
        Ok(Client { agent: agent(&base), base, token, tenant: self.tenant.clone() })
    }
}
