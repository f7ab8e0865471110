/**
 * PathInfos: between messages of `snix.store.v1` and strict ones.
 *
 * The message tells neither how a claim was verified nor where it came from: what comes in is a claim
 * by the peer that nobody verified. CAs by git or BLAKE3 and derivers that are no derivations cannot be
 * told, and are left out (`variantConversion.ts` tells them to peers that are narthex).
 */
import { create } from '@bufbuild/protobuf';
import { decodeUtf8, equalBytes, utf8 } from '../../bytes.ts';
import type { Node } from '../../castore/node.ts';
import { equalNodes } from '../../castore/node.ts';
import { Hash } from '../../hash.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import { Claim, type Verification } from '../../pathinfo/claim.ts';
import { PathInfo, type ReferenceContent } from '../../pathinfo/pathInfo.ts';
import { UnresolvedPathInfo } from '../../pathinfo/unresolvedPathInfo.ts';
import { Signature } from '../../signature.ts';
import { StorePath } from '../../storePath.ts';
import { entryFromProto, entryToProto } from '../castore/entryConversion.ts';
import { asField, digestFrom, invalidField, sizeFrom } from '../fields.ts';
import {
  type NARInfo,
  NARInfo_SignatureSchema,
  NARInfoSchema,
  PathInfoSchema,
  type PathInfo as ProtoPathInfo,
  type ReferenceContent as ProtoReferenceContent,
  type StorePath as ProtoStorePath,
  ReferenceContentSchema,
  StorePathSchema,
} from '../gen/snix/store/v1/pathinfo_pb.ts';
import { contentAddressFromProto, contentAddressToProto } from './contentAddressConversion.ts';

const DERIVATION_SUFFIX = '.drv';

/** A message with references by content. */
export function pathInfoToProto(pathInfo: PathInfo | UnresolvedPathInfo): ProtoPathInfo {
  const { claim, node } = pathInfo;
  const contents = pathInfo instanceof PathInfo ? pathInfo.references : undefined;
  return create(PathInfoSchema, {
    entry: entryToProto(utf8(claim.storePath.baseName), node),
    references: claim.references.map(({ digest }) => digest),
    narinfo: narInfoToProto(claim),
    referenceContents: contents === undefined ? [] : contentsToProto(claim, contents),
  });
}

/** What comes in besides the message. */
export interface ConversionFacts {
  /** Where it comes from. */
  readonly origin: string | undefined;
  readonly verification?: Verification | undefined;
}

/**
 * Reads a message: a PathInfo when it tells what each reference stood for, else an unresolved one.
 * @throws PROTO_INVALID with the `field`
 */
export function pathInfoFromProto(
  message: ProtoPathInfo,
  facts: ConversionFacts,
): PathInfo | UnresolvedPathInfo {
  const { name, node } = entryFromProto(message.entry, 'entry');
  const storePath = storePathOf(name, 'entry.name');
  const { narinfo } = message;
  if (narinfo === undefined) throw invalidField('narinfo', 'it is not given');
  const claim = claimFromProto(storePath, message, narinfo, facts);
  const { referenceContents } = message;
  if (referenceContents.length === 0) {
    const unresolved = new UnresolvedPathInfo(claim, node);
    return unresolved.referenceNames.size === 0 ? unresolved.resolve(new Map()) : unresolved;
  }
  if (referenceContents.length !== claim.references.length) {
    throw invalidField(
      'reference_contents',
      `there are ${referenceContents.length} for ${claim.references.length} references`,
      { expected: claim.references.length, actual: referenceContents.length },
    );
  }
  return resolved(claim, node, referenceContents);
}

function contentsToProto(
  claim: Claim,
  contents: ReadonlyMap<string, ReferenceContent>,
): ProtoReferenceContent[] {
  return claim.references.map(({ baseName }) => {
    const content = contents.get(baseName);
    if (content === undefined) throw new TypeError('a PathInfo has the content of each reference');
    return create(ReferenceContentSchema, {
      entry: entryToProto(utf8(baseName), content.node),
      closureDigest: content.closureDigest.bytes,
    });
  });
}

function narInfoToProto(claim: Claim): NARInfo {
  const { deriver, ca } = claim;
  const message = create(NARInfoSchema, {
    narSize: BigInt(claim.narSize),
    narSha256: claim.narHash.digest,
    signatures: claim.signatures.map(({ keyName, bytes }) =>
      create(NARInfo_SignatureSchema, { name: keyName, data: bytes }),
    ),
    referenceNames: claim.references.map(({ baseName }) => baseName),
  });
  if (deriver?.isDerivation) {
    const name = deriver.name.slice(0, -DERIVATION_SUFFIX.length);
    message.deriver = create(StorePathSchema, { name, digest: deriver.digest });
  }
  const protoCa = ca && contentAddressToProto(ca);
  if (protoCa !== undefined) message.ca = protoCa;
  return message;
}

