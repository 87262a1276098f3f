//! Parses imported public keys and computes the fingerprint that EC2 shows for them.
//!
//! RSA: MD5 of the DER form of the public key, with colons. ED25519: SHA-256 of the SSH form, in
//! base64 (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-keys.html>).

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// A public key that EC2 accepts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// `rsa` or `ed25519`.
    pub(crate) key_type: &'static str,
    pub(crate) fingerprint: String,
    /// The OpenSSH line.
    pub(crate) line: String,
}

/// Reads a key in OpenSSH public key format (`ssh-ed25519 AAAA.. comment`).
pub(crate) fn parse(material: &[u8]) -> Result<PublicKey, ApiError> {
    let malformed =
        || ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    let text = std::str::from_utf8(material).map_err(|_| malformed())?.trim();
    let mut words = text.split_whitespace();
    let (algorithm, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let blob = BASE64_STANDARD.decode(data).map_err(|_| malformed())?;
    let mut rest = blob.as_slice();
    if chunk(&mut rest) != Some(algorithm.as_bytes()) {
        return Err(malformed());
    }
    let (key_type, fingerprint) = match algorithm {
        "ssh-ed25519" => {
            chunk(&mut rest).filter(|key| key.len() == 32).ok_or_else(malformed)?;
            ("ed25519", BASE64_STANDARD.encode(Sha256::digest(&blob)))
        }
        "ssh-rsa" => {
            let exponent = chunk(&mut rest).ok_or_else(malformed)?;
            let modulus = chunk(&mut rest).ok_or_else(malformed)?;
            ("rsa", colons(&md5(&rsa_der(modulus, exponent))))
        }
        _ => return Err(malformed()),
    };
    if rest.is_empty() {
        Ok(PublicKey { key_type, fingerprint, line: text.to_owned() })
    } else {
        Err(malformed())
    }
}

/// Writes bytes as `a1:b2:..`.
pub(crate) fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Takes one length-prefixed string off the front (RFC 4251, section 5).
fn chunk<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let (chunk, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = tail;
    Some(chunk)
}

/// `SubjectPublicKeyInfo` of an RSA key (RFC 5280); the SSH integers are already in DER's form.
fn rsa_der(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let numbers = [tlv(0x02, modulus), tlv(0x02, exponent)].concat();
    let bits = [vec![0], tlv(0x30, &numbers)].concat();
    tlv(0x30, &[RSA_ENCRYPTION.to_vec(), tlv(0x03, &bits)].concat())
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let mut out = vec![tag];
    if let Ok(short @ 0..=127) = u8::try_from(length) {
        out.push(short);
    } else {
        let bytes: Vec<u8> =
            length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | bytes.len() as u8);
        out.extend(bytes);
    }
    out.extend_from_slice(value);
    out
}

/// MD5 (RFC 1321): not for security here, EC2 defines the fingerprint with it.
fn md5(message: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] =
        [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64), 0);
    let end = padded.len() - 8;
    padded[end..].copy_from_slice(&(message.len() as u64 * 8).to_le_bytes());
    for block in padded.chunks_exact(64) {
        let words: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64 {
            let (mix, index) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let constant = (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mix).wrapping_add(constant).wrapping_add(words[index]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[step / 16][step % 4]));
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 16];
    for (place, word) in digest.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_agrees_with_the_test_suite_of_its_rfc() {
        let hex = |text: &str| colons(&md5(text.as_bytes())).replace(':', "");
        assert_eq!(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
        assert_eq!(hex(&"1234567890".repeat(8)), "57edf4a22be3c955ac49da2e2107b67a");
    }

    const RSA: &str = concat!(
        "ssh-rsa ",
        "AAAAB3NzaC1yc2EAAAADAQABAAABAQDDG07jKkoazG9dWSdLYRsa4m60p/SLuMQFinO5UojQpP8yx6x23s5k",
        "kIYEq5+5gvybngWRIXBRQDqk2gZqNwXR4QsrU4QavNWXTRpcONqKWip4AZHaibxgReYeF+BCiOxk18GEP7XS",
        "OPaVxWRSIBGEi/lHY8JHahiDq5lzwn+nqF4L4r4coQL/vmBpp2i3KwUamIwBSSNVUfL57eofFw65q98iSR2d",
        "BqbmzQ5/XPbaJmLGwNTXEDYjl5c/k+qkmqtQpYyy3yG6J/pt2058Do5WeKCcAIk4mwbcZuDZFfpGuVq8KxaP",
        "h4l4xHkcovA2nXwj+glEHumqdPEI622iObeD",
    );

    #[test]
    fn fingerprints_agree_with_openssl_and_ssh_keygen() {
        let rsa = parse(RSA.as_bytes()).expect("a valid key");
        assert_eq!(rsa.fingerprint, "ae:e6:97:5a:a4:12:05:78:bb:db:7b:68:76:14:4b:a4");
        let line =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBPzRNl/CSjMMYDLyPpDBf/HDlV/yP2MdvYUtkNnWAz+ a@b";
        let ed25519 = parse(line.as_bytes()).expect("a valid key");
        assert_eq!(ed25519.fingerprint, "2RdMbpurI9XkjGwm3nAklsQ51YIz6GxdRFR9N0+mUE4=");
        assert!(parse(&line.as_bytes()[..60]).is_err(), "cut short");
    }
}
