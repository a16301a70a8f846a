//! Who may call: bearer tokens, of which only a hash is kept.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pelton_core::{Clock, Domain, Error, Result};
use pelton_journal::{Commit, Journal};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::rate::Rate;
use crate::data::{of, user};

/// Where the registry keeps tokens, by name.
const PREFIX: &str = "token/";
/// What a token begins with, so that people and scanners know it for one.
const MARK: &str = "pelton_";
/// Random bytes of a token.
const SECRET_BYTES: usize = 32;
/// Tokens at most.
pub(super) const TOKENS_MAX: usize = 1_000;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// When it was made, ms since the Unix epoch.
    pub created_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    /// blake3 of the token, in hex. It has 256 random bits: no slow hash is needed.
    hash: String,
    created_ms: i64,
}

/// A token that is known.
pub(super) struct Token {
    name: String,
    created_ms: i64,
    hash: blake3::Hash,
    rate: Rate,
    /// Ends what it has begun.
    revoked: CancellationToken,
}

impl Token {
    fn new(name: &str, created_ms: i64, hash: blake3::Hash, rate: Rate) -> Arc<Self> {
        let (name, revoked) = (name.to_owned(), CancellationToken::new());
        Arc::new(Self { name, created_ms, hash, rate, revoked })
    }

    /// Whether it may make another request now; if not, how long not.
    pub(super) fn check_rate(&self) -> Result<(), std::time::Duration> {
        self.rate.check()
    }

    /// Is cancelled when the token is revoked.
    pub(super) fn revoked(&self) -> CancellationToken {
        self.revoked.clone()
    }
}

/// The tokens of a node, kept in its journal.
#[derive(Clone)]
pub struct Tokens {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    rate: std::num::NonZeroU32,
    known: Arc<RwLock<Vec<Arc<Token>>>>,
}

impl Tokens {
    /// The tokens that the journal keeps; each may make `rate` requests a second.
    #[must_use]
    pub fn open(journal: Arc<Journal>, clock: Arc<dyn Clock>, rate: std::num::NonZeroU32) -> Self {
        let known = Arc::default();
        let tokens = Self { journal, clock, rate, known };
        tokens.reload();
        tokens
    }

    /// Reads them again: those of a replica come from its leader.
    pub(crate) fn reload(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        for (key, value) in self.journal.entries(PREFIX) {
            let stored = serde_json::from_slice::<Stored>(&value);
            let hash =
                stored.as_ref().ok().and_then(|stored| blake3::Hash::from_hex(&stored.hash).ok());
            match (key.strip_prefix(PREFIX), stored, hash) {
                (Some(name), Ok(stored), Some(hash)) => {
                    let same = before.iter().position(|token| token.hash == hash);
                    known.push(match same {
                        Some(same) => before.swap_remove(same),
                        None => Token::new(name, stored.created_ms, hash, Rate::new(self.rate)),
                    });
                }
                _ => tracing::warn!(%key, "a token in the registry cannot be read"),
            }
        }
        before.iter().for_each(|gone| gone.revoked.cancel());
    }

    /// Makes a token. It is told this once: only its hash is kept.
    ///
    /// # Errors
    /// `E-NAME`, `E-TOKEN-EXISTS`, `E-TOKEN-LIMIT`, those of the journal.
    pub fn create(&self, name: &str) -> Result<String> {
        check_name(name)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|token| token.name == name) {
            let text =
                format!("there is a token called {name}: revoke it first, or choose another name");
            return Err(user("E-TOKEN-EXISTS", text));
        }
        if known.len() >= TOKENS_MAX {
            let text = format!("there are {TOKENS_MAX} tokens, the limit: revoke one first");
            return Err(user("E-TOKEN-LIMIT", text));
        }
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|error| {
            let text = format!("the system has no random numbers: {error}");
            Error::new("E-RANDOM", Domain::External, text)
        })?;
        let token = format!("{MARK}{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
        let hash = blake3::hash(token.as_bytes());
        let created_ms = self.clock.now_ms();
        let stored = Stored { hash: hash.to_hex().to_string(), created_ms };
        let value = serde_json::to_vec(&stored).unwrap_or_default();
        self.put(name, Some(&value))?;
        known.push(Token::new(name, created_ms, hash, Rate::new(self.rate)));
        Ok(token)
    }

    /// Takes a token back; answers to it that go on end.
    ///
    /// # Errors
    /// `E-TOKEN-NOT-FOUND`, those of the journal.
    pub fn revoke(&self, name: &str) -> Result<()> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|token| token.name == name) {
            let text = format!("there is no token called {name}");
            return Err(user("E-TOKEN-NOT-FOUND", text));
        }
        self.put(name, None)?;
        known.extract_if(.., |token| token.name == name).for_each(|gone| gone.revoked.cancel());
        Ok(())
    }

    /// All tokens, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<TokenInfo> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let info = |token: &Arc<Token>| TokenInfo {
            name: token.name.clone(),
            created_ms: token.created_ms,
        };
        known.iter().map(info).collect()
    }

    /// Whether there are none: then nobody needs one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The token that this is, where it is one. Takes as long for any wrong one.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Token>> {
        let hash = blake3::hash(token.as_bytes());
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for token in known.iter() {
            // Comparing hashes takes the same time for all, and no comparison is left out.
            if token.hash == hash {
                found = Some(Arc::clone(token));
            }
        }
        found
    }

    fn put(&self, name: &str, value: Option<&[u8]>) -> Result<()> {
        let mut commit = Commit::new(self.clock.now_ms());
        commit.entry(&format!("{PREFIX}{name}"), value);
        let seq = self.journal.append(&mut commit).map_err(of)?;
        self.journal.wait_durable(seq).map_err(of)
    }
}

fn check_name(name: &str) -> Result<()> {
    // The rules of all names.
    pelton_core::TenantId::new(name).map(drop).map_err(|_| {
        let text = format!(
            "a token cannot be called {name:?}: use 1 to 120 of a-z A-Z 0-9 . _ -, not starting with \
             '.', and not '__' at the start"
        );
        user("E-NAME", text)
    })
}
