/**
 * Deliberate sabotage of a store that is being served:
 *
 *     node scripts/run.mjs scripts/sabotage.mjs [ROUNDS [BYTES A ROUND [SEED]]]
 *
 * Mirrors a cache of a dozen paths, serves the store from a process of its own, and changes one byte (or several)
 * in a random place of the packs in each round. `verify --deep` has to find each that matters and no other,
 * `verify --repair` to heal it, and every narinfo and NAR that is fetched meanwhile has to be right, refused or broken off.
 * Prints what came of it; exits with 1 if anything was missed, not healed, or served wrong.
 */
import { noise, prose } from '../test/contracts/sampleBytes.ts';
import { directory, executable, file } from '../test/support/syntheticTree.ts';
import { sabotage } from '../test/verify/sabotage.ts';

const rounds = Number(process.argv[2] ?? 100);
const flipsInRound = Number(process.argv[3] ?? 1);
const seed = Number(process.argv[4] ?? 1);

const shared = noise(600_000, 1);
const names = Array.from({ length: 12 }, (_, index) => `path-${index}`);
const paths = names.map((name, index) => ({
  name,
  references: names.slice(Math.max(0, index - 2), index),
  tree: directory({
    bin: directory({ [name]: executable(noise(50_000 + 1000 * index, index + 2)) }),
    share: directory({
      text: file(prose(40_000 * (1 + (index % 4)), index)),
      ...(index % 3 === 0 ? { shared: file(shared) } : {}),
    }),
    small: directory(
      Object.fromEntries(
        Array.from({ length: 20 }, (_, at) => [`file-${at}`, file(`${at} of ${name}\n`)]),
      ),
    ),
  }),
}));

const start = performance.now();
const tally = await sabotage({
  rounds,
  flipsInRound,
  seed,
  paths,
  onRound(round, { mattered, found, healed }) {
    if ((round + 1) % 10 !== 0) return;
    console.log(`${round + 1} rounds: ${mattered} mattered, ${found} found, ${healed} healed`);
  },
});
const seconds = ((performance.now() - start) / 1000).toFixed(0);
console.log(`${tally.flipped} bytes changed in ${rounds} rounds, ${seconds} s`);
console.log(`  that mattered   ${tally.mattered}`);
console.log(`  found           ${tally.found}`);
console.log(`  healed          ${tally.healed}`);
console.log(`  false alarms    ${tally.falseAlarms}`);
console.log(
  `answers: ${tally.right} right, ${tally.broken} refused or broken off, ${tally.wrong} wrong`,
);
const { mattered, found, healed, falseAlarms, wrong } = tally;
process.exitCode =
  found === mattered && healed === mattered && falseAlarms === 0 && wrong === 0 ? 0 : 1;
