import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import {
  memberOfBuildId,
  parseDebugInfo,
  renderDebugInfo,
} from '../../src/extraFiles/debugInfo.ts';
import { Hash } from '../../src/hash.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';

const BUILD_ID = '1f0123456789abcdef0123456789abcdef012345';
const URL = `debuginfo/${BUILD_ID}.debug`;
const parse = (text: string) => parseDebugInfo(utf8(text), URL);
const nar = (archive: unknown, member: unknown = memberOfBuildId(BUILD_ID)) =>
  JSON.stringify({ archive, member });

describe('debug information', () => {
  test('as Nix writes it is read', () => {
    // test/fixtures/cache/debuginfo
    const text =
      '{"archive":"../nar/03xy83f5xw22fkqp9z89mlmpps46dcb80rqiwz0mpni5vc0a79ih.nar.xz",' +
      '"member":"lib/debug/.build-id/1f/0123456789abcdef0123456789abcdef012345.debug"}';
    expect(parse(text)).toEqual({
      narFile: 'nar/03xy83f5xw22fkqp9z89mlmpps46dcb80rqiwz0mpni5vc0a79ih.nar.xz',
      member: memberOfBuildId(BUILD_ID),
    });
  });

  test('of ours is what Nix would write of our NAR', () => {
    const hash = '1mq5pa8dm2jlcc6kav3ddwibzd2zqffzwzpp23xxjdfv8zzmvw94';
    const bytes = renderDebugInfo(Hash.parse(`sha256:${hash}`), 'lib/x.debug');
    expect(Buffer.from(bytes).toString()).toBe(
      `{"archive":"../nar/${hash}.nar","member":"lib/x.debug"}`,
    );
  });

  test.each([
    ['that is empty', '', 'debuginfo'],
    ['that is no JSON', '{', 'debuginfo'],
    ['that is null', 'null', 'debuginfo'],
    ['without an archive', nar(undefined), 'archive'],
    ['without a member', '{"archive":"../nar/x.nar"}', 'member'],
    ['whose archive is elsewhere', nar('https://evil.example/nar/x.nar'), 'archive'],
    ['whose archive leads out', nar('../../nar/x.nar'), 'archive'],
    ['whose archive leads out of nar/', nar('../nar/../x.nar'), 'archive'],
    ['whose archive is no file of nar/', nar('../nar/'), 'archive'],
    ['whose archive has a query', nar('../nar/x.nar?y'), 'archive'],
    ['whose archive is below debuginfo/', nar('nar/x.nar'), 'archive'],
    ['whose member is absolute', nar('../nar/x.nar', '/lib/x'), 'member'],
    ['whose member leads out', nar('../nar/x.nar', 'lib/../../x'), 'member'],
    ['whose member is empty', nar('../nar/x.nar', ''), 'member'],
    ['whose member holds a NUL', nar('../nar/x.nar', 'lib/\0'), 'member'],
  ])('%s is refused', (_, text, field) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'DEBUG_INFO_INVALID',
        facts: expect.objectContaining({ url: URL, field }),
      }),
    );
  });

  test('that is too long is refused', () => {
    const text = nar('../nar/x.nar', 'x'.repeat(DEFAULT_LIMITS.debugInfoBytes));
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'LIMIT_EXCEEDED',
        facts: expect.objectContaining({ limit: 'debugInfoBytes' }),
      }),
    );
  });
});
