import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import type { ErrorCode, ErrorFacts } from '../../src/errors.ts';
import { isNarthexError } from '../../src/errors.ts';
import { Hash } from '../../src/hash.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import type { NarInfo } from '../../src/narinfo/narinfo.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { renderNarInfo } from '../../src/narinfo/render.ts';
import { Signature } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import { thrownBy } from '../support/errors.ts';
import { REAL_NARINFOS } from './realNarinfos.ts';

const parse = (text: string): NarInfo => parseNarInfo(utf8(text));

const BASE_NAME = '25msscn3d2ch49jkav7hw7b8gqcma43z-self-1.0';
const HASH = 'sha256:012305ymiiyd2rmzg0shdqhv0s4dnmx8xy47r14hziy4p8d6im9d';

/** The least that a narinfo says. */
const LEAST = `StorePath: /nix/store/${BASE_NAME}\nURL: nar/x.nar\nNarHash: ${HASH}\nNarSize: 216\n`;

describe('parseNarInfo', () => {
  it('reads what Nix wrote', () => {
    const selfReference = StorePath.fromBaseName(BASE_NAME);
    expect(parse(REAL_NARINFOS['recursive sha256, referring to itself'])).toEqual({
      storePath: selfReference,
      url: 'nar/012305ymiiyd2rmzg0shdqhv0s4dnmx8xy47r14hziy4p8d6im9d.nar',
      compression: 'none',
      fileHash: Hash.parse(HASH),
      fileSize: 216,
      narHash: Hash.parse(HASH),
      narSize: 216,
      references: [selfReference, StorePath.fromBaseName('s0996cps6vs0x6fxlmdiqclgwn0ylimz-text')],
      deriver: undefined,
      system: undefined,
      signatures: [
        Signature.parse(
          'narthex-test_key-1:Wf0wWAWBCzNLICA4p5KcpDPk6wbMkGbK4s6h1y6zwCurxYx6odOUBUheUoegmc/4IKYqET5Ka374NpHQkRWdCg==',
        ),
      ],
      ca: ContentAddress.parse(
        'fixed:r:sha256:0rzn3s2adf073051s73yxm98igck34kh7ad93yjjbvd8bdkpg348',
      ),
    } satisfies NarInfo);
  });

  it('needs no more than path, URL, NarHash and NarSize', () => {
    expect(parse(LEAST)).toEqual({
      storePath: StorePath.fromBaseName(BASE_NAME),
      url: 'nar/x.nar',
      compression: 'bzip2',
      fileHash: undefined,
      fileSize: undefined,
      narHash: Hash.parse(HASH),
      narSize: 216,
      references: [],
      deriver: undefined,
      system: undefined,
      signatures: [],
      ca: undefined,
    } satisfies NarInfo);
  });

  const text = StorePath.fromBaseName('3vhhxym8zl4m076alawg5g1v2q17chg2-text');
  const sig = (name: string) => Signature.of(name, new Uint8Array(64));
  const sha1 = Hash.of('sha1', new Uint8Array(20));

  it.each<[string, string, Partial<NarInfo>]>([
    ['an empty compression', 'Compression: \n', { compression: 'bzip2' }],
    ['an unknown compression', 'Compression: brand-new\n', { compression: 'brand-new' }],
    ['no references, with the space', 'References: \n', { references: [] }],
    [
      'no references, without the space',
      'References:\nSystem: s\n',
      { references: [], system: 's' },
    ],
    [
      'a repeated reference',
      `References: ${text.baseName} ${text.baseName}\n`,
      {
        references: [text, text],
      },
    ],
    [
      'several spaces between references',
      `References:  ${text.baseName}   ${BASE_NAME} \n`,
      {
        references: [text, StorePath.fromBaseName(BASE_NAME)],
      },
    ],
    ['a deriver that is not known', 'Deriver: unknown-deriver\n', { deriver: undefined }],
    ['a deriver without .drv', `Deriver: ${text.baseName}\n`, { deriver: text }],
    ['an empty system', 'System: \n', { system: undefined }],
    ['an empty CA', 'CA: \n', { ca: undefined }],
    [
      'a CA in hex',
      `CA: fixed:sha1:${'00'.repeat(20)}\n`,
      {
        ca: ContentAddress.of('flat', sha1),
      },
    ],
    ['a FileHash by another algorithm', `FileHash: sha1:${'0'.repeat(32)}\n`, { fileHash: sha1 }],
    ['a FileSize of 0', 'FileSize: 0\n', { fileSize: undefined }],
    ['a FileSize with leading zeros', 'FileSize: 0042\n', { fileSize: 42 }],
    [
      'several signatures, also of one key',
      `Sig: ${sig('b')}\nSig: ${sig('a')}\nSig: ${sig('b')}\n`,
      {
        signatures: [sig('b'), sig('a'), sig('b')],
      },
    ],
    [
      'a key name beyond ASCII',
      `Sig: ${sig('schlüssel-1')}\n`,
      {
        signatures: [sig('schlüssel-1')],
      },
    ],
    ['an unknown key', 'Provenance: {"a": 1}\n', {}],
    ['an unknown key that repeats', 'X: 1\nX: 2\n', {}],
    ['an unknown key without value', 'X:\nX: \n', {}],
    ['a key in another case', 'narsize: 1\n', { narSize: 216 }],
    ['a key with a space before it', ' NarSize: 1\n', { narSize: 216 }],
    ['a colon in a value', 'System: a: b\n', { system: 'a: b' }],
  ])('accepts %s', (_, lines, expected) => {
    expect(parse(LEAST + lines)).toMatchObject(expected);
  });

  it.each([
    ['hex', `sha256:${Buffer.from(Hash.parse(HASH).digest).toString('hex')}`],
    ['base64', Hash.parse(HASH).toSri().replace('-', ':')],
    ['SRI', Hash.parse(HASH).toSri()],
  ])('accepts a NarHash in %s', (_, hash) => {
    expect(parse(LEAST.replace(HASH, hash)).narHash).toEqual(Hash.parse(HASH));
  });

  it.each([
    ['absolute', 'https://elsewhere.example/a/b.nar.xz'],
    ['with a query', 'nar/x.nar?narsize=216&a=b#c'],
    ['that climbs', '../../x.nar'],
    ['beyond ASCII', 'nar/naïve-日本.nar'],
    ['with spaces', ' a b '],
  ])('keeps a URL %s as it is', (_, url) => {
    expect(parse(LEAST.replace('nar/x.nar', url)).url).toBe(url);
  });

  it('lets bytes that are not UTF-8 pass where the key is unknown', () => {
    const bytes = Buffer.concat([utf8(`${LEAST}X: `), Buffer.of(0xff, 0xfe, 0x00), utf8('\n')]);
    expect(parseNarInfo(bytes)).toEqual(parse(LEAST));
  });

  it('reads a view into a larger buffer', () => {
    const around = Buffer.concat([utf8('X: \n'), utf8(LEAST), utf8('CA: nonsense\n')]);
    expect(parseNarInfo(around.subarray(4, 4 + LEAST.length))).toEqual(parse(LEAST));
  });
});

