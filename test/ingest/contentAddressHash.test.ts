import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, symlink as makeSymlink, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Hash, type HashAlgorithm } from '../../src/hash.ts';
import { contentAddressHasher, SelfReferenceHasher } from '../../src/ingest/contentAddressHash.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { NarParser } from '../../src/nar/parser.ts';
import { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { StorePath } from '../../src/storePath.ts';
import { narinfosOf, narOf, readCacheFiles } from '../support/cacheFiles.ts';
import { thrownBy } from '../support/errors.ts';
import { fixtureCache, nameOf } from '../support/fixtureCache.ts';
import {
  directory,
  encodeNar,
  executable,
  file,
  type SyntheticTree,
  symlink,
} from '../support/syntheticTree.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { type Cut, cutBytes } from './cutBytes.ts';

const HASH_PART = 'pdw8ja2airxrmm5sbgingswkldj4jaip';
const STORE_PATH = StorePath.fromBaseName(`${HASH_PART}-thing`);

/** The hash that a content address is compared with. */
function hashOf(
  ca: ContentAddress,
  storePath: StorePath,
  nar: Uint8Array,
  cut: Cut = [4_096],
  limits = DEFAULT_LIMITS,
): Hash {
  const hasher = contentAddressHasher(ca, storePath, limits);
  const parser = new NarParser(hasher.handler);
  for (const piece of cutBytes(nar, cut)) {
    hasher.nar(piece);
    parser.push(piece);
  }
  parser.end();
  return hasher.finish();
}

/** Some content address of that method; its own hash says nothing here. */
function anyAddress(
  method: 'text' | 'flat' | 'recursive' | 'git',
  algorithm: HashAlgorithm = 'sha256',
): ContentAddress {
  const lengths = { md5: 16, sha1: 20, sha256: 32, sha512: 64, blake3: 32 };
  return ContentAddress.of(method, Hash.of(algorithm, new Uint8Array(lengths[algorithm])));
}

describe("content addresses of real Nix's fixture", async () => {
  const files = await readCacheFiles(fixtureCache.directory);
  const encoder = new TextEncoder();
  const narinfos = new Map(
    Array.from(narinfosOf(files).values(), (text) => {
      const narInfo = parseNarInfo(encoder.encode(text));
      return [narInfo.storePath.absolute, { narInfo, text }] as const;
    }),
  );
  const addressed = fixtureCache.paths.filter(({ ca }) => ca !== undefined);

  test('the fixture has all kinds that Nix writes', () => {
    const kinds = new Set(addressed.map(({ ca }) => ca?.slice(0, ca.lastIndexOf(':'))));
    expect([...kinds].sort()).toEqual([
      'fixed:md5',
      'fixed:r:sha1',
      'fixed:r:sha256',
      'fixed:sha1',
      'fixed:sha256',
      'fixed:sha512',
      'text:sha256',
    ]);
    const ofItself = addressed.filter(({ storePath, references }) =>
      references.includes(storePath.slice('/nix/store/'.length)),
    );
    expect(ofItself.map(({ storePath }) => nameOf(storePath))).toEqual(['self-referring']);
  });

  test.each(addressed.map((path) => [path.ca, path.storePath] as const))(
    '%s is what %s hashes to',
    async (ca, storePath) => {
      const found = narinfos.get(storePath);
      if (found?.narInfo.ca === undefined) throw new Error('the narinfo has no CA');
      const { narInfo, text } = found;
      expect(String(narInfo.ca)).toBe(ca);
      const nar = await narOf(files, text);
      for (const cut of [[nar.length], [1], [31], [32], [33], [8, 5]]) {
        expect(hashOf(found.narInfo.ca, narInfo.storePath, nar, cut)).toEqual(
          found.narInfo.ca.hash,
        );
      }
    },
  );
});

describe('hashing modulo self-references', () => {
  /** By the rule, over the whole. */
  function expected(data: Buffer): string {
    let text = data.toString('latin1');
    const matches: number[] = [];
    for (let at = text.indexOf(HASH_PART); at >= 0; at = text.indexOf(HASH_PART, at + 1)) {
      matches.push(at);
      text = text.replace(HASH_PART, '\0'.repeat(32));
    }
    const suffix = matches.map((match) => `|${match}`).join('');
    return createHash('sha256').update(text, 'latin1').update(suffix).digest('hex');
  }

  function actual(pieces: Iterable<Uint8Array>): string {
    const hasher = new SelfReferenceHasher('sha256', HASH_PART);
    for (const piece of pieces) hasher.update(piece);
    return Buffer.from(hasher.finish().digest).toString('hex');
  }

  const cases: Readonly<Record<string, string>> = {
    nothing: '',
    'no occurrence': 'nothing of that kind',
    'only it': HASH_PART,
    'at the start': `${HASH_PART} and more`,
    'at the end': `before ${HASH_PART}`,
    'twice, side by side': HASH_PART + HASH_PART,
    'a beginning that breaks off, then it': HASH_PART.slice(0, 31) + HASH_PART,
    'its end, then it': HASH_PART.slice(1) + HASH_PART,
    'all but the last character': HASH_PART.slice(0, 31),
    'in capitals, which is none': HASH_PART.toUpperCase(),
    several: `a${HASH_PART}b${HASH_PART}${'c'.repeat(40)}${HASH_PART}`,
  };

  test.each(Object.entries(cases))('%s: at every split', (_, text) => {
    const data = Buffer.from(text, 'latin1');
    const whole = expected(data);
    for (let split = 0; split <= data.length; split++) {
      expect(actual([data.subarray(0, split), data.subarray(split)])).toBe(whole);
    }
    expect(actual(cutBytes(data, [1]))).toBe(whole);
  });

  test('at every two splits', () => {
    const data = Buffer.from(`x${HASH_PART}${HASH_PART.slice(0, 5)}${HASH_PART}y`, 'latin1');
    const whole = expected(data);
    for (let a = 0; a <= data.length; a++) {
      for (let b = a; b <= data.length; b++) {
        expect(actual([data.subarray(0, a), data.subarray(a, b), data.subarray(b)])).toBe(whole);
      }
    }
  });

  test('whatever the data and the pieces', () => {
    const fragment = fc.oneof(
      fc.constantFrom(HASH_PART, HASH_PART.slice(0, 20), HASH_PART.slice(20), '\0'),
      fc.string({ unit: 'binary-ascii', maxLength: 50 }),
    );
    const cut = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(fragment), cut, (fragments, lengths) => {
        const data = Buffer.from(fragments.join(''), 'latin1');
        expect(actual(cutBytes(data, lengths))).toBe(expected(data));
      }),
    );
  });

  test('so many self-references that their places would fill the memory are refused', () => {
    const nar = encodeNar(file(HASH_PART.repeat(11)));
    const error = thrownBy(() =>
      hashOf(anyAddress('recursive'), STORE_PATH, nar, [100], {
        ...DEFAULT_LIMITS,
        selfReferences: 10,
      }),
    );
    expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', facts: { limit: 'selfReferences' } });
  });

  test('flat content is hashed modulo self-references too, a text is not', () => {
    const content = Buffer.from(`it is ${HASH_PART}`);
    const nar = encodeNar(file(content));
    const hex = (hash: Hash) => Buffer.from(hash.digest).toString('hex');
    expect(hex(hashOf(anyAddress('flat'), STORE_PATH, nar))).toBe(expected(content));
    const plain = createHash('sha256').update(content).digest('hex');
    expect(hex(hashOf(anyAddress('text'), STORE_PATH, nar))).toBe(plain);
  });
});

