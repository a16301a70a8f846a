//! The files of a new project.

const TEMPLATE: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../../assets/template/Cargo.toml")),
    ("src/lib.rs", include_str!("../../assets/template/lib.rs")),
    ("src/tests.rs", include_str!("../../assets/template/tests.rs")),
    ("pelton.toml", include_str!("../../assets/template/pelton.toml")),
    ("sample.jsonl", include_str!("../../assets/template/sample.jsonl")),
    ("README.md", include_str!("../../assets/template/README.md")),
    (".gitignore", include_str!("../../assets/template/gitignore")),
];

/// The files of the project `name`, by path, that uses the SDK at `sdk`.
pub(crate) fn files(name: &str, sdk: &str) -> impl Iterator<Item = (&'static str, String)> {
    let sdk = sdk.replace('\\', "\\\\").replace('"', "\\\"");
    TEMPLATE
        .into_iter()
        .map(move |(path, text)| (path, text.replace("{{name}}", name).replace("{{sdk}}", &sdk)))
}

#[cfg(test)]
mod tests {
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
    }
}
