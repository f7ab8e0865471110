/**
 * A certificate that nobody vouches for, written in DER (X.509, RFC 5280) and signed by itself with
 * Ed25519, whose signatures need no parameters.
 */
import { generateKeyPairSync, sign } from 'node:crypto';

/** DER: tag, length, contents. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const length = body.length < 0x80 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...contents: readonly Uint8Array[]) => der(0x30, ...contents);
const utcTime = (text: string) => der(0x17, Buffer.from(text));
const bits = (bytes: Uint8Array) => der(0x03, Buffer.from([0]), bytes);

/** 1.3.101.112 */
const ED25519 = sequence(der(0x06, Buffer.from([0x2b, 0x65, 0x70])));
/** 2.5.4.3 */
const COMMON_NAME = der(0x06, Buffer.from([0x55, 0x04, 0x03]));

/** A new key and its certificate for that name, as PEM; valid from 2020 to 2049. */
export function selfSignedCertificate(name = '127.0.0.1'): { key: string; cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const subject = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))));
  const serial = der(0x02, Buffer.from([1]));
  const validity = sequence(utcTime('200101000000Z'), utcTime('491231235959Z'));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const toBeSigned = sequence(serial, ED25519, subject, validity, subject, spki);
  const signature = bits(sign(undefined, toBeSigned, privateKey));
  const base64 = sequence(toBeSigned, ED25519, signature).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return {
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
  };
}