function claimFromProto(
  storePath: StorePath,
  { references }: ProtoPathInfo,
  narinfo: NARInfo,
  { origin, verification = { by: 'nobody' } }: ConversionFacts,
): Claim {
  const { signatures, deriver, ca } = narinfo;
  atMost('narinfo.signatures', signatures.length, DEFAULT_LIMITS.narinfoSignatures);
  atMost(
    'narinfo.reference_names',
    narinfo.referenceNames.length,
    DEFAULT_LIMITS.narinfoReferences,
  );
  return asField(
    'narinfo',
    () =>
      new Claim({
        storePath,
        narHash: asField('nar_sha256', () => Hash.of('sha256', narinfo.narSha256.slice())),
        narSize: sizeFrom(narinfo.narSize, 'nar_size'),
        references: referencesFrom(references, narinfo.referenceNames),
        signatures: signatures.map(({ name, data }, i) =>
          asField(`signatures[${i}]`, () => Signature.of(name, data.slice())),
        ),
        deriver: deriver && deriverFrom(deriver),
        ca: ca && contentAddressFromProto(ca, 'ca'),
        origin,
        verification,
      }),
  );
}

function referencesFrom(digests: readonly Uint8Array[], names: readonly string[]): StorePath[] {
  if (digests.length !== names.length) {
    throw invalidField(
      'reference_names',
      `there are ${names.length} for ${digests.length} digests`,
      {
        expected: digests.length,
        actual: names.length,
      },
    );
  }
  return names.map((name, i) => {
    const reference = asField(`reference_names[${i}]`, () => StorePath.fromBaseName(name));
    if (!equalBytes(reference.digest, digests[i] ?? new Uint8Array())) {
      throw invalidField(`reference_names[${i}]`, 'the digest in references is another', {
        actual: name,
      });
    }
    return reference;
  });
}

function deriverFrom({ name, digest }: ProtoStorePath): StorePath {
  return asField('deriver', () => StorePath.of(digest.slice(), name + DERIVATION_SUFFIX));
}

function resolved(claim: Claim, node: Node, messages: readonly ProtoReferenceContent[]): PathInfo {
  const contents = new Map<string, ReferenceContent>();
  const own = claim.storePath.baseName;
  let ownClosureDigest: Uint8Array | undefined;
  for (const [i, message] of messages.entries()) {
    const field = `reference_contents[${i}]`;
    const expected = claim.references[i]?.baseName ?? '';
    const entry = entryFromProto(message.entry, `${field}.entry`);
    if (decodeUtf8(entry.name) !== expected) {
      throw invalidField(`${field}.entry.name`, `it is not that of the reference, ${expected}`, {
        expected,
      });
    }
    const closureDigest = digestFrom(message.closureDigest, `${field}.closure_digest`);
    if (expected === own) {
      ownClosureDigest = closureDigest.bytes;
      if (!equalNodes(entry.node, node)) {
        throw invalidField(`${field}.entry`, 'the path refers to itself with other content');
      }
      continue;
    }
    const known = contents.get(expected);
    const same = known?.closureDigest.equals(closureDigest) && equalNodes(known.node, entry.node);
    if (known !== undefined && !same) {
      throw invalidField(field, `${expected} stands there twice with different contents`);
    }
    contents.set(expected, { node: entry.node, closureDigest, evidence: 'unchecked' });
  }
  const pathInfo = asField('reference_contents', () => new PathInfo(claim, node, contents));
  if (ownClosureDigest && !equalBytes(ownClosureDigest, pathInfo.closureDigest.bytes)) {
    throw invalidField('reference_contents', 'its own closure digest is another', {
      expected: String(pathInfo.closureDigest),
    });
  }
  return pathInfo;
}

function storePathOf(name: Uint8Array, field: string): StorePath {
  const text = decodeUtf8(name);
  if (text === undefined) throw invalidField(field, 'it is not UTF-8');
  return asField(field, () => StorePath.fromBaseName(text));
}

function atMost(field: string, actual: number, expected: number): void {
  if (actual > expected) {
    throw invalidField(field, `there are ${actual}, more than ${expected}`, { expected, actual });
  }
}
