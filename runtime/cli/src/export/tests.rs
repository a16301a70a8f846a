use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use pelton_core::TimeFormat;
use tempfile::TempDir;

use super::source::Piece;
use super::*;
use crate::input::{Row, parse_record};
use crate::parquet::{RecordColumns, Rows};

const FORMATS: [FileFormat; 2] = [FileFormat::Jsonl, FileFormat::Parquet];

/// A partition in memory.
#[derive(Default)]
struct Memory {
    records: BTreeMap<u64, Exported>,
    start: u64,
    end: u64,
    piece: usize,
    /// What retention does while an export goes on.
    forgets_before_a_read: u64,
}

impl Memory {
    /// Appends `count` records of all kinds.
    fn append(&mut self, count: u64) {
        for offset in self.end..self.end + count {
            let some = |part: u64| (!(offset + part).is_multiple_of(5)).then(|| part.to_le_bytes());
            let header = (format!("h{offset}"), some(3).map(Vec::from));
            let record = Exported {
                offset,
                timestamp: (offset as i64 - 3) * 1_000,
                key: some(1).map(Vec::from),
                value: Some(format!("v{offset}").into_bytes()).filter(|_| some(2).is_some()),
                headers: vec![header; (offset % 3) as usize],
            };
            self.records.insert(offset, record);
        }
        self.end += count;
    }

    /// What retention does.
    fn forget(&mut self, start: u64) {
        self.start = start;
        self.records = self.records.split_off(&start);
    }

    fn held(&self) -> Held {
        Held { partition: 0, start: self.start, end: self.end }
    }
}

impl Source for Memory {
    fn held(&self) -> Vec<Held> {
        vec![self.held()]
    }

    fn offset(&mut self, held: &Held, place: &From) -> Result<u64> {
        Ok(match place {
            From::Offset(offset) => *offset,
            _ => held.end,
        })
    }

    fn read(&mut self, _partition: u32, from: u64) -> Result<Piece> {
        let forgotten = std::mem::take(&mut self.forgets_before_a_read);
        if forgotten > 0 {
            self.forget(forgotten);
        }
        let skipped = Vec::from_iter((from < self.start).then_some(from..self.start));
        let found = self.records.range(from..).take(self.piece.max(1));
        let records: Vec<_> = found.map(|(_, record)| record.clone()).collect();
        let next = records.last().map_or(self.end, |record| record.offset + 1);
        Ok(Piece { records, next, skipped })
    }
}

fn options(format: FileFormat, from: u64, until: Option<u64>) -> Options {
    Options {
        topic: "t".into(),
        layout: Layout { format, is_text: false },
        file_records: Some(10),
        from: if from == 0 { From::Earliest } else { From::Offset(from) },
        until: until.map(From::Offset),
    }
}

fn export(to: &Path, options: &Options, memory: &mut Memory) -> Result<Done> {
    let folder = Folder::open(to, &options.topic, options.layout.format.extension())?;
    let mut export = Export::begin(&folder, options)?;
    let held = memory.held();
    export.partition(memory, &held)?;
    Ok(export.done)
}

/// All files, with when they were written.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let about =
        |path: &Path| (fs::read(path).unwrap(), path.metadata().unwrap().modified().unwrap());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), about(&path))).collect()
}

/// The records of all files in their order; each is in the file of its cell.
fn records(folder: &Path, format: FileFormat) -> Vec<Exported> {
    let mut all = Vec::new();
    for (name, (bytes, _)) in files(folder) {
        let name = FileName::parse(&name, "t", format.extension()).unwrap();
        let found = match format {
            FileFormat::Jsonl => lines(&bytes),
            FileFormat::Parquet => rows(&folder.join(name.text("t", "parquet"))),
        };
        assert!(!found.is_empty());
        assert!(found.iter().all(|record| (name.first..=name.last).contains(&record.offset)));
        all.extend(found);
    }
    assert!(all.is_sorted_by(|a, b| a.offset < b.offset));
    all
}

fn lines(bytes: &[u8]) -> Vec<Exported> {
    let lines = std::str::from_utf8(bytes).unwrap().lines();
    let parse = |line: &str| {
        let mut row = Row::default();
        parse_record(line.as_bytes(), &TimeFormat::Auto, &mut row).unwrap();
        let place: serde_json::Value = serde_json::from_str(line).unwrap();
        Exported {
            offset: place["offset"].as_u64().unwrap(),
            timestamp: row.timestamp.unwrap(),
            key: row.key().map(<[u8]>::to_vec),
            value: row.value().map(<[u8]>::to_vec),
            headers: row.headers,
        }
    };
    lines.map(parse).collect()
}

