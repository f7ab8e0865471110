import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { renderNarInfo } from '../../src/narinfo/render.ts';
import { thrownBy } from '../support/errors.ts';
import { arbitraryNarInfo } from './arbitraryNarInfo.ts';
import { REAL_NARINFOS } from './realNarinfos.ts';

describe('renderNarInfo', () => {
  it.each(Object.entries(REAL_NARINFOS))('writes as Nix does: %s', (_, text) => {
    expect(renderNarInfo(parseNarInfo(utf8(text)))).toBe(text);
  });

  it('writes what parseNarInfo reads', () => {
    fc.assert(
      fc.property(arbitraryNarInfo, (info) => {
        const text = renderNarInfo(info);
        expect(parseNarInfo(utf8(text))).toEqual(info);
        expect(text).toMatch(/^References: /m);
        expect(text.endsWith('\n')).toBe(true);
      }),
    );
  });

  const info = parseNarInfo(utf8(REAL_NARINFOS.text));

  it('leaves out what is not known, but the references', () => {
    const { storePath, url, narHash } = info;
    expect(
      renderNarInfo({
        ...info,
        fileHash: undefined,
        fileSize: undefined,
        signatures: [],
        ca: undefined,
      }),
    ).toBe(
      `StorePath: ${storePath}\nURL: ${url}\nCompression: none\nNarHash: ${narHash}\nNarSize: 128\nReferences: \n`,
    );
  });

  it.each([
    ['a line feed in the URL', { url: 'x\nStorePath: y' }, 'URL'],
    ['a line feed in the compression', { compression: 'xz\n' }, 'Compression'],
    ['a CR in the system', { system: 'x\r' }, 'System'],
    ['an empty URL', { url: '' }, 'URL'],
    ['an empty compression', { compression: '' }, 'Compression'],
  ])('refuses %s', (_, change, field) => {
    expect(thrownBy(() => renderNarInfo({ ...info, ...change }))).toMatchObject({
      code: 'NARINFO_INVALID',
      facts: { field },
    });
  });
});
