import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { parseExtraFileName } from '../../src/extraFiles/extraFileName.ts';
import {
  parseRealisation,
  type RealisationName,
  realisationFingerprint,
  requireSignedRealisation,
} from '../../src/extraFiles/realisation.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { PublicKey, SecretKey } from '../../src/signature.ts';
import { REALISATION_A, REALISATION_B, REALISATION_KEY } from './realisations.ts';

function nameOf(path: string): RealisationName {
  const name = parseExtraFileName(path);
  if (name?.kind === 'realisation' || name?.kind === 'buildTrace') return name;
  throw new Error(`${path} names no realisation`);
}

const parse = (text: string, path = REALISATION_B.path) =>
  parseRealisation(utf8(text), nameOf(path));

const DRV = '6ycnmp4xnsphr8nmdckypha2crflh6nh-hello-1.0.drv';
const TRACE = `build-trace-v2/${DRV}/out.doi`;
const nixKey = PublicKey.parse(REALISATION_KEY);
const ownKey = SecretKey.generate('own-1');

describe('a realisation', () => {
  test.each([REALISATION_A, REALISATION_B])('of Nix 2.8 is read: $outPath', (file) => {
    const realisation = parse(file.text, file.path);
    expect(realisation.outPath.baseName).toBe(file.outPath);
    expect(realisation.signatures.map(({ keyName }) => keyName)).toEqual(['realisation-test-1']);
    expect(() => requireSignedRealisation(realisation, [nixKey])).not.toThrow();
  });

  test('may lack signatures and dependents, and have what is not known', () => {
    const { outPath } = REALISATION_A;
    const id = nameOf(REALISATION_A.path);
    const text = JSON.stringify({
      id: REALISATION_A.path.slice('realisations/'.length, -'.doi'.length),
      outPath,
      more: [1],
    });
    expect(parse(text, REALISATION_A.path)).toMatchObject({
      name: id,
      signatures: [],
      dependentRealisations: new Map(),
    });
  });

  test('of the newer layout has no id, and signatures in two spellings', () => {
    const outPath = '7h7qgvs4kgzsn8a6rb273saxyqh4jxlz-hello-1.0';
    const message = `{"key":{"drvPath":"${DRV}","outputName":"out"},"value":{"outPath":"${outPath}"}}`;
    const signature = ownKey.sign(utf8(message));
    const [, sig] = String(signature).split(':');
    for (const one of [String(signature), { keyName: 'own-1', sig }]) {
      const realisation = parse(JSON.stringify({ outPath, signatures: [one] }), TRACE);
      expect(Buffer.from(realisationFingerprint(realisation)).toString()).toBe(message);
      expect(() => requireSignedRealisation(realisation, [ownKey.publicKey])).not.toThrow();
    }
  });

  const changed = (members: Record<string, unknown>) =>
    JSON.stringify({ ...JSON.parse(REALISATION_B.text), ...members });

  test.each<readonly [string, string, string]>([
    ['that is empty', '', 'realisation'],
    ['that is no JSON', '{', 'realisation'],
    ['that is cut off', REALISATION_B.text.slice(0, -1), 'realisation'],
    ['with more behind it', `${REALISATION_B.text}x`, 'realisation'],
    ['that is a list', '[]', 'realisation'],
    ['that is null', 'null', 'realisation'],
    ['of another id', changed({ id: `sha256:${'0'.repeat(64)}!out` }), 'id'],
    ['of another output', changed({ id: REALISATION_B.path.slice(13, -7).concat('dev') }), 'id'],
    ['without an id', changed({ id: undefined }), 'id'],
    ['whose id is a number', changed({ id: 5 }), 'id'],
    ['without an outPath', changed({ outPath: undefined }), 'outPath'],
    [
      'whose outPath is absolute',
      changed({ outPath: `/nix/store/${REALISATION_B.outPath}` }),
      'outPath',
    ],
    ['whose outPath leads out', changed({ outPath: '../x' }), 'outPath'],
    ['whose signatures are no list', changed({ signatures: {} }), 'signatures'],
    ['with a signature that is none', changed({ signatures: ['a:b'] }), 'signatures'],
    ['with a signature that is a number', changed({ signatures: [5] }), 'signatures'],
    ['with half a signature', changed({ signatures: [{ keyName: 'a' }] }), 'sig'],
    [
      'whose dependents are a list',
      changed({ dependentRealisations: [] }),
      'dependentRealisations',
    ],
    [
      'with a dependent that is none',
      changed({ dependentRealisations: { x: REALISATION_A.outPath } }),
      'dependentRealisations',
    ],
    [
      'with a dependent that is no path',
      changed({
        dependentRealisations: { [`sha256:${'0'.repeat(64)}!out`]: 'x' },
      }),
      'dependentRealisations',
    ],
  ])('%s is refused', (_, text, field) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'REALISATION_INVALID',
        facts: expect.objectContaining({ url: REALISATION_B.path, field }),
      }),
    );
  });

  test('that is not UTF-8 is refused', () => {
    const bytes = Buffer.from(changed({ more: 'é' }), 'latin1');
    expect(() => parseRealisation(bytes, nameOf(REALISATION_B.path))).toThrow(
      expect.objectContaining({ code: 'REALISATION_INVALID' }),
    );
  });

  test('that is too long, or has too many signatures, is refused', () => {
    const limits = { ...DEFAULT_LIMITS, realisationBytes: 10 };
    const name = nameOf(REALISATION_B.path);
    expect(() => parseRealisation(utf8(REALISATION_B.text), name, { limits })).toThrow(
      expect.objectContaining({
        code: 'LIMIT_EXCEEDED',
        facts: expect.objectContaining({ limit: 'realisationBytes' }),
      }),
    );
    const one = String(ownKey.sign(utf8('x')));
    const many = Array.from({ length: DEFAULT_LIMITS.narinfoSignatures + 1 }, () => one);
    expect(() => parse(changed({ signatures: many }))).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
    );
  });

  test.each([
    [
      'whose outPath was changed',
      changed({ outPath: REALISATION_A.outPath }),
      'SIGNATURE_MISMATCH',
    ],
    ['whose dependents were changed', changed({ dependentRealisations: {} }), 'SIGNATURE_MISMATCH'],
    ['that nobody signed', changed({ signatures: [] }), 'SIGNATURE_MISSING'],
    [
      'that another key signed',
      changed({ signatures: [String(ownKey.sign(utf8('x')))] }),
      'SIGNATURE_MISSING',
    ],
  ])('%s is not believed', (_, text, code) => {
    expect(() => requireSignedRealisation(parse(text), [nixKey])).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
