//! An instance of two versions.

use std::sync::Arc;

use pelton_batch::Kind;
use pelton_core::{BoxFuture, Fault, FaultKind, Guest, GuestFactory, SharedEnvironment};

use super::board::CanaryBoard;
use super::merge::{check, merge};
use super::rows::RowsEnvironment;
use super::side::Side;
use super::split::{Part, split};
use crate::config::Settings;

/// Instances of both versions. One that has failed is opened anew.
pub(super) struct CanaryGuest {
    pub(super) old: Option<Box<dyn Guest>>,
    pub(super) new: Option<Box<dyn Guest>>,
    pub(super) old_factory: Arc<dyn GuestFactory>,
    pub(super) new_factory: Arc<dyn GuestFactory>,
    pub(super) settings: Arc<Settings>,
    pub(super) parts: u32,
    pub(super) board: Arc<CanaryBoard>,
    /// CPU time of all calls, of instances that are gone too.
    pub(super) cpu_ns: u64,
    /// What the new version has answered of the last call.
    pub(super) new_units: Vec<u32>,
}

impl Guest for CanaryGuest {
    fn call<'a>(
        &'a mut self,
        input: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Vec<u8>, Fault>> {
        self.new_units.clear();
        Box::pin(async move {
            if self.board.is_over() {
                return self.call_old(input, environment).await;
            }
            let broken = |error| Fault::new(FaultKind::Host, format!("an input batch: {error}"));
            let parts = split(input, self.parts, &environment).map_err(broken)?;
            let mut answers = Vec::with_capacity(parts.len());
            for part in &parts {
                answers.push(self.answer(input, part, &environment).await?);
            }
            if let [only] = &mut answers[..] {
                return Ok(std::mem::take(only));
            }
            let declared = self.old_factory.declaration();
            let checked: Result<Vec<_>, Fault> = parts
                .iter()
                .zip(&answers)
                .map(|(part, answer)| Ok((part, check(answer, part, declared)?)))
                .collect();
            Ok(merge(&checked?))
        })
    }

    fn cpu_ns(&self) -> u64 {
        self.cpu_ns
    }

    fn canary_units(&self) -> Option<&[u32]> {
        Some(&self.new_units)
    }

    fn save<'a>(
        &'a mut self,
        _: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn restore<'a>(
        &'a mut self,
        _: &'a [u8],
        _: SharedEnvironment,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl CanaryGuest {
    /// The answer to a part of a call: what the new version fails at, the old one answers.
    async fn answer(
        &mut self,
        input: &[u8],
        part: &Part,
        whole: &SharedEnvironment,
    ) -> Result<Vec<u8>, Fault> {
        let batch = part.batch.as_deref().unwrap_or(input);
        let units = part.units.len() as u64;
        let rows = match part.kind {
            Kind::Records | Kind::Accumulate => &part.rows,
            _ => &part.units,
        };
        let environment = |settings: Option<&Arc<Settings>>| -> SharedEnvironment {
            if part.batch.is_none() && settings.is_none() {
                return Arc::clone(whole);
            }
            let (whole, rows) = (Arc::clone(whole), Arc::clone(rows));
            Arc::new(RowsEnvironment { whole, rows, settings: settings.cloned() })
        };
        if part.side == Side::New && !self.board.is_over() {
            let settings = Some(Arc::clone(&self.settings));
            let before = self.cpu_ns;
            match self.call_new(batch, part, environment(settings.as_ref())).await {
                Ok(answer) => {
                    self.board.called(true, units, self.cpu_ns - before);
                    self.new_units.extend_from_slice(&part.units);
                    return Ok(answer);
                }
                Err(fault) => self.board.failed(fault.to_string()),
            }
        }
        let before = self.cpu_ns;
        let answer = self.call_old(batch, environment(None)).await?;
        match part.side {
            Side::Control => self.board.called(false, units, self.cpu_ns - before),
            Side::Old | Side::New => self.board.called_old(units),
        }
        Ok(answer)
    }

    /// Calls the new version and checks what it answers. An instance that fails is dropped.
    async fn call_new(
        &mut self,
        batch: &[u8],
        part: &Part,
        environment: SharedEnvironment,
    ) -> Result<Vec<u8>, Fault> {
        let mut guest = match self.new.take() {
            Some(guest) => guest,
            None => self.new_factory.instantiate(Arc::clone(&environment)).await?,
        };
        let before = guest.cpu_ns();
        let answer = guest.call(batch, environment).await;
        self.cpu_ns += guest.cpu_ns().saturating_sub(before);
        if matches!(&answer, Ok(_) | Err(Fault { kind: FaultKind::Failure, .. })) {
            self.new = Some(guest);
        }
        let answer = answer?;
        check(&answer, part, self.new_factory.declaration())?;
        Ok(answer)
    }

    async fn call_old(
        &mut self,
        batch: &[u8],
        environment: SharedEnvironment,
    ) -> Result<Vec<u8>, Fault> {
        let mut guest = match self.old.take() {
            Some(guest) => guest,
            None => self.old_factory.instantiate(Arc::clone(&environment)).await?,
        };
        let before = guest.cpu_ns();
        let answer = guest.call(batch, environment).await;
        self.cpu_ns += guest.cpu_ns().saturating_sub(before);
        if matches!(&answer, Ok(_) | Err(Fault { kind: FaultKind::Failure, .. })) {
            self.old = Some(guest);
        }
        answer
    }
}
