/**
 * Runs the contract suites over all implementations and prints how many tests passed, as a table:
 *
 *     npm run contracts
 *
 * A cell is `passed` or, where some did not, `passed/all`. Ends with 1 if any test failed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How the suites of `test/contracts` name themselves: the implementation, and the contract. */
const SUITE_NAMES = [
  /^(?<name>.*) as a (?<contract>\w+)$/,
  /^(?<contract>the current view) of (?<name>.*)$/,
  /^(?<contract>preferences) of (?<name>.*)$/,
];

/** @typedef {{ passed: number, all: number }} Count */
/** @typedef {{ ancestorTitles: string[], status: string }} AssertionResult */

function runTests() {
  const directory = mkdtempSync(join(tmpdir(), 'narthex-contracts-'));
  try {
    const output = join(directory, 'results.json');
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=json'];
    const { status } = spawnSync(
      process.execPath,
      [
        ...args,
        `--outputFile=${output}`,
        'ontracts.test.ts',
        'memory',
        'test/store/',
        'test/workers/',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    /** @type {{ testResults: { assertionResults: AssertionResult[] }[] }} */
    const results = JSON.parse(readFileSync(output, 'utf8'));
    return { status, tests: results.testResults.flatMap((file) => file.assertionResults) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** By implementation and contract. @param {readonly AssertionResult[]} tests */
function count(tests) {
  /** @type {Map<string, Map<string, Count>>} */
  const table = new Map();
  for (const { ancestorTitles, status } of tests) {
    for (const title of ancestorTitles) {
      const groups = SUITE_NAMES.map((pattern) => pattern.exec(title)?.groups).find(Boolean);
      if (groups === undefined) continue;
      const { name = '', contract = '' } = groups;
      const row = table.get(name) ?? new Map();
      table.set(name, row);
      const cell = row.get(contract) ?? { passed: 0, all: 0 };
      row.set(contract, cell);
      cell.all++;
      if (status === 'passed') cell.passed++;
      break;
    }
  }
  return table;
}

const { status, tests } = runTests();
const table = count(tests);
const contracts = [...new Set([...table.values()].flatMap((row) => [...row.keys()]))].sort();
/** @param {Count | undefined} cell */
const shown = (cell) =>
  cell === undefined ? '' : cell.passed === cell.all ? `${cell.all}` : `${cell.passed}/${cell.all}`;
console.log(`| implementation | ${contracts.join(' | ')} |`);
console.log(`|---|${contracts.map(() => '--:').join('|')}|`);
for (const [name, row] of [...table].sort(([a], [b]) => a.localeCompare(b))) {
  console.log(`| ${name} | ${contracts.map((contract) => shown(row.get(contract))).join(' | ')} |`);
}
const sum = [...table.values()]
  .flatMap((row) => [...row.values()])
  .reduce((all, cell) => ({ passed: all.passed + cell.passed, all: all.all + cell.all }), {
    passed: 0,
    all: 0,
  });
console.log(`\n${sum.passed} of ${sum.all} passed`);
process.exitCode = status === 0 && sum.passed === sum.all ? 0 : 1;