describe('malformed narinfos', () => {
  const without = (key: string) => LEAST.replace(new RegExp(`^${key}: .*\\n`, 'm'), '');
  const change = (key: string, value: string) =>
    LEAST.replace(new RegExp(`^${key}: .*$`, 'm'), `${key}: ${value}`);
  const crlf = LEAST.replaceAll('\n', '\r\n');
  const sig = `x:${'A'.repeat(86)}==`;

  it.each<[string, string, ErrorFacts, ErrorCode?]>([
    // lines
    ['nothing at all', '', { field: 'StorePath' }],
    ['no StorePath', without('StorePath'), { field: 'StorePath' }],
    ['no URL', without('URL'), { field: 'URL' }],
    ['no NarHash', without('NarHash'), { field: 'NarHash' }],
    ['no NarSize', without('NarSize'), { field: 'NarSize' }],
    ['an empty URL', change('URL', ''), { field: 'URL', line: 2 }],
    ['no final line feed', LEAST.slice(0, -1), { line: 4, offset: LEAST.length - 1 }],
    ['a cut-off line', `${LEAST}Sig`, { line: 5 }],
    [
      'a line without a colon',
      `${LEAST}hello\n`,
      { line: 5, actual: 'hello', offset: LEAST.length },
    ],
    ['an empty line', `${LEAST}\n`, { line: 5, actual: '' }],
    ['no space after the colon', `${LEAST}Deriver:x\n`, { line: 5, actual: 'Deriver:x' }],
    ['a tab after the colon', `${LEAST}Deriver:\tx\n`, { line: 5 }],
    ['CRLF', crlf, { field: 'StorePath', line: 1 }, 'STORE_PATH_INVALID'],
    ['a web page', '<!DOCTYPE html>\n', { line: 1, actual: '<!DOCTYPE html>' }],
    // repeated keys
    ['StorePath twice', LEAST + LEAST, { field: 'StorePath', line: 5, firstLine: 1 }],
    ['NarSize twice', `${LEAST}NarSize: 216\n`, { field: 'NarSize', line: 5, firstLine: 4 }],
    ['References twice', `${LEAST}References: \nReferences: \n`, { field: 'References', line: 6 }],
    ['CA twice, first empty', `${LEAST}CA: \nCA: \n`, { field: 'CA', line: 6, firstLine: 5 }],
    ['Compression twice', `${LEAST}Compression: \nCompression: xz\n`, { field: 'Compression' }],
    // values
    ['a base name as StorePath', change('StorePath', BASE_NAME), { line: 1 }, 'STORE_PATH_INVALID'],
    [
      'another store',
      change('StorePath', `/gnu/store/${BASE_NAME}`),
      { field: 'StorePath' },
      'STORE_PATH_INVALID',
    ],
    [
      'a line feed smuggled into the URL',
      change('URL', 'a\rb'),
      { field: 'URL', actual: 'a\\x0db' },
    ],
    ['a NUL in the URL', change('URL', 'a\0'), { field: 'URL', line: 2 }],
    ['a control character in System', `${LEAST}System: \x1b[2J\n`, { field: 'System', line: 5 }],
    ['a bare NarHash', change('NarHash', HASH.slice(7)), { field: 'NarHash' }, 'HASH_INVALID'],
    ['a NarHash cut off', change('NarHash', HASH.slice(0, -1)), { line: 3 }, 'HASH_INVALID'],
    [
      'a NarHash by SHA-1',
      change('NarHash', `sha1:${'0'.repeat(32)}`),
      { expected: 'sha256', actual: 'sha1' },
    ],
    ['a NarSize of 0', change('NarSize', '0'), { field: 'NarSize', actual: '0' }],
    ['a negative NarSize', change('NarSize', '-1'), { field: 'NarSize', actual: '-1' }],
    ['a NarSize with a space after it', change('NarSize', '216 '), { actual: '216 ' }],
    ['a NarSize in hex', change('NarSize', '0x10'), { actual: '0x10' }],
    ['a NarSize with a fraction', change('NarSize', '1.0'), { actual: '1.0' }],
    ['a NarSize beyond u64', change('NarSize', '18446744073709551616'), { field: 'NarSize' }],
    ['a FileSize that is no number', `${LEAST}FileSize: big\n`, { field: 'FileSize', line: 5 }],
    ['an empty FileSize', `${LEAST}FileSize: \n`, { field: 'FileSize', actual: '' }],
    ['a FileSize beyond 2^53', `${LEAST}FileSize: 9007199254740992\n`, { field: 'FileSize' }],
    ['an empty FileHash', `${LEAST}FileHash: \n`, { field: 'FileHash', line: 5 }, 'HASH_INVALID'],
    [
      'an absolute reference',
      `${LEAST}References: /nix/store/${BASE_NAME}\n`,
      { field: 'References' },
      'STORE_PATH_INVALID',
    ],
    [
      'references split by commas',
      `${LEAST}References: ${BASE_NAME},${BASE_NAME}\n`,
      { line: 5 },
      'STORE_PATH_INVALID',
    ],
    [
      'an empty Deriver',
      `${LEAST}Deriver: \n`,
      { field: 'Deriver', line: 5 },
      'STORE_PATH_INVALID',
    ],
    ['an empty Sig', `${LEAST}Sig: \n`, { field: 'Sig', line: 5 }, 'SIGNATURE_INVALID'],
    [
      'the second Sig without name',
      `${LEAST}Sig: ${sig}\nSig: ${sig.slice(1)}\n`,
      { line: 6 },
      'SIGNATURE_INVALID',
    ],
    [
      'a Sig that is too short',
      `${LEAST}Sig: x:AAAA\n`,
      { expected: 64, actual: 3 },
      'SIGNATURE_INVALID',
    ],
    [
      'an unknown CA',
      `${LEAST}CA: sparkling:sha256:x\n`,
      { field: 'CA', line: 5 },
      'CONTENT_ADDRESS_INVALID',
    ],
  ])('%s', (_, text, facts, cause) => {
    const error = thrownBy(() => parse(text));
    expect(error.code).toBe('NARINFO_INVALID');
    expect(error.facts).toMatchObject(facts);
    if (cause === undefined) expect(error.cause).toBeUndefined();
    else expect(error.cause).toMatchObject({ code: cause });
  });

  it.each([
    ['URL', LEAST.replace('nar/x.nar', '\xff'), 2],
    ['System', `${LEAST}System: \xff\n`, 5],
    ['Sig', `${LEAST}Sig: \xff${sig}\n`, 5],
  ])('%s that is not UTF-8', (field, latin1, line) => {
    const error = thrownBy(() => parseNarInfo(Buffer.from(latin1, 'latin1')));
    expect(error).toMatchObject({ code: 'NARINFO_INVALID', facts: { field, line } });
    expect(error.message).toContain('not UTF-8');
  });

  it('names where it came from', () => {
    const url = 'https://cache.example/x.narinfo';
    expect(thrownBy(() => parseNarInfo(utf8('nonsense\n'), { url }))).toMatchObject({
      code: 'NARINFO_INVALID',
      message: expect.stringContaining(url),
      facts: { url, line: 1 },
    });
    expect(
      thrownBy(() => parseNarInfo(new Uint8Array(9), { url, limits: tight({ narinfoBytes: 8 }) })),
    ).toMatchObject({ code: 'LIMIT_EXCEEDED', facts: { url, actual: 9 } });
  });

  it('quotes no megabytes', () => {
    const error = thrownBy(() => parse(`${LEAST}Deriver: ${'x'.repeat(500_000)}\n`));
    expect(JSON.stringify(error).length).toBeLessThan(5000);
  });
});

