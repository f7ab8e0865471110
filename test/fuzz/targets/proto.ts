/** Messages of gRPC peers: what is taken is a strict value that becomes the same message again. */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { utf8 } from '../../../src/bytes.ts';
import {
  directoryFromProto,
  directoryToProto,
  entryFromProto,
  entryToProto,
} from '../../../src/grpc/castore/entryConversion.ts';
import {
  PreferResponseSchema,
  VariantInfoSchema,
} from '../../../src/grpc/gen/narthex/store/v1/rpc_variant_pb.ts';
import { DirectorySchema, EntrySchema } from '../../../src/grpc/gen/snix/castore/v1/castore_pb.ts';
import { PathInfoSchema } from '../../../src/grpc/gen/snix/store/v1/pathinfo_pb.ts';
import { pathInfoFromProto, pathInfoToProto } from '../../../src/grpc/store/pathInfoConversion.ts';
import {
  preferResultFromProto,
  preferResultToProto,
} from '../../../src/grpc/store/preferConversion.ts';
import { variantFromProto, variantToProto } from '../../../src/grpc/store/variantConversion.ts';
import { hashBytes } from '../../../src/hash.ts';
import { ContentAddress } from '../../../src/narinfo/contentAddress.ts';
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import type { PreferResult } from '../../../src/pathinfo/preferVariant.ts';
import { pathInfoOf } from '../../contracts/pathInfos.ts';
import { agree, type FuzzTarget, pureTarget } from '../target.ts';
import { sampleDirectory } from './castore.ts';

const below = pathInfoOf({ name: 'below', signedBy: ['cache-1'] });
const SAMPLES = [
  below,
  pathInfoOf({
    name: 'above',
    references: [below],
    selfReferring: true,
    signedBy: ['cache-1', 'cache-2'],
    deriver: 'above.drv',
    origin: 'https://cache.example',
    evidence: 'mixed',
  }),
  pathInfoOf({
    name: 'fixed',
    ca: ContentAddress.parse(`fixed:r:${hashBytes('sha256', utf8('x')).toNixbase32()}`),
    verification: { by: 'ca' },
  }),
];
const WORDS = [
  [0x0a],
  [0x12, 0x14],
  [0x1a],
  [0x22],
  [0x2a],
  [0x32],
  [0xca, 0x3e],
  [0x08, 0x63],
  [0x10, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x00],
  [0x2e, 0x2e],
  [0x2f],
];

/** A target of one kind of message. What is no such message at all is the library's to refuse. */
function messageTarget<Desc extends DescMessage>(
  name: string,
  schema: Desc,
  samples: readonly MessageShape<Desc>[],
  convert: (message: MessageShape<Desc>) => MessageShape<Desc>,
): () => FuzzTarget {
  return () =>
    pureTarget({
      name,
      seeds: samples.map((sample) => toBinary(schema, sample)),
      words: WORDS.map((word) => Uint8Array.from(word)),
      run(input) {
        let message: MessageShape<Desc>;
        try {
          message = fromBinary(schema, input);
        } catch {
          return 'no message';
        }
        const converted = toBinary(schema, convert(message));
        const again = toBinary(schema, convert(fromBinary(schema, converted)));
        agree('converted again', converted, again);
        return 'taken';
      },
    });
}

const key = (pathInfo: PathInfo) => ({
  digest: pathInfo.storePath.digest,
  closureDigest: pathInfo.closureDigest,
});
const PREFERENCES: readonly PreferResult[] = [
  {
    outcome: 'switched',
    switched: SAMPLES.map((one) => ({ ...key(one), previous: one.closureDigest })),
  },
  {
    outcome: 'refused',
    conflicts: [{ kind: 'missing', variant: key(below), referrer: undefined }],
  },
];

/** By name. */
export const protoTargets: Readonly<Record<string, () => FuzzTarget>> = {
  'proto-pathinfo': messageTarget(
    'proto-pathinfo',
    PathInfoSchema,
    SAMPLES.map(pathInfoToProto),
    (message) => pathInfoToProto(pathInfoFromProto(message, { origin: undefined })),
  ),
  'proto-variant': messageTarget(
    'proto-variant',
    VariantInfoSchema,
    SAMPLES.map(variantToProto),
    (message) => variantToProto(variantFromProto(message, undefined)),
  ),
  'proto-directory': messageTarget(
    'proto-directory',
    DirectorySchema,
    [directoryToProto(sampleDirectory())],
    (message) => directoryToProto(directoryFromProto(message)),
  ),
  'proto-entry': messageTarget(
    'proto-entry',
    EntrySchema,
    SAMPLES.map(({ node }) => entryToProto(utf8('name'), node)),
    (message) => {
      const { name, node } = entryFromProto(message, 'entry');
      return entryToProto(name, node);
    },
  ),
  'proto-prefer': messageTarget(
    'proto-prefer',
    PreferResponseSchema,
    PREFERENCES.map(preferResultToProto),
    (message) => preferResultToProto(preferResultFromProto(message)),
  ),
};
