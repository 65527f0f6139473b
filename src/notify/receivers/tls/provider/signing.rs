use std::{fmt, sync::Arc};

use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    pki_types::{AlgorithmIdentifier, PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id},
    sign::{Signer, SigningKey, public_key_to_spki},
};

/// Loads the key of a client certificate: RSA, ECDSA on P-256 or P-384, or Ed25519.
pub(super) fn load(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, Error> {
    let pair = match key {
        PrivateKeyDer::Pkcs1(key) => {
            RsaKeyPair::from_der(key.secret_pkcs1_der()).ok().map(Pair::Rsa)
        }
        PrivateKeyDer::Sec1(key) => Pair::of_sec1(key.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(key) => Pair::of_pkcs8(key.secret_pkcs8_der()),
        _ => None,
    };
    let unknown = || Error::General("the key is not RSA, ECDSA or Ed25519".to_owned());
    Ok(Arc::new(Key(Arc::new(pair.ok_or_else(unknown)?))))
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Pair {
    fn of_pkcs8(der: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let ecdsa = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der, &random);
        RsaKeyPair::from_pkcs8(der)
            .map(Self::Rsa)
            .or_else(|_| ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Self::P256))
            .or_else(|_| ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING).map(Self::P384))
            .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self::Ed25519))
            .ok()
    }

    /// A key of RFC 5915 (`BEGIN EC PRIVATE KEY`). ring accepts it only inside PKCS #8.
    fn of_sec1(der: &[u8]) -> Option<Self> {
        let curves = [&alg_id::ECDSA_P256, &alg_id::ECDSA_P384];
        curves.into_iter().find_map(|curve| Self::of_pkcs8(&pkcs8(curve, der)))
    }

    fn schemes(&self) -> &'static [SignatureScheme] {
        match self {
            Self::Rsa(_) => &[
                SignatureScheme::RSA_PSS_SHA512,
                SignatureScheme::RSA_PSS_SHA384,
                SignatureScheme::RSA_PSS_SHA256,
                SignatureScheme::RSA_PKCS1_SHA512,
                SignatureScheme::RSA_PKCS1_SHA384,
                SignatureScheme::RSA_PKCS1_SHA256,
            ],
            Self::P256(_) => &[SignatureScheme::ECDSA_NISTP256_SHA256],
            Self::P384(_) => &[SignatureScheme::ECDSA_NISTP384_SHA384],
            Self::Ed25519(_) => &[SignatureScheme::ED25519],
        }
    }

    /// Returns `None` if ring can't sign, or does not support this scheme.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding(scheme)?, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::P256(pair) | Self::P384(pair) => {
                Some(pair.sign(&random, message).ok()?.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

fn encoding(scheme: SignatureScheme) -> Option<&'static dyn RsaEncoding> {
    Some(match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => &RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384 => &RSA_PKCS1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512 => &RSA_PKCS1_SHA512,
        SignatureScheme::RSA_PSS_SHA256 => &RSA_PSS_SHA256,
        SignatureScheme::RSA_PSS_SHA384 => &RSA_PSS_SHA384,
        SignatureScheme::RSA_PSS_SHA512 => &RSA_PSS_SHA512,
        _ => return None,
    })
}

/// `PrivateKeyInfo` of RFC 5208: version 0, the algorithm, and the key.
fn pkcs8(algorithm: &AlgorithmIdentifier, key: &[u8]) -> Vec<u8> {
    let version = [0x02, 0x01, 0x00];
    let parts = [&version[..], &der(0x30, algorithm.as_ref()), &der(0x04, key)];
    der(0x30, &parts.concat())
}

/// A DER value of at most 65,535 bytes.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, value].concat()
}

struct Key(Arc<Pair>);

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = self.0.schemes().iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(Signing { pair: Arc::clone(&self.0), scheme: *scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(match &*self.0 {
            Pair::Rsa(pair) => public_key_to_spki(&alg_id::RSA_ENCRYPTION, pair.public_key()),
            Pair::P256(pair) => public_key_to_spki(&alg_id::ECDSA_P256, pair.public_key()),
            Pair::P384(pair) => public_key_to_spki(&alg_id::ECDSA_P384, pair.public_key()),
            Pair::Ed25519(pair) => public_key_to_spki(&alg_id::ED25519, pair.public_key()),
        })
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match &*self.0 {
            Pair::Rsa(_) => SignatureAlgorithm::RSA,
            Pair::P256(_) | Pair::P384(_) => SignatureAlgorithm::ECDSA,
            Pair::Ed25519(_) => SignatureAlgorithm::ED25519,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

struct Signing {
    pair: Arc<Pair>,
    scheme: SignatureScheme,
}

impl Signer for Signing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = || Error::General("signing failed".to_owned());
        self.pair.sign(self.scheme, message).ok_or_else(failed)
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signing").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}
