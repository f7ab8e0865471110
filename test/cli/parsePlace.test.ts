import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { parsePlace } from '../../src/cli/options.ts';
import { thrownBy } from '../support/errors.ts';

const hashPart = 'pdw8ja2airxrmm5sbgingswkldj4jaip';
const baseName = `${hashPart}-hello-2.10`;
const digest = Digest.of(utf8('x'));
/** Its base64 holds slashes, which names are parted by. */
const slashes = new Digest(new Uint8Array(32).fill(0xff));

describe('parsePlace', () => {
  test.each<[argument: string, closureDigest: string | undefined, names: string[]]>([
    [`/nix/store/${baseName}`, undefined, []],
    [`/nix/store/${baseName}/`, undefined, []],
    [`${baseName}/bin/hello`, undefined, ['bin', 'hello']],
    [`${hashPart}//bin//`, undefined, ['bin']],
    [`${baseName}/a@b/c@d`, undefined, ['a@b', 'c@d']],
    [`${baseName}@${digest}`, String(digest), []],
    [`${baseName}@${slashes}`, String(slashes), []],
    [`${hashPart}@${slashes}/bin/a@b`, String(slashes), ['bin', 'a@b']],
    [`/nix/store/${baseName}@${digest.hex}/bin`, digest.hex, ['bin']],
    [`${baseName}@0123ABCD/x\ny`, '0123abcd', ['x\ny']],
  ])('%j', (argument, closureDigest, names) => {
    const place = parsePlace(argument);
    expect(place.path.hashPart).toBe(hashPart);
    expect(place.closureDigest?.toString()).toBe(closureDigest);
    expect(place.names).toEqual(names);
  });

  test.each([
    ['', 'STORE_PATH_INVALID'],
    ['/nix/store', 'STORE_PATH_INVALID'],
    ['bin/hello', 'STORE_PATH_INVALID'],
    [`@${digest}`, 'STORE_PATH_INVALID'],
    [`${baseName}@`, 'USAGE'],
    [`${baseName}@/bin`, 'USAGE'],
    [`${baseName}@0123abc`, 'USAGE'],
    [`${baseName}@${slashes}x/bin`, 'USAGE'],
    [`${baseName}@${digest}@${digest}`, 'USAGE'],
  ])('%j: %s', (argument, code) => {
    expect(thrownBy(() => parsePlace(argument)).code).toBe(code);
  });
});
