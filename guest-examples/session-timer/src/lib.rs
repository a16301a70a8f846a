//! Sessions by timer: tells of a key's session once nothing has come for it for half an hour of
//! event time (configuration entry `gap-ms`).

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// A session: from its first record to its last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Timestamp of the first record, ms.
    pub first: i64,
    /// Timestamp of the last record, ms.
    pub last: i64,
    /// Number of records.
    pub records: u64,
}

struct Sessions {
    open: Store<String, Session>,
    quiet: Timer,
    gap_ms: i64,
}

impl Process for Sessions {
    fn open(setup: &mut Setup) -> Result<Self> {
        let gap = setup.config_ms_or("gap-ms", Duration::from_mins(30))?;
        Ok(Self {
            open: setup.store("open"),
            quiet: setup.event_timer("quiet"),
            gap_ms: gap.as_millis() as i64,
        })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let (key, now) = (record.key_text()?, record.timestamp());
        let new = Session { first: now, last: now, records: 0 };
        let mut session = match self.open.get(ctx, key)? {
            // The timer fires behind the record that moves the watermark past it: this very one.
            Some(ended) if now > ended.last + self.gap_ms => {
                tell(ctx, key, ended)?;
                new
            }
            Some(session) => session,
            None => new,
        };
        session.first = session.first.min(now);
        session.last = session.last.max(now);
        session.records += 1;
        self.quiet.set(ctx, key, session.last + self.gap_ms)?;
        self.open.put(ctx, key, session);
        Ok(())
    }

    fn timer(&mut self, timer: &DueTimer, ctx: &mut Context) -> Result<()> {
        let key = timer.key_text()?;
        if let Some(session) = self.open.get(ctx, key)? {
            self.open.delete(ctx, key);
            tell(ctx, key, session)?;
        }
        Ok(())
    }
}

fn tell(ctx: &mut Context, key: &str, session: Session) -> Result<()> {
    OUT.draft().timestamp(session.last).emit(ctx, key, Json(session))
}

pelton_sdk::process!(Sessions);

#[cfg(test)]
mod tests {
    use super::Session;
    use pelton_sdk::testing::Harness;

    fn sessions(mut test: Harness) -> Vec<(String, Session)> {
        for time in [0, 500, 400, 1_400, 3_000] {
            test.push("a", "x", time);
        }
        test.push("b", "x", 3_500);
        test.finish();
        test.outputs("out").iter().map(|out| (out.key_text(), out.json())).collect()
    }

    #[test]
    fn a_session_ends_when_nothing_has_come_for_the_gap() {
        let harness = || Harness::new(crate::function).config("gap-ms", "1000");
        let session = |first, last, records| Session { first, last, records };
        let expected = [
            ("a".to_owned(), session(0, 1_400, 4)),
            ("a".to_owned(), session(3_000, 3_000, 1)),
            ("b".to_owned(), session(3_500, 3_500, 1)),
        ];
        assert_eq!(sessions(harness()), expected);
        assert_eq!(sessions(harness().batch(1).fresh_instances()), expected);
    }

    #[test]
    fn an_ended_session_leaves_no_state() {
        let mut test = Harness::new(crate::function).config("gap-ms", "1000");
        test.push("a", "x", 0);
        assert_eq!(test.timers(), [("quiet".to_owned(), Some(b"a".to_vec()), 1_000)]);
        test.advance_watermark(1_001);
        assert_eq!(test.stored::<String, Session>("open", "a"), None);
        assert!(test.timers().is_empty());
    }
}
