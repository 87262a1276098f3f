//! Which principals a trust policy may name: IAM refuses a policy whose principals do not exist.
//!
//! The sandbox knows the roles of its own account and the services in the table below. Roles and
//! users of other accounts can not be looked up and are taken as given.

use serde_json::Value;

use super::document::{Malformed, statements, strings};

/// Services that may assume a role, as they are named in trust policies: `<name>.amazonaws.com`.
/// From the service pages of the IAM User Guide and of each service's own guide; a service that is
/// missing here is to be added, not let through.
const SERVICES: [&str; 82] = [
    "airflow",
    "airflow-env",
    "amplify",
    "apidestinations.events",
    "apigateway",
    "appflow",
    "application-autoscaling",
    "apprunner",
    "appsync",
    "athena",
    "autoscaling",
    "backup",
    "batch",
    "bedrock",
    "bedrock-agentcore",
    "build.apprunner",
    "cloudformation",
    "cloudfront",
    "cloudtrail",
    "cloudwatch",
    "codebuild",
    "codedeploy",
    "codepipeline",
    "cognito-idp",
    "config",
    "custom.rds.application-autoscaling",
    "databrew",
    "datasync",
    "delivery.logs",
    "dlm",
    "dms",
    "dynamodb",
    "ec2",
    "ec2fleet",
    "ecr",
    "ecs",
    "ecs-tasks",
    "ecs.application-autoscaling",
    "edgelambda",
    "eks",
    "eks-fargate-pods",
    "eks-nodegroup",
    "elasticbeanstalk",
    "elasticfilesystem",
    "elasticloadbalancing",
    "elasticmapreduce",
    "emr-containers",
    "emr-serverless",
    "events",
    "firehose",
    "fis",
    "fsx",
    "glue",
    "grafana",
    "imagebuilder",
    "iot",
    "kinesis",
    "kinesisanalytics",
    "lambda",
    "logs",
    "monitoring.rds",
    "opensearchservice",
    "pcs",
    "pipes",
    "pods.eks",
    "ram",
    "rds",
    "redshift",
    "s3",
    "s3.data-source.lustre.fsx",
    "sagemaker",
    "scheduler",
    "secretsmanager",
    "ses",
    "sns",
    "spot",
    "spotfleet",
    "sqs",
    "ssm",
    "states",
    "transfer",
    "vpc-flow-logs",
];

/// Checks the principals of a trust policy that the document rules accept.
///
/// `exists` answers for ARNs of this account: is there such a role or user?
///
/// # Errors
/// The message that IAM gives with `MalformedPolicyDocument`.
pub(crate) fn check(
    policy: &Value,
    account: &str,
    exists: impl Fn(&str) -> bool,
) -> Result<(), Malformed> {
    for statement in statements(policy) {
        let Some(Value::Object(kinds)) = statement.get("Principal") else { continue };
        for (kind, names) in kinds {
            for name in strings(names) {
                let valid = match kind.as_str() {
                    "Service" => is_service(name),
                    "AWS" => is_aws(name, account, &exists),
                    "Federated" => is_federated(name, account),
                    // Amazon S3's own kind of account id; a role's trust policy has no use for it.
                    _ => false,
                };
                if !valid {
                    let kind = if kind == "Service" { "SERVICE" } else { kind };
                    return Err(format!("Invalid principal in policy: \"{kind}\":\"{name}\""));
                }
            }
        }
    }
    Ok(())
}

/// `ec2.amazonaws.com`, `ec2.amazonaws.com.cn`, or regional: `logs.us-west-2.amazonaws.com`.
fn is_service(name: &str) -> bool {
    let domain = [".amazonaws.com", ".amazonaws.com.cn", ".aws.internal"]
        .into_iter()
        .find_map(|end| name.strip_suffix(end));
    domain.is_some_and(|service| {
        let regional = service
            .rsplit_once('.')
            .filter(|(_, region)| is_region(region))
            .map(|(service, _)| service);
        SERVICES.contains(&service) || regional.is_some_and(|service| SERVICES.contains(&service))
    })
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() >= 3
        && parts[0].len() == 2
        && parts
            .last()
            .is_some_and(|last| last.len() == 1 && last.chars().all(|c| c.is_ascii_digit()))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

fn is_aws(name: &str, account: &str, exists: impl Fn(&str) -> bool) -> bool {
    if name == "*" || is_account(name) {
        return true;
    }
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let ["arn", _, service, "", owner, resource] = parts.as_slice() else { return false };
    if !is_account(owner) {
        return false;
    }
    let named = |prefix| {
        resource
            .strip_prefix(prefix)
            .is_some_and(|name: &str| !name.is_empty() && !name.contains('*'))
    };
    match *service {
        "iam" if *resource == "root" => true,
        "iam" if named("role/") || named("user/") => *owner != account || exists(name),
        "sts" => named("assumed-role/") || named("federated-user/"),
        _ => false,
    }
}

fn is_federated(name: &str, account: &str) -> bool {
    const WEB_IDENTITY: [&str; 4] = [
        "cognito-identity.amazonaws.com",
        "www.amazon.com",
        "graph.facebook.com",
        "accounts.google.com",
    ];
    WEB_IDENTITY.contains(&name)
        || [":saml-provider/", ":oidc-provider/"].iter().any(|part| {
            name.strip_prefix("arn:aws:iam::")
                .is_some_and(|rest| rest.starts_with(&format!("{account}{part}")))
        })
}
