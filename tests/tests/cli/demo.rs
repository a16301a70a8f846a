//! The demo: its story on the real binary, and its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::Place;

/// As somebody would with `--once`, on a free port.
const ONCE: [&str; 4] = ["demo", "--once", "--port", "0"];

#[test]
fn the_demo_tells_its_story_and_agrees_with_the_recomputation() {
    let place = Place::new();
    let ended = place.pelton(&ONCE).expect(0);
    for word in [
        "http://127.0.0.1:",
        "#/topics/carrier-statistics/table?field=p95_delay",
        "An afterthought, live",
        "A report from the beginning",
        "the first function has not noticed",
        "on 2013-02-08 it rings for 9 carriers at once",
        "United Air Lines",
        "ExpressJet",
        "06:00",
        "JFK",
        "checked: 51,955 flights of 16 carriers",
        "agree with a plain recomputation",
        "February, through all four",
    ] {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
    let rows: Vec<_> = ["before 3", "after 4"]
        .map(|row| ended.out.lines().find_map(|line| line.trim().strip_prefix(row)).unwrap())
        .map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
        .into();
    assert_eq!(rows[0], rows[1]);
    assert!(rows[0].starts_with("1 26,996 ") && rows[0].ends_with(" 26,996"), "{rows:?}");
    let widest = ended.out.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(widest.chars().count() <= 100, "{widest}");
}

#[test]
fn the_demo_as_json_has_every_figure() {
    let place = Place::new();
    let demo = place.pelton(&[&ONCE[..], &["-o", "json"]].concat()).expect(0).json();
    assert_eq!(demo["agrees"], true);
    assert_eq!(demo["results"]["departed"], 50_173);
    assert_eq!(demo["results"]["cancelled"], 1_782);
    assert_eq!(demo["results"]["carriers"].as_object().unwrap().len(), 16);
    let first = &demo["first_function"];
    assert_eq!(first["before"], first["after"]);
    assert_eq!(
        (&first["after"]["version"], &first["after"]["offset"]),
        (&1.into(), &26_996.into())
    );
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = Place::new().pelton(&["demo", "--once", "--port", &port]);
    assert!(ended.code != 0 && ended.err.contains("E-HTTP-ADDRESS"), "{}", ended.err);
}

/// A demo that goes on.
struct Live {
    place: Place,
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl Live {
    /// Starts one, and waits until its story is told.
    fn start(speed: &str) -> Self {
        let place = Place::new();
        std::fs::create_dir(place.path().join("tmp")).unwrap();
        let mut command = place.command(&["demo", "--port", "0", "--speed", speed]);
        command.env("TMPDIR", place.path().join("tmp")).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut live = Self { place, child, stdout, address: String::new() };
        let up = live.line_with("Pelton is up");
        live.address = up.split_whitespace().last().unwrap().to_owned();
        live.line_with("agree with a plain recomputation");
        live
    }

    /// The next line with this in it.
    fn line_with(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stdout.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended before it said {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// New York's date and time in the next update.
    fn time(&mut self) -> String {
        let line = self.line_with("New York, ");
        line["New York, ".len()..].chars().take("2013-03-01 05:17".len()).collect()
    }

    /// What a command against its server answers.
    fn json(&self, arguments: &[&str]) -> Value {
        let mut command: Command = self.place.command(&[arguments, &["-o", "json"]].concat());
        let output = command.env("PELTON_SERVER", &self.address).output().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: exit code, stderr, and how many temporary folders are left.
    fn ended(mut self) -> (i32, String, usize) {
        std::io::copy(&mut self.stdout, &mut std::io::sink()).unwrap();
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        let left = std::fs::read_dir(self.place.path().join("tmp")).unwrap().count();
        (code, err, left)
    }
}

#[test]
fn the_flights_go_on_live_until_ctrl_c() {
    let mut live = Live::start("864000");
    let first = live.time();
    assert!(first.as_str() >= "2013-03-01 05", "{first}");
    while live.time().as_str() < "2013-03-12" {}
    // The four functions, as a server's functions are; none has been deployed again.
    for name in ["flights-stats", "anomalies", "by-airport", "hourly-count"] {
        let status = live.json(&["status", name]);
        assert_eq!(
            (&status["state"], &status["version"]),
            (&"running".into(), &1.into()),
            "{name}"
        );
        assert_eq!(status["poison"], 0, "{name}");
    }
    let records_in = |live: &Live| live.json(&["status", "hourly-count"])["records_in"].as_u64();
    let then = records_in(&live).unwrap();
    assert!(then > 50_173, "{then}");
    live.time();
    while records_in(&live).unwrap() == then {}
    live.signal(Signal::INT);
    let (code, err, left) = live.ended();
    assert_eq!((code, left), (0, 0), "{err}");
    assert!(err.contains("Stopped after "), "{err}");
}

#[test]
fn a_low_speed_lets_the_time_in_new_york_pass_slowly() {
    let mut live = Live::start("1");
    let first = live.time();
    live.time();
    let third = live.time();
    assert_eq!(first[..15], third[..15], "in the same ten minutes");
    live.signal(Signal::TERM);
    let (code, err, left) = live.ended();
    assert_eq!((code, left), (0, 0), "SIGTERM is what Ctrl-C is: {err}");
}

#[test]
fn an_impatient_second_ctrl_c_leaves_nothing_either() {
    let mut live = Live::start("3600");
    live.time();
    live.signal(Signal::INT);
    live.signal(Signal::INT);
    let (code, err, left) = live.ended();
    // Whether it still runs when the second one comes is up to the machine.
    assert!(code == 0 || code == 130, "{code}: {err}");
    assert_eq!(left, 0, "{err}");
}
