//! The machine: cores, memory, open files.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::check::Check;
use crate::text;

/// Open files that a server wants: a connection is one, and so are segments, workers and the listener.
const FILES_WANTED: u64 = 4_096;
/// Below this a server with its connections runs out of files under load.
const FILES_LEAST: u64 = 1_124;
/// Below this compiling modules and holding state gets tight.
const MEMORY_WANTED: u64 = 1 << 30;

/// What was found of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Machine {
    pub(super) cores: u64,
    /// Bytes; `None` where it cannot be known.
    pub(super) memory: Option<u64>,
    /// Bytes that the control group allows, where it allows less than all.
    pub(super) memory_limit: Option<u64>,
    /// Cores that the control group allows, in thousandths.
    pub(super) cpu_limit: Option<u64>,
    /// Open files; `None` is without limit.
    pub(super) files: Option<u64>,
    /// What the files' limit may be raised to; `None` is without limit.
    pub(super) files_hard: Option<u64>,
}

impl Machine {
    pub(super) fn here() -> Self {
        let files = getrlimit(Resource::Nofile);
        Self {
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
            memory: fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text)),
            memory_limit: cgroup("memory.max").and_then(|text| text.trim().parse().ok()),
            cpu_limit: cgroup("cpu.max").and_then(|text| quota_of(&text)),
            files: files.current,
            files_hard: files.maximum,
        }
    }

    pub(super) fn checks(&self) -> Vec<Check> {
        vec![self.cores(), self.memory(), self.files()]
    }

    fn cores(&self) -> Check {
        let cores = text::count(self.cores, "core");
        match self.cpu_limit {
            Some(limit) if limit < self.cores * 1_000 => Check::warn(
                "cores",
                format!("{cores}, of which a control group allows {:.1}", limit as f64 / 1e3),
                "raise the CPU limit of the container, or give `pelton up --workers` the smaller \
                 number",
            ),
            _ => Check::ok("cores", cores),
        }
    }

    fn memory(&self) -> Check {
        let limit = self.memory_limit.filter(|limit| self.memory.is_none_or(|all| *limit < all));
        let Some(usable) = limit.or(self.memory) else {
            return Check::ok("memory", "not known on this system");
        };
        let detail = match (limit, self.memory) {
            (Some(limit), Some(all)) => {
                let (limit, all) = (text::bytes(limit), text::bytes(all));
                format!("{all}, of which a control group allows {limit}")
            }
            _ => text::bytes(usable),
        };
        if usable >= MEMORY_WANTED {
            return Check::ok("memory", detail);
        }
        let next = format!(
            "give it {} or more: functions are compiled and state is kept in memory",
            text::bytes(MEMORY_WANTED)
        );
        Check::warn("memory", detail, next)
    }

    fn files(&self) -> Check {
        let Some(limit) = self.files else { return Check::ok("open files", "without limit") };
        let detail = format!("at most {}", text::thousands(limit));
        if limit >= FILES_WANTED {
            return Check::ok("open files", detail);
        }
        let raised = self.files_hard.is_none_or(|hard| hard >= FILES_WANTED);
        let next = if raised {
            format!("ulimit -n {FILES_WANTED}, in the shell that starts the server")
        } else {
            format!("have the system's limit raised (`LimitNOFILE={FILES_WANTED}` of systemd)")
        };
        if limit >= FILES_LEAST {
            return Check::warn("open files", detail, next);
        }
        let detail = format!("{detail}; 1,000 connections and the journal need more");
        Check::fail("open files", detail, next)
    }
}

/// Bytes of all memory, of `/proc/meminfo`.
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// Thousandths of a core, of `cpu.max`; `None` where there is no limit.
fn quota_of(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let quota: u64 = words.next()?.parse().ok()?;
    let period: u64 = words.next()?.parse().ok()?;
    (quota * 1_000).checked_div(period)
}

/// A file of this process's control group (version 2).
fn cgroup(name: &str) -> Option<String> {
    let of_process = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = of_process.lines().find_map(|line| line.strip_prefix("0::"))?;
    let own = format!("/sys/fs/cgroup{path}/{name}");
    fs::read_to_string(own).or_else(|_| fs::read_to_string(format!("/sys/fs/cgroup/{name}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn files_are_judged_at_the_limits_and_one_below() {
        let judged = |files| Machine { files, ..Machine::default() }.files().status;
        assert_eq!(judged(None), Verdict::Ok);
        assert_eq!(judged(Some(FILES_WANTED)), Verdict::Ok);
        assert_eq!(judged(Some(FILES_WANTED - 1)), Verdict::Warn);
        assert_eq!(judged(Some(FILES_LEAST)), Verdict::Warn);
        assert_eq!(judged(Some(FILES_LEAST - 1)), Verdict::Fail);
    }

    #[test]
    fn a_control_group_counts_only_where_it_allows_less() {
        let machine = Machine {
            cores: 2,
            memory: Some(8 << 30),
            memory_limit: Some(MEMORY_WANTED - 1),
            cpu_limit: Some(1_500),
            ..Machine::default()
        };
        assert_eq!(machine.memory().status, Verdict::Warn);
        assert_eq!(machine.cores().detail, "2 cores, of which a control group allows 1.5");
        let larger = Machine { memory_limit: Some(16 << 30), cpu_limit: Some(2_000), ..machine };
        assert_eq!((larger.memory().status, larger.cores().status), (Verdict::Ok, Verdict::Ok));
        assert_eq!(larger.memory().detail, "8.0 GiB");
    }

    #[test]
    fn the_systems_files_are_read() {
        assert_eq!(total_of("MemFree: 1 kB\nMemTotal:   16 kB\n"), Some(16 << 10));
        assert_eq!(total_of("MemFree: 1 kB\n"), None);
        assert_eq!(quota_of("150000 100000\n"), Some(1_500));
        assert_eq!((quota_of("max 100000\n"), quota_of("1 0")), (None, None));
    }
}
