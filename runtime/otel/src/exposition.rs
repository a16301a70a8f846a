//! Metrics out of the text that `/metrics` answers (OpenMetrics 1.0).

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric with all of its series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metric<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample<'a>>,
}

/// A line of figures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample<'a> {
    /// What stands behind the metric's name: `_total`, `_bucket`, `_sum`, `_count` or nothing.
    pub(crate) suffix: &'a str,
    pub(crate) labels: Vec<(&'a str, String)>,
    /// As it is written.
    pub(crate) value: &'a str,
}

/// All metrics of a text. What cannot be read is left out.
pub(crate) fn parse(text: &str) -> Vec<Metric<'_>> {
    let mut metrics: Vec<Metric<'_>> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(comment) => describe(comment, &mut metrics),
            None => {
                if let Some(metric) = metrics.last_mut()
                    && let Some(sample) = sample(line, metric.name)
                {
                    metric.samples.push(sample);
                }
            }
        }
    }
    metrics
}

fn describe<'a>(comment: &'a str, metrics: &mut Vec<Metric<'a>>) {
    let mut words = comment.splitn(3, ' ');
    let (Some(what), Some(name)) = (words.next(), words.next()) else { return };
    let text = words.next().unwrap_or_default();
    if metrics.last().is_none_or(|last| last.name != name) {
        metrics.push(Metric { name, help: "", unit: "", kind: Kind::Gauge, samples: Vec::new() });
    }
    let Some(metric) = metrics.last_mut() else { return };
    match (what, text) {
        ("HELP", help) => metric.help = help.trim_end_matches('.'),
        ("UNIT", unit) => metric.unit = unit,
        ("TYPE", "counter") => metric.kind = Kind::Counter,
        ("TYPE", "histogram") => metric.kind = Kind::Histogram,
        _ => {}
    }
}

fn sample<'a>(line: &'a str, name: &str) -> Option<Sample<'a>> {
    let rest = line.strip_prefix(name)?;
    let end = rest.find(['{', ' '])?;
    let (suffix, rest) = rest.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // An exemplar or a time may follow.
    let value = rest.split_ascii_whitespace().next()?;
    Some(Sample { suffix, labels, value })
}

type Labels<'a> = Vec<(&'a str, String)>;

/// `name="value",...}` and what follows it.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut found = Vec::new();
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((found, behind));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (mut value, mut escaped, mut end) = (String::new(), false, None);
        for (at, letter) in quoted.char_indices() {
            match (escaped, letter) {
                (false, '\\') => escaped = true,
                (false, '"') => {
                    end = Some(at);
                    break;
                }
                (true, 'n') => (escaped, _) = (false, value.push('\n')),
                _ => (escaped, _) = (false, value.push(letter)),
            }
        }
        found.push((name, value));
        rest = quoted.get(end? + 1..)?;
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_have_their_labels_as_they_were_before_they_were_escaped() {
        let text = "# HELP a_b What it is.\n# TYPE a_b counter\n\
                    a_b_total{x=\"1\",y=\"q\\\"\\\\\\n, }\"} 7\na_b_total 8 # {t=\"u\"} 1\n# EOF\n";
        let [metric] = &parse(text)[..] else { panic!("one metric") };
        assert_eq!((metric.name, metric.help, metric.kind), ("a_b", "What it is", Kind::Counter));
        let labels = vec![("x", "1".to_owned()), ("y", "q\"\\\n, }".to_owned())];
        let first = Sample { suffix: "_total", labels, value: "7" };
        let second = Sample { suffix: "_total", labels: Vec::new(), value: "8" };
        assert_eq!(metric.samples, [first, second]);
    }

    #[test]
    fn what_is_no_figure_is_left_out() {
        for text in ["", "a 1\n", "# TYPE\na", "# TYPE a gauge\nb 1\na{x=\"1\na{x 1\na{x=\"1\"}\n"]
        {
            assert!(parse(text).iter().all(|metric| metric.samples.is_empty()), "{text:?}");
        }
    }
}
