use ring::aead::{AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305};
use rustls::{
    CipherSuite, CipherSuiteCommon, SignatureScheme, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
    crypto::{
        KeyExchangeAlgorithm,
        cipher::Tls12AeadAlgorithm,
        hash::Hash,
        tls12::{Prf, PrfUsingHmac},
        tls13::{Hkdf, HkdfUsingHmac},
    },
};

use super::{
    aead12::{ChaCha20Poly1305, Gcm},
    aead13::Aead13,
    hash::{HMAC_SHA256, HMAC_SHA384, SHA256, SHA384},
};

/// The cipher suites of rustls's `crypto::ring`, in its order.
pub(super) static ALL: &[SupportedCipherSuite] = &[
    SupportedCipherSuite::Tls13(&AES_256_GCM_SHA384),
    SupportedCipherSuite::Tls13(&AES_128_GCM_SHA256),
    SupportedCipherSuite::Tls13(&CHACHA20_POLY1305_SHA256),
    SupportedCipherSuite::Tls12(&ECDHE_ECDSA_AES_256_GCM_SHA384),
    SupportedCipherSuite::Tls12(&ECDHE_ECDSA_AES_128_GCM_SHA256),
    SupportedCipherSuite::Tls12(&ECDHE_ECDSA_CHACHA20_POLY1305_SHA256),
    SupportedCipherSuite::Tls12(&ECDHE_RSA_AES_256_GCM_SHA384),
    SupportedCipherSuite::Tls12(&ECDHE_RSA_AES_128_GCM_SHA256),
    SupportedCipherSuite::Tls12(&ECDHE_RSA_CHACHA20_POLY1305_SHA256),
];

/// The most records that one key may encrypt.
const GCM_LIMIT: u64 = 1 << 24;
const CHACHA_LIMIT: u64 = u64::MAX;

const fn common(
    suite: CipherSuite,
    hash_provider: &'static dyn Hash,
    confidentiality_limit: u64,
) -> CipherSuiteCommon {
    CipherSuiteCommon { suite, hash_provider, confidentiality_limit }
}

static HKDF_SHA256: &dyn Hkdf = &HkdfUsingHmac(&HMAC_SHA256);
static HKDF_SHA384: &dyn Hkdf = &HkdfUsingHmac(&HMAC_SHA384);
static PRF_SHA256: &dyn Prf = &PrfUsingHmac(&HMAC_SHA256);
static PRF_SHA384: &dyn Prf = &PrfUsingHmac(&HMAC_SHA384);

static AES_256_GCM_SHA384: Tls13CipherSuite = Tls13CipherSuite {
    common: common(CipherSuite::TLS13_AES_256_GCM_SHA384, &SHA384, GCM_LIMIT),
    hkdf_provider: HKDF_SHA384,
    aead_alg: &Aead13(&AES_256_GCM),
    quic: None,
};

static AES_128_GCM_SHA256: Tls13CipherSuite = Tls13CipherSuite {
    common: common(CipherSuite::TLS13_AES_128_GCM_SHA256, &SHA256, GCM_LIMIT),
    hkdf_provider: HKDF_SHA256,
    aead_alg: &Aead13(&AES_128_GCM),
    quic: None,
};

static CHACHA20_POLY1305_SHA256: Tls13CipherSuite = Tls13CipherSuite {
    common: common(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, &SHA256, CHACHA_LIMIT),
    hkdf_provider: HKDF_SHA256,
    aead_alg: &Aead13(&CHACHA20_POLY1305),
    quic: None,
};

const fn tls12(
    common: CipherSuiteCommon,
    prf_provider: &'static dyn Prf,
    sign: &'static [SignatureScheme],
    aead_alg: &'static dyn Tls12AeadAlgorithm,
) -> Tls12CipherSuite {
    Tls12CipherSuite { common, prf_provider, kx: KeyExchangeAlgorithm::ECDHE, sign, aead_alg }
}

static ECDSA: &[SignatureScheme] = &[
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP256_SHA256,
];

static RSA: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

static ECDHE_ECDSA_AES_256_GCM_SHA384: Tls12CipherSuite = tls12(
    common(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, &SHA384, GCM_LIMIT),
    PRF_SHA384,
    ECDSA,
    &Gcm(&AES_256_GCM),
);

static ECDHE_ECDSA_AES_128_GCM_SHA256: Tls12CipherSuite = tls12(
    common(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, &SHA256, GCM_LIMIT),
    PRF_SHA256,
    ECDSA,
    &Gcm(&AES_128_GCM),
);

static ECDHE_ECDSA_CHACHA20_POLY1305_SHA256: Tls12CipherSuite = tls12(
    common(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, &SHA256, CHACHA_LIMIT),
    PRF_SHA256,
    ECDSA,
    &ChaCha20Poly1305,
);

static ECDHE_RSA_AES_256_GCM_SHA384: Tls12CipherSuite = tls12(
    common(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, &SHA384, GCM_LIMIT),
    PRF_SHA384,
    RSA,
    &Gcm(&AES_256_GCM),
);

static ECDHE_RSA_AES_128_GCM_SHA256: Tls12CipherSuite = tls12(
    common(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, &SHA256, GCM_LIMIT),
    PRF_SHA256,
    RSA,
    &Gcm(&AES_128_GCM),
);

static ECDHE_RSA_CHACHA20_POLY1305_SHA256: Tls12CipherSuite = tls12(
    common(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, &SHA256, CHACHA_LIMIT),
    PRF_SHA256,
    RSA,
    &ChaCha20Poly1305,
);
