use std::io::Write as _;

use pelton_core::TimeFormat;

use super::*;

/// A file of another writer; `make_types.py` beside it says what is in it.
const TYPES: &[u8] = include_bytes!("../../../../tests/fixtures/parquet/types.parquet");

fn args() -> InputArgs {
    InputArgs {
        input: "rows.parquet".into(),
        input_format: None,
        key_column: None,
        time_column: None,
        time_format: TimeFormat::Auto,
        skip_bad_lines: false,
    }
}

/// All rows, or what is wrong.
fn read(args: &InputArgs, bytes: &[u8]) -> Result<Vec<Row>> {
    let mut reader = args.reader(Box::new(io::Cursor::new(bytes.to_vec())))?;
    let (mut rows, mut row) = (Vec::new(), Row::default());
    while reader.read(&mut row).map_err(|bad| bad.into_error(args.name()))? {
        rows.push(row.clone());
    }
    Ok(rows)
}

fn value(row: &Row) -> serde_json::Value {
    serde_json::from_slice(row.value().unwrap()).unwrap()
}

#[test]
fn every_type_has_its_json() {
    let rows = read(&args(), TYPES).unwrap();
    assert_eq!(
        std::str::from_utf8(rows[0].value().unwrap()).unwrap(),
        concat!(
            r#"{"id":7,"small":1,"big":18446744073709551615,"name":"ann","raw":{"base64":"/wA="},"#,
            r#""ok":true,"f":1.5,"f32":0.1,"dec":12.30,"whole":12,"day":"2013-01-01","#,
            r#""ms":"2013-01-01T05:00:00Z","us":"2013-01-01T05:00:00.000001","#,
            r#""ns":"2013-01-01T05:00:00.000000001Z","t":"01:00:00.000001","list":[1,2,null],"#,
            r#""struct":{"a":1,"b":"x"},"nested":[{"at":"1970-01-01T00:00:01Z","l":[["p"],[]]}],"#,
            r#""map":{"k":1,"l":null},"imap":{"5":"five"}}"#,
        )
    );
    let second = value(&rows[1]);
    assert_eq!((&second["f"], &second["raw"]), (&"NaN".into(), &"text".into()));
    assert_eq!((&second["day"], &second["nested"][0]), (&"1969-12-31".into(), &().into()));
    assert!(value(&rows[2])["list"].is_null());
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(rows.iter().all(|row| row.key().is_none() && row.timestamp.is_none()));
}

#[test]
fn a_column_of_any_type_is_the_key_and_one_of_times_the_timestamp() {
    let cases = [
        ("id", "ms", "7", 1_357_016_400_000),
        ("day", "us", "2013-01-01", 1_357_016_400_000),
        ("struct", "ns", r#"{"a":1,"b":"x"}"#, 1_357_016_400_000),
        ("name", "day", "ann", 1_356_998_400_000),
        ("dec", "id", "12.30", 7),
    ];
    for (key, time, key_is, time_is) in cases {
        let (key_column, time_column) = (Some(key.to_owned()), Some(time.to_owned()));
        let args = InputArgs { key_column, time_column, ..args() };
        let mut reader = args.reader(Box::new(io::Cursor::new(TYPES))).unwrap();
        let mut row = Row::default();
        assert!(reader.read(&mut row).unwrap());
        assert_eq!(row.key(), Some(key_is.as_bytes()), "{key}");
        assert_eq!(row.timestamp, Some(time_is), "{time}");
    }
    let raw = InputArgs { key_column: Some("raw".into()), ..args() };
    let rows = read(&raw, TYPES).unwrap();
    let keys: Vec<_> = rows.iter().map(Row::key).collect();
    assert_eq!(keys, [Some(&b"\xff\x00"[..]), Some(b"text"), None]);
    // Its third row has no time, which is no reason to leave the others out.
    let timed = InputArgs { time_column: Some("ms".into()), ..args() };
    let error = read(&timed, TYPES).unwrap_err();
    assert!(error.text.starts_with("rows.parquet:3: the column \"ms\": timestamp"), "{error}");
}

#[test]
fn what_is_no_parquet_or_has_no_such_column_is_refused_with_the_files_name() {
    for bytes in [&b""[..], b"PAR1", b"{\"value\":1}\n", &TYPES[..TYPES.len() - 1]] {
        let error = read(&args(), bytes).unwrap_err();
        assert_eq!(error.code, "E-INPUT-PARQUET");
        assert!(error.text.starts_with("rows.parquet: cannot be read as Parquet: "), "{error}");
        assert!(error.next.is_some());
    }
    let other = InputArgs { key_column: Some("nope".into()), ..args() };
    let error = read(&other, TYPES).unwrap_err();
    assert!(error.text.contains("no column \"nope\"; there are: id, small, big"), "{error}");
}

/// Whatever is wrong with a file, reading it ends with rows or an error.
#[test]
fn no_damage_makes_it_panic() {
    let mut failed = 0;
    let mut check = |bytes: &[u8]| match read(&args(), bytes) {
        Ok(rows) => assert!(rows.len() <= 1_000),
        Err(error) => {
            assert_eq!(error.code, "E-INPUT-PARQUET");
            failed += 1;
        }
    };
    for len in 0..TYPES.len() {
        check(&TYPES[..len]);
    }
    let mut bytes = TYPES.to_vec();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            bytes[at] ^= flip;
            check(&bytes);
            bytes[at] ^= flip;
        }
    }
    // Whole, but for its middle, which is cut out.
    for cut in (8..TYPES.len() / 2).step_by(97) {
        check(&[&TYPES[..4], &TYPES[cut..]].concat());
    }
    assert!(failed > TYPES.len());
}

#[test]
fn a_file_is_read_where_it_lies_and_a_folder_names_those_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("types.parquet");
    File::create(&path).unwrap().write_all(TYPES).unwrap();
    let named = |path: &Path| InputArgs { input: path.display().to_string(), ..args() };
    let mut reader = named(&path).open().unwrap();
    assert!(reader.read(&mut Row::default()).unwrap());
    let Err(error) = named(folder.path()).open() else { panic!("a folder was opened") };
    assert_eq!(error.code, "E-INPUT-FOLDER");
    assert!(error.next.unwrap().contains("types.parquet"));
}
