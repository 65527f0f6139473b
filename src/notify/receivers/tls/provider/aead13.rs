use ring::aead::{Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce as RingNonce, UnboundKey};
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    crypto::cipher::{
        AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
        Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
        UnsupportedOperationError, make_tls13_aad,
    },
};

/// TLS 1.3 records (RFC 8446 §5.2).
pub(super) struct Aead13(pub(super) &'static Algorithm);

/// An AEAD key. rustls derives it at the algorithm's length.
#[expect(clippy::unwrap_used, reason = "the only error is a wrong length")]
pub(super) fn key(algorithm: &'static Algorithm, key: &AeadKey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).unwrap())
}

/// A nonce. It is unique, since rustls numbers the records of a key.
pub(super) fn nonce(iv: &Iv, record: u64) -> RingNonce {
    RingNonce::assume_unique_for_key(Nonce::new(iv, record).0)
}

impl Tls13AeadAlgorithm for Aead13 {
    fn encrypter(&self, secret: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Records { key: key(self.0, &secret), iv })
    }

    fn decrypter(&self, secret: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Records { key: key(self.0, &secret), iv })
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Ok(match self.0 {
            algorithm if algorithm == &CHACHA20_POLY1305 => {
                ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }
            }
            algorithm if algorithm.key_len() == 16 => {
                ConnectionTrafficSecrets::Aes128Gcm { key, iv }
            }
            _ => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
        })
    }
}

struct Records {
    key: LessSafeKey,
    iv: Iv,
}

impl MessageEncrypter for Records {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        record: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let length = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(length);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&[message.typ.into()]);
        let (nonce, aad) = (nonce(&self.iv, record), Aad::from(make_tls13_aad(length)));
        self.key
            .seal_in_place_append_tag(nonce, aad, &mut payload)
            .map_err(|_| Error::EncryptError)?;
        // TLS 1.3 records carry this version, too (RFC 8446 §5.1).
        let (kind, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
        Ok(OutboundOpaqueMessage::new(kind, version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + self.key.algorithm().tag_len()
    }
}

impl MessageDecrypter for Records {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        record: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        if payload.len() < self.key.algorithm().tag_len() {
            return Err(Error::DecryptError);
        }
        let (nonce, aad) = (nonce(&self.iv, record), Aad::from(make_tls13_aad(payload.len())));
        let plain = self.key.open_in_place(nonce, aad, payload);
        let length = plain.map_err(|_| Error::DecryptError)?.len();
        payload.truncate(length);
        message.into_tls13_unpadded_message()
    }
}
