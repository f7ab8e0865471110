/** A short, seeded piece of `npm run fuzz`, and all that it ever found. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { BlockCoverage } from './blockCoverage.ts';
import { casesOf } from './cases.ts';
import { arbitraryEdits, edited } from './edits.ts';
import { fuzz } from './fuzzer.ts';
import { Disagreement, type FuzzTarget, judge } from './target.ts';
import { sampleNarInfos } from './targets/narinfo.ts';
import { TARGETS } from './targets.ts';

/** Inputs for each target. */
const RUNS = 300;
const SEED = 20261128;

describe.each(Object.entries(TARGETS))('%s', (name, open) => {
  test('takes its seeds', async () => {
    await using target = await open();
    for (const seed of target.seeds) {
      const { word, finding } = await judge(target, seed);
      expect({ word, finding }).toEqual({
        word: expect.not.stringMatching(/^[A-Z]+_/),
        finding: undefined,
      });
    }
  });

  test('gives a result or an error with a code for whatever is made of them', async () => {
    await using target = await open();
    const { seeds, words } = target;
    const property = fc.asyncProperty(
      fc.constantFrom(...seeds),
      arbitraryEdits,
      async (seed, edits) => {
        const { finding } = await judge(target, edited(seed, edits, { words, others: seeds }));
        expect(finding).toBeUndefined();
      },
    );
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });

  const cases = casesOf(name);
  test.runIf(cases.length > 0).each(cases)('no longer fails with %s', async (_, input) => {
    await using target = await open();
    expect((await judge(target, input)).finding).toBeUndefined();
  });
});

describe('the fuzzer', () => {
  const utf8 = (text: string) => Buffer.from(text);
  const target = (run: FuzzTarget['run']): FuzzTarget => ({
    name: 'sample',
    seeds: [utf8('a long sample that says nothing')],
    words: [],
    run,
    async [Symbol.asyncDispose]() {},
  });

  test('finds what throws, and makes it small', async () => {
    const { findings } = await fuzz(
      target((input) => {
        if (!input.includes(0x61)) throw new TypeError('no a in it');
        return 'taken';
      }),
      { seconds: 20, seed: 1, runs: 200 },
    );
    expect(findings[0]?.reason).toMatch(/^TypeError: no a in it/);
    expect(findings[0]?.input).toHaveLength(0);
  });

  test('sees which code of ours ran for the first time', () => {
    const narinfo = Buffer.from('StorePath: x\n');
    const [valid = narinfo] = sampleNarInfos();
    using coverage = new BlockCoverage();
    expect(coverage.news().size).toBe(0);
    expect(() => parseNarInfo(narinfo)).toThrow();
    expect(coverage.news().size).toBeGreaterThan(10);
    expect(() => parseNarInfo(narinfo)).toThrow();
    expect(coverage.news().size).toBe(0);
    parseNarInfo(valid);
    expect(coverage.news().size).toBeGreaterThan(0);
  });

  test('tells a wrong result, and not a refusal', async () => {
    const wrong = await judge(
      target(() => {
        throw new Disagreement('1 is not 2');
      }),
      utf8(''),
    );
    expect(wrong.finding).toMatch(/1 is not 2/);
    expect(
      (
        await judge(
          target(() => 'taken'),
          utf8(''),
        )
      ).finding,
    ).toBeUndefined();
  });
});
