//! What is kept of a producer so that a repeated request gets its first answer.

use pelton_core::Result;

use super::produce::{ProducedRange, Stamp};
use super::user;

/// Answers that are kept of a producer: a client may have this many requests under way.
const ANSWERS_MAX: usize = 5;
/// Ranges of all its answers together; the last answer is always kept.
const RANGES_MAX: usize = 256;
/// The version of the entry's layout.
const VERSION: u32 = 1;

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) sequence: u64,
    /// Over what was sent.
    pub(super) digest: [u8; 16],
    pub(super) ranges: Vec<ProducedRange>,
}

/// A producer of one topic. Kept as an entry of the journal's registry, in the same commit as the
/// records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    /// The topic's id: a topic of the same name that came later is another one.
    pub(super) topic: u32,
    pub(super) epoch: u64,
    /// When it produced last, ms.
    pub(super) last_ms: i64,
    /// Oldest first, at least one.
    pub(super) answers: Vec<Answer>,
}

impl Remembered {
    /// The answer that a request was given before, or none where it is the one to append now.
    ///
    /// # Errors
    /// Where it is neither.
    pub(super) fn judge(
        known: Option<&Self>,
        stamp: &Stamp,
        digest: &[u8; 16],
    ) -> Result<Option<Vec<ProducedRange>>> {
        let Stamp { producer, epoch, sequence } = stamp;
        let Some(known) = known else {
            return match sequence {
                0 => Ok(None),
                _ => Err(user(
                    "E-PRODUCER-UNKNOWN",
                    format!(
                        "producer {producer} sends sequence {sequence}, but nothing is known of \
                         it: it never produced to this topic, or was silent for too long; begin a \
                         new epoch at sequence 0"
                    ),
                )),
            };
        };
        if *epoch < known.epoch {
            let text = format!(
                "producer {producer} has epoch {}, this request is of epoch {epoch}: another one \
                 of the same name has taken over; stop this one",
                known.epoch
            );
            return Err(user("E-PRODUCER-FENCED", text));
        }
        let expected = match *epoch > known.epoch {
            true => 0,
            false => known.answers.last().map_or(0, |answer| answer.sequence + 1),
        };
        match sequence.cmp(&expected) {
            std::cmp::Ordering::Equal => Ok(None),
            std::cmp::Ordering::Greater => Err(user(
                "E-SEQUENCE-GAP",
                format!(
                    "producer {producer} sends sequence {sequence}, but {expected} comes next: \
                     send the ones before it first"
                ),
            )),
            std::cmp::Ordering::Less => known.repeat(stamp, digest).map(Some),
        }
    }

    fn repeat(&self, stamp: &Stamp, digest: &[u8; 16]) -> Result<Vec<ProducedRange>> {
        let Stamp { producer, sequence, .. } = stamp;
        let Some(answer) = self.answers.iter().find(|answer| answer.sequence == *sequence) else {
            let text = format!(
                "sequence {sequence} of producer {producer} was appended before, and its offsets \
                 are forgotten: go on with the next one"
            );
            return Err(user("E-SEQUENCE-OLD", text));
        };
        if answer.digest != *digest {
            let text = format!(
                "sequence {sequence} of producer {producer} was appended before with other \
                 records: give every request a number of its own"
            );
            return Err(user("E-SEQUENCE-REUSED", text));
        }
        Ok(answer.ranges.clone())
    }

    /// The same producer behind one more answer.
    pub(super) fn after(
        known: Option<Self>,
        topic: u32,
        epoch: u64,
        last_ms: i64,
        answer: Answer,
    ) -> Self {
        let mut answers = known.map(|known| known.answers).unwrap_or_default();
        answers.push(answer);
        let ranges = |answers: &[Answer]| answers.iter().map(|a| a.ranges.len()).sum::<usize>();
        while answers.len() > ANSWERS_MAX || (answers.len() > 1 && ranges(&answers) > RANGES_MAX) {
            answers.remove(0);
        }
        Self { topic, epoch, last_ms, answers }
    }

