/**
 * `npm run fuzz -- [--seconds N] [--only NAME] [--seed N]`: fuzzes every target for so long, prints a
 * table, and keeps what it finds in `test/fuzz/cases`, where the test suite finds it.
 */
import { parseArgs } from 'node:util';
import { keepCase } from './cases.ts';
import { fuzz } from './fuzzer.ts';
import { TARGETS } from './targets.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);
const names = Object.keys(TARGETS).filter(
  (name) => values.only === undefined || name.includes(values.only),
);
if (names.length === 0) throw new Error(`no target is called ${values.only}`);

const say = (line: string) => process.stdout.write(`${line}\n`);
say(`seed ${seed}`);
say(
  'target              |     runs | seconds |  runs/s | corpus | blocks | taken | ways | findings',
);
let found = 0;
for (const name of names) {
  const open = TARGETS[name];
  if (open === undefined) continue;
  await using target = await open();
  const report = await fuzz(target, { seconds, seed });
  const { runs, corpus, blocks, words, findings } = report;
  const taken = [...words].reduce(
    (sum, [word, count]) => (/^[A-Z]+_[A-Z_]+( |$)/.test(word) ? sum : sum + count),
    0,
  );
  say(
    [
      name.padEnd(19),
      String(runs).padStart(8),
      report.seconds.toFixed(1).padStart(7),
      (runs / report.seconds).toFixed(0).padStart(7),
      String(corpus).padStart(6),
      String(blocks).padStart(6),
      `${((100 * taken) / runs).toFixed(0)}%`.padStart(5),
      String(words.size).padStart(4),
      findings.length,
    ].join(' | '),
  );
  for (const finding of findings) {
    found++;
    say(`  ${keepCase(name, finding)}\n  ${finding.reason.split('\n').slice(0, 6).join('\n  ')}`);
  }
}
process.exitCode = found > 0 ? 1 : 0;
