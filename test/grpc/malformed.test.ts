/** Messages that are not what they should be: each is refused, and the field is named. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { isNarthexError } from '../../src/errors.ts';
import { directoryFromProto, entryFromProto } from '../../src/grpc/castore/entryConversion.ts';
import type { VariantInfo } from '../../src/grpc/gen/narthex/store/v1/rpc_variant_pb.ts';
import { DirectorySchema, EntrySchema } from '../../src/grpc/gen/snix/castore/v1/castore_pb.ts';
import {
  type NARInfo,
  NARInfo_CASchema,
  type PathInfo as ProtoPathInfo,
  StorePathSchema,
} from '../../src/grpc/gen/snix/store/v1/pathinfo_pb.ts';
import { pathInfoFromProto, pathInfoToProto } from '../../src/grpc/store/pathInfoConversion.ts';
import { variantFromProto, variantToProto } from '../../src/grpc/store/variantConversion.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { UnresolvedPathInfo } from '../../src/pathinfo/unresolvedPathInfo.ts';
import { pathInfoOf, plain } from '../contracts/pathInfos.ts';

const DIGEST = new Uint8Array(32);
/** A value of an enum that a newer peer may know. */
const UNKNOWN = 99 as never;
const SHORT = new Uint8Array(31);
const name = utf8('name');

function fieldOf(convert: () => unknown): string {
  try {
    convert();
  } catch (error) {
    if (isNarthexError(error, 'PROTO_INVALID')) return String(error.facts['field']);
    throw error;
  }
  return 'taken';
}

type DirectoryShape = MessageInitShape<typeof DirectorySchema>;

describe('directories', () => {
  test.each<readonly [string, string, DirectoryShape]>([
    [
      'a short digest of a directory',
      'directories[0].digest',
      { directories: [{ name, digest: SHORT }] },
    ],
    ['no digest of a file', 'files[0].digest', { files: [{ name }] }],
    [
      'a file of 2^53 bytes',
      'files[0].size',
      { files: [{ name, digest: DIGEST, size: 2n ** 53n }] },
    ],
    [
      'a directory of 2^64 - 1 nodes',
      'directories[0].size',
      { directories: [{ name, digest: DIGEST, size: 2n ** 64n - 1n }] },
    ],
    [
      'sizes whose sum is above 2^53',
      'directory.size',
      {
        directories: [
          { name: utf8('a'), digest: DIGEST, size: 2n ** 53n - 1n },
          { name: utf8('b'), digest: DIGEST, size: 2n ** 53n - 1n },
        ],
      },
    ],
    ['an empty target', 'symlinks[0].target', { symlinks: [{ name, target: new Uint8Array() }] }],
    [
      'a target with a NUL',
      'symlinks[0].target',
      { symlinks: [{ name, target: Uint8Array.of(0) }] },
    ],
    [
      'names that are not sorted',
      'files[1].name',
      {
        files: [
          { name: utf8('b'), digest: DIGEST },
          { name: utf8('a'), digest: DIGEST },
        ],
      },
    ],
    [
      'a name twice in a list',
      'files[1].name',
      {
        files: [
          { name, digest: DIGEST },
          { name, digest: DIGEST },
        ],
      },
    ],
    [
      'a name twice over lists',
      'directory.name',
      { files: [{ name, digest: DIGEST }], symlinks: [{ name, target: name }] },
    ],
    ['an empty name', 'files[0].name', { files: [{ name: new Uint8Array(), digest: DIGEST }] }],
    ['the name ..', 'directory.name', { files: [{ name: utf8('..'), digest: DIGEST }] }],
    ['a name with a slash', 'directory.name', { files: [{ name: utf8('a/b'), digest: DIGEST }] }],
    [
      'a name with a NUL',
      'directory.name',
      { files: [{ name: Uint8Array.of(97, 0), digest: DIGEST }] },
    ],
    [
      'a name of 256 bytes',
      'directory.name',
      { files: [{ name: new Uint8Array(256).fill(97), digest: DIGEST }] },
    ],
  ])('%s', (_, field, shape) => {
    expect(fieldOf(() => directoryFromProto(create(DirectorySchema, shape)))).toBe(field);
  });

  test('an entry without a node', () => {
    expect(fieldOf(() => entryFromProto(undefined, 'entry'))).toBe('entry');
    expect(fieldOf(() => entryFromProto(create(EntrySchema), 'entry'))).toBe('entry');
  });
});

const libc = pathInfoOf({ name: 'libc' });
const zlib = pathInfoOf({ name: 'zlib', content: 'z' });
const app = pathInfoOf({
  name: 'app',
  references: [libc, zlib],
  selfReferring: true,
  signedBy: ['one'],
  deriver: 'app.drv',
});

type Change = (message: ProtoPathInfo, narinfo: NARInfo) => void;

function changed(change: Change): ProtoPathInfo {
  const message = pathInfoToProto(app);
  if (message.narinfo === undefined) throw new Error('there is a narinfo');
  change(message, message.narinfo);
  return message;
}

