use std::io::Cursor;

use pelton_batch::{Batch, RecordsBuilder};

use super::*;

fn args(format: InputFormat) -> InputArgs {
    InputArgs {
        input: "rows".into(),
        input_format: Some(format),
        key_column: None,
        time_column: None,
        time_format: TimeFormat::Auto,
        skip_bad_lines: false,
    }
}

/// Takes batches and keeps their records as text.
#[derive(Default)]
struct Kept {
    partitions: u32,
    lines: Vec<u64>,
    batches: Vec<(String, u32, Vec<u8>)>,
}

impl Target for Kept {
    fn partitions(&self, topic: &str) -> Option<u32> {
        (topic != "nope").then_some(self.partitions.max(1))
    }

    fn append(
        &mut self,
        topic: &str,
        partition: u32,
        records: &mut RecordsBuilder,
        lines: &[u64],
    ) -> Result<()> {
        assert_eq!(lines.len(), records.len());
        self.lines.extend(lines);
        let batch = records.finish();
        self.batches.push((topic.into(), partition, batch));
        Ok(())
    }
}

impl Kept {
    /// `key|value|timestamp|headers` of all records.
    fn rows(&self) -> Vec<String> {
        let text = |bytes: Option<&[u8]>| match bytes {
            None => "-".to_owned(),
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        let mut rows = Vec::new();
        for (_, _, batch) in &self.batches {
            let batch = Batch::parse(batch).unwrap();
            batch.validate().unwrap();
            for record in batch.records().unwrap().iter() {
                let mut row =
                    [text(record.key()), text(record.value()), record.timestamp().to_string()]
                        .join("|");
                for header in record.headers() {
                    row += &format!("|{}={}", header.name, text(header.value));
                }
                rows.push(row);
            }
        }
        rows
    }
}

fn load_text(args: &InputArgs, text: &str, kept: &mut Kept) -> Result<Loaded> {
    let mut reader = args.reader(Box::new(Cursor::new(text.as_bytes().to_vec())))?;
    let options = LoadOptions {
        file: args.name(),
        topic: "in",
        now_ms: 7,
        skip_bad_lines: args.skip_bad_lines,
        limits: &pelton_core::Limits::default(),
    };
    load(reader.as_mut(), &options, kept)
}

fn rows(args: &InputArgs, text: &str) -> Vec<String> {
    let mut kept = Kept::default();
    load_text(args, text, &mut kept).unwrap();
    kept.rows()
}

fn error(args: &InputArgs, text: &str) -> CliError {
    load_text(args, text, &mut Kept::default()).unwrap_err()
}

#[test]
fn json_values_of_every_kind_become_bytes() {
    let cases = [
        (r#"{"key":"k","value":"text","timestamp":5}"#, "k|text|5"),
        (r#"{"key":17,"value":{"b": 1.0, "a": [1, "x y"]}}"#, r#"17|{"b":1.0,"a":[1,"x y"]}|7"#),
        (r#"{"value":"a\"b\\n\u00e9"}"#, "-|a\"b\\né|7"),
        (r#"{"value":{"q":"a \" b"}}"#, r#"-|{"q":"a \" b"}|7"#),
        (r#"{"key":null,"value":null}"#, "-|-|7"),
        (r#"{"key":"k"}"#, "k|-|7"),
        (r#"{"value":{"base64":"aGk="}}"#, "-|hi|7"),
        (r#"{"value":{"base64":"aGk=","x":1}}"#, r#"-|{"base64":"aGk=","x":1}|7"#),
        (r#"{"value":true,"timestamp":"1970-01-01T00:00:01Z"}"#, "-|true|1000"),
        (r#"{"value":1,"headers":{"a":"x","b":null}}"#, "-|1|7|a=x|b=-"),
        (r#"{"value":1,"headers":[["a","x"],["a",2]]}"#, "-|1|7|a=x|a=2"),
    ];
    for (line, expected) in cases {
        assert_eq!(rows(&args(InputFormat::Json), line), [expected], "{line}");
    }
}

#[test]
fn a_bad_json_line_names_file_line_and_column() {
    let error = error(&args(InputFormat::Json), "{\"value\":1}\n\n{\"value\" 2}\n");
    assert_eq!(error.code, "E-INPUT-JSON");
    assert_eq!(error.text, "rows:3:10: expected `:`");
    assert!(error.next.unwrap().contains("--skip-bad-lines"));
}

#[test]
fn the_next_step_of_a_json_line_fits_what_is_wrong() {
    let next = |line| error(&args(InputFormat::Json), line).next.unwrap().to_string();
    assert!(next("{\"amount\":1,\"customer\":\"a\"}\n").contains("--input-format lines"));
    assert!(next("{\"timestamp\":\"2026-01-05 08:00\"}\n").contains("--time-format"));
}

#[test]
fn every_part_of_a_json_line_is_checked() {
    let cases = [
        (r#"{"vlaue":1}"#, "unknown field `vlaue`, expected one of `key`, `value`"),
        ("[1]", "expected"),
        ("\"text\"", "expected an object with key, value"),
        (r#"{"timestamp":"soon"}"#, "`timestamp`: \"soon\" is not a timestamp"),
        (r#"{"timestamp":1.5}"#, "is not a timestamp"),
        (r#"{"headers":5}"#, "`headers`: must be"),
        (r#"{"value":{"base64":"%"}}"#, "`value`: \"base64\" is not base64"),
        ("{\"value\":\"\u{0}\"}", "control character"),
    ];
    for (line, expected) in cases {
        let error = error(&args(InputFormat::Json), line);
        assert!(error.text.starts_with("rows:1"), "{}", error.text);
        assert!(error.text.contains(expected), "{line}: {}", error.text);
    }
}

#[test]
fn bad_lines_are_skipped_and_counted_on_request() {
    let args = InputArgs { skip_bad_lines: true, ..args(InputFormat::Json) };
    let mut kept = Kept::default();
    let loaded = load_text(&args, "{\"value\":1}\nx\n{\"value\":2}\ny", &mut kept).unwrap();
    assert_eq!(kept.rows(), ["-|1|7", "-|2|7"]);
    assert_eq!((loaded.records, loaded.bad_lines), (2, 2));
    assert!(loaded.first_bad.unwrap().starts_with("rows:2:1: "));
}

#[test]
fn plain_lines_keep_every_byte_but_the_line_end() {
    let text = "\u{feff}a b\r\n\n  c";
    assert_eq!(rows(&args(InputFormat::Lines), text), ["-|a b|7", "-||7", "-|  c|7"]);
}

#[test]
fn csv_rows_become_objects_by_the_header() {
    let args = InputArgs {
        key_column: Some("id".into()),
        time_column: Some("at".into()),
        time_format: "%Y-%m-%d".parse().unwrap(),
        ..args(InputFormat::Csv)
    };
    let text = "id,at,n,\"a \"\"b\"\"\"\n007,1970-01-02,-1.5,\"x, y\"\nb,1970-01-01,,true\n";
    assert_eq!(
        rows(&args, text),
        [
            r#"007|{"id":"007","at":"1970-01-02","n":-1.5,"a \"b\"":"x, y"}|86400000"#,
            r#"b|{"id":"b","at":"1970-01-01","n":null,"a \"b\"":true}|0"#,
        ]
    );
}

#[test]
fn a_bad_csv_row_names_its_line_and_reading_goes_on_behind_it() {
    let args = args(InputFormat::Csv);
    let text = "a,b\n1,2\n3\n4,5\n";
    assert_eq!(error(&args, text).text, "rows:3: this row has 1 cells, the header row 2");
    let args = InputArgs { skip_bad_lines: true, ..args };
    assert_eq!(rows(&args, text).len(), 2);
}

#[test]
fn a_csv_column_that_is_not_there_is_named_with_those_that_are() {
    let args = InputArgs { key_column: Some("x".into()), ..args(InputFormat::Csv) };
    let error = error(&args, "a,b\n1,2\n");
    assert!(error.text.contains("no column \"x\"; there are: a, b"), "{}", error.text);
}

#[test]
fn a_csv_header_with_a_name_twice_is_refused() {
    let error = error(&args(InputFormat::Csv), "a,b,a\n1,2,3\n");
    assert_eq!(error.code, "E-INPUT-CSV");
    assert_eq!(error.text, "rows:1: the columns 1 and 3 are both called \"a\"");
}

#[test]
fn keyed_rows_go_to_the_partition_of_their_key_and_batches_are_cut_at_a_thousand() {
    let text: String =
        (0..2_500).map(|n| format!("{{\"key\":\"k{}\",\"value\":{n}}}\n", n % 50)).collect();
    let mut kept = Kept { partitions: 4, ..Kept::default() };
    let loaded = load_text(&args(InputFormat::Json), &text, &mut kept).unwrap();
    assert_eq!(loaded.records, 2_500);
    assert_eq!(kept.rows().len(), 2_500);
    for (_, partition, batch) in &kept.batches {
        let batch = Batch::parse(batch).unwrap();
        assert!(batch.rows() <= 1_000);
        for record in batch.records().unwrap().iter() {
            let key = record.key().unwrap();
            assert_eq!(pelton_core::partition_for_key(key, 4), *partition);
        }
    }
}

#[test]
fn a_record_for_a_topic_that_is_not_read_is_refused() {
    let error = error(&args(InputFormat::Json), r#"{"topic":"nope","value":1}"#);
    assert_eq!(error.code, "E-INPUT-TOPIC");
    assert!(error.text.contains(":1: "), "{}", error.text);
    let skipping = InputArgs { skip_bad_lines: true, ..args(InputFormat::Json) };
    let text = "{\"topic\":\"nope\",\"value\":1}\n{\"value\":2}\n";
    let loaded = load_text(&skipping, text, &mut Kept::default()).unwrap();
    assert_eq!((loaded.records, loaded.bad_lines), (1, 1));
}

#[test]
fn an_empty_key_cell_is_no_key_quoted_or_not() {
    let args = InputArgs { key_column: Some("k".into()), ..args(InputFormat::Csv) };
    assert_eq!(
        rows(&args, "k,v\n,1\n\"\",2\n x,3\n"),
        [r#"-|{"k":null,"v":1}|7"#, r#"-|{"k":null,"v":2}|7"#, r#" x|{"k":" x","v":3}|7"#]
    );
}

#[test]
fn a_quote_that_is_never_closed_names_the_line_where_it_opens() {
    let args = args(InputFormat::Csv);
    let long = format!("a,b\n1,2\n\"3,4\n{}", "5,6\n".repeat(50_000));
    let cases = [
        ("a,b\n1,2\n3,\"x\n4,5\n6,7\n", 3),
        ("a,b\n1,\"two\nlines\"\n3,\"say \"\"x\n", 4),
        ("a,\"b\n1,2\n", 1),
        ("\u{feff}\"a,b\n", 1),
        ("a,b\n\"\n", 2),
        ("a,b\n1,2\n\"", 3),
        // More than the reader's buffer behind the quote.
        (long.as_str(), 3),
    ];
    for (text, line) in cases {
        let start = text.get(..20).unwrap_or(text);
        let error = error(&args, text);
        let expected = format!("rows:{line}: a quote opens a cell here and is never closed");
        assert_eq!(error.text, expected, "{start:?}");
        assert!(error.next.unwrap().contains("written twice"));
        let args = InputArgs { skip_bad_lines: true, ..args.clone() };
        assert_eq!(self::error(&args, text).code, "E-INPUT-CSV", "it is not skipped");
    }
}

#[test]
fn quotes_that_are_closed_or_in_the_middle_of_a_cell_are_let_be() {
    let args = args(InputFormat::Csv);
    let text = "a,b\n5\" disk,\"x\"\"\"\n\"q\"tail\",2\n\"two\r\nlines\",\"\"\r\n";
    assert_eq!(rows(&args, text).len(), 3);
}

#[test]
fn every_record_knows_its_line() {
    let lines = |format, text: &str| {
        let mut kept = Kept::default();
        load_text(&args(format), text, &mut kept).unwrap();
        kept.lines
    };
    assert_eq!(lines(InputFormat::Json, "{}\n\n{}\n{}"), [1, 3, 4]);
    assert_eq!(lines(InputFormat::Lines, "a\n\nb"), [1, 2, 3]);
    assert_eq!(lines(InputFormat::Csv, "a,b\n1,\"x\ny\"\n2,3\n\n4,5\n"), [2, 4, 6]);
    let crlf = "\r\na,b\r\n1,\"x\r\ny\"\r\n\r\n2,3\r\n4\r\n5,6";
    let skipping = InputArgs { skip_bad_lines: true, ..args(InputFormat::Csv) };
    let mut kept = Kept::default();
    let loaded = load_text(&skipping, crlf, &mut kept).unwrap();
    assert_eq!(kept.lines, [3, 6, 8]);
    assert!(loaded.first_bad.unwrap().starts_with("rows:7: "), "a bad row has its line too");
}
