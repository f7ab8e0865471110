/** Content addresses: between messages, which know some of them, and strict ones. */
import { create } from '@bufbuild/protobuf';
import { Hash, type HashAlgorithm } from '../../hash.ts';
import { ContentAddress, type ContentAddressMethod } from '../../narinfo/contentAddress.ts';
import { asField, invalidField } from '../fields.ts';
import {
  NARInfo_CA_Hash as CaHash,
  NARInfo_CASchema,
  type NARInfo_CA as ProtoCa,
} from '../gen/snix/store/v1/pathinfo_pb.ts';

/** Source: snix `store/protos/pathinfo.proto`. */
const KINDS: readonly (readonly [CaHash, ContentAddressMethod, HashAlgorithm])[] = [
  [CaHash.NAR_SHA256, 'recursive', 'sha256'],
  [CaHash.NAR_SHA1, 'recursive', 'sha1'],
  [CaHash.NAR_SHA512, 'recursive', 'sha512'],
  [CaHash.NAR_MD5, 'recursive', 'md5'],
  [CaHash.TEXT_SHA256, 'text', 'sha256'],
  [CaHash.FLAT_SHA1, 'flat', 'sha1'],
  [CaHash.FLAT_MD5, 'flat', 'md5'],
  [CaHash.FLAT_SHA256, 'flat', 'sha256'],
  [CaHash.FLAT_SHA512, 'flat', 'sha512'],
];

/** `undefined` for what messages cannot express: git, and BLAKE3. */
export function contentAddressToProto({ method, hash }: ContentAddress): ProtoCa | undefined {
  const kind = KINDS.find(([, m, algorithm]) => m === method && algorithm === hash.algorithm);
  return kind && create(NARInfo_CASchema, { type: kind[0], digest: hash.digest });
}

/** @throws PROTO_INVALID with the `field` */
export function contentAddressFromProto(ca: ProtoCa, field: string): ContentAddress {
  const kind = KINDS.find(([type]) => type === ca.type);
  if (kind === undefined) {
    throw invalidField(`${field}.type`, `${ca.type} is not known`, { actual: Number(ca.type) });
  }
  const [, method, algorithm] = kind;
  return asField(`${field}.digest`, () =>
    ContentAddress.of(method, Hash.of(algorithm, ca.digest.slice())),
  );
}
