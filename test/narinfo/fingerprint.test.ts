import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { fingerprint } from '../../src/narinfo/fingerprint.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { StorePath } from '../../src/storePath.ts';
import { REAL_NARINFOS } from './realNarinfos.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe('fingerprint', () => {
  it('has five parts', () => {
    const info = parseNarInfo(utf8(REAL_NARINFOS['input-addressed, referring to itself']));
    expect(text(fingerprint(info))).toBe(
      '1;/nix/store/7vk1iqj70h3hppxhq1vpd44lzv9kai4h-self-1.0;sha256:1zsk9rr8vk1ywnj4mmdaqhd4zk91qdxwmbn1zxaz3qd6f0afmim5;216;/nix/store/3vhhxym8zl4m076alawg5g1v2q17chg2-text,/nix/store/7vk1iqj70h3hppxhq1vpd44lzv9kai4h-self-1.0',
    );
  });

  it('ends with a semicolon where there are no references', () => {
    const info = parseNarInfo(utf8(REAL_NARINFOS.text));
    expect(text(fingerprint(info))).toMatch(/;128;$/);
    expect(text(fingerprint(info, 'sorted'))).toMatch(/;128;$/);
  });

  it('has the references in the order given, or sorted by bytes and each once', () => {
    const hashPart = '3vhhxym8zl4m076alawg5g1v2q17chg2';
    const references = ['b', 'a', 'B', 'b', 'a-c', 'a+c'].map((name) =>
      StorePath.fromBaseName(`${hashPart}-${name}`),
    );
    const info = { ...parseNarInfo(utf8(REAL_NARINFOS.text)), references };
    const names = (bytes: Uint8Array) =>
      (text(bytes).split(';')[4] ?? '')
        .split(',')
        .map((path) => path.replace(`/nix/store/${hashPart}-`, ''));
    expect(names(fingerprint(info))).toEqual(['b', 'a', 'B', 'b', 'a-c', 'a+c']);
    expect(names(fingerprint(info, 'given'))).toEqual(['b', 'a', 'B', 'b', 'a-c', 'a+c']);
    expect(names(fingerprint(info, 'sorted'))).toEqual(['B', 'a', 'a+c', 'a-c', 'b']);
    expect(info.references).toBe(references);
  });
});