describe('content that is not what the CA is about', () => {
  const notFiles: Readonly<Record<string, SyntheticTree>> = {
    'an executable file': executable('content'),
    'a symlink': symlink('content'),
    'a directory': directory({ content: file('content') }),
    'an empty directory': directory(),
  };
  const methods = ['flat', 'text', 'git'] as const;
  const rows = methods.flatMap((method) =>
    Object.entries(notFiles).map(([what, tree]) => [method, what, tree] as const),
  );

  test.each(rows.filter(([method, what]) => method !== 'git' || !what.endsWith('directory')))(
    '%s: %s is refused',
    (method, what, tree) => {
      const error = thrownBy(() => hashOf(anyAddress(method), STORE_PATH, encodeNar(tree)));
      expect(error).toMatchObject({
        code: 'CONTENT_ADDRESS_MISMATCH',
        facts: {
          storePath: STORE_PATH.absolute,
          expected: 'file',
          actual: what.replace(/an empty d/, 'a d'),
        },
      });
    },
  );
});

describe('git hashes', () => {
  const tree = directory([
    ['README', file('read me\n')],
    ['bin', directory({ run: executable('#!/bin/sh\necho\n') })],
    ['empty', file('')],
    ['lib', directory({ 'libx.so': symlink('libx.so.1') })],
    ['lib.txt', file('sorts before lib/, as git sees it')],
    ['lib0', file('and this after')],
    [Uint8Array.of(0x6e, 0xff), file('not UTF-8')],
  ]);
  /** What `git write-tree` says of that tree, and `git hash-object` of single files. */
  const PINNED = {
    tree: {
      sha1: '81481fb3199ea669469db59832d3b385f08144b3',
      sha256: 'd603b3a2d4203e49df41b10633ed80a5fdb0996a2a07afeaded77e7d78591e63',
    },
    file: {
      sha1: '2e65efe2a145dda7ee51d1741299f848e5bf752e',
      sha256: 'eb337bcee2061c5313c9a1392116b6c76039e9e30d71467ae359b36277e17dc7',
    },
  };

  const gitHex = (of: SyntheticTree, algorithm: 'sha1' | 'sha256') =>
    Buffer.from(hashOf(anyAddress('git', algorithm), STORE_PATH, encodeNar(of)).digest).toString(
      'hex',
    );

  test.each(['sha1', 'sha256'] as const)('of a file and of trees, by %s', (algorithm) => {
    expect(gitHex(file('a'), algorithm)).toBe(PINNED.file[algorithm]);
    expect(gitHex(tree, algorithm)).toBe(PINNED.tree[algorithm]);
  });

  test('of an empty directory: the empty tree', () => {
    expect(gitHex(directory(), 'sha1')).toBe('4b825dc642cb6eb9a060e54bf8d69288fbee4904');
  });

  /** Writes a tree into a directory of the file system. */
  async function write(of: SyntheticTree, path: Buffer): Promise<void> {
    if (of.type === 'symlink') await makeSymlink(Buffer.from(of.target), path);
    else if (of.type === 'regular') {
      await writeFile(path, of.contents);
      if (of.executable) await chmod(path, 0o755);
    } else {
      await mkdir(path, { recursive: true });
      for (const [name, child] of of.entries) {
        await write(child, Buffer.concat([path, Buffer.from('/'), name]));
      }
    }
  }

  const hasGit = spawnSync('git', ['--version']).status === 0;
  test.skipIf(!hasGit).each(['sha1', 'sha256'] as const)(
    'are those of git itself, by %s (needs git)',
    async (algorithm) => {
      await using temporary = await temporaryDirectory('git');
      const directoryPath = join(temporary.path, 'work');
      await write(tree, Buffer.from(directoryPath));
      // nothing of the machine's own configuration
      const env = {
        PATH: process.env['PATH'],
        HOME: temporary.path,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_DIR: join(temporary.path, 'git'),
        GIT_WORK_TREE: directoryPath,
      };
      const git = (...args: string[]) =>
        execFileSync('git', args, { cwd: directoryPath, env, encoding: 'utf8' }).trim();
      git('init', '--quiet', `--object-format=${algorithm}`);
      git('add', '--all');
      expect(git('write-tree')).toBe(gitHex(tree, algorithm));
      await writeFile(join(temporary.path, 'a'), 'a');
      expect(git('hash-object', join(temporary.path, 'a'))).toBe(gitHex(file('a'), algorithm));
    },
  );
});
