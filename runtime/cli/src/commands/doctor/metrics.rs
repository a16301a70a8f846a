//! What the server's metrics tell of writes that it refused.

use super::check::Check;
use crate::text;

/// Requests that changed something and were answered so, since the server was started.
fn answered(metrics: &str, status: u16) -> u64 {
    let status = format!("status=\"{status}\"");
    let lines = metrics.lines().filter(|line| {
        line.starts_with("pelton_http_requests_total{")
            && line.contains(&status)
            && !line.contains("method=\"GET\"")
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Writes for which there was no room, or that the server could not take.
pub(super) fn refused_writes(metrics: &str) -> Check {
    let (full, unable, busy) =
        (answered(metrics, 507), answered(metrics, 503), answered(metrics, 429));
    let writes = |number| text::count(number, "write");
    if full > 0 {
        let detail = format!("{} since its start for want of disk space", writes(full));
        return Check::warn("refused", detail, "make room on the server's disk");
    }
    if unable > 0 {
        let detail = format!("{} since its start that it could not take (503)", writes(unable));
        return Check::warn("refused", detail, "look at the server's log");
    }
    if busy > 0 {
        let detail = format!("{} since its start beyond a rate or a limit (429)", writes(busy));
        return Check::warn("refused", detail, "put more records into each request");
    }
    Check::ok("refused", "no write since its start")
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn writes_that_were_refused_are_counted_and_reads_are_not() {
        let line = |method, status, count| {
            format!(
                "pelton_http_requests_total{{method=\"{method}\",route=\"/r\",status=\"{status}\"}} {count}\n"
            )
        };
        let calm = line("POST", 200, 9) + &line("GET", 503, 1);
        assert_eq!(refused_writes(&calm).status, Verdict::Ok);
        let full = calm + &line("POST", 507, 2) + &line("PUT", 507, 1);
        let check = refused_writes(&full);
        assert_eq!(check.status, Verdict::Warn);
        assert!(check.detail.starts_with("3 writes"), "{}", check.detail);
    }
}
