//! Filled once the AWS types it stands on are all there.
