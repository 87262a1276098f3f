//! The secrets of saved plans, sealed with the same kinds of keys as those of a store.
//!
//! How the key is derived and checked stands beside what is sealed, so that a plan opens without the
//! store that it was made from, and a wrong key is told from damage.

use formwork_core::{SealError, Sealed, Sealer};

use crate::key::{KeyRow, KeySource};

impl Sealer for KeySource {
    /// Seals with XChaCha20-Poly1305. The key file is made if there is none; a passphrase is
    /// stretched with a salt of its own.
    fn seal(&self, bound_to: &[u8], plain: &[u8]) -> Result<Sealed, SealError> {
        let (key, row) = self.first().map_err(SealError::new)?;
        let text = key.seal(bound_to, plain).map_err(SealError::new)?;
        let key = serde_json::to_value(row).map_err(|error| SealError::new(error.to_string()))?;
        Ok(Sealed { text, key })
    }

    fn open(&self, bound_to: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let row: KeyRow = serde::Deserialize::deserialize(&sealed.key)
            .map_err(|error| SealError::new(format!("how their key is found: {error}")))?;
        let advice = "what was sealed before the key was rotated is to be made again";
        let key = self.existing(&row).map_err(|why| SealError::new(format!("{why}; {advice}")))?;
        let changed = || SealError::new("they, or what is around them, were changed");
        key.open(bound_to, &sealed.text).ok_or_else(changed)
    }
}

#[cfg(test)]
mod tests {
    use formwork_core::Secret;

    use super::*;

    fn sources(dir: &tempfile::TempDir, n: u8) -> [KeySource; 3] {
        [
            KeySource::File(dir.path().join(format!("key-{n}"))),
            KeySource::Passphrase(Secret::new(format!("passphrase {n}"))),
            KeySource::Bytes(Secret::new([n; 32])),
        ]
    }

    #[test]
    fn what_one_key_sealed_opens_with_it_alone_and_only_where_it_belongs() {
        let dir = tempfile::tempdir().unwrap();
        for (right, wrong) in sources(&dir, 1).iter().zip(&sources(&dir, 2)) {
            wrong.seal(b"here", b"other").unwrap();
            let sealed = right.seal(b"here", b"hunter2").unwrap();
            assert!(!serde_json::to_string(&sealed).unwrap().contains("hunter2"));
            assert_eq!(right.open(b"here", &sealed).unwrap(), b"hunter2");
            let error = wrong.open(b"here", &sealed).unwrap_err().to_string();
            assert_eq!(
                error,
                "this is not their key; what was sealed before the key was rotated is to be made again"
            );
            let error = right.open(b"there", &sealed).unwrap_err().to_string();
            assert_eq!(error, "they, or what is around them, were changed");
            let mut changed = sealed.clone();
            changed.text.insert(9, 'A');
            assert!(right.open(b"here", &changed).is_err());
            let mut strange = sealed;
            strange.key = serde_json::Value::Null;
            assert!(right.open(b"here", &strange).is_err());
        }
    }

    #[test]
    fn a_key_file_that_is_gone_is_not_made_anew_to_open_something() {
        let dir = tempfile::tempdir().unwrap();
        let [file, passphrase, bytes] = sources(&dir, 1);
        let sealed = file.seal(b"here", b"x").unwrap();
        std::fs::remove_file(dir.path().join("key-1")).unwrap();
        let error = file.open(b"here", &sealed).unwrap_err().to_string();
        assert!(error.contains("is not there; restore it"), "{error}");
        assert!(!dir.path().join("key-1").exists());
        assert!(passphrase.open(b"here", &sealed).is_err());
        assert!(bytes.open(b"here", &sealed).is_err());
    }
}
