//! Machines whose credentials can not be fetched through a mistake of a program on them.

use formwork_core::{Found, Policy, PolicyReport, Subject};

use crate::ec2::{HttpTokens, Instance, LaunchTemplate, MetadataOptions, Switch};

/// The instance metadata service answers only with a session token (mandatory), or not at all:
/// IMDSv2, on machines and launch templates.
///
/// What does not say is judged as if it allowed IMDSv1, for the defaults of the account and the image
/// are not to be seen from a program. Launch templates that do not say are made to require tokens:
/// the plan shows that. A machine of a template that is declared here may leave it to the template,
/// which is judged itself.
///
/// Sources: AWS Security Hub controls EC2.8 and EC2.170
/// (<https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html>), EC2 User Guide,
/// "Use the Instance Metadata Service to access instance metadata".
#[must_use]
pub fn imdsv2_required() -> Policy {
    Policy::mandatory("imdsv2-required")
        .about("the instance metadata service answers only with a session token")
        .remedy("set `metadata_options.http_tokens` to required")
        .source(
            "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html (EC2.8, EC2.170)",
        )
        .check::<Instance>(|machine, report| {
            if machine.count("metadata_options") != Found::Absent
                || machine.target("launch_template.id").is_none()
            {
                judge(machine, report);
            }
        })
        .check::<LaunchTemplate>(|template, report| judge(template, report))
        .remediate::<LaunchTemplate>(|template, fix| {
            if template.get::<MetadataOptions>("metadata_options") == Found::Absent {
                fix.set("metadata_options.http_tokens", HttpTokens::Required);
            }
        })
}

fn judge(of: &Subject<'_>, report: &mut PolicyReport<'_>) {
    if of.get::<Switch>("metadata_options.http_endpoint") == Found::Known(Switch::Disabled) {
        return;
    }
    let path = "metadata_options.http_tokens";
    match of.get::<HttpTokens>(path) {
        Found::Known(HttpTokens::Required) | Found::Unknown => {}
        Found::Known(_) => report.violation(path, "it answers without a session token (IMDSv1)"),
        Found::Absent => report.violation(
            path,
            "it is left to the account and the image whether it answers without a session token",
        ),
    }
}
