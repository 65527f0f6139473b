use ring::aead::{Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce as RingNonce};
use rustls::{
    ConnectionTrafficSecrets, Error,
    crypto::cipher::{
        AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
        MessageEncrypter, NONCE_LEN, Nonce, OutboundOpaqueMessage, OutboundPlainMessage,
        PrefixedPayload, Tls12AeadAlgorithm, UnsupportedOperationError, make_tls12_aad,
    },
};

use super::aead13::{key, nonce};

/// TLS 1.2 records with AES-GCM (RFC 5288). Each begins with the explicit part of its nonce.
pub(super) struct Gcm(pub(super) &'static Algorithm);

/// TLS 1.2 records with ChaCha20-Poly1305 (RFC 7905).
pub(super) struct ChaCha20Poly1305;

/// The implicit and the explicit part of a nonce, in bytes: from the key, and from the record.
const SALT: usize = 4;
const EXPLICIT: usize = 8;

const TAG: usize = 16;

/// The longest plaintext of a record (RFC 5246 §6.2.1), in bytes.
const MOST: usize = 1 << 14;

impl Tls12AeadAlgorithm for Gcm {
    fn encrypter(
        &self,
        secret: AeadKey,
        salt: &[u8],
        explicit: &[u8],
    ) -> Box<dyn MessageEncrypter> {
        Box::new(GcmEncrypter { key: key(self.0, &secret), iv: gcm_iv(salt, explicit) })
    }

    fn decrypter(&self, secret: AeadKey, salt: &[u8]) -> Box<dyn MessageDecrypter> {
        let mut own = [0; SALT];
        own.copy_from_slice(salt);
        Box::new(GcmDecrypter { key: key(self.0, &secret), salt: own })
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape {
            enc_key_len: self.0.key_len(),
            fixed_iv_len: SALT,
            explicit_nonce_len: EXPLICIT,
        }
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        salt: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        let iv = gcm_iv(salt, explicit);
        Ok(match self.0.key_len() {
            16 => ConnectionTrafficSecrets::Aes128Gcm { key, iv },
            _ => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
        })
    }
}

impl Tls12AeadAlgorithm for ChaCha20Poly1305 {
    fn encrypter(&self, secret: AeadKey, iv: &[u8], _: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(ChaCha { key: key(&CHACHA20_POLY1305, &secret), iv: Iv::copy(iv) })
    }

    fn decrypter(&self, secret: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Box::new(ChaCha { key: key(&CHACHA20_POLY1305, &secret), iv: Iv::copy(iv) })
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape { enc_key_len: 32, fixed_iv_len: NONCE_LEN, explicit_nonce_len: 0 }
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        _: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Ok(ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv: Iv::copy(iv) })
    }
}

fn gcm_iv(salt: &[u8], explicit: &[u8]) -> Iv {
    let mut iv = [0; NONCE_LEN];
    iv[..SALT].copy_from_slice(salt);
    iv[SALT..].copy_from_slice(explicit);
    Iv::new(iv)
}

struct GcmEncrypter {
    key: LessSafeKey,
    iv: Iv,
}

impl MessageEncrypter for GcmEncrypter {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        record: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let plain = message.payload.len();
        let mut payload = PrefixedPayload::with_capacity(self.encrypted_payload_len(plain));
        let nonce = Nonce::new(&self.iv, record).0;
        payload.extend_from_slice(&nonce[SALT..]);
        payload.extend_from_chunks(&message.payload);
        let aad = Aad::from(make_tls12_aad(record, message.typ, message.version, plain));
        let nonce = RingNonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, aad, &mut payload.as_mut()[EXPLICIT..])
            .map_err(|_| Error::EncryptError)?;
        payload.extend_from_slice(tag.as_ref());
        Ok(OutboundOpaqueMessage::new(message.typ, message.version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        EXPLICIT + payload_len + TAG
    }
}

struct GcmDecrypter {
    key: LessSafeKey,
    salt: [u8; SALT],
}

impl MessageDecrypter for GcmDecrypter {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        record: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let plain = payload.len().checked_sub(EXPLICIT + TAG).ok_or(Error::DecryptError)?;
        let mut nonce = [0; NONCE_LEN];
        nonce[..SALT].copy_from_slice(&self.salt);
        nonce[SALT..].copy_from_slice(&payload[..EXPLICIT]);
        let nonce = RingNonce::assume_unique_for_key(nonce);
        let aad = Aad::from(make_tls12_aad(record, message.typ, message.version, plain));
        self.key.open_within(nonce, aad, payload, EXPLICIT..).map_err(|_| Error::DecryptError)?;
        if plain > MOST {
            return Err(Error::PeerSentOversizedRecord);
        }
        payload.truncate(plain);
        Ok(message.into_plain_message())
    }
}

struct ChaCha {
    key: LessSafeKey,
    iv: Iv,
}

impl MessageEncrypter for ChaCha {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        record: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let plain = message.payload.len();
        let mut payload = PrefixedPayload::with_capacity(self.encrypted_payload_len(plain));
        payload.extend_from_chunks(&message.payload);
        let aad = Aad::from(make_tls12_aad(record, message.typ, message.version, plain));
        self.key
            .seal_in_place_append_tag(nonce(&self.iv, record), aad, &mut payload)
            .map_err(|_| Error::EncryptError)?;
        Ok(OutboundOpaqueMessage::new(message.typ, message.version, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + TAG
    }
}

impl MessageDecrypter for ChaCha {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        record: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let plain = payload.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        let aad = Aad::from(make_tls12_aad(record, message.typ, message.version, plain));
        self.key
            .open_in_place(nonce(&self.iv, record), aad, payload)
            .map_err(|_| Error::DecryptError)?;
        if plain > MOST {
            return Err(Error::PeerSentOversizedRecord);
        }
        payload.truncate(plain);
        Ok(message.into_plain_message())
    }
}
