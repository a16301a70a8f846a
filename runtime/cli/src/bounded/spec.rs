//! What a function is run with, of what its manifest asks for.

use std::collections::BTreeMap;

use pelton_core::Manifest;
use pelton_core::manifest::OnPoison;
use pelton_engine::{RetryPolicy, Settings};
use pelton_server::{DeploymentSpec, InputSpec, PoisonSpec};

use crate::error::{CliError, Result};

/// What a manifest asks for, all but what depends on the function's declaration.
pub(crate) fn spec_of(manifest: &Manifest) -> Result<DeploymentSpec> {
    let inputs = manifest.inputs.iter().map(InputSpec::from);
    let mut spec = DeploymentSpec::new(manifest.function.clone(), inputs.collect());
    let outputs = manifest.outputs.iter();
    spec.outputs = outputs.map(|output| (output.name.clone(), output.topic.clone())).collect();
    spec.bounded = true;
    spec.limits = manifest.limits.clone();
    spec.settings = Settings { entries: manifest.config.clone(), secrets: secrets(manifest)? };
    spec.on_poison = match manifest.delivery.on_poison {
        OnPoison::DeadLetter => PoisonSpec::DeadLetter(manifest.dead_letter_topic()),
        OnPoison::Skip => PoisonSpec::Skip,
        OnPoison::Halt => PoisonSpec::Halt,
    };
    if let Some(retries) = manifest.delivery.retries {
        spec.retry = RetryPolicy { attempts_max: retries.saturating_add(1), ..spec.retry };
    }
    let idle = manifest.inputs.iter().filter_map(|input| input.idle_timeout_ms).min();
    spec.idle_timeout_ms = idle.unwrap_or(spec.idle_timeout_ms);
    Ok(spec)
}

/// The values of the secrets that the manifest names, from the environment.
fn secrets(manifest: &Manifest) -> Result<BTreeMap<String, String>> {
    let mut secrets = BTreeMap::new();
    for name in &manifest.secrets {
        let variable = format!("PELTON_SECRET_{}", name.to_uppercase().replace(['-', '.'], "_"));
        let value = std::env::var(&variable).map_err(|_| {
            let text = format!("the manifest names the secret `{name}`, but {variable} is not set");
            CliError::bad_input("E-SECRET-MISSING", text)
                .next(format!("set {variable} and run it again"))
        })?;
        secrets.insert(name.clone(), value);
    }
    Ok(secrets)
}
