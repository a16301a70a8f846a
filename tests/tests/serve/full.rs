//! A disk without a free byte: what is on it can be read.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::server::Server;
use crate::support::Place;

/// A small file system of its own, where this machine lets anybody mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at);
        mount.output().is_ok_and(|mount| mount.status.success()).then(|| Self(at))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_data_directory_on_a_full_disk_is_read_and_served() {
    let place = Place::new();
    let Some(small) = Small::mount(place.path().join("data"), "200m") else { return };
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    server.pelton_with(&["produce", "t"], "{\"value\":1}\n{\"value\":2}\n").expect(0);
    server.kill();
    let mut file = std::fs::File::create(small.0.join("fills")).unwrap();
    let piece = vec![1; 4096];
    while file.write_all(&piece).is_ok() {}
    for _ in 0..2 {
        let read = place.pelton(&["read", "--data-dir", "data", "t"]).expect(0);
        assert_eq!(read.records().len(), 2);
        assert!(!read.err.contains("ERROR"), "{}", read.err);
        let server = Server::start(&place);
        assert_eq!(server.values("t", 0, 2), [json!(1), json!(2)]);
        // The segment that is there has room.
        server.pelton_with(&["produce", "t"], "").expect(0);
        assert_eq!(server.signal(rustix::process::Signal::TERM).code(), Some(0));
    }
}
