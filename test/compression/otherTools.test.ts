/** Files of other encoders: those that real Nix wrote, and those of the usual tools where there are any. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/bytes.ts';
import { COMPRESSIONS, type Compression } from '../../src/compression/compression.ts';
import { nixbase32 } from '../support/nixbase32.ts';
import { noise, TEXT } from './codecs.ts';
import { decode } from './collect.ts';

const PIECE_BYTES = 64 * 1024;
const FIXTURES = fileURLToPath(new URL('../fixtures/compressions/', import.meta.url));

/** The field of a narinfo, without a parser. */
function field(narinfo: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, 'm').exec(narinfo)?.[1] ?? '';
}

describe('what real Nix wrote', () => {
  it.each(COMPRESSIONS)('%s', async (compression) => {
    const directory = join(FIXTURES, compression);
    const names = readdirSync(directory).filter((name) => name.endsWith('.narinfo'));
    expect(names).not.toEqual([]);
    for (const name of names) {
      const narinfo = readFileSync(join(directory, name), 'utf8');
      expect(field(narinfo, 'Compression')).toBe(compression);
      const file = readFileSync(join(directory, field(narinfo, 'URL')));
      const nar = await decode(compression, file, { pieceBytes: 1000 });
      const hash = createHash('sha256').update(nar).digest();
      expect(`sha256:${nixbase32(hash)}`).toBe(field(narinfo, 'NarHash'));
    }
  });
});

/** Program, its arguments to compress standard input, and what comes out. */
const TOOLS: readonly (readonly [string, readonly string[], Compression])[] = [
  ['xz', ['-0'], 'xz'],
  ['xz', ['-9', '--check=sha256'], 'xz'],
  ['xz', ['-T2', '--block-size=300000'], 'xz'],
  ['xz', ['--x86', '--lzma2=preset=1,lc=0,lp=2'], 'xz'],
  ['xz', ['--format=lzma', '-1'], 'lzma'],
  ['xz', ['--format=lzma', '--lzma1=preset=1,lc=1,lp=3,pb=4,dict=64KiB'], 'lzma'],
  ['zstd', ['-q', '-1', '--no-check'], 'zstd'],
  ['zstd', ['-q', '-19', '--long=27'], 'zstd'],
  ['gzip', ['-1'], 'gzip'],
  ['gzip', ['-9'], 'gzip'],
  ['bzip2', ['-1'], 'bzip2'],
  ['bzip2', ['-9'], 'bzip2'],
  ['brotli', ['-q', '2', '-c'], 'br'],
  ['brotli', ['-q', '9', '-w', '24', '-c'], 'br'],
  ['lz4', ['-q', '-1', '-c'], 'lz4'],
  ['lz4', ['-q', '-9', '-BD', '-B4', '-c'], 'lz4'],
  ['lz4', ['-q', '-1', '-BX', '-B5', '--no-frame-crc', '-c'], 'lz4'],
  ['lzip', ['-0'], 'lzip'],
  ['lzip', ['-9'], 'lzip'],
  ['lzip', ['--member-size=100KiB', '--dictionary-size=64KiB'], 'lzip'],
];

describe('what the usual tools write', () => {
  const program = readFileSync(process.execPath).subarray(0, 2_000_000);
  const runs = concatBytes([new Uint8Array(300_000), new Uint8Array(1000).fill(1), TEXT]);
  const content = concatBytes([TEXT, program, runs, noise(200_000), program.subarray(0, 90_000)]);

  for (const [tool, args, compression] of TOOLS) {
    const isThere = spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined;
    it.skipIf(!isThere)(`${tool} ${args.join(' ')} (needs ${tool})`, async () => {
      const file = execFileSync(tool, args, { input: content, maxBuffer: 2 * content.length });
      const decoded = await decode(compression, file, { pieceBytes: PIECE_BYTES });
      expect(decoded.equals(content)).toBe(true);
    });
  }
});
