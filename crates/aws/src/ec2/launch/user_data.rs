//! User data: what a machine runs at its first boot.

use aws_smithy_types::base64;
use formwork_core::Check;

use crate::check::exactly_one;

/// The most bytes before they are encoded
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>).
const MOST: usize = 16 * 1024;

/// User data as EC2 wants it, of a text or of what is encoded already.
pub(crate) fn encoded(text: &Option<String>, base64: &Option<String>) -> Option<String> {
    base64.clone().or_else(|| text.as_ref().map(base64::encode))
}

/// User data as it was asked for: as text, or encoded if that was asked for or it is no text.
pub(crate) fn decoded(
    encoded: Option<&String>,
    asked_base64: bool,
) -> (Option<String>, Option<String>) {
    let Some(encoded) = encoded else { return (None, None) };
    let text = base64::decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text {
        Some(text) if !asked_base64 => (Some(text), None),
        _ => (None, Some(encoded.clone())),
    }
}

/// Reports what AWS would refuse about `user_data` and `user_data_base64`.
pub(crate) fn check(check: &mut Check<'_>) {
    exactly_one(check, &["user_data", "user_data_base64"], false);
    let bytes = match check.get::<String>("user_data_base64") {
        Some(encoded) => match base64::decode(&encoded) {
            Ok(bytes) => Some(("user_data_base64", bytes.len())),
            Err(error) => {
                check.problem("user_data_base64", format!("it is not base64: {error}"));
                None
            }
        },
        None => check.get::<String>("user_data").map(|text| ("user_data", text.len())),
    };
    if let Some((field, length)) = bytes.filter(|(_, length)| *length > MOST) {
        check.problem(field, format!("{length} bytes: expected at most {MOST}"));
    }
}