describe('PathInfos', () => {
  test.each<readonly [string, string, Change]>([
    ['no node', 'entry', (m) => delete m.entry],
    [
      'a name that is no base name',
      'entry.name',
      (m) => {
        m.entry = create(EntrySchema, {
          entry: { case: 'symlink', value: { name, target: name } },
        });
      },
    ],
    [
      'a name that is not UTF-8',
      'entry.name',
      (m) => {
        m.entry = create(EntrySchema, {
          entry: { case: 'symlink', value: { name: Uint8Array.of(255), target: name } },
        });
      },
    ],
    ['no narinfo', 'narinfo', (m) => delete m.narinfo],
    ['fewer digests than names', 'narinfo.reference_names', (m) => m.references.pop()],
    [
      'more digests than names',
      'narinfo.reference_names',
      (m) => m.references.push(new Uint8Array(20)),
    ],
    [
      'a digest of 19 bytes',
      'narinfo.reference_names[0]',
      (m) => {
        m.references[0] = new Uint8Array(19);
      },
    ],
    [
      'the digest of another path',
      'narinfo.reference_names[1]',
      (m) => {
        m.references[1] = libc.storePath.digest;
      },
    ],
    [
      'a reference that is no base name',
      'narinfo.reference_names[0]',
      (_, n) => {
        n.referenceNames[0] = 'libc';
      },
    ],
    [
      'a NarHash of 31 bytes',
      'narinfo.nar_sha256',
      (_, n) => {
        n.narSha256 = SHORT;
      },
    ],
    [
      'a NarSize of 0',
      'narinfo.narSize',
      (_, n) => {
        n.narSize = 0n;
      },
    ],
    [
      'a NarSize of 2^53',
      'narinfo.nar_size',
      (_, n) => {
        n.narSize = 2n ** 53n;
      },
    ],
    [
      'a signature of 63 bytes',
      'narinfo.signatures[0]',
      (_, n) => {
        for (const one of n.signatures) one.data = new Uint8Array(63);
      },
    ],
    [
      'a signature by nobody',
      'narinfo.signatures[0]',
      (_, n) => {
        for (const one of n.signatures) one.name = '';
      },
    ],
    [
      'a deriver of 19 bytes',
      'narinfo.deriver',
      (_, n) => {
        n.deriver = create(StorePathSchema, { name: 'x', digest: new Uint8Array(19) });
      },
    ],
    [
      'a deriver with a slash',
      'narinfo.deriver',
      (_, n) => {
        n.deriver = create(StorePathSchema, { name: 'a/b', digest: new Uint8Array(20) });
      },
    ],
    [
      'a CA of no known kind',
      'narinfo.ca.type',
      (_, n) => {
        n.ca = create(NARInfo_CASchema, { type: UNKNOWN, digest: DIGEST });
      },
    ],
    [
      'a CA digest of another length',
      'narinfo.ca.digest',
      (_, n) => {
        n.ca = create(NARInfo_CASchema, { type: 1, digest: DIGEST });
      },
    ],
    ['fewer contents than references', 'reference_contents', (m) => m.referenceContents.pop()],
    [
      'a content under another name',
      'reference_contents[0].entry.name',
      (m) => m.referenceContents.reverse(),
    ],
    [
      'a content without a node',
      'reference_contents[0].entry',
      (m) => delete m.referenceContents[0]?.entry,
    ],
    [
      'a closure digest of 31 bytes',
      'reference_contents[1].closure_digest',
      (m) => {
        for (const one of m.referenceContents.slice(1)) one.closureDigest = SHORT;
      },
    ],
    [
      'another own closure digest',
      'reference_contents',
      (m) => {
        for (const one of m.referenceContents.slice(-1)) one.closureDigest = DIGEST;
      },
    ],
  ])('%s', (_, field, change) => {
    expect(fieldOf(() => pathInfoFromProto(changed(change), { origin: undefined }))).toBe(field);
  });

  test('without contents are unresolved, and with none to tell resolved', () => {
    const message = changed((m) => {
      m.referenceContents = [];
    });
    expect(pathInfoFromProto(message, { origin: undefined })).toBeInstanceOf(UnresolvedPathInfo);
    const alone = pathInfoFromProto(pathInfoToProto(libc), { origin: undefined });
    expect(alone).toBeInstanceOf(PathInfo);
  });

  test('come back as nobody verified them', () => {
    const back = pathInfoFromProto(pathInfoToProto(app), { origin: 'http://peer' });
    expect(back instanceof PathInfo && back.closureDigest.hex).toBe(app.closureDigest.hex);
    expect(back.claim.verification).toEqual({ by: 'nobody' });
    expect(back.claim.origin).toBe('http://peer');
    expect(back.claim.deriver?.baseName).toBe(app.claim.deriver?.baseName);
  });
});

describe('variants', () => {
  test.each<readonly [string, string, (message: VariantInfo) => void]>([
    ['no PathInfo', 'path_info', (m) => delete m.pathInfo],
    [
      'an unresolved PathInfo',
      'path_info.reference_contents',
      (m) => {
        if (m.pathInfo) m.pathInfo.referenceContents = [];
      },
    ],
    [
      'another closure digest',
      'closure_digest',
      (m) => {
        m.closureDigest = DIGEST;
      },
    ],
    ['fewer evidence than references', 'evidence', (m) => m.evidence.pop()],
    [
      'unknown evidence',
      'evidence[0]',
      (m) => {
        m.evidence[0] = UNKNOWN;
      },
    ],
    ['no verification', 'verification', (m) => delete m.verification],
    [
      'a verification by no key',
      'verification.public_key',
      (m) => {
        if (m.verification) m.verification.by = { case: 'publicKey', value: 'x' };
      },
    ],
    [
      'a CA that is none',
      'ca',
      (m) => {
        m.ca = 'fixed';
      },
    ],
    [
      'a deriver that is none',
      'deriver',
      (m) => {
        m.deriver = 'x';
      },
    ],
  ])('%s', (_, field, change) => {
    const message = variantToProto(app);
    change(message);
    expect(fieldOf(() => variantFromProto(message, undefined))).toBe(field);
  });

  test('come back as they are', () => {
    expect(plain(variantFromProto(variantToProto(app), undefined))).toEqual(plain(app));
  });
});