    /// The entry's value, and where in it the offsets of the last answer's ranges belong.
    pub(super) fn encode(&self) -> (Vec<u8>, Vec<usize>) {
        let mut out = Vec::with_capacity(256);
        let mut places = Vec::new();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.topic.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.last_ms.to_le_bytes());
        out.extend_from_slice(&(self.answers.len() as u32).to_le_bytes());
        for answer in &self.answers {
            places.clear();
            out.extend_from_slice(&answer.sequence.to_le_bytes());
            out.extend_from_slice(&answer.digest);
            out.extend_from_slice(&(answer.ranges.len() as u32).to_le_bytes());
            for range in &answer.ranges {
                out.extend_from_slice(&range.partition.to_le_bytes());
                out.extend_from_slice(&range.records.to_le_bytes());
                places.push(out.len());
                out.extend_from_slice(&range.offset.to_le_bytes());
            }
        }
        (out, places)
    }

    /// The producer that an entry's value tells of; none where it is of another version.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        if u32::from_le_bytes(take(bytes)?) != VERSION {
            return None;
        }
        let topic = u32::from_le_bytes(take(bytes)?);
        let epoch = u64::from_le_bytes(take(bytes)?);
        let last_ms = i64::from_le_bytes(take(bytes)?);
        let count = u32::from_le_bytes(take(bytes)?);
        let mut answers = Vec::new();
        for _ in 0..count {
            let sequence = u64::from_le_bytes(take(bytes)?);
            let digest = take(bytes)?;
            let mut ranges = Vec::new();
            for _ in 0..u32::from_le_bytes(take(bytes)?) {
                let partition = u32::from_le_bytes(take(bytes)?);
                let records = u32::from_le_bytes(take(bytes)?);
                let offset = u64::from_le_bytes(take(bytes)?);
                ranges.push(ProducedRange { partition, offset, records });
            }
            answers.push(Answer { sequence, digest, ranges });
        }
        bytes.is_empty().then_some(Self { topic, epoch, last_ms, answers })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(sequence: u64, ranges: u32) -> Answer {
        let range = |partition| ProducedRange { partition, offset: 7, records: 2 };
        Answer { sequence, digest: [sequence as u8; 16], ranges: (0..ranges).map(range).collect() }
    }

    fn known(count: u64) -> Remembered {
        let mut known = None;
        for sequence in 0..count {
            known = Some(Remembered::after(known, 3, 1, 99, answer(sequence, 1)));
        }
        known.unwrap()
    }

    fn stamp(epoch: u64, sequence: u64) -> Stamp {
        Stamp { producer: "p".into(), epoch, sequence }
    }

    fn code(known: Option<&Remembered>, stamp: &Stamp, digest: u8) -> &'static str {
        match Remembered::judge(known, stamp, &[digest; 16]) {
            Ok(None) => "append",
            Ok(Some(_)) => "repeat",
            Err(error) => error.code,
        }
    }

    #[test]
    fn the_last_five_requests_are_repeated_and_the_one_before_is_refused() {
        let known = known(7);
        assert_eq!(code(Some(&known), &stamp(1, 7), 7), "append");
        for sequence in 2..7 {
            assert_eq!(code(Some(&known), &stamp(1, sequence), sequence as u8), "repeat");
        }
        assert_eq!(code(Some(&known), &stamp(1, 1), 1), "E-SEQUENCE-OLD");
    }

    #[test]
    fn a_stamp_that_follows_nothing_is_refused() {
        assert_eq!(code(None, &stamp(0, 0), 0), "append");
        assert_eq!(code(None, &stamp(0, 1), 0), "E-PRODUCER-UNKNOWN");
        let known = known(2);
        assert_eq!(code(Some(&known), &stamp(1, 3), 0), "E-SEQUENCE-GAP");
        assert_eq!(code(Some(&known), &stamp(0, 2), 0), "E-PRODUCER-FENCED");
        assert_eq!(code(Some(&known), &stamp(2, 0), 0), "append");
        assert_eq!(code(Some(&known), &stamp(2, 2), 0), "E-SEQUENCE-GAP");
        assert_eq!(code(Some(&known), &stamp(1, 1), 9), "E-SEQUENCE-REUSED");
    }

    #[test]
    fn answers_over_many_partitions_are_kept_up_to_256_ranges_and_at_least_the_last_one() {
        let first = Remembered::after(None, 3, 1, 0, answer(0, 128));
        let second = Remembered::after(Some(first), 3, 1, 0, answer(1, 128));
        assert_eq!(second.answers.len(), 2);
        let third = Remembered::after(Some(second.clone()), 3, 1, 0, answer(2, 1));
        assert_eq!(third.answers.len(), 2, "129 and 128 are 257");
        let wide = Remembered::after(Some(second), 3, 1, 0, answer(2, 300));
        assert_eq!(wide.answers.len(), 1);
    }

    #[test]
    fn an_entry_reads_back_and_no_part_of_it_does() {
        let remembered = known(5);
        let (bytes, places) = remembered.encode();
        assert_eq!(Remembered::decode(&bytes), Some(remembered));
        assert_eq!(places, [bytes.len() - 8]);
        for len in 0..bytes.len() {
            assert_eq!(Remembered::decode(&bytes[..len]), None);
        }
    }
}
