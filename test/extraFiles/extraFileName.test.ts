import { describe, expect, test } from 'vitest';
import {
  extraFilePath,
  extraFileUrl,
  parseExtraFileName,
} from '../../src/extraFiles/extraFileName.ts';
import { StorePath } from '../../src/storePath.ts';

const DRV = '6ycnmp4xnsphr8nmdckypha2crflh6nh-hello-1.0.drv';
const DRV_HASH = `sha256:${'0123456789abcdef'.repeat(4)}`;
const BUILD_ID = '1f0123456789abcdef0123456789abcdef012345';
const derivation = StorePath.fromBaseName(DRV);

describe('the name of an extra file', () => {
  test.each([
    [`log/${DRV}`, { kind: 'log', derivation }],
    [`realisations/${DRV_HASH}!out.doi`, { kind: 'realisation', drvHash: DRV_HASH, output: 'out' }],
    [
      `realisations/${DRV_HASH}!a.doi.doi`,
      { kind: 'realisation', drvHash: DRV_HASH, output: 'a.doi' },
    ],
    [`build-trace-v2/${DRV}/dev.doi`, { kind: 'buildTrace', derivation, output: 'dev' }],
    [`debuginfo/${BUILD_ID}.debug`, { kind: 'debugInfo', buildId: BUILD_ID }],
  ])('%s', (path, name) => {
    const parsed = parseExtraFileName(path);
    expect(parsed).toEqual(name);
    expect(parsed && extraFilePath(parsed)).toBe(path);
    expect(parsed && extraFileUrl(parsed)).toBe(path);
  });

  test('of debug information has two spellings', () => {
    const parsed = parseExtraFileName(`debuginfo/${BUILD_ID}`);
    expect(parsed).toEqual({ kind: 'debugInfo', buildId: BUILD_ID });
    expect(parsed && extraFilePath(parsed)).toBe(`debuginfo/${BUILD_ID}.debug`);
  });

  test('as a URL has no query', () => {
    const odd = StorePath.fromBaseName(`${'0'.repeat(32)}-what?x=1.drv`);
    expect(extraFileUrl({ kind: 'log', derivation: odd })).toBe(
      `log/${'0'.repeat(32)}-what%3Fx=1.drv`,
    );
  });

  test.each([
    '',
    'log/',
    'log/..',
    'log/../nix-cache-info',
    `log/../log/${DRV}`,
    `log//${DRV}`,
    `log/${DRV}/`,
    `log/${DRV}.bz2`,
    `/log/${DRV}`,
    `LOG/${DRV}`,
    'log/%2e%2e',
    'log/6ycnmp4xnsphr8nmdckypha2crflh6nh-hello-1.0', // no derivation
    `log/${'e'.repeat(32)}-hello.drv`, // no hash part
    `log/${DRV.slice(0, 33)}${'x'.repeat(208)}.drv`, // too long
    `realisations/${DRV_HASH}.doi`,
    `realisations/${DRV_HASH}!.doi`,
    `realisations/${DRV_HASH}!...doi`,
    `realisations/${DRV_HASH}!out/x.doi`,
    `realisations/${DRV_HASH}!out`,
    `realisations/${DRV_HASH}!${'o'.repeat(212)}.doi`,
    `realisations/${DRV_HASH.toUpperCase()}!out.doi`,
    `realisations/sha256:${'0'.repeat(63)}!out.doi`,
    `realisations/sha512:${'0'.repeat(128)}!out.doi`,
    `build-trace-v2/${DRV}.doi`,
    `build-trace-v2/${DRV}/../x.doi`,
    `build-trace-v2/${DRV}/...doi`,
    `build-trace-v2/../${DRV}/out.doi`,
    `build-trace-v3/${DRV}/out.doi`,
    'debuginfo/',
    'debuginfo/..',
    `debuginfo/${BUILD_ID.toUpperCase()}`,
    `debuginfo/${BUILD_ID}0`, // half a byte
    'debuginfo/abcdef', // too short to be one
    `debuginfo/${'ab'.repeat(65)}`,
    `debuginfo/${BUILD_ID}.debug.debug`,
    `${'0'.repeat(32)}.narinfo`,
    'nar/x.nar',
  ])('is not %j', (path) => {
    expect(parseExtraFileName(path)).toBeUndefined();
  });
});
