//! `pelton token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pelton_server::http::{HttpConfig, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::Method;

use crate::client::{Call, Client, ServerArgs};
use crate::data_dir;
use crate::error::Result;
use crate::exit::Exit;
use crate::session::Session;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// Tokens: who may call a server
///
/// From the first one on every request needs one. With --data-dir the tokens of a server that does not
/// run are changed: before it listens on an address that others can reach, it needs one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton token create ops --data-dir pelton-data
  pelton token ls
  pelton token rm ops")]
pub(crate) struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token and print it, this once
    Create(Named),
    /// List all tokens
    Ls(Place),
    /// Take a token back
    Rm(Named),
}

#[derive(Debug, Args)]
struct Named {
    /// The token's name
    name: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    /// The data directory of a server that does not run
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Serialize, Deserialize)]
struct Info {
    name: String,
    created_ms: i64,
}

#[derive(Deserialize)]
struct Created {
    token: String,
}

#[derive(Deserialize)]
struct List {
    tokens: Vec<Info>,
}

/// Where tokens are kept.
enum Keeper {
    Server(Client),
    /// The session holds the directory.
    Directory(Tokens, #[expect(dead_code, reason = "it is held, not used")] Box<Session>),
}

impl Place {
    /// Only the first token may make the directory.
    fn keeper(&self, makes: bool) -> Result<Keeper> {
        let Some(folder) = &self.data_dir else { return Ok(Keeper::Server(self.server.client()?)) };
        if !makes {
            data_dir::check_there(folder)?;
        }
        let session = Session::open(Some(folder))?;
        let (journal, clock) = (session.node.journal().clone(), session.node.clock().clone());
        let tokens = Tokens::open(journal, clock, HttpConfig::loopback(0).token_rate);
        Ok(Keeper::Directory(tokens, Box::new(session)))
    }
}

impl Keeper {
    fn create(&self, name: &str) -> Result<String> {
        match self {
            Self::Directory(tokens, _) => Ok(tokens.create(name)?),
            Self::Server(client) => {
                let body = json!({ "name": name }).to_string();
                let call = Call::new(Method::POST, &["tokens"]);
                let created: Created =
                    client.json(call.body("application/json", body.as_bytes()))?;
                Ok(created.token)
            }
        }
    }

    fn list(&self) -> Result<Vec<Info>> {
        match self {
            Self::Directory(tokens, _) => {
                let info = |token: pelton_server::http::TokenInfo| Info {
                    name: token.name,
                    created_ms: token.created_ms,
                };
                Ok(tokens.list().into_iter().map(info).collect())
            }
            Self::Server(client) => {
                let list: List = client.json(Call::new(Method::GET, &["tokens"]))?;
                Ok(list.tokens)
            }
        }
    }

    fn revoke(&self, name: &str) -> Result<()> {
        match self {
            Self::Directory(tokens, _) => Ok(tokens.revoke(name)?),
            Self::Server(client) => {
                client.bytes(Call::new(Method::DELETE, &["tokens", name]))?;
                Ok(())
            }
        }
    }
}

impl Token {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Create(Named { name, place }) => {
                let token = place.keeper(true)?.create(&name)?;
                if ui.is_json() {
                    ui.json(&json!({ "name": name, "token": token }))?;
                } else {
                    ui.line(&token)?;
                    ui.next("keep it: it is told this once; commands take it from PELTON_TOKEN");
                }
            }
            What::Ls(place) => list(&place.keeper(false)?.list()?, ui)?,
            What::Rm(Named { name, place }) => {
                place.keeper(false)?.revoke(&name)?;
                ui.note(format!("took the token {name} back"));
            }
        }
        Ok(Exit::Ok)
    }
}

fn list(tokens: &[Info], ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(&tokens);
    }
    let mut table = Columns::new(&["token", "created"]);
    for Info { name, created_ms } in tokens {
        table.row(&[name.clone(), text::time(*created_ms)]);
    }
    ui.line(table.to_string())
}
