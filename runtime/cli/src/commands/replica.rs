//! `pelton replica`.

use std::time::Duration;

use clap::{Args, Subcommand};
use pelton_server::replication::{Fencing, Promoted, ReplicationStatus};
use serde_json::json;
use ureq::http::Method;

use crate::client::{Call, ServerArgs, base_of};
use crate::confirm::confirm;
use crate::error::Result;
use crate::exit::Exit;
use crate::text;
use crate::ui::Ui;

/// How long a promotion may take: functions are compiled and started.
const PATIENCE: Duration = Duration::from_mins(10);

/// Replicas: how far one is behind, and making it lead
///
/// `pelton up --follow URL` runs a replica. Commits that were not shipped when it is promoted are lost
/// there; the old leader keeps them, and takes no more changes once it knows (docs/replication.md).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton replica status --server http://127.0.0.1:7071
  pelton replica promote --server http://127.0.0.1:7071
  pelton replica fence --server http://10.0.0.1:7070 --by http://127.0.0.1:7071
  pelton replica unfence --server http://10.0.0.1:7070")]
pub(crate) struct Replica {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show whether a server leads or follows, and how far it is behind
    Status(ServerArgs),
    /// Make a replica the leader, and start its functions
    Promote(ServerArgs),
    /// Tell an old leader that a copy was promoted: it takes no changes any more
    Fence(Fence),
    /// Let a fenced server lead again, where no other copy does
    Unfence(Unfence),
}

#[derive(Debug, Args)]
struct Unfence {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Fence {
    /// The server that was promoted
    #[arg(long, value_name = "URL")]
    by: String,
    #[command(flatten)]
    server: ServerArgs,
}

impl Replica {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Status(server) => show(&status(&server)?, ui)?,
            What::Promote(server) => promote(&server, ui)?,
            What::Fence(Fence { by, server }) => {
                let new = status(&server.at(base_of(&by)?))?;
                let fencing = Fencing { journal: new.journal, leader: by, epochs: new.epochs };
                let body = json!(fencing).to_string();
                let call = Call::new(Method::POST, &["replication", "fence"]);
                let client = server.client()?;
                let old: ReplicationStatus =
                    client.json(call.body("application/json", body.as_bytes()))?;
                show(&old, ui)?;
            }
            What::Unfence(Unfence { yes, server }) => unfence(&server, yes, ui)?,
        }
        Ok(Exit::Ok)
    }
}

fn unfence(server: &ServerArgs, yes: bool, ui: &mut Ui) -> Result<()> {
    let status = status(server)?;
    let client = server.client()?;
    if let (Some(epoch), false) = (status.fenced, yes) {
        let by = status.leader.map_or_else(String::new, |leader| format!(" at {leader}"));
        let plan = format!(
            "{} was fenced, since a copy{by} was promoted in epoch {epoch}; it leads again from commit \
             {} on, without what that copy has taken since, and its functions start: make sure that \
             the copy takes no changes any more",
            client.base(),
            status.commit + 1
        );
        confirm(&plan, ui)?;
    }
    let body = json!({ "epoch": status.fenced.unwrap_or(status.epoch) }).to_string();
    let call = Call::new(Method::POST, &["replication", "unfence"]).wait(PATIENCE);
    leads(&client.json(call.body("application/json", body.as_bytes()))?, ui)
}

fn status(server: &ServerArgs) -> Result<ReplicationStatus> {
    Ok(server.client()?.json(Call::new(Method::GET, &["replication"]))?)
}

fn promote(server: &ServerArgs, ui: &mut Ui) -> Result<()> {
    let client = server.client()?;
    let body = json!({ "address": client.base() }).to_string();
    let call = Call::new(Method::POST, &["replication", "promote"]).wait(PATIENCE);
    leads(&client.json(call.body("application/json", body.as_bytes()))?, ui)
}

fn leads(promoted: &Promoted, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(promoted);
    }
    ui.line(format!(
        "leads in epoch {}, from commit {} on; runs {}",
        promoted.epoch,
        promoted.first_commit,
        text::count(promoted.functions, "function")
    ))?;
    match &promoted.old_leader {
        Some(old) => ui.next(format!(
            "{old} is told as soon as it can be reached; `pelton replica status` shows whether it was"
        )),
        None => ui.next("pelton replica status"),
    }
    Ok(())
}

fn show(status: &ReplicationStatus, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(status);
    }
    ui.line(format!(
        "{}, epoch {}, commit {}, journal {}",
        status.role, status.epoch, status.commit, status.journal
    ))?;
    if let Some(leader) = &status.leader {
        let how = if status.role == "fenced" { "another copy leads" } else { "follows" };
        ui.line(format!("{how}: {leader}"))?;
    }
    if let Some(lag) = &status.lag {
        ui.line(format!(
            "behind: {} commits, {} records, {}, {}",
            text::thousands(lag.commits),
            text::thousands(lag.records),
            text::bytes(lag.bytes),
            text::duration_ms(lag.ms.try_into().unwrap_or(i64::MAX)),
        ))?;
    }
    if let Some(error) = &status.error {
        ui.warn(error);
    }
    for follower in &status.followers {
        ui.line(format!(
            "replica {}: commit {}, {} behind, seen {}",
            follower.name,
            follower.commit,
            text::thousands(follower.lag),
            text::time(follower.seen_ms),
        ))?;
    }
    if let Some(old) = &status.untold {
        ui.warn(format!("the old leader, {old}, does not know yet that it leads no more"));
    }
    Ok(())
}
