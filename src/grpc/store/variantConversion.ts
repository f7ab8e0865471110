/** PathInfos with all that narthex knows of them, between messages of `narthex.store.v1` and strict ones. */
import { create } from '@bufbuild/protobuf';
import { ContentAddress } from '../../narinfo/contentAddress.ts';
import { Claim, type Verification } from '../../pathinfo/claim.ts';
import { type Evidence, PathInfo } from '../../pathinfo/pathInfo.ts';
import { PublicKey } from '../../signature.ts';
import { StorePath } from '../../storePath.ts';
import { asField, digestFrom, invalidField } from '../fields.ts';
import {
  Evidence as ProtoEvidence,
  type Verification as ProtoVerification,
  type VariantInfo,
  VariantInfoSchema,
  VerificationSchema,
} from '../gen/narthex/store/v1/rpc_variant_pb.ts';
import { contentAddressToProto } from './contentAddressConversion.ts';
import { pathInfoFromProto, pathInfoToProto } from './pathInfoConversion.ts';

const EVIDENCE: Readonly<Record<Evidence, ProtoEvidence>> = {
  same: ProtoEvidence.SAME,
  mixed: ProtoEvidence.MIXED,
  unchecked: ProtoEvidence.UNCHECKED,
};

/** A message that tells all. */
export function variantToProto(pathInfo: PathInfo): VariantInfo {
  const { claim, references } = pathInfo;
  const { ca, deriver } = claim;
  return create(VariantInfoSchema, {
    pathInfo: pathInfoToProto(pathInfo),
    closureDigest: pathInfo.closureDigest.bytes,
    evidence: claim.references.map(
      ({ baseName }) => EVIDENCE[references.get(baseName)?.evidence ?? 'unchecked'],
    ),
    verification: verificationToProto(claim.verification),
    origin: claim.origin ?? '',
    ca: ca !== undefined && contentAddressToProto(ca) === undefined ? ca.toString() : '',
    deriver: deriver !== undefined && !deriver.isDerivation ? deriver.baseName : '',
  });
}

/**
 * Reads a message, taking over all that it says.
 * @param peer where it comes from, for claims that name no origin
 * @throws PROTO_INVALID with the `field`
 */
export function variantFromProto(message: VariantInfo, peer: string | undefined): PathInfo {
  const { pathInfo } = message;
  if (pathInfo === undefined) throw invalidField('path_info', 'it is not given');
  const origin = message.origin === '' ? peer : message.origin;
  const verification = verificationFromProto(message.verification);
  const inner = asField('path_info', () => pathInfoFromProto(pathInfo, { origin, verification }));
  if (!(inner instanceof PathInfo)) {
    throw invalidField(
      'path_info.reference_contents',
      'a variant has the content of its references',
    );
  }
  const closureDigest = digestFrom(message.closureDigest, 'closure_digest');
  if (!closureDigest.equals(inner.closureDigest)) {
    throw invalidField('closure_digest', 'it is not that of the path', {
      expected: String(inner.closureDigest),
      actual: String(closureDigest),
    });
  }
  return completed(inner, message);
}

function completed(inner: PathInfo, message: VariantInfo): PathInfo {
  const { evidence } = message;
  const { claim, node, references } = inner;
  if (evidence.length !== claim.references.length) {
    throw invalidField(
      'evidence',
      `there are ${evidence.length} for ${claim.references.length} references`,
      { expected: claim.references.length, actual: evidence.length },
    );
  }
  const told = new Map(references);
  for (const [i, { baseName }] of claim.references.entries()) {
    const content = references.get(baseName);
    if (content === undefined || baseName === claim.storePath.baseName) continue;
    told.set(baseName, { ...content, evidence: evidenceFrom(evidence[i], `evidence[${i}]`) });
  }
  const { ca, deriver } = message;
  const whole = new Claim({
    ...claim,
    ca: ca === '' ? claim.ca : asField('ca', () => ContentAddress.parse(ca)),
    deriver:
      deriver === '' ? claim.deriver : asField('deriver', () => StorePath.fromBaseName(deriver)),
  });
  return new PathInfo(whole, node, told);
}

function evidenceFrom(value: ProtoEvidence | undefined, field: string): Evidence {
  switch (value) {
    case ProtoEvidence.SAME:
      return 'same';
    case ProtoEvidence.MIXED:
      return 'mixed';
    case ProtoEvidence.UNCHECKED:
      return 'unchecked';
    default:
      throw invalidField(field, `${value} is not known`, { actual: Number(value) });
  }
}

function verificationToProto(verification: Verification): ProtoVerification {
  switch (verification.by) {
    case 'key':
      return create(VerificationSchema, {
        by: { case: 'publicKey', value: verification.publicKey },
      });
    case 'ca':
      return create(VerificationSchema, { by: { case: 'ca', value: true } });
    case 'uploader':
      return create(VerificationSchema, {
        by: { case: 'uploader', value: verification.uploader },
      });
    case 'nobody':
      return create(VerificationSchema, { by: { case: 'nobody', value: true } });
  }
}

function verificationFromProto(message: ProtoVerification | undefined): Verification {
  const by = message?.by;
  switch (by?.case) {
    case 'publicKey': {
      const publicKey = asField('verification.public_key', () => PublicKey.parse(by.value));
      return { by: 'key', publicKey: String(publicKey) };
    }
    case 'ca':
      return { by: 'ca' };
    case 'uploader':
      return { by: 'uploader', uploader: by.value };
    case 'nobody':
      return { by: 'nobody' };
    default:
      throw invalidField('verification', 'it is not given');
  }
}
