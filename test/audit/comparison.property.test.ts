/** Random closures against random caches: what an audit says follows from the contents alone. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { memoryServices as memoryContents } from '../render/castoreTree.ts';
import { syntheticCache } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';
import { auditOf, said, witnessOf } from './auditHarness.ts';
import { keepWorld, keptPath } from './keptWorlds.ts';

/** A path of a closure: what it refers to, and which of three contents it has here and at each cache. */
interface PathCase {
  /** Each taken modulo the number of paths below it. */
  readonly references: readonly number[];
  readonly here: number;
  /** `undefined`: the cache does not have it. */
  readonly there: readonly (number | undefined)[];
}

const CACHES = 2;
const content = fc.integer({ min: 0, max: 2 });
// mostly the same contents, or no cache would ever agree
const rarely = <T>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: other });
const there = rarely<number | undefined>(fc.constant(0), fc.oneof(content, fc.constant(undefined)));
const pathCase: fc.Arbitrary<PathCase> = fc.record({
  references: fc.array(fc.nat(), { maxLength: 3 }),
  here: rarely(fc.constant(0), content),
  there: fc.tuple(...Array.from({ length: CACHES }, () => there)),
});

/** References go to lower numbers; the last path is the root and refers to the one before at least. */
function referencesOf(paths: readonly PathCase[], index: number): number[] {
  const given = (paths[index]?.references ?? []).map((number) => number % Math.max(1, index));
  const last = index === paths.length - 1 ? [index - 1] : [];
  return [...new Set([...given, ...last])].filter(
    (reference) => 0 <= reference && reference < index,
  );
}

function cacheOf(paths: readonly PathCase[], contentOf: (path: PathCase) => number | undefined) {
  const specs = paths.map((path, index) => ({
    name: `p${index}`,
    tree: file(`content ${contentOf(path)}`),
    references: referencesOf(paths, index).map((reference) => `p${reference}`),
  }));
  return syntheticCache(specs, { compression: 'none' });
}

const equal: PathCase = { references: [], here: 0, there: [0, 0] };
const EQUAL: PathCase[] = [equal, equal];
/** Each path is as one of the caches has it, and not as the other. */
const TORN: PathCase[] = [
  { ...equal, there: [0, 1] },
  { ...equal, there: [1, 0] },
];

test('outcomes, verdicts and mixtures', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(pathCase, { minLength: 2, maxLength: 7 }), async (paths) => {
      const services = { ...memoryContents(), pathInfoService: new MemoryPathInfoService() };
      const world = await keepWorld(services, (await cacheOf(paths, ({ here }) => here)).files);
      const witnesses = await Promise.all(
        Array.from({ length: CACHES }, async (_, cache) => {
          const { files, path } = await cacheOf(paths, ({ there }) => there[cache] ?? 0);
          for (const [index, { there }] of paths.entries()) {
            if (there[cache] === undefined) files.delete(path(`p${index}`).narinfoFile);
          }
          return witnessOf(`https://${cache}`, files);
        }),
      );
      const top = paths.length - 1;
      const report = said(await auditOf(services, [keptPath(world, `p${top}`)], { witnesses }));

      const closure = new Set([top]);
      for (const index of closure)
        for (const below of referencesOf(paths, index)) closure.add(below);
      const outcome = (index: number, cache: number) => {
        const path = paths[index];
        const said = path?.there[cache];
        return said === undefined ? 'absent' : said === path?.here ? 'same' : 'differs';
      };
      const members = [...closure];
      for (let cache = 0; cache < CACHES; cache++) {
        const expected = members.map((index) => [`p${index}`, outcome(index, cache)]);
        expect(report.paths[cache]).toEqual(Object.fromEntries(expected));
      }
      const caches = Array.from({ length: CACHES }, (_, cache) => cache);
      const agreed = caches.some((cache) => members.every((one) => outcome(one, cache) === 'same'));
      const verdicts = (report.closures[0]?.verdicts ?? []).map(
        (verdict) => verdict?.split(':')[0],
      );
      const covered = members.every((one) =>
        caches.some((cache) => outcome(one, cache) === 'same'),
      );
      const mixed = !agreed && covered && verdicts.includes('differs');
      expect(report.closures).toMatchObject([{ agreed, mixed }]);
      for (const cache of caches) {
        const whole = members.every((one) => outcome(one, cache) === 'same');
        expect(verdicts[cache] === 'same').toBe(whole);
      }
      const differs = caches.some((cache) =>
        members.some((one) => outcome(one, cache) === 'differs'),
      );
      expect(report.outcome).toBe(differs ? 'findings' : 'clean');
      seen.add(`agreed ${agreed}`).add(`mixed ${mixed}`).add(report.outcome);
    }),
    { numRuns: 150, examples: [[TORN], [EQUAL]] },
  );
  // the cases are not all of one kind
  expect([...seen].sort()).toEqual(
    ['agreed false', 'agreed true', 'clean', 'findings', 'mixed false', 'mixed true'].sort(),
  );
});
