//! The files of a new project.

const TEMPLATE: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("../../assets/template/Cargo.toml")),
    ("src/lib.rs", include_str!("../../assets/template/lib.rs")),
    ("src/tests.rs", include_str!("../../assets/template/tests.rs")),
    ("tests/readings.jsonl", include_str!("../../assets/template/readings.jsonl")),
    ("pelton.toml", include_str!("../../assets/template/pelton.toml")),
    ("sample.jsonl", include_str!("../../assets/template/sample.jsonl")),
    ("README.md", include_str!("../../assets/template/README.md")),
    (".gitignore", include_str!("../../assets/template/gitignore")),
];

/// The files of the project `name`, by path, that uses the SDK at `sdk`.
pub(crate) fn files(name: &str, sdk: &str) -> impl Iterator<Item = (&'static str, String)> {
    let sdk = sdk.replace('\\', "\\\\").replace('"', "\\\"");
    TEMPLATE.into_iter().map(move |(path, text)| {
        let text = text.replace("{{name}}", name).replace("{{sdk}}", &sdk);
        (path, if path == "README.md" { aligned(&text) } else { text })
    })
}

/// Commands with their comments below each other, however long the names in them are.
fn aligned(text: &str) -> String {
    let comment = |line: &str| line.find("  # ").filter(|_| !line.starts_with('#'));
    let widest = text.lines().filter_map(comment).max().unwrap_or_default();
    let line = |line: &str| match comment(line) {
        Some(at) => format!("{:widest$}{}\n", &line[..at], &line[at..]),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use pelton_core::Manifest;

    #[test]
    fn the_manifest_of_a_new_project_is_right() {
        let files: Vec<_> = files("hello", "x \"y\"").collect();
        assert!(files.iter().all(|(_, text)| !text.contains("{{")));
        let text = |name| &files.iter().find(|(path, _)| *path == name).unwrap().1;
        let manifest = Manifest::parse(text("pelton.toml"), "pelton.toml").unwrap();
        assert_eq!(manifest.function.name(), "hello");
        toml::from_str::<toml::Table>(text("Cargo.toml")).unwrap();
        let columns: BTreeSet<_> =
            text("README.md").lines().filter_map(|l| l.find("  # ")).collect();
        assert_eq!(columns.len(), 1, "comments stand below each other: {columns:?}");
    }
}
