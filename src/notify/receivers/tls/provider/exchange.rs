use std::fmt;

use ring::{
    agreement::{
        self, Algorithm, ECDH_P256, ECDH_P384, EphemeralPrivateKey, PublicKey, UnparsedPublicKey,
    },
    rand::SystemRandom,
};
use rustls::{
    Error, NamedGroup, PeerMisbehaved,
    crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup},
};

/// The key exchange groups of rustls's `crypto::ring`, in its order.
pub(super) static ALL: &[&dyn SupportedKxGroup] = &[
    &Group { name: NamedGroup::X25519, algorithm: &agreement::X25519 },
    &Group { name: NamedGroup::secp256r1, algorithm: &ECDH_P256 },
    &Group { name: NamedGroup::secp384r1, algorithm: &ECDH_P384 },
];

struct Group {
    name: NamedGroup,
    algorithm: &'static Algorithm,
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let private = EphemeralPrivateKey::generate(self.algorithm, &SystemRandom::new())
            .map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { name: self.name, algorithm: self.algorithm, private, public }))
    }

    fn name(&self) -> NamedGroup {
        self.name
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

struct Exchange {
    name: NamedGroup,
    algorithm: &'static Algorithm,
    private: EphemeralPrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    /// ring checks the key's length, its form (uncompressed for the NIST curves), and that it is a
    /// point on the curve.
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = UnparsedPublicKey::new(self.algorithm, peer);
        agreement::agree_ephemeral(self.private, &peer, |secret| SharedSecret::from(secret))
            .map_err(|_| PeerMisbehaved::InvalidKeyShare.into())
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        self.name
    }
}
