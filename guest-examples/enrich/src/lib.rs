//! Enrich: joins a stream with a table, both keyed alike. A record of the input `table` becomes the
//! table's row of its key (a tombstone deletes it); a record of any other input is sent on with the
//! row of its key as one more field, `row`.

use pelton_sdk::prelude::*;
use serde_json::{Map, Value};

struct Enrich {
    table: Input,
    rows: Store<String, Value>,
    out: Output,
}

impl Process for Enrich {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self {
            table: setup.input("table")?,
            rows: setup.store("rows"),
            out: setup.output("out"),
        })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let key = record.key_text()?;
        if self.table.is_of(record) {
            match record.value() {
                Some(_) => self.rows.put(ctx, key, record.json()?),
                None => self.rows.delete(ctx, key),
            }
            return Ok(());
        }
        let mut fields: Map<String, Value> = record.json()?;
        let row = self.rows.get(ctx, key)?;
        fields.insert("row".to_owned(), row.unwrap_or_default());
        self.out.draft().headers_of(record).emit(ctx, key, Json(fields))
    }
}

pelton_sdk::process!(Enrich);

#[cfg(test)]
mod tests {
    use pelton_sdk::prelude::*;
    use pelton_sdk::testing::Harness;

    fn harness() -> Harness {
        Harness::new(crate::function).input("stream").input("table")
    }

    #[test]
    fn a_record_gets_the_row_of_its_key_as_it_is_by_then() {
        let run = |mut test: Harness| {
            test.push_to("stream", "N1", r#"{"n":1}"#, 10);
            test.push_to("table", "N1", r#"{"seats":2}"#, 20);
            test.push_to("stream", "N1", r#"{"n":2}"#, 30);
            test.push_to("stream", "N2", r#"{"n":3}"#, 30);
            test.push_to("table", "N1", Null, 40);
            test.push_to("stream", "N1", r#"{"n":4}"#, 50);
            test.texts("out")
        };
        let expected = [
            r#"{"n":1,"row":null}"#,
            r#"{"n":2,"row":{"seats":2}}"#,
            r#"{"n":3,"row":null}"#,
            r#"{"n":4,"row":null}"#,
        ];
        assert_eq!(run(harness()), expected);
        assert_eq!(run(harness().batch(1).fresh_instances()), expected);
    }

    #[test]
    fn a_row_that_is_not_json_is_rejected_and_changes_nothing() {
        let mut test = harness();
        test.push_to("table", "N1", "1", 1);
        test.push_to("table", "N1", "{", 2);
        test.push_to("stream", "N1", "{}", 3);
        assert_eq!(test.texts("out"), [r#"{"row":1}"#]);
        assert_eq!(test.rejected().len(), 1);
    }
}