const tight = (limits: Partial<typeof DEFAULT_LIMITS>) => ({ ...DEFAULT_LIMITS, ...limits });

describe('limits', () => {
  const ref = `${BASE_NAME} `;
  const sig = `Sig: x:${'A'.repeat(86)}==\n`;

  it.each([
    ['narinfoBytes', LEAST.length, LEAST, `${LEAST}X: \n`],
    [
      'narinfoReferences',
      2,
      `${LEAST}References: ${ref.repeat(2)}\n`,
      `${LEAST}References: ${ref.repeat(3)}\n`,
    ],
    ['narinfoReferences', 0, `${LEAST}References:   \n`, `${LEAST}References: nonsense\n`],
    ['narinfoSignatures', 1, LEAST + sig, LEAST + sig + sig],
    ['narBytes', 216, LEAST, LEAST.replace('216', '217')],
    ['narBytes', 216, LEAST, LEAST.replace('216', '18446744073709551615')],
  ] as const)('%s of %i', (limit, most, within, beyond) => {
    const limits = tight({ [limit]: most });
    expect(parseNarInfo(utf8(within), { limits })).toBeDefined();
    expect(thrownBy(() => parseNarInfo(utf8(beyond), { limits }))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { limit, expected: most },
    });
  });

  it('narrows a NarSize only if it can be', () => {
    const limits = tight({ narBytes: Number.POSITIVE_INFINITY });
    const text = LEAST.replace('216', '9007199254740993');
    expect(thrownBy(() => parseNarInfo(utf8(text), { limits })).code).toBe('NARINFO_INVALID');
  });
});

describe('hostile bytes', () => {
  /** Either it is parsed, and then can be written and read again, or it is refused with a code. */
  function check(bytes: Uint8Array): void {
    let info: NarInfo;
    try {
      info = parseNarInfo(bytes);
    } catch (error) {
      if (isNarthexError(error, 'NARINFO_INVALID') || isNarthexError(error, 'LIMIT_EXCEEDED')) {
        return;
      }
      throw error;
    }
    expect(parse(renderNarInfo(info))).toEqual(info);
  }

  it('are parsed or refused', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check));
  });

  it('are parsed or refused where one byte of a real one is another', () => {
    const real = utf8(REAL_NARINFOS['input-addressed, referring to itself']);
    fc.assert(
      fc.property(fc.nat(real.length - 1), fc.nat(255), (index, byte) => {
        check(real.with(index, byte));
      }),
      { numRuns: 1000 },
    );
  });

  it('are refused wherever a real one is cut off, but between two lines', () => {
    const real = REAL_NARINFOS['recursive sha256, referring to itself'];
    for (let length = 0; length < real.length; length++) {
      if (length > 0 && real[length - 1] === '\n') continue;
      expect(thrownBy(() => parse(real.slice(0, length))).code).toBe('NARINFO_INVALID');
    }
  });
});
