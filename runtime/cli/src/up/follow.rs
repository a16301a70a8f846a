//! `pelton up --follow`: what is done before the data directory is opened, and after.

use pelton_server::http::Server;
use pelton_server::replication::{LeaderClient, Prepared, prepare};

use super::Settings;
use crate::error::Result;
use crate::ui::Ui;

fn client(settings: &Settings, leader: &str) -> LeaderClient {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = name.trim().chars().filter(is_plain).take(60).collect::<String>();
    LeaderClient::new(
        leader,
        settings.follow_token.clone(),
        &format!("{name}:{}", std::process::id()),
    )
}

/// Makes the data directory a replica of the server that the settings name, if they name one.
///
/// # Errors
/// Where it cannot be one: `E-REPLICA-*`.
pub(crate) fn prepared(settings: &Settings, ui: &mut Ui) -> Result<()> {
    let Some(leader) = &settings.follow else { return Ok(()) };
    match prepare(&settings.data_dir, &client(settings, leader))? {
        Prepared::GoesOn(commit) => ui.note(format!("follows {leader} behind commit {commit}")),
        Prepared::Copied(commit) => {
            ui.note(format!("took a copy of {leader}, up to commit {commit}"));
        }
        Prepared::Joined(commit) => ui.note(format!(
            "this data directory is a first part of {leader}'s: it follows now, behind commit {commit}"
        )),
        Prepared::Waits(commit, why) => {
            ui.warn(format!("waits for its leader behind commit {commit}: {why}"));
        }
    }
    Ok(())
}

/// Begins to follow; or, after a promotion, tells the old leader where that was not done yet.
///
/// # Errors
/// `E-THREADS`.
pub(crate) fn follow(settings: &Settings, server: &Server, ui: &mut Ui) -> Result<()> {
    let replication = server.replication();
    match &settings.follow {
        Some(leader) => replication.follow(client(settings, leader))?,
        None => replication.tell(None, settings.follow_token.clone()),
    }
    if let Err(error) = replication.check_writable() {
        match settings.follow.is_some() {
            true => {
                ui.note("a replica: it takes no changes; `pelton replica promote` makes it lead")
            }
            false => ui.warn(error.to_string()),
        }
    }
    Ok(())
}
