//! Network ACLs, as far as others name them.

use crate::id::id_type;

id_type! {
    /// A network ACL's id, such as `acl-0a1b2c3d4e5f67890`.
    NetworkAclId,
}
