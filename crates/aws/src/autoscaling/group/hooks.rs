//! Lifecycle hooks: what a machine waits for before it comes into service, or goes.

use aws_sdk_autoscaling::types;
use formwork_core::{Inputs, ProviderError};
use serde::{Deserialize, Serialize};

use crate::{
    client::Clients,
    ec2::wire::{seen, seen_number, sent, sent_number},
    error::{Named, unless_absent},
    id::{Arn, choice},
};

choice! {
    /// When a hook holds a machine.
    LifecycleTransition {
        /// After its launch, before it is in service.
        Launching = "autoscaling:EC2_INSTANCE_LAUNCHING",
        /// Out of service, before it is terminated.
        Terminating = "autoscaling:EC2_INSTANCE_TERMINATING",
    }
}

choice! {
    /// What happens when nobody answers in time.
    LifecycleResult {
        /// The machine goes on.
        Continue = "CONTINUE",
        /// A new machine is terminated; for one that goes, further hooks are skipped.
        Abandon = "ABANDON",
    }
}

/// A lifecycle hook.
///
/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct LifecycleHook {
    /// Its name, unique in the group.
    pub name: String,
    /// When it holds a machine.
    pub transition: LifecycleTransition,
    /// For how long at most, in seconds: 30 to 7200; 3600 if not set. A heartbeat starts it anew.
    #[resource(defaulted)]
    pub heartbeat_timeout: Option<u32>,
    /// What happens when nobody answers in time; the machine is abandoned if not set.
    #[resource(defaulted)]
    pub default_result: Option<LifecycleResult>,
    /// What is told along with the notification.
    pub notification_metadata: Option<String>,
    /// The queue or topic to notify.
    pub notification_target_arn: Option<Arn>,
    /// The role that may notify it.
    pub role_arn: Option<Arn>,
}

impl LifecycleHook {
    /// The hook, for a group that is about to be made.
    pub(super) fn specification(&self) -> types::LifecycleHookSpecification {
        types::LifecycleHookSpecification::builder()
            .lifecycle_hook_name(&self.name)
            .lifecycle_transition(self.transition.as_str())
            .set_heartbeat_timeout(sent_number(self.heartbeat_timeout))
            .set_default_result(sent(&self.default_result))
            .set_notification_metadata(self.notification_metadata.clone())
            .set_notification_target_arn(sent(&self.notification_target_arn))
            .set_role_arn(sent(&self.role_arn))
            .build()
    }

    fn of(from: &types::LifecycleHook) -> Self {
        let transition: Option<LifecycleTransition> = seen(&from.lifecycle_transition);
        Self {
            name: from.lifecycle_hook_name.clone().unwrap_or_default(),
            transition: transition.unwrap_or_else(|| LifecycleTransition::Other(String::new())),
            heartbeat_timeout: seen_number(from.heartbeat_timeout),
            default_result: seen(&from.default_result),
            notification_metadata: seen(&from.notification_metadata),
            notification_target_arn: seen(&from.notification_target_arn),
            role_arn: seen(&from.role_arn),
        }
    }

    /// Makes the hook, or changes it: one call does both.
    async fn put(&self, clients: &Clients, group: &str) -> Result<(), ProviderError> {
        clients
            .autoscaling()
            .put_lifecycle_hook()
            .auto_scaling_group_name(group)
            .lifecycle_hook_name(&self.name)
            .lifecycle_transition(self.transition.as_str())
            .set_heartbeat_timeout(sent_number(self.heartbeat_timeout))
            .set_default_result(sent(&self.default_result))
            // What is not mentioned stays as it is.
            .notification_metadata(self.notification_metadata.clone().unwrap_or_default())
            .notification_target_arn(text(&self.notification_target_arn))
            .set_role_arn(sent(&self.role_arn))
            .send()
            .await
            .named("autoscaling:PutLifecycleHook")
            .map(drop)
    }
}

fn text(arn: &Option<Arn>) -> String {
    arn.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// The hooks of a group that a declaration names.
pub(super) async fn read(
    clients: &Clients,
    group: &str,
    declared: &[LifecycleHook],
) -> Result<Vec<LifecycleHook>, ProviderError> {
    if declared.is_empty() {
        return Ok(Vec::new());
    }
    let call = clients.autoscaling().describe_lifecycle_hooks().auto_scaling_group_name(group);
    let answer = call.send().await.named("autoscaling:DescribeLifecycleHooks")?;
    let mut hooks: Vec<_> = answer.lifecycle_hooks().iter().map(LifecycleHook::of).collect();
    hooks.retain(|hook| declared.iter().any(|declared| declared.name == hook.name));
    Ok(hooks)
}

/// Makes the hooks of a group those that are wanted; `known` are those that were declared before.
pub(super) async fn write(
    clients: &Clients,
    group: &str,
    known: &[LifecycleHook],
    wanted: &[LifecycleHook],
) -> Result<(), ProviderError> {
    for hook in known.iter().filter(|hook| wanted.iter().all(|wanted| wanted.name != hook.name)) {
        let call = clients.autoscaling().delete_lifecycle_hook();
        let call = call.auto_scaling_group_name(group).lifecycle_hook_name(&hook.name);
        match call.send().await.named("autoscaling:DeleteLifecycleHook") {
            // Auto Scaling has one code for all that is wrong.
            Err(error) if error.message.contains("No Lifecycle Hook found") => {}
            result => unless_absent(result)?,
        }
    }
    for hook in wanted.iter().filter(|hook| !known.contains(hook)) {
        hook.put(clients, group).await?;
    }
    Ok(())
}
