/**
 * The end of a test run: every skipped test by name, with its reason if it gives one, then one
 * closing line with the counts. With NARTHEX_TEST_COUNTS=FILE the counts go there as well, as JSON.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule, Vitest } from 'vitest/node';

/** How many tests ended in which way. */
export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
}

/** The closing line of a test run. */
export function formatCounts({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

export default class CountsReporter implements Reporter {
  private vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: 'passed' | 'interrupted' | 'failed',
  ): void {
    const { counts, skipped } = countTests(modules);
    counts.failed += unhandledErrors.length;
    // no test is at fault (an interruption, no test file found), yet the run did not succeed
    if (reason !== 'passed' && counts.failed === 0) counts.failed = 1;

    // tests that a name pattern leaves out are not worth a line each
    const filtered = this.vitest?.getGlobalTestNamePattern() !== undefined;
    const lines = filtered ? [] : skipped;
    process.stdout.write(`\n${[...lines, formatCounts(counts)].join('\n')}\n`);

    const file = process.env['NARTHEX_TEST_COUNTS'];
    if (file !== undefined && file !== '') writeFileSync(file, JSON.stringify(counts));
  }
}

/**
 * Counts tests. A file that does not load and a suite whose hooks fail count as one failed test
 * each, and so does a test that did not come to its end.
 */
function countTests(modules: readonly TestModule[]): { counts: TestCounts; skipped: string[] } {
  const counts: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  const skipped: string[] = [];
  for (const module of modules) {
    for (const suite of [module, ...module.children.allSuites()]) {
      if (suite.errors().length > 0) counts.failed++;
    }
    for (const test of module.children.allTests()) {
      const result = test.result();
      counts[result.state === 'pending' ? 'failed' : result.state]++;
      if (result.state === 'skipped') {
        const reason = result.note ?? (test.options.mode === 'todo' ? 'to do' : undefined);
        const name = `${module.relativeModuleId} > ${test.fullName}`;
        skipped.push(`skipped: ${name}${reason === undefined ? '' : `: ${reason}`}`);
      }
    }
  }
  return { counts, skipped };
}
