//! What a kind of cloud object has to say about itself to be kept in a world.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::ApiError;

/// One kind of object. A row is a plain struct; its tags are kept beside it, by its id.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// The kind. For EC2 this is the resource type as in a tag specification (`natgateway`), which
    /// is how tags find the object.
    const KIND: &'static str;
    /// What ids start with, without the dash (`vpc`); empty if ids have no fixed form.
    const PREFIX: &'static str = "";
    /// What an unknown id is called in errors, such as `InvalidVpcID`.
    const ERROR: &'static str = "";
    /// What the object is called in messages, such as `vpc ID`.
    const NOUN: &'static str = Self::KIND;
    /// The error code for a well-formed id that nothing has; by default `<ERROR>.NotFound`.
    const NOT_FOUND: &'static str = "";
    /// The error code for an id of the wrong form; by default `<ERROR>.Malformed`.
    const MALFORMED: &'static str = "";
    /// Whether there is one world of these objects for all regions.
    const GLOBAL: bool = false;

    /// The id under which the row is kept.
    fn id(&self) -> &str;
}

/// The error for an id that nothing of this kind has.
pub(crate) fn not_found<T: Row>(id: &str) -> ApiError {
    let code = if T::NOT_FOUND.is_empty() {
        format!("{}.NotFound", T::ERROR)
    } else {
        T::NOT_FOUND.to_owned()
    };
    ApiError::new(code, format!("The {} '{id}' does not exist", T::NOUN))
}

/// Checks that an id has the form of this kind: prefix, dash, 8 or 17 hexadecimal digits.
pub(crate) fn check_id<T: Row>(id: &str) -> Result<(), ApiError> {
    if T::PREFIX.is_empty() {
        return Ok(());
    }
    let digits = id.strip_prefix(T::PREFIX).and_then(|rest| rest.strip_prefix('-'));
    let well_formed = digits.is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if well_formed {
        return Ok(());
    }
    let code = if T::MALFORMED.is_empty() {
        format!("{}.Malformed", T::ERROR)
    } else {
        T::MALFORMED.to_owned()
    };
    Err(ApiError::new(code, format!("Invalid id: \"{id}\" (expecting \"{}-...\")", T::PREFIX)))
}
