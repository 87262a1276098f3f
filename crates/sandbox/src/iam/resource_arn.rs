//! What IAM demands of the resources and the dates inside a policy document.
//!
//! Only their form: whether a resource exists is never asked.

/// Why a resource was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It fails IAM's older parser, which gives no reason.
    Legacy,
    /// It is no ARN; the text says why, as IAM does.
    Format(String),
}

const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

/// What the resource part of an IAM ARN may start with.
const IAM_PATHS: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

/// Accepts `*` and what has the form of an ARN.
pub(crate) fn check(resource: &str) -> Result<(), Problem> {
    if resource == "*" {
        return Ok(());
    }
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let [_, partition, rest @ ..] = parts.as_slice() else {
        return Err(Problem::Format(format!(
            "Resource {resource} must be in ARN format or \"*\"."
        )));
    };
    if *partition != "*" && !PARTITIONS.contains(partition) {
        let part = |at: usize| {
            rest.get(at)
                .copied()
                .filter(|part| at > 0 || !part.is_empty() || rest.len() > 1)
                .unwrap_or("*")
        };
        let (service, region, account, name) = (part(0), part(1), part(2), part(3));
        return Err(Problem::Format(format!(
            "Partition \"{partition}\" is not valid for resource \
             \"arn:{partition}:{service}:{region}:{account}:{name}\"."
        )));
    }
    let [service, rest @ ..] = rest else {
        return Err(Problem::Format(
            "Resource vendor must be fully qualified and cannot contain regexes.".into(),
        ));
    };
    if service.is_empty() || (parts.len() < 6 && resource.contains("::")) {
        return Err(Problem::Legacy);
    }
    let region = rest.first().copied().unwrap_or_default();
    let name = rest.get(2).copied().unwrap_or_default();
    if *service == "s3" && !region.is_empty() && !name.starts_with("accesspoint/") {
        return Err(Problem::Format(format!(
            "Resource {resource} can not contain region information."
        )));
    }
    if *service == "iam" {
        if !region.is_empty() {
            return Err(Problem::Format(format!(
                "IAM resource {resource} cannot contain region information."
            )));
        }
        if name != "*" && !IAM_PATHS.iter().any(|path| name.starts_with(path)) {
            let paths = IAM_PATHS.join(", ");
            return Err(Problem::Format(format!(
                "IAM resource path must either be \"*\" or start with {paths}."
            )));
        }
    }
    Ok(())
}

/// Whether IAM reads a condition's value as a date: epoch seconds, or ISO 8601 of any precision.
pub(crate) fn is_policy_date(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    if !text.contains('t') && !text.contains('-') {
        return text.parse::<i64>().is_ok_and(|seconds| seconds >= 0);
    }
    let (date, time) = text.split_once('t').unwrap_or((&text, ""));
    let (negative, date) = date.strip_prefix('-').map_or((false, date), |rest| (true, rest));
    let mut date = date.split('-');
    let year = date
        .next()
        .and_then(|year| year.parse::<i64>().ok())
        .map(|year| if negative { -year } else { year });
    let in_range = |text: Option<&str>, low: i64, high: i64| {
        text.is_none_or(|text| {
            text.parse::<i64>().is_ok_and(|number| (low..=high).contains(&number))
        })
    };
    year.is_some_and(|year| (-292_275_054..=292_278_993).contains(&year))
        && in_range(date.next(), 1, 12)
        && in_range(date.next(), 1, 31)
        && date.next().is_none()
        && (time.is_empty() || is_policy_time(time))
}

fn is_policy_time(time: &str) -> bool {
    let (clock, zone) = match time.split_once('+') {
        Some((clock, zone)) => (clock, Some(zone)),
        None => (time.strip_suffix('z').unwrap_or(time), None),
    };
    let number = |text: &str, high: u64| text.parse::<u64>().is_ok_and(|number| number <= high);
    let zone_valid = zone.is_none_or(|zone| {
        let (hours, minutes) = zone.split_once(':').unwrap_or((zone, "00"));
        hours.len() == 2 && minutes.len() == 2 && number(hours, 23) && number(minutes, 59)
    });
    let mut parts = clock.split(':');
    let hours = parts.next().is_some_and(|hours| number(hours, 23));
    let minutes = parts.next().is_none_or(|minutes| number(minutes, 59));
    let seconds = parts.next().is_none_or(|seconds| {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        number(whole, 59) && fraction.len() <= 9 && number(fraction, 999_999_999)
    });
    zone_valid && hours && minutes && seconds && parts.next().is_none()
}
