//! The README's way from nothing to a function that was deployed, edited live and rolled back: each
//! line of its blocks as it stands there, by a shell.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::server::ended;
use crate::support::{Ended, Place};

/// Longest time that a line may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The lines of the first block below a heading.
fn block(heading: &str) -> Vec<String> {
    let readme = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let below = readme.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let block = below.split("```\n").nth(1).unwrap();
    block.lines().map(str::to_owned).collect()
}

/// Somebody at a terminal, with `pelton` on the path.
struct Reader<'a> {
    place: &'a Place,
    folder: PathBuf,
    path: String,
    /// A free port in place of the usual one, where a server of yours may listen.
    address: String,
    server: Option<Child>,
}

impl<'a> Reader<'a> {
    fn new(place: &'a Place) -> Self {
        let programs = place.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        let binary = env!("CARGO_BIN_EXE_pelton-test");
        std::os::unix::fs::symlink(binary, programs.join("pelton")).unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        Self { place, folder: place.path().to_owned(), path, address, server: None }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        // The shell becomes the program of a line that has one, so that a signal reaches it.
        command.args(["-c", line]).current_dir(&self.folder).env("PATH", &self.path);
        command.env("PELTON_LISTEN", &self.address);
        command.env("PELTON_SERVER", format!("http://{}", self.address));
        command.env_remove("CARGO_TARGET_DIR").env_remove("PELTON_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, line: &str) -> Ended {
        ended(self.command(line).spawn().unwrap())
    }

    /// Does the line over until it does what it should, as whoever is quicker than the function.
    fn until(&self, line: &str, holds: impl Fn(&Ended) -> bool) -> Ended {
        let began = Instant::now();
        loop {
            let ended = self.run(line);
            if holds(&ended) {
                return ended;
            }
            assert!(began.elapsed() < PATIENCE, "{line}: {ended:?}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Types a line, and checks what it says behind its `#`.
    fn types(&mut self, line: &str) {
        let (words, said) = line.split_once('#').unwrap_or((line, ""));
        let said = said.split([';', '(']).next().unwrap().trim();
        if let Some(folder) = words.trim().strip_prefix("cd ") {
            self.folder.push(folder);
        } else if words.trim() == "pelton up" {
            let log = std::fs::File::create(self.place.path().join("up.log")).unwrap();
            let mut command = self.command(&format!("exec {line}"));
            command.stdout(log.try_clone().unwrap()).stderr(log);
            self.server = Some(command.spawn().unwrap());
            self.until("pelton ls", |ended| ended.code == 0);
        } else if words.trim().is_empty() {
            assert_eq!(said, "edit src/lib.rs");
            let file = self.folder.join("src/lib.rs");
            let code = std::fs::read_to_string(&file).unwrap();
            let edited = code.replace("count: stats.count,", "count: stats.count * 100,");
            assert_ne!(edited, code);
            std::fs::write(file, edited).unwrap();
        } else if said == "five reports" {
            self.until(line, |ended| ended.code == 0 && ended.out.lines().count() == 5);
        } else {
            let ended = self.run(line).expect(0);
            if said.starts_with("hello version") {
                assert!(ended.out.contains(said), "{line}: {}", ended.out);
            }
        }
    }

    /// The last five counts of `hello.out`, once there are so many reports.
    fn counts(&self, reports: usize) -> Vec<u64> {
        let consumed = self.until("pelton consume hello.out", |ended| {
            ended.code == 0 && ended.out.lines().count() == reports
        });
        let count = |record: &Value| record["value"]["count"].as_u64().unwrap();
        consumed.records()[reports - 5..].iter().map(count).collect()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

#[test]
fn the_story_of_the_readme_goes_as_it_is_told() {
    let place = Place::new();
    let mut reader = Reader::new(&place);
    let (write, serve) = (block("Write a function"), block("Serve"));
    assert_eq!((write.len(), serve.len()), (4, 8), "{write:?} {serve:?}");
    write.iter().for_each(|line| reader.types(line));
    for line in &serve {
        reader.types(line);
        if line.contains("the counts go on") {
            assert_eq!(reader.counts(10), [400, 300, 500, 400, 600]);
        }
    }
    // The version before goes on with the same counts.
    reader.types("pelton produce hello.in --input sample.jsonl");
    assert_eq!(reader.counts(15), [7, 5, 8, 6, 9]);
    let mut server = reader.server.take().unwrap();
    kill_process(Pid::from_child(&server), Signal::INT).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0), "it ends in order");
}
