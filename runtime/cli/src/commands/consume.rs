//! `pelton consume`.

use clap::Args;

use crate::client::{Client, From, ServerArgs, TopicReader};
use crate::error::Result;
use crate::exit::Exit;
use crate::ui::Ui;

/// Print the records of a topic of a server
///
/// Records are JSON lines, in order within their partition, as `produce` and `run` read them; only
/// those that survive a power cut. Without --follow it ends at what was there when it began. With
/// --group it goes on where the group stands, and commits what it has printed: what was printed right
/// before it was killed may come again, nothing is left out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton consume hello.out
  pelton consume hello.out --follow --from latest
  pelton consume flights --from 2013-01-01T05:00:00Z --max 10
  pelton consume hello.out --group dashboard")]
pub(crate) struct Consume {
    /// The topic
    topic: String,
    /// Where to begin: earliest, latest, an offset, or a time such as 2013-01-01T05:00:00Z
    #[arg(long, value_name = "PLACE", default_value = "earliest", value_parser = place)]
    from: String,
    /// Go on with records to come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Go on where this group stands, and commit for it
    #[arg(short, long, value_name = "NAME")]
    group: Option<String>,
    /// Records at most
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
    /// One partition only
    #[arg(short, long, value_name = "N")]
    partition: Option<u32>,
    /// Print each record's partition and offset too
    #[arg(long)]
    offsets: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// The API's word for a place to begin.
fn place(text: &str) -> std::result::Result<String, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = matches!(text, "earliest" | "latest") || digits;
    let word = match text.parse::<jiff::Timestamp>() {
        Ok(time) => format!("time:{}", time.as_millisecond()),
        Err(_) => text.to_owned(),
    };
    let is_known = plain || word.parse::<pelton_server::data::From>().is_ok();
    is_known.then_some(word).ok_or_else(|| {
        "use earliest, latest, an offset, or a time such as 2013-01-01T05:00:00Z".to_owned()
    })
}

impl Consume {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        let begin = From {
            from: Some(self.from.clone()),
            partition: self.partition,
            group: self.group.clone(),
        };
        let mut reader = TopicReader::open(&client, &self.topic, begin)?;
        let mut left = self.max.unwrap_or(u64::MAX);
        while left > 0 {
            let records = match self.follow {
                true => reader.next_patiently(left, |loss| ui.warn(format!("{loss}; waiting")))?,
                false => reader.next(left, false)?,
            };
            let mut lines = Vec::new();
            for record in &records {
                record.write(&self.topic, self.offsets, &mut lines);
            }
            reader.skipped.drain(..).for_each(|skipped| ui.warn(skipped));
            ui.data(&lines)?;
            left -= (records.len() as u64).min(left);
            // What nobody has read is not committed.
            if ui.reader_gone() {
                return Ok(Exit::Ok);
            }
            if !self.follow && (records.is_empty() || reader.is_at_end()) {
                break;
            }
        }
        reader.commit()?;
        self.tell(&client, left, ui);
        Ok(Exit::Ok)
    }

    /// An empty answer is no error, but people wonder.
    fn tell(&self, client: &Client, left: u64, ui: &mut Ui) {
        if left == u64::MAX && self.max.is_none() && !self.follow {
            let topic = &self.topic;
            ui.note(format!("nothing there in {topic} of {}", client.base()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_written_as_it_is() {
        assert_eq!(place("earliest").unwrap(), "earliest");
        assert_eq!(place("12").unwrap(), "12");
        assert_eq!(place("2013-01-01T10:00:00Z").unwrap(), "time:1357034400000");
        assert_eq!(place("time:5").unwrap(), "time:5");
        for text in ["", "soon", "-1", "time:soon"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