fn rows(path: &Path) -> Vec<Exported> {
    let mut rows = Rows::open(fs::File::open(path).unwrap()).unwrap();
    let columns = RecordColumns::of(rows.schema()).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        all.push(columns.record(row).unwrap());
    }
    all
}

#[test]
fn whatever_a_topic_forgets_between_exports_the_folder_has_all_that_was_seen_once() {
    for (seed, format) in (1..12).flat_map(|seed| FORMATS.map(|format| (seed, format))) {
        let mut random = Random(seed);
        let (folder, mut memory) = (TempDir::new().unwrap(), Memory::default());
        let mut seen = BTreeMap::new();
        for _ in 0..6 {
            memory.append(random.below(25));
            memory.piece = random.below(12) as usize;
            let wanted = options(format, 0, None);
            seen.extend(memory.records.clone());
            export(folder.path(), &wanted, &mut memory).unwrap();
            let all: Vec<_> = seen.values().cloned().collect();
            assert_eq!(records(folder.path(), format), all, "seed {seed}");
            let before = files(folder.path());
            let again = export(folder.path(), &wanted, &mut memory).unwrap();
            assert_eq!((again.records, again.files.len()), (0, 0));
            assert_eq!(files(folder.path()), before, "a repeat changes nothing");
            // Compaction and retention.
            for _ in 0..random.below(10) {
                let offset = random.below(memory.end + 1);
                memory.records.remove(&offset);
            }
            if random.below(3) == 0 {
                memory.forget(memory.start + random.below(memory.end - memory.start + 1));
            }
        }
    }
}

#[test]
fn parts_of_a_topic_add_up_to_the_same_files_as_all_of_it() {
    for (seed, format) in (1..12).flat_map(|seed| FORMATS.map(|format| (seed, format))) {
        let mut random = Random(seed);
        let (folder, whole) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut memory = Memory { piece: 7, ..Memory::default() };
        memory.append(95);
        for _ in 0..5 {
            let from = random.below(95);
            let until = from + random.below(96 - from);
            let wanted = options(format, from, Some(until));
            export(folder.path(), &wanted, &mut memory).unwrap();
            let found = records(folder.path(), format);
            let has = |offset: u64| found.iter().any(|record| record.offset == offset);
            assert!((from..until).all(has), "seed {seed}: {from}..{until}");
        }
        export(folder.path(), &options(format, 0, None), &mut memory).unwrap();
        export(whole.path(), &options(format, 0, None), &mut memory).unwrap();
        let bytes = |folder: &TempDir| -> Vec<_> {
            files(folder.path()).into_iter().map(|(name, (bytes, _))| (name, bytes)).collect()
        };
        assert_eq!(bytes(&folder), bytes(&whole), "seed {seed}");
    }
}

#[test]
fn what_retention_takes_before_an_export_is_told_and_what_it_takes_after_is_kept() {
    let (folder, mut memory) = (TempDir::new().unwrap(), Memory { piece: 3, ..Memory::default() });
    memory.append(20);
    memory.forget(4);
    let wanted = options(FileFormat::Parquet, 0, None);
    let gone = |done: &Done| done.gone.iter().map(|gone| (gone.from, gone.to)).collect::<Vec<_>>();
    let done = export(folder.path(), &wanted, &mut memory).unwrap();
    assert_eq!((done.records, gone(&done)), (16, vec![(0, 4)]));
    memory.append(20);
    memory.forget(15);
    let done = export(folder.path(), &wanted, &mut memory).unwrap();
    assert_eq!((done.records, gone(&done)), (20, vec![]));
    memory.append(20);
    memory.forget(45);
    let done = export(folder.path(), &wanted, &mut memory).unwrap();
    assert_eq!((done.records, gone(&done)), (15, vec![(40, 45)]));
    assert_eq!(records(folder.path(), FileFormat::Parquet).len(), 51);
    // Between the look at the topic and the first read.
    let late = TempDir::new().unwrap();
    memory.forgets_before_a_read = 50;
    let done = export(late.path(), &wanted, &mut memory).unwrap();
    assert_eq!((done.records, gone(&done)), (10, vec![(0, 45), (45, 50)]));
}

#[test]
fn an_export_that_was_killed_leaves_nothing_half_written_and_the_next_one_goes_on() {
    for format in FORMATS {
        let (folder, mut memory) =
            (TempDir::new().unwrap(), Memory { piece: 3, ..Memory::default() });
        memory.append(35);
        let wanted = options(format, 0, None);
        export(folder.path(), &wanted, &mut memory).unwrap();
        let whole = files(folder.path());
        // Killed while it wrote the second file anew, and before it wrote the last one.
        let name = FileName::of(0, &(10..20)).text("t", format.extension());
        let part = format!(".{name}.part");
        fs::write(folder.path().join(&part), b"half").unwrap();
        fs::write(folder.path().join(".other.part"), b"not ours").unwrap();
        let last = FileName::of(0, &(30..40)).text("t", format.extension());
        fs::remove_file(folder.path().join(&last)).unwrap();
        let done = export(folder.path(), &wanted, &mut memory).unwrap();
        assert_eq!((done.records, done.unchanged), (5, 3));
        fs::remove_file(folder.path().join(".other.part")).unwrap();
        let now = files(folder.path());
        assert!(now.keys().eq(whole.keys()));
        assert!(now.iter().all(|(name, (bytes, _))| *bytes == whole[name].0));
    }
}

