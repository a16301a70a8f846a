//! The broker's process.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::fetch::{class_path, home};
use super::probe;
use crate::workspace;

const CLUSTER: &str = "cGVsdG9uLWZvci10ZXN0cw";
const START_TIME_MAX: Duration = Duration::from_secs(90);
const STOP_TIME_MAX: Duration = Duration::from_secs(15);

/// A broker for the length of a test run. It is stopped when this is dropped, and also when this
/// process dies without a chance to, unless it was already up before.
pub(crate) struct Broker {
    address: String,
    ours: bool,
}

impl Broker {
    /// Starts the broker, or takes the one that runs.
    pub(crate) fn start() -> Result<Self> {
        let (address, ours) = up()?;
        if ours && let Some((pid, _)) = running() {
            watch(pid)?;
        }
        Ok(Self { address, ours })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = down()
        {
            eprintln!("kafka could not be stopped: {error:#}");
        }
    }
}

/// The address, and whether it was this call that started the broker.
pub(super) fn up() -> Result<(String, bool)> {
    if let Some((_, address)) = running() {
        if probe::answers(&address) {
            return Ok((address, false));
        }
        eprintln!("kafka runs but does not answer; starting it anew");
        down()?;
    }
    let class_path = class_path()?;
    let address = configure()?;
    eprintln!("formatting kafka's storage");
    let mut format = java(&class_path);
    format.args(["kafka.tools.StorageTool", "format", "--standalone"]);
    format.args(["--cluster-id", CLUSTER, "--config"]).arg(file("server.properties"));
    workspace::output(&mut format).context("kafka's storage could not be formatted")?;

    eprintln!("starting kafka on {address}");
    let log = File::create(file("log"))?;
    let mut server = java(&class_path);
    server.args(["-Xms128m", "-Xmx512m", "kafka.Kafka"]).arg(file("server.properties"));
    server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let mut child = server.spawn().context("kafka could not be started")?;
    fs::write(file("pid"), child.id().to_string())?;
    if let Err(error) = wait(&mut child, &address) {
        let _ = child.kill();
        return Err(error);
    }
    fs::write(file("address"), &address)?;
    Ok((address, true))
}

/// Stops the broker; nothing where it does not run.
pub(super) fn down() -> Result<()> {
    if let Some((pid, _)) = running() {
        eprintln!("stopping kafka (process {pid})");
        signal("TERM", pid);
        let started = Instant::now();
        while running().is_some() {
            if started.elapsed() > STOP_TIME_MAX {
                signal("KILL", pid);
            }
            pause();
        }
    }
    let _ = fs::remove_file(file("address"));
    let _ = fs::remove_file(file("pid"));
    Ok(())
}

/// Process and address of the broker that runs, if one does. A process that merely got the same
/// number is told apart by its command line.
pub(super) fn running() -> Option<(u32, String)> {
    let pid: u32 = fs::read_to_string(file("pid")).ok()?.trim().parse().ok()?;
    let line = command_line(pid)?;
    let properties = file("server.properties").display().to_string();
    let ours = line.contains("kafka.Kafka") && line.contains(&properties);
    let address = fs::read_to_string(file("address")).unwrap_or_default();
    ours.then_some((pid, address))
}

/// The command line of a process; of one that has ended but was not waited for, an empty one.
fn command_line(pid: u32) -> Option<String> {
    if Path::new("/proc/self").exists() {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
    }
    let pid = pid.to_string();
    workspace::output(Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid])).ok()
}

/// Writes the configuration of a fresh node; answers its address.
fn configure() -> Result<String> {
    let data = file("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let [broker, controller] = free_ports()?;
    let address = format!("127.0.0.1:{broker}");
    let data = data.display();
    let properties = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={data}\n\
         num.partitions=1\n\
         auto.create.topics.enable=false\n\
         min.insync.replicas=1\n\
         default.replication.factor=1\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=8\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=8\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         group.coordinator.threads=1\n\
         num.network.threads=2\n\
         num.io.threads=4\n\
         log.cleaner.dedupe.buffer.size=8388608\n\
         log.cleaner.backoff.ms=200\n\
         log.segment.delete.delay.ms=1000\n"
    );
    fs::write(file("server.properties"), properties)?;
    Ok(address)
}

/// Two loopback ports that nobody listens on.
fn free_ports() -> Result<[u16; 2]> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let second = TcpListener::bind("127.0.0.1:0")?;
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}

fn java(class_path: &str) -> Command {
    let mut java = Command::new("java");
    java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]);
    java.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class_path]);
    java
}

fn wait(child: &mut Child, address: &str) -> Result<()> {
    let started = Instant::now();
    while !probe::answers(address) {
        if let Some(status) = child.try_wait()? {
            bail!("kafka ended at once with {status}; see {}", file("log").display());
        }
        if started.elapsed() > START_TIME_MAX {
            let log = file("log");
            bail!("kafka does not answer after {START_TIME_MAX:?}; see {}", log.display());
        }
        pause();
    }
    eprintln!("kafka answers after {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Starts a process that stops the broker once this one is gone, whatever ended it.
fn watch(pid: u32) -> Result<()> {
    let script = "while kill -0 $1 && kill -0 $2; do sleep 1; done 2>/dev/null; kill $2";
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", script, "kafka-watch", &std::process::id().to_string(), &pid.to_string()]);
    watchdog.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    watchdog.spawn().context("cannot start the broker's watchdog")?;
    Ok(())
}

fn signal(name: &str, pid: u32) {
    let script = format!("kill -{name} {pid}");
    let _ = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status();
}

#[allow(clippy::disallowed_methods, reason = "waits for another program, which cannot be asked")]
fn pause() {
    thread::sleep(Duration::from_millis(100));
}

fn file(name: &str) -> PathBuf {
    home().join(name)
}
