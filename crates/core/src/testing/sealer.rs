//! A sealer for tests: it hides what it seals, and knows its own key. It is no cryptography.

use sha2::{Digest, Sha256};

use crate::saved::{SealError, Sealed, Sealer};

/// A [`Sealer`] whose key is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestSealer(pub u8);

impl TestSealer {
    fn crypt(self, bytes: &[u8]) -> Vec<u8> {
        let stream = (0u64..).flat_map(|n| {
            Sha256::new().chain_update([self.0]).chain_update(n.to_le_bytes()).finalize()
        });
        bytes.iter().zip(stream).map(|(byte, key)| byte ^ key).collect()
    }

    fn sum(self, bound_to: &[u8], plain: &[u8]) -> String {
        let sum = Sha256::new().chain_update([self.0]).chain_update(bound_to).chain_update(plain);
        hex(&sum.finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Sealer for TestSealer {
    fn seal(&self, bound_to: &[u8], plain: &[u8]) -> Result<Sealed, SealError> {
        Ok(Sealed { text: hex(&self.crypt(plain)), key: self.sum(bound_to, plain).into() })
    }

    fn open(&self, bound_to: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let wrong = || SealError::new("this is not the key that they were sealed with");
        let digits = (0..sealed.text.len()).step_by(2);
        let bytes = digits.map(|at| {
            let pair = sealed.text.get(at..at + 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        let plain = self.crypt(&bytes.collect::<Option<Vec<u8>>>().ok_or_else(wrong)?);
        let right = sealed.key == self.sum(bound_to, &plain);
        right.then_some(plain).ok_or_else(wrong)
    }
}