#[test]
fn a_folder_of_something_else_is_refused_and_left_as_it_is() {
    let refused = |wanted: &Options, memory: &mut Memory, folder: &TempDir| {
        let before = files(folder.path());
        let error = export(folder.path(), wanted, memory).unwrap_err();
        assert_eq!(files(folder.path()), before);
        assert!(error.next.is_some(), "{error}");
        error.code
    };
    for format in FORMATS {
        let (folder, mut memory) =
            (TempDir::new().unwrap(), Memory { piece: 9, ..Memory::default() });
        memory.append(25);
        let wanted = options(format, 0, None);
        export(folder.path(), &wanted, &mut memory).unwrap();
        let other = Options { file_records: Some(11), ..wanted.clone() };
        assert_eq!(refused(&other, &mut memory, &folder), "E-EXPORT-GRID");
        // Another topic of that name, with fewer records.
        let mut anew = Memory::default();
        anew.append(24);
        assert_eq!(refused(&wanted, &mut anew, &folder), "E-EXPORT-TOPIC");
        // And with more of them, of which one is another.
        anew.append(5);
        assert!(export(folder.path(), &options(format, 0, Some(25)), &mut anew).is_ok());
        anew.records.entry(24).or_default().timestamp += 1;
        assert_eq!(refused(&wanted, &mut anew, &folder), "E-EXPORT-TOPIC");
        let busy = Folder::open(folder.path(), "t", "jsonl").unwrap();
        assert_eq!(refused(&wanted, &mut memory, &folder), "E-EXPORT-BUSY");
        drop(busy);
        // A file that was cut short.
        let last = FileName::of(0, &(20..30)).text("t", format.extension());
        let path = folder.path().join(last);
        let bytes = fs::read(&path).unwrap();
        for len in [0, 1, bytes.len() - 1] {
            fs::write(&path, &bytes[..len]).unwrap();
            assert_eq!(refused(&wanted, &mut memory, &folder), "E-EXPORT-FILE");
        }
    }
}

#[test]
fn keys_and_values_as_text_are_refused_where_they_are_none() {
    let (folder, mut memory) = (TempDir::new().unwrap(), Memory::default());
    memory.append(3);
    let bytes = options(FileFormat::Parquet, 0, None);
    let layout = Layout { format: FileFormat::Parquet, is_text: true };
    let text = Options { layout, ..bytes.clone() };
    export(folder.path(), &text, &mut memory).unwrap();
    memory.append(1);
    assert_eq!(export(folder.path(), &bytes, &mut memory).unwrap_err().code, "E-EXPORT-TEXT");
    if let Some(record) = memory.records.get_mut(&3) {
        record.value = Some(vec![0xff]);
    }
    let error = export(folder.path(), &text, &mut memory).unwrap_err();
    assert_eq!(error.code, "E-EXPORT-TEXT");
    assert!(error.text.contains("the value at offset 3 of t, partition 0"), "{}", error.text);
    assert_eq!(records(folder.path(), FileFormat::Parquet).len(), 3, "what was there is there");
}

#[test]
fn row_groups_are_cut_at_their_limits_and_not_before() {
    let groups = |memory: &mut Memory| -> Vec<i64> {
        let folder = TempDir::new().unwrap();
        let wanted = Options { file_records: None, ..options(FileFormat::Parquet, 0, None) };
        export(folder.path(), &wanted, memory).unwrap();
        let name = FileName::of(0, &(0..FILE_RECORDS_DEFAULT)).text("t", "parquet");
        let file = fs::File::open(folder.path().join(name)).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect()
    };
    let mut many = Memory { piece: 10_000, ..Memory::default() };
    many.append(100_000);
    assert_eq!(groups(&mut many), [100_000]);
    many.append(1);
    assert_eq!(groups(&mut many), [100_000, 1]);
    // Three of 16 MiB: the second fills the first group.
    let mut large = Memory { piece: 9, ..Memory::default() };
    large.append(3);
    for record in large.records.values_mut() {
        record.value = Some(vec![b'x'; 16 << 20]);
    }
    assert_eq!(groups(&mut large), [2, 1]);
}

/// xorshift64
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end.max(1)
    }
}
