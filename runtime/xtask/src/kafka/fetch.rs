//! Apache Kafka's jars, by Maven.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace;

/// The release that is tested against.
const VERSION: &str = "4.1.1";
const JAVA_MIN: u32 = 17;
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Kafka logs by slf4j; `slf4j-simple` writes what it has to say to standard error.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>pelton</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>@VERSION@</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"#;

/// Where everything of the broker is kept.
pub(super) fn home() -> PathBuf {
    workspace::path(".kafka")
}

/// What is missing on this machine to run Kafka, if anything.
pub(crate) fn lacks() -> Option<String> {
    match java_version() {
        None => {
            return Some(format!("there is no `java`; install Java {JAVA_MIN} or later"));
        }
        Some(version) if version < JAVA_MIN => {
            return Some(format!("`java` is version {version}; Kafka needs {JAVA_MIN} or later"));
        }
        Some(_) => {}
    }
    let fetched = jars().join("complete").exists();
    (!fetched && !workspace::answers("mvn", "--version"))
        .then(|| "there is no `mvn`; install Maven".into())
}

/// The feature release of `java`, such as 17.
fn java_version() -> Option<u32> {
    let output = Command::new("java").arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let quoted = text.split('"').nth(1)?;
    quoted.split(['.', '-', '+']).next()?.parse().ok()
}

fn jars() -> PathBuf {
    home().join(format!("jars-{VERSION}"))
}

/// The class path of Kafka, fetched where it is not there yet.
pub(super) fn class_path() -> Result<String> {
    let jars = jars();
    let complete = jars.join("complete");
    if !complete.exists() {
        eprintln!("fetching Apache Kafka {VERSION} by Maven (43 MB, once)");
        fs::create_dir_all(&jars)?;
        let pom = home().join("pom.xml");
        fs::write(&pom, POM.replace("@VERSION@", VERSION))?;
        let mut maven = Command::new("mvn");
        maven.args(["--batch-mode", "--quiet", "--no-transfer-progress", "--file"]).arg(&pom);
        maven.arg(COPY).arg("-DincludeScope=runtime");
        maven.arg(format!("-DoutputDirectory={}", jars.display()));
        workspace::run(&mut maven).context("Maven could not fetch Apache Kafka")?;
        fs::write(&complete, VERSION)?;
    }
    Ok(format!("{}/*", jars.display()))
}
