/** The text that we write and accept, shown to real Nix. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { isNarthexError } from '../../src/errors.ts';
import { Hash } from '../../src/hash.ts';
import { renderCacheInfo } from '../../src/narinfo/cacheInfo.ts';
import { fingerprint } from '../../src/narinfo/fingerprint.ts';
import type { NarInfo } from '../../src/narinfo/narinfo.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { renderNarInfo } from '../../src/narinfo/render.ts';
import { verifyNarInfo } from '../../src/narinfo/verify.ts';
import { SecretKey } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import { describeWithNix, type IsolatedNix, isolatedNix } from '../support/realNix.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporaryDirectory.ts';

const key = SecretKey.generate('narthex-test-1');
const storePath = StorePath.fromBaseName('25msscn3d2ch49jkav7hw7b8gqcma43z-self-1.0');
const narHash = Hash.parse('sha256:012305ymiiyd2rmzg0shdqhv0s4dnmx8xy47r14hziy4p8d6im9d');

/** As little as there can be, signed by {@link key}. */
function minimal(): NarInfo {
  const unsigned: NarInfo = {
    storePath,
    url: 'nar/x.nar',
    compression: 'none',
    fileHash: undefined,
    fileSize: undefined,
    narHash,
    narSize: 216,
    references: [],
    deriver: undefined,
    system: undefined,
    signatures: [],
    ca: undefined,
  };
  return { ...unsigned, signatures: [key.sign(fingerprint(unsigned, 'sorted'))] };
}

const resign = (info: NarInfo): NarInfo => ({
  ...info,
  signatures: [key.sign(fingerprint(info, 'sorted'))],
});

describeWithNix('real Nix reads a narinfo', () => {
  let nix: IsolatedNix;
  let cache: TemporaryDirectory;

  beforeAll(async () => {
    nix = await isolatedNix();
    cache = await temporaryDirectory('narinfo');
    const info = { storeDir: '/nix/store', wantMassQuery: true, priority: 30 };
    await writeFile(join(cache.path, 'nix-cache-info'), renderCacheInfo(info));
  });

  afterAll(async () => {
    await cache[Symbol.asyncDispose]();
    await nix[Symbol.asyncDispose]();
  });

  /** Whether Nix parses the narinfo and finds it signed by {@link key}. */
  async function nixAccepts(text: string): Promise<boolean> {
    await writeFile(join(cache.path, `${storePath.hashPart}.narinfo`), text);
    const { status } = await nix.run(
      [
        ...['store', 'verify', '--no-contents', '--store', `file://${cache.path}`],
        ...['--option', 'trusted-public-keys', key.publicKey.toString(), storePath.absolute],
      ],
      { mayFail: true },
    );
    return status === 0;
  }

  function weAccept(text: string): boolean {
    try {
      parseNarInfo(utf8(text));
      return true;
    } catch (error) {
      if (isNarthexError(error, 'NARINFO_INVALID')) return false;
      throw error;
    }
  }

  const other = StorePath.fromBaseName('s0996cps6vs0x6fxlmdiqclgwn0ylimz-text');
  const text = renderNarInfo(minimal());
  const hex = Buffer.from(narHash.digest).toString('hex');

  it.each([
    ['as we render it, with the least there can be', text],
    ['with references', renderNarInfo(resign({ ...minimal(), references: [other, storePath] }))],
    [
      'with a deriver, system and FileHash',
      renderNarInfo({
        ...minimal(),
        deriver: other,
        system: 'x86_64-linux',
        fileHash: narHash,
        fileSize: 216,
      }),
    ],
    ['without References', text.replace('References: \n', '')],
    ['without Compression', text.replace(/Compression.*\n/, '')],
    ['with an empty CA', `${text}CA: \n`],
    ['with an unknown key', `${text}Provenance-x: {"a": 1}\n`],
    ['with an unknown deriver', `${text}Deriver: unknown-deriver\n`],
    ['with a FileSize of 0', `${text}FileSize: 0\n`],
    [
      'with several spaces between references',
      renderNarInfo(resign({ ...minimal(), references: [storePath, other] })).replace(
        ' s0996',
        '   s0996',
      ),
    ],
    ['with its NarHash in hex', text.replace(/(NarHash: sha256:).*/, `$1${hex}`)],
    ['with its NarHash as SRI', text.replace(/NarHash: .*/, `NarHash: ${narHash.toSri()}`)],
    [
      'with its NarHash as SRI without padding',
      text.replace(/NarHash: .*/, `NarHash: ${narHash.toSri().replace(/=+$/, '')}`),
    ],
  ])('%s: accepted by both', async (_, narinfo) => {
    expect(weAccept(narinfo)).toBe(true);
    expect(await nixAccepts(narinfo)).toBe(true);
  });

  it.each([
    ['without its last line feed', text.slice(0, -1)],
    ['with CRLF', text.replaceAll('\n', '\r\n')],
    ['with a NarSize of 0', text.replace('216', '0')],
    ['with a NarSize with a space after it', text.replace('216', '216 ')],
    ['with a NarHash without its algorithm', text.replace(/NarHash: sha256:/, 'NarHash: ')],
    ['with an empty deriver', `${text}Deriver: \n`],
    ['with an empty FileSize', `${text}FileSize: \n`],
    ['with an empty FileHash', `${text}FileHash: \n`],
    ['with an absolute reference', text.replace('References: ', `References: ${other}`)],
    ['without a URL', text.replace(/URL.*\n/, '')],
    ['with an empty line at the end', `${text}\n`],
    ['with a CA by SRI', `${text}CA: fixed:${narHash.toSri()}\n`],
  ])('%s: refused by both', async (_, narinfo) => {
    expect(weAccept(narinfo)).toBe(false);
    expect(await nixAccepts(narinfo)).toBe(false);
  });

  it('whose signature is by another key: parsed by both, trusted by none', async () => {
    const forged = renderNarInfo({
      ...minimal(),
      signatures: [SecretKey.generate(key.name).sign(fingerprint(minimal(), 'sorted'))],
    });
    expect(verifyNarInfo(parseNarInfo(utf8(forged)), [key.publicKey])).toBeUndefined();
    expect(await nixAccepts(forged)).toBe(false);
  });

  it('without the space after References:, of which Nix swallows the next line', async () => {
    const [head = '', tail = ''] = text.split('References: \n');
    // for us it is an empty list; for Nix the `Sig` line becomes its value, and is no store path
    expect(weAccept(`${head}References:\n${tail}`)).toBe(true);
    expect(await nixAccepts(`${head}References:\n${tail}`)).toBe(false);
  });
});
